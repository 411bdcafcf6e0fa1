/** The program on real sockets over the loopback: no privilege is needed. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { fromHex, toHex } from '../../../core/bytes/bytes.ts';
import {
  earlyDrop,
  earlyDropIke,
  type FilteredSa,
  type Flood,
  mostIkeInRuns,
  sampled,
} from '../../../core/dataplane/earlyDrop.ts';
import { close, recv } from '../../../core/system/ffi/libc.ts';
import { Pinned } from '../../../core/system/ffi/memory.ts';
import { type FilterInstruction, filterSocket, kernelDrops } from '../../../core/system/linux/socketFilter.ts';
import { openUdp } from '../../../core/system/linux/udp.ts';

const genuine = 'c0ffee0100000001';
const other = 'c0ffee0200000001';
const loopback = { 4: '127.0.0.1', 6: '::1' } as const;

/** What of the datagrams passes, and how many the kernel counted as dropped. */
async function pass(
  family: 4 | 6,
  sas: (senderPort: number) => readonly FilteredSa[] | undefined,
  datagrams: readonly string[],
  flood?: Flood,
  sample = false,
  ike: readonly number[] = [],
): Promise<Passed> {
  const wanted = { ike, sample, ...(flood && { flood }) };
  const program = (port: number): readonly FilterInstruction[] | undefined => {
    const known = sas(port);
    return known && earlyDrop(family, known, wanted);
  };
  return passProgram(family, program, datagrams);
}

interface Passed {
  /** The first eight octets of each. */
  readonly passed: readonly string[];
  readonly dropped: number;
}

async function passProgram(
  family: 4 | 6,
  program: (senderPort: number) => readonly FilterInstruction[] | undefined,
  datagrams: readonly string[],
): Promise<Passed> {
  const opened = openUdp({ family, port: 0, address: loopback[family] });
  assert.ok(opened.ok);
  const { fd, port } = opened.value;
  const sender = createSocket(family === 4 ? 'udp4' : 'udp6').bind(0, loopback[family]);
  await once(sender, 'listening');
  try {
    assert.ok(filterSocket(fd, program(sender.address().port)));
    for (const hex of datagrams) {
      const bytes = fromHex(hex);
      assert.ok(bytes);
      await new Promise((done) => sender.send(bytes, port, loopback[family], done));
    }
    const room = new Pinned(65_536);
    const passed: string[] = [];
    for (let octets = recv(fd, room.address, 65_536, 0); octets >= 0; octets = recv(fd, room.address, 65_536, 0))
      passed.push(toHex(room.bytes.subarray(0, Math.min(8, octets))));
    return { passed, dropped: kernelDrops(fd) };
  } finally {
    sender.close();
    close(fd);
  }
}

const from = (family: 4 | 6, port: number, spi = 0xc0ffee01): FilteredSa => ({
  spi,
  remote: { address: loopback[family], port },
});
const stranger: FilteredSa = { spi: 0xc0ffee01, remote: { address: '192.0.2.1', port: 4500 } };
/** A message of this IKE SA: SPIs, next payload, version, exchange, flags, message ID, length, and what may be a payload. */
const ikeMessage = (
  first: string,
  change: { version?: string; exchange?: string; flags?: string; octets?: number } = {},
): string => {
  const { version = '20', exchange = '25', flags = '00', octets = 60 } = change;
  return `${first.padEnd(16, 'a')}${'cd'.repeat(8)}2e${version}${exchange}${flags}`.padEnd(2 * octets, '0');
};
/** The same behind the non-ESP marker. */
const marked = (...message: Parameters<typeof ikeMessage>): string => `00000000${ikeMessage(...message)}`;
const markedHead = '00000000abababab';
const single = [
  ...[
    genuine,
    other,
    '',
    'ff',
    '00000000',
    marked('abababab'),
    '0000000000000000',
    'c0ffee01000000',
    `${genuine}aabb`,
    `${other}00`,
  ],
  ...['00'.repeat(1432), marked('abababab', { version: '10' }), marked('abababab', { version: '02' }), '00'.repeat(36)],
];

test('passes what names an SA of ours and what is marked as IKEv2; nothing shorter than eight octets', async () => {
  for (const family of [4, 6] as const) {
    for (const sas of [() => [stranger], (port: number) => [from(family, port), from(family, port, 0x11111111)]]) {
      const { passed, dropped } = await pass(family, sas, single);
      assert.deepEqual(passed, [genuine, markedHead, genuine]);
      assert.equal(dropped, single.length - 3);
    }
  }
});

test('without an SA only IKE passes; with more SAs than it may hold, or without a program, everything', async () => {
  assert.deepEqual((await pass(4, () => [], single)).passed, [markedHead]);
  const many = Array.from({ length: 25 }, (_, i) => ({ ...stranger, spi: 5000 + i }));
  assert.equal(earlyDrop(4, many, { ike: [] }), undefined);
  assert.equal((await pass(4, () => many, single)).passed.length, single.length);
  assert.equal((await pass(4, () => undefined, single)).passed.length, single.length);
});

