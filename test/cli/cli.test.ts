import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { reasons } from '../../core/tunnel/reasons.ts';
import { profileText } from '../unit/profile/sample.ts';
import { comesUp, type FakeOptions, neverAnswers } from '../unit/tunnel/fakes.ts';
import { assertRefused, command, MAIN, start } from './command.ts';
import { type FakeHelper, startFakeHelper } from './fakeHelper.ts';

// The client refuses a helper that is not root's.
const skip = process.getuid?.() === 0 ? false : 'needs root: the client trusts a socket of root only';

const helpers: FakeHelper[] = [];
after(async () => {
  for (const helper of helpers) await helper.close();
});

async function helperWith(options: FakeOptions = {}): Promise<FakeHelper> {
  const helper = await startFakeHelper(options);
  helpers.push(helper);
  return helper;
}

/** A helper with a profile whose gateway is this computer, so that the path to it exists. */
async function imported(options: FakeOptions = {}, changes: Readonly<Record<string, unknown>> = {}): Promise<FakeHelper> {
  const helper = await helperWith(options);
  const done = await command(helper.socket, ['import', '-'], profileText({ gateway: '127.0.0.1', ipv6: false, ...changes }));
  assert.equal(done.code, 0, done.stderr);
  return helper;
}

test('import, list, show, remove', { skip }, async () => {
  const { socket, folder, journal } = await helperWith();
  const file = join(folder, 'office.json');
  writeFileSync(file, profileText({ color: 'red', auth: { method: 'psk', secret: 'too short' } }));
  const first = await command(socket, ['import', file]);
  assert.equal(first.stdout, 'Imported "Office" (2d2e7f70-5b0a-4a55-9d7e-3f1c5f0a8b11).\n');
  assert.match(first.stderr, /^Left out: color: /m);
  assert.match(first.stderr, /^Warning: auth\.secret: shorter than 20/m);
  const again = await command(socket, ['--json', 'import', file]);
  assert.equal(JSON.parse(again.stdout).replaced, true);
  const dry = await command(socket, ['import', '--dry-run', '-'], profileText({ uuid: undefined, name: 'Other' }));
  assert.match(dry.stdout, /^Would import "Other"/);
  const list = await command(socket, ['list']);
  assert.deepEqual(
    list.stdout.split('\n').map((line) => line.split(/ {2,}/)[0]),
    ['NAME', 'Office', ''],
  );
  const shown = await command(socket, ['show', 'Office']);
  assert.match(shown.stdout, /^Its identity +vpn\.office\.test$/m);
  assert.equal(JSON.parse((await command(socket, ['--json', 'show', 'Office'])).stdout).hasSecret, true);
  assert.equal((await command(socket, ['remove', 'Office'])).code, 0);
  assert.deepEqual(JSON.parse((await command(socket, ['--json', 'list'])).stdout), { profiles: [] });
  assert.equal(`${journal.join('')}${shown.stdout}`.includes('too short'), false, 'the key is nowhere');
});

