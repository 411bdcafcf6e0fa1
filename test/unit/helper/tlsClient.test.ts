import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createTlsClient, type TlsAnswer, type TlsClientOptions } from '../../../core/helper/tlsClient.ts';
import { authority } from '../../authority/authority.ts';
import { TlsServer, type TlsServerOptions } from '../../gateway/eap/tlsServer.ts';

const NONE = new Uint8Array(0);
const office = authority.root({ subject: 'CN=Office EAP CA' });
const radius = office.issue({ subject: 'CN=radius.office.test', san: ['dns:radius.office.test'], eku: ['serverAuth'] });

/** Both ends, until neither has anything more to say. */
async function shake(client: Partial<TlsClientOptions> = {}, server: Partial<TlsServerOptions> = {}) {
  const ours = createTlsClient({ method: 'peap', checkServer: () => undefined, ...client });
  const theirs = new TlsServer({ method: 'peap', certPem: radius.chainPem, keyPem: radius.key.pkcs8Pem, ...server });
  const answers: TlsAnswer[] = [await ours.exchange(NONE, NONE)];
  let last: TlsAnswer | undefined;
  for (let rounds = 0; rounds < 6; rounds++) {
    const send = answers.at(-1)?.send ?? NONE;
    if (send.length === 0) break;
    last = await theirs.exchange(send, NONE);
    if (last.send.length === 0) break;
    answers.push(await ours.exchange(last.send, NONE));
  }
  return { ours, theirs, answers, server: last };
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  describe(`the TLS client of EAP, ${version}`, () => {
    test('the keys come once, with the answer that says it is open, and are those of the server', async () => {
      const { answers, server, ours } = await shake({ maxVersion: version });
      assert.deepEqual(
        answers.filter(({ keyMaterial }) => keyMaterial !== undefined).map((answer) => [answer.state, answer.version]),
        [['open', version]],
      );
      assert.deepEqual(answers.find(({ keyMaterial }) => keyMaterial !== undefined)?.keyMaterial, server?.keyMaterial);
      assert.equal(server?.keyMaterial?.length, 128);
      assert.equal((await ours.exchange(NONE, NONE)).keyMaterial, undefined);
    });

    test('the keys of each method differ, and TTLS has a challenge', async () => {
      const methods = ['tls', 'ttls', 'peap'] as const;
      const done = await Promise.all(methods.map((method) => shake({ method, maxVersion: version }, { method })));
      for (const [i, { answers, server }] of done.entries()) {
        const open = answers.find(({ keyMaterial }) => keyMaterial !== undefined);
        assert.deepEqual(open?.keyMaterial, server?.keyMaterial);
        assert.equal(open?.challenge?.length, methods[i] === 'ttls' ? 17 : undefined);
        assert.deepEqual(open?.challenge, server?.challenge);
      }
    });

    test('what is written arrives, and is wiped here', async () => {
      const { ours, theirs } = await shake({ maxVersion: version });
      const secret = Uint8Array.from(Buffer.from('a password'));
      const { send } = await ours.exchange(NONE, secret);
      assert.ok(send.length > 10 && !Buffer.from(send).includes('a password'));
      assert.deepEqual(secret, new Uint8Array(10));
      assert.equal(Buffer.from((await theirs.exchange(send, NONE)).plain).toString(), 'a password');
    });

    test('a megabyte through the tunnel is all there when the answer comes', async () => {
      const { ours, theirs } = await shake({ maxVersion: version });
      const { send } = await theirs.exchange(NONE, new Uint8Array(1 << 20).fill(7));
      assert.equal((await ours.exchange(send, NONE)).plain.length, 1 << 20);
    });

    test('writing before it is open is a mistake of ours', async () => {
      const client = createTlsClient({ method: 'ttls', checkServer: () => undefined, maxVersion: version });
      await client.exchange(NONE, NONE);
      await assert.rejects(client.exchange(NONE, Uint8Array.of(1)), /a tunnel that is handshake/);
    });

    test('one octet at a time comes to the same', async () => {
      const ours = createTlsClient({ method: 'peap', checkServer: () => undefined, maxVersion: version });
      const theirs = new TlsServer({ method: 'peap', certPem: radius.chainPem, keyPem: radius.key.pkcs8Pem });
      const flight = (await theirs.exchange((await ours.exchange(NONE, NONE)).send, NONE)).send;
      const parts: Uint8Array[] = [];
      let state = '';
      for (const octet of flight) {
        const answer = await ours.exchange(Uint8Array.of(octet), NONE);
        parts.push(answer.send);
        state = answer.state;
      }
      const server = await theirs.exchange(Uint8Array.from(Buffer.concat(parts)), NONE);
      if (version === 'TLSv1.2') state = (await ours.exchange(server.send, NONE)).state;
      assert.equal(state, 'open');
    });

    test('a judge who takes time is waited for, and nothing leaves before', async () => {
      let judged = false;
      const { answers } = await shake({
        maxVersion: version,
        checkServer: async () => {
          await new Promise((resolve) => setTimeout(resolve, 20));
          judged = true;
          return { code: 'eap-server-certificate', evidence: 'no' };
        },
      });
      assert.ok(judged);
      assert.deepEqual(
        answers.map(({ state }) => state),
        ['handshake', 'failed', ...(answers.length > 2 ? ['failed'] : [])],
      );
      assert.equal(answers[1].keyMaterial, undefined);
    });

    test('closed while the certificate is judged, it stays closed', async () => {
      const closing: { client?: ReturnType<typeof createTlsClient> } = {};
      const client = createTlsClient({
        method: 'peap',
        maxVersion: version,
        checkServer: async () => {
          closing.client?.close();
          return undefined;
        },
      });
      closing.client = client;
      const theirs = new TlsServer({ method: 'peap', certPem: radius.chainPem, keyPem: radius.key.pkcs8Pem });
      const flight = await theirs.exchange((await client.exchange(NONE, NONE)).send, NONE);
      const answer = await client.exchange(flight.send, NONE);
      assert.deepEqual([answer.state, answer.keyMaterial], ['closed', undefined]);
    });

    test('garbage is a failure with OpenSSL’s reason as one printable line', async () => {
      const client = createTlsClient({ method: 'peap', checkServer: () => undefined, maxVersion: version });
      await client.exchange(NONE, NONE);
      const answer = await client.exchange(new Uint8Array(300).fill(0x55), NONE);
      assert.equal(answer.state, 'failed');
      assert.equal(answer.failure?.code, 'eap-tls-failed');
      assert.match(answer.failure?.evidence ?? '', /^[ -~]{3,120}$/);
      assert.equal((await client.exchange(new Uint8Array(300), NONE)).state, 'failed');
    });

    test('RFC 5216 §2.1.3: of a hello that can not be read the server is told by an alert', async () => {
      const client = createTlsClient({ method: 'peap', checkServer: () => undefined, maxVersion: version });
      await client.exchange(NONE, NONE);
      const answer = await client.exchange(Uint8Array.of(22, 3, 3, 0, 4, 2, 0, 0, 0), NONE);
      assert.deepEqual([...answer.send], [21, 3, 3, 0, 2, 2, 50]);
      assert.equal(answer.state, 'failed');
    });

    test('after close nothing is said', async () => {
      const { ours } = await shake({ maxVersion: version });
      ours.close();
      const answer = await ours.exchange(NONE, NONE);
      assert.deepEqual([answer.state, answer.send.length, answer.keyMaterial], ['closed', 0, undefined]);
    });
  });
}

