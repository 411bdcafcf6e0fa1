/**
 * A profile made or changed field by field, by the rules of the file (schema.ts): the fields are put into the form of a file, so that what
 * imports can be edited and what is edited could have been imported. Every problem is told at once, by field and stable code.
 */
import * as v from 'valibot';
import { toBase64 } from '../pki/pem.ts';
import { keyMismatch } from '../pki/privateKey.ts';
import type { ImportNote, ProfileProblem, ProfileProblemCode, SecretName, ValidParams } from '../rpc/contract.ts';
import { conflicts } from './conflicts.ts';
import { convert, type Imported, SECRET_FIELDS } from './convert.ts';
import { fileOf, type GivenSecrets } from './editFile.ts';
import { faultOf, formField } from './faults.ts';
import { readKeyDer } from './keys.ts';
import { type Material, NO_MATERIAL, readMaterial } from './material.ts';
import { type Profile, SECRET_NAMES, wipe } from './model.ts';
import { createNotes, type Notes } from './notes.ts';
import { ANY_IDENTITY, type ProfileFile, profileSchema } from './schema.ts';
import { NAME_MAX } from './schemaParts.ts';

export type GivenFields = ValidParams<'profile.save'>['fields'];

export interface Edit {
  /** What is edited; undefined for a new one. */
  readonly base: Profile | undefined;
  readonly fields: GivenFields;
  /** New ones; those that are absent stay as they are. */
  readonly secrets: GivenSecrets;
  /** Those that are given or to be forgotten. */
  readonly touched: readonly SecretName[];
  /** PKCS #8 of the key that the base has, to see whether it fits a new certificate; wiped by who gives it. */
  readonly storedKey?: Uint8Array | undefined;
  /** Date.now() milliseconds. */
  readonly now: number;
}

export interface Edited {
  readonly problems: readonly ProfileProblem[];
  /** Undefined when there are problems. The profile's id is the base's. */
  readonly imported: Imported | undefined;
  /** What is stored and of no use any more. */
  readonly forget: readonly SecretName[];
}

export function editProfile(edit: Edit): Edited {
  const { base, fields, touched } = edit;
  const file = fileOf(base, fields, edit.secrets);
  const parsed = v.safeParse(profileSchema, file);
  const problems = parsed.success ? [] : parsed.issues.map((issue) => problemOf(issue, file));
  const read = parsed.success ? readMaterial(parsed.output.auth, parsed.output.gatewayAuth) : undefined;
  problems.push(...(read?.problems ?? []));
  const material = read?.material ?? NO_MATERIAL;
  const wrong = new Set(problems.map(({ field }) => field));
  problems.push(...conflicts(goodPart(file, wrong), material, wrong));
  if (fields.eap && parsed.success && parsed.output.auth.method !== 'eap' && parsed.output.auth.method !== 'certificate-eap') {
    problems.push({ field: 'eap', code: 'method-conflict', message: `"${parsed.output.auth.method}" does not use it` });
  }
  const notes = createNotes();
  const imported = parsed.success && problems.length === 0 ? convert(parsed.output, material, notes, edit.now) : undefined;
  if (!imported) material.key?.pkcs8.fill(0);
  if (base) {
    // Of a locked field nothing else matters.
    const locked = lockedProblems(base, fields, imported, touched);
    const kept = problems.filter(({ field }) => !locked.some((one) => one.field === field));
    if (locked.length > 0) {
      wipe(imported?.secret);
      return { problems: [...locked, ...kept], imported: undefined, forget: [] };
    }
  }
  if (!imported) return { problems, imported, forget: [] };
  const profile = { ...imported.profile, id: base?.id, locked: base?.locked ?? [] };
  const forget = ofNoUse({ ...profile, id: '' }, edit, material, notes);
  const told = notes.list.flatMap((note) => noteOf(note, base, edit));
  return { problems, imported: { ...imported, profile, notes: told }, forget };
}

/** What of the file is right by itself. */
function goodPart(file: Readonly<Record<string, unknown>>, wrong: ReadonlySet<string>): Partial<ProfileFile> {
  const fields = [...wrong];
  const bad = new Set(fields);
  if (fields.some((field) => /^(secret|password|key|certificates|eap)\b/.test(field))) bad.add('auth');
  if (fields.some((field) => field.startsWith('trust'))) bad.add('gatewayAuth');
  return Object.fromEntries(Object.entries(file).filter(([key]) => !bad.has(key))) as Partial<ProfileFile>;
}

