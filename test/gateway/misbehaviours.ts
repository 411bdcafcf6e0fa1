/**
 * What a bad gateway, or somebody between it and the client, can do: each a name, what it does, and the line that says what the client
 * must withstand. They are data: the honest head office is written without them and calls the hooks of those it was told to show.
 */
import type { Random } from '../../core/crypto/types.ts';
import type { Identity } from '../../core/ike/sa/contract.ts';
import type { Payload, PayloadOf } from '../../core/ike/wire/message.ts';
import type { HeadOfficeConfig, OfficeCertificate } from './config.ts';
import type { EapMisbehaviour } from './eap/serverMethod.ts';
import * as authHooks from './misbehaveAuth.ts';
import { chainMisbehaviours } from './misbehaveChain.ts';
import { eapMisbehaviours } from './misbehaveEap.ts';
import { exchangeMisbehaviours } from './misbehaveExchanges.ts';
import { fragmentMisbehaviours, type OwnMessage } from './misbehaveFragment.ts';
import * as initHooks from './misbehaveInit.ts';
import { negotiationMisbehaviours } from './misbehaveNegotiation.ts';
import { proofMisbehaviours } from './misbehaveProof.ts';
import { puzzleMisbehaviours } from './misbehavePuzzle.ts';
import { signatureMisbehaviours } from './misbehaveSignature.ts';
import * as transportHooks from './misbehaveTransport.ts';
import type { TicketState } from './standing.ts';

export interface MisbehaviourContext {
  readonly random: Random;
  readonly config: HeadOfficeConfig;
  /** Payloads of the request being answered, in clear. */
  readonly request: readonly Payload[];
  /** Of IKE_AUTH, from 0: which of its answers this is. */
  readonly round: number;
  /** IKE_AUTH comes after IKE_SESSION_RESUME. */
  readonly resumed?: boolean;
}

/** Where the head office asks. Every hook gets the honest value and returns the one to use. */
export interface MisbehaviourHooks {
  /** Answer this IKE_SA_INIT request with these payloads and keep no state. */
  readonly insteadOfSaInit?: (context: MisbehaviourContext) => readonly Payload[];
  readonly saInitAnswer?: (honest: readonly Payload[], context: MisbehaviourContext) => readonly Payload[];
  /** Answer this IKE_SESSION_RESUME request with these payloads and keep no state; none is silence. */
  readonly insteadOfResume?: (context: MisbehaviourContext) => readonly Payload[];
  /** What a ticket stands for. */
  readonly ticketState?: (honest: TicketState) => TicketState;
  /** The answer to IKE_INTERMEDIATE; `round` counts them from 0. */
  readonly intermediateAnswer?: (honest: readonly Payload[], context: MisbehaviourContext) => readonly Payload[];
  /** The identity that goes into IDr and under AUTH. */
  readonly identity?: (honest: Identity) => Identity;
  /** What the office proves itself with. */
  readonly certificate?: (honest: OfficeCertificate) => OfficeCertificate;
  /** The AUTH payload with its signature; `octets` are those of RFC 7296 §2.15. */
  readonly sign?: (honest: PayloadOf<'AUTH'>, certificate: OfficeCertificate, octets: Uint8Array) => PayloadOf<'AUTH'>;
  /** What its EAP server does. */
  readonly eapServer?: EapMisbehaviour;
  /** EAP packets of the office, counted from 0. */
  readonly eap?: (honest: Uint8Array, count: number) => Uint8Array;
  /** The key of EAP, for the office's AUTH. */
  readonly eapKey?: (honest: Uint8Array | undefined, random: Random) => Uint8Array | undefined;
  /** Inner payloads of each IKE_AUTH answer. */
  readonly authAnswer?: (honest: readonly Payload[], context: MisbehaviourContext) => readonly Payload[];
  /** The datagrams that go out in place of this one; none is silence. `message` is its header, encrypted payloads closed. */
  readonly datagrams?: (bytes: Uint8Array, exchange: number, response: boolean, random: Random) => readonly Uint8Array[];
  /** The datagrams that go out in place of a message that is sealed as a whole; after it `datagrams` has its turn. */
  readonly reseal?: (own: OwnMessage) => readonly Uint8Array[];
  /** Something more once the IKE_SA_INIT, the IKE_AUTH answer is out. */
  readonly afterSaInit?: 'create-child' | 'intermediate';
  readonly afterAuth?: 'delete' | 'check-liveness';
  /** The office's dataplane lets packets of any source out to this client. */
  readonly openDataplane?: true;
}

