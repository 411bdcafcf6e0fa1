/**
 * What happens in a simulation, as data: who the two are, the network between them, and a list of events with their times. Made from a seed,
 * kept as JSON in the corpus, and made smaller by shrink.ts. Times are milliseconds from the start.
 */
import { createDice, type Dice } from './dice.ts';

export interface Weather {
  /** Probabilities of one datagram, 0 to 1. */
  readonly loss: number;
  readonly duplicate: number;
  /** One way. */
  readonly delay: number;
  /** Added at random up to so much: datagrams overtake each other. */
  readonly jitter: number;
}

export interface Span {
  readonly soft: number;
  readonly hard: number;
}

export interface Life {
  readonly child: Span;
  readonly ike: Span;
  /** See `Lifetimes`. */
  readonly jitter: number;
}

/** A network that the client may be in. `nat`: how long a mapping lasts that nobody uses; 0 is no NAT. */
export interface Site {
  readonly nat: number;
}

export interface ClientPlan extends Life {
  readonly mobike: boolean;
  readonly liveness: number;
  /** CHILD SAs beside the first. */
  readonly more: number;
  /** Soft limit of packets of one CHILD SA; 0 is none. The hard one is four times that. */
  readonly packets: number;
  readonly rehearse: boolean;
  readonly initialContact: boolean;
  readonly resumption: boolean;
  /** 0 is never. */
  readonly reauthenticateEvery: number;
}

export interface OfficePlan extends Life {
  readonly mobike: boolean;
  /** 0 is never. */
  readonly liveness: number;
  readonly cookie: boolean;
  /** INVALID_IKE_SPI for what it does not know; `token`: with proof (RFC 6290). */
  readonly unknown: 'silent' | 'told' | 'token';
  /** Seconds of AUTH_LIFETIME; 0 is none. */
  readonly authLifetime: number;
  /** Keeps its tickets when it restarts. */
  readonly keepsTickets: boolean;
}

/** Which algorithms both have; see parties.ts. */
export const suites = [
  'plain',
  'forward-secret',
  'forward-secret-strictly',
  'other-group',
  'other-groups',
  'post-quantum',
] as const;
export type SuiteName = (typeof suites)[number];

export type Deed =
  | { readonly what: 'client'; readonly does: 'rekey-ike' | 'rekey-child' | 'soft' | 'hard' | 'check' | 'terminate' }
  | {
      readonly what: 'office';
      readonly does: 'rekey-ike' | 'rekey-child' | 'check-liveness' | 'terminate' | 'forget' | 'restart';
    }
  /** On purpose: the CHILD SA of this number, counted round and round, of each client. */
  | { readonly what: 'office'; readonly does: 'delete-child'; readonly which: number }
  | { readonly what: 'weather'; readonly weather: Weather }
  | { readonly what: 'partition'; readonly way: 'both' | 'up' | 'down'; readonly lasts: number }
  /** The NAT forgets all it knows. */
  | { readonly what: 'rebind' }
  /** The client learns of it so much later. */
  | { readonly what: 'move'; readonly to: number; readonly told: number }
  /**
   * The client is there after `gap`, and knows it; what is sent to where it was arrives for `lasts` still. At the edge of the one network,
   * and for `dead` in the next, nothing passes that it sends.
   */
  | { readonly what: 'roam'; readonly to: number; readonly gap: number; readonly dead: number; readonly lasts: number }
  /** No network, and then the same one again. */
  | { readonly what: 'offline'; readonly lasts: number }
  /** The client's computer sleeps: it hears nothing, and its clock jumps. */
  | { readonly what: 'suspend'; readonly lasts: number };

export type Happening = Deed & { readonly at: number };

export interface Scenario {
  /** Of the dice in the simulation: losses, keys, nonces. */
  readonly seed: number;
  readonly suite: SuiteName;
  readonly sites: readonly Site[];
  readonly weather: Weather;
  readonly client: ClientPlan;
  readonly office: OfficePlan;
  /** One ESP packet of each side so often; 0 is none until all is calm. */
  readonly traffic: number;
  /** By time. */
  readonly happenings: readonly Happening[];
  /** From here on nothing happens any more, and the network is a good one. */
  readonly calm: number;
}

export const goodWeather: Weather = { loss: 0, duplicate: 0, delay: 20, jitter: 0 };

