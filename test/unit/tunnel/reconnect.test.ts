/** Connections that are lost and brought back, through the wiring of the helper with a machine that does as told. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Attempts, newMemory, startAttempts } from '../../../core/helper/attempts.ts';
import type { IkeConfig, IkeFailure, IkeInput, IkeOutput, IkeTicket } from '../../../core/ike/sa/contract.ts';
import { defaultTrust, type Profile } from '../../../core/profile/model.ts';
import type { Status } from '../../../core/rpc/contract.ts';
import { statusFor } from '../../../core/tunnel/status.ts';
import { sampleProfile } from '../helper/sampleProfile.ts';
import {
  childSa,
  comesUp,
  establishedSa,
  fakeWorld,
  network,
  neverAnswers,
  ownSecret,
  type Script,
  scriptedMachine,
} from './fakes.ts';

const octets = (text: string) => new TextEncoder().encode(text);
/** First octet of the datagram at which the machine wants a new login. */
const LOGIN = 9;
/** All octets of one that is for the machine of a new login to say what it does. */
const MORE = 7;
const from = { address: '127.0.0.1', port: 4500 };

/** A gateway that comes up; a datagram makes it end with what `dies` says. */
function run(
  changes: Partial<Profile> = {},
  script: (config: IkeConfig, count: number) => Script = () => comesUp,
  memory = newMemory(),
) {
  const fake = fakeWorld();
  const states: string[] = [];
  const lines: string[] = [];
  const looks = new Set<() => void>();
  const secrets: Uint8Array[] = [];
  const inputs: string[] = [];
  let dies: IkeFailure = { code: 'gateway-lost', evidence: 'no answer to INFORMATIONAL' };
  let clock = 1_000_000;
  let ready = false;
  const status = (): Status => statusFor(attempts.facts(), 1000, 0);
  const look = () => {
    if (!ready) return;
    const { state } = status();
    if (states.at(-1) !== state) states.push(state);
    for (const one of [...looks]) one();
  };
  let machines = 0;
  const attempts: Attempts = startAttempts(
    {
      ...fake.deps,
      monotonic: () => clock + performance.now(),
      random: () => 0,
      createMachine: (config) => {
        fake.configs.push(config);
        const secret = ownSecret(config);
        if (secret) secrets.push(secret);
        const told = script(config, machines++);
        return scriptedMachine((input: IkeInput, emit: (output: IkeOutput) => void) => {
          inputs.push(input.kind);
          if (input.kind === 'datagram' && input.bytes[0] === LOGIN) emit({ kind: 'reauthenticate', within: 60_000 });
          else if (input.kind === 'datagram' && input.bytes[0] !== MORE) emit({ kind: 'closed', failure: dies });
          else told(input, emit);
        });
      },
      log: (_level, _area, text) => lines.push(text),
      onChange: look,
    },
    {
      owner: 1000,
      profile: sampleProfile({ gateway: '127.0.0.1', ...changes }),
      secret: { psk: octets('the key of this gateway'), password: octets('kept') },
      memory,
      recall: (kind) => octets(kind === 'psk' ? 'the key of this gateway' : 'kept'),
      mayRemember: () => true,
      remember: () => {},
    },
  );
  ready = true;
  const until = (reached: () => boolean) =>
    new Promise<void>((resolve) => {
      const one = () => {
        if (!reached()) return;
        looks.delete(one);
        resolve();
      };
      looks.add(one);
      one();
    });
  return {
    ...fake,
    attempts,
    states,
    lines,
    secrets,
    inputs,
    status,
    until,
    machines: () => machines,
    reaches: (state: string) => until(() => status().state === state),
    /** The gateway ends it. */
    die(why?: IkeFailure) {
      if (why) dies = why;
      attempts.datagram(new Uint8Array(28), 'natt', from);
    },
    /** A message of the gateway for a new login. */
    more() {
      attempts.datagram(new Uint8Array(28).fill(MORE), 'natt', from);
    },
    /** The login runs out. */
    logInAgain() {
      attempts.datagram(new Uint8Array(28).fill(LOGIN), 'natt', from);
    },
    sleepFor: (milliseconds: number) => {
      clock += milliseconds;
    },
  };
}

