/** Coming back with a ticket (RFC 5723): the client and the embedded head office, twice in a row. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IkeConfig, IkeTicket } from '../../core/ike/sa/contract.ts';
import { NOTIFY } from '../../core/ike/wire/constants.ts';
import { parseMessage } from '../../core/ike/wire/parse.ts';
import { allNotifies } from '../../core/ike/wire/payloads.ts';
import type { HeadOffice, HeadOfficeConfig } from '../gateway/config.ts';
import type { Conversation } from '../gateway/conversation.ts';
import { authorities, byEap, eapServer, officeCertificate, USER } from '../gateway/credentials.ts';
import { identity, proposals } from '../gateway/fixtures.ts';
import { resumeMisbehaviours } from '../gateway/misbehaveExchanges.ts';
import { agreed, authOf, meet } from './office.ts';
import { Street } from './street.ts';

const HOUR = 3_600_000;

/** With tickets, and clients that ask for them. */
function ticketing(config: Partial<HeadOfficeConfig> = {}): Street {
  return new Street({ tickets: { lifetime: 3600 }, ...config }, { resumption: {} });
}

/** The ticket that a helper would have now. */
function ticketOf(conversation: Conversation): IkeTicket | undefined {
  return conversation.outputs('ticket').at(-1)?.ticket;
}

function ticketed(conversation: Conversation): { readonly ticket: IkeTicket } {
  const ticket = ticketOf(conversation);
  assert.ok(ticket, JSON.stringify(conversation.outputs('log').at(-1)));
  return { ticket };
}

/** The ticket that it asks for when the first one is about to be over. */
function renewed(conversation: Conversation): { readonly ticket: IkeTicket } {
  const { ticket } = ticketed(conversation);
  conversation.run(3_000_000, () => ticketOf(conversation) !== ticket);
  return ticketed(conversation);
}

const resumed = (conversation: Conversation) => conversation.outputs('established')[0]?.sa.resumed;
const sent = (conversation: Conversation, name: string) =>
  conversation.outputs('log').filter(({ text }) => text === `sent ${name}`).length;

/** Both have the same keys, whatever was said at earlier visits. */
function together(conversation: Conversation): void {
  const [{ child }] = conversation.outputs('install-child');
  const theirs = conversation.officeHeard.findLast((output) => output.kind === 'install-child');
  assert.ok(theirs?.kind === 'install-child');
  assert.deepEqual([theirs.child.keysIn, theirs.child.spiIn], [child.keysOut, child.spiOut]);
}

test('a ticket is asked for, and brings the client back without a key exchange or a proof of old', () => {
  const street = ticketing();
  const first = street.visit();
  agreed(first);
  assert.ok(authOf(first, 'IKE_AUTH request').includes('N(TICKET_REQUEST)'));
  const { ticket } = ticketed(first);
  assert.ok(ticket.expiresAt > first.now && ticket.expiresAt <= first.now + HOUR);
  assert.equal(resumed(first), undefined);

  // HDR, Ni, N(TICKET_OPAQUE), N+ →  ← HDR, Nr, N+;  HDR, SK {IDi, IDr, AUTH, N(TICKET_REQUEST), CP, SA, TSi, TSr} →  ← …
  street.restart();
  const second = street.visit({ resumption: { ticket } });
  together(second);
  assert.equal(resumed(second), true);
  assert.equal(sent(second, 'IKE_SA_INIT request'), 0);
  assert.deepEqual(authOf(second, 'IKE_SESSION_RESUME request').slice(0, 2), ['NONCE', 'N(TICKET_OPAQUE)']);
  assert.deepEqual(
    authOf(second, 'IKE_AUTH request').filter((kind) => /CERT|EAP/.test(kind)),
    [],
  );
  const [one] = first.outputs('established');
  const [two] = second.outputs('established');
  assert.deepEqual([two?.sa.remoteIdentity, two?.sa.encr], [one?.sa.remoteIdentity, one?.sa.encr]);
  assert.notEqual(two?.sa.spiI, one?.sa.spiI);

  // And again, with the ticket that the second visit brought.
  const third = street.visit({ resumption: ticketed(second) });
  together(third);
  assert.equal(resumed(third), true);
  assert.notDeepEqual(ticketed(third).ticket.octets, ticketed(second).ticket.octets);
});

