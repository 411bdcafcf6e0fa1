/** The responder's side of IKE_SA_INIT (RFC 7296 §1.2): choose a proposal, exchange keys, say truthfully what NAT detection finds. */

import { isIPv6 } from 'node:net';
import { sha1 } from '../../core/crypto/hash.ts';
import { answerKeyExchange } from '../../core/crypto/ke.ts';
import type { AdditionalKe } from '../../core/crypto/types.ts';
import { certificateRequests } from '../../core/ike/auth/certificates.ts';
import { readHashes } from '../../core/ike/auth/signature.ts';
import { type TakenMethod, takenMethodsNotify } from '../../core/ike/auth/takenMethods.ts';
import type { Puzzle } from '../../core/ike/exchanges/puzzle.ts';
import { siftPayloads } from '../../core/ike/exchanges/rules.ts';
import { type FragmentSize, firstSize } from '../../core/ike/fragment/size.ts';
import { deriveIkeKeys, type IkeKeys, skeyseed, wipe } from '../../core/ike/keys/ikeKeys.ts';
import { detectNat, natDetectionHash } from '../../core/ike/nat.ts';
import { chooseProposal, type IkeSuite, ikeSuite, offersAdditional } from '../../core/ike/negotiation.ts';
import type { Channel, Endpoint } from '../../core/ike/sa/contract.ts';
import { AUTH_METHOD, EXCHANGE, HASH_ALGORITHM, NOTIFY, PROTOCOL } from '../../core/ike/wire/constants.ts';
import { encodeMessage } from '../../core/ike/wire/encode.ts';
import type { Message, Payload } from '../../core/ike/wire/message.ts';
import { findNotify, findPayload, notify } from '../../core/ike/wire/payloads.ts';
import { parseCertificate } from '../../core/pki/certificate.ts';
import type { HeadOfficeConfig } from './config.ts';
import { hasPpk } from './ppk.ts';
import { authPuzzle, puzzleNotify } from './puzzle.ts';
import { isRedirectable } from './redirect.ts';
import type { SaServices } from './sa.ts';
import type { ResumedState } from './standing.ts';

/** RFC 7296 §2.10: at least half the key size of the PRF, 16 octets at least; 32 suits every PRF here. */
export const NONCE_OCTETS = 32;

/** All that IKE_SA_INIT leaves behind for IKE_AUTH. */
export interface HalfOpen {
  readonly spiI: Uint8Array;
  readonly spiR: Uint8Array;
  readonly suite: IkeSuite;
  /** Of IKE_SA_INIT, and after each IKE_INTERMEDIATE the new ones. */
  readonly keys: IkeKeys;
  /** Once IKE_AUTH begins (RFC 9242 §3.3.2). */
  readonly intAuth?: Uint8Array | undefined;
  readonly ni: Uint8Array;
  readonly nr: Uint8Array;
  /** RealMessage1 and RealMessage2 of RFC 7296 §2.15. */
  readonly request: Uint8Array;
  readonly response: Uint8Array;
  /** Is our, is the initiator's address translated. */
  readonly natLocal: boolean;
  readonly natRemote: boolean;
  /** Both sides sent USE_PPK. */
  readonly usePpk?: boolean;
  /** To be solved before IKE_AUTH (RFC 8019 §7.2). */
  readonly puzzle?: Puzzle | undefined;
  /** SIGNATURE_HASH_ALGORITHMS of the client, and whether we sent ours. */
  readonly hashes: ReadonlySet<number> | undefined;
  readonly announced: boolean;
  /** It knows REDIRECT. */
  readonly redirectable: boolean;
  /** By a ticket (RFC 5723). */
  readonly resumed?: ResumedState;
  readonly fragmentSize: FragmentSize | undefined;
  readonly channel: Channel;
  readonly local: Endpoint;
  readonly remote: Endpoint;
}

export type SaInitVerdict =
  | { readonly kind: 'accepted'; readonly half: HalfOpen }
  | { readonly kind: 'refused'; readonly why: string; readonly payloads: readonly Payload[] };

export interface Arrival {
  readonly bytes: Uint8Array;
  readonly channel: Channel;
  readonly from: Endpoint;
}

