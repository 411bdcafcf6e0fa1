/** Why a file with keys or certificates cannot be used. */
import { err } from '../bytes/result.ts';

export type CredentialFaultCode =
  | 'malformed' // not the format it looks like
  | 'unknown-format' // none that we know
  | 'too-large' // more octets or entries than bounded
  | 'too-much-work' // more iterations than bounded
  | 'password-needed'
  | 'password-wrong'
  | 'damaged' // the password is right, what it protects is not
  | 'unsupported' // an algorithm that is too old or unknown; `command` converts the file where that is possible
  | 'no-key'
  | 'several-keys'
  | 'no-certificate'
  | 'key-mismatch' // the key is not the certificate's
  | 'weak-key';

export interface CredentialFault {
  readonly code: CredentialFaultCode;
  /** One printable line; never contents. */
  readonly evidence: string;
  /** What the user can type to make a file that is taken, as it is to be typed but for the names of the files. */
  readonly command?: string;
}

export function credentialFault(
  code: CredentialFaultCode,
  evidence: string,
  command?: string,
): { readonly ok: false; readonly error: CredentialFault } {
  return err(command === undefined ? { code, evidence } : { code, evidence, command });
}
