/** A TUN device without a kernel, for tests: what the host sends is put in, what the host would receive is read off. */
import type { PacketMemory } from '../../ip/packetMemory.ts';
import type { Pieces, Tun, TunFeatures } from '../ports.ts';

export class MemoryTun implements Tun {
  readonly fd = -1;
  readonly features: TunFeatures;
  /** Packets written to the device, copies, in order. */
  readonly written: Uint8Array[] = [];
  /** Packets the device takes from now on. */
  room = Number.POSITIVE_INFINITY;
  gone = false;
  /** Whether the kernel would find this packet malformed. */
  malformed: (packet: Uint8Array) => boolean = () => false;
  refused = false;
  readonly #waiting: Uint8Array[] = [];

  constructor(features: TunFeatures = { headers: false, tcp: false, udp: false }) {
    this.features = features;
  }

  /** The host routes a packet into the device; with its virtio header where `features.headers`. */
  inject(...packets: readonly Uint8Array[]): void {
    for (const packet of packets) this.#waiting.push(packet.slice());
  }

  read(memory: PacketMemory, at: number, room: number): number {
    if (this.gone) return -1;
    const packet = this.#waiting.shift();
    if (packet === undefined) return 0;
    const length = Math.min(packet.length, room);
    memory.bytes.set(packet.subarray(0, length), at);
    return length;
  }

  write(memory: PacketMemory, pieces: Pieces): boolean {
    if (this.room <= 0) return false;
    this.room -= 1;
    const { offset, length, count } = pieces;
    let octets = 0;
    for (let i = 0; i < count; i++) octets += length[i];
    const packet = new Uint8Array(octets);
    for (let i = 0, at = 0; i < count; at += length[i++]) packet.set(memory.bytes.subarray(offset[i], offset[i] + length[i]), at);
    this.refused = this.malformed(packet);
    if (!this.refused) this.written.push(packet);
    return true;
  }
}
