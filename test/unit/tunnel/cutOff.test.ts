/** A tunnel that stands while nothing can pass: what is told of it, and when. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { newMemory, startAttempts } from '../../../core/helper/attempts.ts';
import { createCutOff } from '../../../core/helper/cutOff.ts';
import { failure } from '../../../core/tunnel/explain.ts';
import { statusFor } from '../../../core/tunnel/status.ts';
import { sampleProfile } from '../helper/sampleProfile.ts';
import { comesUp, fakeWorld } from './fakes.ts';

/** As long as computers are without a network that change it. */
const CHANGE = 700;

test('without a network it is said soon that nothing passes; a change of networks is no news', async (t) => {
  let answers = false;
  const fake = fakeWorld({
    script: (input, emit) => {
      if (input.kind === 'check-liveness' && answers) emit({ kind: 'alive' });
      else comesUp(input, emit);
    },
  });
  const looks = new Set<() => void>();
  const states: string[] = [];
  let source: string | undefined = '127.0.0.1';
  let told = () => {};
  const attempts = startAttempts(
    {
      ...fake.deps,
      network: {
        watch: (_, onChange) => {
          const look = () => onChange({ addresses: true });
          looks.add(look);
          return { close: () => looks.delete(look) };
        },
        sourceTowards: () => source,
        missing: () => [],
      },
      log: () => {},
      onChange: () => told(),
    },
    {
      owner: 1000,
      profile: sampleProfile({ gateway: '127.0.0.1' }),
      secret: { psk: new Uint8Array(8).fill(1) },
      memory: newMemory(),
      recall: () => undefined,
      mayRemember: () => false,
      remember: () => {},
    },
  );
  t.after(() => attempts.end());
  const status = () => statusFor(attempts.facts(), 1000, 0);
  const reaches = (wanted: string) =>
    new Promise<void>((resolve) => {
      told = () => {
        const { state } = status();
        if (states.at(-1) !== state) states.push(state);
        if (state === wanted) resolve();
      };
      told();
    });
  const network = (address: string | undefined) => {
    source = address;
    for (const look of [...looks]) look();
  };
  await reaches('connected');

  network(undefined);
  await sleep(CHANGE);
  network('127.0.0.1');
  await sleep(CHANGE);
  assert.equal(states.at(-1), 'connected', states.join(' '));
  assert.equal(states.includes('blocked'), false, 'it was a change');

  const cut = performance.now();
  network(undefined);
  await reaches('blocked');
  assert.ok(performance.now() - cut >= CHANGE);
  const { held, failure: why, children, steps } = status();
  assert.deepEqual([held, why?.code, children.length], [true, 'no-route', 1]);
  assert.ok(steps.every(({ state }) => state === 'done'));
  assert.equal(attempts.again(false), true, 'who cannot wait is not refused');
  attempts.suspending();
  attempts.resumed();
  assert.equal(status().state, 'blocked', 'there is nobody to check');

  network('127.0.0.1');
  await reaches('paused');
  answers = true;
  assert.equal(attempts.again(false), true);
  await reaches('connected');

  answers = false;
  network(undefined);
  await reaches('blocked');
  network('127.0.0.1');
  await reaches('reconnecting');
  assert.deepEqual([status().held, status().failure?.code], [true, 'gateway-lost'], 'nothing was heard of the gateway yet');
  answers = true;
  assert.equal(attempts.again(false), true);
  await reaches('connected');
  assert.deepEqual([status().held, status().failure], [undefined, undefined]);
  assert.equal(fake.configs.length, 1, 'the session is the same');
});

test('why nothing passes may change; since when does not', async () => {
  let clock = 10;
  let changes = 0;
  const cutOff = createCutOff(
    () => clock++,
    () => changes++,
  );
  const none = failure('no-route', 'x');
  cutOff.now(undefined);
  cutOff.now({ why: failure('gateway-lost', 'x'), stuck: false });
  cutOff.now({ why: none, stuck: true });
  assert.deepEqual([cutOff.lost(), changes], [undefined, 0]);
  await sleep(1_500);
  assert.deepEqual([cutOff.lost(), changes], [{ at: 10, why: none, stuck: true, held: true }, 1]);
  cutOff.now({ why: none, stuck: false });
  assert.deepEqual([cutOff.lost()?.stuck, changes], [false, 2]);
  cutOff.now(undefined);
  assert.deepEqual([cutOff.lost(), changes], [undefined, 3]);
  cutOff.now({ why: none, stuck: true });
  cutOff.stop();
  await sleep(1_500);
  assert.deepEqual([cutOff.lost(), changes], [undefined, 3]);
});
