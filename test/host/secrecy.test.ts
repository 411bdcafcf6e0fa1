/**
 * SECURITY.md 26, with everything real and the helper at --log-level debug: of the passwords and keys that were used nothing is in a log, in a
 * file that is not made for it, or in a core; what the store gave is wiped after use; and nobody but root reads the memory of engine and key agent.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, readSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OfficeOptions } from '../gateway/office.ts';
import { base64, Office2026, OfficeScene, proofOf, USER } from './officeScene.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root: network namespaces';
const ca = new Office2026();
const STORED = 'a-stored-password-7f3a9c';
const TYPED = 'a-typed-password-51d2be';
const MISTYPED = 'a-mistyped-password-9e04';
const IDENTITY = 'alice';

/** The private number of the key: wherever the key is, in whatever file format, these octets are in it. */
const scalar = Buffer.from(createPrivateKey(ca.alice.key.pkcs8Pem).export({ format: 'jwk' }).d ?? '', 'base64url');

const office: OfficeOptions = {
  certificate: proofOf(ca.gateway),
  userAuthorities: [base64(ca.root.der)],
  users: [{ identity: USER, proofs: ['certificate', 'eap'] }],
  eap: { methods: ['mschapv2'], users: { [IDENTITY]: { password: TYPED } }, retries: 2 },
};

/** In every form in which they could have been written down. */
function forms(): ReadonlyMap<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (const secret of [STORED, TYPED, MISTYPED]) {
    found.set(secret, Buffer.from(secret));
    found.set(`${secret} in UTF-16`, Buffer.from(secret, 'utf16le'));
    found.set(`${secret} in hex`, Buffer.from(Buffer.from(secret).toString('hex')));
    found.set(`${secret} in base64`, Buffer.from(Buffer.from(secret).toString('base64').replace(/=+$/, '').slice(0, -1)));
  }
  found.set('the key', scalar);
  found.set('the key in hex', Buffer.from(scalar.toString('hex')));
  found.set('the key as numbers', Buffer.from([...scalar.subarray(0, 8)].join(',')));
  const lines = ca.alice.key.pkcs8Pem.split('\n').filter((line) => line.length > 40 && !line.startsWith('-----'));
  for (const [at, line] of lines.entries()) found.set(`line ${at} of the PEM`, Buffer.from(line));
  return found;
}

function leaks(where: string, octets: Buffer): string[] {
  return [...forms()].filter(([, form]) => octets.includes(form)).map(([name]) => `${name} in ${where}`);
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function run([file = '', ...args]: readonly string[], cwd = '/') {
  return spawnSync(file, args, { encoding: 'utf8', cwd });
}

function childOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
}

let scene: OfficeScene;
let profile = '';
before(async () => {
  if (skip) return;
  scene = await OfficeScene.start();
  await scene.open(office);
  const auth = {
    method: 'certificate-eap',
    certificate: ca.alice.chainPem,
    key: ca.alice.key.pkcs8Pem,
    identity: IDENTITY,
    password: STORED,
  };
  profile = await scene.profile({ auth, gatewayAuth: { authorities: [ca.root.pem] } });
});
after(async () => {
  await scene?.close();
});

test('the search finds what it looks for', { skip }, () => {
  assert.deepEqual(leaks('x', Buffer.from(`{"secret":"${TYPED}"}`)), [`${TYPED} in x`]);
  assert.ok(leaks('x', Buffer.from(ca.alice.key.pkcs8Pem)).length > 0);
  assert.deepEqual(leaks('x', Buffer.from(ca.alice.pkcs8)), ['the key in x']);
});

test('a stored password that is wrong, a mistyped one, the right one; connected: no log has any of it, at debug', {
  skip,
}, async () => {
  assert.equal(await scene.up(profile, { password: [MISTYPED, TYPED] }, true), 'connected');
  assert.match(scene.said, /"level":"debug"/);
  assert.match(scene.said, /waiting for the password/);
  const lines = await scene.log();
  assert.match(lines, /"level":"debug"/);
  assert.deepEqual(leaks('what the helper wrote', Buffer.from(scene.said)), []);
  assert.deepEqual(leaks('the log', Buffer.from(lines)), []);
  assert.deepEqual(leaks('the status', Buffer.from(JSON.stringify(scene.status()))), []);
  const sessions = await scene.rpc.call('history.list', {});
  assert.deepEqual(leaks('the history', Buffer.from(JSON.stringify(sessions))), []);
  const shown = await scene.rpc.call('profile.show', { profile });
  assert.deepEqual(leaks('the profile as it is shown', Buffer.from(JSON.stringify(shown))), []);
});

test('files: secrets are in the files of secrets alone, which are the engine’s and nobody else’s', { skip }, () => {
  const holders = new Set<string>();
  for (const file of filesBelow(scene.folder)) {
    if (leaks(file, readFileSync(file)).length === 0) continue;
    holders.add(file);
    const { mode } = statSync(file);
    assert.equal(mode & 0o777, 0o600, file);
    assert.match(file, /\.secret$/);
  }
  // The key, and the password that was remembered.
  assert.equal(holders.size, 2, [...holders].join(' '));
});

test('the command lines and environments of the helper have none of it', { skip }, () => {
  for (const pid of [scene.enginePid(), childOf(scene.enginePid())]) {
    for (const what of ['cmdline', 'environ']) assert.deepEqual(leaks(what, readFileSync(`/proc/${pid}/${what}`)), []);
  }
});