test('profiles that are not right', { skip }, async () => {
  const { socket, folder } = await helperWith();
  assertRefused(await command(socket, ['import', join(folder, 'absent.json')]), 'profile-unreadable', /absent\.json: ENOENT/);
  assertRefused(await command(socket, ['import', folder]), 'profile-unreadable', /EISDIR/);
  assertRefused(await command(socket, ['import', '-'], '{"sallyport":1,'), 'profile-malformed', /line 1, column 16/);
  assertRefused(
    await command(socket, ['import', '-'], profileText({ mtu: 7 })),
    'profile-malformed',
    /mtu: expected 1280 to 1500, found 7/,
  );
  assertRefused(await command(socket, ['import', '-'], '\ufffe'.repeat(300_000)), 'profile-malformed', /larger than/);
  const binary = join(folder, 'binary');
  writeFileSync(binary, Uint8Array.of(0xff, 0xfd, 0x80));
  assertRefused(await command(socket, ['import', binary]), 'profile-malformed', /neither a profile nor PKCS #12, PEM or DER/);
  for (const args of [
    ['up', 'nowhere'],
    ['show', 'nowhere'],
    ['remove', 'nowhere'],
  ]) {
    assertRefused(await command(socket, args), 'profile-unknown');
  }
});

test('up, status, a second up, down, a second down', { skip }, async () => {
  const { socket, world } = await imported();
  const up = await command(socket, ['up', 'Office']);
  assert.equal(up.code, 0, up.stderr);
  assert.match(
    up.stdout,
    /^Connected: Office through 192\.0\.2\.1|^Connected: Office through 127\.0\.0\.1 \(192\.0\.2\.1\), address 10\.9\.0\.2\/32, in \d+\.\d s\.\n$/,
  );
  const status = await command(socket, ['status']);
  for (const word of [
    /^Connected for/,
    /Gateway +127/,
    /Addresses +10\.9\.0\.2\/32/,
    /AES_GCM_16 256/,
    /0xa1b2c3d4/,
    /NAT +in front of this computer/,
    /Received +0 packets/,
  ]) {
    assert.match(status.stdout, word);
  }
  assert.equal(JSON.parse((await command(socket, ['--json', 'status'])).stdout).state, 'connected');
  assertRefused(await command(socket, ['up', 'Office']), 'already-up', /"Office" is connected/);
  assertRefused(await command(socket, ['remove', 'Office']), 'profile-in-use');
  assertRefused(await command(socket, ['repair']), 'already-up');
  const down = await command(socket, ['down']);
  assert.deepEqual([down.code, down.stdout], [0, 'Disconnected.\n']);
  assert.equal(world.open.size, 0);
  assertRefused(await command(socket, ['down']), 'not-up');
  for (const what of ['child', 'ike']) assertRefused(await command(socket, ['rekey', what]), 'not-up');
  assertRefused(await command(socket, ['rekey', 'all']), 'usage');
  assert.equal((await command(socket, ['status'])).stdout, 'Not connected\n');
  const json = await command(socket, ['--json', 'up', 'Office']);
  assert.equal(JSON.parse(json.stdout).connected, true);
  assert.equal(json.stderr, '');
});

const ends: readonly (readonly [string, FakeOptions, Readonly<Record<string, unknown>>, keyof typeof reasons])[] = [
  ['a name that does not resolve', {}, { gateway: 'no-such-gateway.invalid' }, 'name-not-resolved'],
  ['no /dev/net/tun', { openTun: { code: 'no-tun-device', detail: '/dev/net/tun: ENOENT' } }, {}, 'no-tun-device'],
  ['no permission', { openTun: { code: 'permission', detail: 'TUNSETIFF: EPERM' } }, {}, 'helper-lacks-permission'],
  ['port in use', { bindUdp: { code: 'port-in-use', detail: 'UDP port 500 is used by charon (77)' } }, {}, 'port-in-use'],
  [
    'a gateway that refuses the key',
    {
      script: (input, emit) => {
        if (input.kind === 'start')
          emit({ kind: 'closed', failure: { code: 'authentication-failed', evidence: 'AUTHENTICATION_FAILED' } });
      },
    },
    {},
    'authentication-failed',
  ],
];
for (const [what, options, changes, code] of ends) {
  test(`up ends with its reason: ${what}`, { skip }, async () => {
    const { socket, world } = await imported(options, changes);
    assertRefused(await command(socket, ['up', 'Office']), code);
    assert.equal(world.open.size, 0, 'nothing is left open');
    const json = await command(socket, ['--json', 'up', 'Office']);
    assert.equal(json.code, reasons[code].exitCode);
    const { error } = JSON.parse(json.stdout);
    assert.deepEqual([error.code, error.what, error.advice], [code, reasons[code].what, reasons[code].advice]);
    const status = await command(socket, ['status']);
    assert.match(status.stdout, new RegExp(`^Failed [^]*Reason +${reasons[code].what.replace(/[.?]/g, '\\$&')}`));
  });
}

test('Ctrl-C while connecting takes the attempt back', { skip }, async () => {
  const { socket, world, tunnel } = await imported({ script: neverAnswers });
  const up = start(socket, ['up', 'Office']);
  await up.says('Securing the channel');
  up.process.kill('SIGINT');
  const ended = await up.ended;
  assertRefused(ended, 'cancelled');
  assert.equal(ended.code, 130);
  assert.equal(tunnel.active(), false);
  assert.equal(world.open.size, 0);
});

test('--timeout takes the attempt back too', { skip }, async () => {
  const { socket, tunnel } = await imported({ script: neverAnswers });
  assertRefused(await command(socket, ['up', 'Office', '--timeout', '0.3']), 'timed-out', /0\.3 s/);
  assert.equal(tunnel.active(), false);
});

test('who waits for a tunnel that is being brought back does not end it by waiting no longer', { skip }, async () => {
  let machines = 0;
  const { socket, tunnel, world } = await imported({
    script: (input, emit) => {
      if (input.kind === 'start') machines++;
      if (machines > 1) return neverAnswers(input, emit);
      if (input.kind === 'datagram') emit({ kind: 'closed', failure: { code: 'gateway-lost', evidence: 'no answer' } });
      else comesUp(input, emit);
    },
  });
  assert.equal((await command(socket, ['up', 'Office'])).code, 0);
  tunnel.datagram(new Uint8Array(28), 'natt', { address: '127.0.0.1', port: 4500 });
  const up = start(socket, ['up', 'Office']);
  await up.says('Reconnecting');
  up.process.kill('SIGINT');
  const ended = await up.ended;
  assertRefused(ended, 'not-waited-for', /`sallyport down` to end it/);
  assert.equal(ended.code, 46);
  assertRefused(await command(socket, ['up', 'Office', '--timeout', '0.3']), 'timed-out', /still being brought back/);
  assert.equal(tunnel.active(), true);
  assert.ok(world.open.size > 0);
  assert.equal((await command(socket, ['down'])).code, 0);
});

test('down from elsewhere ends a pending up', { skip }, async () => {
  const { socket } = await imported({ script: neverAnswers });
  const up = start(socket, ['up', 'Office']);
  await up.says('Securing the channel');
  assert.equal((await command(socket, ['down'])).code, 0);
  assertRefused(await up.ended, 'cancelled', /somebody ran `sallyport down`/);
});

test('a helper that goes while we wait', { skip }, async () => {
  const helper = await imported({ script: neverAnswers });
  const up = start(helper.socket, ['up', 'Office']);
  await up.says('Securing the channel');
  await helper.close();
  assertRefused(await up.ended, 'helper-gone');
});

test('no helper, a helper nobody can trust, and what is no helper', { skip }, async () => {
  const { folder } = await helperWith();
  assertRefused(await command(join(folder, 'absent.sock'), ['status']), 'helper-not-running', /absent\.sock is not there/);
  const loose = join(folder, 'loose');
  mkdirSync(loose);
  chmodSync(loose, 0o777);
  const server = createServer().listen(join(loose, 'a.sock'));
  await new Promise((resolve) => server.once('listening', resolve));
  assertRefused(await command(join(loose, 'a.sock'), ['status']), 'helper-untrusted', /writable by others/);
  server.close();
  writeFileSync(join(folder, 'file'), '');
  assertRefused(await command(join(folder, 'file'), ['status']), 'helper-untrusted', /is not a socket/);
  const deaf = createServer((socket) => socket.end()).listen(join(folder, 'deaf.sock'));
  await new Promise((resolve) => deaf.once('listening', resolve));
  assertRefused(await command(join(folder, 'deaf.sock'), ['status']), 'helper-gone');
  deaf.close();
});

test('status --watch and log -f follow until Ctrl-C', { skip }, async () => {
  const { socket, logs } = await imported();
  const watching = start(socket, ['--json', 'status', '--watch']);
  await watching.says('"idle"');
  await command(socket, ['up', 'Office']);
  await watching.says('"connected"');
  watching.process.kill('SIGINT');
  const watched = await watching.ended;
  assert.equal(watched.code, 0);
  const states = watched.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).state);
  assert.deepEqual([states[0], states[states.length - 1]], ['idle', 'connected']);
  const following = start(socket, ['log', '-f', '--level', 'warn', '-n', '1']);
  // Lines before it subscribed are not its business: say it until it is heard.
  const timer = setInterval(() => logs.log('warn', 'test', 'a line to follow', { answer: 42 }), 20);
  await following.says('warn  test     a line to follow answer=42').finally(() => clearInterval(timer));
  following.process.kill('SIGINT');
  assert.equal((await following.ended).code, 0);
});

