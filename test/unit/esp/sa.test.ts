import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../../core/bytes/bytes.ts';
import type { EspCipher, EspSuite } from '../../../core/crypto/espCipher.ts';
import { nodeEspBackend } from '../../../core/crypto/node/esp.ts';
import { InboundSa, type InboundVerdict } from '../../../core/esp/inbound.ts';
import { OutboundSa } from '../../../core/esp/outbound.ts';
import { padLength, readU32, writeTrailer, writeU32 } from '../../../core/esp/packet.ts';
import { openOne, sealOne } from './one.ts';
import { allSuites, ipv4Packet, keysFor, octets, suiteName, suiteOf } from './suites.ts';

const spi = 0xc0ffee01;

function cipherFor(suite: EspSuite): EspCipher {
  const cipher = nodeEspBackend.cipher(suite, keysFor(suite));
  assert.ok(cipher);
  return cipher;
}

interface Start {
  readonly high: number;
  readonly low: number;
}

function sender(suite: EspSuite, start?: Start): OutboundSa {
  let seed = 1;
  return new OutboundSa({ spi, cipher: cipherFor(suite), esn: suite.esn, random: (n) => octets(n, seed++), start });
}

function receiver(suite: EspSuite, start?: Start): InboundSa {
  return new InboundSa({ spi, cipher: cipherFor(suite), esn: suite.esn, window: 64, start });
}

/** The ESP packet, alone in its array. */
function seal(sa: OutboundSa, inner: Uint8Array, nextHeader = 4): Uint8Array {
  const buffer = new Uint8Array(sa.headBytes + inner.length + sa.tailBytes);
  buffer.set(inner, sa.headBytes);
  const length = sealOne(sa, buffer, sa.headBytes, inner.length, nextHeader);
  return buffer.slice(0, length);
}

/** Opens a copy, so that the packet can be used again. */
function open(sa: InboundSa, packet: Uint8Array): { readonly verdict: InboundVerdict; readonly inner: string } {
  const buffer = packet.slice();
  const verdict = openOne(sa, buffer, 0, buffer.length);
  return { verdict, inner: verdict === 'ok' ? toHex(buffer.subarray(sa.innerOffset, sa.innerOffset + sa.innerLength)) : '' };
}

test('every suite carries packets of every length', () => {
  for (const suite of allSuites) {
    const out = sender(suite);
    const into = receiver(suite);
    for (let length = 20; length < 60; length++) {
      const inner = ipv4Packet(length);
      const packet = seal(out, inner, length % 2 === 0 ? 4 : 41);
      assert.deepEqual(open(into, packet), { verdict: 'ok', inner: toHex(inner) }, `${suiteName(suite)} ${length}`);
      assert.equal(into.nextHeader, length % 2 === 0 ? 4 : 41);
    }
    const large = ipv4Packet(8999);
    assert.equal(open(into, seal(out, large)).inner, toHex(large));
  }
});

test('on the wire: SPI, numbers from 1, four-octet alignment, and no octet written outside the promised room', () => {
  for (const suite of allSuites) {
    const out = sender(suite);
    for (let n = 1; n <= 40; n++) {
      const buffer = new Uint8Array(200 + out.headBytes + n + out.tailBytes).fill(0xa5);
      const offset = 100 + out.headBytes;
      buffer.set(ipv4Packet(n), offset);
      const length = sealOne(out, buffer, offset, n, 4);
      assert.equal(readU32(buffer, 100), spi);
      assert.equal(readU32(buffer, 104), n);
      assert.equal(length % 4, 0);
      assert.ok(length <= out.headBytes + n + out.tailBytes);
      assert.ok(buffer.subarray(0, 100).every((octet) => octet === 0xa5));
      assert.ok(
        buffer.subarray(100 + length).every((octet) => octet === 0xa5),
        suiteName(suite),
      );
    }
  }
});

test('AEAD IVs count and never repeat; with ESN they hold the high half too', () => {
  const plain = sender(suiteOf('aes256gcm16'));
  assert.equal(toHex(seal(plain, ipv4Packet(20)).subarray(8, 16)), '0000000000000001');
  assert.equal(toHex(seal(plain, ipv4Packet(20)).subarray(8, 16)), '0000000000000002');
  const extended = sender(suiteOf('chacha20poly1305-esn'), { high: 6, low: 0xffffffff });
  const packet = seal(extended, ipv4Packet(20));
  assert.equal(toHex(packet.subarray(4, 16)), '000000000000000700000000');
});

test('CBC IVs come from the random port, each octet once', () => {
  let drawn = '';
  const suite = suiteOf('aes128-sha256');
  const sa = new OutboundSa({
    spi,
    cipher: cipherFor(suite),
    esn: false,
    random: (length) => {
      const bytes = octets(length, drawn.length + 1);
      drawn += toHex(bytes);
      return bytes;
    },
  });
  let used = '';
  for (let n = 0; n < 600; n++) used += toHex(seal(sa, ipv4Packet(20)).subarray(8, 24));
  assert.ok(drawn.startsWith(used));
});

