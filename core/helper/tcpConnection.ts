/** Connecting to a gateway by TCP (RFC 9329): its ports at once or nearly so, and the first that is there. */
import { err, ok, type Result } from '../bytes/result.ts';
import { whenWritable } from '../system/ffi/readiness.ts';
import { connectError } from '../system/linux/tcpStream.ts';
import { localEndpoint } from '../system/linux/udp.ts';
import type { HostError } from '../system/ports.ts';

export interface TcpPorts {
  /** As the monitor's: a connection that was started. */
  readonly connectTcp: (address: string, port: number) => Promise<Result<number, HostError>>;
  readonly closeDescriptor: (fd: number) => void;
}

/** A connection; who asked for it closes the descriptor. */
export interface TcpConnection {
  readonly fd: number;
  readonly port: number;
  readonly local: { readonly address: string; readonly port: number };
}

/** Milliseconds: the next port is tried when the one before has not answered by then (RFC 8305 §5), and all are given up. */
const NEXT_PORT = 500;
const WITHIN = 10_000;

/** Resolves with the first port of the list that takes the connection; the error says of each why not. `cancelled` gives up. */
export async function connectTcp(
  { connectTcp: start, closeDescriptor }: TcpPorts,
  address: string,
  ports: readonly number[],
  cancelled: AbortSignal,
): Promise<Result<TcpConnection, string>> {
  const over = new AbortController();
  const limit = AbortSignal.any([cancelled, over.signal, AbortSignal.timeout(WITHIN)]);
  const why: string[] = [];
  let won: TcpConnection | undefined;

  const attempt = async (port: number): Promise<void> => {
    const started = await start(address, port);
    if (!started.ok) {
      why.push(`port ${port}: ${started.error.detail}`);
      return;
    }
    const fd = started.value;
    const fault = await tcpConnected(fd, limit);
    const local = fault === undefined && won === undefined ? localEndpoint(fd) : undefined;
    if (local === undefined) {
      closeDescriptor(fd);
      why.push(`port ${port}: ${fault ?? 'another was faster'}`);
      return;
    }
    won = { fd, port, local };
    over.abort();
  };

  const running: Promise<void>[] = [];
  for (const port of ports) {
    if (limit.aborted) break;
    const tried = attempt(port);
    running.push(tried);
    // The next at once when this one has failed.
    await Promise.race([tried, pause(NEXT_PORT, limit)]);
  }
  await Promise.all(running);
  if (won === undefined) return err(why.join('; '));
  if (!cancelled.aborted) return ok(won);
  closeDescriptor(won.fd);
  return err('cancelled');
}

/** What became of a connection that was started: undefined when it is there, else why not. */
function tcpConnected(fd: number, limit: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    const stop = (): void => {
      watch.close();
      resolve('no answer');
    };
    const watch = whenWritable(fd, () => {
      limit.removeEventListener('abort', stop);
      resolve(connectError(fd));
    });
    if (limit.aborted) stop();
    else limit.addEventListener('abort', stop, { once: true });
  });
}

function pause(milliseconds: number, limit: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      limit.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    limit.addEventListener('abort', done, { once: true });
  });
}
