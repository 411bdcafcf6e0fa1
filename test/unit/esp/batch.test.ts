import assert from 'node:assert/strict';
import { test } from 'node:test';
import { equalBytes } from '../../../core/bytes/bytes.ts';
import {
  type CipherBatch,
  cipherBatch,
  type EspBackend,
  type EspCipher,
  openAll,
  sealAll,
} from '../../../core/crypto/espCipher.ts';
import { backendOf } from '../../../core/crypto/ipsecMb/esp.ts';
import { gcmVariants, has, processorFlags } from '../../../core/crypto/ipsecMb/variants.ts';
import { nodeEspBackend } from '../../../core/crypto/node/esp.ts';
import { IMB_JOB, IMB_MGR, loadIpsecMb, type Manager, ringJobs } from '../../../core/system/ffi/ipsecMb.ts';
import { addressOf } from '../../../core/system/ffi/memory.ts';
import { contenders } from './contenders.ts';
import { allSuites, keysFor, octets, suiteName, suiteOf } from './suites.ts';

const counts = [1, 2, 45, 64, 128, 129, 300];

for (const { name, backend } of contenders) {
  const skip = typeof backend === 'string' ? backend : false;
  const of = (text: string, seed?: number): EspCipher => {
    if (typeof backend === 'string') return assert.fail(backend);
    return cipherOf(backend, text, seed);
  };
  const suites = allSuites.filter(({ encr }) => encr.aead || !name.startsWith('ipsec-mb')).map(suiteName);

  test(`${name}: batches are what node:crypto makes of each packet, every suite`, { skip }, () => {
    // The others deal with batches packet by packet.
    const sizes = name.startsWith('ipsec-mb') ? counts : [3];
    for (const suite of suites) {
      const cipher = of(suite);
      const judge = cipherOf(nodeEspBackend, suite);
      for (const count of sizes) sameAsJudge(cipher, judge, scene(cipher, count, count + suite.length), `${suite} ${count}`);
      cipher.destroy();
      judge.destroy();
    }
  });

  test(`${name}: wrong ICVs anywhere in a batch spoil nothing else and leave their packets as they were`, { skip }, () => {
    for (const suite of name.startsWith('ipsec-mb') ? suites : suites.slice(0, 1)) {
      const cipher = of(suite);
      for (const count of [1, 2, 45, 129]) wrongOnes(cipher, scene(cipher, count, count), suite);
      cipher.destroy();
    }
  });

  test(`${name}: two SAs in turn, sealing and opening in turn`, { skip }, () => {
    for (const [one, two] of [
      ['aes256gcm16', 'aes256gcm16'],
      ['aes128gcm8-esn', 'aes256gcm16'],
      ['aes192gcm12', 'chacha20poly1305-esn'],
    ]) {
      const ciphers = [of(one, 1), of(two, 2)];
      const judges = [cipherOf(nodeEspBackend, one, 1), cipherOf(nodeEspBackend, two, 2)];
      for (const count of [1, 100, 7, 128, 60]) {
        for (const i of [0, 1, 0])
          sameAsJudge(ciphers[i], judges[i], scene(ciphers[i], count, 3 * count + i), `${one}, ${two}: ${count}`);
      }
    }
  });

  if (!name.startsWith('ipsec-mb')) continue;

  test(`${name}: a batch with one packet outside the buffer is not touched at all`, { skip }, () => {
    const cipher = of('aes256gcm16');
    for (const hostile of [
      { at: 2 ** 32 - 1, length: 4 },
      { at: 0, length: 2 ** 32 - 1 },
      { at: 2 ** 32 - 16, length: 2 ** 32 - 16 },
    ]) {
      const { buffer, batch } = scene(cipher, 200, 5);
      batch.at[199] = hostile.at;
      batch.length[199] = hostile.length;
      const before = buffer.slice();
      assert.throws(() => cipher.sealAll?.(buffer, batch), RangeError);
      assert.throws(() => cipher.openAll?.(buffer, batch), RangeError);
      assert.ok(equalBytes(buffer, before));
    }
    if (vast !== undefined) {
      const { batch } = scene(cipher, 4, 5);
      assert.throws(() => cipher.sealAll?.(new Uint8Array(vast), batch), RangeError, 'more than 32 bits');
      assert.throws(() => cipher.open(new Uint8Array(vast), 0, 4, 0), RangeError, 'more than 32 bits');
    }
    const { buffer, batch } = scene(cipher, 4, 5);
    batch.count = 5;
    assert.throws(() => cipher.sealAll?.(buffer, batch), RangeError, 'more than there are');
    batch.count = 4;
    assert.throws(() => cipher.sealAll?.(buffer.subarray(0, buffer.length - 20), batch), RangeError, 'one octet of the last ICV');
    assert.ok(buffer.buffer instanceof ArrayBuffer);
    structuredClone(buffer, { transfer: [buffer.buffer] });
    assert.throws(() => cipher.sealAll?.(buffer, batch), RangeError, 'its memory was given away');
    batch.count = 0;
    cipher.sealAll?.(buffer, batch);
    cipher.openAll?.(buffer, batch);
  });

  test(`${name}: a destroyed cipher works no more, others under the same key do`, { skip }, () => {
    const [gone, stays] = [of('aes128gcm16'), of('aes128gcm16')];
    const judge = cipherOf(nodeEspBackend, 'aes128gcm16');
    sameAsJudge(gone, judge, scene(gone, ringJobs, 1), 'before');
    gone.destroy();
    gone.destroy();
    const { buffer, batch } = scene(stays, 3, 1);
    assert.throws(() => gone.sealAll?.(buffer, batch), /destroyed/);
    assert.throws(() => gone.openAll?.(buffer, batch), /destroyed/);
    sameAsJudge(stays, judge, scene(stays, ringJobs + 1, 1), 'after');
  });

  test(`${name}: packets across a multiple of 4 GiB`, { skip }, (context) => {
    const around = 4096;
    const buffer = acrossFourGiB(around);
    if (buffer === undefined) return context.skip('not so much memory to be had');
    for (const suite of ['aes256gcm16', 'aes128gcm16-esn', 'chacha20poly1305']) {
      const cipher = of(suite);
      const judge = cipherOf(nodeEspBackend, suite);
      // The boundary falls into each part of a packet of 8 + 8 + 64 + 16 octets in turn, and between them.
      for (let back = 0; back <= 100; back++) {
        const plain = octets(2 * around, back + 1);
        const batch = batchOf([0, around - 200, around - back, around + 200], [64, 64, 64, 64]);
        sameAsJudge(cipher, judge, { plain, batch, buffer }, `${suite} ${back} before`);
      }
    }
  });
}