test('each of as many SAs as it may hold passes', async () => {
  const many = Array.from({ length: 24 }, (_, i) => ({ ...stranger, spi: 0x80000000 + i }));
  const all = many.map(({ spi }) => `${spi.toString(16)}00000001`);
  assert.deepEqual((await pass(4, () => many, [...all, '8000001800000001'])).passed, all);
});

test('what may be a run is judged by its source', async () => {
  const run = [`${other}${'00'.repeat(9_500)}`, `${genuine}${'00'.repeat(9_500)}`];
  for (const family of [4, 6] as const) {
    assert.deepEqual((await pass(family, () => [stranger], run)).passed, [genuine]);
    assert.deepEqual((await pass(family, (port) => [from(family, port)], run)).passed, [other, genuine]);
    assert.deepEqual((await pass(family, (port) => [from(family, port ^ 1)], run)).passed, [genuine]);
    // In a flood of datagrams whose size is not known its first one counts.
    assert.deepEqual((await pass(family, (port) => [from(family, port)], run, { sizes: [], sas: [] })).passed, [genuine]);
    // The second one's address.
    assert.deepEqual((await pass(family, (port) => [stranger, from(family, port)], run)).passed, [other, genuine]);
  }
});

/** An ESP header with this number, and so many octets in all. */
const numbered = (number: number, octets = 16, spi = 'c0ffee01'): string =>
  spi + (number >>> 0).toString(16).padStart(8, '0') + '5a'.repeat(octets - 8);

test('in a flood a number left of the window or millions right of it is dropped; without, never', async () => {
  const first = 0xffff_fff0; // the window lies across the end of the numbers
  const flood = { sizes: [], sas: [{ spi: 0xc0ffee01, first }] };
  const near = [0, 1, 16, 1024, 2 ** 24 - 1].map((ahead) => numbered(first + ahead));
  const far = [2 ** 24, 2 ** 24 + 1, 2 ** 31, -1, -2, -1024].map((ahead) => numbered(first + ahead));
  const heads = (datagrams: readonly string[]): string[] => datagrams.map((hex) => hex.slice(0, 16));
  for (const family of [4, 6] as const) {
    assert.deepEqual((await pass(family, () => [stranger], [...far, ...near], flood)).passed, heads(near));
    assert.deepEqual((await pass(family, () => [stranger], [...far, ...near])).passed, heads([...far, ...near]));
    // An SA of which the lane has told nothing yet, before and behind one that it told of; IKE of whom we talk to.
    for (const spis of [
      [0xc0ffee01, 0xc0ffee02],
      [0xc0ffee02, 0xc0ffee01],
    ]) {
      const sas = spis.map((spi) => ({ ...stranger, spi }));
      const mixed = [far[0], other, marked('abababab'), near[2]];
      const { passed } = await pass(family, () => sas, mixed, flood, false, [0xabababab]);
      assert.deepEqual(passed, heads([other, markedHead, near[2]]));
    }
  }
});

test('in a flood a run passes when any of its datagrams would, wherever it lies', async () => {
  const flood = { sizes: [400, 1432], sas: [{ spi: 0xc0ffee01, first: 5000 }] };
  const sas = [stranger, { ...stranger, spi: 0xc0ffee02 }];
  // As many as are looked for in a run.
  const ike = Array.from({ length: mostIkeInRuns }, (_, i) => (i === mostIkeInRuns - 1 ? 0x12345678 : 0x70000000 + i));
  for (const size of flood.sizes) {
    const most = Math.min(64, Math.floor(65_507 / size));
    const bad = (i: number): string => numbered(i % 2 === 0 ? 1 : 7000, size, i % 2 === 0 ? 'c0ffee01' : 'deadbeef');
    const run = (length: number, at: number, hex: string): string =>
      Array.from({ length }, (_, i) => (i === at ? hex : bad(i))).join('');
    const kept: string[] = [];
    for (const hex of [
      numbered(5001, size),
      numbered(1, size, 'c0ffee02'),
      marked('12345678', { octets: size - 4 }),
      numbered(5001, 60),
    ])
      for (const at of [1, 2, 7, most - 1]) kept.push(run(hex.length < 2 * size ? at + 1 : most, at, hex));
    const unknown = run(most, 3, marked('abababab', { octets: size - 4 }));
    const dropped = [
      unknown,
      run(most, -1, ''),
      run(2, -1, ''),
      run(1, -1, ''),
      `${run(3, -1, '')}ff`,
      `${run(3, -1, '')}c0ffee01000013`,
    ];
    const { passed } = await pass(4, () => sas, [...kept, ...dropped], flood, false, ike);
    assert.equal(passed.length, kept.length, String(size));
    // Too many SAs to compare each datagram with: the first one counts.
    const many = Array.from({ length: 9 }, (_, i) => ({ ...stranger, spi: 0xc0ffee01 + i }));
    assert.equal((await pass(4, () => many, [...kept, numbered(5001)], flood)).passed.length, 1);
  }
});

