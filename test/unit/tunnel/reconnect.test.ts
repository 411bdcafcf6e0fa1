/** Connections that are lost and brought back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { err } from '../../../core/bytes/result.ts';
import { newMemory, startAttempts } from '../../../core/helper/attempts.ts';
import { createTicketHolder } from '../../../core/helper/ticketHolder.ts';
import type { Identity, IkeConfig, IkeTicket } from '../../../core/ike/sa/contract.ts';
import { defaultTrust } from '../../../core/profile/model.ts';
import { statusFor } from '../../../core/tunnel/status.ts';
import { sampleProfile } from '../helper/sampleProfile.ts';
import { comesUp, establishedSa, fakeWorld, lookout, neverAnswers, type Script } from './fakes.ts';
import { octets, startSession, ticketing } from './sessionScene.ts';

test('lost and brought back: nothing of the host changes, nothing is opened again, nobody is asked', async () => {
  const it = startSession();
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

test('a device that another program removed: held, and another one is opened', async () => {
  const it = startSession();
  await it.reaches('connected');
  const open = it.open.size;
  it.calls.length = 0;
  it.attempts.deviceGone('the TUN device is gone');
  assert.equal(it.status().state, 'reconnecting');
  assert.deepEqual([it.status().held, it.status().failure?.code], [true, 'device-gone']);
  assert.equal(it.attempts.again(false), true, 'who wants it waits, also while the one that is lost says goodbye');
  await it.reaches('connected');
  assert.deepEqual(
    it.calls.filter((call) => !call.startsWith('probe')),
    ['removeChild', 'openTun 1400', 'attachTun', 'close', 'installChild 20000 1024', 'apply'],
  );
  assert.equal(it.open.size, open, 'the old one is closed, once nobody uses it');
  await it.attempts.end();
  assert.equal(it.open.size, 0);
});

test('brought back with another address inside: the log says that nothing can go on', async () => {
  const moves = (_config: IkeConfig, count: number): Script => {
    const addresses = [{ address: `10.9.0.${count === 0 ? 2 : 3}`, prefix: 32 }];
    return (input, emit) =>
      comesUp(input, (said) =>
        emit(said.kind === 'configured' ? { ...said, configuration: { ...said.configuration, addresses } } : said),
      );
  };
  const it = startSession({}, moves);
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
  const it = startSession({ whenLost: 'lock' });
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
  const it = startSession({ whenLost: 'open' });
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
  const it = startSession({ whenLost: 'end' });
  await it.reaches('connected');
  it.die();
  await it.attempts.over;
  assert.deepEqual([it.status().state, it.status().failure?.code, it.machines()], ['failed', 'gateway-lost', 1]);
  assert.equal(it.open.size, 0);
});

test('a refusal is the end, and the host is put back', async () => {
  const it = startSession();
  await it.reaches('connected');
  it.die({ code: 'authentication-failed', evidence: 'AUTHENTICATION_FAILED' });
  await it.attempts.over;
  assert.deepEqual([it.status().state, it.status().failure?.code], ['failed', 'authentication-failed']);
  assert.equal(it.machines(), 1, 'it is not repeated');
  assert.ok(it.calls.includes('revert'));
  assert.equal(it.open.size, 0);
});

test('locked: the traffic stays held back until the user says so', async () => {
  const it = startSession({ whenLost: 'lock' });
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
  const it = startSession({}, (_, count) => (count === 0 ? comesUp : neverAnswers));
  await it.reaches('connected');
  it.die();
  await it.until(() => it.machines() === 2);
  assert.equal(it.status().state, 'reconnecting');
  assert.equal(it.status().steps[1]?.state, 'active');
  await it.attempts.end();
  assert.deepEqual([it.status().state, it.open.size], ['idle', 0]);
});

test('without a network it is blocked, and goes on by itself with one', async () => {
  const it = startSession();
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
  const it = startSession();
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
  const it = startSession(profile, () => eap);
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
  const it = startSession({ gateway: '127.0.0.1', gateways: ['127.0.0.2'] }, (config) => (input, emit) => {
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
    const it = startSession({ gateway: '127.0.0.1', tcp: 'auto', tcpPorts: [1] }, () => silent, memory);
    await it.reaches('failed');
    assert.equal(it.status().failure?.code, 'no-answer-auth', it.status().failure?.evidence);
    assert.deepEqual(
      it.configs.map(({ transport }) => transport ?? 'udp'),
      ['udp'],
      'nobody speaks TCP at port 1',
    );
  }
});

test('a ticket goes into the next connection after a loss, is wiped when there is a newer one, and at the end', async () => {
  const tickets: IkeTicket[] = [];
  const it = startSession({}, ticketing(tickets));
  await it.reaches('connected');
  assert.deepEqual(it.configs[0]?.resumption, {});
  it.die();
  await it.until(() => it.machines() === 2 && it.status().state === 'connected');
  const presented = it.configs[1]?.resumption?.ticket;
  assert.deepEqual(presented?.octets, tickets[0]?.octets);
  assert.deepEqual(presented?.skD, new Uint8Array(32).fill(1), 'its own copy: it may be in use');
  assert.deepEqual(tickets[0]?.skD, new Uint8Array(32), 'used up');
  assert.deepEqual(tickets[1]?.skD, new Uint8Array(32).fill(2));
  await it.attempts.end();
  assert.deepEqual(tickets[1]?.skD, new Uint8Array(32), 'gone with the log-out (RFC 5723 §6.2)');
  assert.deepEqual(presented?.skD, new Uint8Array(32), 'and with the connection that used it');
});

test('given up in silence after a sleep, it comes back with its ticket: nobody deleted anything', async () => {
  const tickets: IkeTicket[] = [];
  const it = startSession({}, (config, count) => (input, emit) => {
    if (input.kind === 'terminate') emit({ kind: 'ticket', ticket: undefined });
    ticketing(tickets)(config, count)(input, emit);
  });
  await it.reaches('connected');
  it.attempts.resumed();
  await it.until(() => it.machines() === 2 && it.status().state === 'connected');
  assert.deepEqual(it.configs[1]?.resumption?.ticket?.octets, tickets[0]?.octets);
  await it.attempts.end();
  for (const { skD } of tickets) assert.deepEqual(skD, new Uint8Array(32), 'none is left');
});

test('of machines that are raced with one ticket, one that is told it is refused leaves the others their key', () => {
  const holder = createTicketHolder();
  const skD = new Uint8Array(32).fill(7);
  const name: Identity = { type: 2, data: octets('a'), text: 'a' };
  const { encr, prf, integ, ke } = establishedSa;
  const suite = { encr, prf, integ, ke, additional: [] };
  holder.take({
    octets: octets('t'),
    expiresAt: 1,
    authenticatedAt: 0,
    suite,
    skD,
    localIdentity: name,
    remoteIdentity: name,
    gateway: '127.0.0.1',
  });
  const [udp, tcp] = [holder.held(), holder.held()];
  udp?.skD.fill(0);
  assert.deepEqual(holder.held()?.skD, new Uint8Array(32).fill(7), 'whoever is done with a copy wipes it');
  // A TICKET_NACK is in the clear: anybody on the path can send it, and would know the keys that come of zeros.
  holder.take(undefined);
  assert.deepEqual(tcp?.skD, new Uint8Array(32).fill(7));
  assert.deepEqual([skD, holder.held()], [new Uint8Array(32), undefined]);
});

test('a ticket that the machine takes back is not presented; without tickets none is asked for', async () => {
  const tickets: IkeTicket[] = [];
  const it = startSession({}, (config, count) => (input, emit) => {
    ticketing(tickets)(config, count)(input, emit);
    if (input.kind === 'start') emit({ kind: 'ticket', ticket: undefined });
  });
  await it.reaches('connected');
  it.die();
  await it.until(() => it.machines() === 2 && it.status().state === 'connected');
  assert.deepEqual(it.configs[1]?.resumption, {});
  assert.deepEqual(tickets[0]?.skD, new Uint8Array(32));
  await it.attempts.end();

  const none = startSession({ resumption: false });
  await none.reaches('connected');
  assert.equal(none.configs[0]?.resumption, undefined);
  await none.attempts.end();
});

test('a device that could not be had once is asked for again, though what an engine before held stays held', {
  timeout: 10_000,
}, async () => {
  const fake = fakeWorld();
  const { look, until } = lookout();
  let fails = 1;
  const { openTun } = fake.deps.monitor;
  const attempts = startAttempts(
    {
      ...fake.deps,
      monitor: {
        ...fake.deps.monitor,
        openTun: async (mtu) => (fails-- > 0 ? err({ code: 'failed', detail: 'TUNSETIFF: ENOMEM' }) : openTun(mtu)),
      },
      random: () => 0.0001,
      log: () => {},
      onChange: () => look(),
    },
    {
      owner: 1000,
      profile: sampleProfile({ gateway: '127.0.0.1' }),
      secret: { psk: octets('the key of this gateway') },
      before: { ending: { code: 'engine-restarted', evidence: 'x' }, held: true, untilTold: false },
      recall: () => undefined,
      mayRemember: () => false,
      remember: () => {},
    },
  );
  const state = () => statusFor(attempts.facts(), 1000, 0).state;
  await until(() => state() === 'connected');
  await attempts.end();
  assert.equal(fake.open.size, 0);
});
