/** UDP sockets in batches of recvmmsg and sendmmsg, with segmentation (UDP_SEGMENT) and coalescing (UDP_GRO) where the kernel has them. */

import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import type { PacketMemory } from '../../ip/packetMemory.ts';
import {
  AF_INET,
  AF_INET6,
  EAGAIN,
  EINTR,
  EINVAL,
  EIO,
  EMSGSIZE,
  ENOBUFS,
  IP_MTU_DISCOVER,
  IP_RECVERR,
  IP_RECVTOS,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_UDP,
  IPV6_MTU_DISCOVER,
  IPV6_RECVERR,
  IPV6_RECVTCLASS,
  IPV6_V6ONLY,
  MSG_DONTWAIT,
  PMTUDISC_DONT,
  PMTUDISC_PROBE,
  SO_MARK,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOL_SOCKET,
  UDP_GRO,
  UDP_SEGMENT,
} from '../ffi/constants.ts';
import { bind, close, errno, errnoName, getsockname, recvmmsg, sendmmsg, setsockopt, socket } from '../ffi/libc.ts';
import { Pinned } from '../ffi/memory.ts';
import type { DatagramBatch, HostError, UdpFeatures, UdpSocket } from '../ports.ts';
import { hostError } from './errors.ts';
import { packSockaddr, SOCKADDR_SLOT, sockaddrLength, unpackSockaddr } from './sockaddr.ts';
import { ErrorQueue, ReceiveVector, SendVector } from './udpVectors.ts';

/** Datagrams of one system call; a longer batch takes several. */
const CALL_MAX = 64;

/** Times a call that only brings errors of earlier datagrams is repeated. */
const RECEIVE_ATTEMPTS = 16;
/**
 * The same for sending, where a repeated error is the datagram's own. Whoever knows our port can have reports come faster than one call follows
 * the other (RFC 5927), and a run that is given up for them is lost. Once an error has outlasted so many, the next are the few,
 * until something is sent: where there is no way to the peer, calls are not wasted.
 */
const SEND_ATTEMPTS = 64;
const SEND_ATTEMPTS_FEW = 4;
/** Octets of UDP payload that pass everywhere: 1280 of IPv6's least MTU (RFC 8200 §5) without the headers, and some to spare. */
const WHOLE_MAX = 1200;

/** A socket without offloads. */
export const plainUdp: UdpFeatures = { segmentation: false, coalescing: false };

/** A bound, non-blocking socket by its descriptor, in any thread. Whoever opened it closes it. */
export class LinuxUdp implements UdpSocket {
  readonly fd: number;
  lastError = '';
  #features: UdpFeatures;
  #received: ReceiveVector | undefined;
  /** Each datagram on its own: the kernel fragments no runs. */
  #apart = false;
  readonly #sending = new SendVector(CALL_MAX);
  #attempts = SEND_ATTEMPTS;
  readonly #errors = new ErrorQueue();

  /** `features` is what `prepareUdp` said of the socket. */
  constructor(fd: number, features: UdpFeatures = plainUdp) {
    this.fd = fd;
    this.#features = features;
  }

  get features(): UdpFeatures {
    return this.#features;
  }

  /** Reports of the network taken off so far. */
  get reports(): number {
    return this.#errors.taken;
  }

  receive(memory: PacketMemory, batch: DatagramBatch): number {
    let vector = this.#received;
    if (vector === undefined || !vector.isFor(memory, batch)) {
      vector = new ReceiveVector(memory, batch);
      this.#received = vector;
    }
    for (let attempt = 0; attempt < RECEIVE_ATTEMPTS; attempt++) {
      const count = recvmmsg(this.fd, vector.address, batch.capacity, MSG_DONTWAIT, 0);
      if (count > 0) {
        vector.take(count);
        return count;
      }
      // Anything but EAGAIN is an error of an earlier datagram, reported once, and the next call reads on.
      if (count === 0 || errno() === EAGAIN) break;
    }
    batch.count = 0;
    return 0;
  }

