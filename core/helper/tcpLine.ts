/**
 * The TCP connection of one IKE SA (RFC 9329 §6.1): opened, and opened again when it breaks, by us who opened it first, for as long as the SA is
 * wanted. Whether the gateway still knows the SA is for IKE to find out.
 */
import { ok, type Result } from '../bytes/result.ts';
import type { Log } from '../system/log.ts';
import type { Stage } from './stage.ts';
import type { TcpConnection } from './tcpConnection.ts';

export interface LinePorts {
  readonly stage: Pick<Stage, 'connect' | 'disconnect'>;
  readonly log: Log;
  /** In [0, 1). */
  readonly random: () => number;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

export interface Line {
  readonly connection: TcpConnection;
  /** Is this its descriptor? */
  has(fd: number): boolean;
  /** It was over once, or more often. */
  readonly wasBroken: boolean;
  /** It is over; another one is opened, and `onBack` told when it is there. */
  broken(why: string): void;
  readonly isOpen: boolean;
  /** Another one in its place at once, without the pause where one is being opened already: this one may be dead without anybody knowing, as after a suspend or in another network. */
  renew(): void;
  /** Told where we are now. */
  onBack: (local: TcpConnection['local']) => void;
  close(): Promise<void>;
}

/**
 * Milliseconds between two tries at most; half of it and more up to all, so that a gateway that restarts is not run down, nor one that takes
 * connections only to break them. What held for a while is opened again at once.
 */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;
const HELD = 5_000;

/** The error is words. The first of the ports that takes it is the one for as long as the line is open. */
export async function openLine(
  { stage, log, random, now }: LinePorts,
  address: string,
  ports: readonly number[],
  cancelled: AbortSignal,
): Promise<Result<Line, string>> {
  const opened = await stage.connect(address, ports, cancelled);
  if (!opened.ok) return opened;
  const { port } = opened.value;
  const closing = new AbortController();
  let current: TcpConnection | undefined = opened.value;
  let opening: Promise<void> | undefined;
  let openedAt = now();
  let pause = 0;
  let breaks = 0;
  /** Ends the pause, and the try, that are under way. */
  let hurry = new AbortController();

  async function open(): Promise<void> {
    const gone = current;
    current = undefined;
    if (gone) await stage.disconnect(gone.fd);
    if (now() - openedAt >= HELD) pause = 0;
    while (!closing.signal.aborted) {
      hurry = new AbortController();
      const until = AbortSignal.any([closing.signal, hurry.signal]);
      await sleep(pause * (0.5 + random() / 2), until);
      pause = Math.min(Math.max(FIRST_PAUSE, 2 * pause), LONGEST_PAUSE);
      if (until.aborted) {
        pause = 0;
        continue;
      }
      // RFC 9329 §6.1 has the session go on with the same responder: the same port.
      const again = await stage.connect(address, [port], until);
      if (again.ok) {
        current = again.value;
        openedAt = now();
        log('info', 'tunnel', 'the TCP connection is back', { address, port: again.value.port });
        line.onBack(again.value.local);
        return;
      }
      if (hurry.signal.aborted) pause = 0;
      log('debug', 'tunnel', 'no TCP connection', { address, why: again.error });
    }
  }

  const line: Line = {
    connection: opened.value,
    onBack: () => {},
    get wasBroken() {
      return breaks > 0;
    },
    get isOpen() {
      return current !== undefined;
    },
    has: (fd) => current?.fd === fd,
    broken(why) {
      breaks++;
      log('info', 'tunnel', 'the TCP connection broke', { address, why });
      line.renew();
    },
    renew() {
      if (closing.signal.aborted) return;
      if (opening) hurry.abort();
      opening ??= open().finally(() => {
        opening = undefined;
      });
    },
    async close() {
      closing.abort();
      await opening;
      if (current) await stage.disconnect(current.fd);
      current = undefined;
    },
  };
  return ok(line);
}

function sleep(milliseconds: number, until: AbortSignal): Promise<void> {
  if (milliseconds === 0 || until.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      until.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    until.addEventListener('abort', done, { once: true });
  });
}
