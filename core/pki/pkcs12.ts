/**
 * PKCS #12 (RFC 7292): the key and the certificates of a user in one file. PBES2 with AES is opened, the MAC is checked first (the classic one and
 * PBMAC1 of RFC 9579). Files with RC2 or 3DES are named as such, with the command that makes a newer one of them.
 */
import { concat, equalConstantTime } from '../bytes/bytes.ts';
import { childrenOf, DerFields, type DerNode, derTag, octetsOf, oidOf, onlyChild, readDer } from '../bytes/der.ts';
import { err, ok, type Result } from '../bytes/result.ts';
import { hashOf } from '../crypto/algorithmIdentifier.ts';
import { hmac, pbkdf2, pkcs12Key } from '../crypto/node/passwordBased.ts';
import { hashBytes } from '../crypto/signatures.ts';
import type { SignatureHash } from '../crypto/signatureTypes.ts';
import { type CredentialFault, credentialFault } from './credentialFault.ts';
import { fileWork, openPbes2, prfHash, readDerivation, readPbes2, spend, type Work } from './pbes2.ts';
import { openEncrypted, privateKeyFromDer } from './pkcs8.ts';
import { maxPkcs12Octets, normalized, openContainer, type Pkcs12Mac, type Pkcs12Safe } from './pkcs12Container.ts';

export interface Pkcs12Contents {
  /** DER PKCS #8 without encryption; wiped by who takes them. In the order of the file; a user's file has one. */
  readonly keys: readonly Uint8Array[];
  /** DER, in the order of the file. */
  readonly certificates: readonly Uint8Array[];
}

/** By way of a PEM file whose key is encrypted. (Through a pipe it does not work: OpenSSL 3 reads the input twice.) */
export const convertPkcs12Command =
  'openssl pkcs12 -legacy -in old.p12 -out old.pem && openssl pkcs12 -export -in old.pem -out new.p12';

/** About 0.6 s of the hash. OpenSSL writes 2048, Java 10,000, macOS 1, Windows 2000, NSS (Firefox) and GnuTLS 600,000. */
const maxMacIterations = 600_000;
const maxBags = 256;

/** `password`: UTF-8 octets; undefined when the user gave none, and then a file with an empty one is still opened. */
export function openPkcs12(file: Uint8Array, password?: Uint8Array): Result<Pkcs12Contents, CredentialFault> {
  if (file.length > maxPkcs12Octets) return credentialFault('too-large', `a PKCS #12 file of ${file.length} octets`);
  const container = openContainer(file);
  if (container === undefined) return credentialFault('malformed', 'not a PKCS #12 file, or a damaged one');
  if (container === 'signed') return credentialFault('unsupported', 'PKCS #12 protected by a signature instead of a password');
  const { authenticated, mac, safes } = container;
  const old = oldSafe(safes);
  if (old !== undefined) return err(old);

  const given = password ?? new Uint8Array(0);
  const verified = mac === undefined ? ok(undefined) : checkMac(mac, authenticated, given);
  if (!verified.ok) return verified;
  // A MAC that does not match is of another password, or of other octets. What opens tells which.
  if (verified.value === false && opensAnything(safes, given, fileWork()))
    return credentialFault('damaged', 'the PKCS #12 file is damaged: its password is right, its checksum is not');
  const inside = verified.value === false ? wrongPassword() : openSafes(safes, given, verified.value === true, fileWork());
  if (password === undefined && !inside.ok && inside.error.code === 'password-wrong')
    return credentialFault('password-needed', 'the PKCS #12 file has a password');
  return inside;
}

/** DER that begins as PKCS #12 does: version 3, then a ContentInfo. */
export function looksLikePkcs12(file: Uint8Array): boolean {
  // SEQUENCE of any form of length, INTEGER 3, SEQUENCE.
  const first = file[1] ?? 0;
  const at = 2 + (first > 0x80 ? first & 0x7f : 0);
  return file[0] === 0x30 && file[at] === 0x02 && file[at + 1] === 1 && file[at + 2] === 3 && file[at + 3] === 0x30;
}

/** What can be said without a password. */
function oldSafe(safes: readonly Pkcs12Safe[]): CredentialFault | undefined {
  for (const safe of safes) {
    if (safe.kind === 'encrypted') {
      const scheme = readPbes2(elementOf(safe.algorithm));
      if (!scheme.ok) return aboutFile(scheme.error);
    }
    if (safe.kind !== 'plain') continue;
    for (const bag of bagsOf(safe.contents) ?? []) {
      if (bag.id !== bagIds.shroudedKey) continue;
      const scheme = readPbes2(new DerFields(bag.value).take());
      if (!scheme.ok) return aboutFile(scheme.error);
    }
  }
  return undefined;
}

