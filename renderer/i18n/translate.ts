/** A key to its text: the language's own, else the English one; counted texts in the form that the language has for the number. Pure. */
import type { Language } from './languages.ts';
import { resources } from './resources.ts';

type English = (typeof resources)['en'];
export type Namespace = keyof English;

type Uncounted<K extends string> = K extends `${infer Base}_one` ? Base : K extends `${infer Base}_other` ? Base : K;
/** Dotted, and of a counted text without its form. */
type KeysOf<T> = { [K in keyof T & string]: T[K] extends string ? Uncounted<K> : `${K}.${KeysOf<T[K]>}` }[keyof T & string];
/** Of the first namespace plainly, of all of them as `namespace:key`. */
export type Key<N extends readonly Namespace[]> =
  | KeysOf<English[N[0] & Namespace]>
  | { [M in N[number]]: `${M}:${KeysOf<English[M]>}` }[N[number]];

/** What stands for `{{name}}`. `count` chooses the form; `defaultValue` is for a key that there may not be. */
export type Values = Readonly<Record<string, string | number>>;
export type Translate<N extends readonly Namespace[]> = (key: Key<N>, values?: Values) => string;

/** Without text for the key: `defaultValue`, or the key, which is better than nothing. */
export function translate(language: Language, namespace: Namespace, key: string, values: Values = {}): string {
  const text = textOf(language, namespace, key, values.count) ?? textOf('en', namespace, key, values.count);
  if (text === undefined) return String(values.defaultValue ?? key);
  return text.replace(/\{\{(\w+)\}\}/g, (_, name: string) => String(values[name] ?? ''));
}

export function hasText(namespace: Namespace, key: string): boolean {
  return textOf('en', namespace, key, undefined) !== undefined;
}

function textOf(language: Language, namespace: Namespace, key: string, count: string | number | undefined): string | undefined {
  const colon = key.indexOf(':');
  const own = colon < 0 ? namespace : key.slice(0, colon);
  const path = [own, ...key.slice(colon + 1).split('.')];
  const plain = at(resources[language], path);
  if (typeof count !== 'number') return plain;
  const last = `${path.pop()}_${rulesOf(language).select(count)}`;
  return at(resources[language], [...path, last]) ?? plain;
}

function at(tree: unknown, path: readonly string[]): string | undefined {
  let here = tree;
  for (const name of path) {
    // Names may come from the helper: never what every object has.
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, name)) return undefined;
    here = (here as Readonly<Record<string, unknown>>)[name];
  }
  return typeof here === 'string' ? here : undefined;
}

const rules = new Map<Language, Intl.PluralRules>();

function rulesOf(language: Language): Intl.PluralRules {
  const made = rules.get(language) ?? new Intl.PluralRules(language);
  rules.set(language, made);
  return made;
}
