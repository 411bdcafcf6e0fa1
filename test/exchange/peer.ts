/**
 * A responder on strings: it does IKE_SA_INIT and IKE_AUTH from the pieces of core/ike and then does what the test says through
 * `sa`. Each step can be replaced. One initiator at a time; the whole head office is in test/gateway.
 */
import { equalBytes } from '../../core/bytes/bytes.ts';
import { answerKeyExchange } from '../../core/crypto/ke.ts';
import type { Random } from '../../core/crypto/types.ts';
import { pskAuth, verifyPskAuth } from '../../core/ike/auth/psk.ts';
import { firstSize } from '../../core/ike/fragment/size.ts';
import { deriveChildKeys, deriveIkeKeys, type Nonces, skeyseed } from '../../core/ike/keys/ikeKeys.ts';
import { natDetectionHash } from '../../core/ike/nat.ts';
import { childSuite, chooseProposal, type IkeSuite, ikeSuite, offersAdditional } from '../../core/ike/negotiation.ts';
import type { Channel, ChildSa, Endpoint, Fragmentation, Identity, IkeOutput, IkeTiming } from '../../core/ike/sa/contract.ts';
import { IkeSa } from '../../core/ike/sa/ikeSa.ts';
import { Narrator } from '../../core/ike/sa/narrator.ts';
import type { RequestHandler } from '../../core/ike/sa/setup.ts';
import { AUTH_METHOD, CP_ATTRIBUTE, CP_TYPE, EXCHANGE, NOTIFY } from '../../core/ike/wire/constants.ts';
import { encodeMessage } from '../../core/ike/wire/encode.ts';
import type { Header, Message, Payload, Proposal } from '../../core/ike/wire/message.ts';
import { parseMessage } from '../../core/ike/wire/parse.ts';
import { findNotify, findPayload, notify } from '../../core/ike/wire/payloads.ts';
import { selectorFromCidr } from '../../core/ike/wire/selectorText.ts';
import { spiBytes, spiNumber } from '../../core/ike/wire/spi.ts';

export interface PeerConfig {
  readonly address: string;
  readonly identity: Identity;
  readonly secret: Uint8Array;
  readonly ikeProposals: readonly Proposal[];
  readonly espProposals: readonly Proposal[];
  readonly timing: IkeTiming;
  /** Demand a cookie before anything else. */
  readonly cookie?: Uint8Array;
  /** Payloads to answer IKE_SA_INIT with and keep no state, or undefined to go on; `count` numbers the requests from 1. */
  insteadOfSaInit?(request: Message, count: number): readonly Payload[] | undefined;
  changeSaInit?(payloads: readonly Payload[]): readonly Payload[];
  changeAuth?(payloads: readonly Payload[]): readonly Payload[];
  readonly handlers?: Readonly<Partial<Record<number, RequestHandler>>>;
  readonly keyLog?: boolean;
  readonly fragmentation: Fragmentation;
}

const virtualAddress = Uint8Array.of(10, 7, 0, 5);

export class Peer {
  readonly #config: PeerConfig;
  readonly #random: Random;
  readonly #out: IkeOutput[] = [];
  #saInits = 0;
  #half:
    | { readonly request: Uint8Array; readonly response: Uint8Array; readonly suite: IkeSuite; readonly nonces: Nonces }
    | undefined;
  #from: Endpoint = { address: '0.0.0.0', port: 0 };
  sa: IkeSa | undefined;
  /** The IDi that IKE_AUTH brought. */
  idi: Payload | undefined;
  /** Payloads of the last IKE_AUTH request. */
  authRequest: readonly Payload[] = [];

  constructor(config: PeerConfig, random: Random) {
    this.#config = config;
    this.#random = random;
  }

  /** IKE_SA_INIT requests received, repetitions included. */
  get saInits(): number {
    return this.#saInits;
  }

  handle(
    input:
      | { readonly kind: 'tick' }
      | { readonly kind: 'datagram'; readonly bytes: Uint8Array; readonly channel: Channel; readonly from: Endpoint },
    now: number,
  ): void {
    if (input.kind === 'tick') {
      this.sa?.tick(now);
      return;
    }
    const parsed = parseMessage(input.bytes);
    if (!parsed.ok) return;
    this.#from = input.from;
    const fresh = parsed.value.header.spiR.every((octet) => octet === 0);
    if (!fresh) this.sa?.receive(parsed.value, input.bytes, input.channel, input.from, now);
    else if (parsed.value.header.exchange === EXCHANGE.IKE_SA_INIT) this.#saInit(parsed.value, input.bytes, input.channel);
  }

