/** The computer's own resolver where name servers are silent: what it waits for in vain keeps nobody else waiting. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { resolveGateway } from '../../core/helper/gatewayPath.ts';
import { superviseEngine } from '../../core/helper/monitorEngine.ts';
import { isolated, run } from './isolated.ts';
import { until } from './monitorScene.ts';

/** In the engine's place: three tries for each of two names where nobody answers, then another network, whose name server does. */
const engine = (folder: string, core: string) => `
  import { writeFileSync } from 'node:fs';
  import { createSocket } from 'node:dgram';
  import { resolveGateway } from '${core}/helper/gatewayPath.ts';
  const server = createSocket('udp4');
  server.on('message', (query, { port, address }) => {
    const end = query.indexOf(0, 12) + 5;
    const found = query.readUInt16BE(end - 4) === 1;
    const answer = Buffer.concat([query.subarray(0, end), Buffer.from(found ? 'c00c000100010000003c0004c6336407' : '', 'hex')]);
    answer.writeUInt16BE(0x8180, 2);
    answer.writeUInt16BE(found ? 1 : 0, 6);
    answer.writeUInt32BE(0, 8);
    server.send(answer, port, address);
  });
  server.bind(53, '127.0.0.1', async () => {
    for (let i = 0; i < 3; i++) for (const name of ['first.test', 'second.test']) void resolveGateway(name, 500);
    await new Promise((resolve) => setTimeout(resolve, 500));
    writeFileSync('${folder}/resolv.conf', 'nameserver 127.0.0.1\\n');
    writeFileSync('${folder}/found', JSON.stringify(await resolveGateway('first.test', 4_000)));
  });`;

if (isolated(import.meta.url)) {
  // There, and silent: what nobody is there for is told at once.
  run('ip', 'link', 'set', 'lo', 'up');
  run('ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'far0');
  for (const device of ['eth0', 'far0']) run('ip', 'link', 'set', device, 'up');
  run('ip', 'address', 'add', '192.0.2.7/24', 'dev', 'eth0');
  run('ip', 'address', 'add', '2001:db8::7/64', 'dev', 'eth0', 'nodad');
  run('ip', 'neigh', 'add', '192.0.2.53', 'lladdr', '02:00:00:00:00:01', 'dev', 'eth0');

  test('of a name with many addresses no family is left out', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-names-'));
    const hosts = join(folder, 'hosts');
    const addresses = [...Array.from({ length: 12 }, (_, i) => `2001:db8::${i + 10}`), '192.0.2.10', '192.0.2.11'];
    writeFileSync(hosts, addresses.map((address) => `${address} many.test\n`).join(''));
    run('mount', '--bind', hosts, '/etc/hosts');
    try {
      const found = await resolveGateway('many.test');
      assert.ok(found.ok);
      const families = found.value.map(({ family }) => family);
      assert.equal(families[0], 6, 'as the resolver sorts them');
      assert.deepEqual(
        [families.filter((family) => family === 6).length, families.filter((family) => family === 4).length],
        [8, 2],
      );
    } finally {
      run('umount', '/etc/hosts');
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('a name server that is silent about IPv6 keeps nobody from IPv4', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-names-'));
    writeFileSync(join(folder, 'resolv.conf'), 'nameserver 127.0.0.1\n');
    run('mount', '--bind', join(folder, 'resolv.conf'), '/etc/resolv.conf');
    const server = createSocket('udp4');
    server.on('message', (query, { port, address }) => {
      const end = query.indexOf(0, 12) + 5;
      if (query.readUInt16BE(end - 4) !== 1) return;
      const answer = Buffer.concat([query.subarray(0, end), Buffer.from('c00c000100010000003c0004c6336407', 'hex')]);
      answer.writeUInt16BE(0x8180, 2);
      answer.writeUInt16BE(1, 6);
      answer.writeUInt32BE(0, 8);
      server.send(answer, port, address);
    });
    try {
      await new Promise<void>((resolve) => server.bind(53, '127.0.0.1', resolve));
      const found = await resolveGateway('first.test');
      assert.deepEqual(found.ok && found.value, [{ address: '198.51.100.7', family: 4 }]);
    } finally {
      server.close();
      run('umount', '/etc/resolv.conf');
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('a network whose name servers are silent does not keep the next one waiting', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-names-'));
    const script = join(folder, 'engine.mjs');
    const found = join(folder, 'found');
    const resolvConf = join(folder, 'resolv.conf');
    writeFileSync(resolvConf, 'nameserver 192.0.2.53\n');
    writeFileSync(script, engine(folder, new URL('../../core', import.meta.url).pathname));
    run('mount', '--bind', resolvConf, '/etc/resolv.conf');
    const rpcFd = openSync('/dev/null', 'r');
    const supervised = superviseEngine({
      ...{ script, args: [], rpcFd, lockPath: join(folder, 'lock') },
      ...{ log: () => {}, onMessage: () => true, onGone: () => {} },
    });
    try {
      await until('an answer', () => existsSync(found) || undefined);
      assert.deepEqual(JSON.parse(readFileSync(found, 'utf8')).value, [{ address: '198.51.100.7', family: 4 }]);
    } finally {
      await supervised.stop();
      closeSync(rpcFd);
      run('umount', '/etc/resolv.conf');
      rmSync(folder, { recursive: true, force: true });
    }
  });
}
