/**
 * Packets by the million through both lanes without a kernel: frames as a host with offloads hands them out, TCP and UDP, IPv4 and IPv6, of all
 * sizes; sealed, sent, received, opened, joined again; and what would reach the other host is held against what was sent, octet by octet.
 * Nothing here allocates per packet, so that what the heap grows is the lanes' doing.
 */

import type { EspBackend } from '../../../core/crypto/espCipher.ts';
import { Counters } from '../../../core/dataplane/counters.ts';
import { InboundLane } from '../../../core/dataplane/inboundLane.ts';
import { OutboundLane } from '../../../core/dataplane/outboundLane.ts';
import type { PacketMemory } from '../../../core/ip/packetMemory.ts';
import type { DatagramBatch, Pieces, Tun, UdpSocket } from '../../../core/system/ports.ts';
import { laneChild, mirrored } from './fixtures.ts';
import { type Flow, type Judgement, makeFlows } from './millFlows.ts';

export interface MillOptions {
  readonly backend: EspBackend;
  readonly suite: string;
  readonly packets: number;
  /** After so many packets each, and at the end. */
  readonly onProgress?: (packets: number) => void;
  readonly progressEvery?: number;
}

export interface MillResult {
  /** Inner packets after segmentation, sent and seen at the far end. */
  readonly sent: number;
  readonly seen: number;
  readonly octets: number;
  /** Frames written at the far end: fewer than packets, where they were joined. */
  readonly frames: number;
  /** Packets with something wrong, by what it is. */
  readonly errors: Readonly<Record<string, number>>;
  readonly firstError: string;
  readonly counters: Readonly<Record<string, number>>;
}

export function mill(options: MillOptions): MillResult {
  const flows = makeFlows();
  const source = new FrameSource(flows, options.packets);
  const judge = new FrameJudge(flows);
  const counters = new Counters();
  const child = { ...laneChild(options.suite), mtu: innerMtu };
  const pipe = new Pipe();
  const outbound = new OutboundLane({
    backend: options.backend,
    counters,
    random: (length) => new Uint8Array(length).fill(7),
    keepaliveInterval: 20_000,
    clock: () => 1,
    monotonic: () => 1,
    awaitRoom: () => drain() > 0,
  });
  const inbound = new InboundLane({
    backend: options.backend,
    counters,
    window: 1024,
    onIke: () => judge.fault('ike', ''),
    clock: () => 1,
    monotonic: () => 1,
  });
  outbound.tun = source;
  outbound.socket4 = pipe;
  inbound.tun = judge;
  for (const refused of [inbound.install(mirrored(child)), outbound.install(child)])
    if (refused !== undefined) throw new Error(refused);

  function drain(): number {
    let runs = 0;
    for (let count = inbound.receive(pipe, 'natt'); count > 0; count = inbound.receive(pipe, 'natt')) runs += count;
    return runs;
  }

  let next = options.progressEvery ?? Number.POSITIVE_INFINITY;
  while (source.packets < options.packets) {
    outbound.forward();
    drain();
    if (source.packets < next) continue;
    options.onProgress?.(source.packets);
    next += options.progressEvery ?? Number.POSITIVE_INFINITY;
  }
  const { seen, octets, frames, errors, firstError } = judge;
  return { sent: source.packets, seen, octets, frames, errors, firstError, counters: { ...counters.child(0) } };
}

/** Of the tunnel; segments fit it. */
const innerMtu = 1400;
/** What the device has in front of the frame and behind it. */
const offloads = { headers: true, tcp: true, udp: true } as const;

/** The sending host. */
class FrameSource implements Tun {
  readonly fd = -1;
  readonly features = offloads;
  packets = 0;
  readonly #flows: readonly Flow[];
  readonly #most: number;
  #state = 0x2545f491;

  constructor(flows: readonly Flow[], most: number) {
    this.#flows = flows;
    this.#most = most;
  }

