import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasText, translate } from '../../../renderer/i18n/translate.ts';

test('a text in the language, of the namespace or of the one that the key names', () => {
  assert.equal(translate('en', 'profiles', 'fields.gateway'), 'Gateway');
  assert.equal(translate('de', 'common', 'profiles:ports.any'), translate('de', 'profiles', 'ports.any'));
  assert.notEqual(translate('ko', 'profiles', 'fields.gateway'), 'Gateway');
});

test('a counted text has the form that the language has for the number', () => {
  const found = (language: 'en' | 'de' | 'ko', count: number) => translate(language, 'profiles', 'found', { count });
  assert.deepEqual([found('en', 1), found('en', 2), found('en', 0)], ['1 profile found', '2 profiles found', '0 profiles found']);
  assert.notEqual(found('de', 1).slice(1), found('de', 2).slice(1));
  // Korean has one form for all.
  assert.equal(found('ko', 1).replace('1', ''), found('ko', 7).replace('7', ''));
});

test('values are put in as they are, and once: what is in a name is no place for another', () => {
  assert.equal(
    translate('en', 'profiles', 'created', { name: '{{count}} $& <b>', count: 'x' }),
    '“{{count}} $& <b>” is created.',
  );
  assert.equal(translate('en', 'profiles', 'created'), '“” is created.');
});

test('without a text: what the caller has, or the key; never what every object has', () => {
  assert.equal(translate('en', 'profiles', 'problems.new-code', { defaultValue: 'the helper’s words' }), 'the helper’s words');
  assert.equal(translate('de', 'profiles', 'problems.new-code'), 'problems.new-code');
  for (const key of ['problems.constructor', '__proto__.x', 'problems', 'nowhere:name', '', 'constructor:name', 'name.length']) {
    assert.equal(translate('en', 'profiles', key), key);
    assert.equal(hasText('profiles', key), false, key);
  }
  assert.equal(hasText('profiles', 'problems.locked'), true);
});
