/** Sound signatures by OpenSSL and noble, and all that an attacker sends in their place (SECURITY.md 6). Wycheproof: test/vectors. */
import assert from 'node:assert/strict';
import {
  constants,
  createHash,
  generateKeyPairSync,
  type KeyObject,
  privateEncrypt,
  type SignKeyObjectInput,
  sign,
} from 'node:crypto';
import { test } from 'node:test';
import { ed25519 } from '@noble/curves/ed25519.js';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import fc from 'fast-check';
import { concat, toHex } from '../../../core/bytes/bytes.ts';
import { derBitString, derInteger, derNull, derOid, derSequence } from '../../../core/bytes/derWriter.ts';
import { publicKeyFault, verifySignature } from '../../../core/crypto/signatures.ts';
import type { SignatureAlgorithm, SignatureHash } from '../../../core/crypto/signatureTypes.ts';
import { quickest } from '../quickest.ts';
import { ascii, hex, seededRandom } from './support.ts';

const message = ascii('the octets that are signed');
const hashes: readonly SignatureHash[] = ['sha1', 'sha256', 'sha384', 'sha512'];

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const cubic = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 });
const rsaSpki = spkiOf(rsa.publicKey);
const cubicSpki = spkiOf(cubic.publicKey);

test('RSA PKCS#1: what OpenSSL signs verifies, with any hash', () => {
  for (const hash of hashes) {
    const signature = sign(hash, message, rsa.privateKey);
    assert.equal(verifySignature({ kind: 'rsa-pkcs1', hash }, rsaSpki, message, signature), undefined);
    assert.equal(verifySignature({ kind: 'rsa-pkcs1', hash }, rsaSpki, ascii('others'), signature), 'does-not-verify');
    const another = hash === 'sha256' ? 'sha512' : 'sha256';
    assert.equal(verifySignature({ kind: 'rsa-pkcs1', hash: another }, rsaSpki, message, signature), 'does-not-verify');
  }
});

test('RSA PSS: what OpenSSL signs verifies with its salt and no other', () => {
  for (const hash of hashes) {
    for (const saltLength of [0, 20, 32, 64, 100]) {
      const input: SignKeyObjectInput = { key: rsa.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength };
      const signature = sign(hash, message, input);
      assert.equal(verifySignature({ kind: 'rsa-pss', hash, saltLength }, rsaSpki, message, signature), undefined);
      assert.equal(
        verifySignature({ kind: 'rsa-pss', hash, saltLength: saltLength + 1 }, rsaSpki, message, signature),
        'does-not-verify',
      );
      assert.equal(verifySignature({ kind: 'rsa-pkcs1', hash }, rsaSpki, message, signature), 'does-not-verify');
    }
  }
});

test('RSA PSS: a salt that does not fit into the modulus is refused before any arithmetic', () => {
  for (const saltLength of [223, 1000, 2048, 2 ** 31 - 1, 2 ** 40]) {
    const fault = verifySignature({ kind: 'rsa-pss', hash: 'sha256', saltLength }, rsaSpki, message, new Uint8Array(256));
    assert.equal(fault, 'malformed-signature', `salt ${saltLength}`);
  }
});

test('RSA PSS: the longest salt that fits is taken', () => {
  const saltLength = 222; // 256 - 32 - 2
  const signature = sign('sha256', message, { key: rsa.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });
  assert.equal(verifySignature({ kind: 'rsa-pss', hash: 'sha256', saltLength }, rsaSpki, message, signature), undefined);
});

/** Blocks that are not EMSA-PKCS1-v1_5, each signed with the real private key: only their form can give them away. */
const info = concat(hex('3031300d060960864801650304020105000420'), digest());
const infoWithoutNull = concat(hex('302f300b0609608648016503040201 0420'), digest());
const forged: Readonly<Record<string, Uint8Array>> = {
  'garbage after the hash': concat(hex('0001'), ff(8), hex('00'), info, new Uint8Array(256 - 11 - info.length).fill(0xaa)),
  'garbage inside the parameters': concat(
    hex('0001'),
    ff(8),
    hex('003081ed3081c80609608648016503040201 0481ba'),
    new Uint8Array(0xba).fill(0x11),
    hex('0420'),
    digest(),
    new Uint8Array(256),
  ).slice(0, 256),
  'the NULL left out': padded(infoWithoutNull),
  'a longer form of a length': padded(concat(hex('308131300d060960864801650304020105000420'), digest())),
  'a short hash': padded(concat(hex('3021300d060960864801650304020105000410'), digest().subarray(0, 16))),
  'an empty hash': padded(hex('3011300d060960864801650304020105000400')),
  'the bare hash': padded(digest()),
  'the DigestInfo of another hash': padded(concat(hex('3041300d060960864801650304020205000430'), digest(), new Uint8Array(16))),
  'block type 2': concat(hex('0002'), padded(info).subarray(2)),
  'block type 0': concat(hex('0000'), padded(info).subarray(2)),
  'no zero in front': concat(hex('0101'), padded(info).subarray(2)),
  'padding that is not FF throughout': padded(info).map((octet, i) => (i === 100 ? 0xfe : octet)),
  'no padding at all': concat(hex('000100'), info, new Uint8Array(256 - 3 - info.length)),
  'the separator left out': concat(hex('0001'), ff(256 - 2 - info.length), info),
};

