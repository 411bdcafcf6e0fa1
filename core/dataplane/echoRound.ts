/**
 * One size, tried with echoes until it is clear whether it lives (RFC 8899 §5.1.2: MAX_PROBES is 3): sans-IO. Each try is the large echo
 * and then a small one, so that a loss that has nothing to do with the size is known as one. The large one goes first, because who
 * answers only so many a second answers that.
 */
import { concat } from '../bytes/bytes.ts';
import type { Random } from '../crypto/types.ts';
import { answers, type Echo, echoRequest, isEchoReply, leastEchoBytes } from '../ip/echo.ts';

/** Our address inside and somebody behind the gateway, both of the same version. */
export type EchoRoute = Pick<Echo, 'source' | 'target'>;

export type RoundOutcome =
  | 'open'
  | 'found' // somebody answers small echoes
  | 'lived'
  | 'died' // the small ones lived
  | 'silent'; // nobody answers at all

const tries = 3;
/**
 * RFC 8899 §5.1.1: PROBE_TIMER is no less than 1 s and should be more than 15 s. The round trip is known here, and a user waits behind a
 * black hole, so four times that will do.
 */
const leastWait = 1_000;
const mostWait = 15_000;

export class EchoRound {
  /** What marks answers: the identifier and the first 8 octets of every token. */
  readonly session: { readonly identifier: number; readonly token: Uint8Array };
  outcome: RoundOutcome = 'silent';
  /** The size that is tried, or that the outcome is about; 0 while somebody is looked for. */
  size = 0;
  deadline: number | undefined;
  /** Whether the last target that was tried answered. */
  alive = false;
  readonly #random: Random;
  readonly #send: (packet: Uint8Array) => void;
  #routes: readonly EchoRoute[] = [];
  #route = 0;
  #sequence = 0;
  #roundTrip: number | undefined;
  #open: OpenEcho[] = [];
  #smallLived = false;
  #deaths = 0;
  #silences = 0;

  constructor(random: Random, send: (packet: Uint8Array) => void) {
    const octets = random(10);
    this.session = { identifier: (octets[8] << 8) | octets[9], token: octets.slice(0, 8) };
    this.#random = random;
    this.#send = send;
  }

  /** Looks for the first of these that answers a small echo. */
  find(routes: readonly EchoRoute[], now: number): void {
    this.#routes = routes;
    this.#route = 0;
    this.#roundTrip = undefined;
    this.alive = false;
    this.probe(0, now);
  }

  /** Tries a size with the one that was found. */
  probe(size: number, now: number): void {
    this.size = size;
    this.outcome = 'open';
    this.#open = [];
    this.#deaths = 0;
    this.#silences = 0;
    this.#try(now);
  }

  stop(): void {
    this.outcome = 'silent';
    this.deadline = undefined;
    this.#open = [];
  }

  /** Whether the packet, which may be anything, answers an echo of this round, of whichever try. */
  answer(bytes: Uint8Array, at: number, length: number, now: number): boolean {
    if (!isEchoReply(bytes, at, length, this.session.identifier, this.session.token)) return false;
    const index = this.#open.findIndex(({ echo }) => answers(bytes, at, length, echo));
    if (index < 0) return false;
    const [{ large, sent }] = this.#open.splice(index, 1);
    this.#roundTrip = Math.max(now - sent, this.#roundTrip ?? 0);
    this.alive = true;
    if (large) this.#end('lived');
    else if (this.size === 0) this.#end('found');
    else this.#smallLived = true;
    return true;
  }

  tick(now: number): void {
    if (this.deadline === undefined || now < this.deadline) return;
    if (this.#smallLived) this.#deaths++;
    else this.#silences++;
    if (this.#deaths >= tries) this.#end('died');
    else if (this.#silences < tries) this.#try(now);
    else if (this.size === 0 && this.#route + 1 < this.#routes.length) {
      this.#route++;
      this.probe(0, now);
    } else {
      this.alive = false;
      this.#end('silent');
    }
  }

  #end(outcome: RoundOutcome): void {
    this.outcome = outcome;
    this.deadline = undefined;
    this.#open = [];
  }

  #try(now: number): void {
    this.#smallLived = false;
    if (this.size > leastEchoBytes) this.#echo(this.size, true, now);
    this.#echo(leastEchoBytes, false, now);
    const wait = this.#roundTrip === undefined ? leastWait : 4 * this.#roundTrip;
    this.deadline = now + Math.min(mostWait, Math.max(leastWait, wait));
  }

  #echo(octets: number, large: boolean, now: number): void {
    this.#sequence = (this.#sequence + 1) & 0xffff;
    const echo: Echo = {
      ...this.#routes[this.#route],
      identifier: this.session.identifier,
      sequence: this.#sequence,
      token: concat(this.session.token, this.#random(8)),
    };
    this.#open.push({ echo, large, sent: now });
    this.#send(echoRequest(echo, octets));
  }
}

interface OpenEcho {
  readonly echo: Echo;
  readonly large: boolean;
  readonly sent: number;
}
