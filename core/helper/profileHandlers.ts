/** The methods about profiles: import, edit, copy, remove and have back. Who asks is the peer's uid. */
import { randomUUID } from 'node:crypto';
import { err, ok, type Result } from '../bytes/result.ts';
import { fromBase64 } from '../pki/pem.ts';
import type { Imported } from '../profile/convert.ts';
import { editProfile, freeName } from '../profile/edit.ts';
import { SECRET_NAMES, type StoredProfile, summaryOf, viewOf, wipe } from '../profile/model.ts';
import { importFiles } from '../profile/readFiles.ts';
import type { ProfileStore } from '../profile/store.ts';
import type { ImportNote, ProfileProblem, Results, SecretName, ValidParams } from '../rpc/contract.ts';
import type { Log } from '../system/log.ts';
import type { RemovedProfiles } from './removedProfiles.ts';
import type { Handlers, HelperError } from './rpcServer.ts';
import type { TunnelKeeper } from './tunnelKeeper.ts';

export interface ProfileParts {
  readonly profiles: ProfileStore;
  readonly removed: RemovedProfiles;
  readonly tunnel: Pick<TunnelKeeper, 'inUse'>;
  readonly log: Log;
}

type ProfileMethod = Extract<keyof Handlers, `profile.${string}`>;

export function createProfileHandlers(parts: ProfileParts): Pick<Handlers, ProfileMethod> {
  const { profiles, removed, tunnel, log } = parts;
  return {
    'profile.import': (given, peer) => importInto(parts, given, peer.uid),
    'profile.list': (_, peer) => ok(profiles.list(peer.uid).map(summaryOf)),
    'profile.show': ({ profile }, peer) => {
      const found = profiles.find(profile, peer.uid);
      return found.ok ? ok(viewOf(found.value)) : found;
    },
    'profile.save': (given, peer) => save(parts, given, peer.uid),
    'profile.duplicate': ({ profile }, peer) => duplicate(parts, profile, peer.uid),
    'profile.remove': ({ profile }, peer) => {
      const found = profiles.find(profile, peer.uid);
      if (!found.ok) return found;
      const { id, name } = found.value.profile;
      if (tunnel.inUse(found.value)) return err({ code: 'profile-in-use', detail: name });
      const undo = removed.remove(found.value, peer.uid);
      if (!undo.ok) return undo;
      log('info', 'profile', 'removed', { id, uid: peer.uid });
      return ok({ removed: id, undo: undo.value });
    },
    'profile.restore': ({ undo }, peer) => {
      const back = removed.restore(undo, peer.uid);
      if (!back.ok) return back;
      log('info', 'profile', 'removal taken back', { id: back.value.profile.id, uid: peer.uid });
      return ok(summaryOf(back.value));
    },
  };
}

function importInto(
  { profiles, log }: ProfileParts,
  given: ValidParams<'profile.import'>,
  uid: number,
): Result<Results['profile.import'], HelperError> {
  const { shared, dryRun, password, gateway, name } = given;
  const files = filesOf(given);
  if (!files) return err({ code: 'bad-request', detail: 'expected text or data' });
  const imported = importFiles(files, {
    password: password || undefined,
    gateway: gateway || undefined,
    name: name || undefined,
    now: Date.now(),
  });
  for (const file of files) file.fill(0);
  if (!imported.ok) return imported;
  try {
    const planned = profiles.plan(imported.value, uid, shared);
    if (!planned.ok) return planned;
    const { stored, replaces, matchedBy } = planned.value;
    const notes = imported.value.notes.map((note): ImportNote => {
      if (!keepsSecret(stored, imported.value, note.code)) return note;
      return { field: note.field, outcome: 'changed', why: 'not given: the one you have stays', code: 'secret-stays' };
    });
    if (matchedBy === 'name') {
      notes.push({
        field: 'uuid',
        outcome: 'changed',
        why: 'not given: it replaces your profile of the same name',
        code: 'same-name',
      });
    } else if (imported.value.profile.id === undefined) {
      notes.push({
        field: 'uuid',
        outcome: 'changed',
        why: `not given: a new one was made, ${stored.profile.id}`,
        code: 'new-identifier',
        values: { value: stored.profile.id },
      });
    }
    if (!dryRun) {
      const saved = profiles.save(planned.value, imported.value);
      if (!saved.ok) return saved;
      log('info', 'profile', replaces ? 'replaced' : 'imported', { id: stored.profile.id, uid, shared });
    }
    return ok({ profile: summaryOf(stored), notes, replaced: replaces !== undefined });
  } finally {
    wipe(imported.value.secret);
  }
}

/** The octets of `text` or of `data`, and only of one of them. */
export function filesOf(given: {
  readonly text?: string | undefined;
  readonly data?: readonly string[] | undefined;
}): readonly Uint8Array[] | undefined {
  const { text, data } = given;
  if ((text === undefined) === (data === undefined)) return undefined;
  if (text !== undefined) return [new TextEncoder().encode(text)];
  const files = (data ?? []).map(fromBase64);
  return files.every((file) => file !== undefined) ? files : undefined;
}

