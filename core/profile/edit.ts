/**
 * A profile made or changed field by field, by the rules of the file (schema.ts): the fields are put into the form of a file, so that what
 * imports can be edited and what is edited could have been imported. Every problem is told at once, by field and stable code.
 */
import * as v from 'valibot';
import type { ImportNote, ProfileProblem, ProfileProblemCode, ValidParams } from '../rpc/contract.ts';
import { conflicts, convert, type Imported } from './convert.ts';
import { faultOf } from './faults.ts';
import { type Profile, wipe } from './model.ts';
import { createNotes } from './notes.ts';
import { ANY_IDENTITY, NAME_MAX, type ProfileFile, profileSchema } from './schema.ts';

export type GivenFields = ValidParams<'profile.save'>['fields'];

export interface Edit {
  /** What is edited; undefined for a new one. */
  readonly base: Profile | undefined;
  readonly fields: GivenFields;
  /** A new secret; undefined leaves it as it is. */
  readonly secret: string | undefined;
  /** The secret is touched: given or to be forgotten. */
  readonly touchesSecret: boolean;
}

export interface Edited {
  readonly problems: readonly ProfileProblem[];
  /** Undefined when there are problems. The profile's id is the base's. */
  readonly imported: Imported | undefined;
}

export function editProfile({ base, fields, secret, touchesSecret }: Edit): Edited {
  const file = fileOf(base, fields, secret);
  const parsed = v.safeParse(profileSchema, file);
  const problems = parsed.success ? [] : parsed.issues.map((issue) => problemOf(issue, file));
  const wrong = new Set(problems.map(({ field }) => field));
  const right = Object.fromEntries(Object.entries(file).filter(([key]) => !wrong.has(key)));
  problems.push(...conflicts(right as Partial<ProfileFile>, wrong));
  const notes = createNotes();
  const imported = parsed.success && problems.length === 0 ? convert(parsed.output, notes) : undefined;
  if (base) {
    // Of a locked field nothing else matters.
    const locked = lockedProblems(base, fields, imported, touchesSecret);
    const kept = problems.filter(({ field }) => !locked.some((one) => one.field === field));
    if (locked.length > 0) {
      wipe(imported?.secret);
      return { problems: [...locked, ...kept], imported: undefined };
    }
  }
  if (!imported) return { problems, imported };
  return {
    problems,
    imported: {
      ...imported,
      profile: { ...imported.profile, id: base?.id, locked: base?.locked ?? [] },
      notes: notes.list.flatMap((note) => noteOf(note, base, file, fields)),
    },
  };
}

/** The form of a file: what the base says where nothing is given. */
function fileOf(base: Profile | undefined, fields: GivenFields, secret: string | undefined): Readonly<Record<string, unknown>> {
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  const file: Record<string, unknown> = { sallyport: 1, ...(base && stored(base, fields)), ...given };
  if (file.remoteId === '') delete file.remoteId;
  file.auth = { method: 'psk', ...(secret !== undefined && { secret }) };
  return file;
}

function stored(base: Profile, fields: GivenFields): Readonly<Record<string, unknown>> {
  const { id: _id, auth: _auth, certificates: _own, eap: _eap, trust: _trust, locked, remoteId, ...rest } = base;
  // An identity that was the gateway's name follows it to the new one.
  const follows = fields.gateway !== undefined && remoteId === base.gateway && !locked.includes('remoteId');
  return { ...rest, ...(!follows && { remoteId: remoteId ?? ANY_IDENTITY }) };
}

function lockedProblems(
  base: Profile,
  fields: GivenFields,
  imported: Imported | undefined,
  touchesSecret: boolean,
): readonly ProfileProblem[] {
  const before: Readonly<Record<string, unknown>> = { ...base, remoteId: base.remoteId ?? ANY_IDENTITY };
  const after: Readonly<Record<string, unknown>> | undefined = imported && {
    ...imported.profile,
    remoteId: imported.profile.remoteId ?? ANY_IDENTITY,
  };
  const changed = Object.entries(fields)
    .filter(([field, value]) => {
      if (value === undefined) return false;
      // A form sends all its fields; only what would change is an attempt to edit.
      const same = (one: unknown) => JSON.stringify(one) === JSON.stringify(before[field]);
      return !same(value) && !(after && same(after[field]));
    })
    .map(([field]) => field);
  if (touchesSecret) changed.push('secret');
  return changed
    .filter((field) => base.locked.includes(field))
    .map((field) => ({ field, code: 'locked', message: 'the administrator locked this field' }));
}

function noteOf(
  note: ImportNote,
  base: Profile | undefined,
  file: Readonly<Record<string, unknown>>,
  fields: GivenFields,
): readonly ImportNote[] {
  if (note.outcome === 'kept') return [];
  if (note.field === 'auth.secret') {
    // An edit without a secret keeps the one there is.
    return base && Object(file.auth).secret === undefined ? [] : [{ ...note, field: 'secret' }];
  }
  const touched = base === undefined || Object.hasOwn(fields, note.field) || file[note.field] === undefined;
  return touched ? [note] : [];
}

function problemOf(issue: v.BaseIssue<unknown>, file: Readonly<Record<string, unknown>>): ProfileProblem {
  const top = String(issue.path?.[0]?.key ?? '');
  const { text } = faultOf(issue);
  if (top === 'auth') return { field: 'secret', code: 'too-long', message: text };
  const item = issue.path?.[1]?.key;
  return { field: top, code: codeOf(top, file[top], typeof item === 'number'), message: itemText(item, text) };
}

function itemText(item: unknown, text: string): string {
  return typeof item === 'number' ? `number ${item + 1}: ${text}` : text;
}

function codeOf(field: string, value: unknown, item: boolean): ProfileProblemCode {
  const length = typeof value === 'string' || Array.isArray(value) ? value.length : 0;
  switch (field) {
    case 'name':
    case 'folder':
      if (length === 0 || (typeof value === 'string' && value.trim() === '')) return 'required';
      return length > NAME_MAX ? 'too-long' : 'unprintable';
    case 'gateway':
      return length === 0 ? 'required' : 'gateway-invalid';
    case 'localId':
    case 'remoteId':
      return length === 0 ? 'required' : 'identity-invalid';
    case 'ikeProposals':
    case 'espProposals':
      if (item) return 'proposal-invalid';
      return length === 0 ? 'required' : 'too-many';
    case 'remoteNetworks':
      if (item) return 'network-invalid';
      return length === 0 ? 'required' : 'too-many';
    case 'localPort':
      return 'choice-invalid';
    default:
      return 'out-of-range';
  }
}

/** The first of `name 2`, `name 3`, … that is free; no longer than a name may be. */
export function freeName(name: string, taken: ReadonlySet<string>): string {
  for (let number = 2; ; number++) {
    const suffix = ` ${number}`;
    let stem = [...name];
    while (stem.join('').length + suffix.length > NAME_MAX) stem = stem.slice(0, -1);
    const candidate = `${stem.join('').trimEnd()}${suffix}`;
    if (!taken.has(candidate)) return candidate;
  }
}
