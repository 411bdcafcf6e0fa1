/**
 * `struct virtio_net_hdr` (virtio 1.2 §5.1.6, linux/virtio_net.h): what the kernel says of a packet it hands out through a TUN device,
 * and what it is told of one it is given. In the byte order of the processor, which is little endian on all this product runs on.
 */

/** Octets in front of every packet of a device with `IFF_VNET_HDR`. */
export const virtioHeaderBytes = 10;

/** `flags`: the checksum at `csumStart + csumOffset` holds only the pseudo header's sum; somebody must finish it. */
export const needsChecksum = 1;
/** `flags`: the checksum was verified. */
export const checksumValid = 2;

/** `gsoType` */
export const gsoNone = 0;
export const gsoTcpv4 = 1;
export const gsoTcpv6 = 4;
export const gsoUdp = 5;
/** Bit beside the type: the first segment has CWR. */
export const gsoEcn = 0x80;

/** The header's fields; one object is used again and again. */
export class VirtioHeader {
  flags = 0;
  gsoType = gsoNone;
  /** Octets of headers in front of the payload, as a hint. */
  headerLength = 0;
  /** Octets of payload in every segment but the last. */
  gsoSize = 0;
  /** Where the checksum begins, from the start of the IP header, and where it is written, from there. */
  checksumStart = 0;
  checksumOffset = 0;

  /** Reads the header at `at`. */
  read(bytes: Uint8Array, at: number): void {
    this.flags = bytes[at];
    this.gsoType = bytes[at + 1];
    this.headerLength = bytes[at + 2] | (bytes[at + 3] << 8);
    this.gsoSize = bytes[at + 4] | (bytes[at + 5] << 8);
    this.checksumStart = bytes[at + 6] | (bytes[at + 7] << 8);
    this.checksumOffset = bytes[at + 8] | (bytes[at + 9] << 8);
  }

  /** A packet of which nothing needs to be said. */
  clear(): void {
    this.flags = 0;
    this.gsoType = gsoNone;
    this.headerLength = 0;
    this.gsoSize = 0;
    this.checksumStart = 0;
    this.checksumOffset = 0;
  }

  /** Writes the header at `at`. */
  write(bytes: Uint8Array, at: number): void {
    bytes[at] = this.flags;
    bytes[at + 1] = this.gsoType;
    bytes[at + 2] = this.headerLength;
    bytes[at + 3] = this.headerLength >>> 8;
    bytes[at + 4] = this.gsoSize;
    bytes[at + 5] = this.gsoSize >>> 8;
    bytes[at + 6] = this.checksumStart;
    bytes[at + 7] = this.checksumStart >>> 8;
    bytes[at + 8] = this.checksumOffset;
    bytes[at + 9] = this.checksumOffset >>> 8;
  }
}
