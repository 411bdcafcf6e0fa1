/**
 * Awake again, with the real wiring: attempts, reach, driver and the IKE machine against an office, all in this process. Time goes by as it
 * does and in leaps. Whatever a machine has overdue, nobody who is told of it tells the other for ever.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Attempts, newMemory, startAttempts } from '../../../core/helper/attempts.ts';
import type { Channel, IkeConfig } from '../../../core/ike/sa/contract.ts';
import { createInitiator } from '../../../core/ike/sa/initiator.ts';
import { defaultLifetimes } from '../../../core/ike/sa/lifetimes.ts';
import { statusFor } from '../../../core/tunnel/status.ts';
import type { HeadOfficeConfig } from '../../gateway/config.ts';
import { clientConfig, officeConfig, seededRandom } from '../../gateway/fixtures.ts';
import { createHeadOffice } from '../../gateway/responder.ts';
import { sampleProfile } from '../helper/sampleProfile.ts';
import { fakeWorld, lookout } from './fakes.ts';

const HOUR = 3_600_000;

interface Setting {
  readonly office?: Partial<HeadOfficeConfig>;
  readonly client?: Partial<IkeConfig>;
}

function live({ office: officeChanges, client }: Setting = {}) {
  const fake = fakeWorld();
  const random = seededRandom('client');
  const office = createHeadOffice({ ...officeConfig, ...officeChanges }, { random: seededRandom('office') });
  const lines: string[] = [];
  /** What the office said and did not get through. */
  const kept: Uint8Array[] = [];
  const { look: lookAround, until } = lookout();
  let leapt = 0;
  let passes = (_: Channel) => true;
  let timer: NodeJS.Timeout | undefined;
  const now = () => 1_000_000 + leapt + performance.now();
  const status = () => statusFor(attempts.facts(), 1000, 0);

  function arrive(bytes: Uint8Array, channel: Channel): void {
    attempts.datagram(bytes, channel, { address: '127.0.0.1', port: channel === 'ike' ? 500 : 4500 });
  }

  function hear(): void {
    for (let said = office.poll(); said; said = office.poll()) {
      if (said.kind !== 'transmit') continue;
      const { bytes, channel } = said;
      if (passes(channel)) setImmediate(() => arrive(bytes, channel));
      else kept.push(bytes.slice());
    }
    clearTimeout(timer);
    const due = office.deadline();
    if (due === undefined) return;
    timer = setTimeout(
      () => {
        office.handle({ kind: 'tick' }, now());
        hear();
      },
      Math.max(0, due - now()),
    );
    timer.unref();
  }

  const attempts: Attempts = startAttempts(
    {
      ...fake.deps,
      dataplane: {
        ...fake.deps.dataplane,
        sendIke: (channel, _to, bytes) => {
          const datagram = { bytes: bytes.slice(), channel, from: { address: '127.0.0.1', port: 40_000 } };
          if (passes(channel)) {
            setImmediate(() => {
              office.handle({ kind: 'datagram', ...datagram }, now());
              hear();
            });
          }
          return true;
        },
      },
      createMachine: (config) => {
        const { auth, localIdentity, remoteIdentity } = clientConfig;
        return createInitiator({ ...config, auth, localIdentity, remoteIdentity, ...client }, { random, keyLog: false });
      },
      monotonic: now,
      random: () => 0,
      log: (_level, _area, text) => lines.push(text),
      onChange: () => {
        lookAround();
      },
    },
    {
      owner: 1000,
      profile: sampleProfile({ gateway: '127.0.0.1', remoteNetworks: ['10.0.0.0/8'] }),
      secret: { psk: new Uint8Array(8) },
      memory: newMemory(),
      recall: () => new Uint8Array(8),
      mayRemember: () => true,
      remember: () => {},
    },
  );
  return {
    attempts,
    lines,
    status,
    reaches: (state: string) => until(() => status().state === state),
    leap: (milliseconds: number) => {
      leapt += milliseconds;
    },
    kept,
    arrive,
    /** The office wants to know whether we are there. */
    officeAsks() {
      office.handle({ kind: 'check-liveness' }, now());
      hear();
    },
    lets: (which: typeof passes) => {
      passes = which;
    },
  };
}

for (const [what, hours, setting] of [
  ['past the end of the IKE SA', 5, {}],
  ['past the end of the login', 1, { office: { authLifetime: 2_400 } }],
  ['past the end of its ticket', 1, { office: { tickets: { lifetime: 3_600 } }, client: { resumption: {} } }],
] as const satisfies readonly [string, number, Setting][]) {
  test(`asleep ${what}: told of the wake-up it is connected again`, async () => {
    const it = live(setting);
    await it.reaches('connected');
    it.attempts.suspending();
    it.leap(hours * HOUR);
    it.attempts.resumed();
    assert.notEqual(it.status().state, 'connected');
    await it.reaches('connected');
    await it.attempts.end();
  });
}

for (const told of [true, false]) {
  const how = told ? 'told of it' : 'found out by its timer alone';
  test(`still for 12 s while the first connect waits for an answer, ${how}: it goes on`, async () => {
    const it = live();
    it.lets((channel) => channel === 'ike');
    await it.reaches('authenticating');
    it.leap(12_000);
    if (told) it.attempts.resumed();
    else await new Promise((resolve) => setTimeout(resolve, 700));
    assert.equal(it.status().state, 'authenticating');
    it.lets(() => true);
    await it.reaches('connected');
    await it.attempts.end();
  });
}

test('still for 7 s, past the end of an IKE SA that is being rekeyed, found out by its timer alone: brought back', async () => {
  const short = { ...defaultLifetimes, ike: { soft: 100, hard: 1_500 }, jitter: 0 };
  const it = live({ client: { lifetimes: short } });
  await it.reaches('connected');
  it.lets(() => false);
  await it.reaches('rekeying');
  it.leap(7_000);
  await it.reaches('reconnecting');
  it.lets(() => true);
  await it.reaches('connected');
  await it.attempts.end();
});

test('asleep, and the gateway forgot us: its question that waited in the socket is no sign of life', async () => {
  const it = live();
  await it.reaches('connected');
  it.lets(() => false);
  it.officeAsks();
  const [question] = it.kept;
  assert.ok(question);
  it.attempts.suspending();
  it.leap(HOUR);
  it.attempts.resumed();
  it.arrive(question, 'natt');
  assert.equal(it.status().state, 'paused', 'nobody knows yet');
  const woke = performance.now();
  await it.reaches('reconnecting');
  assert.ok(performance.now() - woke < 3_000);
  it.lets(() => true);
  await it.reaches('connected');
  await it.attempts.end();
});
