/**
 * What a connection that lasts asks of the dataplane: SAs exchanged under load, limits, peers that move, sockets that change. Real TUN
 * devices, sockets and threads, each end in a namespace of its own; the two ends take turns in asking for the next SA.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Namespace } from '../lab/namespace.ts';
import type { PeerChild, Tally } from './dataplanePeer.ts';
import { Peer, until } from './peer.ts';

let office: Peer;
let laptop: Peer;
let spi = 0x1000;

const suite = 'aes256gcm16';
const officeNet = ['10.99.0.0/24', 'fd99::/64'];
const laptopNet = ['10.88.0.1/32', 'fd88::1/128'];
/** Packets of the replay window, the smallest there is: what overtakes more is lost and counted. */
const replayWindow = 64;

before(async () => {
  const [a, b] = [await Namespace.create('ho-laptop'), await Namespace.create('ho-office')];
  await a.ip([`link add eth0 type veth peer name eth0 netns ${b.name}`]);
  for (const [i, namespace] of [b, a].entries()) {
    await namespace.ip([
      'link set eth0 up',
      `address add 192.0.2.${i + 1}/24 dev eth0`,
      `address add 2001:db8::${i + 1}/64 dev eth0 nodad`,
    ]);
  }
  [laptop, office] = [new Peer(a), new Peer(b)];
  for (const peer of [laptop, office]) await peer.call('start', { replayWindow, keepaliveInterval: 100 });
  await office.call('sockets');
  await laptop.call('sockets', 4);
  await office.call('tun', 1400, ['10.99.0.1/24', 'fd99::1/64'], ['10.88.0.0/24', 'fd88::/64']);
  await laptop.call('tun', 1400, laptopNet, officeNet);
  for (const { namespace } of [laptop, office]) {
    // A computer that is busy with other tests keeps a lane waiting; queues that drop meanwhile are not what is tested.
    await namespace.ip(['link set sally0 txqueuelen 20000']);
    await namespace.must(['tc', 'qdisc', 'replace', 'dev', 'sally0', 'root', 'pfifo', 'limit', '20000']);
  }
  await office.call('serve', 7000);
  await laptop.call('serve', 7000);
});

after(() => {
  for (const peer of [office, laptop]) peer?.process.kill('SIGKILL');
});

interface Sa {
  readonly near: PeerChild;
  readonly far: PeerChild;
}

/** The two halves of the next SA. The path is kept, as the engine has it. */
function nextSa(change: Partial<PeerChild> = {}): Sa {
  spi += 2;
  const common = { suite, mtu: 1400, ...change };
  const [up, down] = [`${spi}up`, `${spi}down`];
  const near = { ...common, spiIn: spi, spiOut: spi + 1, keyIn: down, keyOut: up, local: laptopNet, remote: officeNet };
  const far = { ...common, spiIn: spi + 1, spiOut: spi, keyIn: up, keyOut: down, local: officeNet, remote: laptopNet };
  return { near: { ...near, to: '192.0.2.1' }, far: { ...far, to: '192.0.2.2' } };
}

async function connect(change: Partial<PeerChild> = {}): Promise<Sa> {
  const sa = nextSa(change);
  await Promise.all([laptop.call('install', sa.near), office.call('install', sa.far)]);
  return sa;
}

async function disconnect({ near, far }: Sa): Promise<void> {
  await Promise.all([laptop.call('remove', near.spiIn), office.call('remove', far.spiIn)]);
}

/** In the order of CREATE_CHILD_SA and DELETE: who answers installs first and waits, and its answer does not wait for its lanes. */
async function exchange(old: Sa, byLaptop: boolean, grace: number): Promise<Sa> {
  const next = nextSa();
  const near = { ...next.near, replaces: old.near.spiIn };
  const far = { ...next.far, replaces: old.far.spiIn };
  if (byLaptop) {
    await office.call('installSoon', { ...far, standby: true });
    await laptop.call('install', near);
    await office.call('remove', old.far.spiIn, grace);
    await laptop.call('remove', old.near.spiIn, grace);
  } else {
    await laptop.call('installSoon', { ...near, standby: true });
    await office.call('install', far);
    await laptop.call('remove', old.near.spiIn, grace);
    await office.call('remove', old.far.spiIn, grace);
  }
  return next;
}

interface Streamed {
  readonly sent: number;
  readonly tally: Tally;
}

