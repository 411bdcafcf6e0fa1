import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answers, type Echo, echoRequest, isEchoReply, leastEchoBytes } from '../../../core/ip/echo.ts';
import {
  confined,
  getU16,
  headerIsRight,
  internetChecksum,
  ipv4Packet,
  ipv6Destination,
  ipv6Packet,
  ipv6Source,
  setU16,
  tcpSegment,
  transportChecksum,
} from './judge.ts';

const token = Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i);
const echo4: Echo = {
  source: Uint8Array.of(10, 0, 0, 1),
  target: Uint8Array.of(10, 1, 2, 3),
  identifier: 0xbeef,
  sequence: 0x1234,
  token,
};
const echo6: Echo = { ...echo4, source: Uint8Array.from(ipv6Source), target: Uint8Array.from(ipv6Destination) };
const session = token.subarray(0, 8);

/** What the target answers: the same payload, the other way round. */
function reply(
  echo: Echo,
  octets: number,
  change: Partial<{ type: number; identifier: number; sequence: number; token: Uint8Array }> = {},
): Uint8Array {
  const version4 = echo.source.length === 4;
  const body = new Uint8Array(octets - (version4 ? 20 : 40));
  body[0] = change.type ?? (version4 ? 0 : 129);
  setU16(body, 4, change.identifier ?? echo.identifier);
  setU16(body, 6, change.sequence ?? echo.sequence);
  body.set(change.token ?? echo.token, 8);
  return version4
    ? ipv4Packet({ protocol: 1, source: [...echo.target], destination: [...echo.source], payload: body })
    : ipv6Packet({ next: 58, source: [...echo.target], destination: [...echo.source], payload: body });
}

const heard = (packet: Uint8Array): boolean =>
  confined(packet, (bytes, at) => isEchoReply(bytes, at, packet.length, echo4.identifier, session)).result;

test('RFC 792, RFC 4443 §4.1: an echo request of exactly the size, with right checksums', () => {
  for (const octets of [leastEchoBytes, 65, 575, 1280, 1399, 1400, 1500]) {
    const four = echoRequest(echo4, octets);
    assert.equal(four.length, octets);
    assert.equal(getU16(four, 2), octets);
    assert.ok(headerIsRight(four));
    assert.equal(four[6] & 0x40, 0, 'no DF inside');
    assert.deepEqual([...four.subarray(8, 10)], [64, 1]);
    assert.deepEqual([...four.subarray(12, 20)], [10, 0, 0, 1, 10, 1, 2, 3]);
    assert.deepEqual([...four.subarray(20, 22)], [8, 0]);
    assert.equal(internetChecksum(four.subarray(20)), 0);
    assert.deepEqual([getU16(four, 24), getU16(four, 26)], [0xbeef, 0x1234]);
    assert.deepEqual(four.subarray(28, 44), token);
    const six = echoRequest(echo6, octets);
    assert.equal(six.length, octets);
    assert.equal(getU16(six, 4), octets - 40);
    assert.deepEqual([...six.subarray(6, 8)], [58, 64]);
    assert.deepEqual([...six.subarray(8, 40)], [...ipv6Source, ...ipv6Destination]);
    assert.deepEqual([...six.subarray(40, 42)], [128, 0]);
    assert.equal(getU16(six, 42), transportChecksum(six, 40, 58, 2));
    assert.deepEqual(six.subarray(48, 64), token);
  }
});

test('the reply is told from all else, and from replies to other probes', () => {
  for (const echo of [echo4, echo6]) {
    for (const octets of [leastEchoBytes, 1400]) {
      const right = reply(echo, octets);
      assert.equal(heard(right), true);
      assert.equal(answers(right, 0, right.length, echo), true);
      assert.equal(answers(right, 0, right.length, { ...echo, sequence: 1 }), false);
      assert.equal(answers(right, 0, right.length, { ...echo, source: echo.target }), false);
      assert.equal(answers(right, 0, right.length, { ...echo, target: echo.source }), false);
      for (let i = 0; i < 16; i++) {
        const other = token.slice();
        other[i] ^= 1;
        assert.equal(heard(reply(echo, octets, { token: other })), i >= 8, 'the session is octets 0 to 7');
        assert.equal(answers(right, 0, right.length, { ...echo, token: other }), false);
      }
      assert.equal(heard(reply(echo, octets, { identifier: 0xbeee })), false);
      assert.equal(heard(reply(echo, octets, { type: 8 })), false);
      assert.equal(heard(reply(echo, octets, { type: 128 })), false);
      assert.equal(heard(reply(echo, octets, { type: 3 })), false);
    }
  }
  assert.equal(answers(reply(echo4, 64), 0, 64, echo6), false);
  assert.equal(answers(reply(echo6, 64), 0, 64, echo4), false);
});

test('a first fragment is enough, another one is nothing', () => {
  const first = reply(echo4, 600);
  setU16(first, 6, 0x2000);
  assert.equal(heard(first), true);
  setU16(first, 6, 0x2001);
  assert.equal(heard(first), false);
  const body = reply(echo6, 600).subarray(40);
  assert.equal(heard(ipv6Packet({ next: 44, extensions: [58, 0, 0, 1, 0, 0, 0, 9], payload: body })), true);
  assert.equal(heard(ipv6Packet({ next: 44, extensions: [58, 0, 0, 9, 0, 0, 0, 9], payload: body })), false);
});

test('hostile: cut anywhere, other protocols, lengths beyond the end', () => {
  for (const whole of [reply(echo4, 80), reply(echo6, 80)]) {
    const least = whole[0] >>> 4 === 4 ? 48 : 64;
    for (let length = 0; length <= 80; length++)
      assert.equal(heard(whole.subarray(0, length)), length >= least, `${length} octets`);
  }
  assert.equal(heard(ipv4Packet({ protocol: 6, payload: tcpSegment(0x10, [], [...new Uint8Array(40)]) })), false);
  assert.equal(heard(ipv6Packet({ next: 6, payload: tcpSegment(0x10, [], [...new Uint8Array(40)]) })), false);
  const long = reply(echo4, 64);
  long[0] = 0x4f; // the header ends where no token fits any more
  assert.equal(heard(long), false);
});
