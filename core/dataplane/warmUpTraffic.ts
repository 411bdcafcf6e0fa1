/** What passes the lanes before anything real does: packets of the kinds that a quiet laptop sends, and an SA for them. */
import { byKeyword } from '../crypto/transforms.ts';
import { foldSum, ipv4HeaderSum, pseudoSum4, pseudoSum6, storeWord } from '../ip/checksum.ts';
import { echoRequest } from '../ip/echo.ts';
import { sumOf } from '../ip/packetMemory.ts';
import type { LaneChild } from './commands.ts';

/** Octets of the longest one, at most. */
export const longestPacket = 200;

/** Networks for documentation (RFC 5737, RFC 3849), of which the sender has the lower half and the receiver the upper one. */
const networks = [
  { type: 'ipv4', header: 20, prefix: [192, 0, 2] },
  { type: 'ipv6', header: 40, prefix: [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] },
] as const;

const icmp6 = 58;
const hopByHop = 0;
const protocols = { tcp: 6, udp: 17 } as const;
const checksumAt = { tcp: 16, udp: 6 } as const;

/** With right checksums, so that they take the way of honest packets. */
export const packets: readonly Uint8Array[] = networks.flatMap((network) => [
  echo(network, 84),
  echo(network, 100),
  upper(network, 'tcp', segment()),
  upper(network, 'udp', datagram()),
  ...(network.type === 'ipv6' ? [extended(echo(network, 84))] : []),
]);

/**
 * From the lower half of the networks to the upper one, as both of its ends see it: the first one sends. `variant` differs in what an SA
 * may have or not.
 */
export function warmUpChild(remote: LaneChild['remote'], end: 'first' | 'second', variant: number): LaneChild {
  const encr = byKeyword('aes256gcm16');
  if (encr?.type !== 1) throw new Error('no AES-GCM in the table of transforms');
  const half = (from: number): LaneChild['localSelectors'] =>
    networks.map(({ type, prefix }) => {
      const range = { start: Uint8Array.of(...prefix, from), end: Uint8Array.of(...prefix, from + 127) };
      return { type, protocol: 0, startPort: 0, endPort: 65_535, ...range };
    });
  const unreached = { soft: Number.MAX_SAFE_INTEGER, hard: Number.MAX_SAFE_INTEGER };
  return {
    // Above the numbers that the compiler calls small, as half of all SPIs are.
    spiIn: 0xfffe_1000,
    spi: 0xfffe_1000,
    encr,
    integ: undefined,
    esn: false,
    keys: { encryption: new Uint8Array(encr.keyBytes + encr.saltBytes), integrity: new Uint8Array(0) },
    localSelectors: half(end === 'first' ? 0 : 128),
    remoteSelectors: half(end === 'first' ? 128 : 0),
    remote,
    keepalive: true,
    mtu: 1400,
    slot: 0,
    ...(variant > 0 && { session: { identifier: 2, token: new Uint8Array(8) } }),
    limits: variant > 0 ? { packets: unreached } : { octets: unreached, packets: unreached },
  };
}

/** Behind the non-ESP marker (RFC 3948 §2.2), the header of one (RFC 7296 §3.1). */
export const ikeMessage = new Uint8Array(4 + 28);

type Network = (typeof networks)[number];

function ends({ prefix }: Network): { readonly source: Uint8Array; readonly target: Uint8Array } {
  return { source: Uint8Array.of(...prefix, 1), target: Uint8Array.of(...prefix, 129) };
}

function echo(network: Network, octets: number): Uint8Array {
  return echoRequest({ ...ends(network), identifier: 1, sequence: 1, token: new Uint8Array(16) }, octets);
}

/** An echo's IP header before another upper layer. */
function upper(network: Network, protocol: 'tcp' | 'udp', content: Uint8Array): Uint8Array {
  const { type, header } = network;
  const packet = echo(network, header + content.length);
  const number = protocols[protocol];
  packet[type === 'ipv4' ? 9 : 6] = number;
  if (type === 'ipv4') storeWord(packet, 10, ~ipv4HeaderSum(packet, 0));
  packet.set(content, header);
  const pseudo = (type === 'ipv4' ? pseudoSum4 : pseudoSum6)(packet, 0, number, content.length);
  storeWord(packet, header + checksumAt[protocol], ~foldSum(pseudo + sumOf(packet, header, content.length)));
  return packet;
}

/** 100 octets that acknowledge (RFC 9293 §3.1). */
function segment(): Uint8Array {
  const out = new Uint8Array(120);
  out.set([0x30, 0x39, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0]);
  return out;
}

/** 92 octets to a name server (RFC 768). */
function datagram(): Uint8Array {
  const out = new Uint8Array(100);
  out.set([0x30, 0x39, 0, 53, 0, 100]);
  return out;
}

/** With a header of hop-by-hop options that holds padding only (RFC 8200 §4.3), as the kernel's own reports of groups have one. */
function extended(packet: Uint8Array): Uint8Array {
  const out = new Uint8Array(packet.length + 8);
  out.set(packet.subarray(0, 40));
  out.set([icmp6, 0, 1, 4], 40);
  out.set(packet.subarray(40), 48);
  out[5] += 8;
  out[6] = hopByHop;
  return out;
}
