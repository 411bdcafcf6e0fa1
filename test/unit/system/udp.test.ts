import assert from 'node:assert/strict';
import { test } from 'node:test';
import { close } from '../../../core/system/ffi/libc.ts';
import { addressOf, Pinned } from '../../../core/system/ffi/memory.ts';
import { EventFd, Poller, waitReadable } from '../../../core/system/linux/poll.ts';
import { packSockaddr, SOCKADDR_SLOT, unpackSockaddr } from '../../../core/system/linux/sockaddr.ts';
import { LinuxUdp, openUdp } from '../../../core/system/linux/udp.ts';
import type { PacketBatch } from '../../../core/system/ports.ts';

function batchOf(
  capacity: number,
  stride: number,
  headroom: number,
  buffer: Uint8Array = new Uint8Array(capacity * stride),
): PacketBatch {
  return { buffer, capacity, stride, headroom, offset: new Uint32Array(capacity), length: new Uint32Array(capacity), count: 0 };
}

function fill(batch: PacketBatch, packets: readonly Uint8Array[]): void {
  for (const [i, packet] of packets.entries()) {
    batch.offset[i] = i * batch.stride + batch.headroom;
    batch.length[i] = packet.length;
    batch.buffer.set(packet, batch.offset[i]);
  }
  batch.count = packets.length;
}

function packetAt(batch: PacketBatch, i: number): Uint8Array {
  return batch.buffer.slice(batch.offset[i], batch.offset[i] + batch.length[i]);
}

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
  test(`IPv${family} batches arrive whole, in order, with the sender’s address`, () => {
    using a = open(family);
    using b = open(family);
    const address = family === 4 ? '127.0.0.1' : '::1';
    const to = packSockaddr({ address, port: b.port });
    assert(to !== undefined);
    // More than one system call takes.
    const packets = Array.from({ length: 150 }, (_, i) => new Uint8Array(1 + ((i * 37) % 1400)).fill(i));
    const out = batchOf(150, 1600, 40);
    fill(out, packets);
    assert.equal(a.socket.sendBatch(out, to), 150);
    assert.equal(a.socket.lastError, '');

    const into = batchOf(200, 1600, 64);
    const from = { sockaddr: new Uint8Array(200 * SOCKADDR_SLOT) };
    assert.equal(b.socket.receiveBatch(into, from), 150);
    assert.equal(into.count, 150);
    for (const [i, packet] of packets.entries()) {
      assert.equal(into.offset[i], i * 1600 + 64);
      assert.deepEqual(packetAt(into, i), packet);
      assert.deepEqual(unpackSockaddr(from.sockaddr.subarray(i * SOCKADDR_SLOT, (i + 1) * SOCKADDR_SLOT)), {
        address,
        port: a.port,
      });
    }
    assert.equal(b.socket.receiveBatch(into, from), 0);
    assert.equal(into.count, 0);
  });
}

test('an empty and a too long datagram have length 0, and nothing is written past the slot', () => {
  using a = open(4);
  using b = open(4);
  const to = packSockaddr({ address: '127.0.0.1', port: b.port });
  assert(to !== undefined);
  const out = batchOf(3, 500, 0);
  fill(out, [new Uint8Array(0), new Uint8Array(300).fill(7), new Uint8Array(100).fill(9)]);
  assert.equal(a.socket.sendBatch(out, to), 3);
  const into = batchOf(3, 128, 28);
  const from = { sockaddr: new Uint8Array(3 * SOCKADDR_SLOT) };
  assert.equal(b.socket.receiveBatch(into, from), 3);
  assert.deepEqual([...into.length], [0, 0, 100]);
  assert.deepEqual(packetAt(into, 2), new Uint8Array(100).fill(9));
  assert.equal(into.buffer[2 * 128 + 27], 0, 'headroom of the next slot is untouched');
});

test('batches may lie anywhere in shared memory', () => {
  using a = open(4);
  using b = open(4);
  const to = packSockaddr({ address: '127.0.0.1', port: b.port });
  assert(to !== undefined);
  const shared = new Uint8Array(new SharedArrayBuffer(8192));
  const out = batchOf(2, 100, 10, shared.subarray(1000, 1200));
  fill(out, [Uint8Array.of(1, 2, 3), Uint8Array.of(4)]);
  assert.equal(a.socket.sendBatch(out, to), 2);
  const into = batchOf(2, 100, 10, shared.subarray(3001, 3201));
  const names = new Uint8Array(new SharedArrayBuffer(4096)).subarray(77, 77 + 2 * SOCKADDR_SLOT);
  assert.equal(b.socket.receiveBatch(into, { sockaddr: names }), 2);
  assert.deepEqual(packetAt(into, 0), Uint8Array.of(1, 2, 3));
  assert.deepEqual(packetAt(into, 1), Uint8Array.of(4));
  assert.equal(unpackSockaddr(names.subarray(28))?.port, a.port);
  assert.deepEqual(shared.slice(3011, 3014), Uint8Array.of(1, 2, 3));
});

test('what the kernel refuses to send is told', () => {
  using a = open(4);
  const broadcast = packSockaddr({ address: '255.255.255.255', port: 9 });
  assert(broadcast !== undefined);
  const out = batchOf(1, 100, 0);
  fill(out, [Uint8Array.of(1)]);
  assert.equal(a.socket.sendBatch(out, broadcast), 0);
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
  const out = batchOf(1, 100, 0);
  fill(out, [Uint8Array.of(1)]);
  assert(to !== undefined && a.socket.sendBatch(out, to) === 1);
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
