import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { concat, fromHex, fromUtf8 } from '../../../../core/bytes/bytes.ts';
import { signingKey } from '../../../../core/crypto/node/sign.ts';
import type { SignatureAlgorithm } from '../../../../core/crypto/signatureTypes.ts';
import { announcedHashes, chooseSignature, readHashes, signatureFailure } from '../../../../core/ike/auth/signature.ts';
import { AUTH_METHOD } from '../../../../core/ike/wire/constants.ts';
import type { PayloadOf } from '../../../../core/ike/wire/message.ts';

const octets = fromUtf8('abc');

/** RFC 4754 §8.1, §8.2, §8.3: the static public key, and (r, s) over "abc". */
const rfc4754 = [
  {
    method: 9,
    curve: 'P-256',
    point:
      '2442a5cc0ecd015fa3ca31dc8e2bbc70bf42d60cbca20085e0822cb04235e9706fc98bd7e50211a4a27102fa3549df79ebcb' +
      '4bf246b80945cddfe7d509bbfd7d',
    signature:
      'cb28e0999b9c7715fd0a80d8e47a77079716cbbf917dd72e97566ea1c066957c86fa3bb4e26cad5bf90b7f81899256ce7594' +
      'bb1ea0c89212748bff3b3d5b0315',
  },
  {
    method: 10,
    curve: 'P-384',
    point:
      '96281bf8dd5e0525ca049c048d345d3082968d10fedf5c5aca0c64e6465a97ea5ce10c9dfec21797415710721f4379224476' +
      '88ba94708eb6e2e4d59f6ab6d7edff9301d249fe49c33096655f5d502fad3d383b91c5e7edaa2b714cc99d5743ca',
    signature:
      'fb017b914e29149432d8bac29a514640b46f53ddab2c69948084e2930f1c8f7e08e07c9c63f2d21a07dcb56a6af56eb3b263' +
      'a1305e057f984d38726a1b46874109f417bca112674c528262a40a629af1cbb9f516ce0fa7d2ff630863a00e8b9f',
  },
  {
    method: 11,
    curve: 'P-521',
    point:
      '0151518f1af0f563517edd5485190df95a4bf57b5cba4cf2a9a3f6474725a35f7afe0a6ddeb8bedbcd6a197e592d40188901' +
      'cecd650699c9b5e456aea5add19052a8006f3b142ea1bfff7e2837ad44c9e4ff6d2d34c73184bbad90026dd5e6e85317d9df' +
      '45cad7803c6c20035b2f3ff63aff4e1ba64d1c077577da3f4286c58f0aeae643',
    signature:
      '0154fd3836af92d0dca57dd5341d3053988534fde8318fc6aaaab68e2e6f4339b19f2f281a7e0b22c269d93cf8794a927888' +
      '0ed7dbb8d9362caeacee544320552251017705a7030290d1ceb605a9a1bb03ff9cdd521e87a696ec926c8c10c8362df49753' +
      '67101f67d1cf9bccbf2f3d239534fa509e70aac851ae01aac68d62f866472660',
  },
] as const;

for (const { method, curve, point, signature } of rfc4754) {
  const publicKey = spkiOf(curve, bytes(point));

  test(`RFC 4754 §8: the example of method ${method} verifies, on the right curve and by this method alone`, () => {
    assert.equal(signatureFailure(auth(method, bytes(signature)), publicKey, octets, false), undefined);
    // RFC 7427 does not forbid it to a gateway that announced hashes: they are as good.
    assert.equal(signatureFailure(auth(method, bytes(signature)), publicKey, octets, true), undefined);
    for (const other of [9, 10, 11]) {
      if (other === method) continue;
      assert.equal(signatureFailure(auth(other, bytes(signature)), publicKey, octets, false)?.code, 'gateway-signature-refused');
    }
    const turned = bytes(signature);
    turned[3] ^= 1;
    assert.equal(signatureFailure(auth(method, turned), publicKey, octets, false)?.code, 'gateway-authentication-failed');
    assert.equal(
      signatureFailure(auth(method, bytes(signature)), publicKey, fromUtf8('abd'), false)?.code,
      'gateway-authentication-failed',
    );
    for (const length of [0, 1, signature.length / 2 - 1]) {
      const cut = bytes(signature).subarray(0, length);
      assert.equal(signatureFailure(auth(method, cut), publicKey, octets, false)?.code, 'gateway-signature-refused');
    }
  });
}

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const rsaSigner = signingKey(new Uint8Array(rsa.privateKey.export({ type: 'pkcs8', format: 'der' })));
const rsaPublic = new Uint8Array(rsa.publicKey.export({ type: 'spki', format: 'der' }));

for (const [hash, announced, code] of [
  ['sha1', false, undefined],
  ['sha1', true, 'gateway-signature-refused'],
  ['sha256', false, undefined],
  ['sha256', true, undefined],
  ['sha384', true, undefined],
  ['sha512', true, undefined],
] as const) {
  const gateway = announced ? 'that announced hashes' : 'that knows no RFC 7427';
  test(`RSA by the old method with ${hash}, of a gateway ${gateway}: ${code ?? 'taken'}`, () => {
    const signature = rsaSigner?.sign({ kind: 'rsa-pkcs1', hash }, octets);
    assert.ok(signature);
    assert.equal(signatureFailure(auth(AUTH_METHOD.RSA, signature), rsaPublic, octets, announced)?.code, code);
  });
}

