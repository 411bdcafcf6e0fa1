/** A long run of the simulator that was interrupted. */
import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openRecord, type Recorded, type RunRecord } from './record.ts';
import { noTotals } from './worker.ts';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-record-'));
after(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'run.jsonl');
const run = { seed: 7, count: 300, genuine: false };

const opened = (): RunRecord => {
  const record = openRecord(path, run);
  if (typeof record === 'string') assert.fail(record);
  return record;
};
const portion = (from: number): Recorded => ({ job: { from, count: 100 }, totals: noTotals(), failures: [], seconds: from });

test('goes on after what is whole, and forgets the line that was cut off', () => {
  opened().add(portion(7));
  opened().add(portion(107));
  appendFileSync(path, '{"job":{"fr');
  assert.deepEqual(opened().done, [portion(7), portion(107)]);
  opened().add(portion(207));
  assert.equal(opened().done.length, 3);
});

test('is not mistaken for the record of another run', () => {
  for (const other of [{ seed: 8 }, { count: 400 }, { genuine: true }])
    assert.match(String(openRecord(path, { ...run, ...other })), /record of another run/);
});
