/**
 * Tickets of RFC 5723 as the client has them: asked for in IKE_AUTH and, where there was none or it goes with an IKE SA that was
 * rekeyed (§6.2), by an INFORMATIONAL. What a ticket is good for is told as it comes; who keeps it is somebody else.
 */
import { EXCHANGE, NOTIFY } from '../wire/constants.ts';
import type { PayloadOf } from '../wire/message.ts';
import { allPayloads, findNotify, notify } from '../wire/payloads.ts';
import type { Identity, IkeFailure, IkeOutput, IkeTicket } from './contract.ts';
import type { IkeSa } from './ikeSa.ts';
import type { Narrator } from './narrator.ts';
import type { OutgoingExchange } from './setup.ts';

/** It is presented in the clear, where there are no fragments but those of IP. */
const mostOctets = 4096;
/** RFC 5723 §6.2 has a gateway choose; a day is more than it means well by. Milliseconds. */
const longest = 86_400_000;
/** Asked for again when this part of its life is over (§4.1: "about to expire"). */
const renewAt = 0.8;
/** After TICKET_ACK, and how often in a row. Milliseconds. */
const askAgainAfter = 5_000;
const mostAsked = 4;

export interface TicketSetup {
  readonly localIdentity: Identity;
  readonly remoteIdentity: Identity;
  /** The address it is good at (§4.3.2: the client resumes with the gateway that made it). */
  readonly gateway: string;
  readonly authenticatedAt: number;
  /** RFC 5723 §5.1: it is good no longer than the authentication; the gateway minds its own time for that, and we ours. */
  readonly until: number;
  readonly emit: (output: IkeOutput) => void;
  readonly narrator: Narrator;
}

export class Tickets {
  readonly #setup: TicketSetup;
  #askAt = Number.POSITIVE_INFINITY;
  #asked = 0;
  #has = false;

  /** `presented`: a ticket brought us here, and is used up. */
  constructor(setup: TicketSetup, presented: boolean) {
    this.#setup = setup;
    this.#has = presented;
  }

  get deadline(): number {
    return this.#askAt;
  }

  /** What the answer to TICKET_REQUEST says of it. */
  answered(notifies: readonly PayloadOf<'N'>[], sa: IkeSa, now: number): void {
    this.#askAt = Number.POSITIVE_INFINITY;
    const given = findNotify(notifies, NOTIFY.TICKET_LT_OPAQUE);
    if (!given || !this.#take(given.data, sa, now)) this.#forget();
    if (given) return;
    // §4.1: it can have no ticket now, and may be asked again at any time.
    if (findNotify(notifies, NOTIFY.TICKET_ACK) && this.#asked < mostAsked) this.#askAt = now + askAgainAfter * 2 ** this.#asked;
  }

  /** §6.2: the ticket of the IKE SA before is void, and another is asked for. */
  rekeyed(now: number): void {
    if (!this.#has) return;
    this.#forget();
    this.#asked = 0;
    this.#askAt = now;
  }

  /** §6.2: the IKE SA was deleted by either side, and the ticket with it. One that was lost is what it is for. */
  ended(failure: IkeFailure | undefined): void {
    if (failure?.code !== 'gateway-lost' && failure?.code !== 'gateway-restarted') this.#forget();
  }

  #forget(): void {
    if (!this.#has) return;
    this.#has = false;
    this.#setup.emit({ kind: 'ticket', ticket: undefined });
  }

  tick(sa: IkeSa, now: number): void {
    if (now < this.#askAt) return;
    this.#askAt = Number.POSITIVE_INFINITY;
    this.#asked++;
    // Its keys are those of the IKE SA that brings it.
    const process: OutgoingExchange['process'] = (payloads, at, of) => this.answered(allPayloads(payloads, 'N'), of, at);
    sa.request({ exchange: EXCHANGE.INFORMATIONAL, build: () => [notify(NOTIFY.TICKET_REQUEST)], process }, now);
  }

  #take(data: Uint8Array, sa: IkeSa, now: number): boolean {
    const { narrator, emit, localIdentity, remoteIdentity, gateway, authenticatedAt, until } = this.#setup;
    const seconds = data.length < 4 ? 0 : new DataView(data.buffer, data.byteOffset, 4).getUint32(0);
    const octets = data.length - 4;
    // §6.2: a lifetime is demanded; without any, or of a size that cannot be presented, it is of no use.
    if (seconds === 0 || octets < 1 || octets > mostOctets) {
      narrator.log('warn', 'a ticket that cannot be used', { seconds, octets });
      return false;
    }
    const lifetime = Math.min(seconds * 1000, longest);
    this.#asked = 0;
    this.#has = true;
    this.#askAt = now + lifetime * renewAt;
    narrator.log('debug', 'the gateway gave a ticket to come back with', { seconds, octets });
    const ticket: IkeTicket = {
      octets: data.slice(4),
      expiresAt: Math.min(now + lifetime, until),
      authenticatedAt,
      suite: sa.suite,
      skD: sa.keys.d.slice(),
      localIdentity,
      remoteIdentity,
      gateway,
    };
    emit({ kind: 'ticket', ticket });
    return true;
  }
}
