import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IkeConfig, IkeFailure } from '../../core/ike/sa/contract.ts';
import { createInitiator } from '../../core/ike/sa/initiator.ts';
import { EXCHANGE } from '../../core/ike/wire/constants.ts';
import type { HeadOfficeConfig } from './config.ts';
import { Conversation } from './conversation.ts';
import { clientConfig, officeConfig, proposals, seededRandom } from './fixtures.ts';
import { fragmentMisbehaviours } from './misbehaveFragment.ts';
import { negotiationMisbehaviours } from './misbehaveNegotiation.ts';
import { puzzleMisbehaviours } from './misbehavePuzzle.ts';
import { type KeyMisbehaviourName, keyMisbehaviours } from './misbehaviours.ts';
import { createHeadOffice } from './responder.ts';

interface Expectation {
  /** The code it must fail with; undefined: the client must connect all the same and stay connected. */
  readonly failure?: IkeFailure['code'];
  /** What the evidence must name. */
  readonly evidence?: RegExp;
  readonly client?: Partial<IkeConfig>;
  /** It connects, and then the office ends it. */
  readonly established?: true;
  /** CHILD SAs in all; default 1. */
  readonly children?: number;
}

const only = (ike: string): Partial<IkeConfig> => ({ ikeProposals: proposals([ike], 'ike') });
const survives: Expectation = {};
const HYBRID = 'aes256gcm16-prfsha256-x25519-ke1_mlkem768';
const CBC = 'aes256-sha256-x25519';

