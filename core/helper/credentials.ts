/**
 * What the user knows, from the first question to the end of `up`: the store answers first, then the user. It outlives the single
 * connection, so that the next try knows what was refused: nothing refused is given twice, and nothing is asked again that may still be
 * right. What the gateway took stays for the next connection: in the store where it is there, else in memory until `up` ends. Three refusals are the end, a stored answer counted among them: accounts lock themselves after a few.
 */
import { copySecret } from '../bytes/bytes.ts';
import type { IkeAnswer, IkeAsk } from '../ike/auth/contract.ts';
import type { Failure, Prompt } from '../rpc/contract.ts';
import type { Log } from '../system/log.ts';
import { ikeFailure, printable } from '../tunnel/explain.ts';
import type { Asked, Prompter } from './prompter.ts';

export type CredentialAsk = Extract<IkeAsk, { readonly kind: 'credential' }>;
export type CredentialKind = Prompt['kind'];
/** What can be kept for the next time; a code is good for once, and a PIN is for nobody's disk. */
export type Rememberable = Extract<CredentialKind, 'psk' | 'identity' | 'password'>;

export type Recallable = Extract<CredentialKind, 'psk' | 'password'>;

export interface CredentialsRequest {
  /** Whom the pre-shared key is for. */
  readonly localId: string;
  /** Answers of the store; owned here and wiped. */
  readonly stored: { readonly [K in Rememberable]?: Uint8Array | undefined };
  /** What the gateway took is wanted for the next connection of the same `up`. */
  readonly keep: boolean;
  /** What the store has now, read again so that it need not be kept meanwhile. Owned here and wiped. */
  readonly recall: (kind: Recallable) => Uint8Array | undefined;
  readonly mayRemember: (kind: Rememberable) => boolean;
  /** A typed answer that the gateway took; copies what it needs. */
  readonly remember: (kind: Rememberable, value: Uint8Array) => void;
}

export interface CredentialsPorts {
  readonly prompter: Pick<Prompter, 'ask'>;
  readonly log: Log;
  /** Date.now() milliseconds. */
  readonly now: () => number;
}

export interface Credentials {
  /** A new connection starts: what was not refused may be given again. */
  begin(): void;
  /** The pre-shared key that is there already. A copy; whoever takes it wipes it. */
  heldPsk(): Uint8Array | undefined;
  /** Asks for it, before a connection can start. */
  askPsk(): Promise<Asked>;
  answer(ask: CredentialAsk): Promise<IkeAnswer>;
  /** The connection ended with this failure: what is wrong, and is another try worth it? */
  another(cause: Failure): boolean;
  /** That login is over, and another goes on: the next new one has all its tries, and nothing that was refused. */
  setAside(cause: Failure | undefined): void;
  /** As `another`, changing nothing. */
  wouldTry(code: string): boolean;
  /** Nothing that was given was good for once only: the next connection can be made without asking. */
  replayable(): boolean;
  /** The user wants to type it. */
  askAnew(): void;
  /** The gateway took what it was given: what is to be remembered is remembered, and what nobody will need again is wiped. */
  accepted(): void;
  wipe(): void;
}

interface Held {
  readonly value: Uint8Array;
  readonly source: 'stored' | 'typed';
  readonly remember: boolean;
}

const MOST_REFUSALS = 3;
/** Which of them say that what the user gave is wrong. A gateway that sends a notify for EAP-Failure says `authentication-failed`. */
const WRONG: ReadonlySet<string> = new Set(['eap-refused', 'password-wrong', 'authentication-failed']);
const WRONG_PSK: ReadonlySet<string> = new Set(['authentication-failed', 'gateway-authentication-failed']);
/**
 * Gateways forget a half-open SA after 30 s or so. Whoever answered later than the first may not have been heard; later than the second
 * nobody tries, as silence would cost another half minute: a new connection is given the answer at once. Milliseconds.
 */
const SLOW_ANSWER = 20_000;
const TOO_LATE = 28_000;