/** Judges a request that already brought its cookie, if one was wanted. `spiR` is fresh. */
export function acceptSaInit(request: Message, arrival: Arrival, spiR: Uint8Array, services: SaServices): SaInitVerdict {
  const { config, random } = services;
  const refuse = (why: string, type: number, data?: Uint8Array): SaInitVerdict => ({
    kind: 'refused',
    why,
    payloads: [notify(type, data)],
  });
  const sifted = siftPayloads(EXCHANGE.IKE_SA_INIT, 'request', 'in the clear', request.payloads);
  if (!sifted.ok && sifted.error.code === 'critical') {
    return refuse('critical payload', NOTIFY.UNSUPPORTED_CRITICAL_PAYLOAD, Uint8Array.of(sifted.error.type));
  }
  const payloads = sifted.ok ? sifted.value.payloads : [];
  const sa = findPayload(payloads, 'SA');
  const ke = findPayload(payloads, 'KE');
  const nonce = findPayload(payloads, 'NONCE');
  if (!sa || !ke || !nonce) return refuse('payloads are missing or repeated', NOTIFY.INVALID_SYNTAX);
  const intermediate = findNotify(payloads, NOTIFY.INTERMEDIATE_EXCHANGE_SUPPORTED) !== undefined;
  // RFC 9370 §2.2.1: additional key exchanges only for who knows the exchange that they are done in.
  const acceptable = intermediate ? config.ikeProposals : config.ikeProposals.filter((one) => !offersAdditional([one]));
  const chosen = chooseProposal(sa.proposals, acceptable);
  const suite = chosen === undefined ? undefined : ikeSuite(chosen);
  if (chosen === undefined || suite === undefined) return refuse('no proposal in common', NOTIFY.NO_PROPOSAL_CHOSEN);
  // RFC 7296 §1.3: the group of the KE payload is not the chosen one: name it, keep no state.
  if (ke.method !== suite.ke.id) {
    const wanted = Uint8Array.of(suite.ke.id >>> 8, suite.ke.id);
    return refuse(`KE is of group ${ke.method}, not ${suite.ke.id}`, NOTIFY.INVALID_KE_PAYLOAD, wanted);
  }
  const answered = answerKeyExchange(suite.ke, ke.data, random);
  // RFC 6989 §2: a public value that fails its tests ends the exchange.
  if ('fault' in answered) return refuse(`public value: ${answered.fault}`, NOTIFY.INVALID_SYNTAX);
  const { publicValue, shared } = answered;

  const { spiI } = request.header;
  const nr = random(NONCE_OCTETS);
  const ni = nonce.data.slice();
  const local = localEndpoint(arrival, services, request);
  const usePpk = hasPpk(config) && findNotify(payloads, NOTIFY.USE_PPK) !== undefined;
  const hashes = findNotify(payloads, NOTIFY.SIGNATURE_HASH_ALGORITHMS);
  const nat = detectNat(request.header, payloads, local, arrival.from);
  const theirs = findNotify(payloads, NOTIFY.IKEV2_FRAGMENTATION_SUPPORTED) !== undefined;
  const fragmentation = theirs && config.fragmentation !== 'no';
  const puzzle = authPuzzle(payloads, config);
  const honest: readonly Payload[] = [
    { kind: 'SA', proposals: [chosen] },
    { kind: 'KE', method: suite.ke.id, data: publicValue },
    { kind: 'NONCE', data: nr },
    // RFC 7296 §2.23: hashes over both SPIs of this message and the addresses as we see them.
    notify(NOTIFY.NAT_DETECTION_SOURCE_IP, natDetectionHash({ spiI, spiR }, local)),
    notify(NOTIFY.NAT_DETECTION_DESTINATION_IP, natDetectionHash({ spiI, spiR }, arrival.from)),
    ...(intermediate ? [notify(NOTIFY.INTERMEDIATE_EXCHANGE_SUPPORTED)] : []),
    ...(usePpk ? [notify(NOTIFY.USE_PPK)] : []),
    ...aboutAuthentication(config, intermediate),
    ...childlessSupport(config),
    ...(fragmentation ? [notify(NOTIFY.IKEV2_FRAGMENTATION_SUPPORTED)] : []),
    ...(puzzle ? [puzzleNotify(puzzle)] : []),
  ];
  let answer = honest;
  for (const { saInitAnswer } of services.hooks)
    if (saInitAnswer) answer = saInitAnswer(answer, { random, config, request: payloads, round: 0 });
  const header = {
    ...request.header,
    spiR,
    minorVersion: 0,
    flags: { initiator: false, version: false, response: true },
  };
  const response = encodeMessage(header, answer);
  const keys = deriveIkeKeys(suite, skeyseed(suite.prf, { ni, nr }, shared), { ni, nr }, { spiI, spiR });
  wipe(shared);
  return {
    kind: 'accepted',
    half: {
      spiI: spiI.slice(),
      spiR,
      suite,
      keys,
      ni,
      nr,
      usePpk,
      puzzle,
      request: arrival.bytes.slice(),
      response,
      natLocal: nat.local,
      natRemote: nat.remote,
      hashes: hashes && readHashes(hashes.data),
      announced: announcedBy(config).length > 0,
      redirectable: isRedirectable(payloads),
      fragmentSize: fragmentation ? firstSize(config.fragmentation ?? 'yes') : undefined,
      channel: arrival.channel,
      local,
      remote: arrival.from,
    },
  };
}