  read(memory: PacketMemory, at: number): number {
    if (this.packets >= this.#most) return 0;
    const flow = this.#flows[this.#random() % this.#flows.length];
    const length = flow.write(memory.bytes, at, this.#random());
    this.packets += flow.packets;
    return length;
  }

  write(): boolean {
    throw new Error('the sending host is told of packets that are too large');
  }

  #random(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return this.#state >>> 0;
  }
}

/** The receiving host: puts the pieces of a frame together, and lets its flow judge. */
class FrameJudge implements Tun, Judgement {
  readonly fd = -1;
  readonly features = offloads;
  seen = 0;
  octets = 0;
  frames = 0;
  readonly errors: Record<string, number> = {};
  firstError = '';
  readonly #flows: readonly Flow[];
  readonly #frame = Buffer.alloc(70_000);
  #memory: PacketMemory | undefined;
  #bytes = Buffer.alloc(0);

  constructor(flows: readonly Flow[]) {
    this.#flows = flows;
  }

  read(): number {
    return 0;
  }

  write(memory: PacketMemory, { offset, length, count }: Pieces): boolean {
    if (memory !== this.#memory) {
      this.#memory = memory;
      this.#bytes = Buffer.from(memory.bytes.buffer, memory.bytes.byteOffset, memory.bytes.length);
    }
    let octets = 0;
    for (let i = 0; i < count; i++) {
      this.#bytes.copy(this.#frame, octets, offset[i], offset[i] + length[i]);
      octets += length[i];
    }
    this.frames++;
    const flow = this.#flows[flowOf(this.#frame)];
    if (flow === undefined) this.fault('flow', this.#frame.toString('hex', 0, 70));
    else this.seen += flow.judge(this.#frame, octets, this);
    this.octets += octets;
    return true;
  }

  fault(kind: string, detail: string): void {
    this.errors[kind] = (this.errors[kind] ?? 0) + 1;
    if (this.firstError === '') this.firstError = `${kind}: ${detail}`;
  }
}

/** The low octet of the source port names the flow. */
function flowOf(frame: Uint8Array): number {
  return frame[10 + (frame[10] >>> 4 === 4 ? 20 : 40) + 1];
}

/** A network that loses nothing and holds this many runs: the sender has to wait for room like a real one. */
const slots = 48;
const slotBytes = 65_536;

class Pipe implements UdpSocket {
  readonly fd = -1;
  readonly features = { segmentation: true, coalescing: true };
  lastError = '';
  readonly #bytes = Buffer.alloc(slots * slotBytes);
  readonly #length = new Uint32Array(slots);
  readonly #segment = new Uint32Array(slots);
  #head = 0;
  #count = 0;
  readonly #views = new Map<PacketMemory, Buffer>();

  receive(memory: PacketMemory, batch: DatagramBatch): number {
    batch.count = 0;
    while (this.#count > 0 && batch.count < batch.capacity) {
      const slot = this.#head;
      const i = batch.count++;
      const at = batch.base + i * batch.stride;
      this.#bytes.copy(memory.bytes, at, slot * slotBytes, slot * slotBytes + this.#length[slot]);
      batch.offset[i] = at;
      batch.length[i] = this.#length[slot];
      batch.segment[i] = this.#segment[slot];
      batch.tos[i] = 0;
      this.#head = (slot + 1) % slots;
      this.#count--;
    }
    return batch.count;
  }

  send(memory: PacketMemory, batch: DatagramBatch): number {
    const bytes = this.#view(memory);
    for (let i = 0; i < batch.count; i++) {
      if (this.#count === slots) {
        this.lastError = 'EAGAIN';
        return i;
      }
      const slot = (this.#head + this.#count++) % slots;
      bytes.copy(this.#bytes, slot * slotBytes, batch.offset[i], batch.offset[i] + batch.length[i]);
      this.#length[slot] = batch.length[i];
      this.#segment[slot] = batch.segment[i];
    }
    this.lastError = '';
    return batch.count;
  }

  sendDivisible(): number {
    throw new Error('nothing is too large here');
  }

  reportedMtus(): ReadonlyMap<string, number> {
    return new Map();
  }

  #view(memory: PacketMemory): Buffer {
    const known = this.#views.get(memory);
    if (known !== undefined) return known;
    const view = Buffer.from(memory.bytes.buffer, memory.bytes.byteOffset, memory.bytes.length);
    this.#views.set(memory, view);
    return view;
  }
}
