/** New logins beside the connection in use (RFC 7296 §2.8.3), and in its place. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { IkeTicket } from '../../../core/ike/sa/contract.ts';
import { childSa, comesUp, network, neverAnswers, type Script } from './fakes.ts';
import { from, MORE, startSession, ticketing } from './sessionScene.ts';

/** Comes up with SAs of its own, as every machine does. */
const withOwnSa =
  (count: number, steps: Script = comesUp): Script =>
  (input, emit) =>
    steps(input, (output) => {
      if (output.kind !== 'install-child') emit(output);
      else emit({ ...output, child: { ...output.child, spiIn: output.child.spiIn + count } });
    });

test('a new login is made beside the one in use, which ends only when the new one carries the traffic', async () => {
  const it = startSession({ initialContact: true }, (_, count) => withOwnSa(count));
  await it.reaches('connected');
  it.calls.length = 0;
  it.states.length = 0;
  it.inputs.length = 0;
  it.logInAgain();
  assert.equal(it.status().state, 'rekeying');
  await it.reaches('connected');
  await it.until(() => it.inputs.includes('terminate') && it.calls.includes('removeChild'));
  assert.deepEqual(it.states, ['rekeying', 'connected'], 'it was there all the time');
  assert.ok(it.calls.indexOf('installChild 20000 1024') < it.calls.indexOf('removeChild'), it.calls.join(' '));
  assert.equal(it.calls.includes('revert'), false);
  assert.equal(it.status().children[0]?.spiIn, '0x01020305', 'the new one');
  assert.deepEqual(
    it.configs.map(({ initialContact }) => initialContact),
    [true, false],
    'the gateway must not drop the one in use',
  );
  await it.attempts.end();
  assert.equal(it.open.size, 0);
});

const additionalChildren = [{ remoteNetworks: ['10.7.0.0/16'] }, { remoteNetworks: ['10.8.0.0/16'] }];

/** Each datagram brings the next of three CHILD SAs, or the word that there is none for the last. */
function severally(count: number): Script {
  const networks = ['10.1.0.0/16', '10.7.0.0/16', '10.8.0.0/16'];
  let next = 1;
  const child = (index: number) => ({ ...childSa([networks[index]]), spiIn: 0x1000 * (count + 1) + index });
  return (input, emit) => {
    comesUp(input, (output) => emit(output.kind === 'install-child' ? { ...output, child: child(0) } : output));
    if (input.kind === 'start' && count === 0) for (const index of [1, 2]) emit({ kind: 'install-child', child: child(index) });
    else if (input.kind === 'start') emit({ kind: 'transmit', bytes: new Uint8Array(28).fill(MORE), channel: 'natt', to: from });
    if (input.kind !== 'datagram') return;
    if (next === 1) emit({ kind: 'install-child', child: child(1) });
    else emit({ kind: 'child-refused', remoteSelectors: [network(networks[2])], evidence: 'TS_UNACCEPTABLE' });
    next++;
  };
}

/** A new login beside one with three CHILD SAs, which has its first; from then on time stands still where there is a context. */
async function withTheFirst(context?: TestContext) {
  const it = startSession({ additionalChildren }, (_, count) => severally(count));
  await it.reaches('connected');
  await it.until(() => it.status().children.length === 3);
  it.calls.length = 0;
  it.inputs.length = 0;
  context?.mock.timers.enable({ apis: ['setTimeout'] });
  it.logInAgain();
  await it.until(() => it.calls.some((call) => call.startsWith('installChild')));
  await turns();
  assert.equal(it.machines(), 2);
  return it;
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
}

test('a new login takes the place of the one in use once it has all CHILD SAs that the gateway makes', async () => {
  const it = await withTheFirst();
  const unchanged = () => {
    assert.deepEqual([it.status().state, it.status().children.map(({ spiIn }) => spiIn)], ['rekeying', before]);
    assert.equal(it.inputs.includes('terminate'), false);
    assert.equal(it.calls.includes('apply'), false, 'nor has the host the address of the new one');
  };
  const before = ['0x00001000', '0x00001001', '0x00001002'];
  unchanged();
  it.more();
  await turns();
  unchanged();
  it.more();
  await it.reaches('connected');
  assert.deepEqual(
    it.status().children.map(({ spiIn }) => spiIn),
    ['0x00002000', '0x00002001'],
  );
  assert.equal(it.inputs.includes('terminate'), true);
  await it.until(() => it.calls.filter((call) => call === 'removeChild').length === 3);
  assert.deepEqual(
    it
      .status()
      .warnings?.map(({ code }) => code)
      .includes('network-refused'),
    true,
  );
  await it.attempts.end();
  assert.equal(it.open.size, 0);
});