test('in a flood a few of what would be dropped pass all the same', async () => {
  const flood = { sizes: [], sas: [{ spi: 0xc0ffee01, first: 5000 }] };
  const datagrams = Array.from({ length: 20 * sampled }, () => numbered(1));
  const { passed, dropped } = await pass(4, () => [stranger], datagrams, flood, true);
  assert.equal(passed.length + dropped, datagrams.length);
  assert.ok(passed.length >= 2 && passed.length <= 60, String(passed.length)); // 20 are to be expected
});

/** Whatever a gateway may send on an IKE SA that we know: answers, its own requests, fragments, IKEv1 of one that knows no other. */
const ofGateways = [
  { exchange: '22', flags: '20' }, // IKE_SA_INIT, the answer
  { exchange: '23', flags: '20' },
  { exchange: '25', flags: '00' }, // its request, of an SA that we made
  { exchange: '25', flags: '08' }, // and that it made
  { exchange: '24', flags: '28' },
  { exchange: '2b', flags: '20', octets: 1252 },
  { exchange: '22', flags: '20', version: '10' },
  { exchange: '22', flags: '20', version: '30' },
  { exchange: '23', flags: '20', version: '21', octets: 28 },
];

test('IKE of those we talk to passes whatever it is, in a flood too; of strangers only IKEv2, and in a flood nothing', async () => {
  const spis = Array.from({ length: 32 }, (_, i) => 0xff000000 + i);
  const known = [spis[0], spis[13], spis[31]].flatMap((spi = 0) =>
    ofGateways.map((change) => [spi.toString(16), change] as const),
  );
  const strangers = ofGateways.map((change) => ['abababab', change] as const);
  const second = strangers.filter(([, { version }]) => version === undefined || version === '21');
  const garbage = ['00', 'ff', '5a'].flatMap((octets) => [16, 36, 1432].map((count) => octets.repeat(count)));
  const flood = { sizes: [400, 1432], sas: [] };
  const heads = (datagrams: readonly string[]): readonly string[] => datagrams.map((hex) => hex.slice(0, 16));
  for (const family of [4, 6] as const) {
    const bare = [...known, ...strangers].map((message) => ikeMessage(...message));
    const ike = (during?: Flood) => () =>
      earlyDropIke(family, [], { ike: spis, sample: false, ...(during && { flood: during }) });
    const expected = [...known, ...second].map((message) => ikeMessage(...message));
    assert.deepEqual((await passProgram(family, ike(), [...bare, ...garbage])).passed, heads(expected));
    const strict = await passProgram(family, ike(flood), [...garbage, ...bare]);
    assert.deepEqual(
      [strict.passed, strict.dropped],
      [heads(expected.slice(0, known.length)), strangers.length + garbage.length],
    );

    const natt = [...known, ...strangers].map((message) => marked(...message));
    const behind = [...known, ...second].map((message) => marked(...message));
    const zeros = ['00'.repeat(16), '00'.repeat(36), '00'.repeat(1432)];
    assert.deepEqual((await pass(family, () => [stranger], [...zeros, ...natt], undefined, false, spis)).passed, heads(behind));
    const inFlood = await pass(family, () => [stranger], [...zeros, ...natt], flood, false, spis);
    assert.deepEqual(inFlood.passed, heads(behind.slice(0, known.length)));
  }
});

test('a message in a run on port 500 that begins with garbage: heard from a peer, and in a flood wherever it lies', async () => {
  const octets = 400;
  const garbage = '5a'.repeat(octets);
  const known = ikeMessage('12345678', { octets });
  const strange = ikeMessage('abababab', { octets });
  const run = (message: string, at: number): string =>
    Array.from({ length: 64 }, (_, i) => (i === at ? message : garbage)).join('');
  for (const family of [4, 6] as const) {
    const passes = async (datagrams: readonly string[], peer: boolean, flood?: Flood): Promise<readonly boolean[]> => {
      const program = (port: number): readonly FilterInstruction[] => {
        const peers = [{ address: loopback[family], port: peer ? port : port ^ 1 }];
        return earlyDropIke(family, peers, { ike: [0x99999999, 0x12345678], sample: false, ...(flood && { flood }) });
      };
      const each = datagrams.map(async (datagram) => (await passProgram(family, program, [datagram])).passed.length > 0);
      return await Promise.all(each);
    };
    const runs = [run(known, 0), run(known, 1), run(known, 63), run(strange, 7), run(garbage, 0)];
    assert.deepEqual(await passes(runs, true), [true, true, true, true, true]);
    assert.deepEqual(await passes(runs, false), [true, false, false, false, false]);
    for (const sizes of [[octets], [1432, octets], [octets, 1432]])
      assert.deepEqual(await passes(runs, true, { sizes, sas: [] }), [true, true, true, false, false], String(sizes));
  }
});
