import assert from 'node:assert/strict';
import { isIPv4, isIPv6 } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatAddress, parseAddress } from '../../../core/bytes/address.ts';
import { toHex } from '../../../core/bytes/bytes.ts';
import {
  type AddressRange,
  type Cidr,
  cidrsOfRange,
  compareAddresses,
  formatCidr,
  maskAddress,
  parseCidr,
  rangeContains,
  rangeOfCidr,
} from '../../../core/ip/cidr.ts';

function address(text: string): Uint8Array {
  const bytes = parseAddress(text);
  assert.ok(bytes, text);
  return bytes;
}

function cidr(text: string): Cidr {
  const value = parseCidr(text);
  assert.ok(value, text);
  return value;
}

const range = (start: string, end: string): AddressRange => ({ start: address(start), end: address(end) });

test('RFC 5952: the canonical text of an IPv6 address', () => {
  const cases: readonly (readonly [string, string])[] = [
    // §1, §2
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8::0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:DB8:0:0:1::1', '2001:db8::1:0:0:1'],
    // §4.2.1 shorten as much as possible, §4.2.2 never one group, §4.2.3 the longest, then the first
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['0:0:1::', '0:0:1::'],
    // §5 mixed notation
    ['::ffff:c000:201', '::ffff:192.0.2.1'],
    ['0:0:0:0:0:FFFF:192.0.2.1', '::ffff:192.0.2.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ];
  for (const [text, canonical] of cases) assert.equal(formatAddress(address(text)), canonical, text);
});

test('what is no address', () => {
  const wrong = [
    '',
    ' ',
    '1',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.04',
    '1.2.3.-4',
    '1.2.3.4 ',
    ' 1.2.3.4',
    '0x1.2.3.4',
    '1.2.3.4/32',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8',
    '12345::',
    'g::',
    '::1%eth0',
    '[::1]',
    '1.2.3.4::',
    '::1.2.3',
    '::1.2.3.4:5',
    '1:2:3:4:5:6:7:1.2.3.4',
    ':1::',
    '1:',
    ':1',
    '::01.2.3.4',
    '1.2.3.4\n',
  ];
  for (const text of wrong) assert.equal(parseAddress(text), undefined, JSON.stringify(text));
});

test('property: octets to text and back, and the text is what node:net calls an address', () => {
  const group = fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
  fc.assert(
    fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
      const bytes = Uint8Array.from(groups.flatMap((value) => [value >>> 8, value & 0xff]));
      const text = formatAddress(bytes);
      assert.ok(isIPv6(text), text);
      assert.equal(toHex(address(text)), toHex(bytes));
      assert.equal(new URL(`http://[${text}]/`).hostname.length > 0, true);
    }),
    { seed: 1, numRuns: 2000 },
  );
});

test('property: accepts exactly what node:net accepts, zones aside', () => {
  const alphabet = fc.constantFrom('0', '1', 'f', 'ab', '255', '256', ':', '::', '.', '00', 'g');
  fc.assert(
    fc.property(fc.array(alphabet, { maxLength: 17 }), (parts) => {
      const text = parts.join('');
      assert.equal(parseAddress(text) !== undefined, isIPv4(text) || isIPv6(text), text);
    }),
    { seed: 2, numRuns: 20_000 },
  );
});

test('CIDR', () => {
  for (const text of [
    '0.0.0.0/0',
    '10.0.0.0/8',
    '192.0.2.128/25',
    '192.0.2.1/32',
    '::/0',
    '2001:db8::/32',
    '2001:db8::1/128',
    '2001:db8:0:8000::/49',
  ]) {
    assert.equal(formatCidr(cidr(text)), text);
  }
  assert.equal(formatCidr(cidr('192.0.2.1')), '192.0.2.1/32');
  assert.equal(formatCidr(cidr('2001:db8::1')), '2001:db8::1/128');
  for (const text of [
    '10.0.0.1/8',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '::1/64',
    '::/129',
    '/8',
    '10.0.0.0/ 8',
    'a/8',
  ]) {
    assert.equal(parseCidr(text), undefined, text);
  }
});

test('ranges of networks and networks of ranges', () => {
  const { start, end } = rangeOfCidr(cidr('192.0.2.64/26'));
  assert.deepEqual([formatAddress(start), formatAddress(end)], ['192.0.2.64', '192.0.2.127']);
  const of = (first: string, last: string): string[] => cidrsOfRange(range(first, last)).map(formatCidr);
  assert.deepEqual(of('0.0.0.0', '255.255.255.255'), ['0.0.0.0/0']);
  assert.deepEqual(of('::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'), ['::/0']);
  assert.deepEqual(of('10.1.0.5', '10.1.0.5'), ['10.1.0.5/32']);
  assert.deepEqual(of('10.0.0.1', '10.0.0.6'), ['10.0.0.1/32', '10.0.0.2/31', '10.0.0.4/31', '10.0.0.6/32']);
  assert.deepEqual(of('255.255.255.254', '255.255.255.255'), ['255.255.255.254/31']);
  assert.deepEqual(of('10.0.0.2', '10.0.0.1'), []);
  assert.deepEqual(cidrsOfRange({ start: address('10.0.0.1'), end: address('::1') }), []);
  assert.equal(cidrsOfRange(range('0.0.0.1', '255.255.255.254')).length, 62);
  assert.equal(cidrsOfRange(range('::1', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe')).length, 254);
});

test('property: the networks of a range join without gap or overlap, and none could be merged', () => {
  const u32 = fc.integer({ min: 0, max: 0xffffffff });
  const bytes = (n: number): Uint8Array => Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n);
  const number = (b: Uint8Array): number => new DataView(b.buffer, b.byteOffset).getUint32(0);
  fc.assert(
    fc.property(u32, u32, (a, b) => {
      const [first, last] = a <= b ? [a, b] : [b, a];
      let next = first;
      for (const network of cidrsOfRange({ start: bytes(first), end: bytes(last) })) {
        const { start, end } = rangeOfCidr(network);
        assert.equal(number(start), next);
        assert.equal(compareAddresses(maskAddress(start, network.prefix), start), 0);
        next = number(end) + 1;
      }
      assert.equal(next, last + 1);
    }),
    { seed: 3, numRuns: 500 },
  );
});

test('containment and masks', () => {
  const lan = range('192.0.2.10', '192.0.2.20');
  for (const [text, inside] of [
    ['192.0.2.9', false],
    ['192.0.2.10', true],
    ['192.0.2.15', true],
    ['192.0.2.20', true],
    ['192.0.2.21', false],
    ['::1', false],
  ] as const) {
    assert.equal(rangeContains(lan, address(text)), inside, text);
  }
  assert.equal(formatAddress(maskAddress(address('255.255.255.255'), 0)), '0.0.0.0');
  assert.equal(formatAddress(maskAddress(address('255.255.255.255'), 20)), '255.255.240.0');
  assert.equal(formatAddress(maskAddress(address('2001:db8:ffff::1'), 35)), '2001:db8:e000::');
});