test('the gateway is the same in another letter case, and AUTH covers the octets of its IDr (RFC 7296 §2.15)', () => {
  const street = ticketing();
  const { ticket } = ticketed(street.visit());
  const second = street.visit({ resumption: { ticket: { ...ticket, remoteIdentity: identity('VPN.Office.test') } } });
  together(second);
  assert.equal(resumed(second), true);
});

test('who wants no tickets gets none', () => {
  const conversation = meet({ office: { tickets: { lifetime: 3600 } } });
  agreed(conversation);
  assert.ok(!authOf(conversation, 'IKE_AUTH request').includes('N(TICKET_REQUEST)'));
  assert.deepEqual(conversation.outputs('ticket'), []);
});

test('a user who logged in by EAP is asked nothing when he comes back', () => {
  const users = [{ identity: identity(USER), proofs: ['eap'] as const }];
  const street = ticketing({ certificate: officeCertificate(), users, eap: eapServer() });
  const auth = { local: [byEap()], gateway: { method: 'certificate', authorities } } as const;
  const first = street.visit({ auth });
  agreed(first);
  assert.ok(first.outputs('ask').length > 2);
  const second = street.visit({ auth, resumption: ticketed(first) });
  together(second);
  assert.deepEqual(second.outputs('ask'), []);
  assert.equal(resumed(second), true);
});

test('after additional key exchanges the ticket is of the last keys, and they are not done again (RFC 9370)', () => {
  const hybrid = proposals(['aes256gcm16-prfsha256-x25519-ke1_mlkem768'], 'ike');
  const street = ticketing({ ikeProposals: hybrid });
  const first = street.visit({ ikeProposals: hybrid });
  agreed(first);
  assert.equal(sent(first, 'IKE_INTERMEDIATE request'), 1);
  for (const { ticket } of [ticketed(first), renewed(first)]) {
    const second = street.visit({ ikeProposals: hybrid, resumption: { ticket } });
    together(second);
    assert.equal(resumed(second), true);
    assert.equal(sent(second, 'IKE_INTERMEDIATE request'), 0);
  }
});

test('the office forgets the SA that the ticket is of, without a word (§4.3.4)', () => {
  const street = ticketing();
  const first = street.visit();
  const [{ sa }] = first.outputs('established');
  const second = street.visit({ resumption: ticketed(first) });
  together(second);
  assert.deepEqual(street.office.list().length, 1);
  assert.notEqual(street.office.list()[0]?.id, sa.spiR);
});

test('one use (§4.3.1): the same ticket again leads to a full exchange', () => {
  const street = ticketing();
  const ticket = ticketed(street.visit());
  assert.equal(resumed(street.visit({ resumption: ticket })), true);
  const third = street.visit({ resumption: ticket });
  together(third);
  assert.equal(resumed(third), undefined);
  assert.equal(third.outputs('ticket')[0]?.ticket, undefined, 'the old one is void before there is a new one');
  assert.ok(ticketOf(third));
});

test('what is known to be of no use is not presented (§4.3.1, §4.3.3)', () => {
  const street = ticketing();
  const first = street.visit();
  const { ticket } = ticketed(first);
  const cases: readonly (readonly [string, Partial<IkeConfig>])[] = [
    ['of another gateway', { resumption: { ticket: { ...ticket, gateway: '198.51.100.11' } } }],
    ['of another user', { resumption: { ticket: { ...ticket, localIdentity: identity('bob@office.test') } } }],
    ['of a gateway with another name', { resumption: { ticket: { ...ticket, remoteIdentity: identity('mail.office.test') } } }],
    ['expired', { resumption: { ticket: { ...ticket, expiresAt: street.now } } }],
  ];
  for (const [what, config] of cases) {
    const conversation = street.visit(config);
    together(conversation);
    assert.equal(sent(conversation, 'IKE_SESSION_RESUME request'), 0, what);
    assert.equal(resumed(conversation), undefined, what);
  }
});

