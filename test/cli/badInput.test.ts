/**
 * What users do wrong and what computers lack, with the real helper: each is one clear line with what to do and its own exit
 * code, no stack trace, and nothing is left behind.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { profileText } from '../unit/profile/sample.ts';
import { assertRefused } from './command.ts';
import { RealHelper, type RealHelperOptions } from './realHelper.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root for a network namespace';
const SECRET = 'correct horse battery staple';
/** Of RFC 5737's test network: routed, and nobody is there. */
const SILENT = '198.51.100.1';

const helpers: RealHelper[] = [];
after(async () => {
  for (const helper of helpers) await helper.remove();
});

async function helperWith(options: RealHelperOptions, changes: Readonly<Record<string, unknown>>): Promise<RealHelper> {
  const helper = await RealHelper.start(options);
  helpers.push(helper);
  const imported = await helper.cli(['import', '-'], { input: profileText({ ipv6: false, ...changes }) });
  assert.equal(imported.code, 0, imported.stderr);
  return helper;
}

/** After whatever was refused: the helper lives, no tunnel, no device, no route, no rule, no descriptor, no secret in a log. */
async function nothingLeft(helper: RealHelper): Promise<void> {
  assert.deepEqual(await helper.leftBehind(), []);
  const descriptors = readdirSync(`/proc/${helper.enginePid()}/fd`).map((fd) => {
    try {
      return readFileSync(`/proc/${helper.enginePid()}/fdinfo/${fd}`, 'utf8');
    } catch {
      return '';
    }
  });
  assert.equal(descriptors.filter((info) => /^iff:/m.test(info)).length, 0, 'no TUN device is open');
  assert.doesNotMatch(helper.said, /\n\s+at |a fault of our own/);
  assert.equal(helper.said.includes(SECRET), false);
}

test('malformed profile, unknown profile', { skip }, async () => {
  const helper = await helperWith({}, { gateway: SILENT });
  assertRefused(
    await helper.cli(['import', '-'], { input: '{"sallyport": 1, "name": }' }),
    'profile-malformed',
    /line 1, column 26/,
  );
  assertRefused(await helper.cli(['up', 'elsewhere']), 'profile-unknown');
  await nothingLeft(helper);
});

test('no route to the gateway', { skip }, async () => {
  const helper = await helperWith({}, { gateway: SILENT });
  assertRefused(await helper.cli(['up', 'Office']), 'no-route', /ENETUNREACH/);
  await nothingLeft(helper);
});

test('a name that does not resolve', { skip }, async () => {
  const helper = await helperWith({ network: true }, { gateway: 'vpn.office.test' });
  assertRefused(await helper.cli(['up', 'Office']), 'name-not-resolved', /vpn\.office\.test: /);
  await nothingLeft(helper);
});

test('the ports are taken by another program, which is named; any port is another way', { skip }, async () => {
  const helper = await helperWith({ network: true }, { gateway: SILENT });
  const script = "require('node:dgram').createSocket('udp4').bind(500, () => console.log('bound'))";
  const other = helper.namespace.spawn([process.execPath, '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  assert.ok(other.stdout);
  await once(other.stdout, 'data');
  assertRefused(await helper.cli(['up', 'Office']), 'port-in-use', /UDP port 500 is used by .*node/);
  await nothingLeft(helper);
  const around = await helper.cli(['import', '-'], { input: profileText({ gateway: SILENT, ipv6: false, localPort: 'any' }) });
  assert.equal(around.code, 0);
  assertRefused(await helper.cli(['up', 'Office', '--timeout', '1']), 'timed-out');
  other.kill();
  await nothingLeft(helper);
});

test('the helper may not change the network', { skip }, async () => {
  const helper = await helperWith(
    { network: true, wrap: ['setpriv', '--bounding-set', '-net_admin', '--'] },
    { gateway: SILENT },
  );
  assertRefused(await helper.cli(['up', 'Office']), 'helper-lacks-permission', /EPERM|EACCES/);
  await nothingLeft(helper);
});

test('no /dev/net/tun', { skip }, async () => {
  const hide = ['sh', '-c', 'mount -t tmpfs tmpfs /dev/net && exec "$@"', 'sh'];
  const helper = await helperWith({ network: true, wrap: hide }, { gateway: SILENT });
  assertRefused(await helper.cli(['up', 'Office']), 'no-tun-device', /\/dev\/net\/tun/);
  await nothingLeft(helper);
});

test('a second up, Ctrl-C of the first, and other users', { skip }, async () => {
  const helper = await helperWith({ network: true }, { gateway: SILENT });
  const first = helper.spawn(['up', 'Office']);
  assert.ok(first.stderr);
  let said = '';
  for await (const piece of first.stderr) {
    said += String(piece);
    if (said.includes('Securing the channel')) break;
  }
  assertRefused(await helper.cli(['up', 'Office']), 'already-up');
  const stranger = 54321;
  assertRefused(await helper.cli(['up', 'Office'], { user: stranger }), 'used-by-another');
  assertRefused(await helper.cli(['down'], { user: stranger }), 'not-permitted');
  assertRefused(await helper.cli(['repair'], { user: stranger }), 'not-permitted');
  assertRefused(await helper.cli(['show', 'Office'], { user: stranger }), 'profile-unknown');
  assert.match((await helper.cli(['status'], { user: stranger })).stdout, /^Another user/);
  assert.equal((await helper.cli(['log', '--level', 'debug'], { user: stranger })).stdout.includes(SILENT), false);
  const ended = once(first, 'exit');
  // `ip netns exec` and the wrapper replace themselves: the signal is the command's.
  first.kill('SIGINT');
  assert.equal((await ended)[0], 130);
  await nothingLeft(helper);
});

test('the engine has no capability, no group and a uid that is not 0, in every thread', { skip }, async () => {
  const helper = await helperWith({}, { gateway: SILENT });
  const tasks = `/proc/${helper.enginePid()}/task`;
  const threads = readdirSync(tasks);
  assert.ok(threads.length > 2);
  for (const thread of threads) {
    const text = readFileSync(join(tasks, thread, 'status'), 'utf8');
    for (const line of [/^CapEff:\t0{16}$/m, /^CapPrm:\t0{16}$/m, /^NoNewPrivs:\t1$/m, /^Groups:\t *$/m])
      assert.match(text, line);
    assert.doesNotMatch(text, /^Uid:.*\t0(\t|$)/m);
  }
});

test('a helper that is stopped leaves nothing and is missed in one line; profiles are there again after', { skip }, async () => {
  const helper = await helperWith({ network: true }, { gateway: SILENT });
  await helper.stop();
  assert.equal(existsSync(helper.socket), false);
  assertRefused(await helper.cli(['status']), 'helper-not-running');
  assert.deepEqual(await helper.leftBehind(), []);
  await helper.launch();
  assert.match((await helper.cli(['list'])).stdout, /^Office /m);
});
