/**
 * What the office gives to clients with the last answer of IKE_AUTH, beside the CHILD SA: how long the authentication is good (RFC 4478),
 * a token by which it can prove that it has lost the IKE SA (RFC 6290), a ticket to come back with (RFC 5723).
 */
import { createHash } from 'node:crypto';
import { toHex } from '../../core/bytes/bytes.ts';
import type { Random } from '../../core/crypto/types.ts';
import type { Identity, IkeTicket } from '../../core/ike/sa/contract.ts';
import { NOTIFY, PROTOCOL } from '../../core/ike/wire/constants.ts';
import type { Header, Message, Payload } from '../../core/ike/wire/message.ts';
import { findNotify, findPayload, notify } from '../../core/ike/wire/payloads.ts';
import type { HeadOfficeConfig } from './config.ts';
import type { SaServices } from './sa.ts';
import type { HalfOpen } from './saInit.ts';

export interface TicketPolicy {
  /** Seconds. */
  readonly lifetime: number;
  /** `later`: TICKET_ACK in IKE_AUTH, a ticket by INFORMATIONAL; `never`: TICKET_NACK. Default `now`. */
  readonly when?: 'now' | 'later' | 'never';
}

/** What a ticket stands for: "by reference" (RFC 5723 §4.1). */
export interface TicketState extends Pick<IkeTicket, 'suite' | 'skD' | 'expiresAt'> {
  readonly user: Identity;
  readonly office: Identity;
  /** Responder SPI of the IKE SA it was made in, 16 hex digits. */
  readonly of: string;
}

export interface ResumedState extends TicketState {
  readonly reference: Uint8Array;
}

/** Outlives a restart of the office where it is told to. */
export class TicketStore {
  readonly #states = new Map<string, TicketState>();

  make(state: TicketState, random: Random): Uint8Array {
    const reference = random(32).slice();
    this.#states.set(toHex(reference), state);
    return reference;
  }

  find(reference: Uint8Array, now: number): TicketState | undefined {
    const state = this.#states.get(toHex(reference));
    return state && now < state.expiresAt ? state : undefined;
  }

  /** RFC 5723 §4.3.1: for one use. */
  use(reference: Uint8Array): void {
    this.#states.delete(toHex(reference));
  }

  get size(): number {
    return this.#states.size;
  }
}

/** AUTH_LIFETIME, the token and what TICKET_REQUEST brings, in the last answer. */
export function standingPayloads(
  half: HalfOpen,
  request: readonly Payload[],
  user: Identity,
  services: SaServices,
): readonly Payload[] {
  const { authLifetime, crashSecret, tickets } = services.config;
  const lifetime = authLifetime === undefined ? [] : [notify(NOTIFY.AUTH_LIFETIME, seconds(authLifetime))];
  const token = crashSecret ? [tokenPayload(crashToken(crashSecret, half.spiI, half.spiR))] : [];
  const asked = tickets && findNotify(request, NOTIFY.TICKET_REQUEST);
  return [...lifetime, ...token, ...(asked ? ticketAnswer(half, user, services, tickets.when ?? 'now') : [])];
}

/** `half` has the keys of the IKE SA in use. */
export function ticketAnswer(
  half: Pick<HalfOpen, 'suite' | 'keys' | 'spiR'>,
  user: Identity,
  services: SaServices,
  when: NonNullable<TicketPolicy['when']>,
): readonly Payload[] {
  const { config, random, ticketStore, now } = services;
  const { tickets, identity } = config;
  if (!tickets || when === 'never') return [notify(NOTIFY.TICKET_NACK)];
  if (when === 'later') return [notify(NOTIFY.TICKET_ACK)];
  const { suite, keys } = half;
  const expiresAt = now() + tickets.lifetime * 1000;
  const state = { suite, skD: keys.d.slice(), expiresAt, user, office: identity, of: toHex(half.spiR) };
  return [notify(NOTIFY.TICKET_LT_OPAQUE, Uint8Array.of(...seconds(tickets.lifetime), ...ticketStore.make(state, random)))];
}

/** RFC 6290 §5.1: HASH(QCD_SECRET | SPI-I | SPI-R). */
export function crashToken(secret: Uint8Array, spiI: Uint8Array, spiR: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(secret).update(spiI).update(spiR).digest());
}

/** RFC 6290 §4.1: it is about the IKE SA. */
export function tokenPayload(token: Uint8Array): Payload {
  return { kind: 'N', protocol: PROTOCOL.IKE, spi: new Uint8Array(0), type: NOTIFY.QUICK_CRASH_DETECTION, data: token };
}

/** RFC 7296 §1.5, RFC 6290 §4.5: the answer to a protected request for an IKE SA that nobody knows; undefined: silence. */
export function answerUnknown(
  { header, payloads }: Message,
  { crashSecret, answerUnknownSpis }: HeadOfficeConfig,
): { readonly header: Header; readonly payloads: readonly Payload[] } | undefined {
  const isProtected = findPayload(payloads, 'SK') ?? findPayload(payloads, 'SKF');
  if (!answerUnknownSpis || header.flags.response || !isProtected) return undefined;
  const token = crashSecret ? [tokenPayload(crashToken(crashSecret, header.spiI, header.spiR))] : [];
  return {
    header: { ...header, minorVersion: 0, flags: { initiator: false, version: false, response: true } },
    payloads: [notify(NOTIFY.INVALID_IKE_SPI), ...token],
  };
}

function seconds(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}
