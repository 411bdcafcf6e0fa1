import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concat } from '../../../core/bytes/bytes.ts';
import { BUS_TYPE, type BusMessage, decodeMessage, encodeMessage, encodeStrings } from '../../../core/system/linux/dbusCodec.ts';

const signal: BusMessage = {
  type: BUS_TYPE.SIGNAL,
  path: '/org/freedesktop/login1',
  interface: 'org.freedesktop.login1.Manager',
  member: 'PrepareForSleep',
  signature: 'b',
  body: Uint8Array.of(1, 0, 0, 0),
};
/** Captured from `busctl emit /org/freedesktop/login1 org.freedesktop.login1.Manager PrepareForSleep b true`, as the bus passes it on. */
const captured = Buffer.from(
  '6c04010104000000020000007500000001016f00170000002f6f72672f667265656465736b746f702f6c6f67696e3100020173001e0000006f72672e667265656465736b746f702e6c6f67696e312e4d616e616765720000030173000f00000050726570617265466f72536c65657000080167000162000007017300040000003a312e310000000001000000',
  'hex',
);

test('a message of systemd as the bus passes it on', () => {
  const decoded = decodeMessage(captured);
  assert.ok(decoded !== undefined && decoded !== 'malformed');
  assert.equal(decoded.size, captured.length);
  const { type, path, interface: name, member, signature, destination, body } = decoded.message;
  assert.deepEqual([type, path, name, member, signature], [4, signal.path, signal.interface, 'PrepareForSleep', 'b']);
  assert.deepEqual([destination, body.some((octet) => octet !== 0)], [undefined, true]);
});

test('what is encoded is decoded, at whatever octet it is cut', () => {
  const text = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' });
  fc.assert(
    fc.property(text, fc.option(text, { nil: undefined }), fc.uint8Array({ maxLength: 64 }), (member, destination, body) => {
      const message: BusMessage = { ...signal, member, destination, body };
      const bytes = encodeMessage(7, message);
      const decoded = decodeMessage(concat(bytes, captured));
      assert.ok(decoded !== undefined && decoded !== 'malformed');
      assert.equal(decoded.size, bytes.length);
      assert.deepEqual({ errorName: undefined, destination: undefined, ...message }, decoded.message);
      for (let cut = 0; cut < bytes.length; cut++) assert.equal(decodeMessage(bytes.subarray(0, cut)), undefined);
    }),
    { numRuns: 50 },
  );
  assert.deepEqual(encodeStrings('a', 'bc'), Uint8Array.of(1, 0, 0, 0, 0x61, 0, 0, 0, 2, 0, 0, 0, 0x62, 0x63, 0));
});

test('octets of anybody are a message, none yet, or malformed', () => {
  const whole = encodeMessage(1, signal);
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, octet) => {
      const bytes = Uint8Array.from(whole);
      bytes[at] = octet;
      decodeMessage(bytes);
    }),
    { numRuns: 2000 },
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void decodeMessage(bytes)));
  for (const [at, octet] of [
    [0, 0x6d],
    [3, 2],
    [7, 1],
    [15, 1],
    [17, 2],
    [18, 0x61],
    [19, 1],
    [23, 1],
  ] as const) {
    const bytes = Uint8Array.from(whole);
    bytes[at] = octet;
    assert.equal(decodeMessage(bytes), 'malformed', `${octet} at ${at}`);
  }
});
