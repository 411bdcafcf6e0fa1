import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HelperLink } from '../../../core/desktop/contract.ts';
import { type Link, type LinkOptions, openLink } from '../../../core/desktop/link.ts';
import type { LogLine, Status } from '../../../core/rpc/contract.ts';
import { helperChecks } from '../../../core/system/linux/trust.ts';
import { type FakeBehaviour, type FakeServer, idle, startServer, until } from './fakeServer.ts';

/** The product's times, so that a second of waiting is a few milliseconds here. */
const times = { silence: 150, ping: 40, restart: 300, firstRetry: 10, lastRetry: 40, batch: 20 };
const uid = process.getuid?.() ?? 0;

suite('the link to the helper', () => {
  let folder: string;
  let socket: string;
  let server: FakeServer | undefined;
  let link: Link | undefined;
  let states: HelperLink[];
  let statuses: Status[];
  let batches: (readonly LogLine[])[];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sallyport-link-'));
    socket = join(folder, 'sallyport.sock');
    states = [];
    statuses = [];
    batches = [];
  });
  afterEach(async () => {
    link?.close();
    await server?.close();
    link = undefined;
    server = undefined;
    rmSync(folder, { recursive: true, force: true });
  });

  async function serve(behaviour?: FakeBehaviour): Promise<FakeServer> {
    server = await startServer(socket, behaviour);
    return server;
  }

  async function stopServing(): Promise<void> {
    await server?.close();
    server = undefined;
  }

  function open(options: Partial<LinkOptions> = {}): Link {
    const opened = openLink({ socket, client: 'test', times, ...helperChecks(uid), ...options });
    states.push(opened.helper());
    opened.listen({
      onHelper: (state) => states.push(state),
      onStatus: (status) => statuses.push(status),
      onLog: (lines) => batches.push(lines),
    });
    link = opened;
    return opened;
  }

  const reaches = (state: HelperLink['state']): Promise<void> => until(state, () => link?.helper().state === state);
  const names = (): readonly string[] => states.map(({ state }) => state);

  test('connects, and tells the version before the first status', async () => {
    await serve();
    const opened = open();
    await reaches('connected');
    assert.deepEqual(states, [{ state: 'connecting' }, { state: 'connected', version: '9.9.9', uid: 1000 }]);
    assert.deepEqual(opened.status(), idle);
    assert.deepEqual(statuses, [idle]);
  });

  test('merges what changes into the status', async () => {
    const helper = await serve();
    open();
    await reaches('connected');
    helper.emit('status', { state: 'connected', since: 5, backend: 'x' });
    helper.emit('status', { backend: null });
    await until('both', () => statuses.length === 3);
    assert.equal(statuses[1]?.backend, 'x');
    assert.equal(statuses[2]?.state, 'connected');
    assert.equal(statuses[2]?.backend, undefined);
  });

  test('nobody there: missing, and calls say so; there by and by: connected', async () => {
    const opened = open();
    await reaches('missing');
    const answer = await opened.call('profile.list', {});
    assert.equal(answer.ok ? '' : answer.error.code, 'helper-not-running');
    await serve();
    await reaches('connected');
    assert.deepEqual(names(), ['connecting', 'missing', 'connected']);
    assert.deepEqual(await opened.call('profile.list', {}), { ok: true, value: [] });
  });

  test('a socket nobody listens at: missing', async () => {
    await serve();
    await stopServing();
    // The file stays behind when a process is killed.
    const path = socket;
    const made = spawnSync(process.execPath, [
      '-e',
      `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`,
    ]);
    assert.equal(made.signal, 'SIGKILL');
    open();
    await reaches('missing');
  });

  test('gone a moment ago: restarting, then connected again with a status', async () => {
    await serve();
    const opened = open();
    await reaches('connected');
    await stopServing();
    await reaches('restarting');
    assert.equal(opened.status(), undefined);
    const answer = await opened.call('profile.list', {});
    assert.equal(answer.ok ? '' : answer.error.code, 'helper-gone');
    await serve();
    await reaches('connected');
    assert.deepEqual(names(), ['connecting', 'connected', 'restarting', 'connected']);
    assert.equal(statuses.length, 2);
  });

  test('gone for longer: restarting becomes missing', async () => {
    await serve();
    open();
    await reaches('connected');
    await stopServing();
    await reaches('missing');
    assert.deepEqual(names(), ['connecting', 'connected', 'restarting', 'missing']);
  });

  test('a call under way when the helper goes is answered', async () => {
    const helper = await serve();
    const opened = open();
    await reaches('connected');
    helper.hang(true);
    const call = opened.call('profile.list', {});
    await until('the call', () => helper.called.includes('profile.list'));
    await stopServing();
    const answer = await call;
    assert.equal(answer.ok ? '' : answer.error.code, 'helper-gone');
  });

  test('answers nothing any more: hung; answers again: connected', async () => {
    const helper = await serve();
    const opened = open();
    await reaches('connected');
    helper.hang(true);
    await reaches('hung');
    const answer = await opened.call('profile.list', {});
    assert.equal(answer.ok ? '' : answer.error.code, 'helper-silent');
    helper.hang(false);
    await reaches('connected');
    assert.deepEqual(names(), ['connecting', 'connected', 'hung', 'connected']);
  });

  test('accepts and never says hello: hung', async () => {
    const helper = await serve();
    helper.hang(true);
    open();
    await reaches('hung');
    assert.deepEqual(names(), ['connecting', 'hung']);
  });

  test('stays connected for as long as pings are answered', async () => {
    const helper = await serve();
    open();
    await reaches('connected');
    await until('pings', () => helper.called.filter((method) => method === 'tunnel.status').length >= 5);
    assert.deepEqual(names(), ['connecting', 'connected']);
  });

  test('another protocol version: said with both', async () => {
    await serve({ hello: 'other-version' });
    open();
    await reaches('other-version');
    assert.deepEqual(states.at(-1), { state: 'other-version', theirs: '7', ours: '1' });
  });

  test('hangs up on us at once and was never connected: missing', async () => {
    await serve({ hello: 'hang-up' });
    open();
    await reaches('missing');
  });

  test('no more room: refused', async () => {
    await serve({ hello: 'busy' });
    open();
    await reaches('refused');
    assert.deepEqual(states.at(-1), { state: 'refused', detail: 'too many connections' });
  });

  test('may not be connected to: refused', async () => {
    open({ checkPlace: () => ({ code: 'helper-refused', detail: `${socket}: EACCES` }) });
    await reaches('refused');
  });

  test('a socket of another owner: untrusted, and nothing is sent to it', async () => {
    const helper = await serve();
    open(helperChecks(uid + 1));
    await reaches('untrusted');
    await sleep(60);
    assert.deepEqual(helper.called, []);
    assert.equal(helper.connections(), 0);
  });

  test('a listener of another user at a path that looks right: untrusted, and nothing is sent to it', async () => {
    const helper = await serve();
    open({ checkPlace: () => undefined, checkPeer: helperChecks(uid + 1).checkPeer });
    await reaches('untrusted');
    await sleep(60);
    assert.deepEqual(helper.called, []);
  });

  test('a file where the socket should be: untrusted', async () => {
    writeFileSync(socket, '');
    open();
    await reaches('untrusted');
  });

  test('the log comes in batches while it is wanted, also after a restart', async () => {
    const line = (text: string): LogLine => ({ seq: 1, at: 1, level: 'info', area: 'test', text });
    let helper = await serve();
    const opened = open();
    await reaches('connected');
    helper.emit('log', line('not wanted'));
    opened.followLog(true);
    await until('its connection', () => helper.called.filter((method) => method === 'subscribe').length === 2);
    for (const text of ['one', 'two', 'three']) helper.emit('log', line(text));
    await until('a batch', () => batches.length > 0);
    assert.deepEqual(
      batches.flat().map(({ text }) => text),
      ['one', 'two', 'three'],
    );
    assert.equal(batches.length, 1);

    await stopServing();
    await reaches('restarting');
    helper = await serve();
    await reaches('connected');
    await until('its connection', () => helper.called.filter((method) => method === 'subscribe').length === 2);
    helper.emit('log', line('four'));
    await until('a batch', () => batches.length === 2);

    opened.followLog(false);
    await until('one connection', () => helper.connections() === 1);
    helper.emit('log', line('five'));
    await sleep(50);
    assert.equal(batches.length, 2);
  });

  test('closed means closed: no state, no connection, no timer that keeps the process', async () => {
    const helper = await serve();
    const opened = open();
    await reaches('connected');
    opened.close();
    await until('no connection', () => helper.connections() === 0);
    await sleep(100);
    assert.equal(helper.connections(), 0);
    assert.deepEqual(names(), ['connecting', 'connected']);
  });
});
