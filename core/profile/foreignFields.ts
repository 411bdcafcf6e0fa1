/** Fields of somebody else's JSON profile, read by path with the quirks of real files; what nobody asked for is told at the end. */
import type { Fault } from './faults.ts';
import { isObject, type Json, type JsonObject } from './json.ts';
import { type Notes, noteUnknown } from './notes.ts';

export interface ForeignFields {
  /** Without blanks around it; undefined when it is absent, null or empty. */
  text(path: string): string | undefined;
  /** As it is: blanks may belong to it. */
  secret(path: string): string | undefined;
  /** One text or an array of them, each as by `text`. */
  texts(path: string): readonly string[] | undefined;
  /** Also "true", "1", 1. */
  flag(path: string): boolean | undefined;
  /** Also as text. */
  whole(path: string): number | undefined;
  /** An array of texts, or a text with blanks or commas between. */
  list(path: string): readonly string[] | undefined;
  /** Here and of no use: it is dropped with these words. */
  drop(path: string, code: 'not-supported' | 'not-needed', why: string): void;
  /** What is left is unknown. */
  leftovers(): void;
  readonly faults: readonly Fault[];
  /** Paths that were there and were taken. */
  readonly taken: readonly string[];
}

const MOST_ITEMS = 1000;

export function readForeign(root: JsonObject, notes: Notes): ForeignFields {
  const taken = new Set<string>();
  const faults: Fault[] = [];

  function take(path: string): Json | undefined {
    let value: Json | undefined = root;
    const keys = path.split('.');
    for (const [at, key] of keys.entries()) {
      if (!isObject(value)) {
        if (value !== null) notObject(keys.slice(0, at).join('.'));
        return undefined;
      }
      if (!Object.hasOwn(value, key)) return undefined;
      value = value[key];
    }
    taken.add(path);
    if (value === null || value === '') {
      notes.dropped(path, 'not-needed', 'it is empty');
      return undefined;
    }
    return value;
  }

  function notObject(path: string): void {
    if (!faults.some(({ field }) => field === path)) wrong(path, 'an object');
  }

  function wrong(path: string, expected: string): undefined {
    faults.push({ field: path, text: `expected ${expected}` });
    return undefined;
  }

  function trimmed(path: string, value: string): string | undefined {
    const text = value.trim();
    if (text !== value) notes.changed(path, 'blanks-removed', 'blanks around it were taken off');
    return text === '' ? undefined : text;
  }

  return {
    text(path) {
      const value = take(path);
      if (value === undefined) return undefined;
      return typeof value === 'string' ? trimmed(path, value) : wrong(path, 'text');
    },

    secret(path) {
      const value = take(path);
      return value === undefined || typeof value === 'string' ? value : wrong(path, 'text');
    },

    texts(path) {
      const value = take(path);
      if (value === undefined) return undefined;
      const items = Array.isArray(value) ? (value as readonly Json[]) : [value];
      if (items.length > MOST_ITEMS || !items.every((item) => typeof item === 'string'))
        return wrong(path, 'text, or a list of texts');
      const texts = items.map((item) => item.trim()).filter((item) => item !== '');
      return texts.length > 0 ? texts : undefined;
    },

    flag(path) {
      const value = take(path);
      if (value === undefined || typeof value === 'boolean') return value;
      // An object of json.ts has no prototype, and so no text.
      const said = typeof value === 'object' ? undefined : WORDS.get(String(value).trim().toLowerCase());
      if (said === undefined) return wrong(path, 'true or false');
      notes.changed(
        path,
        'written-otherwise',
        `written as ${typeof value === 'string' ? 'text' : 'a number'}: it means ${said}`,
        { value: String(said) },
      );
      return said;
    },

    whole(path) {
      const value = take(path);
      if (value === undefined) return undefined;
      if (typeof value === 'number' && Number.isInteger(value)) return value;
      if (typeof value !== 'string' || !/^\s*\d{1,9}\s*$/.test(value)) return wrong(path, 'a whole number');
      notes.changed(path, 'written-otherwise', `written as text: it means ${Number(value)}`, { value: Number(value) });
      return Number(value);
    },

    list(path) {
      const value = take(path);
      if (value === undefined) return undefined;
      const items =
        typeof value === 'string' ? value.split(/[\s,;]+/) : Array.isArray(value) ? (value as readonly Json[]) : undefined;
      if (!items || items.length > MOST_ITEMS || !items.every((item) => typeof item === 'string')) {
        return wrong(path, `a list of at most ${MOST_ITEMS} texts`);
      }
      const texts = items.map((item) => item.trim()).filter((item) => item !== '');
      return texts.length > 0 ? texts : undefined;
    },

    drop(path, code, why) {
      if (take(path) !== undefined) notes.dropped(path, code, why);
    },

    leftovers() {
      const unknown: string[] = [];
      const walk = (value: JsonObject, place: string): void => {
        for (const [key, inner] of Object.entries(value)) {
          const path = place === '' ? key : `${place}.${key}`;
          if (taken.has(path)) continue;
          const below = isObject(inner) && [...taken].some((one) => one.startsWith(`${path}.`));
          if (below) walk(inner, path);
          else unknown.push(path);
        }
      };
      walk(root, '');
      noteUnknown(notes, unknown);
    },

    faults,
    get taken() {
      return [...taken];
    },
  };
}

const WORDS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['yes', true],
  ['1', true],
  ['false', false],
  ['no', false],
  ['0', false],
]);
