/**
 * Two streams of numbered UDP datagrams through a tunnel, one each way, counted where they arrive:
 *
 *   node test/lab/stream.ts serve ADDRESS PORT                in the intranet; prints `ready`
 *   node test/lab/stream.ts run HOST PORT PER_SECOND OCTETS   on the laptop; ends when its standard input does, with one line of StreamResult
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { fileURLToPath } from 'node:url';
import type { Namespace } from './namespace.ts';

export interface StreamResult {
  readonly up: StreamCount;
  readonly down: StreamCount;
}

export interface StreamCount {
  readonly sent: number;
  readonly received: number;
  readonly duplicates: number;
  /** Came after one of a higher number; and how far behind the highest, at the most. */
  readonly late: number;
  readonly farthest: number;
  /** Milliseconds between two arrivals, at the most. */
  readonly gap: number;
}

export const STREAM_PORT = 7778;
const PROGRAM = fileURLToPath(import.meta.url);
/** Small enough for no queue on the way, and a timer of a busy machine is made up for by so many at once. */
const TICK_MS = 2;
const MOST_AT_ONCE = 24;
const LAST_ONES_MS = 700;
/** For an answer of the far end, through whatever is between. */
const PATIENCE_MS = 20_000;
const BUFFER = 4 * 1024 * 1024;

/** Starts the far end, which answers from `address` where the kernel would choose another; it ends with its namespace. */
export async function startStreamServer(namespace: Namespace, address = '::'): Promise<void> {
  const child = namespace.spawn([process.execPath, PROGRAM, 'serve', address, String(STREAM_PORT)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`stream server ended with ${code}`)));
  });
}

/** Resolves once datagrams come both ways; the function ends it, waits for the last ones, and counts. */
export async function startStream(
  from: Namespace,
  host: string,
  { perSecond, octets }: { readonly perSecond: number; readonly octets: number },
): Promise<{ readonly end: () => Promise<StreamResult>; readonly kill: () => void }> {
  const child = from.spawn([process.execPath, PROGRAM, 'run', host, String(STREAM_PORT), String(perSecond), String(octets)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let said = '';
  const over = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', (data: Buffer) => {
      said += data.toString();
      if (said.startsWith('going\n')) resolve();
    });
    child.once('exit', (code) => reject(new Error(`the stream ended with ${code}`)));
  });
  const end = async (): Promise<StreamResult> => {
    child.stdin?.end();
    await over;
    const text = said.slice('going\n'.length);
    if (text === '') throw new Error('the far end of the stream cannot be reached');
    return JSON.parse(text) as StreamResult;
  };
  return { end, kill: () => void child.kill('SIGKILL') };
}

class Counter {
  #seen = new Uint8Array(1 << 20);
  #highest = -1;
  #last = 0;
  received = 0;
  duplicates = 0;
  late = 0;
  farthest = 0;
  gap = 0;

