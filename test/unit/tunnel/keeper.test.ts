import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
import { defaultTrust, type Profile } from '../../../core/profile/model.ts';
import { openProfileStore } from '../../../core/profile/store.ts';
import { profileText } from '../profile/sample.ts';
import { comesUp, type FakeOptions, fakeWorld, neverAnswers } from './fakes.ts';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-keeper-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let stores = 0;

const ALICE = 1000;
const BOB = 1001;

/** What one engine leaves for the next. */
const nothingWanted: Wanted = { keep: () => {}, forget: () => {}, take: () => undefined };

interface Options extends FakeOptions {
  readonly promptPatience?: number;
}

function setUp(options: Options = {}, refreshEvery = 5, wanted = nothingWanted) {
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
    ...(options.promptPatience !== undefined && { promptPatience: options.promptPatience }),
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

  writeFileSync(path, '{"format":2');
  assert.equal(open('boot 1').take(), undefined);
});

/** Alice's own profile with its own key, and the administrator's for everybody, of the same uuid and before it in the list. */
function twins(options: Options = {}, wanted = nothingWanted) {
  const scene = setUp(options, 5, wanted);
  for (const stored of scene.profiles.list(0)) {
    const profile = { ...stored.profile, whenLost: 'hold' as const, name: stored.shared ? 'Office' : 'Zoo' };
    const psk = new TextEncoder().encode(stored.shared ? 'of the administrator' : 'of alice');
    assert.ok(scene.profiles.put({ ...stored, profile }, { kind: 'set', secret: { psk } }).ok);
  }
  const [id, other] = scene.profiles.list(ALICE).map(({ profile }) => profile.id);
  assert.ok(id !== undefined && id === other);
  return { ...scene, id };
}

/** Comes up, and is lost at the next datagram. */
const diesWhenTold: FakeOptions['script'] = (input, emit) => {
  comesUp(input, emit);
  if (input.kind === 'datagram') emit({ kind: 'closed', failure: { code: 'gateway-lost', evidence: 'x' } });
};

test('a profile that is tried again gets its own key, not that of another one with the same uuid', async () => {
  const { keeper, world } = twins({ script: diesWhenTold });
  const given: string[] = [];
  const { push } = Array.prototype;
  world.configs.push = (...configs) => {
    // They are wiped once they were used.
    for (const [round] of configs.map(({ auth }) => auth.local)) given.push(Buffer.from(Object(round).secret).toString());
    return push.apply(world.configs, configs);
  };
  assert.equal(codeOf(keeper.up('Zoo', ALICE)), 'ok');
  await soon(() => keeper.statusFor(ALICE).state === 'connected');
  keeper.datagram(new Uint8Array(28), 'natt', { address: '127.0.0.1', port: 4500 });
  await soon(() => world.configs.length === 2);
  assert.deepEqual(given, ['of alice', 'of alice']);
  await keeper.stop();
});

/** The gateway is gone, and the user does not wait for the next try. */
async function loses({ keeper }: Pick<ReturnType<typeof setUp>, 'keeper'>) {
  keeper.datagram(new Uint8Array(28), 'natt', { address: '127.0.0.1', port: 4500 });
  await soon(() => keeper.statusFor(ALICE).retryAt !== undefined || keeper.statusFor(ALICE).prompt !== undefined);
  assert.equal(codeOf(keeper.up('Zoo', ALICE)), 'ok');
}

