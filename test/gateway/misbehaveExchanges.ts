/** What a gateway can do wrong around IKE_SA_INIT and IKE_AUTH: where it sends clients (RFC 5685). */
import { redirectData } from '../../core/ike/exchanges/redirect.ts';
import { NOTIFY } from '../../core/ike/wire/constants.ts';
import { encodeMessage } from '../../core/ike/wire/encode.ts';
import type { Payload, PayloadOf } from '../../core/ike/wire/message.ts';
import { parseMessage } from '../../core/ike/wire/parse.ts';
import { findPayload, notify } from '../../core/ike/wire/payloads.ts';
import { onSaInitAnswer } from './misbehaveTransport.ts';
import type { Misbehaviour } from './misbehaviours.ts';

export const exchangeMisbehaviours = [
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
