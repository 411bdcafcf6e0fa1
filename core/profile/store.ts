/**
 * The engine's profiles on disk: `DIR/<uid>/<id>.json` and, apart from it, the secrets it names; `DIR/shared/…` for those the
 * administrator gave to everybody. The rename of the profile's file is the one moment at which a change happens: secrets are
 * written before under names of their own, so a crash leaves the old pair or the new pair. Everything 0600 in 0700 folders.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { err, ok, type Result } from '../bytes/result.ts';
import type { SecretName } from '../rpc/contract.ts';
import type { Log } from '../system/log.ts';
import { syncFolder, writeDurably } from '../system/wholeFile.ts';
import type { Imported } from './convert.ts';
import { type Profile, type ProfileSecret, SECRET_NAMES, type StoredProfile, wipe } from './model.ts';
import { keepsSecrets, profileOf, storedRecord } from './record.ts';

export type StoreError =
  | { readonly code: 'profile-unknown' | 'profile-ambiguous' | 'not-permitted' | 'profile-store'; readonly detail: string }
  | { readonly code: 'profile-secret-missing'; readonly detail: string };

export interface ProfileStore {
  /** Those `viewer` may see: their own and the shared ones; root sees all. Sorted by name. */
  list(viewer: number): readonly StoredProfile[];
  /**
   * By id or by name. What is the viewer's own comes before what is shared, and that before what is others' (root); `UID/ID` and `shared/ID` are
   * one and no other.
   */
  find(reference: string, viewer: number): Result<StoredProfile, StoreError>;
  /** What `save` would do. */
  plan(imported: Imported, owner: number, shared: boolean): Result<Planned, StoreError>;
  /** As planned. Secrets that are not in the file are kept from the profile it replaces, unless they would go to another gateway. */
  save(planned: Planned, imported: Imported): Result<StoredProfile, StoreError>;
  /** Writes it as it is given, in place of the one with its id. */
  put(stored: StoredProfile, secret: SecretChange): Result<StoredProfile, StoreError>;
  /** May `by` change or remove it? */
  mayEdit(stored: StoredProfile, by: number): Result<undefined, StoreError>;
  /** The files are gone when this returns. */
  remove(stored: StoredProfile, by: number): Result<undefined, StoreError>;
  /** Copies of its secrets, an error when it has none; whoever takes them wipes them. */
  secretOf(stored: StoredProfile): Result<ProfileSecret, StoreError>;
}

export type SecretChange =
  | { readonly kind: 'keep' }
  /** Those that are given; the others stay. */
  | { readonly kind: 'set'; readonly secret: ProfileSecret }
  /** All of them. */
  | { readonly kind: 'forget' }
  | { readonly kind: 'change'; readonly set: ProfileSecret; readonly forget: readonly SecretName[] };

export interface Planned {
  readonly stored: StoredProfile;
  readonly replaces: StoredProfile | undefined;
  /** It has the uuid or, where the file had none, the name of the one it replaces. */
  readonly matchedBy: 'uuid' | 'name' | undefined;
}

interface Entry {
  readonly stored: StoredProfile;
  readonly folder: string;
  readonly files: SecretFiles;
}

type SecretFiles = { readonly [N in SecretName]?: string };

const MOST_PER_OWNER = 500;
const FORMAT = 1;

