/** The program on real sockets over the loopback: no privilege is needed. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { fromHex, toHex } from '../../../core/bytes/bytes.ts';
import { earlyDrop, type FilteredSa } from '../../../core/dataplane/earlyDrop.ts';
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
  strict = false,
): Promise<{ readonly passed: readonly string[]; readonly dropped: number }> {
  const opened = openUdp({ family, port: 0, address: loopback[family] });
  assert.ok(opened.ok);
  const { fd, port } = opened.value;
  const sender = createSocket(family === 4 ? 'udp4' : 'udp6').bind(0, loopback[family]);
  await once(sender, 'listening');
  try {
    const wanted = sas(sender.address().port);
    assert.ok(filterSocket(fd, wanted && earlyDrop(family, wanted, strict)));
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
    // Strictly, its first datagram counts.
    assert.deepEqual((await pass(family, (port) => [from(family, port)], run, true)).passed, [genuine]);
    // The second one's address.
    assert.deepEqual((await pass(family, (port) => [stranger, from(family, port)], run)).passed, [other, genuine]);
  }
});
