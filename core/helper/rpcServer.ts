/**
 * The helper's end of the RPC. Whoever is at the other end may be hostile: every params is validated here, `hello` comes
 * first, and each connection has limits of its own, so that a client that floods, stalls or announces 1 GiB is cut off
 * alone. What a client sent is never echoed or logged beyond the name of a method or a field: it may be a secret.
 */
import { createServer, type Server, type Socket } from 'node:net';
import * as v from 'valibot';
import { err, type Result } from '../bytes/result.ts';
import {
  type Events,
  type Method,
  PROTOCOL_VERSION,
  params,
  type Results,
  type RpcError,
  type ValidParams,
} from '../rpc/contract.ts';
import { createFrameDecoder, decodeFrame, encodeFrame } from '../rpc/framing.ts';
import type { Log } from '../system/log.ts';
import { type ReasonCode, reasons } from '../tunnel/reasons.ts';
import { createWorkMeter, type WorkLimits, type WorkMeter } from './workMeter.ts';

/** An error whose code is one of the list of reasons. */
export interface HelperError extends RpcError {
  readonly code: ReasonCode;
}

/** Credentials of a connected process, as the kernel tells them. */
export interface Peer {
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
}

export interface RpcPeer extends Peer {
  readonly id: number;
  /** Sends an event; a client that does not read is cut off. */
  send<E extends keyof Events>(event: E, data: Events[E]): void;
}

export type Handled = Exclude<Method, 'hello'>;
export type Handlers = {
  readonly [M in Handled]: (
    valid: ValidParams<M>,
    peer: RpcPeer,
  ) => Result<Results[M], HelperError> | Promise<Result<Results[M], HelperError>>;
};

export interface RpcServerOptions {
  /** Asked for at each request: the engine listens before it has them. */
  readonly handlers: () => Handlers;
  readonly version: string;
  readonly log: Log;
  /** SO_PEERCRED of a connection. */
  readonly peerOf: (socket: Socket) => Result<Peer, string>;
  readonly onClosed?: (peer: RpcPeer) => void;
  readonly limits?: Partial<RpcLimits>;
}

export interface RpcLimits extends WorkLimits {
  readonly connections: number;
  readonly connectionsPerUid: number;
  /** Requests without an answer yet. */
  readonly outstanding: number;
  /** Octets written and not read by the client. */
  readonly backlog: number;
  /** Requests at once, and how many per second come back. */
  readonly burst: number;
  readonly perSecond: number;
  /** Milliseconds until `hello` must have come, and a begun frame must be complete. */
  readonly helloWithin: number;
  readonly frameWithin: number;
}

const DEFAULT_LIMITS: RpcLimits = {
  connections: 128,
  connectionsPerUid: 16,
  outstanding: 32,
  backlog: 4 * 1024 * 1024,
  burst: 200,
  perSecond: 100,
  work: 5_000,
  workPerSecond: 500,
  helloWithin: 5_000,
  frameWithin: 10_000,
};

/** Octets, with a name of 128 characters. */
const LONGEST_HELLO = 1024;

export interface RpcServer {
  /** Listens on a path, or on a socket the monitor made. */
  listen(where: { readonly path: string } | { readonly fd: number }): Promise<Result<undefined, string>>;
  connections(): number;
  /** Stops listening and ends every connection. */
  close(): Promise<void>;
}

export function createRpcServer(options: RpcServerOptions): RpcServer {
  const limits: RpcLimits = { ...DEFAULT_LIMITS, ...options.limits };
  const open = new Map<Socket, number>();
  const work = createWorkMeter(limits, () => performance.now());
  let nextPeer = 1;

  const server: Server = createServer((socket) => {
    socket.on('error', () => {});
    const credentials = options.peerOf(socket);
    if (!credentials.ok) {
      options.log('warn', 'rpc', 'a connection without credentials was refused', { why: credentials.error });
      socket.destroy();
      return;
    }
    const peer = credentials.value;
    const ofUid = [...open.values()].filter((uid) => uid === peer.uid).length;
    // The administrator can always get in: a user can use up their own share only, and not the last places of all.
    if (peer.uid !== 0 && (ofUid >= limits.connectionsPerUid || open.size >= limits.connections)) {
      sayAndEnd(socket, { code: 'helper-busy', detail: 'too many connections' });
      options.log('warn', 'rpc', 'too many connections', { uid: peer.uid });
      return;
    }
    open.set(socket, peer.uid);
    const done = serve(socket, { ...peer, id: nextPeer++ }, { limits, work }, options);
    socket.once('close', () => {
      open.delete(socket);
      done();
    });
  });

  return {
    listen: (where) =>
      new Promise((resolve) => {
        server.once('error', (error: NodeJS.ErrnoException) => resolve(err(error.code ?? error.message)));
        server.listen(where, () => resolve({ ok: true, value: undefined }));
      }),
    connections: () => open.size,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open.keys()) socket.destroy();
      }),
  };
}