export function openProfileStore(directory: string, log: Log): ProfileStore {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const entries = new Map<string, Entry>();
  load(directory, entries, log);

  function visible(viewer: number): Entry[] {
    return [...entries.values()].filter(({ stored }) => viewer === 0 || stored.shared || stored.owner === viewer);
  }

  function closeness({ stored }: Entry, viewer: number): number {
    if (stored.owner === viewer && !stored.shared) return 0;
    return stored.shared ? 1 : 2;
  }

  function put(given: StoredProfile, change: SecretChange): Result<StoredProfile, StoreError> {
    const folder = join(directory, folderName(given));
    const { id } = given.profile;
    const key = keyOf(given);
    const old = entries.get(key);
    const files = filesAfter(old?.files ?? {}, change, () => `${id}.${randomBytes(8).toString('hex')}.secret`);
    const fresh = SECRET_NAMES.flatMap((name) => {
      const octets = secretsIn(change)[name];
      const file = files[name];
      return octets && file !== undefined ? [{ file, octets }] : [];
    });
    const stored: StoredProfile = { ...given, secrets: SECRET_NAMES.filter((name) => files[name] !== undefined) };
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      for (const { file, octets } of fresh) writeDurably(join(folder, file), octets);
      const { owner, shared, profile } = stored;
      const record = { format: FORMAT, owner, shared, ...fileFields(files), profile };
      writeDurably(join(folder, `${id}.json`), `${JSON.stringify(record, undefined, 2)}\n`);
    } catch (problem) {
      for (const { file } of fresh) rmSync(join(folder, file), { force: true });
      return err({ code: 'profile-store', detail: errno(problem) });
    }
    entries.set(key, { stored, folder, files });
    const now = Object.values(files);
    for (const file of Object.values(old?.files ?? {})) if (!now.includes(file)) removeQuietly(join(folder, file), log);
    return ok(stored);
  }

  function mayEdit(stored: StoredProfile, by: number): Result<undefined, StoreError> {
    if (by === 0 || (!stored.shared && stored.owner === by)) return ok(undefined);
    return err({ code: 'not-permitted', detail: 'the administrator gave this profile to everybody' });
  }

  return {
    list: (viewer) =>
      visible(viewer)
        .map(({ stored }) => stored)
        .sort((a, b) => a.profile.name.localeCompare(b.profile.name) || a.profile.id.localeCompare(b.profile.id)),

    find(reference, viewer) {
      const seen = visible(viewer);
      const placed = seen.find(({ stored }) => keyOf(stored) === reference.toLowerCase());
      if (placed) return ok(placed.stored);
      for (const matches of [
        seen.filter(({ stored }) => stored.profile.id === reference.toLowerCase()),
        seen.filter(({ stored }) => stored.profile.name === reference.normalize('NFC')),
      ]) {
        const nearest = Math.min(...matches.map((entry) => closeness(entry, viewer)));
        const best = matches.filter((entry) => closeness(entry, viewer) === nearest);
        const only = best[0];
        if (best.length > 1) {
          const ids = best.map(({ stored }) => stored.profile.id);
          // Of a file that several users imported.
          const alike = new Set(ids).size < ids.length;
          const which = (alike ? best.map(({ stored }) => keyOf(stored)) : ids).join(', ');
          return err({ code: 'profile-ambiguous', detail: `${best.length} profiles are so named: ${which}` });
        }
        if (only) return ok(only.stored);
      }
      return err({
        code: 'profile-unknown',
        detail: `you have ${seen.length} profile${seen.length === 1 ? '' : 's'}; none is so named`,
      });
    },

    plan(imported, owner, shared) {
      if (shared && owner !== 0) {
        return err({ code: 'not-permitted', detail: 'only the administrator may import a profile for everybody' });
      }
      const siblings = [...entries.values()].map(({ stored }) => stored).filter((s) => s.owner === owner && s.shared === shared);
      const { id } = imported.profile;
      const sameName = siblings.filter((s) => s.profile.name === imported.profile.name);
      const replaces =
        id === undefined ? (sameName.length === 1 ? sameName[0] : undefined) : siblings.find((s) => s.profile.id === id);
      if (!replaces && siblings.length >= MOST_PER_OWNER) {
        return err({ code: 'profile-store', detail: `you have ${siblings.length} profiles, the most one user can have` });
      }
      const profile: Profile = { ...imported.profile, id: id ?? replaces?.profile.id ?? randomUUID() };
      const matchedBy = replaces ? (id === undefined ? 'name' : 'uuid') : undefined;
      const kept = replaces ? keepsSecrets(replaces, profile) : [];
      const secrets = SECRET_NAMES.filter((name) => imported.secret[name] !== undefined || kept.includes(name));
      return ok({ stored: { profile, owner, shared, secrets }, replaces, matchedBy });
    },

    save({ stored }, { secret }) {
      return put(stored, { kind: 'change', set: secret, forget: SECRET_NAMES.filter((name) => !stored.secrets.includes(name)) });
    },

    put,
    mayEdit,

    remove(stored, by) {
      const permitted = mayEdit(stored, by);
      if (!permitted.ok) return permitted;
      const key = keyOf(stored);
      const entry = entries.get(key);
      if (!entry) return err({ code: 'profile-unknown', detail: 'it is gone already' });
      try {
        rmSync(join(entry.folder, `${stored.profile.id}.json`), { force: true });
        for (const file of Object.values(entry.files)) rmSync(join(entry.folder, file), { force: true });
        syncFolder(entry.folder);
      } catch (problem) {
        return err({ code: 'profile-store', detail: errno(problem) });
      }
      entries.delete(key);
      return ok(undefined);
    },

    secretOf(stored) {
      const entry = entries.get(keyOf(stored));
      if (!entry) return err({ code: 'profile-secret-missing', detail: 'the profile is gone' });
      const secret: { -readonly [N in SecretName]?: Uint8Array } = {};
      try {
        for (const name of SECRET_NAMES) {
          const file = entry.files[name];
          if (file === undefined) continue;
          const read = readFileSync(join(entry.folder, file));
          const octets = new Uint8Array(read);
          read.fill(0);
          // An empty file is none: the user is asked.
          if (octets.length > 0) secret[name] = octets;
        }
      } catch (problem) {
        wipe(secret);
        return err({ code: 'profile-secret-missing', detail: errno(problem) });
      }
      if (Object.keys(secret).length > 0) return ok(secret);
      const empty = Object.keys(entry.files).length > 0;
      return err({ code: 'profile-secret-missing', detail: empty ? 'its secret is empty' : 'it has none' });
    },
  };
}

