/** An RPC server on a socket of its own, and raw clients that can misbehave. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRpcServer, type Handlers, helperError, type RpcLimits, type RpcPeer } from '../../../core/helper/rpcServer.ts';
import { createFrameDecoder, decodeFrame, encodeFrame } from '../../../core/rpc/framing.ts';
import type { LogLevel } from '../../../core/system/log.ts';

export interface LoggedLine {
  readonly level: LogLevel;
  readonly text: string;
  readonly fields: Readonly<Record<string, string | number | boolean>>;
}

export interface Harness {
  readonly path: string;
  readonly logged: readonly LoggedLine[];
  readonly closedPeers: readonly RpcPeer[];
  connections(): number;
  close(): Promise<void>;
}

const unexpected = () => helperError('internal', 'not expected in this test');

export const noHandlers: Handlers = {
  'profile.import': unexpected,
  'profile.list': () => ({ ok: true, value: [] }),
  'profile.show': unexpected,
  'profile.remove': unexpected,
  'profile.save': unexpected,
  'profile.duplicate': unexpected,
  'profile.restore': unexpected,
  'tunnel.answer': unexpected,
  'history.list': unexpected,
  'tunnel.up': unexpected,
  'tunnel.down': unexpected,
  'tunnel.rekey': unexpected,
  'tunnel.status': unexpected,
  'log.read': () => ({ ok: true, value: [] }),
  'host.repair': unexpected,
  'cert.show': unexpected,
  'cert.fetch': unexpected,
  subscribe: () => ({ ok: true, value: {} }),
};

export async function startHarness(
  handlers: Partial<Handlers>,
  limits: Partial<RpcLimits> = {},
  uid = 1000,
  onLine: (line: LoggedLine) => void = () => {},
): Promise<Harness> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-rpc-'));
  const path = join(folder, 'socket');
  const logged: LoggedLine[] = [];
  const closedPeers: RpcPeer[] = [];
  const all = { ...noHandlers, ...handlers };
  const server = createRpcServer({
    handlers: () => all,
    version: 'test',
    log: (level, _area, text, fields = {}) => {
      const line = { level, text, fields };
      logged.push(line);
      onLine(line);
    },
    peerOf: () => ({ ok: true, value: { uid, gid: 1000, pid: 1 } }),
    onClosed: (peer) => closedPeers.push(peer),
    limits,
  });
  const listening = await server.listen({ path });
  if (!listening.ok) throw new Error(listening.error);
  return {
    path,
    logged,
    closedPeers,
    connections: () => server.connections(),
    close: async () => {
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export interface RawClient {
  readonly socket: Socket;
  readonly received: unknown[];
  send(value: unknown): void;
  /** The next message that has not been taken yet; undefined when the server closed the connection instead. */
  next(): Promise<unknown>;
  /** Resolves when the server has closed the connection. */
  readonly closed: Promise<void>;
}

export function rawClient(path: string): RawClient {
  const socket = connect({ path });
  const decoder = createFrameDecoder();
  const received: unknown[] = [];
  const waiting: ((value: unknown) => void)[] = [];
  let taken = 0;
  socket.on('error', () => {});
  socket.on('data', (piece) => {
    decoder.push(typeof piece === 'string' ? Buffer.from(piece) : piece, (frame) => {
      received.push(decodeFrame(frame));
      const waiter = waiting.shift();
      if (waiter) waiter(received[taken++]);
    });
  });
  const closed = new Promise<void>((resolve) => {
    socket.on('close', () => {
      for (const waiter of waiting.splice(0)) waiter(undefined);
      resolve();
    });
  });
  return {
    socket,
    received,
    send: (value) => {
      const frame = encodeFrame(value);
      if (!frame) throw new Error('too long to send');
      socket.write(frame);
    },
    next: () => {
      if (taken < received.length) return Promise.resolve(received[taken++]);
      if (socket.destroyed) return Promise.resolve(undefined);
      return new Promise((resolve) => waiting.push(resolve));
    },
    closed,
  };
}

export async function greeted(path: string): Promise<RawClient> {
  const client = rawClient(path);
  client.send({ id: 0, method: 'hello', params: { protocol: 1, client: 'raw' } });
  await client.next();
  return client;
}
