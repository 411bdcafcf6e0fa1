/**
 * The host's side of a TUN device with several queues. The kernel gives what it sends to the queue on which the flow was last written
 * (tun_flow_update, tun_select_queue in drivers/net/tun.c), so each flow is written on one queue, always the same: its packets then come
 * back on that one and in order, and different flows on different ones. Until something of a flow was written, and after 3 s without,
 * the kernel chooses by a hash of its own; a flow changes its queue then once.
 */
import type { PacketMemory } from '../ip/packetMemory.ts';
import { virtioHeaderBytes } from '../ip/virtio.ts';
import type { Pieces, Tun, TunFeatures } from '../system/ports.ts';

export class TunQueues implements Tun {
  readonly fd: number;
  readonly features: TunFeatures;
  readonly #queues: readonly Tun[];
  readonly #header: number;
  /** Where the last packet went. */
  #last: Tun;

  /** One at least, of one device. */
  constructor(queues: readonly Tun[]) {
    this.#queues = queues;
    this.#last = queues[0];
    this.fd = queues[0].fd;
    this.features = queues[0].features;
    this.#header = this.features.headers ? virtioHeaderBytes : 0;
  }

  /** Of the first queue: whoever reads has the others too. */
  read(memory: PacketMemory, at: number, room: number): number {
    return this.#queues[0].read(memory, at, room);
  }

  write(memory: PacketMemory, pieces: Pieces): boolean {
    const hash = flowHash(memory.bytes, pieces.offset[0] + this.#header);
    this.#last = this.#queues[((hash >>> 16) * this.#queues.length) >>> 16];
    return this.#last.write(memory, pieces);
  }

  get refused(): boolean {
    return this.#last.refused === true;
  }
}

/** The same for both directions of a flow; 32 bits. The header of the IP packet at `at` is known to be whole. */
export function flowHash(bytes: Uint8Array, at: number): number {
  let mixed: number;
  let ports: number;
  let protocol: number;
  if (bytes[at] >>> 4 === 4) {
    mixed = word(bytes, at + 12) ^ word(bytes, at + 16);
    ports = at + (bytes[at] & 0x0f) * 4;
    // Fragments but the first have no ports, so none shows its own (RFC 791 §3.1: MF and offset).
    protocol = ((bytes[at + 6] & 0x3f) | bytes[at + 7]) === 0 ? bytes[at + 9] : 0;
  } else {
    mixed = 0;
    for (let i = 8; i < 40; i += 4) mixed ^= word(bytes, at + i);
    ports = at + 40;
    protocol = bytes[at + 6];
  }
  if (protocol === tcp || protocol === udp) {
    mixed ^= ((bytes[ports] ^ bytes[ports + 2]) << 8) | (bytes[ports + 1] ^ bytes[ports + 3]);
  }
  mixed = Math.imul(mixed ^ (mixed >>> 16) ^ protocol, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}

const tcp = 6;
const udp = 17;

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
}