/** One connection. Returns what to do when it is over. */
function serve(
  socket: Socket,
  who: Peer & { readonly id: number },
  { limits, work }: { readonly limits: RpcLimits; readonly work: WorkMeter },
  options: RpcServerOptions,
): () => void {
  const decoder = createFrameDecoder();
  let greeted = false;
  let outstanding = 0;
  let credit = limits.burst;
  let creditAt = performance.now();
  let frameTimer: NodeJS.Timeout | undefined;
  const helloTimer = setTimeout(() => cutOff('no hello'), limits.helloWithin);

  const peer: RpcPeer = {
    ...who,
    send: (event, data) => write({ event, data }),
  };

  function cutOff(why: string): void {
    if (socket.destroyed) return;
    // First: it may follow the log, and this line would overflow it once more.
    socket.destroy();
    options.log('warn', 'rpc', `a client was cut off: ${why}`, { uid: who.uid, pid: who.pid });
  }

  function write(message: { readonly id?: number; readonly [part: string]: unknown }): void {
    if (socket.destroyed || !socket.writable) return;
    const frame = encodeFrame(message);
    if (frame) {
      socket.write(frame);
      if (socket.writableLength > limits.backlog) cutOff('it does not read');
    } else if (message.id === undefined) cutOff('an event too long to send');
    // Cut off, it would look as if the helper had died over it.
    else refuse(message.id, { code: 'internal', detail: 'the answer is too long' });
  }

  function refuse(id: number, error: HelperError): void {
    write({ id, error });
  }

  /** A flood costs the flooder their connection, not everybody the helper. */
  function mayAsk(): boolean {
    const now = performance.now();
    credit = Math.min(limits.burst, credit + ((now - creditAt) / 1000) * limits.perSecond);
    creditAt = now;
    credit -= 1;
    return credit >= 0;
  }

  function onFrame(frame: Uint8Array): void {
    if (socket.destroyed || !socket.writable) return;
    if (!mayAsk()) {
      cutOff('too many requests');
      return;
    }
    // The administrator can always get in, here too; and everybody as far as hello.
    if (who.uid !== 0 && (greeted || frame.length > LONGEST_HELLO) && !work.mayWork(who.uid)) {
      // To read it would be more of the same: half a second for a megabyte of brackets.
      const id = idOf(frame);
      if (id === undefined) cutOff('its last requests were much work');
      else refuse(id, { code: 'helper-busy', detail: 'your last requests were much work; try again in some seconds' });
      return;
    }
    const readAt = performance.now();
    const request = v.safeParse(envelope, decodeFrame(frame));
    work.charge(who.uid, performance.now() - readAt);
    if (!request.success) {
      lastWord({ code: 'bad-request', detail: `not a request: ${describeIssues(request.issues)}` });
      return;
    }
    const { id, method } = request.output;
    const given = request.output.params ?? {};
    if (method === 'hello') {
      hello(id, given);
      return;
    }
    if (!greeted) {
      lastWord({ code: 'bad-request', detail: 'hello must come first' });
      return;
    }
    if (!isHandled(method)) {
      refuse(id, { code: 'bad-request', detail: `unknown method ${printable(method)}` });
      return;
    }
    if (outstanding >= limits.outstanding) {
      cutOff('too many requests without an answer');
      return;
    }
    outstanding += 1;
    // What a handler does before it waits is time that nobody else has.
    const begun = performance.now();
    const answered = answer(id, method, given);
    work.charge(who.uid, performance.now() - begun);
    answered.finally(() => {
      outstanding -= 1;
    });
  }

  function hello(id: number, given: unknown): void {
    const valid = v.safeParse(params.hello, given);
    if (!valid.success) {
      lastWord({ code: 'bad-request', detail: `hello: ${describeIssues(valid.issues)}` }, id);
      return;
    }
    if (valid.output.protocol !== PROTOCOL_VERSION) {
      const detail = `the helper speaks protocol ${PROTOCOL_VERSION}, the client ${valid.output.protocol}`;
      lastWord({ code: 'helper-version', detail }, id);
      return;
    }
    greeted = true;
    clearTimeout(helloTimer);
    options.log('debug', 'rpc', 'a client connected', { uid: who.uid, pid: who.pid, client: printable(valid.output.client) });
    const result: Results['hello'] = { protocol: PROTOCOL_VERSION, version: options.version, uid: who.uid };
    write({ id, result });
  }

  async function answer<M extends Handled>(id: number, method: M, given: unknown): Promise<void> {
    // The first fault only: who sends half a million of them would have each one described.
    const valid = v.safeParse(params[method], given, { abortEarly: true });
    if (!valid.success) {
      refuse(id, { code: 'bad-request', detail: `${method}: ${describeIssues(valid.issues)}` });
      return;
    }
    try {
      const handler: Handlers[M] = options.handlers()[method];
      const result = await handler(valid.output as ValidParams<M>, peer);
      if (result.ok) write({ id, result: result.value });
      else refuse(id, result.error);
    } catch (fault) {
      // A programmer's mistake. Its text may hold anything, so the client hears only that it happened.
      options.log('error', 'rpc', `${method} failed`, {
        fault: fault instanceof Error ? (fault.stack ?? fault.message) : 'unknown',
      });
      refuse(id, { code: 'internal', detail: `${method} failed in the helper` });
    }
  }

  function lastWord(error: HelperError, id?: number): void {
    options.log('warn', 'rpc', 'a client broke the protocol', { uid: who.uid, pid: who.pid, why: error.detail });
    sayAndEnd(socket, error, id);
  }

  socket.on('data', (piece) => {
    let completed = false;
    const taken = decoder.push(typeof piece === 'string' ? Buffer.from(piece) : piece, (frame) => {
      completed = true;
      onFrame(frame);
    });
    if (!taken.ok) {
      if (!socket.destroyed) lastWord({ code: 'bad-request', detail: `a message of ${taken.error.announced} octets` });
      return;
    }
    // The time runs from the frame's first octet: a trickle does not extend it.
    if (completed || !decoder.partial()) {
      clearTimeout(frameTimer);
      frameTimer = undefined;
    }
    if (decoder.partial()) frameTimer ??= setTimeout(() => cutOff('a message that does not end'), limits.frameWithin);
  });
  // A client that ends its half has gone: nobody reads the answers any more.
  socket.on('end', () => socket.end());

  return () => {
    clearTimeout(helloTimer);
    clearTimeout(frameTimer);
    if (greeted) options.onClosed?.(peer);
  };
}

