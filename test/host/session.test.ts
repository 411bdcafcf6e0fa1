/**
 * A session that survives the road, through the real helper: a gateway that ends it, forgets it, restarts, wants a new login, or is not
 * where the profile says first; and a helper that stood still meanwhile. Nothing meant for the tunnel leaves in clear.
 */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Status } from '../../core/rpc/contract.ts';
import { VISITOR } from '../gateway/office.ts';
import { addresses } from '../lab/addresses.ts';
import { Stalls } from '../lab/stalls.ts';
import { OfficeScene } from './officeScene.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root: network namespaces';
const psk = { localId: VISITOR.identity, auth: { method: 'psk', secret: VISITOR.psk }, liveness: 5 };
const inside = addresses.intranet.web4;

let scene: OfficeScene;

before(async () => {
  if (skip) return;
  scene = await OfficeScene.start();
  await scene.open({});
});
after(async () => {
  await scene?.close();
});

const answers = async (): Promise<boolean> => {
  const { code } = await scene.lab.laptop.exec(['ping', '-n', '-c', '1', '-W', '1', inside]);
  return code === 0;
};
/** Where a packet for the office would go. */
const way = (): Promise<string> => scene.lab.laptop.must(['ip', 'route', 'get', inside]);
const send = (order: Readonly<Record<string, unknown>>): void => scene.office?.gateway.send(order);
const isConnected = ({ state }: Status): boolean => state === 'connected';
/** All states there were until it is connected again. */
async function untilBack(within: number): Promise<{ readonly states: readonly string[]; readonly took: number }> {
  const states: string[] = [];
  const began = performance.now();
  // Not what the status is now: it may be back already.
  const lost = await scene.until('it is lost', ({ state }) => states.push(state) > 0 && state === 'reconnecting', within);
  assert.deepEqual([lost.held, lost.profile !== undefined], [true, true]);
  assert.match(await way(), /dev sally0/, 'held back');
  await scene.until('it is back', isConnected, within);
  return { states, took: performance.now() - began };
}

test('ended by the gateway: brought back without asking, its traffic held back meanwhile', { skip }, async () => {
  const profile = await scene.profile(psk);
  assert.equal(await scene.up(profile), 'connected');
  assert.equal(await answers(), true);
  const before = scene.status();
  send({ do: 'terminate' });
  await untilBack(10_000);
  assert.equal(await answers(), true);
  const now = scene.status();
  assert.notEqual(now.ike?.spiI, before.ike?.spiI);
  assert.equal(now.interface?.name, before.interface?.name);
});

test('a helper that stood still while the gateway forgot it is usable within three seconds', { skip }, async () => {
  assert.equal(scene.status().state, 'connected');
  const engine = scene.enginePid();
  const before = scene.status().ike?.spiI;
  process.kill(engine, 'SIGSTOP');
  send({ do: 'misbehave', names: [] });
  await sleep(1_500);
  using stalls = new Stalls();
  process.kill(engine, 'SIGCONT');
  const woke = Date.now();
  await scene.until('a new connection', (status) => isConnected(status) && status.ike?.spiI !== before, 10_000);
  assert.equal(await answers(), true);
  const took = stalls.since(woke);
  assert.ok(took < 3_000, `${Math.round(took)} ms`);
});

test('a helper that stood still keeps a connection that the gateway kept', { skip }, async () => {
  const before = scene.status().ike?.spiI;
  process.kill(scene.enginePid(), 'SIGSTOP');
  await sleep(1_000);
  process.kill(scene.enginePid(), 'SIGCONT');
  await scene.until('it looked', ({ state }) => state === 'paused', 20_000);
  await scene.until('it is sure', isConnected, 20_000);
  assert.equal(scene.status().ike?.spiI, before);
  assert.equal(await answers(), true);
});

