/**
 * Which payloads each message of each exchange may carry, how many, and whether they must be encrypted, as data (RFC 7296
 * §1.2–§1.5, appendix C). Checked once, after parsing and before any exchange looks at the message:
 *
 *   const sifted = siftPayloads(exchange, 'response', 'inside SK', payloads);
 *
 * Payloads that the table does not name are taken out, so that no exchange ever meets one: vendors add things, and RFC 7296
 * §2.5 wants what is not understood and not critical to be ignored. A missing or repeated payload is an error.
 */
import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import { EXCHANGE, FIRST_STATUS_NOTIFY, NOTIFY, nameOf } from '../wire/constants.ts';
import type { Payload } from '../wire/message.ts';

type Kind = Payload['kind'];

/** [at least, at most]; the codec bounds the number of payloads of a message. */
type Count = readonly [number, number];

interface MessageRule {
  /** The payloads are inside SK. */
  readonly encrypted: boolean;
  readonly payloads: Readonly<Partial<Record<Kind, Count>>>;
}

interface ExchangeRule {
  readonly request: MessageRule;
  readonly response: MessageRule;
}

const one: Count = [1, 1];
const optional: Count = [0, 1];
const any: Count = [0, 256];

export const exchangeRules: Readonly<Record<number, ExchangeRule>> = {
  // HDR, [N(COOKIE), [PS]], SA, KE, Ni, [N+], [V+]  →  HDR, SA, KE, Nr, [N+], [CERTREQ+], [V+]
  [EXCHANGE.IKE_SA_INIT]: {
    request: { encrypted: false, payloads: { SA: one, KE: one, NONCE: one, PS: optional, N: any, V: any } },
    response: { encrypted: false, payloads: { SA: one, KE: one, NONCE: one, N: any, V: any, CERTREQ: any } },
  },
  // HDR, [N(COOKIE)], Ni, N(TICKET_OPAQUE), [N+]  →  HDR, Nr, [N+]
  [EXCHANGE.IKE_SESSION_RESUME]: {
    request: { encrypted: false, payloads: { NONCE: one, N: any, V: any } },
    response: { encrypted: false, payloads: { NONCE: one, N: any, V: any } },
  },
  // SK{IDi, [CERT+], [N+], [CERTREQ+], [IDr], [AUTH], [CP], SA, TSi, TSr, [V+]}  →  SK{IDr, [CERT+], [AUTH], [EAP], [CP], SA, TSi, TSr, [N+], [V+]}
  // SK{EAP}  →  SK{EAP};  SK{AUTH, [N+]}  →  SK{AUTH, [CP], SA, TSi, TSr, [N+]}
  [EXCHANGE.IKE_AUTH]: {
    request: {
      encrypted: true,
      payloads: {
        IDi: optional, // the first of each authentication has it (RFC 4739 §2.1)
        IDr: optional,
        AUTH: optional, // missing: EAP is wanted (RFC 7296 §2.16)
        EAP: optional,
        CERT: any,
        CERTREQ: any,
        CP: optional,
        SA: optional,
        TSi: optional,
        TSr: optional,
        N: any,
        V: any,
      },
    },
    response: {
      encrypted: true,
      // Which of them a round must have is for the exchange to say (RFC 7296 §2.16, RFC 4739 §2.3).
      payloads: {
        IDr: optional,
        AUTH: optional,
        EAP: optional,
        CERT: any,
        CP: optional,
        SA: optional,
        TSi: optional,
        TSr: optional,
        N: any,
        V: any,
      },
    },
  },
  // SK{[KE], [N+]}  →  SK{[KE], [N+]} (RFC 9242 §3.2): with KE an additional key exchange (RFC 9370 §2.2.2), without it a list (RFC 9593 §3.1).
  [EXCHANGE.IKE_INTERMEDIATE]: {
    request: { encrypted: true, payloads: { KE: optional, N: any, V: any } },
    response: { encrypted: true, payloads: { KE: optional, N: any, V: any } },
  },
  // SK{KE, N(ADDITIONAL_KEY_EXCHANGE)}  →  SK{KE, [N(ADDITIONAL_KEY_EXCHANGE)]} (RFC 9370 §2.2.4)
  [EXCHANGE.IKE_FOLLOWUP_KE]: {
    request: { encrypted: true, payloads: { KE: one, N: any, V: any } },
    response: { encrypted: true, payloads: { KE: one, N: any, V: any } },
  },
  [EXCHANGE.CREATE_CHILD_SA]: {
    request: {
      encrypted: true,
      payloads: { SA: one, NONCE: one, KE: optional, TSi: optional, TSr: optional, CP: optional, N: any, V: any },
    },
    response: {
      encrypted: true,
      payloads: { SA: one, NONCE: one, KE: optional, TSi: optional, TSr: optional, CP: optional, N: any, V: any },
    },
  },
  [EXCHANGE.INFORMATIONAL]: {
    request: { encrypted: true, payloads: { N: any, D: any, CP: optional, V: any } },
    response: { encrypted: true, payloads: { N: any, D: any, CP: optional, V: any } },
  },
};

