/**
 * strongSwan's `.sswan` profiles (JSON; https://docs.strongswan.org/docs/latest/os/androidVpnClientProfiles.html), with the quirks
 * of real ones. Every field is told of: kept, changed, dropped and why. What is unknown is dropped with its name.
 */

import { fromUtf8, toUtf8 } from '../bytes/bytes.ts';
import { err, ok, type Result } from '../bytes/result.ts';
import { signatureName } from '../crypto/signatureNames.ts';
import { selectorCidr, selectorFromCidr } from '../ike/wire/selectorText.ts';
import type { Certificate } from '../pki/contract.ts';
import { fromBase64, looksLikePem, maxPemCharacters } from '../pki/pem.ts';
import type { GatewayTrust } from '../rpc/contract.ts';
import { leftOutText, readBundle } from './bundle.ts';
import type { Imported } from './convert.ts';
import { type Fault, shown } from './faults.ts';
import { type ForeignFields, readForeign } from './foreignFields.ts';
import { translateProposals } from './foreignProposals.ts';
import { type ImportError, importFields, malformed, told } from './import.ts';
import type { JsonObject } from './json.ts';
import type { ReadKey } from './keys.ts';
import { networksOf, parseRange } from './networks.ts';
import { createNotes, type Notes } from './notes.ts';

export interface SswanOptions {
  /** Of `local.p12`. */
  readonly password: string | undefined;
  /** Instead of the file's. */
  readonly name?: string | undefined;
  /** Date.now() milliseconds. */
  readonly now: number;
}

const TYPES = {
  'ikev2-eap': 'eap',
  'ikev2-cert': 'certificate',
  'ikev2-cert-eap': 'certificate-eap',
  'ikev2-eap-tls': 'eap',
} as const;
type SswanType = keyof typeof TYPES;

const BYOD = 'ikev2-byod-eap';
const MOST_NETWORKS = 64;

/** An object with what only theirs have; that `type` may be wrong or forgotten is told then. */
export function looksLikeSswan(root: JsonObject): boolean {
  if (Object.hasOwn(root, 'sallyport')) return false;
  return (typeof root.type === 'string' && /^\s*ikev2/i.test(root.type)) || Object.hasOwn(root, 'remote');
}

export function importSswan(root: JsonObject, { password, name, now }: SswanOptions): Result<Imported, ImportError> {
  const notes = createNotes();
  const fields = readForeign(root, notes);
  const given = fields.text('type')?.toLowerCase();
  if (given === undefined) return malformed(`type: is missing; expected ${Object.keys(TYPES).join(', ')}`);
  if (given === BYOD) {
    const why =
      'its gateway wants a health report of the computer (TNC), which Sallyport does not give; ask for a profile of type "ikev2-eap"';
    return err({ code: 'import-unsupported', detail: `type: "${BYOD}": ${why}` });
  }
  if (!isType(given)) {
    return malformed(`type: expected ${Object.keys(TYPES).join(', ')}, found "${shown(given)}"`);
  }
  const faults: Fault[] = [];
  const file: Record<string, unknown> = {
    sallyport: 1,
    ...present({
      uuid: needed(fields, 'uuid', faults),
      // Whoever gives one need not have one in the file.
      name: name === undefined ? needed(fields, 'name', faults) : fields.text('name'),
      gateway: needed(fields, 'remote.addr', faults),
    }),
    ...present({ localId: fields.text('local.id'), remoteId: fields.text('remote.id') }),
    auth: authOf(given, fields, notes),
    gatewayAuth: gatewayOf(fields, notes),
    ...networksFrom(fields, faults, notes),
    ...transportFrom(fields, notes),
  };
  if (name !== undefined) {
    file.name = name;
    notes.changed('name', 'name-given', `"${shown(name)}", as you asked`, { value: shown(name) });
  }
  const bundle = bundleOf(given, fields, password, faults);
  const pss = pssOf(given, fields);
  dropOthers(fields);
  fields.leftovers();
  const wrong = [...fields.faults, ...faults];
  if (wrong.length > 0) {
    if (bundle.ok) bundle.value?.key?.pkcs8.fill(0);
    return malformed(told(wrong));
  }
  if (!bundle.ok) return bundle;
  const { key, chain = [], authorities = [], others = [] } = bundle.value ?? {};
  const inner = createNotes();
  // Theirs adds these to what its computer trusts.
  const trusted = Object.hasOwn(Object(file.gatewayAuth), 'authorities') ? [] : authorities;
  noteBundle(authorities, trusted, others, notes);
  if (key && !key.encrypted) {
    notes.warning(
      'local.p12',
      'clear-text',
      'everybody who can read the file can use the key: delete the file when it is imported',
    );
  }
  const signatures = signaturesOf(key, pss);
  if (signatures) file.auth = { ...Object(file.auth), signatures };
  const imported = importFields(file, {
    notes: inner,
    now,
    material: { ...(trusted.length > 0 && { authorities: trusted }), ...(key && { key, certificates: chain }) },
    naming,
  });
  if (!imported.ok) return imported;
  return ok({ ...imported.value, notes: report(fields, notes, inner) });
}

