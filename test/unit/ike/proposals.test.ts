import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  checkChosen,
  childSuite,
  chooseProposal,
  ikeSuite,
  offeredKeyExchanges,
  suiteText,
  withoutKeyExchange,
} from '../../../core/ike/negotiation.ts';
import {
  defaultEspProposals,
  defaultIkeProposals,
  MAX_PROPOSALS,
  type ProposalError,
  type ProposalUse,
  parseProposals,
  proposalText,
} from '../../../core/ike/proposals.ts';
import type { Proposal, Transform } from '../../../core/ike/wire/message.ts';

function parse(use: ProposalUse, ...texts: readonly string[]): readonly Proposal[] {
  const parsed = parseProposals(texts, use);
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return parsed.value;
}

function errorOf(use: ProposalUse, ...texts: readonly string[]): ProposalError | undefined {
  const parsed = parseProposals(texts, use);
  return parsed.ok ? undefined : parsed.error;
}

const texts = (list: readonly Proposal[]) => list.map(proposalText);

test('what is written comes back, with what it implies', () => {
  assert.deepEqual(texts(parse('ike', 'aes256gcm16-prfsha384-x25519')), ['aes256gcm16-prfsha384-x25519']);
  assert.deepEqual(texts(parse('ike', 'aes256-sha256-modp2048')), ['aes256-sha256-prfsha256-modp2048'], 'PRF from integrity');
  assert.deepEqual(texts(parse('ike', 'aes256-sha1-sha512-modp2048')), ['aes256-sha1-sha512-prfsha1-prfsha512-modp2048']);
  assert.deepEqual(
    texts(parse('ike', 'aes256gcm16-sha384-ecp384')),
    ['aes256gcm16-prfsha384-ecp384'],
    'with AEAD integrity is only a hash',
  );
  assert.deepEqual(texts(parse('ike', 'AES256-SHA2_256-Curve25519')), ['aes256-sha256-prfsha256-x25519'], 'case and aliases');
  assert.deepEqual(texts(parse('esp', 'aes128gcm16')), ['aes128gcm16-noesn']);
  assert.deepEqual(texts(parse('esp', 'aes128-sha256-esn-noesn-ecp256')), ['aes128-sha256-ecp256-esn-noesn']);
  assert.deepEqual(texts(parse('esp', 'chacha20poly1305-esn')), ['chacha20poly1305-esn']);
});

test('proposals are numbered from 1 and name their protocol', () => {
  const list = parse('esp', 'aes128gcm16', 'aes256-sha256');
  assert.deepEqual(
    list.map(({ number, protocol, spi }) => [number, protocol, spi.length]),
    [
      [1, 3, 0],
      [2, 3, 0],
    ],
  );
});

test('key lengths are attributes where a cipher has several and only there', () => {
  const [gcm, chacha] = parse('esp', 'aes192gcm12', 'chacha20poly1305');
  assert.deepEqual(gcm.transforms[0], { type: 1, id: 19, keyLength: 192 });
  assert.deepEqual(chacha.transforms[0], { type: 1, id: 28 });
});

