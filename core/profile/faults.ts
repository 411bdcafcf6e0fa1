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
  if (issue.expected === 'never') return { field, text: `does not belong here: ${issue.message}` };
  const found = /^(auth|gatewayAuth|ppk)\b/.test(field) ? '' : `, found ${foundText(issue.input)}`;
  // The reader of proposals quotes them.
  return { field, text: `expected ${clean(issue.message)}${found}` };
}

/** Where the fields of the form (`ProfileFields` and the secrets) are in a file. */
const IN_FILE: readonly (readonly [string, string])[] = [
  ['secret', 'auth.secret'],
  ['password', 'auth.password'],
  ['key', 'auth.key'],
  ['auth', 'auth.method'],
  ['certificates', 'auth.certificate'],
  ['eap.methods', 'auth.methods'],
  ['eap.identity', 'auth.identity'],
  ['eap.serverName', 'auth.serverName'],
  ['eap.authorities', 'auth.authorities'],
];

export function fileField(field: string): string {
  const own = IN_FILE.find(([form]) => form === field)?.[1];
  return own ?? field.replace(/^trust\b/, 'gatewayAuth');
}

/** Of a path in a file, without what is below. */
export function formField(path: string): string {
  const own = IN_FILE.find(([, file]) => path === file || path.startsWith(`${file}[`) || path.startsWith(`${file}.`))?.[0];
  if (own !== undefined) return own;
  return path.startsWith('gatewayAuth.')
    ? path.replace(/^gatewayAuth/, 'trust').replace(/\[.*$/, '')
    : path.replace(/[.[].*$/, '');
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
  const line = clean(text);
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}

function clean(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '?');
}
