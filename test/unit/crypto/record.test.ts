import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, toHex } from '../../../core/bytes/bytes.ts';
import { integ } from '../../../core/crypto/prf.ts';
import { recordCipher } from '../../../core/crypto/record.ts';
import { transforms } from '../../../core/crypto/transforms.ts';
import type { EncrTransform, IntegTransform, RecordCipher } from '../../../core/crypto/types.ts';
import { ascii, encr, hex, integRow, seededRandom } from './support.ts';

const none = new Uint8Array(0);
const encrs = transforms.filter((row): row is EncrTransform => row.type === 1);
const integs = transforms.filter((row): row is IntegTransform => row.type === 3);
/** Every suite of the table: the combined modes, and CBC with each integrity transform. */
const suites = encrs.flatMap((e): [EncrTransform, IntegTransform | undefined][] =>
  e.aead ? [[e, undefined]] : integs.map((i): [EncrTransform, IntegTransform] => [e, i]),
);

function make(e: EncrTransform, i: IntegTransform | undefined, seed: string): RecordCipher {
  const random = seededRandom(seed);
  return recordCipher(e, i, random(e.keyBytes + e.saltBytes), random(i?.keyBytes ?? 0));
}

function checkVector(cipher: RecordCipher, iv: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, sealed: string): void {
  assert.equal(toHex(cipher.seal(iv, aad, plaintext)), sealed);
  const opened = cipher.open(iv, aad, hex(sealed));
  assert.ok(opened !== undefined);
  assert.equal(toHex(opened), toHex(plaintext));
}

test('AES-GCM: McGrew and Viega, test cases 4, 10 and 16 (RFC 4106 §9), with each ICV', () => {
  const key = 'feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308';
  const plaintext = hex(
    'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
  );
  const aad = hex('feedfacedeadbeeffeedfacedeadbeefabaddad2');
  const cases = [
    [
      128,
      '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091',
      '5bc94fbc3221a5db94fae95ae7121a47',
    ],
    [
      192,
      '3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9ccda2710',
      '2519498e80f1478f37ba55bd6d27618c',
    ],
    [
      256,
      '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662',
      '76fc6ece0f4e1768cddf8853bb2d551b',
    ],
  ] as const;
  for (const [bits, ciphertext, tag] of cases) {
    for (const icv of [8, 12, 16]) {
      const keyAndSalt = concat(hex(key).subarray(0, bits / 8), hex('cafebabe'));
      const cipher = recordCipher(encr(`aes${bits}gcm${icv}`), undefined, keyAndSalt, none);
      checkVector(cipher, hex('facedbaddecaf888'), aad, plaintext, ciphertext + tag.slice(0, 2 * icv));
    }
  }
});

test('ChaCha20-Poly1305: RFC 8439 §2.8.2', () => {
  const cipher = recordCipher(
    encr('chacha20poly1305'),
    undefined,
    hex('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f 07000000'),
    none,
  );
  const plaintext = ascii(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  );
  checkVector(
    cipher,
    hex('4041424344454647'),
    hex('50515253c0c1c2c3c4c5c6c7'),
    plaintext,
    'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36' +
      '92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116' +
      '1ae10b594f09e26a7e902ecbd0600691',
  );
});

test('ChaCha20-Poly1305: RFC 7634 Appendix A (ESP) and B (IKEv2)', () => {
  const key = hex('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f a0a1a2a3');
  const cipher = recordCipher(encr('chacha20poly1305'), undefined, key, none);
  const iv = hex('1011121314151617');
  checkVector(
    cipher,
    iv,
    hex('0102030400000005'),
    hex(
      '45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec100007362708090a0b0c0d0e0f10111213' +
        '1415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363701020204',
    ),
    '24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb61aa95dfab4c02f7' +
      '2aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da9165b82829f641e076aaa8266b7fb0f7b11b369907e1ad43',
  );
  checkVector(
    cipher,
    iv,
    hex('c0c1c2c3c4c5c6c7d0d1d2d3d4d5d6d72e202500000000090000004529000029'),
    hex('0000000c000040010000000a00'),
    '610394701f8d017f7c129248896b71bfe25236efd7cdc67066906315b2',
  );
});

test('AES-CBC: RFC 3602 §4 cases 1 to 6; the ICV is HMAC over aad, iv and ciphertext', () => {
  const cases = [
    [
      '06a9214036b8a15b512e03d534120006',
      '3dafba429d9eb430b422da802c9fac41',
      toHex(ascii('Single block msg')),
      'e353779c1079aeb82708942dbe77181a',
    ],
    [
      'c286696d887c9aa0611bbb3e2025a45a',
      '562e17996d093d28ddb3ba695a2e6f58',
      '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f',
      'd296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1',
    ],
    [
      '6c3ea0477630ce21a2ce334aa746c2cd',
      'c782dc4c098c66cbd9cd27d825682c81',
      toHex(ascii('This is a 48-byte message (exactly 3 AES blocks)')),
      'd0a02b3836451753d493665d33f0e8862dea54cdb293abc7506939276772f8d5021c19216bad525c8579695d83ba2684',
    ],
    [
      '56e47a38c5598974bc46903dba290349',
      '8ce82eefbea0da3c44699ed7db51b7d9',
      'a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf',
      'c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e35907aa632c3ffdf868bb7b29d3d46ad83ce9f9a102ee99d49a53e87f4c3da55',
    ],
    [
      '90d382b410eeba7ad938c46cec1a82bf',
      'e96e8c08ab465763fd098d45dd3ff893',
      '08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637' +
        '0102030405060708090a0b0c0d0e0e01',
      'f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4898dc856a4699e523a55db080b59ec3a8e4b7e52775b07d1db34ed9c538ab50c551b874a' +
        'a269add047ad2d5913ac19b7cfbad4a6',
    ],
    [
      '90d382b410eeba7ad938c46cec1a82bf',
      '69d08df7d203329db093fc4924e5bd80',
      '0800b5e8a80a0500a69c083d0b660e0077777777777777777777777701020201',
      'f51995881ec4e0c4488987ce742e8109689bb379d2d750c0d915dca346a89f75',
    ],
  ] as const;
  const aad = hex('4321000000000001');
  for (const [key, iv, plaintext, ciphertext] of cases) {
    for (const transform of integs) {
      const macKey = seededRandom('mac key')(transform.keyBytes);
      const cipher = recordCipher(encr('aes128'), transform, hex(key), macKey);
      const icv = integ(transform, macKey, concat(aad, hex(iv), hex(ciphertext)));
      checkVector(cipher, hex(iv), aad, hex(plaintext), ciphertext + toHex(icv));
    }
  }
});

