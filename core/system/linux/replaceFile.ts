/** Replacing a configuration file so that it can be brought back exactly. */
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fchmodSync,
  fchownSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { FileBefore } from './journal.ts';

/** What is at the path now; a symbolic link is not followed. */
export function fileBefore(path: string): FileBefore {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined) return { type: 'missing' };
  if (status.isSymbolicLink()) return { type: 'symlink', target: readlinkSync(path) };
  return {
    type: 'file',
    content: readFileSync(path, 'utf8'),
    mode: status.mode & 0o7777,
    uid: status.uid,
    gid: status.gid,
  };
}

/** Makes the path a regular file of this content, readable by all; throws what node:fs throws. */
export function replaceFile(path: string, content: string): void {
  const before = fileBefore(path);
  const owner = before.type === 'file' ? before : { mode: 0o644, uid: 0, gid: 0 };
  put(path, { ...owner, type: 'file', content });
}

export type Restored = 'restored' | 'already' | 'changed-by-others';

/**
 * Brings `before` back if the path still holds what we wrote (`after`), or the beginning of it: a write that a crash cut off. A file
 * that somebody else changed meanwhile stays.
 */
export function restoreFile(path: string, before: FileBefore, after: string): Restored {
  const now = fileBefore(path);
  if (JSON.stringify(now) === JSON.stringify(before)) return 'already';
  if (now.type !== 'file' || !after.startsWith(now.content)) return 'changed-by-others';
  put(path, before);
  return 'restored';
}

function put(path: string, wanted: FileBefore): void {
  const temporary = `${temporaryStem(path)}${process.pid}`;
  rmSync(temporary, { force: true });
  removeLeftOvers(path);
  if (wanted.type === 'missing') {
    rmSync(path, { force: true });
    return;
  }
  if (wanted.type === 'symlink') {
    symlinkSync(wanted.target, temporary);
  } else {
    const fd = openSync(temporary, 'wx', 0o600);
    try {
      // All of it or an error: on a disk that fills up, write(2) takes a part.
      writeFileSync(fd, wanted.content);
      fchownSync(fd, wanted.uid, wanted.gid);
      fchmodSync(fd, wanted.mode);
    } finally {
      closeSync(fd);
    }
  }
  try {
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    // A bind mount (as of `ip netns exec`) cannot be replaced, only written.
    if (wanted.type !== 'file' || !(error instanceof Error && 'code' in error && error.code === 'EBUSY')) throw error;
    writeFileSync(path, wanted.content);
    chownSync(path, wanted.uid, wanted.gid);
    chmodSync(path, wanted.mode);
  }
}

/** The process is in the name: under `ip netns exec` several helpers share the folder and have a file each mounted over `path`. */
function temporaryStem(path: string): string {
  return join(dirname(path), `.${basename(path)}.sallyport-`);
}

/** What a process left that was killed in between. */
function removeLeftOvers(path: string): void {
  const stem = basename(temporaryStem(path));
  for (const name of readdirSync(dirname(path))) {
    if (!name.startsWith(stem)) continue;
    const owner = name.slice(stem.length);
    if (/^[0-9]+$/.test(owner) && !existsSync(`/proc/${owner}`)) rmSync(join(dirname(path), name), { force: true });
  }
}
