/** What the schema finds wrong, in words for a person. No value of a secret field ever gets into them. */
import type * as v from 'valibot';
import { expectedOf } from './schema.ts';

export interface Fault {
  /** Dotted, with the index of an item: `remoteNetworks[0]`. */
  readonly field: string;
  readonly text: string;
}

export function faultOf(issue: v.BaseIssue<unknown>): Fault {
  const path = (issue.path ?? []).map(({ key }) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
  const field = shown(path.replace(/^\./, ''));
  if (issue.input === undefined) {
    const wanted = expectedOf(field);
    return { field, text: `is missing${wanted === undefined ? '' : `; expected ${wanted}`}` };
  }
  const found = field.startsWith('auth') ? '' : `, found ${foundText(issue.input)}`;
  return { field, text: `expected ${issue.message}${found}` };
}

function foundText(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'string') return value === '' ? 'an empty text' : `"${shown(value)}"`;
  return String(value);
}

/** A piece of the file as part of one line. */
export function shown(text: string): string {
  const clean = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '?');
  return clean.length > 60 ? `${clean.slice(0, 59)}…` : clean;
}
