/** Two lanes of the same SA without threads, sockets or devices. */
import assert from 'node:assert/strict';
import { parseAddress } from '../../../core/bytes/address.ts';
import { nodeEspBackend } from '../../../core/crypto/node/esp.ts';
import type { LaneChild } from '../../../core/dataplane/commands.ts';
import { Counters } from '../../../core/dataplane/counters.ts';
import type { Flood } from '../../../core/dataplane/earlyDrop.ts';
import { InboundLane } from '../../../core/dataplane/inboundLane.ts';
import { OutboundLane, type OutboundLaneOptions } from '../../../core/dataplane/outboundLane.ts';
import type { TrafficSelector } from '../../../core/ike/wire/message.ts';
import { parseCidr, rangeOfCidr } from '../../../core/ip/cidr.ts';
import { MemoryTun } from '../../../core/system/memory/tun.ts';
import { MemoryUdp } from '../../../core/system/memory/udp.ts';
import type { UdpSocket } from '../../../core/system/ports.ts';
import { keysFor, octets, suiteOf } from '../esp/suites.ts';

export function selector(text: string, protocol = 0, startPort = 0, endPort = 65535): TrafficSelector {
  const cidr = parseCidr(text);
  assert.ok(cidr, text);
  return { type: cidr.network.length === 4 ? 'ipv4' : 'ipv6', protocol, startPort, endPort, ...rangeOfCidr(cidr) };
}

/** One direction; keys follow from the SPI, so the two ends of one SPI fit together. */
export function laneChild(suite: string, change: Partial<LaneChild> = {}): LaneChild {
  const spiIn = change.spiIn ?? 0x1001;
  const spi = change.spi ?? spiIn;
  const parts = suiteOf(suite);
  return {
    spiIn,
    spi,
    ...parts,
    keys: keysFor(parts, spi),
    localSelectors: [selector('10.0.0.1/32'), selector('fd00::1/128')],
    remoteSelectors: [selector('10.1.0.0/16'), selector('fd01::/64')],
    remote: { address: '192.0.2.1', port: 4500 },
    keepalive: false,
    mtu: 9000,
    slot: 0,
    ...change,
  };
}

/** The same SA seen from the other end. */
export function mirrored(child: LaneChild): LaneChild {
  return {
    ...child,
    keys: keysFor(child, child.spi),
    localSelectors: child.remoteSelectors,
    remoteSelectors: child.localSelectors,
  };
}

interface Time {
  /** By the clock that never goes back. */
  now: number;
  /** Milliseconds that the wall's clock is behind it. */
  setBack: number;
}

export interface OutboundFixture {
  readonly lane: OutboundLane;
  readonly tun: MemoryTun;
  readonly udp: MemoryUdp;
  readonly udp6: MemoryUdp;
  readonly counters: Counters;
  readonly time: Time;
  /** SAs on which nothing came back, and sockets that refused a packet's size. */
  readonly doubts: string[];
  readonly tooLong: UdpSocket[];
  readonly limits: string[];
}

export function outbound(...children: readonly LaneChild[]): OutboundFixture {
  return fixtureOf({}, children);
}

/** A lane that is told that a full queue has room again. */
export function outboundThatWaits(...children: readonly LaneChild[]): OutboundFixture {
  return fixtureOf({ awaitRoom: () => true }, children);
}

/** Lanes that have all SAs in common, as `Dataplane` makes them; the first one sends keepalives. `memory` is one SA's sequence numbers. */
export function outboundLanes(count: number, memory: SharedArrayBuffer, child: LaneChild): readonly OutboundFixture[] {
  const shared = new Counters(count).shared;
  const time = { now: 1_000_000, setBack: 0 };
  return Array.from({ length: count }, (_, lane) => {
    const own = { ...child, keys: keysFor(child, child.spi), keepalive: child.keepalive && lane === 0, sequence: memory };
    return fixtureOf({}, [own], new Counters(shared, lane), time);
  });
}