for (const [what, block] of Object.entries(forged)) {
  test(`RSA PKCS#1: a signed block is refused that has ${what}`, () => {
    for (const key of [rsa, cubic]) {
      const signature = rawSign(key.privateKey, block);
      const fault = verifySignature({ kind: 'rsa-pkcs1', hash: 'sha256' }, spkiOf(key.publicKey), message, signature);
      assert.equal(fault, 'does-not-verify');
    }
  });
}

test('RSA PKCS#1: the same way of signing verifies when the block is right', () => {
  const signature = rawSign(cubic.privateKey, padded(info));
  assert.equal(verifySignature({ kind: 'rsa-pkcs1', hash: 'sha256' }, cubicSpki, message, signature), undefined);
});

test('RSA PKCS#1, e=3: a cube root made without the key is refused (Bleichenbacher 2006)', () => {
  const head = concat(hex('0001'), ff(8), hex('00'), info);
  const low = BigInt(`0x${toHex(concat(head, new Uint8Array(256 - head.length)))}`);
  const root = cubeRoot(low) + 1n;
  const cube = hex((root ** 3n).toString(16).padStart(512, '0'));
  assert.equal(toHex(cube.subarray(0, head.length)), toHex(head), 'the forgery is what it is meant to be');
  const signature = hex(root.toString(16).padStart(512, '0'));
  assert.equal(verifySignature({ kind: 'rsa-pkcs1', hash: 'sha256' }, cubicSpki, message, signature), 'does-not-verify');
});

test('RSA: signatures of another length, or not below the modulus, are refused', () => {
  const signature = sign('sha256', message, rsa.privateKey);
  const modulus = Buffer.from(rsa.publicKey.export({ format: 'jwk' }).n ?? '', 'base64url');
  const plusModulus = hex((BigInt(`0x${toHex(signature)}`) + BigInt(`0x${toHex(modulus)}`)).toString(16).padStart(514, '0'));
  for (const wrong of [signature.subarray(1), concat(hex('00'), signature), new Uint8Array(0), modulus, ff(256), plusModulus]) {
    for (const algorithm of [
      { kind: 'rsa-pkcs1', hash: 'sha256' },
      { kind: 'rsa-pss', hash: 'sha256', saltLength: 32 },
    ] as const) {
      assert.equal(verifySignature(algorithm, rsaSpki, message, wrong), 'malformed-signature');
    }
  }
  for (const trivial of [0, 1]) {
    const value = new Uint8Array(256);
    value[255] = trivial;
    assert.equal(verifySignature({ kind: 'rsa-pkcs1', hash: 'sha256' }, rsaSpki, message, value), 'does-not-verify');
  }
});

const good = BigInt(`0x${toHex(Buffer.from(rsa.publicKey.export({ format: 'jwk' }).n ?? '', 'base64url'))}`);
const weakKeys: Readonly<Record<string, Uint8Array>> = {
  'a modulus of 512 bits': rsaKey((1n << 511n) + 1n, 65537n),
  'a modulus of 2047 bits': rsaKey((1n << 2046n) + 1n, 65537n),
  'a modulus of zero': rsaKey(0n, 65537n),
  'an even modulus': rsaKey(good + 1n, 65537n),
  'a modulus of 8200 bits': rsaKey((1n << 8199n) + 1n, 65537n),
  'a modulus of 16384 bits': rsaKey((1n << 16383n) + 1n, 65537n),
  'exponent 0': rsaKey(good, 0n),
  'exponent 1': rsaKey(good, 1n),
  'exponent 2': rsaKey(good, 2n),
  'an even exponent': rsaKey(good, 65536n),
  'an exponent of 65 bits': rsaKey(good, (1n << 64n) + 1n),
  'an exponent as long as the modulus': rsaKey(good, good - 2n),
};

