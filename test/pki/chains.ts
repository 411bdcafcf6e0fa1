/**
 * Random certificates with something wrong about them, or nothing: the same seed gives the same shapes on every machine (keys are new each
 * time). About a third of the sets has a valid path.
 */
import { type CertificateSpec, type IssuedCertificate, makeCertificate } from '../authority/certificate.ts';
import { boolean, oid, sequence } from '../authority/der.ts';
import { type ExtensionSpec, extension } from '../authority/extensions.ts';
import { type KeyPair, makeKey } from '../authority/keys.ts';
import { createPrng, type Prng } from '../fuzz/mutate.ts';

export interface GeneratedChain {
  readonly number: number;
  /** What was done, for the report. */
  readonly features: readonly string[];
  /** The end entity first, the others shuffled. */
  readonly presented: readonly IssuedCertificate[];
  readonly anchors: readonly IssuedCertificate[];
  readonly at: Date;
  readonly purpose: 'any' | 'tls-server' | 'tls-client';
  readonly name: { readonly type: 'fqdn' | 'ip' | 'email'; readonly text: string } | undefined;
}

export const AT = new Date('2026-06-01T12:00:00Z');
const BEFORE = new Date('2026-01-01T00:00:00Z');
const AFTER = new Date('2027-01-01T00:00:00Z');

/** Chain `number` of `seed`. */
export function generateChain(seed: number, number: number): GeneratedChain {
  return new Generator(createPrng(seed * 1_000_003 + number)).chain(number);
}

/** Mutable while it is made up. */
type Draft = { -readonly [K in keyof CertificateSpec]: CertificateSpec[K] } & { features: string[]; signer?: 'wrong' };

class Generator {
  readonly #prng: Prng;

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  chain(number: number): GeneratedChain {
    const prng = this.#prng;
    const depth = prng.below(4);
    const drafts = [this.#authority(0), ...Array.from({ length: depth }, (_, i) => this.#authority(i + 1)), this.#endEntity()];
    if (depth > 0 && prng.oneIn(6)) this.#selfIssue(drafts);
    for (let changes = prng.pick([0, 0, 1, 1, 1, 2, 2, 3]); changes > 0; changes--) this.#change(drafts);
    if (prng.oneIn(8)) this.#policies(drafts);
    const made: IssuedCertificate[] = [];
    for (const [i, draft] of drafts.entries()) made.push(build(draft, i === 0 ? undefined : made[i - 1]));
    const features = drafts.flatMap((draft, i) => draft.features.map((feature) => `${i}:${feature}`));
    return this.#arrange(number, drafts, made, features);
  }

  /** Which are anchors, which are sent, and what is beside them. */
  #arrange(number: number, drafts: readonly Draft[], made: readonly IssuedCertificate[], features: string[]): GeneratedChain {
    const prng = this.#prng;
    const [root] = made;
    const endEntity = made[made.length - 1];
    const anchors = [root];
    const others = made.slice(1, -1);
    const aside = (what: string, certificate: IssuedCertificate, list: IssuedCertificate[]): void => {
      features.push(what);
      list.push(certificate);
    };
    const second = build({ ...plain('CN=Second Root,O=Office', 10), ca: true }, undefined);
    if (prng.oneIn(8)) aside('another anchor', second, anchors);
    if (prng.oneIn(8)) {
      features.push('the anchor is not trusted');
      anchors[0] = second;
    }
    const target = prng.below(made.length - 1);
    if (prng.oneIn(4)) {
      const { features: _, ...spec } = drafts[target];
      const cross = makeCertificate(
        { ...spec, subject: made[target].subject, key: made[target].key, ca: true, notAfter: AFTER },
        second,
      );
      aside(`${target}:cross-signed`, cross, others);
      if (!anchors.includes(second) && prng.oneIn(2)) aside('another anchor', second, anchors);
    }
    if (target > 0 && prng.oneIn(6)) {
      const old = {
        ...plain('', 0),
        subject: made[target].subject,
        key: made[target].key,
        ca: true,
        notAfter: BEFORE,
        notBefore: new Date('2020-01-01'),
      };
      aside(`${target}:an expired sibling`, build(old, made[target - 1]), others);
    }
    if (made.length > 2 && prng.oneIn(12)) {
      features.push('an intermediate is the anchor');
      anchors[0] = made[1 + prng.below(made.length - 2)];
    }
    if (others.length > 0 && prng.oneIn(10)) {
      features.push('one is missing');
      others.splice(prng.below(others.length), 1);
    }
    if (prng.oneIn(6)) aside('the root is sent', root, others);
    if (prng.oneIn(40)) {
      features.push('the end entity is the anchor');
      anchors.push(endEntity);
    }
    const shuffled = others.map((certificate) => ({ certificate, order: prng.u32() })).sort((a, b) => a.order - b.order);
    const purpose = prng.pick(['any', 'tls-server', 'tls-server', 'tls-client'] as const);
    const name = prng.oneIn(3) ? prng.pick(wantedNames) : undefined;
    return {
      number,
      features,
      presented: [endEntity, ...shuffled.map(({ certificate }) => certificate)],
      anchors,
      at: AT,
      purpose,
      name,
    };
  }

