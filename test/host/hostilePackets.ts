/** Packets that SECURITY.md 15–19 speaks of, as data: what is sent, and what counts it. */
import { concat, fromHex, toHex } from '../../core/bytes/bytes.ts';
import { inside, outer, spiAtLaptop } from './floodScene.ts';
import { broken, echoReply, extensionChain, type Forge, ipv6, patched } from './forge.ts';

/** SAs that the laptop has for the attacker alone, who has their keys. */
export interface Forges {
  readonly gcm: Forge;
  readonly esn: Forge;
  readonly cbc: Forge;
  /** Of a replay window of its own. */
  readonly narrow: Forge;
}

export const hostileSas = {
  gcm: { suite: 'aes256gcm16', spi: 0x33c0ffee },
  esn: { suite: 'aes256gcm16-esn', spi: 0x44c0ffee },
  cbc: { suite: 'aes256-sha256', spi: 0x55c0ffee },
  narrow: { suite: 'aes256gcm16', spi: 0x66c0ffee, replayWindow: 64 },
} as const satisfies Readonly<Record<keyof Forges, HostileSa>>;

interface HostileSa {
  readonly suite: string;
  readonly spi: number;
  readonly replayWindow?: number;
}

/** What the attacker may send inside, to the laptop's inside addresses. */
export const hostileNetworks = ['10.66.0.0/16', 'fd66::/64'] as const;
const peer4 = '10.66.0.1';
const peer6 = 'fd66::1';

/**
 * By how much which counter moves; those not named stay. `live` is the SA of the transfer. `kernel` is what core/dataplane/earlyDrop.ts has the
 * kernel drop: single datagrams that are nobody's never come to the lane.
 */
export interface Counts {
  readonly gcm?: Readonly<Record<string, number>>;
  readonly esn?: Readonly<Record<string, number>>;
  readonly cbc?: Readonly<Record<string, number>>;
  readonly narrow?: Readonly<Record<string, number>>;
  readonly live?: Readonly<Record<string, number>>;
  readonly globals?: Readonly<Record<string, number>>;
  /** IKE messages handed up. */
  readonly ike?: number;
}

export interface HostilePacket {
  readonly name: string;
  readonly datagrams: (forges: Forges) => readonly Uint8Array[];
  /** Octets of each, where they come as one run. */
  readonly run?: number;
  /** Under the office's address and port. */
  readonly spoofed?: boolean;
  readonly port?: number;
  readonly counts: Counts;
}

const good = echoReply(peer4, inside.laptop4);
const good6 = echoReply(peer6, inside.laptop6);
const times = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
const hex = (text: string): Uint8Array => fromHex(text) ?? new Uint8Array(0);
const liveSpi = spiAtLaptop.toString(16).padStart(8, '0');
/** A header of IKEv2 as RFC 7296 §3.1 has it, of an SA nobody has. */
const ikeHeader = `${'ab'.repeat(8)}${'cd'.repeat(8)}2e20230800000000`;

