/** What each method of the contract does, over the parts of the engine. Params are valid here; who asks is the peer's uid. */
import { err, ok, type Result } from '../bytes/result.ts';
import { importProfile } from '../profile/import.ts';
import { summaryOf, viewOf } from '../profile/model.ts';
import type { ProfileStore } from '../profile/store.ts';
import { type ImportNote, MAX_FRAME, type Results, type ValidParams } from '../rpc/contract.ts';
import type { Log } from '../system/log.ts';
import type { LogRing } from './logRing.ts';
import type { Publisher } from './publisher.ts';
import type { Handlers, HelperError } from './rpcServer.ts';
import type { TunnelKeeper } from './tunnelKeeper.ts';

export interface HandlerParts {
  readonly profiles: ProfileStore;
  readonly tunnel: TunnelKeeper;
  readonly publisher: Publisher;
  readonly logs: LogRing;
  readonly log: Log;
}

/** Octets of log lines in one answer, so that the frame around them stays within its limit. */
const LOG_ANSWER = MAX_FRAME - 1024;

const notYet = () => err({ code: 'bad-request', detail: 'this helper cannot do it yet' } as const);

export function createHandlers(parts: HandlerParts): Handlers {
  const { profiles, tunnel, publisher, logs, log } = parts;
  return {
    'profile.import': (given, peer) => importInto(profiles, given, peer.uid, log),
    'profile.list': (_, peer) => ok(profiles.list(peer.uid).map(summaryOf)),
    'profile.show': ({ profile }, peer) => {
      const found = profiles.find(profile, peer.uid);
      return found.ok ? ok(viewOf(found.value)) : found;
    },
    'profile.remove': ({ profile }, peer) => {
      const found = profiles.find(profile, peer.uid);
      if (!found.ok) return found;
      if (tunnel.inUse(found.value.profile.id)) return err({ code: 'profile-in-use', detail: found.value.profile.name });
      const removed = profiles.remove(found.value, peer.uid);
      if (!removed.ok) return removed;
      log('info', 'profile', 'removed', { id: found.value.profile.id, uid: peer.uid });
      return ok({ removed: found.value.profile.id, undo: '' });
    },
    'profile.save': notYet,
    'profile.duplicate': notYet,
    'profile.restore': notYet,
    'tunnel.answer': notYet,
    'history.list': () => ok([]),
    'tunnel.up': ({ profile }, peer) => tunnel.up(profile, peer.uid),
    'tunnel.down': (_, peer) => tunnel.down(peer.uid),
    'tunnel.status': (_, peer) => ok(tunnel.statusFor(peer.uid)),
    'log.read': ({ lines, level }, peer) => ok(logs.read(peer.uid, lines, level, LOG_ANSWER)),
    'host.repair': (_, peer) => tunnel.repair(peer.uid),
    subscribe: ({ to }, peer) => ok(publisher.subscribe(peer, to)),
  };
}

function importInto(
  profiles: ProfileStore,
  { text, shared, dryRun }: ValidParams<'profile.import'>,
  uid: number,
  log: Log,
): Result<Results['profile.import'], HelperError> {
  const imported = importProfile(text);
  if (!imported.ok) return err({ code: 'profile-malformed', detail: imported.error.detail });
  try {
    const planned = profiles.plan(imported.value, uid, shared);
    if (!planned.ok) return planned;
    const { stored, replaces, matchedBy } = planned.value;
    const notes: ImportNote[] = [...imported.value.notes];
    if (matchedBy === 'name') {
      notes.push({ field: 'uuid', outcome: 'changed', why: 'not given: it replaces your profile of the same name' });
    } else if (imported.value.profile.id === undefined) {
      notes.push({ field: 'uuid', outcome: 'changed', why: `not given: a new one was made, ${stored.profile.id}` });
    }
    if (!dryRun) {
      const saved = profiles.save(planned.value, imported.value);
      if (!saved.ok) return saved;
      log('info', 'profile', replaces ? 'replaced' : 'imported', { id: stored.profile.id, uid, shared });
    }
    return ok({ profile: summaryOf(stored), notes, replaced: replaces !== undefined });
  } finally {
    imported.value.secret.psk.fill(0);
  }
}
