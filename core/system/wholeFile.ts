/** Files that are there whole or not at all: after a crash there is the old one or the new one. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Written, then under its name; readable by its owner only. Not flushed: a power loss may damage it. Throws what node:fs throws. */
export function writeWhole(path: string, content: string | Uint8Array): void {
  replaceBy(path, (part) => writeFileSync(part, content, { mode: 0o600, flag: 'wx' }));
}

/** As `writeWhole`, and on the disk under its name when this returns. */
export function writeDurably(path: string, content: string | Uint8Array): void {
  replaceBy(path, (part) => writeFileSync(part, content, { mode: 0o600, flag: 'wx', flush: true }));
  syncFolder(dirname(path));
}

/** What was renamed or removed in the folder is so on the disk. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function replaceBy(path: string, write: (part: string) => void): void {
  const part = `${path}.part`;
  rmSync(part, { force: true });
  try {
    write(part);
    renameSync(part, path);
  } catch (problem) {
    // On a full disk what was written of it, a secret perhaps, must not stay.
    rmSync(part, { force: true });
    throw problem;
  }
}
