/**
 * The Internet checksum (RFC 1071) over headers. All sums and words are as `PacketMemory.sum` has them: 16 bits, little endian, so that
 * they add up with what it returns, and a checksum is stored low octet first (`storeWord`). RFC 1071 §2(B): the order of the octets
 * does not matter as long as it is the same everywhere.
 */

/** The word at `at`, as stored and summed. */
export function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8);
}

/** Stores a word or checksum so that `wordAt` gives it back. */
export function storeWord(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word;
  bytes[at + 1] = word >>> 8;
}

/** A number of 16 bits as the word that it is on the wire (network byte order), and back. */
export function swapWord(value: number): number {
  return ((value & 0xff) << 8) | (value >>> 8);
}

/** A sum below 2^32 brought to 16 bits, the carries added back in. */
export function foldSum(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/**
 * Sum of the IPv4 header at `ipAt` with its checksum field taken as zero. The checksum to store is `~sum & 0xffff`; a stored one is right when
 * `foldSum(sum + wordAt(bytes, ipAt + 10)) === 0xffff`. The caller has checked that the header is there.
 */
export function ipv4HeaderSum(bytes: Uint8Array, ipAt: number): number {
  const end = ipAt + (bytes[ipAt] & 0x0f) * 4;
  let sum = -wordAt(bytes, ipAt + 10);
  for (let at = ipAt; at < end; at += 2) sum += wordAt(bytes, at);
  return foldSum(sum);
}

/** Sum of the pseudo header (RFC 9293 §3.1, RFC 768) of the IPv4 packet at `ipAt`, for `length` octets of `protocol`. */
export function pseudoSum4(bytes: Uint8Array, ipAt: number, protocol: number, length: number): number {
  let sum = (protocol << 8) + swapWord(length);
  for (let at = ipAt + 12; at < ipAt + 20; at += 2) sum += wordAt(bytes, at);
  return foldSum(sum);
}

/**
 * Sum of the pseudo header (RFC 8200 §8.1) of the IPv6 packet at `ipAt`, for `length` octets, at most 65,535, of `protocol`. The destination
 * is taken from the header: not right where a routing header has addresses left.
 */
export function pseudoSum6(bytes: Uint8Array, ipAt: number, protocol: number, length: number): number {
  let sum = (protocol << 8) + swapWord(length);
  for (let at = ipAt + 8; at < ipAt + 40; at += 2) sum += wordAt(bytes, at);
  return foldSum(sum);
}

/** The checksum after one word that it covers changed. */
export function adjust(checksum: number, oldWord: number, newWord: number): number {
  // RFC 1624 §3 equation 3: HC' = ~(~HC + ~m + m'). The one of RFC 1141 can give 0xffff where 0 belongs.
  return ~foldSum((~checksum & 0xffff) + (~oldWord & 0xffff) + newWord) & 0xffff;
}
