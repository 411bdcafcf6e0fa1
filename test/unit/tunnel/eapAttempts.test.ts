import assert from 'node:assert/strict';
import { test } from 'node:test';
import { err } from '../../../core/bytes/result.ts';
import { type Attempts, startAttempts } from '../../../core/helper/attempts.ts';
import type { IkeAnswer } from '../../../core/ike/auth/contract.ts';
import type { IkeFailure } from '../../../core/ike/sa/contract.ts';
import { defaultTrust } from '../../../core/profile/model.ts';
import type { Prompt, Status } from '../../../core/rpc/contract.ts';
import { statusFor } from '../../../core/tunnel/status.ts';
import { sampleProfile } from '../helper/sampleProfile.ts';
import { comesUp, fakeWorld, lookout, scriptedMachine } from './fakes.ts';

const RIGHT = 'the right word';

interface Options {
  readonly password?: string;
  readonly identity?: string;
  readonly promptPatience?: number;
  /** What the gateway says to a wrong password; `retry` asks again within the method. */
  readonly refusal?: IkeFailure['code'] | 'retry';
  /** The gateway ends while it waits for the answer. */
  readonly hangsUp?: boolean;
}

/** A gateway that asks for a name where there is none, and for a password; it takes one. */
function run(options: Options = {}) {
  const fake = fakeWorld();
  const answers: string[] = [];
  let connections = 0;
  const lines: string[] = [];
  const remembered: string[] = [];
  const states: string[] = [];
  const { look: lookAround, until } = lookout();
  let ready = false;
  const status = (): Status => statusFor(attempts.facts(), 1000, 0);
  const look = () => {
    if (!ready) return;
    const { state } = status();
    if (states.at(-1) !== state) states.push(state);
    lookAround();
  };
  const attempts: Attempts = startAttempts(
    {
      ...fake.deps,
      createMachine: (config) => {
        connections += 1;
        const [round] = config.auth.local;
        assert.ok(round?.method === 'eap');
        let attempt = 1;
        return scriptedMachine((input, emit) => {
          const ask = (want: 'identity' | 'password') =>
            emit({
              kind: 'ask',
              id: attempt,
              ask: { kind: 'credential', want, text: '', identity: options.identity ?? '', attempt },
            });
          if (input.kind === 'start') {
            emit({ kind: 'progress', step: 'sa-init' });
            emit({ kind: 'progress', step: 'auth' });
            ask(round.eap.identity === undefined ? 'identity' : 'password');
            if (options.hangsUp)
              setTimeout(() => emit({ kind: 'closed', failure: { code: 'closed-by-gateway', evidence: 'DELETE' } }), 20);
          } else if (input.kind === 'answer') {
            const said = textOf(input.answer);
            answers.push(said);
            if (input.answer.kind === 'credential-missing') {
              emit({ kind: 'closed', failure: { code: `credential-${input.answer.why}`, evidence: 'nobody said anything' } });
            } else if (input.answer.kind === 'refused') emit({ kind: 'closed', failure: input.answer.failure });
            else if (answers.filter((one) => one === 'alice').length === connections && said === 'alice') ask('password');
            else if (said === RIGHT) comesUp({ kind: 'start' }, emit);
            else if (options.refusal === 'retry') {
              attempt += 1;
              ask('password');
            } else emit({ kind: 'closed', failure: { code: options.refusal ?? 'password-wrong', evidence: 'E=691' } });
          } else comesUp(input, emit);
        });
      },
      log: (_level, _area, text, fields) => lines.push(`${text} ${JSON.stringify(fields ?? {})}`),
      onChange: look,
      ...(options.promptPatience !== undefined && { promptPatience: options.promptPatience }),
    },
    {
      owner: 1000,
      profile: sampleProfile({
        gateway: '127.0.0.1',
        auth: 'eap',
        eap: { methods: ['mschapv2'], identity: options.identity ?? '', serverName: '', authorities: [] },
        trust: defaultTrust('eap'),
      }),
      secret: options.password === undefined ? {} : { password: new TextEncoder().encode(options.password) },
      recall: () => undefined,
      mayRemember: () => true,
      remember: (kind, value) => remembered.push(`${kind} ${new TextDecoder().decode(value)}`),
    },
  );
  ready = true;
  void attempts.over.then(() => {
    assert.equal(fake.open.size, 0, 'every descriptor is closed');
    const secrets = lines.join('\n').includes(RIGHT) || lines.join('\n').includes('a wrong word');
    assert.equal(secrets, false, 'nothing typed is logged');
  });
  const asked = async (kind: Prompt['kind'], attempt: number): Promise<Prompt> => {
    await until(() => status().prompt?.kind === kind && status().prompt?.attempt === attempt);
    const { prompt } = status();
    assert.ok(prompt);
    return prompt;
  };
  return {
    attempts,
    answers,
    remembered,
    states,
    status,
    connections: () => connections,
    reaches: (state: string) => until(() => status().state === state),
    asked,
    /** Waits for the question and answers it. */
    say: async (kind: Prompt['kind'], attempt: number, word: string, remember = false) => {
      const prompt = await asked(kind, attempt);
      assert.equal(attempts.answer(prompt.id, word, remember).ok, true);
      return prompt;
    },
  };
}

