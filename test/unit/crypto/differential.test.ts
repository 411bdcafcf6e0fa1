/** noble against OpenSSL on sizes and octets drawn from a fixed seed. A failure names the round, and the seed gives it again. */
import assert from 'node:assert/strict';
import * as openssl from 'node:crypto';
import { test } from 'node:test';
import { concat, toHex } from '../../../core/bytes/bytes.ts';
import { startKeyExchange } from '../../../core/crypto/ke.ts';
import { recordCipher } from '../../../core/crypto/record.ts';
import { transforms } from '../../../core/crypto/transforms.ts';
import type { EncrTransform, IntegTransform } from '../../../core/crypto/types.ts';
import { ke, scalarRandom, seededRandom } from './support.ts';

const rounds = 25;
const encrs = transforms.filter((row): row is EncrTransform => row.type === 1);
const integs = transforms.filter((row): row is IntegTransform => row.type === 3);

function opensslAead(e: EncrTransform, key: Uint8Array, iv: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): string {
  const nonce = concat(key.subarray(e.keyBytes), iv);
  const options = { authTagLength: 16 };
  const secret = key.subarray(0, e.keyBytes);
  const cipher =
    e.keyLength === undefined
      ? openssl.createCipheriv('chacha20-poly1305', secret, nonce, options)
      : openssl.createCipheriv(`aes-${e.keyLength}-gcm` as openssl.CipherGCMTypes, secret, nonce, options);
  cipher.setAAD(aad, { plaintextLength: plaintext.length });
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return toHex(concat(ciphertext, cipher.getAuthTag().subarray(0, e.icvBytes)));
}

for (const e of encrs.filter((row) => row.aead)) {
  test(`${e.keyword}: seals as OpenSSL does`, () => {
    const random = seededRandom(`aead ${e.keyword}`);
    for (let round = 0; round < rounds; round++) {
      const [a, b, c] = random(3);
      const key = random(e.keyBytes + e.saltBytes);
      const iv = random(e.ivBytes);
      const aad = random(Number(a) % 80);
      const plaintext = random(Number(b) * 6 + (Number(c) % 7));
      const cipher = recordCipher(e, undefined, key, new Uint8Array(0));
      const sealed = cipher.seal(iv, aad, plaintext);
      assert.equal(toHex(sealed), opensslAead(e, key, iv, aad, plaintext), `round ${round}`);
      assert.deepEqual(cipher.open(iv, aad, sealed), plaintext, `round ${round}`);
    }
  });
}

for (const e of encrs.filter((row) => !row.aead)) {
  test(`${e.keyword} with each HMAC: seals as OpenSSL does`, () => {
    const random = seededRandom(`cbc ${e.keyword}`);
    for (let round = 0; round < rounds; round++) {
      const i = integs[round % integs.length];
      const [a, b] = random(2);
      const key = random(e.keyBytes);
      const mac = random(i.keyBytes);
      const iv = random(16);
      const aad = random(Number(a) % 80);
      const plaintext = random((1 + (Number(b) % 90)) * 16);
      const reference = openssl.createCipheriv(`aes-${e.keyLength}-cbc`, key, iv).setAutoPadding(false);
      const ciphertext = Buffer.concat([reference.update(plaintext), reference.final()]);
      const icv = openssl.createHmac(i.hash, mac).update(aad).update(iv).update(ciphertext).digest().subarray(0, i.icvBytes);
      const cipher = recordCipher(e, i, key, mac);
      const sealed = cipher.seal(iv, aad, plaintext);
      assert.equal(toHex(sealed), toHex(concat(ciphertext, icv)), `round ${round}`);
      assert.deepEqual(cipher.open(iv, aad, sealed), plaintext, `round ${round}`);
    }
  });
}

const curves = [
  ['ecp256', 'prime256v1', 32],
  ['ecp384', 'secp384r1', 48],
  ['ecp521', 'secp521r1', 66],
  ['ecp256bp', 'brainpoolP256r1', 32],
  ['ecp384bp', 'brainpoolP384r1', 48],
  ['ecp512bp', 'brainpoolP512r1', 64],
] as const;

for (const [keyword, curve, size] of curves) {
  test(`${keyword}: agrees with OpenSSL`, () => {
    const random = seededRandom(`ecdh ${keyword}`);
    for (let round = 0; round < 5; round++) {
      // Two octets shorter than the field, so below every order.
      const d = random(size - 2);
      const ours = startKeyExchange(ke(keyword), scalarRandom(d));
      const same = openssl.createECDH(curve);
      same.setPrivateKey(d);
      assert.equal(toHex(ours.publicValue), same.getPublicKey('hex').slice(2), `round ${round}`);
      const peer = openssl.createECDH(curve);
      peer.setPrivateKey(random(size - 2));
      const shared = ours.derive(peer.getPublicKey().subarray(1));
      assert.ok(shared instanceof Uint8Array);
      assert.equal(
        toHex(shared),
        same
          .computeSecret(peer.getPublicKey())
          .toString('hex')
          .padStart(2 * size, '0'),
        `round ${round}`,
      );
    }
  });
}

/** RFC 8410 §7 and §4: the DER around a private and a public key. */
const xdhCurves = [
  ['x25519', '302e020100300506032b656e04220420', '302a300506032b656e032100'],
  ['x448', '3046020100300506032b656f043a0438', '3042300506032b656f033900'],
] as const;

for (const [keyword, privatePrefix, publicPrefix] of xdhCurves) {
  test(`${keyword}: agrees with OpenSSL`, () => {
    const random = seededRandom(`xdh ${keyword}`);
    for (let round = 0; round < 8; round++) {
      const privateOctets = random(ke(keyword).publicBytes);
      const ours = startKeyExchange(ke(keyword), () => privateOctets);
      const der = (prefix: string, octets: Uint8Array) => Buffer.concat([Buffer.from(prefix, 'hex'), octets]);
      const privateKey = openssl.createPrivateKey({ key: der(privatePrefix, privateOctets), format: 'der', type: 'pkcs8' });
      const spki = openssl.createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
      assert.equal(toHex(spki), publicPrefix + toHex(ours.publicValue), `round ${round}`);
      const peer = startKeyExchange(ke(keyword), random).publicValue;
      const publicKey = openssl.createPublicKey({ key: der(publicPrefix, peer), format: 'der', type: 'spki' });
      const expected = openssl.diffieHellman({ privateKey, publicKey });
      const shared = ours.derive(peer);
      assert.ok(shared instanceof Uint8Array);
      assert.equal(toHex(shared), expected.toString('hex'), `round ${round}`);
    }
  });
}