export interface Misbehaviour {
  readonly name: string;
  readonly what: string;
  /** RFC clause, or the line of the security requirements (S9 is line 9). */
  readonly clause: string;
  /** How the office must be configured for it to have anything to do wrong; keys are enough when not said. `web`: somebody serves lists at the router. */
  readonly needs?: 'certificate' | 'eap' | 'eap-tls' | 'web';
  readonly hooks: MisbehaviourHooks;
}

export const keyMisbehaviours = [
  // Authentication.
  {
    name: 'wrong-auth',
    what: 'one bit of the AUTH value is wrong',
    clause: 'RFC 7296 §2.15',
    hooks: { authAnswer: authHooks.breakAuth },
  },
  {
    name: 'wrong-identity',
    what: 'proves the right key under another name',
    clause: 'RFC 7296 §2.15, S3',
    hooks: { identity: authHooks.impostor },
  },
  {
    name: 'no-auth',
    what: 'leaves AUTH out of the IKE_AUTH answer',
    clause: 'RFC 7296 §1.2, S4',
    hooks: { authAnswer: authHooks.without('AUTH') },
  },
  // Negotiation of the IKE SA.
  {
    name: 'proposal-not-offered',
    what: 'chooses a cipher nobody offered',
    clause: 'RFC 7296 §3.3, S9',
    hooks: { saInitAnswer: initHooks.unofferedCipher },
  },
  {
    name: 'shorter-key',
    what: 'chooses the offered cipher with a key of 64 bits less',
    clause: 'RFC 7296 §3.3.6, S9',
    hooks: { saInitAnswer: initHooks.shorterKey },
  },
  {
    name: 'group-not-offered',
    what: 'chooses a group nobody offered',
    clause: 'RFC 7296 §3.3, S9',
    hooks: { saInitAnswer: initHooks.unofferedGroup },
  },
  {
    name: 'endless-cookie',
    what: 'asks for another cookie every time',
    clause: 'RFC 7296 §2.6, S10',
    hooks: { insteadOfSaInit: initHooks.cookieOf(32) },
  },
  {
    name: 'cookie-0-octets',
    what: 'asks for an empty cookie',
    clause: 'RFC 7296 §2.6 (1 to 64 octets), S10',
    hooks: { insteadOfSaInit: initHooks.cookieOf(0) },
  },
  {
    name: 'cookie-65-octets',
    what: 'asks for a cookie of 65 octets',
    clause: 'RFC 7296 §2.6 (1 to 64 octets), S10',
    hooks: { insteadOfSaInit: initHooks.cookieOf(65) },
  },
  {
    name: 'endless-invalid-ke',
    what: 'always wants another of the offered groups',
    clause: 'RFC 7296 §1.3, S10',
    hooks: { insteadOfSaInit: initHooks.invalidKe },
  },
  {
    name: 'invalid-ke-not-offered',
    what: 'wants a group nobody offered',
    clause: 'RFC 7296 §1.3, S10',
    hooks: { insteadOfSaInit: initHooks.invalidKeUnoffered },
  },
  // Public values.
  {
    name: 'public-value-zero',
    what: 'sends a public value of zeros',
    clause: 'RFC 6989 §2.1, RFC 8031 §5, S11',
    hooks: { saInitAnswer: initHooks.publicValue((honest) => new Uint8Array(honest.length)) },
  },
  {
    name: 'public-value-off-curve',
    what: 'sends a point that is not on the curve',
    clause: 'RFC 6989 §2.3, S11',
    hooks: { saInitAnswer: initHooks.publicValue(initHooks.offCurve) },
  },
  {
    name: 'public-value-short',
    what: 'sends a public value of one octet less',
    clause: 'RFC 7296 §3.4, S11',
    hooks: { saInitAnswer: initHooks.publicValue((honest) => honest.slice(1)) },
  },
  {
    name: 'public-value-p-minus-1',
    what: 'sends p − 1 of its MODP group',
    clause: 'RFC 6989 §2.1, S11',
    hooks: { saInitAnswer: initHooks.pMinusOne },
  },
  // Payloads.
  {
    name: 'no-nonce',
    what: 'leaves the nonce out',
    clause: 'RFC 7296 §1.2',
    hooks: { saInitAnswer: initHooks.without('NONCE') },
  },
  {
    name: 'nonce-short',
    what: 'sends a nonce of 15 octets',
    clause: 'RFC 7296 §3.9 (16 to 256 octets)',
    hooks: { saInitAnswer: initHooks.nonceOf(15) },
  },
  {
    name: 'unknown-critical-payload',
    what: 'puts an unknown payload with the critical bit into the IKE_AUTH answer',
    clause: 'RFC 7296 §2.5, S15',
    hooks: { authAnswer: authHooks.unknownPayload(true) },
  },
  {
    name: 'unknown-payload',
    what: 'puts an unknown payload without the critical bit into the IKE_AUTH answer',
    clause: 'RFC 7296 §2.5, S15',
    hooks: { authAnswer: authHooks.unknownPayload(false) },
  },
  // The CHILD SA and the configuration.
  {
    name: 'child-proposal-not-offered',
    what: 'chooses an ESP cipher nobody offered',
    clause: 'RFC 7296 §3.3, S9',
    hooks: { authAnswer: authHooks.unofferedEspCipher },
  },
  {
    name: 'selectors-wider',
    what: 'answers with 0.0.0.0/0 on both sides',
    clause: 'RFC 7296 §2.9, S13',
    hooks: { authAnswer: authHooks.widerSelectors },
  },
  {
    name: 'address-loopback',
    what: 'gives 127.0.0.1',
    clause: 'RFC 7296 §3.15.1, S13',
    hooks: { authAnswer: authHooks.address(() => Uint8Array.of(127, 0, 0, 1)) },
  },
  {
    name: 'address-multicast',
    what: 'gives 224.0.0.5',
    clause: 'RFC 7296 §3.15.1, S13',
    hooks: { authAnswer: authHooks.address(() => Uint8Array.of(224, 0, 0, 5)) },
  },
  {
    name: 'address-is-gateway',
    what: 'gives its own outer address',
    clause: 'RFC 7296 §3.15.1, S13',
    hooks: { authAnswer: authHooks.address(authHooks.ownAddress) },
  },
  {
    name: 'thousand-dns-servers',
    what: 'gives a thousand DNS servers',
    clause: 'RFC 7296 §3.15.1, S13',
    hooks: { authAnswer: authHooks.thousandDnsServers },
  },
  {
    name: 'child-refused',
    what: 'authenticates and answers NO_ADDITIONAL_SAS for the CHILD SA',
    clause: 'RFC 7296 §1.2, §2.21.2',
    hooks: { authAnswer: authHooks.refuseChild('NO_ADDITIONAL_SAS') },
  },
  {
    name: 'child-no-proposal',
    what: 'authenticates and answers NO_PROPOSAL_CHOSEN for the CHILD SA',
    clause: 'RFC 7296 §2.21.2',
    hooks: { authAnswer: authHooks.refuseChild('NO_PROPOSAL_CHOSEN') },
  },
  {
    name: 'ts-unacceptable',
    what: 'authenticates and answers TS_UNACCEPTABLE',
    clause: 'RFC 7296 §2.9',
    hooks: { authAnswer: authHooks.refuseChild('TS_UNACCEPTABLE') },
  },
  {
    name: 'no-address',
    what: 'authenticates and answers INTERNAL_ADDRESS_FAILURE',
    clause: 'RFC 7296 §3.15.4',
    hooks: { authAnswer: authHooks.refuseChild('INTERNAL_ADDRESS_FAILURE') },
  },
  // Messages.
  {
    name: 'wrong-message-id',
    what: 'answers IKE_AUTH under message id 7',
    clause: 'RFC 7296 §2.2, S14',
    hooks: { datagrams: transportHooks.onAuthAnswer(transportHooks.messageIdSeven) },
  },
  {
    name: 'wrong-spi',
    what: 'answers IKE_AUTH under another responder SPI',
    clause: 'RFC 7296 §2.6, S14',
    hooks: { datagrams: transportHooks.onAuthAnswer(transportHooks.otherSpi) },
  },
  {
    name: 'bad-icv',
    what: 'answers IKE_AUTH with a broken checksum',
    clause: 'RFC 7296 §3.14',
    hooks: { datagrams: transportHooks.onAuthAnswer((bytes) => [transportHooks.breakLastOctet(bytes)]) },
  },
  {
    name: 'forged-bad-icv',
    what: 'a copy of the IKE_AUTH answer with a broken checksum comes before the genuine one',
    clause: 'RFC 7296 §2.21.2, S12',
    hooks: { datagrams: transportHooks.onAuthAnswer((bytes) => [transportHooks.breakLastOctet(bytes), bytes]) },
  },
  {
    name: 'unprotected-auth-failed',
    what: 'a forged unprotected AUTHENTICATION_FAILED comes before the genuine IKE_AUTH answer',
    clause: 'RFC 7296 §2.21.2, S12',
    hooks: {
      datagrams: transportHooks.onAuthAnswer((bytes) => [transportHooks.forgedNotify(bytes, 'AUTHENTICATION_FAILED'), bytes]),
    },
  },
  {
    name: 'forged-no-proposal',
    what: 'a forged NO_PROPOSAL_CHOSEN comes before the genuine IKE_SA_INIT answer',
    clause: 'RFC 7296 §2.21.1, S12',
    hooks: {
      datagrams: transportHooks.onSaInitAnswer((bytes) => [transportHooks.forgedNotify(bytes, 'NO_PROPOSAL_CHOSEN'), bytes]),
    },
  },
  {
    name: 'forged-major-version',
    what: 'a forged INVALID_MAJOR_VERSION comes before the genuine IKE_SA_INIT answer',
    clause: 'RFC 7296 §2.5, S12',
    hooks: {
      datagrams: transportHooks.onSaInitAnswer((bytes) => [transportHooks.forgedNotify(bytes, 'INVALID_MAJOR_VERSION'), bytes]),
    },
  },
  {
    name: 'silent-after-sa-init',
    what: 'never answers IKE_AUTH',
    clause: 'RFC 7296 §2.4',
    hooks: { datagrams: transportHooks.onAuthAnswer(() => []) },
  },
  {
    name: 'garbage-flood',
    what: 'wraps every message in 64 datagrams of rubbish',
    clause: 'RFC 7296 §2.21, S15, S17',
    hooks: { datagrams: transportHooks.flood },
  },
  {
    name: 'create-child-before-auth',
    what: 'starts CREATE_CHILD_SA before IKE_AUTH',
    clause: 'RFC 7296 §2.3, S14',
    hooks: { afterSaInit: 'create-child' },
  },
  {
    name: 'delete-right-after-auth',
    what: 'deletes the IKE SA as soon as it is there',
    clause: 'RFC 7296 §1.4.1',
    hooks: { afterAuth: 'delete' },
  },
  {
    name: 'replay-requests',
    what: 'sends its first liveness request five times',
    clause: 'RFC 7296 §2.1, S14',
    hooks: { afterAuth: 'check-liveness', datagrams: transportHooks.repeatRequests(5) },
  },
  // The dataplane.
  {
    name: 'esp-outside-selectors',
    what: 'sends ESP packets whose inner source lies outside what was agreed',
    clause: 'RFC 4301 §5.2, S19',
    hooks: { openDataplane: true },
  },
] as const satisfies readonly Misbehaviour[];

