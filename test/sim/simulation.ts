/**
 * One scenario from its start to its end: time jumps from one event to the next. When all happenings are over the network is made a good
 * one, and within `Bounds.recovery` the connection has to carry packets both ways again, or to have ended because the user wanted it.
 */
import { ClientHost } from './clientHost.ts';
import { createDice } from './dice.ts';
import { Network } from './network.ts';
import { OfficeHost } from './officeHost.ts';
import { Referee, type Violation } from './referee.ts';
import { goodWeather, type Happening, type Life, type Scenario, type Weather } from './scenario.ts';

export interface Outcome {
  readonly violation: Violation | undefined;
  readonly counts: Referee['counts'];
  /** Milliseconds that were simulated. */
  readonly lasted: number;
  /** For people: what both said. Only when asked for. */
  readonly trace: readonly string[];
}

const FAIR_TRAFFIC = 500;
/** It has to hold for so long to be believed. */
export const SETTLED = 12_000;
/** Of a packet on its way, in a good network. */
const FRESH = 2_500;
const INSPECTION = 1_000;
/** The longest pause before a CHILD SA that was deleted is asked for again, and the asking. */
const MADE_AGAIN = 100_000;
/** Losses below this do not end a session: nine sendings in a row are never all lost. */
const HARMLESS_LOSS = 0.05;
/** With less between soft and hard limit a slow network is a reason to expire. */
const AMPLE = 40_000;
/** A mapping that ends before it is refreshed is trouble. */
const LASTING_MAPPING = 60_000;

export function simulate(scenario: Scenario, tracing = false): Outcome {
  const simulation = new Simulation(scenario, tracing);
  const { referee } = simulation;
  try {
    simulation.run();
  } catch (fault) {
    const text = fault instanceof Error ? (fault.stack ?? fault.message) : String(fault);
    referee.fail('exception', text.split('\n').slice(0, 6).join(' | '), simulation.now);
  }
  return { violation: referee.violation, counts: referee.counts, lasted: simulation.now, trace: referee.trace };
}

class Simulation {
  now = 0;
  readonly referee: Referee;
  readonly #scenario: Scenario;
  readonly #network: Network;
  readonly #client: ClientHost;
  readonly #office: OfficeHost;
  /** What is still to happen. */
  readonly #agenda: { readonly at: number; readonly run: () => void }[] = [];
  #trafficAt: number;
  #inspectAt = INSPECTION;
  #fairSince: number | undefined;
  /** When the last packet of a connection came, by side, connection and destination. */
  readonly #opened = { client: new Map<string, Map<string, number>>(), office: new Map<string, Map<string, number>>() };
  #settledSince: number | undefined;
  /** No SA is there that has a successor. */
  #tidy = false;
  #missedNews = false;
  /** When the office deleted CHILD SAs that may not be there again yet. */
  #deletedAt: readonly number[] = [];
  /** What the office deleted is there again. */
  #wholeBy = 0;

