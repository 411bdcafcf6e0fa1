/** Keys that are asked for, with everything real: command line on a terminal, helper, laptop behind NAT, head office. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { SessionRecord, Status } from '../../core/rpc/contract.ts';
import { reasons } from '../../core/tunnel/reasons.ts';
import { VISITOR } from '../gateway/office.ts';
import { buildStage, type Stage } from '../lab/demo/stage.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root: network namespaces';
const CLI = fileURLToPath(new URL('../../core/cli/main.ts', import.meta.url));
const WRONG = 'thls-1s-n0t-the-right-key-at-all';

let stage: Stage;
before(async () => {
  if (!skip) stage = await buildStage({}, () => {});
});
after(async () => {
  await stage?.close();
});

const json = async <T>(...args: string[]): Promise<T> => {
  const ended = await stage.cli('--json', ...args);
  return JSON.parse(ended.stdout) as T;
};

interface Terminal {
  readonly said: () => string;
  type(text: string): void;
  says(part: string, times?: number): Promise<void>;
  readonly ended: Promise<number | null>;
}

/** The command line as somebody at a terminal has it: `script` gives it one. */
function terminal(...args: string[]): Terminal {
  const words = [process.execPath, CLI, '--socket', stage.socket, ...args].map((word) => `'${word}'`);
  const child = stage.lab.laptop.spawn(['script', '-qec', words.join(' '), '/dev/null'], { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  child.stdout?.on('data', (piece) => {
    said += String(piece);
  });
  return {
    said: () => said,
    type: (text) => child.stdin?.write(text),
    says: async (part, times = 1) => {
      const until = Date.now() + 20_000;
      while (said.split(part).length <= times) {
        assert.ok(Date.now() < until, `"${part}" in ${said}`);
        await sleep(20);
      }
    },
    ended: new Promise((resolve) => child.on('close', resolve)),
  };
}

test('without a key and without a terminal: its own exit code, nothing left', { skip }, async () => {
  assert.equal((await stage.cli('edit', stage.profile, '--forget-secret')).code, 0);
  const ended = await stage.cli('up', stage.profile);
  assert.equal(ended.code, reasons['profile-secret-missing'].exitCode, ended.stderr);
  assert.equal((await json<Status>('status')).state, 'idle');
});

test('a wrong key from a file is not tried again', { skip }, async () => {
  const argv = [process.execPath, CLI, '--socket', stage.socket, 'up', stage.profile, '--secret-file', '-'];
  const ended = await stage.lab.laptop.exec(argv, { input: `${WRONG}\n` });
  assert.equal(ended.code, reasons['authentication-failed'].exitCode, ended.stderr);
  assert.equal((await json<Status>('status')).state, 'idle');
});

test('wrong, then right, at a terminal: asked again, never shown, remembered', { skip }, async () => {
  const it = terminal('up', stage.profile, '--remember');
  const question = `Pre-shared key of ${VISITOR.identity}: `;
  await it.says(question);
  const waiting = await json<Status>('status');
  assert.deepEqual([waiting.state, waiting.prompt?.kind, waiting.prompt?.attempt], ['waiting', 'psk', 1]);
  assert.ok(waiting.steps.every(({ state }) => state === 'pending'));
  it.type(`${WRONG}\r`);
  await it.says(question, 2);
  await it.says('That was not right.');
  assert.equal((await json<Status>('status')).prompt?.attempt, 2);
  // With a slip of the finger, mended.
  it.type(`${VISITOR.psk}xy\x7f\x7f\r`);
  assert.equal(await it.ended, 0, it.said());
  assert.match(it.said(), /Connected: Head office/);
  for (const key of [WRONG, VISITOR.psk]) assert.equal(it.said().includes(key), false, 'what is typed is not echoed');
  assert.equal((await json<{ hasSecret: boolean }>('show', stage.profile)).hasSecret, true);
});

test('connected: steps are done, the round trip is measured, counters come twice a second', { skip }, async () => {
  const status = await json<Status>('status');
  assert.deepEqual(
    status.steps.map(({ name, state }) => `${name} ${state}`),
    ['resolve done', 'channel done', 'gateway done', 'user done', 'network done'],
  );
  const instants = status.steps.flatMap(({ startedAt, endedAt }) => [startedAt ?? 0, endedAt ?? 0]);
  assert.ok(instants.every((instant) => instant > 0 && instant <= Date.now()));
  assert.ok(status.pathRtt !== undefined && status.pathRtt > 0 && status.pathRtt < 5_000, String(status.pathRtt));
  assert.match((await stage.cli('status')).stdout, /^ {2}Round trip +[\d.]+ ms$/m);
  const ping = stage.lab.laptop.spawn(['ping', '-i', '0.1', stage.lab.addresses.intranet.web4], { stdio: 'ignore' });
  const watch = stage.spawnCli('--json', 'status', '--watch');
  /** When each count was first told. */
  const told = new Map<number, number>();
  const lines = createInterface({ input: watch.stdout ?? assert.fail('no output'), signal: AbortSignal.timeout(30_000) });
  for await (const line of lines) {
    const count = (JSON.parse(line) as Status).children[0]?.packetsIn ?? 0;
    if (!told.has(count)) told.set(count, performance.now());
    if (told.size > 6) break;
  }
  watch.kill('SIGTERM');
  ping.kill('SIGTERM');
  const firsts = [...told.values()];
  const took = (firsts.at(-1) ?? 0) - (firsts[0] ?? 0);
  assert.ok(told.size > 6 && took < 6_000, `counters: ${[...told.keys()].join(' ')} in ${Math.round(took)} ms`);
});

test('the history has it with what it carried; the next up asks nothing', { skip }, async () => {
  assert.equal((await stage.cli('down')).code, 0);
  const { sessions } = await json<{ sessions: SessionRecord[] }>('history');
  const [last] = sessions;
  assert.ok(last?.connectedAt && last.endedAt && last.connectedAt < last.endedAt);
  assert.deepEqual([last.endReason, last.gateway], ['user', stage.lab.addresses.names.gateway]);
  assert.ok(last.bytesIn > 1_000 && last.bytesOut > 1_000, `${last.bytesIn} ${last.bytesOut}`);
  assert.ok(last.virtualIps.length > 0);
  const up = await stage.cli('up', stage.profile);
  assert.equal(up.code, 0, up.stderr);
});

test('Ctrl-C at the question cancels; --ask-secret asks although there is a key', { skip }, async () => {
  await stage.cli('down');
  const it = terminal('up', stage.profile, '--ask-secret');
  await it.says('Pre-shared key of');
  it.type('\x03');
  assert.equal(await it.ended, 130, it.said());
  assert.equal((await json<Status>('status')).state, 'idle');
});

test('down from elsewhere takes the question back', { skip }, async () => {
  const it = terminal('up', stage.profile, '--ask-secret');
  await it.says('Pre-shared key of');
  assert.equal((await stage.cli('down')).code, 0);
  assert.equal(await it.ended, 130, it.said());
});

test('no key is in the helper’s log', { skip }, async () => {
  const log = (await stage.cli('--json', 'log', '-n', '100000', '--level', 'debug')).stdout;
  assert.equal(log.split('waiting for the pre-shared key').length > 4, true, 'the log tells of the questions');
  for (const key of [WRONG, VISITOR.psk]) assert.equal(`${stage.helperSaid()}${log}`.includes(key), false);
});

test('an engine that is killed leaves an ended entry in the history, and the tunnel a new one', { skip }, async () => {
  assert.equal((await stage.cli('up', stage.profile)).code, 0);
  const entries = async (): Promise<readonly SessionRecord[]> => {
    const listed = await stage.cli('--json', 'history', '-n', '2');
    return listed.code === 0 ? (JSON.parse(listed.stdout).sessions as SessionRecord[]) : [];
  };
  const [cut] = await entries();
  assert.ok(cut?.connectedAt !== undefined && cut.endedAt === undefined);
  process.kill(Number(readFileSync(join(stage.folder, 'run', 'engine.lock'), 'utf8')), 'SIGKILL');
  const until = Date.now() + 60_000;
  for (;;) {
    const [back, before] = await entries();
    if (before?.id === cut.id && back?.connectedAt !== undefined) {
      assert.equal(before.endReason, 'engine-restarted');
      assert.ok(before.endedAt !== undefined && before.endedAt >= cut.connectedAt && before.endedAt <= back.startedAt);
      assert.equal(back.endedAt, undefined);
      break;
    }
    assert.ok(Date.now() < until, JSON.stringify([back, before]));
    await sleep(100);
  }
  assert.equal((await json<Status>('status')).state, 'connected');
  assert.equal((await stage.cli('down')).code, 0);
});
