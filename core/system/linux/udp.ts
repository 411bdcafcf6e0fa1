/** UDP sockets in batches of recvmmsg and sendmmsg. */
import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import {
  AF_INET,
  AF_INET6,
  EINTR,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  MSG_DONTWAIT,
  MSG_TRUNC,
  SO_MARK,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOL_SOCKET,
} from '../ffi/constants.ts';
import { IOVEC, MMSGHDR, MSGHDR } from '../ffi/layouts.ts';
import { bind, close, errno, errnoName, getsockname, recvmmsg, sendmmsg, setsockopt, socket } from '../ffi/libc.ts';
import { Pinned } from '../ffi/memory.ts';
import type { BatchUdp, DatagramAddresses, HostError, PacketBatch } from '../ports.ts';
import { addressOfBuffer } from './buffers.ts';
import { hostError } from './errors.ts';
import { packSockaddr, SOCKADDR_SLOT, sockaddrLength, unpackSockaddr } from './sockaddr.ts';

/** Datagrams of one system call; a longer batch takes several. */
const CALL_MAX = 64;

/** A bound, non-blocking socket by its descriptor, in any thread. Whoever opened it closes it. */
export class LinuxUdp implements BatchUdp {
  readonly fd: number;
  lastError = '';
  readonly #receive = new MessageVector(CALL_MAX);
  readonly #send = new MessageVector(CALL_MAX);
  readonly #to = new Pinned(SOCKADDR_SLOT);

  constructor(fd: number) {
    this.fd = fd;
  }

  receiveBatch(batch: PacketBatch, from: DatagramAddresses): number {
    const base = addressOfBuffer(batch.buffer);
    const names = addressOfBuffer(from.sockaddr);
    const room = batch.stride - batch.headroom;
    const vector = this.#receive;
    let count = 0;
    while (count < batch.capacity) {
      const wanted = Math.min(CALL_MAX, batch.capacity - count);
      for (let i = 0; i < wanted; i++) {
        vector.setData(i, base + (count + i) * batch.stride + batch.headroom, room);
        vector.setName(i, names + (count + i) * SOCKADDR_SLOT, SOCKADDR_SLOT);
      }
      const received = recvmmsg(this.fd, vector.address, wanted, MSG_DONTWAIT, 0);
      if (received < 0) {
        const number = errno();
        // EAGAIN ends it; anything else is an error of an earlier datagram, reported once, and the next call reads on.
        if (number === EINTR || pendingErrors.has(number)) continue;
        break;
      }
      for (let i = 0; i < received; i++) {
        batch.offset[count + i] = (count + i) * batch.stride + batch.headroom;
        batch.length[count + i] = vector.truncated(i) ? 0 : vector.transferred(i);
      }
      count += received;
      if (received < wanted) break;
    }
    batch.count = count;
    return count;
  }

  sendBatch(batch: PacketBatch, to: Uint8Array): number {
    const base = addressOfBuffer(batch.buffer);
    const nameLength = sockaddrLength(to);
    this.#to.bytes.set(to.subarray(0, nameLength));
    const vector = this.#send;
    let sent = 0;
    this.lastError = '';
    while (sent < batch.count) {
      const wanted = Math.min(CALL_MAX, batch.count - sent);
      for (let i = 0; i < wanted; i++) {
        vector.setData(i, base + batch.offset[sent + i], batch.length[sent + i]);
        vector.setName(i, this.#to.address, nameLength);
      }
      const count = sendmmsg(this.fd, vector.address, wanted, MSG_DONTWAIT);
      if (count < 0) {
        const number = errno();
        if (number === EINTR) continue;
        this.lastError = errnoName(number);
        break;
      }
      sent += count;
    }
    return sent;
  }
}

/** ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, EPROTO: what an ICMP message left on the socket. */
const pendingErrors: ReadonlySet<number> = new Set([111, 113, 101, 112, 71]);

/** An array of `struct mmsghdr`, each with one `struct iovec`. */
class MessageVector {
  readonly address: number;
  readonly #headers: Pinned;
  readonly #iovecs: Pinned;