/** Numbered datagrams both ways and TCP both ways while `busy` runs; what came of the datagrams. */
async function underLoad(perMillisecond: number, busy: () => Promise<void>): Promise<readonly Streamed[]> {
  await Promise.all([office.call('listen', 7001), laptop.call('listen', 7001)]);
  await Promise.all([
    laptop.call('stream', '10.99.0.1', 7001, 1000, perMillisecond),
    office.call('stream', 'fd88::1', 7001, 1000, perMillisecond),
  ]);
  let over = false;
  const pump = async (from: Peer, address: string): Promise<void> => {
    while (!over) assert.ok((await from.call('transfer', address, 7000, 4_000_000)).intact);
  };
  const transfers = Promise.all([pump(laptop, 'fd99::1'), pump(office, '10.88.0.1')]);
  let sent: readonly number[] = [];
  try {
    await busy();
  } finally {
    over = true;
    await transfers;
    sent = await Promise.all([laptop.call('streamed'), office.call('streamed')]);
  }
  const tallies = await Promise.all([office.call('tally', 7001, sent[0]), laptop.call('tally', 7001, sent[1])]);
  return tallies.map((tally, i) => ({ sent: sent[i], tally }));
}

/** All came; none was overtaken by more than `overtaken` others. */
function complete(results: readonly Streamed[], least: number, overtaken: number): void {
  for (const { sent, tally } of results) {
    assert.ok(sent >= least, `only ${sent} datagrams`);
    assert.deepEqual([sent - tally.received, tally.missing], [0, 0], JSON.stringify({ sent, ...tally }));
    assert.ok(tally.furthest <= overtaken, JSON.stringify(tally));
  }
}

/** Drops of no SA, and those of these SAs while they are there. Packets without a policy are the kernel's own (multicast). */
async function drops(sas: readonly Sa[] = []): Promise<Record<string, number>> {
  const sum: Record<string, number> = {};
  const add = (name: string, count: number): void => {
    sum[name] = (sum[name] ?? 0) + count;
  };
  for (const peer of [laptop, office]) {
    const globals = await peer.call('globals');
    for (const name of ['unknown-spi', 'send-failed', 'tun-full']) add(name, globals[name]);
  }
  for (const { near, far } of sas) {
    for (const counters of [await laptop.call('counters', near.spiIn), await office.call('counters', far.spiIn)]) {
      for (const [name, count] of Object.entries(counters ?? {})) if (name.startsWith('drops')) add(name, count);
    }
  }
  return sum;
}

/** None since then; drops of SAs begin at 0. */
function noneSince(before: Record<string, number>, now: Record<string, number>): void {
  for (const [name, count] of Object.entries(now)) assert.equal(count - (before[name] ?? 0), 0, name);
}

