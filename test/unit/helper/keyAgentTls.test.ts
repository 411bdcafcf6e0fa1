/** EAP-TLS with the key in the agent, against node:tls as the server: as the engine's own client does it, and when the agent fails. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { equalBytes } from '../../../core/bytes/bytes.ts';
import { createKeyAgent, type KeyAgent, type KeyHandle } from '../../../core/helper/keyAgentClient.ts';
import type { TlsAnswer, TlsClient, TlsClientOptions } from '../../../core/helper/tlsClient.ts';
import { PR_SET_NO_NEW_PRIVS } from '../../../core/system/ffi/constants.ts';
import { prctl } from '../../../core/system/ffi/libc.ts';
import { authority } from '../../authority/authority.ts';
import { TlsServer, type TlsServerOptions } from '../../gateway/eap/tlsServer.ts';

const root = authority.root({ subject: 'CN=Office Root' });
const office = root.authority({ subject: 'CN=Office EAP CA' });
const radius = office.issue({
  subject: 'CN=radius.office.test',
  san: ['dns:radius.office.test'],
  eku: ['serverAuth'],
  key: 'rsa',
});
const alice = office.issue({ subject: 'CN=alice', eku: ['clientAuth'] });
const none = new Uint8Array(0);

let agent: KeyAgent;
let key: KeyHandle;

before(async () => {
  const isRoot = process.getuid?.() === 0;
  if (isRoot) prctl(PR_SET_NO_NEW_PRIVS, 1);
  agent = createKeyAgent({ log: () => {}, ...(isRoot && { identity: { uid: 62_346, gid: 62_346 } }) });
  key = await load();
});
after(() => agent.close());

async function load(): Promise<KeyHandle> {
  const loaded = await agent.load(Uint8Array.from(alice.pkcs8));
  assert.ok(loaded.ok, JSON.stringify(loaded));
  return loaded.value;
}

function serverOf(version: 'TLSv1.2' | 'TLSv1.3', more: Partial<TlsServerOptions> = {}): TlsServer {
  return new TlsServer({
    method: 'tls',
    certPem: radius.chainPem,
    keyPem: radius.key.pkcs8Pem,
    clientCaPem: root.pem + office.pem,
    minVersion: version,
    maxVersion: version,
    ...more,
  });
}

/** Until both say `open`, or one of them something else. */
async function shakeHands(
  client: TlsClient,
  server: TlsServer,
): Promise<{ readonly client: TlsAnswer; readonly server: TlsAnswer }> {
  const keys: { client?: TlsAnswer; server?: TlsAnswer } = {};
  let mine = await client.exchange(none, none);
  let theirs = await server.exchange(mine.send, none);
  for (let turn = 0; turn < 8; turn++) {
    if (mine.keyMaterial) keys.client = mine;
    if (theirs.keyMaterial) keys.server = theirs;
    if (keys.client && keys.server) return { client: keys.client, server: keys.server };
    if (mine.state === 'failed' || theirs.state === 'failed') break;
    mine = await client.exchange(theirs.send, none);
    theirs = await server.exchange(mine.send, none);
  }
  return { client: keys.client ?? mine, server: keys.server ?? theirs };
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  describe(version, () => {
    test('the handshake proves the user by the key of the agent, and both have the same MSK', async () => {
      const seen: (readonly Uint8Array[])[] = [];
      const options: TlsClientOptions = { method: 'tls', checkServer: (chain) => void seen.push(chain) };
      const client = agent.openTls(key, options, alice.chain);
      const done = await shakeHands(client, serverOf(version));
      assert.equal(done.client.state, 'open', JSON.stringify(done.client.failure));
      assert.equal(done.client.version, version);
      assert.equal(done.client.keyMaterial?.length, 128);
      assert.deepEqual(done.client.keyMaterial, done.server.keyMaterial);
      assert.equal(seen.length, 1, 'the server was judged once, here');
      assert.ok(equalBytes(seen[0][0], radius.der));
      client.close();
    });

    test('a server that the engine refuses never sees the user’s certificate', async () => {
      const failure = { code: 'eap-server-certificate', evidence: 'not ours' } as const;
      const client = agent.openTls(key, { method: 'tls', checkServer: async () => failure }, alice.chain);
      const server = serverOf(version);
      const done = await shakeHands(client, server);
      assert.equal(done.client.state, 'failed');
      assert.deepEqual(done.client.failure, failure);
      assert.notEqual(done.server.state, 'open');
      client.close();
    });
  });
}

test('a judge that throws is a refusal', async () => {
  const client = agent.openTls(
    key,
    {
      method: 'tls',
      checkServer: () => {
        throw new Error('fault');
      },
    },
    alice.chain,
  );
  const done = await shakeHands(client, serverOf('TLSv1.3'));
  assert.equal(done.client.failure?.code, 'eap-server-certificate');
  client.close();
});

test('two sessions do not meet', async () => {
  const clients = [1, 2, 3].map(() => agent.openTls(key, { method: 'tls', checkServer: () => undefined }, alice.chain));
  const done = await Promise.all(clients.map((client) => shakeHands(client, serverOf('TLSv1.3'))));
  for (const one of done) assert.deepEqual(one.client.keyMaterial, one.server.keyMaterial);
  assert.equal(new Set(done.map(({ client }) => Buffer.from(client.keyMaterial ?? none).toString('hex'))).size, 3);
  for (const client of clients) client.close();
});

test('after close, and after its key is forgotten, a session answers that it failed', async () => {
  const other = await load();
  const client = agent.openTls(other, { method: 'tls', checkServer: () => undefined }, alice.chain);
  assert.equal((await client.exchange(none, none)).state, 'handshake');
  agent.forget(other);
  const lost = await client.exchange(none, none);
  assert.equal(lost.state, 'failed');
  assert.equal(lost.failure?.code, 'eap-tls-failed');
  client.close();
  assert.equal((await client.exchange(none, none)).state, 'failed');
});

test('noise from the server fails the handshake and leaves the agent well', async () => {
  const client = agent.openTls(key, { method: 'tls', checkServer: () => undefined }, alice.chain);
  await client.exchange(none, none);
  const answer = await client.exchange(new Uint8Array(5000).fill(0x55), none);
  assert.equal(answer.state, 'failed');
  client.close();
  const [algorithm] = key.info.algorithms;
  assert.ok((await agent.sign(key, algorithm, Uint8Array.of(1))).ok);
});

test('an agent that ends in the middle of a handshake: failed, at once', async () => {
  const mine = createKeyAgent({ log: () => {}, ...(process.getuid?.() === 0 && { identity: { uid: 62_347, gid: 62_347 } }) });
  const loaded = await mine.load(Uint8Array.from(alice.pkcs8));
  assert.ok(loaded.ok);
  const client = mine.openTls(loaded.value, { method: 'tls', checkServer: () => new Promise(() => {}) }, alice.chain);
  const server = serverOf('TLSv1.3');
  const hello = await client.exchange(none, none);
  const flight = await server.exchange(hello.send, none);
  const stuck = client.exchange(flight.send, none);
  setTimeout(() => mine.close(), 100);
  const answer = await stuck;
  assert.equal(answer.state, 'failed');
  assert.equal(answer.failure?.code, 'eap-tls-failed');
});
