import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CredentialAsk, type Credentials, createCredentials, type Rememberable } from '../../../core/helper/credentials.ts';
import type { Asked, Question } from '../../../core/helper/prompter.ts';
import type { Failure } from '../../../core/rpc/contract.ts';

const octets = (text: string) => new TextEncoder().encode(text);
const words = (value: Uint8Array | undefined) => new TextDecoder().decode(value);

interface Desk {
  readonly credentials: Credentials;
  readonly questions: Question[];
  readonly remembered: string[];
  readonly lines: string[];
  /** What the user will say, one after the other. */
  readonly says: (Asked | string)[];
  clock: number;
  /** The answer as the gateway gets it. */
  ask(want: CredentialAsk['want'], attempt?: number, text?: string): Promise<string>;
}

function desk(stored: { readonly [K in Rememberable]?: string } = {}, remember = true, keep = false): Desk {
  const store = new Map<string, string>(Object.entries(stored));
  const questions: Question[] = [];
  const remembered: string[] = [];
  const lines: string[] = [];
  const says: (Asked | string)[] = [];
  const held = Object.fromEntries(Object.entries(stored).map(([kind, text]) => [kind, octets(text)]));
  const credentials = createCredentials(
    {
      prompter: {
        ask: async (question) => {
          questions.push(question);
          const said = says.shift() ?? { kind: 'withdrawn' };
          return typeof said === 'string' ? { kind: 'answered', secret: octets(said), remember } : said;
        },
      },
      log: (_level, _area, text, fields) => lines.push(`${text} ${JSON.stringify(fields ?? {})}`),
      now: () => it.clock,
    },
    {
      keep,
      recall: (kind) => (store.has(kind) ? octets(store.get(kind) ?? '') : undefined),
      localId: 'alice@office.test',
      stored: held,
      mayRemember: () => true,
      remember: (kind, value) => {
        store.set(kind, words(value));
        remembered.push(`${kind} ${words(value)}`);
      },
    },
  );
  const it: Desk = {
    credentials,
    questions,
    remembered,
    lines,
    says,
    clock: 1_000,
    async ask(want, attempt = 1, text = '') {
      const answered = await credentials.answer({ kind: 'credential', want, text, identity: 'alice', attempt });
      if (answered.kind === 'credential') return words(answered.value);
      if (answered.kind === 'credential-missing') return `missing: ${answered.why}`;
      return answered.kind === 'refused' ? `refused: ${answered.failure.code}` : answered.kind;
    },
  };
  credentials.begin();
  return it;
}

const held = (it: Desk) => it.credentials.heldPsk() !== undefined;

test('what the store has is read again for the next connection, what was only typed is kept; neither is asked for', async () => {
  for (const [stored, remember] of [
    [{ password: 'right' }, false],
    [{}, true],
    [{}, false],
  ] as const) {
    const it = desk(stored, remember, true);
    it.says.push('right');
    assert.equal(await it.ask('password'), 'right');
    const asked = it.questions.length;
    it.credentials.accepted();
    it.credentials.begin();
    assert.equal(await it.ask('password'), 'right');
    assert.equal(it.questions.length, asked);
    assert.equal(it.credentials.replayable(), true);
  }
});

test('what the gateway took once and refuses now is asked for, and neither store nor memory gives it again', async () => {
  const it = desk({ password: 'old' }, false, true);
  await it.ask('password');
  it.credentials.accepted();
  it.credentials.begin();
  assert.equal(await it.ask('password'), 'old');
  assert.equal(it.credentials.another(because('password-wrong')), true);
  it.credentials.begin();
  it.says.push('new');
  assert.equal(await it.ask('password'), 'new');
  assert.equal(it.questions[0]?.attempt, 2);
});

test('where nothing is brought back, nothing is kept; a code is for once', async () => {
  const it = desk({ psk: 'the key' }, false);
  assert.equal(held(it), true);
  it.credentials.accepted();
  it.credentials.begin();
  assert.equal(held(it), false);
  const other = desk({}, false, true);
  other.says.push('123456', '654321');
  await other.ask('code');
  assert.equal(other.credentials.replayable(), false);
  other.credentials.accepted();
  other.credentials.begin();
  assert.equal(await other.ask('code'), '654321');
});

