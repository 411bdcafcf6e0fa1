/**
 * From the text of a profile file to a profile, its secrets and notes of what happened to each field. All or nothing: one wrong
 * field and there is no profile, with every wrong field named. No value of a secret field ever reaches a message.
 */
import * as v from 'valibot';
import { err, ok, type Result } from '../bytes/result.ts';
import { conflicts } from './conflicts.ts';
import { convert, type Imported } from './convert.ts';
import { type Fault, faultOf, fileField } from './faults.ts';
import { isObject, type Json, type JsonObject, parseJson } from './json.ts';
import { type Material, readMaterial } from './material.ts';
import { createNotes, type Notes, noteUnknown } from './notes.ts';
import { knownFields, profileSchema } from './schema.ts';

/** What is wrong with the file, for a person: fields, problems, expectations; no secrets. */
export interface ImportError {
  readonly code:
    | 'profile-malformed'
    | 'import-password-needed'
    | 'import-password-wrong'
    | 'import-gateway-needed'
    | 'import-unsupported';
  readonly detail: string;
}

const FAULTS_TOLD = 5;

/** A file of our own format. `now`: Date.now() milliseconds, for what will be over soon. */
export function importProfile(text: string, now = Date.now()): Result<Imported, ImportError> {
  const parsed = parseJson(text);
  if (!parsed.ok) {
    const { line, column, problem } = parsed.error;
    return malformed(`line ${line}, column ${column}: ${problem}`);
  }
  if (!isObject(parsed.value)) return malformed('the file must hold one object: { "sallyport": 1, … }');
  return importOwn(parsed.value, now);
}

export function importOwn(root: JsonObject, now: number): Result<Imported, ImportError> {
  if (!Object.hasOwn(root, 'sallyport')) return malformed('sallyport: is missing; expected 1, the version of this format');
  const notes = createNotes();
  const unknown: string[] = [];
  const fields = withoutUnknown(root, '', unknown);
  noteUnknown(notes, unknown);
  return importFields(fields, { notes, now });
}

export interface FieldsOptions {
  readonly notes: Notes;
  readonly now: number;
  /** What was read elsewhere than in PEM fields. */
  readonly material?: Partial<Material>;
  /** How the user's file spells a field of ours. */
  readonly naming?: (field: string) => string;
}

/** Fields in the form of our own format, wherever they come from: all rules hold for them. */
export function importFields(fields: unknown, options: FieldsOptions): Result<Imported, ImportError> {
  const { notes, now, naming = (field: string) => field } = options;
  const refuse = (faults: readonly Fault[]) => {
    options.material?.key?.pkcs8.fill(0);
    return malformed(told(faults.map(({ field, text }) => ({ field: naming(field), text }))));
  };
  const valid = v.safeParse(profileSchema, fields);
  if (!valid.success) return refuse(valid.issues.map(faultOf));
  const read = readMaterial(valid.output.auth, valid.output.gatewayAuth);
  const material: Material = { ...read.material, ...options.material };
  const wrong = new Set(read.problems.map(({ field }) => field));
  const found = [...read.problems, ...conflicts(valid.output, material, wrong)];
  if (found.length === 0) return ok(convert(valid.output, material, notes, now));
  read.material.key?.pkcs8.fill(0);
  return refuse(found.map(({ field, message }) => ({ field: fileField(field), text: message })));
}

export function malformed(detail: string): { readonly ok: false; readonly error: ImportError } {
  return err({ code: 'profile-malformed', detail });
}

/** A copy without the fields this version does not know, which go into `unknown`. */
function withoutUnknown(value: JsonObject, place: string, unknown: string[]): Json {
  const known = knownFields.get(place) ?? [];
  const result: Record<string, Json> = Object.create(null);
  for (const [key, inner] of Object.entries(value)) {
    const path = place === '' ? key : `${place}.${key}`;
    if (!known.includes(key)) unknown.push(path);
    else result[key] = isObject(inner) && knownFields.has(path) ? withoutUnknown(inner, path, unknown) : inner;
  }
  return result;
}

export function told(faults: readonly Fault[]): string {
  // Two of our fields may come from one of theirs.
  const all = [...new Set(faults.map(({ field, text }) => `${field}: ${text}`))];
  const lines = all.slice(0, FAULTS_TOLD);
  if (all.length > lines.length) lines.push(`and ${all.length - lines.length} more`);
  return lines.join('; ');
}
