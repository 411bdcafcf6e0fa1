/**
 * The real kernel's TUN offloads: what one device hands out with its virtio header is what another, in another namespace, is given, so
 * a transfer between them shows both directions, super-packets and checksums included.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { closeSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { datagramBatch } from '../../../core/dataplane/datagrams.ts';
import { plainMemory } from '../../../core/ip/packetMemory.ts';
import { gsoNone, gsoTcpv4, gsoTcpv6, gsoUdp, needsChecksum, VirtioHeader, virtioHeaderBytes } from '../../../core/ip/virtio.ts';
import { packSockaddr } from '../../../core/system/linux/sockaddr.ts';
import { LinuxTun, openTun, type TunOptions } from '../../../core/system/linux/tun.ts';
import { LinuxUdp, openUdp, prepareUdp } from '../../../core/system/linux/udp.ts';
import { isolated, neighbour, run } from '../../host/isolated.ts';
import { cut, fillDatagrams, pattern } from './datagrams.ts';

if (isolated(import.meta.url)) {
  const memory = plainMemory(1 << 20);
  const room = 65_535 + virtioHeaderBytes;

  interface Seen {
    readonly octets: number;
    readonly gsoType: number;
    readonly gsoSize: number;
    readonly flags: number;
    /** IPv4 with UDP in it. */
    readonly udp: boolean;
  }

  /** Two hosts with a device each, and everything carried between them; `seen` is what the near one handed out. */
  async function joined(offload: TunOptions['offload'], work: (seen: Seen[]) => Promise<void>): Promise<void> {
    using far = neighbour();
    const near = openTun('near', { offload });
    const other = openTun('far', { offload });
    assert(near.ok && other.ok);
    run('ip', 'link', 'set', 'far', 'netns', `${far.pid}`);
    run('ip', 'address', 'add', '10.3.0.1/24', 'dev', 'near');
    run('ip', 'address', 'add', '2001:db8:3::1/64', 'dev', 'near', 'nodad');
    run('ip', 'link', 'set', 'near', 'up', 'mtu', '1400');
    far.run('ip', 'address', 'add', '10.3.0.2/24', 'dev', 'far');
    far.run('ip', 'address', 'add', '2001:db8:3::2/64', 'dev', 'far', 'nodad');
    far.run('ip', 'link', 'set', 'far', 'up', 'mtu', '1400');
    far.spawn(process.execPath, '-e', farEnd);
    const seen: Seen[] = [];
    const carrying = carry(near.value.tun, other.value.tun, seen);
    try {
      await work(seen);
    } finally {
      await carrying.stop();
      for (const fd of [near.value.fd, other.value.fd]) closeSync(fd);
    }
  }

  /** TCP: reads 4 MiB and answers their SHA-256. UDP: answers the length and first octet of each datagram. */
  const farEnd = `
    const { createHash } = require('node:crypto');
    require('node:net').createServer((socket) => {
      const hash = createHash('sha256');
      let left = 4 << 20;
      socket.on('error', () => {});
      socket.on('data', (data) => {
        hash.update(data);
        left -= data.length;
        if (left === 0) socket.end(hash.digest('hex'));
      });
    }).listen(7000, '::');
    const udp = require('node:dgram').createSocket('udp6');
    udp.on('message', (bytes, { address, port }) => udp.send(bytes.length + ' ' + bytes[0], port, address));
    udp.bind(7000, '::');`;

  function carry(near: LinuxTun, far: LinuxTun, seen: Seen[]): { stop(): Promise<void> } {
    let stopped = false;
    const header = new VirtioHeader();
    const pieces = { offset: new Uint32Array(128), length: new Uint32Array(128), count: 0 };
    const pass = (from: LinuxTun, to: LinuxTun): number => {
      const length = from.read(memory, 100, room);
      if (length <= 0) return length;
      // In pieces of odd sizes, the header's end inside one of them.
      const size = Math.max(7, Math.ceil(length / 100));
      pieces.count = 0;
      for (let at = 0; at < length; at += size) {
        pieces.offset[pieces.count] = 100 + at;
        pieces.length[pieces.count++] = Math.min(size, length - at);
      }
      assert(to.write(memory, pieces));
      if (from !== near) return length;
      if (from.features.headers) header.read(memory.bytes, 100);
      const skipped = from.features.headers ? virtioHeaderBytes : 0;
      const octets = length - skipped;
      const udp = memory.bytes[100 + skipped] === 0x45 && memory.bytes[100 + skipped + 9] === 17;
      seen.push({ octets, gsoType: header.gsoType, gsoSize: header.gsoSize, flags: header.flags, udp });
      return length;
    };
    const done = (async () => {
      while (!stopped) {
        while (pass(near, far) > 0);
        while (pass(far, near) > 0);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    return {
      stop: () => {
        stopped = true;
        return done;
      },
    };
  }

  async function transfer(host: string): Promise<void> {
    const bytes = pattern(4 << 20);
    for (let attempt = 0; ; attempt++) {
      const answer = await new Promise<string>((resolve) => {
        let text = '';
        const socket = connect(7000, host, () => socket.write(bytes));
        socket.on('data', (data) => (text += String(data)));
        socket.on('error', (error) => resolve(error.message));
        socket.on('end', () => resolve(text));
      });
      if (/^[0-9a-f]{64}$/.test(answer)) return assert.equal(answer, createHash('sha256').update(bytes).digest('hex'));
      if (attempt === 800) assert.fail(answer);
      await sleep(50); // the far end is not there yet
    }
  }

  async function datagrams(offset: number): Promise<string[]> {
    const opened = openUdp({ family: 4, port: 0, address: '10.3.0.1' });
    const to = packSockaddr({ address: '10.3.0.2', port: 7000 });
    assert(opened.ok && to !== undefined);
    const { fd } = opened.value;
    const socket = new LinuxUdp(fd, prepareUdp(fd, 4));
    const out = datagramBatch(1, 500_000, 65_536);
    fillDatagrams(memory, out, [{ bytes: pattern(1000 * 20 + 50, offset), segment: 1000 }]);
    assert.equal(socket.send(memory, out, to), 1);
    const into = datagramBatch(32, 600_000, 1000);
    const answers: string[] = [];
    for (let i = 0; i < 2_000 && answers.length < 21; i++) {
      await sleep(10);
      const count = socket.receive(memory, into);
      for (let slot = 0; slot < count; slot++) {
        const size = into.segment[slot] || into.length[slot];
        for (let at = 0; at < into.length[slot]; at += size) {
          const from = into.offset[slot] + at;
          answers.push(Buffer.from(memory.bytes.slice(from, from + Math.min(size, into.length[slot] - at))).toString());
        }
      }
    }
    closeSync(fd);
    return answers;
  }

  const answersOf = (offset: number): string[] =>
    cut(pattern(1000 * 20 + 50, offset), 1000).map((bytes) => `${bytes.length} ${bytes[0]}`);

  test('all offloads: packets of many segments both ways, for TCP over IPv4 and IPv6 and for UDP', () =>
    joined('all', async (seen) => {
      await transfer('10.3.0.2');
      const v4 = seen.filter(({ gsoType }) => gsoType === gsoTcpv4);
      assert(v4.length > 10 && v4.some(({ octets }) => octets > 30_000), JSON.stringify(v4.slice(-5)));
      // MTU 1400 without 20 of IP, 20 of TCP and 12 of timestamps.
      assert(v4.every(({ gsoSize, flags }) => gsoSize === 1348 && flags === needsChecksum));
      await transfer('2001:db8:3::2');
      const v6 = seen.filter(({ gsoType }) => gsoType === gsoTcpv6);
      assert(v6.length > 10 && v6.every(({ gsoSize }) => gsoSize === 1328), JSON.stringify(v6.slice(-5)));
      seen.length = 0;
      assert.deepEqual((await datagrams(5)).sort(), answersOf(5).sort());
      assert.deepEqual(
        seen.filter(({ udp }) => udp),
        [{ octets: 28 + 20_050, gsoType: gsoUdp, gsoSize: 1000, flags: needsChecksum, udp: true }],
      );
    }));

  test('TCP only: the kernel cuts UDP itself', () =>
    joined('tcp', async (seen) => {
      await transfer('10.3.0.2');
      assert(seen.some(({ gsoType, octets }) => gsoType === gsoTcpv4 && octets > 30_000));
      seen.length = 0;
      assert.deepEqual((await datagrams(6)).sort(), answersOf(6).sort());
      assert.deepEqual(
        seen.filter(({ udp }) => udp).map(({ octets, gsoType }) => [octets, gsoType]),
        [...Array(20).fill([1028, gsoNone]), [78, gsoNone]],
      );
    }));

  test('no offloads: plain packets that fit the MTU', () =>
    joined('none', async (seen) => {
      await transfer('10.3.0.2');
      await transfer('2001:db8:3::2');
      assert(seen.length > 6000 && seen.every(({ octets }) => octets <= 1400));
      assert.deepEqual((await datagrams(7)).sort(), answersOf(7).sort());
    }));

  test('features are what the device has', () => {
    for (const [offload, features] of [
      ['all', { headers: true, tcp: true, udp: true }],
      ['tcp', { headers: true, tcp: true, udp: false }],
      ['none', { headers: false, tcp: false, udp: false }],
      [undefined, { headers: false, tcp: false, udp: false }],
    ] as const) {
      const opened = openTun('sally5', { offload });
      assert(opened.ok);
      assert.deepEqual(opened.value.features, features);
      assert.deepEqual(opened.value.tun.features, features);
      const told = run('ip', '-d', 'link', 'show', 'sally5');
      assert.match(told, features.headers ? /vnet_hdr on/ : /vnet_hdr off/);
      assert.doesNotMatch(told, /multi_queue/);
      closeSync(opened.value.fd);
    }
  });

  test('queues: each has its descriptor, together one device', async () => {
    const opened = openTun('sally6', { offload: 'all', queues: 4 });
    assert(opened.ok);
    const { fds } = opened.value;
    assert.equal(new Set(fds).size, 4);
    assert.equal(fds[0], opened.value.fd);
    assert.match(run('ip', '-d', 'link', 'show', 'sally6'), /vnet_hdr on multi_queue numqueues 4/);
    run('ip', 'address', 'add', '10.4.0.1/24', 'dev', 'sally6');
    run('ip', 'link', 'set', 'sally6', 'up');
    const queues = fds.map((fd) => new LinuxTun(fd, opened.value.features));
    const drain = (tun: LinuxTun): number => {
      let count = 0;
      for (let length = tun.read(memory, 0, room); length > 0; length = tun.read(memory, 0, room)) {
        if (memory.bytes[virtioHeaderBytes] === 0x45) count += 1;
      }
      return count;
    };
    for (const queue of queues) drain(queue);
    // Flows are spread, and none is torn apart.
    const sockets = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const socket = createSocket('udp4');
        for (let i = 0; i < 3; i++) await new Promise((resolve) => socket.send('x', 9, '10.4.0.2', resolve));
        return socket;
      }),
    );
    const counts = queues.map(drain);
    assert.equal(
      counts.reduce((a, b) => a + b),
      120,
    );
    assert(counts.filter((count) => count > 0).length > 1 && counts.every((count) => count % 3 === 0), `${counts}`);
    for (const socket of sockets) socket.close();
    // Without the flag, or with another count of queues that was not asked for, the name is taken.
    assert(!openTun('sally6').ok);
    closeSync(fds[0]);
    assert.match(run('ip', 'link', 'show', 'sally6'), /sally6/);
    for (const fd of fds.slice(1)) closeSync(fd);
    assert.doesNotMatch(run('ip', 'link'), /sally6/);
  });

  test('nothing to read is 0, a malformed packet counts as taken and is told, a device that is gone is -1', () => {
    const opened = openTun('sally7', { offload: 'all' });
    assert(opened.ok);
    const { tun, fd } = opened.value;
    run('sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/sally7/disable_ipv6'); // the host would say hello
    run('ip', 'link', 'set', 'sally7', 'up');
    assert.equal(tun.read(memory, 0, room), 0);
    memory.bytes.fill(0, 0, 100);
    const pieces = { offset: Uint32Array.of(0, 10), length: Uint32Array.of(10, 20), count: 2 };
    assert.deepEqual([tun.write(memory, pieces), tun.refused], [true, true], 'neither IPv4 nor IPv6');
    pieces.count = 1;
    pieces.length[0] = 5;
    assert.deepEqual([tun.write(memory, pieces), tun.refused], [true, true], 'half a virtio header');
    pieces.length[0] = 10;
    memory.bytes[1] = 77;
    assert.deepEqual([tun.write(memory, pieces), tun.refused], [true, true], 'no such kind of super-packet');
    const many = { offset: new Uint32Array(129), length: new Uint32Array(129), count: 129 };
    assert.throws(() => tun.write(memory, many), RangeError);
    run('ip', 'link', 'delete', 'sally7');
    assert.equal(tun.read(memory, 0, room), -1);
    pieces.count = 2;
    assert.deepEqual([tun.write(memory, pieces), tun.refused], [false, false]);
    closeSync(fd);
  });

  test('a failure leaves no descriptor behind', () => {
    const before = readdirSync('/proc/self/fd').length;
    const opened = openTun('sally8', { offload: 'all', queues: 2 });
    assert(opened.ok);
    assert(!openTun('sally8', { offload: 'all' }).ok, 'one that is not of many queues');
    assert(!openTun('sally8/', { offload: 'all', queues: 3 }).ok);
    for (const fd of opened.value.fds) closeSync(fd);
    assert.equal(readdirSync('/proc/self/fd').length, before);
  });
}
