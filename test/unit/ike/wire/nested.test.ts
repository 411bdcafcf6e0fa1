/** Structures inside payloads: SA (RFC 7296 §3.3), TSi and TSr (§3.13), CP (§3.15). One test per rule. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PAYLOAD } from '../../../../core/ike/wire/constants.ts';
import type { Proposal, TrafficSelector } from '../../../../core/ike/wire/message.ts';
import { MAX_CONFIG_ATTRIBUTES } from '../../../../core/ike/wire/parseNested.ts';
import { fill, hex, hex16, one, refuses } from './raw.ts';

const { CP, SA, TSi, TSr } = PAYLOAD;

/** A transform: `last`, type 1, id 12, and attributes. */
function transform(last: string, attributes = ''): string {
  return `${last}00${hex16(8 + hex(attributes).length)}0100000c${attributes}`;
}

/** A proposal with its length right; `head` is number, protocol, SPI size, transform count. */
function proposal(last: string, head: string, rest: string): string {
  return `${last}00${hex16(8 + hex(rest).length)}${head}${rest}`.replace(/\s+/g, '');
}

function proposals(body: string): readonly Proposal[] {
  const payload = one(SA, body);
  assert.ok(payload.kind === 'SA');
  return payload.proposals;
}

test('RFC 7296 §3.3: an SA has one or more proposals', () => {
  refuses(SA, '', 'syntax', /proposal 1: length/);
});

test('RFC 7296 §3.3.1: a proposal length below its header, or beyond the payload, is refused', () => {
  for (const length of ['0000', '0003', '0004', '0007', '0011', 'ffff'])
    refuses(SA, `0000${length}01010001${transform('00')}`, 'syntax', /proposal 1: length/);
  assert.equal(proposals(`0000001001010001${transform('00')}`).length, 1);
});

test('RFC 7296 §3.3.1: "last" is 2 while proposals follow and 0 at the end', () => {
  const first = (last: string) => proposal(last, '01 01 00 01', transform('00'));
  const second = (last: string) => proposal(last, '02 01 00 01', transform('00'));
  assert.equal(proposals(first('02') + second('00')).length, 2);
  refuses(SA, first('00') + second('00'), 'syntax', /proposal 1: last is 0/);
  refuses(SA, first('02'), 'syntax', /proposal 1: last is 2/);
  refuses(SA, first('02') + second('02'), 'syntax', /proposal 2: last is 2/);
  refuses(SA, first('03') + second('00'), 'syntax', /proposal 1: last is 3/);
});

test('RFC 7296 §3.3.2: "last" is 3 while transforms follow and 0 at the end', () => {
  const two = (a: string, b: string) => proposal('00', '01 01 00 02', transform(a) + transform(b));
  assert.equal(proposals(two('03', '00'))[0].transforms.length, 2);
  refuses(SA, two('00', '00'), 'syntax', /transform 1: last is 0/);
  refuses(SA, two('02', '00'), 'syntax', /transform 1: last is 2/);
  refuses(SA, two('03', '03'), 'syntax', /transform 2: last is 3/);
});

test('RFC 7296 §3.3: the number of transforms is consistent with the length', () => {
  refuses(SA, proposal('00', '01 01 00 02', transform('03')), 'syntax', /transform 2: length/);
  refuses(SA, proposal('00', '01 01 00 ff', transform('03')), 'syntax', /transform 2: length/);
  refuses(SA, proposal('00', '01 01 00 01', `${transform('00')}${transform('00')}`), 'syntax', /8 octets after 1 transforms/);
  refuses(SA, proposal('00', '01 01 00 01', `${transform('00')}aa`), 'syntax', /1 octets after/);
});

test('RFC 7296 §3.3.1: a proposal has one or more transforms', () => {
  refuses(SA, proposal('00', '01 01 00 00', ''), 'syntax', /no transforms/);
});

test('RFC 7296 §3.3.2: a transform length below its header, or beyond the proposal, is refused', () => {
  for (const length of ['0000', '0004', '0007', '0009', 'ffff'])
    refuses(SA, proposal('00', '01 01 00 01', `0000${length}0100000c`), 'syntax', /transform 1: length/);
});

test('RFC 7296 §3.3: proposal numbers of an offer begin with 1 and grow by one', () => {
  const offer = (a: string, b: string) =>
    proposal('02', `${a} 01 00 01`, transform('00')) + proposal('00', `${b} 01 00 01`, transform('00'));
  for (const [a, b] of [
    ['01', '01'],
    ['01', '03'],
    ['02', '03'],
    ['00', '01'],
    ['02', '01'],
  ])
    refuses(SA, offer(a, b), 'syntax', /number/);
  assert.deepEqual(
    proposals(offer('01', '02')).map(({ number }) => number),
    [1, 2],
  );
});

