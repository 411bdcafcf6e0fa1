/**
 * Arrays of `struct mmsghdr` with everything they point at, built once and rewritten only where two calls differ: the per-datagram
 * cost of a UDP socket in JavaScript is here. Fields are written as 32-bit words; the upper halves of sizes stay 0.
 */
import type { PacketMemory } from '../../ip/packetMemory.ts';
import {
  AF_INET6,
  EMSGSIZE,
  IP_RECVERR,
  IP_TOS,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_UDP,
  IPV6_RECVERR,
  IPV6_TCLASS,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  MSG_TRUNC,
  UDP_GRO,
  UDP_SEGMENT,
} from '../ffi/constants.ts';
import { CMSGHDR, IOVEC, MMSGHDR, MSGHDR, SOCK_EXTENDED_ERR } from '../ffi/layouts.ts';
import { recvmsg } from '../ffi/libc.ts';
import { Pinned } from '../ffi/memory.ts';
import type { DatagramBatch } from '../ports.ts';
import { addressOfBuffer } from './buffers.ts';
import { SOCKADDR_SLOT, sockaddrLength, unpackSockaddr } from './sockaddr.ts';

/** One control message with up to eight octets of data (CMSG_SPACE). */
const CONTROL_SLOT = CMSGHDR.size + 8;
/** Two: segment size, and TOS or traffic class. */
const CONTROL = 2 * CONTROL_SLOT;

const HEADER_WORDS = MMSGHDR.size / 4;
const IOVEC_WORDS = IOVEC.size / 4;
const CONTROL_WORDS = CONTROL / 4;
const NAME_LENGTH = MSGHDR.offset.nameLength / 4;
const CONTROL_LOW = MSGHDR.offset.control / 4;
const CONTROL_LENGTH = MSGHDR.offset.controlLength / 4;
const FLAGS = MSGHDR.offset.flags / 4;
const TRANSFERRED = MMSGHDR.offset.length / 4;
const DATA_LENGTH = IOVEC.offset.length / 4;
const CMSG_LEVEL = CMSGHDR.offset.level / 4;
const CMSG_TYPE = CMSGHDR.offset.type / 4;
const CMSG_DATA = CMSGHDR.size / 4;

/** `count` headers, each with one `iovec` and room for two control messages. */
class Headers {
  readonly address: number;
  readonly headers: Pinned;
  readonly iovecs: Pinned;
  readonly controls: Pinned;
  readonly headerWords: Uint32Array;
  readonly iovecWords: Uint32Array;
  readonly controlWords: Uint32Array;

  constructor(count: number) {
    this.headers = new Pinned(count * MMSGHDR.size);
    this.iovecs = new Pinned(count * IOVEC.size);
    this.controls = new Pinned(count * CONTROL);
    this.address = this.headers.address;
    this.headerWords = new Uint32Array(this.headers.bytes.buffer);
    this.iovecWords = new Uint32Array(this.iovecs.bytes.buffer);
    this.controlWords = new Uint32Array(this.controls.bytes.buffer);
    for (let i = 0; i < count; i++) {
      const at = i * MMSGHDR.size;
      this.headers.setPointer(at + MSGHDR.offset.iov, this.iovecs.address + i * IOVEC.size);
      this.headers.setSize(at + MSGHDR.offset.iovLength, 1);
      this.headers.setPointer(at + MSGHDR.offset.control, this.controls.address + i * CONTROL);
    }
  }
}

/** What `recvmmsg` fills: one header for each slot of one batch in one memory. */
export class ReceiveVector {
  readonly address: number;
  readonly #batch: DatagramBatch;
  readonly #bytes: Uint8Array;
  readonly #headers: Headers;

  constructor(memory: PacketMemory, batch: DatagramBatch) {
    const headers = new Headers(batch.capacity);
    const data = addressOfBuffer(memory.bytes) + batch.base;
    const names = addressOfBuffer(batch.from);
    for (let i = 0; i < batch.capacity; i++) {
      headers.iovecs.setPointer(i * IOVEC.size + IOVEC.offset.base, data + i * batch.stride);
      headers.iovecs.setSize(i * IOVEC.size + IOVEC.offset.length, batch.stride);
      headers.headers.setPointer(i * MMSGHDR.size + MSGHDR.offset.name, names + i * SOCKADDR_SLOT);
      headers.headerWords[i * HEADER_WORDS + NAME_LENGTH] = SOCKADDR_SLOT;
      headers.headerWords[i * HEADER_WORDS + CONTROL_LENGTH] = CONTROL;
    }
    this.#batch = batch;
    this.#bytes = memory.bytes;
    this.#headers = headers;
    this.address = headers.address;
  }

