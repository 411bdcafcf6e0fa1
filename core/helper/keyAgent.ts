/**
 * The key agent: private keys of files are used here and nowhere else. The process has no capability and no descriptor but the socketpair to the engine,
 * cannot gain privileges, is not dumpable (so nobody of the same user can read its memory), and ends with the engine. It parses nothing that
 * came from a network, with one exception that node:tls leaves no choice about: the TLS of EAP-TLS runs where the key is.
 */
import { Socket } from 'node:net';
import { parseArgs } from 'node:util';
import { type SigningKey, signingKey } from '../crypto/node/sign.ts';
import type { EapFailure } from '../ike/auth/eap/contract.ts';
import { signerOf } from '../pki/privateKey.ts';
import { createFrameDecoder } from '../rpc/framing.ts';
import { PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS } from '../system/ffi/constants.ts';
import { prctl } from '../system/ffi/libc.ts';
import { keepCompiled } from '../system/linux/programCode.ts';
import {
  type AgentMessage,
  decodeMessage,
  type EngineMessage,
  encodeMessage,
  engineMessage,
  KEY_AGENT_FD,
  KEY_AGENT_FRAME_MAX,
  MOST_KEYS,
  MOST_TLS_SESSIONS,
} from './keyAgentContract.ts';
import { dropPrivileges, verifyUnprivileged } from './privileges.ts';
import { createTlsClient, type TlsClient } from './tlsClient.ts';

interface LoadedKey {
  readonly signing: SigningKey;
  /** For TLS, which wants the key itself. */
  readonly pkcs8: Uint8Array;
}

interface Session {
  readonly key: number;
  readonly client: TlsClient;
  /** Called with the engine's verdict about the server. */
  decide: ((failure: EapFailure | undefined) => void) | undefined;
  busy: boolean;
}

const keys = new Map<number, LoadedKey>();
const sessions = new Map<number, Session>();
const none = new Uint8Array(0);
const ending: EapFailure = { code: 'eap-tls-failed', evidence: 'the connection ends' };

// A fault of ours must not print what it was about.
process.on('uncaughtException', (fault) =>
  fail(fault instanceof Error ? `${fault.name} ${fault.stack?.split('\n')[1]?.trim() ?? ''}` : 'fault'),
);
secure();
const engine = new Socket({ fd: KEY_AGENT_FD, readable: true, writable: true });
listen();
say([{ is: 'ready' }]);

/** As root only until here: code is loaded, nothing was read from anybody. */
function secure(): void {
  const { values } = parseArgs({ options: { uid: { type: 'string' }, gid: { type: 'string' } } });
  const [uid, gid] = [Number(values.uid), Number(values.gid)];
  if (process.getuid?.() === 0) {
    keepCompiled();
    const dropped = dropPrivileges(uid, gid);
    if (!dropped.ok) fail(`cannot give up root: ${dropped.error.detail}`);
    return;
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0) fail('cannot protect its memory');
  // Started by an engine that is unprivileged already. Without numbers it is a developer's or a test's.
  const verified = values.uid === undefined ? undefined : verifyUnprivileged(uid, gid);
  if (verified?.ok === false) fail(verified.error.detail);
}

function listen(): void {
  const frames = createFrameDecoder(KEY_AGENT_FRAME_MAX);
  engine.on('data', (piece: Uint8Array) => {
    const pushed = frames.push(piece, (frame) => {
      const message = decodeMessage(frame, engineMessage);
      if (message === undefined) fail('the engine said something that is no command');
      const reply = answer(message.head, message.parts);
      frame.fill(0);
      if (reply !== undefined) say(reply);
    });
    piece.fill(0);
    if (!pushed.ok) fail('the engine said too much');
  });
  engine.on('error', () => process.exit(0));
  engine.on('close', () => process.exit(0));
}

type Command<Op extends EngineMessage['op']> = Extract<EngineMessage, { readonly op: Op }>;
type Reply = readonly [message: AgentMessage, parts?: readonly Uint8Array[]];

/** Parts are wiped when this returns: who needs them longer copies them. */
function answer(message: EngineMessage, parts: readonly Uint8Array[]): Reply | undefined {
  switch (message.op) {
    case 'load':
      return load(message, only(parts));
    case 'sign':
      return sign(message, only(parts));
    case 'forget':
      forget(message.key);
      return [{ is: 'done', id: message.id }];
    case 'tls-open':
      return openTls(message, parts);
    case 'tls':
      return startExchange(message, parts);
    case 'tls-close':
      closeTls(message.session);
      return [{ is: 'done', id: message.id }];
    case 'verdict':
      decide(message.session, message.failure);
      return undefined;
  }
}