function isType(type: string): type is SswanType {
  return Object.hasOwn(TYPES, type);
}

function needed(fields: ForeignFields, path: string, faults: Fault[]): string | undefined {
  const text = fields.text(path);
  if (text === undefined && !fields.faults.some(({ field }) => field === path)) faults.push({ field: path, text: 'is missing' });
  return text;
}

function authOf(type: SswanType, fields: ForeignFields, notes: Notes): Readonly<Record<string, unknown>> {
  const method = TYPES[type];
  if (method === 'certificate') {
    for (const path of ['local.eap_id', 'local.shared_secret']) fields.drop(path, 'not-needed', `"${type}" does not use it`);
    return { method };
  }
  const identity = fields.text('local.eap_id');
  if (type === 'ikev2-eap-tls') {
    fields.drop('local.shared_secret', 'not-needed', `"${type}" does not use it`);
    return present({ method, methods: ['tls'], identity });
  }
  const password = fields.secret('local.shared_secret');
  if (password !== undefined) notes.kept('local.shared_secret');
  return present({ method, identity, password });
}

function gatewayOf(fields: ForeignFields, notes: Notes): Readonly<Record<string, unknown>> {
  const certificates = fields.texts('remote.cert');
  if (certificates === undefined) {
    const why = 'none given: the gateway’s certificate may be of any authority this computer trusts';
    notes.changed('remote.cert', 'system-roots', why);
  }
  const revocation: Partial<GatewayTrust['revocation']> = {
    crl: fields.flag('remote.revocation.crl') ?? true,
    ocsp: fields.flag('remote.revocation.ocsp') ?? true,
    strict: fields.flag('remote.revocation.strict') ?? false,
  };
  return present({
    method: 'certificate',
    authorities: certificates?.map(pem),
    // Theirs takes whatever its computer trusts then.
    systemRoots: certificates === undefined,
    certreq: fields.flag('remote.certreq'),
    revocation,
  });
}

/** Of base64 of DER, of base64 of PEM, or of PEM whose line breaks got lost. */
function pem(given: string): string {
  const octets = looksLikePem(given) ? undefined : fromBase64(given);
  const text = octets ? toUtf8(octets.subarray(0, maxPemCharacters)) : given;
  if (looksLikePem(text)) return text.replace(/-----(BEGIN|END) [A-Z0-9. ]{1,64}-----/g, '\n$&\n');
  return `-----BEGIN CERTIFICATE-----\n${given}\n-----END CERTIFICATE-----\n`;
}