test('… and for the rest it waits five seconds at most', async (context) => {
  const it = await withTheFirst(context);
  context.mock.timers.tick(4_900);
  assert.equal(it.status().state, 'rekeying');
  context.mock.timers.tick(100);
  await it.reaches('connected');
  assert.deepEqual(
    it.status().children.map(({ spiIn }) => spiIn),
    ['0x00002000'],
  );
  context.mock.timers.reset();
  await it.attempts.end();
});

test('… and not at all when the one in use ends meanwhile', async () => {
  const it = await withTheFirst();
  it.die();
  await it.reaches('connected');
  assert.deepEqual(
    it.status().children.map(({ spiIn }) => spiIn),
    ['0x00002000'],
  );
  it.more();
  await it.until(() => it.status().children.length === 2);
  assert.equal(it.machines(), 2);
  await it.attempts.end();
  assert.equal(it.open.size, 0);
});

test('a new login that fails leaves the one in use alone; when that ends first the new one takes over', async () => {
  let answers = false;
  const it = startSession({}, (_, count) => {
    if (count === 0) return comesUp;
    return answers
      ? withOwnSa(count, neverAnswers)
      : (input, emit) => {
          if (input.kind === 'start') emit({ kind: 'closed', failure: { code: 'password-wrong', evidence: 'x' } });
        };
  });
  await it.reaches('connected');
  it.logInAgain();
  await it.until(() => it.machines() === 2);
  await it.reaches('connected');
  assert.equal(it.inputs.includes('terminate'), false);
  assert.equal(it.status().renewalFailure?.code, 'password-wrong');
  answers = true;
  it.logInAgain();
  await it.until(() => it.machines() === 3);
  assert.equal(it.status().renewalFailure, undefined);
  it.die();
  await it.until(() => it.status().state === 'reconnecting' && it.status().steps[1]?.state === 'active');
  assert.equal(it.machines(), 3, 'the one beside is under way');
  await it.attempts.end();
  assert.deepEqual([it.status().state, it.open.size], ['idle', 0]);
});

test('a new login that is due while what was in use is taken down is none: the loss is told, and brought back', async (context) => {
  const refused: Script = (input, emit) => {
    if (input.kind === 'start') emit({ kind: 'closed', failure: { code: 'no-answer-auth', evidence: 'silent' } });
  };
  const it = startSession({ whenLost: 'open' }, (_, count) => (count === 1 ? refused : comesUp));
  context.after(() => it.attempts.end());
  await it.reaches('connected');
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const pass = (milliseconds: number) => {
    it.sleepFor(milliseconds);
    context.mock.timers.tick(milliseconds);
  };
  it.logInAgain();
  await it.until(() => it.machines() === 2 && it.status().state === 'connected');

  const begun = Promise.withResolvers<void>();
  const done = Promise.withResolvers<void>();
  context.mock.method(it.deps.dataplane, 'detach', () => {
    begun.resolve();
    return done.promise;
  });
  it.die();
  await begun.promise;
  pass(10_000);
  done.resolve();
  await turns();
  assert.deepEqual([it.status().state, it.machines()], ['connected', 3]);
});

test('a new login at a cluster whose address sends everybody on is made where it is sent to (RFC 5685 §3)', async () => {
  const it = startSession({}, ({ remote }, count) => {
    if (remote.address === '127.0.0.2') return withOwnSa(count);
    const failure = { code: 'redirected', evidence: 'REDIRECT in IKE_SA_INIT response', redirect: '127.0.0.2' } as const;
    return (input, emit) => {
      if (input.kind === 'start') emit({ kind: 'closed', failure });
    };
  });
  await it.reaches('connected');
  it.states.length = 0;
  it.logInAgain();
  await it.until(() => it.inputs.includes('terminate') && it.calls.includes('removeChild'));
  assert.deepEqual(it.states, ['rekeying', 'connected'], 'it was there all the time');
  const went = it.configs.map(({ remote, redirect }) => [remote.address, redirect?.from]);
  const once = [
    ['127.0.0.1', undefined],
    ['127.0.0.2', '127.0.0.1'],
  ];
  assert.deepEqual(went, [...once, ...once]);
  await it.attempts.end();
});