test("our announcement: SHA-2 and Identity, no SHA-1; reading the peer's is bounded", () => {
  assert.deepEqual([...readHashes(announcedHashes)], [2, 3, 4, 5]);
  assert.deepEqual([...readHashes(Uint8Array.of(0, 2, 0))], [2], 'half an identifier says nothing');
  assert.deepEqual([...readHashes(new Uint8Array(0))], []);
  const many = Uint8Array.from({ length: 60_000 }, (_, i) => (i >>> 1) >>> (i % 2 === 0 ? 8 : 0));
  assert.equal(readHashes(many).size, 64);
});

const ecdsa = (hash: 'sha1' | 'sha256' | 'sha384', format: 'der' | 'p1363'): SignatureAlgorithm => ({
  kind: 'ecdsa',
  hash,
  format,
});

test('RFC 7427 §4: the preferred algorithm with a hash of the peer; SHA-1 never, r | s never', () => {
  const algorithms = [ecdsa('sha1', 'der'), ecdsa('sha384', 'p1363'), ecdsa('sha384', 'der'), ecdsa('sha256', 'der')];
  assert.deepEqual(chooseSignature(algorithms, new Set([1, 2, 3]))?.algorithm, ecdsa('sha384', 'der'));
  assert.deepEqual(chooseSignature(algorithms, new Set([1, 2]))?.algorithm, ecdsa('sha256', 'der'));
  assert.equal(chooseSignature(algorithms, new Set([1])), undefined);
  assert.equal(chooseSignature(algorithms, new Set()), undefined);
});

test('RFC 7427 Appendix A.3.2: what goes before a signature by ECDSA with SHA-256', () => {
  const chosen = chooseSignature([ecdsa('sha256', 'der')], new Set([2]));
  const payload = chosen?.payload(Uint8Array.of(0xaa));
  assert.equal(payload?.method, 14);
  assert.equal(Buffer.from(payload.data).toString('hex'), '0c300a06082a8648ce3d040302aa');
});

test('RFC 8420 §2: Edwards curves need the Identity hash, and only that', () => {
  assert.equal(chooseSignature([{ kind: 'ed25519' }], new Set([2, 3, 4])), undefined);
  assert.deepEqual(chooseSignature([{ kind: 'ed25519' }], new Set([5]))?.algorithm, { kind: 'ed25519' });
});

test('without an announcement: r | s by the method of its hash, else RSA with SHA-1 where the key does that', () => {
  const methodOf = (algorithms: readonly SignatureAlgorithm[]) =>
    chooseSignature(algorithms, undefined)?.payload(new Uint8Array(1)).method;
  assert.equal(methodOf([ecdsa('sha256', 'der'), ecdsa('sha384', 'p1363')]), AUTH_METHOD.ECDSA_384);
  assert.equal(methodOf([ecdsa('sha256', 'der')]), undefined);
  assert.equal(methodOf([{ kind: 'ed25519' }]), undefined);
  assert.equal(methodOf([{ kind: 'rsa-pss', hash: 'sha256', saltLength: 32 }]), undefined);
  const both = [
    { kind: 'rsa-pkcs1', hash: 'sha256' },
    { kind: 'rsa-pkcs1', hash: 'sha1' },
  ] as const;
  assert.deepEqual(chooseSignature(both, undefined)?.algorithm, both[1]);
  assert.deepEqual(chooseSignature(both.slice(0, 1), undefined)?.algorithm, both[0]);
});

test('RFC 8247 §3.2: PSS with empty or default parameters is SHA-1, and MUST NOT be', () => {
  for (const identifier of ['300d06092a864886f70d01010a3000', '300b06092a864886f70d01010a']) {
    const der = bytes(identifier);
    const signature = rsaSigner?.sign({ kind: 'rsa-pss', hash: 'sha1', saltLength: 20 }, octets) ?? new Uint8Array(256);
    const data = concat(Uint8Array.of(der.length), der, signature);
    assert.equal(signatureFailure(auth(14, data), rsaPublic, octets, true)?.code, 'gateway-signature-refused');
  }
});

test('Digital Signature: every length of the identifier octet is looked at', () => {
  for (let length = 0; length < 256; length++) {
    const data = concat(Uint8Array.of(length), new Uint8Array(40).fill(0x30));
    assert.equal(signatureFailure(auth(14, data), rsaPublic, octets, true)?.code, 'gateway-signature-refused');
  }
  assert.equal(signatureFailure(auth(14, new Uint8Array(0)), rsaPublic, octets, true)?.code, 'gateway-signature-refused');
});

function auth(method: number, data: Uint8Array): PayloadOf<'AUTH'> {
  return { kind: 'AUTH', method, data };
}

function bytes(hex: string): Uint8Array {
  const read = fromHex(hex);
  if (!read) throw new Error('hex');
  return read;
}

function spkiOf(curve: string, point: Uint8Array): Uint8Array {
  const half = point.length / 2;
  const part = (at: number) => Buffer.from(point.subarray(at, at + half)).toString('base64url');
  const key = createPublicKey({ key: { kty: 'EC', crv: curve, x: part(0), y: part(half) }, format: 'jwk' });
  return new Uint8Array(key.export({ type: 'spki', format: 'der' }));
}
