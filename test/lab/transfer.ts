/**
 * Many octets through a tunnel, checked at both ends:
 *
 *   node test/lab/transfer.ts serve PORT             in the intranet; prints `ready`
 *   node test/lab/transfer.ts down|up HOST PORT OCTETS SEED   on the laptop; prints one JSON line of TransferResult
 *   node test/lab/transfer.ts flow HOST PORT SEED   down until its standard input ends; prints how much came, again and again, and then the result
 *
 * Both ends make the same pseudo-random octets from the seed, so the checksum of what was received is compared with the
 * checksum of what should have been, not with what the other end claims.
 */
import { createCipheriv, createHash } from 'node:crypto';
import { once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ExecResult, Namespace } from './namespace.ts';

export interface TransferResult {
  readonly direction: 'down' | 'up';
  readonly octets: number;
  /** SHA-256 of what the receiver got, and of what the sender's generator makes; hex. */
  readonly received: string;
  readonly expected: string;
  readonly ok: boolean;
  readonly milliseconds: number;
}

export const TRANSFER_PORT = 7777;
const PROGRAM = fileURLToPath(import.meta.url);
const CHUNK = 64 * 1024;
/** A connection without progress is given up; the exit code tells. */
const IDLE_MS = 20_000;
/** A flow says so often how far it is. */
const TOLD_EACH = 1_000_000;

/** Starts the server; resolves when it listens. It ends with its namespace. */
export async function startTransferServer(namespace: Namespace): Promise<void> {
  const child = namespace.spawn([process.execPath, PROGRAM, 'serve', String(TRANSFER_PORT)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`transfer server ended with ${code}`)));
  });
}

/** One transfer, seen from the laptop. `ok` is false with zero octets when it could not be done at all. */
export async function transfer(
  from: Namespace,
  direction: 'down' | 'up',
  host: string,
  octets: number,
  timeoutMs = 60_000,
): Promise<TransferResult> {
  const seed = String(++seeds);
  const argv = [process.execPath, PROGRAM, direction, host, String(TRANSFER_PORT), String(octets), seed];
  let result: ExecResult = await from.exec(argv, { timeoutMs });
  if (result.code === -1 && !/connected|no progress/.test(result.stderr)) {
    // Whatever a tunnel does to it, it says one of these within 20 s: node hung before it began (once in some thousand transfers).
    process.stderr.write(`a transfer never began, and is tried once more: ${result.stderr}\n`);
    result = await from.exec(argv, { timeoutMs });
  }
  if (result.code !== 0) {
    return {
      direction,
      octets: 0,
      received: `${result.stdout}${result.stderr}`.trim().slice(0, 600),
      expected: '',
      ok: false,
      milliseconds: 0,
    };
  }
  return JSON.parse(result.stdout) as TransferResult;
}

/** A transfer that something happens to: it lasts until it is told to end, on a machine of any speed. */
export interface Flow {
  /** Resolves when so many more octets have come than at the call. */
  more(octets: number, withinMs?: number): Promise<void>;
  /** The far end stops sending; all that it sent is awaited and compared. */
  stop(): Promise<TransferResult>;
  kill(): void;
}

/** Down, to the laptop. */
export function startFlow(from: Namespace, host: string): Flow {
  const argv = [process.execPath, PROGRAM, 'flow', host, String(TRANSFER_PORT), String(++seeds)];
  const child = from.spawn(argv, { stdio: ['pipe', 'pipe', 'pipe'] });
  if (child.stdout === null) throw new Error('the flow has no standard output');
  let came = 0;
  let result = '';
  let complaint = '';
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('{')) result = line;
    else came = Number(line);
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  let ended = false;
  const over = once(child, 'close').then(() => {
    ended = true;
  });
  return {
    async more(octets, withinMs = 60_000) {
      const wanted = came + octets;
      for (const until = performance.now() + withinMs; came < wanted; await sleep(20)) {
        if (ended) throw new Error(`the flow ended at ${came} octets: ${complaint}`);
        if (performance.now() > until) throw new Error(`${came} octets, not ${wanted}, after ${withinMs} ms: ${complaint}`);
      }
    },
    async stop() {
      child.stdin?.end();
      await over;
      if (result === '') throw new Error(`the flow ended without a result: ${complaint}`);
      return JSON.parse(result) as TransferResult;
    },
    kill: () => void child.kill('SIGKILL'),
  };
}

