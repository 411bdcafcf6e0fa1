/** REDIRECT (RFC 5685) between the client and the embedded head office; what becomes of a target is for who starts the next machine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readRedirect, redirectData } from '../../core/ike/exchanges/redirect.ts';
import type { IkeFailure } from '../../core/ike/sa/contract.ts';
import { NOTIFY } from '../../core/ike/wire/constants.ts';
import { notify } from '../../core/ike/wire/payloads.ts';
import type { Conversation } from '../gateway/conversation.ts';
import { answering, authorities, byEap, eapServer, officeCertificate, PASSWORD, USER } from '../gateway/credentials.ts';
import { identity } from '../gateway/fixtures.ts';
import { redirectMisbehaviours } from '../gateway/misbehaveExchanges.ts';
import type { RedirectPolicy } from '../gateway/redirect.ts';
import { agreed, authOf, failed, LONG, meet, type Scene } from './office.ts';

const TO = 'vpn2.office.test';

const to = (at: RedirectPolicy['at']): Scene['office'] => ({ redirect: { to: TO, at } });

function target(conversation: Conversation): string | undefined {
  return conversation.outputs('closed')[0]?.failure?.redirect;
}

/** By EAP, the office by its certificate. */
function eap(more: Scene['office'], redirect: Scene['client'] = { redirect: {} }): Scene {
  const users = [{ identity: identity(USER), proofs: ['eap'] as const }];
  return {
    client: { auth: { local: [byEap()], gateway: { method: 'certificate', authorities } }, ...redirect },
    office: { certificate: officeCertificate(), users, eap: eapServer(), ...more },
    answer: answering({ credentials: { password: [PASSWORD] } }),
  };
}

test('in IKE_SA_INIT: announced, the nonce comes back, and nothing more is sent to the first gateway (§3)', () => {
  // HDR(A,0), SAi1, KEi, Ni, N(REDIRECT_SUPPORTED) →  ← HDR(A,0), N(REDIRECT, vpn2.office.test, Ni)
  const conversation = meet({ client: { redirect: {} }, office: to('init') });
  failed(conversation, 'redirected', /^REDIRECT to vpn2\.office\.test in IKE_SA_INIT response$/);
  assert.equal(target(conversation), TO);
  assert.ok(authOf(conversation, 'IKE_SA_INIT request').includes('N(REDIRECT_SUPPORTED)'));
  assert.equal(conversation.outputs('transmit').length, 1);
});

test('who does not want it does not announce it, and an office that knows the RFC serves it', () => {
  const conversation = meet({ office: to('init') });
  agreed(conversation);
  assert.ok(!authOf(conversation, 'IKE_SA_INIT request').some((name) => /REDIRECT/.test(name)));
});

test('the next gateway hears from whom we come (§3, §9.3)', () => {
  for (const from of ['198.51.100.7', '2001:db8::7']) {
    const conversation = meet({ client: { redirect: { from } } });
    agreed(conversation);
    assert.ok(authOf(conversation, 'IKE_SA_INIT request').includes('N(REDIRECTED_FROM)'));
  }
});

test('a cookie first, then the redirect: it is the nonce of the same request', () => {
  const conversation = meet({ client: { redirect: {} }, office: { ...to('init'), cookie: 'always' } });
  failed(conversation, 'redirected');
});

test('in the answer to IKE_AUTH by a key: the IKE SA stands, and is deleted (§6)', () => {
  // HDR(A,B), SK {IDi, IDr, AUTH, …} →  ← HDR(A,B), SK {IDr, AUTH, N(REDIRECT)};  HDR, SK {D} →  ← HDR, SK {}
  const conversation = meet({ client: { redirect: {} }, office: to('auth-last') });
  failed(conversation, 'redirected', /in IKE_AUTH response$/);
  assert.equal(target(conversation), TO);
  assert.deepEqual(authOf(conversation, 'INFORMATIONAL request'), ['D']);
  conversation.run(LONG);
  assert.ok(conversation.officeHeard.some((output) => output.kind === 'closed'));
});

