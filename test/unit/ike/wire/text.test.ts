/** SPIs, addresses and traffic selectors as text. */
import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { formatAddress, parseAddress } from '../../../../core/bytes/address.ts';
import { toHex } from '../../../../core/bytes/bytes.ts';
import type { TrafficSelector } from '../../../../core/ike/wire/message.ts';
import { selectorCidr, selectorFromCidr, selectorText } from '../../../../core/ike/wire/selectorText.ts';
import { spiBytes, spiNumber, spiText } from '../../../../core/ike/wire/spi.ts';
import { hex } from './raw.ts';

test('SPIs: octets, numbers and text', () => {
  assert.equal(toHex(spiBytes(0xfedcba98)), 'fedcba98');
  assert.equal(spiNumber(hex('fedcba98')), 0xfedcba98);
  assert.equal(spiNumber(hex('00fedcba98').subarray(1)), 0xfedcba98);
  assert.equal(spiNumber(hex('fedcba')), undefined);
  assert.equal(spiText(0x1020304), '0x01020304');
  assert.equal(spiText(hex('01020304')), '0x01020304');
  assert.equal(spiText(hex('0102030405060708')), '0102030405060708');
});

// RFC 5952 §4 and §5, RFC 4291 §2.2: the canonical text, and other spellings of the same address.
const addresses: readonly (readonly [hex: string, canonical: string, ...others: string[]])[] = [
  ['c0000201', '192.0.2.1'],
  ['00000000', '0.0.0.0'],
  ['00000000000000000000000000000000', '::', '0:0:0:0:0:0:0:0', '::0'],
  ['00000000000000000000000000000001', '::1', '0::1', '::0.0.0.1'],
  ['20010db8000000000000000000000001', '2001:db8::1', '2001:0DB8:0:0::1', '2001:db8:0:0:0:0:0:1'],
  ['20010db8000000010000000000000001', '2001:db8:0:1::1'],
  ['20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
  ['20010db8000100010001000100010000', '2001:db8:1:1:1:1:1:0'],
  ['20010db8000000010001000100010001', '2001:db8:0:1:1:1:1:1', '2001:db8::1:1:1:1:1'],
  ['00000000000000000000ffffc0000201', '::ffff:192.0.2.1', '::ffff:c000:201', '0:0:0:0:0:ffff:192.0.2.1'],
  ['fe800000000000000000000000000000', 'fe80::'],
];

for (const [octets, canonical, ...others] of addresses) {
  test(`RFC 5952: ${canonical}`, () => {
    assert.equal(formatAddress(hex(octets)), canonical);
    for (const text of [canonical, ...others]) assert.equal(toHex(parseAddress(text) ?? hex('')), octets, text);
  });
}

test('what is no address', () => {
  const wrong = [
    '',
    '1',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '256.1.1.1',
    '1.2.3.-4',
    ' 1.2.3.4',
    '1.2.3.4/8',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
  ];
  wrong.push(
    '1:2:3:4:5:6:7:8:9',
    '::1:2:3:4:5:6:7:8',
    '12345::',
    'g::',
    '1.2.3.4::',
    '::1.2.3',
    'fe80::1%eth0',
    '[::1]',
    '1:2:3:4:5:6:7:1.2.3.4',
  );
  for (const text of wrong) assert.equal(parseAddress(text), undefined, text);
  for (const length of [0, 3, 5, 15, 17]) assert.throws(() => formatAddress(new Uint8Array(length)), RangeError);
});

test('texts of addresses: what node takes is taken, and every address comes back', () => {
  const groups = fc.array(fc.constantFrom('0', '1', 'ffff', '', '00', 'abcd', '1.2.3.4', '12345', 'x'), { maxLength: 9 });
  fc.assert(
    fc.property(groups, (parts) => {
      const text = parts.join(':');
      assert.equal(parseAddress(text) !== undefined, isIP(text) !== 0, text);
    }),
    { seed: 5952, numRuns: 5000 },
  );
  fc.assert(
    fc.property(
      fc.constantFrom(4, 16),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.nat(0xffff),
      (length, octets, zeros) => {
        const address = octets.map((octet, i) => ((zeros >>> i) & 1 ? 0 : octet)).slice(0, length);
        const text = formatAddress(address);
        assert.deepEqual(parseAddress(text), address);
        assert.equal(isIP(text), length === 4 ? 4 : 6);
      },
    ),
    { seed: 5952, numRuns: 2000 },
  );
});

test('a network becomes a selector of all protocols and ports, and text again', () => {
  for (const cidr of [
    '0.0.0.0/0',
    '10.0.0.0/8',
    '10.1.2.3/32',
    '192.0.2.128/25',
    '::/0',
    '2001:db8::/32',
    '2001:db8::/127',
    '::1/128',
  ]) {
    const selector = selectorFromCidr(cidr);
    assert.ok(selector !== undefined, cidr);
    assert.deepEqual([selector.protocol, selector.startPort, selector.endPort], [0, 0, 65535]);
    assert.equal(selectorText(selector), cidr);
    assert.equal(selectorCidr(selector), cidr);
  }
});

test('the ends of a network', () => {
  assert.deepEqual(selectorFromCidr('10.1.2.3/12'), selectorFromCidr('10.0.0.0/12'));
  assert.deepEqual(selectorFromCidr('10.0.0.0/12'), {
    type: 'ipv4',
    protocol: 0,
    startPort: 0,
    endPort: 65535,
    start: hex('0a000000'),
    end: hex('0a0fffff'),
  });
  assert.equal(selectorText(selectorFromCidr('10.1.2.3') ?? many), '10.1.2.3/32');
});

test('what is no network', () => {
  for (const text of [
    '',
    '/8',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '::/129',
    '10.0.0/8',
    'office/8',
  ])
    assert.equal(selectorFromCidr(text), undefined, text);
});

const many: TrafficSelector = {
  type: 'ipv4',
  protocol: 0,
  startPort: 0,
  endPort: 65535,
  start: hex('0a000001'),
  end: hex('0a000009'),
};

test('selectors that are no network, or of one protocol, or of some ports', () => {
  assert.equal(selectorText(many), '10.0.0.1-10.0.0.9');
  assert.equal(selectorCidr(many), undefined);
  const net: TrafficSelector = { ...many, start: hex('0a000000'), end: hex('0a0000ff') };
  assert.equal(selectorText({ ...net, protocol: 6, startPort: 443, endPort: 443 }), '10.0.0.0/24[tcp/443]');
  assert.equal(selectorText({ ...net, protocol: 17, startPort: 1000, endPort: 2000 }), '10.0.0.0/24[udp/1000-2000]');
  assert.equal(selectorText({ ...net, protocol: 1 }), '10.0.0.0/24[icmp]');
  assert.equal(selectorText({ ...net, protocol: 47 }), '10.0.0.0/24[47]');
  assert.equal(selectorText({ ...net, startPort: 53, endPort: 53 }), '10.0.0.0/24[any/53]');
  assert.equal(selectorText({ ...net, protocol: 6, startPort: 65535, endPort: 0 }), '10.0.0.0/24[tcp/opaque]');
});