test('32-bit numbers: the last one is sent, then nothing more, and the buffer stays as it was (RFC 4303 §3.3.3)', () => {
  for (const keyword of ['aes128gcm16', 'aes256-sha1']) {
    const out = sender(suiteOf(keyword), { high: 0, low: 0xfffffffd });
    assert.equal(readU32(seal(out, ipv4Packet(20)), 4), 0xfffffffe);
    assert.equal(readU32(seal(out, ipv4Packet(20)), 4), 0xffffffff);
    for (let i = 0; i < 3; i++) {
      const buffer = new Uint8Array(200).fill(7);
      assert.equal(sealOne(out, buffer, 64, 20, 4), 0);
      assert.ok(buffer.every((octet) => octet === 7));
    }
  }
});

test('ESN: traffic goes on across 2^32 in order, out of order and with losses; the end is 2^64', () => {
  for (const keyword of ['aes128gcm16-esn', 'chacha20poly1305-esn', 'aes256-sha512-esn']) {
    const suite = suiteOf(keyword);
    const out = sender(suite, { high: 0, low: 0xfffffffa });
    const into = receiver(suite, { high: 0, low: 0xfffffffa });
    const packets = Array.from({ length: 12 }, () => seal(out, ipv4Packet(40)));
    assert.deepEqual(packets.map((packet) => readU32(packet, 4)).slice(4, 7), [0xffffffff, 0, 1]);
    for (const i of [0, 7, 4, 5, 11, 1, 6]) assert.equal(open(into, packets[i]).verdict, 'ok', `${keyword} ${i}`);
    for (const i of [0, 7, 4, 5, 11, 1, 6]) assert.equal(open(into, packets[i]).verdict, 'replay', `${keyword} ${i}`);
    assert.equal(open(into, packets[3]).verdict, 'ok');

    const last = sender(suite, { high: 0xffffffff, low: 0xfffffffe });
    const end = receiver(suite, { high: 0xffffffff, low: 0xffffff00 });
    assert.equal(open(end, seal(last, ipv4Packet(40))).verdict, 'ok');
    assert.equal(sealOne(last, new Uint8Array(200), 64, 20, 4), 0);
  }
});

test('a peer that counts the high half otherwise is not believed', () => {
  const suite = suiteOf('aes128gcm16-esn');
  const packet = seal(sender(suite, { high: 5, low: 9 }), ipv4Packet(40));
  assert.equal(open(receiver(suite, { high: 5, low: 1 }), packet).verdict, 'ok');
  assert.equal(open(receiver(suite, { high: 4, low: 1 }), packet).verdict, 'integrity');
});

test('replayed, zero and left-of-window numbers are refused before any cryptography', () => {
  let opened = 0;
  const suite = suiteOf('aes128gcm16');
  const real = cipherFor(suite);
  const counting: EspCipher = {
    backend: real.backend,
    ivBytes: real.ivBytes,
    icvBytes: real.icvBytes,
    alignment: real.alignment,
    unpredictableIv: real.unpredictableIv,
    seal: (...all) => real.seal(...all),
    open: (...all) => {
      opened++;
      return real.open(...all);
    },
    destroy: () => real.destroy(),
  };
  const into = new InboundSa({ spi, cipher: counting, esn: false, window: 64 });
  const out = sender(suite);
  const packets = Array.from({ length: 100 }, () => seal(out, ipv4Packet(40)));
  assert.equal(open(into, packets[99]).verdict, 'ok');
  assert.equal(opened, 1);
  assert.equal(open(into, packets[99]).verdict, 'replay');
  assert.equal(open(into, packets[35]).verdict, 'replay');
  const zero = packets[99].slice();
  writeU32(zero, 4, 0);
  assert.equal(open(into, zero).verdict, 'replay');
  assert.equal(opened, 1);
  assert.equal(open(into, packets[36]).verdict, 'ok');
});

test('a wrong ICV at a high number moves nothing: older packets still pass, and the genuine one with that number too', () => {
  for (const keyword of ['aes256gcm16', 'chacha20poly1305', 'aes128-sha256', 'aes128gcm8-esn', 'aes192-sha384-esn']) {
    const suite = suiteOf(keyword);
    const out = sender(suite);
    const into = receiver(suite);
    const packets = Array.from({ length: 70 }, () => seal(out, ipv4Packet(40)));
    assert.equal(open(into, packets[0]).verdict, 'ok');
    for (const high of [69, 0x7fffffff, 0xffffff00]) {
      const forged = packets[69].slice();
      if (high !== 69) writeU32(forged, 4, high);
      forged[forged.length - 1] ^= 1;
      assert.equal(open(into, forged).verdict, 'integrity', keyword);
    }
    assert.equal(open(into, packets[1]).verdict, 'ok', keyword);
    assert.equal(open(into, packets[69]).verdict, 'ok', keyword);
  }
});

