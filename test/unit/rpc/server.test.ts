import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { RpcPeer } from '../../../core/helper/rpcServer.ts';
import { connectRpc } from '../../../core/rpc/client.ts';
import { MAX_FRAME } from '../../../core/rpc/contract.ts';
import { greeted, type Harness, noHandlers, rawClient, startHarness } from './harness.ts';

const harnesses: Harness[] = [];
after(async () => {
  for (const harness of harnesses) await harness.close();
});
async function start(...args: Parameters<typeof startHarness>): Promise<Harness> {
  const harness = await startHarness(...args);
  harnesses.push(harness);
  return harness;
}

test('hello comes first, and tells who the kernel says we are', async () => {
  const { path } = await start({});
  const early = rawClient(path);
  early.send({ id: 1, method: 'profile.list', params: {} });
  assert.deepEqual(await early.next(), { error: { code: 'bad-request', detail: 'hello must come first' } });
  await early.closed;
  const proper = rawClient(path);
  proper.send({ id: 4, method: 'hello', params: { protocol: 1, client: 'x' } });
  assert.deepEqual(await proper.next(), { id: 4, result: { protocol: 1, version: 'test', uid: 1000 } });
  proper.socket.destroy();
});

test('another protocol version is told so and ended', async () => {
  const { path } = await start({});
  const client = rawClient(path);
  client.send({ id: 1, method: 'hello', params: { protocol: 2, client: 'x' } });
  assert.deepEqual(await client.next(), {
    id: 1,
    error: { code: 'helper-version', detail: 'the helper speaks protocol 1, the client 2' },
  });
  await client.closed;
});

test('params are judged by the server, by field, without echo of the value', async () => {
  const { path, logged } = await start({});
  const client = await greeted(path);
  const secret = 'hunter2-do-not-echo';
  const cases: [unknown, string][] = [
    [{ id: 1, method: 'profile.import', params: { text: 7 } }, 'profile.import: text: expected string'],
    [{ id: 2, method: 'profile.import', params: { text: 'x', [secret]: 1 } }, `profile.import: ${secret}: no such field`],
    [{ id: 3, method: 'profile.import', params: { text: 'x', shared: secret } }, 'profile.import: shared: expected boolean'],
    [{ id: 4, method: 'tunnel.up', params: {} }, 'tunnel.up: profile: expected "profile"'],
    [{ id: 5, method: 'no.such', params: {} }, 'unknown method no.such'],
    [{ id: 6, method: '__proto__', params: {} }, 'unknown method __proto__'],
    [
      { id: 8, method: 'tunnel.answer', params: { id: 'x', secret: { secret }, remember: true } },
      'tunnel.answer: secret: expected string',
    ],
    [
      { id: 9, method: 'tunnel.answer', params: { id: 'x', secret: secret.repeat(500), remember: true } },
      'tunnel.answer: secret: expected <=4096',
    ],
    [
      { id: 10, method: 'tunnel.answer', params: { id: 'x', secret, remember: secret } },
      'tunnel.answer: remember: expected boolean',
    ],
    [{ id: 11, method: 'profile.save', params: { fields: {}, secret: [secret] } }, 'profile.save: secret: expected string'],
    [{ id: 12, method: 'profile.save', params: { fields: { name: { secret } } } }, 'profile.save: fields.name: expected string'],
    [{ id: 7, method: 'log.read', params: { lines: 0 } }, 'log.read: lines: expected >=1'],
  ];
  for (const [request, detail] of cases) {
    client.send(request);
    const answer = await client.next();
    assert.deepEqual(answer, { id: Object(request).id, error: { code: 'bad-request', detail } });
  }
  assert.equal(JSON.stringify(logged).includes(secret), false);
  client.socket.destroy();
});

