/** Who is at the other end of a Unix socket, and whether a socket is where only root can put one. */
import { lstatSync } from 'node:fs';
import type { Socket } from 'node:net';
import { dirname, resolve } from 'node:path';
import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import { SO_PEERCRED, SOL_SOCKET } from '../ffi/constants.ts';
import { UCRED } from '../ffi/layouts.ts';
import { getsockopt } from '../ffi/libc.ts';
import { Pinned } from '../ffi/memory.ts';

export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * SO_PEERCRED, what the kernel knows and the peer cannot forge: for an accepted socket who called `connect`, for a connected one who
 * called `listen` (for ours: the monitor, so uid 0). Undefined when it is no connected Unix socket.
 */
export function peerCredentials(fd: number): PeerCredentials | undefined {
  const credentials = new Pinned(UCRED.size);
  const length = new Pinned(4);
  length.view.setUint32(0, UCRED.size, true);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials.address, length.address) < 0) return undefined;
  const pid = credentials.view.getInt32(UCRED.offset.pid, true);
  const uid = credentials.view.getUint32(UCRED.offset.uid, true);
  const gid = credentials.view.getUint32(UCRED.offset.gid, true);
  // The kernel answers pid 0 and ids of -1 for a socket that is not connected.
  if (pid === 0 && uid === 0xffff_ffff) return undefined;
  return { pid, uid, gid };
}

/** The descriptor under a node:net socket; undefined when it is closed. Node has no public way to ask. */
export function descriptorOf(socket: Socket): number | undefined {
  if (!('_handle' in socket)) return undefined;
  const handle = socket._handle;
  if (typeof handle !== 'object' || handle === null || !('fd' in handle)) return undefined;
  return typeof handle.fd === 'number' && handle.fd >= 0 ? handle.fd : undefined;
}

/**
 * For a client, before it connects: the path is a socket of `owner`, in a folder of `owner` that nobody else can write, and no folder
 * above lets anybody replace it (a sticky one such as /tmp is fine). The error is a line for people; `missing` when nothing is there.
 */
export function verifySocketPath(
  path: string,
  owner = 0,
): Result<undefined, { readonly code: 'missing' | 'untrusted'; readonly detail: string }> {
  const whole = resolve(path);
  try {
    const socket = lstatSync(whole);
    if (!socket.isSocket()) return untrusted(`${whole} is not a socket`);
    if (socket.uid !== owner) return untrusted(`${whole} belongs to uid ${socket.uid}`);
    const folder = dirname(whole);
    for (let at = folder; ; at = dirname(at)) {
      const status = lstatSync(at);
      if (at === folder && !status.isDirectory()) return untrusted(`${at} is not a folder`);
      if (status.uid !== owner && status.uid !== 0) return untrusted(`${at} belongs to uid ${status.uid}`);
      const writable = !status.isSymbolicLink() && (status.mode & 0o022) !== 0;
      const sticky = (status.mode & 0o1000) !== 0;
      if (writable && (at === folder || !sticky)) return untrusted(`${at} is writable by others`);
      if (at === dirname(at)) return ok(undefined);
    }
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) {
      return err({ code: 'missing', detail: `${whole} is not there` });
    }
    return untrusted(`${whole} cannot be examined`);
  }
}

function untrusted(detail: string): Result<undefined, { readonly code: 'untrusted'; readonly detail: string }> {
  return err({ code: 'untrusted', detail });
}