  constructor(scenario: Scenario, tracing: boolean) {
    this.#scenario = scenario;
    const dice = createDice(scenario.seed ^ 0x5eed);
    const referee = new Referee(scenario, tracing);
    this.referee = referee;
    const network = new Network(scenario, dice);
    this.#network = network;
    this.#office = new OfficeHost(scenario, {
      ...{ dice: createDice(scenario.seed ^ 0x0ff1ce), referee },
      transmit: (bytes, channel, to, at) =>
        network.fromOffice(channel, to, at, (inside, from, now) => this.#client.datagram(bytes.slice(), inside, from, now)),
    });
    this.#client = new ClientHost(scenario, {
      ...{ network, dice: createDice(scenario.seed ^ 0xc11e27), referee },
      transmit: (bytes, channel, at) =>
        network.fromClient(channel, at, (from, now) =>
          this.#office.give({ kind: 'datagram', bytes: bytes.slice(), channel, from }, now),
        ),
    });
    this.#trafficAt = scenario.traffic > 0 ? scenario.traffic : Number.POSITIVE_INFINITY;
    for (const happening of scenario.happenings) this.#plan(happening.at, () => this.#happen(happening));
    this.#plan(scenario.calm, () => this.#becomeFair());
    if (isTroubled(scenario)) referee.trouble(Number.POSITIVE_INFINITY);
    else if (scenario.weather.loss > HARMLESS_LOSS) referee.trouble(scenario.calm);
  }

  run(): void {
    this.#client.start(0);
    const end = this.#scenario.calm + this.referee.bounds.recovery;
    while (!this.referee.violation && !this.#isDone()) {
      const due = { client: this.#client.deadline(), office: this.#office.deadline() };
      const hosts = Math.min(this.#network.nextAt, due.client, due.office);
      const next = Math.min(hosts, this.#agenda[0]?.at ?? Number.POSITIVE_INFINITY, this.#trafficAt, this.#inspectAt);
      this.now = Math.max(this.now, next);
      if (this.now > end) {
        const { state } = this.#client;
        this.referee.fail('unsettled', `${this.referee.bounds.recovery} ms after the last happening: ${state}`, this.now);
        return;
      }
      this.#step(this.now, due);
    }
    if (!this.referee.violation) this.#finalInspection(this.now);
  }

  #step(now: number, due: { readonly client: number; readonly office: number }): void {
    if (this.#network.deliver(now)) return;
    if (due.client <= now) this.#client.wake(now);
    if (due.office <= now) this.#office.wake(now);
    if (this.#agenda[0] && this.#agenda[0].at <= now) this.#agenda.shift()?.run();
    if (this.#trafficAt <= now) this.#traffic(now);
    if (this.#inspectAt <= now) this.#inspect(now);
  }

  // --- happenings ------------------------------------------------------------------------------------------------------------------

  #plan(at: number, run: () => void): void {
    let place = this.#agenda.length;
    while (place > 0 && this.#agenda[place - 1].at > at) place--;
    this.#agenda.splice(place, 0, { at, run });
  }

  #happen(happening: Happening): void {
    const { now } = this;
    const client = this.#client;
    const network = this.#network;
    const { trace: _, ...words } = { trace: 0, ...happening };
    this.referee.note(now, `--- ${JSON.stringify(words)}`);
    switch (happening.what) {
      case 'client':
        if (happening.does === 'hard' || happening.does === 'terminate') this.referee.trouble(now);
        client.command(happening.does, now);
        return;
      case 'office':
        if (happening.does === 'delete-child') this.#officeDeletes(happening.which, now);
        else this.#officeDoes(happening.does, now);
        return;
      case 'weather':
        network.weather = happening.weather;
        if (happening.weather.loss > HARMLESS_LOSS || isSlow(happening.weather, this.#scenario))
          this.referee.trouble(this.#scenario.calm);
        return;
      case 'partition':
        this.referee.trouble(now + happening.lasts);
        network.block(happening.way, now + happening.lasts);
        return;
      case 'rebind':
        this.referee.trouble(now);
        network.rebind();
        return;
      case 'move':
        this.referee.trouble(now + happening.told);
        network.move(happening.to);
        this.#plan(now + happening.told, () => this.#news());
        return;
      case 'roam':
        if (!this.#isFollowed()) this.referee.trouble(now + happening.gap + happening.dead);
        network.block('up', now + happening.gap + happening.dead);
        this.#plan(now + happening.gap, () => {
          network.roam(happening.to, this.now + happening.lasts);
          this.#news();
        });
        return;
      case 'offline':
        this.referee.trouble(now + happening.lasts);
        network.online = false;
        this.#news();
        this.#plan(now + happening.lasts, () => {
          network.online = true;
          this.#news();
        });
        return;
      case 'suspend':
        this.referee.trouble(now + happening.lasts);
        if (!client.awake) return;
        client.suspend(now);
        this.#plan(now + happening.lasts, () => {
          client.resume(this.now);
          if (this.#missedNews) this.#news();
        });
    }
  }

  /** RFC 4555: a session that stands goes on somewhere else, if there is not much else that is wrong. */
  #isFollowed(): boolean {
    const { client, office } = this.#scenario;
    return client.mobike && office.mobike && this.#client.link?.ready === true;
  }

  /** Of several the others stay, and it is made again; with the only one, or with all one after the other, the session ends. */
  #officeDeletes(which: number, now: number): void {
    const { alone } = this.#office.deleteChild(which, now);
    this.#deletedAt = [...this.#deletedAt.filter((at) => now < at + MADE_AGAIN), now];
    if (alone.length > 0 || this.#deletedAt.length > this.#scenario.client.more) this.referee.trouble(now);
    this.#wholeBy = Math.max(this.#wholeBy, now + MADE_AGAIN);
  }

  #officeDoes(does: Exclude<Extract<Happening, { what: 'office' }>['does'], 'delete-child'>, now: number): void {
    if (does === 'restart' || does === 'terminate' || does === 'forget') this.referee.trouble(now);
    if (does === 'restart') this.#office.restart(now);
    else this.#office.give({ kind: does }, now);
  }

  /** The kernel tells of addresses; to who sleeps, after it woke. */
  #news(): void {
    this.#missedNews = !this.#client.awake;
    if (this.#client.awake) this.#client.network(this.now);
  }

  #becomeFair(): void {
    this.referee.note(this.now, '--- the network is a good one from here on');
    this.#network.weather = goodWeather;
    this.#trafficAt = this.now;
    this.#fairSince = this.now;
  }

  // --- packets ---------------------------------------------------------------------------------------------------------------------

  #traffic(now: number): void {
    this.#trafficAt = now + (this.#fairSince !== undefined ? FAIR_TRAFFIC : this.#scenario.traffic);
    if (this.#client.exposed) this.referee.fail('clear', this.#client.state, now);
    this.#client.send(now, (spi, keys, id) =>
      this.#network.fromClient('natt', now, (from, at) =>
        this.#came('office', id, this.#office.receive(spi, keys, id, from, at), at),
      ),
    );
    this.#office.send((spi, keys, id, to) =>
      this.#network.fromOffice('natt', to, now, (_channel, _from, at) =>
        this.#came('client', id, this.#client.receive(spi, keys, id, at), at),
      ),
    );
  }

  #came(side: 'client' | 'office', id: string, destination: string | undefined, now: number): void {
    if (destination === undefined) return;
    this.referee.counts.opened++;
    const connections = this.#opened[side];
    const opened = connections.get(id) ?? new Map<string, number>();
    connections.set(id, opened.set(destination, now));
  }

  // --- is all well? ----------------------------------------------------------------------------------------------------------------

  #isDone(): boolean {
    if (this.#fairSince === undefined || this.#agenda.length > 0) return false;
    if (this.#client.over) return this.#client.links.every(({ closed }) => closed);
    if (this.now < this.#wholeBy) return false;
    return this.#tidy && this.#settledSince !== undefined && this.now - this.#settledSince >= SETTLED;
  }

  #inspect(now: number): void {
    this.#inspectAt = now + INSPECTION;
    this.#tidy = this.#inspectPlanes(now);
    const settled = this.#fairSince !== undefined && this.#carries(now);
    this.#settledSince = settled ? (this.#settledSince ?? now) : undefined;
  }

  #inspectPlanes(now: number): boolean {
    const { link, awake } = this.#client;
    if (!link || !awake) return false;
    const { duplicate, duplicateWhenFair } = this.referee.bounds;
    const bound =
      this.#fairSince === undefined
        ? { from: 0, within: duplicate + asleep(this.#scenario) }
        : { from: this.#fairSince, within: duplicateWhenFair };
    const ours = this.referee.inspect('client', link.name, link.plane, bound, now);
    const theirs = link.id === undefined ? undefined : this.#office.planes.get(link.id);
    return ours && theirs !== undefined && link.id !== undefined && this.referee.inspect('office', link.id, theirs, bound, now);
  }

  /** Packets of every selector set arrive on both sides. */
  #carries(now: number): boolean {
    const { id, plane } = this.#client.link ?? {};
    const theirs = id === undefined ? undefined : this.#office.planes.get(id);
    if (!theirs || !plane || plane.destinations.length === 0) return false;
    const fresh = (side: 'client' | 'office', destinations: readonly string[]) =>
      destinations.every((one) => now - (this.#opened[side].get(id ?? '')?.get(one) ?? Number.NEGATIVE_INFINITY) < FRESH);
    return fresh('client', plane.destinations) && fresh('office', theirs.destinations);
  }

  #finalInspection(now: number): void {
    const { over, unwanted, link } = this.#client;
    if (over) {
      if (!unwanted && over.why === undefined) this.referee.fail('unexplained', 'it is over without a reason', now);
      return;
    }
    const count = link?.plane.destinations.length ?? 0;
    const expected = 1 + this.#scenario.client.more;
    if (this.referee.calm(now) && !this.#scenario.happenings.some((one) => one.what === 'client' && one.does === 'hard'))
      if (count !== expected) this.referee.fail('missing', `${count} selector sets instead of ${expected}`, now);
  }
}

/** There is more to it than rekeying, from beginning to end. */
function isTroubled(scenario: Scenario): boolean {
  const { client, office, sites, weather } = scenario;
  const tight = ({ child, ike }: Life) => Math.min(child.hard - child.soft, ike.hard - ike.soft) < AMPLE;
  const reauthenticates = client.reauthenticateEvery > 0 || office.authLifetime > 0;
  const translated = sites.some(({ nat }) => nat > 0 && nat < LASTING_MAPPING);
  return tight(client) || tight(office) || isSlow(weather, scenario) || reauthenticates || translated;
}

/** Lifetimes end while exchanges wait for each other, those of so many packets first. */
function isSlow({ delay, jitter }: Weather, { client }: Pick<Scenario, 'client'>): boolean {
  return delay + jitter > (client.packets > 0 ? 300 : 1_000);
}

/** Milliseconds in which the client can do nothing. */
function asleep({ happenings }: Scenario): number {
  return happenings.reduce((sum, one) => sum + ('lasts' in one && one.what !== 'roam' ? one.lasts : 0), 0);
}
