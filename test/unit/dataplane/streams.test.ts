/** Two whole dataplanes with their threads, joined by a TCP connection: RFC 9329 from one device to the other. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { byKeyword, esnTransforms } from '../../../core/crypto/transforms.ts';
import type { Dataplane } from '../../../core/dataplane/contract.ts';
import { startDataplane } from '../../../core/dataplane/dataplane.ts';
import type { ChildSa, Endpoint } from '../../../core/ike/sa/contract.ts';
import { plainMemory } from '../../../core/ip/packetMemory.ts';
import { AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_SEQPACKET, SOCK_STREAM } from '../../../core/system/ffi/constants.ts';
import { close, recv, send, socketpair } from '../../../core/system/ffi/libc.ts';
import { Pinned } from '../../../core/system/ffi/memory.ts';
import { LinuxTun } from '../../../core/system/linux/tun.ts';
import { selector } from './fixtures.ts';

const office: Endpoint = { address: '192.0.2.1', port: 443, transport: 'tcp' };
const laptop: Endpoint = { address: '198.51.100.7', port: 40_000, transport: 'tcp' };
const memory = plainMemory(1 << 17);

interface Side {
  readonly dataplane: Dataplane;
  /** The host's end of each queue of the device. */
  readonly hosts: readonly LinuxTun[];
  readonly heard: { readonly text: string; readonly from: Endpoint; readonly channel: string }[];
  readonly over: { readonly fd: number; readonly why: string }[];
}

let near: Side;
let far: Side;
const open: number[] = [];

function pair(type: number): readonly [number, number] {
  const fds = new Pinned(8);
  assert.equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.address), 0);
  const ends = [fds.view.getInt32(0, true), fds.view.getInt32(4, true)] as const;
  open.push(...ends);
  return ends;
}

async function side(lanes: number): Promise<Side> {
  const heard: Side['heard'] = [];
  const over: Side['over'] = [];
  const dataplane = await startDataplane({
    lanes,
    backend: 'node:crypto',
    onIke: ({ bytes, from, channel }) => void heard.push({ text: new TextDecoder().decode(bytes), from, channel }),
    onFailure: (detail) => assert.fail(detail),
    onStreamOver: (fd, why) => void over.push({ fd, why }),
  });
  const queues = Array.from({ length: lanes }, () => pair(SOCK_SEQPACKET));
  await dataplane.attachTun(
    queues.map(([device]) => device),
    { headers: false, tcp: false, udp: false },
  );
  return { dataplane, hosts: queues.map(([, host]) => new LinuxTun(host)), heard, over };
}

function childSa(end: 'near' | 'far'): ChildSa {
  const encr = byKeyword('aes128gcm16');
  assert.ok(encr?.type === 1);
  const keys = (seed: number) => ({ encryption: new Uint8Array(20).fill(seed), integrity: new Uint8Array(0) });
  const inner = { near: [selector('10.0.0.1/32')], far: [selector('10.1.0.0/16')] };
  const other = end === 'near' ? 'far' : 'near';
  return {
    spiIn: end === 'near' ? 0x1001 : 0x2001,
    spiOut: end === 'near' ? 0x2001 : 0x1001,
    encr,
    integ: undefined,
    esn: esnTransforms[0] as ChildSa['esn'],
    ke: undefined,
    keysIn: keys(end === 'near' ? 1 : 2),
    keysOut: keys(end === 'near' ? 2 : 1),
    localSelectors: inner[end],
    remoteSelectors: inner[other],
    local: end === 'near' ? laptop : office,
    remote: end === 'near' ? office : laptop,
    keepalive: false,
  };
}

/** An IPv4 packet of protocol 253 between the two, with a number in it. */
function packet(from: 'near' | 'far', number: number, octets = 200): Uint8Array {
  const bytes = new Uint8Array(octets);
  const view = new DataView(bytes.buffer);
  bytes.set([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 253]);
  view.setUint16(2, octets);
  bytes.set(from === 'near' ? [10, 0, 0, 1, 10, 1, 0, 9] : [10, 1, 0, 9, 10, 0, 0, 1], 12);
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += view.getUint16(at);
  view.setUint16(10, ~((sum & 0xffff) + (sum >>> 16)));
  view.setUint32(20, number);
  return bytes;
}

