/** The key agent as a process: what it does, what it may, and what comes of it when it fails. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { verifySignature } from '../../../core/crypto/signatures.ts';
import { createKeyAgent, type KeyAgent, type KeyAgentOptions } from '../../../core/helper/keyAgentClient.ts';
import { agentMessage, decodeMessage, encodeMessage, engineMessage } from '../../../core/helper/keyAgentContract.ts';
import { PR_SET_NO_NEW_PRIVS } from '../../../core/system/ffi/constants.ts';
import { prctl } from '../../../core/system/ffi/libc.ts';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-agent-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const isRoot = process.getuid?.() === 0;
// As the monitor does before it starts an engine.
if (isRoot) prctl(PR_SET_NO_NEW_PRIVS, 1);
const identity = { uid: 62_345, gid: 62_345 };
const lines: string[] = [];

function agentOf(more: Partial<KeyAgentOptions> = {}): KeyAgent {
  return createKeyAgent({
    log: (_level, _area, text, fields) => lines.push(`${text} ${JSON.stringify(fields ?? {})}`),
    ...(isRoot && { identity }),
    ...more,
  });
}

function pkcs8Of(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ format: 'der', type: 'pkcs8' }));
}

const rsa = pkcs8Of(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey);
const ec = pkcs8Of(generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey);
const edwards = pkcs8Of(generateKeyPairSync('ed25519').privateKey);
const message = Uint8Array.of(1, 2, 3, 4);

test('keys of every kind sign with every algorithm they offer, and are wiped here', async () => {
  const agent = agentOf();
  try {
    for (const pkcs8 of [rsa, ec, edwards]) {
      const given = pkcs8.slice();
      const loaded = await agent.load(given);
      assert.ok(loaded.ok, JSON.stringify(loaded));
      assert.ok(given.every((octet) => octet === 0));
      const { info } = loaded.value;
      assert.ok(info.algorithms.length > 0);
      for (const algorithm of info.algorithms) {
        const signed = await agent.sign(loaded.value, algorithm, message);
        assert.ok(signed.ok, JSON.stringify(signed));
        assert.equal(verifySignature(algorithm, info.publicKey, message, signed.value), undefined);
      }
    }
  } finally {
    agent.close();
  }
});

test('many questions at once are each answered with their own answer', async () => {
  const agent = agentOf();
  try {
    const loaded = await agent.load(edwards.slice());
    assert.ok(loaded.ok);
    const octets = Array.from({ length: 50 }, (_, i) => new Uint8Array(i * 1000).fill(i));
    const signed = await Promise.all(octets.map((one) => agent.sign(loaded.value, { kind: 'ed25519' }, one)));
    for (const [at, result] of signed.entries()) {
      assert.ok(result.ok);
      assert.equal(verifySignature({ kind: 'ed25519' }, loaded.value.info.publicKey, octets[at], result.value), undefined);
    }
  } finally {
    agent.close();
  }
});

test('what cannot be done is told by a code: algorithm, unknown key, damaged key, too many', async () => {
  const agent = agentOf();
  try {
    const loaded = await agent.load(ec.slice());
    assert.ok(loaded.ok);
    assert.equal(codeOf(await agent.sign(loaded.value, { kind: 'ed25519' }, message)), 'cannot-sign');
    agent.forget(loaded.value);
    const algorithm = loaded.value.info.algorithms[0];
    assert.equal(codeOf(await agent.sign(loaded.value, algorithm, message)), 'key-unknown');
    assert.equal(codeOf(await agent.load(Uint8Array.of(1, 2, 3))), 'key-unusable');
    const short = await agent.load(pkcs8Of(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey));
    assert.equal(codeOf(short), 'key-unusable');
    assert.match(short.ok ? '' : short.error.detail, /1024 bits/);
    const codes: string[] = [];
    for (let i = 0; i < 17; i++) codes.push(codeOf(await agent.load(edwards.slice())));
    assert.deepEqual(codes, [...new Array(16).fill('ok'), 'too-many']);
  } finally {
    agent.close();
  }
});

test('it has no capability, no way to get one, no core, and no descriptor but its own', {
  skip: !isRoot && 'not root',
}, async () => {
  const agent = agentOf();
  try {
    assert.ok((await agent.start()).ok);
    const pid = onlyChild();
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    for (const line of [
      /^Uid:\t62345\t62345\t62345\t62345$/m,
      /^Gid:\t62345\t62345\t62345\t62345$/m,
      /^Groups:\t ?$/m,
      /^CapEff:\t0{16}$/m,
      /^CapPrm:\t0{16}$/m,
      /^NoNewPrivs:\t1$/m,
    ]) {
      assert.match(status, line);
    }
    // A process that is not dumpable belongs to root in /proc: its own user can neither attach to it nor read its memory.
    assert.equal(statSync(`/proc/${pid}/mem`).uid, 0);
    const open = readdirSync(`/proc/${pid}/fd`).map((fd) => [fd, linkOf(pid, fd)] as const);
    const own = open.filter(([fd, target]) => fd !== '2' && target !== '/dev/null' && !/^(anon_inode|pipe):/.test(target));
    assert.deepEqual(
      own.map(([fd]) => fd),
      ['3'],
      JSON.stringify(open),
    );
    assert.match(own[0][1], /^socket:/);
  } finally {
    agent.close();
  }
});

test('root is not kept: without somebody to become, the agent does not serve', { skip: !isRoot && 'not root' }, async () => {
  const agent = createKeyAgent({ log: () => {} });
  assert.equal(codeOf(await agent.start()), 'agent-gone');
  agent.close();
});

test('a killed agent: what is under way fails at once, its keys are lost, the next load starts another', async () => {
  await untilNoChild(); // of the tests before
  const agent = agentOf();
  try {
    const loaded = await agent.load(rsa.slice());
    assert.ok(loaded.ok);
    process.kill(onlyChild(), 'SIGSTOP');
    const waiting = agent.sign(loaded.value, { kind: 'rsa-pkcs1', hash: 'sha256' }, message);
    await sleep(20);
    process.kill(onlyChild(), 'SIGKILL');
    assert.equal(codeOf(await waiting), 'agent-gone');
    assert.equal(codeOf(await agent.sign(loaded.value, { kind: 'rsa-pkcs1', hash: 'sha256' }, message)), 'agent-gone');
    const again = await agent.load(rsa.slice());
    assert.ok(again.ok);
    assert.ok((await agent.sign(again.value, { kind: 'rsa-pkcs1', hash: 'sha256' }, message)).ok);
    // The old handle is not another process's key of the same number.
    assert.equal(codeOf(await agent.sign(loaded.value, { kind: 'rsa-pkcs1', hash: 'sha256' }, message)), 'agent-gone');
  } finally {
    agent.close();
  }
});

test('an agent that hangs is ended after the patience is over', async () => {
  await untilNoChild(); // of the tests before
  // It has to start a program within that.
  const agent = agentOf({ patience: 5000 });
  try {
    const loaded = await agent.load(ec.slice());
    assert.ok(loaded.ok);
    const hanging = onlyChild();
    const impatient = agentOf({ patience: 300, script: write('silent.mjs', 'setInterval(() => {}, 1000);') });
    const started = performance.now();
    assert.equal(codeOf(await impatient.load(ec.slice())), 'agent-silent');
    assert.ok(performance.now() - started < 3000);
    impatient.close();
    process.kill(hanging, 'SIGSTOP');
    const answer = agent.sign(loaded.value, { kind: 'ecdsa', hash: 'sha256', format: 'der' }, message);
    assert.equal(codeOf(await answer), 'agent-silent');
  } finally {
    agent.close();
  }
  await untilNoChild();
});

test('an agent that cannot start, ends, or talks nonsense is gone', async () => {
  const scripts = {
    ends: 'process.exit(3);',
    nonsense: "import { Socket } from 'node:net'; new Socket({ fd: 3 }).write('GET / HTTP/1.1\\r\\n\\r\\n');",
    'another message': `import { Socket } from 'node:net'; const text = '{"is":"ready","more":1}'; const b = Buffer.alloc(6); b.writeUInt32BE(2 + text.length); b.writeUInt16BE(text.length, 4); new Socket({ fd: 3 }).write(Buffer.concat([b, Buffer.from(text)])); setInterval(() => {}, 1000);`,
  };
  for (const [name, text] of Object.entries(scripts)) {
    const agent = agentOf({ script: write(`${name}.mjs`, text), patience: 5000 });
    assert.equal(codeOf(await agent.load(ec.slice())), 'agent-gone', name);
    agent.close();
  }
  const missing = agentOf({ runtime: '/nonexistent/node' });
  assert.equal(codeOf(await missing.load(ec.slice())), 'agent-gone');
  missing.close();
  await untilNoChild();
});

test('after close nothing is started any more', async () => {
  const agent = agentOf();
  agent.close();
  assert.equal(codeOf(await agent.load(ec.slice())), 'agent-gone');
  await untilNoChild();
});

test('it has nothing open of what the engine has, and ends when the engine is killed', async () => {
  const parent = write(
    'parent.mjs',
    `import { createKeyAgent } from ${JSON.stringify(new URL('../../../core/helper/keyAgentClient.ts', import.meta.url).href)};
     const agent = createKeyAgent({ log: () => {}${isRoot ? `, identity: ${JSON.stringify(identity)}` : ''} });
     const started = await agent.start();
     console.log(started.ok ? 'ready' : started.error.detail);
     setInterval(() => {}, 1000);`,
  );
  // As the engine has them: the monitor's socket, the listening socket, the lock.
  const held = [openSync('/etc/hostname', 'r'), openSync('/etc/passwd', 'r'), openSync('/etc/hosts', 'r')];
  const engine = spawn(process.execPath, [parent], { stdio: ['ignore', 'pipe', 'inherit', ...held] });
  for (const fd of held) closeSync(fd);
  try {
    assert.match(String((await once(engine.stdout ?? engine, 'data'))[0]), /^ready/);
    const [pid, ...more] = childrenOf(engine.pid ?? 0);
    assert.equal(more.length, 0);
    if (isRoot) {
      const open = readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(pid, fd));
      assert.deepEqual(
        open.filter((target) => target.startsWith('/etc/')),
        [],
      );
    }
    engine.kill('SIGKILL');
    const until = Date.now() + 20_000;
    while (isAlive(pid)) {
      assert.ok(Date.now() < until, 'the agent outlives the engine');
      await sleep(10);
    }
  } finally {
    engine.kill('SIGKILL');
  }
});

test('only whole and known messages are read; others never throw', () => {
  const whole = encodeMessage({ op: 'sign', id: 1, key: 2, algorithm: { kind: 'ed25519' } }, [
    message,
    new Uint8Array(0),
  ]).subarray(4);
  const read = decodeMessage(whole, engineMessage);
  assert.deepEqual(read?.head, { op: 'sign', id: 1, key: 2, algorithm: { kind: 'ed25519' } });
  assert.deepEqual(read?.parts, [message, new Uint8Array(0)]);
  assert.equal(decodeMessage(whole, agentMessage), undefined);
  for (let length = 0; length < whole.length; length++) {
    const cut = decodeMessage(whole.subarray(0, length), engineMessage);
    assert.ok(cut === undefined || cut.parts.length < 2);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => assert.equal(decodeMessage(octets, engineMessage), undefined)),
  );
  for (const text of [
    '{"op":"sign","id":1,"key":2}',
    '{"op":"sign","id":1,"key":2,"algorithm":{"kind":"rsa-pkcs1","hash":"md5"}}',
    '{"op":"load","id":-1,"key":2}',
    '{"op":"load","id":1,"key":2,"path":"/etc/shadow"}',
    '{"op":"exec","id":1}',
    '[]',
    'null',
  ]) {
    const frame = Buffer.concat([Buffer.from([0, text.length]), Buffer.from(text)]);
    assert.equal(decodeMessage(frame, engineMessage), undefined, text);
  }
});

function codeOf(result: { readonly ok: true } | { readonly ok: false; readonly error: { readonly code: string } }): string {
  return result.ok ? 'ok' : result.error.code;
}

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function children(): number[] {
  return childrenOf(process.pid);
}

function childrenOf(parent: number): number[] {
  return readdirSync(`/proc/${parent}/task`)
    .flatMap((task) => readFileSync(`/proc/${parent}/task/${task}/children`, 'utf8').trim().split(' '))
    .filter((pid) => pid !== '')
    .map(Number);
}

/** Not a zombie that nobody has waited for. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\t[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

function onlyChild(): number {
  const [pid, ...more] = children();
  assert.equal(more.length, 0, 'one agent at a time');
  assert.ok(pid > 0);
  return pid;
}

async function untilNoChild(): Promise<void> {
  const until = Date.now() + 20_000;
  while (children().length > 0) {
    assert.ok(Date.now() < until, 'an agent is left over');
    await sleep(10);
  }
}

function linkOf(pid: number, fd: string): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return '';
  }
}
