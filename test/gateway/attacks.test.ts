/** The list of attacks is whole, and ARCHITECTURE.md says the same. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { attackTable, sentences } from './attacks.ts';
import { misbehaviours } from './misbehaviours.ts';

const ARCHITECTURE = join(import.meta.dirname, '..', '..', 'ARCHITECTURE.md');
const attacks = sentences.flatMap((sentence) => sentence.attacks);

test('each line 1 to 11 of SECURITY.md is attacked, and each sentence', () => {
  const lines = new Set(sentences.map(({ line }) => line));
  for (let line = 1; line <= 11; line++) assert.ok(lines.has(line), `line ${line}`);
  for (const { sentence, attacks: own } of sentences) assert.ok(own.length > 0, sentence);
});

test('each misbehaviour that is about one of those lines is in the list', () => {
  const listed = new Set<string>(attacks.flatMap(({ by }) => by));
  const missing = misbehaviours.filter(({ name, clause }) => /\bS([1-9]|1[01])\b/.test(clause) && !listed.has(name));
  assert.deepEqual(
    missing.map(({ name }) => name),
    [],
  );
});

test('no attack on somebody who is not proven ends in more than silence towards it', () => {
  const before =
    /^(gateway-(cert-.*|untrusted|wrong-name|no-certificate|signature-refused|revocation-unknown)|eap-before-gateway)$/;
  const unproven = attacks.filter(({ told }) => before.test(told));
  assert.ok(unproven.length > 30);
  for (const { by, hears } of unproven) assert.equal(hears, 'nothing', by.join());
});

test('ARCHITECTURE.md has the same table', () => {
  const text = readFileSync(ARCHITECTURE, 'utf8');
  const before = text.slice(0, text.indexOf(HEAD));
  const after = text.slice(text.indexOf(HEAD)).split('\n\n').slice(1).join('\n\n');
  const right = `${before}${attackTable()}\n\n${after}`;
  // UPDATE=1 node --test test/gateway/attacks.test.ts writes it.
  if (process.env.UPDATE === '1') writeFileSync(ARCHITECTURE, right);
  else assert.equal(text, right);
});

const HEAD = '| line | what the user is told';
