import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reasons } from '../../../core/tunnel/reasons.ts';
import { formatLocale, languageFor, languages } from '../../../renderer/i18n/languages.ts';
import { parse, piecesOf, stringOf, walk } from './syntax.ts';
import { baseOf, formOf, placeholders, pluralForms, sources, textsOf } from './texts.ts';

const english = textsOf('en');
const bases = (keys: Iterable<string>) => [...new Set([...keys].map(baseOf))].sort();

for (const language of languages) {
  const texts = textsOf(language);

  test(`${language}: no key is missing and none is extra`, () => {
    assert.deepEqual(bases(texts.keys()), bases(english.keys()));
    assert.ok(english.size > 150);
  });

  test(`${language}: every counted text has each plural form the language needs, and no other`, () => {
    const forms = new Map<string, string[]>();
    for (const key of texts.keys()) {
      const form = formOf(key);
      if (form !== undefined) forms.set(baseOf(key), [...(forms.get(baseOf(key)) ?? []), form].sort());
    }
    assert.ok(forms.size > 0);
    for (const [key, found] of forms) assert.deepEqual(found, pluralForms(language), key);
    // A text counted in English is counted here.
    const counted = [...english.keys()].filter((key) => formOf(key) !== undefined).map(baseOf);
    assert.deepEqual([...new Set(counted)].sort(), [...forms.keys()].sort());
  });

  test(`${language}: every text has the placeholders of the English one`, () => {
    for (const [key, text] of texts) {
      const other = english.get(key) ?? english.get(`${baseOf(key)}_other`) ?? '';
      // "One network" need not say the number.
      const but = (names: readonly string[]) => (formOf(key) === 'one' ? names.filter((name) => name !== 'count') : names);
      assert.deepEqual(but(placeholders(text)), but(placeholders(other)), `${language} ${key}`);
    }
  });

  test(`${language}: no text is empty, none has blanks at its ends`, () => {
    for (const [key, text] of texts) assert.ok(text !== '' && text === text.trim(), key);
  });

  test(`${language}: every reason says what happened and what to do, and sends nobody to a command line`, () => {
    for (const code of Object.keys(reasons)) {
      for (const part of ['what', 'advice']) {
        const text = texts.get(`reasons:${code}.${part}`);
        assert.ok(text !== undefined, `${code}.${part}`);
        assert.doesNotMatch(text, /`|sudo |sallyport (log|up|down|list)/, `${code}.${part}`);
      }
    }
    const told = [...texts.keys()].filter((key) => key.startsWith('reasons:')).length;
    assert.equal(told, Object.keys(reasons).length * 2);
  });
}

test('Korean and German have sentences of their own', () => {
  for (const language of ['ko', 'de'] as const) {
    const texts = textsOf(language);
    // Four words and more in a row are a sentence; names and units may be the same everywhere.
    const same = [...texts]
      .filter(([key, text]) => text === english.get(key) && text.split(/\s+/).length >= 4)
      .map(([key]) => key);
    assert.deepEqual(same, []);
  }
});

test('every text is used', () => {
  const used = new Set<string>();
  const patterns: RegExp[] = [];
  for (const { path, text } of sources(/\.tsx?$/)) {
    for (const node of walk(parse(path, text))) {
      const literal = stringOf(node);
      if (literal !== undefined) used.add(literal);
      const pieces = piecesOf(node);
      // `state.${headline}` uses all below `state`; one letter between two expressions says nothing.
      if (pieces.length > 1 && pieces.join('').length >= 3) {
        patterns.push(new RegExp(`^(?:\\w+:)?${pieces.map((piece) => escaped(piece)).join('[\\w-]+')}$`));
      }
    }
  }
  const unused = bases(english.keys()).filter((key) => {
    const path = key.slice(key.indexOf(':') + 1);
    return !used.has(path) && !used.has(key) && !patterns.some((pattern) => pattern.test(path) || pattern.test(key));
  });
  assert.deepEqual(unused, []);
});

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

test('the language is the choice, else the system’s, else English', () => {
  assert.equal(languageFor('ko', 'de-AT'), 'ko');
  assert.equal(languageFor('system', 'de-AT'), 'de');
  assert.equal(languageFor('system', 'ko_KR'), 'ko');
  assert.equal(languageFor('system', 'fr-FR'), 'en');
  assert.equal(languageFor('system', ''), 'en');
});

test('numbers follow the system’s region where it speaks the language', () => {
  assert.equal(formatLocale('de', 'de-AT'), 'de-AT');
  assert.equal(formatLocale('en', 'en_GB'), 'en-GB');
  assert.equal(formatLocale('en', 'de-AT'), 'en');
  assert.equal(formatLocale('en', 'en-!!'), 'en');
});
