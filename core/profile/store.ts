/**
 * The engine's profiles on disk: `DIR/<uid>/<id>.json` and, apart from it, the secret it names; `DIR/shared/…` for those the
 * administrator gave to everybody. The rename of the profile's file is the one moment at which a change happens: the secret is
 * written before under a name of its own, so a crash leaves the old pair or the new pair. Everything 0600 in 0700 folders.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { err, ok, type Result } from '../bytes/result.ts';
import type { Log } from '../system/log.ts';
import type { Imported } from './convert.ts';
import type { Profile, ProfileSecret, StoredProfile } from './model.ts';

export type StoreError =
  | { readonly code: 'profile-unknown' | 'profile-ambiguous' | 'not-permitted' | 'profile-store'; readonly detail: string }
  | { readonly code: 'profile-secret-missing'; readonly detail: string };

export interface ProfileStore {
  /** Those `viewer` may see: their own and the shared ones; root sees all. Sorted by name. */
  list(viewer: number): readonly StoredProfile[];
  /** By id or by name. What is the viewer's own comes before what is shared, and that before what is others' (root). */
  find(reference: string, viewer: number): Result<StoredProfile, StoreError>;
  /** What `save` would do. */
  plan(imported: Imported, owner: number, shared: boolean): Result<Planned, StoreError>;
  /** As planned. Without a secret in the file the one of the profile it replaces is kept, unless it would go to another gateway. */
  save(planned: Planned, imported: Imported): Result<StoredProfile, StoreError>;
  /** Writes it as it is given, in place of the one with its id. */
  put(stored: StoredProfile, secret: SecretChange): Result<StoredProfile, StoreError>;
  /** May `by` change or remove it? */
  mayEdit(stored: StoredProfile, by: number): Result<undefined, StoreError>;
  /** The files are gone when this returns. */
  remove(stored: StoredProfile, by: number): Result<undefined, StoreError>;
  /** A copy of the secret; whoever takes it wipes it. */
  secretOf(stored: StoredProfile): Result<ProfileSecret, StoreError>;
}

export type SecretChange =
  | { readonly kind: 'keep' }
  | { readonly kind: 'set'; readonly secret: ProfileSecret }
  | { readonly kind: 'forget' };

export interface Planned {
  readonly stored: StoredProfile;
  readonly replaces: StoredProfile | undefined;
  /** It has the uuid or, where the file had none, the name of the one it replaces. */
  readonly matchedBy: 'uuid' | 'name' | undefined;
}

interface Entry {
  readonly stored: StoredProfile;
  readonly folder: string;
  readonly secretFile: string | undefined;
}

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
    const key = `${folderName(given)}/${id}`;
    const old = entries.get(key);
    const fresh = change.kind === 'set' ? `${id}.${randomBytes(8).toString('hex')}.secret` : undefined;
    const secretFile = fresh ?? (change.kind === 'keep' && old?.stored.hasSecret ? old.secretFile : undefined);
    const stored: StoredProfile = { ...given, hasSecret: secretFile !== undefined };
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      if (fresh !== undefined && change.kind === 'set') writeDurably(folder, fresh, change.secret.psk);
      const { owner, shared, profile } = stored;
      const record = { format: FORMAT, owner, shared, ...(secretFile !== undefined && { secretFile }), profile };
      writeDurably(folder, `${id}.json`, new TextEncoder().encode(`${JSON.stringify(record, undefined, 2)}\n`));
    } catch (problem) {
      if (fresh !== undefined) rmSync(join(folder, fresh), { force: true });
      return err({ code: 'profile-store', detail: errno(problem) });
    }
    entries.set(key, { stored, folder, secretFile });
    if (old?.secretFile !== undefined && old.secretFile !== secretFile) removeQuietly(join(folder, old.secretFile), log);
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
      for (const matches of [
        seen.filter(({ stored }) => stored.profile.id === reference.toLowerCase()),
        seen.filter(({ stored }) => stored.profile.name === reference.normalize('NFC')),
      ]) {
        const nearest = Math.min(...matches.map((entry) => closeness(entry, viewer)));
        const best = matches.filter((entry) => closeness(entry, viewer) === nearest);
        const only = best[0];
        if (best.length > 1) {
          const ids = best.map(({ stored }) => stored.profile.id).join(', ');
          return err({ code: 'profile-ambiguous', detail: `${best.length} profiles have this name: ${ids}` });
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
      const hasSecret = imported.secret !== undefined || (replaces?.hasSecret === true && sameGateway(replaces.profile, profile));
      return ok({ stored: { profile, owner, shared, hasSecret }, replaces, matchedBy });
    },

    save({ stored }, { secret }) {
      if (secret) return put(stored, { kind: 'set', secret });
      return put(stored, { kind: stored.hasSecret ? 'keep' : 'forget' });
    },

    put,
    mayEdit,

    remove(stored, by) {
      const permitted = mayEdit(stored, by);
      if (!permitted.ok) return permitted;
      const key = `${folderName(stored)}/${stored.profile.id}`;
      const entry = entries.get(key);
      if (!entry) return err({ code: 'profile-unknown', detail: 'it is gone already' });
      try {
        rmSync(join(entry.folder, `${stored.profile.id}.json`), { force: true });
        if (entry.secretFile !== undefined) rmSync(join(entry.folder, entry.secretFile), { force: true });
        syncFolder(entry.folder);
      } catch (problem) {
        return err({ code: 'profile-store', detail: errno(problem) });
      }
      entries.delete(key);
      return ok(undefined);
    },

    secretOf(stored) {
      const entry = entries.get(`${folderName(stored)}/${stored.profile.id}`);
      if (!entry) return err({ code: 'profile-secret-missing', detail: 'the profile is gone' });
      if (entry.secretFile === undefined) return err({ code: 'profile-secret-missing', detail: 'it has none' });
      try {
        const bytes = readFileSync(join(entry.folder, entry.secretFile));
        if (bytes.length > 0) return ok({ psk: new Uint8Array(bytes) });
        return err({ code: 'profile-secret-missing', detail: 'its secret is empty' });
      } catch (problem) {
        return err({ code: 'profile-secret-missing', detail: errno(problem) });
      }
    },
  };
}

