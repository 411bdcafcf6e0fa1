/** Certificates and a key out of files that hold nothing else: PKCS #12, PEM, DER. What they are is told by their content. */
import { fromUtf8, toUtf8 } from '../bytes/bytes.ts';
import { DerFields, type DerNode, oidOf, readDer } from '../bytes/der.ts';
import { err, ok, type Result } from '../bytes/result.ts';
import { isSelfIssued, parseCertificate } from '../pki/certificate.ts';
import type { Certificate } from '../pki/contract.ts';
import type { CredentialFault, CredentialFaultCode } from '../pki/credentialFault.ts';
import { sameName } from '../pki/names.ts';
import { looksLikePem, maxPemCharacters, readPem } from '../pki/pem.ts';
import { isKeyLabel, looksLikePrivateKey } from '../pki/pkcs8.ts';
import { looksLikePkcs12, openPkcs12 } from '../pki/pkcs12.ts';
import { keyMismatch } from '../pki/privateKey.ts';
import { shown } from './faults.ts';
import type { ImportError } from './import.ts';
import { type KeyError, keyError, type ReadKey, readKeyDer, readKeyPem } from './keys.ts';
import { CERTIFICATE_LABELS, chainFirst } from './material.ts';

export interface Bundle {
  readonly key: ReadKey | undefined;
  /** With a key: its certificate first, then those that lead up from it, as far as they are there; no root. */
  readonly chain: readonly Certificate[];
  /** The others: what can be trusted. Without a key all there are, the end entity first. */
  readonly authorities: readonly Certificate[];
  /** With a key: those that are neither, such as a certificate of before or of another user. */
  readonly others: readonly Certificate[];
  /** Labels of PEM blocks that are of no use here. */
  readonly ignored: readonly string[];
}

interface Pieces {
  readonly keys: ReadKey[];
  readonly certificates: Certificate[];
  readonly ignored: Set<string>;
  containers: number;
}

const MOST_CERTIFICATES = 100;
/** Each may cost a second of work before it says whether the password is right. */
const MOST_CONTAINERS = 2;

/** Of all the files together. */
export function readBundle(files: readonly Uint8Array[], password: string | undefined): Result<Bundle, ImportError> {
  const pieces: Pieces = { keys: [], certificates: [], ignored: new Set(), containers: 0 };
  for (const [at, file] of files.entries()) {
    const read = addFile(file, password, pieces);
    if (read.ok) continue;
    for (const key of pieces.keys) key.pkcs8.fill(0);
    return files.length === 1 ? read : err({ ...read.error, detail: `${fileNumber(at)}${read.error.detail}` });
  }
  const arranged = arrange(pieces);
  if (!arranged.ok) for (const key of pieces.keys) key.pkcs8.fill(0);
  return arranged;
}

/** Which of several files an error is about; who knows their names may put one instead. */
export function fileNumber(at: number): string {
  return `file ${at + 1}: `;
}