const because = (code: string): Failure => ({ code, what: '', advice: '', evidence: `as ${code}` });

test('a stored password answers, and nobody is asked', async () => {
  const it = desk({ password: 'stored' });
  assert.equal(await it.ask('password'), 'stored');
  assert.deepEqual(it.questions, []);
  it.credentials.accepted();
  assert.deepEqual(it.remembered, [], 'it is remembered already');
});

test('a stored password that is refused leads to a question, not to itself again', async () => {
  const it = desk({ password: 'stored' });
  it.says.push('typed');
  await it.ask('password');
  assert.equal(it.credentials.wouldTry('password-wrong'), true);
  assert.equal(it.credentials.another(because('password-wrong')), true);
  it.credentials.begin();
  assert.equal(await it.ask('password'), 'typed');
  assert.deepEqual(
    it.questions.map(({ kind, attempt, refused }) => [kind, attempt, refused?.code]),
    [['password', 2, 'password-wrong']],
  );
  it.credentials.accepted();
  it.credentials.accepted();
  assert.deepEqual(it.remembered, ['password typed'], 'what replaces it is kept once');
});

test('a method that lets us try again asks within the same connection', async () => {
  const it = desk({ password: 'stored' });
  it.says.push('second');
  assert.equal(await it.ask('password', 1), 'stored');
  assert.equal(await it.ask('password', 2), 'second');
  assert.deepEqual(
    it.questions.map(({ attempt, refused }) => [attempt, refused?.code]),
    [[2, 'password-wrong']],
  );
});

test('three refusals are the end: by the method, or by connections', async () => {
  const inOne = desk({ password: 'stored' });
  inOne.says.push('second', 'third', 'fourth');
  assert.deepEqual(
    [
      await inOne.ask('password', 1),
      await inOne.ask('password', 2),
      await inOne.ask('password', 3),
      await inOne.ask('password', 4),
    ],
    ['stored', 'second', 'third', 'refused: password-wrong'],
  );
  const inMany = desk();
  inMany.says.push('first', 'second', 'third', 'fourth');
  const again: boolean[] = [];
  for (let n = 0; n < 3; n++) {
    inMany.credentials.begin();
    await inMany.ask('password');
    again.push(inMany.credentials.another(because('eap-refused')));
  }
  assert.deepEqual(again, [true, true, false]);
});

for (const code of ['password-expired', 'account-disabled', 'account-restricted', 'credential-expired', 'gateway-untrusted']) {
  test(`nothing is asked again after ${code}`, async () => {
    const it = desk();
    it.says.push('typed');
    await it.ask('password');
    assert.equal(it.credentials.another(because(code)), false);
  });
}

test('a refusal before anything was given is nobody’s typing mistake', () => {
  const it = desk({ password: 'stored' });
  assert.equal(it.credentials.another(because('authentication-failed')), false);
  assert.equal(it.credentials.another(because('eap-refused')), false);
});

test('the password may be wrong, or the name: a typed name is shown again to be mended, a configured one never asked', async () => {
  const it = desk();
  it.says.push('alcie', 'right', 'alice', 'right');
  await it.ask('identity');
  await it.ask('password');
  assert.equal(it.credentials.another(because('password-wrong')), true);
  it.credentials.begin();
  assert.equal(await it.ask('identity'), 'alice');
  assert.equal(it.questions[2]?.identity, 'alcie');
  assert.equal(await it.ask('password'), 'right');
  it.credentials.accepted();
  assert.deepEqual(it.remembered, ['identity alice', 'password right']);
});

test('who answered so late that the gateway may have forgotten is not asked again, but only once for an answer', async () => {
  const it = desk();
  it.says.push('typed');
  const { credentials } = it;
  const asking = it.ask('password');
  it.clock += 25_000;
  assert.equal(await asking, 'typed');
  assert.equal(credentials.another(because('no-answer-auth')), true);
  credentials.begin();
  assert.equal(await it.ask('password'), 'typed');
  assert.equal(it.questions.length, 1);
  assert.equal(credentials.another(because('no-answer-auth')), false);
});

