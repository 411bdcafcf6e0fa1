import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { openRevocationCache, type RevocationCache } from '../../../core/helper/revocationCache.ts';

let directory = '';
let now = 1_000_000;
const lines: string[] = [];
const octets = new TextEncoder().encode('a list');

beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'sallyport-cache-')), 'revocation');
  now = 1_000_000;
  lines.length = 0;
});
afterEach(() => rmSync(join(directory, '..'), { recursive: true, force: true }));

function open(more: { most?: number; octets?: number } = {}): RevocationCache {
  return openRevocationCache({ directory, now: () => now, log: (_, __, text) => lines.push(text), ...more });
}

test('what is kept is recalled, also by the next engine, until its time and not after', () => {
  open().keep('crl http://x/', octets, now + 100);
  const cache = open();
  now += 99;
  assert.deepEqual(cache.recall('crl http://x/'), octets);
  assert.equal(cache.recall('crl http://y/'), undefined);
  now += 1;
  assert.equal(cache.recall('crl http://x/'), undefined);
  assert.deepEqual(readdirSync(directory), []);
  cache.keep('old', octets, now);
  assert.deepEqual(readdirSync(directory), []);
});

test('files are 0600 in a folder of 0700, and keys are no file names', () => {
  open().keep('crl http://x/../../../../etc/passwd', octets, now + 100);
  const [name, ...more] = readdirSync(directory);
  assert.deepEqual(more, []);
  assert.match(name, /^[0-9a-f]{64}$/);
  assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
});

test('a damaged file, wherever it is damaged, is ignored and goes', () => {
  const cache = open();
  cache.keep('key', octets, now + 100);
  const path = join(directory, readdirSync(directory)[0]);
  const whole = readFileSync(path);
  const damaged = [
    ...Array.from({ length: whole.length }, (_, i) => whole.subarray(0, i)),
    ...[0, 17, 47, 48, whole.length - 1].map((i) => Buffer.from(whole.map((octet, at) => (at === i ? octet ^ 0x40 : octet)))),
    Buffer.concat([whole, Buffer.of(0)]),
  ];
  for (const bytes of damaged) {
    writeFileSync(path, bytes);
    assert.equal(cache.recall('key'), undefined, `${bytes.length} octets`);
    assert.deepEqual(readdirSync(directory), []);
  }
  assert.deepEqual(lines, []);
});

test('there are never more files or octets than bounded, and the oldest go', async () => {
  const cache = open({ most: 3 });
  for (const key of ['a', 'b', 'c', 'd']) {
    cache.keep(key, octets, now + 100);
    // Longer than the kernel's tick, in which files have the same age.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(readdirSync(directory).length, 3);
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((key) => cache.recall(key) !== undefined),
    [false, true, true, true],
  );
  const small = open({ octets: 250 });
  for (const key of ['e', 'f', 'g']) small.keep(key, new Uint8Array(60), now + 100);
  const size = readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
  assert.ok(size <= 250, `${size}`);
  assert.ok(small.recall('g') !== undefined);
  small.keep('huge', new Uint8Array(300), now + 100);
  assert.equal(small.recall('huge'), undefined);
});

test('a folder that cannot be written to is logged and costs nothing else', () => {
  const cache = open();
  rmSync(directory, { recursive: true });
  cache.keep('key', octets, now + 100);
  assert.equal(cache.recall('key'), undefined);
  assert.equal(lines.length, 1);
});

test('a part file that is somebody else’s link is not written through', () => {
  const cache = open();
  cache.keep('key', octets, now + 100);
  const name = readdirSync(directory)[0];
  const victim = join(directory, '..', 'victim');
  writeFileSync(victim, 'mine');
  symlinkSync(victim, join(directory, `${name}.part`));
  cache.keep('key', octets, now + 200);
  assert.equal(readFileSync(victim, 'utf8'), 'mine');
  assert.deepEqual(cache.recall('key'), octets);
});
