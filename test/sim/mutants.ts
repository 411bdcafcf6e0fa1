/**
 * Bugs to find: changes of core/ that the simulator has to notice, or its invariants are no good. Those that it once found in earnest name the
 * scenario of the corpus that shows them; the others are mistakes that somebody might make.
 */
export interface Mutant {
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** Of the corpus. */
  readonly scenario: string;
  readonly invariant: string;
}

export const mutants: Readonly<Record<string, Mutant>> = {
  'not found too early': {
    file: 'core/ike/sa/childAnswers.ts',
    from: 'if (!life && this.#setup.making()) return',
    to: 'if (!life && !this.#setup) return',
    scenario: 'child-not-yet-known',
    invariant: 'duplicate',
  },
  'closing wakes': {
    file: 'core/ike/sa/session.ts',
    from: "if (this.#current?.state === 'established') due = Math.min(due, this.#hardAt);",
    to: 'due = Math.min(due, this.#hardAt);',
    scenario: 'hard-limit-while-closing',
    invariant: 'stuck',
  },
  'nothing to compare with': {
    file: 'core/ike/sa/mobike.ts',
    from: 'if (before?.spis !== this.#seen.spis) return natLocal;',
    to: 'if (before?.spis !== this.#seen.spis) return false;',
    scenario: 'nat-changes-after-rekeying',
    invariant: 'unsettled',
  },
  'deaf to what the peer uses': {
    file: 'core/ike/sa/ikeRekeying.ts',
    from: 'if (theirs?.sa !== sa || deletesIkeSa(payloads)) return;',
    to: 'if (!theirs || sa) return;',
    scenario: 'deleted-before-the-answer-in-another-ike-sa',
    invariant: 'unsettled',
  },
  'no grace while both rekey': {
    file: 'core/ike/sa/childKeeper.ts',
    from: 'if (life && (life.replacedBy !== undefined || life.ours || this',
    to: 'if (life && (life.replacedBy !== undefined || this',
    scenario: 'deleted-while-both-rekey',
    invariant: 'late',
  },
  'forgotten, and known to the peer': {
    file: 'core/ike/sa/childKeeper.ts',
    from: 'if (living) this.#startAnew(sa, life, now, verdict === deletedAlready);',
    to: 'if (living) this.#startAnew(sa, life, now, false);',
    scenario: 'replacement-deleted-first',
    invariant: 'late',
  },
  'let out while it is lost': {
    file: 'core/tunnel/session.ts',
    from: "return whenLost === 'hold' || whenLost === 'lock';",
    to: "return whenLost === 'lock';",
    scenario: 'moved-after-resumption',
    invariant: 'clear',
  },
  'over where it could be brought back': {
    file: 'core/tunnel/session.ts',
    from: "if (again === 'never' || !survives(reason.code)) {",
    to: "if (again !== 'now') {",
    scenario: 'moved-after-resumption',
    invariant: 'clear',
  },
  'no grace': {
    file: 'core/ike/sa/lifetimes.ts',
    from: 'export const graceFor = 5_000;',
    to: 'export const graceFor = 0;',
    scenario: 'packets-under-way',
    invariant: 'late',
  },
  'deleted for good': {
    file: 'core/ike/sa/childKeeper.ts',
    from: 'if (life && (!last || life.overslept)) this.#miss(life, now);',
    to: 'if (life && ((life.expired && !last) || life.overslept)) this.#miss(life, now);',
    scenario: 'one-of-several-deleted',
    invariant: 'missing',
  },
  'keys of the wrong direction': {
    file: 'core/ike/sa/childLife.ts',
    from: '? [keys.initiatorToResponder, keys.responderToInitiator]',
    to: '? [keys.responderToInitiator, keys.initiatorToResponder]',
    scenario: 'packets-under-way',
    invariant: 'keys',
  },
  'both IKE SAs kept': {
    file: 'core/ike/sa/ikeRekeying.ts',
    from: "          this.#setup.adopt(made, now, 'us');\n          this.#discard(old, now);",
    to: "          this.#setup.adopt(made, now, 'us');",
    scenario: 'both-rekey-at-once',
    invariant: 'unsettled',
  },
  'an update ends with its IKE SA': {
    file: 'core/ike/sa/mobike.ts',
    from: 'if (this.#agreed && this.#known !== this.#generation) this.#update(now);',
    to: '',
    scenario: 'update-lost-with-the-ike-sa',
    invariant: 'unsettled',
  },
  'told where it may not be known': {
    file: 'core/ike/sa/mobike.ts',
    from: 'return [this.#setup.before(now), this.#setup.current()]',
    to: 'return [this.#setup.current()]',
    scenario: 'update-where-the-peer-knows-of-none',
    invariant: 'torn',
  },
};
