import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openHistory } from '../../../core/helper/history.ts';
import { createLogRing } from '../../../core/helper/logRing.ts';
import { createPublisher } from '../../../core/helper/publisher.ts';
import type { RpcPeer } from '../../../core/helper/rpcServer.ts';
import { createTunnelKeeper } from '../../../core/helper/tunnelKeeper.ts';
import { openWanted, type Wanted } from '../../../core/helper/wanted.ts';
import { importProfile } from '../../../core/profile/import.ts';
import { openProfileStore } from '../../../core/profile/store.ts';
import { profileText } from '../profile/sample.ts';
import { type FakeOptions, fakeWorld, neverAnswers } from './fakes.ts';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-keeper-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let stores = 0;

const ALICE = 1000;
const BOB = 1001;

/** What one engine leaves for the next. */
const nothingWanted: Wanted = { keep: () => {}, forget: () => {}, take: () => undefined };

function setUp(options: FakeOptions = {}, refreshEvery = 5, wanted = nothingWanted) {
  const world = fakeWorld(options);
  const logs = createLogRing({ capacity: 100, now: Date.now, write: () => {}, writeLevel: 'error' });
  const profiles = openProfileStore(join(folder, String(stores++)), logs.log);
  const imported = importProfile(profileText({ gateway: '127.0.0.1', ipv6: false }));
  assert.ok(imported.ok);
  for (const [owner, shared] of [
    [ALICE, false],
    [0, true],
  ] as const) {
    const planned = profiles.plan(imported.value, owner, shared);
    assert.ok(planned.ok && profiles.save(planned.value, imported.value).ok);
  }
  const history = openHistory({ directory: join(folder, `history-${stores}`), now: Date.now, log: logs.log });
  const keeper = createTunnelKeeper({
    ...world.deps,
    history,
    wanted,
    profiles,
    logs,
    onChange: () => publisher.changed(),
  });
  const publisher = createPublisher({ statusFor: keeper.statusFor, running: keeper.active, logs, refreshEvery });
  return { world, logs, keeper, publisher, profiles, history };
}

function peer(uid: number, id: number): { readonly peer: RpcPeer; readonly events: [string, unknown][] } {
  const events: [string, unknown][] = [];
  return { events, peer: { id, uid, gid: uid, pid: 1, send: (event, data) => events.push([event, data]) } };
}

const codeOf = (result: { readonly ok: boolean; readonly error?: { readonly code: string } }) =>
  result.ok ? 'ok' : result.error?.code;

test('one tunnel at a time; whose it is decides who may end it and who sees it', async () => {
  const { keeper, logs } = setUp({ script: neverAnswers });
  assert.equal(codeOf(keeper.up('Office', ALICE)), 'ok');
  assert.equal(codeOf(keeper.up('Office', ALICE)), 'already-up');
  assert.equal(codeOf(keeper.up('Office', BOB)), 'used-by-another');
  assert.equal(codeOf(await keeper.down(BOB)), 'not-permitted');
  assert.equal(codeOf(await keeper.repair(BOB)), 'not-permitted');
  assert.equal(codeOf(await keeper.repair(0)), 'already-up');
  assert.equal(keeper.statusFor(BOB).otherUser, true);
  assert.equal(keeper.statusFor(BOB).profile, undefined);
  assert.equal(keeper.statusFor(ALICE).profile?.name, 'Office');
  assert.equal(codeOf(await keeper.down(0)), 'ok');
  assert.equal(codeOf(await keeper.down(ALICE)), 'not-up');
  assert.equal(codeOf(await keeper.repair(0)), 'ok');
  assert.equal(codeOf(keeper.up('Office', BOB)), 'ok', 'the shared profile is for everybody');
  await keeper.stop();
  const texts = (viewer: number) => logs.read(viewer, 100, 'debug', 1e6).map(({ text }) => text);
  assert.equal(texts(BOB).filter((text) => text === 'connecting').length, 1);
  assert.equal(texts(0).filter((text) => text === 'connecting').length, 2);
});

test('a question is for the owner of the connection alone; a remembered key is kept where it may be', async () => {
  const { keeper, profiles, history } = setUp();
  const hasSecret = () => profiles.list(ALICE).map(({ shared, secrets }) => [shared, secrets.includes('psk')]);
  const forget = () => {
    for (const stored of profiles.list(0)) assert.ok(profiles.put(stored, { kind: 'forget' }).ok);
  };
  forget();
  assert.equal(codeOf(keeper.answer(ALICE, 'x', 'y', false)), 'prompt-unknown');
  assert.equal(codeOf(keeper.up('Office', ALICE)), 'ok');
  const prompt = keeper.statusFor(ALICE).prompt;
  assert.ok(prompt?.rememberAllowed);
  for (const other of [BOB, 0]) {
    assert.equal(keeper.statusFor(other).prompt, undefined);
    assert.equal(codeOf(keeper.answer(other, prompt.id, 'guessed', false)), 'not-permitted');
  }
  assert.equal(codeOf(keeper.answer(ALICE, prompt.id, 'typed by alice', true)), 'ok');
  while (keeper.statusFor(ALICE).state !== 'connected') await new Promise(setImmediate);
  assert.deepEqual(hasSecret(), [
    [false, true],
    [true, false],
  ]);
  await keeper.down(ALICE);
  // Of the shared one the key is the administrator's to give.
  assert.equal(codeOf(keeper.up('Office', BOB)), 'ok');
  const his = keeper.statusFor(BOB).prompt;
  assert.equal(his?.rememberAllowed, false);
  await keeper.down(BOB);
  // askSecret asks although one is stored.
  assert.equal(codeOf(keeper.up('Office', ALICE, true)), 'ok');
  assert.equal(keeper.statusFor(ALICE).state, 'waiting');
  await keeper.stop();
  assert.deepEqual(
    history.list(ALICE, 10).map(({ endReason, connectedAt }) => [endReason, connectedAt !== undefined]),
    [
      ['engine-restarted', false],
      ['user', true],
    ],
  );
});

