/** Looking up one name past the tunnel: against a name server of our own on loopback, and against anything at all. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { err, ok } from '../../../core/bytes/result.ts';
import { dnsQuery, readDnsAnswer } from '../../../core/helper/dnsMessage.ts';
import { type GatewayAddresses, whileHeld } from '../../../core/helper/gatewayNames.ts';
import { createOutsideLookUp, nameServers } from '../../../core/helper/outsideLookUp.ts';
import { openUdp } from '../../../core/system/linux/udp.ts';
import type { HostPlan } from '../../../core/system/ports.ts';
import { failure } from '../../../core/tunnel/explain.ts';

const NAME = 'vpn.office.test';

/** A record by a pointer to the question's name. */
function record(type: number, data: readonly number[], name: readonly number[] = [0xc0, 12]): number[] {
  return [...name, 0, type, 0, 1, 0, 0, 0, 60, 0, data.length, ...data];
}

/** The answer to this question, with these records. */
function answer(query: Uint8Array, records: readonly (readonly number[])[], { flags = 0x8180, id = 0 } = {}): Uint8Array {
  const bytes = Uint8Array.of(...query, ...records.flat());
  const view = new DataView(bytes.buffer);
  view.setUint16(0, view.getUint16(0) ^ id);
  view.setUint16(2, flags);
  view.setUint16(6, records.length);
  return bytes;
}

const alias = record(5, [3, 119, 119, 119, 0xc0, 16]);
const four = record(1, [192, 0, 2, 1]);
const six = record(28, [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

/** 28 in the question's type, so that the answer fits it. */
const isSix = (query: Uint8Array) => query[query.length - 3] === 28;

async function server(context: TestContext, reply: (query: Uint8Array, asked: number) => readonly Uint8Array[]) {
  const socket = createSocket('udp4');
  const asked: Uint8Array[] = [];
  socket.on('message', (query, from) => {
    asked.push(new Uint8Array(query));
    for (const one of reply(query, asked.length)) socket.send(one, from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  context.after(() => socket.close());
  const { port } = socket.address();
  const open = async (family: 4 | 6) => openUdp({ family, port: 0 });
  return { asked, lookUp: createOutsideLookUp({ openUdp: open, randomId: () => 0x1234, port }) };
}

test('both families, past an alias; nothing but the name is told', async (context) => {
  const it = await server(context, (query) => [answer(query, [alias, isSix(query) ? six : four])]);
  const found = await it.lookUp(NAME, ['127.0.0.1']);
  const expected = [
    { address: '192.0.2.1', family: 4 },
    { address: '2001:db8::1', family: 6 },
  ];
  assert.deepEqual(found, ok(expected));
  // One question, recursion desired: 3vpn6office4test0, class IN.
  const asked = (type: string) => `1234010000010000000000000376706e066f666669636504746573740000${type}0001`;
  assert.deepEqual(it.asked.map((query) => Buffer.from(query).toString('hex')).toSorted(), [asked('01'), asked('1c')]);
});

test('of many addresses as many are taken as are worth trying, of both families', async (context) => {
  const many = (record: readonly number[]) => Array.from({ length: 20 }, (_, i) => [...record.slice(0, -1), i + 1]);
  const it = await server(context, (query) => [answer(query, many(isSix(query) ? six : four))]);
  const found = await it.lookUp(NAME, ['127.0.0.1']);
  assert.deepEqual(found.ok && [4, 6].map((one) => found.value.filter(({ family }) => family === one).length), [8, 8]);
});

test('what answers another question, or comes with another id, is not heard', async (context) => {
  const it = await server(context, (query) => {
    const other = new Uint8Array(query);
    other[13] = 0x77;
    return [
      answer(query, [record(1, [6, 6, 6, 6])], { id: 1 }),
      answer(other, [record(1, [6, 6, 6, 6])]),
      answer(query, [record(1, [6, 6, 6, 6])], { flags: 0x0100 }),
      answer(query, isSix(query) ? [] : [four]),
    ];
  });
  assert.deepEqual(await it.lookUp(NAME, ['127.0.0.1']), ok([{ address: '192.0.2.1', family: 4 }]));
});

test('a loss is made good, and the next name server is asked where one refuses; a name that is none is the end', async (context) => {
  const lossy = await server(context, (query, asked) => (asked <= 2 ? [] : [answer(query, isSix(query) ? [] : [four])]));
  assert.equal((await lossy.lookUp(NAME, ['127.0.0.1'])).ok, true);
  const refuses = await server(context, (query, asked) => [answer(query, [four], { flags: asked <= 2 ? 0x8185 : 0x8180 })]);
  assert.equal((await refuses.lookUp(NAME, ['127.0.0.1', '127.0.0.1'])).ok, true);
  const none = await server(context, (query) => [answer(query, [], { flags: 0x8183 })]);
  const found = await none.lookUp(NAME, ['127.0.0.1', '127.0.0.1']);
  assert.deepEqual([found.ok, none.asked.length], [false, 2]);
});

test('a name server to which there is no way is passed over', async (context) => {
  const it = await server(context, (query) => [answer(query, isSix(query) ? [] : [four])]);
  // As with no route at all, connect(2) fails at once: broadcasts need a permission that the socket has not.
  const found = await it.lookUp(NAME, ['255.255.255.255', '127.0.0.1']);
  assert.deepEqual(found, ok([{ address: '192.0.2.1', family: 4 }]));
});

test('whatever comes, it is read to its end or left', () => {
  const query = dnsQuery(7, NAME, 'A');
  assert(query);
  const good = answer(query, [alias, four]);
  assert.deepEqual(readDnsAnswer(good, 7, NAME.toUpperCase(), 'A').kind, 'addresses');
  for (let end = 0; end < good.length; end++)
    assert.notEqual(readDnsAnswer(good.subarray(0, end), 7, NAME, 'A').kind, 'addresses');
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 8 }), (changes) => {
      const bytes = new Uint8Array(good);
      for (const [at, value] of changes) bytes[at] = value;
      const read = readDnsAnswer(bytes, 7, NAME, 'A');
      assert.ok(read.kind !== 'addresses' || read.addresses.length <= 2);
    }),
  );
  assert.deepEqual(
    ['', 'a..b', `${'a'.repeat(64)}.test`, 'ä.test', `${'a.'.repeat(127)}aa`].map((name) => dnsQuery(1, name, 'A')),
    [undefined, undefined, undefined, undefined, undefined],
  );
});

test('who is asked: not a stub of this computer, and none twice', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'names-'));
  context.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'a'), '# nameserver 6.6.6.6\nnameserver 127.0.0.53\nnameserver 192.168.1.1\nsearch x\n');
  writeFileSync(join(folder, 'b'), 'nameserver 192.168.1.1\n  nameserver 2001:db8::53\nnameserver fe80::1%eth0\nnameserver no\n');
  assert.deepEqual(nameServers([join(folder, 'a'), join(folder, 'none'), join(folder, 'b')]), ['192.168.1.1', '2001:db8::53']);
});