test('a reader that goes away is no error', { skip }, async () => {
  const { socket, logs } = await helperWith();
  for (let i = 0; i < 400; i++) logs.log('info', 'test', 'x'.repeat(300));
  const log = start(socket, ['log', '-n', '400']);
  log.process.stdout?.destroy();
  const ended = await log.ended;
  assert.equal(ended.stderr, '');
  assert.equal(ended.code, 0);
});

test('output that cannot be written is one line and an exit code of its own', () => {
  const full = openSync('/dev/full', 'w');
  for (const args of [['exit-codes'], ['--json', 'exit-codes']]) {
    const done = spawnSync(process.execPath, [MAIN, ...args], { stdio: ['ignore', full, 'pipe'] });
    assertRefused({ code: done.status, stdout: '', stderr: String(done.stderr) }, 'output-failed', /ENOSPC/);
  }
  closeSync(full);
});

test('what the command line does not understand', async () => {
  for (const args of [
    ['frobnicate'],
    ['up'],
    ['up', 'a', 'b'],
    ['--nonsense'],
    ['up', 'x', '--timeout', 'soon'],
    ['log', '--level', 'loud'],
    ['up', ''],
    ['show', 'x'.repeat(257)],
  ]) {
    assertRefused(await command('/nonexistent', args), 'usage');
  }
  const json = await command('/nonexistent', ['--json', 'up']);
  assert.equal(JSON.parse(json.stdout).error.code, 'usage');
});

