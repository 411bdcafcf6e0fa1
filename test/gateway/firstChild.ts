/** The office's side of the first CHILD SA (RFC 7296 §1.2, §2.9, §2.19): addresses, narrowed selectors, keys. */
import { deriveChildKeys } from '../../core/ike/keys/ikeKeys.ts';
import { type ChildSuite, childSuite, chooseProposal, withoutKeyExchange } from '../../core/ike/negotiation.ts';
import type { ChildSa } from '../../core/ike/sa/contract.ts';
import { narrow } from '../../core/ike/selectors.ts';
import { CP_TYPE, NOTIFY } from '../../core/ike/wire/constants.ts';
import type { Payload, PayloadOf, TrafficSelector } from '../../core/ike/wire/message.ts';
import { findPayload } from '../../core/ike/wire/payloads.ts';
import { spiBytes, spiNumber } from '../../core/ike/wire/spi.ts';
import type { HeadOfficeConfig } from './config.ts';
import { type Lease, lease } from './configReply.ts';
import { hostSelector } from './narrow.ts';
import type { SaServices } from './sa.ts';
import type { HalfOpen } from './saInit.ts';

/** A CHILD SA as agreed, before the addresses of the UDP encapsulation are known. */
export type NegotiatedChild = Omit<ChildSa, 'local' | 'remote' | 'keepalive'> & { readonly lease: Lease };

/** What the first request says about it. */
export interface ChildRequest {
  /** Undefined: none is wanted yet (RFC 6023). */
  readonly child: { readonly sa: PayloadOf<'SA'>; readonly tsI: PayloadOf<'TSi'>; readonly tsR: PayloadOf<'TSr'> } | undefined;
  readonly cp: PayloadOf<'CP'> | undefined;
}

export type ChildVerdict =
  | { readonly ok: true; readonly child: NegotiatedChild; readonly payloads: readonly Payload[] }
  /** The addresses alone. */
  | { readonly ok: true; readonly child: undefined; readonly lease: Lease; readonly payloads: readonly Payload[] }
  | { readonly ok: false; readonly why: string; readonly notify: number };

/** Undefined: the message is not as it should be. */
export function childRequestOf(payloads: readonly Payload[], childless: HeadOfficeConfig['childless']): ChildRequest | undefined {
  const sa = findPayload(payloads, 'SA');
  const tsI = findPayload(payloads, 'TSi');
  const tsR = findPayload(payloads, 'TSr');
  const cp = findPayload(payloads, 'CP');
  if (sa && tsI && tsR) return childless === 'force' ? undefined : { child: { sa, tsI, tsR }, cp };
  return childless && !sa && !tsI && !tsR ? { child: undefined, cp } : undefined;
}

/** `owner` gets the addresses; `spiIn` is fresh. */
export function makeChild(
  half: HalfOpen,
  request: ChildRequest,
  owner: string,
  spiIn: number,
  services: SaServices,
): ChildVerdict {
  const { config, pools } = services;
  const refuse = (why: string, type: number): ChildVerdict => ({ ok: false, why, notify: type });
  if (request.child === undefined) {
    const given = request.cp && lease(request.cp, owner, pools, config);
    if (!given) return refuse('no address to give', NOTIFY.INTERNAL_ADDRESS_FAILURE);
    return { ok: true, child: undefined, lease: given, payloads: [given.reply] };
  }
  const { sa, tsI, tsR } = request.child;
  const chosen = chooseProposal(sa.proposals, withoutKeyExchange(config.espProposals));
  const suite = chosen === undefined ? undefined : childSuite(chosen);
  const spiOut = chosen === undefined ? undefined : spiNumber(chosen.spi);
  if (chosen === undefined || suite === undefined || spiOut === undefined) {
    return refuse('no ESP proposal in common', NOTIFY.NO_PROPOSAL_CHOSEN);
  }
  // RFC 7296 §2.19: without a request for an address the client cannot be one of ours.
  if (request.cp === undefined || request.cp.cfgType !== CP_TYPE.REQUEST) {
    return refuse('no CFG_REQUEST', NOTIFY.FAILED_CP_REQUIRED);
  }
  const given = lease(request.cp, owner, pools, config);
  if (given === undefined) return refuse('no address to give', NOTIFY.INTERNAL_ADDRESS_FAILURE);
  const remoteSelectors = narrow(tsI.selectors, given.addresses.map(hostSelector));
  const localSelectors = narrow(tsR.selectors, config.selectors);
  if (remoteSelectors.length === 0 || localSelectors.length === 0) {
    given.release();
    return refuse('no traffic selectors in common', NOTIFY.TS_UNACCEPTABLE);
  }
  const payloads: readonly Payload[] = [
    given.reply,
    { kind: 'SA', proposals: [{ ...chosen, spi: spiBytes(spiIn) }] },
    { kind: 'TSi', selectors: remoteSelectors, unknownTypes: 0 },
    { kind: 'TSr', selectors: localSelectors, unknownTypes: 0 },
  ];
  return { ok: true, payloads, child: childOf(half, suite, { spiIn, spiOut, remoteSelectors, localSelectors, lease: given }) };
}

interface ChildParts {
  readonly spiIn: number;
  readonly spiOut: number;
  readonly remoteSelectors: readonly TrafficSelector[];
  readonly localSelectors: readonly TrafficSelector[];
  readonly lease: Lease;
}

function childOf(half: HalfOpen, suite: ChildSuite, parts: ChildParts): NegotiatedChild {
  const keys = deriveChildKeys(half.suite.prf, half.keys.d, suite, { ni: half.ni, nr: half.nr });
  return { ...suite, ...parts, ke: undefined, keysIn: keys.initiatorToResponder, keysOut: keys.responderToInitiator };
}
