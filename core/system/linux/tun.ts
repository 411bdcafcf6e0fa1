/** TUN devices: inner packets without packet information, non-blocking, with the kernel's segmentation where it has it. */
import { closeSync, constants, openSync } from 'node:fs';
import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import type { PacketMemory } from '../../ip/packetMemory.ts';
import {
  EBADFD,
  EINTR,
  EINVAL,
  IFF_DETACH_QUEUE,
  IFF_MULTI_QUEUE,
  IFF_NO_PI,
  IFF_TUN,
  IFF_VNET_HDR,
  TUN_F_CSUM,
  TUN_F_TSO_ECN,
  TUN_F_TSO4,
  TUN_F_TSO6,
  TUN_F_USO4,
  TUN_F_USO6,
  TUNGETFEATURES,
  TUNSETIFF,
  TUNSETOFFLOAD,
  TUNSETQUEUE,
} from '../ffi/constants.ts';
import { IFREQ, IOVEC } from '../ffi/layouts.ts';
import { errno, ioctl, read, writev } from '../ffi/libc.ts';
import { Pinned } from '../ffi/memory.ts';
import type { HostError, Pieces, Tun, TunFeatures } from '../ports.ts';
import { addressOfBuffer } from './buffers.ts';
import { hostError, hostErrorOf } from './errors.ts';

/** A packet of 65,535 octets is 47 segments of 1400 octets and a header; more pieces than this are a mistake of ours. */
const PIECES_MAX = 128;
const IOVEC_WORDS = IOVEC.size / 4;

/** A device without offloads. */
export const plainTun: TunFeatures = { headers: false, tcp: false, udp: false };

/** A device by its descriptor, in any thread. Whoever opened it closes it. */
export class LinuxTun implements Tun {
  readonly fd: number;
  readonly features: TunFeatures;
  refused = false;
  readonly #iovecs = new Pinned(PIECES_MAX * IOVEC.size);
  /** The same as 32-bit words; the upper halves of lengths stay 0. */
  readonly #words = new Uint32Array(this.#iovecs.bytes.buffer);
  #bytes: Uint8Array | undefined;
  #base = 0;

  /** What the device was opened with: the descriptor alone does not tell. */
  constructor(fd: number, features: TunFeatures = plainTun) {
    this.fd = fd;
    this.features = features;
  }