/** One entry per misbehaviour of an office with keys: the compiler asks for it. The others are in test/exchange/liars.test.ts. */
const expectations: Readonly<Record<KeyMisbehaviourName, Expectation>> = {
  'wrong-auth': { failure: 'gateway-authentication-failed' },
  'wrong-identity': { failure: 'gateway-identity', evidence: /evil\.office\.test/ },
  'no-auth': { failure: 'protocol', evidence: /AUTH/ },
  'proposal-not-offered': { failure: 'bad-answer-proposal', evidence: /encr:23:256/ },
  'shorter-key': { failure: 'bad-answer-proposal' },
  'group-not-offered': { failure: 'bad-answer-proposal', evidence: /22/ },
  'endless-cookie': { failure: 'protocol', evidence: /COOKIE/ },
  'cookie-0-octets': { failure: 'protocol', evidence: /COOKIE of 0/ },
  'cookie-65-octets': { failure: 'protocol', evidence: /COOKIE of 65/ },
  'endless-invalid-ke': { failure: 'ke-refused' },
  'invalid-ke-not-offered': { failure: 'ke-refused', evidence: /22/ },
  'public-value-zero': { failure: 'bad-public-value' },
  'public-value-off-curve': { failure: 'bad-public-value', client: only('aes256gcm16-prfsha256-ecp256') },
  'public-value-short': { failure: 'bad-public-value' },
  'public-value-p-minus-1': { failure: 'bad-public-value', client: only('aes256gcm16-prfsha256-modp2048') },
  'no-nonce': { failure: 'protocol', evidence: /NONCE/ },
  'nonce-short': { failure: 'protocol', evidence: /NONCE.*15/ },
  'unknown-critical-payload': { failure: 'protocol', evidence: /200/ },
  'unknown-payload': survives,
  'child-proposal-not-offered': { failure: 'child-bad-answer-proposal' },
  // With what was asked for (test/exchange/narrowing.test.ts), of one family; the other is asked for by itself.
  'selectors-wider': { ...survives, children: 2 },
  'address-loopback': { failure: 'no-address', evidence: /127\.0\.0\.1/ },
  'address-multicast': { failure: 'no-address', evidence: /224\.0\.0\.5/ },
  'address-is-gateway': { failure: 'no-address', evidence: /198\.51\.100\.10/ },
  'thousand-dns-servers': survives,
  'child-refused': { failure: 'child-refused', evidence: /NO_ADDITIONAL_SAS/ },
  'child-no-proposal': { failure: 'child-no-proposal-chosen' },
  'ts-unacceptable': { failure: 'ts-unacceptable' },
  'no-address': { failure: 'no-address', evidence: /INTERNAL_ADDRESS_FAILURE/ },
  'wrong-message-id': { failure: 'no-answer-auth' },
  'wrong-spi': { failure: 'no-answer-auth' },
  'bad-icv': { failure: 'no-answer-auth' },
  'forged-bad-icv': survives,
  'unprotected-auth-failed': survives,
  'forged-no-proposal': survives,
  'forged-major-version': survives,
  'silent-after-sa-init': { failure: 'no-answer-auth' },
  'garbage-flood': survives,
  // Repeated after IKE_AUTH it is a request like any other.
  'create-child-before-auth': { ...survives, children: 2 },
  'delete-right-after-auth': { failure: 'closed-by-gateway', established: true },
  'replay-requests': survives,
  'answers-in-ikev1': { failure: 'gateway-version', evidence: /version 1/ },
  'takes-no-proposal': { failure: 'no-proposal-chosen' },
  'prf-not-offered': { failure: 'bad-answer-proposal', evidence: /prf/ },
  'no-integrity': { failure: 'bad-answer-proposal', evidence: /INTEG/, client: only(CBC) },
  'integrity-none': { failure: 'bad-answer-proposal', client: only(CBC) },
  'two-proposals': { failure: 'bad-answer-proposal', evidence: /2 proposals/ },
  'additional-key-exchange': { failure: 'bad-answer-proposal' },
  'additional-key-exchange-unannounced': { failure: 'bad-answer-proposal', evidence: /INTERMEDIATE/, client: only(HYBRID) },
  'additional-key-exchange-left-out': { failure: 'bad-answer-proposal', evidence: /ADDKE1/, client: only(HYBRID) },
  'additional-key-exchange-twice': {
    failure: 'bad-answer-proposal',
    evidence: /36 twice/,
    client: only(`${HYBRID}-ke2_mlkem768-ke2_none`),
  },
  'kem-ciphertext-short': { failure: 'bad-public-value', evidence: /ke1_mlkem768: length/, client: only(HYBRID) },
  'kem-ciphertext-long': { failure: 'bad-public-value', evidence: /ke1_mlkem768: length/, client: only(HYBRID) },
  'kem-ciphertext-changed': { failure: 'no-answer-auth', client: only(HYBRID) },
  'kem-other-method': { failure: 'protocol', evidence: /37 where ke1_mlkem768/, client: only(HYBRID) },
  'intermediate-empty': { failure: 'protocol', evidence: /no KE/, client: only(HYBRID) },
  'intermediate-refused': { failure: 'gateway-error', evidence: /INVALID_SYNTAX in IKE_INTERMEDIATE/, client: only(HYBRID) },
  // To who has none they say nothing; to who has one, in test/exchange/ppk.test.ts.
  'ppk-not-named': survives,
  'ppk-named-and-not-used': survives,
  'silent-after-intermediate': { failure: 'no-answer-auth', evidence: /IKE_INTERMEDIATE/, client: only(HYBRID) },
  'intermediate-from-office': { client: only(HYBRID) },
  'child-null-cipher': { failure: 'child-bad-answer-proposal' },
  'child-no-integrity': { failure: 'child-bad-answer-proposal', client: { espProposals: proposals(['aes256-sha256'], 'esp') } },
  'child-shorter-key': { failure: 'child-bad-answer-proposal' },
  'same-cookie': { failure: 'protocol', evidence: /COOKIE asked for again/ },
  'cookie-then-group': { failure: 'ke-refused' },
  'public-value-one': { failure: 'bad-public-value', client: only('aes256gcm16-prfsha256-modp2048') },
  'public-value-one-little-endian': { failure: 'bad-public-value', evidence: /x25519: zero/ },
  'public-value-small-order': { failure: 'bad-public-value', evidence: /x25519: zero/ },
  'public-value-p': { failure: 'bad-public-value', client: only('aes256gcm16-prfsha256-modp2048') },
  'public-value-beyond-field': { failure: 'bad-public-value', client: only('aes256gcm16-prfsha256-ecp256') },
  'public-value-long': { failure: 'bad-public-value', evidence: /length/ },
  'public-value-compressed': { failure: 'bad-public-value', client: only('aes256gcm16-prfsha256-ecp256') },
  'public-value-empty': { failure: 'protocol', evidence: /no key exchange data/ },
  'fragment-1-of-1': survives,
  'fragments-of-an-octet': survives,
  'fragments-backwards': survives,
  'fragment-numbers-from-0': { failure: 'no-answer-auth' },
  'fragment-above-total': survives,
  'fragments-fewer-in-all': survives,
  'fragments-more-in-all': survives,
  'fragments-ever-more': { failure: 'no-answer-auth' },
  'fragments-65535': { failure: 'protocol', evidence: /65535 fragments/ },
  'fragments-too-long': { failure: 'protocol', evidence: /more than 65535 octets in fragments/ },
  'fragments-incomplete': { failure: 'no-answer-auth' },
  'fragment-beside-clear': { failure: 'no-answer-auth' },
  'fragments-all-first': { failure: 'no-answer-auth' },
  'fragments-beside-whole': survives,
  'fragments-of-rubbish': { failure: 'protocol', evidence: /SK: payload 1/ },
  'fragment-pad-length': { failure: 'protocol', evidence: /SKF: Pad Length/ },
  'fragments-forged': survives,
  'fragment-flood': survives,
  'request-in-fragments-replayed': survives,
  'endless-puzzle': { failure: 'gateway-overloaded', evidence: /COOKIE without end/ },
  'puzzle-too-hard': { failure: 'gateway-overloaded', evidence: /PUZZLE of 255 bits/ },
  'puzzle-without-cookie': { failure: 'no-answer' },
  'puzzle-of-unknown-prf': { failure: 'gateway-overloaded' },
  'puzzle-cut-short': { failure: 'gateway-overloaded' },
  'auth-puzzle-too-hard': { failure: 'gateway-overloaded', evidence: /PUZZLE of 255 bits/ },
  'auth-puzzle-of-unknown-prf': { failure: 'protocol', evidence: /PUZZLE of no PRF/ },
  'auth-puzzle-at-once': survives,
  'forged-puzzle': survives,
  'esp-outside-selectors': survives, // for IKE; the packets are test/gateway/process.test.ts's
};

