/** From what is wrong with the gateway's certificates to why the SA ended. Total: a new fault does not compile without its code. */
import type { IkeFailure } from '../ike/sa/contract.ts';
import type { PkiFault, PkiFaultCode } from '../pki/contract.ts';

const codes: { readonly [C in PkiFaultCode]: IkeFailure['code'] } = {
  malformed: 'gateway-cert-invalid',
  'too-large': 'gateway-cert-invalid',
  'no-certificate': 'gateway-no-certificate',
  untrusted: 'gateway-untrusted',
  expired: 'gateway-cert-expired',
  'not-yet-valid': 'gateway-cert-not-yet-valid',
  'bad-signature': 'gateway-cert-invalid',
  'weak-signature': 'gateway-cert-invalid',
  'weak-key': 'gateway-cert-invalid',
  'not-a-ca': 'gateway-cert-invalid',
  'path-length': 'gateway-cert-invalid',
  'name-constraints': 'gateway-cert-invalid',
  policy: 'gateway-cert-invalid',
  'key-usage': 'gateway-cert-invalid',
  'extended-key-usage': 'gateway-cert-invalid',
  'unknown-critical-extension': 'gateway-cert-invalid',
  'too-complex': 'gateway-cert-invalid',
  'wrong-name': 'gateway-wrong-name',
  revoked: 'gateway-cert-revoked',
  'revocation-unknown': 'gateway-revocation-unknown',
};

/** What `refused` says in answer to `gateway-certificate` and `gateway-revocation`. */
export function gatewayFailure({ code, evidence }: PkiFault): IkeFailure {
  return { code: codes[code], evidence: codes[code] === 'gateway-cert-invalid' ? `${code}: ${evidence}` : evidence };
}
