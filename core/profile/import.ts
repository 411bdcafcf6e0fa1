/**
 * From the text of a profile file to a profile, its secret and notes of what happened to each field. All or nothing: one wrong
 * field and there is no profile, with every wrong field named. No value of a secret field ever reaches a message.
 */
import * as v from 'valibot';
import { err, ok, type Result } from '../bytes/result.ts';
import { conflicts } from './conflicts.ts';
import { convert, type Imported } from './convert.ts';
import { type Fault, faultOf, fileField, shown } from './faults.ts';
import { isObject, type Json, type JsonObject, parseJson } from './json.ts';
import { readMaterial } from './material.ts';
import { createNotes, type Notes } from './notes.ts';
import { knownFields, profileSchema } from './schema.ts';

/** What is wrong with the file, for a person: fields, problems, expectations; no secrets. */
export interface ImportError {
  readonly detail: string;
}

const FAULTS_TOLD = 5;

/** `now`: Date.now() milliseconds, for what will be over soon. */
export function importProfile(text: string, now = Date.now()): Result<Imported, ImportError> {
  const parsed = parseJson(text);
  if (!parsed.ok) {
    const { line, column, problem } = parsed.error;
    return err({ detail: `line ${line}, column ${column}: ${problem}` });
  }
  if (!isObject(parsed.value)) return err({ detail: 'the file must hold one object: { "sallyport": 1, … }' });
  if (!Object.hasOwn(parsed.value, 'sallyport')) {
    return err({ detail: 'sallyport: is missing; expected 1, the version of this format' });
  }
  const notes = createNotes();
  const known = withoutUnknown(parsed.value, '', notes);
  const valid = v.safeParse(profileSchema, known);
  if (!valid.success) return err({ detail: told(valid.issues.map(faultOf)) });
  const { material, problems } = readMaterial(valid.output.auth, valid.output.gatewayAuth);
  const found = [...problems, ...conflicts(valid.output, material, new Set(problems.map(({ field }) => field)))];
  if (found.length > 0) {
    material.key?.pkcs8.fill(0);
    return err({ detail: told(found.map(({ field, message }) => ({ field: fileField(field), text: message }))) });
  }
  return ok(convert(valid.output, material, notes, now));
}

/** A copy without the fields this version does not know; each is named in a note. */
function withoutUnknown(value: JsonObject, place: string, notes: Notes): Json {
  const known = knownFields.get(place) ?? [];
  const result: Record<string, Json> = Object.create(null);
  for (const [key, inner] of Object.entries(value)) {
    const path = place === '' ? key : `${place}.${key}`;
    if (!known.includes(key)) {
      notes.dropped(shown(path), 'unknown-field', 'this version does not know the field');
    } else {
      result[key] = isObject(inner) && knownFields.has(path) ? withoutUnknown(inner, path, notes) : inner;
    }
  }
  return result;
}

function told(faults: readonly Fault[]): string {
  const lines = faults.slice(0, FAULTS_TOLD).map(({ field, text }) => `${field}: ${text}`);
  if (faults.length > lines.length) lines.push(`and ${faults.length - lines.length} more`);
  return lines.join('; ');
}