const flags = processorFlags();
const variant = gcmVariants.find((one) => has(flags, one));
const library = loadIpsecMb();
const real = typeof library === 'string' || variant === undefined ? 'not here' : library.manager(variant);

test('what the library does not do is not sent, not taken for authentic, and does not last', {
  skip: typeof real === 'string' ? real : false,
}, () => {
  const manager = typeof real === 'string' ? assert.fail(real) : real;
  let failure: Manager['submitBurst'] | undefined;
  const backend = backendOf('failing', {
    ...manager,
    submitBurst: (address, count, jobs) => (failure ?? manager.submitBurst)(address, count, jobs),
  });
  const cipher = cipherOf(backend, 'aes256gcm16');
  const judge = cipherOf(nodeEspBackend, 'aes256gcm16');
  const failures: Manager['submitBurst'][] = [
    () => 0,
    (address, count, jobs) => manager.submitBurst(address, count - 1, jobs),
    (address, count, jobs) => manager.submitBurst(address, count, jobs) - 1,
    (address, count, jobs) => {
      const next = manager.block.words[IMB_MGR.nextJob >>> 2] / IMB_JOB.size;
      const done = manager.submitBurst(address, count, jobs);
      const last = (next + count - 1) % ringJobs;
      manager.block.words[(IMB_MGR.jobs + IMB_JOB.size * last + IMB_JOB.status) >>> 2] = 2;
      return done;
    },
    // An invalid job, as the library itself judges it.
    (address, count, jobs) => {
      const next = manager.block.words[IMB_MGR.nextJob >>> 2] / IMB_JOB.size;
      manager.block.words[(IMB_MGR.jobs + IMB_JOB.size * next + IMB_JOB.ivLength) >>> 2] = 0;
      return manager.submitBurst(address, count, jobs);
    },
  ];
  for (const [i, one] of failures.entries()) {
    const { plain, batch, buffer } = scene(cipher, 20, i + 1);
    buffer.set(plain);
    failure = one;
    assert.throws(() => cipher.sealAll?.(buffer, batch), /does not seal/, `seal ${i}`);
    assert.throws(() => cipher.seal(buffer, batch.at[0], batch.length[0], 0), /does not seal/, `seal one ${i}`);
    failure = undefined;
    buffer.set(plain);
    cipher.sealAll?.(buffer, batch);
    failure = one;
    batch.intact.fill(1);
    cipher.openAll?.(buffer, batch);
    assert.ok(
      batch.intact.every((octet) => octet === 0),
      `open ${i}`,
    );
    failure = undefined;
    sameAsJudge(cipher, judge, scene(cipher, 300, i), `after failure ${i}`);
  }
});

interface Scene {
  readonly plain: Uint8Array;
  readonly batch: CipherBatch;
  /** As long as `plain`. */
  readonly buffer: Uint8Array;
}