  isFor(memory: PacketMemory, batch: DatagramBatch): boolean {
    return batch === this.#batch && memory.bytes === this.#bytes;
  }

  /** Says in the batch what came in the first `count` slots, and readies them for the next call. */
  take(count: number): void {
    const { base, stride, offset, length, segment, tos } = this.#batch;
    const { headerWords, controlWords } = this.#headers;
    for (let i = 0, header = 0, control = 0; i < count; i++, header += HEADER_WORDS, control += CONTROL_WORDS) {
      const octets = headerWords[header + TRANSFERRED];
      const used = headerWords[header + CONTROL_LENGTH];
      let segmentSize = 0;
      let trafficClass = 0;
      // Each control message takes one slot: none has more than eight octets of data. Their order differs between kernels.
      for (let at = control, left = used; left >= CMSGHDR.size; at += CONTROL_SLOT / 4, left -= CONTROL_SLOT) {
        const type = controlWords[at + CMSG_TYPE];
        const level = controlWords[at + CMSG_LEVEL];
        if (level === IPPROTO_UDP) {
          if (type === UDP_GRO) segmentSize = controlWords[at + CMSG_DATA];
        } else if ((level === IPPROTO_IP && type === IP_TOS) || (level === IPPROTO_IPV6 && type === IPV6_TCLASS)) {
          // IPv4's is one octet, IPv6's an int: the lowest octet is first.
          trafficClass = controlWords[at + CMSG_DATA] & 0xff;
        }
      }
      offset[i] = base + i * stride;
      length[i] = (headerWords[header + FLAGS] & MSG_TRUNC) === 0 ? octets : 0;
      segment[i] = segmentSize < octets ? segmentSize : 0;
      tos[i] = trafficClass;
      headerWords[header + NAME_LENGTH] = SOCKADDR_SLOT;
      headerWords[header + CONTROL_LENGTH] = CONTROL;
    }
    this.#batch.count = count;
  }
}

/** What `sendmmsg` takes: headers with one destination. */
export class SendVector {
  readonly address: number;
  readonly #headers: Headers;
  readonly #to = new Pinned(SOCKADDR_SLOT);
  readonly #capacity: number;
  #family = 0;
  #bytes: Uint8Array | undefined;
  #low = 0;
  #high = 0;
  readonly #controlLow: number;

