/**
 * The lid was closed for an hour, on a virtual clock: whatever became of the gateway and the network meanwhile, the tunnel carries packets
 * both ways within three seconds of waking.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goodWeather, type Happening, type Life, longLife, type Scenario } from './scenario.ts';
import { SETTLED, simulate } from './simulation.ts';

const HOUR = 3_600_000;
const asleepAt = 60_300;
const wakesAt = asleepAt + HOUR;
const within = 3_000;

const restful: Life = { child: { soft: 8 * HOUR, hard: 9 * HOUR }, ike: { soft: 8 * HOUR, hard: 9 * HOUR }, jitter: 0 };

interface Night {
  /** What happens while it sleeps. */
  readonly happens?: readonly Happening[];
  /** The gateway asks for nothing while it sleeps: the session is the same afterwards. */
  readonly rests?: boolean;
  readonly liveness?: number;
  readonly nat?: number;
  readonly unknown?: Scenario['office']['unknown'];
  readonly mobike?: boolean;
  readonly resumption?: boolean;
}

function scenario({
  happens = [],
  rests = false,
  liveness = 0,
  nat = 0,
  unknown = 'silent',
  mobike = true,
  resumption = false,
}: Night): Scenario {
  return {
    seed: 7,
    suite: 'plain',
    sites: [{ nat }, { nat: 0 }, { nat: 30_000 }],
    weather: goodWeather,
    client: {
      ...longLife,
      ...{ mobike, liveness: 30_000, more: 0, packets: 0, rehearse: false },
      ...{ initialContact: false, resumption, reauthenticateEvery: 0 },
    },
    office: {
      ...(rests ? restful : longLife),
      mobike,
      liveness,
      cookie: false,
      unknown,
      authLifetime: 0,
      keepsTickets: resumption,
    },
    traffic: 1_000,
    happenings: [{ what: 'suspend', at: asleepAt, lasts: HOUR }, ...happens],
    calm: wakesAt,
  };
}

const midnight = asleepAt + HOUR / 2;
const nights: Readonly<Record<string, Night>> = {
  'the gateway kept the session; the keys of the CHILD SA are older than their 50 minutes': { rests: true },
  'the gateway wanted new keys': {},
  'the gateway kept the session, the NAT forgot us': { rests: true, nat: 60_000 },
  'the gateway kept the session, it wakes in another network': {
    rests: true,
    happens: [{ what: 'move', to: 1, told: 0, at: midnight }],
  },
  'the gateway kept the session, it wakes in another network behind a NAT': {
    rests: true,
    happens: [{ what: 'move', to: 2, told: 0, at: midnight }],
  },
  'the gateway asked, and gave the session up': { liveness: 30_000 },
  'the gateway gave it up, and says so to who asks': { liveness: 30_000, unknown: 'told' },
  'the gateway restarted': { happens: [{ what: 'office', does: 'restart', at: midnight }] },
  'the gateway restarted, and proves it': { happens: [{ what: 'office', does: 'restart', at: midnight }], unknown: 'token' },
  'the gateway restarted, and takes tickets': { happens: [{ what: 'office', does: 'restart', at: midnight }], resumption: true },
  'the gateway ended the session, and nobody heard it': { happens: [{ what: 'office', does: 'terminate', at: midnight }] },
  'it wakes in another network, and the gateway does no MOBIKE': {
    happens: [{ what: 'move', to: 1, told: 0, at: midnight }],
    mobike: false,
  },
  'it wakes in another network, and the gateway gave it up': {
    happens: [{ what: 'move', to: 1, told: 0, at: midnight }],
    liveness: 30_000,
  },
};

for (const [what, night] of Object.entries(nights)) {
  test(`an hour asleep: ${what}`, () => {
    const { violation, lasted, trace } = simulate(scenario(night), true);
    assert.equal(violation, undefined, trace.slice(-60).join('\n'));
    const took = lasted - SETTLED - wakesAt;
    assert.ok(took <= (night.rests ? 1_000 : within), `${took} ms\n${trace.slice(-60).join('\n')}`);
  });
}
