/** What the monitor makes before it starts an engine: folders, lock, the engine's user, the listening socket. */
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Result } from '../bytes/result.ts';
import { err, ok } from '../bytes/result.ts';
import { AF_UNIX, LOCK_EX, LOCK_NB, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } from '../system/ffi/constants.ts';
import { SOCKADDR_UN } from '../system/ffi/layouts.ts';
import { bind, close, errno, errnoName, flock, listen, socket } from '../system/ffi/libc.ts';
import { Pinned } from '../system/ffi/memory.ts';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Makes a folder of root's that nobody else can write. One that is there already must be that: it is not changed, as the
 * administrator may have named any. Errors are words.
 */
export function rootFolder(path: string, mode: number): Result<undefined, string> {
  return guarded(path, () => {
    if (mkdirSync(path, { recursive: true, mode }) !== undefined) {
      chmodSync(path, mode);
      return ok(undefined);
    }
    const status = lstatSync(path);
    if (!status.isDirectory()) return err(`${path} is not a folder`);
    if (status.uid !== 0 || (status.mode & 0o022) !== 0) return err(`${path} must belong to root and be writable by root only`);
    return ok(undefined);
  });
}

/** The engine's own folder inside one of root's. */
export function engineFolder(path: string, owner: Owner): Result<undefined, string> {
  return guarded(path, () => {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    if (!lstatSync(path).isDirectory()) return err(`${path} is not a folder`);
    chownSync(path, owner.uid, owner.gid);
    chmodSync(path, 0o700);
    handOver(path, owner);
    return ok(undefined);
  });
}

function guarded(path: string, make: () => Result<undefined, string>): Result<undefined, string> {
  try {
    return make();
  } catch (error) {
    return err(`${path}: ${error instanceof Error ? error.message : 'failed'}`);
  }
}

/** The only holder of this lock, until the descriptor is closed everywhere (the kernel does that for a killed process). */
export function tryLock(path: string): number | undefined {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  if (flock(fd, LOCK_EX | LOCK_NB) === 0) return fd;
  closeSync(fd);
  return undefined;
}

/** systemd's range for users that exist only while something runs (DynamicUser=). */
const DYNAMIC = { first: 61184, last: 65519 };

/**
 * Who the engine is: the named user; else, where the package did not make one, the owner of its state from before; else a uid of
 * systemd's dynamic range that nobody has.
 */
export function engineOwner(name: string, state: string, passwd = '/etc/passwd', dynamic = '/run/systemd/dynamic-uid'): Owner {
  const users = readFileSync(passwd, 'utf8').split('\n');
  const entry = users.map((line) => line.split(':')).find(([user]) => user === name);
  if (entry !== undefined && Number(entry[2]) > 0 && Number(entry[3]) > 0)
    return { uid: Number(entry[2]), gid: Number(entry[3]) };
  const taken = new Set(users.map((line) => Number(line.split(':')[2])));
  for (const used of list(dynamic)) taken.add(Number(used));
  const before = statSync(state, { throwIfNoEntry: false })?.uid ?? 0;
  if (before >= DYNAMIC.first && before <= DYNAMIC.last && !taken.has(before)) return { uid: before, gid: before };
  let uid = DYNAMIC.first;
  while (taken.has(uid)) uid += 1;
  return { uid, gid: uid };
}

/** Hands the engine's state to a new owner (the package's user was made after the first start). No link is followed. */
function handOver(folder: string, owner: Owner): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    const status = lstatSync(path);
    if (status.uid === owner.uid && status.gid === owner.gid) continue;
    // A hard link to somebody else's file would give that file away.
    if (!status.isDirectory() && (!status.isFile() || status.nlink !== 1)) continue;
    lchownSync(path, owner.uid, owner.gid);
    if (status.isDirectory()) handOver(path, owner);
  }
}

/** Everybody may connect; who it is the kernel says (SO_PEERCRED). The path is short and in a folder of root's. */
export function listenUnix(path: string): Result<number, string> {
  const encoded = new TextEncoder().encode(path);
  if (encoded.length >= SOCKADDR_UN.size - SOCKADDR_UN.offset.path) return err(`${path} is too long for a socket`);
  const name = new Pinned(SOCKADDR_UN.size);
  name.view.setUint16(SOCKADDR_UN.offset.family, AF_UNIX, true);
  name.bytes.set(encoded, SOCKADDR_UN.offset.path);
  rmSync(path, { force: true });
  const fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return err(`socket: ${errnoName(errno())}`);
  const length = SOCKADDR_UN.offset.path + encoded.length + 1;
  if (bind(fd, name.address, length) < 0 || listen(fd, 128) < 0) {
    const reason = errnoName(errno());
    close(fd);
    return err(`${path}: ${reason}`);
  }
  chmodSync(path, 0o666);
  return ok(fd);
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