function aboutFile({ code, evidence }: CredentialFault): CredentialFault {
  const text = evidence.startsWith('protected') ? `the PKCS #12 file is ${evidence}` : `PKCS #12: ${evidence}`;
  return code === 'unsupported' || code === 'too-much-work'
    ? { code, evidence: text, command: convertPkcs12Command }
    : { code, evidence: text };
}

/** True: it matches. False: it does not. */
function checkMac(mac: Pkcs12Mac, authenticated: Uint8Array, password: Uint8Array): Result<boolean, CredentialFault> {
  const algorithm = elementOf(mac.algorithm);
  if (oidOf(new DerFields(algorithm).take()) === pbmac1Oid) return checkPbmac1(algorithm, mac, authenticated, password);
  const hash = hashOf(algorithm);
  if (hash === undefined) return credentialFault('unsupported', 'PKCS #12 with an unknown checksum', convertPkcs12Command);
  if (mac.iterations < 1 || mac.iterations > maxMacIterations)
    return credentialFault('too-much-work', `PKCS #12 with ${mac.iterations} iterations for its checksum`, convertPkcs12Command);
  if (mac.salt.length > 1024 || mac.digest.length !== hashBytes[hash]) return malformed();
  // RFC 7292 §B.1: two zeros end the text. Of an empty one some writers make no octets at all.
  const texts = password.length === 0 ? [new Uint8Array(2), new Uint8Array(0)] : [bmpString(password)];
  const matches = texts.some((text) => {
    const key = pkcs12Key(hash, 3, text, mac.salt, mac.iterations, hashBytes[hash]);
    return equalConstantTime(hmac(hash, key, authenticated), mac.digest);
  });
  for (const text of texts) text.fill(0);
  return ok(matches);
}

/** RFC 9579 §4: PBKDF2 of the UTF-8 octets, key length always there, then HMAC. */
function checkPbmac1(
  algorithm: DerNode | undefined,
  mac: Pkcs12Mac,
  authenticated: Uint8Array,
  password: Uint8Array,
): Result<boolean, CredentialFault> {
  const fields = new DerFields(algorithm);
  fields.take(derTag.oid);
  const parameters = new DerFields(fields.take());
  const derivation = readDerivation(parameters.take());
  const scheme = parameters.take();
  if (!fields.done || !parameters.done || scheme === undefined) return malformed();
  if (!derivation.ok) return err(aboutFile(derivation.error));
  const hash: SignatureHash | undefined = prfHash(scheme);
  const { keyLength, salt, iterations } = derivation.value;
  if (hash === undefined || keyLength === undefined) return malformed();
  const key = pbkdf2(derivation.value.hash, password, salt, iterations, keyLength);
  const matches = equalConstantTime(hmac(hash, key, authenticated), mac.digest);
  key.fill(0);
  return ok(matches);
}

/** `known`: the password is right, so what does not open is damaged. */
function openSafes(
  safes: readonly Pkcs12Safe[],
  password: Uint8Array,
  known: boolean,
  work: Work,
): Result<Pkcs12Contents, CredentialFault> {
  const keys: Uint8Array[] = [];
  const certificates: Uint8Array[] = [];
  const fail = (fault: CredentialFault) => {
    for (const key of keys) key.fill(0);
    return err(fault);
  };
  const broken: CredentialFault = known
    ? { code: 'damaged', evidence: 'the PKCS #12 file is damaged' }
    : { code: 'malformed', evidence: 'the contents of the PKCS #12 file are malformed' };
  let count = 0;
  for (const safe of safes) {
    if (safe.kind === 'other') return fail({ code: 'unsupported', evidence: 'PKCS #12 with contents for a public key' });
    const opened = safe.kind === 'plain' ? ok(safe.contents) : openSafe(safe, password, work);
    if (!opened.ok) return fail(known && opened.error.code === 'password-wrong' ? broken : opened.error);
    const contents = opened.value;
    const bags = bagsOf(contents);
    if (bags === undefined) return fail(broken);
    count += bags.length;
    if (count > maxBags) return fail({ code: 'too-large', evidence: `PKCS #12 with more than ${maxBags} entries` });
    for (const bag of bags) {
      const fault = takeBag(bag);
      if (fault !== undefined) return fail(fault);
    }
  }
  return ok({ keys, certificates });

  function takeBag({ id, value }: Bag): CredentialFault | undefined {
    switch (id) {
      case bagIds.shroudedKey:
      case bagIds.key: {
        const key =
          id === bagIds.key
            ? privateKeyFromDer(value.der)
            : openEncrypted(value, password, { known, work, command: convertPkcs12Command });
        if (!key.ok) return key.error;
        keys.push(key.value);
        return undefined;
      }
      case bagIds.certificate: {
        const fields = new DerFields(value);
        const type = oidOf(fields.take());
        const certificate = octetsOf(onlyChild(fields.take(0xa0)));
        if (!fields.done) return broken;
        // SDSI certificates are nobody's.
        if (type !== x509Oid) return undefined;
        if (certificate === undefined) return broken;
        certificates.push(certificate.slice());
        return undefined;
      }
      default:
        return undefined; // CRLs, secrets and what else there may be
    }
  }
}

