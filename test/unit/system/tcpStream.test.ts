import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { test } from 'node:test';
import { datagramBatch } from '../../../core/dataplane/datagrams.ts';
import { plainMemory } from '../../../core/ip/packetMemory.ts';
import { AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } from '../../../core/system/ffi/constants.ts';
import { close, send, socketpair } from '../../../core/system/ffi/libc.ts';
import { Pinned } from '../../../core/system/ffi/memory.ts';
import { waitReadable, waitWritable } from '../../../core/system/linux/poll.ts';
import { packSockaddr } from '../../../core/system/linux/sockaddr.ts';
import { connectError, openTcp, prepareTcp, TcpStream } from '../../../core/system/linux/tcpStream.ts';
import { longestFrame } from '../../../core/system/streamFrames.ts';
import { datagramsOf, type Entry, fillDatagrams, pattern } from './datagrams.ts';

const memory = plainMemory(1 << 20);
const gateway = { address: '192.0.2.1', port: 4500 };
const client = { address: '198.51.100.7', port: 40_000 };
const nobody = new Uint8Array(28);

/** Both ends of a connection; `we` opened it. */
function pair(): { we: TcpStream; peer: TcpStream; cut(end: 'we' | 'peer'): void; [Symbol.dispose](): void } {
  const fds = new Pinned(8);
  assert.equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.address), 0);
  const open = new Map([
    ['we', fds.view.getInt32(0, true)],
    ['peer', fds.view.getInt32(4, true)],
  ] as const);
  const cut = (end: 'we' | 'peer'): void => {
    const fd = open.get(end);
    open.delete(end);
    if (fd !== undefined) close(fd);
  };
  return {
    we: new TcpStream(fds.view.getInt32(0, true), 'we', gateway),
    peer: new TcpStream(fds.view.getInt32(4, true), 'peer', client),
    cut,
    [Symbol.dispose]: () => {
      cut('we');
      cut('peer');
    },
  };
}

function sendAll(stream: TcpStream, entries: readonly Entry[]): number {
  const batch = datagramBatch(Math.max(1, entries.length));
  fillDatagrams(memory, batch, entries);
  return stream.send(memory, batch, nobody);
}

function receiveAll(stream: TcpStream, capacity = 32): Uint8Array[] {
  const batch = datagramBatch(capacity, 0, capacity === 32 ? 16_400 : 65_600);
  const found: Uint8Array[] = [];
  do {
    stream.receive(memory, batch);
    found.push(...datagramsOf(memory, batch));
  } while (stream.unread);
  return found;
}

test('runs and single packets arrive each on its own, in order, from the other end', () => {
  using ends = pair();
  const run = pattern(1_000);
  assert.equal(sendAll(ends.we, [{ bytes: run, segment: 300 }, { bytes: pattern(50, 9) }]), 2);
  const batch = datagramBatch(32, 0, 16_400);
  assert.equal(ends.peer.receive(memory, batch), 2, 'three of 300 with their last of 100 are one run; 50 begins another');
  assert.deepEqual(
    datagramsOf(memory, batch).map(({ length }) => length),
    [300, 300, 300, 100, 50],
  );
  assert.deepEqual(batch.from.subarray(0, 28), packSockaddr(client));
  assert.deepEqual(batch.from.subarray(28, 56), packSockaddr(client));
  assert.equal(batch.tos[0], 0);
  assert.equal(ends.peer.receive(memory, batch), 0);
  assert.equal(ends.peer.over, undefined);
});

test('the opener alone sends the prefix', () => {
  using ends = pair();
  assert.equal(sendAll(ends.peer, [{ bytes: pattern(9) }]), 1);
  assert.deepEqual(receiveAll(ends.we), [pattern(9)]);
  assert.equal(sendAll(ends.we, [{ bytes: pattern(8) }]), 1);
  assert.deepEqual(receiveAll(ends.peer), [pattern(8)]);
});

test('more frames than there are slots come with the next calls, without another octet from the kernel', () => {
  using ends = pair();
  const packets = Array.from({ length: 60 }, (_, i) => pattern(100 + i, i)); // each longer than the one before: no runs
  assert.equal(
    sendAll(
      ends.we,
      packets.map((bytes) => ({ bytes })),
    ),
    60,
  );
  const batch = datagramBatch(8, 0, 65_600);
  const found: Uint8Array[] = [];
  for (let call = 0; call < 8; call++) {
    ends.peer.receive(memory, batch);
    found.push(...datagramsOf(memory, batch));
    assert.equal(ends.peer.unread, call < 7);
  }
  assert.deepEqual(found, packets);
});

test('back-pressure: whole packets are refused, none is cut, a message goes before new packets and nothing of it is lost', () => {
  using ends = pair();
  const packet = pattern(1_400);
  let accepted = 0;
  for (;;) {
    const taken = sendAll(
      ends.we,
      Array.from({ length: 40 }, () => ({ bytes: packet })),
    );
    accepted += taken;
    if (taken < 40) break;
    assert.ok(accepted < 100_000, 'it is never full');
  }
  assert.equal(ends.we.lastError, 'EAGAIN');
  assert.equal(ends.we.waiting, true);
  const message = pattern(77, 5);
  assert.equal(ends.we.say(message), true);
  assert.equal(ends.we.flush(), false);
  const found: Uint8Array[] = [];
  while (found.length < accepted + 1) {
    const some = receiveAll(ends.peer);
    ends.we.flush();
    assert.ok(some.length > 0 || ends.we.waiting, `${found.length} of ${accepted}`);
    found.push(...some);
  }
  assert.equal(sendAll(ends.we, [{ bytes: pattern(33) }]), 1);
  found.push(...receiveAll(ends.peer));
  assert.equal(ends.we.waiting, false);
  assert.deepEqual(
    found.map(({ length }) => length),
    [...Array.from({ length: accepted }, () => 1_400), 77, 33],
  );
  assert.ok(found.slice(0, accepted).every((one) => Buffer.compare(one, packet) === 0));
  assert.deepEqual(found[accepted], message);
});

