/** A gateway whose port 500 answers and whose port 4500 does not: TCP beside it, and who of the two goes on. */
import assert from 'node:assert/strict';
import { mock, type TestContext, test } from 'node:test';
import { err, ok } from '../../../core/bytes/result.ts';
import type { Proof } from '../../../core/helper/proof.ts';
import { type Memory, type Reached, startReach } from '../../../core/helper/reach.ts';
import type { Stage } from '../../../core/helper/stage.ts';
import type { IkeConfig, IkeMachine } from '../../../core/ike/sa/contract.ts';
import type { TcpUse } from '../../../core/rpc/contract.ts';
import { scriptedMachine } from '../tunnel/fakes.ts';
import { sampleProfile } from './sampleProfile.ts';

/** What a test has a gateway say. */
const SA_INIT = 1;
const SOMETHING = 2;
const REFUSAL = 3;

interface Options {
  readonly tcp?: TcpUse;
  readonly udpBlocked?: boolean;
  readonly tcpPorts?: readonly number[];
}

async function world(context: TestContext, { tcp = 'auto', udpBlocked = false, tcpPorts = [4500] }: Options = {}) {
  mock.timers.enable({ apis: ['setTimeout'] });
  context.after(() => mock.timers.reset());
  let now = 0;
  const calls: string[] = [];
  const evidence: (string | undefined)[] = [];
  const reached: Reached[] = [];
  const memory: Memory = { addresses: new Map(), avoided: new Set(), udpBlocked };
  let machines = 0;

  function machine({ transport: by = 'udp' as const }: Pick<IkeConfig, 'transport'> | { transport: 'udp' }): IkeMachine {
    const spi = ++machines;
    const channel = (port: 'ike' | 'natt') => (by === 'tcp' ? 'natt' : port);
    const message = Uint8Array.of(spi, 0, 0, 0, 0, 0, 0, 0);
    const to = { address: '127.0.0.1', port: 4500, ...(by === 'tcp' && { transport: by }) };
    return scriptedMachine((input, emit) => {
      if (input.kind === 'start') {
        emit({ kind: 'progress', step: 'sa-init' });
        emit({ kind: 'transmit', bytes: message, channel: channel('ike'), to });
      } else if (input.kind === 'datagram' && input.bytes[8] === SA_INIT) {
        emit({ kind: 'progress', step: 'auth' });
        emit({ kind: 'transmit', bytes: message, channel: 'natt', to });
      } else if (input.kind === 'datagram' && input.bytes[8] === REFUSAL) {
        emit({ kind: 'closed', failure: { code: 'no-proposal-chosen', evidence: 'refused' } });
      } else if (input.kind !== 'datagram') calls.push(`${by} ${input.kind}`);
    });
  }

  const stage: Pick<Stage, 'sockets' | 'attach' | 'connect' | 'disconnect'> = {
    sockets: async () => ok({ ike: 500, natt: 4500 }),
    attach: async () => {},
    connect: async (address, [port]) => {
      calls.push(`connect ${address} ${port}`);
      if (port !== 4500) return err(`port ${port}: ECONNREFUSED`);
      return ok({ fd: 99, port, local: { address: '127.0.0.1', port: 40_000 } });
    },
    disconnect: async (fd) => {
      calls.push(`disconnect ${fd}`);
    },
  };
  const proof: Proof = {
    auth: { local: [{ method: 'psk', secret: new Uint8Array(8) }], gateway: { method: 'psk', secret: new Uint8Array(8) } },
    localIdentity: () => ok({ type: 2, data: new Uint8Array(1), text: 'a' }),
    asks: { answer: async () => ({ kind: 'unavailable', evidence: '' }), facts: () => ({}), end: () => {} } as never,
    warnings: () => [],
    explain: (cause) => cause,
  };
  const reach = startReach(
    {
      createMachine: (config) => machine(config.transport ? { transport: config.transport } : { transport: 'udp' }),
      stage: stage as Stage,
      network: { sourceTowards: () => '127.0.0.1' },
      send: (channel, to) => {
        calls.push(`send ${to.transport ?? channel}`);
        return true;
      },
      trafficArrived: () => false,
      onLate: () => {},
      lookUp: async () => ok([{ address: '127.0.0.1', family: 4 }]),
      onRoundTrip: () => {},
      onEvent: () => {},
      onAsk: () => {},
      log: () => {},
      random: () => 0.5,
      monotonic: () => now,
      version: 'test',
    },
    {
      profile: sampleProfile({ gateway: '127.0.0.1', tcp, tcpPorts }),
      ready: Promise.resolve(true),
      proofFor: () => ok(proof),
      memory,
      tickets: { held: () => undefined },
      onTry: ({ remote }) => calls.push(`try ${remote.transport ?? 'udp'}`),
      onReached: (one) => {
        calls.push(`reached ${one.remote.transport ?? 'udp'}`);
        reached.push(one);
      },
      onLost: ({ failure }) => {
        calls.push(`lost ${failure.code}`);
        evidence.push(failure.evidence);
      },
    },
  );
  context.after(() => reach.stop());
  const settle = async () => {
    for (let i = 0; i < 50; i++) await new Promise(setImmediate);
  };
  const pass = async (milliseconds: number) => {
    now += milliseconds;
    mock.timers.tick(milliseconds);
    await settle();
  };
  /** A message to the machine that was made first, second, … */
  const say = async (spi: number, what: number, channel: 'ike' | 'natt' = 'natt') => {
    const bytes = Uint8Array.of(spi, 0, 0, 0, 0, 0, 0, 0, what);
    reach.datagram(bytes, channel, { address: '127.0.0.1', port: 4500 });
    await settle();
  };
  const since = () => calls.splice(0);
  await settle();
  if (tcp === 'always') return { reach, memory, reached, evidence, pass, say, settle, since };
  assert.deepEqual(since(), ['try udp', 'send ike']);
  await say(1, SA_INIT, 'ike');
  assert.deepEqual(since(), ['reached udp', 'send natt']);
  return { reach, memory, reached, evidence, pass, say, settle, since };
}

