/** Coalescing under everything that a network and a hostile peer do to packets; seeded, so that a failure comes again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainMemory } from '../../../core/ip/packetMemory.ts';
import { packetMemory } from '../../../core/ip/simdMemory.ts';
import { allFeatures, coalesce, received, type WrittenFrame } from './coalesced.ts';
import { ACK, CWR, ECE, FIN, isIntact, numbers, type PacketSpec, PSH, packetOf, RST, transportAt, URG } from './judge.ts';

type Pick = (n: number) => number;

const empty = new Uint8Array();

/** A sender: each call gives its next packet. */
function sender(pick: Pick, hosts: number): () => Uint8Array {
  const version = pick(2) === 0 ? 4 : 6;
  const address = (n: number): Uint8Array => new Uint8Array(version === 4 ? 4 : 16).fill(n);
  const size = [1, 2, 3, 40, 63, 200][pick(6)];
  const timestamps = pick(2) === 0;
  const spec = {
    version,
    protocol: pick(3) === 0 ? 'udp' : 'tcp',
    source: address(10 + pick(hosts)),
    destination: address(100),
    sourcePort: 440 + pick(3),
    destinationPort: 50_000 + pick(2),
    flowLabel: pick(2),
    dontFragment: pick(2) === 0,
    tos: 2,
  } as const;
  let sequence = pick(2) === 0 ? 2 ** 32 - 1 - pick(500) : pick(2 ** 31);
  let acknowledgement = pick(2 ** 31);
  let window = 500;
  let id = pick(65_536);
  let time = 0;
  return () => {
    const one = (n: number): boolean => pick(n) === 0;
    const payload = one(15) ? empty : Uint8Array.from({ length: one(12) ? 1 + pick(2 * size) : size }, () => pick(256));
    if (one(40)) window = pick(65_536);
    if (one(40)) acknowledgement++;
    if (one(30)) time++;
    if (one(60)) id += pick(5);
    let flags = ACK;
    if (one(20)) flags |= PSH;
    if (one(30)) flags |= ECE;
    if (one(40)) flags |= [CWR, URG, RST, FIN][pick(4)];
    const options = timestamps ? Uint8Array.of(1, 1, 8, 10, 0, 0, 0, time, 0, 0, 0, 0) : empty;
    const made: PacketSpec = { ...spec, payload, sequence, acknowledgement, window, flags, options, id: id & 0xffff };
    sequence = (sequence + payload.length) % 2 ** 32;
    id++;
    const extra = { tos: one(20) ? 3 : 2, ttl: one(50) ? 3 : 64 };
    if (one(60) && version === 4) return packetOf({ ...made, ...extra, ipOptions: Uint8Array.of(1, 1, 1, 0) });
    if (one(60) && version === 6 && spec.protocol === 'tcp')
      return packetOf({ ...made, ...extra, extensions: Uint8Array.of(6, 0, 1, 4, 0, 0, 0, 0) });
    return packetOf({ ...made, ...extra });
  };
}

/** What a network does: loss, duplicates, packets that change places, octets that change, fragments. */
function arrivals(pick: Pick, count: number): Uint8Array[] {
  const senders = Array.from({ length: 1 + pick(14) }, () => sender(pick, 3));
  const out: Uint8Array[] = [];
  let current = senders[0];
  const hostile = pick(3) > 0;
  while (out.length < count) {
    if (pick(6) === 0) current = senders[pick(senders.length)];
    const packet = current();
    if (!hostile) {
      out.push(packet);
      continue;
    }
    if (pick(40) === 0) continue; // lost
    if (pick(25) === 0) packet[pick(packet.length)] ^= 1 << pick(8);
    if (pick(60) === 0 && packet[0] === 0x45) packet[6] |= 0x20;
    out.push(packet);
    if (pick(50) === 0) out.push(packet.slice());
    if (pick(30) === 0 && out.length > 2) out.splice(out.length - 1 - pick(2), 0, ...out.splice(out.length - 1, 1));
  }
  return out.slice(0, count);
}

/** Addresses and version; packets that are no IP packets have none. */
function pairOf(packet: Uint8Array): string {
  const version = packet[0] >>> 4;
  if (version === 4 && packet.length >= 20) return `4 ${packet.subarray(12, 20)}`;
  if (version === 6 && packet.length >= 40) return `6 ${packet.subarray(8, 40)}`;
  return 'none';
}

