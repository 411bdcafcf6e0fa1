/**
 * The responder's side of IKE_AUTH with pre-shared keys (RFC 7296 §1.2): who is it, prove who we are, addresses, first CHILD SA.
 * Pure: payloads in, payloads and facts out. A CHILD SA that cannot be made does not end the IKE SA (§1.2, §2.21.2).
 */
import { pskAuth, type SignedParts, verifyPskAuth } from '../../core/ike/auth/psk.ts';
import { sameIdentity } from '../../core/ike/identity.ts';
import { deriveChildKeys } from '../../core/ike/keys/ikeKeys.ts';
import { type ChildSuite, childSuite, chooseProposal } from '../../core/ike/negotiation.ts';
import type { ChildSa, Identity } from '../../core/ike/sa/contract.ts';
import { AUTH_METHOD, CP_TYPE, NOTIFY } from '../../core/ike/wire/constants.ts';
import type { Payload, PayloadOf, TrafficSelector } from '../../core/ike/wire/message.ts';
import { findNotify, findPayload, notify } from '../../core/ike/wire/payloads.ts';
import { spiBytes, spiNumber } from '../../core/ike/wire/spi.ts';
import type { HeadOfficeUser } from './config.ts';
import { type Lease, lease } from './configReply.ts';
import { hostSelector, narrow } from './narrow.ts';
import type { SaServices } from './sa.ts';
import type { HalfOpen } from './saInit.ts';

/** The peer has proven who it is; `childRefusal` says why there is no CHILD SA when there is none. */
export interface Authenticated {
  readonly kind: 'authenticated';
  readonly payloads: readonly Payload[];
  readonly identity: Identity;
  readonly ownIdentity: Identity;
  readonly initialContact: boolean;
  readonly childRefusal?: string;
  readonly child?: NegotiatedChild;
}

export type AuthVerdict =
  | Authenticated
  /** The IKE SA ends with this answer. */
  | { readonly kind: 'refused'; readonly why: string; readonly payloads: readonly Payload[] };

/** A CHILD SA as agreed, before the addresses of the UDP encapsulation are known. */
export type NegotiatedChild = Omit<ChildSa, 'local' | 'remote' | 'keepalive'> & { readonly lease: Lease };

interface AuthRequest {
  readonly idI: PayloadOf<'IDi'>;
  readonly auth: PayloadOf<'AUTH'>;
  readonly sa: PayloadOf<'SA'>;
  readonly tsI: PayloadOf<'TSi'>;
  readonly tsR: PayloadOf<'TSr'>;
  readonly cp: PayloadOf<'CP'> | undefined;
}

/** `request` are the payloads of a genuine request, sifted by the rule table; `spiIn` is fresh. */
export function answerIkeAuth(half: HalfOpen, request: readonly Payload[], spiIn: number, services: SaServices): AuthVerdict {
  const parts = partsOf(request);
  if (parts === undefined) return { kind: 'refused', why: 'payloads are missing', payloads: [notify(NOTIFY.INVALID_SYNTAX)] };
  const user = authenticate(half, parts, services);
  // RFC 7296 §2.21.2: one answer for an unknown name and for a wrong key.
  if (user === undefined) {
    return { kind: 'refused', why: 'unknown identity or wrong key', payloads: [notify(NOTIFY.AUTHENTICATION_FAILED)] };
  }
  let ownIdentity = services.config.identity;
  for (const { identity } of services.hooks) if (identity) ownIdentity = identity(ownIdentity);
  const proof: readonly Payload[] = [
    { kind: 'IDr', idType: ownIdentity.type, data: ownIdentity.data },
    { kind: 'AUTH', method: AUTH_METHOD.SHARED_KEY, data: pskAuth(user.secret, ownParts(half, ownIdentity)) },
  ];
  const made = makeChild(half, parts, user, spiIn, services);
  let payloads: readonly Payload[] = [...proof, ...(made.ok ? made.payloads : [notify(made.notify)])];
  const context = { random: services.random, config: services.config, request };
  for (const { authAnswer } of services.hooks) if (authAnswer) payloads = authAnswer(payloads, context);
  const common = {
    kind: 'authenticated',
    payloads,
    identity: user.identity,
    ownIdentity,
    initialContact: findNotify(request, NOTIFY.INITIAL_CONTACT) !== undefined,
  } as const;
  if (!made.ok) return { ...common, childRefusal: made.why };
  if (findPayload(payloads, 'SA') !== undefined) return { ...common, child: made.child };
  made.child.lease.release();
  return { ...common, childRefusal: 'told to misbehave' };
}

function partsOf(payloads: readonly Payload[]): AuthRequest | undefined {
  const idI = findPayload(payloads, 'IDi');
  const auth = findPayload(payloads, 'AUTH');
  const sa = findPayload(payloads, 'SA');
  const tsI = findPayload(payloads, 'TSi');
  const tsR = findPayload(payloads, 'TSr');
  if (!idI || !auth || !sa || !tsI || !tsR) return undefined;
  return { idI, auth, sa, tsI, tsR, cp: findPayload(payloads, 'CP') };
}

/** RFC 7296 §2.15. */
function authenticate(half: HalfOpen, { idI, auth }: AuthRequest, { config }: SaServices): HeadOfficeUser | undefined {
  const claimed = { type: idI.idType, data: idI.data };
  const user = config.users.find((one) => sameIdentity(one.identity, claimed));
  if (user === undefined || auth.method !== AUTH_METHOD.SHARED_KEY) return undefined;
  const signed: SignedParts = {
    prf: half.suite.prf,
    message: half.request,
    peerNonce: half.nr,
    skP: half.keys.pi,
    identity: claimed,
  };
  return verifyPskAuth(user.secret, signed, auth.data) ? user : undefined;
}

function ownParts(half: HalfOpen, identity: Identity): SignedParts {
  return { prf: half.suite.prf, message: half.response, peerNonce: half.ni, skP: half.keys.pr, identity };
}

type ChildVerdict =
  | { readonly ok: true; readonly child: NegotiatedChild; readonly payloads: readonly Payload[] }
  | { readonly ok: false; readonly why: string; readonly notify: number };

function makeChild(half: HalfOpen, parts: AuthRequest, user: HeadOfficeUser, spiIn: number, services: SaServices): ChildVerdict {
  const { config, pools } = services;
  const refuse = (why: string, type: number): ChildVerdict => ({ ok: false, why, notify: type });
  const chosen = chooseProposal(parts.sa.proposals, config.espProposals);
  const suite = chosen === undefined ? undefined : childSuite(chosen);
  const spiOut = chosen === undefined ? undefined : spiNumber(chosen.spi);
  if (chosen === undefined || suite === undefined || spiOut === undefined) {
    return refuse('no ESP proposal in common', NOTIFY.NO_PROPOSAL_CHOSEN);
  }
  // RFC 7296 §2.19: without a request for an address the client cannot be one of ours.
  if (parts.cp === undefined || parts.cp.cfgType !== CP_TYPE.REQUEST) {
    return refuse('no CFG_REQUEST', NOTIFY.FAILED_CP_REQUIRED);
  }
  const given = lease(parts.cp, user.identity.text, pools, config);
  if (given === undefined) return refuse('no address to give', NOTIFY.INTERNAL_ADDRESS_FAILURE);
  const remoteSelectors = narrow(parts.tsI.selectors, given.addresses.map(hostSelector));
  const localSelectors = narrow(parts.tsR.selectors, config.selectors);
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