  poll(): IkeOutput | undefined {
    return this.#out.shift();
  }

  deadline(): number | undefined {
    return this.sa?.deadline();
  }

  #saInit(message: Message, bytes: Uint8Array, channel: Channel): void {
    this.#saInits++;
    if (this.#half) {
      if (equalBytes(this.#half.request, bytes)) this.#send(this.#half.response, channel);
      return;
    }
    const { header, payloads } = message;
    const instead = this.#config.insteadOfSaInit?.(message, this.#saInits) ?? this.#wantCookie(payloads);
    const ni = findPayload(payloads, 'NONCE')?.data.slice();
    const ke = findPayload(payloads, 'KE');
    // It does not know IKE_INTERMEDIATE, so it may take no additional key exchange (RFC 9370 §2.2.1).
    const acceptable = this.#config.ikeProposals.filter((one) => !offersAdditional([one]));
    const chosen = chooseProposal(findPayload(payloads, 'SA')?.proposals ?? [], acceptable);
    if (instead || !ni || !ke || !chosen) {
      this.#stateless(header, instead ?? [notify(NOTIFY.NO_PROPOSAL_CHOSEN)], channel);
      return;
    }
    const suite = ikeSuite(chosen);
    if (!suite) throw new Error('the peer has strange proposals');
    if (ke.method !== suite.ke.id) {
      this.#stateless(header, [notify(NOTIFY.INVALID_KE_PAYLOAD, Uint8Array.of(suite.ke.id >>> 8, suite.ke.id))], channel);
      return;
    }
    const fragments = findNotify(payloads, NOTIFY.IKEV2_FRAGMENTATION_SUPPORTED) !== undefined;
    this.#accept(header, bytes, suite, chosen, { ni, keData: ke.data, channel, fragments });
  }

  #wantCookie(payloads: readonly Payload[]): readonly Payload[] | undefined {
    const { cookie } = this.#config;
    if (!cookie) return undefined;
    const came = findNotify(payloads, NOTIFY.COOKIE);
    return came && equalBytes(came.data, cookie) ? undefined : [notify(NOTIFY.COOKIE, cookie)];
  }