test('asleep for an hour: usable within three seconds, by the session that the gateway kept or by another', {
  skip,
}, async () => {
  const slept = join(scene.folder, 'slept');
  const flag = new URL(`./asleep.ts?slept=${slept}`, import.meta.url).href;
  await scene.down();
  await scene.stopHelper();
  await scene.startHelper([], ['--import', flag]);
  assert.equal(await scene.up(await scene.profile(psk)), 'connected');
  try {
    for (const [hours, forgets] of [
      [1, false],
      [2, true],
      // Six more: longer than any IKE SA lives.
      [8, true],
    ] as const) {
      const { ike, children } = scene.status();
      const engine = scene.enginePid();
      process.kill(engine, 'SIGSTOP');
      if (forgets) send({ do: 'misbehave', names: [] });
      writeFileSync(slept, String(hours * 3_600_000));
      await sleep(500);
      using stalls = new Stalls();
      process.kill(engine, 'SIGCONT');
      const woke = Date.now();
      const another = ({ ike: now }: Status) => now?.spiI !== ike?.spiI;
      await scene.until('connected', (status) => isConnected(status) && another(status) === forgets, 10_000);
      while (!(await answers())) await sleep(20);
      const took = stalls.since(woke);
      assert.ok(took < 3_000, `${Math.round(took)} ms`);
      const fresh = ({ children: now }: Status) => now.length === 1 && now[0]?.spiIn !== children[0]?.spiIn;
      await scene.until('keys that are not an hour old', fresh, 10_000);
      assert.equal(another(scene.status()), forgets);
      assert.equal(scene.enginePid(), engine, 'the helper that fell asleep');
    }
  } finally {
    await scene.down();
    await scene.stopHelper();
    rmSync(slept);
    await scene.startHelper();
  }
});

test('a gateway that restarts is found again; cancelled while it is away, the host is as it was', { skip }, async () => {
  assert.equal(await scene.up(await scene.profile(psk)), 'connected');
  await scene.office?.stop();
  await scene.until('it is lost', ({ state }) => state === 'reconnecting', 60_000);
  await scene.until('a wait', ({ retryAt }) => retryAt !== undefined, 60_000);
  assert.match(await way(), /dev sally0/);
  await scene.down();
  assert.doesNotMatch(await way(), /sally0/);
  assert.equal(scene.status().state, 'idle');
  await scene.open({});
});

test('a gateway that stands in is found when the first is silent', { skip }, async () => {
  // RFC 5737: nobody lives there, and nobody says so.
  const profile = await scene.profile({
    ...psk,
    gateway: '192.0.2.77',
    gateways: ['vpn.office.test'],
    remoteId: 'vpn.office.test',
  });
  const began = performance.now();
  assert.equal(await scene.up(profile), 'connected');
  const took = performance.now() - began;
  assert.ok(took > 2_900 && took < 8_000, `${Math.round(took)} ms`);
  assert.equal(scene.status().gateway?.name, 'vpn.office.test');
  await scene.down();
  const again = performance.now();
  assert.equal(await scene.up(profile), 'connected');
  assert.equal(scene.status().gateway?.name, 'vpn.office.test');
  assert.ok(performance.now() - again < 2_900, 'it is remembered');
  await scene.down();
});

/** Counts at the other end of the laptop's wire what is no message of the tunnel's, nor one of `these`. */
async function watchWire(these = ''): Promise<() => Promise<number>> {
  const { router } = scene.lab;
  const ours = `${these} ip daddr ${addresses.office.wan4} udp dport { 500, 4500 }`;
  const rules = [
    'table ip wire {',
    `  chain judge { ${ours} accept; ip daddr 224.0.0.0/4 accept; counter; }`,
    '  chain seen { type filter hook prerouting priority -300; iifname lan jump judge; }',
    '}',
  ];
  await router.must(['nft', '-f', '-'], { input: `${rules.join('\n')}\n` });
  return async () => {
    const text = await router.must(['nft', 'list', 'chain', 'ip', 'wire', 'judge']);
    return Number(/counter packets ([0-9]+)/.exec(text)?.[1]);
  };
}

test('a gateway whose name leads elsewhere by now is found while traffic is held, and only that name is asked for', {
  skip,
}, async () => {
  const gateway = 'away.office.test';
  const server = addresses.router.lan4;
  const { laptop, router } = scene.lab;
  await scene.open({ addresses: [addresses.office.wan4, addresses.office.wan6] });
  // The last to bind is who hears.
  const names = (...where: readonly string[]) =>
    scene.serve('test/gateway/dns.ts', JSON.stringify({ listen: [server], names: { [gateway]: where } }));
  const first = await names(addresses.office.wan4);
  const profile = await scene.profile({ ...psk, gateway, remoteId: 'vpn.office.test', tcp: 'never' });
  assert.equal(await scene.up(profile), 'connected');
  assert.equal(scene.status().gateway?.address, addresses.office.wan4);
  await first.stop();
  const second = await names(addresses.office.wan6);
  const wire = await watchWire(`ip daddr ${server} udp dport 53 accept;`);
  await router.must(['nft', 'add', 'chain', 'ip', 'wire', 'gone', '{ type filter hook forward priority 0; }']);
  await router.must(['nft', 'add', 'rule', 'ip', 'wire', 'gone', 'ip', 'daddr', addresses.office.wan4, 'drop']);
  const pings = [inside, addresses.router.wan4].map((address) =>
    laptop.spawn(['ping', '-n', '-q', '-i', '0.01', address], { stdio: 'ignore' }),
  );
  try {
    send({ do: 'terminate' });
    await untilBack(20_000);
    assert.equal(scene.status().gateway?.address, addresses.office.wan6);
    assert.equal(await wire(), 0);
    await second.next(({ name, type }) => name === gateway && type === 28, 1_000);
    await assert.rejects(second.next(({ name }) => name !== undefined && name !== gateway, 100));
  } finally {
    for (const ping of pings) ping.kill('SIGKILL');
    await router.must(['nft', 'delete', 'table', 'ip', 'wire']);
    await second.stop();
    await scene.down();
    await scene.open({});
  }
});

