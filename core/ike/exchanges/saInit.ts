/**
 * IKE_SA_INIT as the initiator (RFC 7296 §1.2, §2.6, §2.7, §2.23). All of it is unauthenticated, so an answer that cannot be
 * used is a doubt, not an end: a genuine one may still come (§2.21.1). COOKIE and INVALID_KE_PAYLOAD are acted on, within bounds.
 */
import { concat, equalBytes, toHex } from '../../bytes/bytes.ts';
import { startKeyExchange } from '../../crypto/ke.ts';
import type { KeTransform, KeyExchange, Random } from '../../crypto/types.ts';
import { requestedAuthorities } from '../auth/certificates.ts';
import { announcedHashes, readHashes } from '../auth/signature.ts';
import { readTakenMethods, type TakenMethod } from '../auth/takenMethods.ts';
import { deriveIkeKeys, type IkeKeys, skeyseed, wipe } from '../keys/ikeKeys.ts';
import { detectNat, type NatFindings, natDetectionNotifies } from '../nat.ts';
import { checkChosen, type IkeSuite, ikeSuite, offeredKeyExchanges, offersAdditional } from '../negotiation.ts';
import type { IkeConfig, IkeFailure } from '../sa/contract.ts';
import { EXCHANGE, NOTIFY, nameOf } from '../wire/constants.ts';
import type { Message, Payload, PayloadOf } from '../wire/message.ts';
import { allNotifies, allPayloads, findNotify, findPayload, notify } from '../wire/payloads.ts';
import { Echoes } from './echoes.ts';
import { MAX_DIFFICULTY, PUZZLE_WITHIN, type Puzzle, PuzzleSearch, readPuzzle } from './puzzle.ts';
import { readRedirect, redirected, redirectedFrom } from './redirect.ts';
import { isErrorNotify, siftPayloads } from './rules.ts';

/** RFC 7296 §2.10: at least half the key size of the PRF; 32 octets suit every PRF here. */
export const NONCE_OCTETS = 32;
/** A gateway under load asks once, and again when its secret or our address changes, of a new IKE SA: four times on a bad day. */
const MAX_COOKIES = 9;
/** Transmissions of one request that must have been refused in the same way before it is believed to go on like that. */
const MAX_REFUSALS = 3;
/** Answers with a proposal that are looked into; each costs a key exchange, and anybody on the path can make them. */
const MAX_ANSWERS = 16;

export interface SaInitResult {
  readonly spiR: Uint8Array;
  readonly suite: IkeSuite;
  readonly keys: IkeKeys;
  readonly nr: Uint8Array;
  readonly nat: NatFindings;
  readonly vendorIds: readonly string[];
  /** RFC 7427 §4; undefined: not announced, and so signatures are of the older methods. */
  readonly hashes: ReadonlySet<number> | undefined;
  /** RFC 4739 §3.1. */
  readonly multipleAuth: boolean;
  /** IKEV2_FRAGMENTATION_SUPPORTED came, and we had offered it (RFC 7383 §2.3). */
  readonly fragmentation: boolean;
  /** We have a PPK and the gateway has some, too (RFC 8784 §3). */
  readonly usePpk: boolean;
  /** IKE_AUTH may come without a CHILD SA (RFC 6023 §3). */
  readonly childless: boolean;
  /** SHA-1 of the keys of the authorities it knows (RFC 7296 §3.7). */
  readonly authorities: readonly Uint8Array[];
  /** How it lets us prove ourselves, where it says so (RFC 9593). */
  readonly taken?: readonly TakenMethod[] | undefined;
  /** It says so in IKE_INTERMEDIATE. */
  readonly takenLater?: boolean;
  /** Both sides know IKE_INTERMEDIATE (RFC 9242 §3.1). */
  readonly mayIntermediate?: boolean;
}