  count(number: number): void {
    const now = performance.now();
    if (this.#last > 0) this.gap = Math.max(this.gap, Math.round(now - this.#last));
    this.#last = now;
    if (number >= this.#seen.length) {
      const larger = new Uint8Array(this.#seen.length * 2);
      larger.set(this.#seen);
      this.#seen = larger;
    }
    if (this.#seen[number] === 1) {
      this.duplicates++;
      return;
    }
    this.#seen[number] = 1;
    this.received++;
    if (number > this.#highest) this.#highest = number;
    else {
      this.late++;
      this.farthest = Math.max(this.farthest, this.#highest - number);
    }
  }

  told(sent: number): StreamCount {
    const { received, duplicates, late, farthest, gap } = this;
    return { sent, received, duplicates, late, farthest, gap };
  }
}

class Sender {
  sent = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(socket: Socket, to: { readonly address: string; readonly port: number }, perSecond: number, octets: number) {
    const datagram = new Uint8Array(Math.max(octets, 8));
    const view = new DataView(datagram.buffer);
    view.setUint32(0, DATA);
    const started = performance.now();
    let given = 0;
    this.#timer = setInterval(() => {
      const due = Math.floor(((performance.now() - started) * perSecond) / 1000);
      // What a machine that was away for long did not send is not made up for.
      given = Math.max(given, due - MOST_AT_ONCE);
      for (; given < due; given++) {
        view.setUint32(4, this.sent++);
        socket.send(datagram.slice(), to.port, to.address);
      }
    }, TICK_MS);
  }

  stop(): number {
    clearInterval(this.#timer);
    return this.sent;
  }
}

/** First word of a datagram. */
const DATA = 0x53414c4c;
const word = (data: Buffer): string => data.toString('latin1').split(' ')[0] ?? '';

function serve(address: string, port: number): void {
  const socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', recvBufferSize: BUFFER });
  let counter = new Counter();
  let sender: Sender | undefined;
  let counted = '';
  let peer = 0;
  socket.on('message', (data: Buffer, from: RemoteInfo) => {
    if (data.readUInt32BE(0) === DATA) {
      counter.count(data.readUInt32BE(4));
      return;
    }
    const [verb, ...numbers] = data.toString('latin1').split(' ');
    // Each may come again: its answer was lost. A start from elsewhere is of another run, and the one before is gone.
    if (verb === 'start' && (sender === undefined || from.port !== peer)) {
      sender?.stop();
      peer = from.port;
      counter = new Counter();
      counted = '';
      sender = new Sender(socket, from, Number(numbers[0]), Number(numbers[1]));
    } else if (verb === 'halt') {
      const sent = sender?.stop() ?? 0;
      if (sender) counted = String(sent);
      sender = undefined;
      socket.send(`halted ${counted}`, from.port, from.address);
    } else if (verb === 'tell') {
      socket.send(`told ${JSON.stringify(counter.told(Number(numbers[0])))}`, from.port, from.address);
    }
  });
  socket.bind(port, address, () => process.stdout.write('ready\n'));
}

function giveUp(what: string): never {
  process.stderr.write(`stream: no answer to ${what}\n`);
  process.exit(1);
}

async function run(host: string, port: number, perSecond: number, octets: number): Promise<void> {
  const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4', recvBufferSize: BUFFER });
  const counter = new Counter();
  let heard: (text: string) => void = () => {};
  let first: () => void = () => {};
  socket.on('message', (data: Buffer) => {
    if (data.readUInt32BE(0) !== DATA) return heard(data.toString('latin1'));
    counter.count(data.readUInt32BE(4));
    first();
  });
  const ask = (what: string, answer: string): Promise<string> =>
    new Promise((resolve) => {
      const repeat = setInterval(() => socket.send(what, port, host), 200);
      const patience = setTimeout(() => giveUp(what), PATIENCE_MS);
      socket.send(what, port, host);
      heard = (text) => {
        if (word(Buffer.from(text)) !== answer) return;
        clearInterval(repeat);
        clearTimeout(patience);
        resolve(text.slice(answer.length + 1));
      };
    });
  await new Promise<void>((resolve) => {
    const start = () => socket.send(`start ${perSecond} ${octets}`, port, host);
    const repeat = setInterval(start, 200);
    const patience = setTimeout(() => giveUp('start'), PATIENCE_MS);
    start();
    first = () => {
      clearInterval(repeat);
      clearTimeout(patience);
      first = () => {};
      resolve();
    };
  });
  const sender = new Sender(socket, { address: host, port }, perSecond, octets);
  process.stdout.write('going\n');
  await new Promise((resolve) => process.stdin.on('end', resolve).resume());
  const sent = sender.stop();
  const theirs = Number(await ask('halt', 'halted'));
  await new Promise((resolve) => setTimeout(resolve, LAST_ONES_MS));
  const up = JSON.parse(await ask(`tell ${sent}`, 'told')) as StreamCount;
  process.stdout.write(`${JSON.stringify({ up, down: counter.told(theirs) } satisfies StreamResult)}\n`, () => process.exit(0));
}

if (process.argv[1] === PROGRAM) {
  const [verb, host = '', port = '', perSecond = '', octets = ''] = process.argv.slice(2);
  if (verb === 'serve') serve(host, Number(port));
  else if (verb === 'run') await run(host, Number(port), Number(perSecond), Number(octets));
  else process.exit(2);
}
