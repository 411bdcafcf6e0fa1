/**
 * The client's computer: the session machine of core/tunnel and the connections that it wants, one in use, perhaps one beside it that takes
 * its place, and those that say goodbye; as core/helper/attempts.ts wires them.
 */
import type { Channel, Endpoint, IkeOutput, IkeTicket, Path } from '../../core/ike/sa/contract.ts';
import { afterSleep } from '../../core/ike/sa/lifetimes.ts';
import { createSession, type Ending, holdsTraffic, type Session, type SessionInput } from '../../core/tunnel/session.ts';
import type { Dice } from './dice.ts';
import { Link } from './link.ts';
import { type Network, officeAddress, ports } from './network.ts';
import { clientOf } from './parties.ts';
import type { Plane } from './plane.ts';
import type { Referee } from './referee.ts';
import type { Deed, Scenario } from './scenario.ts';

/** Of the profile. */
const WHEN_LOST = 'hold';
/** As core/helper/readiness.ts: how long one beside another waits for the CHILD SAs after its first. */
const WHOLE_WITHIN = 5_000;
const never = Number.POSITIVE_INFINITY;

export interface ClientPorts {
  readonly network: Network;
  readonly dice: Dice;
  readonly referee: Referee;
  /** A datagram has left for the office. */
  readonly transmit: (bytes: Uint8Array, channel: Channel, now: number) => void;
}

export class ClientHost {
  readonly #scenario: Scenario;
  readonly #ports: ClientPorts;
  readonly #session: Session;
  #current: Link | undefined;
  /** Beside it, with a new login. */
  #successor: Link | undefined;
  /** CHILD SAs that it has or was refused, and when it takes the other's place all the same. */
  #settled = 0;
  #wholeBy = never;
  /** Becomes `#ticket` with it. */
  #nextTicket: IkeTicket | undefined;
  readonly #leaving = new Set<Link>();
  /** The session was told that this one is up. */
  #told: Link | undefined;
  #links = 0;
  #ticket: IkeTicket | undefined;
  #over: { readonly why: Ending | undefined } | undefined;
  #unwanted = false;
  #wasUp = false;
  /** Routes lead into the tunnel's device. */
  #routed = false;
  awake = true;

  constructor(scenario: Scenario, ports: ClientPorts) {
    this.#scenario = scenario;
    this.#ports = ports;
    this.#session = createSession({ whenLost: WHEN_LOST, random: () => ports.dice.fraction() });
  }

  get link(): Link | undefined {
    return this.#current;
  }