test('an engine that is killed leaves the tunnel to the next, and not one packet leaves in clear meanwhile', {
  skip,
}, async () => {
  const wire = await watchWire();
  // Inside, and somewhere else: all of it goes through the tunnel.
  const pings = [inside, addresses.router.wan4].map((address) =>
    scene.lab.laptop.spawn(['ping', '-n', '-q', '-i', '0.01', address], { stdio: 'ignore' }),
  );
  try {
    for (const whenLost of ['hold', 'lock', 'open']) {
      const profile = await scene.profile({ ...psk, whenLost });
      assert.equal(await scene.up(profile), 'connected');
      await sleep(200);
      const before = await wire();
      const engine = scene.enginePid();
      process.kill(engine, 'SIGKILL');
      await sleep(500);
      await scene.reconnect();
      await scene.until('it is back', isConnected, 15_000);
      assert.notEqual(scene.enginePid(), engine);
      assert.equal(await answers(), true);
      const seen = (await wire()) - before;
      // Where it may, it does: the test would see it.
      if (whenLost === 'open') assert.ok(seen > 0);
      else assert.equal(seen, 0, whenLost);
      await scene.down();
      assert.doesNotMatch(await way(), /sally0|unreachable/);
    }
  } finally {
    for (const ping of pings) ping.kill('SIGKILL');
    await scene.lab.router.must(['nft', 'delete', 'table', 'ip', 'wire']);
  }
});

test('a key that only the user knows: locked over the death of the engine, until they connect or disconnect', {
  skip,
}, async () => {
  const { secret: _, ...auth } = psk.auth;
  const profile = await scene.profile({ ...psk, auth, whenLost: 'lock' });
  for (const end of ['connects', 'disconnects']) {
    if (scene.status().state !== 'connected') assert.equal(await scene.up(profile, { psk: [VISITOR.psk] }), 'connected');
    process.kill(scene.enginePid(), 'SIGKILL');
    await sleep(500);
    await scene.reconnect();
    const { held, failure } = await scene.until('it is blocked', ({ state }) => state === 'blocked', 15_000);
    assert.deepEqual([held, failure?.code], [true, 'engine-restarted']);
    assert.match(await way(), /dev sally0/);
    if (end === 'connects') {
      await scene.rpc.call('tunnel.up', { profile });
      const { prompt } = await scene.until('it asks', (status) => status.prompt !== undefined);
      await scene.rpc.call('tunnel.answer', { id: prompt?.id ?? '', secret: VISITOR.psk, remember: false });
      await scene.until('it is back', isConnected);
      assert.equal(await answers(), true);
    } else await scene.down();
  }
  assert.doesNotMatch(await way(), /sally0/);
});

test('another program sets the device down, or takes rules and routes away: all is put back at once', { skip }, async () => {
  assert.equal(await scene.up(await scene.profile(psk)), 'connected');
  const { spiI } = scene.status().ike ?? {};
  for (const words of [
    ['link', 'set', 'sally0', 'down'],
    ['rule', 'del', 'pref', '5210'],
    ['route', 'flush', 'table', '23057'],
  ]) {
    await scene.lab.laptop.must(['ip', ...words]);
    const until = performance.now() + 5_000;
    while (!(await answers())) assert.ok(performance.now() < until, words.join(' '));
    assert.match(await way(), /dev sally0/);
  }
  assert.deepEqual([scene.status().state, scene.status().ike?.spiI], ['connected', spiI]);
  await scene.down();
  assert.doesNotMatch(await way(), /sally0/);
});

