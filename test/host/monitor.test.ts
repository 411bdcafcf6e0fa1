import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { LIMITS } from '../../core/helper/monitorContract.ts';
import { hostState, ip, isolated, run } from './isolated.ts';
import { alive, here, plan, Scene, until } from './monitorScene.ts';

if (isolated(import.meta.url)) {
  run('ip', 'link', 'set', 'lo', 'up');

  test('the engine runs without a privilege, on the descriptors it was given, with a bare environment', async () => {
    await using scene = new Scene();
    await scene.start();
    const who = await scene.ask({ do: 'who' });
    const status = String(who.status);
    assert.match(status, /^Uid:\s+61184\s+61184\s+61184\s+61184$/m);
    assert.match(status, /^CapEff:\s+0+$/m);
    assert.match(status, /^NoNewPrivs:\s+1$/m);
    assert.deepEqual(Object.keys(Object(who.env)).sort(), [
      'LANG',
      'MALLOC_ARENA_MAX',
      ...('NODE_COMPILE_CACHE' in process.env ? ['NODE_COMPILE_CACHE'] : []),
      'PATH',
      'UV_THREADPOOL_SIZE',
    ]);
    assert.deepEqual(who.args, [
      '--state-dir',
      join(scene.folder, 'state', 'engine'),
      '--engine-uid',
      '61184',
      '--engine-gid',
      '61184',
      '--log-level',
      'debug',
    ]);
    const modes = (path: string): string => run('stat', '-c', '%a %u %g', join(scene.folder, path)).trim();
    assert.equal(modes('run'), '755 0 0');
    assert.equal(modes('run/sallyport.sock'), '666 0 0');
    assert.equal(modes('state'), '755 0 0');
    assert.equal(modes('state/engine'), '700 61184 61184');
    assert.equal(modes('state/monitor'), '700 0 0');
    assert.equal(modes('state/monitor/journal'), '600 0 0');
  });

  test('descriptors arrive and work; the device is the engine’s alone and goes when it closes it', async () => {
    await using scene = new Scene();
    await scene.start();
    const tun = await scene.ask({ do: 'open-tun', mtu: 1400 });
    assert.deepEqual([tun.ok, Object(tun.value).name], [true, 'sally0']);
    const bound = await scene.ask({ do: 'bind-udp', family: 4, port: 0 });
    assert.equal(bound.ok, true);
    const { port } = Object(bound.value);
    assert(port > 0);
    assert.deepEqual(bound.name, { address: '0.0.0.0', port });
    const v6 = await scene.ask({ do: 'bind-udp', family: 6, port: 4500 });
    assert.deepEqual(v6.name, { address: '::', port: 4500 });
    assert.match(run('ss', '-u', '-a', '-n', '-e', 'sport', '=', String(port)), /fwmark:0x5a11/);
    assert.equal(Object((await scene.ask({ do: 'open-tun' })).value).name, 'sally1');
    assert.equal((await scene.ask({ do: 'close' })) as unknown, 'closed');
    await until('the device to go', () => ip('link').length === 1);
  });

  test('a connection is started, marked, and waited for by the engine: the first port that takes it', async () => {
    const address = '10.99.98.1';
    ip('address', 'add', `${address}/32`, 'dev', 'lo');
    const server = createServer((socket) => socket.unref().resume()).listen(0, address);
    const silent = createServer().listen(0, address);
    await Promise.all([once(server, 'listening'), once(silent, 'listening')]);
    const port = Object(server.address()).port;
    const closed = Object(silent.address()).port;
    await new Promise((done) => silent.close(done));
    await using scene = new Scene();
    await scene.start();
    const began = performance.now();
    // A port that is silent keeps the next waiting for half a second.
    const connected = await scene.ask({ do: 'connect-tcp', address, ports: [...Array(6).fill(closed), port] });
    assert.equal(connected.ok, true, JSON.stringify(connected));
    assert.ok(performance.now() - began < 2_500, 'a port that is refused does not keep the next waiting');
    const { local, port: taken } = Object(connected.value);
    assert.equal(taken, port);
    assert.equal(local.address, address);
    const sockets = run('ss', '-t', '-n', '-e', 'sport', '=', String(local.port));
    assert.match(sockets, /ESTAB.*fwmark:0x5a11/);
    const refused = await scene.ask({ do: 'connect-tcp', address, ports: [closed] });
    assert.match(String(refused.error), /ECONNREFUSED/);
    // Whose packets nobody takes: it is given up, and the descriptor is not kept.
    run('nft', 'add', 'table', 'inet', 'silence');
    run('nft', 'add', 'chain', 'inet', 'silence', 'in', '{ type filter hook input priority 0; }');
    run('nft', 'add', 'rule', 'inet', 'silence', 'in', 'tcp', 'dport', String(closed), 'drop');
    const patient = await scene.ask({ do: 'connect-tcp', address, ports: [closed], within: 300 });
    assert.match(String(patient.error), /no answer/);
    run('nft', 'delete', 'table', 'inet', 'silence');
    assert.equal(run('ss', '-t', '-n', '-H', 'state', 'syn-sent').trim(), '');
    server.close();
    ip('address', 'del', `${address}/32`, 'dev', 'lo');
  });

  test('offloads and queues as asked for, and the engine is told what the device got', async () => {
    await using scene = new Scene();
    await scene.start();
    const open = async (wanted: object): Promise<readonly [features: unknown, queues: number]> => {
      const { features, fds, fd } = Object((await scene.ask({ do: 'open-tun', ...wanted })).value);
      assert.equal(fds[0], fd);
      assert.equal(new Set(fds).size, fds.length);
      return [features, fds.length];
    };
    const features = { headers: true, tcp: true, udp: true };
    assert.deepEqual(await open({}), [{ headers: false, tcp: false, udp: false }, 1]);
    assert.deepEqual(await open({ offload: 'all', queues: 8 }), [features, 8]);
    assert.deepEqual(await open({ offload: 'tcp', queues: 2 }), [{ ...features, udp: false }, 2]);
    assert.match(run('ip', '-d', 'link', 'show', 'sally1'), /vnet_hdr on multi_queue numqueues 8/);
    await scene.ask({ do: 'close' });
    await until('the devices to go', () => ip('link').length === 1);
  });

  test('a port in use: who uses it', async () => {
    await using scene = new Scene();
    await scene.start();
    const script = "require('node:dgram').createSocket('udp4').bind(500, () => console.log('bound'))";
    const other = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(other.stdout, 'data');
    const bound = await scene.ask({ do: 'bind-udp', family: 4, port: 500 });
    other.kill();
    assert.deepEqual(bound, {
      ok: false,
      error: { code: 'port-in-use', detail: `UDP port 500 is used by node (pid ${other.pid})` },
    });
  });

  test('apply, apply again, revert; SIGTERM reverts and ends with 0', async () => {
    await using scene = new Scene();
    await scene.start();
    await scene.up();
    assert.equal(ip('route', 'get', '203.0.113.1')[0].dev, 'sally0');
    assert.deepEqual(await scene.ask({ do: 'apply', plan }), { ok: true, value: [] });
    assert.equal((await scene.ask({ do: 'revert' })).ok, true);
    assert.deepEqual(await scene.ask({ do: 'revert' }), { ok: true, value: [] });
    await scene.ask({ do: 'close' });
    assert.deepEqual(hostState(scene.resolvConf), scene.before);
    await scene.up();
    assert.notDeepEqual(hostState(scene.resolvConf), scene.before);
    assert.equal(await scene.end('SIGTERM'), 0);
    assert.deepEqual(hostState(scene.resolvConf), scene.before);
    assert.equal(existsSync(scene.socket), false);
  });

  test('what is outside the closed set is refused, and the conversation goes on', async () => {
    await using scene = new Scene();
    await scene.start();
    await scene.ask({ do: 'open-tun' });
    const refused = async (order: object): Promise<void> => {
      const answer = await scene.ask(order);
      assert.equal(answer.ok, false, JSON.stringify(order));
      assert.equal(Object(answer.error).code, 'refused');
      assert.match(Object(answer.error).detail, /^refused: /);
    };
    const pid = await scene.enginePid();
    for (const mtu of [575, 9001, 1400.5, -1]) await refused({ do: 'open-tun', mtu });
    for (const offload of ['', 'udp', 'ALL', null, 1]) await refused({ do: 'open-tun', offload });
    for (const queues of [0, 9, 1.5, '2', null]) await refused({ do: 'open-tun', queues });
    for (const port of [1, 53, 501, 65536, -4500]) await refused({ do: 'bind-udp', family: 4, port });
    await refused({ do: 'bind-udp', family: 5, port: 0 });
    for (const [address, port] of [
      ['192.0.2.1', 0],
      ['192.0.2.1', 65_536],
      ['192.0.2.1', '443'],
      ['127.0.0.1', 443],
      ['::1', 443],
      ['224.0.0.1', 443],
      ['fe80::1', 443],
      ['vpn.office.test', 443],
    ]) {
      const answer = await scene.ask({ do: 'connect-tcp', address, ports: [port] });
      assert.equal(answer.ok, false);
      assert.match(String(answer.error), /refused: /, JSON.stringify([address, port]));
    }
    const planWith = (change: object): object => ({ do: 'apply', plan: { ...plan, ...change } });
    const device = (change: object): object => planWith({ interface: { ...plan.interface, ...change } });
    for (const name of ['lo', 'eth0', 'sally1', '', '../sally0', 'sally0\0']) await refused(device({ name }));
    for (const address of [
      '127.0.0.1',
      '0.0.0.0',
      '224.0.0.1',
      '255.255.255.255',
      '::1',
      '::',
      'ff02::1',
      'fe80::1',
      '::ffff:10.0.0.1',
      'x',
      '10.0.0',
      7,
    ]) {
      await refused(device({ addresses: [{ address, prefix: 32 }] }));
      await refused(planWith({ dns: { ...plan.dns, servers: [address] } }));
    }
    for (const prefix of [0, 33, -1, 1.5, '32']) await refused(device({ addresses: [{ address: '10.0.0.1', prefix }] }));
    await refused(device({ addresses: [] }));
    await refused(device({ mtu: 1279, addresses: [{ address: '2001:db8::1', prefix: 128 }] }));
    await refused(device({ extra: 1 }));
    for (const route of [
      '127.0.0.0/8',
      '127.1.0.0/16',
      '224.0.0.0/4',
      '240.0.0.0/5',
      '::1/128',
      'ff00::/8',
      'fe80::/64',
      '10.0.0.1/8',
      '10.0.0.0/33',
      '10.0.0.0',
      '10.0.0.0/08',
      'default',
      '',
    ]) {
      await refused(planWith({ routes: [route] }));
    }
    await refused(planWith({ routes: Array.from({ length: LIMITS.routes + 1 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`) }));
    await refused(planWith({ routes: 'all' }));
    await refused(planWith({ dns: { ...plan.dns, servers: Array.from({ length: 17 }, (_, i) => `10.0.0.${i + 1}`) } }));
    for (const domain of [
      '',
      '.',
      'a..b',
      '-a.test',
      'a-.test',
      'a b',
      'a\nnameserver 6.6.6.6',
      'ä.test',
      `${'a'.repeat(64)}.test`,
      Array(128).fill('ab').join('.'),
    ]) {
      await refused(planWith({ dns: { ...plan.dns, searchDomains: [domain] } }));
      await refused(planWith({ dns: { ...plan.dns, matchDomains: [domain] } }));
    }
    await refused(planWith({ rules: [] }));
    for (const whenLost of ['open', 'end', '', true, null]) await refused(planWith({ whenLost }));
    await refused(planWith({ dns: { servers: ['10.0.0.1'] } }));
    assert.equal(await scene.enginePid(), pid, 'no refusal costs the engine its life');
    assert.match(scene.log, /"text":"command not carried out".*refused: interface is not ours/);
    await scene.ask({ do: 'close' });
    assert.deepEqual(hostState(scene.resolvConf), scene.before);
  });

  for (const [name, text] of [
    ['no JSON', '{'],
    ['JSON that is no command', '[]'],
    ['no number to answer to', '{"command":"revert"}'],
    ['an infinite number', '{"id":1e999,"command":"revert"}'],
    ['too long a message', ' '.repeat(256 * 1024 + 1)],
  ] as const) {
    test(`${name} costs the engine its life, the host is put back, another one comes`, async () => {
      await using scene = new Scene();
      await scene.start();
      const first = await scene.enginePid();
      await scene.up();
      await scene.order({ do: 'raw', text });
      await scene.enginePid(first);
      assert.match(scene.log, /the engine sent something that is no command: it is killed/);
      assert.deepEqual(hostState(scene.resolvConf), scene.before);
    });
  }

  test('unknown commands and fields are refused to a raw speaker too', async () => {
    await using scene = new Scene();
    await scene.start();
    const pid = await scene.enginePid();
    // The client knows no such request, so it takes the answer for an offence and the engine ends itself: the monitor did not kill it.
    await scene.order({ do: 'raw', text: '{"id":990,"command":"exec","path":"/bin/sh"}' });
    await scene.enginePid(pid);
    assert.match(scene.log, /refused: unknown command/);
    const second = await scene.enginePid();
    await scene.order({ do: 'raw', text: '{"id":991,"command":"revert","force":true}' });
    await scene.enginePid(second);
    assert.match(scene.log, /refused: unknown field/);
    assert.doesNotMatch(scene.log, /it is killed/);
  });

  test('kill -9 of the engine: the host is put back, then the next engine serves', async () => {
    await using scene = new Scene();
    await scene.start();
    for (let round = 0; round < 3; round++) {
      const pid = await scene.enginePid();
      await scene.up();
      process.kill(pid, 'SIGKILL');
      await scene.enginePid(pid);
      assert.deepEqual(hostState(scene.resolvConf), scene.before);
    }
  });

  test('kill -9 of the monitor: the engine ends by itself, the next monitor puts the host back', async () => {
    await using scene = new Scene();
    await scene.start();
    const pid = await scene.enginePid();
    await scene.up();
    await scene.end('SIGKILL');
    assert.notDeepEqual(hostState(scene.resolvConf), scene.before);
    await scene.start();
    assert.notEqual(await scene.enginePid(), pid);
    assert.equal(alive(pid), false);
    assert.deepEqual(hostState(scene.resolvConf), scene.before);
    await scene.up();
  });

  test('an old engine that hangs is killed by the next monitor before it starts its own', async () => {
    await using scene = new Scene();
    await scene.start();
    const pid = await scene.enginePid();
    await scene.up();
    process.kill(pid, 'SIGSTOP');
    await scene.end('SIGKILL');
    await scene.start();
    assert.equal(alive(pid), false);
    assert.match(scene.log, /an old engine is killed/);
    assert.deepEqual(hostState(scene.resolvConf), scene.before);
  });

  test('--repair puts the host back after a monitor that is gone, and keeps its hands off one that works', async () => {
    await using scene = new Scene();
    assert.deepEqual(scene.repair(), { status: 0, told: { repaired: true, changes: [] } });
    await scene.start();
    assert.deepEqual(scene.repair(), { status: 0, told: { repaired: true, changes: [] } });
    await scene.up();
    assert.deepEqual(scene.repair(), { status: 1, told: { repaired: false, error: 'another monitor is running' } });
    await scene.end('SIGKILL');
    const { status, told } = scene.repair();
    assert.equal(status, 0);
    assert(typeof told === 'object' && told !== null && 'changes' in told && Array.isArray(told.changes));
    assert(
      told.changes.some((change) => /resolv\.conf restored/.test(change)),
      JSON.stringify(told),
    );
    await until('the device to go with its engine', () => ip('link').length === 1);
    assert.deepEqual(hostState(scene.resolvConf), scene.before);
  });

  test('a second monitor does not start; folders that others can write are not used', async () => {
    await using scene = new Scene();
    await scene.start();
    const second = spawnSync(process.execPath, [here('./monitorHarness.ts'), scene.folder, here('./fakeEngine.ts')], {
      encoding: 'utf8',
    });
    assert.equal(second.status, 1);
    assert.match(second.stderr, /another monitor is running/);
    await scene.end('SIGTERM');
    chmodSync(join(scene.folder, 'run'), 0o777);
    const third = spawnSync(process.execPath, [here('./monitorHarness.ts'), scene.folder, here('./fakeEngine.ts')], {
      encoding: 'utf8',
    });
    assert.equal(third.status, 1);
    assert.match(third.stderr, /must belong to root and be writable by root only/);
    assert.equal(statSync(join(scene.folder, 'run')).mode & 0o777, 0o777, 'it is not changed either');
  });

  test('the uid stays the same from start to start', async () => {
    await using scene = new Scene();
    mkdirSync(join(scene.folder, 'state', 'engine'), { recursive: true });
    chmodSync(join(scene.folder, 'state'), 0o755);
    run('chown', '61200:61200', join(scene.folder, 'state', 'engine'));
    await scene.start();
    assert.match(String((await scene.ask({ do: 'who' })).status), /^Uid:\s+61200\s/m);
  });

  test('an engine that cannot start is tried again, later and later, and the monitor still ends at once', async () => {
    await using scene = new Scene();
    const broken = join(scene.folder, 'broken.mjs');
    writeFileSync(broken, 'process.exit(3)\n');
    const monitor = spawn(process.execPath, [here('./monitorHarness.ts'), scene.folder, broken], {
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    scene.monitor = monitor;
    monitor.stderr.on('data', (data) => {
      scene.log += String(data);
    });
    const delays = await until('three attempts', () => {
      const found = [...scene.log.matchAll(/"afterMs":([0-9]+)/g)].map(([, delay]) => Number(delay));
      return found.length >= 3 ? found : undefined;
    });
    assert.deepEqual(delays.slice(0, 3), [100, 200, 400]);
    assert.equal(await scene.end('SIGTERM'), 0);
  });

  test('latency of each command, told and not judged', async () => {
    await using scene = new Scene();
    await scene.start();
    const figures = new Map<string, number[]>();
    for (let i = 0; i < 20; i++) {
      for (const order of [
        { do: 'open-tun' },
        { do: 'bind-udp', family: 4, port: 500 },
        { do: 'apply', plan },
        { do: 'revert' },
      ]) {
        const told = await scene.order(order);
        assert.equal(told?.answer.ok, true);
        figures.set(order.do, [...(figures.get(order.do) ?? []), told.ms]);
      }
      await scene.ask({ do: 'close' });
    }
    for (const [name, values] of figures) {
      values.sort((a, b) => a - b);
      console.log(`${name}: median ${values[10].toFixed(2)} ms, worst ${values[19].toFixed(2)} ms`);
    }
  });

  // Kept last: what was recorded must be there for whoever reads a failure.
  test('nothing of ours is left in the journal of a scene that ended', async () => {
    const scene = new Scene();
    await scene.start();
    await scene.up();
    await scene.end('SIGTERM');
    assert.equal(readFileSync(join(scene.folder, 'state', 'monitor', 'journal'), 'utf8'), '');
    await scene[Symbol.asyncDispose]();
  });
}
