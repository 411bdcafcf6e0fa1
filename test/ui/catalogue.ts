/** The window's words as they lie in renderer/i18n, to know what should and what should not be on the screen. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export type Language = 'en' | 'de' | 'ko';

const FOLDER = resolve(import.meta.dirname, '..', '..', 'renderer', 'i18n');

export interface Entry {
  readonly namespace: string;
  /** With dots where it is nested. */
  readonly key: string;
  readonly text: string;
}

export function entries(language: Language): readonly Entry[] {
  return readdirSync(join(FOLDER, language)).flatMap((file) => {
    const namespace = file.replace(/\.json$/, '');
    return flat(JSON.parse(readFileSync(join(FOLDER, language, file), 'utf8')), namespace, '');
  });
}

/** One text of the window. Throws for a key that is not there. */
export function word(language: Language, namespace: string, key: string): string {
  const found = entries(language).find((entry) => entry.namespace === namespace && entry.key === key);
  if (found === undefined) throw new Error(`no ${namespace}:${key} in ${language}`);
  return found.text;
}

function flat(value: unknown, namespace: string, key: string): readonly Entry[] {
  if (typeof value === 'string') return [{ namespace, key, text: value }];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => flat(inner, namespace, key === '' ? name : `${key}.${name}`));
}