  /** Those that say goodbye included. */
  get links(): readonly Link[] {
    return [this.#current, this.#successor, ...this.#leaving].filter((link) => link !== undefined);
  }

  get over(): { readonly why: Ending | undefined } | undefined {
    return this.#over;
  }

  /** The user wants it to end. */
  get unwanted(): boolean {
    return this.#unwanted;
  }

  /** What is meant for the tunnel leaves in clear, though it was up and is wanted still. */
  get exposed(): boolean {
    return this.#wasUp && !this.#routed && !this.#unwanted;
  }

  /** For people. */
  get state(): string {
    return `${this.#current?.id ?? 'no connection'}, lost: ${JSON.stringify(this.#session.lost()) ?? 'no'}`;
  }

  deadline(): number {
    if (!this.awake) return never;
    return Math.min(this.#sessionDue(), this.#wholeDue(), ...this.links.map((link) => link.deadline()));
  }

  wake(now: number): void {
    for (const link of this.links) if (link.deadline() <= now) link.wake(now);
    if (this.#successor && this.#wholeDue() <= now) this.#succeed(this.#successor, now);
    if (this.#sessionDue() > now) return;
    this.#tell({ kind: 'tick' }, now);
    this.#ports.referee.progressed('session', this.#sessionDue(), now);
  }

  /** As of core/helper/attempts.ts: who is to end asks nothing of it any more. */
  #sessionDue(): number {
    return this.#over || this.#unwanted ? never : (this.#session.deadline() ?? never);
  }

  #wholeDue(): number {
    return this.#successor ? this.#wholeBy : never;
  }

  get #paths(): readonly Path[] {
    const { online, address } = this.#ports.network;
    return online ? [{ local: { address, ports }, remote: { address: officeAddress, ports } }] : [];
  }

  // --- what happens to it ----------------------------------------------------------------------------------------------------------

  start(now: number): void {
    this.#tell({ kind: 'start' }, now);
  }

  datagram(bytes: Uint8Array, channel: Channel, from: Endpoint, now: number): void {
    if (this.awake) for (const link of this.links) link.give({ kind: 'datagram', bytes, channel, from }, now);
  }

  /** The kernel tells of its addresses. */
  network(now: number): void {
    const { network } = this.#ports;
    for (const link of this.links) link.give({ kind: 'paths', paths: this.#paths }, now);
    this.#tell({ kind: 'network', usable: network.online }, now);
  }

  suspend(now: number): void {
    this.#tell({ kind: 'suspending' }, now);
    this.awake = false;
  }

  resume(now: number): void {
    this.awake = true;
    this.#tell({ kind: 'resumed', patience: afterSleep.quick }, now);
    this.wake(now);
  }

  /** What the user says, or the dataplane. */
  command(does: Extract<Deed, { what: 'client' }>['does'], now: number): void {
    if (!this.awake) return;
    const link = this.#current;
    const newest = link?.plane.installed[0];
    switch (does) {
      case 'rekey-ike':
        link?.give({ kind: 'rekey-ike' }, now);
        return;
      case 'check':
        link?.give({ kind: 'check-liveness' }, now);
        return;
      case 'rekey-child':
        if (newest) link.give({ kind: 'rekey-child', spiIn: newest.spiIn }, now);
        return;
      case 'soft':
      case 'hard':
        if (newest) link.give({ kind: 'limit', spiIn: newest.spiIn, which: does }, now);
        return;
      case 'terminate':
        this.#terminate(now);
    }
  }

  /** Packets for all destinations; each by an SA, or not at all. */
  send(now: number, carry: (spi: number, keys: string, id: string) => void): void {
    if (this.awake) this.#current?.send(now, carry);
  }

  /** The destination that it came for. */
  receive(spi: number, keys: string, id: string, now: number): string | undefined {
    if (!this.awake) return undefined;
    let refused: ReturnType<Plane['receive']> = 'unknown';
    for (const link of this.links) {
      const sa = link.plane.receive({ spi, keys }, now);
      if (typeof sa !== 'string') {
        link.received(sa, now);
        return sa.selectors;
      }
      if (sa !== 'unknown') refused = sa;
    }
    if (typeof refused === 'string')
      this.#ports.referee.refused('client', refused, { spi, sameConnection: id === this.#current?.id }, now);
    return undefined;
  }

  // --- the session's wishes --------------------------------------------------------------------------------------------------------

  #tell(input: SessionInput, now: number): void {
    if (this.#over || this.#unwanted) return;
    this.#session.handle(input, now);
    for (let said = this.#session.poll(); said; said = this.#session.poll()) {
      this.#ports.referee.note(now, `session: ${said.kind}`);
      switch (said.kind) {
        case 'connect':
          this.#connect(now);
          break;
        case 'renew':
          this.#renew(now);
          break;
        case 'check':
          this.#current?.give({ kind: 'check-liveness', quick: true }, now);
          break;
        case 'drop':
          this.#current?.drop({ code: said.code, evidence: said.evidence }, now);
          break;
        case 'over':
          this.#finish(said.why, now);
      }
    }
  }

  #connect(now: number): void {
    if (!this.#ports.network.online) {
      this.#tell({ kind: 'ended', why: { code: 'no-route', evidence: 'there is no network' } }, now);
      return;
    }
    this.#told = undefined;
    const link = this.#open(this.#ticket, false);
    this.#ticket = undefined;
    this.#current = link;
    link.give({ kind: 'start' }, now);
  }

  /** RFC 7296 §2.8.3: a new IKE SA by a new login, beside the one in use and then in its place. */
  #renew(now: number): void {
    if (!this.#ports.network.online) {
      this.#tell({ kind: 'renewal-ended', why: { code: 'no-route', evidence: 'there is no network' } }, now);
      return;
    }
    this.#settled = 0;
    this.#wholeBy = never;
    this.#nextTicket = undefined;
    this.#successor = this.#open(undefined, true);
    this.#successor.give({ kind: 'start' }, now);
  }

  #open(ticket: IkeTicket | undefined, beside: boolean): Link {
    const { network, dice, referee, transmit } = this.#ports;
    const { client, suite } = this.#scenario;
    const config = clientOf({ ...client, ...(beside && { initialContact: false }) }, { address: network.address, suite, ticket });
    this.#links++;
    return new Link(`client ${this.#links}`, config, {
      ...{ dice, referee },
      hear: (link, out, now) => {
        if (out.kind === 'transmit') transmit(out.bytes, out.channel, now);
        else this.#heard(link, out, now);
        // As of core/helper/roaming.ts: it may have changed while the session was made.
        if (out.kind === 'established' && out.sa.local.address !== network.address)
          link.give({ kind: 'paths', paths: this.#paths }, now);
      },
      ended: (link, why, now) => this.#ended(link, why, now),
      keepAlive: (now) => network.fromClient('natt', now, () => {}),
    });
  }

  #heard(link: Link, out: IkeOutput, now: number): void {
    if (link === this.#successor && out.kind === 'ticket') this.#nextTicket = out.ticket;
    else if (link === this.#successor) this.#settles(link, out, now);
    if (link !== this.#current) return;
    if (out.kind === 'install-child' && this.#told !== link) this.#up(link, now);
    else if (out.kind === 'ticket') this.#ticket = out.ticket;
    else if (out.kind === 'alive') this.#tell({ kind: 'alive' }, now);
    else if (out.kind === 'reauthenticate') this.#tell({ kind: 'reauthenticate', within: out.within }, now);
  }

  #up(link: Link, now: number): void {
    this.#told = link;
    this.#wasUp = true;
    this.#routed = true;
    this.#tell({ kind: 'up' }, now);
  }

  /** It takes the other's place with all CHILD SAs that there will be, or a while after its first. */
  #settles(next: Link, out: IkeOutput, now: number): void {
    const one = out.kind === 'install-child' && out.replaces === undefined;
    if (!one && out.kind !== 'child-refused') return;
    this.#settled++;
    if (one) this.#wholeBy = Math.min(this.#wholeBy, now + WHOLE_WITHIN);
    if (this.#settled > this.#scenario.client.more) this.#succeed(next, now);
  }

  /** What was beside is in use from here on; what was in use says goodbye. */
  #succeed(next: Link, now: number): void {
    const before = this.#current;
    this.#adopt(next);
    this.#told = next;
    this.#tell({ kind: 'renewed' }, now);
    if (!before) return;
    this.#leaving.add(before);
    before.end(now);
  }

  #adopt(next: Link): void {
    this.#current = next;
    this.#successor = undefined;
    this.#ticket = this.#nextTicket;
  }

  #ended(link: Link, why: Ending | undefined, now: number): void {
    const told = why && { code: why.code, evidence: why.evidence };
    if (this.#leaving.delete(link)) return;
    if (link === this.#successor) {
      this.#successor = undefined;
      this.#tell({ kind: 'renewal-ended', why: told }, now);
    } else if (this.#successor) {
      const next = this.#successor;
      this.#adopt(next);
      this.#tell({ kind: 'ended', why: told }, now);
      if (this.#wholeBy < never) this.#up(next, now);
    } else {
      this.#current = undefined;
      if (!holdsTraffic(WHEN_LOST)) this.#routed = false;
      if (this.#unwanted) this.#finish(undefined, now);
      else this.#tell({ kind: 'ended', why: told }, now);
    }
  }

  #terminate(now: number): void {
    if (this.#unwanted || this.#over) return;
    this.#unwanted = true;
    const successor = this.#successor;
    if (successor) {
      this.#successor = undefined;
      this.#leaving.add(successor);
      successor.end(now);
    }
    if (this.#current) this.#current.end(now);
    else this.#finish(undefined, now);
  }

  #finish(why: Ending | undefined, now: number): void {
    this.#over = { why };
    this.#routed = false;
    this.#ports.referee.note(now, `over: ${why?.code ?? 'as wanted'}`);
  }
}