test('lost and brought back: nothing of the host changes, nothing is opened again, nobody is asked', async () => {
  const it = run();
  await it.reaches('connected');
  const before = it.status().virtualIps;
  it.calls.length = 0;
  it.states.length = 0;
  it.die();
  assert.equal(it.status().state, 'reconnecting');
  assert.deepEqual([it.status().held, it.status().failure?.code], [true, 'gateway-lost']);
  await it.reaches('connected');
  assert.deepEqual(it.states, ['reconnecting', 'connected']);
  assert.deepEqual(it.calls, ['removeChild', 'installChild 20000 1024', 'apply', 'probeThrough 10.1.0.53']);
  assert.deepEqual([it.status().virtualIps, it.status().failure, it.status().held], [before, undefined, undefined]);
  assert.equal(it.machines(), 2);
  assert.deepEqual(it.secrets[1], octets('the key of this gateway'));
  await it.attempts.end();
  assert.equal(it.open.size, 0);
  assert.ok(it.secrets.every((secret) => secret.every((octet) => octet === 0)));
});

test('brought back with another address inside: the log says that nothing can go on', async () => {
  const moves = (_config: IkeConfig, count: number): Script => {
    const addresses = [{ address: `10.9.0.${count === 0 ? 2 : 3}`, prefix: 32 }];
    return (input, emit) =>
      comesUp(input, (said) =>
        emit(said.kind === 'configured' ? { ...said, configuration: { ...said.configuration, addresses } } : said),
      );
  };
  const it = run({}, moves);
  await it.reaches('connected');
  for (let losses = 0; losses < 2; losses++) {
    it.die();
    await it.reaches('connected');
  }
  assert.equal(it.configs.at(-1)?.request.addresses?.[0], '10.9.0.3', 'and is asked for again');
  assert.equal(it.lines.filter((line) => /another address inside/.test(line)).length, 1);
  await it.attempts.end();
});

test('what is locked opens when the user says so: with the key that is kept, or with one that they type', async () => {
  const it = run({ whenLost: 'lock' });
  await it.reaches('connected');
  assert.equal(it.attempts.again(false), false, 'nothing waits');
  for (const typed of [false, true]) {
    it.die({ code: 'authentication-failed', evidence: 'AUTHENTICATION_FAILED' });
    await it.reaches('blocked');
    assert.deepEqual([it.status().held, it.status().failure?.code], [true, 'authentication-failed']);
    assert.equal(it.attempts.again(typed), true);
    if (typed) {
      await it.reaches('waiting');
      const { prompt } = it.status();
      assert.ok(prompt?.kind === 'psk' && it.attempts.answer(prompt.id, 'another key', false).ok);
    }
    await it.reaches('connected');
    assert.deepEqual(it.secrets.at(-1), octets(typed ? 'another key' : 'the key of this gateway'));
  }
  await it.attempts.end();
  assert.equal(it.attempts.again(false), false, 'it is over');
});

test('where it is not held, the host is as it was until it is back', async () => {
  const it = run({ whenLost: 'open' });
  await it.reaches('connected');
  it.calls.length = 0;
  it.die();
  await it.until(() => it.calls.includes('close'));
  assert.equal(it.status().state, 'reconnecting');
  assert.equal(it.status().held, false);
  await it.reaches('connected');
  assert.ok(it.calls.indexOf('revert') < it.calls.indexOf('openTun 1400'), it.calls.join(' '));
  await it.attempts.end();
  assert.equal(it.open.size, 0);
});