  read(memory: PacketMemory, at: number, room: number): number {
    if (memory.bytes !== this.#bytes) this.#use(memory.bytes);
    for (;;) {
      const length = read(this.fd, this.#base + at, room);
      if (length >= 0) return length;
      const number = errno();
      if (number !== EINTR) return number === EBADFD ? -1 : 0; // EBADFD: the device was deleted under us
    }
  }

  write(memory: PacketMemory, pieces: Pieces): boolean {
    if (memory.bytes !== this.#bytes) this.#use(memory.bytes);
    const { offset, length, count } = pieces;
    if (count > PIECES_MAX) throw new RangeError(`${count} pieces`);
    const words = this.#words;
    const high = Math.floor(this.#base / 0x1_0000_0000);
    const low = this.#base - high * 0x1_0000_0000;
    for (let i = 0, word = 0; i < count; i++, word += IOVEC_WORDS) {
      const address = low + offset[i];
      words[word] = address;
      words[word + 1] = address > 0xffff_ffff ? high + 1 : high;
      words[word + 2] = length[i];
    }
    this.refused = false;
    for (;;) {
      if (writev(this.fd, this.#iovecs.address, count) >= 0) return true;
      const number = errno();
      if (number === EINTR) continue;
      this.refused = number === EINVAL; // malformed, in the kernel's eyes: nobody can send it
      return this.refused;
    }
  }

  #use(bytes: Uint8Array): void {
    this.#base = addressOfBuffer(bytes);
    this.#bytes = bytes;
  }
}

export interface TunOptions {
  /**
   * What is wanted at most: `all`, `tcp` (no segmentation of UDP), or `none` (plain packets without virtio header). What the kernel does
   * not have is left out, and `features` says so. Default `none`.
   */
  readonly offload?: 'all' | 'tcp' | 'none';
  /** Descriptors of the one device, each with a queue of its own; one where the kernel cannot. Default 1. */
  readonly queues?: number;
  /** `parkTun` is to come. */
  readonly parkable?: boolean;
  readonly device?: string;
}

export interface OpenTun {
  /** The first queue. */
  readonly fd: number;
  readonly tun: LinuxTun;
  /** All queues. */
  readonly fds: readonly number[];
  readonly features: TunFeatures;
}

/**
 * Creates the device, or attaches to one that is parked (CAP_NET_ADMIN). Closing all its descriptors, in every process that has them, removes
 * the device.
 */
export function openTun(name: string, options: TunOptions = {}): Result<OpenTun, HostError> {
  const { offload = 'none', device = '/dev/net/tun' } = options;
  const fds: number[] = [];
  const failed = (error: HostError): Result<OpenTun, HostError> => {
    for (const fd of fds) closeSync(fd);
    return err(error);
  };
  let flags = IFF_TUN | IFF_NO_PI;
  for (let queues = options.queues ?? 1; fds.length < queues; ) {
    try {
      fds.push(openSync(device, constants.O_RDWR | constants.O_NONBLOCK));
    } catch (error) {
      return failed(hostErrorOf(error, `open ${device}`));
    }
    if (fds.length === 1) {
      // A flag that a kernel does not know it ignores: ask first.
      const known = flagsKnown(fds[0]);
      if (offload !== 'none') flags |= known & IFF_VNET_HDR;
      if (queues > 1 || options.parkable === true) flags |= known & IFF_MULTI_QUEUE;
      if ((flags & IFF_MULTI_QUEUE) === 0) queues = 1;
    }
    if (!attach(fds[fds.length - 1], name, flags)) return failed(hostError(errno(), `TUNSETIFF ${name}`));
  }
  const features = (flags & IFF_VNET_HDR) === 0 ? plainTun : chooseOffloads(fds[0], offload === 'all');
  return ok({ fd: fds[0], fds, features, tun: new LinuxTun(fds[0], features) });
}

/**
 * A descriptor that carries nothing and keeps a `parkable` device where it is, with its addresses, routes and name servers, when all others are
 * closed: what is sent there then is dropped.
 */
export function parkTun(name: string, device = '/dev/net/tun'): Result<number, HostError> {
  let fd: number;
  try {
    fd = openSync(device, constants.O_RDWR | constants.O_NONBLOCK);
  } catch (error) {
    return err(hostErrorOf(error, `open ${device}`));
  }
  // The flags of the device stay what they are.
  const flags = IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE;
  const detach = new Pinned(IFREQ.size);
  detach.view.setInt16(IFREQ.offset.flags, IFF_DETACH_QUEUE, true);
  if (attach(fd, name, flags) && ioctl(fd, TUNSETQUEUE, detach.address) === 0) return ok(fd);
  const failed = hostError(errno(), `park ${name}`);
  closeSync(fd);
  return err(failed);
}

/** TUNSETIFF; false with errno. The virtio header is 10 octets in the processor's byte order unless told otherwise. */
function attach(fd: number, name: string, flags: number): boolean {
  const request = new Pinned(IFREQ.size);
  request.bytes.set(new TextEncoder().encode(name).subarray(0, 15), IFREQ.offset.name);
  request.view.setInt16(IFREQ.offset.flags, flags, true);
  return ioctl(fd, TUNSETIFF, request.address) === 0;
}

function flagsKnown(fd: number): number {
  const flags = new Pinned(4);
  return ioctl(fd, TUNGETFEATURES, flags.address) === 0 ? flags.view.getUint32(0, true) : 0;
}

/** The most that the kernel takes; it refuses a set with one it does not know (EINVAL) whole. Holds for all queues. */
function chooseOffloads(fd: number, udp: boolean): TunFeatures {
  const tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
  if (udp && ioctl(fd, TUNSETOFFLOAD, tcp | TUN_F_USO4 | TUN_F_USO6) === 0) return { headers: true, tcp: true, udp: true };
  if (ioctl(fd, TUNSETOFFLOAD, tcp) === 0) return { headers: true, tcp: true, udp: false };
  ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM); // refused, the kernel finishes checksums itself: the header allows both
  return { headers: true, tcp: false, udp: false };
}
