import assert from 'node:assert/strict';
import { test } from 'node:test';
import { warmUp } from '../../../core/crypto/selfTest.ts';
import { hmacVectors, keyExchangeVectors, recordVectors } from '../../../core/crypto/selfTestVectors.ts';

test('every known answer comes out', () => {
  assert.deepEqual(warmUp(), { ok: true, value: undefined });
  assert.deepEqual(warmUp([14, 19, 20, 21, 28, 29, 30, 31, 32, 35, 36, 37]), { ok: true, value: undefined });
});

test('every known answer is looked at: spoil any one and the self-test names it', () => {
  const spoil = (text: string) => text.slice(0, -1) + (text.endsWith('0') ? '1' : '0');
  for (const vector of recordVectors) {
    const spoiled = recordVectors.map((other) => (other === vector ? { ...vector, sealed: spoil(vector.sealed) } : other));
    assert.deepEqual(warmUp([], { records: spoiled }), {
      ok: false,
      error: { code: 'self-test', test: `record ${vector.encr}` },
    });
  }
  for (const [id, output] of hmacVectors.outputs) {
    const spoiled = new Map([...hmacVectors.outputs, [id, spoil(output)]]);
    assert.equal(warmUp([], { hmacs: spoiled }).ok, false);
  }
  for (const vector of keyExchangeVectors) {
    for (const field of ['publicTail', 'sharedTail'] as const) {
      const spoiled = [{ ...vector, [field]: spoil(vector[field]) }];
      assert.deepEqual(warmUp([vector.id], { keyExchanges: spoiled }), {
        ok: false,
        error: { code: 'self-test', test: `key exchange ${vector.id}` },
      });
    }
  }
});