test('RFC 7296 §3.3.1: a single proposal may be an answer with any number but zero', () => {
  for (const number of ['01', '02', 'ff']) assert.equal(proposals(proposal('00', `${number}010001`, transform('00'))).length, 1);
  refuses(SA, proposal('00', '00 01 00 01', transform('00')), 'syntax', /number 0/);
});

test('RFC 7296 §3.3.1: the SPI size is 0 or 8 for IKE and 4 for AH and ESP', () => {
  const sized = (protocol: string, size: number) =>
    proposal('00', `01 ${protocol} ${hex16(size).slice(2)} 01`, fill(size) + transform('00'));
  for (const size of [0, 8]) assert.equal(proposals(sized('01', size))[0].spi.length, size);
  for (const size of [1, 4, 7, 9, 16]) refuses(SA, sized('01', size), 'syntax', /SPI of/);
  for (const protocol of ['02', '03']) {
    assert.equal(proposals(sized(protocol, 4))[0].spi.length, 4);
    for (const size of [0, 3, 5, 8]) refuses(SA, sized(protocol, size), 'syntax', /SPI of/);
  }
});

test('RFC 7296 §3.3.1: an SPI longer than the proposal is refused', () => {
  refuses(SA, proposal('00', '01 03 04 01', 'aaaaaa'), 'syntax', /SPI of 4/);
  refuses(SA, proposal('00', '01 c8 ff 01', fill(254)), 'syntax', /SPI of 255/);
});

test('RFC 7296 §3.3.6: a protocol that is not known is a value', () => {
  const [unknown] = proposals(proposal('00', '01 c8 03 01', `010203${transform('00')}`));
  assert.deepEqual(unknown, { number: 1, protocol: 200, spi: hex('010203'), transforms: [{ type: 1, id: 12 }] });
});

test('RFC 7296 §3.3.1, §3.3.2: reserved octets are ignored', () => {
  const body = '00ff0014 01010001 00ff000c 01ff000c 800e0100';
  assert.deepEqual(proposals(body), [
    { number: 1, protocol: 1, spi: hex(''), transforms: [{ type: 1, id: 12, keyLength: 256 }] },
  ]);
});

test('RFC 7296 §3.3.5: Key Length is an attribute of two octets', () => {
  assert.deepEqual(withAttributes('800e0080'), { type: 1, id: 12, keyLength: 128 });
});

test('RFC 7296 §3.3.5: Key Length in variable-length form spoils the transform only', () => {
  assert.deepEqual(withAttributes('000e00020080'), { type: 1, id: 12, unknownAttribute: true });
});

test('RFC 7296 §3.3: two Key Lengths spoil the transform only', () => {
  assert.deepEqual(withAttributes('800e0080800e0100'), { type: 1, id: 12, keyLength: 128, unknownAttribute: true });
});

test('RFC 7296 §3.3.6: an unknown attribute marks its transform, in both forms', () => {
  assert.deepEqual(withAttributes('800f0080'), { type: 1, id: 12, unknownAttribute: true });
  assert.deepEqual(withAttributes('000f0003aabbcc'), { type: 1, id: 12, unknownAttribute: true });
  assert.deepEqual(withAttributes('000f0000'), { type: 1, id: 12, unknownAttribute: true });
  assert.deepEqual(withAttributes('000f0001aa800e0080'), { type: 1, id: 12, keyLength: 128, unknownAttribute: true });
});

test('RFC 7296 §3.3: attributes fill their transform exactly', () => {
  for (const attributes of ['80', '800e', '800e00', '000f0003aabb', '000fffff', '800e008000'])
    refuses(SA, proposal('00', '01 01 00 01', transform('00', attributes)), 'syntax', /transform 1: attribute/);
});

test('RFC 7296 §3.13.1: selectors of both families', () => {
  const v4 = '07 11 0010 0035 0035 0a000000 0a0000ff';
  const v6 = `08 00 0028 0000 ffff ${fill(16, '00')} ${fill(16, 'ff')}`;
  const expected: readonly TrafficSelector[] = [
    { type: 'ipv4', protocol: 17, startPort: 53, endPort: 53, start: hex('0a000000'), end: hex('0a0000ff') },
    { type: 'ipv6', protocol: 0, startPort: 0, endPort: 65535, start: hex(fill(16, '00')), end: hex(fill(16, 'ff')) },
  ];
  assert.deepEqual(one(TSi, `02 ffffff ${v4} ${v6}`), { kind: 'TSi', selectors: expected, unknownTypes: 0 });
  assert.deepEqual(one(TSr, `02 000000 ${v4} ${v6}`), { kind: 'TSr', selectors: expected, unknownTypes: 0 });
});

