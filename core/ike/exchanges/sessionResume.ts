/**
 * IKE_SESSION_RESUME (RFC 5723 §4.3.2), in the place of IKE_SA_INIT: a nonce and the ticket go, a nonce comes back, and the keys come
 * from SK_d of the IKE SA before. None of it is authenticated; that the gateway could open the ticket shows in IKE_AUTH. Whatever is not
 * an answer to go on with ends in a full exchange, which who made this one starts.
 */
import { concat, equalBytes, fromUtf8, toHex } from '../../bytes/bytes.ts';
import { prf } from '../../crypto/prf.ts';
import type { Random } from '../../crypto/types.ts';
import { deriveIkeKeys, wipe } from '../keys/ikeKeys.ts';
import { detectNat } from '../nat.ts';
import type { IkeConfig, IkeFailure, IkeTicket } from '../sa/contract.ts';
import { EXCHANGE, NOTIFY, nameOf } from '../wire/constants.ts';
import type { Message, Payload } from '../wire/message.ts';
import { allPayloads, findNotify, findPayload, notify } from '../wire/payloads.ts';
import { Echoes } from './echoes.ts';
import { readRedirect, redirected } from './redirect.ts';
import { isErrorNotify, siftPayloads } from './rules.ts';
import { type Opening, openingOf, redirectSupport, type SaInitProgress, type SaInitVerdict } from './saInit.ts';

/** After so many cookies a full exchange, which has its own bound. */
const maxCookies = 3;

export class SessionResumeExchange {
  readonly type = EXCHANGE.IKE_SESSION_RESUME;
  readonly ticket: IkeTicket;
  readonly #config: IkeConfig;
  readonly #random: Random;
  #opening: Opening;
  #cookie: Uint8Array | undefined;
  /** Cookies that were asked for so far. */
  #cookies = 0;
  readonly #echoes = new Echoes();

  constructor(config: IkeConfig, ticket: IkeTicket, random: Random) {
    this.#config = config;
    this.ticket = ticket;
    this.#random = random;
    this.#opening = openingOf(config, random);
  }

  get spiI(): Uint8Array {
    return this.#opening.spiI;
  }

  get ni(): Uint8Array {
    return this.#opening.ni;
  }

  build(): readonly Payload[] {
    const { fragmentation } = this.#config;
    return [
      ...(this.#cookie ? [notify(NOTIFY.COOKIE, this.#cookie)] : []),
      { kind: 'NONCE', data: this.ni },
      notify(NOTIFY.TICKET_OPAQUE, this.ticket.octets),
      ...this.#opening.natNotifies,
      ...redirectSupport(this.#config),
      ...(fragmentation === 'no' ? [] : [notify(NOTIFY.IKEV2_FRAGMENTATION_SUPPORTED)]),
    ];
  }

  process(message: Message, progress: SaInitProgress): SaInitVerdict {
    const sifted = siftPayloads(message.header.exchange, 'response', 'in the clear', message.payloads);
    if (!sifted.ok) return refused(sifted.error.code);
    const { payloads } = sifted.value;
    // RFC 5723 §4.3.2: forged, it costs us no more than the full exchange it makes us do.
    if (findNotify(payloads, NOTIFY.TICKET_NACK)) return refused('TICKET_NACK');
    const redirect = findNotify(payloads, NOTIFY.REDIRECT);
    if (redirect) return this.#takeRedirect(redirect.data);
    const nonce = findPayload(payloads, 'NONCE');
    const cookie = findNotify(payloads, NOTIFY.COOKIE);
    if (cookie && !nonce) return this.#takeCookie(cookie.data, progress);
    const error = allPayloads(payloads, 'N').find(({ type }) => isErrorNotify(type));
    if (error) return refused(nameOf(NOTIFY, error.type));
    if (!nonce || message.header.spiR.every((octet) => octet === 0)) return refused('no nonce, or no SPI');
    return this.#agree(message.header.spiR.slice(), nonce.data.slice(), payloads);
  }

  #agree(spiR: Uint8Array, nr: Uint8Array, payloads: readonly Payload[]): SaInitVerdict {
    const { local, remote, fragmentation } = this.#config;
    const { suite } = this.ticket;
    const spis = { spiI: this.spiI, spiR };
    const seed = resumedSeed(this.ticket, this.ni, nr);
    const keys = deriveIkeKeys(suite, seed, { ni: this.ni, nr }, spis);
    wipe(seed);
    const nat = detectNat(
      spis,
      payloads,
      { address: local.address, port: local.ports.ike },
      { address: remote.address, port: remote.ports.ike },
    );
    const fragments = fragmentation !== 'no' && findNotify(payloads, NOTIFY.IKEV2_FRAGMENTATION_SUPPORTED) !== undefined;
    // What is about proving who one is was in the exchange before.
    const childless = findNotify(payloads, NOTIFY.CHILDLESS_IKEV2_SUPPORTED) !== undefined;
    const said = { childless, vendorIds: [], hashes: undefined, multipleAuth: false, authorities: [], fragmentation: fragments };
    // RFC 8784 §3: a PPK is in the SK_d of the ticket already, or it is not.
    const usePpk = false;
    return { kind: 'done', result: { spiR, suite, keys, nr, nat, ...said, usePpk } };
  }

  #takeCookie(cookie: Uint8Array, progress: SaInitProgress): SaInitVerdict {
    // RFC 7296 §2.6: 1 to 64 octets.
    if (cookie.length < 1 || cookie.length > 64) return refused(`COOKIE of ${cookie.length} octets`);
    const other = this.#cookie !== undefined && !equalBytes(this.#cookie, cookie);
    if (this.#cookie && !other) return { kind: 'ignore', why: 'COOKIE asked for again' };
    if (other && this.#echoes.take(toHex(cookie), progress.now)) return { kind: 'ignore', why: 'echo: another COOKIE' };
    if (this.#cookies++ >= maxCookies) return refused('COOKIE without end');
    this.#echoes.expect(progress);
    // As in IKE_SA_INIT: of two requests with a cookie nobody could say which was answered.
    if (other) this.#opening = openingOf(this.#config, this.#random);
    this.#cookie = other ? undefined : cookie.slice();
    return {
      kind: 'restart',
      why: other ? 'the gateway wants another cookie: a new IKE SA asks for one' : 'the gateway wants a cookie',
    };
  }

  /** RFC 5685 §3, of which this is the exchange as well. */
  #takeRedirect(data: Uint8Array): SaInitVerdict {
    const read = readRedirect(data);
    if (!this.#config.redirect || !read.ok) return refused('REDIRECT');
    if (!equalBytes(read.value.nonce, this.ni)) return { kind: 'ignore', why: 'REDIRECT without our nonce' };
    return { kind: 'failed', failure: redirected(read.value.gateway, 'IKE_SESSION_RESUME response') };
  }
}

/** RFC 5723 §5.1: SKEYSEED = prf(SK_d_old, "Resumption" | Ni | Nr). */
export function resumedSeed({ suite, skD }: Pick<IkeTicket, 'suite' | 'skD'>, ni: Uint8Array, nr: Uint8Array): Uint8Array {
  return prf(suite.prf, skD, concat(fromUtf8('Resumption'), ni, nr));
}

function refused(what: string): SaInitVerdict {
  const failure: IkeFailure = { code: 'gateway-error', evidence: `${what} in IKE_SESSION_RESUME response` };
  return { kind: 'failed', failure };
}
