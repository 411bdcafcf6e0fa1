/** Private keys in files: PKCS #8 (RFC 5958), encrypted or not, and the older forms of RSA (RFC 8017 §A.1.2) and EC (RFC 5915), in PEM or DER. */
import { DerFields, type DerNode, derTag, integerOf, octetsOf, oidOf, onlyChild, readDer } from '../bytes/der.ts';
import { derElement, derInteger, derNull, derOctetString, derOid, derSequence } from '../bytes/derWriter.ts';
import { err, ok, type Result } from '../bytes/result.ts';
import { rsaKeyOid } from '../crypto/algorithmIdentifier.ts';
import { ecKeyOid } from '../crypto/publicKey.ts';
import { type CredentialFault, credentialFault } from './credentialFault.ts';
import { openPbes2, readPbes2, spend, type Work } from './pbes2.ts';
import type { PemBlock } from './pem.ts';

/** RSA of 16384 bits has 9.5 KB. */
export const maxKeyOctets = 32_768;

/** Converts whatever OpenSSL can read to what is taken here; also takes the old encryption of PEM away. */
export const convertKeyCommand = 'openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256 -in old.key -out new.key';

/** RFC 5480 §2.1.1 wants curves named; conversion to PKCS #8 alone leaves them written out. */
const nameCurveCommand = 'openssl ec -param_enc named_curve -in old.key -out new.key';

/** DER PKCS #8 of a PEM block with a key in it. Whether OpenSSL can use it is found out by `signerInfoOf` (privateKey.ts). */
export function privateKeyFromPem(block: PemBlock, password?: Uint8Array): Result<Uint8Array, CredentialFault> {
  // RFC 1421 encryption: one round of MD5 between the password and the key.
  if (block.encrypted)
    return credentialFault(
      'unsupported',
      'the key is protected in the old way of OpenSSL (Proc-Type: 4,ENCRYPTED)',
      convertKeyCommand,
    );
  switch (block.label) {
    case 'PRIVATE KEY':
    case 'ENCRYPTED PRIVATE KEY':
    case 'RSA PRIVATE KEY':
    case 'EC PRIVATE KEY':
      return privateKeyFromDer(block.der, password);
    case 'OPENSSH PRIVATE KEY':
      return credentialFault('unsupported', 'the key is in the format of OpenSSH', 'ssh-keygen -p -m PKCS8 -f old.key');
    default:
      return credentialFault('no-key', `the block "${block.label}" is no private key`);
  }
}

/** True for labels that `privateKeyFromPem` has something to say about. */
export function isKeyLabel(label: string): boolean {
  return /(^| )PRIVATE KEY$/.test(label);
}

export function privateKeyFromDer(der: Uint8Array, password?: Uint8Array): Result<Uint8Array, CredentialFault> {
  if (der.length > maxKeyOctets) return credentialFault('too-large', `a private key of ${der.length} octets`);
  const root = readDer(der, { octets: maxKeyOctets, depth: 12, elements: 256 });
  if (!root.ok) return credentialFault('malformed', 'the private key is not DER');
  switch (shapeOf(root.value)) {
    case 'plain':
      return isPrivateKeyInfo(root.value) ? ok(der.slice()) : credentialFault('malformed', 'the private key is malformed');
    case 'encrypted':
      return openEncrypted(root.value, password);
    case 'rsa':
      return ok(derSequence(derInteger(0), derSequence(derOid(rsaKeyOid), derNull()), derOctetString(der)));
    case 'ec':
      return fromSec1(root.value);
    case undefined:
      return credentialFault('no-key', 'no private key of a form that is known');
  }
}

/** Octets that begin as a private key does, of any of the forms. */
export function looksLikePrivateKey(node: DerNode): boolean {
  return shapeOf(node) !== undefined;
}

