/** Additional key exchanges in proposals: RFC 9370 §2.2.1. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  checkChosen,
  childSuite,
  chooseProposal,
  ikeSuite,
  suiteText,
  withoutKeyExchange,
} from '../../../core/ike/negotiation.ts';
import { type ProposalUse, parseProposals, proposalText } from '../../../core/ike/proposals.ts';
import type { Proposal, Transform } from '../../../core/ike/wire/message.ts';

function parse(use: ProposalUse, ...texts: readonly string[]): readonly Proposal[] {
  const parsed = parseProposals(texts, use);
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return parsed.value;
}

const BASE = 'aes256gcm16-prfsha256-x25519';

/** What a responder with these proposals chooses of the offer, as text. */
function chosen(offer: string, acceptable: string): string | undefined {
  const proposal = chooseProposal(parse('ike', offer), parse('ike', acceptable));
  return proposal && proposalText(proposal);
}

/** What the initiator makes of an answer with these additional transforms: the suite, or why not. */
function taken(offer: string, ...additional: readonly Transform[]): string {
  const [first] = parse('ike', BASE);
  const checked = checkChosen(parse('ike', offer), [{ ...first, transforms: [...first.transforms, ...additional] }]);
  if (!checked.ok) return checked.error;
  const suite = ikeSuite(checked.value);
  assert.ok(suite);
  return suiteText(suite);
}

test('keywords: what is written comes back, in the order of the numbers', () => {
  const [one] = parse('ike', 'aes256gcm16-ke3_ecp384-prfsha256-ke1_mlkem768-ke1_mlkem1024-x25519-ke3_none');
  assert.equal(proposalText(one), `${BASE}-ke1_mlkem768-ke1_mlkem1024-ke3_ecp384-ke3_none`);
  assert.deepEqual(one.transforms.slice(3), [
    { type: 6, id: 36 },
    { type: 6, id: 37 },
    { type: 8, id: 31 - 11 },
    { type: 8, id: 0 },
  ]);
  assert.equal(proposalText(parse('esp', 'aes256gcm16-ke1_mlkem768-x25519')[0]), 'aes256gcm16-x25519-ke1_mlkem768-noesn');
  assert.equal(proposalText({ ...one, transforms: [{ type: 12, id: 99 }] }), 'ke7_99');
});

test('keywords: mistakes', () => {
  const wrong: readonly (readonly [ProposalUse, string, string])[] = [
    ['ike', 'aes256gcm16-prfsha256-ke1_mlkem768', 'no-key-exchange'],
    ['esp', 'aes256gcm16-ke1_mlkem768', 'no-key-exchange'],
    ['ike', `${BASE}-ke1_mlkem768-ke1_mlkem768`, 'repeated'],
    ['ike', `${BASE}-ke8_mlkem768`, 'unknown-keyword'],
    ['ike', `${BASE}-ke1_modp1024`, 'unknown-keyword'],
    ['ike', `${BASE}-ke1_prfsha256`, 'unknown-keyword'],
  ];
  for (const [use, text, code] of wrong) {
    const parsed = parseProposals([text], use);
    assert.equal(parsed.ok ? undefined : parsed.error.code, code, text);
  }
});

test('a responder takes what both have, and NONE only where it was offered', () => {
  assert.equal(chosen(`${BASE}-ke1_mlkem768`, `${BASE}-ke1_mlkem1024-ke1_mlkem768`), `${BASE}-ke1_mlkem768`);
  assert.equal(chosen(`${BASE}-ke1_mlkem768`, BASE), undefined, 'the initiator insists');
  assert.equal(chosen(BASE, `${BASE}-ke1_mlkem768`), undefined, 'the responder insists');
  assert.equal(chosen(BASE, `${BASE}-ke1_mlkem768-ke1_none`), BASE, 'what is not offered counts as NONE');
  assert.equal(chosen(`${BASE}-ke1_mlkem768-ke1_none`, BASE), BASE);
  assert.equal(chosen(`${BASE}-ke1_mlkem768-ke1_none`, `${BASE}-ke1_none`), `${BASE}-ke1_none`);
  assert.equal(chosen(`${BASE}-ke2_mlkem768`, `${BASE}-ke1_mlkem768`), undefined, 'numbers matter');
});

