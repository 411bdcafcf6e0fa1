/** The encoder: reserved fields, lengths, and the values that no message can carry. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../../../core/bytes/bytes.ts';
import { NOTIFY, PAYLOAD } from '../../../../core/ike/wire/constants.ts';
import { encodeEncryptedPrefix, encodeMessage, encodePayloads } from '../../../../core/ike/wire/encode.ts';
import type { Header, Payload, Proposal, TrafficSelector } from '../../../../core/ike/wire/message.ts';
import { MAX_PAYLOADS, MAX_SPIS, parseMessage } from '../../../../core/ike/wire/parse.ts';
import { MAX_CONFIG_ATTRIBUTES } from '../../../../core/ike/wire/parseNested.ts';
import { notify } from '../../../../core/ike/wire/payloads.ts';
import { fill, hex } from './raw.ts';

const header: Header = {
  spiI: hex('0102030405060708'),
  spiR: hex('1112131415161718'),
  majorVersion: 2,
  minorVersion: 0,
  exchange: 37,
  messageId: 0xfffffffe,
  flags: { initiator: true, version: false, response: true },
};
const vendor: Payload = { kind: 'V', data: hex('aa') };
const selector: TrafficSelector = {
  type: 'ipv4',
  protocol: 6,
  startPort: 80,
  endPort: 443,
  start: hex('0a000000'),
  end: hex('0a0000ff'),
};
const proposal: Proposal = { number: 1, protocol: 3, spi: hex('01020304'), transforms: [{ type: 1, id: 20, keyLength: 256 }] };

test('RFC 7296 §3.1: header and length', () => {
  assert.equal(
    toHex(encodeMessage(header, [vendor])),
    toHex(hex('0102030405060708 1112131415161718 2b 20 25 28 fffffffe 00000021 00000005aa')),
  );
});

test('RFC 7296 §3.1: the three flags', () => {
  const bits = (flags: Header['flags']) => encodeMessage({ ...header, flags }, [])[19];
  assert.equal(bits({ initiator: true, version: false, response: false }), 0x08);
  assert.equal(bits({ initiator: false, version: true, response: false }), 0x10);
  assert.equal(bits({ initiator: false, version: false, response: true }), 0x20);
});

/** Octets of every payload, worked out by hand from the figures of RFC 7296 §3: reserved fields are zero. */
const bodies: readonly (readonly [clause: string, payload: Payload, body: string])[] = [
  ['§3.3', { kind: 'SA', proposals: [proposal] }, '00000018 01030401 01020304 0000000c 01000014 800e0100'],
  ['§3.4', { kind: 'KE', method: 31, data: hex('0102') }, '001f0000 0102'],
  ['§3.5', { kind: 'IDi', idType: 2, data: hex('61') }, '02000000 61'],
  ['§3.5', { kind: 'IDr', idType: 1, data: hex('c0000201') }, '01000000 c0000201'],
  ['§3.5', { kind: 'IDr', idType: 2, data: hex('61'), reserved: 0x0a0b0c }, '020a0b0c 61'],
  ['§3.6', { kind: 'CERT', encoding: 4, data: hex('3000') }, '04 3000'],
  ['§3.7', { kind: 'CERTREQ', encoding: 4, data: hex('') }, '04'],
  ['§3.8', { kind: 'AUTH', method: 2, data: hex('0102') }, '02000000 0102'],
  ['§3.9', { kind: 'NONCE', data: hex(fill(16)) }, fill(16)],
  ['§3.10', notify(NOTIFY.COOKIE, hex('0102')), '0000 4006 0102'],
  ['§3.10', { kind: 'N', protocol: 3, spi: hex('01020304'), type: 16393, data: hex('') }, '0304 4009 01020304'],
  ['§3.11', { kind: 'D', protocol: 1, spis: [] }, '01000000'],
  ['§3.11', { kind: 'D', protocol: 3, spis: [hex('01020304'), hex('05060708')] }, '03040002 01020304 05060708'],
  ['§3.12', vendor, 'aa'],
  ['§3.13', { kind: 'TSi', selectors: [selector], unknownTypes: 0 }, '01000000 07060010 005001bb 0a000000 0a0000ff'],
  ['§3.15', { kind: 'CP', cfgType: 1, attributes: [{ type: 1, value: hex('') }] }, '01000000 00010000'],
  ['§3.15', { kind: 'CP', cfgType: 2, attributes: [{ type: 3, value: hex('0a000035') }] }, '02000000 00030004 0a000035'],
  ['§3.16', { kind: 'EAP', message: hex('03070004') }, '03070004'],
];

for (const [clause, payload, body] of bodies) {
  test(`RFC 7296 ${clause}: ${payload.kind} ${body}`, () => {
    const { first, bytes } = encodePayloads([payload, vendor]);
    assert.equal(first, payload.kind === 'unknown' ? payload.type : PAYLOAD[payload.kind]);
    const length = (hex(body).length + 4).toString(16).padStart(4, '0');
    assert.equal(toHex(bytes), toHex(hex(`2b00${length}${body} 00000005aa`)));
  });
}