function fixtureOf(
  options: Partial<OutboundLaneOptions>,
  children: readonly LaneChild[],
  counters = new Counters(),
  time: Time = { now: 1_000_000, setBack: 0 },
): OutboundFixture {
  const doubts: string[] = [];
  const tooLong: UdpSocket[] = [];
  const limits: string[] = [];
  let seed = 1;
  const lane = new OutboundLane({
    backend: nodeEspBackend,
    counters,
    random: (length) => octets(length, seed++),
    keepaliveInterval: 20_000,
    clock: () => time.now - time.setBack,
    monotonic: () => time.now,
    onDoubt: (spiIn, silent) => doubts.push(`${spiIn}${silent ? ' silent' : ''}`),
    onTooLong: (socket) => tooLong.push(socket),
    onLimit: (spiIn, which) => limits.push(`${spiIn} ${which}`),
    ...options,
  });
  const sockets = { udp: new MemoryUdp(), udp6: new MemoryUdp() };
  const fixture = { lane, tun: new MemoryTun(), ...sockets, counters, time, doubts, tooLong, limits };
  lane.tun = fixture.tun;
  lane.socket4 = fixture.udp;
  lane.socket6 = fixture.udp6;
  for (const child of children) assert.equal(lane.install(child), undefined);
  return fixture;
}

export interface InboundFixture {
  /** What the lane told of floods. */
  readonly floods: readonly Flood[];
  readonly time: Time;
  readonly lane: InboundLane;
  readonly tun: MemoryTun;
  readonly udp: MemoryUdp;
  readonly counters: Counters;
  readonly ike: { readonly bytes: Uint8Array; readonly channel: string; readonly from: Uint8Array }[];
  readonly echoes: { readonly spiIn: number; readonly packet: Uint8Array }[];
  readonly limits: string[];
  /** SAs that are installed only when a packet of nobody's comes. */
  readonly late: LaneChild[];
}

export function inbound(...children: readonly LaneChild[]): InboundFixture {
  const counters = new Counters();
  const echoes: { spiIn: number; packet: Uint8Array }[] = [];
  const ike: { bytes: Uint8Array; channel: string; from: Uint8Array }[] = [];
  const floods: Flood[] = [];
  const time = { now: 1_700_000_000_000, setBack: 0 };
  const limits: string[] = [];
  const late: LaneChild[] = [];
  const lane: InboundLane = new InboundLane({
    onFlood: (flood) => floods.push(flood),
    backend: nodeEspBackend,
    counters,
    window: 64,
    clock: () => time.now - time.setBack,
    monotonic: () => time.now,
    onIke: (bytes, channel, from) => ike.push({ bytes, channel, from: from.slice() }),
    onEcho: (spiIn, packet) => echoes.push({ spiIn, packet }),
    onLimit: (spiIn, which) => limits.push(`${spiIn} ${which}`),
    onUnknown: () => late.splice(0).filter((child) => lane.install(child) === undefined).length > 0,
    capacity: 8,
  });
  const ends = { tun: new MemoryTun(), udp: new MemoryUdp() };
  const fixture = { floods, time, lane, ...ends, counters, ike, echoes, limits, late };
  lane.tun = fixture.tun;
  for (const child of children) assert.equal(lane.install(child), undefined);
  return fixture;
}

/** What was sent so far, the runs taken apart, and forgotten. */
export function sentDatagrams(udp: MemoryUdp): { readonly bytes: Uint8Array; readonly to: Uint8Array; readonly tos: number }[] {
  return udp.sent.splice(0).flatMap(({ bytes, to, segment, tos }) => {
    const step = segment === 0 ? bytes.length : segment;
    return Array.from({ length: Math.ceil(bytes.length / step) }, (_, i) => ({
      bytes: bytes.slice(i * step, (i + 1) * step),
      to,
      tos,
    }));
  });
}

/** An inner packet with ports; length is that of the whole. */
export function inner(
  source: string,
  destination: string,
  options: {
    readonly length?: number;
    readonly protocol?: number;
    readonly sourcePort?: number;
    readonly destinationPort?: number;
  } = {},
): Uint8Array {
  const { length = 60, protocol = 17, sourcePort = 1000, destinationPort = 53 } = options;
  const from = parseAddress(source);
  const to = parseAddress(destination);
  assert.ok(from && to);
  const packet = octets(length, length);
  const v4 = from.length === 4;
  const header = v4 ? 20 : 40;
  if (v4) packet.set([0x45, 0, length >> 8, length & 0xff, 0, 1, 0, 0, 64, protocol, 0, 0]);
  else packet.set([0x60, 0, 0, 0, (length - 40) >> 8, (length - 40) & 0xff, protocol, 64]);
  packet.set(from, v4 ? 12 : 8);
  packet.set(to, v4 ? 16 : 24);
  packet.set([sourcePort >> 8, sourcePort & 0xff, destinationPort >> 8, destinationPort & 0xff], header);
  return packet;
}