function textOf(answer: IkeAnswer): string {
  return answer.kind === 'credential' ? new TextDecoder().decode(answer.value) : answer.kind;
}

test('name and password are asked for on the way, with the gateway proven', async () => {
  const it = run();
  await it.asked('identity', 1);
  const { state, steps } = it.status();
  assert.equal(state, 'waiting');
  assert.deepEqual(
    steps.map(({ state: one }) => one),
    ['done', 'done', 'done', 'active', 'pending'],
  );
  await it.say('identity', 1, 'alice');
  await it.say('password', 1, RIGHT, true);
  await it.reaches('connected');
  assert.deepEqual(it.remembered, [`password ${RIGHT}`]);
  assert.equal(
    it.states.join(' '),
    'connecting authenticating waiting authenticating waiting authenticating installing connected',
  );
  await it.attempts.end();
});

test('a stored password connects without a word', async () => {
  const it = run({ identity: 'alice', password: RIGHT });
  await it.reaches('connected');
  assert.equal(it.states.includes('waiting'), false);
  await it.attempts.end();
});

for (const refusal of ['password-wrong', 'eap-refused', 'authentication-failed', 'retry'] as const) {
  test(`a stored password that is wrong (${refusal}) is asked for, and given once only`, async () => {
    const it = run({ identity: 'alice', password: 'a wrong word of old', refusal });
    await it.say('password', 2, RIGHT, true);
    await it.reaches('connected');
    assert.deepEqual(it.answers, ['a wrong word of old', RIGHT]);
    assert.equal(it.connections(), refusal === 'retry' ? 1 : 2);
    assert.equal(it.states.includes('failed'), false);
    assert.equal(it.states.includes('disconnecting'), false, it.states.join(' '));
    assert.deepEqual(it.remembered, [`password ${RIGHT}`]);
    await it.attempts.end();
  });

  test(`three wrong passwords (${refusal}) are enough`, async () => {
    const it = run({ identity: 'alice', refusal });
    for (const attempt of [1, 2, 3]) await it.say('password', attempt, `a wrong word ${attempt}`);
    await it.attempts.over;
    assert.equal(it.answers.filter((one) => one.startsWith('a wrong word')).length, 3);
    assert.equal(it.status().state, 'failed');
    assert.equal(it.status().failure?.code, refusal === 'retry' ? 'password-wrong' : refusal);
    assert.equal(it.status().steps.find(({ name }) => name === 'user')?.state, 'failed');
  });
}

