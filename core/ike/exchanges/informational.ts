/**
 * INFORMATIONAL requests (RFC 7296 §1.4): what those of the peer ask for and the answer, as a pure function; and ours. Both roles use it.
 * The IKE SA does what the verdict says.
 */
import { fromUtf8 } from '../../bytes/bytes.ts';
import type { IkeFailure } from '../sa/contract.ts';
import type { OutgoingExchange } from '../sa/setup.ts';
import { CP_ATTRIBUTE, CP_TYPE, EXCHANGE, NOTIFY, nameOf, PROTOCOL } from '../wire/constants.ts';
import type { Payload, PayloadOf } from '../wire/message.ts';
import { deleteChildSas } from '../wire/payloads.ts';
import { spiBytes, spiNumber, spiText } from '../wire/spi.ts';
import { isErrorNotify } from './rules.ts';

/** What is remembered of a CHILD SA. SPIs are host-order; inbound is ours. */
export interface ChildRecord {
  readonly spiIn: number;
  readonly spiOut: number;
  /** Our own DELETE for it is under way. */
  readonly deleting: boolean;
}

export interface InformationalVerdict {
  readonly answer: readonly Payload[];
  /** Inbound SPIs of the CHILD SAs that end now. */
  readonly removed: readonly number[];
  /** The IKE SA ends, and why. */
  readonly end?: IkeFailure;
  /** Notifies that end nothing; what they mean depends on what was agreed. */
  readonly notices: readonly PayloadOf<'N'>[];
  /** Lines for the log. */
  readonly notes: readonly string[];
}

/** `version` is the text of our APPLICATION_VERSION. */
export function judgeInformational(
  payloads: readonly Payload[],
  children: readonly ChildRecord[],
  version: string,
): InformationalVerdict {
  const answer: Payload[] = [];
  const removed: number[] = [];
  const notes: string[] = [];
  const notices: PayloadOf<'N'>[] = [];
  let end: IkeFailure | undefined;
  const paired: Uint8Array[] = [];
  for (const payload of payloads) {
    if (payload.kind === 'N') {
      const fatal = fatalNotify(payload);
      if (fatal) end = fatal;
      else notices.push(payload);
    } else if (payload.kind === 'CP' && payload.cfgType === CP_TYPE.REQUEST) {
      answer.push(versionReply(payload, version));
    } else if (payload.kind === 'D' && payload.protocol === PROTOCOL.IKE) {
      end = { code: 'closed-by-gateway', evidence: 'DELETE of the IKE SA' };
    } else if (payload.kind === 'D') {
      for (const child of deletedChildren(payload, children, notes)) {
        if (removed.includes(child.spiIn)) continue;
        // RFC 7296 §1.4.1: when both delete at once, the answers must not name the SA again, and it goes with our answer.
        if (child.deleting) continue;
        removed.push(child.spiIn);
        paired.push(spiBytes(child.spiIn));
      }
    }
  }
  // RFC 7296 §1.4.1: the answer to a DELETE of the IKE SA is empty.
  if (end?.code === 'closed-by-gateway') return { answer: [], removed, end, notices, notes };
  if (paired.length > 0) answer.push(deleteChildSas(PROTOCOL.ESP, paired));
  return end ? { answer, removed, end, notices, notes } : { answer, removed, notices, notes };
}

/** The failure that a notify means which ends the IKE SA without a DELETE (RFC 7296 §2.21.2, §2.21.3). */
function fatalNotify(payload: PayloadOf<'N'>): IkeFailure | undefined {
  const evidence = `${nameOf(NOTIFY, payload.type)} in INFORMATIONAL`;
  switch (payload.type) {
    case NOTIFY.AUTHENTICATION_FAILED:
      return { code: 'authentication-failed', evidence };
    case NOTIFY.INVALID_SYNTAX:
    case NOTIFY.UNSUPPORTED_CRITICAL_PAYLOAD:
      return { code: 'gateway-error', evidence };
    default:
      return undefined;
  }
}

/** The same for a response to a request of ours. UNSUPPORTED_CRITICAL_PAYLOAD ends nothing there; any other error does no harm. */
export function fatalInResponse(payloads: readonly Payload[]): IkeFailure | undefined {
  for (const payload of payloads) {
    if (payload.kind !== 'N' || !isErrorNotify(payload.type) || payload.type === NOTIFY.UNSUPPORTED_CRITICAL_PAYLOAD) continue;
    const fatal = fatalNotify(payload);
    if (fatal) return fatal;
  }
  return undefined;
}

function deletedChildren(payload: PayloadOf<'D'>, children: readonly ChildRecord[], notes: string[]): readonly ChildRecord[] {
  const found: ChildRecord[] = [];
  for (const spi of payload.spis) {
    // The sender names the SPIs of the packets it receives, which are the ones we send.
    const child = payload.protocol === PROTOCOL.ESP ? children.find(({ spiOut }) => spiOut === spiNumber(spi)) : undefined;
    if (child) found.push(child);
    else notes.push(`peer deletes ${nameOf(PROTOCOL, payload.protocol)} SA ${spiText(spi)}, which is unknown`);
  }
  return found;
}

/** RFC 7296 §2.20: the version is told when asked for; nothing else is given in this direction. */
function versionReply(request: PayloadOf<'CP'>, version: string): Payload {
  const asked = request.attributes.some((one) => one.type === CP_ATTRIBUTE.APPLICATION_VERSION);
  const attributes = asked ? [{ type: CP_ATTRIBUTE.APPLICATION_VERSION, value: fromUtf8(version) }] : [];
  return { kind: 'CP', cfgType: CP_TYPE.REPLY, attributes };
}

/** A request of ours; whatever ends the IKE SA in its answer does. */
export function informational(payloads: readonly Payload[], done: OutgoingExchange['process']): OutgoingExchange {
  return {
    exchange: EXCHANGE.INFORMATIONAL,
    build: () => payloads,
    process(answer, now, sa) {
      done(answer, now, sa);
      const fatal = fatalInResponse(answer);
      if (fatal) sa.close(fatal);
    },
  };
}