export const hostilePackets: readonly HostilePacket[] = [
  // --- what is no packet of an SA
  {
    name: 'unknown SPI, ordinary and reserved (RFC 4303 §2.1: 1 to 255)',
    datagrams: () =>
      times(20, (i) => hex(`${(i < 10 ? i + 1 : 0xdead0000 + i).toString(16).padStart(8, '0')}00000001${'5a'.repeat(60)}`)),
    counts: { globals: { kernel: 20 } },
  },
  {
    name: 'an ESP packet cut off at every length from 0 to 60',
    datagrams: ({ gcm }) => {
      const whole = gcm.seal(good);
      return times(61, (octets) => whole.slice(0, octets));
    },
    // AES-GCM: 16 octets in front, 16 behind, whole blocks of 4; what has that shape is as long as a packet may be, and its ICV is wrong.
    counts: { globals: { kernel: 8 }, gcm: { dropsMalformed: 46, dropsIntegrity: 7 } },
  },
  {
    name: 'the same with blocks of 16 octets and HMAC',
    datagrams: ({ cbc }) => {
      const whole = cbc.seal(good);
      return times(61, (octets) => whole.slice(0, octets)).slice(8);
    },
    counts: { cbc: { dropsMalformed: 52, dropsIntegrity: 1 } },
  },
  { name: 'keepalives', datagrams: () => times(5, () => hex('ff')), counts: { globals: { kernel: 5 } } },
  { name: 'one octet that is no keepalive', datagrams: () => [hex('fe'), hex('00')], counts: { globals: { kernel: 2 } } },
  // --- IKE on the same socket
  {
    name: 'the non-ESP marker, with every length that is too short for a header behind it',
    datagrams: () => times(32, (octets) => new Uint8Array(octets)),
    counts: { globals: { kernel: 32 } },
  },
  {
    name: 'the marker with a header of IKEv2 that is cut off: the kernel looks no further than its version',
    datagrams: () => times(28, (octets) => concat(new Uint8Array(4), hex(ikeHeader).subarray(0, octets))),
    counts: { globals: { kernel: 18, 'short-packet': 10 } },
  },
  {
    name: 'the marker with garbage; with a header of IKEv1, of IKEv2, and the most that UDP carries behind that',
    datagrams: () => [
      concat(new Uint8Array(4), hex('5a'.repeat(28))),
      concat(new Uint8Array(4), hex(ikeHeader.replace('2e20', '2e10'))),
      concat(new Uint8Array(4), hex(ikeHeader), hex('00000000')),
      concat(new Uint8Array(4), hex(ikeHeader), new Uint8Array(65_479).fill(0x5a)),
    ],
    counts: { ike: 2, globals: { kernel: 2 } },
  },
  {
    name: 'garbage on port 500, and what may be IKE',
    port: 500,
    datagrams: () => [...times(29, (octets) => new Uint8Array(octets)), hex(`${ikeHeader}00000000`), hex(ikeHeader)],
    counts: { ike: 1, globals: { kernel: 29, 'short-packet': 1 } },
  },
  // --- sequence numbers
  {
    name: 'a replay',
    datagrams: ({ gcm }) => {
      const packet = gcm.seal(good);
      return times(6, () => packet.slice());
    },
    counts: { gcm: { packetsIn: 1, dropsReplay: 5 } },
  },
  {
    name: 'number 0, with a right ICV',
    datagrams: ({ gcm }) => [gcm.seal(good, { low: 0 })],
    counts: { gcm: { dropsReplay: 1 } },
  },
  {
    name: 'both edges of the window',
    datagrams: ({ gcm }) => {
      gcm.sequence = 5000;
      return [5000, 5000 - 1023, 5000 - 1024, 5000 - 1023].map((low) => gcm.seal(good, { low }));
    },
    counts: { gcm: { packetsIn: 2, dropsReplay: 2 } },
  },
  {
    name: 'a packet 100 behind: in the usual window, and left of one of 64 that its SA was given',
    datagrams: ({ gcm, narrow }) => {
      gcm.sequence = 6000;
      return [gcm, narrow].flatMap((sa) => [6000, 6000 - 100, 6000 - 63, 6000 - 64].map((low) => sa.seal(good, { low })));
    },
    counts: { gcm: { packetsIn: 4 }, narrow: { packetsIn: 2, dropsReplay: 2 } },
  },
  {
    name: 'far ahead with a wrong ICV: the window stays',
    datagrams: ({ gcm }) => [
      broken(gcm.seal(good, { low: 0xffffffff })),
      broken(gcm.seal(good, { low: 0x80000000 })),
      gcm.seal(good, { low: 6000 - 1022 }),
      gcm.seal(good),
    ],
    counts: { gcm: { dropsIntegrity: 2, packetsIn: 2 } },
  },
  {
    name: "the transfer's own SPI, far ahead and in the window's future, with a wrong ICV",
    spoofed: true,
    datagrams: () => times(40, (i) => hex(`${liveSpi}${(0x70000000 + i).toString(16)}${'5a'.repeat(1424)}`)),
    counts: { live: { dropsIntegrity: 40 } },
  },
  {
    name: "the transfer's own SPI with number 0",
    spoofed: true,
    datagrams: () => times(10, () => hex(`${liveSpi}00000000${'5a'.repeat(1424)}`)),
    counts: { live: { dropsReplay: 10 } },
  },
  {
    name: 'with extended numbers: one from before the first packet, and a leap',
    datagrams: ({ esn }) => [esn.seal(good, { low: 0xfffffff0 }), esn.seal(good, { low: 0x40000000 })],
    counts: { esn: { packetsIn: 1, dropsReplay: 1 } },
  },
  {
    name: 'extended numbers across 2^32 (RFC 4303 appendix A2.2)',
    datagrams: ({ esn }) => [
      esn.seal(good, { low: 0xfffffff0 }),
      broken(esn.seal(good, { low: 4, high: 1 })),
      esn.seal(good, { low: 5, high: 0 }), // of the wrong subspace
      esn.seal(good, { low: 5, high: 1 }),
      esn.seal(good, { low: 0xfffffff1, high: 0 }),
      esn.seal(good, { low: 0xfffffff2, high: 1 }),
      esn.seal(good, { low: 0, high: 1 }),
      esn.seal(good, { low: 5, high: 1 }),
      esn.seal(good, { low: 0xfffffff0 }),
    ],
    counts: { esn: { packetsIn: 4, dropsIntegrity: 3, dropsReplay: 2 } },
  },
  {
    name: 'the last number there is without extended ones: nothing comes after it',
    datagrams: ({ cbc }) => [
      cbc.seal(good, { low: 0xffffffff }),
      cbc.seal(good, { low: 1 }),
      cbc.seal(good, { low: 0xfffffffe }),
    ],
    counts: { cbc: { packetsIn: 2, dropsReplay: 1 } },
  },
  // --- authenticated, and wrong
  {
    name: 'padding that is not 1, 2, 3, …; longer than the packet; none where there is room for none',
    datagrams: ({ gcm }) => [
      gcm.seal(good, { padding: [1, 3] }),
      gcm.seal(good, { padding: [0, 0] }),
      gcm.seal(good, { padLength: 255 }),
      gcm.seal(new Uint8Array(0), { padLength: 3 }),
      gcm.seal(new Uint8Array(0)),
    ],
    counts: { gcm: { dropsMalformed: 5 } },
  },
  {
    name: 'more padding than needed',
    datagrams: ({ gcm }) => [gcm.seal(good, { padding: times(254, (i) => i + 1) })],
    counts: { gcm: { packetsIn: 1 } },
  },
  {
    name: 'a next header that no tunnel has',
    datagrams: ({ gcm }) => [0, 6, 17, 50, 51, 255].map((nextHeader) => gcm.seal(good, { nextHeader })),
    counts: { gcm: { dropsMalformed: 6 } },
  },
  { name: 'dummies (RFC 4303 §2.6)', datagrams: ({ gcm }) => times(4, () => gcm.seal(good, { nextHeader: 59 })), counts: {} },
  {
    name: 'a next header of the other family',
    datagrams: ({ gcm }) => [gcm.seal(good, { nextHeader: ipv6 }), gcm.seal(good6, { nextHeader: 4 })],
    counts: { gcm: { dropsMalformed: 2 } },
  },
  {
    name: 'no IP packet inside: other versions, a header too short for itself, nothing at all',
    datagrams: ({ gcm }) => [
      gcm.seal(patched(good, 0, 0x55)),
      gcm.seal(patched(good, 0, 0x05)),
      gcm.seal(patched(good, 0, 0x44)),
      gcm.seal(patched(good, 0, 0x4f, 0, 0, 59)),
      gcm.seal(good.slice(0, 19)),
      gcm.seal(good6.slice(0, 39), { nextHeader: ipv6 }),
    ],
    counts: { gcm: { dropsMalformed: 6 } },
  },
  {
    name: 'an inner length beyond what came, and below its header',
    datagrams: ({ gcm }) => [
      gcm.seal(patched(good, 2, 0, 61)),
      gcm.seal(patched(good, 2, 0xff, 0xff)),
      gcm.seal(patched(good, 2, 0, 19)),
      gcm.seal(patched(good6, 4, 0, 21), { nextHeader: ipv6 }),
      gcm.seal(patched(good6, 4, 0xff, 0xff), { nextHeader: ipv6 }),
    ],
    counts: { gcm: { dropsMalformed: 5 } },
  },
  {
    name: 'octets behind the inner packet (RFC 4303 §2.7): cut off',
    datagrams: ({ gcm }) => [1, 2, 100, 1000].map((tfc) => gcm.seal(good, { tfc })),
    counts: { gcm: { packetsIn: 4, bytesIn: 240 } },
  },
  {
    name: 'an inner source that the peer may not have',
    datagrams: ({ gcm }) => [
      gcm.seal(echoReply('10.67.0.1', inside.laptop4)),
      gcm.seal(echoReply(inside.office4, inside.laptop4)),
      gcm.seal(echoReply(inside.laptop4, inside.laptop4)),
      gcm.seal(echoReply('127.0.0.1', inside.laptop4)),
      gcm.seal(echoReply(inside.office6, inside.laptop6), { nextHeader: ipv6 }),
    ],
    counts: { gcm: { dropsSelector: 5 } },
  },
  {
    name: 'an inner destination that is not ours',
    datagrams: ({ gcm }) => [
      gcm.seal(echoReply(peer4, '10.88.0.2')),
      gcm.seal(echoReply(peer4, '255.255.255.255')),
      gcm.seal(echoReply(peer4, outer.laptop)),
      gcm.seal(echoReply(peer6, 'ff02::1'), { nextHeader: ipv6 }),
    ],
    counts: { gcm: { dropsSelector: 4 } },
  },
  {
    name: 'IPv6 extension headers: a few, too many, and beyond the end',
    datagrams: ({ gcm }) => [
      gcm.seal(extensionChain(peer6, inside.laptop6, 8), { nextHeader: ipv6 }),
      gcm.seal(extensionChain(peer6, inside.laptop6, 9), { nextHeader: ipv6 }),
      gcm.seal(extensionChain(peer6, inside.laptop6, 100), { nextHeader: ipv6 }),
      gcm.seal(patched(extensionChain(peer6, inside.laptop6, 1), 41, 255), { nextHeader: ipv6 }),
      gcm.seal(patched(good6.slice(0, 40), 4, 0, 0, 60), { nextHeader: ipv6 }),
    ],
    counts: { gcm: { dropsMalformed: 4, packetsIn: 1 } },
  },
  // --- runs (UDP GRO): every datagram is judged on its own
  {
    name: 'a run of genuine and broken packets, of other SAs, IKE and a keepalive at its end',
    run: 100,
    spoofed: true,
    datagrams: (forges) => mixedRun(forges),
    counts: {
      gcm: { packetsIn: 10, dropsIntegrity: 10, dropsReplay: 10 },
      globals: { 'unknown-spi': 10, 'keepalive-in': 1 },
      ike: 10,
    },
  },
  {
    name: "a run so long that the kernel's filter lets it pass, since its source is the office's: unknown SPIs in front of genuine packets",
    run: 1200,
    spoofed: true,
    datagrams: ({ gcm }) => [
      ...times(20, (i) => hex(`${(0xdead0000 + i).toString(16)}00000001${'5a'.repeat(1192)}`)),
      ...times(20, () => gcm.seal(echoReply(peer4, inside.laptop4, 1166))),
      hex('ff'),
    ],
    counts: { gcm: { packetsIn: 20 }, globals: { 'unknown-spi': 20, 'keepalive-in': 1 } },
  },
  {
    name: 'the same from anybody else: the kernel drops it as it began',
    run: 1200,
    datagrams: ({ gcm }) => [
      ...times(20, (i) => hex(`${(0xdead0000 + i).toString(16)}00000001${'5a'.repeat(1192)}`)),
      gcm.seal(echoReply(peer4, inside.laptop4, 1166)),
    ],
    counts: { globals: { kernel: 1 } },
  },
  {
    name: 'runs of the shortest datagrams',
    run: 1,
    spoofed: true,
    datagrams: () => times(60, (i) => hex(i % 2 === 0 ? 'ff' : '00')),
    // One run to the kernel's filter, which sees that it begins with nothing of ours.
    counts: { globals: { kernel: 1 } },
  },
];

/** Of 100 octets each, but the last. */
function mixedRun({ gcm }: Forges): readonly Uint8Array[] {
  const one = (): Uint8Array => gcm.seal(echoReply(peer4, inside.laptop4, 66));
  const run: Uint8Array[] = [];
  for (let i = 0; i < 10; i++) {
    const packet = one();
    run.push(broken(one()), packet, hex(`dead00${toHex(Uint8Array.of(i))}${'5a'.repeat(96)}`), packet.slice());
    run.push(hex(`00000000${ikeHeader}${'5a'.repeat(72)}`));
  }
  return [...run, hex('ff')];
}