  constructor(capacity: number) {
    const headers = new Headers(capacity);
    this.#capacity = capacity;
    this.#headers = headers;
    this.address = headers.address;
    // `headers` may lie across a 4 GiB line: then `setControl` carries.
    this.#controlLow = headers.controls.address;
    for (let i = 0; i < capacity; i++) {
      const at = i * CONTROL;
      headers.headers.setPointer(i * MMSGHDR.size + MSGHDR.offset.name, this.#to.address);
      headers.controls.setSize(at + CMSGHDR.offset.length, CMSGHDR.size + 2);
      headers.controls.view.setInt32(at + CMSGHDR.offset.level, IPPROTO_UDP, true);
      headers.controls.view.setInt32(at + CMSGHDR.offset.type, UDP_SEGMENT, true);
      headers.controls.setSize(at + CONTROL_SLOT + CMSGHDR.offset.length, CMSGHDR.size + 4);
    }
  }

  /** Before `set`: the octets that the datagrams are in, and the one destination of all. */
  begin(bytes: Uint8Array, to: Uint8Array): void {
    if (bytes !== this.#bytes) {
      const base = addressOfBuffer(bytes);
      this.#high = Math.floor(base / 0x1_0000_0000);
      this.#low = base - this.#high * 0x1_0000_0000;
      this.#bytes = bytes;
    }
    const slot = this.#to.bytes;
    const nameLength = sockaddrLength(to);
    for (let i = 0; i < nameLength; i++) slot[i] = to[i];
    if (to[0] !== this.#family) this.#setFamily(to[0], nameLength);
  }

  /** `segment` 0 is one datagram; `tos` 0 is the socket's own, which is 0. */
  set(i: number, offset: number, length: number, segment: number, tos: number): void {
    const { headerWords, iovecWords, controlWords } = this.#headers;
    const data = i * IOVEC_WORDS;
    const address = this.#low + offset;
    iovecWords[data] = address;
    iovecWords[data + 1] = address > 0xffff_ffff ? this.#high + 1 : this.#high;
    iovecWords[data + DATA_LENGTH] = length;
    const header = i * HEADER_WORDS;
    if (segment === 0 && tos === 0) {
      headerWords[header + CONTROL_LENGTH] = 0;
      return;
    }
    const control = i * CONTROL_WORDS;
    let first = this.#controlLow + i * CONTROL;
    let octets = 0;
    if (segment !== 0) {
      controlWords[control + CMSG_DATA] = segment;
      octets = CONTROL_SLOT;
    } else first += CONTROL_SLOT;
    if (tos !== 0) {
      controlWords[control + CONTROL_SLOT / 4 + CMSG_DATA] = tos;
      octets += CONTROL_SLOT;
    }
    headerWords[header + CONTROL_LOW] = first;
    headerWords[header + CONTROL_LOW + 1] = first / 0x1_0000_0000;
    headerWords[header + CONTROL_LENGTH] = octets;
  }

  #setFamily(family: number, nameLength: number): void {
    const { headerWords, controls } = this.#headers;
    for (let i = 0; i < this.#capacity; i++) {
      const at = i * CONTROL + CONTROL_SLOT;
      headerWords[i * HEADER_WORDS + NAME_LENGTH] = nameLength;
      controls.view.setInt32(at + CMSGHDR.offset.level, family === AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP, true);
      controls.view.setInt32(at + CMSGHDR.offset.type, family === AF_INET6 ? IPV6_TCLASS : IP_TOS, true);
    }
    this.#family = family;
  }
}

/** Reports taken in one go: somebody who sends more of them does not keep us from the datagrams. */
const REPORTS_MAX = 64;

/** Of two that a network reported; 0 is one that it gave no number for. */
export function lesserMtu(held: number | undefined, mtu: number): number {
  return held === undefined || held === 0 || mtu === 0 ? held || mtu : Math.min(held, mtu);
}

/** The error queue of a socket with IP_RECVERR: what ICMP, or this host itself, said of datagrams that were sent (ip(7)). */
export class ErrorQueue {
  /** Reports taken off so far, whatever they were about. */
  taken = 0;
  readonly #header = new Pinned(MSGHDR.size);
  readonly #control = new Pinned(256);
  readonly #name = new Pinned(SOCKADDR_SLOT);

  /** Empties it; of each EMSGSIZE in it, by the address that the datagram was for, the least MTU (octets of the IP packet), 0 when none is said. */
  leastMtus(fd: number): ReadonlyMap<string, number> {
    const least = new Map<string, number>();
    for (let i = 0; i < REPORTS_MAX; i++) {
      this.#header.setPointer(MSGHDR.offset.name, this.#name.address);
      this.#header.view.setUint32(MSGHDR.offset.nameLength, SOCKADDR_SLOT, true);
      this.#header.setPointer(MSGHDR.offset.control, this.#control.address);
      this.#header.setSize(MSGHDR.offset.controlLength, this.#control.bytes.length);
      // No iovec: the datagram that it is about is not looked at.
      if (recvmsg(fd, this.#header.address, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) break;
      this.taken++;
      const mtu = this.#mtu();
      const remote = mtu === undefined ? undefined : unpackSockaddr(this.#name.bytes)?.address;
      if (mtu !== undefined && remote !== undefined) least.set(remote, lesserMtu(least.get(remote), mtu));
    }
    return least;
  }

  #mtu(): number | undefined {
    const { view } = this.#control;
    const used = this.#header.view.getUint32(MSGHDR.offset.controlLength, true);
    for (let at = 0; at + CMSGHDR.size <= used; ) {
      const length = view.getUint32(at + CMSGHDR.offset.length, true);
      const level = view.getInt32(at + CMSGHDR.offset.level, true);
      const type = view.getInt32(at + CMSGHDR.offset.type, true);
      const wanted = level === IPPROTO_IP ? IP_RECVERR : IPV6_RECVERR;
      if ((level === IPPROTO_IP || level === IPPROTO_IPV6) && type === wanted) {
        const report = at + CMSGHDR.size;
        const tooLong = view.getUint32(report + SOCK_EXTENDED_ERR.offset.errno, true) === EMSGSIZE;
        return tooLong ? view.getUint32(report + SOCK_EXTENDED_ERR.offset.info, true) : undefined;
      }
      if (length < CMSGHDR.size) return undefined;
      at += (length + 7) & ~7;
    }
    return undefined;
  }
}