/** What has become of the present request: transmissions so far, when the first one was, and what time it is. */
export interface SaInitProgress {
  readonly sent: number;
  readonly firstAt: number;
  readonly now: number;
}

export type SaInitVerdict =
  | { readonly kind: 'ignore'; readonly why: string }
  /** Build and send anew. */
  | { readonly kind: 'restart'; readonly why: string }
  /** Work is wanted: build and send anew when `solved` was told what came of it and how many milliseconds it took. */
  | {
      readonly kind: 'puzzle';
      readonly why: string;
      readonly search: PuzzleSearch;
      readonly solved: (solution: Uint8Array | undefined, took: number) => void;
    }
  /** Believed only if nothing better comes for a while. */
  | { readonly kind: 'doubt'; readonly failure: IkeFailure }
  | { readonly kind: 'failed'; readonly failure: IkeFailure }
  /** With `puzzle` IKE_AUTH must not begin before that is solved. */
  | { readonly kind: 'done'; readonly result: SaInitResult; readonly puzzle?: AuthPuzzle };

/** RFC 8019 §7.2: work before IKE_AUTH, wanted by a regular answer. `unsolved`: there is no other way in. */
export interface AuthPuzzle {
  readonly why: string;
  readonly search: PuzzleSearch;
  readonly unsolved: IkeFailure;
}

export class SaInitExchange {
  readonly type = EXCHANGE.IKE_SA_INIT;
  readonly #config: IkeConfig;
  readonly #random: Random;
  #opening: Opening;
  readonly #methods: readonly KeTransform[];
  readonly #tried: number[] = [];
  readonly #refusals = new Set<number>();
  #cookie: Uint8Array | undefined;
  /** Cookies that were asked for so far. */
  #cookies = 0;
  /** Of the puzzle that came with that cookie. */
  #solution: Uint8Array | undefined;
  /** Milliseconds spent on puzzles, and what the last puzzle wanted that was not solved. */
  #puzzled = 0;
  #unsolved: string | undefined;
  #exchange: KeyExchange;
  readonly #echoes = new Echoes();
  #answers = 0;

  /** Makes the key pair of the first method offered, so that the first message is ready when it is wanted. */
  constructor(config: IkeConfig, random: Random) {
    this.#config = config;
    this.#random = random;
    this.#methods = offeredKeyExchanges(config.ikeProposals);
    this.#exchange = this.#start(this.#methods[0]);
    this.#opening = openingOf(config, random);
  }

  get spiI(): Uint8Array {
    return this.#opening.spiI;
  }

  get ni(): Uint8Array {
    return this.#opening.ni;
  }