test('nothing comes from port 4500: TCP beside it, and the other ends before the gateway is told who we are', async (context) => {
  const { memory, reached, pass, say, since, reach } = await world(context);
  await pass(6_400);
  assert.deepEqual(since(), []);
  await pass(200);
  assert.deepEqual(since(), ['connect 127.0.0.1 4500', 'send tcp']);
  assert.ok(reach.knows(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0)), 'UDP may still be answered');
  await say(2, SA_INIT);
  assert.deepEqual(since(), ['udp terminate', 'reached tcp', 'send tcp']);
  assert.equal(reached.at(-1)?.line?.isOpen, true);
  assert.ok(!reach.knows(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0)));
  assert.equal(memory.udpBlocked, true);
  assert.equal(reach.elsewhere(), false);
  await pass(60_000);
  assert.deepEqual(since(), []);
});

test('anything from port 4500 in that time, and there is no TCP', async (context) => {
  const { pass, say, since } = await world(context);
  await pass(6_400);
  await say(1, SOMETHING);
  await pass(60_000);
  assert.deepEqual(since(), []);
});

test('what is not for us, and what comes from port 500, is nothing from port 4500', async (context) => {
  const { pass, say, since } = await world(context);
  await say(9, SOMETHING);
  await say(1, SOMETHING, 'ike');
  await pass(6_600);
  assert.deepEqual(since(), ['connect 127.0.0.1 4500', 'send tcp']);
});

test('UDP is answered before TCP after all: it goes on alone, and the connection is closed', async (context) => {
  const { pass, say, since, reached, reach } = await world(context);
  await pass(6_600);
  since();
  await say(1, SOMETHING);
  assert.deepEqual(since(), ['tcp terminate', 'disconnect 99']);
  assert.ok(!reach.knows(Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0)));
  assert.equal(reached.length, 1);
  await say(1, SA_INIT);
  assert.deepEqual(since(), ['send natt'], 'what UDP says is heard still');
});

test('TCP is refused: UDP goes on, and nothing is lost', async (context) => {
  const { pass, say, since, reach } = await world(context);
  await pass(6_600);
  since();
  await say(2, REFUSAL);
  assert.deepEqual(since(), ['disconnect 99']);
  await pass(60_000);
  assert.deepEqual(since(), []);
  assert.equal(reach.elsewhere(), true);
});

test('where UDP did not pass the last time two seconds are enough; and without TCP in the profile there is none', async (context) => {
  const blocked = await world(context, { udpBlocked: true });
  await blocked.pass(2_100);
  assert.deepEqual(blocked.since(), ['connect 127.0.0.1 4500', 'send tcp']);
  mock.timers.reset();
  const never = await world(context, { tcp: 'never' });
  await never.pass(60_000);
  assert.deepEqual(never.since(), []);
});

test('what ends meanwhile takes the connection with it', async (context) => {
  const { pass, since, reach } = await world(context);
  await pass(6_600);
  since();
  reach.stop();
  await pass(60_000);
  assert.deepEqual(since(), ['tcp terminate', 'disconnect 99']);
});

// Libreswan takes the connection and closes it where its kernel cannot do TCP.
test('one TCP port takes the connection and breaks it, the other takes none: both are told of', async (context) => {
  const { reach, evidence, settle, since } = await world(context, { tcp: 'always', tcpPorts: [4500, 443] });
  assert.deepEqual(since(), ['connect 127.0.0.1 4500', 'try tcp', 'send tcp']);
  reach.streamOver(99, 'closed by the peer');
  await settle();
  assert.deepEqual(since(), ['disconnect 99', 'connect 127.0.0.1 443', 'lost no-answer']);
  assert.deepEqual(evidence, ['TCP port 4500: closed by the peer; 127.0.0.1: no TCP connection: port 443: ECONNREFUSED']);
});