function meet(client: Partial<IkeConfig> = {}, office: Partial<HeadOfficeConfig> = {}): Conversation {
  const config = { ...clientConfig, ...client };
  const endpoint = (address: string, port: number) => ({ address, port });
  return new Conversation({
    machine: createInitiator(config, { random: seededRandom('client'), keyLog: false }),
    office: createHeadOffice({ ...officeConfig, ...office }, { random: seededRandom('office') }),
    // Behind a NAT, as in the demo.
    client: { ike: endpoint('198.51.100.1', 61_000), natt: endpoint('198.51.100.1', 61_001) },
    gateway: { ike: endpoint('198.51.100.10', 500), natt: endpoint('198.51.100.10', 4500) },
  });
}

/** Longer than every limit of the client: whatever it decides, it has decided. */
const LONG_MS = 120_000;

for (const { name, what, clause } of [
  ...keyMisbehaviours,
  ...negotiationMisbehaviours,
  ...fragmentMisbehaviours,
  ...puzzleMisbehaviours,
]) {
  const expected = expectations[name];
  const end = expected.failure === undefined ? 'is survived' : `ends in ${expected.failure}`;
  test(`${name}: ${what} (${clause}) ${end}`, () => {
    const conversation = meet(expected.client, { misbehave: [name] });
    conversation.tell({ kind: 'start' });
    if (expected.failure === undefined) connectAndLeave(conversation, expected.children);
    else {
      assert.ok(
        conversation.run(LONG_MS, () => conversation.outputs('closed').length > 0),
        'it comes to an end',
      );
      const [closed] = conversation.outputs('closed');
      assert.equal(closed?.failure?.code, expected.failure, closed?.failure?.evidence);
      if (expected.evidence) assert.match(closed?.failure?.evidence ?? '', expected.evidence);
      assertNothingInstalled(conversation, expected.established === true);
    }
  });
}

