/** The cases of Wycheproof that are shaped as ESP, that is with 8 or 12 octets of additional data, through every ESP backend. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, equalBytes } from '../../core/bytes/bytes.ts';
import type { EspBackend, EspCipher } from '../../core/crypto/espCipher.ts';
import { findEncr } from '../../core/crypto/transforms.ts';
import { contenders } from '../unit/esp/contenders.ts';
import type { AeadGroup, AeadTest } from './aead.ts';
import { findVectors, fromHexStrict, readVectors } from './wycheproof.ts';

const folder = findVectors();

/** Transform and how many cases of the file there are, so that none is lost unseen. */
const files = [
  { name: 'aes_gcm_test', encrId: 20, cases: 5 },
  { name: 'chacha20_poly1305_test', encrId: 28, cases: 47 },
];

for (const { name, backend } of contenders) {
  for (const { name: file, encrId, cases } of files) {
    if (name.startsWith('ipsec-mb') && encrId !== 20 && encrId !== 28) continue;
    const skip = folder === undefined ? 'no folder of vectors' : typeof backend === 'string' ? backend : false;
    test(`${name}: ${file}`, { skip }, () => {
      if (folder === undefined || typeof backend === 'string') return;
      let judged = 0;
      for (const group of readVectors<AeadGroup>(folder, file).testGroups) {
        if (group.ivSize !== 96 || group.tagSize !== 128) continue;
        for (const one of group.tests) {
          if (one.aad.length !== 16 && one.aad.length !== 24) continue;
          judge(backend, encrId, group, one);
          judged++;
        }
      }
      assert.equal(judged, cases);
    });
  }
}

function judge(backend: EspBackend, encrId: number, group: AeadGroup, one: AeadTest): void {
  const what = `${one.tcId} ${one.comment}`;
  const encr = findEncr(encrId, encrId === 28 ? undefined : group.keySize);
  assert.ok(encr, what);
  const iv = fromHexStrict(one.iv);
  const aad = fromHexStrict(one.aad);
  const esn = aad.length === 12;
  const keys = { encryption: concat(fromHexStrict(one.key), iv.subarray(0, 4)), integrity: new Uint8Array(0) };
  const cipher = backend.cipher({ encr, integ: undefined, esn }, keys);
  assert.ok(cipher, what);
  // SPI | low half | IV, and between the halves with ESN what is not sent (RFC 4106 §5)
  const head = concat(aad.subarray(0, 4), aad.subarray(aad.length - 4), iv.subarray(4));
  const seqHigh = esn ? Buffer.from(aad).readUInt32BE(4) : 0;
  const plain = concat(head, fromHexStrict(one.msg));
  const sealed = concat(head, fromHexStrict(one.ct), fromHexStrict(one.tag));
  checkCase(cipher, { plain, sealed, seqHigh, valid: one.result !== 'invalid', what });
  cipher.destroy();
}

function checkCase(
  cipher: EspCipher,
  {
    plain,
    sealed,
    seqHigh,
    valid,
    what,
  }: {
    readonly plain: Uint8Array;
    readonly sealed: Uint8Array;
    readonly seqHigh: number;
    readonly valid: boolean;
    readonly what: string;
  },
): void {
  const length = plain.length - 16;
  const buffer = sealed.slice();
  assert.equal(cipher.open(buffer, 0, length, seqHigh), valid, what);
  assert.ok(equalBytes(buffer.subarray(0, plain.length), valid ? plain : sealed.subarray(0, plain.length)), what);
  if (!valid) return;
  buffer.set(plain);
  cipher.seal(buffer, 0, length, seqHigh);
  assert.ok(equalBytes(buffer, sealed), what);
}
