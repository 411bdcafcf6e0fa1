/**
 * From `up` to its end as the user sees it: asks for a key that is missing, connects, and asks again when a typed key was wrong. Each try
 * is a connection of its own (connection.ts), taken down wholly before the next.
 */
import type { Channel, Endpoint } from '../ike/sa/contract.ts';
import type { Profile } from '../profile/model.ts';
import type { Failure } from '../rpc/contract.ts';
import { failure } from '../tunnel/explain.ts';
import type { TunnelFacts } from '../tunnel/status.ts';
import { type Connection, type ConnectionDeps, startConnection } from './connection.ts';
import { createPrompter, PROMPT_PATIENCE, type Prompter } from './prompter.ts';

export interface AttemptsRequest {
  readonly owner: number;
  readonly profile: Profile;
  /** Undefined: the user is asked. Wiped when it is over. */
  readonly psk: Uint8Array | undefined;
  readonly rememberAllowed: boolean;
  /** Keeps a typed key that the gateway took; copies what it needs. */
  readonly remember: (psk: Uint8Array) => void;
}

export interface AttemptsDeps extends ConnectionDeps {
  /** Milliseconds for an answer. */
  readonly promptPatience?: number;
}

export interface Attempts {
  facts(): TunnelFacts;
  readonly answer: Prompter['answer'];
  datagram(bytes: Uint8Array, channel: Channel, from: Endpoint): void;
  /** As of a connection. */
  end(reason?: Failure): Promise<void>;
  readonly over: Promise<void>;
}

const MOST_ANSWERS = 3;
const WRONG_KEY: ReadonlySet<string> = new Set(['authentication-failed', 'gateway-authentication-failed']);

export function startAttempts(deps: AttemptsDeps, request: AttemptsRequest): Attempts {
  const { profile, owner } = request;
  const startedAt = deps.now();
  const patience = deps.promptPatience ?? PROMPT_PATIENCE;
  const prompter = createPrompter({ now: deps.now, onChange: deps.onChange, patience });
  let connection: Connection | undefined;
  let answers = 0;
  /** The typed key, kept until it is known to be right. */
  let toRemember: Uint8Array | undefined;
  let ending: { readonly at: number; readonly reason: Failure | undefined } | undefined;
  let endedAt: number | undefined;
  let resolveOver: () => void = () => {};
  const over = new Promise<void>((resolve) => {
    resolveOver = resolve;
  });

  async function run(): Promise<void> {
    let psk = request.psk;
    for (;;) {
      psk ??= await ask();
      if (!psk) return;
      if (ending) {
        psk.fill(0);
        return;
      }
      connection = startConnection({ ...deps, onChange: changed }, { owner, profile, psk });
      psk = undefined;
      await connection.over;
      forgetTyped();
      if (!asksAgain(connection.facts())) return;
      connection = undefined;
    }
  }

  async function ask(): Promise<Uint8Array | undefined> {
    answers += 1;
    deps.log('info', 'tunnel', 'waiting for the pre-shared key', { profile: profile.name, attempt: answers });
    const asked = await prompter.ask({
      kind: 'psk',
      text: '',
      identity: profile.localId,
      rememberAllowed: request.rememberAllowed,
      attempt: answers,
    });
    if (asked.kind === 'answered') {
      if (asked.remember) toRemember = asked.secret.slice();
      return asked.secret;
    }
    if (asked.kind === 'expired') finish(failure('prompt-expired', `nobody answered within ${patience / 1000} s`));
    return undefined;
  }

  /** Only what was typed now can have been mistyped. */
  function asksAgain({ failure: cause }: TunnelFacts): boolean {
    return !ending && answers > 0 && answers < MOST_ANSWERS && cause !== undefined && WRONG_KEY.has(cause.code);
  }

  function changed(): void {
    if (toRemember && connection?.facts().establishedAt !== undefined) {
      request.remember(toRemember);
      forgetTyped();
    }
    deps.onChange();
  }

  function forgetTyped(): void {
    toRemember?.fill(0);
    toRemember = undefined;
  }

  function finish(reason: Failure | undefined): void {
    if (ending) return;
    ending = { at: deps.now(), reason };
    if (reason && !connection) deps.log('warn', 'tunnel', reason.what, { code: reason.code, evidence: reason.evidence });
    prompter.withdraw();
    deps.onChange();
  }

  function facts(): TunnelFacts {
    const prompt = prompter.current();
    if (connection) {
      const now = connection.facts();
      // Between a wrong key and the next question it does not look as if all were over.
      const { endingAt: _ending, endedAt: _ended, failure: _failure, ...going } = now;
      return { ...(asksAgain(now) ? going : now), startedAt, ...(prompt && { prompt }) };
    }
    return {
      owner,
      profile: { id: profile.id, name: profile.name },
      startedAt,
      gateway: { name: profile.gateway },
      backend: deps.dataplane.backend(),
      children: [],
      ...(prompt && { prompt }),
      ...(ending && { endingAt: ending.at, ...(ending.reason && { failure: ending.reason }) }),
      ...(endedAt !== undefined && { endedAt }),
    };
  }

  run()
    .catch((fault) => {
      deps.log('error', 'tunnel', `a fault while connecting: ${String(fault)}`);
      finish(failure('internal', String(fault)));
    })
    .finally(() => {
      endedAt = deps.now();
      deps.onChange();
      resolveOver();
    });

  return {
    facts,
    answer: prompter.answer,
    datagram: (bytes, channel, from) => connection?.datagram(bytes, channel, from),
    end(reason) {
      finish(reason);
      void connection?.end(reason);
      return over;
    },
    over,
  };
}