test('in the first answer of EAP: the office is proven, nothing was asked of the user, and there is nothing to delete (§6)', () => {
  const conversation = meet(eap(to('auth-first')));
  failed(conversation, 'redirected');
  const asked = conversation.outputs('ask').map(({ ask }) => ask.kind);
  assert.deepEqual(asked, ['gateway-certificate', 'gateway-revocation']);
  assert.deepEqual(authOf(conversation, 'INFORMATIONAL request'), []);
});

test('in the last answer of EAP (§6)', () => {
  const conversation = meet(eap(to('auth-last')));
  failed(conversation, 'redirected');
  assert.deepEqual(authOf(conversation, 'INFORMATIONAL request'), ['D']);
});

test('once it is up: answered, then the old SA is deleted with its CHILD SA (§5)', () => {
  const conversation = meet({ client: { redirect: {} } });
  agreed(conversation);
  // ← HDR, SK {N(REDIRECT)};  HDR, SK {} →;  HDR, SK {D} →  ← HDR, SK {}
  conversation.tellOffice({ kind: 'tell', payloads: [notify(NOTIFY.REDIRECT, redirectData('198.51.100.20'))] });
  conversation.run(LONG, () => conversation.outputs('closed').length > 0);
  const [closed] = conversation.outputs('closed');
  const expected: IkeFailure = {
    code: 'redirected',
    evidence: 'REDIRECT to 198.51.100.20 in INFORMATIONAL',
    redirect: '198.51.100.20',
  };
  assert.deepEqual(closed?.failure, expected);
  const texts = conversation.outputs('log').map(({ text }) => text);
  assert.ok(
    texts.lastIndexOf('sent INFORMATIONAL response') < texts.lastIndexOf('sent INFORMATIONAL request'),
    'the answer goes first',
  );
  assert.equal(conversation.outputs('remove-child').length, 1);
});

test('once it is up, to a name: the tunnel stays until that was looked up, which may be by the tunnel alone (§5)', () => {
  for (const how of ['looked up', 'never', 'deleted by the office'] as const) {
    const conversation = meet({ client: { redirect: {} } });
    agreed(conversation);
    // ← HDR, SK {N(REDIRECT)};  HDR, SK {} →
    conversation.tellOffice({ kind: 'tell', payloads: [notify(NOTIFY.REDIRECT, redirectData(TO))] });
    conversation.run(4_000);
    assert.deepEqual(conversation.outputs('redirecting'), [{ kind: 'redirecting', gateway: TO }]);
    assert.deepEqual([conversation.outputs('closed'), conversation.outputs('remove-child')], [[], []]);
    // HDR, SK {D} →  ← HDR, SK {}; or the other way round
    if (how === 'looked up') conversation.tell({ kind: 'leave' });
    if (how === 'deleted by the office') conversation.tellOffice({ kind: 'terminate' });
    conversation.run(how === 'never' ? 1_500 : 500, () => conversation.outputs('closed').length > 0);
    assert.equal(conversation.outputs('closed')[0]?.failure?.code, 'redirected', how);
    assert.equal(target(conversation), TO);
  }
});

test('told to leave by nobody who sent it away, it stays', () => {
  const conversation = meet({ client: { redirect: {} } });
  agreed(conversation);
  conversation.tell({ kind: 'leave' });
  conversation.run(10_000);
  assert.deepEqual(conversation.outputs('closed'), []);
});

test('once it is up, for who did not announce it, or to nowhere: answered and not followed', () => {
  for (const [client, data] of [
    [{}, redirectData(TO)],
    [{ redirect: {} }, redirectData('127.0.0.1')],
    [{ redirect: {} }, Uint8Array.of(3)],
  ] as const) {
    const conversation = meet({ client });
    conversation.tellOffice({ kind: 'tell', payloads: [notify(NOTIFY.REDIRECT, data)] });
    conversation.run(5_000);
    assert.deepEqual(conversation.outputs('closed'), []);
    assert.ok(conversation.outputs('log').some(({ text, level }) => level === 'warn' && /REDIRECT/.test(text)));
    conversation.tell({ kind: 'check-liveness' });
    conversation.run(5_000);
    assert.deepEqual(conversation.outputs('closed'), []);
  }
});