test('RFC 7296 §3.10: the protocol is sent as zero when there is no SPI', () => {
  const { bytes } = encodePayloads([{ kind: 'N', protocol: 1, spi: hex(''), type: 14, data: hex('') }]);
  assert.equal(toHex(bytes), '000000080000000e');
});

test('RFC 7296 §2.5: only unknown payloads carry a critical bit', () => {
  const unknown = (critical: boolean) => encodePayloads([{ kind: 'unknown', type: 200, critical, body: hex('aa') }]);
  assert.deepEqual(unknown(true), { first: 200, bytes: hex('00800005aa') });
  assert.deepEqual(unknown(false), { first: 200, bytes: hex('00000005aa') });
});

test('RFC 5282 §5.1: the encrypted prefix has its lengths final', () => {
  assert.equal(
    toHex(encodeEncryptedPrefix(header, 'SK', 35, 100)),
    toHex(hex('0102030405060708 1112131415161718 2e 20 25 28 fffffffe 00000084 23000068')),
  );
});

test('RFC 7383 §2.5: the prefix of a fragment has its numbers, and only the first says what is inside', () => {
  const prefix = (fragment: number) => toHex(encodeEncryptedPrefix(header, { fragment, total: 2 }, 35, 100).subarray(28));
  assert.equal(prefix(1), '2300006c00010002');
  assert.equal(prefix(2), '0000006c00020002');
});

test('an empty chain begins with no payload', () => {
  assert.deepEqual(encodePayloads([]), { first: 0, bytes: hex('') });
  assert.equal(encodeMessage(header, [])[16], 0);
});

test('the largest values there are, are carried', () => {
  const largest: readonly Payload[] = [
    {
      kind: 'CP',
      cfgType: 255,
      attributes: Array.from({ length: MAX_CONFIG_ATTRIBUTES }, () => ({ type: 0x7fff, value: hex('') })),
    },
    { kind: 'D', protocol: 3, spis: Array.from({ length: MAX_SPIS }, () => hex(fill(4))) },
    { kind: 'TSi', selectors: Array.from({ length: 255 }, () => selector), unknownTypes: 0 },
    {
      kind: 'SA',
      proposals: [
        { ...proposal, number: 255, transforms: Array.from({ length: 255 }, () => ({ type: 255, id: 65535, keyLength: 65535 })) },
      ],
    },
    { kind: 'V', data: new Uint8Array(65531) },
  ];
  for (const payload of [
    ...largest,
    { kind: 'SKF', firstInner: 255, fragment: 65535, total: 65535, body: hex(''), bodyOffset: 36 } as const,
  ]) {
    const head = { ...header, majorVersion: 2, minorVersion: 15, exchange: 255, messageId: 0xffffffff };
    const result = parseMessage(encodeMessage(head, [payload]));
    assert.ok(result.ok, payload.kind);
    assert.deepEqual(result.value, { header: head, payloads: [payload] });
  }
  assert.equal(encodeMessage({ ...header, majorVersion: 15 }, [])[17], 0xf0);
  assert.equal(encodeEncryptedPrefix(header, 'SK', 255, 0).length, 32);
  assert.equal(
    toHex(encodeEncryptedPrefix(header, { fragment: 65535, total: 65535 }, 0, 65527).subarray(28)),
    '0000ffffffffffff',
  );
});