const KEPT: ReadonlyMap<ImportNote['code'], SecretName> = new Map([
  ['secret-missing', 'psk'],
  ['password-missing', 'password'],
  ['key-missing', 'key'],
]);

/** What the note says is missing is there from before. */
function keepsSecret(stored: StoredProfile, imported: Imported, code: ImportNote['code']): boolean {
  const name = KEPT.get(code);
  return name !== undefined && stored.secrets.includes(name) && imported.secret[name] === undefined;
}

function save(
  { profiles, log }: ProfileParts,
  given: ValidParams<'profile.save'>,
  uid: number,
): Result<Results['profile.save'], HelperError> {
  let base: StoredProfile | undefined;
  if (given.profile !== undefined) {
    const found = profiles.find(given.profile, uid);
    if (!found.ok) return found;
    const permitted = profiles.mayEdit(found.value, uid);
    if (!permitted.ok) return permitted;
    base = found.value;
  }
  // An empty field of a form is no secret.
  const secrets = {
    psk: given.secret || undefined,
    password: given.password || undefined,
    key: given.key || undefined,
    ppk: given.ppk || undefined,
  };
  const forgotten = { psk: given.forgetSecret, password: given.forgetPassword, key: given.forgetKey, ppk: false };
  const touched = SECRET_NAMES.filter((name) => secrets[name] !== undefined || forgotten[name]);
  const before = base && given.fields.certificates && base.secrets.includes('key') ? profiles.secretOf(base) : undefined;
  const edited = editProfile({
    base: base?.profile,
    fields: given.fields,
    secrets: { ...secrets, keyPassword: given.keyPassword || undefined },
    touched,
    storedKey: before?.ok ? before.value.key : undefined,
    now: Date.now(),
  });
  const { problems: found, imported } = edited;
  try {
    const forget = SECRET_NAMES.filter((name) => !imported?.secret[name] && (forgotten[name] || edited.forget.includes(name)));
    const owner = base?.owner ?? uid;
    const shared = base?.shared ?? given.shared;
    const problems = [...found, ...nameProblems(profiles, { owner, shared }, base, imported?.profile.name ?? given.fields.name)];
    if (!imported || problems.length > 0) return ok({ profile: null, problems, notes: [] });
    let stored: StoredProfile;
    if (base) {
      const held = base.secrets.filter((name) => !forget.includes(name));
      const now = SECRET_NAMES.filter((name) => imported.secret[name] !== undefined || held.includes(name));
      stored = { ...base, profile: { ...imported.profile, id: base.profile.id }, secrets: now };
    } else {
      // A name in use is a problem already, so this plans a new one.
      const planned = profiles.plan(imported, owner, shared);
      if (!planned.ok) return planned;
      stored = planned.value.stored;
    }
    if (!given.dryRun) {
      const saved = profiles.put(stored, { kind: 'change', set: imported.secret, forget });
      if (!saved.ok) return saved;
      log('info', 'profile', base ? 'edited' : 'created', { id: stored.profile.id, uid, shared });
    }
    return ok({ profile: summaryOf(stored), problems, notes: imported.notes });
  } finally {
    wipe(imported?.secret);
    if (before?.ok) wipe(before.value);
  }
}

function nameProblems(
  profiles: ProfileStore,
  { owner, shared }: { readonly owner: number; readonly shared: boolean },
  base: StoredProfile | undefined,
  given: string | undefined,
): readonly ProfileProblem[] {
  const name = given?.trim().normalize('NFC');
  if (name === undefined || name === '' || name === base?.profile.name) return [];
  if (!namesOf(profiles, owner, shared).has(name)) return [];
  return [{ field: 'name', code: 'name-taken', message: 'another profile has this name' }];
}

function namesOf(profiles: ProfileStore, owner: number, shared: boolean): ReadonlySet<string> {
  const siblings = profiles.list(0).filter((one) => one.owner === owner && one.shared === shared);
  return new Set(siblings.map(({ profile }) => profile.name));
}

function duplicate(
  { profiles, log }: ProfileParts,
  reference: string,
  uid: number,
): Result<Results['profile.duplicate'], HelperError> {
  const found = profiles.find(reference, uid);
  if (!found.ok) return found;
  const original = found.value;
  // Of a profile for everybody, everybody may have a copy; but its secret stays where its gateway cannot be changed.
  const editable = profiles.mayEdit(original, uid).ok;
  const owner = editable ? original.owner : uid;
  const shared = editable && original.shared;
  const name = freeName(original.profile.name, namesOf(profiles, owner, shared));
  const secret = editable && original.secrets.length > 0 ? profiles.secretOf(original) : undefined;
  try {
    const copy = { profile: { ...original.profile, name, id: randomUUID() }, secret: {}, notes: [] };
    // Planned as an import is, for the limits of one.
    const planned = profiles.plan(copy, owner, shared);
    if (!planned.ok) return planned;
    const saved = profiles.put(planned.value.stored, secret?.ok ? { kind: 'set', secret: secret.value } : { kind: 'forget' });
    if (!saved.ok) return saved;
    log('info', 'profile', 'copied', { id: saved.value.profile.id, of: original.profile.id, uid });
    return ok(summaryOf(saved.value));
  } finally {
    if (secret?.ok) wipe(secret.value);
  }
}
