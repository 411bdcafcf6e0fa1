import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Attempts, startAttempts } from '../../../core/helper/attempts.ts';
import type { IkeFailure } from '../../../core/ike/sa/contract.ts';
import { importProfile } from '../../../core/profile/import.ts';
import type { Profile } from '../../../core/profile/model.ts';
import type { Prompt, Status } from '../../../core/rpc/contract.ts';
import { statusFor } from '../../../core/tunnel/status.ts';
import { profileText } from '../profile/sample.ts';
import { comesUp, type FakeWorld, fakeWorld, lookout, ownSecret, scriptedMachine } from './fakes.ts';

const RIGHT = 'the right key of this gateway';

function profile(): Profile {
  const imported = importProfile(profileText({ gateway: '127.0.0.1', ipv6: false }));
  assert.ok(imported.ok);
  return { ...imported.value.profile, id: 'id' };
}

interface Run {
  readonly world: FakeWorld;
  readonly attempts: Attempts;
  readonly lines: string[];
  readonly remembered: string[];
  /** Every state there was, in order. */
  readonly states: string[];
  status(): Status;
  reaches(state: string): Promise<void>;
  /** Waits for the question of this number. */
  asked(attempt: number): Promise<Prompt>;
}

interface Options {
  readonly psk?: string;
  readonly refusal?: IkeFailure['code'];
  readonly promptPatience?: number;
  readonly rememberAllowed?: boolean;
}

/** A gateway that takes the right key alone. */
function run(options: Options = {}): Run {
  const fake = fakeWorld();
  const keys: Uint8Array[] = [];
  const world: FakeWorld = {
    ...fake,
    deps: {
      ...fake.deps,
      createMachine: (config) => {
        const secret = ownSecret(config);
        if (secret) keys.push(secret);
        const key = new TextDecoder().decode(secret);
        return scriptedMachine((input, emit) => {
          if (key === RIGHT || input.kind !== 'start') comesUp(input, emit);
          else {
            emit({ kind: 'progress', step: 'sa-init' });
            emit({ kind: 'progress', step: 'auth' });
            emit({
              kind: 'closed',
              failure: { code: options.refusal ?? 'authentication-failed', evidence: 'AUTHENTICATION_FAILED' },
            });
          }
        });
      },
    },
  };
  const lines: string[] = [];
  const remembered: string[] = [];
  const states: string[] = [];
  const { look: lookAround, until } = lookout();
  const status = () => statusFor(attempts.facts(), 1000, 0);
  let ready = false;
  const look = () => {
    if (!ready) return;
    const { state } = status();
    if (states.at(-1) !== state) states.push(state);
    lookAround();
  };
  const attempts = startAttempts(
    {
      ...world.deps,
      log: (_level, _area, text, fields) => lines.push(`${text} ${JSON.stringify(fields ?? {})}`),
      onChange: look,
      ...(options.promptPatience !== undefined && { promptPatience: options.promptPatience }),
    },
    {
      owner: 1000,
      profile: profile(),
      secret: options.psk === undefined ? {} : { psk: new TextEncoder().encode(options.psk) },
      recall: () => undefined,
      mayRemember: () => options.rememberAllowed ?? true,
      remember: (_, value) => remembered.push(new TextDecoder().decode(value)),
    },
  );
  ready = true;
  void attempts.over.then(() => {
    assert.equal(fake.open.size, 0, 'every descriptor is closed');
    assert.ok(
      keys.every((key) => key.every((octet) => octet === 0)),
      'every key is wiped',
    );
    assert.equal(lines.join('\n').includes('key of'), false, 'no key is logged');
  });
  return {
    world,
    attempts,
    lines,
    remembered,
    states,
    status,
    reaches: (state) => until(() => status().state === state),
    asked: async (attempt) => {
      await until(() => status().prompt?.attempt === attempt);
      const { prompt } = status();
      assert.ok(prompt);
      return prompt;
    },
  };
}

const answer = ({ attempts }: Run, prompt: Prompt, secret: string, remember = false) => {
  const done = attempts.answer(prompt.id, secret, remember);
  return done.ok ? 'ok' : done.error.code;
};