/** Into the last queue: it belongs to the last lane, which must not write into a connection. */
function write({ hosts }: Side, bytes: Uint8Array): boolean {
  memory.bytes.set(bytes);
  return hosts.at(-1)?.write(memory, { offset: Uint32Array.of(0), length: Uint32Array.of(bytes.length), count: 1 }) === true;
}

/** Numbers of the packets that came out of the device, whichever queue. */
function numbers({ hosts }: Side): number[] {
  const found: number[] = [];
  for (const host of hosts) {
    for (let length = host.read(memory, 0, 65_536); length > 0; length = host.read(memory, 0, 65_536))
      found.push(new DataView(memory.bytes.buffer).getUint32(20));
  }
  return found;
}

async function until<T>(what: string, look: () => T | undefined | false): Promise<T> {
  for (const end = performance.now() + 10_000; performance.now() < end; await new Promise((done) => setTimeout(done, 5))) {
    const value = look();
    if (value !== undefined && value !== false) return value;
  }
  throw new Error(`in vain: ${what}`);
}

async function connect(): Promise<readonly [number, number]> {
  const [mine, theirs] = pair(SOCK_STREAM);
  await near.dataplane.attachStream({ fd: mine, opener: 'we', peer: office });
  await far.dataplane.attachStream({ fd: theirs, opener: 'peer', peer: laptop });
  return [mine, theirs];
}

before(async () => {
  [near, far] = await Promise.all([side(2), side(1)]);
  await Promise.all([near.dataplane.installChild(childSa('near')), far.dataplane.installChild(childSa('far'))]);
});

after(async () => {
  await Promise.all([near?.dataplane.stop(), far?.dataplane.stop()]);
  for (const fd of open) close(fd);
});

let stream: readonly [number, number];

test('without a connection what belongs in one is dropped', async () => {
  assert.ok(write(near, packet('near', 1)));
  await until('the drop', () => near.dataplane.globalCounters()['send-failed'] === 1);
  assert.equal(near.dataplane.sendIke('natt', office, new Uint8Array(40)), false);
});

test('messages and packets pass both ways, each side by the other’s address', async () => {
  stream = await connect();
  const text = 'a message of twenty-eight octets';
  assert.equal(near.dataplane.sendIke('natt', office, new TextEncoder().encode(text)), true);
  assert.deepEqual(await until('the message', () => far.heard.shift()), { text, from: laptop, channel: 'natt' });
  assert.equal(far.dataplane.sendIke('natt', laptop, new TextEncoder().encode(text)), true);
  assert.deepEqual(await until('the answer', () => near.heard.shift()), { text, from: office, channel: 'natt' });
  assert.equal(near.dataplane.sendIke('natt', { ...office, port: 4500 }, new Uint8Array(40)), false, 'another place');
  assert.equal(near.dataplane.sendIke('natt', { address: office.address, port: office.port }, new Uint8Array(40)), false, 'UDP');
  assert.ok(write(near, packet('near', 7)));
  assert.deepEqual(await until('the packet', () => nonEmpty(numbers(far))), [7]);
  assert.ok(write(far, packet('far', 8)));
  assert.deepEqual(await until('the packet', () => nonEmpty(numbers(near))), [8]);
});

test('ten thousand packets, and messages among them, arrive in order and whole', async () => {
  const total = 10_000;
  const got: number[] = [];
  let sent = 0;
  let said = 0;
  await until('all of them', () => {
    // No more at once than the pair of sockets in the place of the other device holds.
    while (sent < total && sent - got.length < 40 && write(near, packet('near', sent, 100 + (sent % 1_300)))) {
      sent++;
      if (sent % 1_000 === 0) {
        assert.equal(
          near.dataplane.sendIke('natt', office, new TextEncoder().encode(`message number ${said++} of this long test`)),
          true,
        );
      }
    }
    got.push(...numbers(far));
    return got.length >= total;
  });
  assert.deepEqual(
    got,
    got.toSorted((a, b) => a - b),
    'never out of order',
  );
  const { packetsIn = 0, dropsIntegrity = 0, dropsReplay = 0 } = far.dataplane.counters(0x2001) ?? {};
  assert.deepEqual([dropsIntegrity, dropsReplay], [0, 0]);
  assert.equal(packetsIn, got.length + 1);
  await until('the messages', () => far.heard.length === said);
  assert.deepEqual(
    far.heard.splice(0).map(({ text }) => text),
    Array.from({ length: said }, (_, i) => `message number ${i} of this long test`),
  );
});