/** A code is asked for before it comes up. */
const asksFor = (count: number): Script => {
  const up = withOwnSa(count);
  return (input, emit) => {
    if (input.kind !== 'start') return up(input.kind === 'answer' ? { kind: 'start' } : input, emit);
    const ask = { kind: 'credential', want: 'code', text: '', identity: 'alice', attempt: 1 } as const;
    emit({ kind: 'progress', step: 'sa-init' });
    emit({ kind: 'progress', step: 'auth' });
    emit({ kind: 'ask', id: 1, ask });
  };
};

test('a new login that asks the user leaves what is in use alone, and shown as what it is', async () => {
  const it = startSession({}, (_, count) => (count === 0 ? comesUp : asksFor(count)));
  await it.reaches('connected');
  const asked = async () => {
    await it.until(() => it.status().prompt !== undefined);
    return it.status().prompt?.id ?? '';
  };
  it.states.length = 0;
  it.logInAgain();
  const first = await asked();
  assert.deepEqual([it.status().state, it.status().children.length, it.status().held], ['rekeying', 1, undefined]);
  assert.ok(it.attempts.answer(first, '123456', false).ok);
  await it.reaches('connected');
  assert.deepEqual(it.states, ['rekeying', 'connected']);

  // What is in use ends before there is an answer: the question stays, and now everything waits for it.
  it.logInAgain();
  const second = await asked();
  it.die();
  await it.until(() => it.status().children.length === 0 && it.status().state === 'waiting');
  assert.equal(it.status().prompt?.id, second);
  assert.ok(it.attempts.answer(second, '654321', false).ok);
  await it.reaches('connected');
  assert.equal(it.machines(), 3);
  await it.attempts.end();
  assert.equal(it.open.size, 0);
});

test('a new login whose answers are wrong is tried three times, and nothing of it is kept', async (context) => {
  const right = 'of this year';
  const it = startSession({}, (_, count) => (input, emit) => {
    if (count === 0 || input.kind === 'terminate') return comesUp(input, emit);
    const ask = { kind: 'credential', want: 'password', text: '', identity: 'alice', attempt: 1 } as const;
    if (input.kind === 'start') {
      emit({ kind: 'progress', step: 'sa-init' });
      emit({ kind: 'progress', step: 'auth' });
      emit({ kind: 'ask', id: 1, ask });
    }
    if (input.kind !== 'answer' || input.answer.kind !== 'credential') return;
    if (new TextDecoder().decode(input.answer.value) === right) withOwnSa(count)({ kind: 'start' }, emit);
    else emit({ kind: 'closed', failure: { code: 'eap-refused', evidence: 'EAP-Failure' } });
  });
  context.after(() => it.attempts.end());
  const answer = async (attempt: number, word: string) => {
    await it.until(() => it.status().prompt !== undefined);
    assert.equal(it.status().prompt?.attempt, attempt);
    assert.ok(it.attempts.answer(it.status().prompt?.id ?? '', word, true).ok);
  };
  await it.reaches('connected');
  // The one that is kept was wrong, too.
  it.logInAgain();
  for (const attempt of [2, 3]) await answer(attempt, 'of last year');
  await it.reaches('connected');
  assert.deepEqual([it.status().renewalFailure?.code, it.machines(), it.remembered], ['eap-refused', 4, []]);

  it.logInAgain();
  await answer(1, right);
  await it.reaches('connected');
  assert.deepEqual([it.status().renewalFailure, it.remembered], [undefined, [`password ${right}`]]);
});

test('the ticket of a new login stays when the connection before it gives its own back', async () => {
  const tickets: IkeTicket[] = [];
  const it = startSession({}, (config, count) => {
    const steps = withOwnSa(count, ticketing(tickets)(config, count));
    return (input, emit) => {
      // Deleted by us, so its ticket is void (RFC 5723 §6.2).
      if (input.kind === 'terminate' && count === 0) emit({ kind: 'ticket', ticket: undefined });
      steps(input, emit);
    };
  });
  await it.reaches('connected');
  it.logInAgain();
  await it.reaches('connected');
  await it.until(() => it.inputs.includes('terminate') && it.calls.includes('removeChild'));
  it.die();
  await it.until(() => it.machines() === 3 && it.status().state === 'connected');
  assert.deepEqual(it.configs[2]?.resumption?.ticket?.octets, tickets[1]?.octets);
  await it.attempts.end();
  for (const { skD } of tickets) assert.deepEqual(skD, new Uint8Array(32), 'none is left');
});