test('a profile that came to be for another gateway meanwhile: its key is not told to the old one, nor the old one’s key kept in it', async () => {
  const changes: Readonly<Record<string, Partial<Profile>>> = {
    gateway: { gateway: '127.0.0.9' },
    remoteId: { remoteId: 'keyid:0badcafe' },
    localId: { localId: 'bob@office.test' },
    trust: { trust: { ...defaultTrust('psk'), authorities: ['AAAA'] } },
  };
  for (const [what, change] of Object.entries(changes)) {
    const scene = twins({ script: diesWhenTold });
    const { keeper, profiles, logs, world } = scene;
    const mine = () => profiles.list(ALICE).find(({ shared }) => !shared);
    const before = mine();
    assert.ok(before && profiles.put(before, { kind: 'forget' }).ok);
    assert.equal(codeOf(keeper.up('Zoo', ALICE)), 'ok');
    const first = keeper.statusFor(ALICE).prompt;
    assert.equal(first?.rememberAllowed, true);
    const psk = new TextEncoder().encode('of the new gateway');
    assert.ok(profiles.put({ ...before, profile: { ...before.profile, ...change } }, { kind: 'set', secret: { psk } }).ok);
    assert.equal(codeOf(keeper.answer(ALICE, first.id, 'of the old gateway', true)), 'ok');
    await soon(() => keeper.statusFor(ALICE).state === 'connected');
    const now = mine();
    const kept = now && profiles.secretOf(now);
    assert.equal(kept?.ok && Buffer.from(kept.value.psk ?? []).toString(), 'of the new gateway', what);
    const why = logs.read(ALICE, 100, 'warn', 1e6).find(({ text }) => text === 'could not be remembered: psk')?.fields?.why;
    assert.match(String(why), /is for another gateway or user/, what);
    await loses(scene);
    await soon(() => keeper.statusFor(ALICE).prompt !== undefined || world.configs.length > 1);
    assert.equal(keeper.statusFor(ALICE).prompt?.rememberAllowed, false, `${what}: the user is asked`);
    await keeper.stop();
  }
});

test('what does not change who it is for changes nothing about its key', async () => {
  const scene = twins({ script: diesWhenTold });
  const { keeper, profiles, world } = scene;
  const [own] = profiles.list(ALICE).filter(({ shared }) => !shared);
  assert.ok(own);
  assert.equal(codeOf(keeper.up('Zoo', ALICE)), 'ok');
  await soon(() => keeper.statusFor(ALICE).state === 'connected');
  assert.ok(profiles.put({ ...own, profile: { ...own.profile, mtu: 1280 } }, { kind: 'keep' }).ok);
  await loses(scene);
  await soon(() => world.configs.length === 2);
  await keeper.stop();
});

/** Asks for a name and a password, then comes up. */
const asksBoth: FakeOptions['script'] = (input, emit) => {
  const ask = { kind: 'credential', text: '', identity: '', attempt: 1 } as const;
  if (input.kind === 'start') {
    for (const step of ['sa-init', 'auth'] as const) emit({ kind: 'progress', step });
    emit({ kind: 'ask', id: 1, ask: { ...ask, want: 'identity' } });
  } else if (input.kind !== 'answer') diesWhenTold(input, emit);
  else if (input.id === 1) emit({ kind: 'ask', id: 2, ask: { ...ask, want: 'password' } });
  else comesUp({ kind: 'start' }, emit);
};

test('a name and a password of one login are both remembered, and the password is there for the next; of another user it is not', async () => {
  const scene = twins({ script: asksBoth });
  const { keeper, profiles } = scene;
  const mine = () => profiles.list(ALICE).find(({ shared }) => !shared);
  const before = mine();
  assert.ok(before);
  const eap = { methods: ['gtc'] as const, identity: '', serverName: '', authorities: [] };
  const profile: Profile = { ...before.profile, auth: 'eap', trust: defaultTrust('eap'), eap };
  assert.ok(profiles.put({ ...before, profile }, { kind: 'forget' }).ok);
  assert.equal(codeOf(keeper.up('Zoo', ALICE)), 'ok');
  const asked = async (kind: string) => {
    await soon(() => keeper.statusFor(ALICE).prompt?.kind === kind);
    return keeper.statusFor(ALICE).prompt?.id ?? '';
  };
  const connected = () => soon(() => keeper.statusFor(ALICE).state === 'connected');
  assert.equal(codeOf(keeper.answer(ALICE, await asked('identity'), 'alice', true)), 'ok');
  assert.equal(codeOf(keeper.answer(ALICE, await asked('password'), 'of alice', true)), 'ok');
  await connected();
  const now = mine();
  assert.deepEqual([now?.profile.eap?.identity, now?.secrets], ['alice', ['password']]);
  await loses(scene);
  await connected();
  assert.ok(now);
  const bob: Profile = { ...now.profile, eap: { ...eap, identity: 'bob' } };
  const password = new TextEncoder().encode('of bob');
  assert.ok(profiles.put({ ...now, profile: bob }, { kind: 'set', secret: { password } }).ok);
  await loses(scene);
  assert.notEqual(await asked('password'), '');
  await keeper.stop();
});

