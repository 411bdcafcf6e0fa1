/**
 * IKE_AUTH as the initiator with a pre-shared key (RFC 7296 §1.2, §2.15, §2.19): who we are and who the gateway is, the
 * configuration, and the first CHILD SA. Order of judging an answer: error instead of AUTH → identity → AUTH → CHILD SA.
 */

import { parseAddress } from '../../bytes/address.ts';
import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import type { Random } from '../../crypto/types.ts';
import type { IkeAuthentication } from '../auth/contract.ts';
import { pskAuth, type SignedParts, verifyPskAuth } from '../auth/psk.ts';
import { makeIdentity, sameIdentity } from '../identity.ts';
import { deriveChildKeys, type IkeKeys, type Nonces } from '../keys/ikeKeys.ts';
import { checkChosen, childSuite, type IkeSuite, withoutKeyExchange, withSpi } from '../negotiation.ts';
import type { ChildSa, Configuration, Endpoint, Identity, IkeConfig, IkeFailure } from '../sa/contract.ts';
import { selectsAddress, widerThan } from '../selectors.ts';
import { AUTH_METHOD, NOTIFY, nameOf } from '../wire/constants.ts';
import type { Payload, PayloadOf, Proposal, TrafficSelector } from '../wire/message.ts';
import { allPayloads, findNotify, findPayload } from '../wire/payloads.ts';
import { selectorText } from '../wire/selectorText.ts';
import { spiBytes, spiNumber } from '../wire/spi.ts';
import { configurationRequest, readConfiguration } from './configuration.ts';
import { isErrorNotify } from './rules.ts';

export interface IkeAuthSetup {
  readonly config: IkeConfig;
  readonly suite: IkeSuite;
  readonly keys: IkeKeys;
  readonly nonces: Nonces;
  /** The two IKE_SA_INIT messages as they were on the wire. */
  readonly saInitRequest: Uint8Array;
  readonly saInitResponse: Uint8Array;
  /** Of the UDP encapsulation. */
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly natLocal: boolean;
}

export interface FirstChild {
  readonly child: ChildSa;
  readonly configuration: Configuration;
  readonly notes: readonly string[];
}

export type IkeAuthVerdict =
  /** The gateway refused; it has no IKE SA, so there is nobody to tell anything. */
  | { readonly kind: 'refused'; readonly failure: IkeFailure }
  /** We do not believe the gateway: tell it AUTHENTICATION_FAILED (RFC 7296 §2.21.2). */
  | { readonly kind: 'disbelieved'; readonly failure: IkeFailure }
  /** The IKE SA stands. Without a CHILD SA it is to be deleted. */
  | { readonly kind: 'authenticated'; readonly identity: Identity; readonly child: Result<FirstChild, IkeFailure> };

export class IkeAuthExchange {
  readonly #setup: IkeAuthSetup;
  readonly #spiIn: number;
  readonly #secrets: { readonly own: Uint8Array; readonly gateway: Uint8Array };
  readonly #espProposals: readonly Proposal[];

  constructor(setup: IkeAuthSetup, random: Random) {
    this.#setup = setup;
    this.#secrets = secretsOf(setup.config.auth);
    this.#spiIn = newSpi(random);
    this.#espProposals = withSpi(withoutKeyExchange(setup.config.espProposals), spiBytes(this.#spiIn));
  }

