/**
 * Somebody on the laptop. A process in the laptop's namespace that waits loaded and ready, so that what it measures is the network and not
 * the start of a program. Commands come as JSON lines on standard input, each is answered by one JSON line in order:
 *
 *   {"do":"connect","host","port","within"}   TCP until it is answered          → {"at": milliseconds since the epoch, "tries"}
 *   {"do":"lookup","name"}                    the system's resolver             → {"addresses"}
 *   {"do":"fetch","url","family": 4 or 6}                                        → {"status","body"}
 *   {"do":"up"|"down","host","port","milliseconds"}  against test/gateway/web.ts → {"bytes","mbit"}
 *
 * or {"error": text}.
 */
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { get } from 'node:http';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

export interface Command {
  readonly do: 'connect' | 'lookup' | 'fetch' | 'up' | 'down';
  readonly host?: string;
  readonly port?: number;
  readonly within?: number;
  readonly name?: string;
  readonly url?: string;
  readonly family?: 4 | 6;
  readonly milliseconds?: number;
}

const CHUNK = Buffer.alloc(64 * 1024, 0xa5);
const TRY_MS = 250;

function nowEpoch(): number {
  return performance.timeOrigin + performance.now();
}

async function open(host: string, port: number, within: number): Promise<Socket> {
  const socket = connect({ host, port, noDelay: true });
  const timer = setTimeout(() => socket.destroy(new Error('timed out')), within);
  try {
    await once(socket, 'connect');
  } finally {
    clearTimeout(timer);
  }
  return socket;
}

async function untilAnswered(host: string, port: number, within: number): Promise<unknown> {
  const until = performance.now() + within;
  for (let tries = 1; ; tries++) {
    try {
      const socket = await open(host, port, TRY_MS);
      const at = nowEpoch();
      socket.destroy();
      return { at, tries };
    } catch (error) {
      if (performance.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

function fetchPage(url: string, family: 4 | 6): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const request = get(url, { timeout: 5_000, family, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode, body }));
    });
    request.on('timeout', () => request.destroy(new Error('timed out')));
    request.on('error', reject);
  });
}

/** Sends for a while; what counts is what the other end says it got. */
async function up(host: string, port: number, milliseconds: number): Promise<unknown> {
  const socket = await open(host, port, 5_000);
  let answer = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    answer += text;
  });
  const ended = once(socket, 'end');
  socket.write('up\n');
  const until = performance.now() + milliseconds;
  while (performance.now() < until) if (!socket.write(CHUNK)) await once(socket, 'drain');
  socket.end();
  await ended;
  const { bytes, milliseconds: took } = JSON.parse(answer) as { bytes: number; milliseconds: number };
  return { bytes, mbit: (bytes * 8) / took / 1000 };
}

async function down(host: string, port: number, milliseconds: number): Promise<unknown> {
  const socket = await open(host, port, 5_000);
  let bytes = 0;
  let first = 0;
  socket.on('data', (chunk: Buffer) => {
    if (bytes === 0) first = performance.now();
    bytes += chunk.length;
  });
  const ended = once(socket, 'end');
  socket.write(`down ${milliseconds}\n`);
  await ended;
  const took = performance.now() - first;
  socket.destroy();
  return { bytes, mbit: (bytes * 8) / took / 1000 };
}

function perform(command: Command): Promise<unknown> {
  const { host = '', port = 0 } = command;
  switch (command.do) {
    case 'connect':
      return untilAnswered(host, port, command.within ?? 10_000);
    case 'lookup':
      return lookup(command.name ?? '', { all: true }).then((found) => ({ addresses: found.map((one) => one.address) }));
    case 'fetch':
      return fetchPage(command.url ?? '', command.family ?? 4);
    case 'up':
      return up(host, port, command.milliseconds ?? 1_000);
    case 'down':
      return down(host, port, command.milliseconds ?? 1_000);
  }
}

if (import.meta.main) {
  let queue: Promise<void> = Promise.resolve();
  createInterface({ input: process.stdin }).on('line', (line) => {
    queue = queue
      .then(() => perform(JSON.parse(line) as Command))
      .catch((error: Error) => ({ error: error.message }))
      .then((answer) => void process.stdout.write(`${JSON.stringify(answer)}\n`));
  });
  process.stdout.write('{"ready":true}\n');
}