const impossible: readonly (readonly [what: string, payload: Payload])[] = [
  ['SA without proposals', { kind: 'SA', proposals: [] }],
  ['a proposal without transforms', { kind: 'SA', proposals: [{ ...proposal, transforms: [] }] }],
  [
    '256 transforms',
    { kind: 'SA', proposals: [{ ...proposal, transforms: Array.from({ length: 256 }, () => ({ type: 1, id: 1 })) }] },
  ],
  ['proposal numbers that jump', { kind: 'SA', proposals: [proposal, { ...proposal, number: 3 }] }],
  ['proposal number zero', { kind: 'SA', proposals: [{ ...proposal, number: 0 }] }],
  ['an ESP proposal with an SPI of 8 octets', { kind: 'SA', proposals: [{ ...proposal, spi: hex(fill(8)) }] }],
  [
    'an unknown attribute',
    { kind: 'SA', proposals: [{ ...proposal, transforms: [{ type: 1, id: 1, unknownAttribute: true }] }] },
  ],
  ['a key length of 17 bits', { kind: 'SA', proposals: [{ ...proposal, transforms: [{ type: 1, id: 1, keyLength: 65536 }] }] }],
  ['KE without data', { kind: 'KE', method: 31, data: hex('') }],
  ['a method of 17 bits', { kind: 'KE', method: 65536, data: hex('00') }],
  ['an IPv4 identity of 5 octets', { kind: 'IDi', idType: 1, data: hex(fill(5)) }],
  ['an IPv6 identity of 4 octets', { kind: 'IDr', idType: 5, data: hex(fill(4)) }],
  ['a nonce of 15 octets', { kind: 'NONCE', data: hex(fill(15)) }],
  ['a nonce of 257 octets', { kind: 'NONCE', data: hex(fill(257)) }],
  ['a notify of IKE with an SPI', { kind: 'N', protocol: 1, spi: hex(fill(8)), type: 1, data: hex('') }],
  ['a notify of ESP with an SPI of 8 octets', { kind: 'N', protocol: 3, spi: hex(fill(8)), type: 1, data: hex('') }],
  ['a delete of IKE with SPIs', { kind: 'D', protocol: 1, spis: [hex(fill(8))] }],
  ['a delete of ESP with SPIs of two sizes', { kind: 'D', protocol: 3, spis: [hex(fill(4)), hex(fill(8))] }],
  ['a delete of ESP without SPIs', { kind: 'D', protocol: 3, spis: [] }],
  ['too many SPIs', { kind: 'D', protocol: 3, spis: Array.from({ length: MAX_SPIS + 1 }, () => hex(fill(4))) }],
  ['TS without selectors', { kind: 'TSi', selectors: [], unknownTypes: 1 }],
  ['256 selectors', { kind: 'TSr', selectors: Array.from({ length: 256 }, () => selector), unknownTypes: 0 }],
  ['an IPv4 selector with an IPv6 address', { kind: 'TSr', selectors: [{ ...selector, end: hex(fill(16)) }], unknownTypes: 0 }],
  ['a selector that ends before it starts', { kind: 'TSr', selectors: [{ ...selector, end: hex('09000000') }], unknownTypes: 0 }],
  ['ports that end before they start', { kind: 'TSr', selectors: [{ ...selector, endPort: 79 }], unknownTypes: 0 }],
  [
    'too many attributes',
    {
      kind: 'CP',
      cfgType: 1,
      attributes: Array.from({ length: MAX_CONFIG_ATTRIBUTES + 1 }, () => ({ type: 1, value: hex('') })),
    },
  ],
  ['an attribute type of 16 bits', { kind: 'CP', cfgType: 1, attributes: [{ type: 0x8000, value: hex('') }] }],
  ['an EAP message with another length inside', { kind: 'EAP', message: hex('03070005') }],
  ['an EAP message of three octets', { kind: 'EAP', message: hex('030700') }],
  ['a payload of more than 65535 octets', { kind: 'V', data: new Uint8Array(65532) }],
  ['fragment 0', { kind: 'SKF', firstInner: 0, fragment: 0, total: 1, body: hex('aa'), bodyOffset: 0 }],
  ['fragment 2 of 1', { kind: 'SKF', firstInner: 0, fragment: 2, total: 1, body: hex('aa'), bodyOffset: 0 }],
];

for (const [what, payload] of impossible) {
  test(`a message cannot carry ${what}`, () => {
    assert.throws(() => encodeMessage(header, [payload]), RangeError);
  });
}

test('a message cannot carry more payloads than are taken, nor one behind the encrypted payload', () => {
  const many = (count: number) => Array.from({ length: count }, () => vendor);
  assert.equal(encodeMessage(header, many(MAX_PAYLOADS)).length, 28 + 5 * MAX_PAYLOADS);
  assert.throws(() => encodeMessage(header, many(MAX_PAYLOADS + 1)), RangeError);
  const encrypted: Payload = { kind: 'SK', firstInner: 0, body: hex('aa'), bodyOffset: 0 };
  assert.throws(() => encodeMessage(header, [encrypted, vendor]), RangeError);
});

test('a header cannot carry SPIs of other lengths or numbers out of range', () => {
  for (const wrong of [
    { spiI: hex('01') },
    { spiR: hex('') },
    { exchange: 256 },
    { messageId: 2 ** 32 },
    { messageId: -1 },
    { majorVersion: 16 },
  ])
    assert.throws(() => encodeMessage({ ...header, ...wrong }, []), RangeError);
});

test('an encrypted payload cannot be longer than 65535 octets, nor a fragment out of range', () => {
  assert.equal(encodeEncryptedPrefix(header, 'SK', 0, 65531).length, 32);
  assert.throws(() => encodeEncryptedPrefix(header, 'SK', 0, 65532), RangeError);
  assert.throws(() => encodeEncryptedPrefix(header, { fragment: 1, total: 1 }, 0, 65528), RangeError);
  for (const [fragment, total] of [
    [0, 1],
    [2, 1],
    [1, 65536],
  ])
    assert.throws(() => encodeEncryptedPrefix(header, { fragment, total }, 0, 1), RangeError);
});