test('past the tunnel only while traffic is held, and never at the servers of the office', async () => {
  const asked: (readonly string[])[] = [];
  const dns = { servers: ['10.1.0.53'], searchDomains: [], matchDomains: [] };
  const addresses: GatewayAddresses = new Map();
  let plan: HostPlan | undefined;
  let holds = false;
  const lookUp = whileHeld(
    async (name) => err(failure('name-not-resolved', name)),
    {
      nameServers: () => ['10.1.0.53', '192.168.1.1'],
      lookUp: async (_, servers) => {
        asked.push(servers);
        return ok([{ address: '192.0.2.1', family: 4 }]);
      },
    },
    { holds: () => holds, plan: () => plan },
    { nameServers: ['192.0.2.53'], addresses },
  );
  assert.equal((await lookUp(NAME)).ok, false);
  holds = true;
  assert.equal((await lookUp(NAME)).ok, true, 'left by an engine that died');
  plan = { interface: { name: 'sally0', mtu: 1400, addresses: [] }, routes: [], dns };
  assert.equal((await lookUp(NAME)).ok, true);
  assert.equal((await lookUp('192.0.2.7')).ok, false);
  assert.deepEqual(asked, [['192.0.2.53'], ['192.168.1.1', '192.0.2.53']]);
  // What is known is tried first, and may be enough.
  addresses.set(NAME, [{ address: '192.0.2.1', family: 4 }]);
  assert.equal((await lookUp(NAME, () => false)).ok, false);
  assert.equal(asked.length, 2);
  assert.equal((await lookUp(NAME)).ok, true);
  assert.equal(asked.length, 3);
});
