import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import type { EspBackend, EspCipher } from '../../../core/crypto/espCipher.ts';
import { nobleEspBackend } from '../../../core/crypto/noble/esp.ts';
import { nodeEspBackend } from '../../../core/crypto/node/esp.ts';
import { chooseBackend, type EspCandidate, whyUnusable } from '../../../core/esp/backends.ts';
import { knownAnswers } from '../../../core/esp/knownAnswers.ts';
import { root } from '../../arch/sources.ts';
import { allSuites, keysFor, suiteName, suiteOf } from './suites.ts';

test('every suite of the table has a known answer, some with ESN and some without', () => {
  const answered = new Set(knownAnswers.map(({ suite }) => suiteName({ ...suite, esn: false })));
  assert.deepEqual(answered, new Set(allSuites.map((suite) => suiteName({ ...suite, esn: false }))));
  assert.equal(new Set(knownAnswers.map(({ suite }) => suite.esn)).size, 2);
});

test('the choice of this machine carries every suite, and says what was tried in order', () => {
  const { backend, tried } = chooseBackend();
  for (const suite of allSuites) {
    const cipher = backend.cipher(suite, keysFor(suite));
    assert.ok(cipher, suiteName(suite));
    assert.notEqual(cipher.backend, '');
    cipher.destroy();
  }
  assert.deepEqual(
    tried.map(({ name }) => name),
    ['ipsec-mb', 'evp', 'node:crypto', 'noble'],
  );
  assert.ok(tried.every(({ outcome }) => outcome !== ''));
});

test('each backend can be had alone by its name; another name is refused with those there are', () => {
  for (const only of ['evp', 'node:crypto', 'noble']) {
    const { backend, tried } = chooseBackend({ only });
    assert.equal(backend.name, only);
    assert.deepEqual(tried, [{ name: only, outcome: `${only}: 22 of 22 suites` }]);
  }
  assert.throws(
    () => chooseBackend({ only: 'rot13' }),
    /no ESP backend is called "rot13"; there are ipsec-mb, evp, node:crypto, noble/,
  );
});

test('a backend that is wanted and cannot be used: why, and which can', () => {
  const missing: EspCandidate = { name: 'fast', load: () => 'libfast.so.1: not found' };
  const broken: EspCandidate = {
    name: 'broken',
    load: () => {
      throw new Error('a function is missing');
    },
  };
  const all = [missing, broken, noble, node];
  assert.equal(whyUnusable('fast', all), 'libfast.so.1: not found. This computer has noble, node:crypto');
  assert.equal(whyUnusable('broken', all), 'a function is missing. This computer has noble, node:crypto');
  assert.equal(whyUnusable('noble', all), undefined);
});

test('a suite goes to the first backend that has it', () => {
  const onlyGcm = candidate('fast', (suite, keys) =>
    suite.integ === undefined && suite.encr.id === 20 ? nodeEspBackend.cipher(suite, keys) : undefined,
  );
  const { backend, tried } = chooseBackend({ candidates: [onlyGcm, noble, node] });
  assert.equal(backend.name, 'fast');
  const carrier = (text: string): string | undefined => backend.cipher(suiteOf(text), keysFor(suiteOf(text)))?.backend;
  assert.equal(carrier('aes256gcm16-esn'), 'node:crypto');
  assert.equal(carrier('aes256gcm12'), 'noble');
  assert.equal(carrier('aes128-sha256'), 'noble');
  assert.deepEqual(
    tried.map(({ outcome }) => outcome),
    ['fast: 3 of 22 suites', 'noble: 19 of 22 suites', 'not needed'],
  );
});