test('where nothing is brought back, the loss is the end', async () => {
  const it = run({ whenLost: 'end' });
  await it.reaches('connected');
  it.die();
  await it.attempts.over;
  assert.deepEqual([it.status().state, it.status().failure?.code, it.machines()], ['failed', 'gateway-lost', 1]);
  assert.equal(it.open.size, 0);
});

test('a refusal is the end, and the host is put back', async () => {
  const it = run();
  await it.reaches('connected');
  it.die({ code: 'authentication-failed', evidence: 'AUTHENTICATION_FAILED' });
  await it.attempts.over;
  assert.deepEqual([it.status().state, it.status().failure?.code], ['failed', 'authentication-failed']);
  assert.equal(it.machines(), 1, 'it is not repeated');
  assert.ok(it.calls.includes('revert'));
  assert.equal(it.open.size, 0);
});

test('locked: the traffic stays held back until the user says so', async () => {
  const it = run({ whenLost: 'lock' });
  await it.reaches('connected');
  it.calls.length = 0;
  it.die({ code: 'authentication-failed', evidence: 'AUTHENTICATION_FAILED' });
  await it.reaches('blocked');
  assert.deepEqual([it.status().held, it.status().failure?.code], [true, 'authentication-failed']);
  assert.deepEqual(it.status().routes, ['10.1.0.0/16'], 'what is held back');
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(it.calls.includes('revert'), false);
  assert.equal(it.attempts.again(false), true, 'the user may try');
  await it.reaches('connected');
  assert.equal(it.attempts.again(false), false);
  await it.attempts.end();
  assert.deepEqual([it.status().state, it.open.size], ['idle', 0]);
  assert.ok(it.calls.includes('revert'));
});

test('cancelled while it is brought back: at once, and nothing is left', async () => {
  const it = run({}, (_, count) => (count === 0 ? comesUp : neverAnswers));
  await it.reaches('connected');
  it.die();
  await it.until(() => it.machines() === 2);
  assert.equal(it.status().state, 'reconnecting');
  assert.equal(it.status().steps[1]?.state, 'active');
  await it.attempts.end();
  assert.deepEqual([it.status().state, it.open.size], ['idle', 0]);
});

test('without a network it is blocked, and goes on by itself with one', async () => {
  const it = run();
  await it.reaches('connected');
  it.attempts.network(false);
  it.die();
  await it.reaches('blocked');
  assert.equal(it.status().retryAt, undefined);
  it.attempts.network(true);
  await it.reaches('connected');
  await it.attempts.end();
});

test('awake: the gateway is asked; one that is silent is given up at once', async () => {
  const it = run();
  await it.reaches('connected');
  it.attempts.suspending();
  assert.equal(it.status().state, 'paused');
  it.sleepFor(3_600_000);
  it.attempts.resumed();
  assert.ok(it.inputs.includes('check-liveness'));
  assert.equal(it.status().state, 'paused');
  const woke = performance.now();
  await it.reaches('reconnecting');
  await it.reaches('connected');
  assert.ok(performance.now() - woke < 3_000, 'usable within three seconds');
  assert.equal(it.machines(), 2);
  await it.attempts.end();
});

