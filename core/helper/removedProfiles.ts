/**
 * Removed profiles that can still be had back. Their files are gone at once; what undoes the removal is in memory only, so that it ends
 * with the helper, and the secret is wiped when its time is over.
 */
import { randomBytes } from 'node:crypto';
import { err, ok, type Result } from '../bytes/result.ts';
import { type ProfileSecret, type StoredProfile, wipe } from '../profile/model.ts';
import type { ProfileStore } from '../profile/store.ts';
import type { HelperError } from './rpcServer.ts';

export interface RemovedProfiles {
  /** Removes it; the answer is what `restore` takes. */
  remove(stored: StoredProfile, by: number): Result<string, HelperError>;
  /** Only who removed it, and root, may have it back. */
  restore(undo: string, by: number): Result<StoredProfile, HelperError>;
}

export interface RemovedOptions {
  readonly profiles: ProfileStore;
  /** Milliseconds. */
  readonly keepFor?: number;
}

interface Removed {
  readonly stored: StoredProfile;
  readonly secret: ProfileSecret | undefined;
  readonly by: number;
  readonly timer: NodeJS.Timeout;
}

const KEEP_FOR = 10 * 60_000;
/** Per user; the oldest go first. */
const MOST = 50;

export function createRemovedProfiles({ profiles, keepFor = KEEP_FOR }: RemovedOptions): RemovedProfiles {
  const removed = new Map<string, Removed>();

  function forget(undo: string): void {
    const one = removed.get(undo);
    if (!one) return;
    clearTimeout(one.timer);
    wipe(one.secret);
    removed.delete(undo);
  }

  return {
    remove(stored, by) {
      const taken = stored.secrets.length > 0 ? profiles.secretOf(stored) : undefined;
      const secret = taken?.ok ? taken.value : undefined;
      const gone = profiles.remove(stored, by);
      if (!gone.ok) {
        wipe(secret);
        return gone;
      }
      const theirs = [...removed].filter(([, one]) => one.by === by);
      for (const [old] of theirs.slice(0, Math.max(0, theirs.length - MOST + 1))) forget(old);
      const undo = randomBytes(16).toString('hex');
      const timer = setTimeout(() => forget(undo), keepFor).unref();
      removed.set(undo, { stored, secret, by, timer });
      return ok(undo);
    },

    restore(undo, by) {
      const one = removed.get(undo);
      if (!one || (by !== 0 && by !== one.by)) return err({ code: 'undo-unknown', detail: 'no such removal, or too long ago' });
      const { stored, secret } = one;
      const again = profiles.list(0).some(({ owner, shared, profile }) => {
        return owner === stored.owner && shared === stored.shared && profile.id === stored.profile.id;
      });
      if (again) return err({ code: 'undo-unknown', detail: 'the same profile was imported again meanwhile' });
      const back = profiles.put(stored, secret ? { kind: 'set', secret } : { kind: 'forget' });
      // A full disk is no reason to lose it.
      if (back.ok) forget(undo);
      return back;
    },
  };
}
