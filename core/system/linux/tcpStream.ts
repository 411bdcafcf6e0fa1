/**
 * A TCP connection that carries IKE and ESP (RFC 9329) in the shape of a UDP socket, so that the lanes use it as one. What is received
 * looks like coalesced datagrams: frames of one length that follow each other are one run. One thread reads and one sends, each
 * with an object of its own for the descriptor: no two threads ever write into one stream, so no frame is cut by another.
 */

import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import type { PacketMemory } from '../../ip/packetMemory.ts';
import {
  AF_INET,
  AF_INET6,
  EAGAIN,
  EINPROGRESS,
  EINTR,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_AUTOFLOWLABEL,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SO_ERROR,
  SO_KEEPALIVE,
  SO_MARK,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_NODELAY,
  TCP_NOTSENT_LOWAT,
  TCP_USER_TIMEOUT,
} from '../ffi/constants.ts';
import { close, connect, errno, errnoName, getsockopt, recv, send, socket } from '../ffi/libc.ts';
import { Pinned } from '../ffi/memory.ts';
import type { DatagramBatch, HostError, UdpFeatures, UdpSocket } from '../ports.ts';
import { FrameReader, frameHead, longestFrame, streamPrefix, writeFrameHead } from '../streamFrames.ts';
import { addressOfBuffer } from './buffers.ts';
import { hostError } from './errors.ts';
import { packSockaddr, SOCKADDR_SLOT, type SocketEndpoint, sockaddrLength } from './sockaddr.ts';
import { plainUdp, setIntegerOption } from './udp.ts';

/** Octets of frames that wait to be taken by the kernel: two sendings of a lane. What waits delays what comes after it. */
const STAGED = 4 * 65_536;
/** IKE messages that wait behind a connection that does not move: windows are small, so more is a fault. */
const MESSAGES_MAX = 64;
/** Frames of one run, as UDP_GRO has them. */
const RUN_MAX = 64;

export class TcpStream implements UdpSocket {
  readonly fd: number;
  readonly features: UdpFeatures = plainUdp;
  lastError = '';
  readonly #reader: FrameReader;
  readonly #from: Uint8Array;
  /** A frame was found that no slot had room for. */
  #held = false;
  readonly #staged = new Pinned(STAGED);
  #stagedFrom = 0;
  #stagedTo = 0;
  readonly #messages: Uint8Array[] = [];
  #over: string | undefined;

  /** `opener`: who opened the connection, and so sends the prefix. `peer` is its other end. */
  constructor(fd: number, opener: 'we' | 'peer', peer: SocketEndpoint) {
    this.fd = fd;
    this.#reader = new FrameReader(opener === 'peer');
    this.#from = packSockaddr(peer) ?? new Uint8Array(SOCKADDR_SLOT);
    if (opener === 'peer') return;
    this.#staged.bytes.set(streamPrefix);
    this.#stagedTo = streamPrefix.length;
  }

  /** Why nothing more will come or go, once that is so. The descriptor is still open. */
  get over(): string | undefined {
    return this.#over;
  }

  /** Frames were read off the kernel for which the batch had no room: they want `receive` again, the descriptor need not be readable. */
  get unread(): boolean {
    return this.#held;
  }

  /** Something waits for room in the kernel: `flush` is wanted. */
  get waiting(): boolean {
    return this.#over === undefined && (this.#stagedTo > this.#stagedFrom || this.#messages.length > 0);
  }