/** Secrets that the profile has no use for, and a key that does not fit the certificate. */
function ofNoUse(
  profile: Profile,
  { base, secrets, storedKey }: Edit,
  { certificates }: Material,
  notes: Notes,
): readonly SecretName[] {
  const uses: Readonly<Record<SecretName, boolean>> = {
    psk: profile.auth === 'psk' || profile.trust.method === 'psk',
    password: profile.eap !== undefined,
    key: certificates.length > 0,
    ppk: profile.ppk !== undefined,
  };
  const forget = SECRET_NAMES.filter((name) => !uses[name]);
  const [mine] = certificates;
  if (!mine || !base || secrets.key !== undefined || toBase64(mine.der) === base.certificates[0]) return forget;
  const key = storedKey && readKeyDer(storedKey, undefined);
  const fits = key?.ok === true && !keyMismatch(key.value.signer, mine.publicKey);
  if (key?.ok) key.value.pkcs8.fill(0);
  if (fits) return forget;
  notes.warning('key', 'key-missing', 'the one you have does not fit the new certificate: without its key you cannot connect');
  return [...forget, 'key'];
}

function lockedProblems(
  base: Profile,
  fields: GivenFields,
  imported: Imported | undefined,
  touched: readonly SecretName[],
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
  changed.push(...touched.map((name) => SECRET_FIELDS[name]));
  // What changes along with something else is changed too.
  for (const field of ['auth', 'certificates', 'eap', 'trust']) {
    if (after && JSON.stringify(after[field]) !== JSON.stringify(before[field]) && !changed.includes(field)) changed.push(field);
  }
  return changed
    .filter((field) => base.locked.includes(field))
    .map((field) => ({ field, code: 'locked', message: 'the administrator locked this field' }));
}

/** Only of a file: who types a key has it in no file of ours. */
const OF_FILES: ReadonlySet<ImportNote['code']> = new Set(['kept', 'clear-text', 'kept-without-password']);
const OF_SECRETS: ReadonlyMap<ImportNote['code'], SecretName> = new Map([
  ['secret-missing', 'psk'],
  ['password-missing', 'password'],
  ['user-missing', 'password'],
  ['key-missing', 'key'],
]);

function noteOf(note: ImportNote, base: Profile | undefined, { fields, secrets }: Edit): readonly ImportNote[] {
  if (OF_FILES.has(note.code)) return [];
  const field = formField(note.field);
  const secret = OF_SECRETS.get(note.code);
  // An edit without a secret keeps the one there is.
  if (base && secret !== undefined && note.field !== 'key' && secrets[secret] === undefined) return [];
  const top = field.replace(/\..*$/, '');
  const touched = base === undefined || Object.hasOwn(fields, top) || ['secret', 'password', 'key'].includes(top);
  // An identity that follows the gateway's name changes with it.
  const follows = note.code === 'identity-from-gateway';
  return touched || follows ? [{ ...note, field }] : [];
}

function problemOf(issue: v.BaseIssue<unknown>, file: Readonly<Record<string, unknown>>): ProfileProblem {
  const { field: path, text } = faultOf(issue);
  const field = formField(path);
  const item = issue.path?.find(({ key }) => typeof key === 'number')?.key;
  const top = String(issue.path?.[0]?.key ?? '');
  const own = top === 'auth' || top === 'gatewayAuth';
  return { field, code: own ? authCode(field) : codeOf(top, file[top], typeof item === 'number'), message: itemText(item, text) };
}

function authCode(field: string): ProfileProblemCode {
  if (['secret', 'password', 'key', 'trust.secret'].includes(field)) return 'too-long';
  if (/certificates|authorities|intermediates/.test(field)) return 'certificate-invalid';
  return field === 'eap.identity' || field === 'eap.serverName' ? 'identity-invalid' : 'choice-invalid';
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
    case 'additionalChildren':
      return item ? 'network-invalid' : 'too-many';
    case 'tcpPorts':
      if (item) return 'out-of-range';
      return length === 0 ? 'required' : 'too-many';
    case 'ppk':
      return Object(value).id ? 'identity-invalid' : 'required';
    case 'gateways':
      return item ? 'gateway-invalid' : 'too-many';
    case 'localPort':
    case 'whenLost':
    case 'fragmentation':
    case 'tcp':
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