for (const [what, spki] of Object.entries(weakKeys)) {
  test(`RSA: a weak key is refused at once: ${what}`, () => {
    const signature = new Uint8Array(256).fill(1);
    assert.equal(publicKeyFault(spki), 'weak-key');
    const took = quickest(() => {
      assert.equal(verifySignature({ kind: 'rsa-pkcs1', hash: 'sha256' }, spki, message, signature), 'weak-key');
    });
    assert.ok(took < 5, `${took} ms`);
  });
}

test('RSA: a modulus of a megabyte is no key, and is not looked at', () => {
  const key = derSequence(derInteger(new Uint8Array(1 << 20).fill(0x81)), derInteger(3));
  const spki = derSequence(rsaIdentifier(), derBitString(key));
  const took = quickest(() => assert.equal(publicKeyFault(spki), 'malformed-key'));
  assert.ok(took < 5, `${took} ms`);
});

test('RSA: the slowest key that is taken costs less than 20 ms', () => {
  const spki = rsaKey((1n << 8191n) + 1n, (1n << 64n) - 1n);
  const signature = new Uint8Array(1024).fill(0x55);
  const took = quickest(() => {
    assert.equal(verifySignature({ kind: 'rsa-pkcs1', hash: 'sha256' }, spki, message, signature), 'does-not-verify');
  });
  assert.ok(took < 20, `${took} ms`);
});

test('RFC 4055 §1.2: a key marked for PSS verifies nothing else, and keeps its own limits', () => {
  const marked = generateKeyPairSync('rsa-pss', {
    modulusLength: 2048,
    hashAlgorithm: 'sha256',
    mgf1HashAlgorithm: 'sha256',
    ...({ saltLength: 32 } as object), // the typings say string, Node wants a number
  });
  const spki = spkiOf(marked.publicKey);
  const signature = sign('sha256', message, { key: marked.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
  assert.equal(verifySignature({ kind: 'rsa-pss', hash: 'sha256', saltLength: 32 }, spki, message, signature), undefined);
  const wrong: readonly SignatureAlgorithm[] = [
    { kind: 'rsa-pkcs1', hash: 'sha256' },
    { kind: 'rsa-pss', hash: 'sha512', saltLength: 64 },
    { kind: 'rsa-pss', hash: 'sha256', saltLength: 20 },
  ];
  for (const algorithm of wrong) assert.equal(verifySignature(algorithm, spki, message, signature), 'wrong-key-kind');
});

const ecCurves = [
  ['prime256v1', 32],
  ['secp384r1', 48],
  ['secp521r1', 66],
  ['brainpoolP256r1', 32],
  ['brainpoolP384r1', 48],
  ['brainpoolP512r1', 64],
] as const;

for (const [namedCurve, bytes] of ecCurves) {
  test(`ECDSA on ${namedCurve}: sound signatures verify in both forms, others do not`, () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve });
    const spki = spkiOf(publicKey);
    for (const hash of hashes) {
      const der = sign(hash, message, { key: privateKey, dsaEncoding: 'der' });
      const fixed = sign(hash, message, { key: privateKey, dsaEncoding: 'ieee-p1363' });
      assert.equal(verifySignature({ kind: 'ecdsa', hash, format: 'der' }, spki, message, der), undefined);
      assert.equal(verifySignature({ kind: 'ecdsa', hash, format: 'p1363' }, spki, message, fixed), undefined);
      const other = hash === 'sha256' ? 'sha384' : 'sha256';
      assert.equal(verifySignature({ kind: 'ecdsa', hash: other, format: 'der' }, spki, message, der), 'does-not-verify');
      assert.equal(verifySignature({ kind: 'ecdsa', hash, format: 'p1363' }, spki, message, der), 'malformed-signature');
      assert.equal(verifySignature({ kind: 'ecdsa', hash, format: 'der' }, spki, message, fixed), 'malformed-signature');
    }
    const point = spki.slice();
    point[point.length - 1] ^= 1;
    const signature = new Uint8Array(2 * bytes).fill(1);
    assert.equal(
      verifySignature({ kind: 'ecdsa', hash: 'sha256', format: 'p1363' }, point, message, signature),
      'malformed-key',
      'a point off the curve',
    );
  });
}

