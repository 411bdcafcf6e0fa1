import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { concat, fromHex, toHex } from '../../../core/bytes/bytes.ts';
import { hmacTrials } from '../../../core/crypto/node/hmacTrials.ts';
import { prf } from '../../../core/crypto/prf.ts';
import { findPrf } from '../../../core/crypto/transforms.ts';
import { PuzzleSearch, puzzleData, readPuzzle, solvedBits } from '../../../core/ike/exchanges/puzzle.ts';
import { parseProposals } from '../../../core/ike/proposals.ts';

const HMAC_SHA256 = 5;
/** That of RFC 8019 §4.4; the keys there do not give what is printed beside them, whichever way the text is read. */
const cookie = octets('739ae7492d8a810cf5e8dc0f9626c9dda773c5a3');
const sha256 = prfOf(HMAC_SHA256);

function prfOf(id: number) {
  const found = findPrf(id);
  assert.ok(found);
  return found;
}

function octets(hex: string): Uint8Array {
  const bytes = fromHex(hex);
  assert.ok(bytes);
  return bytes;
}

/** Zero bits at the end of the HMAC, by node:crypto and text. */
function bitsOf(key: Uint8Array): number {
  const digits = BigInt(`0x${createHmac('sha256', key).update(cookie).digest('hex')}`).toString(2);
  return digits.length - digits.lastIndexOf('1') - 1;
}

test('the worst of the four keys counts (RFC 8019 §7.1.4)', () => {
  for (let seed = 0; seed < 200; seed++) {
    const keys = [1, 2, 3, 4].map((n) => Uint8Array.of(seed, n));
    assert.equal(solvedBits(sha256, cookie, concat(...keys)), Math.min(...keys.map(bitsOf)));
  }
});

test('each PRF: trials are what HMAC gives', () => {
  for (const id of [2, 5, 6, 7]) {
    const transform = prfOf(id);
    const trial = hmacTrials(transform, cookie, 4);
    for (const key of ['00000000', '00000001', 'ffffffff', '005d9e57']) {
      const right = createHmac(transform.hash, octets(key)).update(cookie).digest('hex');
      assert.equal(toHex(trial(octets(key))), right);
      assert.equal(toHex(prf(transform, octets(key), cookie)), right);
    }
  }
});

/** Ticks as a driver does; the number of slices. */
function work(search: PuzzleSearch, until = Infinity): { readonly state: 'given-up' | Uint8Array; readonly slices: number } {
  for (let slices = 1; ; slices++) {
    const state = search.tick(search.deadline);
    if (state !== 'working') return { state, slices };
    assert.ok(slices < until);
  }
}

test('a search finds four different keys of so many bits, in slices with rests between', () => {
  for (const difficulty of [8, 12, 14]) {
    const search = new PuzzleSearch({ prf: sha256, difficulty }, cookie, 60_000, 1000);
    assert.equal(search.deadline, 1000);
    const { state, slices } = work(search);
    assert.ok(state instanceof Uint8Array && state.length === 16);
    assert.ok((solvedBits(sha256, cookie, state) ?? 0) >= difficulty);
    for (let at = 0; at < 16; at += 4) assert.ok(bitsOf(state.subarray(at, at + 4)) >= difficulty);
    assert.equal(slices, Math.ceil(search.trials / 2048));
    assert.equal(search.spent(1500), 500);
  }
});

test('it is not hurried by ticks before its time, and given up in time', () => {
  const search = new PuzzleSearch({ prf: sha256, difficulty: 200 }, cookie, 100, 0);
  assert.equal(search.tick(0), 'working');
  const after = search.trials;
  assert.equal(search.tick(0), 'working');
  assert.equal(search.tick(4), 'working');
  assert.equal(search.trials, after);
  assert.equal(work(search).state, 'given-up');
  assert.equal(search.trials, 2048 * 20, 'a slice every 5 ms for 100 ms');
});

test('where the difficulty is ours to choose, the best four of a fixed amount of work', () => {
  const search = new PuzzleSearch({ prf: sha256, difficulty: 0 }, cookie, 60_000, 0);
  const { state } = work(search);
  assert.ok(state instanceof Uint8Array);
  assert.ok((solvedBits(sha256, cookie, state) ?? 0) >= 13);
  assert.equal(search.trials, 1 << 17);
});

test('what is no solution, and what is no puzzle', () => {
  for (const wrong of ['00', '000000', '0000000100', '00000001000000010000000100000001', 'aa'.repeat(4 * 33)])
    assert.equal(solvedBits(sha256, cookie, octets(wrong)), undefined, wrong);
  const offered = parseProposals(['aes128gcm16-prfsha256-x25519'], 'ike');
  assert.ok(offered.ok);
  assert.deepEqual(readPuzzle(Uint8Array.of(0, 5, 18), offered.value), { prf: sha256, difficulty: 18 });
  assert.deepEqual([...puzzleData({ prf: sha256, difficulty: 18 })], [0, 5, 18]);
  for (const wrong of [[0, 7, 18], [0, 5], [0, 5, 18, 0], []])
    assert.equal(readPuzzle(Uint8Array.from(wrong), offered.value), undefined, String(wrong));
});
