/** What the dialogues of rekeying have in common: each case is begun by either side. */
import { test } from 'node:test';
import { both, otherOf, Two, type Who } from './sessions.ts';

/** One case for each side that may start it. */
export function each(what: string, play: (one: Who, other: Who) => void): void {
  for (const who of both) test(`${what}; the ${who} starts`, () => play(who, otherOf(who)));
}

/** The same with the lowest nonce in the exchange of either side: the SA of that one is redundant. */
export function eachNonce(what: string, ike: boolean, play: (two: Two, one: Who, other: Who, loser: Who) => void): void {
  for (const loser of both) {
    each(`${what}, the ${loser}'s is redundant`, (one, other) => {
      const draws = (who: Who) => {
        // As who asks: nonce, then key pair; as who answers: key pair, then nonce.
        const [asking, answering] = who === loser ? [0x10, 0x60] : [0x70, 0x50];
        return { draws: ike ? [asking, undefined, undefined, answering] : [asking, answering] };
      };
      play(new Two({ initiator: draws('initiator'), responder: draws('responder') }), one, other, loser);
    });
  }
}

/** Whose rekeyings of CHILD SAs one side was told of. */
export const rekeyed = (two: Two, who: Who) =>
  two
    .side(who)
    .outputs('child-rekeyed')
    .map(({ by }) => by);
/** The same of the IKE SA. */
export const ikeRekeyed = (two: Two, who: Who) =>
  two
    .side(who)
    .outputs('ike-rekeyed')
    .map(({ by }) => by);
/** How many of its messages were such. */
export const said = (two: Two, who: Who, pattern: RegExp) => two.side(who).sent.filter((line) => pattern.test(line)).length;