/** It connects, is alive a minute later, and says goodbye properly. */
function connectAndLeave(conversation: Conversation, children = 1): void {
  const installed = () => conversation.outputs('install-child').length > 0;
  assert.ok(conversation.run(LONG_MS, installed), `it connects: ${JSON.stringify(conversation.outputs('closed'))}`);
  conversation.run(60_000);
  assert.deepEqual(conversation.outputs('closed'), []);
  conversation.tell({ kind: 'check-liveness' });
  conversation.run(5_000);
  conversation.tell({ kind: 'terminate' });
  assert.ok(conversation.run(LONG_MS, () => conversation.outputs('closed').length > 0));
  assert.deepEqual(conversation.outputs('closed'), [{ kind: 'closed' }]);
  assert.equal(conversation.outputs('install-child').length, children);
  assert.equal(conversation.outputs('remove-child').length, children);
}

/** A failure leaves no CHILD SA behind, and before authentication none is ever made. */
function assertNothingInstalled(conversation: Conversation, established: boolean): void {
  const installed = conversation.outputs('install-child').map(({ child }) => child.spiIn);
  const removed = conversation.outputs('remove-child').map(({ spiIn }) => spiIn);
  assert.deepEqual(removed, installed);
  assert.equal(conversation.outputs('established').length > 0, established);
  const last = conversation.heard.findLast((output) => output.kind !== 'log');
  assert.equal(last?.kind, 'closed', 'nothing comes after the end');
}

test('a thousand DNS servers do not become a thousand', () => {
  const conversation = meet({}, { misbehave: ['thousand-dns-servers'] });
  conversation.tell({ kind: 'start' });
  conversation.run(LONG_MS, () => conversation.outputs('configured').length > 0);
  const [configured] = conversation.outputs('configured');
  assert.ok(configured !== undefined && configured.configuration.dns.length <= 32);
  assert.ok(configured.configuration.dns.includes('10.10.0.53'), 'the first ones are kept');
});

test('of the fragments of a replayed request only the first has the answer sent again (RFC 7383 §2.6.1)', () => {
  const conversation = meet({}, { misbehave: ['request-in-fragments-replayed'] });
  conversation.tell({ kind: 'start' });
  conversation.run(5_000);
  // 1 1 1 1 1 2: executed and answered. 2 2 2 2: nothing. 1 1 1 1 1: answered each time. 2 2 2 2 2: nothing.
  assert.equal(answersToRequests(conversation).length, 1 + 5);
  assert.ok(conversation.outputs('log').some(({ text }) => text === 'received fragment 2 of 2 of INFORMATIONAL request'));
});

test('fragments that nobody asked for are not even opened (RFC 7383 §2.4)', () => {
  const conversation = meet({ fragmentation: 'no' }, { misbehave: ['fragments-backwards'] });
  conversation.tell({ kind: 'start' });
  assert.ok(conversation.run(LONG_MS, () => conversation.outputs('closed').length > 0));
  assert.equal(conversation.outputs('closed')[0]?.failure?.code, 'no-answer-auth');
  assert.ok(conversation.outputs('log').some(({ text }) => /a fragment, and fragmentation is not agreed/.test(text)));
});

test('replayed requests are executed once and answered from the cache', () => {
  const conversation = meet({}, { misbehave: ['replay-requests'] });
  conversation.tell({ kind: 'start' });
  conversation.run(5_000);
  const answers = answersToRequests(conversation);
  assert.equal(answers.length, 5);
  assert.equal(new Set(answers.map(({ bytes }) => Buffer.from(bytes).toString('hex'))).size, 1, 'the same octets every time');
});

function answersToRequests(conversation: Conversation) {
  return conversation
    .outputs('transmit')
    .filter(({ bytes }) => bytes[18] === EXCHANGE.INFORMATIONAL && ((bytes[19] ?? 0) & 0x20) !== 0);
}
