import assert from 'node:assert/strict';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { HostPlan } from '../../core/system/ports.ts';
import { full, must, Scene, split } from './hostScene.ts';
import { hostState, isolated, run } from './isolated.ts';

if (isolated(import.meta.url)) {
  run('ip', 'link', 'set', 'lo', 'up');

  test('resolv.conf: a symbolic link comes back as one', () => {
    using scene = new Scene((self) => {
      writeFileSync(join(self.folder, 'managed'), 'nameserver 192.168.7.1\n');
      symlinkSync('../managed', self.resolvConf);
    });
    scene.open();
    const host = scene.host();
    must(host.apply(full));
    assert.equal(readFileSync(join(scene.folder, 'managed'), 'utf8'), 'nameserver 192.168.7.1\n', 'the target is not written');
    assert.match(readFileSync(scene.resolvConf, 'utf8'), /nameserver 10\.99\.0\.1/);
    must(host.revert());
    scene.closeTun();
    assert.deepEqual(hostState(scene.resolvConf), scene.before);
  });

  test('resolv.conf: one that was not there goes away again; odd modes and owners come back', () => {
    for (const prepare of [
      () => undefined,
      (self: Scene) => {
        writeFileSync(self.resolvConf, '# no newline, ünïcode', { mode: 0o640 });
        run('chown', '12:34', self.resolvConf);
      },
    ]) {
      using scene = new Scene(prepare);
      scene.open();
      const host = scene.host();
      must(host.apply(full));
      must(host.revert());
      scene.closeTun();
      assert.deepEqual(hostState(scene.resolvConf), scene.before);
    }
  });

  test('resolv.conf: a bind mount is written in place, as under ip netns exec', () => {
    using scene = new Scene((self) => {
      writeFileSync(join(self.folder, 'own'), 'nameserver 192.168.7.1\n');
      writeFileSync(self.resolvConf, 'underneath\n');
      run('mount', '--bind', join(self.folder, 'own'), self.resolvConf);
    });
    try {
      scene.open();
      const host = scene.host();
      must(host.apply(full));
      assert.match(readFileSync(join(scene.folder, 'own'), 'utf8'), /nameserver 10\.99\.0\.1/);
      must(host.revert());
      scene.closeTun();
      assert.deepEqual(hostState(scene.resolvConf), scene.before);
    } finally {
      run('umount', scene.resolvConf);
    }
  });

  test('resolv.conf: what somebody else wrote meanwhile stays, and we say so', () => {
    using scene = new Scene();
    scene.open();
    const host = scene.host();
    must(host.apply(full));
    writeFileSync(scene.resolvConf, 'nameserver 192.168.7.77\n');
    const changes = must(host.revert());
    assert(changes.some((change) => /resolv\.conf left as it is: somebody else has changed it/.test(change)));
    assert.equal(readFileSync(scene.resolvConf, 'utf8'), 'nameserver 192.168.7.77\n');
    assert.equal(host.applied, false);
  });

  test('resolv.conf: a write that a crash cut off is restored', () => {
    using scene = new Scene();
    scene.open();
    must(scene.host().apply(full));
    writeFileSync(scene.resolvConf, readFileSync(scene.resolvConf, 'utf8').slice(0, 40));
    must(scene.host().recover());
    scene.closeTun();
    assert.deepEqual(hostState(scene.resolvConf), scene.before);
  });

  test('resolv.conf: too many others end in an error; what is held is held still, and the first comes back', () => {
    using scene = new Scene();
    scene.open();
    const host = scene.host();
    const label = 'x'.repeat(63);
    const others = (number: number): HostPlan => ({
      ...full,
      whenLost: 'hold',
      dns: {
        servers: ['10.99.0.1'],
        searchDomains: Array.from({ length: 64 }, (_, i) => `d${number}-${i}.${label}.${label}.${label}`),
        matchDomains: [],
      },
    });
    must(host.apply(others(0)));
    let number = 0;
    let last = host.apply(others(number));
    while (last.ok && number < 1000) last = host.apply(others(++number));
    assert.ok(number < 100, `${number}`);
    assert.deepEqual(!last.ok && last.error, {
      code: 'still-held',
      detail: 'other name servers too often: the journal is full',
    });
    assert.match(readFileSync(scene.resolvConf, 'utf8'), new RegExp(`search d${number - 1}-0`), 'the plan before is in place');
    assert.deepEqual(must(host.apply(others(number - 1))), []);
    must(host.revert());
    must(host.apply(others(number)));
    must(host.revert());
    scene.closeTun();
    assert.deepEqual(hostState(scene.resolvConf), scene.before);
  });

  test('systemd-resolved is told per link where it is in charge', () => {
    using scene = new Scene((self) => writeFileSync(self.resolvConf, 'nameserver 127.0.0.53\noptions edns0\n'));
    scene.open();
    const host = scene.host({ resolvectl: scene.program('resolvectl') });
    must(
      host.apply({
        ...split,
        dns: { servers: ['10.99.0.1', '10.99.0.2'], searchDomains: ['office.test'], matchDomains: ['corp.test'] },
      }),
    );
    assert.deepEqual(
      must(
        host.apply({
          ...split,
          dns: { servers: ['10.99.0.1', '10.99.0.2'], searchDomains: ['office.test'], matchDomains: ['corp.test'] },
        }),
      ),
      [],
    );
    assert.deepEqual(scene.calls(), [
      'resolvectl dns sally0 10.99.0.1 10.99.0.2',
      'resolvectl domain sally0 office.test ~corp.test',
      'resolvectl default-route sally0 no',
    ]);
    assert.equal(readFileSync(scene.resolvConf, 'utf8'), 'nameserver 127.0.0.53\noptions edns0\n');
    must(host.revert());
    assert.equal(scene.calls().at(-1), 'resolvectl revert sally0');
  });

  test('another device of the same name is told anew: its name servers went with the one before', () => {
    using scene = new Scene((self) => writeFileSync(self.resolvConf, 'nameserver 127.0.0.53\n'));
    scene.open();
    const host = scene.host({ resolvectl: scene.program('resolvectl') });
    must(host.apply(full));
    const told = scene.calls();
    must(host.apply(full));
    assert.deepEqual(scene.calls(), told);
    scene.closeTun();
    scene.open();
    must(host.apply(full));
    assert.deepEqual(scene.calls(), [...told, ...told]);
    must(host.revert());
  });

  test('a resolvectl that does not work is passed over for the file', () => {
    using scene = new Scene((self) => writeFileSync(self.resolvConf, 'nameserver 127.0.0.53\n'));
    scene.open();
    const host = scene.host({ resolvectl: scene.program('resolvectl', 1) });
    must(host.apply(full));
    assert.match(readFileSync(scene.resolvConf, 'utf8'), /nameserver 10\.99\.0\.1/);
    must(host.revert());
    assert.equal(readFileSync(scene.resolvConf, 'utf8'), 'nameserver 127.0.0.53\n');
  });

  test('resolvconf is used where it manages the file', () => {
    using scene = new Scene((self) => writeFileSync(self.resolvConf, '# Generated by resolvconf\nnameserver 192.168.7.1\n'));
    scene.open();
    const host = scene.host({ resolvconf: scene.program('resolvconf') });
    must(host.apply(full));
    assert.deepEqual(scene.calls(), ['resolvconf -a tun.sally0 -m 0 -x']);
    assert.match(readFileSync(join(scene.folder, 'input'), 'utf8'), /search office\.test\nnameserver 10\.99\.0\.1/);
    must(host.revert());
    assert.equal(scene.calls().at(-1), 'resolvconf -d tun.sally0');
  });
}
