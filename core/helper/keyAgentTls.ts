/** A TLS client whose TLS runs in the key agent; the server is still judged here. */
import type { Result } from '../bytes/result.ts';
import type { EapFailure } from '../ike/auth/eap/contract.ts';
import type { KeyAgentFault } from './keyAgentClient.ts';
import type { AgentMessage, EngineMessage, Framed } from './keyAgentContract.ts';
import type { TlsAnswer, TlsClient, TlsClientOptions } from './tlsClient.ts';

export interface AgentTlsPorts {
  readonly key: number;
  readonly session: number;
  readonly options: TlsClientOptions;
  readonly chain: readonly Uint8Array[];
  readonly ask: (
    make: (id: number) => EngineMessage,
    parts?: readonly Uint8Array[],
  ) => Promise<Result<Framed<AgentMessage>, KeyAgentFault>>;
  readonly tell: (message: EngineMessage) => void;
  /** What to call with the server's chain, from the moment the session is open. */
  readonly onCheck: (check: (chain: readonly Uint8Array[]) => void) => void;
  readonly onClose: () => void;
}

export function createAgentTls(ports: AgentTlsPorts): TlsClient {
  const { key, session, options, chain, ask, tell } = ports;
  const { method, minVersion, maxVersion } = options;
  let open: Promise<Result<unknown, KeyAgentFault>> | undefined;
  let over = false;

  async function check(server: readonly Uint8Array[]): Promise<void> {
    let failure: EapFailure | undefined;
    try {
      failure = await options.checkServer(server);
    } catch {
      failure = { code: 'eap-server-certificate', evidence: 'the certificate could not be judged' };
    }
    const short = failure && { code: failure.code, evidence: failure.evidence.slice(0, 1024) };
    tell({ op: 'verdict', session, ...(short && { failure: short }) });
  }

  return {
    async exchange(received, write) {
      if (over) return failed('the connection ends');
      ports.onCheck((server) => void check(server));
      const versions = { ...(minVersion && { minVersion }), ...(maxVersion && { maxVersion }) };
      open ??= ask((id) => ({ op: 'tls-open', id, key, session, method, ...versions }), chain);
      const opened = await open;
      if (!opened.ok) return failed(opened.error.detail);
      const answer = await ask((id) => ({ op: 'tls', id, session }), [received, write]);
      if (!answer.ok) return failed(answer.error.detail);
      return answerOf(answer.value);
    },
    close() {
      if (over) return;
      over = true;
      ports.onClose();
      if (open !== undefined) void ask((id) => ({ op: 'tls-close', id, session }));
    },
  };
}

function answerOf({ head, parts }: Framed<AgentMessage>): TlsAnswer {
  const [send, plain, keyMaterial, challenge] = parts;
  if (head.is !== 'tls' || send === undefined || plain === undefined) return failed('the key agent said something else');
  return {
    kind: 'tls',
    state: head.state,
    send: send.slice(),
    plain: plain.slice(),
    ...(head.version && { version: head.version }),
    ...(keyMaterial && keyMaterial.length > 0 && { keyMaterial: keyMaterial.slice() }),
    ...(challenge && challenge.length > 0 && { challenge: challenge.slice() }),
    ...(head.failure && { failure: head.failure }),
  };
}

function failed(evidence: string): TlsAnswer {
  const none = new Uint8Array(0);
  return { kind: 'tls', state: 'failed', send: none, plain: none, failure: { code: 'eap-tls-failed', evidence } };
}
