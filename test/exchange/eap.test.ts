/** EAP inside IKE_AUTH between the client and the embedded head office: each method, EAP alone, and after another authentication. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GatewayAuth, IkeAsk, LocalAuth } from '../../core/ike/auth/contract.ts';
import type { EapMethodName } from '../../core/ike/auth/eap/contract.ts';
import type { Room } from '../gateway/conversation.ts';
import {
  anchor,
  answering,
  authorities,
  byCertificate,
  byEap,
  eapServer,
  officeCertificate,
  PASSWORD,
  USER,
  userCertificate,
} from '../gateway/credentials.ts';
import { TlsServer } from '../gateway/eap/tlsServer.ts';
import { identity, officeConfig, SECRET } from '../gateway/fixtures.ts';
import { agreed, authOf, failed, LONG, meet, meetSlowly, room } from './office.ts';

const alice = identity(USER);
const byCertificateOfGateway: GatewayAuth = { method: 'certificate', authorities };
const eapUser = { identity: alice, proofs: ['eap'] } as const;

const offices = { certificate: officeCertificate(), users: [eapUser] };

for (const [method, credentials, proof] of [
  ['mschapv2', { password: [PASSWORD] }, 'a key'],
  ['gtc', { code: [PASSWORD], password: [PASSWORD] }, 'no key'],
  ['md5', { password: [PASSWORD] }, 'no key'],
] as const) {
  test(`EAP-${method}, which makes ${proof}: AUTH after it in both directions`, () => {
    const asked: IkeAsk[] = [];
    const conversation = meet({
      client: { auth: { local: [byEap([method])], gateway: byCertificateOfGateway } },
      office: { ...offices, eap: eapServer([method]) },
      answer: answering({ credentials: { password: [...credentials.password] }, asked }),
    });
    agreed(conversation);
    const kinds = asked.map(({ kind }) => kind);
    assert.deepEqual(kinds.slice(0, 2), ['gateway-certificate', 'gateway-revocation']);
    assert.ok(kinds.slice(2).every((kind) => kind === 'credential'));
  });
}

/** TLS of the office, one session for each client. */
function officeTls(key = officeCertificate('p256'), clientCaPem?: string): Room['officeTls'] {
  const sessions = new Map<string, TlsServer>();
  return (id, ask) => {
    const session =
      sessions.get(id) ??
      new TlsServer({
        method: ask.method,
        certPem: pemOf(key.chain),
        keyPem: keyPem(key.pkcs8),
        ...(clientCaPem && { clientCaPem }),
      });
    sessions.set(id, session);
    return session.exchange(ask.received, ask.write);
  };
}

const pem = (label: string, der: Uint8Array) =>
  `-----BEGIN ${label}-----\n${Buffer.from(der).toString('base64').replace(/.{64}/g, '$&\n')}\n-----END ${label}-----\n`;
const pemOf = (chain: readonly Uint8Array[]) => chain.map((der) => pem('CERTIFICATE', der)).join('');
const keyPem = (der: Uint8Array) => pem('PRIVATE KEY', der);

const tlsMethods: readonly (readonly [EapMethodName, GatewayAuth])[] = [
  ['tls', byCertificateOfGateway],
  ['ttls', byCertificateOfGateway],
  ['peap', byCertificateOfGateway],
  ['tls', { method: 'eap-only', authorities: [] }],
  ['ttls', { method: 'eap-only', authorities: [] }],
  ['peap', { method: 'eap-only', authorities: [] }],
];

for (const [method, gateway] of tlsMethods) {
  const alone = gateway.method === 'eap-only';
  test(`EAP-${method}${alone ? ' alone (RFC 5998)' : ''}, with TLS in fragments`, async () => {
    const asked: IkeAsk[] = [];
    const conversation = await meetSlowly({
      client: { auth: { local: [byEap([method], { mutualOnly: alone })], gateway } },
      office: { ...offices, eap: eapServer([method], { fragment: 300 }), eapOnly: true },
      answer: answering({ credentials: { password: [PASSWORD] }, user: userCertificate(), asked }),
      officeTls: officeTls(undefined, method === 'tls' ? pem('CERTIFICATE', anchor) : undefined),
    });
    agreed(conversation);
    assert.equal(
      asked.some(({ kind }) => kind === 'gateway-certificate'),
      !alone,
    );
  });
}