for (const refusal of ['password-expired', 'account-disabled', 'account-restricted'] as const) {
  test(`${refusal} ends it at once`, async () => {
    const it = run({ identity: 'alice', password: 'a wrong word of old', refusal });
    await it.attempts.over;
    assert.equal(it.connections(), 1);
    assert.equal(it.status().failure?.code, refusal);
    assert.equal(it.states.includes('waiting'), false);
  });
}

test('cancelled at the question: down in no time, nothing failed', async () => {
  const it = run({ identity: 'alice' });
  const prompt = await it.asked('password', 1);
  const from = performance.now();
  await it.attempts.end();
  // The question alone would be open for minutes.
  assert.ok(performance.now() - from < 5_000);
  assert.deepEqual([it.status().state, it.status().failure], ['idle', undefined]);
  assert.equal(it.attempts.answer(prompt.id, RIGHT, false).ok, false);
});

test('nobody answers: it ends, and is not tried again', async () => {
  const it = run({ identity: 'alice', promptPatience: 20 });
  await it.attempts.over;
  assert.deepEqual([it.status().state, it.status().failure?.code, it.connections()], ['failed', 'prompt-expired', 1]);
});

test('a gateway that hangs up takes its question with it', async () => {
  const it = run({ identity: 'alice', hangsUp: true });
  const prompt = await it.asked('password', 1);
  // Nothing wakes the driver of a scripted machine: any input has it look.
  setTimeout(() => it.attempts.datagram(new Uint8Array(1), 'natt', { address: '127.0.0.1', port: 4500 }), 30);
  await it.attempts.over;
  assert.deepEqual(
    [it.status().state, it.status().failure?.code, it.status().prompt],
    ['failed', 'closed-by-gateway', undefined],
  );
  assert.equal(it.attempts.answer(prompt.id, RIGHT, false).ok, false);
});

test('the private key is opened once for all tries, wiped here at once, and given back at the end', async () => {
  const fake = fakeWorld();
  const key = Uint8Array.of(1, 2, 3);
  const happened: string[] = [];
  const attempts = startAttempts(
    {
      ...fake.deps,
      openKey: async (pkcs8) => {
        happened.push(`open ${pkcs8.join(' ')}`);
        return { ok: true, value: { info: { publicKey: new Uint8Array(0), algorithms: [] }, sign: async () => err(''), close } };
      },
      log: () => {},
      onChange: () => {},
    },
    {
      owner: 1000,
      profile: sampleProfile({ gateway: '127.0.0.1', auth: 'certificate', trust: defaultTrust('certificate') }),
      secret: { key },
      recall: () => undefined,
      mayRemember: () => false,
      remember: () => {},
    },
  );
  function close(): void {
    happened.push('close');
  }
  await attempts.over;
  assert.deepEqual(happened, ['open 1 2 3', 'close']);
  assert.deepEqual([...key], [0, 0, 0]);
  // The key is there, its certificate is not.
  assert.equal(attempts.facts().failure?.code, 'own-key-failed');
  assert.equal(fake.open.size, 0);
});

test('a key that cannot be opened ends it before anything is sent', async () => {
  const fake = fakeWorld();
  const attempts = startAttempts(
    { ...fake.deps, openKey: async () => err('agent-gone: the key agent ended'), log: () => {}, onChange: () => {} },
    {
      owner: 1000,
      profile: sampleProfile({ gateway: '127.0.0.1', auth: 'certificate', trust: defaultTrust('certificate') }),
      secret: { key: Uint8Array.of(1) },
      recall: () => undefined,
      mayRemember: () => false,
      remember: () => {},
    },
  );
  await attempts.over;
  assert.deepEqual(
    [attempts.facts().failure?.code, attempts.facts().failure?.evidence],
    ['own-key-failed', 'agent-gone: the key agent ended'],
  );
  assert.deepEqual([fake.configs.length, fake.open.size], [0, 0]);
});