/** A secret that is kept must not be shown to somebody else because a file said so. */
function sameGateway(one: Profile, other: Profile): boolean {
  const place = ({ gateway, gatewayPorts, localId, remoteId }: Profile) => [
    gateway,
    gatewayPorts.ike,
    gatewayPorts.natt,
    localId,
    remoteId,
  ];
  return JSON.stringify(place(one)) === JSON.stringify(place(other));
}

function folderName({ owner, shared }: { readonly owner: number; readonly shared: boolean }): string {
  return shared ? 'shared' : String(owner);
}

/** What a stored file must look like. The engine wrote it; a file that is not so was damaged and is left alone. */
const record = v.object({
  format: v.literal(FORMAT),
  owner: v.pipe(v.number(), v.integer(), v.minValue(0)),
  shared: v.boolean(),
  secretFile: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f.-]+\.secret$/))),
  profile: v.object({
    id: v.pipe(v.string(), v.regex(/^[0-9a-f-]{36}$/)),
    name: v.string(),
    gateway: v.string(),
    gatewayPorts: v.object({ ike: v.number(), natt: v.number() }),
    localId: v.string(),
    remoteId: v.optional(v.string()),
    auth: v.literal('psk'),
    ikeProposals: v.array(v.string()),
    espProposals: v.array(v.string()),
    remoteNetworks: v.array(v.string()),
    ipv4: v.boolean(),
    ipv6: v.boolean(),
    dns: v.boolean(),
    mtu: v.number(),
    natKeepalive: v.number(),
    liveness: v.number(),
    localPort: v.picklist(['standard', 'any']),
    folder: v.optional(v.string(), ''),
    locked: v.optional(v.array(v.string()), []),
  }),
});

function load(directory: string, entries: Map<string, Entry>, log: Log): void {
  for (const name of readdirSync(directory)) {
    if (!/^(\d{1,10}|shared)$/.test(name)) continue;
    const folder = join(directory, name);
    const files = readdirSync(folder);
    const wanted = new Set<string>();
    for (const file of files.filter((candidate) => candidate.endsWith('.json'))) {
      const parsed = v.safeParse(record, readJson(join(folder, file)));
      const good = parsed.success && folderName(parsed.output) === name && file === `${parsed.output.profile.id}.json`;
      if (!good) {
        log('warn', 'profile', 'a stored profile is damaged and was left out', { file: `${name}/${file}` });
        continue;
      }
      const { owner, shared, secretFile } = parsed.output;
      const profile: Profile = { ...parsed.output.profile, remoteId: parsed.output.profile.remoteId };
      if (secretFile !== undefined) wanted.add(secretFile);
      const hasSecret = secretFile !== undefined && files.includes(secretFile);
      const stored: StoredProfile = { profile, owner, shared, hasSecret };
      entries.set(`${name}/${profile.id}`, { stored, folder, secretFile });
    }
    // What a crash between two steps of a change left: secrets nobody names, files never renamed.
    for (const file of files) {
      const leftOver = file.endsWith('.part') || (file.endsWith('.secret') && !wanted.has(file));
      if (leftOver) removeQuietly(join(folder, file), log);
    }
  }
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as unknown;
  } catch {
    return undefined;
  }
}

/** A whole new file under its name, on the disk when this returns. */
function writeDurably(folder: string, name: string, bytes: Uint8Array): void {
  const part = join(folder, `${name}.part`);
  const fd = openSync(part, 'w', 0o600);
  try {
    writeFileSync(fd, bytes);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(part, join(folder, name));
  syncFolder(folder);
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
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