test('a cookie is brought along (§4.3.2)', () => {
  const street = ticketing({ cookie: 'always' });
  const second = street.visit({ resumption: ticketed(street.visit()) });
  together(second);
  assert.equal(resumed(second), true);
  assert.equal(sent(second, 'IKE_SESSION_RESUME request'), 2);
});

test('a redirect of who comes with a ticket is told with its target, and the ticket is not void', () => {
  const street = ticketing();
  const ticket = ticketed(street.visit());
  street.restart({ redirect: { to: 'vpn2.office.test', at: 'init' } });
  const second = street.visit({ resumption: ticket, redirect: {} });
  assert.deepEqual(
    second.outputs('closed').map(({ failure }) => [failure?.code, failure?.redirect]),
    [['redirected', 'vpn2.office.test']],
  );
  assert.deepEqual(second.outputs('ticket'), []);
});

test('the user ends it while it resumes: it ends, and no full exchange begins', () => {
  const street = ticketing();
  const ticket = ticketed(street.visit());
  street.restart({ misbehave: ['resume-silent'] });
  const second = street.come({ resumption: ticket });
  second.run(100);
  second.tell({ kind: 'terminate' });
  assert.deepEqual(second.outputs('closed'), [{ kind: 'closed' }]);
  assert.equal(
    second.run(100_000, () => sent(second, 'IKE_SA_INIT request') > 0),
    false,
  );
});

test('an office that is not there at all: no answer, in the end by the full exchange, and the ticket may still be good', () => {
  const street = ticketing();
  const ticket = ticketed(street.visit());
  const nobody: HeadOffice = { handle() {}, poll: () => undefined, deadline: () => undefined, list: () => [] };
  street.office = nobody;
  const second = street.visit({ resumption: ticket });
  assert.equal(second.outputs('closed')[0]?.failure?.code, 'no-answer');
  assert.deepEqual(second.outputs('ticket'), []);
});

// --- getting and losing tickets ------------------------------------------------------------------------------------------------------

test('our own limit of a login is counted from the login, and not from coming back (RFC 5723 §5.1)', () => {
  const street = new Street({ tickets: { lifetime: 3600 } }, { resumption: {}, reauthenticateEvery: 100_000 });
  const first = street.visit();
  const { ticket } = ticketed(first);
  first.run(60_000);
  assert.equal(first.outputs('reauthenticate').length, 0);
  street.now = first.now;
  const second = street.visit({ resumption: { ticket } });
  assert.equal(resumed(second), true);
  assert.equal(ticketed(second).ticket.authenticatedAt, ticket.authenticatedAt);
  second.run(39_000, () => second.outputs('reauthenticate').length > 0);
  assert.equal(second.outputs('reauthenticate').length, 1, 'it is over 100 s after the only login');
  street.now = ticket.authenticatedAt + 100_000;
  const third = street.visit({ resumption: ticketed(second) });
  assert.deepEqual([third.outputs('established').length, resumed(third)], [1, undefined], 'a login');
});

test('TICKET_ACK: asked for again by INFORMATIONAL (§4.1); TICKET_NACK: not', () => {
  const later = ticketing({ tickets: { lifetime: 3600, when: 'later' } }).visit();
  assert.equal(ticketOf(later), undefined);
  later.run(20_000, () => ticketOf(later) !== undefined);
  assert.ok(ticketOf(later));
  assert.deepEqual(authOf(later, 'INFORMATIONAL request'), ['N(TICKET_REQUEST)']);

  const never = ticketing({ tickets: { lifetime: 3600, when: 'never' } }).visit();
  never.run(600_000);
  assert.deepEqual(never.outputs('ticket'), []);
  assert.ok(!authOf(never, 'INFORMATIONAL request').includes('N(TICKET_REQUEST)'));
});

test('a ticket is renewed before it is over', () => {
  const conversation = ticketing({ tickets: { lifetime: 100 } }).visit();
  const before = ticketed(conversation).ticket;
  conversation.run(85_000);
  const after = ticketed(conversation).ticket;
  assert.notDeepEqual(after.octets, before.octets);
  assert.ok(after.expiresAt > before.expiresAt + 70_000);
});

