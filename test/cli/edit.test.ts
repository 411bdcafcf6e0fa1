import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { IkeConfig } from '../../core/ike/sa/contract.ts';
import { profileText } from '../unit/profile/sample.ts';
import { comesUp, neverAnswers, ownSecret } from '../unit/tunnel/fakes.ts';
import { assertRefused, command, start } from './command.ts';
import { type FakeHelper, startFakeHelper } from './fakeHelper.ts';

// The client refuses a helper that is not root's.
const skip = process.getuid?.() === 0 ? false : 'needs root: the client trusts a socket of root only';

const helpers: FakeHelper[] = [];
after(async () => {
  for (const helper of helpers) await helper.close();
});

async function helperWith(...args: Parameters<typeof startFakeHelper>): Promise<FakeHelper> {
  const helper = await startFakeHelper(...args);
  helpers.push(helper);
  return helper;
}

const office = ['name=Office', 'gateway=127.0.0.1', 'localId=alice@office.test', 'ipv6=no'];

test('create, edit, duplicate, remove, restore', { skip }, async () => {
  const { socket, journal } = await helperWith();
  const created = await command(
    socket,
    ['create', ...office, 'folder=Work', '--secret-file', '-'],
    'a key from standard input\n',
  );
  assert.match(created.stdout, /^Created "Office" \([0-9a-f-]{36}\)\.\n$/);
  const edited = await command(socket, ['--json', 'edit', 'Office', 'mtu=1300', 'remoteNetworks=10.0.0.0/8, 10.0.0.0/8']);
  assert.equal(JSON.parse(edited.stdout).profile.hasSecret, true, 'an edit keeps the key');
  const view = JSON.parse((await command(socket, ['--json', 'show', 'Office'])).stdout);
  assert.deepEqual([view.mtu, view.remoteNetworks, view.folder, view.locked], [1300, ['10.0.0.0/8'], 'Work', []]);
  await command(socket, ['edit', 'Office', 'mobike=no', 'additionalChildren=10.2.0.0/16, 10.3.0.0/16; 192.168.7.1/24']);
  const shown = (await command(socket, ['show', 'Office'])).stdout;
  assert.match(shown, /^Further CHILD SA +10\.2\.0\.0\/16, 10\.3\.0\.0\/16\nFurther CHILD SA +192\.168\.7\.0\/24$/m);
  assert.match(shown, /^Changes of network +by connecting again$/m);
  const ppk = ['edit', 'Office', 'ppk={"id":"office-ppk-1","required":true}', '--ppk-file', '-'];
  assert.equal((await command(socket, ppk, 'a post-quantum key of the office\n')).code, 0);
  const stored = (await command(socket, ['show', 'Office'])).stdout;
  assert.match(stored, /^Stored +pre-shared key, post-quantum key$/m);
  assert.match(stored, /^Post-quantum key +office-ppk-1, demanded$/m);
  assert.equal((await command(socket, ['edit', 'Office', 'ppk={"id":""}'])).code, 0);
  assert.doesNotMatch((await command(socket, ['show', 'Office'])).stdout, /post-quantum/i);
  assert.equal(journal.join('').includes('a post-quantum key'), false);
  assert.match((await command(socket, ['list'])).stdout, /^Work \/ Office {2}/m);
  assert.match((await command(socket, ['duplicate', 'Office'])).stdout, /^Created "Office 2" /);
  const removed = await command(socket, ['remove', 'Office']);
  const [, undo = ''] = /`sallyport restore ([0-9a-f]+)`/.exec(removed.stdout) ?? [];
  assertRefused(await command(socket, ['show', 'Office']), 'profile-unknown');
  assert.match((await command(socket, ['restore', undo])).stdout, /^"Office" is back/);
  assertRefused(await command(socket, ['restore', undo]), 'undo-unknown');
  assert.equal(JSON.parse((await command(socket, ['--json', 'show', 'Office'])).stdout).hasSecret, true);
  const forgot = await command(socket, ['--json', 'edit', 'Office', '--forget-secret']);
  assert.equal(JSON.parse(forgot.stdout).profile.hasSecret, false);
  assert.equal(journal.join('').includes('a key from'), false);
});

test('every problem is told at once, by field and code; nothing is stored', { skip }, async () => {
  const { socket } = await helperWith();
  const wrong = ['create', 'name=', 'gateway=a b', 'localId=x', 'mtu=7'];
  const told = await command(socket, wrong);
  assertRefused(told, 'profile-invalid', /\(name, gateway, mtu\)/);
  assert.match(told.stderr, /^mtu: expected 1280 to 1500, found 7$/m);
  const json = await command(socket, ['--json', ...wrong]);
  const { error } = JSON.parse(json.stdout);
  assert.deepEqual(
    error.problems.map(({ field, code }: { field: string; code: string }) => [field, code]),
    [
      ['name', 'required'],
      ['gateway', 'gateway-invalid'],
      ['mtu', 'out-of-range'],
    ],
  );
  assert.equal(json.code, told.code);
  const dry = await command(socket, ['create', ...office, '--dry-run']);
  assert.match(dry.stdout, /^Would create "Office"/);
  assert.deepEqual(JSON.parse((await command(socket, ['--json', 'list'])).stdout), { profiles: [] });
});

