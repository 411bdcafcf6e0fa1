/** What a gateway can do wrong around IKE_SA_INIT and IKE_AUTH: where it sends clients (RFC 5685), what becomes of tickets (RFC 5723). */
import { fromUtf8 } from '../../core/bytes/bytes.ts';
import { redirectData } from '../../core/ike/exchanges/redirect.ts';
import type { Identity } from '../../core/ike/sa/contract.ts';
import { ID, NOTIFY } from '../../core/ike/wire/constants.ts';
import { encodeMessage } from '../../core/ike/wire/encode.ts';
import type { Payload, PayloadOf } from '../../core/ike/wire/message.ts';
import { parseMessage } from '../../core/ike/wire/parse.ts';
import { findPayload, notify } from '../../core/ike/wire/payloads.ts';
import { onSaInitAnswer } from './misbehaveTransport.ts';
import type { Misbehaviour } from './misbehaviours.ts';

export const redirectMisbehaviours = [
  {
    name: 'endless-redirect',
    what: 'sends the client to itself, every time',
    clause: 'RFC 5685 §7, S10',
    hooks: { insteadOfSaInit: ({ request, config }) => [redirect(config.addresses[0] ?? '', nonceOf(request))] },
  },
  {
    name: 'redirect-without-nonce',
    what: 'redirects of somebody who did not see the request come before the genuine IKE_SA_INIT answer',
    clause: 'RFC 5685 §3, S12',
    hooks: {
      datagrams: onSaInitAnswer((bytes) => [
        forgedSaInit(bytes, [redirect(ELSEWHERE)]),
        forgedSaInit(bytes, [redirect(ELSEWHERE, new Uint8Array(32).fill(7))]),
        bytes,
      ]),
    },
  },
  {
    name: 'redirect-to-loopback',
    what: 'sends the client to its own computer',
    clause: 'RFC 5685 §9.2, S10',
    hooks: { insteadOfSaInit: ({ request }) => [redirect('127.0.0.1', nonceOf(request))] },
  },
  {
    name: 'redirect-to-no-name',
    what: 'sends the client to a name that is none',
    clause: 'RFC 5685 §9.2, S10, S24',
    hooks: { insteadOfSaInit: ({ request }) => [redirect('vpn.office.test; reboot', nonceOf(request))] },
  },
  {
    name: 'redirect-cut-short',
    what: 'sends half a REDIRECT',
    clause: 'RFC 5685 §9.2, S15',
    hooks: { insteadOfSaInit: () => [notify(NOTIFY.REDIRECT, Uint8Array.of(1, 4, 192, 0))] },
  },
  {
    name: 'redirect-in-auth',
    what: 'sends clients to another gateway in the answer to IKE_AUTH, also those that did not say that they can be sent',
    clause: 'RFC 5685 §6, S10',
    hooks: { authAnswer: (honest) => [...honest, redirect(ELSEWHERE)] },
  },
  {
    name: 'redirect-before-proof',
    what: 'sends the client to another gateway in the answer to IKE_AUTH, under an AUTH that is wrong',
    clause: 'RFC 5685 §6, S10',
    hooks: { authAnswer: (honest) => [...honest.map(wrongAuth), redirect(ELSEWHERE)] },
  },
  {
    name: 'redirect-between',
    what: 'sends the client to another gateway in the middle of EAP',
    clause: 'RFC 5685 §6 (not in an intermediate response)',
    needs: 'eap',
    hooks: { authAnswer: (honest) => (isBetween(honest) ? [...honest, redirect(ELSEWHERE)] : honest) },
  },
] as const satisfies readonly Misbehaviour[];

