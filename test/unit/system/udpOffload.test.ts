/** The real kernel's UDP segmentation, coalescing, TOS and error queue, over loopback and through a router with a narrow link. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { datagramBatch } from '../../../core/dataplane/datagrams.ts';
import { plainMemory } from '../../../core/ip/packetMemory.ts';
import { SO_SNDBUF, SOL_SOCKET } from '../../../core/system/ffi/constants.ts';
import { close } from '../../../core/system/ffi/libc.ts';
import { waitReadable } from '../../../core/system/linux/poll.ts';
import { packSockaddr, unpackSockaddr } from '../../../core/system/linux/sockaddr.ts';
import { LinuxUdp, openUdp, prepareUdp, setIntegerOption } from '../../../core/system/linux/udp.ts';
import type { UdpFeatures } from '../../../core/system/ports.ts';
import { isolated, type Neighbour, neighbour, run } from '../../host/isolated.ts';
import { cut, datagramsOf, fillDatagrams, pattern } from './datagrams.ts';

if (isolated(import.meta.url)) {
  run('ip', 'link', 'set', 'lo', 'up');
  const loopback = { 4: '127.0.0.1', 6: '::1' } as const;
  const memory = plainMemory(4 << 20);
  const into = 2 << 20;

  interface Open {
    readonly socket: LinuxUdp;
    readonly to: Uint8Array;
    readonly features: UdpFeatures;
    [Symbol.dispose](): void;
  }

  function open(family: 4 | 6, options: { readonly offload?: 'all' | 'plain'; readonly address?: string } = {}): Open {
    const { address = loopback[family], offload } = options;
    const opened = openUdp({ family, port: 0, address });
    assert(opened.ok);
    const { fd, port } = opened.value;
    const features = prepareUdp(fd, family, offload);
    const to = packSockaddr({ address, port });
    assert(to !== undefined);
    return { socket: new LinuxUdp(fd, features), to, features, [Symbol.dispose]: () => void close(fd) };
  }

  function receiveAll({ socket }: Open): Uint8Array[] {
    const batch = datagramBatch(16, into, 65_536);
    const found: Uint8Array[] = [];
    while (socket.receive(memory, batch) > 0) found.push(...datagramsOf(memory, batch));
    assert.equal(batch.count, 0);
    return found;
  }

  for (const family of [4, 6] as const) {
    test(`IPv${family}: a run goes in one entry and comes in one slot, with sizes, remainder, TOS and sender`, () => {
      using a = open(family);
      using b = open(family);
      assert.deepEqual(a.features, { segmentation: true, coalescing: true });
      const entries = [
        { bytes: pattern(1400 * 40 + 333), segment: 1400, tos: 0xb8 },
        { bytes: pattern(900, 1), tos: 2 },
        { bytes: pattern(1200 * 3, 2), segment: 1200 },
        { bytes: pattern(64, 3) },
        { bytes: pattern(1300, 4), segment: 1300, tos: 1 }, // one datagram after all
      ];
      const out = datagramBatch(8, 0, 65_536);
      fillDatagrams(memory, out, entries);
      assert.equal(a.socket.send(memory, out, b.to), 5);
      assert.equal(a.socket.lastError, '');
      const batch = datagramBatch(8, into, 65_536);
      assert.equal(b.socket.receive(memory, batch), 5);
      assert.deepEqual([...batch.segment.subarray(0, 5)], [1400, 0, 1200, 0, 0]);
      assert.deepEqual([...batch.tos.subarray(0, 5)], [0xb8, 2, 0, 0, 1]);
      for (const [i, { bytes }] of entries.entries()) {
        assert.equal(batch.offset[i], into + i * 65_536);
        assert.deepEqual(memory.bytes.slice(batch.offset[i], batch.offset[i] + batch.length[i]), bytes);
        assert.deepEqual(unpackSockaddr(batch.from.subarray(i * 28, i * 28 + 28)), unpackSockaddr(a.to));
      }
      // The same headers again, with other contents and fewer of them: nothing of the last call may be left.
      fillDatagrams(memory, out, [{ bytes: pattern(500, 9) }]);
      assert.equal(a.socket.send(memory, out, b.to), 1);
      assert.equal(b.socket.receive(memory, batch), 1);
      assert.deepEqual([batch.length[0], batch.segment[0], batch.tos[0]], [500, 0, 0]);
      assert.equal(b.socket.receive(memory, batch), 0);
    });

    test(`IPv${family}: without offloads the same octets arrive in the same datagrams`, () => {
      using a = open(family, { offload: 'plain' });
      using b = open(family, { offload: 'plain' });
      assert.deepEqual(a.features, { segmentation: false, coalescing: false });
      const long = pattern(1000 * 50 + 1);
      const out = datagramBatch(8, 0, 65_536);
      fillDatagrams(memory, out, [
        { bytes: pattern(10) },
        { bytes: long, segment: 1000, tos: 3 },
        { bytes: pattern(20) },
        { bytes: pattern(77, 1), segment: 1000 },
      ]);
      assert.equal(a.socket.send(memory, out, b.to), 4);
      assert.deepEqual([...out.length.subarray(0, 4)], [10, long.length, 20, 77], 'what was taken stays as it is');
      const batch = datagramBatch(100, into, 2048);
      assert.equal(b.socket.receive(memory, batch), 54);
      assert(batch.segment.every((segment) => segment === 0));
      assert.deepEqual([...new Set(batch.tos.subarray(1, 52))], [3]);
      assert.deepEqual(datagramsOf(memory, batch), [pattern(10), ...cut(long, 1000), pattern(20), pattern(77, 1)]);
    });
  }

  test('a receiver without coalescing gets a run as datagrams, and a slot too small says 0', () => {
    using a = open(4);
    using b = open(4, { offload: 'plain' });
    const out = datagramBatch(2, 0, 65_536);
    fillDatagrams(memory, out, [{ bytes: pattern(4200), segment: 1000 }, { bytes: new Uint8Array(0) }]);
    assert.equal(a.socket.send(memory, out, b.to), 2);
    const batch = datagramBatch(8, into, 999);
    memory.bytes.fill(0xee, into, into + 8 * 999);
    assert.equal(b.socket.receive(memory, batch), 6);
    assert.deepEqual([...batch.length.subarray(0, 6)], [0, 0, 0, 0, 200, 0]);
    assert.equal(memory.bytes[into + 5 * 999], 0xee, 'nothing was written into the next slot');
  });

  test('the kernel’s limits: 64 datagrams and 65,507 octets in one run', () => {
    using a = open(4);
    using b = open(4);
    const out = datagramBatch(1, 0, 65_536);
    fillDatagrams(memory, out, [{ bytes: pattern(64 * 1000), segment: 1000 }]);
    assert.equal(a.socket.send(memory, out, b.to), 1);
    fillDatagrams(memory, out, [{ bytes: pattern(65_507), segment: 1400 }]);
    assert.equal(a.socket.send(memory, out, b.to), 1);
    assert.equal(receiveAll(b).length, 64 + 47);
    assert.equal(a.socket.features.segmentation, true);
    // One too many in length: each is sent on its own, and the socket keeps what it can.
    fillDatagrams(memory, out, [{ bytes: pattern(65_508), segment: 1400 }]);
    assert.equal(a.socket.send(memory, out, b.to), 1);
    assert.deepEqual(receiveAll(b), cut(pattern(65_508), 1400));
    assert.equal(a.socket.features.segmentation, true);
  });

  test('a run that the kernel refuses as such goes apart, now and from then on', () => {
    using a = open(4);
    using b = open(4);
    const out = datagramBatch(3, 0, 65_536);
    // More datagrams than a run may have (64, since Linux 6.9 128) is EINVAL: so does a device that lacks what it needs answer.
    const entries = [{ bytes: pattern(100) }, { bytes: pattern(129 * 200 + 5), segment: 200 }, { bytes: pattern(50, 5) }];
    for (const segmentation of [true, false]) {
      assert.equal(a.socket.features.segmentation, segmentation);
      fillDatagrams(memory, out, entries);
      assert.equal(a.socket.send(memory, out, b.to), 3);
      assert.deepEqual(receiveAll(b), [pattern(100), ...cut(pattern(129 * 200 + 5), 200), pattern(50, 5)]);
    }
    assert.deepEqual(a.socket.features, { segmentation: false, coalescing: true });
  });

  test('a full queue: what is left of an entry is in the batch, and nothing is sent twice', async () => {
    using a = open(4, { offload: 'plain' });
    using b = open(4);
    // A slow link: what waits for it counts as ours. So slow that it has not drained while the machine did something else.
    run('tc', 'qdisc', 'replace', 'dev', 'lo', 'root', 'tbf', 'rate', '2mbit', 'burst', '3000', 'limit', '1000000');
    assert(setIntegerOption(a.socket.fd, SOL_SOCKET, SO_SNDBUF, 30_000));
    const bytes = pattern(60_000);
    const out = datagramBatch(2, 0, 65_536);
    fillDatagrams(memory, out, [{ bytes: pattern(33, 1) }, { bytes, segment: 1000 }]);
    const sent = a.socket.send(memory, out, b.to);
    assert.equal(sent, 1);
    assert.equal(a.socket.lastError, 'EAGAIN');
    assert(out.length[1] > 0 && out.length[1] < 60_000 && out.length[1] % 1000 === 0, `${out.length[1]}`);
    const rest = datagramBatch(1, 0, 65_536);
    [rest.offset[0], rest.length[0], rest.segment[0], rest.count] = [out.offset[1], out.length[1], 1000, 1];
    const got: Uint8Array[] = [];
    for (let rounds = 0; got.length < 61 && rounds < 5_000; rounds++) {
      if (rest.count === 1 && a.socket.send(memory, rest, b.to) === 1) rest.count = 0;
      await sleep(2);
      got.push(...receiveAll(b));
    }
    run('tc', 'qdisc', 'delete', 'dev', 'lo', 'root');
    assert.deepEqual(got, [pattern(33, 1), ...cut(bytes, 1000)]);
  });

  test('what this host’s own queue drops is lost and is no error', async () => {
    for (const offload of ['all', 'plain'] as const) {
      using a = open(4, { offload });
      using b = open(4);
      run('tc', 'qdisc', 'replace', 'dev', 'lo', 'root', 'tbf', 'rate', '8mbit', 'burst', '3000', 'limit', '6000');
      const out = datagramBatch(20, 0, 65_536);
      fillDatagrams(memory, out, Array(20).fill({ bytes: pattern(2000), segment: 1000 }));
      assert.equal(a.socket.send(memory, out, b.to), 20, a.socket.lastError);
      run('tc', 'qdisc', 'delete', 'dev', 'lo', 'root');
      const count = receiveAll(b).length;
      assert(count < 40, `${count}`);
      assert.equal(a.socket.send(memory, out, b.to), 20);
      assert.equal(receiveAll(b).length, 40);
    }
  });

  for (const family of [4, 6] as const) {
    test(`IPv${family}: a port that nobody listens on breaks nothing`, async () => {
      using a = open(family);
      using b = open(family);
      const gone = open(family);
      const { to } = gone;
      gone[Symbol.dispose]();
      const out = datagramBatch(2, 0, 65_536);
      for (let round = 0; round < 5; round++) {
        fillDatagrams(memory, out, [{ bytes: pattern(10) }, { bytes: pattern(2000), segment: 1000 }]);
        assert.equal(a.socket.send(memory, out, to), 2, a.socket.lastError);
        assert.equal(a.socket.send(memory, out, b.to), 2, a.socket.lastError);
        assert.equal(receiveAll(b).length, 3);
      }
      assert.equal(b.socket.send(memory, out, a.to), 2);
      assert.equal(receiveAll(a).length, 3);
      assert.deepEqual(waitReadable([a.socket.fd], 0), [true], 'POLLERR until the queue is read');
      assert.equal(a.socket.reportedMtus().size, 0);
      assert.deepEqual(waitReadable([a.socket.fd], 0), [false]);
    });
  }

  /** Octets of a datagram that asks whether somebody is there yet. */
  const KNOCK = '10';

  /** Here — wide link — router — link of 1300 octets — far end, which answers the length of each datagram. */
  async function narrowPath(): Promise<{ readonly router: Neighbour; readonly far: Neighbour }> {
    const router = neighbour();
    const far = neighbour();
    run('ip', 'link', 'add', 'wide', 'type', 'veth', 'peer', 'name', 'wide', 'netns', `${router.pid}`);
    router.run('ip', 'link', 'add', 'narrow', 'mtu', '1300', 'type', 'veth', 'peer', 'name', 'narrow', 'netns', `${far.pid}`);
    const up = (shell: (...line: string[]) => unknown, device: string, v4: string, v6: string): void => {
      shell('ip', 'address', 'add', v4, 'dev', device);
      shell('ip', 'address', 'add', v6, 'dev', device, 'nodad');
      shell('ip', 'link', 'set', device, 'up');
    };
    up((file, ...args) => run(file, ...args), 'wide', '10.1.0.1/24', '2001:db8:1::1/64');
    up((file, ...args) => router.run(file, ...args), 'wide', '10.1.0.2/24', '2001:db8:1::2/64');
    up((file, ...args) => router.run(file, ...args), 'narrow', '10.2.0.1/24', '2001:db8:2::1/64');
    far.run('ip', 'link', 'set', 'narrow', 'mtu', '1300');
    up((file, ...args) => far.run(file, ...args), 'narrow', '10.2.0.2/24', '2001:db8:2::2/64');
    router.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding');
    run('ip', 'route', 'add', '10.2.0.0/24', 'via', '10.1.0.2');
    run('ip', 'route', 'add', '2001:db8:2::/64', 'via', '2001:db8:1::2');
    far.run('ip', 'route', 'add', '10.1.0.0/24', 'via', '10.2.0.1');
    far.run('ip', 'route', 'add', '2001:db8:1::/64', 'via', '2001:db8:2::1');
    const answer = `for (const [type, address] of [['udp4', '10.2.0.2'], ['udp6', '2001:db8:2::2']]) {
      const socket = require('node:dgram').createSocket(type);
      socket.on('message', (bytes, { address, port }) => socket.send(String(bytes.length), port, address));
      socket.bind(4500, address);
    }`;
    far.spawn(process.execPath, '-e', answer);
    return { router, far };
  }

  test('a narrow link on the way is reported, and is told from what the kernel cannot do', async () => {
    const { router, far } = await narrowPath();
    using _router = router;
    using _far = far;
    for (const [family, own, address] of [
      [4, '10.1.0.1', '10.2.0.2'],
      [6, '2001:db8:1::1', '2001:db8:2::2'],
    ] as const) {
      using socket = open(family, { address: own });
      const to = packSockaddr({ address, port: 4500 });
      assert(to !== undefined);
      const out = datagramBatch(1, 0, 65_536);
      const send = (length: number, segment: number): number => {
        fillDatagrams(memory, out, [{ bytes: pattern(length), segment }]);
        return socket.socket.send(memory, out, to);
      };
      /** The lengths that the far end got, but those of the knocks; they come by and by. */
      const answers = async (count: number): Promise<string[]> => {
        const got: string[] = [];
        for (let i = 0; i < 500 && got.length < count; i++) {
          if (i > 0) await sleep(20);
          got.push(...receiveAll(socket).map((bytes) => Buffer.from(bytes).toString()));
          while (got.includes(KNOCK)) got.splice(got.indexOf(KNOCK), 1);
        }
        return got;
      };
      const reported = async (): Promise<number> => {
        for (let i = 0; i < 500; i++) {
          const [told] = socket.socket.reportedMtus();
          if (told !== undefined) {
            assert.equal(told[0], address, 'whom it was for');
            return told[1];
          }
          await sleep(20);
        }
        return 0;
      };
      while (send(Number(KNOCK), 0) === 1 && receiveAll(socket).length === 0) await sleep(20); // until the far end is there

      // Nobody knows yet: the run leaves, and the router refuses it.
      assert.equal(send(1400 * 4, 1400), 1);
      assert.equal(await reported(), 1300, `IPv${family}`);
      assert.equal(socket.socket.reportedMtus().size, 0);

      // Now this host's kernel knows it too, and obeys nobody's word: what is larger is tried again, on its own and in runs.
      for (const [length, segment] of [
        [1400 * 4, 1400],
        [1400, 0],
      ]) {
        assert.equal(send(length, segment), 1);
        assert.equal(await reported(), 1300, `IPv${family} again`);
      }
      // Only what the device does not carry is refused at once.
      for (const [length, segment] of [
        [1600 * 4, 1600],
        [1600, 0],
      ]) {
        assert.equal(send(length, segment), 0);
        assert.equal(socket.socket.lastError, 'EMSGSIZE');
        assert.equal(out.length[0], length);
        assert.deepEqual([...socket.socket.reportedMtus()], [[address, 1500]]);
      }
      assert.equal(socket.socket.features.segmentation, true);
      const most = 1300 - (family === 4 ? 28 : 48);
      assert.equal(send(most * 3 + 1, most), 1, 'exactly the MTU passes');
      assert.deepEqual((await answers(4)).sort(), ['1', ...Array(3).fill(`${most}`)].sort());

      // Without DF everything arrives, runs too, and what follows has DF again.
      out.count = 1;
      [out.offset[0], out.length[0], out.segment[0]] = [0, 1400 * 3, 1400];
      assert.equal(socket.socket.sendDivisible(memory, out, to), 1);
      assert.deepEqual(await answers(3), ['1400', '1400', '1400'], `IPv${family} divided`);
      assert.equal(socket.socket.features.segmentation, true);
      assert.equal(send(1600, 0), 0);
      assert.equal(socket.socket.lastError, 'EMSGSIZE');
      assert.deepEqual([...socket.socket.reportedMtus()], [[address, 1500]]);
      assert.equal(send(1400, 0), 1);
      assert.equal(await reported(), 1300, `IPv${family}: DF is back`);

      // An IKE message goes whatever its length, and what follows has DF again.
      assert.equal(socket.socket.sendWhole(pattern(9000), to), true);
      assert.deepEqual(await answers(1), ['9000']);
      assert.equal(socket.socket.sendWhole(pattern(1200), to), true);
      assert.deepEqual(await answers(1), ['1200']);
      assert.equal(send(1600, 0), 0);
      assert.equal(socket.socket.lastError, 'EMSGSIZE');
      assert.equal(socket.socket.sendWhole(pattern(65_528), to), false);
      assert.equal(socket.socket.lastError, 'EMSGSIZE');
    }
  });
}
