import assert from 'node:assert/strict';
import { test } from 'node:test';
import { datagramBatch } from '../../../core/dataplane/datagrams.ts';
import { plainMemory } from '../../../core/ip/packetMemory.ts';
import { close } from '../../../core/system/ffi/libc.ts';
import { addressOf, Pinned } from '../../../core/system/ffi/memory.ts';
import { EventFd, Poller, waitReadable } from '../../../core/system/linux/poll.ts';
import { packSockaddr, SOCKADDR_SLOT, unpackSockaddr } from '../../../core/system/linux/sockaddr.ts';
import { LinuxUdp, openUdp } from '../../../core/system/linux/udp.ts';
import { datagramsOf, fillDatagrams } from './datagrams.ts';

const memory = plainMemory(1 << 20);

function open(family: 4 | 6): { socket: LinuxUdp; port: number; [Symbol.dispose](): void } {
  const opened = openUdp({ family, port: 0, address: family === 4 ? '127.0.0.1' : '::1' });
  assert(opened.ok);
  const { fd, port } = opened.value;
  return { socket: new LinuxUdp(fd), port, [Symbol.dispose]: () => void close(fd) };
}

test('socket addresses pack to the ABI’s octets and back', () => {
  const v4 = packSockaddr({ address: '192.0.2.33', port: 4500 });
  assert.deepEqual(v4?.subarray(0, 8), Uint8Array.of(2, 0, 0x11, 0x94, 192, 0, 2, 33));
  assert.equal(v4?.length, SOCKADDR_SLOT);
  const v6 = packSockaddr({ address: '2001:DB8:0:0::1', port: 500 });
  assert(v6 !== undefined && v4 !== undefined);
  assert.deepEqual(v6.subarray(0, 4), Uint8Array.of(10, 0, 0x01, 0xf4));
  assert.deepEqual(unpackSockaddr(v4), { address: '192.0.2.33', port: 4500 });
  assert.deepEqual(unpackSockaddr(v6), { address: '2001:db8::1', port: 500 });
  for (const address of ['', 'vpn.office.test', '1.2.3', '1.2.3.4.5', '::g', 'fe80::1%eth0', '1.2.3.4\0', '01.2.3.4']) {
    assert.equal(packSockaddr({ address, port: 1 }), undefined, address);
  }
  for (const port of [-1, 65536, 1.5, Number.NaN]) assert.equal(packSockaddr({ address: '::1', port }), undefined);
  assert.equal(unpackSockaddr(new Uint8Array(28)), undefined);
  assert.equal(unpackSockaddr(v6.subarray(0, 16)), undefined);
});

for (const family of [4, 6] as const) {
  test(`IPv${family} datagrams arrive whole, in order, with the sender’s address`, () => {
    using a = open(family);
    using b = open(family);
    const address = family === 4 ? '127.0.0.1' : '::1';
    const to = packSockaddr({ address, port: b.port });
    assert(to !== undefined);
    // More than one system call takes.
    const datagrams = Array.from({ length: 150 }, (_, i) => new Uint8Array(1 + ((i * 37) % 1400)).fill(i));
    const out = datagramBatch(150);
    fillDatagrams(
      memory,
      out,
      datagrams.map((bytes) => ({ bytes })),
    );
    assert.equal(a.socket.send(memory, out, to), 150);
    assert.equal(a.socket.lastError, '');

    const into = datagramBatch(200, 400_000, 1600);
    assert.equal(b.socket.receive(memory, into), 150);
    assert.equal(into.count, 150);
    assert.deepEqual(datagramsOf(memory, into), datagrams);
    for (let i = 0; i < 150; i++) {
      assert.equal(into.offset[i], 400_000 + i * 1600);
      const from = into.from.subarray(i * SOCKADDR_SLOT, (i + 1) * SOCKADDR_SLOT);
      assert.deepEqual(unpackSockaddr(from), { address, port: a.port });
    }
    assert.equal(b.socket.receive(memory, into), 0);
    assert.equal(into.count, 0);
  });
}

test('a memory that begins inside its buffer, and another one after it', () => {
  using a = open(4);
  using b = open(4);
  const to = packSockaddr({ address: '127.0.0.1', port: b.port });
  assert(to !== undefined);
  const bytes = new Uint8Array(new ArrayBuffer(8192), 1001, 4000);
  for (const place of [{ ...memory, bytes }, memory]) {
    const out = datagramBatch(2, 7);
    fillDatagrams(place, out, [{ bytes: Uint8Array.of(1, 2, 3) }, { bytes: Uint8Array.of(4) }]);
    assert.equal(a.socket.send(place, out, to), 2);
    const into = datagramBatch(2, 2000, 100);
    assert.equal(b.socket.receive(place, into), 2);
    assert.deepEqual(datagramsOf(place, into), [Uint8Array.of(1, 2, 3), Uint8Array.of(4)]);
    assert.equal(place.bytes[2000], 1);
  }
});

test('what the kernel refuses to send is told', () => {
  using a = open(4);
  const broadcast = packSockaddr({ address: '255.255.255.255', port: 9 });
  assert(broadcast !== undefined);
  const out = datagramBatch(1);
  fillDatagrams(memory, out, [{ bytes: Uint8Array.of(1) }]);
  assert.equal(a.socket.send(memory, out, broadcast), 0);
  assert.equal(a.socket.lastError, 'EACCES');
  assert.equal(a.socket.sendWhole(Uint8Array.of(1), broadcast), false);
  assert.equal(a.socket.lastError, 'EACCES');
});

test('a port in use has its own code', () => {
  using a = open(4);
  const second = openUdp({ family: 4, port: a.port, address: '127.0.0.1' });
  assert(!second.ok);
  assert.equal(second.error.code, 'port-in-use');
  assert.match(second.error.detail, new RegExp(`port ${a.port}: EADDRINUSE`));
});

test('poll tells which descriptors are ready, and an eventfd ends it', () => {
  using a = open(4);
  using b = open(4);
  const wake = EventFd.create();
  const poller = new Poller([b.socket.fd, wake.fd]);
  assert.equal(poller.wait(0), 0);
  assert.deepEqual(waitReadable([b.socket.fd, wake.fd], 0), [false, false]);
  EventFd.of(wake.fd).signal();
  assert.equal(poller.wait(1000), 1);
  assert.deepEqual([poller.ready(0), poller.ready(1), poller.failed(1)], [false, true, false]);
  assert.equal(wake.drain(), true);
  assert.equal(wake.drain(), false);
  const to = packSockaddr({ address: '127.0.0.1', port: b.port });
  assert(to !== undefined && a.socket.sendWhole(Uint8Array.of(1), to));
  assert.deepEqual(waitReadable([b.socket.fd, wake.fd], 1000), [true, false]);
  wake.close();
  assert.equal(new Poller([wake.fd]).wait(0), 1);
});

test('addresses are of the first octet and stay', () => {
  const buffer = new Uint8Array(64);
  const base = addressOf(buffer);
  assert.equal(addressOf(buffer.subarray(5)), base + 5);
  const small = new Pinned(4);
  const before = small.address;
  for (let i = 0; i < 50; i++) new Uint8Array(1 << 20).fill(i);
  assert.equal(addressOf(small.bytes), before);
  assert.throws(() => addressOf(new Uint8Array(0)), RangeError);
  const pointer = new Pinned(8);
  pointer.setPointer(0, 0x7fff_1234_5678);
  assert.equal(pointer.view.getBigUint64(0, true), 0x7fff_1234_5678n);
});
