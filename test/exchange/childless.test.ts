/** IKE_AUTH without a CHILD SA (RFC 6023), and CHILD SAs that the gateway cannot make just then (RFC 7296 §2.21.2, §2.25). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withSpi } from '../../core/ike/negotiation.ts';
import { NOTIFY } from '../../core/ike/wire/constants.ts';
import type { Payload } from '../../core/ike/wire/message.ts';
import { notify } from '../../core/ike/wire/payloads.ts';
import type { Conversation } from '../gateway/conversation.ts';
import { answering, authorities, byEap, eapServer, officeCertificate, PASSWORD, USER } from '../gateway/credentials.ts';
import { identity, officeConfig, proposals } from '../gateway/fixtures.ts';
import { agreed, authOf, failed, LONG, meet } from './office.ts';
import { Street } from './street.ts';

const ABOUT_A_CHILD = ['SA', 'TSi', 'TSr'];

const sent = (conversation: Conversation, name: string) =>
  conversation.outputs('log').filter(({ text }) => text === `sent ${name}`).length;

/** Both have the CHILD SA, and IKE_AUTH said nothing of it. */
function childless(conversation: Conversation): void {
  agreed(conversation);
  for (const name of ['IKE_AUTH request', 'IKE_AUTH response']) {
    const kinds = authOf(conversation, name);
    assert.deepEqual(
      kinds.filter((kind) => ABOUT_A_CHILD.includes(kind)),
      [],
    );
  }
  assert.equal(sent(conversation, 'CREATE_CHILD_SA request'), 1);
}

test('announced and wanted: addresses in IKE_AUTH, the CHILD SA by CREATE_CHILD_SA with a key exchange of its own', () => {
  const esp = { espProposals: proposals(['aes256gcm16-x25519-noesn'], 'esp') };
  // HDR, SK {IDi, IDr, AUTH, CP} →  ← HDR, SK {IDr, AUTH, CP};  HDR, SK {SA, Ni, KEi, TSi, TSr} →  ← HDR, SK {SA, Nr, KEr, TSi, TSr}
  const conversation = meet({ client: { childless: true, ...esp }, office: { childless: 'allow', ...esp } });
  childless(conversation);
  const [{ child }] = conversation.outputs('install-child');
  assert.equal(child.ke?.keyword, 'x25519');
  const [{ configuration }] = conversation.outputs('configured');
  assert.ok(configuration.addresses.length > 0);
  // What goes in and out is ours alone, as in any other CHILD SA.
  assert.deepEqual(
    child.localSelectors.map(({ start, end }) => [[...start].join('.'), [...end].join('.')]).filter(([a, b]) => a !== b),
    [],
  );
  const kinds = conversation.heard.map(({ kind }) => kind).filter((kind) => /established|configured|install-child/.test(kind));
  assert.deepEqual(kinds, ['established', 'configured', 'install-child']);
});

test('an office that insists on it is served', () => {
  childless(meet({ client: { childless: true }, office: { childless: 'force' } }));
});

test('not announced, or not wanted: IKE_AUTH makes it', () => {
  for (const scene of [{ client: { childless: true } }, { office: { childless: 'allow' as const } }]) {
    const conversation = meet(scene);
    agreed(conversation);
    assert.equal(sent(conversation, 'CREATE_CHILD_SA request'), 0);
    assert.ok(ABOUT_A_CHILD.every((kind) => authOf(conversation, 'IKE_AUTH request').includes(kind)));
  }
});

test('with EAP', () => {
  const users = [{ identity: identity(USER), proofs: ['eap'] as const }];
  const conversation = meet({
    client: { childless: true, auth: { local: [byEap()], gateway: { method: 'certificate', authorities } } },
    office: { childless: 'allow', certificate: officeCertificate(), users, eap: eapServer() },
    answer: answering({ credentials: { password: [PASSWORD] } }),
  });
  childless(conversation);
});

test('with a ticket', () => {
  const street = new Street({ childless: 'force', tickets: { lifetime: 3600 } }, { childless: true, resumption: {} });
  const first = street.visit();
  const ticket = first.outputs('ticket').at(-1)?.ticket;
  assert.ok(ticket);
  const second = street.visit({ resumption: { ticket } });
  assert.equal(second.outputs('established')[0]?.sa.resumed, true);
  assert.equal(second.outputs('install-child').length, 1);
  assert.equal(sent(second, 'CREATE_CHILD_SA request'), 1);
});

test('a CHILD SA that nobody asked for is not taken (§3)', () => {
  const forced: Payload = { kind: 'SA', proposals: withSpi(officeConfig.espProposals, Uint8Array.of(1, 2, 3, 4)) };
  const conversation = meet({
    client: { childless: true },
    office: { childless: 'allow', changeAuth: (honest) => [...honest, forced] },
  });
  refused(conversation, 'protocol', /was not asked for/);
});

test('refused in CREATE_CHILD_SA: the same reasons as in IKE_AUTH, and the IKE SA is deleted', () => {
  const other = { espProposals: proposals(['aes128-sha1'], 'esp') };
  const conversation = meet({ client: { childless: true }, office: { childless: 'allow', ...other } });
  refused(conversation, 'child-no-proposal-chosen', /NO_PROPOSAL_CHOSEN/);
  assert.deepEqual(authOf(conversation, 'INFORMATIONAL request'), ['D']);
});

test('no address: there is nothing to make a CHILD SA for', () => {
  const conversation = meet({ client: { childless: true }, office: { childless: 'allow', pool: {} } });
  failed(conversation, 'no-address');
});

// --- busy just then ------------------------------------------------------------------------------------------------------------------

/** The addresses are given, the CHILD SA is not, for now. */
const busy = (honest: readonly Payload[]): readonly Payload[] => [
  ...honest.filter(({ kind }) => !ABOUT_A_CHILD.includes(kind)),
  notify(NOTIFY.TEMPORARY_FAILURE),
];

test('TEMPORARY_FAILURE in IKE_AUTH: the IKE SA stands, and the CHILD SA is asked for by itself', () => {
  const conversation = meet({ office: { changeAuth: busy } });
  agreed(conversation);
  assert.equal(sent(conversation, 'CREATE_CHILD_SA request'), 1);
  conversation.run(LONG);
  assert.deepEqual(conversation.outputs('closed'), []);
});

test('TEMPORARY_FAILURE without addresses: that is a refusal', () => {
  const changeAuth = (honest: readonly Payload[]) => busy(honest).filter(({ kind }) => kind !== 'CP');
  failed(meet({ office: { changeAuth } }), 'child-refused', /TEMPORARY_FAILURE/);
});

/** As `failed`, of an IKE SA that was established before. */
function refused(conversation: Conversation, code: string, evidence: RegExp): void {
  const [closed] = conversation.outputs('closed');
  assert.equal(closed?.failure?.code, code, JSON.stringify(closed));
  assert.match(closed.failure.evidence, evidence);
  assert.deepEqual(conversation.outputs('install-child'), []);
}
