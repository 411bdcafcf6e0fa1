import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseBackend } from '../../../core/esp/backends.ts';
import { mill } from './mill.ts';

for (const suite of ['aes256gcm16-esn', 'aes128-sha256']) {
  test(`200,000 packets by ${suite}: every one arrives once, in order, with the right sums and octets`, () => {
    const { sent, seen, frames, errors, firstError, counters } = mill({
      backend: chooseBackend().backend,
      suite,
      packets: 200_000,
    });
    assert.deepEqual([errors, firstError], [{}, '']);
    assert.ok(sent >= 200_000);
    assert.deepEqual([seen, counters.packetsIn, counters.packetsOut], [sent, sent, sent]);
    assert.ok(frames < sent / 4, `${frames} frames: joined again`);
  });
}
