/** Private keys as profiles keep them: PKCS #8 without a password, in a file of its own. */
import { fromUtf8 } from '../bytes/bytes.ts';
import { err, ok, type Result } from '../bytes/result.ts';
import type { SignerInfo } from '../crypto/signatureTypes.ts';
import type { CredentialFault, CredentialFaultCode } from '../pki/credentialFault.ts';
import { readPem } from '../pki/pem.ts';
import { isKeyLabel, privateKeyFromDer, privateKeyFromPem } from '../pki/pkcs8.ts';
import { signerInfoOf } from '../pki/privateKey.ts';

export interface ReadKey {
  /** DER, without encryption. Wiped by who has it. */
  readonly pkcs8: Uint8Array;
  readonly signer: SignerInfo;
  /** It was, where it came from. */
  readonly encrypted: boolean;
}

export interface KeyError {
  readonly code: CredentialFaultCode;
  /** What is wrong and, where it is known, what to type. */
  readonly message: string;
}

/** Of a text with one key; the certificates beside it are for others to read. */
export function readKeyPem(pem: string, password: string | undefined): Result<ReadKey, KeyError> {
  const blocks = readPem(pem);
  if (!blocks.ok) return err(keyError(blocks.error));
  const keys = blocks.value.filter(({ label }) => isKeyLabel(label));
  const [first] = keys;
  if (!first) return err({ code: 'no-key', message: 'there is no block "PRIVATE KEY"' });
  if (keys.length > 1) return err({ code: 'several-keys', message: `there are ${keys.length} private keys; expected one` });
  return opened(password, first.label === 'ENCRYPTED PRIVATE KEY', (octets) => privateKeyFromPem(first, octets));
}

export function readKeyDer(der: Uint8Array, password: string | undefined): Result<ReadKey, KeyError> {
  const plain = privateKeyFromDer(der);
  const encrypted = !plain.ok && plain.error.code === 'password-needed';
  return opened(password, encrypted, (octets) => (plain.ok ? plain : privateKeyFromDer(der, octets)));
}

function opened(
  password: string | undefined,
  encrypted: boolean,
  open: (password: Uint8Array | undefined) => Result<Uint8Array, CredentialFault>,
): Result<ReadKey, KeyError> {
  const octets = password === undefined ? undefined : fromUtf8(password);
  const pkcs8 = open(octets);
  octets?.fill(0);
  if (!pkcs8.ok) return err(keyError(pkcs8.error));
  const signer = signerInfoOf(pkcs8.value);
  if (signer.ok) return ok({ pkcs8: pkcs8.value, signer: signer.value, encrypted });
  pkcs8.value.fill(0);
  return err(keyError(signer.error));
}

export function keyError({ code, evidence, command }: CredentialFault): KeyError {
  return { code, message: command === undefined ? evidence : `${evidence}; convert it: ${command}` };
}