test('a responder never chooses one algorithm twice, and finds a way where there is one', () => {
  const both = '-ke1_mlkem768-ke1_mlkem1024-ke2_mlkem768';
  assert.equal(chosen(BASE + both, BASE + both), `${BASE}-ke1_mlkem1024-ke2_mlkem768`);
  const same = '-ke1_mlkem768-ke2_mlkem768';
  assert.equal(chosen(BASE + same, BASE + same), undefined);
  assert.equal(chosen(`${BASE}${same}-ke2_none`, `${BASE}${same}-ke2_none`), `${BASE}-ke1_mlkem768-ke2_none`);
  const chain = '-ke1_mlkem512-ke1_ecp256-ke2_mlkem512-ke2_mlkem768-ke3_mlkem768-ke3_mlkem1024-ke4_mlkem512';
  assert.equal(chosen(BASE + chain, BASE + chain), `${BASE}-ke1_ecp256-ke2_mlkem768-ke3_mlkem1024-ke4_mlkem512`);
  // Seven wants for six things: refused, and at once.
  const crowd = [1, 2, 3, 4, 5, 6, 7]
    .flatMap((n) => ['ecp256', 'ecp384', 'ecp521', 'mlkem512', 'mlkem768', 'mlkem1024'].map((ke) => `-ke${n}_${ke}`))
    .join('');
  assert.equal(chosen(BASE + crowd, BASE + crowd), undefined);
});

test('an answer to an offer of additional key exchanges', () => {
  const offer = `${BASE}-ke1_mlkem768-ke1_mlkem1024-ke2_mlkem768-ke2_mlkem512-ke2_none`;
  assert.equal(taken(offer, { type: 6, id: 37 }, { type: 7, id: 36 }), `${BASE}-ke1_mlkem1024-ke2_mlkem768`);
  assert.equal(
    taken(offer, { type: 7, id: 36 }, { type: 6, id: 37 }),
    `${BASE}-ke1_mlkem1024-ke2_mlkem768`,
    'in the order of numbers',
  );
  assert.equal(taken(offer, { type: 6, id: 36 }, { type: 7, id: 0 }), `${BASE}-ke1_mlkem768`);
  assert.equal(taken(offer, { type: 6, id: 36 }), `${BASE}-ke1_mlkem768`, 'NONE may be left out');
  assert.match(taken(offer), /no ADDKE1/);
  assert.match(taken(offer, { type: 6, id: 0 }), /ke1_none was not offered/);
  assert.match(taken(offer, { type: 6, id: 36 }, { type: 7, id: 36 }), /key exchange 36 twice/);
  assert.match(taken(offer, { type: 6, id: 36 }, { type: 6, id: 37 }), /several ADDKE1/);
  assert.match(taken(offer, { type: 6, id: 35 }), /ke1_mlkem512 was not offered/);
  assert.match(taken(offer, { type: 6, id: 36 }, { type: 8, id: 37 }), /ke3_mlkem1024 was not offered/);
  assert.match(taken(offer, { type: 6, id: 36, keyLength: 256 }), /not offered/);
  assert.match(taken(BASE, { type: 6, id: 36 }), /ke1_mlkem768 was not offered/);
  assert.equal(taken(BASE, { type: 6, id: 0 }), BASE, 'NONE of what was not offered says nothing');
});

test('the CHILD SA of IKE_AUTH has no key exchange of its own, an additional one neither', () => {
  const esp = parse('esp', 'aes256gcm16-x25519-ke1_mlkem768');
  assert.equal(proposalText(withoutKeyExchange(esp)[0]), 'aes256gcm16-noesn');
  const suite = childSuite(esp[0]);
  assert.deepEqual(
    suite?.additional.map(({ ke }) => ke.keyword),
    ['mlkem768'],
  );
  assert.equal(childSuite({ ...esp[0], transforms: esp[0].transforms.filter(({ type }) => type !== 4) }), undefined);
});