test('fields that are none, values that are none, files that are none', { skip }, async () => {
  const { socket, folder } = await helperWith();
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['create', 'colour=red'], /there is no field "colour"/],
    [['create', 'secret=hunter2'], /a key is given with --secret-file/],
    [['create', 'name'], /expected FIELD=VALUE/],
    [['create', 'mtu=big'], /mtu: expected a number/],
    [['create', 'dns=perhaps'], /dns: expected yes or no/],
    [['create', 'gatewayPorts=500'], /gatewayPorts: expected two ports/],
  ];
  for (const [args, detail] of cases) {
    const ended = await command(socket, args);
    assertRefused(ended, 'usage', detail);
    assert.equal(ended.stderr.includes('hunter2'), false);
  }
  const none = join(folder, 'none');
  assertRefused(await command(socket, ['create', ...office, '--secret-file', none]), 'profile-secret-missing', /none: ENOENT/);
  writeFileSync(none, '\n');
  assertRefused(await command(socket, ['create', ...office, '--secret-file', none]), 'profile-secret-missing', /it is empty/);
});

test('locked fields and secrets stay as they are', { skip }, async () => {
  const { socket } = await helperWith();
  await command(socket, ['import', '-'], profileText({ locked: true }));
  assert.match((await command(socket, ['show', 'Office'])).stdout, /^Locked +name, folder, gateway, /m);
  const edited = await command(socket, ['edit', 'Office', 'gateway=evil.test', '--secret-file', '-'], 'another key');
  assertRefused(edited, 'profile-invalid', /\(gateway, secret\)/);
  assertRefused(await command(socket, ['edit', 'Office', '--forget-secret']), 'profile-invalid', /\(secret\)/);
});

test('up without a key: no terminal, a file, a wrong file; the helper is left idle', { skip }, async () => {
  const { socket, world, journal } = await helperWith({
    script: (input, emit) => {
      const config: IkeConfig | undefined = world.configs.at(-1);
      const right = new TextDecoder().decode(ownSecret(config)) === 'the right key of all';
      if (input.kind !== 'start' || right) comesUp(input, emit);
      else emit({ kind: 'closed', failure: { code: 'authentication-failed', evidence: 'AUTHENTICATION_FAILED' } });
    },
  });
  await command(socket, ['create', ...office]);
  assertRefused(await command(socket, ['up', 'Office']), 'profile-secret-missing', /no terminal/);
  assert.equal((await command(socket, ['status'])).stdout, 'Not connected\n');
  const wrong = await command(socket, ['up', 'Office', '--secret-file', '-'], 'a wrong key of mine\n');
  assertRefused(wrong, 'authentication-failed', /AUTHENTICATION_FAILED/);
  assert.equal((await command(socket, ['status'])).stdout, 'Not connected\n');
  const right = await command(socket, ['--json', 'up', 'Office', '--secret-file', '-', '--remember'], 'the right key of all\n');
  assert.equal(JSON.parse(right.stdout).connected, true, right.stdout);
  await command(socket, ['down']);
  assert.equal((await command(socket, ['up', 'Office'])).code, 0, 'it was remembered');
  const { sessions } = JSON.parse((await command(socket, ['--json', 'history'])).stdout);
  assert.deepEqual(
    sessions.map(({ endReason }: { endReason?: string }) => endReason),
    [undefined, 'user', 'user', 'user'],
  );
  await command(socket, ['down']);
  const table = (await command(socket, ['history', '-n', '1'])).stdout.split('\n');
  assert.match(table[0] ?? '', /^STARTED +PROFILE +ADDRESS +LASTED +RECEIVED +SENT +END$/);
  assert.match(table[1] ?? '', /Office +10\.9\.0\.2\/32 .*You ended it\.$/);
  assert.equal(/right key|wrong key/.test(journal.join('')), false);
});

test('status tells what is waited for and the steps', { skip }, async () => {
  const { socket } = await helperWith({ script: neverAnswers });
  await command(socket, ['create', ...office]);
  assert.match((await command(socket, ['history'])).stderr, /There was no connection yet/);
  const up = start(socket, ['up', 'Office', '--secret-file', '-'], 'a key\n');
  await up.says('Securing the channel');
  const status = await command(socket, ['status']);
  assert.match(status.stdout, /^ {2}Steps +gateway found: \d+ ms, channel secured: for \d+ ms, gateway proven: not yet, /m);
  up.process.kill('SIGINT');
  assert.equal((await up.ended).code, 130);
});

test('the log is read over many answers', { skip }, async () => {
  const { socket, logs } = await helperWith({}, { logLines: 100_000 });
  for (let i = 0; i < 20_000; i++) logs.log('info', 'test', `line ${i} ${'x'.repeat(200)}`);
  const read = await command(socket, ['--json', 'log', '-n', '100000']);
  const lines = read.stdout.trimEnd().split('\n');
  const texts = lines.map((line) => JSON.parse(line).text).filter((text: string) => text.startsWith('line '));
  assert.deepEqual(
    texts.map((text: string) => Number(text.split(' ')[1])),
    Array.from({ length: 20_000 }, (_, i) => i),
  );
  assert.equal((await command(socket, ['--json', 'log', '-n', '7000'])).stdout.trimEnd().split('\n').length, 7000);
});