test('200 exchanges of SAs under bulk UDP and TCP: nothing lost, nothing out of order', { timeout: 120_000 }, async (t) => {
  let sa = await connect();
  await laptop.call('probeThrough', sa.near.spiIn, '10.88.0.1', '10.99.0.1');
  assert.ok(await laptop.ping('10.99.0.1')); // neighbours are known
  const before = await drops();
  const began = performance.now();
  const results = await underLoad(2, async () => {
    // On a fast machine some more, for as long as two thousand datagrams take.
    for (let i = 0; i < 200 || performance.now() - began < 2_000; i++) {
      const old = sa;
      sa = await exchange(old, i % 2 === 0, 1000);
      if (i % 20 === 0) noneSince(before, await drops([old, sa]));
    }
  });
  t.diagnostic(`${JSON.stringify(results)} in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  complete(results, 2000, 0);
  noneSince(before, await drops([sa]));
  assert.deepEqual([...(await laptop.call('failures')), ...(await office.call('failures'))], []);
  await until(async () => (await laptop.call('counters', sa.near.spiIn - 2)) === undefined, 'the last but one is gone');
  await disconnect(sa);
});

test('what comes in the grace is in what the SA carried in all', async () => {
  const old = await connect();
  assert.ok(await laptop.ping('10.99.0.1'));
  const next = nextSa();
  // The office sends on the old one until something comes on the new one.
  await office.call('install', { ...next.far, replaces: old.far.spiIn, standby: true });
  await laptop.call('install', { ...next.near, replaces: old.near.spiIn });
  const { packetsIn, bytesIn } = await laptop.counters(old.near.spiIn);
  const last = laptop.call('outlive', old.near.spiIn, 1_000);
  assert.ok(await office.ping('10.88.0.1', '-c', '1'));
  const all = await last;
  assert.ok(all && all.packetsIn > packetsIn && all.bytesIn >= bytesIn + 84, JSON.stringify(all));
  assert.equal(await laptop.call('counters', old.near.spiIn), undefined);
  await disconnect(next);
  await office.call('remove', old.far.spiIn);
});

test('the MTU of the path and the mark of its probes go to the successor', async () => {
  const old = await connect();
  for (const { namespace } of [laptop, office]) await namespace.ip(['link set eth0 mtu 1300']);
  await laptop.call('probeThrough', old.near.spiIn, '10.88.0.1', '10.99.0.1');
  assert.ok((await laptop.call('transfer', '10.99.0.1', 7000, 1_000_000)).intact);
  const inner = async (sa: Sa): Promise<number> => (await laptop.call('pathMtu', sa.near.spiIn))?.inner ?? 1400;
  await until(async () => (await inner(old)) < 1300, 'the narrow path is found');
  // The search goes on for a moment, in steps of some octets.
  let found = await laptop.call('pathMtu', old.near.spiIn);
  await until(async () => {
    const before = found;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    found = await laptop.call('pathMtu', old.near.spiIn);
    return found?.inner === before?.inner;
  }, 'the end of the search');
  const next = await exchange(old, true, 0);
  assert.deepEqual(await laptop.call('pathMtu', next.near.spiIn), found);
  const before = await drops([next]);
  assert.ok((await laptop.call('transfer', '10.99.0.1', 7000, 1_000_000)).intact);
  assert.deepEqual(await drops([next]), before, 'no packet had to be refused to find it again');
  for (const { namespace } of [laptop, office]) await namespace.ip(['link set eth0 mtu 1500']);
  await disconnect(next);
});

test('limits are told once; at the hard one nothing leaves any more', async () => {
  await laptop.call('limits');
  const old = await connect({ limits: { octets: { soft: 200_000, hard: 100_000_000 } } });
  assert.ok((await laptop.call('transfer', '10.99.0.1', 7000, 1_000_000)).intact);
  assert.deepEqual(await laptop.call('limits'), [`${old.near.spiIn} soft`]);
  const next = await exchange(old, true, 0);
  assert.ok((await laptop.call('transfer', '10.99.0.1', 7000, 1_000_000)).intact);
  assert.deepEqual(await laptop.call('limits'), []);
  await disconnect(next);

  const last = await connect({ limits: { packets: { soft: 5, hard: 10 } } });
  await laptop.ping('10.99.0.1', '-c', '30', '-W', '1');
  await until(async () => (await laptop.counters(last.near.spiIn)).dropsExhausted >= 15, 'nothing leaves any more');
  // Packets that were in one batch with the tenth.
  assert.ok((await laptop.counters(last.near.spiIn)).packetsOut <= 15);
  const told = await laptop.call('limits');
  assert.deepEqual([...told].sort(), [`${last.near.spiIn} hard`, `${last.near.spiIn} soft`]);
  await disconnect(last);
});

test('50 moves between IPv4 and IPv6 under load: nothing lost; sockets come and go', { timeout: 120_000 }, async (t) => {
  // Two sockets have two queues, and a busy thread finds both full: their order is lost, which the usual window forgives.
  const sa = await connect({ replayWindow: 1024 });
  await laptop.call('probeThrough', sa.near.spiIn, '10.88.0.1', '10.99.0.1');
  assert.ok(await laptop.ping('10.99.0.1'));
  await laptop.namespace.must(['ping', '-c', '1', '2001:db8::1']); // this neighbour is known too
  const before = await drops();
  const at = { 4: ['192.0.2.2', '192.0.2.1'], 6: ['2001:db8::2', '2001:db8::1'] } as const;
  const endpoint = (address: string) => ({ address, port: 4500 });
  const way = (family: 4 | 6, keepalive: boolean) => ({
    local: endpoint(at[family][0]),
    remote: endpoint(at[family][1]),
    keepalive,
  });
  const results = await underLoad(2, async () => {
    for (let i = 0; i < 50; i++) {
      const [from, to] = i % 2 === 0 ? ([4, 6] as const) : ([6, 4] as const);
      await laptop.call('sockets', to);
      const { local, remote, keepalive } = way(to, true);
      await laptop.call('changePath', sa.near.spiIn, { local, remote, keepalive });
      await office.call('changePath', sa.far.spiIn, { local: remote, remote: local, keepalive: false });
      await new Promise((resolve) => setTimeout(resolve, 100)); // what is on its way to the old sockets
      await laptop.call('release', from);
    }
  });
  t.diagnostic(JSON.stringify(results));
  complete(results, 2000, 1024);
  noneSince(before, await drops([sa]));

  // Idle: keepalives come from the new place, and stop where there is no NAT.
  const keepalives = async (): Promise<number> => (await office.call('globals')).kernel;
  const had = await keepalives();
  await until(async () => (await keepalives()) >= had + 3, 'keepalives');
  await laptop.call('changePath', sa.near.spiIn, way(4, false));
  const last = await keepalives();
  await new Promise((resolve) => setTimeout(resolve, 350));
  assert.ok((await keepalives()) <= last + 1); // one may have been under way
  await disconnect(sa);
  await laptop.call('changePath', sa.near.spiIn, way(6, true)); // it is gone: nothing happens
});