export const misbehaviours: readonly (Misbehaviour & { readonly name: MisbehaviourName })[] = [
  ...keyMisbehaviours,
  ...negotiationMisbehaviours,
  ...exchangeMisbehaviours,
  ...fragmentMisbehaviours,
  ...puzzleMisbehaviours,
  ...proofMisbehaviours,
  ...signatureMisbehaviours,
  ...chainMisbehaviours,
  ...eapMisbehaviours,
];

export type KeyMisbehaviourName = (
  | typeof keyMisbehaviours
  | typeof negotiationMisbehaviours
  | typeof fragmentMisbehaviours
  | typeof puzzleMisbehaviours
)[number]['name'];
export type MisbehaviourName =
  | KeyMisbehaviourName
  | (typeof exchangeMisbehaviours)[number]['name']
  | (typeof proofMisbehaviours | typeof signatureMisbehaviours | typeof chainMisbehaviours)[number]['name']
  | (typeof eapMisbehaviours)[number]['name'];

/** The hooks of those named, in the order of the list. */
export function hooksOf(names: readonly MisbehaviourName[]): readonly MisbehaviourHooks[] {
  return misbehaviours.filter((one) => names.includes(one.name)).map((one) => one.hooks);
}

export function isMisbehaviour(name: string): name is MisbehaviourName {
  return misbehaviours.some((one) => one.name === name);
}