test('EAP alone was asked for, and a gateway that proves itself all the same is verified all the same (RFC 5998 §3)', () => {
  const asked: IkeAsk[] = [];
  const conversation = meet({
    client: { auth: { local: [byEap(['mschapv2'])], gateway: { method: 'eap-only', authorities } } },
    office: { ...offices, eap: eapServer() },
    answer: answering({ anchors: [], asked }),
  });
  failed(conversation, 'gateway-untrusted');
  assert.deepEqual(
    asked.map(({ kind }) => kind),
    ['gateway-certificate'],
  );
});

test('EAP alone by a method that proves no gateway is refused, with nothing asked', () => {
  const asked: IkeAsk[] = [];
  const conversation = meet({
    client: { auth: { local: [byEap(['gtc'])], gateway: { method: 'eap-only', authorities: [] } } },
    office: { ...offices, eap: eapServer(['gtc']), eapOnly: true },
    // The configuration forgot `mutualOnly`: the last line of defence is the machine's.
    answer: answering({ credentials: { password: [PASSWORD], code: [PASSWORD] }, asked }),
  });
  failed(conversation, 'eap-server-unproven', /gtc/);
});

for (const first of ['certificate', 'psk'] as const) {
  test(`${first}, then EAP (RFC 4739)`, () => {
    const user = userCertificate();
    const local: LocalAuth[] = [first === 'psk' ? { method: 'psk', secret: SECRET } : byCertificate(user), byEap()];
    const asked: IkeAsk[] = [];
    const conversation = meet({
      client: { auth: { local, gateway: byCertificateOfGateway } },
      office: {
        certificate: officeCertificate(),
        users: [{ identity: alice, secret: SECRET, proofs: [first, 'eap'] }],
        userAuthorities: [anchor],
        eap: eapServer(),
      },
      answer: answering({ user, credentials: { password: [PASSWORD] }, asked }),
    });
    agreed(conversation);
    const kinds = asked.map(({ kind }) => kind).filter((kind) => kind !== 'sign');
    assert.deepEqual(kinds, ['gateway-certificate', 'gateway-revocation', 'credential']);
  });
}

test('EAP, then a certificate (RFC 4739)', () => {
  const user = userCertificate();
  const asked: IkeAsk[] = [];
  const conversation = meet({
    client: { auth: { local: [byEap(), byCertificate(user)], gateway: byCertificateOfGateway } },
    office: {
      certificate: officeCertificate(),
      users: [{ identity: alice, proofs: ['eap', 'certificate'] }],
      userAuthorities: [anchor],
      eap: eapServer(),
    },
    answer: answering({ user, credentials: { password: [PASSWORD] }, asked }),
  });
  agreed(conversation);
  const sign = asked.at(-1);
  assert.ok(sign?.kind === 'sign' && sign.round === 1);
});

test('a gateway that takes one authentication only is not told the first of two', () => {
  const user = userCertificate();
  const asked: IkeAsk[] = [];
  const conversation = meet({
    client: { auth: { local: [byCertificate(user), byEap()], gateway: byCertificateOfGateway } },
    office: {
      certificate: officeCertificate(),
      users: [{ identity: alice, proofs: ['certificate'] }],
      userAuthorities: [anchor],
    },
    answer: answering({ user, asked }),
  });
  failed(conversation, 'auth-method-mismatch', /MULTIPLE_AUTH_SUPPORTED/);
  assert.deepEqual(asked, []);
});

test('a wrong password has its own reason, and so has a password that nobody typed', () => {
  const scene = (credentials: { password?: string[] }) => ({
    client: { auth: { local: [byEap()], gateway: byCertificateOfGateway } },
    office: { ...offices, eap: eapServer(['mschapv2'], { retries: 0 }) },
    answer: answering({ credentials }),
  });
  failed(meet(scene({ password: ['falsch', 'falsch', 'falsch'] })), 'password-wrong');
  failed(meet(scene({})), 'credential-expired');
});