function load({ id, key }: Command<'load'>, pkcs8: Uint8Array): Reply {
  if (keys.has(key) || keys.size >= MOST_KEYS) return refused(id, 'too-many', `${keys.size} keys`);
  const signing = signingKey(pkcs8);
  if (signing === undefined) return refused(id, 'key-unusable', 'the private key is damaged, or of a kind that cannot sign');
  const info = signerOf(signing);
  if (!info.ok) return refused(id, 'key-unusable', info.error.evidence);
  keys.set(key, { signing, pkcs8: pkcs8.slice() });
  return [{ is: 'loaded', id, algorithms: [...info.value.algorithms] }, [info.value.publicKey]];
}

function sign({ id, key, algorithm }: Command<'sign'>, octets: Uint8Array): Reply {
  const loaded = keys.get(key);
  if (loaded === undefined) return refused(id, 'key-unknown', 'the key is not loaded');
  const signature = loaded.signing.sign(algorithm, octets);
  if (signature === undefined) return refused(id, 'cannot-sign', `the key does not sign by ${algorithm.kind}`);
  return [{ is: 'signed', id }, [signature]];
}

function forget(key: number): void {
  for (const [number, session] of sessions) if (session.key === key) closeTls(number);
  keys.get(key)?.pkcs8.fill(0);
  keys.delete(key);
}

function openTls(message: Command<'tls-open'>, chain: readonly Uint8Array[]): Reply {
  const { id, key, session, method, minVersion, maxVersion } = message;
  const loaded = keys.get(key);
  if (loaded === undefined) return refused(id, 'key-unknown', 'the key is not loaded');
  if (sessions.has(session) || sessions.size >= MOST_TLS_SESSIONS)
    return refused(id, 'too-many', `${sessions.size} TLS sessions`);
  const client = createTlsClient({
    method,
    clientCertificate: { chain: chain.map((der) => der.slice()), pkcs8: loaded.pkcs8 },
    checkServer: (server) => askAbout(session, server),
    ...(minVersion && { minVersion }),
    ...(maxVersion && { maxVersion }),
  });
  sessions.set(session, { key, client, decide: undefined, busy: false });
  return [{ is: 'done', id }];
}

/** The engine has the trust anchors and the code that judges certificates. */
function askAbout(number: number, chain: readonly Uint8Array[]): Promise<EapFailure | undefined> {
  const session = sessions.get(number);
  if (session === undefined) return Promise.resolve(ending);
  return new Promise((resolve) => {
    session.decide = resolve;
    say([{ is: 'check', session: number }, chain]);
  });
}

/** Nothing is waiting when the session was closed meanwhile. */
function decide(number: number, failure: EapFailure | undefined): void {
  const session = sessions.get(number);
  const waiting = session?.decide;
  if (session === undefined || waiting === undefined) return;
  session.decide = undefined;
  waiting(failure);
}

function startExchange({ id, session: number }: Command<'tls'>, parts: readonly Uint8Array[]): Reply | undefined {
  const [received, write, ...more] = parts;
  if (received === undefined || write === undefined || more.length > 0) fail('an exchange without its two parts');
  const session = sessions.get(number);
  if (session === undefined) return refused(id, 'key-unknown', 'there is no such TLS session');
  if (session.busy) fail('two exchanges at once');
  session.busy = true;
  void exchange(id, session, received.slice(), write.slice()).then(say);
  return undefined;
}

async function exchange(id: number, session: Session, received: Uint8Array, write: Uint8Array): Promise<Reply> {
  try {
    const { state, send, plain, version, keyMaterial, challenge, failure } = await session.client.exchange(received, write);
    return [
      { is: 'tls', id, state, ...(version && { version }), ...(failure && { failure }) },
      [send, plain, keyMaterial ?? none, challenge ?? none],
    ];
  } catch {
    // Data for a tunnel that is not open: a mistake of the engine's.
    return refused(id, 'key-unusable', 'TLS was not ready for this');
  } finally {
    session.busy = false;
    write.fill(0);
  }
}

function closeTls(number: number): void {
  const session = sessions.get(number);
  if (session === undefined) return;
  decide(number, ending);
  sessions.delete(number);
  session.client.close();
}

function only(parts: readonly Uint8Array[]): Uint8Array {
  const [part, ...more] = parts;
  return part !== undefined && more.length === 0 ? part : fail('a command without its one part');
}

function refused(id: number, code: Extract<AgentMessage, { is: 'refused' }>['code'], detail: string): Reply {
  return [{ is: 'refused', id, code, detail }];
}

function say([message, parts]: Reply): void {
  engine.write(encodeMessage(message, parts));
}

function fail(why: string): never {
  process.stderr.write(`key agent: ${why}\n`);
  process.exit(1);
}