test('without a key it asks before anything is opened; the right answer connects', async () => {
  const it = run();
  const prompt = await it.asked(1);
  assert.deepEqual(prompt, {
    id: prompt.id,
    kind: 'psk',
    text: '',
    identity: 'alice@office.test',
    rememberAllowed: true,
    attempt: 1,
  });
  assert.deepEqual(it.world.calls, []);
  assert.equal(it.status().state, 'waiting');
  assert.equal(answer(it, prompt, RIGHT), 'ok');
  await it.reaches('connected');
  assert.equal(it.status().prompt, undefined);
  assert.deepEqual(it.remembered, []);
  await it.attempts.end();
});

for (const refusal of ['authentication-failed', 'gateway-authentication-failed'] as const) {
  test(`a typed key that is wrong (${refusal}) is asked for again; what is remembered is the right one`, async () => {
    const it = run({ refusal });
    const first = await it.asked(1);
    assert.equal(answer(it, first, 'a wrong key of mine', true), 'ok');
    const second = await it.asked(2);
    assert.notEqual(second.id, first.id);
    assert.equal(answer(it, first, RIGHT), 'prompt-unknown', 'an answer to the earlier question');
    assert.equal(it.states.includes('failed'), false);
    assert.equal(it.states.includes('disconnecting'), false, it.states.join(' '));
    assert.equal(it.world.open.size, 0, 'nothing is open while it waits');
    assert.equal(answer(it, second, RIGHT, true), 'ok');
    await it.reaches('connected');
    assert.deepEqual(it.remembered, [RIGHT]);
    await it.attempts.end();
  });
}

test('three wrong keys are enough', async () => {
  const it = run();
  for (const attempt of [1, 2, 3]) answer(it, await it.asked(attempt), `wrong key of try ${attempt}`, true);
  await it.attempts.over;
  const { state, failure, prompt, steps } = it.status();
  assert.deepEqual([state, failure?.code, prompt], ['failed', 'authentication-failed', undefined]);
  assert.equal(steps.find(({ name }) => name === 'user')?.state, 'failed');
  assert.deepEqual(it.remembered, []);
});

test('a stored key that is wrong is a failure: nobody mistyped it', async () => {
  const it = run({ psk: 'a stored key of old' });
  await it.attempts.over;
  assert.equal(it.status().failure?.code, 'authentication-failed');
  assert.equal(it.states.includes('waiting'), false);
});

test('another failure after a typed key is not asked about again', async () => {
  const it = run({ refusal: 'no-proposal-chosen' });
  answer(it, await it.asked(1), 'whatever key of mine');
  await it.attempts.over;
  assert.equal(it.status().failure?.code, 'no-proposal-chosen');
});

test('cancelled while it asks; an answer after that is for nobody', async () => {
  const it = run();
  const prompt = await it.asked(1);
  await it.attempts.end();
  assert.deepEqual([it.status().state, it.status().failure], ['idle', undefined]);
  assert.equal(answer(it, prompt, RIGHT), 'prompt-unknown');
  assert.deepEqual(it.world.calls, []);
});

test('cancelled while it asks for the second time', async () => {
  const it = run();
  answer(it, await it.asked(1), 'a wrong key of mine');
  await it.asked(2);
  await it.attempts.end();
  assert.deepEqual([it.status().state, it.status().failure], ['idle', undefined]);
});

test('nobody answers', async () => {
  const it = run({ promptPatience: 20 });
  await it.attempts.over;
  const { state, failure } = it.status();
  assert.deepEqual([state, failure?.code], ['failed', 'prompt-expired']);
});

test('what cannot be an answer is refused and the question stays', async () => {
  const it = run({ rememberAllowed: false });
  const prompt = await it.asked(1);
  assert.equal(prompt.rememberAllowed, false);
  assert.equal(answer(it, prompt, RIGHT, true), 'not-permitted');
  assert.equal(answer(it, prompt, 'ä'.repeat(513)), 'bad-request');
  assert.equal(answer(it, { ...prompt, id: 'another' }, RIGHT), 'prompt-unknown');
  assert.equal(it.status().prompt?.id, prompt.id);
  assert.equal(answer(it, prompt, RIGHT), 'ok');
  await it.reaches('connected');
  await it.attempts.end();
});