test('a password that the gateway took is given again without asking; one that it refuses is asked for, never repeated', async () => {
  const given: string[] = [];
  let refuses = false;
  const eap: Script = (input, emit) => {
    if (input.kind === 'start') {
      emit({ kind: 'progress', step: 'sa-init' });
      emit({ kind: 'progress', step: 'auth' });
      const ask = { kind: 'credential', want: 'password', text: '', identity: 'alice', attempt: 1 } as const;
      emit({ kind: 'ask', id: 1, ask });
    } else if (input.kind === 'answer') {
      given.push(input.answer.kind === 'credential' ? new TextDecoder().decode(input.answer.value) : input.answer.kind);
      if (refuses) emit({ kind: 'closed', failure: { code: 'password-wrong', evidence: 'E=691' } });
      else comesUp({ kind: 'start' }, emit);
    } else comesUp(input, emit);
  };
  const profile = {
    auth: 'eap',
    eap: { methods: ['mschapv2'], identity: 'alice', serverName: '', authorities: [] },
    trust: defaultTrust('eap'),
  } as const;
  const it = run(profile, () => eap);
  await it.reaches('connected');
  it.die();
  await it.reaches('reconnecting');
  await it.reaches('connected');
  assert.deepEqual(given, ['kept', 'kept']);
  refuses = true;
  it.die({ code: 'gateway-lost', evidence: 'x' });
  await it.reaches('waiting');
  assert.deepEqual(given, ['kept', 'kept', 'kept']);
  assert.deepEqual([it.status().prompt?.refused?.code, it.status().held], ['password-wrong', undefined]);
  refuses = false;
  const { prompt } = it.status();
  assert.ok(prompt && it.attempts.answer(prompt.id, 'new one', false).ok);
  await it.reaches('connected');
  assert.deepEqual(given.slice(3), ['new one']);
  await it.attempts.end();
});

test('the next address is tried when one falls silent after its first answer', async () => {
  const memory = ['127.0.0.1', '127.0.0.2'];
  const it = run({ gateway: '127.0.0.1', gateways: ['127.0.0.2'] }, (config) => (input, emit) => {
    if (config.remote.address === '127.0.0.2') return comesUp(input, emit);
    if (input.kind !== 'start') return comesUp(input, emit);
    emit({ kind: 'progress', step: 'sa-init' });
    emit({ kind: 'closed', failure: { code: 'no-answer', evidence: 'no answer to IKE_SA_INIT' } });
  });
  await it.reaches('connected');
  assert.deepEqual(
    it.configs.map(({ remote }) => remote.address),
    memory,
  );
  assert.equal(it.status().gateway?.name, '127.0.0.2');
  await it.attempts.end();
});

test('silent after the first answer, and no TCP either: that is told, and the next time UDP is tried again', async () => {
  const silent: Script = (input, emit) => {
    if (input.kind !== 'start') return comesUp(input, emit);
    emit({ kind: 'progress', step: 'sa-init' });
    emit({ kind: 'progress', step: 'auth' });
    emit({ kind: 'closed', failure: { code: 'no-answer-auth', evidence: 'no answer to IKE_AUTH' } });
  };
  const memory = newMemory();
  for (let time = 1; time <= 2; time++) {
    const it = run({ gateway: '127.0.0.1', tcp: 'auto', tcpPorts: [1] }, () => silent, memory);
    await it.reaches('failed');
    assert.equal(it.status().failure?.code, 'no-answer-auth', it.status().failure?.evidence);
    assert.deepEqual(
      it.configs.map(({ transport }) => transport ?? 'udp'),
      ['udp'],
      'nobody speaks TCP at port 1',
    );
  }
});

const { encr, prf, integ, ke } = establishedSa;
const ticketSuite = { encr, prf, integ, ke, additional: [] };

/** A ticket as the machine tells it, each with a key of its own. */
function ticket(config: IkeConfig, key: number): IkeTicket {
  const octets = Uint8Array.of(key);
  const skD = new Uint8Array(32).fill(key);
  const { localIdentity, remote } = config;
  const remoteIdentity = localIdentity;
  return { octets, skD, expiresAt: Infinity, suite: ticketSuite, localIdentity, remoteIdentity, gateway: remote.address };
}

/** Comes up, and brings a ticket of its own. */
function ticketing(tickets: IkeTicket[]): (config: IkeConfig, count: number) => Script {
  return (config, count) => (input, emit) => {
    comesUp(input, emit);
    if (input.kind !== 'start') return;
    const one = ticket(config, count + 1);
    tickets.push(one);
    emit({ kind: 'ticket', ticket: one });
  };
}

