/**
 * The first CHILD SA and the configuration, which IKE_AUTH makes beside the authentication (RFC 7296 §1.2, §2.9, §2.19): what the
 * first request asks for, and what the last response may say to it.
 */
import { parseAddress } from '../../bytes/address.ts';
import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import type { Random } from '../../crypto/types.ts';
import { deriveChildKeys, type IkeKeys, type Nonces } from '../keys/ikeKeys.ts';
import { checkChosen, childSuite, type IkeSuite, withoutKeyExchange, withSpi } from '../negotiation.ts';
import type { ChildSa, Configuration, Endpoint, IkeConfig, IkeFailure } from '../sa/contract.ts';
import { copySelector, mostSelectors, selectorsText, selectsAddress, widerThan, withinAsked } from '../selectors.ts';
import { NOTIFY } from '../wire/constants.ts';
import type { Payload, PayloadOf, Proposal, TrafficSelector } from '../wire/message.ts';
import { findNotify, findPayload } from '../wire/payloads.ts';
import { selectorText } from '../wire/selectorText.ts';
import { spiBytes, spiNumber } from '../wire/spi.ts';
import { configurationRequest, type ReadConfiguration, readConfiguration } from './configuration.ts';
import { noFamilyInCommon, readFamilies } from './families.ts';
import { childFailure, inAuth } from './ikeAuthErrors.ts';

export interface FirstChildSetup {
  readonly config: IkeConfig;
  readonly suite: IkeSuite;
  readonly keys: IkeKeys;
  readonly nonces: Nonces;
  /** Of the UDP encapsulation. */
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly natLocal: boolean;
  /** RFC 6023: IKE_AUTH makes no CHILD SA. */
  readonly childless: boolean;
}

export interface FirstChild {
  /** Undefined: it is to be asked for by CREATE_CHILD_SA, with these. */
  readonly child: ChildSa | undefined;
  readonly wanted: { readonly local: readonly TrafficSelector[]; readonly remote: readonly TrafficSelector[] };
  readonly configuration: Configuration;
  readonly notes: readonly string[];
}

export class FirstChildRequest {
  readonly #setup: FirstChildSetup;
  readonly #spiIn: number;
  readonly #espProposals: readonly Proposal[];

  constructor(setup: FirstChildSetup, random: Random) {
    this.#setup = setup;
    this.#spiIn = newChildSpi(random);
    this.#espProposals = withSpi(withoutKeyExchange(setup.config.espProposals), spiBytes(this.#spiIn));
  }