for (const [e, i] of suites) {
  const name = `${e.keyword}${i === undefined ? '' : `-${i.keyword}`}`;

  test(`${name}: what is sealed is opened; sizes are those of the table`, () => {
    const random = seededRandom(name);
    const cipher = make(e, i, name);
    assert.deepEqual([cipher.ivBytes, cipher.icvBytes, cipher.blockBytes], [e.ivBytes, i?.icvBytes ?? e.icvBytes, e.blockBytes]);
    for (const blocks of [1, 2, 5, 93]) {
      const plaintext = random(blocks * e.blockBytes);
      const [iv, aad] = [random(e.ivBytes), random(32)];
      const sealed = cipher.seal(iv, aad, plaintext);
      assert.equal(sealed.length, plaintext.length + cipher.icvBytes);
      assert.deepEqual(cipher.open(iv, aad, sealed), plaintext);
    }
  });

  test(`${name}: one wrong bit anywhere, or a wrong length, and nothing is opened`, () => {
    const random = seededRandom(`${name} forged`);
    const cipher = make(e, i, name);
    const [iv, aad] = [random(e.ivBytes), random(28)];
    const sealed = cipher.seal(iv, aad, random(48));
    const flipped = (octets: Uint8Array, at: number) => octets.map((octet, n) => (n === at ? octet ^ (1 << (at % 8)) : octet));
    for (let at = 0; at < sealed.length; at++) assert.equal(cipher.open(iv, aad, flipped(sealed, at)), undefined, `octet ${at}`);
    for (let at = 0; at < iv.length; at++) assert.equal(cipher.open(flipped(iv, at), aad, sealed), undefined);
    for (let at = 0; at < aad.length; at++) assert.equal(cipher.open(iv, flipped(aad, at), sealed), undefined);
    for (let length = 0; length < sealed.length; length++) assert.equal(cipher.open(iv, aad, sealed.slice(0, length)), undefined);
    assert.equal(cipher.open(iv, aad, concat(sealed, Uint8Array.of(0))), undefined);
    assert.equal(cipher.open(iv, aad.slice(1), sealed), undefined);
    assert.equal(make(e, i, 'another key').open(iv, aad, sealed), undefined);
    assert.deepEqual(cipher.open(iv, aad, sealed)?.length, 48);
  });

  test(`${name}: wrong sizes from the program throw`, () => {
    const key = new Uint8Array(e.keyBytes + e.saltBytes);
    const mac = new Uint8Array(i?.keyBytes ?? 0);
    assert.throws(() => recordCipher(e, i, key.slice(1), mac), RangeError);
    assert.throws(() => recordCipher(e, i, concat(key, Uint8Array.of(0)), mac), RangeError);
    assert.throws(() => recordCipher(e, i, key, concat(mac, Uint8Array.of(0))), RangeError);
    const [otherInteg, otherMac] = i === undefined ? [integRow('sha256'), new Uint8Array(32)] : [undefined, none];
    assert.throws(() => recordCipher(e, otherInteg, key, otherMac), /with (no integrity|HMAC_SHA2_256_128)/);
    const cipher = recordCipher(e, i, key, mac);
    assert.throws(() => cipher.seal(new Uint8Array(e.ivBytes + 1), none, new Uint8Array(16)), RangeError);
    assert.throws(() => cipher.open(new Uint8Array(e.ivBytes - 1), none, new Uint8Array(48)), RangeError);
    if (!e.aead)
      for (const length of [0, 1, 17])
        assert.throws(() => cipher.seal(new Uint8Array(16), none, new Uint8Array(length)), RangeError);
  });
}

test('the caller may wipe its keys after the cipher is made', () => {
  for (const [e, i] of suites) {
    const random = seededRandom('wipe');
    const [key, mac] = [random(e.keyBytes + e.saltBytes), random(i?.keyBytes ?? 0)];
    const kept = recordCipher(e, i, key.slice(), mac.slice());
    const wiped = recordCipher(e, i, key, mac);
    key.fill(0);
    mac.fill(0);
    const [iv, plaintext] = [random(e.ivBytes), random(32)];
    assert.deepEqual(wiped.seal(iv, none, plaintext), kept.seal(iv, none, plaintext));
  }
});

test('CBC: an authentic ciphertext that is not whole blocks is not decrypted', () => {
  const transform = integRow('sha256');
  const key = new Uint8Array(32).fill(7);
  const cipher = recordCipher(encr('aes256'), transform, key, key);
  const iv = new Uint8Array(16);
  for (const length of [0, 1, 15, 17]) {
    const ciphertext = new Uint8Array(length).fill(1);
    const sealed = concat(ciphertext, integ(transform, key, iv, ciphertext));
    assert.equal(cipher.open(iv, none, sealed), undefined);
  }
});