/** The key exchanges that are to come before IKE_AUTH; a ticket stands for those that were done. */
export function additionalOf({ suite, resumed }: HalfOpen): readonly AdditionalKe[] {
  return resumed ? [] : suite.additional;
}

/** RFC 6023 §4: it is about the IKE SA. */
export function childlessSupport({ childless }: HeadOfficeConfig): readonly Payload[] {
  const spi = new Uint8Array(0);
  const data = new Uint8Array(0);
  return childless ? [{ kind: 'N', protocol: PROTOCOL.IKE, spi, type: NOTIFY.CHILDLESS_IKEV2_SUPPORTED, data }] : [];
}

/** RFC 7427 §4, RFC 7296 §3.7, RFC 4739 §3.1. An office of keys alone says nothing of all that. */
function aboutAuthentication(config: HeadOfficeConfig, intermediate: boolean): readonly Payload[] {
  const hashes = announcedBy(config);
  const authorities = (config.userAuthorities ?? []).map((der) => {
    const parsed = parseCertificate(der);
    if (!parsed.ok) throw new Error(`an authority of the head office: ${parsed.error.evidence}`);
    return sha1(parsed.value.publicKey);
  });
  const multiple = config.multipleAuth ?? config.users.some(({ proofs }) => (proofs?.length ?? 1) > 1);
  return [
    ...(hashes.length > 0
      ? [notify(NOTIFY.SIGNATURE_HASH_ALGORITHMS, Uint8Array.from(hashes.flatMap((id) => [id >>> 8, id])))]
      : []),
    ...(multiple ? [notify(NOTIFY.MULTIPLE_AUTH_SUPPORTED)] : []),
    ...certificateRequests(authorities, false),
    ...announcement(config, intermediate ? 'IKE_SA_INIT' : 'only here'),
  ];
}

/** RFC 9593 §3.1: the list, or an empty notify where it is to come in IKE_INTERMEDIATE. */
export function announcement(
  { takes }: HeadOfficeConfig,
  where: 'IKE_SA_INIT' | 'IKE_INTERMEDIATE' | 'only here',
): readonly Payload[] {
  if (!takes) return [];
  if (takes.when !== 'intermediate' || where === 'only here')
    return where === 'IKE_INTERMEDIATE' ? [] : [takenMethodsNotify(takenBy(takes))];
  return [takenMethodsNotify(where === 'IKE_INTERMEDIATE' ? takenBy(takes) : [])];
}

/** RFC 9593. */
export function takenBy({ sharedKey, signatures }: NonNullable<HeadOfficeConfig['takes']>): readonly TakenMethod[] {
  const { SHARED_KEY, DIGITAL_SIGNATURE } = AUTH_METHOD;
  return [
    ...(sharedKey ? [{ method: SHARED_KEY }] : []),
    ...signatures.map((algorithm) => ({ method: DIGITAL_SIGNATURE, algorithm })),
  ];
}

function announcedBy({ hashes, certificate, userAuthorities }: HeadOfficeConfig): readonly number[] {
  if (hashes !== undefined) return hashes;
  if (certificate === undefined && userAuthorities === undefined) return [];
  const { SHA2_256, SHA2_384, SHA2_512, IDENTITY } = HASH_ALGORITHM;
  return [SHA2_256, SHA2_384, SHA2_512, IDENTITY];
}

/** Our own address in the family of the one that asks. */
export function localEndpoint({ channel, from }: Arrival, { config }: SaServices, { header, payloads }: Message): Endpoint {
  const six = isIPv6(from.address);
  const address = config.addresses.find((one) => isIPv6(one) === six) ?? (six ? '::' : '0.0.0.0');
  if (from.transport !== 'tcp') return { address, port: config.ports[channel] };
  // RFC 9329 §6.5: the hashes are over TCP's ports; which of ours it is they tell, unless there is a NAT.
  const ours = (config.tcpPorts ?? []).map((port): Endpoint => ({ address, port, transport: 'tcp' }));
  const meant = ours.find((local) => !detectNat(header, payloads, local, from).local);
  return meant ?? ours[0] ?? { address, port: config.ports.natt, transport: 'tcp' };
}