test('a ticket goes into the next connection after a loss, is wiped when there is a newer one, and at the end', async () => {
  const tickets: IkeTicket[] = [];
  const it = run({}, ticketing(tickets));
  await it.reaches('connected');
  assert.deepEqual(it.configs[0]?.resumption, {});
  it.die();
  await it.until(() => it.machines() === 2 && it.status().state === 'connected');
  assert.equal(it.configs[1]?.resumption?.ticket, tickets[0]);
  assert.deepEqual(tickets[0]?.skD, new Uint8Array(32), 'used up');
  assert.deepEqual(tickets[1]?.skD, new Uint8Array(32).fill(2));
  await it.attempts.end();
  assert.deepEqual(tickets[1]?.skD, new Uint8Array(32), 'gone with the log-out (RFC 5723 §6.2)');
});

test('given up in silence after a sleep, it comes back with its ticket: nobody deleted anything', async () => {
  const tickets: IkeTicket[] = [];
  const it = run({}, (config, count) => (input, emit) => {
    if (input.kind === 'terminate') emit({ kind: 'ticket', ticket: undefined });
    ticketing(tickets)(config, count)(input, emit);
  });
  await it.reaches('connected');
  it.attempts.resumed();
  await it.until(() => it.machines() === 2 && it.status().state === 'connected');
  assert.equal(it.configs[1]?.resumption?.ticket, tickets[0]);
  await it.attempts.end();
  for (const { skD } of tickets) assert.deepEqual(skD, new Uint8Array(32), 'none is left');
});

test('a ticket that the machine takes back is not presented; without tickets none is asked for', async () => {
  const tickets: IkeTicket[] = [];
  const it = run({}, (config, count) => (input, emit) => {
    ticketing(tickets)(config, count)(input, emit);
    if (input.kind === 'start') emit({ kind: 'ticket', ticket: undefined });
  });
  await it.reaches('connected');
  it.die();
  await it.until(() => it.machines() === 2 && it.status().state === 'connected');
  assert.deepEqual(it.configs[1]?.resumption, {});
  assert.deepEqual(tickets[0]?.skD, new Uint8Array(32));
  await it.attempts.end();

  const none = run({ resumption: false });
  await none.reaches('connected');
  assert.equal(none.configs[0]?.resumption, undefined);
  await none.attempts.end();
});

/** Comes up with SAs of its own, as every machine does. */
const withOwnSa =
  (count: number, steps: Script = comesUp): Script =>
  (input, emit) =>
    steps(input, (output) => {
      if (output.kind !== 'install-child') emit(output);
      else emit({ ...output, child: { ...output.child, spiIn: output.child.spiIn + count } });
    });

test('a new login is made beside the one in use, which ends only when the new one carries the traffic', async () => {
  const it = run({ initialContact: true }, (_, count) => withOwnSa(count));
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
  const it = run({ additionalChildren }, (_, count) => severally(count));
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
  const it = run({}, (_, count) => {
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
  answers = true;
  it.logInAgain();
  await it.until(() => it.machines() === 3);
  it.die();
  await it.until(() => it.status().state === 'reconnecting' && it.status().steps[1]?.state === 'active');
  assert.equal(it.machines(), 3, 'the one beside is under way');
  await it.attempts.end();
  assert.deepEqual([it.status().state, it.open.size], ['idle', 0]);
});

test('a new login at a cluster whose address sends everybody on is made where it is sent to (RFC 5685 §3)', async () => {
  const it = run({}, ({ remote }, count) => {
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
  const it = run({}, (_, count) => (count === 0 ? comesUp : asksFor(count)));
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

test('the ticket of a new login stays when the connection before it gives its own back', async () => {
  const tickets: IkeTicket[] = [];
  const it = run({}, (config, count) => {
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
  assert.equal(it.configs[2]?.resumption?.ticket, tickets[1]);
  await it.attempts.end();
  for (const { skD } of tickets) assert.deepEqual(skD, new Uint8Array(32), 'none is left');
});