function folderName({ owner, shared }: { readonly owner: number; readonly shared: boolean }): string {
  return shared ? 'shared' : String(owner);
}

/** What no other profile has, and what root may call it. */
function keyOf(stored: StoredProfile): string {
  return `${folderName(stored)}/${stored.profile.id}`;
}

function secretsIn(change: SecretChange): ProfileSecret {
  if (change.kind === 'set') return change.secret;
  return change.kind === 'change' ? change.set : {};
}

function filesAfter(old: SecretFiles, change: SecretChange, fresh: () => string): SecretFiles {
  const forgotten = change.kind === 'forget' ? SECRET_NAMES : change.kind === 'change' ? change.forget : [];
  const files: { -readonly [N in SecretName]?: string } = {};
  for (const name of SECRET_NAMES) {
    const kept = forgotten.includes(name) ? undefined : old[name];
    const file = secretsIn(change)[name] ? fresh() : kept;
    if (file !== undefined) files[name] = file;
  }
  return files;
}

/** The names in the record; the first is as old as the format. */
function fileFields({ psk, password, key, ppk }: SecretFiles): Readonly<Record<string, string>> {
  return {
    ...(psk !== undefined && { secretFile: psk }),
    ...(password !== undefined && { passwordFile: password }),
    ...(key !== undefined && { keyFile: key }),
    ...(ppk !== undefined && { ppkFile: ppk }),
  };
}

function load(directory: string, entries: Map<string, Entry>, log: Log): void {
  for (const name of readdirSync(directory)) {
    if (!/^(\d{1,10}|shared)$/.test(name)) continue;
    const folder = join(directory, name);
    const found = filesIn(folder);
    if (!found) {
      log('warn', 'profile', 'a folder of stored profiles cannot be read and was left out', { folder: name });
      continue;
    }
    const wanted = new Set<string>();
    /** Ids of records that are damaged, or of a later version: what belongs to them may be good again after an update. */
    const leftOut = new Set<string>();
    for (const file of found.filter((candidate) => candidate.endsWith('.json'))) {
      const parsed = v.safeParse(storedRecord, readJson(join(folder, file)));
      const good = parsed.success && folderName(parsed.output) === name && file === `${parsed.output.profile.id}.json`;
      if (!good) {
        log('warn', 'profile', 'a stored profile is damaged and was left out', { file: `${name}/${file}` });
        leftOut.add(file.slice(0, -'.json'.length));
        continue;
      }
      const { owner, shared, secretFile: psk, passwordFile: password, keyFile: key, ppkFile: ppk } = parsed.output;
      const profile = profileOf(parsed.output.profile);
      const named: SecretFiles = {
        ...(psk !== undefined && { psk }),
        ...(password !== undefined && { password }),
        ...(key !== undefined && { key }),
        ...(ppk !== undefined && { ppk }),
      };
      for (const secretFile of Object.values(named)) wanted.add(secretFile);
      const files: SecretFiles = Object.fromEntries(Object.entries(named).filter(([, secretFile]) => found.includes(secretFile)));
      const secrets = SECRET_NAMES.filter((secret) => files[secret] !== undefined);
      entries.set(`${name}/${profile.id}`, { stored: { profile, owner, shared, secrets }, folder, files });
    }
    // What a crash between two steps of a change left: secrets nobody names, files never renamed.
    for (const file of found) {
      const [id = ''] = file.split('.');
      const leftOver = file.endsWith('.part') || (file.endsWith('.secret') && !wanted.has(file) && !leftOut.has(id));
      if (leftOver) removeQuietly(join(folder, file), log);
    }
  }
}

function filesIn(folder: string): readonly string[] | undefined {
  try {
    return readdirSync(folder);
  } catch {
    return undefined;
  }
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

function removeQuietly(path: string, log: Log): void {
  try {
    if (existsSync(path)) rmSync(path);
  } catch (problem) {
    log('warn', 'profile', 'an old file could not be removed', { why: errno(problem) });
  }
}

function errno(problem: unknown): string {
  return problem instanceof Error && 'code' in problem ? String(problem.code) : 'the file system refused';
}