/** Packets behind each other with gaps, at any place; lengths from 0 to 9000, mostly small. */
function scene({ ivBytes, icvBytes, alignment }: EspCipher, count: number, seed: number): Scene {
  const random = new Uint32Array(octets(12 * count, seed + 77).buffer);
  const at: number[] = [];
  const length: number[] = [];
  let end = 0;
  for (let i = 0; i < count; i++) {
    const most = random[i] % 16 === 0 ? 9000 : 400;
    at.push(end + (random[count + i] % 9));
    length.push(alignment * Math.floor((random[2 * count + i] % (most + 1)) / alignment));
    end = at[i] + 8 + ivBytes + length[i] + icvBytes;
  }
  const plain = octets(end + 19, seed + 1);
  // At any place in its memory too.
  const buffer = new Uint8Array(plain.length + (seed % 5)).subarray(seed % 5);
  buffer.set(plain);
  return { plain, batch: batchOf(at, length), buffer };
}

function batchOf(at: readonly number[], length: readonly number[]): CipherBatch {
  const batch = cipherBatch(at.length);
  batch.at.set(at);
  batch.length.set(length);
  batch.seqHigh.set(at.map((_, i) => 0xffff_ffff - i));
  batch.count = at.length;
  return batch;
}

/** Seals the batch by one and packet by packet by the other, compares every octet of the buffers, and opens it. */
function sameAsJudge(cipher: EspCipher, judge: EspCipher, { plain, batch, buffer }: Scene, what: string): void {
  const theirs = plain.slice();
  buffer.set(plain);
  sealAll(cipher, buffer, batch);
  for (let i = 0; i < batch.count; i++) judge.seal(theirs, batch.at[i], batch.length[i], batch.seqHigh[i]);
  assert.ok(equalBytes(buffer, theirs), `${what}: sealed`);
  batch.intact.fill(7);
  openAll(cipher, buffer, batch);
  assert.ok(
    batch.intact.every((octet) => octet === 1),
    `${what}: opened`,
  );
  for (let i = 0; i < batch.count; i++) assert.ok(judge.open(theirs, batch.at[i], batch.length[i], batch.seqHigh[i]), what);
  assert.ok(equalBytes(buffer, theirs), `${what}: plaintext, and what is around it`);
}

function wrongOnes(cipher: EspCipher, { plain, batch, buffer }: Scene, what: string): void {
  const { at, length, intact, count } = batch;
  const headBytes = 8 + cipher.ivBytes;
  sealAll(cipher, buffer, batch);
  const sealed = buffer.slice();
  // None, one at each end, some, all.
  const choices = [() => false, (i: number) => i === 0, (i: number) => i === count - 1, (i: number) => i % 3 === 1, () => true];
  for (const [round, isWrong] of choices.entries()) {
    buffer.set(sealed);
    for (let i = 0; i < count; i++) {
      if (!isWrong(i)) continue;
      // A bit of the ICV, of what it protects, or of the high half that is not sent.
      const bit = octets(4, 31 * i + round + 1);
      const span = cipher.icvBytes + (i % 2 === 0 ? 0 : length[i]);
      buffer[at[i] + headBytes + length[i] + cipher.icvBytes - 1 - (bit[0] % span)] ^= 1 << (bit[3] & 7);
    }
    const before = buffer.slice();
    openAll(cipher, buffer, batch);
    for (let i = 0; i < count; i++) {
      const end = at[i] + headBytes + length[i] + cipher.icvBytes;
      const whole = (bytes: Uint8Array, until = end): Uint8Array => bytes.subarray(at[i], until);
      assert.equal(intact[i], isWrong(i) ? 0 : 1, `${what}: ${i} of ${count}`);
      if (isWrong(i)) assert.ok(equalBytes(whole(buffer), whole(before)), `${what}: ${i} of ${count} is as it was`);
      else
        assert.ok(
          equalBytes(whole(buffer, end - cipher.icvBytes), whole(plain, end - cipher.icvBytes)),
          `${what}: ${i} is plain`,
        );
    }
  }
  buffer.set(sealed);
  for (let i = 0; i < count; i++) batch.seqHigh[i] ^= 1;
  openAll(cipher, buffer, batch);
  const esn = what.endsWith('-esn') ? 0 : 1;
  assert.ok(
    intact.every((octet) => octet === esn),
    `${what}: the high half counts exactly with ESN`,
  );
}

function cipherOf(backend: EspBackend, text: string, seed?: number): EspCipher {
  const suite = suiteOf(text);
  const cipher = backend.cipher(suite, keysFor(suite, seed));
  assert.ok(cipher, text);
  return cipher;
}

/** More than 4 GiB, of which nothing is touched but what the tests write. */
const vast = vastMemory();

function vastMemory(): ArrayBuffer | undefined {
  try {
    return new ArrayBuffer(2 ** 32 + 65_536);
  } catch {
    return undefined;
  }
}

/** Memory of which the first half ends where the upper word of the address changes. */
function acrossFourGiB(half: number): Uint8Array | undefined {
  if (vast === undefined) return undefined;
  const before = 2 ** 32 - (addressOf(new Uint8Array(vast)) % 2 ** 32);
  const boundary = before < half ? before + 2 ** 32 : before;
  return new Uint8Array(vast, boundary - half, 2 * half);
}
