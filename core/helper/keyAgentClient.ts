/**
 * The engine's side of the key agent (keyAgent.ts): starts it, speaks to it, and never waits for ever. A key that was loaded is wiped here. When the agent
 * ends, everything under way fails with `agent-gone` and its keys are lost; the next `load` starts another.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { err, ok, type Result } from '../bytes/result.ts';
import type { SignatureAlgorithm, SignerInfo } from '../crypto/signatureTypes.ts';
import { createFrameDecoder } from '../rpc/framing.ts';
import type { Log } from '../system/log.ts';
import { compileCache } from './compileCache.ts';
import {
  type AgentMessage,
  agentMessage,
  decodeMessage,
  type EngineMessage,
  encodeMessage,
  type Framed,
  type KEY_AGENT_FAULTS,
  KEY_AGENT_FRAME_MAX,
} from './keyAgentContract.ts';
import { createAgentTls } from './keyAgentTls.ts';
import type { TlsClient, TlsClientOptions } from './tlsClient.ts';

export interface KeyAgentOptions {
  /** Who the agent becomes; needed while this process is root still. */
  readonly identity?: { readonly uid: number; readonly gid: number };
  readonly log: Log;
  /** Default: keyAgent.ts beside this file, run by what runs us. */
  readonly script?: string;
  readonly runtime?: string;
  /** Milliseconds for one answer; the slowest is the first, when the process starts. */
  readonly patience?: number;
}

export interface KeyAgentFault {
  readonly code: (typeof KEY_AGENT_FAULTS)[number];
  /** One printable line. */
  readonly detail: string;
}

export interface KeyHandle {
  readonly info: SignerInfo;
  readonly number: number;
  /** Which process has it. */
  readonly generation: number;
}

export interface KeyAgent {
  /** Starts the process unless it runs. To be called while root, because a checkout may be readable by its owner alone. */
  start(): Promise<Result<undefined, KeyAgentFault>>;
  /** DER PKCS #8; wiped when this returns, whatever comes of it. */
  load(pkcs8: Uint8Array): Promise<Result<KeyHandle, KeyAgentFault>>;
  sign(key: KeyHandle, algorithm: SignatureAlgorithm, octets: Uint8Array): Promise<Result<Uint8Array, KeyAgentFault>>;
  /** TLS where the key is. `chain` is DER, the end entity first. */
  openTls(key: KeyHandle, options: TlsClientOptions, chain: readonly Uint8Array[]): TlsClient;
  forget(key: KeyHandle): void;
  /** Ends the process. */
  close(): void;
}

const PATIENCE = 15_000;

/** One process of the agent's, from start to end. */
interface Running {
  readonly generation: number;
  readonly child: ChildProcess;
  readonly channel: Duplex;
  readonly waiting: Map<number, (answer: Result<Framed<AgentMessage>, KeyAgentFault>) => void>;
  readonly checks: Map<number, (chain: readonly Uint8Array[]) => void>;
  readonly ready: Promise<Result<undefined, KeyAgentFault>>;
  over: boolean;
}

export function createKeyAgent(options: KeyAgentOptions): KeyAgent {
  const { log, patience = PATIENCE } = options;
  let current: Running | undefined;
  let generation = 0;
  let numbers = 0;
  let closed = false;

  function running(): Running | undefined {
    if (closed) return undefined;
    if (current === undefined || current.over) current = startProcess(options, ++generation, patience);
    return current;
  }

  async function ask(
    agent: Running | undefined,
    make: (id: number) => EngineMessage,
    parts: readonly Uint8Array[] = [],
  ): Promise<Result<Framed<AgentMessage>, KeyAgentFault>> {
    if (agent === undefined) return gone;
    const ready = await agent.ready;
    if (!ready.ok) return ready;
    if (agent.over) return gone;
    const id = ++numbers;
    const message = encodeMessage(make(id), parts);
    const answered = new Promise<Result<Framed<AgentMessage>, KeyAgentFault>>((resolve) => agent.waiting.set(id, resolve));
    // The octets go to the kernel from this very buffer.
    agent.channel.write(message, () => message.fill(0));
    const timer = setTimeout(() => {
      log('error', 'keys', 'the key agent does not answer: it is ended');
      endProcess(agent, { code: 'agent-silent', detail: `no answer within ${patience} ms` });
    }, patience);
    const answer = await answered;
    clearTimeout(timer);
    if (!answer.ok || answer.value.head.is !== 'refused') return answer;
    const { code, detail } = answer.value.head;
    return err({ code, detail });
  }

  /** The process that has the key, if it still runs. */
  function holder(key: KeyHandle): Running | undefined {
    return current?.generation === key.generation && !current.over && !closed ? current : undefined;
  }

  return {
    async start() {
      return running()?.ready ?? gone;
    },

    async load(pkcs8) {
      const agent = running();
      const number = ++numbers;
      const octets = pkcs8.slice();
      pkcs8.fill(0);
      const answer = await ask(agent, (id) => ({ op: 'load', id, key: number }), [octets]);
      octets.fill(0);
      if (!answer.ok) return answer;
      const { head, parts } = answer.value;
      const [publicKey] = parts;
      if (agent === undefined || head.is !== 'loaded' || publicKey === undefined) return gone;
      const info: SignerInfo = { publicKey: publicKey.slice(), algorithms: head.algorithms };
      return ok({ info, number, generation: agent.generation });
    },

    async sign(key, algorithm, octets) {
      const answer = await ask(holder(key), (id) => ({ op: 'sign', id, key: key.number, algorithm }), [octets]);
      if (!answer.ok) return answer;
      const [signature] = answer.value.parts;
      return answer.value.head.is === 'signed' && signature !== undefined ? ok(signature.slice()) : gone;
    },

    openTls(key, tls, chain) {
      const session = ++numbers;
      const agent = holder(key);
      return createAgentTls({
        key: key.number,
        session,
        options: tls,
        chain,
        ask: (make, parts) => ask(agent?.over === false ? agent : undefined, make, parts),
        tell: (message) => tellProcess(agent, message),
        onCheck: (check) => agent?.checks.set(session, check),
        onClose: () => agent?.checks.delete(session),
      });
    },

    forget(key) {
      void ask(holder(key), (id) => ({ op: 'forget', id, key: key.number }));
    },

    close() {
      closed = true;
      if (current !== undefined) endProcess(current, gone.error);
    },
  };
}

