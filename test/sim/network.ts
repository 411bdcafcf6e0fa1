/**
 * The network between the client and the office, on the simulation's clock: what is lost, doubled, late and overtaken, NATs whose mappings
 * end, partitions, and a client that is now here and now there, and for a moment in both places. A datagram is something to deliver; IKE and ESP go the same way.
 */
import type { Channel, Endpoint } from '../../core/ike/sa/contract.ts';
import type { Dice } from './dice.ts';
import type { Scenario, Weather } from './scenario.ts';

export const ports = { ike: 500, natt: 4500 } as const;
export const officeAddress = '198.51.100.10';

interface Mapping {
  readonly port: number;
  usedAt: number;
}

/** One of the networks that the client may be in. */
class Place {
  readonly address: string;
  readonly #outside: string;
  /** Milliseconds; 0 is no NAT. */
  readonly #timeout: number;
  readonly #mappings = new Map<Channel, Mapping>();
  #port = 20_000;

  constructor(index: number, timeout: number) {
    this.address = timeout > 0 ? `192.168.${index}.2` : `203.0.113.${index + 2}`;
    this.#outside = timeout > 0 ? `203.0.113.${index + 102}` : this.address;
    this.#timeout = timeout;
  }

  get translated(): boolean {
    return this.#timeout > 0;
  }

  /** What the office sees of a datagram from here. */
  outward(channel: Channel, now: number): Endpoint {
    if (this.#timeout === 0) return { address: this.address, port: ports[channel] };
    let mapping = this.#living(channel, now);
    if (!mapping) {
      mapping = { port: this.#port++, usedAt: now };
      this.#mappings.set(channel, mapping);
    }
    mapping.usedAt = now;
    return { address: this.#outside, port: mapping.port };
  }

  /** Who a datagram to this endpoint is for. */
  inward(to: Endpoint, now: number): Channel | undefined {
    for (const channel of ['ike', 'natt'] as const) {
      if (to.address !== this.#outside) continue;
      const port = this.#timeout === 0 ? ports[channel] : this.#living(channel, now)?.port;
      if (port === to.port) return channel;
    }
    return undefined;
  }

  forget(): void {
    this.#mappings.clear();
  }

  #living(channel: Channel, now: number): Mapping | undefined {
    const mapping = this.#mappings.get(channel);
    return mapping && now - mapping.usedAt < this.#timeout ? mapping : undefined;
  }
}

interface Flight {
  readonly at: number;
  readonly deliver: (now: number) => void;
}

export class Network {
  weather: Weather;
  readonly #dice: Dice;
  readonly #places: readonly Place[];
  /** By time, and for one time in the order in which they left. */
  readonly #flights: Flight[] = [];
  #place = 0;
  /** Where the client was, and how long it still hears what comes there. */
  #before: { readonly place: number; readonly until: number }[] = [];
  /** The client has an interface that is up. */
  online = true;
  #blockedUp = 0;
  #blockedDown = 0;

  constructor({ weather, sites }: Scenario, dice: Dice) {
    this.weather = weather;
    this.#dice = dice;
    this.#places = sites.map(({ nat }, index) => new Place(index, nat));
  }

  get place(): number {
    return this.#place;
  }

  /** The client's own address. */
  get address(): string {
    return this.#here.address;
  }

  get translated(): boolean {
    return this.#here.translated;
  }

  get nextAt(): number {
    return this.#flights[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  get flying(): number {
    return this.#flights.length;
  }

  /** Delivers what has arrived by now, one; false when there is none. */
  deliver(now: number): boolean {
    if (this.nextAt > now) return false;
    this.#flights.shift()?.deliver(now);
    return true;
  }

  move(to: number): void {
    this.#place = to % this.#places.length;
    this.#before = [];
  }

  /** The client sends from there, and where it was still hears until then. */
  roam(to: number, until: number): void {
    const before = { place: this.#place, until };
    const others = [...this.#before, before];
    this.move(to);
    this.#before = others.filter(({ place }) => place !== this.#place);
  }

  rebind(): void {
    for (const place of this.#places) place.forget();
  }

  block(way: 'both' | 'up' | 'down', until: number): void {
    if (way !== 'down') this.#blockedUp = Math.max(this.#blockedUp, until);
    if (way !== 'up') this.#blockedDown = Math.max(this.#blockedDown, until);
  }

  fromClient(channel: Channel, now: number, deliver: (from: Endpoint, now: number) => void): void {
    if (!this.online) return;
    const from = this.#here.outward(channel, now);
    if (now >= this.#blockedUp) this.#send(now, (at) => deliver(from, at));
  }

  /** What arrives where the client is not any more is lost. */
  fromOffice(
    channel: Channel,
    to: Endpoint,
    now: number,
    deliver: (channel: Channel, from: Endpoint, now: number) => void,
  ): void {
    if (now < this.#blockedDown) return;
    this.#send(now, (at) => {
      const inside = this.online ? this.#inward(to, at) : undefined;
      if (inside) deliver(inside, { address: officeAddress, port: ports[channel] }, at);
    });
  }

  get #here(): Place {
    return this.#places[this.#place];
  }

  #inward(to: Endpoint, now: number): Channel | undefined {
    const inside = this.#here.inward(to, now);
    if (inside) return inside;
    const there = this.#before.filter(({ until }) => now < until).map(({ place }) => this.#places[place].inward(to, now));
    return there.find((one) => one !== undefined);
  }

  #send(now: number, deliver: Flight['deliver']): void {
    const { loss, duplicate, delay, jitter } = this.weather;
    for (let copies = this.#dice.chance(duplicate) ? 2 : 1; copies > 0; copies--) {
      if (this.#dice.chance(loss)) continue;
      this.#add({ at: now + delay + Math.floor(this.#dice.fraction() * jitter), deliver });
    }
  }

  #add(flight: Flight): void {
    let place = this.#flights.length;
    while (place > 0 && this.#flights[place - 1].at > flight.at) place--;
    this.#flights.splice(place, 0, flight);
  }
}
