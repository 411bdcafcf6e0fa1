import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { earlyDrop } from '../../../core/dataplane/earlyDrop.ts';
import { KernelDrops } from '../../../core/dataplane/kernelDrops.ts';
import { SO_RCVBUF, SOL_SOCKET } from '../../../core/system/ffi/constants.ts';
import { close } from '../../../core/system/ffi/libc.ts';
import { filterSocket, kernelDrops } from '../../../core/system/linux/socketFilter.ts';
import { openUdp, setIntegerOption } from '../../../core/system/linux/udp.ts';
import { udpOverflows } from '../../../core/system/linux/udpOverflows.ts';

test('drops between two looks are of a full queue as far as the host had any, the rest was filtered', () => {
  let overflows = 1_000;
  const drops = new KernelDrops(() => overflows);
  const told = (): readonly number[] => [drops.filtered, drops.full];
  drops.look(0);
  drops.look(7);
  assert.deepEqual(told(), [7, 0]);
  overflows += 5;
  drops.look(10);
  assert.deepEqual(told(), [7, 3], 'two of them were of another program');
  overflows += 5;
  drops.look(10);
  drops.look(20);
  assert.deepEqual(told(), [17, 3], 'what was before the last look is not held against us');
  overflows += 2;
  drops.look(30);
  assert.deepEqual(told(), [25, 5]);
});

test('the kernel counts a full queue and a filter as one for a socket, and full queues apart', async () => {
  for (const family of [4, 6] as const) {
    const address = family === 4 ? '127.0.0.1' : '::1';
    const opened = openUdp({ family, port: 0, address });
    assert.ok(opened.ok);
    const { fd, port } = opened.value;
    const sender = createSocket(family === 4 ? 'udp4' : 'udp6').bind(0, address);
    await once(sender, 'listening');
    try {
      setIntegerOption(fd, SOL_SOCKET, SO_RCVBUF, 4_096);
      assert.ok(filterSocket(fd, earlyDrop(family, [{ spi: 1, remote: { address, port: 4500 } }], { ike: [] })));
      const drops = new KernelDrops(udpOverflows);
      const send = async (hex: string, count: number): Promise<void> => {
        const bytes = Buffer.from(hex.padEnd(2_000, '0'), 'hex');
        for (let i = 0; i < count; i++) await new Promise((done) => sender.send(bytes, port, address, done));
        drops.look(kernelDrops(fd));
      };
      await send('00000002', 30); // nobody's
      const [before, overflows] = [{ ...drops }, udpOverflows()];
      // Other programs of this computer may have a full queue at this moment.
      assert.ok(before.filtered + before.full === 30 && before.filtered > 0, JSON.stringify(before));
      await send('00000001', 100);
      assert.ok(drops.full - before.full > 50, String(drops.full));
      assert.equal(drops.filtered, before.filtered);
      assert.ok(udpOverflows() - overflows >= drops.full - before.full);
    } finally {
      sender.close();
      close(fd);
    }
  }
});