test('a rekeyed IKE SA takes its ticket with it, and another is asked for (§6.2); whoever rekeys', () => {
  for (const by of ['us', 'the office'] as const) {
    const street = ticketing();
    const conversation = street.visit();
    const before = ticketed(conversation).ticket;
    if (by === 'us') conversation.tell({ kind: 'rekey-ike' });
    else conversation.tellOffice({ kind: 'rekey-ike' });
    conversation.run(20_000);
    assert.equal(conversation.outputs('ike-rekeyed').length, 1, by);
    const tickets = conversation.outputs('ticket').map(({ ticket }) => ticket);
    assert.deepEqual([tickets.length, tickets[0], tickets[1]], [3, before, undefined], by);
    assert.notDeepEqual(tickets[2]?.skD, before.skD);
    street.now = conversation.now;
    street.restart();
    const back = street.visit({ resumption: ticketed(conversation) });
    together(back);
    assert.equal(resumed(back), true, by);
  }
});

test('a deleted SA takes its ticket with it, whoever deleted it; a lost one does not (§6.2)', () => {
  const ends: readonly (readonly [string, (conversation: Conversation) => void, boolean])[] = [
    ['we delete it', (one) => one.tell({ kind: 'terminate' }), false],
    ['the office deletes it', (one) => one.tellOffice({ kind: 'terminate' }), false],
    [
      'the office crashed',
      (one) => {
        one.tellOffice({ kind: 'forget' });
        one.tell({ kind: 'check-liveness' });
      },
      true,
    ],
  ];
  for (const [what, end, kept] of ends) {
    const street = ticketing();
    const conversation = street.visit();
    ticketed(conversation);
    end(conversation);
    conversation.run(100_000, () => conversation.outputs('closed').length > 0);
    assert.equal(ticketOf(conversation) !== undefined, kept, what);
    if (!kept) continue;
    street.now = conversation.now;
    const back = street.visit({ resumption: ticketed(conversation) });
    assert.equal(resumed(back), true, what);
  }
});

test('the ticket is presented in the clear, the keys never are', () => {
  const street = ticketing();
  const { ticket } = ticketed(street.visit());
  const second = street.visit({ resumption: { ticket } });
  const [first] = second.outputs('transmit');
  const parsed = parseMessage(first?.bytes ?? new Uint8Array(0));
  assert.ok(parsed.ok);
  const [opaque] = allNotifies(parsed.value.payloads, NOTIFY.TICKET_OPAQUE);
  assert.deepEqual(opaque?.data, ticket.octets);
  const key = Buffer.from(ticket.skD).toString('hex');
  for (const output of second.heard) {
    if (output.kind === 'transmit') assert.ok(!Buffer.from(output.bytes).toString('hex').includes(key));
    if (output.kind === 'log') assert.ok(!JSON.stringify(output).includes(key));
  }
});

// --- offices that do not play along --------------------------------------------------------------------------------------------------

/** Those that leave the client without any ticket to come back with; all others: a full exchange instead. */
const noTicket: ReadonlySet<string> = new Set([
  'ticket-without-lifetime',
  'ticket-of-nothing',
  'ticket-cut-short',
  'ticket-of-16-kb',
]);

for (const { name, what, clause } of resumeMisbehaviours) {
  test(`${name}: ${what} (${clause}); the client is connected all the same`, () => {
    const street = ticketing();
    if (noTicket.has(name)) {
      street.restart({ misbehave: [name] });
      const only = street.visit();
      agreed(only);
      assert.deepEqual(only.outputs('ticket'), []);
      assert.ok(only.outputs('log').some(({ text, level }) => level === 'warn' && text === 'a ticket that cannot be used'));
      return;
    }
    const ticket = ticketed(street.visit());
    street.restart({ misbehave: [name] });
    const second = street.visit({ resumption: ticket });
    together(second);
    assert.equal(resumed(second), undefined);
    assert.equal(second.outputs('closed').length, 0, 'the user sees one connection');
    assert.equal(second.outputs('established').length, 1);
    assert.ok(second.outputs('log').some(({ text }) => /^not resumed: .*connecting anew$/.test(text)));
    second.tell({ kind: 'terminate' });
    second.run(10_000);
    assert.deepEqual(second.outputs('closed'), [{ kind: 'closed' }]);
  });
}