test('ECDSA: zeros, orders and everything that is not DER are refused', () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const spki = spkiOf(publicKey);
  const n = p256.Point.Fn.ORDER;
  const verdict = (signature: Uint8Array) =>
    verifySignature({ kind: 'ecdsa', hash: 'sha256', format: 'der' }, spki, message, signature);
  for (const [r, s] of [
    [0n, 0n],
    [0n, 1n],
    [1n, 0n],
    [n, 1n],
    [1n, n],
    [n, n],
    [n + 1n, 1n],
  ] as const) {
    assert.equal(verdict(derSequence(derInteger(r), derInteger(s))), 'does-not-verify');
  }
  const malformed = [
    derSequence(derInteger(-1), derInteger(1)),
    derSequence(derInteger(1)),
    derSequence(derInteger(1), derInteger(1), derInteger(1)),
    derSequence(derInteger(1n << 256n), derInteger(1)),
    hex('3080020101020101 0000'),
    hex('30060201010201 0100'),
    hex('300702020001020101'),
    hex('308106020101020101'),
    new Uint8Array(0),
    new Uint8Array(100_000),
  ];
  for (const signature of malformed) assert.equal(verdict(signature), 'malformed-signature', toHex(signature.subarray(0, 20)));
});

test('ECDSA and Ed25519: noble signs, we verify', () => {
  const random = seededRandom('signatures by noble');
  const rows = [
    [p256, '1.2.840.10045.3.1.7', 'sha256'],
    [p384, '1.3.132.0.34', 'sha384'],
    [p521, '1.3.132.0.35', 'sha512'],
  ] as const;
  for (let round = 0; round < 5; round++) {
    for (const [curve, oid, hash] of rows) {
      const { secretKey, publicKey } = curve.keygen(random(curve.lengths.seed ?? 48));
      const point = curve.Point.fromBytes(publicKey).toBytes(false);
      const spki = derSequence(derSequence(derOid('1.2.840.10045.2.1'), derOid(oid)), derBitString(point));
      const text = random(60);
      const signature = curve.sign(createHash(hash).update(text).digest(), secretKey, { prehash: false, lowS: false });
      assert.equal(verifySignature({ kind: 'ecdsa', hash, format: 'p1363' }, spki, text, signature), undefined);
      signature[5] ^= 1;
      assert.equal(verifySignature({ kind: 'ecdsa', hash, format: 'p1363' }, spki, text, signature), 'does-not-verify');
    }
    const { secretKey, publicKey } = ed25519.keygen(random(32));
    const spki = derSequence(derSequence(derOid('1.3.101.112')), derBitString(publicKey));
    const text = random(60);
    assert.equal(verifySignature({ kind: 'ed25519' }, spki, text, ed25519.sign(text, secretKey)), undefined);
  }
});

test('Ed25519: S plus the order is refused (RFC 8032 §5.1.7), and so are other lengths', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const spki = spkiOf(publicKey);
  const signature = sign(null, message, privateKey);
  assert.equal(verifySignature({ kind: 'ed25519' }, spki, message, signature), undefined);
  const littleEndian = BigInt(`0x${toHex(signature.subarray(32).toReversed())}`) + ed25519.Point.Fn.ORDER;
  const shifted = concat(signature.subarray(0, 32), hex(littleEndian.toString(16).padStart(64, '0')).reverse());
  assert.equal(verifySignature({ kind: 'ed25519' }, spki, message, shifted), 'does-not-verify');
  assert.equal(verifySignature({ kind: 'ed25519' }, spki, message, signature.subarray(1)), 'malformed-signature');
  assert.equal(verifySignature({ kind: 'ed448' }, spki, message, signature), 'wrong-key-kind');
});

test('a signature is never taken with a key of another kind', () => {
  const keys: Readonly<Record<string, Uint8Array>> = {
    'rsa-pkcs1': rsaSpki,
    ecdsa: spkiOf(generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey),
    ed25519: spkiOf(generateKeyPairSync('ed25519').publicKey),
    ed448: spkiOf(generateKeyPairSync('ed448').publicKey),
  };
  const algorithms: readonly SignatureAlgorithm[] = [
    { kind: 'rsa-pkcs1', hash: 'sha256' },
    { kind: 'ecdsa', hash: 'sha256', format: 'der' },
    { kind: 'ed25519' },
    { kind: 'ed448' },
  ];
  for (const algorithm of algorithms) {
    for (const [kind, spki] of Object.entries(keys)) {
      if (kind !== algorithm.kind) assert.equal(verifySignature(algorithm, spki, message, new Uint8Array(64)), 'wrong-key-kind');
    }
  }
});