test('what is no request at all ends the connection with a last word', async () => {
  const { path } = await start({});
  for (const body of ['[]', '"x"', '{"id":-1,"method":"hello"}', '{"id":1}', 'not json', '{"id":1e999,"method":"x"}']) {
    const client = rawClient(path);
    const bytes = Buffer.from(body);
    const head = Buffer.alloc(4);
    head.writeUInt32BE(bytes.length);
    client.socket.write(Buffer.concat([head, bytes]));
    const answer = await client.next();
    assert.match(JSON.stringify(answer), /"error":\{"code":"bad-request","detail":"not a request: /, body);
    await client.closed;
  }
});

test('a handler that throws is our fault: the client hears no more than that, and goes on', async () => {
  const { path, logged } = await start({
    'profile.list': () => {
      throw new Error('the inner secret');
    },
  });
  const client = await greeted(path);
  client.send({ id: 1, method: 'profile.list', params: {} });
  assert.deepEqual(await client.next(), { id: 1, error: { code: 'internal', detail: 'profile.list failed in the helper' } });
  assert.ok(logged.some(({ level }) => level === 'error'));
  client.send({ id: 2, method: 'log.read', params: {} });
  assert.deepEqual(await client.next(), { id: 2, result: [] });
  client.socket.destroy();
});

test('an answer that is too long is told as that, and the connection goes on', async () => {
  const long = { seq: 0, at: 1, level: 'info', area: 'x', text: 'y'.repeat(MAX_FRAME) } as const;
  const { path } = await start({ 'log.read': () => ({ ok: true, value: [long] }) });
  const client = await greeted(path);
  client.send({ id: 1, method: 'log.read', params: {} });
  assert.deepEqual(await client.next(), { id: 1, error: { code: 'internal', detail: 'the answer is too long' } });
  client.send({ id: 2, method: 'profile.list', params: {} });
  assert.deepEqual(await client.next(), { id: 2, result: [] });
  client.socket.destroy();
});

test('1 GiB announced: that client is cut off, the others are served', async () => {
  const { path } = await start({});
  const good = await greeted(path);
  const bad = rawClient(path);
  bad.socket.write(Uint8Array.of(0x40, 0, 0, 0, 0x7b));
  assert.deepEqual(await bad.next(), { error: { code: 'bad-request', detail: 'a message of 1073741824 octets' } });
  await bad.closed;
  good.send({ id: 1, method: 'profile.list', params: {} });
  assert.deepEqual(await good.next(), { id: 1, result: [] });
  good.socket.destroy();
});

test('a client that never reads is cut off when its backlog is full', async () => {
  const long = { seq: 0, at: 1, level: 'info', area: 'x', text: 'y'.repeat(100_000) } as const;
  const { path, logged } = await start({ 'log.read': () => ({ ok: true, value: [long] }) }, { backlog: 1_000_000 });
  const stalled = await greeted(path);
  stalled.socket.pause();
  const good = await greeted(path);
  for (let id = 1; id <= 30; id++) stalled.send({ id, method: 'log.read', params: {} });
  // The server's end goes down while ours never reads.
  await new Promise<void>((resolve) => {
    const look = () => (logged.some(({ text }) => text.includes('does not read')) ? resolve() : setImmediate(look));
    look();
  });
  good.send({ id: 1, method: 'profile.list', params: {} });
  assert.deepEqual(await good.next(), { id: 1, result: [] });
  stalled.socket.destroy();
  good.socket.destroy();
});

test('one that follows the log and never reads is cut off, once, and the others go on', async () => {
  const listeners = new Set<RpcPeer>();
  const follow = (peer: RpcPeer) => {
    listeners.add(peer);
    return { ok: true, value: {} } as const;
  };
  const { path, logged } = await start(
    {
      subscribe: (_, peer) => follow(peer),
      'log.read': () => ({ ok: true, value: [{ seq: 0, at: 1, level: 'info', area: 'x', text: 'y'.repeat(500_000) }] }),
    },
    { backlog: 1_000_000 },
    1000,
    // As the publisher does.
    (line) => {
      for (const peer of listeners) peer.send('log', { seq: 0, at: 1, area: 'rpc', ...line });
    },
  );
  const cutOffs = () => logged.filter(({ text }) => text.includes('cut off')).length;
  const stalled = await greeted(path);
  const good = await greeted(path);
  good.send({ id: 1, method: 'subscribe', params: { to: ['log'] } });
  assert.deepEqual(await good.next(), { id: 1, result: {} });
  stalled.socket.pause();
  stalled.send({ id: 1, method: 'subscribe', params: { to: ['log'] } });
  for (let id = 2; id <= 10; id++) stalled.send({ id, method: 'log.read', params: {} });
  while (cutOffs() === 0) await new Promise(setImmediate);
  assert.deepEqual(Object(await good.next()).data.text, 'a client was cut off: it does not read');
  good.send({ id: 2, method: 'profile.list', params: {} });
  assert.deepEqual(await good.next(), { id: 2, result: [] });
  assert.equal(cutOffs(), 1);
  stalled.socket.destroy();
  good.socket.destroy();
});

test('too many requests without an answer: cut off alone', async () => {
  const { path, logged } = await start({ 'tunnel.down': () => new Promise(() => {}) }, { outstanding: 4 });
  const client = await greeted(path);
  for (let id = 1; id <= 5; id++) client.send({ id, method: 'tunnel.down', params: {} });
  await client.closed;
  assert.ok(logged.some(({ text }) => text.includes('without an answer')));
});

test('a flood of requests is cut off alone', async () => {
  const { path, logged } = await start({}, { burst: 20, perSecond: 0 });
  const client = await greeted(path);
  for (let id = 1; id <= 30; id++) client.send({ id, method: 'profile.list', params: {} });
  await client.closed;
  assert.ok(logged.some(({ text }) => text.includes('too many requests')));
});

test('a user whose requests are much work waits, on every connection, and is served again later', async () => {
  const busy = () => {
    const begun = performance.now();
    while (performance.now() - begun < 30);
    return { ok: true, value: [] } as const;
  };
  const { path } = await start({ 'log.read': busy }, { work: 50, workPerSecond: 100 });
  const one = await greeted(path);
  const other = await greeted(path);
  const outcome = async (client: typeof one, id: number) => {
    client.send({ id, method: 'log.read', params: {} });
    const answer = (await client.next()) as { readonly error?: { readonly code: string } };
    return answer.error?.code ?? 'served';
  };
  for (let id = 1; id <= 10; id++) one.send({ id, method: 'log.read', params: {} });
  const codes: string[] = [];
  for (let id = 1; id <= 10; id++) codes.push(((await one.next()) as { error?: { code: string } }).error?.code ?? 'served');
  const served = codes.filter((code) => code === 'served').length;
  assert.ok(served >= 2 && served <= 4, `${served} of 10 were served at once`);
  assert.ok(codes.every((code) => code === 'served' || code === 'helper-busy'));
  for (let id = 11; (await outcome(one, id)) === 'served'; id++);
  assert.equal(await outcome(other, 1), 'helper-busy');
  for (let id = 2; (await outcome(other, id)) !== 'served'; id++) await new Promise((done) => setTimeout(done, 20));
  one.socket.destroy();
  other.socket.destroy();
});

test('to read what is sent is work as well: no handler need ever see it', async () => {
  const { path } = await start({}, { work: 20, workPerSecond: 1 });
  const client = await greeted(path);
  const other = await greeted(path);
  // Half a megabyte of brackets takes the parser a tenth of a second.
  const deep = `${'['.repeat(250_000)}${']'.repeat(250_000)}`;
  client.socket.write(framed(`{"id":1,"method":"profile.show","params":{"profile":${deep}}}`));
  assert.deepEqual(codeOf(await client.next()), 'bad-request');
  for (let id = 2; id < 10; id++)
    client.socket.write(framed(`{"id":${id},"method":"profile.show","params":{"profile":${deep}}}`));
  for (let id = 2; id < 10; id++) {
    const answer = await client.next();
    assert.deepEqual([Object(answer).id, codeOf(answer)], [id, 'helper-busy']);
  }
  other.send({ id: 1, method: 'profile.list', params: {} });
  assert.equal(codeOf(await other.next()), 'helper-busy');
  // Who comes anew is greeted, and what does not say at once which request it is ends the connection unread.
  const third = await greeted(path);
  third.socket.write(framed(deep));
  await third.closed;
  client.socket.destroy();
  other.socket.destroy();
});

test('a heap of faults is not described one by one', async () => {
  const { path } = await start({});
  const client = await greeted(path);
  const begun = performance.now();
  client.socket.write(framed(`{"id":1,"method":"profile.save","params":{"fields":{"gateways":[${'1,'.repeat(450_000)}1]}}}`));
  const answer = (await client.next()) as { error?: { detail: string } };
  assert.equal(answer.error?.detail, 'profile.save: fields.gateways.0: expected string');
  // Two seconds and more with half a million of them.
  assert.ok(performance.now() - begun < 1_000, `${performance.now() - begun} ms`);
  client.socket.destroy();
});

function framed(text: string): Uint8Array {
  const body = Buffer.from(text);
  const frame = Buffer.alloc(4 + body.length);
  frame.writeUInt32BE(body.length);
  frame.set(body, 4);
  return frame;
}

function codeOf(answer: unknown): string | undefined {
  return Object(answer).error?.code;
}

test('a frame that does not end, and a hello that does not come, cost the connection', async () => {
  const { path } = await start({}, { frameWithin: 30, helloWithin: 30 });
  const silent = rawClient(path);
  const trickling = rawClient(path);
  trickling.socket.write(Uint8Array.of(0, 0, 1, 0, 0x7b));
  await Promise.all([silent.closed, trickling.closed]);
});

test('one user cannot take every place', async () => {
  const { path, connections } = await start({}, { connectionsPerUid: 3 });
  const clients = [await greeted(path), await greeted(path), await greeted(path)];
  const fourth = rawClient(path);
  assert.deepEqual(await fourth.next(), { error: { code: 'helper-busy', detail: 'too many connections' } });
  await fourth.closed;
  assert.equal(connections(), 3);
  for (const { socket } of clients) socket.destroy();
});

test('random octets never stop the server', async () => {
  const { path } = await start({});
  let seed = 42;
  const random = () => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return seed / 2 ** 32;
  };
  for (let round = 0; round < 150; round++) {
    const client = rawClient(path);
    if (round % 2 === 0) client.send({ id: 0, method: 'hello', params: { protocol: 1, client: 'fuzz' } });
    for (let i = 0; i < 5; i++) {
      const body = Buffer.from(Array.from({ length: Math.floor(random() * 60) }, () => Math.floor(random() * 256)));
      const head = Buffer.alloc(4);
      head.writeUInt32BE(random() < 0.8 ? body.length : Math.floor(random() * 2 ** 32));
      client.socket.write(Buffer.concat([head, body]));
    }
    client.socket.end();
    await client.closed;
  }
  const good = await greeted(path);
  good.send({ id: 1, method: 'profile.list', params: {} });
  assert.deepEqual(await good.next(), { id: 1, result: [] });
  good.socket.destroy();
});

test('the client: calls, events, an answer that never comes, a helper that goes', async () => {
  let tell: (() => void) | undefined;
  const harness = await start({
    ...noHandlers,
    'tunnel.down': () => new Promise(() => {}),
    subscribe: (_, peer) => {
      tell = () => peer.send('log', { seq: 0, at: 1, level: 'info', area: 'a', text: 'event' });
      return { ok: true, value: {} };
    },
  });
  const connected = await connectRpc({ socket: harness.path, client: 'test', timeout: 200 });
  assert.ok(connected.ok);
  const client = connected.value;
  assert.equal(client.server.version, 'test');
  assert.deepEqual(await client.call('profile.list', {}), { ok: true, value: [] });
  const heard = new Promise((resolve) => client.on('log', resolve));
  await client.call('subscribe', { to: ['log'] });
  tell?.();
  assert.deepEqual(await heard, { seq: 0, at: 1, level: 'info', area: 'a', text: 'event' });
  assert.deepEqual(await client.call('tunnel.down', {}), {
    ok: false,
    error: { code: 'helper-silent', detail: 'no answer to tunnel.down within 0.2 s' },
  });
  const tooLong = await client.call('profile.import', { text: 'x'.repeat(MAX_FRAME) });
  assert.equal(tooLong.ok || tooLong.error.code, 'usage');
  const pending = client.call('tunnel.down', {});
  await harness.close();
  const gone = await pending;
  assert.equal(gone.ok || gone.error.code, 'helper-gone');
  assert.equal((await client.closed)?.code, 'helper-gone');
  const later = await client.call('profile.list', {});
  assert.equal(later.ok || later.error.code, 'helper-gone');
});

test('the client: nobody listens, nothing is there, the wrong peer', async () => {
  const absent = await connectRpc({ socket: '/nonexistent/socket', client: 'test' });
  assert.deepEqual(absent, { ok: false, error: { code: 'helper-not-running', detail: '/nonexistent/socket: ENOENT' } });
  const { path, connections } = await start({});
  const wrong = { code: 'helper-untrusted', detail: 'x' };
  assert.deepEqual(await connectRpc({ socket: path, client: 'test', checkPeer: () => wrong }), { ok: false, error: wrong });
  assert.deepEqual(await connectRpc({ socket: path, client: 'test', checkPlace: () => wrong }), { ok: false, error: wrong });
  assert.ok(connections() <= 1);
});
