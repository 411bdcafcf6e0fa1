import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileBefore, replaceFile, restoreFile } from '../../../core/system/linux/replaceFile.ts';

test('what a killed process left in between goes, what a living one has stays', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-replace-'));
  try {
    const path = join(folder, 'resolv.conf');
    writeFileSync(path, 'before\n');
    // No process has a number above the kernel's largest, 2^22.
    writeFileSync(join(folder, '.resolv.conf.sallyport-99999999'), 'cut off');
    writeFileSync(join(folder, '.resolv.conf.sallyport-1'), 'another helper at work');
    const before = fileBefore(path);
    replaceFile(path, 'ours\n');
    assert.equal(readFileSync(path, 'utf8'), 'ours\n');
    assert.deepEqual(readdirSync(folder).sort(), ['.resolv.conf.sallyport-1', 'resolv.conf']);
    assert.equal(restoreFile(path, before, 'ours\n'), 'restored');
    assert.equal(readFileSync(path, 'utf8'), 'before\n');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