const gone = err<KeyAgentFault>({ code: 'agent-gone', detail: 'the key agent does not run' });

function startProcess(options: KeyAgentOptions, generation: number, patience: number): Running {
  const script = options.script ?? fileURLToPath(new URL('./keyAgent.ts', import.meta.url));
  const { identity, log } = options;
  const child = spawn(
    options.runtime ?? process.execPath,
    // Its own small heap: it holds keys and, now and then, one TLS connection.
    ['--max-old-space-size=64', script, ...(identity ? ['--uid', String(identity.uid), '--gid', String(identity.gid)] : [])],
    {
      cwd: '/',
      detached: true,
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8', ...compileCache() },
      stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
    },
  );
  // A pipe of spawn is a socketpair on Linux; both directions.
  const channel = child.stdio[3] as Duplex;
  let became: (result: Result<undefined, KeyAgentFault>) => void = () => {};
  const ready = new Promise<Result<undefined, KeyAgentFault>>((resolve) => {
    became = resolve;
  });
  const agent: Running = { generation, child, channel, waiting: new Map(), checks: new Map(), ready, over: false };
  const timer = setTimeout(() => {
    const silent: KeyAgentFault = { code: 'agent-silent', detail: `the key agent did not start within ${patience} ms` };
    became(err(silent));
    endProcess(agent, silent);
  }, patience);

  const frames = createFrameDecoder(KEY_AGENT_FRAME_MAX);
  channel.on('data', (piece: Uint8Array) => {
    const pushed = frames.push(piece, (frame) => {
      const message = decodeMessage(frame, agentMessage);
      if (message === undefined) endProcess(agent, { code: 'agent-gone', detail: 'the key agent said something else' });
      else if (message.head.is === 'ready') {
        clearTimeout(timer);
        became(ok(undefined));
      } else if (message.head.is === 'check') agent.checks.get(message.head.session)?.(message.parts.map((part) => part.slice()));
      else {
        const { id } = message.head;
        agent.waiting.get(id)?.(ok(message));
        agent.waiting.delete(id);
      }
    });
    if (!pushed.ok) endProcess(agent, { code: 'agent-gone', detail: 'the key agent said too much' });
  });
  // Nobody waits for the agent to let this process end.
  child.unref();
  channel.on('error', () => {});
  const over = (detail: string): void => {
    clearTimeout(timer);
    if (!agent.over) log('warn', 'keys', 'the key agent is gone', { detail });
    endProcess(agent, { code: 'agent-gone', detail: 'the key agent ended' });
    became(err({ code: 'agent-gone', detail: 'the key agent could not be started' }));
  };
  child.once('error', (error) => over(error.message));
  child.once('exit', (code, signal) => over(signal ?? `exit ${code}`));
  return agent;
}

function tellProcess(agent: Running | undefined, message: EngineMessage): void {
  if (agent !== undefined && !agent.over) agent.channel.write(encodeMessage(message));
}

function endProcess(agent: Running, fault: KeyAgentFault): void {
  if (agent.over) return;
  agent.over = true;
  agent.channel.destroy();
  agent.child.kill('SIGKILL');
  for (const answer of agent.waiting.values()) answer(err(fault));
  agent.waiting.clear();
  agent.checks.clear();
}