const envelope = v.object({
  id: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  method: v.pipe(v.string(), v.maxLength(64)),
  params: v.optional(v.unknown()),
});

/** Of a request that begins as those of our client do; nothing else of it is read. */
function idOf(frame: Uint8Array): number | undefined {
  const start = String.fromCharCode(...frame.subarray(0, 32));
  const digits = /^\{"id":(\d{1,15}),/.exec(start)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

function isHandled(method: string): method is Handled {
  return method !== 'hello' && Object.hasOwn(params, method);
}

/** Says why, and ends the connection without waiting for the other end. */
function sayAndEnd(socket: Socket, error: HelperError, id?: number): void {
  const frame = encodeFrame(id === undefined ? { error } : { id, error });
  if (frame) socket.write(frame);
  socket.destroySoon();
  socket.removeAllListeners('data');
  socket.resume();
}

/** Which field is wrong and what was expected there; never the value. */
function describeIssues(issues: readonly v.BaseIssue<unknown>[]): string {
  return issues
    .slice(0, 3)
    .map((issue) => {
      const path = printable(v.getDotPath(issue) ?? '');
      if (issue.type === 'strict_object' && issue.expected === 'never') return `${path}: no such field`;
      return `${path === '' ? 'the value' : path}: expected ${issue.expected ?? issue.type}`;
    })
    .join('; ');
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 64);
}

/** An error of the closed list, in the words the list has for it when there is no better detail. */
export function helperError(
  code: ReasonCode,
  detail: string = reasons[code].what,
): { readonly ok: false; readonly error: HelperError } {
  return err({ code, detail });
}