export function createCredentials(ports: CredentialsPorts, request: CredentialsRequest): Credentials {
  const held = new Map<CredentialKind, Held>();
  /** Given in the connection that is. */
  const given = new Set<CredentialKind>();
  /** The gateway took it, and the store has it. */
  const recallable = new Set<Recallable>();
  let refusals = 0;
  let refused: Failure | undefined;
  let slowest = 0;
  /** A code or a PIN was given. */
  let once = false;
  /** The last name that was typed, to be mended. */
  let lastIdentity = '';

  for (const kind of ['psk', 'identity', 'password'] as const) {
    const value = request.stored[kind];
    if (value) held.set(kind, { value, source: 'stored', remember: false });
  }

  function hold(kind: CredentialKind, value: Uint8Array, remember: boolean): void {
    forget(kind);
    held.set(kind, { value, source: 'typed', remember });
    if (kind === 'identity') lastIdentity = printable(new TextDecoder().decode(value));
  }

  /** Also what the store has of it is not given again. */
  function forget(kind: CredentialKind): void {
    wipe(kind);
    if (isRecallable(kind)) recallable.delete(kind);
  }

  function wipe(kind: CredentialKind): void {
    held.get(kind)?.value.fill(0);
    held.delete(kind);
  }

  async function prompt(kind: CredentialKind, text: string, identity: string): Promise<Asked> {
    const attempt = refusals + 1;
    ports.log('info', 'tunnel', `waiting for the ${WORDS[kind]}`, { attempt });
    const since = ports.now();
    const rememberAllowed = isRememberable(kind) && request.mayRemember(kind);
    const asked = await ports.prompter.ask({
      kind,
      text: printable(text),
      identity,
      rememberAllowed,
      attempt,
      ...(refused && { refused }),
    });
    if (asked.kind === 'answered') slowest = Math.max(slowest, ports.now() - since);
    return asked;
  }

  /** What it will come to once the connection is over; `another` does it. */
  function verdict(code: string): 'wrong' | 'wrong-psk' | 'not-heard' | 'final' {
    const more = refusals + 1 < MOST_REFUSALS;
    const onTheWay = [...given].some((kind) => kind !== 'psk');
    if (onTheWay && WRONG.has(code)) return more ? 'wrong' : 'final';
    // A stored key nobody mistyped.
    if (held.get('psk')?.source === 'typed' && given.has('psk') && WRONG_PSK.has(code)) return more ? 'wrong-psk' : 'final';
    if (!onTheWay) return 'final';
    // A code may have been used up, and the next challenge wants another.
    const heldStill = !given.has('code') && !given.has('pin');
    // It ends, because each such try has cost the user an answer.
    return code === 'no-answer-auth' && slowest >= SLOW_ANSWER && heldStill ? 'not-heard' : 'final';
  }

  function forgetLogin(): void {
    forget('password');
    // A typed name may be what is wrong: no gateway tells which. A configured one is never asked for.
    if (given.has('identity')) forget('identity');
  }

  return {
    begin() {
      given.clear();
      slowest = 0;
      for (const kind of recallable) {
        const value = held.has(kind) ? undefined : request.recall(kind);
        if (value) held.set(kind, { value, source: 'stored', remember: false });
      }
    },

    heldPsk() {
      given.add('psk');
      const psk = held.get('psk')?.value;
      return psk && copySecret(psk);
    },

    async askPsk() {
      const asked = await prompt('psk', '', request.localId);
      if (asked.kind === 'answered') hold('psk', copySecret(asked.secret), asked.remember);
      return asked;
    },

    async answer({ want, text, identity, attempt }) {
      if (attempt > 1 && given.has(want)) {
        refusals += 1;
        forget(want);
        const code = want === 'password' ? 'password-wrong' : 'eap-refused';
        refused = ikeFailure({ code, evidence: 'refused, and asked for again' });
        if (refusals >= MOST_REFUSALS) {
          return { kind: 'refused', failure: { code, evidence: `${refusals} answers were refused` } };
        }
      }
      const kept = held.get(want);
      // One that was given here already answered another question of the gateway's.
      if (kept && !given.has(want)) {
        given.add(want);
        ports.log(
          'debug',
          'tunnel',
          `the ${WORDS[want]} is the one ${kept.source === 'stored' ? 'that is kept' : 'typed before'}`,
        );
        return { kind: 'credential', value: copySecret(kept.value) };
      }
      const asked = await prompt(want, text, want === 'identity' ? lastIdentity : identity);
      if (asked.kind !== 'answered') {
        return { kind: 'credential-missing', why: asked.kind === 'expired' ? 'expired' : 'cancelled' };
      }
      given.add(want);
      once ||= !isRememberable(want);
      if (!isRememberable(want)) return { kind: 'credential', value: asked.secret };
      hold(want, copySecret(asked.secret), asked.remember);
      if (slowest < TOO_LATE) return { kind: 'credential', value: asked.secret };
      asked.secret.fill(0);
      const evidence = `answered after ${Math.round(slowest / 1000)} s, when gateways have forgotten who asked`;
      return { kind: 'refused', failure: { code: 'no-answer-auth', evidence } };
    },

    another(cause) {
      const what = verdict(cause.code);
      if (what === 'final') return false;
      if (what === 'not-heard') return true;
      refusals += 1;
      refused = cause;
      if (what === 'wrong-psk') forget('psk');
      else forgetLogin();
      return true;
    },

    setAside(cause) {
      if (cause && WRONG.has(cause.code)) forgetLogin();
      refusals = 0;
      refused = undefined;
    },

    wouldTry: (code) => verdict(code) !== 'final',

    replayable: () => !once,

    askAnew() {
      refusals = 0;
      refused = undefined;
      for (const kind of ['psk', 'password'] as const) forget(kind);
    },

    accepted() {
      refusals = 0;
      refused = undefined;
      for (const [kind, one] of [...held]) {
        if (one.remember && isRememberable(kind)) request.remember(kind, one.value);
        const stored = one.remember || one.source === 'stored';
        if (request.keep && !(stored && isRecallable(kind))) {
          held.set(kind, { ...one, remember: false });
          continue;
        }
        wipe(kind);
        if (request.keep && isRecallable(kind)) recallable.add(kind);
      }
    },

    wipe() {
      for (const kind of [...held.keys()]) forget(kind);
      recallable.clear();
    },
  };
}

const WORDS: { readonly [K in CredentialKind]: string } = {
  psk: 'pre-shared key',
  identity: 'user name',
  password: 'password',
  code: 'code',
  pin: 'PIN',
};

function isRecallable(kind: CredentialKind): kind is Recallable {
  return kind === 'psk' || kind === 'password';
}

function isRememberable(kind: CredentialKind): kind is Rememberable {
  return kind === 'psk' || kind === 'identity' || kind === 'password';
}
