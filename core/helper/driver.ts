/**
 * The one owner of an IKE machine, its clock and its timer. Order of work: due deadlines, then what the machine says
 * (datagrams out, events up), then datagrams in, with a budget per turn so that a flood cannot keep the rest of the engine waiting.
 */
import { toHex } from '../bytes/bytes.ts';
import type { IkeAnswer, IkeAsk } from '../ike/auth/contract.ts';
import type { Channel, Endpoint, IkeInput, IkeMachine, IkeOutput, Path } from '../ike/sa/contract.ts';
import { afterSleep } from '../ike/sa/lifetimes.ts';
import { createRoundTrips } from './roundTrips.ts';

export type IkeEvent = Exclude<IkeOutput, { readonly kind: 'transmit' | 'ask' }>;

export interface DriverPorts {
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** False when the kernel refused it; the machine sends again, as for any loss. */
  readonly send: (channel: Channel, to: Endpoint, bytes: Uint8Array) => boolean;
  readonly onEvent: (event: IkeEvent) => void;
  /** The machine waits for `answer` with this id. */
  readonly onAsk: (id: number, ask: IkeAsk) => void;
  /** Did authenticated ESP packets arrive since the last call? Asked only when a deadline is due, so that an idle tunnel wakes nobody. */
  readonly trafficArrived: () => boolean;
  /** Time passed that nobody saw. */
  readonly onLate: () => void;
  /** Milliseconds from a request to its answer, of an exchange that needed no repetition. */
  readonly onRoundTrip: (milliseconds: number) => void;
}

export interface Driver {
  /** A user's command. */
  command(kind: 'start' | 'terminate' | 'reconnected'): void;
  /** `alive` tells of the answer. */
  check(): void;
  /** What else the machine is told from here. */
  give(input: Extract<IkeInput, { readonly kind: 'limit' | 'rekey-ike' | 'rekey-child' | 'leave' }>): void;
  datagram(bytes: Uint8Array, channel: Channel, from: Endpoint): void;
  /** It is of an SA that the machine sent something of. */
  knows(datagram: Uint8Array): boolean;
  /** Time passed that no timer saw: what is due is done now. */
  woke(): void;
  answer(id: number, answer: IkeAnswer): void;
  /** Our addresses towards the gateway, as of now. */
  paths(paths: readonly Path[]): void;
  /** No more inputs and no timer after this. */
  stop(): void;
}

/** Datagrams handled before the rest of the engine gets its turn, and the most that may wait; IKE is never this busy. */
const BUDGET = 16;
const MOST_WAITING = 256;
/** setTimeout's limit is 2^31 - 1. */
const LONGEST_SLEEP = 0x7fff_ffff;

export function createDriver(machine: IkeMachine, ports: DriverPorts): Driver {
  const waiting: Extract<IkeInput, { readonly kind: 'datagram' }>[] = [];
  let budget = BUDGET;
  let turn: NodeJS.Immediate | undefined;
  let timer: NodeJS.Timeout | undefined;
  let timerAt: number | undefined;
  let stopped = false;
  let draining = false;
  const roundTrips = createRoundTrips();
  const spis = new Set<string>();

  function give(input: IkeInput): void {
    if (stopped) return;
    const now = ports.now();
    try {
      machine.handle(input, now);
    } catch (fault) {
      broke(fault);
      return;
    }
    if (input.kind === 'datagram') {
      const took = roundTrips.received(input.bytes, now);
      if (took !== undefined) ports.onRoundTrip(took);
    }
    drain();
  }

  /** A fault of ours. It ends this connection, which is told, and not the engine with all that is held. */
  function broke(fault: unknown): void {
    const evidence = (fault instanceof Error && fault.stack) || String(fault);
    ports.onEvent({ kind: 'log', level: 'error', text: 'a fault in the IKE machine', fields: { fault: evidence } });
    stop();
    ports.onEvent({ kind: 'closed', failure: { code: 'internal', evidence: String(fault) } });
  }

  function stop(): void {
    stopped = true;
    clearTimeout(timer);
    if (turn) clearImmediate(turn);
    waiting.length = 0;
  }

  function drain(): void {
    // An event may lead to a command (host failed: terminate); its outputs come in this same loop.
    if (draining) return;
    draining = true;
    for (let output = machine.poll(); output && !stopped; output = machine.poll()) {
      if (output.kind === 'transmit') {
        roundTrips.sent(output.bytes, ports.now());
        spis.add(initiatorSpi(output.bytes));
        ports.send(output.channel, output.to, output.bytes);
      } else if (output.kind === 'ask') ports.onAsk(output.id, output.ask);
      else ports.onEvent(output);
    }
    draining = false;
    schedule();
  }

  function schedule(): void {
    const due = stopped ? undefined : machine.deadline();
    if (due === timerAt) return;
    clearTimeout(timer);
    timerAt = due;
    timer = due === undefined ? undefined : setTimeout(ring, Math.min(LONGEST_SLEEP, Math.max(0, Math.ceil(due - ports.now()))));
  }

  /** Late is for the timer alone to tell: whoever is told says in turn that we woke (`woke`), and to tell them again would have no end. */
  function ring(): void {
    const due = machine.deadline();
    if (due !== undefined && !stopped && ports.now() - due >= afterSleep.late) ports.onLate();
    catchUp();
  }

  function catchUp(): void {
    clearTimeout(timer);
    timerAt = undefined;
    const due = machine.deadline();
    if (due === undefined || stopped) return;
    if (due > ports.now()) {
      schedule();
      return;
    }
    if (ports.trafficArrived()) give({ kind: 'inbound-traffic' });
    give({ kind: 'tick' });
  }

  function nextTurn(): void {
    turn = undefined;
    budget = BUDGET;
    while (budget > 0 && !stopped) {
      const next = waiting.shift();
      if (!next) return;
      budget -= 1;
      give(next);
    }
    if (waiting.length > 0 && !stopped) turn = setImmediate(nextTurn);
  }

  return {
    command: (kind) => give({ kind }),
    check: () => give({ kind: 'check-liveness', quick: true }),
    give,
    answer: (id, answer) => give({ kind: 'answer', id, answer }),
    knows: (datagram) => spis.has(initiatorSpi(datagram)),
    woke: catchUp,
    paths: (paths) => give({ kind: 'paths', paths }),

    datagram(bytes, channel, from) {
      if (stopped) return;
      const input = { kind: 'datagram', bytes, channel, from } as const;
      turn ??= setImmediate(nextTurn);
      if (waiting.length === 0 && budget > 0) {
        budget -= 1;
        give(input);
      } else if (waiting.length < MOST_WAITING) {
        waiting.push(input);
      }
    },

    stop,
  };
}

/** RFC 7296 §3.1: the first eight octets; the same in both directions for as long as the SA lives. */
function initiatorSpi(message: Uint8Array): string {
  return toHex(message.subarray(0, 8));
}