test('truncated packets of every length are refused and change nothing', () => {
  for (const keyword of ['aes256gcm16', 'aes128-sha1']) {
    const suite = suiteOf(keyword);
    const into = receiver(suite);
    const packet = seal(sender(suite), ipv4Packet(40));
    for (let length = 0; length < packet.length; length++) {
      const { verdict } = open(into, packet.subarray(0, length));
      assert.ok(
        verdict === 'malformed' || verdict === 'integrity' || (length < 8 && verdict === 'replay'),
        `${keyword} ${length} ${verdict}`,
      );
    }
    assert.equal(open(into, packet).verdict, 'ok');
  }
});

/** A packet with any trailer, properly sealed: what only the peer itself could send. */
function crafted(suite: EspSuite, sequence: number, payload: Uint8Array): Uint8Array {
  const cipher = cipherFor(suite);
  const head = 8 + cipher.ivBytes;
  const buffer = new Uint8Array(head + payload.length + cipher.icvBytes);
  writeU32(buffer, 0, spi);
  writeU32(buffer, 4, sequence);
  buffer.set(octets(cipher.ivBytes, sequence), 8);
  buffer.set(payload, head);
  cipher.seal(buffer, 0, payload.length, 0);
  return buffer;
}

function withTrailer(inner: Uint8Array, padding: readonly number[], padLengthOctet: number, nextHeader: number): Uint8Array {
  return Uint8Array.of(...inner, ...padding, padLengthOctet, nextHeader);
}

test('padding must be 1, 2, 3, … and must not be longer than the payload; the number counts as used all the same', () => {
  const inner = ipv4Packet(28);
  const cases: readonly (readonly [Uint8Array, InboundVerdict])[] = [
    [withTrailer(inner, [1, 2], 2, 4), 'ok'],
    [withTrailer(inner, [1, 3], 2, 4), 'malformed'],
    [withTrailer(inner, [0, 0], 2, 4), 'malformed'],
    [withTrailer(inner, [9, 9], 200, 4), 'malformed'],
    [withTrailer(inner, [1, 2], 31, 4), 'malformed'],
    [withTrailer(inner, [1, 2], 255, 4), 'malformed'],
    [Uint8Array.of(1, 2, 2, 4), 'ok'], // empty: refused later, where the inner header is read
    [Uint8Array.of(1, 2, 3, 4), 'malformed'],
    [
      withTrailer(
        inner,
        Array.from({ length: 254 }, (_, i) => i + 1),
        254,
        4,
      ),
      'ok',
    ], // more padding than needed is allowed (RFC 4303 §2.4)
  ];
  for (const keyword of ['aes128gcm16', 'chacha20poly1305']) {
    const suite = suiteOf(keyword);
    const into = receiver(suite);
    for (const [i, [payload, expected]] of cases.entries()) {
      const packet = crafted(suite, i + 1, payload);
      assert.equal(open(into, packet).verdict, expected, `${keyword} case ${i}`);
      assert.equal(open(into, packet).verdict, 'replay');
    }
  }
});

test('next header: 4 and 41 are packets, 59 is a dummy, all else is refused', () => {
  const suite = suiteOf('aes256-sha256');
  const into = receiver(suite);
  for (let nextHeader = 0; nextHeader < 256; nextHeader++) {
    const payload = withTrailer(ipv4Packet(28), [1, 2], 2, nextHeader);
    const { verdict } = open(into, crafted(suite, nextHeader + 1, payload));
    assert.equal(
      verdict,
      nextHeader === 4 || nextHeader === 41 ? 'ok' : nextHeader === 59 ? 'dummy' : 'malformed',
      `${nextHeader}`,
    );
  }
});

test('the fewest padding octets', () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((n) => padLength(n, 4)),
    [2, 1, 0, 3, 2],
  );
  assert.deepEqual(
    [14, 15, 16, 30].map((n) => padLength(n, 16)),
    [0, 15, 14, 0],
  );
  const buffer = new Uint8Array(6);
  writeTrailer(buffer, 0, 3, 41);
  assert.deepEqual([...buffer], [1, 2, 3, 3, 41, 0]);
});

test('a destroyed SA neither seals nor opens', () => {
  for (const keyword of ['aes128gcm16', 'aes128-sha1']) {
    const suite = suiteOf(keyword);
    const out = sender(suite);
    const into = receiver(suite);
    const packet = seal(out, ipv4Packet(40));
    out.destroy();
    into.destroy();
    assert.throws(() => seal(out, ipv4Packet(40)), /destroyed/);
    assert.throws(() => open(into, packet), /destroyed/);
  }
});