test('the first request of EAP has no AUTH, and no identity is told before the gateway is known', () => {
  const asked: IkeAsk[] = [];
  const conversation = meet({
    client: { auth: { local: [byEap(['mschapv2'], { identity: undefined })], gateway: byCertificateOfGateway } },
    office: { ...offices, eap: eapServer() },
    answer: answering({ anchors: [], credentials: { identity: [USER], password: [PASSWORD] }, asked }),
  });
  failed(conversation, 'gateway-untrusted');
  assert.ok(!authOf(conversation, 'IKE_AUTH request').includes('AUTH'));
  assert.deepEqual(
    asked.map(({ kind }) => kind),
    ['gateway-certificate'],
  );
});

test('while a user thinks no time limit runs; when the answer comes late the rest has its full time', () => {
  const scene = room({
    client: { auth: { local: [byEap()], gateway: byCertificateOfGateway } },
    office: { ...offices, eap: eapServer(), timing: { ...officeConfig.timing, establishWithin: 1_000_000 } },
    answer: (ask) => (ask.kind === 'credential' ? new Promise(() => {}) : answering()(ask)),
  });
  scene.tell({ kind: 'start' });
  scene.run(600_000);
  assert.deepEqual(scene.outputs('closed'), []);
  const ask = scene.outputs('ask').at(-1);
  assert.equal(ask?.ask.kind, 'credential');
  scene.tell({ kind: 'answer', id: 77, answer: { kind: 'gateway-revocation' } });
  scene.tell({ kind: 'answer', id: ask.id, answer: { kind: 'credential', value: Buffer.from(PASSWORD) } });
  const again = Buffer.from('again');
  scene.tell({ kind: 'answer', id: ask.id, answer: { kind: 'credential', value: again } });
  assert.deepEqual([...again], [0, 0, 0, 0, 0], 'what nobody wants is wiped');
  scene.run(50_000, () => scene.outputs('install-child').length > 0);
  agreed(scene);
});

// OpenIKED 7.2 does so at a wrong password.
test('a gateway that falls silent at the answer to its EAP question is not blamed on the network alone', () => {
  let silent = false;
  const scene = room({
    client: { auth: { local: [byEap()], gateway: byCertificateOfGateway } },
    office: { ...offices, eap: eapServer() },
    answer: (ask) => {
      silent ||= ask.kind === 'credential';
      return answering({ credentials: { password: ['not that one'] } })(ask);
    },
    network: () => (silent ? [] : [10]),
  });
  scene.tell({ kind: 'start' });
  assert.ok(scene.run(LONG, () => scene.outputs('closed').length > 0));
  failed(scene, 'no-answer-auth', /^no answer to IKE_AUTH, after EAP messages: .* wrong user name or password$/);
});

test('cancelling while a question is open ends at once', () => {
  const scene = room({
    client: { auth: { local: [byEap()], gateway: byCertificateOfGateway } },
    office: { ...offices, eap: eapServer() },
    answer: (ask) => (ask.kind === 'credential' ? new Promise(() => {}) : answering()(ask)),
  });
  scene.tell({ kind: 'start' });
  scene.run(5_000);
  const ask = scene.outputs('ask').at(-1);
  assert.equal(ask?.ask.kind, 'credential');
  scene.tell({ kind: 'terminate' });
  assert.deepEqual(scene.outputs('closed'), [{ kind: 'closed' }]);
  const late = Buffer.from('too late');
  scene.tell({ kind: 'answer', id: ask.id, answer: { kind: 'credential', value: late } });
  assert.ok(late.every((octet) => octet === 0));
});

test('cancelling while the chain of a gateway is judged that has its SA already deletes that', () => {
  const scene = room({
    client: { auth: { local: [{ method: 'psk', secret: SECRET }], gateway: byCertificateOfGateway } },
    office: { certificate: officeCertificate() },
    answer: () => new Promise(() => {}),
  });
  scene.tell({ kind: 'start' });
  scene.run(5_000);
  scene.tell({ kind: 'terminate' });
  assert.ok(scene.run(1_000, () => scene.outputs('closed').length > 0));
  assert.deepEqual(scene.outputs('closed'), [{ kind: 'closed' }]);
  assert.ok(scene.officeHeard.some((output) => output.kind === 'closed'));
});
