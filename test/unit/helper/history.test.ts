import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openHistory } from '../../../core/helper/history.ts';
import { failure } from '../../../core/tunnel/explain.ts';
import type { TunnelFacts } from '../../../core/tunnel/status.ts';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-history-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let places = 0;

const ALICE = 1000;
const BOB = 1001;
const clock = { now: 1000 };

function open(
  directory = join(folder, String(places++)),
  more: { readonly most?: number; readonly checkpointEvery?: number } = {},
) {
  const said: string[] = [];
  const history = openHistory({ directory, now: () => clock.now, log: (_level, _area, text) => said.push(text), ...more });
  return { history, directory, said };
}

function facts(changes: Partial<TunnelFacts> = {}): TunnelFacts {
  const profile = { id: 'id', name: 'Office' };
  return { owner: ALICE, profile, startedAt: clock.now, gateway: { name: 'vpn.office.test' }, children: [], ...changes };
}

const configuration = { addresses: [{ address: '10.9.0.2', prefix: 32 }], dns: [], domains: [], subnets: [] };

test('start, up, end: what is told of each, and that it is on the disk for its user alone', () => {
  const { history, directory } = open();
  clock.now = 1000;
  let now = facts();
  const session = history.begin(() => now);
  const [begun] = history.list(ALICE, 10);
  assert.deepEqual(
    [begun?.startedAt, begun?.connectedAt, begun?.endedAt, begun?.gateway],
    [1000, undefined, undefined, 'vpn.office.test'],
  );
  now = facts({ startedAt: 1000, readyAt: 1500, configuration, octets: { in: 5, out: 6 } });
  session.observe();
  clock.now = 2000;
  now = { ...now, octets: { in: 50, out: 60 } };
  session.end(false);
  const expected = {
    id: begun?.id,
    owner: ALICE,
    profile: { id: 'id', name: 'Office' },
    gateway: 'vpn.office.test',
    startedAt: 1000,
    connectedAt: 1500,
    endedAt: 2000,
    virtualIps: ['10.9.0.2/32'],
    bytesIn: 50,
    bytesOut: 60,
    endReason: 'user',
  };
  assert.deepEqual(history.list(ALICE, 10), [expected]);
  assert.deepEqual(open(directory).history.list(ALICE, 10), [expected]);
  assert.equal(statSync(join(directory, '1000.json')).mode & 0o777, 0o600);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  assert.deepEqual(readdirSync(directory), ['1000.json']);
});

test('why it ended: the failure, the user, or the end of the helper', () => {
  const { history } = open();
  history.begin(() => facts({ failure: failure('no-answer', '') })).end(false);
  history.begin(() => facts()).end(false);
  history.begin(() => facts()).end(true);
  assert.deepEqual(
    history
      .list(ALICE, 10)
      .map(({ endReason }) => endReason)
      .sort(),
    ['engine-restarted', 'no-answer', 'user'],
  );
});

test('an entry a killed engine left ends when it was last seen', async () => {
  const { history, directory } = open(undefined, { checkpointEvery: 5 });
  clock.now = 1000;
  let now = facts({ readyAt: 1100, octets: { in: 1, out: 1 } });
  const session = history.begin(() => now);
  session.observe();
  clock.now = 7000;
  now = { ...now, octets: { in: 70, out: 7 } };
  await new Promise((resolve) => setTimeout(resolve, 40));
  clock.now = 100_000;
  const again = open(directory);
  const [left] = again.history.list(ALICE, 10);
  assert.deepEqual([left?.endedAt, left?.endReason, left?.bytesIn], [7000, 'engine-restarted', 70]);
  const [stays] = open(directory).history.list(ALICE, 10);
  assert.deepEqual(stays, left, 'it ended once');
  session.end(true);
});

test('newest first, bounded per user, each user their own, root all', () => {
  const { history } = open(undefined, { most: 5 });
  for (let i = 0; i < 8; i++) {
    clock.now = 1000 + i;
    history.begin(() => facts({ owner: i < 2 ? BOB : ALICE })).end(false);
  }
  const starts = (viewer: number, limit = 100) => history.list(viewer, limit).map(({ startedAt }) => startedAt);
  assert.deepEqual(starts(ALICE), [1007, 1006, 1005, 1004, 1003]);
  assert.deepEqual(starts(ALICE, 2), [1007, 1006]);
  assert.deepEqual(starts(BOB), [1001, 1000]);
  assert.deepEqual(starts(0), [1007, 1006, 1005, 1004, 1003, 1001, 1000]);
  assert.deepEqual(starts(4711), []);
});

test('a damaged file is said and does not stop the rest', () => {
  const { history, directory } = open();
  history.begin(() => facts({ owner: BOB })).end(false);
  writeFileSync(join(directory, '1000.json'), '{"format":1,"sessions":[{"owner":1001}]}');
  const again = open(directory);
  assert.deepEqual(again.said, ['the history of a user is damaged and starts anew']);
  assert.deepEqual(again.history.list(ALICE, 10), []);
  assert.equal(again.history.list(BOB, 10).length, 1);
});
