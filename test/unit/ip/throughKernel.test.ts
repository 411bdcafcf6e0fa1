/**
 * Between two real kernels: what one TUN device hands out is segmented, every packet judged, coalesced again and written to the other
 * one in another namespace; and a TCP transfer over it arrives whole.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { closeSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Coalescer } from '../../../core/ip/coalesce.ts';
import { Segmenter } from '../../../core/ip/segment.ts';
import { packetMemory } from '../../../core/ip/simdMemory.ts';
import { VirtioHeader, virtioHeaderBytes } from '../../../core/ip/virtio.ts';
import { type LinuxTun, openTun } from '../../../core/system/linux/tun.ts';
import { isolated, neighbour, run } from '../../host/isolated.ts';
import { isIntact } from './judge.ts';

if (isolated(import.meta.url)) {
  const octets = 4 << 20;
  const farEnd = `
    const hash = require('node:crypto').createHash('sha256');
    require('node:net').createServer((socket) => {
      let left = ${octets};
      socket.on('error', () => {});
      socket.on('data', (data) => {
        hash.update(data);
        left -= data.length;
        if (left === 0) socket.end(hash.digest('hex'));
      });
    }).listen(7000, '::');`;
  const hosts = ['10.3.0.2', '2001:db8:3::2'];

  for (const host of hosts) {
    test(`a transfer to ${host} arrives whole, in packets that are intact`, async () => {
      using far = neighbour();
      const near = openTun('near', { offload: 'all' });
      const other = openTun('far', { offload: 'all' });
      assert(near.ok && other.ok);
      run('ip', 'link', 'set', 'far', 'netns', `${far.pid}`);
      run('ip', 'address', 'add', '10.3.0.1/24', 'dev', 'near');
      run('ip', 'address', 'add', '2001:db8:3::1/64', 'dev', 'near', 'nodad');
      run('ip', 'link', 'set', 'near', 'up', 'mtu', '1400');
      far.run('ip', 'address', 'add', '10.3.0.2/24', 'dev', 'far');
      far.run('ip', 'address', 'add', '2001:db8:3::2/64', 'dev', 'far', 'nodad');
      far.run('ip', 'link', 'set', 'far', 'up', 'mtu', '1400');
      far.spawn(process.execPath, '-e', farEnd);
      const path = new Path();
      let stopped = false;
      const carrying = (async () => {
        while (!stopped) {
          while (path.pass(near.value.tun, other.value.tun) || path.pass(other.value.tun, near.value.tun));
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();
      try {
        const bytes = Buffer.from(Uint32Array.from({ length: octets / 4 }, (_, i) => Math.imul(i, 2_654_435_761)).buffer);
        assert.equal(await answerTo(host, bytes), createHash('sha256').update(bytes).digest('hex'));
      } finally {
        stopped = true;
        await carrying;
        for (const { fd } of [near.value, other.value]) closeSync(fd);
      }
      assert.equal(path.broken, 0);
      assert.ok(path.packets > octets / 1400);
      assert.ok(path.frames < path.packets / 4, `${path.packets} packets in ${path.frames} frames`);
      assert.equal(far.run('sh', '-c', "nstat -asz TcpInCsumErrors | awk '/Tcp/ { print $2 }'").trim(), '0');
    });
  }

  /** One TUN to the other. */
  class Path {
    packets = 0;
    frames = 0;
    broken = 0;
    readonly #memory = packetMemory(1 << 18);
    readonly #virtio = new VirtioHeader();
    readonly #segmenter = new Segmenter();
    readonly #coalescer = new Coalescer(this.#memory, 256);

    pass(from: LinuxTun, to: LinuxTun): boolean {
      const memory = this.#memory;
      const read = from.read(memory, 0, 65_535 + virtioHeaderBytes);
      if (read <= 0) return false;
      this.#virtio.read(memory.bytes, 0);
      const count = this.#segmenter.begin(memory, virtioHeaderBytes, read - virtioHeaderBytes, this.#virtio);
      assert.ok(count > 0, `fault ${count}`);
      this.#coalescer.features = to.features;
      let at = 70_016;
      for (let i = 0; i < count; i++) {
        const length = this.#segmenter.write(i, at);
        const packet = memory.bytes.subarray(at, at + length);
        if ([6, 17].includes(packet[packet[0] >>> 4 === 4 ? 9 : 6]) && !isIntact(packet)) this.broken++;
        this.packets++;
        assert.ok(this.#coalescer.add(at, length));
        at += length + 16;
      }
      const written = {
        write: (m: typeof memory, pieces: Parameters<LinuxTun['write']>[1]) => ++this.frames > 0 && to.write(m, pieces),
      };
      assert.ok(this.#coalescer.flush(written));
      return true;
    }
  }

  async function answerTo(host: string, bytes: Uint8Array): Promise<string> {
    for (let attempt = 0; attempt < 800; attempt++) {
      const answer = await new Promise<string>((resolve) => {
        let text = '';
        const socket = connect(7000, host, () => socket.write(bytes));
        socket.on('data', (data) => (text += String(data)));
        socket.on('error', () => resolve(''));
        socket.on('end', () => resolve(text));
      });
      if (answer !== '') return answer;
      await sleep(50); // the far end is not there yet
    }
    return 'nobody answered';
  }
}
