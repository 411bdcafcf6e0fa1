/**
 * From `up` to its end as the user sees it: asks for a key that is missing, connects, and asks again where what the user gave was refused
 * (credentials.ts says when). Each try is a connection of its own (connection.ts), taken down wholly before the next; the user's private
 * key is opened once for all of them.
 */
import { err, type Result } from '../bytes/result.ts';
import type { Channel, Endpoint } from '../ike/sa/contract.ts';
import type { Profile, ProfileSecret } from '../profile/model.ts';
import type { Failure } from '../rpc/contract.ts';
import { failure } from '../tunnel/explain.ts';
import type { TunnelFacts } from '../tunnel/status.ts';
import type { SigningKey } from './asks.ts';
import { type Connection, type ConnectionDeps, startConnection } from './connection.ts';
import { createCredentials, type Rememberable } from './credentials.ts';
import { createPrompter, PROMPT_PATIENCE, type Prompter } from './prompter.ts';

export interface AttemptsRequest {
  readonly owner: number;
  readonly profile: Profile;
  /** What is stored; what is missing the user is asked for. Wiped when it is over. */
  readonly secret: ProfileSecret;
  readonly mayRemember: (kind: Rememberable) => boolean;
  /** Keeps a typed answer that the gateway took; copies what it needs. */
  readonly remember: (kind: Rememberable, value: Uint8Array) => void;
}

export interface AttemptsDeps extends ConnectionDeps {
  /** Takes a private key (PKCS#8) out of our hands; an error is one printable line. */
  readonly openKey: (pkcs8: Uint8Array) => Promise<Result<OpenKey, string>>;
  /** Milliseconds for an answer. */
  readonly promptPatience?: number;
}

export interface OpenKey extends SigningKey {
  close(): void;
}

export interface Attempts {
  facts(): TunnelFacts;
  readonly answer: Prompter['answer'];
  datagram(bytes: Uint8Array, channel: Channel, from: Endpoint): void;
  /** As of a connection. */
  end(reason?: Failure): Promise<void>;
  readonly over: Promise<void>;
}

export function startAttempts(deps: AttemptsDeps, request: AttemptsRequest): Attempts {
  const { profile, owner } = request;
  const startedAt = deps.now();
  const patience = deps.promptPatience ?? PROMPT_PATIENCE;
  const prompter = createPrompter({ now: deps.now, onChange: deps.onChange, patience });
  const { psk: storedPsk, password, key } = request.secret;
  const credentials = createCredentials(
    { prompter, log: deps.log, now: deps.now },
    {
      localId: profile.localId,
      stored: { psk: storedPsk, password },
      mayRemember: request.mayRemember,
      remember: request.remember,
    },
  );
  let connection: Connection | undefined;
  let ending: { readonly at: number; readonly reason: Failure | undefined } | undefined;
  let endedAt: number | undefined;
  let resolveOver: () => void = () => {};
  const over = new Promise<void>((resolve) => {
    resolveOver = resolve;
  });

  async function run(): Promise<void> {
    const signer = key && openKey(key);
    try {
      for (;;) {
        credentials.begin();
        const psk = needsPsk(profile) ? (credentials.heldPsk() ?? (await askPsk())) : undefined;
        if (ending) {
          psk?.fill(0);
          return;
        }
        const retract = prompter.retract;
        connection = startConnection({ ...deps, onChange: changed }, { owner, profile, psk, signer, credentials, retract });
        await connection.over;
        const cause = connection.facts().failure;
        if (ending || !cause || !credentials.another(cause)) return;
        deps.log('info', 'tunnel', 'trying again', { after: cause.code });
        connection = undefined;
      }
    } finally {
      credentials.wipe();
      const opened = await signer;
      if (opened?.ok) opened.value.close();
    }
  }

  async function openKey(pkcs8: Uint8Array): Promise<Result<OpenKey, string>> {
    try {
      return await deps.openKey(pkcs8);
    } catch (fault) {
      return err(fault instanceof Error ? fault.message : 'failed');
    } finally {
      pkcs8.fill(0);
    }
  }

  async function askPsk(): Promise<Uint8Array | undefined> {
    const asked = await credentials.askPsk();
    if (asked.kind === 'answered') return asked.secret;
    if (asked.kind === 'expired') finish(failure('prompt-expired', `nobody answered within ${patience / 1000} s`));
    // Taken back only by what ends it all.
    else finish(undefined);
    return undefined;
  }

  function changed(): void {
    if (connection?.facts().establishedAt !== undefined) credentials.accepted();
    deps.onChange();
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
      const again = !ending && now.failure !== undefined && credentials.wouldTry(now.failure.code);
      // Between a wrong answer and the next question it does not look as if all were over.
      const { endingAt: _ending, endedAt: _ended, failure: _failure, ...going } = now;
      return { ...(again ? going : now), startedAt, ...(prompt && { prompt }) };
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

/** One side proves itself by it. */
function needsPsk({ auth, trust }: Profile): boolean {
  return auth === 'psk' || trust.method === 'psk';
}