test('a subscriber gets the snapshot, what changes, and counters while the tunnel is up; then nothing runs on', async () => {
  const { keeper, publisher, world } = setUp();
  const alice = peer(ALICE, 1);
  const snapshot = publisher.subscribe(alice.peer, ['status']);
  assert.equal(snapshot.status?.state, 'idle');
  keeper.up('Office', ALICE);
  const seen = (part: string) => alice.events.some(([, data]) => JSON.stringify(data).includes(part));
  const until = async (part: string) => {
    while (!seen(part)) await new Promise((resolve) => setTimeout(resolve, 2));
  };
  await until('"connected"');
  world.packetsIn = 7;
  await until('"packetsIn":7');
  await keeper.down(ALICE);
  await until('"idle"');
  await new Promise(setImmediate);
  const told = alice.events.length;
  world.packetsIn = 9;
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(alice.events.length, told, 'no refresh without a tunnel');
  publisher.forget(alice.peer);
  keeper.up('Office', ALICE);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(alice.events.length, told, 'nothing to who has gone');
  await keeper.stop();
  publisher.stop();
});

test('log events go to who may read them', () => {
  const { publisher, logs } = setUp();
  const alice = peer(ALICE, 1);
  const bob = peer(BOB, 2);
  const root = peer(0, 3);
  for (const { peer: one } of [alice, bob, root]) publisher.subscribe(one, ['log']);
  logs.log('info', 'x', 'for all');
  logs.logFor(ALICE)('info', 'x', 'for alice');
  const heard = ({ events }: ReturnType<typeof peer>) => events.map(([, data]) => Object(data).text);
  assert.deepEqual(heard(alice), ['for all', 'for alice']);
  assert.deepEqual(heard(bob), ['for all']);
  assert.deepEqual(heard(root), ['for all', 'for alice']);
  publisher.stop();
});

test('the ring keeps the newest lines, in order, within the octets asked for, printable', () => {
  const { logs } = setUp();
  for (let i = 0; i < 250; i++) logs.log(i % 2 === 0 ? 'debug' : 'warn', 'x', `line ${i}`, { value: 'a\nb' });
  const all = logs.read(0, 1000, 'debug', 1e6);
  assert.equal(all.length, 100);
  assert.deepEqual([all[0]?.text, all[99]?.text], ['line 150', 'line 249']);
  assert.deepEqual(all[0]?.fields, { value: 'a?b' });
  assert.deepEqual(
    logs.read(0, 2, 'warn', 1e6).map(({ text }) => text),
    ['line 247', 'line 249'],
  );
  const few = logs.read(0, 1000, 'debug', 500);
  assert.ok(few.length > 0 && JSON.stringify(few).length <= 501 + few.length);
  assert.equal(few[few.length - 1]?.text, 'line 249');
});

test('what was up when the engine died is brought back by the next, once, and after this start of the computer only', async () => {
  const path = join(folder, 'wanted.json');
  const open = (boot: string) => openWanted(path, boot, () => {});
  const first = setUp({}, 5, open('boot 1'));
  const [mine] = first.profiles.list(ALICE).filter(({ shared }) => !shared);
  assert.ok(mine);
  first.keeper.up('Office', ALICE);
  while (first.keeper.statusFor(ALICE).state !== 'connected') await new Promise(setImmediate);
  const left = readFileSync(path, 'utf8');
  await first.keeper.stop();
  assert.equal(open('boot 1').take(), undefined, 'an orderly end leaves nothing');

  // The next engine, with the same profiles.
  const next = setUp({}, 5, open('boot 1'));
  const [same] = next.profiles.list(ALICE).filter(({ shared }) => !shared);
  writeFileSync(path, left.replace(mine.profile.id, same?.profile.id ?? ''));
  next.keeper.resume();
  assert.equal(next.keeper.statusFor(ALICE).state, 'reconnecting');
  assert.equal(next.keeper.statusFor(ALICE).failure?.code, 'engine-restarted');
  while (next.keeper.statusFor(ALICE).state !== 'connected') await new Promise(setImmediate);
  await next.keeper.stop('kept');
  assert.equal(open('boot 2').take(), undefined, 'the computer was started anew');
  next.keeper.resume();
  assert.equal(next.keeper.active(), false, 'and it is gone');

  writeFileSync(path, '{"format":1');
  assert.equal(open('boot 1').take(), undefined);
});