  #authority(level: number): Draft {
    const prng = this.#prng;
    const draft: Draft = { ...plain(`CN=Authority ${level},O=Office`, level), ca: true };
    if (prng.oneIn(6)) this.#pathLength(draft);
    if (prng.oneIn(8)) this.#constraints(draft);
    return draft;
  }

  #endEntity(): Draft {
    const prng = this.#prng;
    const draft: Draft = plain(
      prng.pick(['CN=vpn.office.test,O=Office', 'CN=alice,OU=Sales,O=Office', 'CN=bob,O=Other', 'E=a@office.test,CN=x,O=Office']),
      8,
    );
    if (!prng.oneIn(6)) draft.san = Array.from({ length: 1 + prng.below(3) }, () => prng.pick(names));
    if (!prng.oneIn(3)) draft.eku = prng.pick([['serverAuth'], ['clientAuth'], ['serverAuth', 'clientAuth'], ['any']]);
    draft.features.push(`names ${draft.san?.join(' ') ?? 'none'}`, `eku ${draft.eku?.join(' ') ?? 'none'}`);
    return draft;
  }

  /** One of the authorities gets a successor of the same name (RFC 5280 §6.1: self-issued). */
  #selfIssue(drafts: Draft[]): void {
    const at = this.#prng.below(drafts.length - 1);
    const again: Draft = { ...plain('', 11), ca: true, subject: drafts[at].subject };
    again.features.push('self-issued');
    drafts.splice(at + 1, 0, again);
  }

  #change(drafts: readonly Draft[]): void {
    const prng = this.#prng;
    const draft = prng.pick(drafts);
    const change = prng.pick(changes);
    change.call(this, draft, prng);
  }

  #policies(drafts: readonly Draft[]): void {
    const prng = this.#prng;
    for (const draft of drafts.slice(1)) {
      if (prng.oneIn(6)) continue;
      draft.policies = [...new Set(prng.pick([[P1], [P2], [P1, P2], [anyPolicy], [P1, anyPolicy]]))];
      draft.features.push(`policies ${draft.policies.map(short).join('+')}`);
    }
    const authorities = drafts.slice(1, -1);
    if (authorities.length === 0) return;
    const draft = prng.pick(authorities);
    const add = (text: string, one: ExtensionSpec): void => {
      draft.features.push(text);
      draft.extensions = [...(draft.extensions ?? []), one];
    };
    const skip = prng.below(3);
    if (!prng.oneIn(3)) add(`requireExplicitPolicy ${skip}`, extension.policyConstraints(skip, prng.oneIn(3) ? 0 : undefined));
    if (prng.oneIn(4)) add(`inhibitAnyPolicy ${skip}`, extension.inhibitAnyPolicy(skip));
    if (prng.oneIn(3)) {
      const pairs = prng.pick([
        [[P1, P2]],
        [
          [P1, P2],
          [P2, P1],
        ],
        [[P2, P3]],
        [[anyPolicy, P1]],
      ]);
      add(`mapping ${pairs.map((pair) => pair.map(short).join('>')).join(' ')}`, mappings(pairs));
    }
  }

  #pathLength(draft: Draft): void {
    const pathLength = this.#prng.below(3);
    draft.ca = { pathLength };
    draft.features.push(`pathLen ${pathLength}`);
  }

  #constraints(draft: Draft): void {
    const prng = this.#prng;
    const some = (): string[] => [...new Set(Array.from({ length: 1 + prng.below(3) }, () => prng.pick(subtrees)))];
    const permitted = prng.oneIn(3) ? [] : some();
    const excluded = permitted.length === 0 || prng.oneIn(3) ? some() : [];
    draft.nameConstraints = { permitted, excluded };
    draft.features.push(`permits ${permitted.join(' ')} excludes ${excluded.join(' ')}`);
  }
}

