/** The texts of the window and the sources that use them, as data. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { type languages, namespaces } from '../../../renderer/i18n/languages.ts';

export const renderer = resolve(import.meta.dirname, '../../../renderer');

/** `connect:state.idle` to its text. */
export type Texts = ReadonlyMap<string, string>;

export function textsOf(language: (typeof languages)[number]): Texts {
  const found = new Map<string, string>();
  for (const namespace of namespaces) {
    const file = JSON.parse(readFileSync(join(renderer, 'i18n', language, `${namespace}.json`), 'utf8')) as unknown;
    collect(file, `${namespace}:`, found);
  }
  return found;
}

/** The categories CLDR has for whole numbers in this language: the plural forms a text needs. */
export function pluralForms(language: string): readonly string[] {
  const rules = new Intl.PluralRules(language);
  return [...new Set(Array.from({ length: 200 }, (_, count) => rules.select(count)))].sort();
}

const SUFFIX = /_(zero|one|two|few|many|other)$/;

/** The key without its plural form. */
export function baseOf(key: string): string {
  return key.replace(SUFFIX, '');
}

export function formOf(key: string): string | undefined {
  return SUFFIX.exec(key)?.[1];
}

/** `{{name}}`, sorted. */
export function placeholders(text: string): readonly string[] {
  return [...text.matchAll(/\{\{\s*([\w.]+)/g)].map((match) => match[1] ?? '').sort();
}

export interface Source {
  readonly path: string;
  readonly text: string;
}

export function sources(ending: RegExp): readonly Source[] {
  return readdirSync(renderer, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && ending.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path: relative(renderer, path), text: readFileSync(path, 'utf8') }));
}

function collect(value: unknown, path: string, into: Map<string, string>): void {
  if (typeof value === 'string') into.set(path, value);
  else if (typeof value === 'object' && value !== null) {
    const joint = path.endsWith(':') ? '' : '.';
    for (const [key, inner] of Object.entries(value)) collect(inner, `${path}${joint}${key}`, into);
  } else throw new Error(`${path}: neither text nor object`);
}
