/** Puzzles for clients while the office is under load (RFC 8019): with a cookie in front of IKE_SA_INIT, and in front of IKE_AUTH. */
import { concat } from '../../core/bytes/bytes.ts';
import { findPrf } from '../../core/crypto/transforms.ts';
import type { PrfTransform } from '../../core/crypto/types.ts';
import { type Puzzle, puzzleData, solvedBits } from '../../core/ike/exchanges/puzzle.ts';
import { EXCHANGE, NOTIFY, TRANSFORM } from '../../core/ike/wire/constants.ts';
import type { Message, Payload, Proposal } from '../../core/ike/wire/message.ts';
import { findPayload, notify } from '../../core/ike/wire/payloads.ts';
import type { HeadOfficeConfig } from './config.ts';

export function puzzleNotify(puzzle: Puzzle): Payload {
  return notify(NOTIFY.PUZZLE, puzzleData(puzzle));
}

/** The puzzle beside a cookie. None where there is no PRF to choose, as in IKE_SESSION_RESUME: the cookie alone has to do (RFC 8019 §4.5). */
export function saInitPuzzle(request: readonly Payload[], { puzzle, ikeProposals }: HeadOfficeConfig): Puzzle | undefined {
  const prf = puzzle && commonPrf(request, ikeProposals);
  return prf && { prf, difficulty: puzzle.difficulty };
}

/** RFC 8019 §7.2.1: in the regular answer, for who has solved one already. */
export function authPuzzle(request: readonly Payload[], { puzzle, ikeProposals }: HeadOfficeConfig): Puzzle | undefined {
  const prf = puzzle?.auth !== undefined && findPayload(request, 'PS') ? commonPrf(request, ikeProposals) : undefined;
  return prf && puzzle?.auth !== undefined ? { prf, difficulty: puzzle.auth } : undefined;
}

/** RFC 8019 §7.1.4. Where the client chose how hard it works, eight bits do. */
export function isSolved(request: readonly Payload[], cookie: Uint8Array, puzzle: Puzzle | undefined, legacy = false): boolean {
  if (!puzzle) return true;
  const solution = findPayload(request, 'PS');
  if (!solution) return legacy;
  return (solvedBits(puzzle.prf, cookie, solution.data) ?? 0) >= (puzzle.difficulty || 8);
}

/** RFC 8019 §7.1.1.2: the first PRF that both have. */
function commonPrf(request: readonly Payload[], own: readonly Proposal[]): PrfTransform | undefined {
  const prfs = (proposals: readonly Proposal[]) =>
    proposals.flatMap(({ transforms }) => transforms.filter(({ type }) => type === TRANSFORM.PRF).map(({ id }) => id));
  const theirs = prfs(findPayload(request, 'SA')?.proposals ?? []);
  const common = prfs(own).find((id) => theirs.includes(id));
  return common === undefined ? undefined : findPrf(common);
}

/** What stands in front of the first IKE_AUTH request of a client. */
export class AuthGate {
  readonly #puzzle: Puzzle | undefined;
  readonly #text: Uint8Array;
  #open = false;

  constructor({
    puzzle,
    nr,
    spiR,
  }: { readonly puzzle?: Puzzle | undefined; readonly nr: Uint8Array; readonly spiR: Uint8Array }) {
    this.#puzzle = puzzle;
    this.#text = concat(nr, spiR);
  }

  /**
   * The message without its PS payload; undefined: it is discarded without a word (RFC 8019 §7.2.4). Fragments that come before the first
   * are, too: the client sends all of them again.
   */
  admit(message: Message): Message | undefined {
    if (message.header.exchange !== EXCHANGE.IKE_AUTH) return message;
    this.#open ||= isSolved(message.payloads, this.#text, this.#puzzle);
    if (!this.#open) return undefined;
    return { ...message, payloads: message.payloads.filter(({ kind }) => kind !== 'PS') };
  }
}
