/**
 * The client's end of the RPC: connects, checks who serves, says hello, calls, hears events. Every way in which this can go
 * wrong is a value with a code of `tunnel/reasons.ts`; nothing here throws for what the other end does.
 */
import { connect, type Socket } from 'node:net';
import { err, ok, type Result } from '../bytes/result.ts';
import {
  DEFAULT_SOCKET,
  type Events,
  MAX_FRAME,
  type Method,
  type Params,
  PROTOCOL_VERSION,
  type Results,
  type RpcError,
} from './contract.ts';
import { createFrameDecoder, decodeFrame, encodeFrame } from './framing.ts';

export interface RpcClient {
  readonly server: Results['hello'];
  /** The helper's answer, or its error; `helper-silent` when none came in time, `helper-gone` when the connection ended. */
  call<M extends Method>(method: M, params: Params<M>): Promise<Result<Results[M], RpcError>>;
  /** Returns how to stop listening. */
  on<E extends keyof Events>(event: E, listener: (data: Events[E]) => void): () => void;
  /** Resolves once, when the connection is over: with the reason unless we closed it. */
  readonly closed: Promise<RpcError | undefined>;
  close(): void;
}

export interface ConnectOptions {
  /** Path of the helper's socket. */
  readonly socket?: string;
  /** Name and version of the program, for the helper's log. */
  readonly client: string;
  /** Milliseconds for one answer. */
  readonly timeout?: number;
  /** Is the socket's place safe to connect to? Runs before the connection. */
  readonly checkPlace?: (path: string) => RpcError | undefined;
  /** Is the peer the helper? Runs on the connected socket, before one octet is sent. */
  readonly checkPeer?: (socket: Socket) => RpcError | undefined;
}

const DEFAULT_TIMEOUT = 15_000;
/** These ask gateways and responders, who may be slow before they are given up: longer than all of that together. Milliseconds. */
const SLOW: Readonly<Partial<Record<Method, number>>> = { 'cert.fetch': 60_000, 'cert.show': 45_000 };

interface Pending {
  readonly settle: (result: Result<unknown, RpcError>) => void;
  readonly timer: NodeJS.Timeout;
}

export async function connectRpc(options: ConnectOptions): Promise<Result<RpcClient, RpcError>> {
  const path = options.socket ?? DEFAULT_SOCKET;
  const misplaced = options.checkPlace?.(path);
  if (misplaced) return err(misplaced);
  const connected = await open(path);
  if (!connected.ok) return connected;
  const impostor = options.checkPeer?.(connected.value);
  if (impostor) {
    connected.value.destroy();
    return err(impostor);
  }
  const connection = converse(connected.value, options.timeout ?? DEFAULT_TIMEOUT);
  const hello = await connection.call('hello', { protocol: PROTOCOL_VERSION, client: options.client });
  if (!hello.ok) {
    connection.close();
    return hello;
  }
  return ok({ ...connection, server: hello.value });
}

function open(path: string): Promise<Result<Socket, RpcError>> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const failed = (error: NodeJS.ErrnoException) => resolve(err(connectError(error, path)));
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.off('error', failed);
      resolve(ok(socket));
    });
  });
}

function connectError(error: NodeJS.ErrnoException, path: string): RpcError {
  const refused = error.code === 'EACCES' || error.code === 'EPERM';
  return { code: refused ? 'helper-refused' : 'helper-not-running', detail: `${path}: ${error.code ?? 'cannot connect'}` };
}

/** Calls and events over a connected socket. */
function converse(socket: Socket, timeout: number): Omit<RpcClient, 'server'> {
  const pending = new Map<number, Pending>();
  const listeners = new Map<string, Set<(data: unknown) => void>>();
  const decoder = createFrameDecoder(MAX_FRAME);
  let nextId = 1;
  let over: RpcError | undefined;
  let ours = false;
  let announce: (reason: RpcError | undefined) => void = () => {};
  const closed = new Promise<RpcError | undefined>((resolve) => {
    announce = resolve;
  });

  function end(reason: RpcError): void {
    if (over) return;
    over = reason;
    socket.destroy();
    for (const { settle, timer } of pending.values()) {
      clearTimeout(timer);
      settle(err(reason));
    }
    pending.clear();
    announce(ours ? undefined : reason);
  }

  function onFrame(frame: Uint8Array): void {
    const message = decodeFrame(frame);
    if (typeof message !== 'object' || message === null) {
      end(gone('the helper sent what is not JSON'));
      return;
    }
    if ('event' in message && typeof message.event === 'string') {
      const data = 'data' in message ? message.data : undefined;
      for (const listener of [...(listeners.get(message.event) ?? [])]) listener(data);
      return;
    }
    const id = 'id' in message && typeof message.id === 'number' ? message.id : undefined;
    const error = 'error' in message ? rpcError(message.error) : undefined;
    const waiting = id === undefined ? undefined : pending.get(id);
    if (id === undefined || !waiting) {
      // An answer to a request that timed out is late, not wrong; an error without id is the helper's last word.
      if (error) end(error);
      return;
    }
    pending.delete(id);
    clearTimeout(waiting.timer);
    waiting.settle(error ? err(error) : ok('result' in message ? message.result : undefined));
  }

  socket.on('data', (piece) => {
    const taken = decoder.push(typeof piece === 'string' ? Buffer.from(piece) : piece, onFrame);
    if (!taken.ok) end(gone(`the helper announced a message of ${taken.error.announced} octets`));
  });
  socket.on('error', (error: NodeJS.ErrnoException) => end(gone(error.code ?? 'the connection failed')));
  socket.on('close', () => end(gone('the helper closed the connection')));

  return {
    call<M extends Method>(method: M, params: Params<M>) {
      if (over) return Promise.resolve(err(over));
      const id = nextId++;
      const frame = encodeFrame({ id, method, params });
      if (!frame) return Promise.resolve(err({ code: 'usage', detail: `${method}: more than ${MAX_FRAME} octets` }));
      return new Promise<Result<Results[M], RpcError>>((resolve) => {
        const patience = Math.max(timeout, SLOW[method] ?? 0);
        const timer = setTimeout(() => {
          pending.delete(id);
          resolve(err({ code: 'helper-silent', detail: `no answer to ${method} within ${patience / 1000} s` }));
        }, patience);
        // The helper is the more privileged end: clients validate nothing but the frame (contract.ts).
        pending.set(id, { timer, settle: (result) => resolve(result as Result<Results[M], RpcError>) });
        socket.write(frame);
      });
    },
    on<E extends keyof Events>(event: E, listener: (data: Events[E]) => void) {
      const set = listeners.get(event) ?? new Set();
      const entry = (data: unknown) => listener(data as Events[E]);
      listeners.set(event, set.add(entry));
      return () => {
        set.delete(entry);
      };
    },
    closed,
    close() {
      ours = true;
      end(gone('closed by us'));
    },
  };
}

function gone(detail: string): RpcError {
  return { code: 'helper-gone', detail };
}

function rpcError(value: unknown): RpcError {
  if (typeof value === 'object' && value !== null && 'code' in value && typeof value.code === 'string') {
    return { code: value.code, detail: 'detail' in value && typeof value.detail === 'string' ? value.detail : '' };
  }
  return { code: 'internal', detail: 'the helper sent an error without a code' };
}