test('another program makes the reverse-path filter strict, as a firewall that is loaded anew does: taken back at once', {
  skip,
}, async () => {
  assert.equal(await scene.up(await scene.profile(psk)), 'connected');
  const filter = '/proc/sys/net/ipv4/conf/all/rp_filter';
  const before = await scene.lab.laptop.must(['cat', filter]);
  await scene.lab.laptop.must(['sh', '-c', `echo 1 > ${filter}`]);
  const until = performance.now() + 5_000;
  while (!(await answers())) assert.ok(performance.now() < until);
  assert.equal(scene.status().state, 'connected');
  assert.equal((await scene.lab.laptop.must(['cat', filter])).trim(), '2');
  await scene.down();
  assert.equal((await scene.lab.laptop.must(['cat', filter])).trim(), '1');
  await scene.lab.laptop.must(['sh', '-c', `echo ${before.trim()} > ${filter}`]);
});

test('another program removes the device: held back, and brought back with another one', { skip }, async () => {
  for (const whenLost of ['hold', 'lock', 'end'] as const) {
    assert.equal(await scene.up(await scene.profile({ ...psk, whenLost })), 'connected');
    const { spiI } = scene.status().ike ?? {};
    await scene.lab.laptop.must(['ip', 'link', 'delete', 'sally0']);
    if (whenLost === 'end') {
      const { failure } = await scene.until('the end', ({ state }) => state === 'failed', 10_000);
      assert.equal(failure?.code, 'device-gone');
      break;
    }
    // No way at all, or the next device; never that of the network.
    for (let looks = 0; looks < 20; looks++) {
      const { stdout } = await scene.lab.laptop.exec(['ip', 'route', 'get', inside]);
      assert.doesNotMatch(stdout, /eth0/, whenLost);
    }
    await scene.until('another', (status) => isConnected(status) && status.ike?.spiI !== spiI, 10_000);
    assert.match(await way(), /dev sally0/);
    assert.equal(await answers(), true);
    // It is kept for the next engine as the first one was.
    process.kill(scene.enginePid(), 'SIGKILL');
    await sleep(300);
    assert.match(await way(), /dev sally0/);
    await scene.reconnect();
    await scene.until('brought back', isConnected, 15_000);
    assert.equal(await answers(), true);
    await scene.down();
  }
  assert.doesNotMatch(await way(), /sally0/);
});

test('a fault in a thread of the dataplane: held, and brought back by an engine whose threads live', { skip }, async () => {
  const dies = join(scene.folder, 'dies');
  await scene.stopHelper();
  await scene.startHelper([], ['--import', new URL(`./laneDies.ts?when=${dies}`, import.meta.url).href]);
  try {
    assert.equal(await scene.up(await scene.profile({ ...psk, whenLost: 'lock' })), 'connected');
    const engine = scene.enginePid();
    writeFileSync(dies, '');
    await answers();
    const until = performance.now() + 30_000;
    while (scene.enginePid() === engine) {
      assert.ok(performance.now() < until, 'another engine');
      const { stdout } = await scene.lab.laptop.exec(['ip', 'route', 'get', inside]);
      assert.doesNotMatch(stdout, /eth0/);
    }
    assert.match(scene.said, /inbound lane: as the test wants it/);
    rmSync(dies);
    await scene.reconnect();
    await scene.until('brought back', isConnected, 15_000);
    assert.equal(await answers(), true);
    await scene.down();
  } finally {
    rmSync(dies, { force: true });
    await scene.stopHelper();
    await scene.startHelper();
  }
});

test('where nothing is to be brought back, the end is the end', { skip }, async () => {
  const profile = await scene.profile({ ...psk, whenLost: 'end' });
  assert.equal(await scene.up(profile), 'connected');
  send({ do: 'terminate' });
  const { failure } = await scene.until('the end', ({ state }) => state === 'failed', 10_000);
  assert.equal(failure?.code, 'closed-by-gateway');
  assert.doesNotMatch(await way(), /sally0/);
});

test('a login that runs out is made anew beside the connection, and no packet is lost', { skip }, async () => {
  await scene.open({ authLifetime: 15 });
  const profile = await scene.profile(psk);
  assert.equal(await scene.up(profile), 'connected');
  const before = scene.status();
  const pings = scene.lab.laptop.exec(['ping', '-n', '-q', '-c', '170', '-i', '0.1', '-W', '1', inside]);
  await scene.until('a new login', (status) => isConnected(status) && status.ike?.spiI !== before.ike?.spiI, 30_000);
  const now = scene.status();
  assert.deepEqual([now.virtualIps.length, now.failure], [before.virtualIps.length, undefined]);
  const { stdout } = await pings;
  assert.match(stdout, /170 packets transmitted, (170|169|168) received/, stdout);
  await scene.down();
  await scene.open({});
});
