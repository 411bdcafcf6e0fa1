import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromBase64, looksLikePem, readPem, toBase64, writePem } from '../../../core/pki/pem.ts';

const octets = Uint8Array.from({ length: 100 }, (_, i) => i);

test('a block that is written is read again, whatever its octets', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 400 }), (der) => {
      const read = readPem(writePem('CERTIFICATE', der));
      assert.deepEqual(read, { ok: true, value: [{ label: 'CERTIFICATE', der, encrypted: false }] });
    }),
  );
});

test('base64 is what Node says it is', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      assert.equal(toBase64(bytes), Buffer.from(bytes).toString('base64'));
      assert.deepEqual(fromBase64(Buffer.from(bytes).toString('base64')), bytes);
    }),
  );
});

test('blanks in base64 and missing padding are taken; letters of other alphabets and lost bits are not', () => {
  assert.deepEqual(fromBase64(' AQ\r\nID\tBA ='), undefined);
  assert.deepEqual(fromBase64(' AQ\r\nID\tBA =='), Uint8Array.of(1, 2, 3, 4));
  assert.deepEqual(fromBase64('AQIDBA'), Uint8Array.of(1, 2, 3, 4));
  for (const wrong of ['AQIDBB', 'A', 'AQ=A', 'AQI-', 'AQI_', 'AQ===', '=', 'AQIDB=', 'ÄQID'])
    assert.equal(fromBase64(wrong), undefined, wrong);
});

test('text around blocks, CRLF, blanks before and after, other line lengths: as OpenSSL and Windows write it', () => {
  const base64 = toBase64(octets);
  const text = [
    'Bag Attributes',
    '    localKeyID: 01',
    'subject=CN = alice',
    '-----BEGIN CERTIFICATE-----  ',
    base64.slice(0, 10),
    ` ${base64.slice(10, 100)}`,
    '',
    base64.slice(100),
    '-----END CERTIFICATE-----',
    'key:',
    '-----BEGIN PRIVATE KEY-----',
    base64,
    '-----END PRIVATE KEY-----',
  ].join('\r\n');
  const read = readPem(text);
  assert.ok(read.ok);
  assert.deepEqual(
    read.value.map(({ label, der }) => [label, der]),
    [
      ['CERTIFICATE', octets],
      ['PRIVATE KEY', octets],
    ],
  );
});

test('RFC 1421 headers are not base64, and tell that the block is encrypted', () => {
  const text = `-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-EDE3-CBC,0011\n\n${toBase64(octets)}\n-----END RSA PRIVATE KEY-----\n`;
  const read = readPem(text);
  assert.deepEqual(read, { ok: true, value: [{ label: 'RSA PRIVATE KEY', der: octets, encrypted: true }] });
});

const malformed: Readonly<Record<string, string>> = {
  'no block': 'hello',
  nothing: '',
  'a block without an end': '-----BEGIN CERTIFICATE-----\nAQID\n',
  'an end without a beginning': '-----END CERTIFICATE-----\n',
  'another end': '-----BEGIN CERTIFICATE-----\nAQID\n-----END PRIVATE KEY-----\n',
  'a block in a block': '-----BEGIN A-----\n-----BEGIN B-----\nAQID\n-----END B-----\n-----END A-----\n',
  'an empty block': '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n',
  'something else than base64': '-----BEGIN CERTIFICATE-----\n<html>\n-----END CERTIFICATE-----\n',
};

for (const [what, text] of Object.entries(malformed)) {
  test(`is malformed: ${what}`, () => {
    const read = readPem(text);
    assert.equal(read.ok ? 'read' : read.error.code, 'malformed');
  });
}

test('size and number of blocks are bounded', () => {
  const many = writePem('CERTIFICATE', Uint8Array.of(1)).repeat(257);
  for (const text of ['x'.repeat((1 << 20) + 1), many]) {
    const read = readPem(text);
    assert.equal(read.ok ? 'read' : read.error.code, 'too-large');
  }
});

test('a file without a block at all is no PEM', () => {
  assert.equal(looksLikePem(writePem('CERTIFICATE', octets)), true);
  assert.equal(looksLikePem('{"sallyport": 1}'), false);
});
