import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseJson } from '../../../core/profile/json.ts';

test('agrees with JSON.parse on every JSON value', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), fc.constantFrom(0, 2, '\t'), (value, indent) => {
      const text = JSON.stringify(value, undefined, indent);
      const parsed = parseJson(text);
      assert.ok(parsed.ok);
      assert.deepEqual(JSON.parse(JSON.stringify(parsed.value)), JSON.parse(text));
    }),
    { numRuns: 500, seed: 1 },
  );
});

test('agrees with JSON.parse on what is no JSON, by mutation', () => {
  const base = '{"a": [1, -2.5e3, true, null, "x\\u00e9\\n"], "b": {"c": "d"}}';
  const signs = '{}[]",:\\ -.0e1ntfx\u0001';
  let rejected = 0;
  for (let at = 0; at < base.length; at++) {
    for (const sign of signs) {
      const text = base.slice(0, at) + sign + base.slice(at + 1);
      let expected: unknown;
      try {
        expected = JSON.parse(text);
      } catch {
        expected = undefined;
      }
      const parsed = parseJson(text);
      if (expected === undefined) {
        rejected++;
        assert.equal(parsed.ok, false, text);
      } else if (parsed.ok) {
        assert.deepEqual(JSON.parse(JSON.stringify(parsed.value)), expected, text);
      } else {
        // The one thing JSON.parse takes that we do not.
        assert.match(parsed.error.problem, /comes twice/, text);
      }
    }
  }
  assert.ok(rejected > 500);
});

const refused: readonly (readonly [string, string, number, number])[] = [
  ['{"a":1,\n "a":2}', 'this key comes twice in the same object', 2, 2],
  ['{"a" 1}', 'a colon must come here', 1, 6],
  ['{"a":1', 'the text ends where a comma or the end of the object must come', 1, 7],
  ['', 'the text ends where a value must come', 1, 1],
  ['{"a":1} x', 'something follows the end of the profile', 1, 9],
  ['{"a":"b\n"}', 'a control character inside a string', 1, 8],
  ['{"a":"b', 'a string that begins here has no end', 1, 6],
  ['[[[[[[[[[1]]]]]]]]]', 'nested deeper than 8', 1, 9],
];
for (const [text, problem, line, column] of refused) {
  test(`says where: ${JSON.stringify(text)}`, () => {
    assert.deepEqual(parseJson(text), { ok: false, error: { line, column, problem } });
  });
}

test('__proto__ is a key like any other', () => {
  const parsed = parseJson('{"__proto__": {"polluted": true}, "constructor": 1}');
  assert.ok(parsed.ok);
  assert.deepEqual(Object.keys(Object(parsed.value)), ['__proto__', 'constructor']);
  assert.equal(Object(parsed.value).polluted, undefined);
  assert.equal(Object.getPrototypeOf(parsed.value), null);
});

test('size, depth and number of values are bounded, in bounded time', () => {
  assert.equal(parseJson(' '.repeat(300_000)).ok, false);
  assert.equal(parseJson('['.repeat(200_000)).ok, false);
  assert.equal(parseJson(`[${'1,'.repeat(20_000)}1]`).ok, false);
  assert.equal(parseJson(`"${'\\u0041'.repeat(40_000)}"`).ok, true);
});
