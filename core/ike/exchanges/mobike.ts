/** The notifies of MOBIKE (RFC 4555 §4), written and read. Both roles use them. */
import { formatAddress, parseAddress } from '../../bytes/address.ts';
import { concat, equalBytes } from '../../bytes/bytes.ts';
import type { Endpoint } from '../sa/contract.ts';
import { NOTIFY } from '../wire/constants.ts';
import type { Payload, PayloadOf } from '../wire/message.ts';
import { findNotify, notify } from '../wire/payloads.ts';

/** More than any gateway has, and few enough to try. */
const mostAdditional = 8;

/** RFC 4555 §3.4, §3.6: all addresses besides the one in use; where there are none, that is said too if `evenNone`. */
export function additionalAddresses(addresses: readonly string[], evenNone: boolean): readonly Payload[] {
  if (addresses.length === 0) return evenNone ? [notify(NOTIFY.NO_ADDITIONAL_ADDRESSES)] : [];
  return addresses.slice(0, mostAdditional).map((text) => {
    const address = parseAddress(text);
    if (!address) throw new RangeError(`not an address: ${text}`);
    return notify(address.length === 4 ? NOTIFY.ADDITIONAL_IP4_ADDRESS : NOTIFY.ADDITIONAL_IP6_ADDRESS, address);
  });
}

/** The address that such a notify holds; undefined for one that no packet could be sent to. */
function readAdditional({ type, data }: PayloadOf<'N'>): string | undefined {
  if (data.length !== (type === NOTIFY.ADDITIONAL_IP4_ADDRESS ? 4 : 16)) return undefined;
  return isUnicast(data) ? formatAddress(data) : undefined;
}

/** The addresses that a message lists; undefined where it lists none and does not say that there are none. */
export function readAllAdditional(payloads: readonly Payload[]): readonly string[] | undefined {
  const addresses = new Set<string>();
  let told = false;
  for (const payload of payloads) {
    if (payload.kind !== 'N' || !listing.has(payload.type)) continue;
    told = true;
    const address = payload.type === NOTIFY.NO_ADDITIONAL_ADDRESSES ? undefined : readAdditional(payload);
    if (address !== undefined && addresses.size < mostAdditional) addresses.add(address);
  }
  return told ? [...addresses] : undefined;
}

const listing: ReadonlySet<number> = new Set([
  NOTIFY.ADDITIONAL_IP4_ADDRESS,
  NOTIFY.ADDITIONAL_IP6_ADDRESS,
  NOTIFY.NO_ADDITIONAL_ADDRESSES,
]);

/** Whether the answer has the COOKIE2 of the request, as it was (RFC 4555 §3.7). */
export function bringsBack(cookie: Uint8Array, answer: readonly Payload[]): boolean {
  const found = findNotify(answer, NOTIFY.COOKIE2);
  return found !== undefined && equalBytes(found.data, cookie);
}

/** What is to be copied into the answer; undefined for one that is none (RFC 4555 §4.2.5: 8 to 64 octets). */
export function copyCookie2({ data }: PayloadOf<'N'>): Payload | undefined {
  return data.length < 8 || data.length > 64 ? undefined : notify(NOTIFY.COOKIE2, data.slice());
}

/** RFC 4555 §4.2.6: the addresses, then the ports, that a message is sent from and to. */
export function noNatsAllowed(from: Endpoint, to: Endpoint): Uint8Array | undefined {
  const [a, b] = [parseAddress(from.address), parseAddress(to.address)];
  if (!a || !b || a.length !== b.length) return undefined;
  return concat(a, b, Uint8Array.of(from.port >>> 8, from.port, to.port >>> 8, to.port));
}

/** Neither multicast, loopback, link-local, unspecified nor class E. */
function isUnicast(bytes: Uint8Array): boolean {
  if (bytes.length === 4) {
    const linkLocal = bytes[0] === 169 && bytes[1] === 254;
    return bytes[0] !== 0 && bytes[0] !== 127 && bytes[0] < 224 && !linkLocal;
  }
  const linkLocal = bytes[0] === 0xfe && (bytes[1] & 0xc0) === 0x80;
  const unspecifiedOrLoopback = bytes.subarray(0, 15).every((octet) => octet === 0) && bytes[15] <= 1;
  return bytes[0] !== 0xff && !linkLocal && !unspecifiedOrLoopback;
}
