/** A helper's end of the RPC on a socket, that misbehaves when told to. */
import { rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Status } from '../../../core/rpc/contract.ts';
import { createFrameDecoder, decodeFrame, encodeFrame } from '../../../core/rpc/framing.ts';

export interface FakeServer {
  /** Methods that were called, in order, over all connections. */
  readonly called: string[];
  connections(): number;
  emit(event: 'status' | 'log', data: unknown): void;
  /** From now on nothing is answered. */
  hang(hanging: boolean): void;
  /** As when the process ends. */
  close(): Promise<void>;
}

export interface FakeBehaviour {
  readonly hello?: 'answer' | 'other-version' | 'busy' | 'hang-up';
}

export const idle: Status = {
  state: 'idle',
  since: 1,
  otherUser: false,
  virtualIps: [],
  dns: [],
  domains: [],
  routes: [],
  children: [],
  steps: [],
};

export async function startServer(path: string, behaviour: FakeBehaviour = {}): Promise<FakeServer> {
  const sockets = new Map<Socket, Set<string>>();
  const called: string[] = [];
  let hanging = false;

  function answer(socket: Socket, id: unknown, method: string, params: unknown): void {
    const reply = (value: object): void => void socket.write(encodeFrame({ id, ...value }) ?? '');
    switch (method) {
      case 'hello':
        if (behaviour.hello === 'other-version') {
          reply({ error: { code: 'helper-version', detail: 'the helper speaks protocol 7, the client 1' } });
        } else if (behaviour.hello === 'hang-up') socket.destroy();
        else reply({ result: { protocol: 1, version: '9.9.9', uid: 1000 } });
        return;
      case 'subscribe':
        for (const topic of topicsOf(params)) sockets.get(socket)?.add(topic);
        reply({ result: { status: idle } });
        return;
      case 'tunnel.status':
        reply({ result: idle });
        return;
      case 'profile.list':
      case 'history.list':
      case 'log.read':
        reply({ result: [] });
        return;
      default:
        reply({ error: { code: 'bad-request', detail: method } });
    }
  }

  const server = createServer((socket) => {
    sockets.set(socket, new Set());
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    if (behaviour.hello === 'busy') {
      const word = encodeFrame({ error: { code: 'helper-busy', detail: 'too many connections' } });
      if (word) socket.end(word);
      return;
    }
    const decoder = createFrameDecoder();
    socket.on('data', (piece) => {
      decoder.push(typeof piece === 'string' ? Buffer.from(piece) : piece, (frame) => {
        const message = decodeFrame(frame);
        if (typeof message !== 'object' || message === null || !('method' in message)) return;
        const method = String(message.method);
        called.push(method);
        if (!hanging) answer(socket, 'id' in message ? message.id : 0, method, 'params' in message ? message.params : {});
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));

  return {
    called,
    connections: () => sockets.size,
    emit: (event, data) => {
      for (const [socket, topics] of sockets) if (topics.has(event)) socket.write(encodeFrame({ event, data }) ?? '');
    },
    hang: (now) => {
      hanging = now;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          rmSync(path, { force: true });
          resolve();
        });
        for (const socket of sockets.keys()) socket.destroy();
      }),
  };
}

function topicsOf(params: unknown): readonly string[] {
  if (typeof params !== 'object' || params === null || !('to' in params) || !Array.isArray(params.to)) return [];
  return params.to.map(String);
}

/** Waits until it holds; what is waited for appears in the failure. */
export async function until(what: string, holds: () => boolean, withinMs = 20_000): Promise<void> {
  const end = Date.now() + withinMs;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
    await sleep(5);
  }
}