test('RFC 7296 §3.13: one or more selectors', () => {
  for (const body of ['', '00', '000000', '00000000', '01']) refuses(TSi, body, 'syntax', /no selectors|selector 1/);
});

test('RFC 7296 §3.13.1: the length of a selector is that of its type', () => {
  const v4 = '0000ffff 0a000000 0a0000ff';
  for (const length of ['0000', '0003', '0004', '000c', '000f'])
    refuses(TSi, `01000000 0700${length}${v4}`, 'syntax', /selector 1: length/);
  refuses(TSi, `01000000 07000014 ${v4}00000000`, 'syntax', /selector 1: length 20/);
  refuses(TSi, `01000000 07000028 0000ffff${fill(32)}`, 'syntax', /selector 1: length 40/);
  refuses(TSi, `01000000 08000010 ${v4}`, 'syntax', /selector 1: length 16/);
});

test('RFC 7296 §3.13: the number of selectors is consistent with the length', () => {
  const v4 = '07000010 0000ffff 0a000000 0a0000ff';
  refuses(TSr, `02000000 ${v4}`, 'syntax', /selector 2/);
  refuses(TSr, `01000000 ${v4} ${v4}`, 'syntax', /16 octets after 1/);
  refuses(TSr, `01000000 ${v4} 00`, 'syntax', /1 octets after 1/);
  refuses(TSr, 'ff000000', 'syntax', /selector 1/);
});

test('RFC 7296 §2.9: selectors of unknown types are counted', () => {
  const v4 = '07000010 0000ffff 0a000000 0a0000ff';
  const payload = one(TSi, `03000000 09000004 ${v4} 0a000006aabb`);
  assert.ok(payload.kind === 'TSi');
  assert.equal(payload.selectors.length, 1);
  assert.equal(payload.unknownTypes, 2);
  refuses(TSi, '01000000 09000003', 'syntax', /selector 1: length 3/);
});

test('RFC 7296 §3.13.1: the end of a range is not before its start', () => {
  refuses(TSi, '01000000 07000010 0000ffff 0a000001 0a000000', 'syntax', /end before start/);
  refuses(TSi, `01000000 08000028 0000ffff 01${fill(15)} 00${fill(15)}`, 'syntax', /end before start/);
  refuses(TSi, '01000000 07060010 00510050 0a000000 0a000000', 'syntax', /end before start/);
});

test('RFC 7296 §3.13.1: ports 65535 to 0 mean OPAQUE', () => {
  const payload = one(TSi, '01000000 07060010 ffff0000 0a000000 0a000000');
  assert.ok(payload.kind === 'TSi');
  assert.deepEqual([payload.selectors[0].startPort, payload.selectors[0].endPort], [65535, 0]);
  for (const ports of ['ffff0001', 'fffe0000', '00010000'])
    refuses(TSi, `01000000 07060010 ${ports} 0a000000 0a000000`, 'syntax', /end before start/);
});

test('RFC 7296 §3.15: a configuration payload is a type and attributes, reserved octets and bit ignored', () => {
  assert.deepEqual(one(CP, '01 ffffff 00010000 80030004 0a000035'), {
    kind: 'CP',
    cfgType: 1,
    attributes: [
      { type: 1, value: hex('') },
      { type: 3, value: hex('0a000035') },
    ],
  });
  assert.deepEqual(one(CP, '02 000000'), { kind: 'CP', cfgType: 2, attributes: [] });
});

test('RFC 7296 §3.15: unknown attributes and configuration types are values', () => {
  assert.deepEqual(one(CP, 'c8 000000 7fff0001aa'), {
    kind: 'CP',
    cfgType: 200,
    attributes: [{ type: 0x7fff, value: hex('aa') }],
  });
});

test('RFC 7296 §3.15.1: attributes fill the payload exactly', () => {
  for (const rest of ['00', '0001', '000100', '00010001', '00010004aabbcc', '0001ffff', '0001000000'])
    refuses(CP, `01000000${rest}`, 'syntax', /attribute 1|attribute 2/);
  for (const body of ['', '01', '0100', '010000']) refuses(CP, body, 'syntax', /short/);
});

test('RFC 7296 §3.15: the number of attributes is bounded', () => {
  one(CP, `01000000${'00010000'.repeat(MAX_CONFIG_ATTRIBUTES)}`);
  refuses(CP, `01000000${'00010000'.repeat(MAX_CONFIG_ATTRIBUTES + 1)}`, 'too-many', /attributes/);
});

function withAttributes(attributes: string): unknown {
  return proposals(proposal('00', '01 01 00 01', transform('00', attributes)))[0].transforms[0];
}
