/** A pair of sockets that carry whole messages, and now and then a descriptor with one (unix(7), SCM_RIGHTS). */
import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import {
  AF_UNIX,
  EAGAIN,
  EINTR,
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSG_TRUNC,
  SCM_RIGHTS,
  SO_RCVBUFFORCE,
  SO_SNDBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_SEQPACKET,
  SOL_SOCKET,
} from '../ffi/constants.ts';
import { CMSGHDR, IOVEC, MSGHDR } from '../ffi/layouts.ts';
import { close, errno, recvmsg, sendmsg, socketpair } from '../ffi/libc.ts';
import { Pinned } from '../ffi/memory.ts';
import type { HostError } from '../ports.ts';
import { hostError } from './errors.ts';
import { setIntegerOption } from './udp.ts';

/** Both ends, not inherited by children unless handed over; queues of `messageMax` octets and more where we may force them. */
export function messagePair(messageMax: number): Result<readonly [number, number], HostError> {
  const fds = new Pinned(8);
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds.address) < 0) return err(hostError(errno(), 'socketpair'));
  const pair = [fds.view.getInt32(0, true), fds.view.getInt32(4, true)] as const;
  for (const fd of pair) {
    setIntegerOption(fd, SOL_SOCKET, SO_SNDBUFFORCE, 2 * messageMax);
    setIntegerOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, 2 * messageMax);
  }
  return ok(pair);
}

export type Received =
  | { readonly kind: 'message'; readonly bytes: Uint8Array; readonly descriptors: readonly number[] }
  | { readonly kind: 'nothing' }
  /** The other end is closed, or broken. */
  | { readonly kind: 'closed' }
  /** Longer than agreed, or more descriptors than agreed; nothing of it is kept. */
  | { readonly kind: 'malformed' };

/** Descriptors of one message; an even number keeps the `cmsg` space aligned to 8 octets (CMSG_SPACE). */
const DESCRIPTORS_MAX = 8;
const CONTROL = CMSGHDR.size + DESCRIPTORS_MAX * 4;

/** One end. Never blocks. The caller owns the descriptor and those it receives. */
export class MessageEnd {
  readonly fd: number;
  readonly #buffer: Pinned;
  readonly #control = new Pinned(CONTROL);
  readonly #iovec = new Pinned(IOVEC.size);
  readonly #header = new Pinned(MSGHDR.size);

  constructor(fd: number, messageMax: number) {
    this.fd = fd;
    this.#buffer = new Pinned(messageMax);
    this.#iovec.setPointer(IOVEC.offset.base, this.#buffer.address);
    this.#header.setPointer(MSGHDR.offset.iov, this.#iovec.address);
    this.#header.setSize(MSGHDR.offset.iovLength, 1);
  }

  /** False when it is too long, or the other end is gone or does not read. The descriptors, eight at most, stay open here as well. */
  send(bytes: Uint8Array, descriptors: readonly number[] = []): boolean {
    // An empty packet would look like the end of the conversation.
    if (bytes.length === 0 || bytes.length > this.#buffer.bytes.length || descriptors.length > DESCRIPTORS_MAX) return false;
    this.#buffer.bytes.set(bytes);
    this.#iovec.setSize(IOVEC.offset.length, bytes.length);
    const length = descriptors.length * 4;
    this.#setControl(length === 0 ? 0 : CMSGHDR.size + ((length + 7) & ~7));
    if (length !== 0) {
      this.#control.setSize(CMSGHDR.offset.length, CMSGHDR.size + length);
      this.#control.view.setInt32(CMSGHDR.offset.level, SOL_SOCKET, true);
      this.#control.view.setInt32(CMSGHDR.offset.type, SCM_RIGHTS, true);
      for (const [i, fd] of descriptors.entries()) this.#control.view.setInt32(CMSGHDR.size + i * 4, fd, true);
    }
    for (;;) {
      if (sendmsg(this.fd, this.#header.address, MSG_DONTWAIT | MSG_NOSIGNAL) === bytes.length) return true;
      if (errno() !== EINTR) return false;
    }
  }

  receive(): Received {
    for (;;) {
      this.#iovec.setSize(IOVEC.offset.length, this.#buffer.bytes.length);
      this.#setControl(CONTROL);
      const length = recvmsg(this.fd, this.#header.address, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
      if (length < 0) {
        const number = errno();
        if (number === EINTR) continue;
        return number === EAGAIN ? { kind: 'nothing' } : { kind: 'closed' };
      }
      const descriptors = this.#descriptors();
      // An empty message may carry descriptors all the same; at the end there are none.
      if (length === 0) {
        for (const fd of descriptors) close(fd);
        return { kind: 'closed' };
      }
      if ((this.#header.view.getInt32(MSGHDR.offset.flags, true) & (MSG_TRUNC | MSG_CTRUNC)) !== 0) {
        for (const fd of descriptors) close(fd);
        return { kind: 'malformed' };
      }
      return { kind: 'message', bytes: this.#buffer.bytes.slice(0, length), descriptors };
    }
  }

  #setControl(length: number): void {
    this.#header.setPointer(MSGHDR.offset.control, length === 0 ? 0 : this.#control.address);
    this.#header.setSize(MSGHDR.offset.controlLength, length);
  }

  #descriptors(): number[] {
    const { view } = this.#control;
    const used = this.#header.view.getUint32(MSGHDR.offset.controlLength, true);
    if (used < CMSGHDR.size) return [];
    const length = Math.min(used, view.getUint32(CMSGHDR.offset.length, true));
    if (view.getInt32(CMSGHDR.offset.level, true) !== SOL_SOCKET || view.getInt32(CMSGHDR.offset.type, true) !== SCM_RIGHTS)
      return [];
    const found: number[] = [];
    for (let at = CMSGHDR.size; at + 4 <= length; at += 4) found.push(view.getInt32(at, true));
    return found;
  }
}