test('nobody of the engine’s own user reads its memory or the agent’s, nor traces them', { skip }, () => {
  const engine = scene.enginePid();
  const agent = childOf(engine);
  assert.match(readFileSync(`/proc/${agent}/cmdline`, 'utf8'), /keyAgent/);
  for (const pid of [engine, agent]) {
    const uid = Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
    assert.ok(uid > 0);
    // proc(5): of a process that is not dumpable the files are root's.
    assert.equal(statSync(`/proc/${pid}/mem`).uid, 0);
    const as = ['--reuid', String(uid), '--regid', String(uid), '--clear-groups', '--'];
    for (const file of ['mem', 'maps', 'environ']) {
      const read = run(['setpriv', ...as, 'head', '-c', '1', `/proc/${pid}/${file}`]);
      assert.match(read.stderr, /Permission denied/, file);
    }
  }
});

test('the agent has no descriptor of the engine’s and no capability', { skip }, () => {
  const agent = childOf(scene.enginePid());
  const status = readFileSync(`/proc/${agent}/status`, 'utf8');
  for (const line of ['CapEff:\t0000000000000000', 'CapPrm:\t0000000000000000', 'NoNewPrivs:\t1'])
    assert.ok(status.includes(line), line);
  const links = run(['ls', '-l', `/proc/${agent}/fd`]).stdout;
  assert.equal(/engine\.lock|\/dev\/net\/tun/.test(links), false, links);
  // Beside standard error, which is the journal's.
  assert.deepEqual(
    links.match(/ \d+ -> socket:/g)?.filter((link) => !link.startsWith(' 2 ')),
    [' 3 -> socket:'],
    links,
  );
});

test('with the key out of a file, the engine’s memory has nothing of it left; the agent’s has', { skip }, async () => {
  await scene.down();
  const before = childOf(scene.enginePid());
  await scene.stopHelper();
  while (/^State:\s+[^Z]/m.test(statusText(before))) await sleep(20);
  // A new engine never saw the file that was imported: only what it read from its store.
  await scene.startHelper();
  assert.equal(await scene.up(profile), 'connected');
  const engine = scene.enginePid();
  assert.deepEqual(memoryHas(childOf(engine), scalar), true, 'the agent signs with it');
  assert.deepEqual(memoryHas(engine, scalar), false);
  // Nor of the password: it was read, used and wiped as octets, and never was a text.
  for (const form of [Buffer.from(TYPED), Buffer.from(TYPED, 'utf16le')]) assert.equal(memoryHas(engine, form), false, `${form}`);
});

test('killed by a fault, neither leaves a core, although the limit would let them', { skip }, async (context) => {
  assert.equal(scene.status().state, 'connected');
  const engine = scene.enginePid();
  const agent = childOf(engine);
  for (const pid of [engine, agent]) {
    assert.match(readFileSync(`/proc/${pid}/limits`, 'utf8'), /Max core file size\s+unlimited/);
  }
  const before = placesOfCores();
  process.kill(agent, 'SIGSEGV');
  process.kill(engine, 'SIGSEGV');
  while (/^State:\s+[^Z]/m.test(statusText(engine))) await sleep(20);
  const fresh = placesOfCores().filter((file) => !before.includes(file));
  assert.deepEqual(
    fresh.filter((file) => /core/.test(file)),
    [],
  );
  assert.deepEqual(leaks('what the helper wrote', Buffer.from(scene.said)), []);
  // A process that is not protected, under the same limit: does this computer write cores at all?
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-core-'));
  context.after(() => rmSync(folder, { recursive: true }));
  run(['prlimit', '--core=unlimited', '--', 'sh', '-c', 'kill -SEGV $$'], folder);
  const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'utf8').trim();
  context.diagnostic(`core_pattern ${pattern}: an unprotected process leaves ${readdirSync(folder).length} core here`);
});

/** The working directories of engine and agent, and where the kernel is told to write. */
function placesOfCores(): string[] {
  const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'utf8').trim();
  const fixed = pattern.startsWith('/') ? [dirname(pattern)] : [];
  return [
    ...filesBelow(scene.folder),
    ...['/', ...fixed].flatMap((place) => readdirSync(place).map((name) => join(place, name))),
  ];
}

function statusText(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return 'State:\tZ';
  }
}

/** As root may. Only what the process can write: heaps, stacks, buffers. */
function memoryHas(pid: number, needle: Buffer): boolean {
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  const piece = Buffer.alloc(4 << 20);
  try {
    for (const [, from, to] of readFileSync(`/proc/${pid}/maps`, 'utf8').matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw/gm)) {
      let at = BigInt(`0x${from}`);
      const end = BigInt(`0x${to}`);
      // What lies across two pieces is found in the second, which begins a little earlier.
      for (let kept = 0; at < end; ) {
        const wanted = Math.min(piece.length - kept, Number(end - at));
        const read = tryRead(memory, piece.subarray(kept, kept + wanted), at);
        if (read === 0) break;
        const filled = piece.subarray(0, kept + read);
        if (filled.includes(needle)) return true;
        kept = Math.min(needle.length, filled.length);
        filled.copy(piece, 0, filled.length - kept);
        at += BigInt(read);
      }
    }
    return false;
  } finally {
    closeSync(memory);
  }
}

/** Some of what is mapped cannot be read: devices, guard pages. */
function tryRead(fd: number, into: Buffer, at: bigint): number {
  try {
    return readSync(fd, into, 0, into.length, at);
  } catch {
    return 0;
  }
}
