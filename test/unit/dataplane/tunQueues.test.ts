import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flowHash, TunQueues } from '../../../core/dataplane/tunQueues.ts';
import { plainMemory } from '../../../core/ip/packetMemory.ts';
import { MemoryTun } from '../../../core/system/memory/tun.ts';
import type { Pieces } from '../../../core/system/ports.ts';
import { inner } from './fixtures.ts';

const hash = (packet: Uint8Array): number => flowHash(packet, 0);

test('both directions of a flow have one hash; other addresses, ports and protocols have others', () => {
  for (const [a, b] of [
    ['10.0.0.1', '10.1.2.3'],
    ['fd00::1', 'fd01::7'],
  ]) {
    for (const protocol of [1, 6, 17, 132]) {
      const there = inner(a, b, { protocol, sourcePort: 40_000, destinationPort: 443 });
      const back = inner(b, a, { protocol, sourcePort: 443, destinationPort: 40_000 });
      assert.equal(hash(there), hash(back), `${a} ${protocol}`);
    }
    const hashes = new Set<number>();
    for (let port = 40_000; port < 40_064; port++)
      hashes.add(hash(inner(a, b, { protocol: 6, sourcePort: port, destinationPort: 443 })));
    assert.equal(hashes.size, 64);
    const [tcp, udp] = [6, 17].map((protocol) => hash(inner(a, b, { protocol })));
    assert.notEqual(tcp, udp);
  }
});

test('all fragments of a packet have the hash of those that show no port', () => {
  const [first, later] = [0x2000, 0x0010].map((fragment) => {
    const packet = inner('10.0.0.1', '10.1.2.3');
    packet[6] = fragment >> 8;
    packet[7] = fragment;
    return packet;
  });
  later.fill(0x5a, 20);
  assert.equal(hash(first), hash(later));
});

test('each flow is written on one queue, many flows on all of them about alike, behind a virtio header too', () => {
  for (const headers of [false, true]) {
    const features = { headers, tcp: headers, udp: false };
    const queues = Array.from({ length: 4 }, () => new MemoryTun(features));
    const tun = new TunQueues(queues);
    const memory = plainMemory(256);
    const pieces: Pieces = { offset: new Uint32Array(1), length: new Uint32Array(1), count: 1 };
    for (let port = 1; port <= 400; port++) {
      const packet = inner('10.0.0.1', '10.1.2.3', { protocol: 6, sourcePort: 30_000 + port, destinationPort: 443 });
      const at = 64;
      memory.bytes.set(packet, at);
      pieces.offset[0] = headers ? at - 10 : at;
      pieces.length[0] = packet.length + at - pieces.offset[0];
      for (let i = 0; i < 3; i++) assert.ok(tun.write(memory, pieces));
    }
    for (const [i, { written }] of queues.entries()) {
      assert.equal(written.length % 3, 0); // a flow is never divided
      assert.ok(written.length > 150 && written.length < 450, `queue ${i}: ${written.length} of 1200`);
    }
    assert.equal(tun.refused, false);
    for (const queue of queues) queue.malformed = () => true;
    assert.deepEqual([tun.write(memory, pieces), tun.refused], [true, true]);
    for (const queue of queues) queue.room = 0;
    assert.equal(tun.write(memory, pieces), false);
  }
});