function opensAnything(safes: readonly Pkcs12Safe[], password: Uint8Array, work: Work): boolean {
  return safes.some((safe) => {
    if (safe.kind === 'encrypted') {
      const contents = openSafe(safe, password, work);
      return contents.ok && bagsOf(contents.value) !== undefined;
    }
    if (safe.kind !== 'plain') return false;
    return (bagsOf(safe.contents) ?? []).some((bag) => {
      const key = bag.id === bagIds.shroudedKey ? openEncrypted(bag.value, password, { work }) : undefined;
      if (key?.ok === true) key.value.fill(0);
      return key?.ok === true;
    });
  });
}

function openSafe(
  safe: Extract<Pkcs12Safe, { readonly kind: 'encrypted' }>,
  password: Uint8Array,
  work: Work,
): Result<Uint8Array, CredentialFault> {
  const scheme = readPbes2(elementOf(safe.algorithm));
  if (!scheme.ok) return err(aboutFile(scheme.error));
  const tooMuch = spend(work, scheme.value.iterations);
  if (tooMuch) return err(aboutFile(tooMuch));
  const plaintext = openPbes2(scheme.value, password, safe.ciphertext);
  const contents = plaintext && normalized(plaintext);
  plaintext?.fill(0);
  return contents === undefined ? wrongPassword() : ok(contents);
}

interface Bag {
  readonly id: string;
  readonly value: DerNode;
}

/** RFC 7292 §4.2, one level: bags inside bags have no writer. Attributes are names and numbers for people and are not looked at. */
function bagsOf(contents: Uint8Array): readonly Bag[] | undefined {
  const root = readDer(contents, { octets: maxPkcs12Octets, depth: 32, elements: 10_000 });
  if (!root.ok || root.value.tag !== derTag.sequence) return undefined;
  const bags: Bag[] = [];
  for (const node of childrenOf(root.value)) {
    const fields = new DerFields(node);
    const id = oidOf(fields.take());
    const value = onlyChild(fields.take(0xa0));
    fields.optional(derTag.set);
    if (!fields.done || id === undefined || value === undefined) return undefined;
    bags.push({ id, value });
  }
  return bags;
}

const bagIds = {
  key: '1.2.840.113549.1.12.10.1.1',
  shroudedKey: '1.2.840.113549.1.12.10.1.2',
  certificate: '1.2.840.113549.1.12.10.1.3',
} as const;
const x509Oid = '1.2.840.113549.1.9.22.1';
const pbmac1Oid = '1.2.840.113549.1.5.14';

function elementOf(der: Uint8Array): DerNode | undefined {
  const node = readDer(der, { octets: 8192, depth: 16, elements: 64 });
  return node.ok ? node.value : undefined;
}

/** UTF-8 to UTF-16, most significant octet first, with two zeros at the end; by hand, because strings cannot be wiped. */
function bmpString(utf8: Uint8Array): Uint8Array {
  const out = new Uint8Array(2 * utf8.length + 2);
  let length = 0;
  const put = (unit: number): void => {
    out[length++] = unit >>> 8;
    out[length++] = unit;
  };
  for (let at = 0; at < utf8.length; ) {
    const first = utf8[at++];
    const more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    let point = more === 0 ? first : first & (0x3f >> more);
    for (let i = 0; i < more; i++) point = (point << 6) | ((utf8[at++] ?? 0) & 0x3f);
    if (point < 0x10000) put(point);
    else {
      put(0xd800 | ((point - 0x10000) >>> 10));
      put(0xdc00 | ((point - 0x10000) & 0x3ff));
    }
  }
  const text = concat(out.subarray(0, length + 2));
  out.fill(0);
  return text;
}

function wrongPassword(): { readonly ok: false; readonly error: CredentialFault } {
  return credentialFault('password-wrong', 'the password does not open the PKCS #12 file');
}

function malformed(): { readonly ok: false; readonly error: CredentialFault } {
  return credentialFault('malformed', 'the checksum of the PKCS #12 file is malformed');
}
