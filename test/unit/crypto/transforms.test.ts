import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  byKeyword,
  esnTransforms,
  findAdditionalKe,
  findEncr,
  findInteg,
  findKe,
  findPrf,
  transforms,
} from '../../../core/crypto/transforms.ts';

test('the table has every transform of the issue, once', () => {
  const ids = (type: number) => transforms.filter((row) => row.type === type).map((row) => row.id);
  assert.deepEqual(ids(1), [12, 12, 12, 18, 18, 18, 19, 19, 19, 20, 20, 20, 28]);
  assert.deepEqual(ids(2), [2, 5, 6, 7]);
  assert.deepEqual(ids(3), [2, 12, 13, 14]);
  assert.deepEqual(ids(4), [14, 15, 16, 17, 18, 19, 20, 21, 28, 29, 30, 31, 32, 35, 36, 37]);
  assert.deepEqual(ids(5), [0, 1]);
  assert.equal(new Set(transforms.map((row) => row.keyword)).size, transforms.length);
});

test('encryption is found by id and Key Length together, and not when the attribute is missing or out of place', () => {
  assert.equal(findEncr(20, 256)?.keyword, 'aes256gcm16');
  assert.equal(findEncr(18, 192)?.icvBytes, 8);
  assert.equal(findEncr(12, undefined), undefined);
  assert.equal(findEncr(20, 512), undefined);
  assert.equal(findEncr(28, undefined)?.name, 'CHACHA20_POLY1305');
  // RFC 7634 §2: no Key Length attribute for ChaCha20-Poly1305.
  assert.equal(findEncr(28, 256), undefined);
  assert.equal(findEncr(3, undefined), undefined);
});

test('KEYMAT sizes: RFC 4106 §8.1, RFC 7634 §2, RFC 4868 §2.1.1', () => {
  const keymat = (id: number, bits: number | undefined) => {
    const row = findEncr(id, bits);
    return row === undefined ? undefined : row.keyBytes + row.saltBytes;
  };
  assert.deepEqual([keymat(20, 128), keymat(20, 192), keymat(20, 256), keymat(28, undefined)], [20, 28, 36, 36]);
  assert.deepEqual([keymat(12, 128), keymat(12, 192), keymat(12, 256)], [16, 24, 32]);
  assert.deepEqual(
    [2, 12, 13, 14].map((id) => [findInteg(id)?.keyBytes, findInteg(id)?.icvBytes]),
    [
      [20, 12],
      [32, 16],
      [48, 24],
      [64, 32],
    ],
  );
});

test('additional key exchanges: RFC 9370 §2.2.1, each method and NONE by each number', () => {
  assert.equal(byKeyword('ke1_mlkem768'), findAdditionalKe(6, 36));
  assert.equal(byKeyword('KE7_curve25519'), findAdditionalKe(12, 31));
  assert.deepEqual(findAdditionalKe(8, 0), { type: 8, id: 0, name: 'NONE', keyword: 'ke3_none', ke: undefined });
  assert.equal(findAdditionalKe(6, 36)?.ke, findKe(36));
  for (const unknown of ['ke0_mlkem768', 'ke8_mlkem768', 'ke1_aes256', 'ke1_', 'ke1_ke1_mlkem768', 'none', 'ke1mlkem768'])
    assert.equal(byKeyword(unknown), undefined, unknown);
  for (const [type, id] of [
    [5, 36],
    [13, 36],
    [6, 22],
    [6, 1],
  ] as const)
    assert.equal(findAdditionalKe(type, id), undefined);
});

test('ML-KEM: FIPS 203 table 3', () => {
  const sizes = ['mlkem512', 'mlkem768', 'mlkem1024'].map((keyword) => {
    const row = byKeyword(keyword);
    return row?.type === 4 ? [row.id, row.publicBytes, row.answerBytes, row.sharedBytes] : undefined;
  });
  assert.deepEqual(sizes, [
    [35, 800, 768, 32],
    [36, 1184, 1088, 32],
    [37, 1568, 1568, 32],
  ]);
});

test('unknown ids are undefined', () => {
  assert.equal(findPrf(1), undefined);
  assert.equal(findInteg(1), undefined);
  assert.equal(findKe(2), undefined);
  assert.equal(findKe(22), undefined);
});

test("names are those of strongSwan's list-sas", () => {
  const names = (keywords: string) => keywords.split(' ').map((keyword) => byKeyword(keyword)?.name);
  assert.deepEqual(names('aes256gcm16 aes128 chacha20poly1305'), ['AES_GCM_16', 'AES_CBC', 'CHACHA20_POLY1305']);
  assert.deepEqual(names('prfsha1 prfsha256'), ['PRF_HMAC_SHA1', 'PRF_HMAC_SHA2_256']);
  assert.deepEqual(names('sha1 sha256 sha384 sha512'), [
    'HMAC_SHA1_96',
    'HMAC_SHA2_256_128',
    'HMAC_SHA2_384_192',
    'HMAC_SHA2_512_256',
  ]);
  assert.deepEqual(names('modp2048 ecp521 ecp256bp x25519 x448'), [
    'MODP_2048',
    'ECP_521',
    'ECP_256_BP',
    'CURVE_25519',
    'CURVE_448',
  ]);
  assert.deepEqual(names('noesn esn'), ['NO_EXT_SEQ', 'EXT_SEQ']);
});

test("keywords: strongSwan's aliases mean the same row, in any case", () => {
  const same = [
    ['curve25519', 'x25519'],
    ['CURVE448', 'x448'],
    ['aes', 'aes128'],
    ['aes256gcm128', 'aes256gcm16'],
    ['aes192gcm96', 'aes192gcm12'],
    ['AES128GCM64', 'aes128gcm8'],
    ['sha2_256', 'sha256'],
    ['sha2_512', 'sha512'],
    ['sha', 'sha1'],
  ] as const;
  for (const [alias, keyword] of same) {
    assert.ok(byKeyword(keyword) !== undefined, keyword);
    assert.equal(byKeyword(alias), byKeyword(keyword), alias);
  }
  for (const unknown of ['', 'des', 'md5', 'modp1024', 'aes512', 'constructor', '__proto__'])
    assert.equal(byKeyword(unknown), undefined);
});

test('requirement levels: RFC 8247 §2 and RFC 8221 §5, §6', () => {
  const level = (keyword: string) => {
    const row = byKeyword(keyword);
    return row === undefined || !('level' in row) ? undefined : [row.level.ike, row.level.esp];
  };
  assert.deepEqual(level('aes256'), ['MUST', 'MUST']);
  assert.deepEqual(level('aes192'), ['MAY', 'MAY']);
  assert.deepEqual(level('aes128gcm16'), ['SHOULD', 'MUST']);
  assert.deepEqual(level('aes256gcm8'), ['MAY', undefined]);
  assert.deepEqual(level('sha1'), ['MUST-', 'MUST-']);
  assert.deepEqual(level('prfsha512'), ['SHOULD+', undefined]);
  assert.deepEqual(level('modp2048'), ['MUST', undefined]);
  assert.deepEqual(level('ecp256'), ['SHOULD', undefined]);
});

test('esnTransforms[n] is ESN transform n', () => {
  assert.deepEqual(
    esnTransforms.map((row) => row.id),
    [0, 1],
  );
});