  build(): readonly Payload[] {
    const { config } = this.#setup;
    const { localIdentity, remoteIdentity } = config;
    const cp = configurationRequest(config.request);
    return [
      { kind: 'IDi', idType: localIdentity.type, data: localIdentity.data },
      // RFC 7296 §1.2: which of its identities the gateway is to use.
      ...(remoteIdentity ? [{ kind: 'IDr', idType: remoteIdentity.type, data: remoteIdentity.data } as const] : []),
      { kind: 'AUTH', method: AUTH_METHOD.SHARED_KEY, data: pskAuth(this.#secrets.own, this.#signedByUs()) },
      ...(cp ? [cp] : []),
      { kind: 'SA', proposals: this.#espProposals },
      { kind: 'TSi', selectors: config.localSelectors, unknownTypes: 0 },
      { kind: 'TSr', selectors: config.remoteSelectors, unknownTypes: 0 },
      // No INITIAL_CONTACT (RFC 7296 §2.4): it would end the same user's connection from another device.
    ];
  }

  judge(payloads: readonly Payload[]): IkeAuthVerdict {
    const idr = findPayload(payloads, 'IDr');
    const auth = findPayload(payloads, 'AUTH');
    const error = allPayloads(payloads, 'N').find(({ type }) => isErrorNotify(type));
    if (error && (!auth || !idr || isRefusal(error.type))) return { kind: 'refused', failure: refusal(error.type) };
    // The rule table demands both unless there is an error.
    if (!auth || !idr) return { kind: 'refused', failure: { code: 'protocol', evidence: inAuth('no IDr or no AUTH') } };
    const identity = makeIdentity(idr.idType, idr.data);
    const wanted = this.#setup.config.remoteIdentity;
    if (wanted && !sameIdentity(wanted, identity))
      return disbelieved('gateway-identity', `IDr is ${identity.text} and not ${wanted.text}`);
    // RFC 7296 §2.15: the methods of the two sides may differ, but a key is all we could check.
    if (auth.method !== AUTH_METHOD.SHARED_KEY)
      return disbelieved('gateway-authentication-failed', `AUTH method ${nameOf(AUTH_METHOD, auth.method)}`);
    if (!verifyPskAuth(this.#secrets.gateway, this.#signedByPeer(identity), auth.data))
      return disbelieved('gateway-authentication-failed', 'AUTH does not verify');
    // RFC 7296 §2.21.2: errors of the CHILD SA and the configuration do not touch the authentication.
    const child = error ? err(childFailure(error.type)) : this.#readChild(payloads);
    return { kind: 'authenticated', identity, child };
  }

  #signedByUs(): SignedParts {
    const { suite, keys, nonces, saInitRequest, config } = this.#setup;
    const identity = config.localIdentity;
    return { prf: suite.prf, message: saInitRequest, peerNonce: nonces.nr, skP: keys.pi, identity };
  }

  #signedByPeer(identity: Identity): SignedParts {
    const { suite, keys, nonces, saInitResponse } = this.#setup;
    return { prf: suite.prf, message: saInitResponse, peerNonce: nonces.ni, skP: keys.pr, identity };
  }

  #readChild(payloads: readonly Payload[]): Result<FirstChild, IkeFailure> {
    const { config } = this.#setup;
    const sa = findPayload(payloads, 'SA');
    const tsi = findTraffic(payloads, 'TSi');
    const tsr = findTraffic(payloads, 'TSr');
    if (!sa || !tsi || !tsr) return fail('protocol', 'no SA, TSi or TSr');
    // We did not offer it, and the other side may only take up what was offered (RFC 7296 §1.3.1).
    if (findNotify(payloads, NOTIFY.USE_TRANSPORT_MODE)) return fail('child-refused', 'USE_TRANSPORT_MODE');
    const chosen = checkChosen(this.#espProposals, sa.proposals);
    if (!chosen.ok) return fail('child-bad-answer-proposal', chosen.error);
    const spiOut = spiNumber(chosen.value.spi);
    // RFC 4303 §2.1: 0 is never on the wire, 1 to 255 are reserved.
    if (spiOut === undefined || spiOut < 256) return fail('child-bad-answer-proposal', `SPI ${spiOut}`);
    const read = readConfiguration(findPayload(payloads, 'CP'), config.request, config.remote.address);
    if (!read.ok) return fail('no-address', read.error);
    const { configuration, notes } = read.value;
    const wrong = wrongSelectors(config, tsi, tsr, configuration);
    if (wrong !== undefined) return fail('bad-answer-selectors', wrong);
    return this.#makeChild(chosen.value, spiOut, tsi.selectors, tsr.selectors, { configuration, notes });
  }

  #makeChild(
    proposal: Proposal,
    spiOut: number,
    localSelectors: readonly TrafficSelector[],
    remoteSelectors: readonly TrafficSelector[],
    rest: Omit<FirstChild, 'child'>,
  ): Result<FirstChild, IkeFailure> {
    const { suite: ike, keys, nonces, local, remote, natLocal } = this.#setup;
    const suite = childSuite(proposal);
    if (!suite) return fail('child-bad-answer-proposal', 'the chosen transforms do not go together');
    const { initiatorToResponder, responderToInitiator } = deriveChildKeys(ike.prf, keys.d, suite, nonces);
    const child: ChildSa = {
      spiIn: this.#spiIn,
      spiOut,
      ...suite,
      keysIn: responderToInitiator,
      keysOut: initiatorToResponder,
      localSelectors: ownAddresses(localSelectors, rest.configuration).map(copySelector),
      remoteSelectors: remoteSelectors.map(copySelector),
      local,
      remote,
      keepalive: natLocal,
    };
    return ok({ child, ...rest });
  }
}

function secretsOf({ local, gateway }: IkeAuthentication): { readonly own: Uint8Array; readonly gateway: Uint8Array } {
  const [own] = local;
  if (own?.method !== 'psk' || gateway.method !== 'psk') throw new RangeError('only pre-shared keys');
  return { own: own.secret, gateway: gateway.secret };
}

/** RFC 7296 §2.9: the answer narrows what was asked for. Undefined when it does. */
function wrongSelectors(
  config: IkeConfig,
  tsi: PayloadOf<'TSi' | 'TSr'>,
  tsr: PayloadOf<'TSi' | 'TSr'>,
  configuration: Configuration,
): string | undefined {
  for (const [name, answer, asked] of [
    ['TSi', tsi, config.localSelectors],
    ['TSr', tsr, config.remoteSelectors],
  ] as const) {
    if (answer.selectors.length === 0) return `${name} has no selector that is known here`;
    const wide = widerThan(asked, answer.selectors);
    if (wide) return `${name} ${selectorText(wide)} was not asked for`;
  }
  // RFC 7296 §2.19: TSi is about the address that was given. Without it nothing could ever be sent.
  for (const { address } of configuration.addresses) {
    const bytes = parseAddress(address);
    if (bytes && tsi.selectors.some((one) => selectsAddress(one, bytes))) return undefined;
  }
  return configuration.addresses.length === 0 ? undefined : 'TSi selects none of the addresses given';
}

/**
 * TSi cut down to the addresses we were given: a gateway may leave it at "everything", but what comes in for another
 * address is not ours to take (SA policy of RFC 4301 §5.2), and nothing else would ever go out.
 */
function ownAddresses(selectors: readonly TrafficSelector[], configuration: Configuration): readonly TrafficSelector[] {
  if (configuration.addresses.length === 0) return selectors;
  const own: TrafficSelector[] = [];
  for (const { address } of configuration.addresses) {
    const bytes = parseAddress(address);
    if (bytes === undefined) continue;
    for (const one of selectors) if (selectsAddress(one, bytes)) own.push({ ...one, start: bytes, end: bytes });
  }
  return own;
}

function findTraffic(payloads: readonly Payload[], kind: 'TSi' | 'TSr'): PayloadOf<'TSi' | 'TSr'> | undefined {
  for (const payload of payloads) if (payload.kind === kind) return payload;
  return undefined;
}

/** RFC 7296 §2.21.2: these say that there is no IKE SA, whatever else is in the message. */
function isRefusal(type: number): boolean {
  return (
    type === NOTIFY.AUTHENTICATION_FAILED ||
    type === NOTIFY.AUTHORIZATION_FAILED ||
    type === NOTIFY.INVALID_SYNTAX ||
    type === NOTIFY.UNSUPPORTED_CRITICAL_PAYLOAD
  );
}

/** An error without AUTH. Some gateways say so that the CHILD SA was the trouble, so that is what people are told. */
function refusal(type: number): IkeFailure {
  if (type === NOTIFY.AUTHENTICATION_FAILED || type === NOTIFY.AUTHORIZATION_FAILED)
    return { code: 'authentication-failed', evidence: inAuth(nameOf(NOTIFY, type)) };
  const known = childCodes.get(type);
  if (known) return { code: known, evidence: `${inAuth(nameOf(NOTIFY, type))}, without AUTH` };
  return { code: 'gateway-error', evidence: inAuth(nameOf(NOTIFY, type)) };
}

const childCodes: ReadonlyMap<number, IkeFailure['code']> = new Map([
  [NOTIFY.NO_PROPOSAL_CHOSEN, 'child-no-proposal-chosen'],
  [NOTIFY.TS_UNACCEPTABLE, 'ts-unacceptable'],
  [NOTIFY.INTERNAL_ADDRESS_FAILURE, 'no-address'],
  [NOTIFY.FAILED_CP_REQUIRED, 'child-refused'],
  [NOTIFY.SINGLE_PAIR_REQUIRED, 'child-refused'],
  [NOTIFY.NO_ADDITIONAL_SAS, 'child-refused'],
]);

/** RFC 7296 §3.10.1: an unknown error means that the request failed. */
function childFailure(type: number): IkeFailure {
  return { code: childCodes.get(type) ?? 'child-refused', evidence: inAuth(nameOf(NOTIFY, type)) };
}

function disbelieved(code: IkeFailure['code'], what: string): IkeAuthVerdict {
  return { kind: 'disbelieved', failure: { code, evidence: inAuth(what) } };
}

function fail(code: IkeFailure['code'], what: string): { readonly ok: false; readonly error: IkeFailure } {
  return err({ code, evidence: inAuth(what) });
}

function inAuth(what: string): string {
  return `${what} in IKE_AUTH response`;
}

/** Selectors outlive the datagram they are views of. */
function copySelector(selector: TrafficSelector): TrafficSelector {
  return { ...selector, start: selector.start.slice(), end: selector.end.slice() };
}

/** RFC 4303 §2.1: SPIs below 256 are reserved. */
function newSpi(random: Random): number {
  const spi = spiNumber(random(4)) ?? 0;
  return spi < 256 ? spi + 256 : spi;
}