export function looksLikeBundle(file: Uint8Array): boolean {
  if (looksLikePkcs12(file)) return true;
  // In JSON there may be PEM too.
  const text = toUtf8(file.subarray(0, maxPemCharacters)).trimStart();
  if (looksLikePem(text)) return !/^\ufeff?\s*\{/.test(text);
  const node = readDer(file, { octets: 1 << 18, elements: 50_000 });
  return node.ok && (looksLikePrivateKey(node.value) || isPkcs7(node.value) || parseCertificate(file).ok);
}

function addFile(file: Uint8Array, password: string | undefined, pieces: Pieces): Result<undefined, ImportError> {
  if (looksLikePkcs12(file)) return addPkcs12(file, password, pieces);
  const text = toUtf8(file);
  if (looksLikePem(text)) return addPem(text, password, pieces);
  const node = readDer(file, { octets: 1 << 18, elements: 50_000 });
  if (!node.ok) return refuse('unknown-format', 'neither PKCS #12 nor PEM nor DER');
  if (looksLikePrivateKey(node.value)) return addKey(() => readKeyDer(file, password), pieces);
  if (isPkcs7(node.value)) return refuse('unsupported', `PKCS #7; convert it: ${PKCS7_COMMAND} -inform DER`);
  return addCertificate(file, pieces);
}

function addPkcs12(file: Uint8Array, password: string | undefined, pieces: Pieces): Result<undefined, ImportError> {
  if (++pieces.containers > MOST_CONTAINERS) return refuse('too-large', `more than ${MOST_CONTAINERS} files of PKCS #12`);
  const octets = password === undefined ? undefined : fromUtf8(password);
  const opened = openPkcs12(file, octets);
  octets?.fill(0);
  if (!opened.ok) return credentialError(opened.error);
  const { keys, certificates } = opened.value;
  try {
    for (const pkcs8 of keys) {
      // Without a password it is in the clear for everybody, however it is written.
      const added = addKey(() => readKeyDer(pkcs8, undefined), pieces, (password ?? '') !== '');
      if (!added.ok) return added;
    }
  } finally {
    for (const pkcs8 of keys) pkcs8.fill(0);
  }
  return all(certificates, (der) => addCertificate(der, pieces));
}

function addPem(text: string, password: string | undefined, pieces: Pieces): Result<undefined, ImportError> {
  const blocks = readPem(text);
  if (!blocks.ok) return credentialError(blocks.error);
  if (blocks.value.some(({ label }) => isKeyLabel(label))) {
    const added = addKey(() => readKeyPem(text, password), pieces);
    if (!added.ok) return added;
  }
  return all(blocks.value, ({ label, der }) => {
    if (CERTIFICATE_LABELS.has(label)) return addCertificate(der, pieces);
    const command = CONVERSIONS.get(label);
    if (command !== undefined) return refuse('unsupported', `a block "${label}"; convert it: ${command}`);
    // Keys are read above, and the curve of one is in it too.
    if (!isKeyLabel(label) && label !== 'EC PARAMETERS') pieces.ignored.add(label);
    return ok(undefined);
  });
}

const PKCS7_COMMAND = 'openssl pkcs7 -print_certs -in old.p7b -out new.pem';
const CONVERSIONS: ReadonlyMap<string, string> = new Map([
  ['PKCS7', PKCS7_COMMAND],
  ['CMS', PKCS7_COMMAND],
  ['TRUSTED CERTIFICATE', 'openssl x509 -in old.pem -out new.pem'],
]);

/** ContentInfo with signed data (RFC 5652 §3): certificates in the way of Windows. */
function isPkcs7(node: DerNode): boolean {
  return oidOf(new DerFields(node).take()) === '1.2.840.113549.1.7.2';
}

const SIGNED_DATA = Buffer.from('06092a864886f70d010702', 'hex');
const DATA = Buffer.from('06092a864886f70d010701', 'hex');

/**
 * The beginning of the XML that a file of signed data holds (RFC 5652 §5.2), as Apple's configuration profiles come. Nothing is verified, and it
 * is looked for by its octets: macOS writes BER of indefinite length.
 */
export function signedXml(file: Uint8Array): string | undefined {
  const start = Buffer.from(file.subarray(0, 4096));
  const signed = start.subarray(0, 32).indexOf(SIGNED_DATA);
  const type = start.indexOf(DATA, signed + SIGNED_DATA.length);
  if (start[0] !== 0x30 || signed < 0 || type < 0) return undefined;
  const content = start.toString('utf8', type + DATA.length);
  // Before it come tags and lengths only.
  const at = content.search(/<(\?xml|!--|!DOCTYPE|plist)/i);
  return at >= 0 && at < 32 ? content.slice(at) : undefined;
}

function addKey(open: () => Result<ReadKey, KeyError>, { keys }: Pieces, encrypted = false): Result<undefined, ImportError> {
  if (keys.length > 0) return refuse('several-keys', 'there are several private keys; expected one');
  const read = open();
  if (!read.ok) return refuse(read.error.code, read.error.message);
  keys.push(encrypted ? { ...read.value, encrypted } : read.value);
  return ok(undefined);
}

function addCertificate(der: Uint8Array, { certificates }: Pieces): Result<undefined, ImportError> {
  const parsed = parseCertificate(der);
  if (!parsed.ok) return refuse('malformed', parsed.error.evidence);
  if (certificates.length >= MOST_CERTIFICATES) return refuse('too-large', `more than ${MOST_CERTIFICATES} certificates`);
  if (!certificates.some((one) => Buffer.compare(one.der, parsed.value.der) === 0)) certificates.push(parsed.value);
  return ok(undefined);
}

function all<T>(items: readonly T[], add: (item: T) => Result<undefined, ImportError>): Result<undefined, ImportError> {
  for (const item of items) {
    const added = add(item);
    if (!added.ok) return added;
  }
  return ok(undefined);
}

function arrange({ keys, certificates, ignored: labels }: Pieces): Result<Bundle, ImportError> {
  const [key] = keys;
  const ignored = [...labels];
  const only = ignored.length > 0 ? ` (but ${ignored.map((label) => `"${label}"`).join(', ')})` : '';
  if (!key) {
    if (certificates.length === 0) return refuse('no-certificate', `there is no certificate in it${only}`);
    return ok({ key: undefined, chain: [], authorities: endEntityFirst(certificates), others: [], ignored });
  }
  const ordered = chainFirst(certificates, key);
  const [mine] = ordered;
  if (!mine) return refuse('no-certificate', `there is a private key, and no certificate${only}`);
  if (keyMismatch(key.signer, mine.publicKey)) {
    return refuse('key-mismatch', 'none of the certificates is the private key’s');
  }
  // The chain ends where nothing leads further; a root is the gateway's to know, and ours to trust.
  const chain: Certificate[] = [];
  for (const one of ordered) {
    const below = chain[chain.length - 1];
    if (below && (isSelfIssued(one) || !sameName(one.subject, below.issuer))) break;
    chain.push(one);
  }
  const rest = ordered.filter((one) => !chain.includes(one));
  const found = rest.filter((one) => mayBeTrusted(one, mine));
  const others = rest.filter((one) => !found.includes(one));
  const [top] = chain.slice(1).reverse();
  // Without a root, the highest authority is what both sides have in common.
  return ok({ key, chain, authorities: found.length > 0 || !top ? found : [top], others, ignored });
}

/** Files have chains in either order; which one it is about must not hang on that. */
function endEntityFirst(all: readonly Certificate[]): readonly Certificate[] {
  const lowest = all.filter((one) => !all.some((other) => other !== one && sameName(other.issuer, one.subject)));
  const first = lowest.find(({ extensions }) => extensions.basicConstraints?.ca !== true) ?? lowest[0];
  return first ? [first, ...all.filter((one) => one !== first)] : all;
}

/** RFC 5280 §4.2.1.12, RFC 4945 §5.1.3.12: serverAuth, ipsecIKE, the older iKEIntermediate, any. */
const GATEWAY_PURPOSES: ReadonlySet<string> = new Set([
  '1.3.6.1.5.5.7.3.1',
  '1.3.6.1.5.5.7.3.17',
  '1.3.6.1.5.5.8.2.2',
  '2.5.29.37.0',
]);

/** An authority, or what can be the gateway's own; not what is a user's. */
function mayBeTrusted({ subject, version, extensions }: Certificate, mine: Certificate): boolean {
  if (version !== 3 || extensions.basicConstraints?.ca === true) return true;
  const purposes = extensions.extendedKeyUsage;
  return !sameName(subject, mine.subject) && (!purposes || purposes.some((purpose) => GATEWAY_PURPOSES.has(purpose)));
}

/** Of `others` in a bundle. */
export function leftOutText({ subject, notAfter }: Certificate): string {
  const day = new Date(notAfter).toISOString().slice(0, 10);
  return `the certificate of ${shown(subject.text)} until ${day} is neither the key’s nor an authority: it is not trusted`;
}

export function credentialError(fault: CredentialFault): { readonly ok: false; readonly error: ImportError } {
  const { code, message } = keyError(fault);
  return refuse(code, message);
}

function refuse(code: CredentialFaultCode, detail: string): { readonly ok: false; readonly error: ImportError } {
  switch (code) {
    case 'password-needed':
      return err({ code: 'import-password-needed', detail });
    case 'password-wrong':
      return err({ code: 'import-password-wrong', detail });
    case 'unsupported':
    case 'too-much-work':
      return err({ code: 'import-unsupported', detail });
    default:
      return err({ code: 'profile-malformed', detail });
  }
}