test('a backend that computes something else, accepts a forgery, leaves plaintext behind one or fails is not chosen', () => {
  const wrongIcv = wrapped('wrong', (cipher) => ({
    seal: (buffer, at, length, high) => {
      cipher.seal(buffer, at, length, high);
      buffer[at + 8 + cipher.ivBytes + length] ^= 1;
    },
  }));
  const gullible = wrapped('gullible', (cipher) => ({ open: (...all) => cipher.open(...all) || true }));
  const careless = wrapped('careless', (cipher) => ({
    open: (buffer, at, length, high) => {
      if (cipher.open(buffer, at, length, high)) return true;
      buffer[at + 8 + cipher.ivBytes] ^= 1;
      return false;
    },
  }));
  const wrongInBatches = wrapped('wrong in batches', (cipher) => ({
    sealAll: (buffer, { at, length, seqHigh, count }) => {
      for (let i = 0; i < count; i++) cipher.seal(buffer, at[i], length[i], seqHigh[0] + i);
    },
  }));
  const gullibleInBatches = wrapped('gullible in batches', (cipher) => ({
    openAll: (buffer, { at, length, seqHigh, intact, count }) => {
      for (let i = 0; i < count; i++) cipher.open(buffer, at[i], length[i], seqHigh[i]);
      intact.fill(1);
    },
  }));
  const carelessInBatches = wrapped('careless in batches', (cipher) => ({
    openAll: (buffer, { at, length, seqHigh, intact, count }) => {
      for (let i = 0; i < count; i++) {
        intact[i] = cipher.open(buffer, at[i], length[i], seqHigh[i]) ? 1 : 0;
        if (intact[i] === 0) buffer[at[i] + 8] ^= 1;
      }
    },
  }));
  const wrongOnce = candidate('wrong for one', (suite, keys) => {
    if (suite.encr.keyword !== 'aes192' || suite.integ?.keyword !== 'sha384') return nodeEspBackend.cipher(suite, keys);
    return nodeEspBackend.cipher(suite, { ...keys, encryption: keys.encryption.map((octet) => octet ^ 1) });
  });
  const throwing = wrapped('throwing', () => ({
    seal: () => {
      throw new Error('out of order');
    },
  }));
  const absent: EspCandidate = { name: 'absent', load: () => 'libFast.so: not found' };
  const broken: EspCandidate = {
    name: 'broken',
    load: () => {
      throw new Error('no symbol fast_1');
    },
  };
  const empty = candidate('empty', () => undefined);
  const inBatches = [wrongInBatches, gullibleInBatches, carelessInBatches];
  const bad = [absent, broken, wrongIcv, gullible, careless, ...inBatches, wrongOnce, throwing, empty];
  const { backend, tried } = chooseBackend({ candidates: [...bad, node] });
  assert.equal(backend.name, 'node:crypto');
  assert.deepEqual(
    tried.map(({ outcome }) => outcome),
    [
      'libFast.so: not found',
      'no symbol fast_1',
      'wrong: known answer wrong for aes128gcm8',
      'gullible: known answer wrong for aes128gcm8',
      'careless: known answer wrong for aes128gcm8',
      'wrong in batches: known answer wrong for aes128gcm8',
      'gullible in batches: known answer wrong for aes128gcm8',
      'careless in batches: known answer wrong for aes128gcm8',
      'wrong for one: known answer wrong for aes192-sha384',
      'out of order',
      'empty: 0 of 22 suites',
      'node:crypto: 22 of 22 suites',
    ],
  );
  assert.throws(() => chooseBackend({ candidates: bad }), /no ESP backend can be used: absent: libFast.so: not found; /);
});

test('libipsec-mb is not looked for where LD_LIBRARY_PATH says', () => {
  const { stdout } = spawnSync(
    process.execPath,
    ['-e', "import('./core/system/ffi/ipsecMb.ts').then(({ loadIpsecMb }) => console.log(loadIpsecMb()))"],
    { cwd: root, encoding: 'utf8', env: { ...process.env, LD_LIBRARY_PATH: '/tmp' } },
  );
  assert.equal(stdout, 'libIPSec_MB.so.1: not while LD_LIBRARY_PATH is set\n');
});

const node: EspCandidate = { name: 'node:crypto', load: () => nodeEspBackend };
const noble: EspCandidate = { name: 'noble', load: () => nobleEspBackend };

function candidate(name: string, cipher: EspBackend['cipher']): EspCandidate {
  return { name, load: () => ({ name, cipher }) };
}

/** node:crypto with some methods of its ciphers replaced. */
function wrapped(name: string, change: (cipher: EspCipher) => Partial<EspCipher>): EspCandidate {
  return candidate(name, (suite, keys) => {
    const cipher = nodeEspBackend.cipher(suite, keys);
    if (cipher === undefined) return undefined;
    return {
      backend: name,
      ivBytes: cipher.ivBytes,
      icvBytes: cipher.icvBytes,
      alignment: cipher.alignment,
      unpredictableIv: cipher.unpredictableIv,
      seal: (...all) => cipher.seal(...all),
      open: (...all) => cipher.open(...all),
      destroy: () => cipher.destroy(),
      ...change(cipher),
    };
  });
}