/** `split-tunneling`: what goes through the tunnel, and what of it does not. */
function networksFrom(fields: ForeignFields, faults: Fault[], notes: Notes): Readonly<Record<string, unknown>> {
  const ranges = (path: string) =>
    (fields.list(path) ?? []).flatMap((text) => {
      const range = parseRange(text);
      const selector = range && selectorFromCidr(text);
      const normal = selector && selectorCidr(selector);
      if (text.includes('/') && normal !== undefined && normal !== text.toLowerCase()) {
        const values = { from: shown(text), value: normal };
        notes.changed(path, 'network-widened', `${shown(text)} is the network ${normal}`, values);
      }
      if (!range) faults.push({ field: path, text: `expected networks, addresses or ranges, found "${shown(text)}"` });
      return range ? [range] : [];
    });
  const included = ranges('split-tunneling.subnets');
  const excluded = ranges('split-tunneling.excluded');
  for (const family of ['ipv4', 'ipv6']) {
    const path = `split-tunneling.block-${family}`;
    const why = 'what is not for the tunnel is not blocked here';
    if (fields.flag(path) === true) notes.dropped(path, 'not-supported', why, { value: path });
  }
  if (included.length === 0 && excluded.length === 0) return {};
  const everything = ['0.0.0.0/0', '::/0'].flatMap((text) => parseRange(text) ?? []);
  const networks = networksOf(included.length > 0 ? included : everything, excluded, MOST_NETWORKS);
  if (networks && networks.length > 0) {
    if (excluded.length > 0) {
      const why = `written as the ${networks.length} networks that are left`;
      notes.changed('split-tunneling.excluded', 'written-otherwise', why, { value: networks.length });
    }
    return { remoteNetworks: networks };
  }
  const why = networks
    ? 'nothing would be left for the tunnel'
    : `more than ${MOST_NETWORKS} networks are needed to say it; expected fewer or larger ranges`;
  faults.push({ field: 'split-tunneling', text: why });
  return {};
}

function transportFrom(fields: ForeignFields, notes: Notes): Readonly<Record<string, unknown>> {
  const port = fields.whole('remote.port');
  // Theirs speaks to any other port as to 4500, from the first message on.
  const usual = port === undefined || port === 500 || port === 4500;
  if (port === 4500) notes.changed('remote.port', 'written-otherwise', 'ports 500 and 4500 are used', { value: '500, 4500' });
  if (!usual) notes.changed('remote.port', 'written-otherwise', `both ports of the gateway are ${port}`, { value: port });
  const ike = fields.list('ike-proposal');
  const esp = fields.list('esp-proposal');
  return present({
    gatewayPorts: usual ? undefined : { ike: port, natt: port },
    ikeProposals: ike && translateProposals('ike-proposal', ike, 'ike', notes),
    espProposals: esp && translateProposals('esp-proposal', esp, 'esp', notes),
    mtu: nearest('mtu', fields.whole('mtu'), 1280, 1500, notes),
    natKeepalive: nearest('nat-keepalive', fields.whole('nat-keepalive'), 5, 3600, notes),
  });
}

function nearest(path: string, value: number | undefined, low: number, high: number, notes: Notes): number | undefined {
  if (value === undefined || (path === 'nat-keepalive' && value === 0)) return value;
  const near = Math.min(high, Math.max(low, value));
  if (near !== value) notes.changed(path, 'nearest-taken', `${value} is out of range: ${near}`, { from: value, value: near });
  return near;
}

function bundleOf(type: SswanType, fields: ForeignFields, password: string | undefined, faults: Fault[]) {
  if (type === 'ikev2-eap') {
    fields.drop('local.p12', 'not-needed', `"${type}" does not use it`);
    return ok(undefined);
  }
  const base64 = fields.text('local.p12');
  if (base64 === undefined) {
    // Theirs asks for a certificate of the phone's own; here it must come along.
    const why = `is missing: "${type}" needs your certificate; import the certificate with \`sallyport import FILE.p12 --gateway NAME\``;
    if (!fields.faults.some(({ field }) => field === 'local.p12')) faults.push({ field: 'local.p12', text: why });
    return ok(undefined);
  }
  const octets = looksLikePem(base64) ? fromUtf8(base64) : fromBase64(base64);
  if (!octets || octets.length === 0) {
    faults.push({ field: 'local.p12', text: 'expected base64 of PKCS #12' });
    return ok(undefined);
  }
  const bundle = readBundle([octets], password);
  octets.fill(0);
  if (!bundle.ok) return err({ ...bundle.error, detail: `local.p12: ${bundle.error.detail}` });
  if (!bundle.value.key) faults.push({ field: 'local.p12', text: 'expected a private key and its certificate; there is no key' });
  return bundle;
}