test('a group of commands of which none is named', async () => {
  for (const args of [['cert'], ['help', 'nothing'], ['--json']]) {
    const ended = await command('/nonexistent', args);
    assert.equal(ended.code, reasons.usage.exitCode);
    assert.match(`${ended.stdout}${ended.stderr}`, /expected a command/);
  }
});

test('what a helper of the same version does not accept was typed, and nobody is sent to restart it', { skip }, async () => {
  const { socket } = await imported();
  const long = 'x'.repeat(5000);
  assertRefused(await command(socket, ['edit', 'Office', `name=${long}`]), 'usage', /\(name: expected/);
  assertRefused(await command(socket, ['import', '-', '--name', long], profileText()), 'usage', /\(name: expected/);
  assertRefused(await command(socket, ['cert', 'show', '']), 'usage', /profile: expected/);
});

test('help, version and the exit codes, without a helper', async () => {
  const help = await command('/nonexistent', ['--help']);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /exit-codes/);
  for (const args of [['exit-codes'], ['help', 'exit-codes']]) {
    const { stdout } = await command('/nonexistent', args);
    for (const [code, { exitCode }] of Object.entries(reasons)) {
      assert.match(stdout, new RegExp(`^ +${exitCode} +${code} `, 'm'));
    }
  }
  assert.match((await command('/nonexistent', ['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
});

const NAUGHTY = 'a\u001b[2Jb\nc\u202e\u009b31m\u{e0001}';

test('a status of a gateway full of control characters prints none of them', { skip }, async () => {
  const { socket } = await imported({
    script: (input, emit) =>
      comesUp(input, (output) =>
        emit(output.kind === 'established' ? { ...output, sa: { ...output.sa, remoteIdentity: NAUGHTY } } : output),
      ),
  });
  await command(socket, ['up', 'Office']);
  const { stdout } = await command(socket, ['status']);
  assert.match(stdout, /gateway a\?\[2Jb\?c\?\?31m\?/);
  assert.equal(stdout.includes('\u001b') || stdout.includes('\u202e'), false);
  // Programs read the name as it is, and a terminal does not.
  const json = (await command(socket, ['--json', 'status'])).stdout;
  assert.equal(JSON.parse(json).ike.remoteIdentity, NAUGHTY);
  assert.doesNotMatch(json.trimEnd(), /[\p{Cc}\p{Cf}]/u);
});
