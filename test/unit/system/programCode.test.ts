import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { giveBackCode } from '../../../core/system/linux/programCode.ts';

/** kB of the process's own memory and of files, from /proc/self/status. */
function resident(): { readonly anonymous: number; readonly files: number } {
  const status = readFileSync('/proc/self/status', 'latin1');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]);
  return { anonymous: field('RssAnon'), files: field('RssFile') };
}

test('most of the program is given back, nothing of our own is, and everything goes on', async () => {
  const worker = new Worker(`require('node:worker_threads').parentPort.on('message', () => process.exit(7));`, { eval: true });
  const keys = generateKeyPairSync('ed25519');
  const before = resident();
  giveBackCode();
  const after = resident();
  assert.ok(after.files < before.files / 2, `files: ${before.files} kB, then ${after.files} kB`);
  assert.ok(after.anonymous > before.anonymous / 2, `own: ${before.anonymous} kB, then ${after.anonymous} kB`);

  assert.equal(createHash('sha256').update('abc').digest('hex').slice(0, 8), 'ba7816bf');
  assert.equal(keys.publicKey.asymmetricKeyType, 'ed25519');
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  worker.postMessage('');
  assert.equal(await ended, 7);
});
