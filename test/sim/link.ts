/** One connection of the client: its IKE machine and what the dataplane has of it, as core/helper/connection.ts wires them. */
import type { IkeConfig, IkeInput, IkeMachine, IkeOutput } from '../../core/ike/sa/contract.ts';
import { createInitiator } from '../../core/ike/sa/initiator.ts';
import { ikeFailure } from '../../core/tunnel/explain.ts';
import type { Ending } from '../../core/tunnel/session.ts';
import type { Dice } from './dice.ts';
import { crossed, type Installed, Plane } from './plane.ts';
import type { Referee } from './referee.ts';

/** As core/helper/connection.ts: how long `down` waits for the answer to DELETE. */
const GOODBYE = 1_500;
const KEEPALIVE = 20_000;
const never = Number.POSITIVE_INFINITY;

export interface LinkPorts {
  readonly dice: Dice;
  readonly referee: Referee;
  readonly hear: (link: Link, out: IkeOutput, now: number) => void;
  readonly ended: (link: Link, why: Ending | undefined, now: number) => void;
  /** RFC 3948 §4: one octet that nobody reads; it is the mapping of the NAT that matters. */
  readonly keepAlive: (now: number) => void;
}

export class Link {
  readonly plane = new Plane();
  /** For the referee. */
  readonly name: string;
  readonly #machine: IkeMachine;
  readonly #ports: LinkPorts;
  /** Responder's SPI of its first IKE SA: what the office calls it. */
  #id: string | undefined;
  #ready = false;
  #closed = false;
  #why: Ending | undefined;
  #traffic = false;
  /** The machine's deadline, which only what is given to it can change. */
  #machineDue: number | undefined;
  #goodbyeBy = never;
  #keepaliveAt = never;

  constructor(name: string, config: IkeConfig, ports: LinkPorts) {
    this.name = name;
    this.#ports = ports;
    this.#machine = createInitiator(config, { random: ports.dice.octets, keyLog: true });
  }

  get id(): string | undefined {
    return this.#id;
  }

  /** It carries packets. */
  get ready(): boolean {
    return this.#ready && !this.#closed;
  }

  get closed(): boolean {
    return this.#closed;
  }

  deadline(): number {
    return this.#closed ? never : Math.min(this.due(), this.#goodbyeBy, this.#keepaliveAt);
  }

  /** Of the machine alone. */
  due(): number {
    this.#machineDue ??= this.#machine.deadline() ?? never;
    return this.#machineDue;
  }

  wake(now: number): void {
    if (now >= this.#goodbyeBy) {
      this.#goodbyeBy = never;
      this.give({ kind: 'terminate' }, now);
    }
    if (now >= this.#keepaliveAt) {
      this.#keepaliveAt = now + KEEPALIVE;
      this.#ports.keepAlive(now);
    }
    if (this.due() > now) return;
    if (this.#traffic) this.give({ kind: 'inbound-traffic' }, now);
    this.#traffic = false;
    this.give({ kind: 'tick' }, now);
    this.#ports.referee.progressed(this.name, this.due(), now);
  }

  give(input: IkeInput, now: number): void {
    if (this.#closed) return;
    this.#ports.referee.step('client', now);
    this.#machine.handle(input, now);
    this.#machineDue = undefined;
    for (let out = this.#machine.poll(); out; out = this.#machine.poll()) this.#heard(out, now);
  }

  /** Ends it with a word to the gateway. */
  end(now: number): void {
    this.#goodbyeBy = now + GOODBYE;
    this.give({ kind: 'terminate' }, now);
  }

  /** Ends it without one. */
  drop(why: Ending, now: number): void {
    this.#why = why;
    this.give({ kind: 'terminate' }, now);
    this.give({ kind: 'terminate' }, now);
  }

  send(now: number, carry: (spi: number, keys: string, id: string) => void): void {
    if (this.#id === undefined) return;
    for (const destination of this.plane.destinations) {
      const sent = this.plane.send(destination);
      if (!sent) continue;
      carry(sent.packet.spi, sent.packet.keys, this.#id);
      this.#keepaliveAt = this.plane.keepalive ? now + KEEPALIVE : never;
      this.#count(sent.sa, now);
    }
  }

  /** A packet came by this SA. */
  received(sa: Installed, now: number): void {
    this.#traffic = true;
    this.#count(sa, now);
  }

  #count(sa: Installed, now: number): void {
    const which = crossed(sa);
    if (which) this.give({ kind: 'limit', spiIn: sa.spiIn, which }, now);
  }

  #heard(out: IkeOutput, now: number): void {
    const { referee, hear, ended } = this.#ports;
    referee.heard('client', this.name, out, this.plane, now);
    switch (out.kind) {
      case 'established':
        this.#id = out.sa.spiR;
        break;
      case 'install-child':
        referee.demand(this.plane.install(out.child, out, now), 'installation', now);
        this.#keepAlive(now);
        this.#ready = true;
        break;
      case 'remove-child':
        referee.demand(this.plane.remove(out.spiIn, out.grace ?? 0, now), 'removal', now);
        break;
      case 'moved':
        this.plane.remote = out.remote;
        this.plane.keepalive = out.natLocal;
        this.#keepAlive(now);
        break;
      case 'closed':
        this.#closed = true;
        ended(this, this.#why ?? (out.failure && ikeFailure(out.failure)), now);
        return;
      default:
        break;
    }
    hear(this, out, now);
  }

  #keepAlive(now: number): void {
    this.#keepaliveAt = this.plane.keepalive ? Math.min(this.#keepaliveAt, now + KEEPALIVE) : never;
  }
}