export const longLife: Life = {
  child: { soft: 3_000_000, hard: 4_200_000 },
  ike: { soft: 10_800_000, hard: 14_400_000 },
  jitter: 0,
};

const timeToAsk = 5_000;

/** The scenario of a seed. */
export function scenarioOf(seed: number): Scenario {
  const dice = createDice(seed);
  const calm = dice.pick([15_000, 25_000, 40_000, 80_000]);
  const weather = weatherOf(dice);
  const wild = dice.chance(0.6);
  const happenings = happeningsOf(dice, calm, weather, wild);
  const client = clientOf(dice);
  const office = officeOf(dice);
  // Only questions after silence show what a NAT does (RFC 4555 §3.8); where the IKE SA is rekeyed more often there are none.
  const asks = [client, office].every(({ ike, jitter }) => ike.soft * (1 - jitter) > client.liveness + timeToAsk);
  const scenario: Scenario = {
    seed,
    suite: dice.chance(0.5) ? 'plain' : dice.pick(suites),
    sites: [dice.pick([0, 30_000, 120_000]), 0, dice.pick([0, 20_000, 60_000])].map((nat) => ({ nat: asks ? nat : 0 })),
    weather,
    client,
    office,
    traffic: dice.pick([0, 250, 500, 1_000, 5_000]),
    happenings,
    calm,
  };
  // With dice of their own: most seeds mean what they meant before there was any.
  return deletions(createDice(seed ^ 0xde1e7e), untilOver(roaming(createDice(seed ^ 0x90a3), scenario)));
}

/** When the last of it happens. */
export function overAt(one: Happening): number {
  const lasts = 'lasts' in one ? one.lasts : 0;
  return one.at + lasts + ('told' in one ? one.told : 0) + ('gap' in one ? one.gap : 0);
}

function untilOver(scenario: Scenario): Scenario {
  return { ...scenario, calm: Math.max(scenario.calm, Math.max(0, ...scenario.happenings.map(overAt)) + 1_000) };
}

function weatherOf(dice: Dice): Weather {
  return {
    loss: dice.pick([0, 0, 0, 0.02, 0.1, 0.2, 0.4]),
    duplicate: dice.pick([0, 0, 0.1, 0.5]),
    delay: dice.pick([1, 10, 50, 200, 600]),
    jitter: dice.pick([0, 0, 20, 300, 1_500]),
  };
}

function lifeOf(dice: Dice): Life {
  if (dice.chance(0.4)) return longLife;
  const child = dice.pick([4_000, 8_000, 15_000, 30_000]);
  const ike = dice.pick([6_000, 12_000, 30_000, 60_000]);
  const span = (soft: number, margin: number) => ({ soft, hard: soft + margin });
  return {
    child: dice.chance(0.2) ? longLife.child : span(child, dice.pick([10_000, 40_000, 120_000])),
    ike: dice.chance(0.3) ? longLife.ike : span(ike, dice.pick([20_000, 60_000, 120_000])),
    jitter: dice.pick([0, 0, 0.1, 0.5]),
  };
}

function clientOf(dice: Dice): ClientPlan {
  return {
    ...lifeOf(dice),
    mobike: dice.chance(0.7),
    liveness: dice.pick([5_000, 10_000, 30_000]),
    more: dice.pick([0, 0, 0, 1, 2]),
    packets: dice.pick([0, 0, 0, 0, 20]),
    rehearse: dice.chance(0.2),
    initialContact: dice.chance(0.5),
    resumption: dice.chance(0.4),
    reauthenticateEvery: dice.chance(0.05) ? 30_000 : 0,
  };
}

function officeOf(dice: Dice): OfficePlan {
  return {
    ...lifeOf(dice),
    mobike: dice.chance(0.7),
    liveness: dice.pick([0, 5_000, 20_000]),
    cookie: dice.chance(0.1),
    unknown: dice.pick(['silent', 'told', 'token']),
    authLifetime: dice.chance(0.05) ? 40 : 0,
    keepsTickets: dice.chance(0.5),
  };
}

/** What both sides may ask for at the same moment. */
const exchanges: readonly Deed[] = [
  { what: 'client', does: 'rekey-ike' },
  { what: 'client', does: 'rekey-child' },
  { what: 'client', does: 'soft' },
  { what: 'client', does: 'check' },
  { what: 'office', does: 'rekey-ike' },
  { what: 'office', does: 'rekey-child' },
  { what: 'office', does: 'check-liveness' },
];