test('an answer that is too late for any gateway goes to a new connection at once', async () => {
  const it = desk();
  it.says.push('alice', 'typed');
  const { credentials } = it;
  for (const [want, word] of [
    ['identity', 'alice'],
    ['password', 'typed'],
  ] as const) {
    const asking = it.ask(want);
    it.clock += 40_000;
    assert.equal(await asking, 'refused: no-answer-auth');
    assert.equal(credentials.another(because('no-answer-auth')), true);
    credentials.begin();
    assert.equal(await it.ask('identity'), 'alice');
    if (want === 'password') assert.equal(await it.ask('password'), word);
  }
  assert.deepEqual(
    it.questions.map(({ kind, attempt }) => [kind, attempt]),
    [
      ['identity', 1],
      ['password', 1],
    ],
    'nothing was refused',
  );
});

test('a quick answer into silence is silence; a code is good for once', async () => {
  const quick = desk();
  quick.says.push('typed');
  await quick.ask('password');
  assert.equal(quick.credentials.another(because('no-answer-auth')), false);
  const code = desk();
  code.says.push('123456', '654321');
  const asking = code.ask('code', 1, 'Enter the number we sent you');
  code.clock += 30_000;
  await asking;
  assert.equal(code.credentials.another(because('no-answer-auth')), false);
  code.credentials.begin();
  assert.equal(await code.ask('code'), '654321');
  code.credentials.accepted();
  assert.deepEqual(code.remembered, []);
});

test('a second question in the same connection is another question', async () => {
  const it = desk({ password: 'stored' });
  it.says.push('new password');
  assert.equal(await it.ask('password'), 'stored');
  assert.equal(await it.ask('password', 1, 'Choose a new password\u202e'), 'new password');
  assert.deepEqual(it.questions[0], {
    kind: 'password',
    text: 'Choose a new password?',
    identity: 'alice',
    rememberAllowed: true,
    attempt: 1,
  });
});

test('cancelled and expired are told apart; nothing of what was typed is in the log', async () => {
  const it = desk();
  it.says.push({ kind: 'expired' }, { kind: 'withdrawn' }, 'the word nobody sees');
  assert.equal(await it.ask('pin'), 'missing: expired');
  assert.equal(await it.ask('pin'), 'missing: cancelled');
  await it.ask('password');
  assert.equal(it.lines.join('\n').includes('nobody sees'), false);
});

test('a wrong pre-shared key that was typed is asked for again; a stored one is not', async () => {
  const it = desk();
  it.says.push('wrong', 'right');
  assert.equal(it.credentials.heldPsk(), undefined);
  await it.credentials.askPsk();
  assert.equal(it.credentials.another(because('gateway-authentication-failed')), true);
  it.credentials.begin();
  assert.equal(it.credentials.heldPsk(), undefined);
  const asked = await it.credentials.askPsk();
  assert.equal(asked.kind === 'answered' && words(asked.secret), 'right');
  const stored = desk({ psk: 'stored' });
  assert.equal(words(stored.credentials.heldPsk()), 'stored');
  assert.equal(stored.credentials.another(because('authentication-failed')), false);
});

test('with a stored key for the gateway and a password for the user, the password is what is asked again', async () => {
  const it = desk({ psk: 'stored' });
  it.says.push('wrong', 'right');
  it.credentials.heldPsk();
  await it.ask('password');
  assert.equal(it.credentials.another(because('password-wrong')), true);
  it.credentials.begin();
  assert.equal(words(it.credentials.heldPsk()), 'stored');
  assert.equal(await it.ask('password'), 'right');
});

test('what is held is wiped at the end', async () => {
  const password = octets('stored');
  const { credentials } = desk();
  const own = createCredentials(
    { prompter: { ask: async () => ({ kind: 'withdrawn' }) }, log: () => {}, now: () => 0 },
    { localId: '', keep: false, recall: () => undefined, stored: { password }, mayRemember: () => true, remember: () => {} },
  );
  own.begin();
  own.wipe();
  credentials.wipe();
  assert.ok(password.every((octet) => octet === 0));
});
