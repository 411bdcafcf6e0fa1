/** The program on real sockets over the loopback: no privilege is needed. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { fromHex, toHex } from '../../../core/bytes/bytes.ts';
import { earlyDrop, type FilteredSa, type Flood, sampled } from '../../../core/dataplane/earlyDrop.ts';
import { close, recv } from '../../../core/system/ffi/libc.ts';
import { Pinned } from '../../../core/system/ffi/memory.ts';
import { filterSocket, kernelDrops } from '../../../core/system/linux/socketFilter.ts';
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
): Promise<{ readonly passed: readonly string[]; readonly dropped: number }> {
  const opened = openUdp({ family, port: 0, address: loopback[family] });
  assert.ok(opened.ok);
  const { fd, port } = opened.value;
  const sender = createSocket(family === 4 ? 'udp4' : 'udp6').bind(0, loopback[family]);
  await once(sender, 'listening');
  try {
    const wanted = sas(sender.address().port);
    assert.ok(filterSocket(fd, wanted && earlyDrop(family, wanted, flood, sample)));
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
const single = [genuine, other, '', 'ff', '00000000', '0000000000000000', 'c0ffee01000000', `${genuine}aabb`, `${other}00`];

test('passes what names an SA of ours and what is marked as IKE; nothing shorter than eight octets', async () => {
  for (const family of [4, 6] as const) {
    for (const sas of [() => [stranger], (port: number) => [from(family, port), from(family, port, 0x11111111)]]) {
      const { passed, dropped } = await pass(family, sas, single);
      assert.deepEqual(passed, [genuine, '0000000000000000', genuine]);
      assert.equal(dropped, 6);
    }
  }
});

test('without an SA only IKE passes; with more SAs than it may hold, or without a program, everything', async () => {
  assert.deepEqual((await pass(4, () => [], single)).passed, ['0000000000000000']);
  const many = Array.from({ length: 25 }, (_, i) => ({ ...stranger, spi: 5000 + i }));
  assert.equal(earlyDrop(4, many), undefined);
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
    // An SA of which the lane has told nothing yet, before and behind one that it told of; IKE as always.
    for (const spis of [
      [0xc0ffee01, 0xc0ffee02],
      [0xc0ffee02, 0xc0ffee01],
    ]) {
      const sas = spis.map((spi) => ({ ...stranger, spi }));
      const mixed = [far[0], other, '0000000000000000', near[2]];
      assert.deepEqual((await pass(family, () => sas, mixed, flood)).passed, heads([other, '0000000000000000', near[2]]));
    }
  }
});

test('in a flood a run passes when any of its datagrams would, wherever it lies', async () => {
  const flood = { sizes: [400, 1432], sas: [{ spi: 0xc0ffee01, first: 5000 }] };
  const sas = [stranger, { ...stranger, spi: 0xc0ffee02 }];
  for (const size of flood.sizes) {
    const most = Math.min(64, Math.floor(65_507 / size));
    const bad = (i: number): string => numbered(i % 2 === 0 ? 1 : 7000, size, i % 2 === 0 ? 'c0ffee01' : 'deadbeef');
    const run = (length: number, at: number, hex: string): string =>
      Array.from({ length }, (_, i) => (i === at ? hex : bad(i))).join('');
    const kept: string[] = [];
    for (const hex of [
      numbered(5001, size),
      numbered(1, size, 'c0ffee02'),
      `00000000${'5a'.repeat(size - 4)}`,
      numbered(5001, 60),
    ])
      for (const at of [1, 2, 7, most - 1]) kept.push(run(hex.length < 2 * size ? at + 1 : most, at, hex));
    const dropped = [run(most, -1, ''), run(2, -1, ''), run(1, -1, ''), `${run(3, -1, '')}ff`, `${run(3, -1, '')}c0ffee01000013`];
    const { passed } = await pass(4, () => sas, [...kept, ...dropped], flood);
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