function happeningsOf(dice: Dice, within: number, weather: Weather, wild: boolean): Happening[] {
  const happenings: Happening[] = [];
  const add = (at: number, deed: Deed) => happenings.push({ at: Math.max(0, Math.floor(at)), ...deed });
  const from = dice.chance(0.9) ? 3_000 : 0;
  for (let bursts = dice.between(0, 4); bursts > 0; bursts--) {
    // Within one way through the network: these cross.
    const at = dice.between(from, within);
    for (let count = dice.between(1, 4); count > 0; count--)
      add(at + dice.fraction() * 2 * (weather.delay + weather.jitter), dice.pick(exchanges));
  }
  if (wild) for (let count = dice.between(1, 4); count > 0; count--) add(dice.between(from, within), trouble(dice));
  if (dice.chance(0.05)) add(dice.between(0, within), { what: 'client', does: 'terminate' });
  return happenings.sort((a, b) => a.at - b.at);
}

/** Now and then one in which the client goes from network to network, both there for a while, and both sides ask for something just then. */
function roaming(dice: Dice, scenario: Scenario): Scenario {
  if (!dice.chance(0.2)) return scenario;
  const { client, office, weather } = scenario;
  const happenings: Happening[] = [];
  const soon = () => Math.floor(dice.fraction() * 3 * (weather.delay + weather.jitter + 50));
  for (let count = dice.between(1, 3); count > 0; count--) {
    const at = dice.between(3_000, 12_000);
    if (dice.chance(0.6)) happenings.push({ at: at + soon(), what: 'office', does: 'rekey-ike' });
    if (dice.chance(0.5)) happenings.push({ at: at + soon(), ...dice.pick(exchanges) });
    const [gap, dead] = [dice.pick([0, 0, 100, 300]), dice.pick([0, 0, 40, 200, 400])];
    const lasts = dice.pick([0, 300, 2_000, 10_000, 30_000]);
    happenings.push({ at: at + soon(), what: 'roam', to: dice.between(0, 2), gap, dead, lasts });
  }
  // Mostly there is nothing else, so that no session has a reason to end.
  const alone = dice.chance(0.7) && { mobike: true, ...longLife };
  const others = alone ? [] : scenario.happenings;
  return {
    ...scenario,
    client: { ...client, ...alone },
    office: { ...office, ...alone },
    happenings: [...others, ...happenings].sort((a, b) => a.at - b.at),
  };
}

/** Now and then the office deletes a CHILD SA. Of dice of their own, so that what else a seed stands for stays. */
function deletions(dice: Dice, scenario: Scenario): Scenario {
  const { client, weather, happenings, calm } = scenario;
  if (!dice.chance(client.more > 0 ? 0.4 : 0.05)) return scenario;
  const deeds: Happening[] = [];
  for (let count = dice.pick([1, 1, 2, 3]); count > 0; count--) {
    // Half of them cross what happens anyway.
    const beside = happenings.length > 0 && dice.chance(0.5) ? dice.pick(happenings).at : undefined;
    const at = beside ?? dice.between(3_000, calm - 1_000);
    const soon = dice.fraction() * 2 * (weather.delay + weather.jitter);
    deeds.push({ at: Math.min(calm, Math.floor(at + soon)), what: 'office', does: 'delete-child', which: dice.between(0, 2) });
  }
  return { ...scenario, happenings: [...happenings, ...deeds].sort((a, b) => a.at - b.at) };
}

function trouble(dice: Dice): Deed {
  const lasts = dice.pick([200, 1_000, 3_000, 10_000, 40_000, 100_000]);
  switch (dice.between(0, 11)) {
    case 0:
    case 1:
      return { what: 'partition', way: dice.pick(['both', 'up', 'down']), lasts };
    case 2:
      return { what: 'rebind' };
    case 3:
    case 4:
      return { what: 'move', to: dice.between(0, 2), told: dice.pick([0, 0, 50, 2_000]) };
    case 5:
      return { what: 'offline', lasts };
    case 6:
      return { what: 'suspend', lasts };
    case 7:
      return { what: 'office', does: 'restart' };
    case 8:
      return { what: 'office', does: dice.pick(['terminate', 'forget']) };
    case 9:
      return { what: 'client', does: 'hard' };
    default:
      return { what: 'weather', weather: weatherOf(dice) };
  }
}