test('the end of a connection is told once to each side; the SAs go on with the next one', async () => {
  const [mine, theirs] = stream;
  const cut = new Pinned(Uint8Array.of(0, 1, 0, 0));
  // A length of 1: corruption, which both ends must take for the end (RFC 9329 §3).
  assert.equal(send(mine, cut.address, 4, 0), 4);
  assert.deepEqual(await until('the end', () => far.over.shift()), { fd: theirs, why: 'bad-length' });
  await far.dataplane.releaseStream(theirs);
  close(theirs);
  open.splice(open.indexOf(theirs), 1);
  const { fd, why } = await until('the other end', () => near.over.shift());
  assert.equal(fd, mine);
  assert.match(why, /^(closed|ECONNRESET|EPIPE)$/);
  await near.dataplane.releaseStream(mine);
  stream = await connect();
  assert.ok(write(near, packet('near', 77)));
  assert.deepEqual(await until('the packet', () => nonEmpty(numbers(far))), [77]);
  assert.deepEqual([near.over, far.over], [[], []]);
});

test('a connection that is over before it is attached: its end is told afterwards', async () => {
  for (let i = 0; i < 20; i++) {
    const [mine, theirs] = pair(SOCK_STREAM);
    close(theirs);
    open.splice(open.indexOf(theirs), 1);
    await near.dataplane.attachStream({ fd: mine, opener: 'we', peer: { ...office, port: 4500 } });
    assert.deepEqual(near.over, [], 'who waits does not know the connection yet');
    assert.equal((await until('the end', () => near.over.shift())).fd, mine);
    await near.dataplane.releaseStream(mine);
  }
});

test('a few packets of nobody are dropped; a stream of nothing else is given up', async () => {
  const [mine, theirs] = stream;
  const stray = new Pinned(Uint8Array.of(0, 30, 0xde, 0xad, ...new Uint8Array(26)));
  const before = far.dataplane.globalCounters()['unknown-spi'];
  for (let i = 0; i < 100; i++) assert.equal(send(mine, stray.address, 30, 0), 30);
  await until('the drops', () => far.dataplane.globalCounters()['unknown-spi'] === before + 100);
  assert.ok(write(near, packet('near', 5)));
  await until('a genuine one', () => nonEmpty(numbers(far)));
  for (let i = 0; i < 100; i++) assert.equal(send(mine, stray.address, 30, 0), 30);
  await until('the drops', () => far.dataplane.globalCounters()['unknown-spi'] === before + 200);
  assert.deepEqual(far.over, []);
  for (let i = 0; i < 40; i++) assert.equal(send(mine, stray.address, 30, 0), 30);
  assert.deepEqual(await until('the end', () => far.over.shift()), { fd: theirs, why: 'packets of nobody' });
});

test('a keepalive of the peer is dropped without a word (RFC 9329 §6.6)', async () => {
  const [mine, theirs] = stream;
  const before = near.dataplane.globalCounters()['keepalive-in'];
  const keepalive = new Pinned(Uint8Array.of(0, 3, 0xff));
  assert.equal(send(theirs, keepalive.address, 3, 0), 3);
  await until('the drop', () => near.dataplane.globalCounters()['keepalive-in'] === before + 1);
  assert.equal(near.over.length, 0);
  await near.dataplane.detach();
  // Nobody reads any more.
  assert.equal(send(theirs, keepalive.address, 3, 0), 3);
  await new Promise((done) => setTimeout(done, 30));
  const room = new Pinned(16);
  assert.equal(recv(mine, room.address, 16, 0), 3);
});

function nonEmpty<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length > 0 ? list : undefined;
}
