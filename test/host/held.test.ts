/** What is meant for a tunnel while nobody carries it: the engine is dead, the monitor is dead, both, or nobody comes any more. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openTun } from '../../core/system/linux/tun.ts';
import type { HostPlan } from '../../core/system/ports.ts';
import * as host from './hostScene.ts';
import { hostState, ip, isolated, run } from './isolated.ts';
import { laptopOnLan } from './lan.ts';
import { Scene, until } from './monitorScene.ts';

const held: HostPlan = { ...host.full, whenLost: 'hold' };
const locked: HostPlan = { ...host.full, whenLost: 'lock' };

if (isolated(import.meta.url)) {
  const router = laptopOnLan();
  after(() => router[Symbol.dispose]());

  // Whatever leaves the laptop beyond its LAN, but by our own sockets.
  const beyond = 'ip daddr != 192.168.7.0/24 ip daddr != 224.0.0.0/4';
  const beyond6 = 'ip6 daddr != 2001:db8:7::/64 ip6 daddr != fe80::/10 ip6 daddr != ff00::/8';
  run('nft', 'add table inet watch');
  run('nft', 'add chain inet watch out { type filter hook postrouting priority 0; }');
  for (const what of [beyond, beyond6]) run('nft', `add rule inet watch out oifname eth0 meta mark != 0x5a11 ${what} counter`);
  const inClear = (): number =>
    [...run('nft', 'list', 'chain', 'inet', 'watch', 'out').matchAll(/counter packets ([0-9]+)/g)].reduce(
      (sum, [, packets]) => sum + Number(packets),
      0,
    );
  // Never stops sending, to both families.
  const sender = spawn(
    process.execPath,
    [
      '-e',
      `const { createSocket } = require('node:dgram');
       const [four, six] = ['udp4', 'udp6'].map((kind) => createSocket(kind).on('error', () => {}));
       setInterval(() => { four.send('x', 9, '203.0.113.1', () => {}); six.send('x', 9, '2001:db8:113::1', () => {}); }, 1);`,
    ],
    { stdio: 'ignore' },
  );
  after(() => sender.kill('SIGKILL'));

  const unreachable = (...args: readonly string[]): boolean => {
    try {
      ip('route', 'get', ...args);
      return false;
    } catch (error) {
      assert.match(String(error), /No route to host/);
      return true;
    }
  };
  const goesNowhere = (): boolean => unreachable('203.0.113.1') && unreachable('2001:db8:113::1');
  /** The kernel's number of the device, its flags and addresses: with them what systemd-resolved knows of it stays. */
  const device = (): unknown => {
    const { ifindex, flags, addr_info: addresses } = ip('addr').find(({ ifname }) => ifname === 'sally0') ?? {};
    return { ifindex, flags, addresses };
  };

  async function up(scene: Scene, plan: HostPlan): Promise<void> {
    const opened = await scene.ask({ do: 'open-tun' });
    assert.equal(opened.ok, true, JSON.stringify(opened));
    const applied = await scene.ask({ do: 'apply', plan });
    assert.equal(applied.ok, true, JSON.stringify(applied));
  }

  async function kill(scene: Scene): Promise<void> {
    const pid = await scene.enginePid();
    process.kill(pid, 'SIGKILL');
    await scene.enginePid(pid);
  }

  for (const [name, plan] of [
    ['a full tunnel', held],
    ['a split tunnel', { ...host.split, whenLost: 'hold' }],
  ] as const) {
    test(`${name}: without its device all that was for it is unreachable, and nothing else`, () => {
      using scene = new host.Scene();
      scene.open();
      const one = scene.host();
      host.must(one.apply(plan));
      assert.deepEqual(host.must(one.apply(plan)), []);
      const inside = name === 'a full tunnel' ? ['203.0.113.1', '2001:db8:113::1'] : ['10.20.1.1', '2001:db8:20::1'];
      for (const address of inside) assert.equal(ip('route', 'get', address)[0].dev, 'sally0');
      scene.closeTun();
      for (const address of inside) assert.equal(unreachable(address), true, address);
      assert.equal(unreachable('192.168.7.9'), false, 'the LAN');
      assert.equal(unreachable('203.0.113.1', 'mark', '0x5a11'), false, 'our own sockets');
      assert.equal(unreachable('203.0.113.1'), name === 'a full tunnel');
      assert.match(readFileSync(scene.resolvConf, 'utf8'), /nameserver 10\.99\.0\.1/);
      // Another monitor knows what it finds, and a device of another name takes the place.
      const next = scene.host();
      assert.equal(next.held(), 'hold');
      scene.open('sally1');
      host.must(next.apply({ ...plan, interface: { ...plan.interface, name: 'sally1' } }));
      for (const address of inside) assert.equal(ip('route', 'get', address)[0].dev, 'sally1');
      // One that holds nothing takes that away, too.
      host.must(next.apply({ ...plan, interface: { ...plan.interface, name: 'sally1' }, whenLost: undefined }));
      assert.equal(next.held(), undefined);
      host.must(next.revert());
      scene.closeTun();
      assert.deepEqual(hostState(scene.resolvConf), scene.before);
    });
  }

  test('a device that goes while its plan is applied: what is held is held still, and another device takes its place', () => {
    using scene = new host.Scene();
    scene.open();
    const one = scene.host();
    host.must(one.apply(held));
    run('ip', 'link', 'del', 'sally0');
    scene.closeTun();
    const before = inClear();
    const again = one.apply(held);
    assert.equal(!again.ok && again.error.code, 'device-gone');
    assert.equal(one.held(), 'hold');
    assert.equal(unreachable('203.0.113.1'), true);
    assert.equal(inClear(), before);
    scene.open();
    host.must(one.apply(held));
    assert.equal(ip('route', 'get', '203.0.113.1')[0].dev, 'sally0');
    host.must(one.revert());
    scene.closeTun();
    assert.deepEqual(hostState(scene.resolvConf), scene.before);
  });

  test('what is held is held still where a plan cannot be applied; of the first plan nothing stays', () => {
    using scene = new host.Scene();
    scene.open();
    const one = scene.host();
    // No device takes it.
    const bad: HostPlan = { ...held, interface: { ...held.interface, mtu: 100_000 } };
    const first = one.apply(bad);
    assert.equal(!first.ok && first.error.code, 'failed');
    assert.deepEqual([one.held(), one.applied, unreachable('203.0.113.1')], [undefined, false, false]);
    host.must(one.apply(held));
    const before = inClear();
    const again = one.apply(bad);
    assert.equal(!again.ok && again.error.code, 'still-held');
    assert.equal(one.held(), 'hold');
    run('ip', 'link', 'set', 'sally0', 'down');
    assert.equal(unreachable('203.0.113.1'), true);
    assert.equal(inClear(), before);
    host.must(one.apply(held));
    assert.equal(ip('route', 'get', '203.0.113.1')[0].dev, 'sally0');
    host.must(one.revert());
    scene.closeTun();
    assert.deepEqual(hostState(scene.resolvConf), scene.before);
  });

  test('a device of another name takes the place of one that lives', () => {
    using scene = new host.Scene();
    scene.open();
    const one = scene.host();
    host.must(one.apply(held));
    const second = openTun('sally1');
    assert(second.ok);
    const before = inClear();
    host.must(one.apply({ ...held, interface: { ...held.interface, name: 'sally1' } }));
    assert.equal(ip('route', 'get', '203.0.113.1')[0].dev, 'sally1');
    assert.deepEqual(ip('addr', 'show', 'sally0')[0].addr_info, []);
    assert.equal(inClear(), before);
    host.must(one.revert());
    scene.closeTun();
    run('ip', 'link', 'del', 'sally1');
    assert.deepEqual(hostState(scene.resolvConf), scene.before);
  });

  for (const filter of ['1', '2']) {
    test(`reverse-path filter ${filter}: what the gateway answers comes through while all else is held`, async () => {
      const sysctl = '/proc/sys/net/ipv4/conf/eth0/rp_filter';
      writeFileSync(sysctl, filter);
      try {
        await using scene = new Scene();
        await scene.start();
        await up(scene, held);
        const before = inClear();
        // 203.0.113.1 stands for the gateway.
        const asked = () => run('ping', '-c', '1', '-W', '0.5', '-m', String(0x5a11), '203.0.113.1');
        await kill(scene);
        asked();
        await scene.end('SIGKILL');
        await until('the device to go with the monitor', () => !ip('link').some(({ ifname }) => ifname === 'sally0'));
        assert.throws(asked, 'what it is about');
        await scene.start();
        assert.equal((await scene.ask({ do: 'open-tun' })).ok, true);
        asked();
        for (const address of ['203.0.113.1', '2001:db8:113::1']) assert.equal(ip('route', 'get', address)[0].dev, 'sally0');
        assert.equal((await scene.ask({ do: 'close' })) as unknown, 'closed');
        await until('the device to go', () => !ip('link').some(({ ifname }) => ifname === 'sally0'));
        assert.equal(goesNowhere(), true, 'it could not be brought back yet');
        await up(scene, held);
        asked();
        assert.equal(inClear(), before);
        assert.equal((await scene.ask({ do: 'revert' })).ok, true);
        await scene.ask({ do: 'close' });
        assert.deepEqual(hostState(scene.resolvConf), scene.before);
      } finally {
        writeFileSync(sysctl, '0');
      }
    });
  }

  test('kill -9 of the engine: not one packet leaves in clear until the next one has the tunnel', async () => {
    await using scene = new Scene();
    await scene.start();
    for (const plan of [held, locked]) {
      await up(scene, plan);
      const before = inClear();
      const one = device();
      assert.match(JSON.stringify(one), /LOWER_UP/);
      await kill(scene);
      assert.deepEqual(device(), one, 'with nobody who reads from it');
      for (const address of ['203.0.113.1', '2001:db8:113::1']) assert.equal(ip('route', 'get', address)[0].dev, 'sally0');
      assert.match(readFileSync(scene.resolvConf, 'utf8'), /nameserver 10\.99\.0\.1/, 'names are not asked for elsewhere');
      await up(scene, plan);
      assert.deepEqual(device(), one);
      assert.equal(inClear(), before);
      // Nobody wants it any more.
      await kill(scene);
      assert.equal((await scene.ask({ do: 'revert' })).ok, true);
      assert.deepEqual(hostState(scene.resolvConf), scene.before);
      await until('the sender to be heard', () => inClear() > before);
    }
    // The test can fail.
    await up(scene, host.full);
    const before = inClear();
    await kill(scene);
    assert.deepEqual(hostState(scene.resolvConf), scene.before);
    await until('packets in clear', () => inClear() > before);
  });

  test('kill -9 of the monitor, of both: held until the next one’s engine decides; --repair and SIGTERM put the host back', async () => {
    await using scene = new Scene();
    await scene.start();
    await up(scene, held);
    let before = inClear();
    await scene.end('SIGKILL');
    await until('the device to go with the engine', () => !ip('link').some(({ ifname }) => ifname === 'sally0'));
    assert.equal(goesNowhere(), true);
    await scene.start();
    assert.equal(goesNowhere(), true);
    await up(scene, held);
    assert.equal(inClear(), before);

    await scene.end('SIGKILL');
    await until('the device to go with the engine', () => !ip('link').some(({ ifname }) => ifname === 'sally0'));
    assert.equal(scene.repair().status, 0);
    assert.deepEqual(hostState(scene.resolvConf), scene.before);

    await scene.start();
    await up(scene, locked);
    before = inClear();
    await kill(scene);
    assert.equal(inClear(), before);
    assert.equal(await scene.end('SIGTERM'), 0);
    assert.deepEqual(hostState(scene.resolvConf), scene.before);
  });

  test('no engine comes that lives: what is held is let go, what is locked is not', async () => {
    await using scene = new Scene();
    const engine = join(scene.folder, 'engine.ts');
    const launcher = (target: string): void => {
      writeFileSync(`${engine}.new`, target === '' ? 'process.exit(3);\n' : `await import(${JSON.stringify(target)});\n`);
      renameSync(`${engine}.new`, engine);
    };
    const works = new URL('./fakeEngine.ts', import.meta.url).href;
    for (const plan of [locked, held]) {
      launcher(works);
      await scene.start(engine);
      await up(scene, plan);
      const before = inClear();
      const pid = await scene.enginePid();
      launcher('');
      const began = scene.log.length;
      process.kill(pid, 'SIGKILL');
      const waits = () => [...scene.log.slice(began).matchAll(/"afterMs":/g)].length;
      if (plan.whenLost === 'hold') {
        await until('the host to be put back', () => scene.log.slice(began).includes('"text":"revert"'));
        assert.equal(waits() >= 3, true);
        assert.deepEqual(hostState(scene.resolvConf), scene.before);
      } else {
        await until('five engines', () => waits() >= 5);
        assert.equal(inClear(), before);
      }
      await scene.end('SIGTERM');
      assert.deepEqual(hostState(scene.resolvConf), scene.before);
    }
  });
}
