import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex } from '../../../core/bytes/bytes.ts';
import {
  bitsOf,
  booleanOf,
  type childrenOf,
  DerFields,
  type DerLimits,
  derTag,
  integerOf,
  oidOf,
  readDer,
  textOf,
  timeOf,
  unsignedOf,
} from '../../../core/bytes/der.ts';
import * as writer from '../../../core/bytes/derWriter.ts';

function read(hex: string, limits?: Partial<DerLimits>): ReturnType<typeof readDer> {
  return readDer(fromHex(hex) ?? assert.fail(`not hexadecimal: ${hex}`), limits);
}

function node(hex: string): ReturnType<typeof childrenOf>[number] {
  const result = read(hex);
  return result.ok ? result.value : assert.fail(`${hex}: ${result.error.code}`);
}

const refused: readonly (readonly [rule: string, hex: string, code: string])[] = [
  ['nothing is no element', '', 'truncated'],
  ['octets after the end', '050000', 'trailing'],
  ['content shorter than said', '0403aabb', 'truncated'],
  ['a child longer than its parent', '3003040300', 'truncated'],
  ['X.690 §10.1: the indefinite form', '30800000', 'length'],
  ['X.690 §10.1: a length in more octets than needed', '04810100', 'length'],
  ['X.690 §10.1: a length with a leading zero', '0482007f', 'length'],
  ['a length of more than four octets', '04850000000001aa', 'length'],
  ['high tag numbers', '1f2000', 'tag'],
  ['X.690 §8.9: a SEQUENCE that is not constructed', '1000', 'tag'],
  ['X.690 §10.2: a string that is constructed', '2403040100', 'tag'],
  ['end-of-contents', '30020000', 'tag'],
  ['X.690 §11.1: a BOOLEAN of 01', '010101', 'value'],
  ['a BOOLEAN of two octets', '0102ff00', 'value'],
  ['X.690 §8.3.2: an INTEGER with a superfluous zero', '0202007f', 'value'],
  ['X.690 §8.3.2: a negative INTEGER with superfluous ones', '0202ff80', 'value'],
  ['an INTEGER of nothing', '0200', 'value'],
  ['X.690 §8.8: a NULL of something', '050100', 'value'],
  ['X.690 §11.2.1: a BIT STRING whose unused bits are set', '03020101', 'value'],
  ['a BIT STRING with eight unused bits', '03020800', 'value'],
  ['X.690 §8.19.2: an OID arc with a leading zero', '06032a8001', 'value'],
  ['an OID that breaks off', '06022a80', 'value'],
];

for (const [rule, hex, code] of refused) {
  test(`readDer refuses: ${rule}`, () => {
    const result = read(hex);
    assert.equal(result.ok ? 'read' : result.error.code, code);
  });
}

test('readDer is bounded in octets, depth and elements', () => {
  let nested = new Uint8Array(0);
  for (let i = 0; i < 40; i++) nested = new Uint8Array(writer.derSequence(nested));
  assert.deepEqual(readDer(nested), { ok: false, error: { code: 'depth', offset: 64 } });
  assert.equal(readDer(nested, { depth: 41 }).ok, true);
  const wide = writer.derSequence(...Array.from({ length: 100 }, () => writer.derNull()));
  assert.deepEqual(readDer(wide, { elements: 100 }).ok, false);
  assert.deepEqual(readDer(wide, { elements: 101 }).ok, true);
  const result = readDer(wide, { octets: 10 });
  assert.equal(result.ok ? 'read' : result.error.code, 'size');
});

test('DerFields is bad for good when a field is missing, and done only when none is left', () => {
  const sequence = node('3006020101040100');
  const all = new DerFields(sequence);
  assert.equal(integerOf(all.take(derTag.integer)), 1);
  assert.equal(all.done, false);
  assert.equal(all.optional(derTag.boolean), undefined);
  all.take(derTag.octetString);
  assert.equal(all.done, true);
  assert.equal(all.take(), undefined);
  assert.equal(all.done, false);
  assert.equal(new DerFields(node('3100')).bad, true);
  assert.equal(new DerFields(undefined).done, false);
});

test('values are what was written', () => {
  for (const value of [0, 1, -1, 127, 128, -128, -129, 255, 256, 65_535, -65_536, 2 ** 40]) {
    assert.equal(integerOf(written(writer.derInteger(value))), value);
  }
  assert.equal(integerOf(written(writer.derInteger(2n ** 60n))), undefined);
  assert.deepEqual(unsignedOf(written(writer.derInteger(Uint8Array.of(0, 0x80, 1)))), Uint8Array.of(0x80, 1));
  assert.equal(unsignedOf(node('0201ff')), undefined);
  for (const oid of ['1.2.840.113549.1.1.11', '2.5.29.15', '2.999.3', '0.9.2342.19200300.100.1.25', '2.48', '1.39.0']) {
    assert.equal(oidOf(written(writer.derOid(oid))), oid);
  }
  assert.equal(booleanOf(written(writer.derBoolean(true))), true);
  assert.deepEqual(bitsOf(written(writer.derNamedBits([0, 5]))), { unused: 2, octets: Uint8Array.of(0x84) });
  assert.equal(textOf(written(writer.derUtf8('B\u00fcro'))), 'B\u00fcro');
  assert.equal(textOf(node('1e0400420000')), 'B\u0000');
  assert.equal(textOf(node('0c02c328')), undefined); // malformed UTF-8
  assert.equal(textOf(node('1602c3bc')), undefined); // IA5 is seven bits
});

test('times are those of RFC 5280 §4.1.2.5 and no others', () => {
  for (const text of ['1950-01-01T00:00:00Z', '1970-01-01T00:00:00Z', '2000-02-29T23:59:59Z', '2049-12-31T23:59:59Z']) {
    const time = written(writer.derTime(Date.parse(text)));
    assert.equal(time.tag, derTag.utcTime);
    assert.equal(timeOf(time), Date.parse(text));
  }
  for (const text of ['1900-03-01T00:00:00Z', '2050-01-01T00:00:00Z', '9999-12-31T23:59:59Z']) {
    const time = written(writer.derTime(Date.parse(text)));
    assert.equal(time.tag, derTag.generalizedTime);
    assert.equal(timeOf(time), Date.parse(text));
  }
  for (const text of [
    '2601010000Z',
    '260101000000',
    '260101000000+0100',
    '261301000000Z',
    '260230000000Z',
    '260101240000Z',
    '260101000060Z',
  ]) {
    assert.equal(timeOf(written(writer.derElement(derTag.utcTime, Buffer.from(text)))), undefined, text);
  }
  assert.equal(timeOf(written(writer.derElement(derTag.generalizedTime, Buffer.from('20260101000000.5Z')))), undefined);
});

function written(der: Uint8Array): ReturnType<typeof node> {
  const result = readDer(der);
  return result.ok ? result.value : assert.fail(`${Buffer.from(der).toString('hex')}: ${result.error.code}`);
}