test('keys are read strictly', () => {
  const p256Key = spkiOf(generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey);
  const point = p256Key.subarray(p256Key.length - 65);
  const ec = derOid('1.2.840.10045.2.1');
  const named = derOid('1.2.840.10045.3.1.7');
  const faults: readonly (readonly [string, Uint8Array, string])[] = [
    ['nothing', new Uint8Array(0), 'malformed-key'],
    ['an octet more', concat(p256Key, hex('00')), 'malformed-key'],
    ['RSA without NULL', derSequence(derSequence(derOid('1.2.840.113549.1.1.1')), rsaSpki.subarray(-275)), 'malformed-key'],
    ['no curve', derSequence(derSequence(ec), derBitString(point)), 'malformed-key'],
    ['an implicit curve', derSequence(derSequence(ec, derNull()), derBitString(point)), 'malformed-key'],
    // CVE-2020-0601
    ['explicit curve parameters', derSequence(derSequence(ec, derSequence(derInteger(1))), derBitString(point)), 'unsupported'],
    ['another curve', derSequence(derSequence(ec, derOid('1.3.132.0.10')), derBitString(point)), 'unsupported'],
    [
      'a compressed point',
      derSequence(derSequence(ec, named), derBitString(concat(hex('02'), point.subarray(1, 33)))),
      'unsupported',
    ],
    ['the point at infinity', derSequence(derSequence(ec, named), derBitString(hex('00'))), 'malformed-key'],
    ['a point of another size', derSequence(derSequence(ec, named), derBitString(point.subarray(1))), 'malformed-key'],
    [
      'Ed25519 with parameters',
      derSequence(derSequence(derOid('1.3.101.112'), derNull()), derBitString(ff(32))),
      'malformed-key',
    ],
    ['Ed25519 of 31 octets', derSequence(derSequence(derOid('1.3.101.112')), derBitString(ff(31))), 'malformed-key'],
    ['X25519', derSequence(derSequence(derOid('1.3.101.110')), derBitString(ff(32))), 'unsupported'],
    [
      'a negative modulus',
      derSequence(rsaIdentifier(), derBitString(derSequence(derInteger(-5), derInteger(3)))),
      'malformed-key',
    ],
  ];
  for (const [what, spki, fault] of faults) assert.equal(publicKeyFault(spki), fault, what);
  assert.equal(publicKeyFault(p256Key), undefined);
});

test('changed octets of key and signature never throw and never verify', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const cases = [
    [{ kind: 'rsa-pkcs1', hash: 'sha256' }, rsaSpki, sign('sha256', message, rsa.privateKey)],
    [{ kind: 'ecdsa', hash: 'sha256', format: 'der' }, spkiOf(publicKey), sign('sha256', message, privateKey)],
  ] as const;
  for (const [algorithm, spki, signature] of cases) {
    const change = fc.record({ inKey: fc.boolean(), at: fc.nat(), flip: fc.integer({ min: 1, max: 255 }) });
    fc.assert(
      fc.property(change, ({ inKey, at, flip }) => {
        const key = spki.slice();
        const value = new Uint8Array(signature);
        const target = inKey ? key : value;
        target[at % target.length] ^= flip;
        assert.notEqual(verifySignature(algorithm, key, message, value), undefined);
      }),
      { numRuns: 300 },
    );
  }
});

function spkiOf(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ format: 'der', type: 'spki' }));
}

function rsaIdentifier(): Uint8Array {
  return derSequence(derOid('1.2.840.113549.1.1.1'), derNull());
}

function rsaKey(modulus: bigint, exponent: bigint): Uint8Array {
  return derSequence(rsaIdentifier(), derBitString(derSequence(derInteger(modulus), derInteger(exponent))));
}

function rawSign(key: KeyObject, block: Uint8Array): Uint8Array {
  return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, block);
}

function digest(): Uint8Array {
  return new Uint8Array(createHash('sha256').update(message).digest());
}

function ff(length: number): Uint8Array {
  return new Uint8Array(length).fill(0xff);
}

function padded(content: Uint8Array): Uint8Array {
  return concat(hex('0001'), ff(256 - 3 - content.length), hex('00'), content);
}

function cubeRoot(value: bigint): bigint {
  let low = 0n;
  let high = 1n << 700n;
  while (low < high) {
    const middle = (low + high + 1n) >> 1n;
    if (middle ** 3n <= value) low = middle;
    else high = middle - 1n;
  }
  return low;
}