const P1 = '1.2.3.1';
const P2 = '1.2.3.2';
const P3 = '1.2.3.3';
const anyPolicy = '2.5.29.32.0';
const short = (policy: string): string => (policy === anyPolicy ? 'any' : `P${policy.slice(-1)}`);

const names: readonly string[] = [
  'dns:vpn.office.test',
  'dns:vpn.office.test',
  'dns:www.office.test',
  'dns:*.office.test',
  'dns:other.test',
  'dns:host_1.office.test',
  'email:a@office.test',
  'email:b@mail.office.test',
  'ip:192.0.2.1',
  'ip:198.51.100.7',
  'ip:2001:db8::1',
  'uri:http://web.office.test/path',
  'uri:urn:x:y',
  'dn:CN=someone,O=Office',
  'dn:CN=someone,O=Other',
  'upn:alice@office.test',
];

const subtrees: readonly string[] = [
  'dns:office.test',
  'dns:office.test',
  'dns:vpn.office.test',
  'dns:.office.test',
  'dns:other.test',
  'email:office.test',
  'email:.office.test',
  'email:a@office.test',
  'ip:192.0.2.0/24',
  'ip:198.51.100.0/28',
  'ip:2001:db8::/32',
  'uri:web.office.test',
  'uri:.office.test',
  'dn:O=Office',
  'dn:O=office ',
  'dn:OU=Sales,O=Office',
  'upn:alice@office.test',
];

const wantedNames: readonly NonNullable<GeneratedChain['name']>[] = [
  { type: 'fqdn', text: 'vpn.office.test' },
  { type: 'fqdn', text: 'vpn.office.test' },
  { type: 'fqdn', text: 'VPN.office.TEST' },
  { type: 'fqdn', text: 'a.b.office.test' },
  { type: 'ip', text: '192.0.2.1' },
  { type: 'ip', text: '2001:db8::1' },
  { type: 'email', text: 'a@office.test' },
];

type Change = (this: Generator, draft: Draft, prng: Prng) => void;

