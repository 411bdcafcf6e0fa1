/** The head office: its machine, a model of the dataplane for each of its IKE SAs, and restarts in which all of that is lost. */
import type { Channel, Endpoint } from '../../core/ike/sa/contract.ts';
import type { HeadOffice, HeadOfficeInput, HeadOfficeOutput } from '../gateway/config.ts';
import { createHeadOffice } from '../gateway/responder.ts';
import { TicketStore } from '../gateway/standing.ts';
import type { Dice } from './dice.ts';
import { officeOf } from './parties.ts';
import { type Installed, Plane } from './plane.ts';
import type { Referee } from './referee.ts';
import type { Scenario } from './scenario.ts';

export interface OfficePorts {
  readonly dice: Dice;
  readonly referee: Referee;
  readonly transmit: (bytes: Uint8Array, channel: Channel, to: Endpoint, now: number) => void;
}

export class OfficeHost {
  readonly #scenario: Scenario;
  readonly #ports: OfficePorts;
  readonly #planes = new Map<string, Plane>();
  readonly #traffic = new Set<number>();
  /** SAs that are to be deleted on purpose, and are there until the client has answered. */
  readonly #doomed = new Set<Installed>();
  #tickets = new TicketStore();
  #office: HeadOffice;
  /** Its deadline, which only what is given to it can change. */
  #due: number | undefined;

  constructor(scenario: Scenario, ports: OfficePorts) {
    this.#scenario = scenario;
    this.#ports = ports;
    this.#office = this.#open();
  }

  /** By what the office calls its IKE SAs. */
  get planes(): ReadonlyMap<string, Plane> {
    return this.#planes;
  }

  deadline(): number {
    this.#due ??= this.#office.deadline() ?? Number.POSITIVE_INFINITY;
    return this.#due;
  }

  wake(now: number): void {
    if (this.deadline() <= now) {
      for (const spiIn of this.#traffic) this.give({ kind: 'inbound-traffic', spiIn }, now);
      this.#traffic.clear();
      this.give({ kind: 'tick' }, now);
    }
    this.#ports.referee.progressed('office', this.deadline(), now);
  }

  restart(now: number): void {
    this.#ports.referee.note(now, 'the office restarts');
    this.#planes.clear();
    this.#traffic.clear();
    this.#ports.referee.forgotten('office');
    if (!this.#scenario.office.keepsTickets) this.#tickets = new TicketStore();
    this.#office = this.#open();
    this.#due = undefined;
  }

  /** The CHILD SA of this number, of each client; the clients to which nothing is left. */
  deleteChild(which: number, now: number): { readonly alone: readonly string[] } {
    const alone: string[] = [];
    for (const [id, plane] of this.#planes) {
      const candidates = plane.installed.filter((sa) => !this.#doomed.has(sa));
      if (candidates.length === 0) continue;
      const victim = candidates[which % candidates.length];
      this.#doomed.add(victim);
      this.#ports.referee.deleted(victim);
      if (!plane.destinations.some((destination) => this.#lasts(plane, destination))) alone.push(id);
      this.give({ kind: 'delete-child', spiIn: victim.spiIn }, now);
    }
    return { alone };
  }

  /** The newest of its SAs, which the others make way for, is not to be deleted. */
  #lasts({ installed }: Plane, destination: string): boolean {
    const all = installed.filter(({ selectors }) => selectors === destination);
    const newest = all.reduce((one, other) => (other.installedAt > one.installedAt ? other : one));
    return !this.#doomed.has(newest);
  }

  /** A packet for each destination of each client. */
  send(carry: (spi: number, keys: string, id: string, to: Endpoint) => void): void {
    for (const [id, plane] of this.#planes) {
      for (const destination of plane.destinations) {
        const sent = plane.send(destination);
        if (sent && plane.remote) carry(sent.packet.spi, sent.packet.keys, id, plane.remote);
      }
    }
  }

  /** The destination that it came for. */
  receive(spi: number, keys: string, id: string, from: Endpoint, now: number): string | undefined {
    let verdict: ReturnType<Plane['receive']> = 'unknown';
    for (const plane of this.#planes.values()) {
      verdict = plane.receive({ spi, keys }, now);
      if (verdict === 'unknown') continue;
      // RFC 7296 §2.23: ESP follows the address of genuine packets; with MOBIKE the client says where it is (RFC 4555 §3.8).
      if (typeof verdict !== 'string' && !this.#mobile) plane.remote = from;
      break;
    }
    if (typeof verdict === 'string') {
      this.#ports.referee.refused('office', verdict, { spi, sameConnection: this.#planes.has(id) }, now);
      return undefined;
    }
    this.#traffic.add(verdict.spiIn);
    return verdict.selectors;
  }

  give(input: HeadOfficeInput, now: number): void {
    this.#ports.referee.step('office', now);
    const office = this.#office;
    office.handle(input, now);
    this.#due = undefined;
    for (let out = office.poll(); out; out = office.poll()) this.#heard(out, now);
  }

  get #mobile(): boolean {
    return this.#scenario.client.mobike && this.#scenario.office.mobike;
  }

  #open(): HeadOffice {
    const { office, suite } = this.#scenario;
    return createHeadOffice(officeOf(office, suite), { random: this.#ports.dice.octets, ticketStore: this.#tickets });
  }

  #heard(out: HeadOfficeOutput, now: number): void {
    const { referee, transmit } = this.#ports;
    if (out.kind === 'ask') return;
    const plane = this.#planes.get(out.id) ?? new Plane();
    referee.heard('office', out.id, out, plane, now);
    switch (out.kind) {
      case 'transmit':
        transmit(out.bytes, out.channel, out.to, now);
        return;
      case 'established':
        this.#planes.set(out.id, plane);
        return;
      case 'install-child':
        referee.demand(plane.install(out.child, out, now), 'installation', now);
        return;
      case 'remove-child':
        referee.demand(plane.remove(out.spiIn, out.grace ?? 0, now), 'removal', now);
        return;
      case 'moved':
        plane.remote = out.remote;
        return;
      case 'closed':
        this.#planes.delete(out.id);
        return;
      default:
        return;
    }
  }
}
