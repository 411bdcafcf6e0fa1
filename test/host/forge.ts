/** ESP packets of somebody who has the keys and does what nobody may. */
import { createHash } from 'node:crypto';
import { parseAddress } from '../../core/bytes/address.ts';
import { concat } from '../../core/bytes/bytes.ts';
import type { EspCipher, EspKeys, EspSuite } from '../../core/crypto/espCipher.ts';
import { nodeEspBackend } from '../../core/crypto/node/esp.ts';
import { suiteOf } from '../unit/esp/suites.ts';

/** Protocol numbers of the trailer's last octet. */
export const ipv4 = 4;
export const ipv6 = 41;

export interface ForgedPacket {
  /** Sequence number: half on the wire, and the half that is only authenticated. Default: the next one. */
  readonly low?: number;
  readonly high?: number;
  readonly nextHeader?: number;
  /** Octets between inner packet and padding (RFC 4303 §2.7). */
  readonly tfc?: number;
  /** In place of 1, 2, 3, … */
  readonly padding?: readonly number[];
  readonly padLength?: number;
  readonly spi?: number;
}

export class Forge {
  readonly spi: number;
  /** The last number given out. */
  sequence = 0;
  readonly #cipher: EspCipher;

  /** `seed` as `PeerChild.keyIn` has it. */
  constructor(suite: string, spi: number, seed: string) {
    this.spi = spi;
    const parts = suiteOf(suite);
    const cipher = nodeEspBackend.cipher(parts, keysOf(parts, seed));
    if (cipher === undefined) throw new Error(suite);
    this.#cipher = cipher;
  }

  /** The whole ESP packet around an inner one. */
  seal(inner: Uint8Array, packet: ForgedPacket = {}): Uint8Array {
    const { ivBytes, icvBytes, alignment } = this.#cipher;
    const { low = ++this.sequence, high = 0, nextHeader = ipv4, tfc = 0, spi = this.spi } = packet;
    const content = inner.length + tfc;
    const least = (alignment - ((content + 2) % alignment)) % alignment;
    const padding = packet.padding ?? Array.from({ length: least }, (_, i) => i + 1);
    const sealed = content + padding.length + 2;
    const out = new Uint8Array(8 + ivBytes + sealed + icvBytes);
    const view = new DataView(out.buffer);
    view.setUint32(0, spi);
    view.setUint32(4, low);
    for (let i = 0; i < ivBytes; i++) out[8 + i] = (low >>> (i & 7)) ^ i;
    out.set(inner, 8 + ivBytes);
    out.set(padding, 8 + ivBytes + content);
    out[8 + ivBytes + sealed - 2] = packet.padLength ?? padding.length;
    out[8 + ivBytes + sealed - 1] = nextHeader;
    this.#cipher.seal(out, 0, sealed, high);
    return out;
  }
}

/** The keys that `dataplanePeer.ts` makes of the same seed. */
function keysOf({ encr, integ }: EspSuite, seed: string): EspKeys {
  const material = createHash('shake256', { outputLength: 128 }).update(seed).digest();
  return {
    encryption: Uint8Array.from(material.subarray(0, encr.keyBytes + encr.saltBytes)),
    integrity: Uint8Array.from(material.subarray(64, 64 + (integ?.keyBytes ?? 0))),
  };
}

/** With its last octets flipped: the ICV does not match. */
export function broken(packet: Uint8Array): Uint8Array {
  const out = packet.slice();
  out[out.length - 1] ^= 0xff;
  return out;
}

/** An echo reply nobody asked for: the kernel takes it and says nothing. `octets` of the whole packet, 28 at least. */
export function echoReply(source: string, destination: string, octets = 60): Uint8Array {
  const from = address(source);
  const six = from.length === 16;
  const head = six ? 40 : 20;
  const body = new Uint8Array(octets - head);
  body[0] = six ? 129 : 0;
  const header = new Uint8Array(head);
  const view = new DataView(header.buffer);
  if (six) {
    header[0] = 0x60;
    view.setUint16(4, body.length);
    header.set([58, 64], 6);
    header.set(from, 8);
    header.set(address(destination), 24);
  } else {
    header[0] = 0x45;
    view.setUint16(2, octets);
    header.set([64, 1], 8);
    header.set(from, 12);
    header.set(address(destination), 16);
    view.setUint16(10, checksum(header));
  }
  if (!six) new DataView(body.buffer).setUint16(2, checksum(body));
  return concat(header, body);
}

/** An IPv6 packet with so many destination options headers in a row, of eight octets each. */
export function extensionChain(source: string, destination: string, count: number): Uint8Array {
  const plain = echoReply(source, destination, 60);
  const chain = Uint8Array.from({ length: 8 * count }, (_, i) => (i % 8 === 0 ? (i / 8 === count - 1 ? 58 : 60) : 0));
  for (let i = 0; i < count; i++) chain.set([1, 4, 0, 0, 0, 0], 8 * i + 2); // PadN
  const out = concat(plain.subarray(0, 40), chain, plain.subarray(40));
  out[6] = 60;
  new DataView(out.buffer).setUint16(4, out.length - 40);
  return out;
}

/** With some of its octets replaced. */
export function patched(octets: Uint8Array, at: number, ...values: readonly number[]): Uint8Array {
  const out = octets.slice();
  out.set(values, at);
  return out;
}

function address(text: string): Uint8Array {
  const octets = parseAddress(text);
  if (octets === undefined) throw new Error(text);
  return octets;
}

function checksum(octets: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < octets.length; i += 2) sum += (octets[i] << 8) | (octets[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