/** Of an office with tickets. */
export const resumeMisbehaviours = [
  {
    name: 'resume-nack',
    what: 'takes no ticket',
    clause: 'RFC 5723 §4.3.2',
    hooks: { insteadOfResume: () => [notify(NOTIFY.TICKET_NACK)] },
  },
  {
    name: 'resume-error',
    what: 'does not know IKE_SESSION_RESUME',
    clause: 'RFC 5723 §4.3.2',
    hooks: { insteadOfResume: () => [notify(NOTIFY.INVALID_SYNTAX)] },
  },
  {
    name: 'resume-silent',
    what: 'says nothing to a ticket',
    clause: 'RFC 5723 §4.3.2',
    hooks: { insteadOfResume: () => [] },
  },
  {
    name: 'resume-cookies',
    what: 'asks for another cookie with every ticket',
    clause: 'RFC 7296 §2.6',
    hooks: { insteadOfResume: ({ random }) => [notify(NOTIFY.COOKIE, random(32))] },
  },
  {
    name: 'resume-to-loopback',
    what: 'sends whoever comes with a ticket to its own computer',
    clause: 'RFC 5685 §3',
    hooks: { insteadOfResume: ({ request }) => [redirect('127.0.0.1', nonceOf(request))] },
  },
  {
    name: 'resume-wrong-key',
    what: 'could not open the ticket, and goes on with keys of its own',
    clause: 'RFC 5723 §5.1, S12',
    hooks: { ticketState: (honest) => ({ ...honest, skD: honest.skD.map((octet) => octet ^ 1) }) },
  },
  {
    name: 'resume-wrong-auth',
    what: 'proves the keys of a ticket by another AUTH',
    clause: 'RFC 5723 §4.3.3',
    hooks: { authAnswer: (honest, { resumed }) => (resumed ? honest.map(wrongAuth) : honest) },
  },
  {
    name: 'resume-no-auth',
    what: 'leaves AUTH out when it takes a ticket',
    clause: 'RFC 5723 §4.3.3',
    hooks: { authAnswer: (honest, { resumed }) => (resumed ? honest.filter(({ kind }) => kind !== 'AUTH') : honest) },
  },
  {
    name: 'resume-other-identity',
    what: 'is somebody else when it takes a ticket',
    clause: 'RFC 5723 §4.3.3 (IDr is that of the ticket)',
    hooks: { ticketState: (honest) => ({ ...honest, office: EVIL }) },
  },
  {
    name: 'resume-refused',
    what: 'opens the ticket, and then refuses the user',
    clause: 'RFC 5723 §4.3.3',
    hooks: { authAnswer: (honest, { resumed }) => (resumed ? [notify(NOTIFY.AUTHENTICATION_FAILED)] : honest) },
  },
  {
    name: 'ticket-without-lifetime',
    what: 'gives a ticket that is over at once',
    clause: 'RFC 5723 §6.2',
    hooks: { authAnswer: (honest) => honest.map((one) => ticket(one, (data) => Uint8Array.of(0, 0, 0, 0, ...data.subarray(4)))) },
  },
  {
    name: 'ticket-of-nothing',
    what: 'gives a ticket without octets',
    clause: 'RFC 5723 §7.1',
    hooks: { authAnswer: (honest) => honest.map((one) => ticket(one, (data) => data.subarray(0, 4))) },
  },
  {
    name: 'ticket-cut-short',
    what: 'gives three octets for a ticket',
    clause: 'RFC 5723 §7.1, S15',
    hooks: { authAnswer: (honest) => honest.map((one) => ticket(one, (data) => data.subarray(0, 3))) },
  },
  {
    name: 'ticket-of-16-kb',
    what: 'gives a ticket that fits into no packet',
    clause: 'RFC 5723 §7.1, S15',
    hooks: {
      authAnswer: (honest) => honest.map((one) => ticket(one, (data) => Uint8Array.of(...data, ...new Uint8Array(16_384)))),
    },
  },
] as const satisfies readonly Misbehaviour[];

export const exchangeMisbehaviours = [...redirectMisbehaviours, ...resumeMisbehaviours] as const;

const EVIL: Identity = { type: ID.FQDN, data: fromUtf8('evil.office.test'), text: 'evil.office.test' };

/** A TICKET_LT_OPAQUE with other data; anything else as it is. */
function ticket(payload: Payload, change: (data: Uint8Array) => Uint8Array): Payload {
  if (payload.kind !== 'N' || payload.type !== NOTIFY.TICKET_LT_OPAQUE) return payload;
  return { ...payload, data: change(payload.data) };
}

/** Where nobody lives (RFC 5737). */
const ELSEWHERE = '192.0.2.99';

function redirect(to: string, nonce?: Uint8Array): PayloadOf<'N'> {
  return notify(NOTIFY.REDIRECT, redirectData(to, nonce));
}

function nonceOf(request: readonly Payload[]): Uint8Array {
  return findPayload(request, 'NONCE')?.data ?? new Uint8Array(0);
}

/** In the place of this answer, unprotected, as the SPI of somebody who keeps no state. */
function forgedSaInit(bytes: Uint8Array, payloads: readonly Payload[]): Uint8Array {
  const parsed = parseMessage(bytes);
  if (!parsed.ok) throw new Error('the office sent no message');
  return encodeMessage({ ...parsed.value.header, spiR: new Uint8Array(8) }, payloads);
}

function wrongAuth(payload: Payload): Payload {
  return payload.kind === 'AUTH' ? { ...payload, data: payload.data.map((octet) => octet ^ 1) } : payload;
}

/** The rounds of EAP, but for the first and the last message. */
function isBetween(answer: readonly Payload[]): boolean {
  return findPayload(answer, 'EAP') !== undefined && findPayload(answer, 'IDr') === undefined;
}