test('the client hello is one EAP packet, and offers no ticket to resume and no older version', async () => {
  const client = createTlsClient({ method: 'tls', checkServer: () => undefined });
  const { send } = await client.exchange(NONE, NONE);
  assert.ok(send.length < 1000, `${send.length}`);
  const extensions = extensionsOf(send);
  assert.equal(extensions.get(35), undefined, 'session_ticket');
  assert.equal(extensions.get(41), undefined, 'pre_shared_key');
  assert.equal(extensions.get(42), undefined, 'early_data');
  assert.equal(extensions.get(0), undefined, 'server_name');
  assert.equal(Buffer.from(extensions.get(43) ?? NONE).toString('hex'), '0403040303');
});

test('a server that closes in good order after the handshake is closed', async () => {
  const { ours, theirs } = await shake({ maxVersion: 'TLSv1.3' });
  theirs.close();
  const { send } = await theirs.exchange(NONE, NONE);
  assert.equal((await ours.exchange(send, NONE)).state, 'closed');
});

test('a key that is no key, and a certificate that is none, are said to be ours', async () => {
  for (const clientCertificate of [
    { chain: [radius.der], pkcs8: Uint8Array.of(1, 2, 3) },
    { chain: [Uint8Array.of(48, 0)], pkcs8: radius.pkcs8 },
    { chain: [], pkcs8: radius.pkcs8 },
  ]) {
    const answer = await createTlsClient({ method: 'tls', checkServer: () => undefined, clientCertificate }).exchange(NONE, NONE);
    assert.equal(answer.state, 'failed');
    assert.match(answer.failure?.evidence ?? '', /^client certificate: /);
  }
});

/** RFC 8446 §4.1.2: the extensions of a client hello in one record, by number. */
function extensionsOf(record: Uint8Array): Map<number, Uint8Array> {
  const view = new DataView(record.buffer, record.byteOffset);
  let at = 5 + 4 + 2 + 32;
  at += 1 + record[at];
  at += 2 + view.getUint16(at);
  at += 1 + record[at];
  const out = new Map<number, Uint8Array>();
  for (at += 2; at < record.length; at += 4 + view.getUint16(at + 2)) {
    out.set(view.getUint16(at), record.subarray(at + 4, at + 4 + view.getUint16(at + 2)));
  }
  return out;
}
