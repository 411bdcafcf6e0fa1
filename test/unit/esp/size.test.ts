import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeEspBackend } from '../../../core/crypto/node/esp.ts';
import { OutboundSa } from '../../../core/esp/outbound.ts';
import { espShape, largestInner, outerSize } from '../../../core/esp/size.ts';
import { sealOne } from './one.ts';
import { allSuites, keysFor, suiteName, suiteOf } from './suites.ts';

test('the size is what sealing makes, for every suite', () => {
  for (const suite of allSuites) {
    const cipher = nodeEspBackend.cipher(suite, keysFor(suite));
    assert.ok(cipher);
    const shape = espShape(suite.encr, suite.integ);
    const { ivBytes, icvBytes, alignment } = cipher;
    assert.deepEqual(shape, { ivBytes, icvBytes, alignment }, suiteName(suite));
    const sa = new OutboundSa({ spi: 0x1234, cipher, esn: suite.esn, random: (length) => new Uint8Array(length) });
    const buffer = new Uint8Array(2048);
    for (let inner = 20; inner < 60; inner++) {
      const sealed = sealOne(sa, buffer, 64, inner, 4);
      assert.equal(outerSize(shape, 4, inner), 20 + 8 + sealed, `${suiteName(suite)}, ${inner}`);
      assert.equal(outerSize(shape, 6, inner), 40 + 8 + sealed, `${suiteName(suite)}, ${inner}`);
    }
  }
});

test('the largest that fits is the largest that fits, for every suite and every path', () => {
  for (const { encr, integ } of allSuites) {
    const shape = espShape(encr, integ);
    for (const family of [4, 6] as const) {
      for (let outer = 200; outer <= 1600; outer++) {
        const inner = largestInner(shape, family, outer);
        assert.ok(outerSize(shape, family, inner) <= outer);
        assert.ok(outerSize(shape, family, inner + 1) > outer);
      }
      assert.equal(largestInner(shape, family, 40), 0);
      assert.equal(largestInner(shape, family, 0), 0);
    }
  }
});

test('figures by hand', () => {
  const { encr, integ } = suiteOf('aes256gcm16');
  const gcm = espShape(encr, integ);
  // 20 IPv4, 8 UDP, 8 ESP, 8 IV, 1400 + 2 and 2 of padding, 16 ICV
  assert.equal(outerSize(gcm, 4, 1400), 1464);
  assert.equal(outerSize(gcm, 6, 1400), 1484);
  assert.equal(largestInner(gcm, 4, 1500), 1438);
  assert.equal(largestInner(gcm, 4, 576), 514);
  assert.equal(largestInner(gcm, 6, 1280), 1198);
  const cbc = suiteOf('aes128-sha256');
  // 20 IPv4, 8 UDP, 8 ESP, 16 IV, 1400 + 2 and 6 of padding to 88 blocks, 16 ICV
  assert.equal(outerSize(espShape(cbc.encr, cbc.integ), 4, 1400), 1476);
});
