import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import { parsePublicKey } from '../../../core/crypto/publicKey.ts';
import { chosenSignatures, SIGNATURE_NAMES, signatureName } from '../../../core/crypto/signatureNames.ts';
import { algorithmsOf } from '../../../core/pki/privateKey.ts';

function able(pair: { readonly publicKey: KeyObject }) {
  const spki = new Uint8Array(pair.publicKey.export({ type: 'spki', format: 'der' }));
  const key = parsePublicKey(spki);
  assert.ok(key.ok);
  return algorithmsOf(key.value);
}

const rsa = able(generateKeyPairSync('rsa', { modulusLength: 2048 }));

test('every algorithm of a key but SHA-1 has a name that can be written', () => {
  const unnamed = rsa.map(signatureName).filter((name) => !SIGNATURE_NAMES.includes(name));
  assert.deepEqual(unnamed, ['rsa-sha1']);
  assert.deepEqual(able(generateKeyPairSync('ed25519')).map(signatureName), ['ed25519']);
});

test('without names the key does all it can; with names it does those, in their order', () => {
  assert.equal(chosenSignatures(rsa, []), rsa);
  assert.deepEqual(chosenSignatures(rsa, ['rsa-sha384', 'rsa-pss-sha256', 'ecdsa-sha256']).map(signatureName), [
    'rsa-sha384',
    'rsa-pss-sha256',
  ]);
  assert.deepEqual(chosenSignatures(rsa, ['ed25519']), []);
});

test('a curve that is named keeps the form of RFC 4754 too', () => {
  const p256 = able(generateKeyPairSync('ec', { namedCurve: 'P-256' }));
  assert.deepEqual(
    chosenSignatures(p256, ['ecdsa-sha256']).map((one) => 'format' in one && one.format),
    ['der', 'p1363'],
  );
});
