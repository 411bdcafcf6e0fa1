import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { toHex } from '../../../core/bytes/bytes.ts';
import { integ, prf, prfPlus } from '../../../core/crypto/prf.ts';
import { transforms } from '../../../core/crypto/transforms.ts';
import type { PrfTransform } from '../../../core/crypto/types.ts';
import { ascii, hex, integRow, prfRow, seededRandom } from './support.ts';

const prfs = transforms.filter((row): row is PrfTransform => row.type === 2);
const aa = (count: number) => new Uint8Array(count).fill(0xaa);

test('HMAC-SHA-1: RFC 2202 §3, cases 1 to 7', () => {
  const cases: [Uint8Array, Uint8Array, string][] = [
    [new Uint8Array(20).fill(0x0b), ascii('Hi There'), 'b617318655057264e28bc0b6fb378c8ef146be00'],
    [ascii('Jefe'), ascii('what do ya want for nothing?'), 'effcdf6ae5eb2fa2d27416d5f184df9c259a7c79'],
    [aa(20), new Uint8Array(50).fill(0xdd), '125d7342b9ac11cd91a39af48aa17b4f63f175d3'],
    [
      hex('0102030405060708090a0b0c0d0e0f10111213141516171819'),
      new Uint8Array(50).fill(0xcd),
      '4c9007f4026250c6bc8414f9bf50c86c2d7235da',
    ],
    [new Uint8Array(20).fill(0x0c), ascii('Test With Truncation'), '4c1a03424b55e07fe7f27be1d58bb9324a9a5a04'],
    [aa(80), ascii('Test Using Larger Than Block-Size Key - Hash Key First'), 'aa4ae5e15272d00e95705637ce8a3b55ed402112'],
    [
      aa(80),
      ascii('Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data'),
      'e8e99d0f45237d786d6bbaa7965c7808bbff1a91',
    ],
  ];
  for (const [key, data, digest] of cases) assert.equal(toHex(prf(prfRow('prfsha1'), key, data)), digest);
  assert.equal(
    toHex(integ(integRow('sha1'), new Uint8Array(20).fill(0x0c), ascii('Test With Truncation'))),
    '4c1a03424b55e07fe7f27be1',
  );
});

test('HMAC-SHA-2: RFC 4231 §4.2 to §4.8', () => {
  const long = ascii(
    'This is a test using a larger than block-size key and a larger than block-size data. ' +
      'The key needs to be hashed before being used by the HMAC algorithm.',
  );
  const cases: [Uint8Array, Uint8Array, string, string, string][] = [
    [
      new Uint8Array(20).fill(0x0b),
      ascii('Hi There'),
      'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
      'afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6',
      '87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854',
    ],
    [
      aa(20),
      new Uint8Array(50).fill(0xdd),
      '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe',
      '88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b94e3ab6e101a34f27',
      'fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb',
    ],
    [
      hex('0102030405060708090a0b0c0d0e0f10111213141516171819'),
      new Uint8Array(50).fill(0xcd),
      '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b',
      '3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e6801dd23c4a7d679ccf8a386c674cffb',
      'b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3dba91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd',
    ],
    [
      aa(131),
      ascii('Test Using Larger Than Block-Size Key - Hash Key First'),
      '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
      '4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952',
      '80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598',
    ],
    [
      aa(131),
      long,
      '9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2',
      '6617178e941f020d351e2f254e8fd32c602420feb0b8fb9adccebb82461e99c5a678cc31e799176d3860e6110c46523e',
      'e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944b6022cac3c4982b10d5eeb55c3e4de15134676fb6de0446065c97440fa8c6a58',
    ],
  ];
  for (const [key, data, ...digests] of cases) {
    const got = ['prfsha256', 'prfsha384', 'prfsha512'].map((keyword) => toHex(prf(prfRow(keyword), key, data)));
    assert.deepEqual(got, digests);
  }
  // §4.6: truncated to 128 bits, which is the whole of HMAC_SHA2_256_128 and the head of the others.
  const key = new Uint8Array(20).fill(0x0c);
  const data = ascii('Test With Truncation');
  assert.equal(toHex(integ(integRow('sha256'), key, data)), 'a3b6167473100ee06e0c796c2955552b');
  assert.equal(toHex(integ(integRow('sha384'), key, data)).slice(0, 32), '3abf34c3503b2a23a46efc619baef897');
  assert.equal(toHex(integ(integRow('sha512'), key, data)).slice(0, 32), '415fad6271580a531d4179bc891d87a6');
});

test('prf over several parts is prf over their concatenation; differential against OpenSSL', () => {
  const random = seededRandom('prf');
  for (const transform of prfs) {
    for (let i = 0; i < 60; i++) {
      const [a, b, c] = random(3);
      const key = random(Number(a));
      const parts = [random(Number(b)), random(0), random(Number(c) * 3)];
      const expected = createHmac(transform.hash, key).update(Buffer.concat(parts)).digest('hex');
      assert.equal(toHex(prf(transform, key, ...parts)), expected, `${transform.name} round ${i}`);
    }
  }
});

/** RFC 7296 §2.13 written down a second time, with OpenSSL's HMAC. */
function referencePrfPlus(hash: string, key: Uint8Array, seed: Uint8Array, length: number): string {
  let previous = Buffer.alloc(0);
  let all = Buffer.alloc(0);
  for (let n = 1; all.length < length; n++) {
    previous = createHmac(hash, key)
      .update(previous)
      .update(seed)
      .update(Buffer.from([n]))
      .digest();
    all = Buffer.concat([all, previous]);
  }
  return all.subarray(0, length).toString('hex');
}

test('prf+ against an independent implementation, all lengths around block borders and at random', () => {
  const random = seededRandom('prf+');
  for (const transform of prfs) {
    const key = random(transform.keyBytes);
    const seed = random(80);
    const out = transform.outBytes;
    for (const length of [0, 1, out - 1, out, out + 1, 3 * out, 7 * out + 5, 255 * out]) {
      assert.equal(
        toHex(prfPlus(transform, key, seed, length)),
        referencePrfPlus(transform.hash, key, seed, length),
        `${transform.name} ${length}`,
      );
    }
  }
});

test('prf+ is not defined beyond 255 blocks (RFC 7296 §2.13)', () => {
  const transform = prfRow('prfsha256');
  assert.throws(() => prfPlus(transform, new Uint8Array(32), new Uint8Array(8), 255 * 32 + 1), RangeError);
  assert.throws(() => prfPlus(transform, new Uint8Array(32), new Uint8Array(8), -1), RangeError);
});

test('an ICV is as long as the table says', () => {
  for (const keyword of ['sha1', 'sha256', 'sha384', 'sha512']) {
    const transform = integRow(keyword);
    assert.equal(integ(transform, new Uint8Array(transform.keyBytes), ascii('x')).length, transform.icvBytes);
  }
});
