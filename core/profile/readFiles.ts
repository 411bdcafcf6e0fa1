/** One profile out of one file or several. What each is, its content tells: a name may say anything. */
import { err, ok, type Result } from '../bytes/result.ts';
import { fromBase64 } from '../pki/pem.ts';
import { fileNumber, leftOutText, looksLikeBundle, readBundle, signedXml } from './bundle.ts';
import { identityIn } from './certificateNotes.ts';
import type { Imported } from './convert.ts';
import { shown } from './faults.ts';
import { type ImportError, importFields, importOwn, malformed } from './import.ts';
import { isObject, parseJson } from './json.ts';
import { createNotes } from './notes.ts';
import { importSswan, looksLikeSswan } from './sswan.ts';

export interface ReadOptions {
  /** Of PKCS #12 or of a key. */
  readonly password?: string | undefined;
  /** For files that name none. */
  readonly gateway?: string | undefined;
  /** Of the profile, instead of what the files say. */
  readonly name?: string | undefined;
  /** Date.now() milliseconds. */
  readonly now: number;
}

/** Of base64 in JSON, with line breaks: a chain and a key. */
const FOREIGN_LIMITS = { length: 512 * 1024, depth: 8, values: 10_000 };

export function importFiles(files: readonly Uint8Array[], options: ReadOptions): Result<Imported, ImportError> {
  const [only, ...others] = files;
  if (!only) return malformed('there is no file');
  const signed = foreignKind(signedXml(only) ?? '');
  if (signed !== undefined) return notReadYet(signed);
  if (files.every(looksLikeBundle)) return importBundle(files, options);
  if (others.length > 0) {
    const other = fileNumber(files.findIndex((file) => !looksLikeBundle(file)));
    return malformed(`${other}several files make a profile only if all of them are certificates and keys; this is neither`);
  }
  const text = textOf(only);
  if (text === undefined) {
    // RFC 8259 §8.1; Windows writes UTF-16 where one redirects.
    const wide = (only[0] === 0xff && only[1] === 0xfe) || (only[0] === 0xfe && only[1] === 0xff);
    return malformed(wide ? 'text in UTF-16; save it as UTF-8' : 'neither a profile nor PKCS #12, PEM or DER');
  }
  const wrapped = fromBase64(text);
  if (wrapped && wrapped.length > 0 && looksLikeBundle(wrapped)) {
    return malformed('base64 of a file of certificates and keys; decode it first: base64 -d old.txt > new.p12');
  }
  const foreign = foreignKind(text);
  if (foreign !== undefined) return notReadYet(foreign);
  const lax = parseJson(text, { ...FOREIGN_LIMITS, lineBreaks: true });
  const foreignObject = lax.ok && isObject(lax.value) && looksLikeSswan(lax.value);
  const parsed = foreignObject ? lax : parseJson(text, FOREIGN_LIMITS);
  if (!parsed.ok) {
    const { line, column, problem } = parsed.error;
    return malformed(`line ${line}, column ${column}: ${problem}`);
  }
  if (!isObject(parsed.value)) return malformed('the file must hold one object: { "sallyport": 1, … }');
  // It is not for us to say which of the two was meant.
  if (options.gateway !== undefined) return malformed('gateway: the file says itself where it is; it cannot be given besides');
  if (looksLikeSswan(parsed.value)) return importSswan(parsed.value, { ...options, password: options.password });
  return importOwn(options.name === undefined ? parsed.value : { ...parsed.value, name: options.name }, options.now);
}

function textOf(octets: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(octets);
  } catch {
    return undefined;
  }
}

function notReadYet(kind: string): Result<never, ImportError> {
  return err({ code: 'import-unsupported', detail: `${kind}: not read yet; ask for a .sswan or .sallyport file` });
}

/** What other programs' files begin with: better told by name than as a fault at column 1. */
function foreignKind(text: string): string | undefined {
  const start = text
    .replace(/^\ufeff/, '')
    .trimStart()
    .slice(0, 2000);
  if (/^(<\?xml[^>]*>\s*)?(<!--((?!-->).)*-->\s*)*(<!DOCTYPE plist|<plist\b)/is.test(start))
    return 'an Apple configuration profile';
  if (/<VPNProfile\b/.test(start)) return 'a Windows VPN profile';
  if (/^\[(connection|vpn)\]/m.test(start)) return 'a NetworkManager connection';
  if (/^\s*connections\s*\{/m.test(start)) return 'a swanctl.conf';
  if (/^\s*conn\s+\S+/m.test(start)) return 'an ipsec.conf';
  return undefined;
}

function importBundle(
  files: readonly Uint8Array[],
  { password, gateway, name, now }: ReadOptions,
): Result<Imported, ImportError> {
  const bundle = readBundle(files, password);
  if (!bundle.ok) return bundle;
  const { key, chain, authorities, others, ignored } = bundle.value;
  const [mine] = chain;
  if (!key || !mine) {
    return malformed('there is no private key in it: certificates alone are no profile; give the file with your key too');
  }
  if (gateway === undefined || gateway.trim() === '') {
    key.pkcs8.fill(0);
    return err({ code: 'import-gateway-needed', detail: 'certificates and keys do not say where the gateway is' });
  }
  const notes = createNotes();
  const profileName = name ?? gateway.trim();
  if (authorities.length > 0) {
    const names = authorities.map(({ subject }) => shown(subject.text)).join('; ');
    const why = `whom the gateway’s certificate must come from: ${names}`;
    notes.changed('gatewayAuth.authorities', 'anchors-found', why, { count: authorities.length });
  }
  for (const one of others) notes.dropped('auth.certificate', 'not-needed', leftOutText(one));
  for (const label of ignored) notes.dropped('auth.certificate', 'not-needed', `a block "${label}": it is of no use here`);
  const fields = { sallyport: 1, name: profileName, gateway: gateway.trim(), auth: { method: 'certificate' } };
  const imported = importFields(fields, {
    notes,
    now,
    material: { key, certificates: chain, authorities, intermediates: chain.slice(1) },
  });
  if (!imported.ok) return imported;
  const identity = shown(identityIn(mine));
  // By this the gateway finds the user; left empty it is found in the certificate when connecting.
  const told = imported.value.notes.map((note) =>
    note.field === 'localId'
      ? {
          ...note,
          code: 'identity-from-certificate' as const,
          why: `${identity}, as your certificate says`,
          values: { value: identity },
        }
      : note,
  );
  const kept = key.encrypted
    ? [{ field: 'auth.key', outcome: 'changed' as const, code: 'kept-without-password' as const, why: KEPT }]
    : [{ field: 'auth.key', outcome: 'warning' as const, code: 'clear-text' as const, why: CLEAR }];
  return ok({
    ...imported.value,
    notes: [...told.filter(({ field }) => !['auth.key', 'auth', 'sallyport'].includes(field)), ...kept],
  });
}

const KEPT = 'its password is not needed again: the helper keeps the key where only it can read';
const CLEAR = 'everybody who can read the file can use it: delete the file when it is imported';