export interface Sifted {
  readonly payloads: readonly Payload[];
  /** Kinds or types that were taken out, for the log. */
  readonly ignored: readonly string[];
}

/** Why a message of this exchange is wrong as a whole. */
export type RuleError =
  | { readonly code: 'exchange' } // an exchange type that is not known here
  | { readonly code: 'critical'; readonly type: number } // answer: UNSUPPORTED_CRITICAL_PAYLOAD with the type
  | { readonly code: 'payloads'; readonly place: string }; // answer: INVALID_SYNTAX

export function ruleErrorText(error: RuleError): string {
  switch (error.code) {
    case 'exchange':
      return 'unknown exchange';
    case 'critical':
      return `unknown critical payload ${error.type}`;
    case 'payloads':
      return error.place;
  }
}

/**
 * `found` says where the payloads were. A response that carries an error notify, or asks for another
 * request, here (COOKIE, TICKET_NACK) or elsewhere (REDIRECT), need not have what the rule demands: errors come alone (RFC 7296 §2.21).
 */
export function siftPayloads(
  exchange: number,
  direction: 'request' | 'response',
  found: 'in the clear' | 'inside SK',
  payloads: readonly Payload[],
): Result<Sifted, RuleError> {
  const rule = exchangeRules[exchange]?.[direction];
  if (!rule) return err({ code: 'exchange' });
  // RFC 7296 §1.2: all after IKE_SA_INIT is encrypted and nothing of IKE_SA_INIT is.
  if (rule.encrypted !== (found === 'inside SK')) return err({ code: 'payloads', place: `payloads ${found}` });
  const kept: Payload[] = [];
  const ignored: string[] = [];
  for (const payload of payloads) {
    // RFC 7296 §2.5: the whole message is refused, before anything in it is looked at.
    if (payload.kind === 'unknown' && payload.critical) return err({ code: 'critical', type: payload.type });
    if (rule.payloads[payload.kind]) kept.push(payload);
    else ignored.push(payload.kind === 'unknown' ? `type ${payload.type}` : payload.kind);
  }
  const excused = direction === 'response' && kept.some(excuses);
  for (const [kind, count] of Object.entries(rule.payloads)) {
    const seen = kept.filter((payload) => payload.kind === kind).length;
    if (seen > count[1]) return err({ code: 'payloads', place: `${seen} ${kind} payloads` });
    if (seen < count[0] && !excused) return err({ code: 'payloads', place: `no ${kind} payload` });
  }
  return ok({ payloads: kept, ignored });
}

/** `INFORMATIONAL`, or the number of an exchange that is not known. */
export function exchangeName(exchange: number): string {
  return nameOf(EXCHANGE, exchange);
}

/** True for the notifies that RFC 7296 §3.10.1 calls errors. */
export function isErrorNotify(type: number): boolean {
  return type < FIRST_STATUS_NOTIFY;
}

const askForAnother: ReadonlySet<number> = new Set([NOTIFY.COOKIE, NOTIFY.REDIRECT, NOTIFY.TICKET_NACK]);

function excuses(payload: Payload): boolean {
  return payload.kind === 'N' && (isErrorNotify(payload.type) || askForAnother.has(payload.type));
}