test('each mistake has its code and names the word', () => {
  const wrong: readonly (readonly [ProposalUse, string, ProposalError['code'], string?])[] = [
    ['ike', '', 'empty'],
    ['ike', 'aes256-sha256-', 'unknown-keyword', ''],
    ['ike', 'aes512-sha256-x25519', 'unknown-keyword', 'aes512'],
    ['ike', '3des-sha1-modp2048', 'refused-keyword', '3des'],
    ['ike', 'aes256-md5-modp2048', 'refused-keyword', 'md5'],
    ['ike', 'aes256-sha256-modp1024', 'refused-keyword', 'modp1024'],
    ['ike', 'aes256-sha256-x25519-esn', 'wrong-place', 'esn'],
    ['esp', 'aes256gcm16-prfsha256', 'wrong-place', 'prfsha256'],
    ['ike', 'aes256-aes256-sha256-x25519', 'repeated', 'aes256'],
    ['ike', 'aes128-aes-sha256-x25519', 'repeated', 'aes'],
    ['ike', 'sha256-x25519', 'no-encryption'],
    ['ike', 'aes256-prfsha256-x25519', 'no-integrity'],
    ['esp', 'aes256', 'no-integrity'],
    ['ike', 'aes256gcm16-x25519', 'no-prf'],
    ['ike', 'aes256gcm16-prfsha256', 'no-key-exchange'],
    ['ike', 'aes256gcm16-aes256-sha256-x25519', 'mixed-aead'],
  ];
  for (const [use, text, code, keyword] of wrong) {
    const error = errorOf(use, text);
    assert.equal(error?.code, code, text);
    assert.equal(error?.keyword, keyword, text);
    if (text !== '') assert.ok(error?.message.includes(text), 'the message names the proposal');
  }
  assert.equal(errorOf('ike')?.code, 'empty');
  assert.equal(
    errorOf('ike', ...Array.from({ length: MAX_PROPOSALS + 1 }, () => 'aes256gcm16-prfsha256-x25519'))?.code,
    'too-many',
  );
  assert.equal(errorOf('ike', 'aes256-'.repeat(100))?.code, 'too-many');
});

test('the defaults are strong, AEAD apart from the rest (RFC 5282 §8)', () => {
  const ike = parse('ike', 'default');
  assert.deepEqual(texts(ike), texts(parse('ike', ...defaultIkeProposals)));
  assert.deepEqual(texts(parse('esp', 'default')), texts(parse('esp', ...defaultEspProposals)));
  for (const text of [...defaultIkeProposals, ...defaultEspProposals])
    assert.doesNotMatch(text, /(^|-)(prf)?sha1(-|$)|aes192|gcm8|gcm12/);
  assert.equal(offeredKeyExchanges(ike)[0].keyword, 'x25519');
});

const offer = parse('ike', 'aes256gcm16-aes128gcm16-prfsha256-prfsha384-x25519-ecp256', 'aes256-sha256-prfsha256-ecp256');

/** An answer that takes the first transform of each type of a proposal, changed. */
function answer(number: number, change: (transforms: readonly Transform[]) => readonly Transform[] = (same) => same): Proposal {
  const from = offer[number - 1];
  const first = from.transforms.filter((one, i) => from.transforms.findIndex(({ type }) => type === one.type) === i);
  return { ...from, transforms: change(first) };
}

test('a proper answer is taken', () => {
  for (const number of [1, 2]) {
    const checked = checkChosen(offer, [answer(number)]);
    assert.ok(checked.ok);
    assert.ok(ikeSuite(checked.value));
  }
  const second = checkChosen(offer, [answer(2)]);
  assert.ok(second.ok);
  const suite = ikeSuite(second.value);
  assert.ok(suite);
  assert.equal(suiteText(suite), 'aes256-sha256-prfsha256-ecp256');
});

test('INTEG NONE beside an AEAD says the same as no INTEG (RFC 5282 §8)', () => {
  const checked = checkChosen(offer, [answer(1, (list) => [...list, { type: 3, id: 0 }])]);
  assert.ok(checked.ok);
  assert.equal(proposalText(checked.value), 'aes256gcm16-prfsha256-x25519');
  assert.equal(
    checkChosen(offer, [answer(2, (list) => list.map((one) => (one.type === 3 ? { type: 3, id: 0 } : one)))]).ok,
    false,
  );
});

