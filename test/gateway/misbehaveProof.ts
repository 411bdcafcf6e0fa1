/** What an office that proves itself by a certificate can do wrong (SECURITY.md 3, 6, 7): its signature, and its certificates. */
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { concat } from '../../core/bytes/bytes.ts';
import { encodeSignatureAlgorithm } from '../../core/crypto/algorithmIdentifier.ts';
import { AUTH_METHOD, CERT_ENCODING } from '../../core/ike/wire/constants.ts';
import type { Payload } from '../../core/ike/wire/message.ts';
import { type Authority, authority } from '../authority/authority.ts';
import type { CertificateSpec } from '../authority/certificate.ts';
import { givenKey, type KeyName, type KeyPair, makeKey } from '../authority/keys.ts';
import type { OfficeCertificate } from './config.ts';
import { algorithmsFor, cubeRoot, digital, garbageAfterHash, pkcs1Sha256, shortHash, sign } from './forge.ts';
import type { Misbehaviour } from './misbehaviours.ts';

const needs = 'certificate';

export const proofMisbehaviours = [
  // The signature.
  {
    name: 'signature-other-octets',
    what: 'signs other octets than those of this conversation',
    clause: 'RFC 7296 §2.15, S6',
    needs,
    hooks: { sign: (_honest, own, octets) => digital(pkcs1Sha256, sign(own, pkcs1('sha256'), concat(octets, Uint8Array.of(0)))) },
  },
  {
    name: 'signature-sha1',
    what: 'signs with SHA-1 although better hashes were agreed',
    clause: 'RFC 7427 §4, S6',
    needs,
    hooks: {
      sign: (_honest, own, octets) => digital(encodeSignatureAlgorithm(pkcs1('sha1')), sign(own, pkcs1('sha1'), octets)),
    },
  },
  {
    name: 'signature-rsa-sha1',
    what: 'signs by the old RSA method with SHA-1 although better hashes were agreed',
    clause: 'RFC 7427 §3, S6',
    needs,
    hooks: {
      sign: (_honest, own, octets) => ({ kind: 'AUTH', method: AUTH_METHOD.RSA, data: sign(own, pkcs1('sha1'), octets) }),
    },
  },
  {
    name: 'signature-garbage-after-hash',
    what: 'puts garbage behind the hash inside the RSA block',
    clause: 'RFC 8017 §8.2.2, S6',
    needs,
    hooks: { sign: (_honest, own, octets) => digital(pkcs1Sha256, garbageAfterHash(own, octets)) },
  },
  {
    name: 'signature-short-hash',
    what: 'signs half of the hash',
    clause: 'RFC 8017 §8.2.2, S6',
    needs,
    hooks: { sign: (_honest, own, octets) => digital(pkcs1Sha256, shortHash(own, octets)) },
  },
  {
    name: 'signature-cube-root',
    what: 'has a key with exponent 3 and forges the signature without its private half',
    clause: 'RFC 8017 §8.2.2, S6',
    needs,
    hooks: {
      certificate: (honest) => another(honest, { key: keyWithExponent3() }),
      sign: (_honest, _own, octets) => digital(pkcs1Sha256, cubeRoot(octets, 256)),
    },
  },
  {
    name: 'signature-other-algorithm',
    what: 'names ECDSA before a signature by RSA',
    clause: 'RFC 7427 §3, S6',
    needs,
    hooks: {
      sign: (_honest, own, octets) =>
        digital(encodeSignatureAlgorithm({ kind: 'ecdsa', hash: 'sha256', format: 'der' }), sign(own, pkcs1('sha256'), octets)),
    },
  },
  {
    name: 'signature-absurd-salt',
    what: 'names PSS with a salt that fits into no key',
    clause: 'RFC 8017 §9.1.2, S6',
    needs,
    hooks: {
      sign: (_honest, own, octets) =>
        digital(
          encodeSignatureAlgorithm({ kind: 'rsa-pss', hash: 'sha256', saltLength: 2_000_000 }),
          sign(own, { kind: 'rsa-pss', hash: 'sha256', saltLength: 32 }, octets),
        ),
    },
  },
  {
    name: 'signature-unknown-algorithm',
    what: 'names an algorithm that nobody knows',
    clause: 'RFC 7427 §3, S6',
    needs,
    hooks: { sign: () => digital(Uint8Array.of(0x30, 4, 0x06, 2, 0x2a, 3), new Uint8Array(256)) },
  },
  {
    name: 'signature-long-identifier',
    what: 'names an algorithm of more octets than there are',
    clause: 'RFC 7427 §3, S6',
    needs,
    hooks: { sign: () => digital(pkcs1Sha256, new Uint8Array(64), 255) },
  },
  {
    name: 'signature-empty',
    what: 'sends the algorithm and no signature',
    clause: 'RFC 7427 §3, S6',
    needs,
    hooks: { sign: () => digital(pkcs1Sha256, new Uint8Array(0)) },
  },
  {
    name: 'signature-wrong-curve',
    what: 'signs by the method for P-256 with a key of P-384',
    clause: 'RFC 4754 §3, S6',
    needs,
    hooks: {
      certificate: (honest) => another(honest, { key: 'p384' }),
      sign: (_honest, own, octets) => ({
        kind: 'AUTH',
        method: AUTH_METHOD.ECDSA_256,
        data: sign(own, { kind: 'ecdsa', hash: 'sha256', format: 'p1363' }, octets),
      }),
    },
  },
  {
    name: 'signature-null',
    what: 'proves itself by the method that proves nothing',
    clause: 'RFC 7619 §2, S6',
    needs,
    hooks: { sign: () => ({ kind: 'AUTH', method: AUTH_METHOD.NULL, data: new Uint8Array(32) }) },
  },
  {
    name: 'signature-shared-key',
    what: 'proves itself by a key where a certificate was agreed',
    clause: 'RFC 7296 §2.15, S6',
    needs,
    hooks: { sign: () => ({ kind: 'AUTH', method: AUTH_METHOD.SHARED_KEY, data: new Uint8Array(32) }) },
  },
  {
    name: 'another-auth-without-end',
    what: 'wants to prove itself once more, for ever',
    clause: 'RFC 4739 §2.1',
    needs,
    hooks: { authAnswer: (honest) => [...honest, anotherAuthFollows] },
  },
  // The key and the certificates.
  {
    name: 'key-tiny',
    what: 'has an RSA key of 1024 bits',
    clause: 'RFC 8247 §3.2, S6',
    needs,
    hooks: { certificate: (honest) => another(honest, { key: 'rsa1024' }) },
  },
  {
    name: 'key-even-modulus',
    what: 'has an RSA key whose modulus is even',
    clause: 'RFC 8017 §3.1, S6',
    needs,
    hooks: { certificate: (honest) => ({ ...another(honest, { key: evenModulus() }), pkcs8: honest.pkcs8 }) },
  },
  {
    name: 'certificate-other-name',
    what: 'has a valid certificate of another name',
    clause: 'RFC 4945 §3.1, S3',
    needs,
    hooks: {
      certificate: (honest) => another(honest, { subject: 'CN=mail.office.test', san: ['dns:mail.office.test'] }),
    },
  },
  {
    name: 'certificate-of-nobody',
    what: 'has a certificate that it made itself',
    clause: 'RFC 5280 §6.1, S7',
    needs,
    hooks: {
      certificate: (honest) => another({ ...honest, authority: authority.root({ subject: 'CN=Office Root' }) }, {}),
    },
  },
  {
    name: 'certificate-expired',
    what: 'has a certificate that has expired',
    clause: 'RFC 5280 §4.1.2.5, S7',
    needs,
    hooks: { certificate: (honest) => another(honest, { notAfter: new Date(Date.now() - 60_000) }) },
  },
  {
    name: 'certificate-not-yet-valid',
    what: 'has a certificate for next week',
    clause: 'RFC 5280 §4.1.2.5, S7',
    needs,
    hooks: { certificate: (honest) => another(honest, { notBefore: new Date(Date.now() + 7 * 86_400_000) }) },
  },
  {
    name: 'certificate-for-signing-code',
    what: 'has a certificate whose extended key usage is another',
    clause: 'RFC 4945 §5.1.3.12, S7',
    needs,
    hooks: { certificate: (honest) => another(honest, { eku: ['1.3.6.1.5.5.7.3.3'] }) },
  },
  {
    name: 'certificate-for-encryption',
    what: 'has a certificate whose key may not sign',
    clause: 'RFC 4945 §5.1.3.2, S7',
    needs,
    hooks: { certificate: (honest) => another(honest, { keyUsage: ['keyEncipherment'] }) },
  },
  {
    name: 'certificate-critical-extension',
    what: 'has a certificate with a critical extension that nobody knows',
    clause: 'RFC 5280 §4.2, S7',
    needs,
    hooks: {
      certificate: (honest) => another(honest, { extensions: [{ oid: '1.2.3.4', critical: true, value: Uint8Array.of(5, 0) }] }),
    },
  },
  {
    name: 'certificate-sha1',
    what: 'has a certificate that was signed with SHA-1',
    clause: 'RFC 8247 §3.2, S6',
    needs,
    hooks: { certificate: (honest) => another(honest, { signature: { hash: 'sha1' } }) },
  },
  {
    name: 'authority-outside-constraints',
    what: 'comes from an authority that may issue for other names only',
    clause: 'RFC 5280 §4.2.1.10, S7',
    needs,
    hooks: { certificate: (honest) => below(honest, { nameConstraints: { permitted: ['dns:branch.test'] } }) },
  },
  {
    name: 'authority-below-authority',
    what: 'comes from an authority below one that may have none below',
    clause: 'RFC 5280 §4.2.1.9, S7',
    needs,
    hooks: {
      certificate: (honest) => {
        const last = authorityOf(honest).authority({ subject: 'CN=Branch', ca: { pathLength: 0 } });
        return below({ ...honest, authority: last }, {});
      },
    },
  },
  {
    name: 'authority-no-ca',
    what: "comes from somebody else's end entity certificate",
    clause: 'RFC 5280 §6.1.4 (k), S7',
    needs,
    hooks: { certificate: (honest) => below(honest, { ca: false }) },
  },
  {
    name: 'certificate-loop',
    what: 'comes from two authorities that issued each other',
    clause: 'RFC 5280 §6.1, S7, S15',
    needs,
    hooks: { certificate: loop },
  },
  {
    name: 'certificate-missing',
    what: 'sends no certificate',
    clause: 'RFC 7296 §3.6, S4',
    needs,
    hooks: { certificate: (honest) => ({ ...honest, chain: [] }) },
  },
  {
    name: 'certificate-by-url',
    what: 'sends an address where its certificate could be fetched, unasked',
    clause: 'RFC 7296 §3.6, S7',
    needs,
    hooks: { authAnswer: byUrl },
  },
  {
    name: 'certificate-garbage',
    what: 'sends a certificate of random octets',
    clause: 'RFC 5280 §4.1, S15',
    needs,
    hooks: { certificate: (honest) => ({ ...honest, chain: [new Uint8Array(1500).fill(0x30)] }) },
  },
  {
    name: 'certificate-of-60-kb',
    what: 'sends a certificate as large as a message can be',
    clause: 'RFC 7296 §3.6, S15',
    needs,
    hooks: { certificate: (honest) => ({ ...honest, chain: [new Uint8Array(60_000)] }) },
  },
  {
    name: 'certificate-bundle',
    what: 'sends two hundred certificates',
    clause: 'RFC 7296 §3.6, S15',
    needs,
    hooks: { certificate: (honest) => ({ ...honest, chain: Array.from({ length: 200 }, () => honest.chain[0].slice(0, 250)) }) },
  },
  {
    name: 'ocsp-flood',
    what: 'sends fifty OCSP answers nobody wanted',
    clause: 'RFC 4806 §4.2, S15',
    needs,
    hooks: {
      authAnswer: (honest) => [
        ...honest,
        ...Array.from({ length: 50 }, () => cert(CERT_ENCODING.OCSP_CONTENT, Uint8Array.of(0x30, 0))),
      ],
    },
  },
] as const satisfies readonly Misbehaviour[];