test('what is brought back after a restart is the profile that was up, and only that one is in use', async () => {
  const path = join(folder, 'wanted-twins.json');
  const wanted = openWanted(path, 'this boot', () => {});
  const first = twins({}, wanted);
  const [shared, own] = first.profiles.list(ALICE);
  assert.ok(shared?.shared && own && !own.shared);
  assert.equal(codeOf(first.keeper.up('Zoo', ALICE)), 'ok');
  await soon(() => first.keeper.statusFor(ALICE).state === 'connected');
  assert.deepEqual([first.keeper.inUse(own), first.keeper.inUse(shared)], [true, false]);
  const left = JSON.parse(readFileSync(path, 'utf8'));
  await first.keeper.stop();
  assert.equal(first.keeper.inUse(own), false);
  // What this version wrote, and one before it.
  for (const { of, ...older } of [left, { ...left, of: undefined }]) {
    writeFileSync(path, JSON.stringify({ ...older, ...(of && { of }) }));
    const next = twins({}, wanted);
    next.keeper.resume();
    assert.equal(next.keeper.statusFor(ALICE).profile?.name, 'Zoo');
    await next.keeper.stop();
  }
});

test('on a disk that became full, what is wanted stays as it was', {
  skip: process.getuid?.() !== 0 && 'only root mounts',
}, () => {
  const place = join(folder, 'small');
  mkdirSync(place);
  const program = `
    import { writeFileSync } from 'node:fs';
    import { openWanted } from '${join(import.meta.dirname, '../../../core/helper/wanted.ts')}';
    const wanted = openWanted('${join(place, 'wanted.json')}', 'boot', () => {});
    const tunnel = { profile: 'office', owner: 1000, addresses: [], inside: [] };
    wanted.keep(tunnel);
    try {
      writeFileSync('${join(place, 'full')}', Buffer.alloc(1 << 20));
    } catch {}
    wanted.keep({ ...tunnel, inside: Array.from({ length: 2000 }, (_, at) => '10.9.' + at) });
    console.log(wanted.take()?.profile);`;
  const mounted = `mount -t tmpfs -o size=64k none '${place}' && exec "$0" --input-type=module -e "$1"`;
  const { stdout, stderr } = spawnSync('unshare', ['-m', 'sh', '-c', mounted, process.execPath, program], { encoding: 'utf8' });
  assert.equal(stdout.trim(), 'office', stderr);
});

test('on a disk that became read-only, a tunnel ends and the next engine starts', {
  skip: process.getuid?.() !== 0 && 'only root mounts',
}, () => {
  const place = join(folder, 'readOnly');
  mkdirSync(place);
  const program = `
    import { execFileSync } from 'node:child_process';
    import { openWanted } from '${join(import.meta.dirname, '../../../core/helper/wanted.ts')}';
    const said = [];
    const wanted = openWanted('${join(place, 'wanted.json')}', 'boot', (level, area, text) => said.push(level + ' ' + text));
    wanted.keep({ profile: 'office', owner: 1000, addresses: [], inside: [] });
    execFileSync('mount', ['-o', 'remount,ro', '${place}']);
    wanted.forget();
    console.log(JSON.stringify([wanted.take()?.profile, said]));`;
  const mounted = `mount -t tmpfs none '${place}' && exec "$0" --input-type=module -e "$1"`;
  const { stdout, stderr } = spawnSync('unshare', ['-m', 'sh', '-c', mounted, process.execPath, program], { encoding: 'utf8' });
  const line = 'warn after a restart of the helper the tunnel may come back by itself';
  assert.deepEqual(stdout && JSON.parse(stdout), ['office', [line, line]], stderr);
});

/** An engine that comes after one that died while the office was up, with what that one left. */
function comesAfter(name: string, whenLost: 'hold' | 'lock' | 'open', options: Options, secret: 'has the key' | 'has no key') {
  const path = join(folder, `wanted-${name}.json`);
  const wanted = openWanted(path, 'this boot', () => {});
  const engine = setUp(options, 5, wanted);
  const [mine] = engine.profiles.list(ALICE).filter(({ shared }) => !shared);
  assert.ok(mine);
  const changed = { ...mine, profile: { ...mine.profile, whenLost, gateway: 'vpn.nobody-has-this-name.test' } };
  assert.ok(engine.profiles.put(changed, { kind: secret === 'has the key' ? 'keep' : 'forget' }).ok);
  const addresses = [['vpn.nobody-has-this-name.test', [{ address: '127.0.0.1', family: 4 }]] as const] as const;
  wanted.keep({ profile: mine.profile.id, owner: ALICE, addresses, inside: ['10.9.0.2'] });
  return {
    ...engine,
    wanted,
    state: () => engine.keeper.statusFor(ALICE).state,
    reverted: () => engine.world.calls.includes('revert'),
  };
}

