/**
 * MOBIKE as the responder (RFC 4555): follows when it is told to, after it has seen that the client is really there (§3.7), tells of its other
 * addresses, and answers what a client may ask. What it must not do is follow by itself (§3.8).
 */
import { equalBytes } from '../../core/bytes/bytes.ts';
import type { Random } from '../../core/crypto/types.ts';
import { additionalAddresses, bringsBack, copyCookie2, noNatsAllowed } from '../../core/ike/exchanges/mobike.ts';
import { natDetection } from '../../core/ike/nat.ts';
import type { Endpoint, IkeOutput } from '../../core/ike/sa/contract.ts';
import type { IkeSa } from '../../core/ike/sa/ikeSa.ts';
import type { NotifyTaken, OutgoingExchange, Route, Spis } from '../../core/ike/sa/setup.ts';
import { EXCHANGE, NOTIFY } from '../../core/ike/wire/constants.ts';
import type { Payload, PayloadOf } from '../../core/ike/wire/message.ts';
import { deleteIkeSa, findNotify, notify } from '../../core/ike/wire/payloads.ts';

export interface MobikePolicy {
  /** Told to clients in IKE_AUTH. */
  readonly additional?: readonly string[];
  /** False: UNACCEPTABLE_ADDRESSES. */
  readonly accepts?: (from: Endpoint) => boolean;
  /** Changes the answers to what a client says of its addresses. */
  readonly changeAnswer?: (payloads: readonly Payload[]) => readonly Payload[];
}

export interface OfficeMobikePorts {
  readonly policy: MobikePolicy;
  readonly random: Random;
  readonly ike: () => IkeSa;
  /** Our end, as clients know it. */
  readonly local: Endpoint;
  readonly natLocal: boolean;
  readonly emit: (output: IkeOutput) => void;
}

/** In the answer to an IKE_AUTH request that has the SA payload. */
export function mobikePayloads(request: readonly Payload[], policy: MobikePolicy | undefined): readonly Payload[] {
  if (!policy || !findNotify(request, NOTIFY.MOBIKE_SUPPORTED)) return [];
  return [notify(NOTIFY.MOBIKE_SUPPORTED), ...additionalAddresses(policy.additional ?? [], false)];
}

export class OfficeMobike {
  readonly #ports: OfficeMobikePorts;
  /** Where the client says that it is, and where it was seen last. */
  #wanted: Route | undefined;
  #shown: Route | undefined;
  /** The initiator's SPI of the IKE SA that it said so in last. */
  #toldIn: Uint8Array | undefined;
  /** A check of that waits to be sent. */
  #queued = false;

  constructor(ports: OfficeMobikePorts) {
    this.#ports = ports;
    ports.ike().stopFollowing();
  }

  /** A notify in a request of the client. */
  notified(notice: PayloadOf<'N'>, way: Route, of: Spis): NotifyTaken | undefined {
    const { policy, local } = this.#ports;
    const { changeAnswer = (payloads: readonly Payload[]) => payloads } = policy;
    switch (notice.type) {
      case NOTIFY.UPDATE_SA_ADDRESSES:
        if (policy.accepts?.(way.remote) === false) return { answer: changeAnswer([notify(NOTIFY.UNACCEPTABLE_ADDRESSES)]) };
        // What comes in an IKE SA that was replaced may be older than what came in the one in its place.
        if (this.#isCurrent(this.#toldIn) && !this.#isCurrent(of.spiI)) return { answer: changeAnswer([]) };
        this.#toldIn = of.spiI;
        return { answer: changeAnswer([]), after: (now) => this.#follow(way, now) };
      case NOTIFY.COOKIE2: {
        const copy = copyCookie2(notice);
        return copy && { answer: changeAnswer([copy]) };
      }
      case NOTIFY.NAT_DETECTION_SOURCE_IP:
        return { answer: changeAnswer(natDetection(of, local, way.remote)) };
      case NOTIFY.NO_NATS_ALLOWED: {
        const expected = noNatsAllowed(way.remote, local);
        const fine = expected !== undefined && equalBytes(expected, notice.data);
        return { answer: fine ? [] : [notify(NOTIFY.UNEXPECTED_NAT_DETECTED)] };
      }
      case NOTIFY.NAT_DETECTION_DESTINATION_IP:
      case NOTIFY.ADDITIONAL_IP4_ADDRESS:
      case NOTIFY.ADDITIONAL_IP6_ADDRESS:
      case NOTIFY.NO_ADDITIONAL_ADDRESSES:
        return {};
      default:
        return undefined;
    }
  }

  /** Another IKE SA has taken the place of the one that a check is in flight in: that one may end before it is answered. */
  rekeyed(now: number): void {
    if (this.#wanted !== this.#shown && !this.#queued) this.#ports.ike().request(this.#check(), now);
  }

  #isCurrent(spiI: Uint8Array | undefined): boolean {
    return spiI !== undefined && equalBytes(spiI, this.#ports.ike().spis.spiI);
  }

  /** §3.7: packets go there when somebody there has shown that they arrive. */
  #follow(way: Route, now: number): void {
    this.#wanted = way;
    if (way.remote.transport === 'tcp') {
      this.#shown = way;
      // RFC 9329 §7.1: who has a connection has shown that it is there.
      const { ike, local, emit } = this.#ports;
      ike().moveTo(way, undefined, now);
      emit({ kind: 'moved', local, ...way, natLocal: false, settled: true });
      return;
    }
    this.#ports.ike().moveTo(way, this.#queued ? undefined : this.#check(), now);
  }

  #check(): OutgoingExchange {
    const { ike, random, local, natLocal, emit } = this.#ports;
    const cookie = random(16).slice();
    let way: Route | undefined;
    this.#queued = true;
    return {
      exchange: EXCHANGE.INFORMATIONAL,
      build: () => {
        this.#queued = false;
        way = this.#wanted;
        return [notify(NOTIFY.COOKIE2, cookie)];
      },
      process: (answer, now) => {
        if (!bringsBack(cookie, answer)) ike().finish([deleteIkeSa()], { code: 'protocol', evidence: 'COOKIE2' }, now);
        // One that went to several addresses shows nothing about the last of them; another is on its way.
        else if (way && way === this.#wanted) {
          this.#shown = way;
          emit({ kind: 'moved', local, ...way, natLocal, settled: true });
        }
      },
    };
  }
}