/** EncryptedPrivateKeyInfo (RFC 5958 §3), also from inside of PKCS #12; `damaged` only if `known` says that the password is right. */
export function openEncrypted(
  node: DerNode,
  password: Uint8Array | undefined,
  options: { readonly known?: boolean; readonly command?: string; readonly work?: Work } = {},
): Result<Uint8Array, CredentialFault> {
  const fields = new DerFields(node);
  const algorithm = fields.take(derTag.sequence);
  const ciphertext = octetsOf(fields.take());
  if (!fields.done || ciphertext === undefined) return credentialFault('malformed', 'the encrypted private key is malformed');
  const scheme = readPbes2(algorithm);
  if (!scheme.ok) {
    const { code, evidence } = scheme.error;
    const text = `the private key is ${evidence.startsWith('protected') ? evidence : `malformed: ${evidence}`}`;
    return code === 'unsupported' || code === 'too-much-work'
      ? credentialFault(code, text, options.command ?? convertKeyCommand)
      : credentialFault(code, text);
  }
  if (password === undefined) return credentialFault('password-needed', 'the private key is encrypted');
  const tooMuch = options.work && spend(options.work, scheme.value.iterations);
  if (tooMuch) return err(tooMuch);
  const plaintext = openPbes2(scheme.value, password, ciphertext);
  if (plaintext !== undefined) {
    // With another password the padding is right once in 256 times; the inside never is.
    const inner = readDer(plaintext, { octets: maxKeyOctets, depth: 12, elements: 256 });
    if (inner.ok && shapeOf(inner.value) === 'plain' && isPrivateKeyInfo(inner.value)) return ok(plaintext);
    plaintext.fill(0);
  }
  return options.known === true
    ? credentialFault('damaged', 'the encrypted private key is damaged')
    : credentialFault('password-wrong', 'the password does not open the private key');
}

type Shape = 'plain' | 'encrypted' | 'rsa' | 'ec';

function shapeOf(node: DerNode): Shape | undefined {
  const fields = new DerFields(node);
  const first = fields.take();
  const second = fields.take();
  if (fields.bad) return undefined;
  if (first?.tag === derTag.sequence && second?.tag === derTag.octetString) return fields.done ? 'encrypted' : undefined;
  if (first?.tag !== derTag.integer) return undefined;
  if (second?.tag === derTag.sequence) return fields.peek?.tag === derTag.octetString ? 'plain' : undefined;
  if (second?.tag === derTag.octetString) return integerOf(first) === 1 ? 'ec' : undefined;
  return second?.tag === derTag.integer && fields.rest().length === 7 ? 'rsa' : undefined;
}

/** OneAsymmetricKey (RFC 5958 §2). */
function isPrivateKeyInfo(node: DerNode): boolean {
  const fields = new DerFields(node);
  const version = integerOf(fields.take());
  const algorithm = new DerFields(fields.take());
  const key = octetsOf(fields.take());
  fields.optional(0xa0);
  const publicKey = fields.optional(0x81);
  return (
    fields.done &&
    (version === 0 || version === 1) &&
    oidOf(algorithm.take()) !== undefined &&
    algorithm.rest().length <= 1 &&
    key !== undefined &&
    (publicKey === undefined || version === 1)
  );
}

/** ECPrivateKey (RFC 5915 §3): the parameters are optional there, and outside in PKCS #8. */
function fromSec1(node: DerNode): Result<Uint8Array, CredentialFault> {
  const fields = new DerFields(node);
  const version = fields.take(derTag.integer);
  const key = fields.take(derTag.octetString);
  const parameters = fields.optional(0xa0);
  const publicKey = fields.optional(0xa1);
  if (!fields.done || version === undefined || key === undefined)
    return credentialFault('malformed', 'the EC private key is malformed');
  const curve = onlyChild(parameters, derTag.oid);
  if (curve === undefined && parameters !== undefined)
    return credentialFault('unsupported', 'the EC private key writes its curve out instead of naming it', nameCurveCommand);
  if (curve === undefined) return credentialFault('unsupported', 'the EC private key names no curve', convertKeyCommand);
  const parts = [version.der, key.der, ...(publicKey === undefined ? [] : [publicKey.der])];
  const inner = derElement(derTag.sequence, ...parts);
  return ok(derSequence(derInteger(0), derSequence(derOid(ecKeyOid), curve.der), derOctetString(inner)));
}