  /** The request as it stands. RFC 7296 §2.6: after a COOKIE all but the cookie is as before. */
  build(): readonly Payload[] {
    const { method, publicValue } = this.#exchange;
    return [
      // RFC 7296 §2.6: the cookie is the first payload.
      ...(this.#cookie ? [notify(NOTIFY.COOKIE, this.#cookie)] : []),
      ...(this.#solution ? [{ kind: 'PS', data: this.#solution } as const] : []),
      { kind: 'SA', proposals: this.#config.ikeProposals },
      { kind: 'KE', method: method.id, data: publicValue },
      { kind: 'NONCE', data: this.ni },
      ...this.#opening.natNotifies,
      // RFC 9370 §2.2.1: additional key exchanges are done in IKE_INTERMEDIATE, so who proposes them must say that it knows it.
      ...(offersAdditional(this.#config.ikeProposals) ? [notify(NOTIFY.INTERMEDIATE_EXCHANGE_SUPPORTED)] : []),
      // RFC 8784 §3: whether or not it is mandatory, and with a COOKIE as before.
      ...(this.#config.auth.ppk ? [notify(NOTIFY.USE_PPK)] : []),
      // RFC 7427 §4: the hashes that signatures of the gateway may use.
      notify(NOTIFY.SIGNATURE_HASH_ALGORITHMS, announcedHashes),
      ...redirectSupport(this.#config),
      ...(this.#config.fragmentation === 'no' ? [] : [notify(NOTIFY.IKEV2_FRAGMENTATION_SUPPORTED)]),
    ];
  }

  process(message: Message, progress: SaInitProgress): SaInitVerdict {
    const puzzle = findNotify(message.payloads, NOTIFY.PUZZLE);
    const alone = puzzle && !findNotify(message.payloads, NOTIFY.COOKIE) && !findPayload(message.payloads, 'SA');
    // RFC 8019 §7.1.2: there is no text to work on.
    if (alone) return { kind: 'ignore', why: 'PUZZLE without a COOKIE' };
    const sifted = siftPayloads(message.header.exchange, 'response', 'in the clear', message.payloads);
    if (!sifted.ok) {
      const { error } = sifted;
      const what =
        error.code === 'payloads' ? error.place : error.code === 'critical' ? `critical payload ${error.type}` : error.code;
      return doubt('protocol', what);
    }
    const { payloads } = sifted.value;
    const redirect = findNotify(payloads, NOTIFY.REDIRECT);
    if (redirect) return this.#takeRedirect(redirect.data);
    const sa = findPayload(payloads, 'SA');
    const cookie = findNotify(payloads, NOTIFY.COOKIE);
    if (cookie && !sa) return this.#takeCookie(cookie.data, puzzle?.data, progress);
    const invalidKe = findNotify(payloads, NOTIFY.INVALID_KE_PAYLOAD);
    if (invalidKe) return this.#takeGroup(invalidKe.data, progress);
    const error = allPayloads(payloads, 'N').find(({ type }) => isErrorNotify(type));
    if (error) return doubt(errorCode(error.type), nameOf(NOTIFY, error.type));
    const ke = findPayload(payloads, 'KE');
    const nonce = findPayload(payloads, 'NONCE');
    if (!sa || !ke || !nonce) return doubt('protocol', 'no SA, KE or nonce');
    if (this.#answers >= MAX_ANSWERS) return { kind: 'ignore', why: 'too many answers' };
    this.#answers++;
    return this.#agree(message, payloads, sa, ke, nonce.data.slice(), progress.now);
  }

  #start(method: KeTransform | undefined): KeyExchange {
    if (!method) throw new RangeError('the IKE proposals offer no key exchange');
    this.#tried.push(method.id);
    return startKeyExchange(method, this.#random);
  }

  #takeCookie(cookie: Uint8Array, puzzle: Uint8Array | undefined, progress: SaInitProgress): SaInitVerdict {
    // RFC 7296 §2.6: 1 to 64 octets.
    if (cookie.length < 1 || cookie.length > 64) return doubt('protocol', `COOKIE of ${cookie.length} octets`);
    const other = this.#cookie !== undefined && !equalBytes(this.#cookie, cookie);
    if (other && this.#echoes.take(toHex(cookie), progress.now)) return { kind: 'ignore', why: 'echo: another COOKIE' };
    if (this.#cookie && !other) {
      const failure = this.#unsolved === undefined ? tooOften : tooHard(this.#unsolved);
      return this.#refused(progress, failure);
    }
    if (this.#cookies++ >= MAX_COOKIES) return doubt(puzzle ? 'gateway-overloaded' : 'protocol', 'COOKIE without end');
    this.#solution = undefined;
    if (other) return this.#beginAnew(progress);
    this.#cookie = cookie.slice();
    const work = puzzle && readPuzzle(puzzle, this.#config.ikeProposals);
    if (work) return this.#takePuzzle(work, this.#cookie, progress);
    return this.#restart(progress, 'the gateway wants a cookie');
  }

  /**
   * Two requests of one IKE SA, each with a cookie that the gateway has made: whichever it answers, nobody could say which, and AUTH is made
   * of one (RFC 7296 §2.15). Of a new IKE SA it will ask for one.
   */
  #beginAnew(progress: SaInitProgress): SaInitVerdict {
    this.#opening = openingOf(this.#config, this.#random);
    this.#cookie = undefined;
    return this.#restart(progress, 'the gateway wants another cookie: a new IKE SA asks for one');
  }

  #takePuzzle(puzzle: Puzzle, cookie: Uint8Array, progress: SaInitProgress): SaInitVerdict {
    const wanted = wantedBy(puzzle);
    const left = PUZZLE_WITHIN - this.#puzzled;
    if (puzzle.difficulty > MAX_DIFFICULTY || left <= 0) {
      // RFC 8019 §7.1.2: the cookie alone may do, for a gateway serves some who solve nothing (§7.1.5). Asked again, it does not.
      if (this.#unsolved !== undefined) return { kind: 'doubt', failure: tooHard(wanted) };
      this.#unsolved = wanted;
      return this.#restart(progress, `the gateway wants a ${wanted}, which is too much: the cookie alone is tried`);
    }
    return {
      kind: 'puzzle',
      why: `the gateway is under load and wants a ${wanted}`,
      search: new PuzzleSearch(puzzle, cookie, left, progress.now),
      solved: (solution, took) => {
        this.#puzzled += took;
        this.#solution = solution;
        if (!solution) this.#unsolved = wanted;
        this.#restart(progress, '', took);
      },
    };
  }

  /** RFC 7296 §1.2, §2.7: the data are the method wanted. Ours keeps its cookie, nonce and SPI (§2.6.1). */
  #takeGroup(data: Uint8Array, progress: SaInitProgress): SaInitVerdict {
    if (data.length !== 2) return doubt('protocol', `INVALID_KE_PAYLOAD with ${data.length} octets`);
    const wanted = (data[0] << 8) | data[1];
    const method = this.#methods.find(({ id }) => id === wanted);
    // Believing this would let anybody on the path weaken the exchange.
    if (!method) return doubt('ke-refused', `INVALID_KE_PAYLOAD wants method ${wanted}, which was not offered`);
    // Each method once: as an echo of an earlier request it is harmless, as a demand it has no end.
    if (this.#tried.includes(wanted))
      return this.#refused(progress, { code: 'ke-refused', evidence: place(`INVALID_KE_PAYLOAD wants ${method.keyword} again`) });
    this.#exchange = this.#start(method);
    return this.#restart(progress, `the gateway wants ${method.keyword}`);
  }

  #takeRedirect(data: Uint8Array): SaInitVerdict {
    // RFC 5685 §3: only for who said REDIRECT_SUPPORTED.
    if (!this.#config.redirect) return doubt('protocol', 'REDIRECT, which was not asked for,');
    const read = readRedirect(data);
    if (!read.ok) return doubt('protocol', read.error);
    // RFC 5685 §3: without our nonce it is from somebody who did not even see the request, and discarded without a word.
    if (!equalBytes(read.value.nonce, this.ni)) return { kind: 'ignore', why: 'REDIRECT without our nonce' };
    return { kind: 'failed', failure: redirected(read.value.gateway, 'IKE_SA_INIT response') };
  }

  /** `worked`: milliseconds since the answer came. */
  #restart(progress: SaInitProgress, why: string, worked = 0): SaInitVerdict {
    this.#refusals.clear();
    this.#echoes.expect(progress, worked);
    return { kind: 'restart', why };
  }

  #refused({ sent, now }: SaInitProgress, failure: IkeFailure): SaInitVerdict {
    if (this.#echoes.may(now)) return { kind: 'ignore', why: `echo: ${failure.evidence}` };
    this.#refusals.add(sent);
    return this.#refusals.size >= MAX_REFUSALS ? { kind: 'failed', failure } : { kind: 'ignore', why: failure.evidence };
  }

  #agree(
    message: Message,
    payloads: readonly Payload[],
    sa: PayloadOf<'SA'>,
    ke: PayloadOf<'KE'>,
    nr: Uint8Array,
    now: number,
  ): SaInitVerdict {
    const spiR = message.header.spiR.slice();
    if (spiR.every((octet) => octet === 0)) return doubt('protocol', 'the responder SPI is zero');
    const chosen = checkChosen(this.#config.ikeProposals, sa.proposals);
    if (!chosen.ok) return doubt('bad-answer-proposal', chosen.error);
    const suite = ikeSuite(chosen.value);
    const { method } = this.#exchange;
    if (!suite) return doubt('bad-answer-proposal', 'the chosen transforms do not go together');
    // RFC 9370 §2.2.1: nor may a responder choose them without saying so. What is in the notify does not matter (RFC 9242 §3.1).
    const intermediate = findNotify(payloads, NOTIFY.INTERMEDIATE_EXCHANGE_SUPPORTED) !== undefined;
    if (suite.additional.length > 0 && !intermediate)
      return doubt('bad-answer-proposal', `${suite.additional[0].keyword} without INTERMEDIATE_EXCHANGE_SUPPORTED`);
    // RFC 7296 §2.7: the key exchange that was made is the one that is chosen.
    if (suite.ke.id !== method.id || ke.method !== method.id)
      return doubt(
        'bad-answer-proposal',
        `${suite.ke.keyword} was chosen, key exchange ${ke.method} sent, ours was ${method.keyword}`,
      );
    const takesFragments = findNotify(payloads, NOTIFY.IKEV2_FRAGMENTATION_SUPPORTED) !== undefined;
    if (this.#config.fragmentation === 'force' && !takesFragments)
      return doubt('no-fragmentation', 'no IKEV2_FRAGMENTATION_SUPPORTED');
    const { ppk } = this.#config.auth;
    const usePpk = ppk !== undefined && findNotify(payloads, NOTIFY.USE_PPK) !== undefined;
    if (ppk?.required && !usePpk) return doubt('ppk-refused', 'no USE_PPK');
    const puzzle = this.#authPuzzle(payloads, concat(nr, spiR), now);
    if (puzzle && 'kind' in puzzle) return puzzle;
    // From here on there is no doubt: a key exchange is used once.
    const shared = this.#exchange.derive(ke.data);
    if (!(shared instanceof Uint8Array)) return doubt('bad-public-value', `${method.keyword}: ${shared.fault}`);
    const nonces = { ni: this.ni, nr };
    const seed = skeyseed(suite.prf, nonces, shared);
    const keys = deriveIkeKeys(suite, seed, nonces, { spiI: this.spiI, spiR });
    wipe(shared, seed);
    const { local, remote } = this.#config;
    const nat = detectNat(
      { spiI: this.spiI, spiR },
      payloads,
      { address: local.address, port: local.ports.ike },
      { address: remote.address, port: remote.ports.ike },
    );
    const vendorIds = allPayloads(payloads, 'V')
      .slice(0, 16)
      .map(({ data }) => vendorText(data));
    const announced = findNotify(payloads, NOTIFY.SIGNATURE_HASH_ALGORITHMS);
    const hashes = announced && readHashes(announced.data);
    const authorities = requestedAuthorities(payloads);
    const multipleAuth = findNotify(payloads, NOTIFY.MULTIPLE_AUTH_SUPPORTED) !== undefined;
    const fragmentation = takesFragments && this.#config.fragmentation !== 'no';
    const taken = readTakenMethods(payloads);
    // RFC 9593 §3.1: an empty one stands for a list that is too long for this message. We have said INTERMEDIATE_EXCHANGE_SUPPORTED, or not.
    const empty = allNotifies(payloads, NOTIFY.SUPPORTED_AUTH_METHODS).some(({ data }) => data.length === 0);
    const mayIntermediate = intermediate && offersAdditional(this.#config.ikeProposals);
    const takenLater = empty && !taken && mayIntermediate;
    const childless = findNotify(payloads, NOTIFY.CHILDLESS_IKEV2_SUPPORTED) !== undefined;
    const exchanges = { takenLater, mayIntermediate, fragmentation, childless };
    const said = { taken, vendorIds, hashes, multipleAuth, authorities, usePpk, ...exchanges };
    return { kind: 'done', result: { spiR, suite, keys, nr, nat, ...said }, ...(puzzle && { puzzle }) };
  }

  /** RFC 8019 §7.2.3: `text` is Nr | SPIr. What cannot be solved is a doubt, for without a solution IKE_AUTH is not even looked at (§7.2.4). */
  #authPuzzle(payloads: readonly Payload[], text: Uint8Array, now: number): AuthPuzzle | SaInitVerdict | undefined {
    const demand = findNotify(payloads, NOTIFY.PUZZLE);
    if (!demand) return undefined;
    const puzzle = readPuzzle(demand.data, this.#config.ikeProposals);
    if (!puzzle) return doubt('protocol', 'PUZZLE of no PRF that was offered');
    const wanted = wantedBy(puzzle);
    const left = PUZZLE_WITHIN - this.#puzzled;
    const unsolved = tooHard(wanted);
    if (puzzle.difficulty > MAX_DIFFICULTY || left <= 0) return { kind: 'doubt', failure: unsolved };
    const why = `the gateway is under load and wants a ${wanted} before IKE_AUTH`;
    return { why, search: new PuzzleSearch(puzzle, text, left, now), unsolved };
  }
}

/** What one IKE SA begins with. */
export interface Opening {
  readonly spiI: Uint8Array;
  readonly ni: Uint8Array;
  readonly natNotifies: readonly Payload[];
}

export function openingOf(config: IkeConfig, random: Random): Opening {
  const spiI = newIkeSpi(random);
  return { spiI, ni: random(NONCE_OCTETS).slice(), natNotifies: natDetectionNotifies(config, spiI, random) };
}

const tooOften: IkeFailure = { code: 'protocol', evidence: place('COOKIE asked for again') };

function wantedBy({ difficulty }: Puzzle): string {
  return difficulty === 0 ? 'PUZZLE of any difficulty' : `PUZZLE of ${difficulty} bits`;
}

function tooHard(wanted: string): IkeFailure {
  return { code: 'gateway-overloaded', evidence: place(wanted) };
}

/** RFC 5685 §3: that we can be sent elsewhere, and who sent us here. */
export function redirectSupport({ redirect }: IkeConfig): readonly Payload[] {
  if (!redirect) return [];
  return [notify(NOTIFY.REDIRECT_SUPPORTED), ...(redirect.from === undefined ? [] : redirectedFrom(redirect.from))];
}

function errorCode(type: number): IkeFailure['code'] {
  if (type === NOTIFY.NO_PROPOSAL_CHOSEN) return 'no-proposal-chosen';
  if (type === NOTIFY.INVALID_MAJOR_VERSION) return 'gateway-version';
  return 'gateway-error';
}

function doubt(code: IkeFailure['code'], what: string): SaInitVerdict {
  return { kind: 'doubt', failure: { code, evidence: place(what) } };
}

function place(what: string): string {
  return `${what} in IKE_SA_INIT response`;
}

/** RFC 7296 §2.6: an SPI is not zero. */
export function newIkeSpi(random: Random): Uint8Array {
  const copy = random(8).slice();
  if (copy.every((octet) => octet === 0)) copy[7] = 1;
  return copy;
}

/** Text where the vendor wrote text, hex otherwise. */
function vendorText(data: Uint8Array): string {
  const shown = data.subarray(0, 32);
  if (shown.length >= 4 && shown.every((octet) => octet >= 0x20 && octet < 0x7f)) return String.fromCharCode(...shown);
  return toHex(shown);
}