  constructor(capacity: number) {
    this.#headers = new Pinned(capacity * MMSGHDR.size);
    this.#iovecs = new Pinned(capacity * IOVEC.size);
    this.address = this.#headers.address;
    for (let i = 0; i < capacity; i++) {
      this.#headers.setPointer(i * MMSGHDR.size + MSGHDR.offset.iov, this.#iovecs.address + i * IOVEC.size);
      this.#headers.setSize(i * MMSGHDR.size + MSGHDR.offset.iovLength, 1);
    }
  }

  setData(i: number, address: number, length: number): void {
    this.#iovecs.setPointer(i * IOVEC.size + IOVEC.offset.base, address);
    this.#iovecs.setSize(i * IOVEC.size + IOVEC.offset.length, length);
  }

  setName(i: number, address: number, length: number): void {
    this.#headers.setPointer(i * MMSGHDR.size + MSGHDR.offset.name, address);
    this.#headers.view.setUint32(i * MMSGHDR.size + MSGHDR.offset.nameLength, length, true);
  }

  transferred(i: number): number {
    return this.#headers.view.getUint32(i * MMSGHDR.size + MMSGHDR.offset.length, true);
  }

  truncated(i: number): boolean {
    return (this.#headers.view.getInt32(i * MMSGHDR.size + MSGHDR.offset.flags, true) & MSG_TRUNC) !== 0;
  }
}

export interface UdpOptions {
  readonly family: 4 | 6;
  /** 0 is any free one. */
  readonly port: number;
  /** Numeric; all addresses when absent. */
  readonly address?: string;
  /** SO_MARK (CAP_NET_ADMIN); none when absent. */
  readonly mark?: number;
}

/** Octets of the kernel's queues; a burst at line rate must fit. Halved silently where we may not force them. */
const QUEUE = 4 * 1024 * 1024;

/** Opens and binds a socket. Error codes: port-in-use, permission, failed. */
export function openUdp(options: UdpOptions): Result<{ readonly fd: number; readonly port: number }, HostError> {
  const address = options.address ?? (options.family === 4 ? '0.0.0.0' : '::');
  const name = packSockaddr({ address, port: options.port });
  if (name === undefined) return err({ code: 'invalid', detail: `bind ${address} port ${options.port}` });
  const fd = socket(options.family === 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return err(hostError(errno(), 'socket UDP'));
  const failure = configure(fd, options, name);
  if (failure !== undefined) {
    close(fd);
    return err(failure);
  }
  const bound = localEndpoint(fd);
  return ok({ fd, port: bound?.port ?? options.port });
}

function configure(fd: number, options: UdpOptions, name: Uint8Array): HostError | undefined {
  const option = (level: number, number: number, value: number): boolean => setIntegerOption(fd, level, number, value);
  if (options.family === 6 && !option(IPPROTO_IPV6, IPV6_V6ONLY, 1)) return hostError(errno(), 'IPV6_V6ONLY');
  if (options.mark !== undefined && !option(SOL_SOCKET, SO_MARK, options.mark)) return hostError(errno(), 'SO_MARK');
  if (!option(SOL_SOCKET, SO_RCVBUFFORCE, QUEUE)) option(SOL_SOCKET, SO_RCVBUF, QUEUE);
  if (!option(SOL_SOCKET, SO_SNDBUFFORCE, QUEUE)) option(SOL_SOCKET, SO_SNDBUF, QUEUE);
  const pinned = new Pinned(name);
  if (bind(fd, pinned.address, sockaddrLength(name)) < 0) return hostError(errno(), `bind UDP port ${options.port}`);
  return undefined;
}

const integer = new Pinned(4);

/** setsockopt of an `int`; false with errno. */
export function setIntegerOption(fd: number, level: number, option: number, value: number): boolean {
  integer.view.setInt32(0, value, true);
  return setsockopt(fd, level, option, integer.address, 4) === 0;
}

/** getsockname; undefined when the socket has no IP address. */
export function localEndpoint(fd: number): { readonly address: string; readonly port: number } | undefined {
  const slot = new Pinned(SOCKADDR_SLOT);
  const length = new Pinned(4);
  length.view.setUint32(0, SOCKADDR_SLOT, true);
  if (getsockname(fd, slot.address, length.address) < 0) return undefined;
  return unpackSockaddr(slot.bytes);
}