  /** CP, SA, TSi, TSr of the first request. */
  payloads(): readonly Payload[] {
    const { config } = this.#setup;
    const cp = configurationRequest(config.request);
    if (this.#setup.childless) return cp ? [cp] : [];
    return [
      ...(cp ? [cp] : []),
      { kind: 'SA', proposals: this.#espProposals },
      { kind: 'TSi', selectors: config.localSelectors, unknownTypes: 0 },
      { kind: 'TSr', selectors: config.remoteSelectors, unknownTypes: 0 },
    ];
  }

  /** What the last response says of it; `error` is its error notify. */
  outcome(payloads: readonly Payload[], error: number | undefined, skD?: Uint8Array): Result<FirstChild, IkeFailure> {
    if (error === undefined) return this.read(payloads, skD);
    // RFC 7296 §2.25: it is busy with something else, and can do it in a moment.
    const postponed = error === NOTIFY.TEMPORARY_FAILURE ? this.#postponed(payloads) : undefined;
    if (postponed?.ok) return postponed;
    const failure = childFailure(error);
    // RFC 8983 §5: of a gateway that says which families it has, a missing address has a reason.
    const why = failure.code === 'no-address' && noFamilyInCommon(readFamilies(payloads), this.#setup.config.request);
    return err(why ? { ...failure, evidence: `${failure.evidence}: ${why}` } : failure);
  }

  /** `skD` where it is not that of the keys any more. */
  read(payloads: readonly Payload[], skD: Uint8Array = this.#setup.keys.d): Result<FirstChild, IkeFailure> {
    const { config, childless } = this.#setup;
    const sa = findPayload(payloads, 'SA');
    // RFC 6023 §3: only who was asked for a CHILD SA may make one.
    if (childless) return sa ? fail('protocol', 'a CHILD SA that was not asked for') : this.#postponed(payloads);
    const tsi = findTraffic(payloads, 'TSi');
    const tsr = findTraffic(payloads, 'TSr');
    const none = noFamilyInCommon(readFamilies(payloads), config.request);
    // RFC 8983 §5: then no address is given, and without one there may be no CHILD SA either.
    if (none !== undefined && (!findPayload(payloads, 'CP') || !sa)) return fail('no-address', none);
    if (!sa || !tsi || !tsr) return fail('protocol', 'no SA, TSi or TSr');
    // We did not offer it, and the other side may only take up what was offered (RFC 7296 §1.3.1).
    if (findNotify(payloads, NOTIFY.USE_TRANSPORT_MODE)) return fail('child-refused', 'USE_TRANSPORT_MODE');
    const chosen = checkChosen(this.#espProposals, sa.proposals);
    if (!chosen.ok) return fail('child-bad-answer-proposal', chosen.error);
    const spiOut = spiNumber(chosen.value.spi);
    // RFC 4303 §2.1: 0 is never on the wire, 1 to 255 are reserved.
    if (spiOut === undefined || spiOut < 256) return fail('child-bad-answer-proposal', `SPI ${spiOut}`);
    const read = this.#configuration(payloads);
    if (!read.ok) return read;
    const { configuration, notes } = read.value;
    const ours = readSelectors('TSi', tsi, config.localSelectors);
    if (!ours.ok) return ours;
    const theirs = readSelectors('TSr', tsr, config.remoteSelectors);
    if (!theirs.ok) return theirs;
    if (!isForOurAddress(ours.value.selectors, configuration))
      return fail('bad-answer-selectors', 'TSi selects none of the addresses given');
    const selectors = {
      localSelectors: ownAddresses(ours.value.selectors, configuration).map(copySelector),
      remoteSelectors: theirs.value.selectors.map(copySelector),
      ...(theirs.value.selectors !== tsr.selectors && { peerSelectors: tsr.selectors.map(copySelector) }),
    };
    return this.#makeChild(chosen.value, spiOut, skD, selectors, {
      configuration,
      notes: [...notes, ...ours.value.notes, ...theirs.value.notes],
    });
  }

  /** The IKE SA and the configuration stand, the CHILD SA does not yet. */
  #postponed(payloads: readonly Payload[]): Result<FirstChild, IkeFailure> {
    const read = this.#configuration(payloads);
    if (!read.ok) return read;
    return ok({ child: undefined, wanted: this.#wanted(read.value.configuration), ...read.value });
  }

  /** With the families that the gateway says it has. */
  #configuration(payloads: readonly Payload[]): Result<ReadConfiguration, IkeFailure> {
    const { request, remote } = this.#setup.config;
    const families = readFamilies(payloads);
    const read = readConfiguration(findPayload(payloads, 'CP'), request, remote.address);
    if (!read.ok) return fail('no-address', noFamilyInCommon(families, request) ?? read.error);
    const { configuration, notes } = read.value;
    return ok({ configuration: families ? { ...configuration, families } : configuration, notes });
  }

  #wanted(configuration: Configuration): FirstChild['wanted'] {
    const { localSelectors, remoteSelectors } = this.#setup.config;
    return { local: ownAddresses(localSelectors, configuration), remote: remoteSelectors };
  }

  #makeChild(
    proposal: Proposal,
    spiOut: number,
    skD: Uint8Array,
    selectors: Pick<ChildSa, 'localSelectors' | 'remoteSelectors' | 'peerSelectors'>,
    rest: Omit<FirstChild, 'child' | 'wanted'>,
  ): Result<FirstChild, IkeFailure> {
    const { suite: ike, nonces, local, remote, natLocal } = this.#setup;
    const suite = childSuite(proposal);
    if (!suite) return fail('child-bad-answer-proposal', 'the chosen transforms do not go together');
    const { initiatorToResponder, responderToInitiator } = deriveChildKeys(ike.prf, skD, suite, nonces);
    const child: ChildSa = {
      spiIn: this.#spiIn,
      spiOut,
      ...suite,
      keysIn: responderToInitiator,
      keysOut: initiatorToResponder,
      ...selectors,
      local,
      remote,
      // RFC 9329 §6.6: a NAT's mapping of a TCP connection is kept by the connection.
      keepalive: natLocal && remote.transport !== 'tcp',
    };
    return ok({ child, wanted: this.#wanted(rest.configuration), ...rest });
  }
}

/** RFC 7296 §2.9: the answer narrows what was asked for. Where it does not, no packet more is taken than was (SECURITY.md 13: refuse or bound). */
function readSelectors(
  name: 'TSi' | 'TSr',
  { selectors: answer }: PayloadOf<'TSi' | 'TSr'>,
  asked: readonly TrafficSelector[],
): Result<{ readonly selectors: readonly TrafficSelector[]; readonly notes: readonly string[] }, IkeFailure> {
  if (answer.length === 0) return fail('bad-answer-selectors', `${name} has no selector that is known here`);
  const wide = widerThan(asked, answer);
  if (!wide) return ok({ selectors: answer, notes: [] });
  const selectors = withinAsked(asked, answer);
  if (selectors.length === 0)
    return fail('ts-unacceptable', `${name} ${selectorsText(answer.slice(0, SHOWN))}, and nothing of what was asked for,`);
  if (selectors.length > mostSelectors) return fail('bad-answer-selectors', `${name} with ${selectors.length} selectors`);
  return ok({ selectors, notes: [`${name} ${selectorText(wide)} is more than was asked for`] });
}

/** In an evidence. */
const SHOWN = 4;

/** RFC 7296 §2.19: TSi is about the address that was given. Without it nothing could ever be sent. */
function isForOurAddress(selectors: readonly TrafficSelector[], { addresses }: Configuration): boolean {
  const given = addresses.map(({ address }) => parseAddress(address)).filter((bytes) => bytes !== undefined);
  return addresses.length === 0 || given.some((bytes) => selectors.some((one) => selectsAddress(one, bytes)));
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

function fail(code: IkeFailure['code'], what: string): { readonly ok: false; readonly error: IkeFailure } {
  return err({ code, evidence: inAuth(what) });
}

/** RFC 4303 §2.1: SPIs below 256 are reserved. */
export function newChildSpi(random: Random): number {
  const spi = spiNumber(random(4)) ?? 0;
  return spi < 256 ? spi + 256 : spi;
}
