import assert from 'node:assert/strict';
import { closeSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Journal } from '../../core/system/linux/journal.ts';
import { missingOf } from '../../core/system/linux/planCheck.ts';
import { openTun } from '../../core/system/linux/tun.ts';
import { Crash, full, must, Scene, split } from './hostScene.ts';
import { hostState, ip, isolated, run } from './isolated.ts';
import { laptopOnLan } from './lan.ts';

if (isolated(import.meta.url)) {
  const router = laptopOnLan();
  after(() => router[Symbol.dispose]());

  for (const [name, plan] of [
    ['a full tunnel', full],
    ['a split tunnel', split],
  ] as const) {
    test(`${name}: applied, applied again without a change, reverted to exactly what was`, () => {
      using scene = new Scene();
      scene.open();
      const host = scene.host();
      assert(must(host.apply(plan)).length > 5);
      assert.equal(host.applied, true);
      const [link] = ip('addr', 'show', 'sally0');
      assert.equal(link.mtu, 1380);
      assert(Array.isArray(link.addr_info));
      assert.deepEqual(
        link.addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`),
        ['10.99.0.5/24', '2001:db8:99::5/128'],
      );
      assert.match(
        readFileSync(scene.resolvConf, 'utf8'),
        /^# Written by Sallyport.*sallyport repair\nsearch office\.test\nnameserver 10\.99\.0\.1\n$/s,
      );
      const during = hostState(scene.resolvConf);
      assert.deepEqual(must(host.apply(plan)), []);
      assert.deepEqual(hostState(scene.resolvConf), during);
      assert(must(host.revert()).length > 2);
      assert.equal(host.applied, false);
      assert.deepEqual(must(host.revert()), []);
      scene.closeTun();
      assert.deepEqual(hostState(scene.resolvConf), scene.before);
      assert.equal(readFileSync(join(scene.folder, 'journal'), 'utf8'), '');
    });
  }

  const path = (...args: readonly string[]): string => {
    const [route] = ip('route', 'get', ...args);
    return `${route.dev} from ${route.prefsrc}`;
  };

  test('a full tunnel takes everything but private addresses of the LAN and our marked sockets, from the virtual address', () => {
    using scene = new Scene();
    scene.open();
    const host = scene.host();
    must(host.apply(full));
    assert.equal(path('203.0.113.1'), 'sally0 from 10.99.0.5');
    assert.equal(path('2001:db8:113::1'), 'sally0 from 2001:db8:99::5');
    assert.equal(path('192.168.7.9'), 'eth0 from 192.168.7.2');
    // TunnelCrack LocalNet: a LAN that is said to be somebody's on the internet.
    assert.equal(path('2001:db8:7::9'), 'sally0 from 2001:db8:99::5');
    // TunnelVision: DHCP option 121, and the route information of a router.
    run('ip', 'route', 'add', '203.0.113.0/24', 'via', '192.168.7.1');
    run('ip', 'route', 'add', '0.0.0.0/1', 'via', '192.168.7.1');
    run('ip', '-6', 'route', 'add', '2000::/3', 'via', '2001:db8:7::1', 'dev', 'eth0');
    assert.equal(path('203.0.113.1'), 'sally0 from 10.99.0.5');
    assert.equal(path('2001:db8:113::1'), 'sally0 from 2001:db8:99::5');
    run('ip', 'route', 'del', '203.0.113.0/24');
    run('ip', 'route', 'del', '0.0.0.0/1');
    run('ip', '-6', 'route', 'del', '2000::/3');
    assert.equal(path('203.0.113.1', 'mark', '0x5a11'), 'eth0 from 192.168.7.2');
    assert.equal(path('2001:db8:113::1', 'mark', '0x5a11'), 'eth0 from 2001:db8:7::2');
    must(host.revert());
  });

  test('a family that is blocked leads nowhere, at once, and is as it was afterwards', () => {
    using scene = new Scene();
    scene.open();
    const host = scene.host();
    const { addresses } = full.interface;
    const v4 = { ...full, interface: { ...full.interface, addresses: addresses.slice(0, 1) }, routes: ['0.0.0.0/0'] };
    must(host.apply({ ...v4, whenLost: 'hold', blocked: ['::/0'] }));
    assert.deepEqual(must(host.apply({ ...v4, whenLost: 'hold', blocked: ['::/0'] })), []);
    assert.equal(path('203.0.113.1'), 'sally0 from 10.99.0.5');
    assert.throws(() => path('2001:db8:113::1'), /No route to host/);
    assert.equal(path('2001:db8:113::1', 'mark', '0x5a11'), 'eth0 from 2001:db8:7::2');
    must(host.apply({ ...full, whenLost: 'hold' }));
    assert.equal(path('2001:db8:113::1'), 'sally0 from 2001:db8:99::5');
    must(host.apply({ ...v4, whenLost: 'hold', blocked: ['::/0'] }));
    assert.throws(() => path('2001:db8:113::1'), /No route to host/, 'a login later that has no IPv6 any more');
    must(host.revert());
    scene.closeTun();
    assert.deepEqual(hostState(scene.resolvConf), scene.before);
  });

  test('a split tunnel takes only its networks, and a second plan replaces the first', () => {
    using scene = new Scene();
    scene.open();
    const host = scene.host();
    must(host.apply(full));
    const changes = must(host.apply({ ...split, dns: undefined }));
    assert(
      changes.includes('route 0.0.0.0/0 removed') &&
        changes.includes('rule 5209 for fc00::/7 removed') &&
        changes.includes('DNS taken back'),
    );
    assert.equal(readFileSync(scene.resolvConf, 'utf8'), 'nameserver 192.168.7.1\n');
    assert.equal(path('10.20.1.1'), 'sally0 from 10.99.0.5');
    assert.equal(path('2001:db8:20::1'), 'sally0 from 2001:db8:99::5');
    assert.equal(path('203.0.113.1'), 'eth0 from 192.168.7.2');
    assert.equal(path('2001:db8:113::1'), 'eth0 from 2001:db8:7::2');
    assert.equal(path('10.20.1.1', 'mark', '0x5a11'), 'eth0 from 192.168.7.2');
    must(
      host.apply({
        ...split,
        interface: { ...split.interface, addresses: [{ address: '10.99.0.6', prefix: 24 }] },
        routes: ['10.20.0.0/16'],
      }),
    );
    assert.equal(path('10.20.1.1'), 'sally0 from 10.99.0.6');
    // As a socket sees it: an unbound one sends from the virtual address.
    assert.match(run('ip', 'route', 'get', '10.20.1.1'), /src 10\.99\.0\.6/);
    assert.deepEqual(
      ip('-6', 'rule').map(({ priority }) => priority),
      [0, 32766],
      'no rule of a family without routes',
    );
    must(host.revert());
    scene.closeTun();
    assert.deepEqual(hostState(scene.resolvConf), scene.before);
  });

  test('what another program takes away is found missing, and the same plan puts it back', () => {
    using scene = new Scene();
    scene.open();
    const host = scene.host();
    const plan = { ...full, whenLost: 'hold' } as const;
    const missing = (): readonly string[] => missingOf(scene.netlink, plan);
    assert.deepEqual(
      missingOf(scene.netlink, { ...plan, interface: { ...plan.interface, name: 'sally9' } }),
      [],
      'no such device',
    );
    must(host.apply(plan));
    assert.deepEqual(missing(), []);
    const during = hostState(scene.resolvConf);
    for (const [program, gone] of [
      [
        ['link', 'set', 'sally0', 'down'],
        ['sally0 is down', 'address 2001:db8:99::5/128', 'route 0.0.0.0/0', 'route ::/0'],
      ],
      [
        ['addr', 'flush', 'dev', 'sally0'],
        ['address 10.99.0.5/24', 'address 2001:db8:99::5/128', 'route 0.0.0.0/0'],
      ],
      [['route', 'flush', 'table', '23057'], ['route 0.0.0.0/0']],
      [['-6', 'rule', 'del', 'pref', '5210'], ['rule 5210 for IPv6']],
    ] as const) {
      run('ip', ...program);
      assert.deepEqual(missing(), gone, program.join(' '));
      must(host.apply(plan));
      assert.deepEqual(missing(), []);
      assert.deepEqual(hostState(scene.resolvConf), during, program.join(' '));
    }
    // As it is by `all`, which would change the other devices of this test, too.
    writeFileSync('/proc/sys/net/ipv6/conf/sally0/disable_ipv6', '1');
    assert.deepEqual(missing(), ['address 2001:db8:99::5/128', 'route ::/0']);
    must(host.apply(plan));
    assert.deepEqual(missing(), []);
    assert.deepEqual(hostState(scene.resolvConf), during);
    const filter = '/proc/sys/net/ipv4/conf/all/rp_filter';
    const before = readFileSync(filter, 'utf8');
    writeFileSync(filter, '1');
    assert.deepEqual(missing(), ['rp_filter of all interfaces is 1']);
    must(host.apply(plan));
    assert.deepEqual(missing(), []);
    must(host.revert());
    scene.closeTun();
    assert.equal(readFileSync(filter, 'utf8'), '1\n', 'as the other program had it');
    writeFileSync(filter, before);
    assert.deepEqual(hostState(scene.resolvConf), scene.before);
  });

  test('a plan for another device undoes the first one', () => {
    using scene = new Scene();
    scene.open('sally0');
    const host = scene.host();
    must(host.apply(full));
    const second = openTun('sally1');
    assert(second.ok);
    must(host.apply({ ...full, interface: { ...full.interface, name: 'sally1' } }));
    assert.equal(path('203.0.113.1'), 'sally1 from 10.99.0.5');
    assert.deepEqual(ip('addr', 'show', 'sally0')[0].addr_info, []);
    must(host.revert());
    scene.closeTun();
    closeSync(second.value.fd);
    assert.deepEqual(hostState(scene.resolvConf), scene.before);
  });

  for (const which of ['all', 'eth0']) {
    test(`strict reverse-path filtering (${which}) does not drop the gateway's packets`, () => {
      const sysctl = `/proc/sys/net/ipv4/conf/${which}/rp_filter`;
      using scene = new Scene((self) => {
        writeFileSync(sysctl, '1');
        writeFileSync(self.resolvConf, '');
      });
      try {
        scene.open();
        const host = scene.host();
        must(host.apply(full));
        assert.equal(readFileSync('/proc/sys/net/ipv4/conf/all/rp_filter', 'utf8').trim(), '2');
        // 203.0.113.1 stands for the gateway: a real answer from it to a marked packet must come through.
        run('ping', '-c', '1', '-W', '2', '-m', String(0x5a11), '203.0.113.1');
        // The test can fail: with the filter as it was the answer is dropped.
        writeFileSync('/proc/sys/net/ipv4/conf/all/rp_filter', '1');
        assert.throws(() => run('ping', '-c', '1', '-W', '0.3', '-m', String(0x5a11), '203.0.113.1'));
        writeFileSync('/proc/sys/net/ipv4/conf/all/rp_filter', '2');
        must(host.revert());
        scene.closeTun();
        assert.deepEqual(hostState(scene.resolvConf), scene.before);
      } finally {
        writeFileSync(sysctl, '0');
      }
    });
  }

  test('nothing strict: the reverse-path filter is not touched', () => {
    using scene = new Scene();
    scene.open();
    const host = scene.host();
    assert(!must(host.apply(full)).some((change) => change.includes('rp_filter')));
    must(host.revert());
  });

  test('a crash between any two steps, of the way there and back, is recovered to what was', () => {
    let crashes = 0;
    for (let crashAt = 0; ; crashAt++) {
      writeFileSync('/proc/sys/net/ipv4/conf/eth0/rp_filter', '1');
      using scene = new Scene();
      scene.open();
      const host = scene.host();
      scene.crashAt = crashAt;
      let crashed = false;
      try {
        must(host.apply({ ...full, whenLost: 'hold' }));
        must(host.revert());
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
        crashed = true;
      }
      scene.crashAt = Number.POSITIVE_INFINITY;
      // Every other time the old engine still holds the device when the next monitor starts.
      if (crashAt % 2 === 0) scene.closeTun();
      const next = scene.host();
      must(next.recover());
      assert.equal(next.applied, false);
      scene.closeTun();
      assert.deepEqual(hostState(scene.resolvConf), scene.before, `crash before step ${crashAt}: ${scene.seen.at(-1)}`);
      writeFileSync('/proc/sys/net/ipv4/conf/eth0/rp_filter', '0');
      if (!crashed) break;
      crashes += 1;
      // A recovery that crashed is recovered, too.
    }
    assert(crashes >= 16, `${crashes} crashes`);
  });

  test('a crash in the middle of the recovery is recovered', () => {
    for (let crashAt = 0; crashAt < 6; crashAt++) {
      using scene = new Scene();
      scene.open();
      must(scene.host().apply({ ...full, whenLost: 'lock' }));
      scene.closeTun();
      const second = scene.host();
      scene.crashAt = scene.seen.length + crashAt;
      assert.throws(() => second.recover(), Crash);
      scene.crashAt = Number.POSITIVE_INFINITY;
      must(scene.host().recover());
      assert.deepEqual(hostState(scene.resolvConf), scene.before);
    }
  });

  test('a step that fails takes everything back', () => {
    using scene = new Scene();
    scene.open();
    const host = scene.host();
    // The kernel refuses a route of IPv4 whose source is of nobody; the validation before would not see it.
    const failing = { ...full, routes: ['10.20.0.0/16', '10.20.0.1/8'] };
    const done = host.apply(failing);
    assert(!done.ok);
    assert.match(done.error.detail, /10\.20\.0\.1\/8/);
    assert.equal(host.applied, false);
    scene.closeTun();
    assert.deepEqual(hostState(scene.resolvConf), scene.before);
  });

  test('a journal that cannot be emptied, of a disk that became read-only, is no reason to leave anything in place', (context) => {
    using scene = new Scene();
    scene.open();
    const host = scene.host();
    must(host.apply(full));
    const readOnly = () => {
      throw Object.assign(new Error('read-only file system'), { errno: -30 });
    };
    context.mock.method(Journal.prototype, 'clear', readOnly, { times: 1 });
    assert.equal(must(host.revert()).at(-1), 'the journal stays: empty it: EROFS');
    must(scene.host().recover());
    scene.closeTun();
    assert.deepEqual(hostState(scene.resolvConf), scene.before);
  });

  test('a device that is no TUN of ours is not touched', () => {
    using scene = new Scene();
    for (const name of ['eth0', 'lo', 'sally7']) {
      const done = scene.host().apply({ ...full, interface: { ...full.interface, name } });
      assert(!done.ok && done.error.code === 'invalid', name);
    }
    assert.deepEqual(hostState(scene.resolvConf), scene.before);
  });

  test('a journal whose last line was cut off, or of before a reboot, is understood', () => {
    using scene = new Scene();
    scene.open();
    must(scene.host().apply(full));
    const journal = join(scene.folder, 'journal');
    const lines = readFileSync(journal, 'utf8');
    writeFileSync(journal, `${lines}{"boot":"x","kind":"sys`);
    must(scene.host().recover());
    scene.closeTun();
    assert.deepEqual(hostState(scene.resolvConf), scene.before);

    // After a reboot the rules with our numbers, should there be any, are not ours; the file still is.
    writeFileSync(journal, lines.replaceAll(/"boot":"[^"]*"/g, '"boot":"another"'));
    writeFileSync(
      scene.resolvConf,
      (/"after":("(?:[^"\\]|\\.)*"),?\}?\n?$/m.exec(lines.split('\n').find((line) => line.includes('"kind":"file"')) ?? '') ?? [
        '',
        '""',
      ])[1].replace(/^.*$/s, (text) => JSON.parse(text)),
    );
    run('ip', 'rule', 'add', 'not', 'fwmark', '0x5a11', 'lookup', '23057', 'priority', '5210');
    const changes = must(scene.host().recover());
    assert.equal(changes.length, 1);
    assert.match(changes[0], /resolv\.conf restored/);
    assert.equal(ip('rule').filter(({ priority }) => priority === 5210).length, 1);
    run('ip', 'rule', 'del', 'priority', '5210');
    assert.deepEqual(hostState(scene.resolvConf), scene.before);
  });
}
