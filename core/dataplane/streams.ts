/**
 * The TCP connections of a lane (RFC 9329). Each thread has an object of its own for each: the inbound lane reads, the first outbound lane
 * writes, ESP and what the main thread says alike, since two writers would cut each other's frames.
 */
import { TcpStream } from '../system/linux/tcpStream.ts';
import type { Command, LaneStream } from './commands.ts';

/** RFC 9329 §6.1: packets in a row that are nobody's, or forged, after which the stream is taken for one that has lost its frames. */
const mostAstray = 128;
/** Milliseconds between two looks at whether a full connection has room for what waits. */
const flushInterval = 5;
/** Reads of one turn: who fills a connection as fast as we read it must not keep the lane from the others. */
const readsPerTurn = 8;

interface Open {
  readonly stream: TcpStream;
  readonly peer: LaneStream['peer'];
  astray: number;
  /** Its end was reported. */
  told: boolean;
}

/** What the inbound lane makes of what it reads: counts that only grow. */
export interface Judge {
  receive(stream: TcpStream): number;
  readonly genuine: number;
  readonly astray: number;
}

export class LaneStreams {
  readonly #onOver: (fd: number, why: string) => void;
  #open: readonly Open[] = [];

  constructor(onOver: (fd: number, why: string) => void) {
    this.#onOver = onOver;
  }

  /** Those that are not over. */
  get fds(): number[] {
    return this.#open.filter(({ told }) => !told).map(({ stream }) => stream.fd);
  }

  /** Whom the connection leads to, by its descriptor. */
  peerOf(fd: number): LaneStream['peer'] | undefined {
    return this.#open.find(({ stream }) => stream.fd === fd)?.peer;
  }

  /** Where packets for this peer go: the newest connection to it. */
  to({ address, port }: LaneStream['peer']): TcpStream | undefined {
    return this.#open.findLast(({ peer }) => peer.address === address && peer.port === port)?.stream;
  }

  /** True when the command was about streams. */
  obey(command: Command): boolean {
    if (command.kind === 'stream') {
      const { fd, opener, peer } = command.stream;
      this.#open = [...this.#open, { stream: new TcpStream(fd, opener, peer), peer, astray: 0, told: false }];
    } else if (command.kind === 'release-stream') {
      this.#open = this.#open.filter(({ stream }) => stream.fd !== command.fd);
    } else if (command.kind === 'say') {
      this.#open.find(({ stream }) => stream.fd === command.fd)?.stream.say(command.bytes);
    } else return false;
    return true;
  }

  clear(): void {
    this.#open = [];
  }

  /** Reads what is at a descriptor. False when it is over: it must not be waited for any more. */
  read(fd: number, judge: Judge): boolean {
    const open = this.#open.find(({ stream }) => stream.fd === fd);
    if (open === undefined || open.told) return false;
    const { stream } = open;
    for (let reads = 0; reads < readsPerTurn || stream.unread; reads++) {
      const { genuine, astray } = judge;
      if (judge.receive(stream) === 0 && !stream.unread) break;
      open.astray = judge.genuine > genuine ? 0 : open.astray + judge.astray - astray;
    }
    const why = stream.over ?? (open.astray >= mostAstray ? 'packets of nobody' : undefined);
    if (why === undefined) return true;
    open.told = true;
    this.#onOver(fd, why);
    return false;
  }

  /** Sends what waits for room, as far as there is some. */
  flush(): void {
    for (const { stream } of this.#open) if (stream.waiting) stream.flush();
  }

  /** Milliseconds until `flush` is wanted; -1 when nothing waits. */
  timeout(): number {
    return this.#open.some(({ stream }) => stream.waiting) ? flushInterval : -1;
  }
}