const soon = async (reached: () => boolean) => {
  for (const end = performance.now() + 10_000; !reached(); await new Promise((next) => setTimeout(next, 5)))
    assert.ok(performance.now() < end, 'in vain');
};

test('what was held when the engine died is held until it is back, by the addresses that are known, or let go when nobody wants it', async () => {
  const held = comesAfter('held', 'hold', {}, 'has the key');
  held.keeper.resume();
  assert.deepEqual([held.state(), held.keeper.statusFor(ALICE).held], ['reconnecting', true]);
  await soon(() => held.state() === 'connected');
  assert.equal(held.reverted(), false, 'at no moment');
  await held.keeper.down(ALICE);
  assert.equal(held.reverted(), true);
  assert.equal(held.wanted.take(), undefined);

  const given = comesAfter('given', 'hold', { script: neverAnswers }, 'has the key');
  given.keeper.resume();
  assert.equal(given.keeper.statusFor(ALICE).held, true);
  await given.keeper.down(ALICE);
  assert.equal(given.reverted(), true, 'also where it was not up again');

  const nobody = comesAfter('nobody', 'hold', {}, 'has the key');
  nobody.wanted.forget();
  nobody.keeper.resume();
  assert.deepEqual([nobody.reverted(), nobody.keeper.active()], [true, false]);

  const open = comesAfter('open', 'open', { script: neverAnswers }, 'has the key');
  open.keeper.resume();
  assert.deepEqual([open.reverted(), open.keeper.statusFor(ALICE).held], [true, false]);
  await open.keeper.stop();
});

test('a key that only the user knows: what is held is held while they are asked, what is locked until they connect or disconnect', async () => {
  const asked = comesAfter('asked', 'hold', { promptPatience: 30 }, 'has no key');
  asked.keeper.resume();
  assert.equal(asked.state(), 'waiting');
  assert.equal(asked.reverted(), false);
  await soon(() => asked.state() === 'failed');
  assert.equal(asked.keeper.statusFor(ALICE).failure?.code, 'prompt-expired');
  assert.equal(asked.reverted(), true);

  const locked = comesAfter('locked', 'lock', {}, 'has no key');
  locked.keeper.resume();
  const { state, held, failure, prompt } = locked.keeper.statusFor(ALICE);
  assert.deepEqual([state, held, failure?.code, prompt], ['blocked', true, 'engine-restarted', undefined]);
  assert.match(failure?.advice ?? '', /Connect again/);
  assert.equal(codeOf(locked.keeper.up('Office', ALICE)), 'ok');
  const question = locked.keeper.statusFor(ALICE).prompt;
  assert.equal(codeOf(locked.keeper.answer(ALICE, question?.id ?? '', 'the key', false)), 'ok');
  await soon(() => locked.state() === 'connected');
  assert.equal(locked.reverted(), false);
  await locked.keeper.down(ALICE);
  assert.equal(locked.reverted(), true);
});

test('what is locked is tried by one engine, and stays locked when that dies, too', async () => {
  const second = comesAfter('second', 'lock', { script: neverAnswers }, 'has the key');
  second.keeper.resume();
  assert.equal(second.state(), 'reconnecting');
  const left = second.wanted.take();
  assert.equal(left?.tried, true);
  await second.keeper.stop('kept');

  const third = comesAfter('third', 'lock', { script: neverAnswers }, 'has the key');
  const mine = third.wanted.take();
  assert.ok(mine);
  third.wanted.keep({ ...mine, tried: true });
  third.keeper.resume();
  assert.deepEqual([third.state(), third.keeper.statusFor(ALICE).held], ['blocked', true]);
  assert.equal(third.world.configs.length, 0, 'nothing was tried');
  await third.keeper.down(ALICE);
  assert.equal(third.reverted(), true);
  assert.equal(third.wanted.take(), undefined);
});