function noteBundle(
  authorities: readonly Certificate[],
  trusted: readonly Certificate[],
  others: readonly Certificate[],
  notes: Notes,
): void {
  const names = authorities.map(({ subject }) => shown(subject.text)).join('; ');
  if (trusted.length > 0) {
    const why = `its CA certificates are trusted as well: ${names}`;
    notes.changed('local.p12', 'anchors-found', why, { count: trusted.length });
  } else if (authorities.length > 0) {
    notes.dropped('local.p12', 'not-needed', `its CA certificates are not trusted beside "remote.cert": ${names}`);
  }
  for (const one of others) notes.dropped('local.p12', 'not-needed', leftOutText(one));
}

function pssOf(type: SswanType, fields: ForeignFields): boolean | undefined {
  if (type !== 'ikev2-eap') return fields.flag('local.rsa-pss');
  fields.drop('local.rsa-pss', 'not-needed', `"${type}" does not use it`);
  return undefined;
}

/** Theirs signs with PKCS #1 unless PSS is asked for; a gateway that was set up for it may know no other. */
function signaturesOf(key: ReadKey | undefined, pss = false): readonly string[] | undefined {
  const names = key?.signer.algorithms.map(signatureName) ?? [];
  const older = names.filter((name) => name.startsWith('rsa-sha') && name !== 'rsa-sha1');
  return pss || older.length === 0 ? undefined : [...older, ...names.filter((name) => name.startsWith('rsa-pss-'))];
}

function dropOthers(fields: ForeignFields): void {
  const only = (what: string) => `${what}: not on this computer`;
  fields.drop('apps', 'not-supported', only('a tunnel for some programs only'));
  fields.drop('excluded-apps', 'not-supported', only('a tunnel for some programs only'));
  fields.drop('dns-servers', 'not-supported', 'the name servers that the gateway gives are used');
  fields.drop('ipv6-transport', 'not-needed', 'the gateway is reached by IPv4 or IPv6, whichever its name gives first');
  for (const part of ['host', 'port', 'exclusions']) {
    fields.drop(`proxy.${part}`, 'not-supported', 'a proxy for programs is set in the settings of this computer');
  }
}

const NAMES: readonly (readonly [string, string])[] = [
  ['gateway', 'remote.addr'],
  ['gatewayPorts', 'remote.port'],
  ['localId', 'local.id'],
  ['remoteId', 'remote.id'],
  ['auth.identity', 'local.eap_id'],
  ['auth.password', 'local.shared_secret'],
  ['auth.certificate', 'local.p12'],
  ['auth.key', 'local.p12'],
  ['auth.methods', 'type'],
  ['auth.method', 'type'],
  ['auth.signatures', 'local.rsa-pss'],
  ['auth.authorities', 'remote.cert'],
  ['gatewayAuth.authorities', 'remote.cert'],
  ['gatewayAuth.revocation', 'remote.revocation'],
  ['ikeProposals', 'ike-proposal'],
  ['espProposals', 'esp-proposal'],
  ['remoteNetworks', 'split-tunneling.subnets'],
  ['natKeepalive', 'nat-keepalive'],
];

function naming(field: string): string {
  const [ours, theirs] =
    NAMES.find(([name]) => field === name || field.startsWith(`${name}[`) || field.startsWith(`${name}.`)) ?? [];
  return ours === undefined || theirs === undefined ? field : theirs;
}

/** Theirs first, in the order of the file's fields; then what was found on the way. */
function report(fields: ForeignFields, notes: Notes, inner: Notes): Imported['notes'] {
  const found = inner.list.filter(({ outcome }) => outcome !== 'kept').map((note) => ({ ...note, field: naming(note.field) }));
  const told = [...notes.list, ...found];
  for (const path of fields.taken) {
    const changed = told.some(
      ({ field, outcome }) => field === path && (outcome === 'changed' || outcome === 'dropped' || outcome === 'kept'),
    );
    if (!changed) notes.kept(path);
  }
  return [...notes.list, ...found];
}

function present(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
