/** The header and the chain of payloads (RFC 7296 §2.5, §3.1, §3.2, §3.14; RFC 7383 §2.5, §2.6). One test per rule. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../../../core/bytes/bytes.ts';
import { PAYLOAD } from '../../../../core/ike/wire/constants.ts';
import { unsupportedCritical } from '../../../../core/ike/wire/message.ts';
import { MAX_PAYLOADS, parseHeader, parseMessage, parsePayloads } from '../../../../core/ike/wire/parse.ts';
import { fill, hex, message, payload, refuses, refusesMessage } from './raw.ts';

const { KE, N, NONCE, SK, SKF, V } = PAYLOAD;

test('RFC 7296 §3.1: every length below 28 octets is no header', () => {
  const whole = message(0, '');
  for (let length = 0; length < 28; length++) refusesMessage(whole.subarray(0, length), 'short-header', /^header$/);
  assert.ok(parseMessage(whole).ok);
});

test('RFC 7296 §3.1: the fields are where they should be', () => {
  const result = parseHeader(hex('a0a1a2a3a4a5a6a7 b0b1b2b3b4b5b6b7 21 2f 25 28 fedcba98 0000001c'));
  assert.ok(result.ok);
  assert.deepEqual(result.value, {
    header: {
      spiI: hex('a0a1a2a3a4a5a6a7'),
      spiR: hex('b0b1b2b3b4b5b6b7'),
      majorVersion: 2,
      minorVersion: 15,
      exchange: 37,
      messageId: 0xfedcba98,
      flags: { initiator: true, version: false, response: true },
    },
    next: 33,
    length: 28,
  });
});

test('RFC 7296 §3.1: the X bits of the flags are ignored', () => {
  for (const [bits, initiator, version, response] of [
    [0xc7, false, false, false],
    [0xcf, true, false, false],
    [0xd7, false, true, false],
    [0xe7, false, false, true],
  ] as const) {
    const bytes = message(0, '');
    bytes[19] = bits;
    const result = parseMessage(bytes);
    assert.ok(result.ok);
    assert.deepEqual(result.value.header.flags, { initiator, version, response });
  }
});

test('RFC 7296 §2.5: another major version is refused, with the header to answer it', () => {
  for (let major = 0; major < 16; major++) {
    const bytes = message(0, '');
    bytes[17] = major << 4;
    const result = parseMessage(bytes);
    if (major === 2) {
      assert.ok(result.ok);
      continue;
    }
    assert.ok(!result.ok);
    assert.equal(result.error.code, 'major-version');
    assert.equal(result.error.header?.majorVersion, major);
  }
});

test('RFC 7296 §3.1: the minor version is ignored', () => {
  const bytes = message(0, '');
  bytes[17] = 0x2f;
  const result = parseMessage(bytes);
  assert.ok(result.ok);
  assert.equal(result.value.header.minorVersion, 15);
});

test('RFC 7296 §3.1: the length is that of the datagram, no octet more or less', () => {
  const bytes = message(NONCE, payload(0, fill(16)));
  for (const length of [0, 27, bytes.length - 1, bytes.length + 1, 0xffffffff]) {
    const wrong = bytes.slice();
    new DataView(wrong.buffer).setUint32(24, length);
    refusesMessage(wrong, 'length', /header/);
  }
  refusesMessage(bytes.subarray(0, -1), 'length', /header/);
});

test('an error below the header carries the header', () => {
  const result = parseMessage(message(KE, ''));
  assert.ok(!result.ok);
  assert.equal(toHex(result.error.header?.spiI ?? new Uint8Array(0)), '0102030405060708');
});

test('RFC 7296 §3.2: no payload at all is a message', () => {
  const result = parseMessage(message(0, ''));
  assert.ok(result.ok);
  assert.deepEqual(result.value.payloads, []);
  const inner = parsePayloads(0, new Uint8Array(0));
  assert.ok(inner.ok);
  assert.deepEqual(inner.value, []);
});

test('RFC 7296 §3.2: payload lengths below 4 are refused, so a chain ends', () => {
  for (const length of ['0000', '0001', '0002', '0003'])
    for (const first of [N, V, SK, 200]) refusesMessage(message(first, `0000${length}${fill(40)}`), 'syntax', /length [0-3]$/);
});

test('RFC 7296 §3.2: a payload length beyond the message is refused', () => {
  for (const type of [V, SK, 200]) refusesMessage(message(type, `0000 0009 ${fill(4)}`), 'syntax', /length 9/);
});

test('RFC 7296 §3.2: a next payload that is not there is refused', () => {
  for (const rest of ['', '00', '0000', '000000'])
    refusesMessage(message(V, payload(V, 'aa') + rest), 'syntax', /payload 2 .*missing/);
});

test('RFC 7296 §3.2: nothing follows the last payload', () => {
  refusesMessage(message(V, `${payload(0, 'aa')}00`), 'syntax', /1 octets after/);
  refusesMessage(message(0, fill(4)), 'syntax', /4 octets after/);
  const inner = parsePayloads(V, hex(`${payload(0, 'aa')}00`));
  assert.ok(!inner.ok && inner.error.place === 'SK: 1 octets after the last payload');
});

test('RFC 7296 §3.2: the reserved bits of the generic header are ignored', () => {
  const result = parseMessage(message(V, '007f0005aa'));
  assert.ok(result.ok);
  assert.deepEqual(result.value.payloads, [{ kind: 'V', data: hex('aa') }]);
});

test('RFC 7296 §2.5: the critical bit of a known payload is ignored', () => {
  const result = parseMessage(message(V, payload(0, 'aa', true)));
  assert.ok(result.ok);
  assert.deepEqual(result.value.payloads, [{ kind: 'V', data: hex('aa') }]);
  assert.equal(unsupportedCritical(result.value.payloads), undefined);
});

test('RFC 7296 §2.5: unknown payloads are values that carry their critical bit, and the rest is parsed', () => {
  const chain = payload(200, 'aa') + payload(201, 'bb') + payload(V, 'cc', true) + payload(0, 'dd');
  const result = parseMessage(message(V, chain));
  assert.ok(result.ok);
  assert.deepEqual(result.value.payloads, [
    { kind: 'V', data: hex('aa') },
    { kind: 'unknown', type: 200, critical: false, body: hex('bb') },
    { kind: 'unknown', type: 201, critical: true, body: hex('cc') },
    { kind: 'V', data: hex('dd') },
  ]);
  assert.equal(unsupportedCritical(result.value.payloads), 201);
});

test('RFC 7296 §3.2: every type that is not assigned here is unknown', () => {
  const known: readonly number[] = Object.values(PAYLOAD);
  for (let type = 1; type < 256; type++) {
    if (known.includes(type)) continue;
    const result = parseMessage(message(type, payload(0, '')));
    assert.ok(result.ok);
    assert.deepEqual(result.value.payloads, [{ kind: 'unknown', type, critical: false, body: new Uint8Array(0) }]);
  }
});

test('RFC 7296 §3.14: SK keeps its body closed, knows its first inner payload and where the body begins', () => {
  const result = parseMessage(message(V, payload(SK, 'aa') + payload(35, fill(24, 'ee'))));
  assert.ok(result.ok);
  assert.deepEqual(result.value.payloads[1], { kind: 'SK', firstInner: 35, body: hex(fill(24, 'ee')), bodyOffset: 28 + 5 + 4 });
});

test('RFC 7296 §3.14: the encrypted payload is the last one', () => {
  refusesMessage(message(SK, payload(V, fill(24)) + payload(0, 'aa')), 'syntax', /\(SK\).*last/);
  refusesMessage(message(SKF, payload(V, `00010001${fill(24)}`) + payload(0, 'aa')), 'syntax', /\(SKF\).*last/);
  refusesMessage(message(SK, `${payload(V, fill(24))}00`), 'syntax', /\(SK\).*last/);
});

test('RFC 7296 §3.14: no encrypted payload inside another', () => {
  for (const type of [SK, SKF]) {
    const inner = parsePayloads(type, hex(payload(0, `00010001${fill(24)}`)));
    assert.ok(!inner.ok && inner.error.code === 'syntax');
    assert.match(inner.error.place, /^SK: payload 1/);
  }
});

test('RFC 7383 §2.5: SKF has fragment numbers before its body', () => {
  const result = parseMessage(message(SKF, payload(35, `00010003${fill(24, 'ee')}`)));
  assert.ok(result.ok);
  const body = hex(fill(24, 'ee'));
  assert.deepEqual(result.value.payloads, [{ kind: 'SKF', firstInner: 35, fragment: 1, total: 3, body, bodyOffset: 36 }]);
});

test('RFC 7383 §2.6: fragment number and total are not zero, and the number is not above the total', () => {
  for (const numbers of ['00000000', '00000001', '00010000', '00020001', 'ffff0001'])
    refusesMessage(message(SKF, payload(0, numbers + fill(24))), 'syntax', /fragment \d+ of \d+/);
  for (const numbers of ['', '00', '0001', '000100'])
    refusesMessage(message(SKF, payload(0, numbers)), 'syntax', /fragment numbers/);
  for (const numbers of ['00010001', '00020002', 'ffffffff'])
    assert.ok(parseMessage(message(SKF, payload(0, numbers + fill(24)))).ok, numbers);
});

test('the number of payloads is bounded', () => {
  const chain = (count: number) => `${payload(V, '').repeat(count - 1)}${payload(0, '')}`;
  assert.ok(parseMessage(message(V, chain(MAX_PAYLOADS))).ok);
  refusesMessage(message(V, chain(MAX_PAYLOADS + 1)), 'too-many', /payloads/);
  // 16 k payloads of four octets, the most a datagram can hold.
  refusesMessage(message(V, chain(16_376)), 'too-many', /payloads/);
});

test('byte fields are views into the datagram', () => {
  const bytes = message(V, payload(0, 'aabb'));
  const result = parseMessage(bytes);
  assert.ok(result.ok);
  const [vendor] = result.value.payloads;
  assert.ok(vendor.kind === 'V');
  bytes[32] = 0xcc;
  assert.equal(vendor.data[0], 0xcc);
});

test('an array that begins within its buffer is parsed the same', () => {
  const bytes = message(NONCE, payload(0, fill(16)));
  const padded = new Uint8Array(bytes.length + 13);
  padded.set(bytes, 7);
  const view = padded.subarray(7, 7 + bytes.length);
  assert.deepEqual(parseMessage(view), parseMessage(bytes));
});

test('the place of an error names the payload by number and type', () => {
  refusesMessage(message(V, payload(NONCE, 'aa') + payload(0, 'bb')), 'syntax', /^payload 2 \(NONCE\): 1 octets$/);
  refuses(NONCE, 'aa', 'syntax', /^payload 1 \(NONCE\)/);
});
