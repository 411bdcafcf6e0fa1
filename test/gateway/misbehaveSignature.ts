/** More of what an office can forge (SECURITY.md 6): signatures and keys that careless verifiers take. */
import { constants, createPrivateKey, createPublicKey, sign as nodeSign } from 'node:crypto';
import { concat } from '../../core/bytes/bytes.ts';
import { encodeSignatureAlgorithm } from '../../core/crypto/algorithmIdentifier.ts';
import { bitString, integer, nothing, oid, sequence } from '../authority/der.ts';
import type { KeyPair } from '../authority/keys.ts';
import type { OfficeCertificate } from './config.ts';
import { digital, pkcs1Block, pkcs1Sha256 } from './forge.ts';
import { another, authorityOf, NAME } from './misbehaveProof.ts';
import type { Misbehaviour } from './misbehaviours.ts';

const needs = 'certificate';

export const signatureMisbehaviours = [
  {
    name: 'signature-md5',
    what: 'signs with MD5 although better hashes were agreed',
    clause: 'RFC 7427 §4, S6',
    needs,
    hooks: { sign: (_honest, own, octets) => digital(md5WithRsa, byMd5(own, octets)) },
  },
  {
    name: 'signature-pss-long-salt',
    what: 'names PSS with a salt one octet longer than its key allows',
    clause: 'RFC 8017 §9.1.1, S6',
    needs,
    hooks: {
      sign: (_honest, own, octets) =>
        digital(encodeSignatureAlgorithm({ kind: 'rsa-pss', hash: 'sha256', saltLength: 223 }), byPss(own, octets)),
    },
  },
  {
    name: 'signature-zero',
    what: 'sends r = 0 and s = 0, which some verifiers take for anything (CVE-2022-21449)',
    clause: 'RFC 7427 §3, FIPS 186-5 §6.4.2, S6',
    needs,
    hooks: {
      certificate: (honest) => another(honest, { key: 'p256' }),
      sign: () => digital(ecdsaSha256, sequence(integer(0), integer(0))),
    },
  },
  {
    name: 'key-exponent-1',
    what: 'has an RSA key with exponent 1, by which the padded hash is its own signature',
    clause: 'RFC 8017 §3.1, S6',
    needs,
    hooks: {
      certificate: (honest) => withKey(honest, rsaKey(modulusOf(honest), 1)),
      sign: (_honest, _own, octets) => digital(pkcs1Sha256, pkcs1Block(octets, 256)),
    },
  },
  {
    name: 'key-huge',
    what: 'has an RSA key of 65,536 bits, to keep the client busy',
    clause: 'RFC 8017 §3.1, S6',
    needs,
    hooks: {
      certificate: (honest) => withKey(honest, rsaKey(new Uint8Array(8192).fill(0xa5), 65_537)),
      sign: () => digital(pkcs1Sha256, new Uint8Array(8192).fill(0x5a)),
    },
  },
  {
    name: 'key-huge-exponent',
    what: 'has an RSA key whose exponent is as long as its modulus, to keep the client busy',
    clause: 'RFC 8017 §3.1, S6',
    needs,
    hooks: { certificate: (honest) => withKey(honest, rsaKey(modulusOf(honest), modulusOf(honest).fill(0x7f, 1, 255))) },
  },
  {
    name: 'certificate-md5',
    what: 'has a certificate that was signed with MD5',
    clause: 'RFC 8247 §3.2, S6',
    needs,
    hooks: { certificate: (honest) => another(honest, { signature: { hash: 'md5' } }) },
  },
] as const satisfies readonly Misbehaviour[];

const ecdsaSha256 = encodeSignatureAlgorithm({ kind: 'ecdsa', hash: 'sha256', format: 'der' });
/** RFC 8017 §A.2.4: our encoder knows no MD5. */
const md5WithRsa = sequence(oid('1.2.840.113549.1.1.4'), nothing());

function privateKey({ pkcs8 }: OfficeCertificate) {
  return createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
}

function byMd5(own: OfficeCertificate, octets: Uint8Array): Uint8Array {
  return new Uint8Array(nodeSign('md5', octets, privateKey(own)));
}

function byPss(own: OfficeCertificate, octets: Uint8Array): Uint8Array {
  const key = { key: privateKey(own), padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  return new Uint8Array(nodeSign('sha256', octets, key));
}

function modulusOf({ pkcs8 }: OfficeCertificate): Uint8Array {
  const { n = '' } = createPublicKey(privateKey({ pkcs8 } as OfficeCertificate)).export({ format: 'jwk' });
  return new Uint8Array(Buffer.from(n, 'base64url'));
}

/** SubjectPublicKeyInfo of a key nobody has the other half of. */
function rsaKey(modulus: Uint8Array, exponent: number | Uint8Array): Uint8Array {
  const positive = (octets: Uint8Array): Uint8Array => concat(Uint8Array.of(0), octets);
  const e = typeof exponent === 'number' ? integer(exponent) : integer(positive(exponent));
  const key = sequence(integer(positive(modulus)), e);
  return sequence(sequence(oid('1.2.840.113549.1.1.1'), nothing()), bitString(key));
}

/** A certificate for such a key; what the office signs with stays. */
function withKey(honest: OfficeCertificate, spki: Uint8Array): OfficeCertificate {
  const key: KeyPair = { name: 'given', privateKey: privateKey(honest), spki, pkcs8: honest.pkcs8, pkcs8Pem: '' };
  const { chain } = authorityOf(honest).issue({ subject: `CN=${NAME}`, san: [`dns:${NAME}`], eku: ['serverAuth'], key });
  return { ...honest, chain };
}
