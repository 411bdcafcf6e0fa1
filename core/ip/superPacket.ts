/** What a super-packet's own headers and its virtio header say, for the host that takes it. */
import { ipv4HeaderSum, pseudoSum4, pseudoSum6, storeWord, swapWord } from './checksum.ts';
import { gsoTcpv4, gsoTcpv6, gsoUdp, needsChecksum, type VirtioHeader } from './virtio.ts';

/**
 * Makes the headers of the TCP or UDP packet at `at`, without IPv4 options or IPv6 extension headers, those of a super-packet of `octets` in
 * all, `gsoSize` of payload in each segment, and fills `virtio` to go with it. Its checksum becomes a partial one, the sum of the pseudo
 * header, as `needsChecksum` has it.
 */
export function describeSuperPacket(virtio: VirtioHeader, bytes: Uint8Array, at: number, octets: number, gsoSize: number): void {
  const version = bytes[at] >>> 4;
  const transport = version === 4 ? 20 : 40;
  const protocol = bytes[at + (version === 4 ? 9 : 6)];
  const start = at + transport;
  const length = octets - transport;
  let pseudo: number;
  if (version === 4) {
    storeWord(bytes, at + 2, swapWord(octets));
    storeWord(bytes, at + 10, ~ipv4HeaderSum(bytes, at));
    pseudo = pseudoSum4(bytes, at, protocol, length);
  } else {
    storeWord(bytes, at + 4, swapWord(length));
    pseudo = pseudoSum6(bytes, at, protocol, length);
  }
  virtio.flags = needsChecksum;
  virtio.gsoSize = gsoSize;
  virtio.checksumStart = transport;
  if (protocol === 6) {
    virtio.gsoType = version === 4 ? gsoTcpv4 : gsoTcpv6;
    virtio.headerLength = transport + (bytes[start + 12] >>> 4) * 4;
    virtio.checksumOffset = 16;
  } else {
    virtio.gsoType = gsoUdp;
    virtio.headerLength = transport + 8;
    virtio.checksumOffset = 6;
    storeWord(bytes, start + 4, swapWord(length));
  }
  storeWord(bytes, start + virtio.checksumOffset, pseudo);
}
