import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeEspBackend } from '../../../core/crypto/node/esp.ts';
import { warmUp } from '../../../core/dataplane/warmUp.ts';

test('packets go through both lanes and come out as they went in', () => {
  for (const direction of ['inbound', 'outbound'] as const) assert.equal(warmUp(nodeEspBackend, direction), true);
});

test('a backend that spoils packets, or has none of the ciphers, is found out', () => {
  assert.throws(() => warmUp({ name: 'none', cipher: () => undefined }, 'inbound'), /do not start: no cipher/);
  const spoiling: typeof nodeEspBackend = {
    name: 'spoiling',
    cipher(suite, keys) {
      const cipher = nodeEspBackend.cipher(suite, keys);
      if (cipher === undefined) return undefined;
      const { backend, ivBytes, icvBytes, alignment, unpredictableIv } = cipher;
      return {
        ...{ backend, ivBytes, icvBytes, alignment, unpredictableIv },
        seal: (buffer, at, length, high) => cipher.seal(buffer, at, length, high),
        open(buffer, at, length, high) {
          const intact = cipher.open(buffer, at, length, high);
          buffer[at + 8 + ivBytes + 40] ^= 1;
          return intact;
        },
        destroy: () => cipher.destroy(),
      };
    },
  };
  assert.throws(() => warmUp(spoiling, 'outbound'), /spoil packets/);
});
