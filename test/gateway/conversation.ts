/**
 * An initiator and the head office in one room with a virtual clock: what one transmits the other receives a millisecond later, and time
 * jumps to the next datagram or deadline. Hours take milliseconds, and the same seed gives the same conversation.
 */

import type { IkeAnswer, IkeAsk } from '../../core/ike/auth/contract.ts';
import type { Channel, Endpoint, IkeInput, IkeMachine, IkeOutput } from '../../core/ike/sa/contract.ts';
import type { HeadOffice, HeadOfficeInput, HeadOfficeOutput } from './config.ts';
import type { TlsAnswer, TlsAsk } from './eap/serverMethod.ts';

export interface Room {
  readonly machine: IkeMachine;
  readonly office: HeadOffice;
  /** Where the office sees the initiator's datagrams come from, by channel: its own endpoint, or what a NAT makes of it. */
  readonly client: Readonly<Record<Channel, Endpoint>>;
  readonly gateway: Readonly<Record<Channel, Endpoint>>;
  /** When the copies of the next datagram arrive, milliseconds from now; none is a loss. Default: once, at once. */
  readonly network?: () => readonly number[];
  /** Who answers what the initiator asks, and the TLS of the office; answers that take time are waited for by `settle`. */
  readonly answer?: (ask: IkeAsk) => IkeAnswer | Promise<IkeAnswer>;
  readonly officeTls?: (id: string, ask: TlsAsk) => Promise<TlsAnswer>;
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
  readonly #working = new Set<Promise<void>>();

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

  /** As `run`, in a world where answers take time; virtual time stands still meanwhile. */
  async settle(within: number, done: () => boolean): Promise<boolean> {
    const end = this.now + within;
    while (!done() && this.now < end) {
      await Promise.all(this.#working);
      this.run(end - this.now, () => done() || this.#working.size > 0);
    }
    return done();
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
      if (out.kind === 'ask') this.#answer(out.id, out.ask);
      if (out.kind !== 'transmit') continue;
      const { bytes, channel } = out;
      this.#send((now) => office.handle({ kind: 'datagram', bytes: bytes.slice(), channel, from: client[channel] }, now));
    }
    for (let out = office.poll(); out !== undefined; out = office.poll()) {
      this.officeHeard.push(out);
      if (out.kind === 'ask') this.#officeAnswer(out.id, out.ask);
      if (out.kind !== 'transmit') continue;
      const { bytes, channel } = out;
      this.#send((now) => machine.handle({ kind: 'datagram', bytes: bytes.slice(), channel, from: gateway[channel] }, now));
    }
  }

  #answer(id: number, ask: IkeAsk): void {
    const answer = this.#room.answer?.(ask);
    if (!answer) return;
    const give = (given: IkeAnswer) => this.#fly((now) => this.#room.machine.handle({ kind: 'answer', id, answer: given }, now));
    if (answer instanceof Promise) this.#work(answer.then(give));
    else give(answer);
  }

  #officeAnswer(id: string, ask: TlsAsk): void {
    const answer = this.#room.officeTls?.(id, ask);
    if (!answer) throw new Error('nobody does TLS for the office');
    this.#work(answer.then((given) => this.#fly((now) => this.#room.office.handle({ kind: 'answer', id, answer: given }, now))));
  }

  #work(work: Promise<void>): void {
    this.#working.add(work);
    void work.finally(() => this.#working.delete(work));
  }

  #send(deliver: Flight['deliver']): void {
    this.#datagrams++;
    if (this.#datagrams > DATAGRAMS_MAX) throw new Error('the conversation does not end');
    for (const after of this.#room.network?.() ?? [LATENCY_MS]) this.#fly(deliver, after);
  }

  #fly(deliver: Flight['deliver'], after = LATENCY_MS): void {
    this.#flights.push({ at: this.now + after, deliver });
    this.#flights.sort((a, b) => a.at - b.at);
  }
}

function isKind<K extends IkeOutput['kind']>(output: IkeOutput, kind: K): output is Extract<IkeOutput, { kind: K }> {
  return output.kind === kind;
}
