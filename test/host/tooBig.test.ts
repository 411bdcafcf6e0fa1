/** The kernel as judge of what it is told of packets that do not fit: it believes it, under the strictest reverse path filter. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { closeSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { TooBigMessages } from '../../core/ip/icmp.ts';
import { packetMemory } from '../../core/ip/simdMemory.ts';
import { openTun } from '../../core/system/linux/tun.ts';
import type { Pieces, Tun } from '../../core/system/ports.ts';
import { ip, isolated, run } from './isolated.ts';

const messageAt = 4096;

if (isolated(import.meta.url)) {
  for (const [version, own, far, mtu] of [
    [4, '10.88.0.1', '10.99.0.7', 1200],
    [6, 'fd88::1', 'fd99::7', 1290],
  ] as const) {
    test(`IPv${version}: the kernel takes the message and sends smaller packets`, async () => {
      await withTun(version, own, far, async (tun) => {
        const memory = packetMemory(8192);
        const socket = createSocket(version === 4 ? 'udp4' : 'udp6');
        const send = (): Promise<void> =>
          new Promise((resolve, reject) => {
            socket.send(new Uint8Array(1350), 9, far, (error) => (error ? reject(error) : resolve()));
          });
        try {
          await send();
          const length = await next(tun, memory);
          assert.equal(length, 1350 + (version === 4 ? 28 : 48));
          const octets = new TooBigMessages().write(memory, 0, length, mtu, messageAt, 0);
          assert.ok(octets > 0);
          // With another source the kernel would not listen: its own address is a martian.
          const forged = memory.bytes.slice(messageAt, messageAt + octets);
          if (version === 4) {
            memory.bytes.copyWithin(messageAt + 12, messageAt + 16, messageAt + 20);
            fixHeader(memory.bytes, messageAt);
            assert.ok(tun.write(memory, pieces(messageAt, octets)));
            assert.equal(cachedMtu(version, far), undefined);
          }
          memory.bytes.set(forged, messageAt);
          assert.ok(tun.write(memory, pieces(messageAt, octets)));
          assert.equal(cachedMtu(version, far), mtu);
          await send();
          assert.ok((await next(tun, memory)) <= mtu);
          assert.ok((await next(tun, memory)) <= mtu);
        } finally {
          socket.close();
        }
      });
    });
  }
}

/** A device whose address and only route are these, under the strictest reverse path filter. */
async function withTun(version: 4 | 6, own: string, far: string, act: (tun: Tun) => Promise<void>): Promise<void> {
  const opened = openTun('sally0');
  assert.ok(opened.ok);
  try {
    // The kernel's own router solicitations would be read in place of what the test sends.
    writeFileSync('/proc/sys/net/ipv6/conf/sally0/addr_gen_mode', '1');
    for (const name of ['all', 'sally0']) writeFileSync(`/proc/sys/net/ipv4/conf/${name}/rp_filter`, '1');
    const address = version === 4 ? [`${own}/32`] : [`${own}/128`, 'nodad'];
    run('ip', 'addr', 'add', ...address, 'dev', 'sally0');
    run('ip', 'link', 'set', 'sally0', 'mtu', '1400', 'up');
    run('ip', 'route', 'add', far, 'dev', 'sally0', 'src', own);
    await act(opened.value.tun);
  } finally {
    closeSync(opened.value.fd);
  }
}

function cachedMtu(version: 4 | 6, to: string): unknown {
  const [route] = ip(`-${version}`, 'route', 'get', to);
  const metrics = route.metrics;
  return Array.isArray(metrics) ? metrics[0]?.mtu : undefined;
}

async function next(tun: Tun, memory: ReturnType<typeof packetMemory>): Promise<number> {
  for (let i = 0; i < 200; i++) {
    const length = tun.read(memory, 0, messageAt);
    assert.ok(length >= 0);
    if (length > 0) return length;
    await sleep(10);
  }
  throw new Error('nothing was sent');
}

function pieces(at: number, length: number): Pieces {
  return { offset: Uint32Array.of(at), length: Uint32Array.of(length), count: 1 };
}

/** Makes the checksum of the 20 octets of header right. */
function fixHeader(bytes: Uint8Array, at: number): void {
  bytes[at + 10] = 0;
  bytes[at + 11] = 0;
  let sum = 0;
  for (let i = 0; i < 20; i += 2) sum += (bytes[at + i] << 8) | bytes[at + i + 1];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  bytes[at + 10] = ~sum >>> 8;
  bytes[at + 11] = ~sum;
}
