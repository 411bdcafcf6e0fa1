import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogLine } from '../../../core/rpc/contract.ts';
import { bodyOf, CAPACITY, highlight, LogModel, lineText } from '../../../renderer/views/log/model.ts';
import { atEnd, rowsIn, scrollToRow } from '../../../renderer/views/log/virtual.ts';
import { quickest } from '../quickest.ts';

const levels = ['debug', 'info', 'warn', 'error'] as const;
const line = (seq: number, more: Partial<LogLine> = {}): LogLine => ({
  seq,
  at: 1_000_000 + seq,
  level: levels[seq % 4] ?? 'info',
  area: 'ike',
  text: `line ${seq}`,
  ...more,
});
const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => line(from + i));
const everything = { level: 'debug', query: '', onlyMatches: false } as const;
const shown = (model: LogModel) => model.shown.map(({ line: { seq } }) => seq);

test('a line that came twice is kept once, whichever way it came', () => {
  const model = new LogModel();
  model.setFilter(everything);
  model.append(lines(5, 10));
  model.append(lines(8, 12));
  model.fill(lines(0, 7));
  assert.deepEqual(shown(model), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  assert.equal(model.oldestSeq, 0);
});

test('a hole is filled where it is, and only with what is missing', () => {
  const model = new LogModel();
  model.setFilter({ level: 'debug', query: 'line', onlyMatches: false });
  model.append(lines(0, 4));
  model.append(lines(8, 12));
  model.fill(lines(2, 10));
  assert.deepEqual(shown(model), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  assert.deepEqual(model.matches, shown(model));
  const { version } = model;
  model.fill(lines(0, 12));
  assert.equal(model.version, version, 'nothing new is no change');
  model.append([line(12)]);
  assert.equal(model.shown.length, 13);
});

test('the oldest lines go when there are more than the capacity, from the filter and the search too', () => {
  const model = new LogModel(100);
  model.setFilter({ level: 'warn', query: 'line', onlyMatches: false });
  for (let from = 0; from < 250; from += 7) model.append(lines(from, Math.min(250, from + 7)));
  assert.equal(model.total, 100);
  const expected = lines(150, 250).filter(({ level }) => level === 'warn' || level === 'error');
  assert.deepEqual(
    shown(model),
    expected.map(({ seq }) => seq),
  );
  assert.deepEqual(
    model.matches,
    expected.map(({ seq }) => seq),
  );
  model.fill(lines(100, 150));
  assert.equal(model.total, 100, 'older lines do not push newer ones out');
  assert.deepEqual(
    shown(model),
    expected.map(({ seq }) => seq),
  );
});

test('what comes by and by is filtered like what is filtered at once', () => {
  const filter = { level: 'info', query: '3', onlyMatches: true } as const;
  const [slow, fast] = [new LogModel(), new LogModel()];
  slow.setFilter(filter);
  for (const one of lines(0, 500)) slow.append([one]);
  fast.append(lines(0, 500));
  fast.setFilter(filter);
  assert.deepEqual(shown(slow), shown(fast));
  assert.deepEqual(slow.matches, fast.matches);
  assert.ok(shown(fast).length > 50);
  assert.ok(fast.shown.every(({ body, line: { level } }) => body.includes('3') && level !== 'debug'));
});

test('after a restart of the helper its numbers begin again and its lines come last', () => {
  const model = new LogModel();
  model.setFilter(everything);
  model.append(lines(0, 5));
  model.resume([line(0, { at: 2_000_000, text: 'ready' }), line(1, { at: 2_000_001 })]);
  assert.deepEqual(shown(model), [0, 1, 2, 3, 4, 0, 1]);
  model.append([line(2, { at: 2_000_002 })]);
  assert.equal(model.shown.at(-1)?.line.at, 2_000_002);
  const ids = model.shown.map(({ id }) => id);
  assert.deepEqual(
    ids,
    ids.toSorted((a, b) => a - b),
  );
});

test('after a pause in the same life only what is new is added', () => {
  const model = new LogModel();
  model.setFilter(everything);
  model.append(lines(0, 5));
  model.resume(lines(3, 9));
  assert.deepEqual(shown(model), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

test('next and previous match go round', () => {
  const model = new LogModel();
  model.append(lines(0, 40).map((one) => ({ ...one, level: 'info' as const })));
  model.setFilter({ level: 'info', query: 'LINE 1', onlyMatches: false });
  assert.deepEqual(model.matches, [1, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  assert.equal(model.nextMatch(undefined, 1), 1);
  assert.equal(model.nextMatch(1, 1), 10);
  assert.equal(model.nextMatch(19, 1), 1);
  assert.equal(model.nextMatch(1, -1), 19);
  assert.equal(model.nextMatch(undefined, -1), 19);
  assert.equal(model.indexOf(10), 10);
  model.setFilter({ level: 'info', query: 'nowhere', onlyMatches: false });
  assert.equal(model.nextMatch(3, 1), undefined);
});

test('the search takes signs as they are, and marks every place', () => {
  assert.deepEqual(highlight('a.b A.B axb', 'a.b'), [
    { text: 'a.b', hit: true },
    { text: ' ', hit: false },
    { text: 'A.B', hit: true },
    { text: ' axb', hit: false },
  ]);
  for (const query of ['[', '(a', '\\', '*', '+?', '^$', '/', '-', '{2}']) {
    const parts = highlight(`before ${query} after`, query);
    assert.deepEqual(
      parts.map(({ text }) => text),
      ['before ', query, ' after'],
      query,
    );
  }
  assert.deepEqual(highlight('', 'x'), []);
});

test('a line as text has everything, and fields that cannot be mistaken', () => {
  const one = line(1, {
    at: 0,
    area: 'tunnel',
    text: 'connected',
    fields: { profile: 'Head office', port: 4500, empty: '', sign: 'a=b' },
  });
  assert.equal(bodyOf(one), 'tunnel: connected profile="Head office" port=4500 empty="" sign="a=b"');
  assert.equal(
    lineText(one),
    '1970-01-01T00:00:00.000Z info  tunnel: connected profile="Head office" port=4500 empty="" sign="a=b"',
  );
});

test('a hundred thousand lines are filtered within a blink', () => {
  const model = new LogModel();
  model.append(lines(0, CAPACITY));
  const took = quickest(() => {
    model.setFilter({ level: 'debug', query: '', onlyMatches: false });
    model.setFilter({ level: 'debug', query: '99', onlyMatches: true });
  });
  assert.ok(took < 500, `took ${took} ms`);
  assert.ok(model.shown.length > 1000);
});

test('the rows drawn cover what is seen and their number does not grow with the list', () => {
  for (const count of [1, 50, 100_000]) {
    for (const scrollTop of [0, 1, 999.5, 1_000_000, 1e9]) {
      const view = { scrollTop, height: 500, rowHeight: 22, count };
      const { first, end, offset } = rowsIn(view);
      const top = Math.max(0, Math.min(scrollTop, count * 22 - 500));
      assert.ok(first * 22 <= top, 'begins above');
      assert.ok(end === count || end * 22 >= top + 500, 'ends below');
      assert.ok(end - first <= 500 / 22 + 25);
      assert.equal(offset, first * 22);
      assert.equal(first % 2, 0);
    }
  }
  assert.deepEqual(rowsIn({ scrollTop: 0, height: 500, rowHeight: 0, count: 10 }), { first: 0, end: 0, offset: 0 });
});

test('a row is brought into view by the least scrolling, a far one to the middle', () => {
  const view = { scrollTop: 1000, height: 200, rowHeight: 20, count: 1000 };
  assert.equal(scrollToRow(view, 55), 1000, 'seen already');
  assert.equal(scrollToRow(view, 49), 980);
  assert.equal(scrollToRow(view, 60), 1020);
  assert.equal(scrollToRow(view, 500), 10_000 - 90);
  assert.equal(scrollToRow(view, 999), 19_800);
  assert.equal(scrollToRow(view, 0), 0);
  assert.ok(atEnd({ ...view, scrollTop: 19_799 }));
  assert.ok(!atEnd({ ...view, scrollTop: 19_700 }));
  assert.ok(atEnd({ ...view, scrollTop: 0, count: 3 }));
});
