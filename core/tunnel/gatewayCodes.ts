/** What is wrong with a gateway's certificate, as the codes by which a connection, and who only looks, tell it. */
import type { IkeFailure } from '../ike/sa/contract.ts';
import type { PkiFaultCode } from '../pki/contract.ts';
import type { ReasonCode } from './reasons.ts';

export const gatewayCodes: { readonly [C in PkiFaultCode]: IkeFailure['code'] & ReasonCode } = {
  malformed: 'gateway-cert-invalid',
  'too-large': 'gateway-cert-invalid',
  'no-certificate': 'gateway-no-certificate',
  untrusted: 'gateway-untrusted',
  expired: 'gateway-cert-expired',
  'not-yet-valid': 'gateway-cert-not-yet-valid',
  'bad-signature': 'gateway-untrusted',
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