let seeds = 0;

/** Key stream of AES-128-CTR: fast, and different for each seed. */
function* generate(octets: number, seed: string): Generator<Buffer> {
  const key = createHash('sha256').update(`transfer ${seed}`).digest().subarray(0, 16);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  const zeros = Buffer.alloc(CHUNK);
  for (let left = octets; left > 0; left -= CHUNK) yield cipher.update(zeros.subarray(0, Math.min(left, CHUNK)));
}

function expected(octets: number, seed: string): string {
  const hash = createHash('sha256');
  for (const chunk of generate(octets, seed)) hash.update(chunk);
  return hash.digest('hex');
}

/** All of it, or until the other end has nothing more to say. */
async function send(socket: Socket, octets: number, seed: string): Promise<void> {
  for (const chunk of generate(octets, seed)) {
    if (socket.readableEnded) return;
    if (!socket.write(chunk)) await new Promise((resolve) => socket.once('drain', resolve));
  }
}

/**
 * One request line `down|up OCTETS SEED`; `down` is answered with the octets, `up` with the checksum of what came. Who asked for endless octets
 * ends its half of the connection, and what was sent until then is all.
 */
function serve(port: number): void {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    let head = '';
    let left = 0;
    const hash = createHash('sha256');
    const body = (data: Buffer): void => {
      hash.update(data);
      left -= data.length;
      if (left <= 0) socket.end(hash.digest('hex'));
    };
    socket.on('data', (data: Buffer) => {
      if (left > 0) return body(data);
      head += data.toString('latin1');
      const end = head.indexOf('\n');
      if (end < 0) return;
      const [verb, octets = '0', seed = ''] = head.slice(0, end).split(' ');
      const rest = data.subarray(data.length - (head.length - end - 1));
      if (verb === 'down') {
        void send(socket, Number(octets), seed).then(() => socket.end());
      } else {
        left = Number(octets);
        if (rest.length > 0) body(rest);
      }
    });
  });
  server.listen(port, '::', () => process.stdout.write('ready\n'));
}

/** Of endless octets so many come as there are when standard input ends. */
function request(direction: 'down' | 'up', host: string, port: number, octets: number, seed: string): void {
  const started = Date.now();
  // Read where it is killed: whether it hung before its work, in it or behind it.
  const tell = (how: string): void => void process.stderr.write(`${how} after ${Date.now() - started} ms\n`);
  const socket = createConnection({ host, port }, () => {
    tell('connected');
    socket.write(`${direction} ${octets} ${seed}\n`);
    if (direction === 'up') void send(socket, octets, seed);
    if (octets === Infinity) process.stdin.on('end', () => socket.end()).resume();
  });
  const fail = (why: string): never => {
    process.stderr.write(`${why}\n`);
    process.exit(1);
  };
  socket.setTimeout(IDLE_MS, () => fail('no progress'));
  socket.on('error', (error) => fail(error.message));
  const hash = createHash('sha256');
  let count = 0;
  let told = 0;
  let answer = '';
  socket.on('data', (data: Buffer) => {
    count += data.length;
    if (octets === Infinity && count >= told + TOLD_EACH) {
      told = count;
      process.stdout.write(`${count}\n`);
    }
    hash.update(data);
    if (direction === 'up') answer += data.toString('latin1');
  });
  socket.on('end', () => {
    tell('ended');
    const milliseconds = Date.now() - started;
    const should = expected(octets === Infinity ? count : octets, seed);
    const received = direction === 'up' ? answer : hash.digest('hex');
    const result: TransferResult = {
      direction,
      octets: direction === 'up' ? octets : count,
      received,
      expected: should,
      ok: received === should,
      milliseconds,
    };
    process.stdout.write(`${JSON.stringify(result)}\n`);
    process.exit(0);
  });
}

if (process.argv[1] === PROGRAM) {
  const [verb, host = '', port = '', octets = '', seed = ''] = process.argv.slice(2);
  if (verb === 'serve') serve(Number(host));
  else if (verb === 'down' || verb === 'up') request(verb, host, Number(port), Number(octets), seed);
  else if (verb === 'flow') request('down', host, Number(port), Infinity, octets);
  else process.exit(2);
}
