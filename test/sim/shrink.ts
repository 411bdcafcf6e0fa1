/** Makes a scenario that fails smaller, as long as it fails in the same way: fewer happenings, a better network, simpler parties. */
import { goodWeather, longLife, overAt, type Scenario } from './scenario.ts';
import { simulate } from './simulation.ts';

/** Simulations at most. */
const PATIENCE = 400;

export function shrink(scenario: Scenario, invariant: string): Scenario {
  let best = scenario;
  let left = PATIENCE;
  const fails = (candidate: Scenario) => left-- > 0 && simulate(candidate).violation?.invariant === invariant;
  for (let progress = true; progress && left > 0; ) {
    progress = false;
    for (const candidate of smaller(best)) {
      if (!fails(candidate)) continue;
      best = candidate;
      progress = true;
      break;
    }
  }
  return best;
}

/** The boldest first; each differs from the scenario. */
function* smaller(scenario: Scenario): Generator<Scenario> {
  const { happenings, client, office } = scenario;
  for (let size = happenings.length; size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from + size <= happenings.length; from += size)
      yield ended({ ...scenario, happenings: happenings.toSpliced(from, size) });
  }
  const simpler: readonly Partial<Scenario>[] = [
    { weather: goodWeather },
    { weather: { ...scenario.weather, duplicate: 0 } },
    { weather: { ...scenario.weather, jitter: 0 } },
    { weather: { ...scenario.weather, loss: 0 } },
    { sites: scenario.sites.map(() => ({ nat: 0 })) },
    { suite: 'plain' },
    { client: { ...client, ...longLife } },
    { office: { ...office, ...longLife } },
    { client: { ...client, child: longLife.child } },
    { client: { ...client, ike: longLife.ike } },
    { office: { ...office, child: longLife.child } },
    { office: { ...office, ike: longLife.ike } },
    { client: { ...client, jitter: 0 }, office: { ...office, jitter: 0 } },
    { client: { ...client, more: 0 } },
    { client: { ...client, packets: 0 } },
    { client: { ...client, rehearse: false } },
    { client: { ...client, resumption: false } },
    { client: { ...client, initialContact: false } },
    { client: { ...client, reauthenticateEvery: 0 } },
    { client: { ...client, mobike: false }, office: { ...office, mobike: false } },
    { office: { ...office, cookie: false } },
    { office: { ...office, unknown: 'silent' } },
    { office: { ...office, liveness: 0 } },
    { office: { ...office, authLifetime: 0 } },
    { office: { ...office, keepsTickets: false } },
    { traffic: 0 },
    { traffic: 1_000 },
  ];
  const before = JSON.stringify(scenario);
  for (const change of simpler) {
    const candidate = { ...scenario, ...change };
    if (JSON.stringify(candidate) !== before) yield candidate;
  }
}

/** It is calm a moment after the last happening, and not long after nothing. */
function ended(scenario: Scenario): Scenario {
  const over = scenario.happenings.map((one) => overAt(one) + 10_000);
  return { ...scenario, calm: Math.min(scenario.calm, Math.max(15_000, ...over)) };
}
