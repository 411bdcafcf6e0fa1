/** Textual addresses of the test's own configuration, which are therefore well-formed. */
import { parseAddress } from '../../core/bytes/address.ts';

/** 4 or 16 octets. Throws on anything that is no address: the text comes from the test, not from a peer. */
export function addressOctets(text: string): Uint8Array {
  const octets = parseAddress(text);
  if (octets === undefined) throw new Error(`not an address: ${text}`);
  return octets;
}