  /** An entry of which the kernel took only the first datagrams is shortened to what is left, and not counted. */
  send(memory: PacketMemory, batch: DatagramBatch, to: Uint8Array): number {
    const vector = this.#sending;
    const { offset, length, segment, tos, count } = batch;
    this.lastError = '';
    vector.begin(memory.bytes, to);
    let sent = 0;
    let failures = 0;
    while (sent < count) {
      let wanted = 0;
      for (let i = sent; i < count && wanted < CALL_MAX; i++) {
        const several = segment[i] !== 0 && segment[i] < length[i];
        if (several && (this.#apart || !this.#features.segmentation)) break;
        vector.set(wanted++, offset[i], length[i], several ? segment[i] : 0, tos[i]);
      }
      if (wanted === 0) {
        if (!this.#sendApart(batch, sent)) return sent;
        sent += 1;
        continue;
      }
      const taken = sendmmsg(this.fd, vector.address, wanted, MSG_DONTWAIT);
      if (taken > 0) {
        sent += taken;
        failures = 0;
        this.#attempts = SEND_ATTEMPTS;
        continue;
      }
      const number = errno();
      if (number === EINTR) continue;
      if (number === ENOBUFS) {
        sent += 1; // dropped by the queue of this host's own device: lost, as it may be anywhere on its way (IP_RECVERR has it told)
        continue;
      }
      // An error of an earlier datagram (ICMP) is reported by whatever call comes next, once: ask again.
      if (number !== EAGAIN && ++failures < this.#attempts) continue;
      if (number !== EAGAIN) this.#attempts = SEND_ATTEMPTS_FEW;
      // What kernels say of a run whose datagrams are too long for the path (EINVAL, later EMSGSIZE), and of one for which there is
      // no offload on this way (EIO, EINVAL), is not told apart; datagrams of their own do.
      const several = segment[sent] !== 0 && segment[sent] < length[sent];
      if (several && (number === EINVAL || number === EIO || number === EMSGSIZE)) {
        if (!this.#sendApart(batch, sent)) return sent;
        if (number !== EMSGSIZE) this.#features = { ...this.#features, segmentation: false };
        sent += 1;
        failures = 0;
        continue;
      }
      this.lastError = errnoName(number);
      return sent;
    }
    return sent;
  }

  sendDivisible(memory: PacketMemory, batch: DatagramBatch, to: Uint8Array): number {
    const v6 = to[0] === AF_INET6;
    const level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
    const option = v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER;
    setIntegerOption(this.fd, level, option, PMTUDISC_DONT);
    this.#apart = true;
    const sent = this.send(memory, batch, to);
    this.#apart = false;
    setIntegerOption(this.fd, level, option, PMTUDISC_PROBE);
    return sent;
  }

  /** Sends one entry as datagrams of their own. False with `lastError`, and the entry is what is left of it. */
  #sendApart(batch: DatagramBatch, index: number): boolean {
    const vector = this.#sending;
    const { offset, length, segment, tos } = batch;
    const size = segment[index];
    let at = offset[index];
    let left = length[index];
    let failures = 0;
    while (left > 0) {
      let wanted = 0;
      for (let done = 0; done < left && wanted < CALL_MAX; done += size)
        vector.set(wanted++, at + done, Math.min(size, left - done), 0, tos[index]);
      let taken = sendmmsg(this.fd, vector.address, wanted, MSG_DONTWAIT);
      const number = taken < 0 ? errno() : 0;
      if (number === ENOBUFS) taken = 1; // lost, as in `send`
      if (taken > 0) {
        const octets = Math.min(taken * size, left);
        at += octets;
        left -= octets;
        failures = 0;
        this.#attempts = SEND_ATTEMPTS;
        continue;
      }
      if (number === EINTR) continue;
      if (number !== EAGAIN && ++failures < this.#attempts) continue;
      if (number !== EAGAIN) this.#attempts = SEND_ATTEMPTS_FEW;
      this.lastError = errnoName(number);
      offset[index] = at;
      length[index] = left;
      return false;
    }
    return true;
  }

  /**
   * Sends one datagram that may be longer than the path takes: IKE_SA_INIT, and long messages to gateways without IKE fragmentation
   * (RFC 7383). The kernel fragments it, and an IKE fragment too on a path just below 1280 octets: where such pieces do not pass either,
   * smaller IKE fragments follow. What another thread sends in this moment through the same socket goes without DF: harmless.
   */
  sendWhole(bytes: Uint8Array, to: Uint8Array): boolean {
    const v6 = to[0] === AF_INET6;
    const level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
    const option = v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER;
    const long = bytes.length > WHOLE_MAX;
    if (long) setIntegerOption(this.fd, level, option, PMTUDISC_DONT);
    this.#sending.begin(bytes, to);
    this.#sending.set(0, 0, bytes.length, 0, 0);
    let sent = -1;
    for (let attempt = 0; attempt < SEND_ATTEMPTS && sent < 0; attempt++)
      sent = sendmmsg(this.fd, this.#sending.address, 1, MSG_DONTWAIT);
    this.lastError = sent < 0 ? errnoName(errno()) : '';
    if (long) setIntegerOption(this.fd, level, option, PMTUDISC_PROBE);
    return sent === 1;
  }

  reportedMtus(): ReadonlyMap<string, number> {
    return this.#errors.leastMtus(this.fd);
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

/**
 * Octets of the kernel's queues, silently less where we may not force them. What arrives at line rate must fit while the thread is away;
 * what waits to leave keeps the packets behind it waiting too: enough for 1 ms at 10 Gbit/s, 160 ms at 100 Mbit/s (the kernel
 * doubles both).
 */
const RECEIVE_QUEUE = 4 << 20;
const SEND_QUEUE = 1 << 20;

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
  if (!option(SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_QUEUE)) option(SOL_SOCKET, SO_RCVBUF, RECEIVE_QUEUE);
  if (!option(SOL_SOCKET, SO_SNDBUFFORCE, SEND_QUEUE)) option(SOL_SOCKET, SO_SNDBUF, SEND_QUEUE);
  const pinned = new Pinned(name);
  if (bind(fd, pinned.address, sockaddrLength(name)) < 0) return hostError(errno(), `bind UDP port ${options.port}`);
  return undefined;
}

/**
 * Makes a socket ready for `receive` and `send`: no fragmentation on the way, reports of the path's MTU, TOS of what comes, and the
 * offloads the kernel has (`plain`: none). Needs no privilege. Once per socket, before any thread uses it.
 *
 * PMTUDISC_PROBE, not DO: both set DF and both tell us of reports, but with DO the kernel itself obeys a report, which anybody can forge, for
 * ten minutes, and refuses the larger packet that would show it to be a lie. With PROBE only the device's own MTU is EMSGSIZE, runs
 * included, and what is believed is decided in core/dataplane/pathMtu.ts (test/unit/system/udpOffload.test.ts has the kernel say so).
 */
export function prepareUdp(fd: number, family: 4 | 6, offload: 'all' | 'plain' = 'all'): UdpFeatures {
  const v6 = family === 6;
  const level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
  setIntegerOption(fd, level, v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, PMTUDISC_PROBE);
  hearReports(fd, family, true);
  setIntegerOption(fd, level, v6 ? IPV6_RECVTCLASS : IP_RECVTOS, 1);
  if (offload === 'plain') return plainUdp;
  return {
    // 0 is what it is anyway: it asks whether the kernel knows the option (Linux 4.18; the other 5.0).
    segmentation: setIntegerOption(fd, IPPROTO_UDP, UDP_SEGMENT, 0),
    coalescing: setIntegerOption(fd, IPPROTO_UDP, UDP_GRO, 1),
  };
}

/** Whether the network's reports come to the error queue, and fail a call each; those that are there are dropped when not. */
export function hearReports(fd: number, family: 4 | 6, wanted: boolean): void {
  const [level, option] = family === 6 ? [IPPROTO_IPV6, IPV6_RECVERR] : [IPPROTO_IP, IP_RECVERR];
  setIntegerOption(fd, level, option, wanted ? 1 : 0);
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