const anotherAuthFollows: Payload = { kind: 'N', protocol: 0, spi: new Uint8Array(0), type: 16405, data: new Uint8Array(0) };

const pkcs1 = (hash: 'sha1' | 'sha256') => ({ kind: 'rsa-pkcs1', hash }) as const;

function cert(encoding: number, data: Uint8Array): Payload {
  return { kind: 'CERT', encoding, data };
}

export function authorityOf({ authority: own }: OfficeCertificate): Authority {
  if (!own) throw new Error('the office has no authority to make other certificates with');
  return own;
}

export const NAME = 'vpn.office.test';

/** Another certificate of the office's, with its key unless said otherwise. */
export function another(honest: OfficeCertificate, spec: CertificateSpec): OfficeCertificate {
  const key: KeyName | KeyPair = spec.key ?? keyOf(honest);
  const { chain, key: used } = authorityOf(honest).issue({
    subject: `CN=${NAME}`,
    san: [`dns:${NAME}`],
    eku: ['serverAuth'],
    ...spec,
    key,
  });
  return { ...honest, chain, pkcs8: used.pkcs8, algorithms: algorithmsFor(used.spki) };
}

/** The office's certificate from an authority of this kind below its own. */
function below(honest: OfficeCertificate, spec: CertificateSpec): OfficeCertificate {
  return another({ ...honest, authority: authorityOf(honest).authority({ subject: 'CN=Below', ...spec }) }, {});
}