/** Those of an office with keys. `redirect-between` is in liars.test.ts. */
type Named = Exclude<(typeof redirectMisbehaviours)[number]['name'], 'redirect-between'>;

const lies: Readonly<Record<Named, readonly [IkeFailure['code'] | undefined, RegExp?]>> = {
  'endless-redirect': ['redirected', /to 198\.51\.100\.10 in/],
  'redirect-without-nonce': [undefined],
  'redirect-to-loopback': ['protocol', /REDIRECT to 127\.0\.0\.1, which is a loopback address/],
  'redirect-to-no-name': ['protocol', /REDIRECT to what is not a name/],
  'redirect-cut-short': ['protocol', /REDIRECT of 4 octets/],
  'redirect-in-auth': ['redirected', /192\.0\.2\.99/],
  'redirect-before-proof': ['gateway-authentication-failed'],
};

for (const { name, what, clause } of redirectMisbehaviours) {
  if (name === 'redirect-between') continue;
  const [code, evidence] = lies[name];
  test(`${name}: ${what} (${clause}) ${code === undefined ? 'is survived' : `ends in ${code}`}`, () => {
    const conversation = meet({ client: { redirect: {} }, office: { misbehave: [name] } });
    if (code === undefined) agreed(conversation);
    else failed(conversation, code, evidence);
  });
}

test('redirects to clients that did not announce them are believed nowhere (§3)', () => {
  failed(meet({ office: { misbehave: ['endless-redirect'] } }), 'protocol', /REDIRECT, which was not asked for/);
  agreed(meet({ office: { misbehave: ['redirect-in-auth'] } }));
});

test('where EAP alone proves the office, the first answer proves nothing and moves nobody', () => {
  const alone = eap({ eapOnly: true, misbehave: ['redirect-in-auth'] });
  const auth = { local: [byEap()], gateway: { method: 'eap-only', authorities } } as const;
  const conversation = meet({ ...alone, client: { redirect: {}, auth } });
  // EAP goes on, and this method then proves nothing.
  failed(conversation, 'eap-server-unproven');
  assert.ok(
    conversation.outputs('ask').some(({ ask }) => ask.kind === 'credential'),
    'EAP went on',
  );
});

test('REDIRECT data: every target that is written is read, and what is no target is told apart', () => {
  for (const gateway of ['192.0.2.1', '2001:db8::1', 'vpn.office.test', 'a'.repeat(63)]) {
    const nonce = new Uint8Array(16).fill(5);
    assert.deepEqual(readRedirect(redirectData(gateway, nonce)), { ok: true, value: { gateway, nonce } });
  }
  const name = (text: string) => Uint8Array.of(3, text.length, ...new TextEncoder().encode(text));
  assert.deepEqual(readRedirect(name('VPN.Office.Test.')), {
    ok: true,
    value: { gateway: 'vpn.office.test', nonce: new Uint8Array(0) },
  });
  const bad: readonly Uint8Array[] = [
    new Uint8Array(0),
    Uint8Array.of(1),
    Uint8Array.of(1, 4, 1, 2, 3),
    Uint8Array.of(1, 3, 1, 2, 3),
    Uint8Array.of(2, 4, 192, 0, 2, 1),
    Uint8Array.of(0, 4, 192, 0, 2, 1),
    Uint8Array.of(4, 1, 65),
    Uint8Array.of(1, 4, 0, 0, 0, 0),
    Uint8Array.of(1, 4, 255, 255, 255, 255),
    redirectData('::1'),
    name(''),
    name('1.2'),
    name('192.0.2.1'),
    name('-x.test'),
    name('a..b'),
    name('vpn\u0000.test'),
    name(`${'a'.repeat(64)}.test`),
    name(`${'abcdefg.'.repeat(31)}abcdefg`),
  ];
  for (const data of bad) {
    const read = readRedirect(data);
    assert.equal(read.ok, false, Buffer.from(data).toString('hex'));
    assert.match(read.ok ? '' : read.error, /^[\x20-\x7e]+$/);
  }
});
