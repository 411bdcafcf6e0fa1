import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex, fromUtf8, toHex } from '../../../core/bytes/bytes.ts';
import { md4 } from '../../../core/crypto/md4.ts';
import { authenticatorResponse, challengeHash, msChapMsk, ntPasswordHash, ntResponse } from '../../../core/crypto/msChap.ts';
import { desEncryptBlock } from '../../../core/crypto/node/des.ts';

const hex = (text: string): Uint8Array => fromHex(text) ?? assert.fail(text);

describe('MD4 (RFC 1320 §A.5)', () => {
  const vectors: readonly (readonly [string, string])[] = [
    ['', '31d6cfe0d16ae931b73c59d7e0c089c0'],
    ['a', 'bde52cb31de33e46245e05fbdbd6fb24'],
    ['abc', 'a448017aaf21d8525fc10ae87aa6729d'],
    ['message digest', 'd9130a8164549fe818874806e1c7014b'],
    ['abcdefghijklmnopqrstuvwxyz', 'd79e1c308aa5bbcdeea8ed63df412da9'],
    ['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', '043f8582f241db351ce627e153e7f0e4'],
    ['12345678901234567890123456789012345678901234567890123456789012345678901234567890', 'e33b4ddc9c38f2199c3e7b164fcc0536'],
  ];
  for (const [message, digest] of vectors) {
    test(JSON.stringify(message), () => assert.equal(toHex(md4(fromUtf8(message))), digest));
  }
});

test('DES by three times the same key (RFC 2759 §9.3: key with parity, FIPS 81 B.1 block)', () => {
  // FIPS 81 appendix B: key 0123456789ABCDEF, ECB of "Now is t" is 3FA40E8A984D4815. Without its parity bits the key is 56 bits.
  assert.equal(toHex(desEncryptBlock(withoutParity(hex('0123456789abcdef')), fromUtf8('Now is t'))), '3fa40e8a984d4815');
});

describe('MS-CHAPv2 (RFC 2759 §9.2, RFC 3079 §3.5.3)', () => {
  const user = fromUtf8('User');
  const authenticator = hex('5B5D7C7D7B3F2F3E3C2C602132262628');
  const peer = hex('21402324255E262A28295F2B3A337C7E');
  const hash = ntPasswordHash(fromUtf8('clientPass'));
  const response = ntResponse(authenticator, peer, user, hash);

  test('password hash', () => assert.equal(toHex(hash), '44ebba8d5312b8d611474411f56989ae'));
  test('challenge hash', () => assert.equal(toHex(challengeHash(peer, authenticator, user)), 'd02e4386bce91226'));
  test('NT response', () => assert.equal(toHex(response), '82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df'));
  test('authenticator response', () =>
    assert.equal(
      toHex(authenticatorResponse(hash, response, peer, authenticator, user)).toUpperCase(),
      '407A5589115FD0D6209F510FE9C04566932CDA56',
    ));
  test('the sample key of the server’s sending is the second half of the MSK, and the rest is zeros', () => {
    const msk = msChapMsk(hash, response);
    assert.equal(toHex(msk.subarray(16, 32)), '8b7cdc149b993a1ba118cb153f56dccb');
    assert.equal(toHex(msk.subarray(32)), '00'.repeat(32));
  });
  test('RFC 2759 §8.2: the domain before the name is not hashed', () =>
    assert.equal(toHex(ntResponse(authenticator, peer, fromUtf8('OFFICE\\User'), hash)), toHex(response)));
});

describe('passwords are hashed as UTF-16', () => {
  for (const password of ['', 'ä', '비밀번호', '🔑 key', 'a'.repeat(256)]) {
    test(`${password.slice(0, 8)} (${password.length})`, () =>
      assert.equal(toHex(ntPasswordHash(fromUtf8(password))), toHex(md4(Buffer.from(password, 'utf16le')))));
  }
  test('octets that are no UTF-8 are taken one by one', () =>
    assert.equal(toHex(ntPasswordHash(hex('61e4ff80c3'))), toHex(md4(hex('6100e400ff008000c300')))));
});

function withoutParity(key: Uint8Array): Uint8Array {
  let bits = 0n;
  for (const octet of key) bits = (bits << 7n) | BigInt(octet >>> 1);
  return hex(bits.toString(16).padStart(14, '0'));
}