  receive(memory: PacketMemory, batch: DatagramBatch): number {
    batch.count = 0;
    if (!this.#held && !this.#read()) return 0;
    const reader = this.#reader;
    let frames = 0;
    while (this.#held || reader.next()) {
      this.#held = false;
      // RFC 9329 §3 forbids only lengths of 0 and 1; of an empty frame there is nothing to do. No lane has slots that a frame does not fit.
      if (reader.length === 0 || reader.length > batch.stride) continue;
      frames = this.#slot(memory, batch, frames);
      if (frames === 0) {
        this.#held = true;
        break;
      }
    }
    if (!this.#held && reader.fault !== undefined) this.#over ??= reader.fault;
    return batch.count;
  }

  /** Puts the frame at hand behind the last one or in a slot of its own: frames of that run now, 0 when there is no slot. */
  #slot(memory: PacketMemory, batch: DatagramBatch, frames: number): number {
    const { bytes, offset: at, length: octets } = this.#reader;
    const { base, stride, offset, length, segment } = batch;
    const last = batch.count - 1;
    // As with datagrams a shorter one ends its run.
    const joins =
      frames > 0 &&
      frames < RUN_MAX &&
      octets <= segment[last] &&
      length[last] === frames * segment[last] &&
      length[last] + octets <= stride;
    if (!joins) {
      if (batch.count === batch.capacity) return 0;
      const i = batch.count++;
      offset[i] = base + i * stride;
      length[i] = 0;
      segment[i] = octets;
      batch.tos[i] = 0; // RFC 9329 §9.5: no marking of the connection's packets is one packet's
      batch.from.set(this.#from, SOCKADDR_SLOT * i);
    }
    const i = batch.count - 1;
    memory.bytes.set(bytes.subarray(at, at + octets), offset[i] + length[i]);
    length[i] += octets;
    return joins ? frames + 1 : 1;
  }

  /** One read, of as much as there is room for; false when nothing came. */
  #read(): boolean {
    if (this.#over !== undefined) return false;
    const reader = this.#reader;
    for (;;) {
      const cursor = reader.cursor();
      const count = recv(this.fd, addressOfBuffer(reader.bytes) + cursor, reader.room, MSG_DONTWAIT);
      if (count > 0) {
        reader.filled(count);
        return true;
      }
      const number = count === 0 ? 0 : errno();
      if (number === EINTR) continue;
      // RFC 9329 §6.1: what is left of a frame is discarded.
      if (number !== EAGAIN) this.#over = count === 0 ? 'closed' : errnoName(number);
      return false;
    }
  }

  /** How many entries were taken, all or with `lastError` why not; what the kernel has no room for yet stays here and goes before anything else. */
  send(memory: PacketMemory, batch: DatagramBatch, _to: Uint8Array): number {
    let taken = 0;
    while (taken < batch.count) {
      if (!this.flush()) return taken;
      const first = taken;
      while (taken < batch.count && this.#stage(memory.bytes, batch, taken)) taken++;
      if (taken === first) throw new RangeError('an entry larger than what may wait');
    }
    // What was taken last goes at once, as far as it goes.
    this.flush();
    this.lastError = '';
    return taken;
  }

  /** A stream divides everything as it likes. */
  sendDivisible(memory: PacketMemory, batch: DatagramBatch, to: Uint8Array): number {
    return this.send(memory, batch, to);
  }

  /** TCP keeps to the path by itself. */
  reportedMtus(): ReadonlyMap<string, number> {
    return new Map();
  }

  /** An IKE message with its marker: before all ESP that is not on its way yet, and never dropped while the connection lives. False when it cannot go. */
  say(message: Uint8Array): boolean {
    if (this.#over !== undefined || message.length > longestFrame || this.#messages.length >= MESSAGES_MAX) return false;
    this.#messages.push(message.slice());
    this.flush();
    return this.#over === undefined;
  }

  /** Sends what waits; false with `lastError` when some of it still does, or nothing will go any more. */
  flush(): boolean {
    for (;;) {
      if (this.#over !== undefined) {
        this.lastError = this.#over;
        return false;
      }
      if (this.#stagedFrom === this.#stagedTo && !this.#stageMessages()) {
        this.lastError = '';
        return true;
      }
      const left = this.#stagedTo - this.#stagedFrom;
      const sent = send(this.fd, this.#staged.address + this.#stagedFrom, left, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent >= 0) {
        this.#stagedFrom += sent;
        continue;
      }
      const number = errno();
      if (number === EINTR) continue;
      this.lastError = errnoName(number);
      if (number !== EAGAIN) this.#over = this.lastError;
      return false;
    }
  }

  /** Into an empty staging room; false when no message waits. */
  #stageMessages(): boolean {
    this.#stagedFrom = 0;
    this.#stagedTo = 0;
    const { bytes } = this.#staged;
    for (;;) {
      const message = this.#messages[0];
      if (message === undefined || this.#stagedTo + frameHead + message.length > STAGED) break;
      const at = writeFrameHead(bytes, this.#stagedTo, message.length);
      bytes.set(message, at);
      this.#stagedTo = at + message.length;
      this.#messages.shift();
    }
    return this.#stagedTo > 0;
  }

  /** All packets of an entry, each a frame, behind what is staged; false when they do not fit. */
  #stage(from: Uint8Array, { offset, length, segment }: DatagramBatch, i: number): boolean {
    const step = segment[i] === 0 ? length[i] : segment[i];
    const packets = Math.ceil(length[i] / step);
    if (this.#stagedTo + length[i] + packets * frameHead > STAGED) return false;
    const { bytes } = this.#staged;
    const end = offset[i] + length[i];
    for (let at = offset[i]; at < end; at += step) {
      const octets = Math.min(step, end - at);
      const to = writeFrameHead(bytes, this.#stagedTo, octets);
      bytes.set(from.subarray(at, at + octets), to);
      this.#stagedTo = to + octets;
    }
    return true;
  }
}

/**
 * Octets that the kernel takes and has not sent: with more, packets of all flows wait behind each other for longer than any of their
 * senders expects, and IKE behind them. What is under way, unacknowledged, is not among it.
 */
const NOT_SENT = 128 * 1024;
/** Seconds. NATs and firewalls keep a silent TCP mapping for minutes (RFC 5382 §5: two hours and four minutes); many for less. */
const KEEPALIVE = { idle: 60, interval: 10, count: 4 } as const;
/** Milliseconds that sent octets may stay unacknowledged: as long as IKE itself waits for an answer, so that a dead path is left as soon. */
const USER_TIMEOUT = 20_000;

/**
 * Readies a connected socket; needs no privilege. RFC 9329 §6.7: the keepalives are for NATs and to notice a dead path, and say nothing of
 * whether the gateway lives.
 */
export function prepareTcp(fd: number): void {
  const tcp = (option: number, value: number): boolean => setIntegerOption(fd, IPPROTO_TCP, option, value);
  tcp(TCP_NODELAY, 1);
  tcp(TCP_NOTSENT_LOWAT, NOT_SENT);
  tcp(TCP_USER_TIMEOUT, USER_TIMEOUT);
  setIntegerOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  tcp(TCP_KEEPIDLE, KEEPALIVE.idle);
  tcp(TCP_KEEPINTVL, KEEPALIVE.interval);
  tcp(TCP_KEEPCNT, KEEPALIVE.count);
}

/** Starts a connection and does not wait for it (`connectError` tells, once the descriptor is writable). Error codes: no-route, permission, failed. */
export function openTcp(to: SocketEndpoint, mark?: number): Result<number, HostError> {
  const name = packSockaddr(to);
  if (name === undefined || to.port === 0) return err({ code: 'invalid', detail: `connect ${to.address} port ${to.port}` });
  const fd = socket(name[0] === AF_INET6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return err(hostError(errno(), 'socket TCP'));
  const failed = (what: string): Result<never, HostError> => {
    const error = hostError(errno(), what);
    close(fd);
    return err(error);
  };
  if (mark !== undefined && !setIntegerOption(fd, SOL_SOCKET, SO_MARK, mark)) return failed('SO_MARK');
  // RFC 9329 §6.1: the flow label is the same in every connection, so that all of them go the same way: none.
  if (name[0] === AF_INET6) setIntegerOption(fd, IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 0);
  const pinned = new Pinned(name);
  if (connect(fd, pinned.address, sockaddrLength(name)) < 0 && errno() !== EINPROGRESS)
    return failed(`connect ${to.address} port ${to.port}`);
  return ok(fd);
}

/** Of a connection that was started: why it failed (`ECONNREFUSED`, …), or undefined. */
export function connectError(fd: number): string | undefined {
  const value = new Pinned(4);
  const length = new Pinned(4);
  length.view.setUint32(0, 4, true);
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, value.address, length.address) < 0) return errnoName(errno());
  const number = value.view.getInt32(0, true);
  return number === 0 ? undefined : errnoName(number);
}