test('a wrong answer is refused with the name of what is wrong', () => {
  const wrong: readonly (readonly [readonly Proposal[], RegExp])[] = [
    [[], /0 proposals/],
    [[answer(1), answer(2)], /2 proposals/],
    [[{ ...answer(1), number: 3 }], /number 3/],
    [[{ ...answer(1), number: 2 }], /aes256gcm16 was not offered in proposal 2/],
    [[{ ...answer(1), protocol: 3 }], /protocol ESP/],
    [[{ ...answer(1), spi: new Uint8Array(8) }], /SPI of 8/],
    [[answer(1, (list) => list.slice(1))], /no ENCR/],
    [[answer(1, (list) => list.filter(({ type }) => type !== 2))], /no PRF/],
    [[answer(1, (list) => list.filter(({ type }) => type !== 4))], /no KE/],
    [[answer(2, (list) => list.filter(({ type }) => type !== 3))], /no INTEG/],
    [[answer(1, (list) => [...list, { type: 2, id: 6 }])], /several PRF/],
    [[answer(1, (list) => [...list, { type: 5, id: 0 }])], /noesn was not offered/],
    [[answer(1, (list) => list.map((one) => (one.type === 1 ? { ...one, keyLength: 192 } : one)))], /aes192gcm16/],
    [[answer(1, (list) => list.map((one) => (one.type === 1 ? { type: 1, id: 20 } : one)))], /encr:20 was not offered/],
    [[answer(1, (list) => list.map((one) => (one.type === 1 ? { ...one, unknownAttribute: true } : one)))], /not offered/],
    [[answer(1, (list) => list.map((one) => (one.type === 4 ? { type: 4, id: 14 } : one)))], /modp2048/],
  ];
  for (const [proposals, text] of wrong) {
    const checked = checkChosen(offer, proposals);
    assert.ok(!checked.ok, String(text));
    assert.match(checked.error, text);
  }
});

test('choosing: our order of proposals, their order of transforms, nothing that one side lacks', () => {
  const theirs = parse('ike', 'aes256-sha256-x25519', 'aes128gcm16-aes256gcm16-prfsha384-prfsha256-ecp256-x25519');
  const text = (acceptable: readonly string[]) => {
    const chosen = chooseProposal(theirs, parse('ike', ...acceptable));
    return chosen && `${chosen.number} ${proposalText(chosen)}`;
  };
  assert.equal(
    text(['aes256gcm16-aes128gcm16-prfsha256-x25519-ecp256', 'aes256-sha256-x25519']),
    '2 aes128gcm16-prfsha256-ecp256',
  );
  assert.equal(text(['aes256-sha256-x25519', 'aes256gcm16-prfsha256-x25519']), '1 aes256-sha256-prfsha256-x25519');
  assert.equal(text(['aes256-sha512-x25519']), undefined);
  assert.equal(text(['aes192gcm16-prfsha256-x25519']), undefined);
  const withUnknown = theirs.map((one) => ({ ...one, transforms: [...one.transforms, { type: 6, id: 36 }] }));
  assert.equal(
    chooseProposal(withUnknown, parse('ike', 'aes256-sha256-x25519')),
    undefined,
    'a type we do not know cannot be met',
  );
});

test('what one side chooses the other takes, over all pairs of defaults', () => {
  for (const use of ['ike', 'esp'] as const) {
    const all = parse(use, 'default');
    for (const mine of all) {
      const chosen = chooseProposal(all, [mine]);
      assert.ok(chosen);
      const checked = checkChosen(all, [chosen]);
      assert.ok(checked.ok);
      assert.ok(use === 'ike' ? ikeSuite(checked.value) : childSuite(checked.value));
    }
  }
});

test('proposals of IKE_AUTH carry no key exchange (RFC 7296 §1.2)', () => {
  const list = withoutKeyExchange(parse('esp', 'aes128-sha256-ecp256-x25519'));
  assert.deepEqual(texts(list), ['aes128-sha256-noesn']);
});

test('what is not known is shown by numbers', () => {
  const [known] = parse('esp', 'aes128gcm16');
  const strange = {
    ...known,
    transforms: [
      { type: 1, id: 23, keyLength: 256 },
      { type: 5, id: 7 },
      { type: 9, id: 1 },
    ],
  };
  assert.equal(proposalText(strange), 'encr:23:256-esn:7-ke4_1');
});