/** Each says what it did. Several are nothing wrong. */
const changes: readonly Change[] = [
  said('expired', (draft) => {
    draft.notAfter = new Date('2026-05-01T00:00:00Z');
  }),
  said('not yet valid', (draft) => {
    draft.notBefore = new Date('2026-07-01T00:00:00Z');
  }),
  said('valid to this second', (draft) => {
    draft.notAfter = AT;
  }),
  said('valid from this second', (draft) => {
    draft.notBefore = AT;
  }),
  said('pathLen 0', (draft) => {
    if (draft.ca !== undefined) draft.ca = { pathLength: 0 };
  }),
  said('cA false', (draft) => {
    draft.ca = false;
  }),
  said('no basic constraints', (draft) => {
    draft.basicConstraints = null;
  }),
  said('version 1', (draft) => {
    draft.version = 1;
  }),
  said('no key usage', (draft) => {
    draft.keyUsage = null;
  }),
  said('key usage digitalSignature', (draft) => {
    draft.keyUsage = ['digitalSignature'];
  }),
  said('key usage keyEncipherment', (draft) => {
    draft.keyUsage = ['keyEncipherment'];
  }),
  said('key usage keyAgreement', (draft) => {
    draft.keyUsage = ['keyAgreement'];
  }),
  said('key usage dataEncipherment', (draft) => {
    draft.keyUsage = ['dataEncipherment'];
  }),
  said('key usage keyCertSign', (draft) => {
    draft.keyUsage = ['keyCertSign'];
  }),
  said('eku serverAuth', (draft) => {
    draft.eku = ['serverAuth'];
  }),
  said('eku clientAuth', (draft) => {
    draft.eku = ['clientAuth'];
  }),
  said('eku any', (draft) => {
    draft.eku = ['any'];
  }),
  said('eku codeSigning, critical', (draft) => {
    add(draft, extension.extendedKeyUsage(['codeSigning'], true));
  }),
  said('an unknown critical extension', (draft) => {
    add(draft, { oid: '1.3.6.1.4.1.55555.1', critical: true, value: sequence() });
  }),
  said('an unknown extension', (draft) => {
    add(draft, { oid: '1.3.6.1.4.1.55555.1', value: sequence() });
  }),
  said('an extension twice', (draft) => {
    const twice = { oid: '1.3.6.1.4.1.55555.2', value: sequence() };
    draft.extensions = [...(draft.extensions ?? []), twice, twice];
  }),
  said('a malformed extension', (draft) => {
    add(draft, { oid: '2.5.29.15', critical: true, value: Uint8Array.of(0x03, 0x05, 1) });
  }),
  said('critical FALSE spelt out', (draft) => {
    add(draft, { oid: '2.5.29.19', critical: true, value: sequence(boolean(draft.ca !== undefined && draft.ca !== false)) });
  }),
  said('signature broken', (draft) => {
    draft.signature = { broken: true };
  }),
  said('signed by another key', (draft) => {
    draft.signer = 'wrong';
  }),
  said('another issuer', (draft) => {
    draft.issuer = 'CN=Somebody Else,O=Office';
  }),
  said('signed with SHA-1', (draft) => {
    draft.signature = { hash: 'sha1' };
  }),
  said('signed with SHA-512', (draft) => {
    draft.signature = { hash: 'sha512' };
  }),
  said('an RSA key of 1024 bit', (draft) => {
    draft.key = rsa1024();
  }),
  said('an RSA key', (draft) => {
    draft.key = rsa2048();
  }),
  said('no key identifiers', (draft) => {
    draft.subjectKeyId = null;
    draft.authorityKeyId = null;
  }),
  said('another authority key identifier', (draft) => {
    draft.authorityKeyId = new Uint8Array(20).fill(7);
  }),
  said('inner algorithm another', (draft) => {
    draft.innerAlgorithm = sequence(oid('1.2.840.10045.4.3.4'));
  }),
  said('serial 0', (draft) => {
    draft.serial = 0;
  }),
  said('a negative serial', (draft) => {
    draft.serial = Uint8Array.of(0xfe);
  }),
  said('a name with other case and blanks', (draft) => {
    // Of itself, so the certificates below name their issuer in another way than it names itself.
    if (typeof draft.subject === 'string') draft.subject = draft.subject.replace('O=Office', 'O= OFFICE  ');
  }),
  said('san of an authority', (draft, prng) => {
    draft.san = [prng.pick(names)];
  }),
  said('name constraints not critical', (draft) => {
    add(draft, extension.nameConstraints(['dns:office.test'], [], false));
  }),
  said('an empty permitted directory name', (draft) => {
    add(draft, extension.nameConstraints(['dn:'], []));
  }),
  said('an odd extended key usage', (draft) => {
    add(draft, { oid: '2.5.29.37', value: sequence(oid('1.3.6.1.5.5.7.3.1'), oid('1.3.6.1.4.1.55555.9')) });
  }),
];

function said(text: string, change: (draft: Draft, prng: Prng) => void): Change {
  return (draft, prng) => {
    draft.features.push(text);
    change(draft, prng);
  };
}

function add(draft: Draft, one: ExtensionSpec): void {
  draft.extensions = [...(draft.extensions ?? []).filter(({ oid: id }) => id !== one.oid), one];
}

function plain(subject: string, key: number): Draft {
  return { subject, key: pooled(key), notBefore: BEFORE, notAfter: AFTER, features: [] };
}

function build({ features: _, signer, ...spec }: Draft, issuer: IssuedCertificate | undefined): IssuedCertificate {
  return makeCertificate(signer === 'wrong' ? { ...spec, signedBy: pooled(99) } : spec, issuer);
}

/** One pair for each place, so that chains cost no time. */
const pool = new Map<number, KeyPair>();

function pooled(place: number): KeyPair {
  const known = pool.get(place) ?? makeKey('p256');
  pool.set(place, known);
  return known;
}

let small: KeyPair | undefined;
let large: KeyPair | undefined;

function rsa1024(): KeyPair {
  small ??= makeKey('rsa1024');
  return small;
}

function rsa2048(): KeyPair {
  large ??= makeKey('rsa');
  return large;
}

function mappings(pairs: readonly (readonly string[])[]): ExtensionSpec {
  const value = sequence(...pairs.map((pair) => sequence(...pair.map((policy) => oid(policy)))));
  return { oid: '2.5.29.33', critical: true, value };
}