  #accept(
    header: Header,
    request: Uint8Array,
    suite: IkeSuite,
    chosen: Proposal,
    of: { readonly ni: Uint8Array; readonly keData: Uint8Array; readonly channel: Channel; readonly fragments: boolean },
  ): void {
    const spiI = header.spiI.slice();
    const spiR = this.#random(8);
    const nonces = { ni: of.ni, nr: this.#random(32) };
    const answered = answerKeyExchange(suite.ke, of.keData, this.#random);
    if ('fault' in answered) throw new Error(`public value: ${answered.fault}`);
    const { publicValue, shared } = answered;
    const keys = deriveIkeKeys(suite, skeyseed(suite.prf, nonces, shared), nonces, { spiI, spiR });
    const here = { address: this.#config.address, port: 500 };
    const fragments = of.fragments && this.#config.fragmentation !== 'no';
    const honest: Payload[] = [
      { kind: 'SA', proposals: [chosen] },
      { kind: 'KE', method: suite.ke.id, data: publicValue },
      { kind: 'NONCE', data: nonces.nr },
      notify(NOTIFY.NAT_DETECTION_SOURCE_IP, natDetectionHash({ spiI, spiR }, here)),
      notify(NOTIFY.NAT_DETECTION_DESTINATION_IP, natDetectionHash({ spiI, spiR }, this.#from)),
      ...(fragments ? [notify(NOTIFY.IKEV2_FRAGMENTATION_SUPPORTED)] : []),
    ];
    const response = encodeMessage(answerTo(header, spiR), this.#config.changeSaInit?.(honest) ?? honest);
    this.#half = { request: request.slice(), response, suite, nonces };
    const emit = (output: IkeOutput): void => {
      this.#out.push(output);
    };
    this.sa = new IkeSa({
      role: 'responder',
      spiI,
      spiR,
      suite,
      keys,
      timing: this.#config.timing,
      random: this.#random,
      keyLog: this.#config.keyLog ?? false,
      version: 'peer 1',
      channel: of.channel,
      remote: this.#from,
      fragmentSize: fragments ? firstSize(this.#config.fragmentation) : undefined,
      nextRequestId: 0,
      expectedRequestId: 1,
      handlers: { [EXCHANGE.IKE_AUTH]: (payloads, at) => this.#ikeAuth(payloads, at), ...this.#config.handlers },
      closeWithoutChild: false,
      followPeer: true,
      emit,
      narrator: new Narrator(emit),
    });
    this.#send(response, of.channel);
  }

  #ikeAuth(payloads: readonly Payload[], now: number): { readonly payloads: readonly Payload[]; after?(now: number): void } {
    this.authRequest = payloads;
    const { sa } = this;
    const half = this.#half;
    const idi = findPayload(payloads, 'IDi');
    const auth = findPayload(payloads, 'AUTH');
    const esp = findPayload(payloads, 'SA');
    if (!sa || !half || !idi || !auth || !esp) throw new Error('the peer got half an IKE_AUTH');
    this.idi = idi;
    const { suite, nonces } = half;
    const { identity, secret } = this.#config;
    const theirs = { prf: suite.prf, message: half.request, peerNonce: nonces.nr, skP: sa.keys.pi };
    if (!verifyPskAuth(secret, { ...theirs, identity: { type: idi.idType, data: idi.data } }, auth.data)) {
      return {
        payloads: [notify(NOTIFY.AUTHENTICATION_FAILED)],
        after: () => sa.close({ code: 'authentication-failed', evidence: 'AUTH' }),
      };
    }
    sa.authenticated(now);
    const ours = { prf: suite.prf, message: half.response, peerNonce: nonces.ni, skP: sa.keys.pr, identity };
    const honest: Payload[] = [
      { kind: 'IDr', idType: identity.type, data: identity.data },
      { kind: 'AUTH', method: AUTH_METHOD.SHARED_KEY, data: pskAuth(secret, ours) },
      ...this.#child(sa, suite, nonces, esp.proposals),
    ];
    return { payloads: this.#config.changeAuth?.(honest) ?? honest };
  }

  #child(sa: IkeSa, ike: IkeSuite, nonces: Nonces, offered: readonly Proposal[]): readonly Payload[] {
    const chosen = chooseProposal(offered, this.#config.espProposals);
    const suite = chosen ? childSuite(chosen) : undefined;
    if (!chosen || !suite) return [notify(NOTIFY.NO_PROPOSAL_CHOSEN)];
    const keys = deriveChildKeys(ike.prf, sa.keys.d, suite, nonces);
    const ourSelector = selectorFromCidr('10.7.0.0/16');
    const theirSelector = selectorFromCidr('10.7.0.5');
    if (!ourSelector || !theirSelector) throw new Error('selectors');
    const child: ChildSa = {
      spiIn: 0x00c0ffee,
      spiOut: spiNumber(chosen.spi) ?? 0,
      ...suite,
      keysIn: keys.initiatorToResponder,
      keysOut: keys.responderToInitiator,
      localSelectors: [ourSelector],
      remoteSelectors: [theirSelector],
      local: { address: this.#config.address, port: 4500 },
      remote: sa.remote,
      keepalive: false,
    };
    sa.addChild(child);
    const address = { type: CP_ATTRIBUTE.INTERNAL_IP4_ADDRESS, value: virtualAddress };
    return [
      { kind: 'CP', cfgType: CP_TYPE.REPLY, attributes: [address] },
      { kind: 'SA', proposals: [{ ...chosen, spi: spiBytes(child.spiIn) }] },
      { kind: 'TSi', selectors: [theirSelector], unknownTypes: 0 },
      { kind: 'TSr', selectors: [ourSelector], unknownTypes: 0 },
    ];
  }

  #stateless(header: Header, payloads: readonly Payload[], channel: Channel): void {
    this.#send(encodeMessage(answerTo(header, new Uint8Array(8)), payloads), channel);
  }

  #send(bytes: Uint8Array, channel: Channel): void {
    this.#out.push({ kind: 'transmit', bytes, channel, to: this.#from });
  }
}

/** The header of the answer to a request of an initiator. */
export function answerTo(header: Header, spiR: Uint8Array): Header {
  return { ...header, spiR, flags: { initiator: false, version: false, response: true } };
}