/** The flow as far as it can be told: ports only of whole TCP and UDP packets without anything in front. */
function flowOf(packet: Uint8Array): string | undefined {
  const version = packet[0] >>> 4;
  const protocol = packet[version === 4 ? 9 : 6];
  if (version === 4 && (packet[0] !== 0x45 || (packet[6] & 0xbf) !== 0 || packet[7] !== 0)) return undefined;
  if (protocol !== 6 && protocol !== 17) return undefined;
  const at = version === 4 ? 20 : 40;
  return packet.length < at + 8 ? undefined : `${pairOf(packet)} ${protocol} ${packet.subarray(at, at + 4)}`;
}

/** With DF the identification and with it the header checksum mean nothing, and are the only thing that may change. */
function comparable(packet: Uint8Array): string {
  const copy = Buffer.from(packet);
  if (packet.length >= 20 && packet[0] === 0x45 && (packet[6] & 0x40) !== 0) {
    copy.fill(0, 4, 6);
    copy.fill(0, 10, 12);
  }
  return copy.toString('latin1');
}

function judge(input: readonly Uint8Array[], frames: readonly WrittenFrame[]): void {
  const output = received(frames);
  assert.deepEqual(output.map(comparable).toSorted(), input.map(comparable).toSorted(), 'the same packets');
  assert.deepEqual(byKey(output, flowOf), byKey(input, flowOf), 'the same order in every flow');
  for (const pair of new Set(input.map(pairOf))) {
    // A packet whose flow cannot be told keeps its place among all between its addresses.
    const around = (packets: readonly Uint8Array[]): string[][] => {
      const runs: string[][] = [[]];
      for (const packet of packets.filter((one) => pairOf(one) === pair)) {
        if (flowOf(packet) === undefined) runs.push([comparable(packet)], []);
        else runs[runs.length - 1].push(comparable(packet));
      }
      return runs.map((run) => run.toSorted());
    };
    if (pair !== 'none') assert.deepEqual(around(output), around(input));
  }
  const whole = new Set(
    frames.filter((frame) => frame.pieces === 1).map((frame) => Buffer.from(frame.packet).toString('latin1')),
  );
  for (const packet of input) {
    if (flowOf(packet) === undefined || isWhole(packet)) continue;
    assert.ok(whole.has(Buffer.from(packet).toString('latin1')), 'a packet that is not intact comes as it was');
  }
}

function isWhole(packet: Uint8Array): boolean {
  const length = (packet[2] << 8) | packet[3];
  if (packet[0] >>> 4 === 4 && length !== packet.length) return false;
  if (packet[0] >>> 4 === 6 && ((packet[4] << 8) | packet[5]) + 40 !== packet.length) return false;
  return transportAt(packet) < packet.length && isIntact(packet);
}

function byKey(packets: readonly Uint8Array[], keyOf: (packet: Uint8Array) => string | undefined): Map<string, string[]> {
  const out = new Map<string, string[]>();
  for (const key of packets.map((packet) => keyOf(packet) ?? '').toSorted()) out.set(key, []);
  out.delete('');
  for (const packet of packets) out.get(keyOf(packet) ?? '')?.push(comparable(packet));
  return out;
}

test('random flows, interleaved, broken, doubled and out of order, arrive as they came', () => {
  let joined = 0;
  let all = 0;
  for (let seed = 1; seed <= 600; seed++) {
    const pick = numbers(seed);
    const input = arrivals(pick, 1 + pick(150));
    const frames = coalesce(input, allFeatures, pick(2) === 0 ? plainMemory : packetMemory);
    try {
      judge(input, frames);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
    all += input.length;
    joined += input.length - frames.length;
  }
  assert.ok(joined > all / 5, `only ${joined} of ${all} joined: the rest of this test would prove little`);
});

test('fuzz: no octets make it throw, touch what is not theirs or lose a packet', () => {
  for (let seed = 1; seed <= 3000; seed++) {
    const pick = numbers(seed);
    const input = Array.from({ length: 1 + pick(20) }, (): Uint8Array => {
      const octets = Uint8Array.from({ length: pick(90) }, () => pick(256));
      if (octets.length > 0 && pick(4) > 0) octets[0] = [0x45, 0x60, 0x46, 0x40][pick(4)];
      return octets;
    });
    const base = arrivals(pick, 1 + pick(20));
    for (const packet of base) {
      for (let i = pick(3); i > 0; i--) packet[pick(Math.min(packet.length, 60))] = pick(256);
      input.push(pick(3) === 0 ? packet.slice(0, pick(packet.length)) : packet);
    }
    const frames = coalesce(input);
    const output = received(frames);
    assert.deepEqual(output.map(comparable).toSorted(), input.map(comparable).toSorted(), `seed ${seed}`);
  }
});