test('room that comes just after a refusal: whoever was refused still hears why', () => {
  using ends = pair();
  const found: Uint8Array[] = [];
  const drain = (): void => {
    found.push(...receiveAll(ends.peer));
  };
  /** The peer reads whenever the kernel was full, and no sooner. */
  class Relieved extends TcpStream {
    override flush(): boolean {
      const gone = super.flush();
      if (!gone) drain();
      return gone;
    }
  }
  const stream = new Relieved(ends.we.fd, 'we', gateway);
  const run: Entry = { bytes: pattern(42_000), segment: 1_400 };
  let refusals = 0;
  let sent = 0;
  while (sent < 300) {
    const taken = sendAll(stream, Array(10).fill(run));
    assert.equal(stream.lastError, taken === 10 ? '' : 'EAGAIN');
    if (taken < 10) refusals++;
    sent += taken;
  }
  assert.ok(refusals > 0);
  while (!stream.flush());
  drain();
  assert.equal(found.length, 30 * sent);
});

test('messages are never dropped silently: beyond a bound they are refused', () => {
  using ends = pair();
  let said = 0;
  while (ends.we.say(pattern(60_000)) && said < 1_000) said++;
  assert.ok(said >= 64 && said < 200, `${said}`);
  assert.equal(ends.we.say(new Uint8Array(longestFrame + 1)), false);
  let heard = 0;
  for (let round = 0; round < 500 && heard < said; round++) {
    heard += receiveAll(ends.peer, 8).length;
    ends.we.flush();
  }
  assert.equal(heard, said);
});

test('the end: what came before it is read, half a frame is forgotten, and nothing more can be sent', () => {
  using ends = pair();
  sendAll(ends.we, [{ bytes: pattern(40) }]);
  const half = new Pinned(Uint8Array.of(0, 200, 1, 2, 3));
  assert.equal(send(ends.we.fd, half.address, 5, 0), 5);
  ends.cut('we');
  assert.deepEqual(receiveAll(ends.peer), [pattern(40)]);
  assert.equal(ends.peer.over, undefined);
  assert.deepEqual(receiveAll(ends.peer), []);
  assert.equal(ends.peer.over, 'closed');
  assert.deepEqual(receiveAll(ends.peer), []);
  assert.equal(sendAll(ends.peer, [{ bytes: pattern(40) }]), 0);
  assert.equal(ends.peer.lastError, 'closed');
  assert.equal(ends.peer.say(pattern(4)), false);
  assert.equal(ends.peer.waiting, false);
});

test('a sender learns of the end from the kernel, and is not killed by it', () => {
  using ends = pair();
  ends.cut('peer');
  assert.equal(sendAll(ends.we, [{ bytes: pattern(40) }]), 0);
  assert.equal(ends.we.lastError, 'EPIPE');
  assert.equal(ends.we.over, 'EPIPE');
});

test('a stream that cannot be read on says so after what came before', () => {
  using ends = pair();
  sendAll(ends.peer, [{ bytes: pattern(40) }]);
  const bad = new Pinned(Uint8Array.of(0, 1, 9, 9, 9, 9));
  assert.equal(send(ends.peer.fd, bad.address, 6, 0), 6);
  assert.deepEqual(receiveAll(ends.we), [pattern(40)]);
  assert.equal(ends.we.over, 'bad-length');
});

async function listening(): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert(address !== null && typeof address === 'object');
  return { server, port: address.port };
}

test('a connection is opened, readied and used; one that is refused says so', async () => {
  const { server, port } = await listening();
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const opened = openTcp({ address: '127.0.0.1', port });
  assert(opened.ok);
  assert.ok(waitWritable(opened.value, 5_000));
  assert.equal(connectError(opened.value), undefined);
  prepareTcp(opened.value);
  const stream = new TcpStream(opened.value, 'we', { address: '127.0.0.1', port });
  sendAll(stream, [{ bytes: pattern(3) }]);
  const [socket] = await accepted;
  const [octets] = (await once(socket, 'data')) as [Buffer];
  assert.deepEqual([...octets], [...Buffer.from('IKETCP'), 0, 5, ...pattern(3)]);
  socket.write(Uint8Array.of(0, 3, 0xff));
  assert.deepEqual(waitReadable([opened.value], 5_000), [true]);
  assert.deepEqual(receiveAll(stream), [Uint8Array.of(0xff)]); // RFC 9329 §6.6: a keepalive, which lanes drop
  const reset = once(socket, 'close');
  socket.resetAndDestroy();
  await reset;
  waitReadable([opened.value], 5_000);
  assert.deepEqual(receiveAll(stream), []);
  assert.equal(stream.over, 'ECONNRESET');
  close(opened.value);
  server.close();

  const refused = openTcp({ address: '127.0.0.1', port });
  if (refused.ok) {
    assert.ok(waitWritable(refused.value, 5_000));
    assert.equal(connectError(refused.value), 'ECONNREFUSED');
    close(refused.value);
  } else assert.match(refused.error.detail, /ECONNREFUSED/);
  assert.equal(openTcp({ address: 'vpn.office.test', port: 4500 }).ok, false);
  assert.equal(openTcp({ address: '127.0.0.1', port: 0 }).ok, false);
});
