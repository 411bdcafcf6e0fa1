/** EAP packets (RFC 3748 §4), and what is called how. */
import { Reader } from '../../../bytes/reader.ts';
import { err, ok, type Result } from '../../../bytes/result.ts';
import { Writer } from '../../../bytes/writer.ts';
import type { EapMethodName } from './contract.ts';

export const eapCode = { request: 1, response: 2, success: 3, failure: 4 } as const;

/** IANA "Method Types". `extensions` is PEAP's (draft-josefsson-pppext-eap-tls-eap-06), `expanded` RFC 3748 §5.7. */
export const eapType = {
  identity: 1,
  notification: 2,
  nak: 3,
  md5: 4,
  otp: 5,
  gtc: 6,
  tls: 13,
  ttls: 21,
  peap: 25,
  mschapv2: 26,
  extensions: 33,
  expanded: 254,
} as const;

export type EapPacket =
  | { readonly kind: 'request' | 'response'; readonly identifier: number; readonly type: number; readonly data: Uint8Array }
  | { readonly kind: 'success' | 'failure'; readonly identifier: number };

/** One EAP packet; `data` is a view. The error is one printable line. */
export function parseEap(bytes: Uint8Array): Result<EapPacket, string> {
  const reader = new Reader(bytes);
  const code = reader.u8();
  const identifier = reader.u8();
  const length = reader.u16();
  if (reader.short) return err(`EAP packet of ${bytes.length} octets`);
  // RFC 3748 §4.1: what is beyond Length is padding of the layer below; what is shorter than Length is no packet.
  if (length < 4 || length > bytes.length) return err(`EAP length ${length} in a payload of ${bytes.length} octets`);
  if (code === eapCode.success || code === eapCode.failure) {
    // RFC 3748 §4.2: Success and Failure are four octets.
    if (length !== 4) return err(`EAP code ${code} with ${length - 4} octets of data`);
    return ok({ kind: code === eapCode.success ? 'success' : 'failure', identifier });
  }
  if (code !== eapCode.request && code !== eapCode.response) return err(`EAP code ${code}`);
  if (length < 5) return err('EAP request without a type');
  const type = reader.u8();
  return ok({ kind: code === eapCode.request ? 'request' : 'response', identifier, type, data: reader.bytes(length - 5) });
}

/** A request or response. At most 65,530 octets of data. */
export function encodeEap(code: 1 | 2, identifier: number, type: number, data: Uint8Array): Uint8Array {
  if (data.length > 65_530) throw new RangeError(`EAP packet with ${data.length} octets of data`);
  return new Writer(5 + data.length)
    .u8(code)
    .u8(identifier)
    .u16(5 + data.length)
    .u8(type)
    .bytes(data)
    .finish();
}

export function typeOfMethod(name: EapMethodName): number {
  return eapType[name];
}

export function methodOfType(type: number): EapMethodName | undefined {
  return methodNames.find((name) => eapType[name] === type);
}

/** For people: `MSCHAPv2 (26)`. */
export function describeType(type: number): string {
  const name = labels.get(type);
  return name === undefined ? `type ${type}` : `${name} (${type})`;
}

const methodNames: readonly EapMethodName[] = ['mschapv2', 'tls', 'gtc', 'otp', 'md5', 'ttls', 'peap'];

const labels: ReadonlyMap<number, string> = new Map([
  [eapType.identity, 'Identity'],
  [eapType.notification, 'Notification'],
  [eapType.nak, 'NAK'],
  [eapType.md5, 'MD5-Challenge'],
  [eapType.otp, 'OTP'],
  [eapType.gtc, 'GTC'],
  [eapType.tls, 'TLS'],
  [18, 'SIM'],
  [eapType.ttls, 'TTLS'],
  [23, 'AKA'],
  [eapType.peap, 'PEAP'],
  [eapType.mschapv2, 'MSCHAPv2'],
  [eapType.extensions, 'Extensions'],
  [43, 'FAST'],
  [50, 'AKA-prime'],
  [52, 'PWD'],
  [55, 'TEAP'],
  [eapType.expanded, 'Expanded'],
]);
