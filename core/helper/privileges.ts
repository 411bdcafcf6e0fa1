/** Giving up root for good, and believing it only after the kernel says so for every thread. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Result } from '../bytes/result.ts';
import { err, ok } from '../bytes/result.ts';
import { PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS } from '../system/ffi/constants.ts';
import { errno, errnoName, prctl, setgroups, setresgid, setresuid } from '../system/ffi/libc.ts';

export interface PrivilegeError {
  readonly code: 'refused' | 'call-failed' | 'not-dropped';
  readonly detail: string;
}

/**
 * Becomes `uid`/`gid` in all threads (glibc's set*id calls do that), without supplementary groups, with no_new_privs, without core
 * dumps and ptrace by others, and verifies all of it. On an error the process must end: it may be half way.
 */
export function dropPrivileges(uid: number, gid: number): Result<undefined, PrivilegeError> {
  if (!Number.isInteger(uid) || !Number.isInteger(gid) || uid <= 0 || gid <= 0 || uid >= 0xffff_fffe || gid >= 0xffff_fffe) {
    return err({ code: 'refused', detail: `uid ${uid}, gid ${gid}` });
  }
  // The order matters: after setresuid there is no right left to change groups.
  const steps: readonly (readonly [string, () => number])[] = [
    ['setgroups', () => setgroups(0, 0)],
    ['setresgid', () => setresgid(gid, gid, gid)],
    ['setresuid', () => setresuid(uid, uid, uid)],
    ['PR_SET_NO_NEW_PRIVS', () => prctl(PR_SET_NO_NEW_PRIVS, 1)],
    ['PR_SET_DUMPABLE', () => prctl(PR_SET_DUMPABLE, 0)],
  ];
  for (const [name, call] of steps) {
    if (call() < 0) return err({ code: 'call-failed', detail: `${name}: ${errnoName(errno())}` });
  }
  return verifyUnprivileged(uid, gid);
}

/** What /proc/self/task says of every thread. A thread that is not as it must be is named, with the line that is wrong. */
export function verifyUnprivileged(uid: number, gid: number): Result<undefined, PrivilegeError> {
  const none = '0000000000000000';
  const wanted: Readonly<Record<string, string>> = {
    Uid: `${uid} ${uid} ${uid} ${uid}`,
    Gid: `${gid} ${gid} ${gid} ${gid}`,
    Groups: '',
    // no_new_privs is a thread's own: threads that existed before this one set it have it from the monitor, which sets it for itself.
    NoNewPrivs: '1',
    CapInh: none,
    CapPrm: none,
    CapEff: none,
    CapAmb: none,
  };
  for (const thread of readdirSync('/proc/self/task')) {
    let text: string;
    try {
      text = readFileSync(`/proc/self/task/${thread}/status`, 'utf8');
    } catch {
      continue; // The thread ended meanwhile.
    }
    const lines = new Map(text.split('\n').map((line) => [line.split(':')[0], line.slice(line.indexOf(':') + 1)]));
    for (const [name, value] of Object.entries(wanted)) {
      const found = lines.get(name)?.trim().replace(/\s+/g, ' ');
      if (found !== value) return err({ code: 'not-dropped', detail: `thread ${thread}: ${name} is "${found}", not "${value}"` });
    }
  }
  return ok(undefined);
}