/** A issued B and B issued A; neither is known to anybody. */
function loop(honest: OfficeCertificate): OfficeCertificate {
  const a = authority.root({ subject: 'CN=A' });
  const b = authority.root({ subject: 'CN=B' });
  const aByB = b.crossSign(a);
  const bByA = a.crossSign(b);
  const own = another({ ...honest, authority: aByB }, {});
  return { ...own, chain: [own.chain[0], aByB.der, bByA.der, aByB.der, bByA.der] };
}

function byUrl(honest: readonly Payload[]): readonly Payload[] {
  const url = concat(new Uint8Array(20).fill(0xab), new Uint8Array(Buffer.from('http://198.51.100.1:8080/vpn.der')));
  return honest.flatMap((payload) => {
    if (payload.kind === 'CERT') return [];
    return payload.kind === 'AUTH' ? [cert(CERT_ENCODING.HASH_AND_URL, url), payload] : [payload];
  });
}

function keyOf({ pkcs8 }: OfficeCertificate): KeyPair {
  const text = `-----BEGIN PRIVATE KEY-----\n${Buffer.from(pkcs8).toString('base64')}\n-----END PRIVATE KEY-----\n`;
  return givenKey(text);
}

function keyWithExponent3(): KeyPair {
  return givenKey(generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).privateKey);
}

/** SubjectPublicKeyInfo of a real key with the last bit of its modulus turned to 0: the exponent 65537 and its header follow it. */
function evenModulus(): KeyPair {
  const key = makeKey('rsa');
  const spki = new Uint8Array(createPublicKey(key.privateKey).export({ type: 'spki', format: 'der' }));
  spki[spki.length - 6] &= 0xfe;
  return { ...key, spki };
}
