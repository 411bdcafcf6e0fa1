/**
 * An initiator and the head office in one room with a virtual clock: what one transmits the other receives a millisecond later, and time
 * jumps to the next datagram or deadline. Hours take milliseconds, and the same seed gives the same conversation.
 */
import type { Channel, Endpoint, IkeInput, IkeMachine, IkeOutput } from '../../core/ike/sa/contract.ts';
import type { HeadOffice, HeadOfficeInput, HeadOfficeOutput } from './config.ts';

export interface Room {
  readonly machine: IkeMachine;
  readonly office: HeadOffice;
  /** Where the office sees the initiator's datagrams come from, by channel: its own endpoint, or what a NAT makes of it. */
  readonly client: Readonly<Record<Channel, Endpoint>>;
  readonly gateway: Readonly<Record<Channel, Endpoint>>;
}

interface Flight {
  readonly at: number;
  deliver(now: number): void;
}

const LATENCY_MS = 1;
/** A conversation that makes more datagrams than this has run away; the flood of `garbage-flood` stays far below. */
const DATAGRAMS_MAX = 100_000;

export class Conversation {
  /** Everything the machines said, transmissions included, in order. */
  readonly heard: IkeOutput[] = [];
  readonly officeHeard: HeadOfficeOutput[] = [];
  now = 1_000;
  readonly #room: Room;
  readonly #flights: Flight[] = [];
  #datagrams = 0;

  constructor(room: Room) {
    this.#room = room;
  }

  tell(input: IkeInput): void {
    this.#room.machine.handle(input, this.now);
    this.#drain();
  }

  tellOffice(input: HeadOfficeInput): void {
    this.#room.office.handle(input, this.now);
    this.#drain();
  }

  /** Lets time pass until `done` holds after a step, or `within` milliseconds are over; says whether `done` holds. */
  run(within: number, done: () => boolean = () => false): boolean {
    const end = this.now + within;
    while (!done()) {
      const next = this.#nextEvent();
      if (next === undefined || next > end) {
        this.now = end;
        return done();
      }
      this.now = Math.max(this.now, next);
      this.#step();
    }
    return true;
  }

  outputs<K extends IkeOutput['kind']>(kind: K): Extract<IkeOutput, { kind: K }>[] {
    const found: Extract<IkeOutput, { kind: K }>[] = [];
    for (const output of this.heard) if (isKind(output, kind)) found.push(output);
    return found;
  }

  #nextEvent(): number | undefined {
    const { machine, office } = this.#room;
    const times = [this.#flights[0]?.at, machine.deadline(), office.deadline()].filter((time) => time !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  #step(): void {
    const { machine, office } = this.#room;
    while (this.#flights[0] !== undefined && this.#flights[0].at <= this.now) {
      this.#flights.shift()?.deliver(this.now);
      this.#drain();
    }
    if ((machine.deadline() ?? Number.POSITIVE_INFINITY) <= this.now) machine.handle({ kind: 'tick' }, this.now);
    if ((office.deadline() ?? Number.POSITIVE_INFINITY) <= this.now) office.handle({ kind: 'tick' }, this.now);
    this.#drain();
  }

  #drain(): void {
    const { machine, office, client, gateway } = this.#room;
    for (let out = machine.poll(); out !== undefined; out = machine.poll()) {
      this.heard.push(out);
      if (out.kind !== 'transmit') continue;
      const { bytes, channel } = out;
      this.#fly((now) => office.handle({ kind: 'datagram', bytes: bytes.slice(), channel, from: client[channel] }, now));
    }
    for (let out = office.poll(); out !== undefined; out = office.poll()) {
      this.officeHeard.push(out);
      if (out.kind !== 'transmit') continue;
      const { bytes, channel } = out;
      this.#fly((now) => machine.handle({ kind: 'datagram', bytes: bytes.slice(), channel, from: gateway[channel] }, now));
    }
  }

  #fly(deliver: (now: number) => void): void {
    this.#datagrams++;
    if (this.#datagrams > DATAGRAMS_MAX) throw new Error('the conversation does not end');
    this.#flights.push({ at: this.now + LATENCY_MS, deliver });
  }
}

function isKind<K extends IkeOutput['kind']>(output: IkeOutput, kind: K): output is Extract<IkeOutput, { kind: K }> {
  return output.kind === kind;
}
