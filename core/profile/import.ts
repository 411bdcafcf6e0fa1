/**
 * From the text of a profile file to a profile, its secret and notes of what happened to each field. All or nothing: one wrong
 * field and there is no profile, with every wrong field named. No value of a secret field ever reaches a message.
 */
import * as v from 'valibot';
import { err, ok, type Result } from '../bytes/result.ts';
import { conflicts, convert, type Imported } from './convert.ts';
import { faultOf, shown } from './faults.ts';
import { isObject, type Json, type JsonObject, parseJson } from './json.ts';
import { createNotes, type Notes } from './notes.ts';
import { knownFields, profileSchema } from './schema.ts';

/** What is wrong with the file, for a person: fields, problems, expectations; no secrets. */
export interface ImportError {
  readonly detail: string;
}

const FAULTS_TOLD = 5;

export function importProfile(text: string): Result<Imported, ImportError> {
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
  if (!valid.success) return err({ detail: faults(valid.issues) });
  const found = conflicts(valid.output);
  if (found.length > 0) {
    // In the file the secret has a place of its own.
    return err({
      detail: found.map(({ field, message }) => `${field.replace(/^secret$/, 'auth.secret')}: ${message}`).join('; '),
    });
  }
  return ok(convert(valid.output, notes));
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

function faults(issues: readonly v.BaseIssue<unknown>[]): string {
  const told = issues
    .slice(0, FAULTS_TOLD)
    .map(faultOf)
    .map(({ field, text }) => `${field}: ${text}`);
  if (issues.length > told.length) told.push(`and ${issues.length - told.length} more`);
  return told.join('; ');
}
