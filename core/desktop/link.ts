/**
 * The window's connection to the helper. It makes itself again for as long as it is not closed, says at once how it stands, notices a
 * helper that accepts and does not answer, and follows status and log over every reconnection. It throws for nothing the helper does.
 */
import { err, type Result } from '../bytes/result.ts';
import { type ConnectOptions, connectRpc, type RpcClient } from '../rpc/client.ts';
import { type LogLine, type Params, PROTOCOL_VERSION, type Results, type RpcError, type Status } from '../rpc/contract.ts';
import { followStatus } from '../rpc/follow.ts';
import type { HelperLink, WindowMethod } from './contract.ts';

export interface LinkListener {
  readonly onHelper?: (link: HelperLink) => void;
  readonly onStatus?: (status: Status) => void;
  /** Lines in batches, oldest first, while `followLog` is on. */
  readonly onLog?: (lines: readonly LogLine[]) => void;
}

export interface Link {
  helper(): HelperLink;
  /** The last status of a helper that is connected. */
  status(): Status | undefined;
  call<M extends WindowMethod>(method: M, params: Params<M>): Promise<Result<Results[M], RpcError>>;
  listen(listener: LinkListener): () => void;
  /** Resolves once the helper has answered the subscription: no line after that is missed. At once when it is not there to answer. */
  followLog(on: boolean): Promise<void>;
  /** Tries again now: somebody has just started the helper. */
  retry(): void;
  close(): void;
}

/** Milliseconds. */
export interface LinkTimes {
  /** Without an answer for so long, the helper hangs. */
  readonly silence: number;
  /** Between two questions whether it still answers. */
  readonly ping: number;
  /** A helper that went away is expected back for so long. */
  readonly restart: number;
  readonly firstRetry: number;
  readonly lastRetry: number;
  /** Log lines are gathered for so long. */
  readonly batch: number;
}

export interface LinkOptions extends Pick<ConnectOptions, 'socket' | 'client' | 'checkPlace' | 'checkPeer'> {
  readonly times?: Partial<LinkTimes>;
}

const DEFAULT_TIMES: LinkTimes = { silence: 5_000, ping: 3_000, restart: 10_000, firstRetry: 100, lastRetry: 2_000, batch: 100 };
/** A batch goes out early when so many lines wait. */
const BATCH_LINES = 500;

export function openLink(options: LinkOptions): Link {
  const times: LinkTimes = { ...DEFAULT_TIMES, ...options.times };
  const listeners = new Set<LinkListener>();
  let helper: HelperLink = { state: 'connecting' };
  let status: Status | undefined;
  let client: RpcClient | undefined;
  let logClient: RpcClient | undefined;
  let logSubscription: Promise<void> | undefined;
  let closed = false;
  let wantLog = false;
  let lostAt: number | undefined;
  let delay = times.firstRetry;
  let trying = false;
  let retryTimer: NodeJS.Timeout | undefined;
  let restartTimer: NodeJS.Timeout | undefined;
  let pingTimer: NodeJS.Timeout | undefined;
  const logBatch = createBatch(times.batch, (lines) => {
    for (const { onLog } of [...listeners]) onLog?.(lines);
  });

  function setHelper(next: HelperLink): void {
    if (closed || JSON.stringify(next) === JSON.stringify(helper)) return;
    helper = next;
    for (const { onHelper } of [...listeners]) onHelper?.(next);
  }

  function setStatus(next: Status): void {
    status = next;
    for (const { onStatus } of [...listeners]) onStatus?.(next);
  }

  async function attempt(): Promise<void> {
    if (closed || client || trying) return;
    trying = true;
    clearTimeout(retryTimer);
    const connected = await greet();
    trying = false;
    if (closed) {
      if (connected.ok) connected.value.close();
      return;
    }
    if (connected.ok) {
      await use(connected.value);
      return;
    }
    notConnected(connected.error);
  }

  /** Connected, greeted and answering within the time of silence: connectRpc waits as long for hello as for any other answer. */
  async function greet(): Promise<Result<RpcClient, RpcError>> {
    const pending = connectRpc(options);
    const first = await within(pending, times.silence);
    if (first !== undefined) return first;
    void pending.then((late) => late.ok && late.value.close());
    return err({ code: 'helper-silent', detail: `no answer to hello within ${times.silence / 1000} s` });
  }

  async function use(connection: RpcClient): Promise<void> {
    client = connection;
    let announced = false;
    let first: Status | undefined;
    const following = await within(
      followStatus(connection, (next) => {
        if (client !== connection) return;
        // The window hears that it is connected before it hears the first status.
        if (announced) setStatus(next);
        else first = next;
      }),
      times.silence,
    );
    if (closed || client !== connection) {
      connection.close();
      return;
    }
    if (!following?.ok) {
      client = undefined;
      connection.close();
      notConnected(following?.error ?? { code: 'helper-silent', detail: 'no answer to subscribe' });
      return;
    }
    delay = times.firstRetry;
    lostAt = undefined;
    clearTimeout(restartTimer);
    setHelper({ state: 'connected', version: connection.server.version, uid: connection.server.uid });
    announced = true;
    if (first) setStatus(first);
    void keepLog();
    schedulePing(connection);
    const reason = await connection.closed;
    if (client !== connection) return;
    lost();
    if (!closed) notConnected(reason ?? { code: 'helper-gone', detail: 'the connection ended' });
  }

  function lost(): void {
    client = undefined;
    status = undefined;
    lostAt = Date.now();
    clearTimeout(pingTimer);
  }

  function schedulePing(connection: RpcClient): void {
    pingTimer = setTimeout(async () => {
      const answer = await within(connection.call('tunnel.status', {}), times.silence);
      if (closed || client !== connection) return;
      if (answer !== undefined) {
        schedulePing(connection);
        return;
      }
      lost();
      connection.close();
      notConnected({ code: 'helper-silent', detail: `no answer within ${times.silence / 1000} s` });
    }, times.ping);
  }

  /** What the failure means to the window, and the next try. */
  function notConnected(error: RpcError): void {
    const next = stateOf(error);
    const wasConnected = lostAt !== undefined && Date.now() - lostAt < times.restart;
    if (next.state === 'missing' && wasConnected && lostAt !== undefined) {
      setHelper({ state: 'restarting' });
      clearTimeout(restartTimer);
      restartTimer = setTimeout(
        () => {
          if (helper.state === 'restarting') setHelper({ state: 'missing' });
        },
        times.restart - (Date.now() - lostAt),
      );
    } else setHelper(next);
    retryTimer = setTimeout(attempt, delay);
    delay = Math.min(delay * 2, times.lastRetry);
  }

  /** The log has a connection of its own: there is no way to unsubscribe but to end it, and a window in the tray wants no log. */
  async function keepLog(): Promise<void> {
    if (!wantLog || closed) {
      const connection = logClient;
      logClient = undefined;
      // Without a client it is still being opened, and sees for itself that nobody wants it.
      if (connection) logSubscription = undefined;
      connection?.close();
      logBatch.drop();
      return;
    }
    if (helper.state !== 'connected') return;
    logSubscription ??= subscribeToLog();
    await logSubscription;
  }

  async function subscribeToLog(): Promise<void> {
    const opened = await greet();
    if (!opened.ok) {
      // Then the main connection is in trouble too; it asks again once it is back.
      logSubscription = undefined;
      return;
    }
    const connection = opened.value;
    logClient = connection;
    connection.on('log', logBatch.add);
    void connection.closed.then(() => {
      if (logClient !== connection) return;
      logClient = undefined;
      logSubscription = undefined;
    });
    if (!wantLog || closed) {
      await keepLog();
      return;
    }
    const answer = await within(connection.call('subscribe', { to: ['log'] }), times.silence);
    if (!answer?.ok) connection.close();
  }

  void attempt();
  return {
    helper: () => helper,
    status: () => status,
    call: (method, params) => {
      if (client && helper.state === 'connected') return client.call(method, params);
      return Promise.resolve(err(unreachable(helper)));
    },
    listen: (listener) => {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    followLog: (on) => {
      wantLog = on;
      return keepLog();
    },
    retry: () => {
      delay = times.firstRetry;
      void attempt();
    },
    close: () => {
      closed = true;
      for (const timer of [retryTimer, restartTimer, pingTimer]) clearTimeout(timer);
      void keepLog();
      client?.close();
      client = undefined;
    },
  };
}

/** The state that an error of connecting stands for. */
function stateOf(error: RpcError): HelperLink {
  switch (error.code) {
    case 'helper-refused':
    case 'helper-busy':
    case 'not-permitted':
      return { state: 'refused', detail: error.detail };
    case 'helper-untrusted':
      return { state: 'untrusted', detail: error.detail };
    case 'helper-silent':
      return { state: 'hung' };
    case 'helper-version':
    case 'bad-request':
      // A helper that does not understand our hello is one of another version too.
      return {
        state: 'other-version',
        theirs: /speaks protocol (\d+)/.exec(error.detail)?.[1] ?? '?',
        ours: String(PROTOCOL_VERSION),
      };
    default:
      return { state: 'missing' };
  }
}

/** What a call hears when there is nobody to call. */
function unreachable(helper: HelperLink): RpcError {
  switch (helper.state) {
    case 'hung':
      return { code: 'helper-silent', detail: 'the helper does not answer' };
    case 'refused':
      return { code: 'helper-refused', detail: helper.detail };
    case 'untrusted':
      return { code: 'helper-untrusted', detail: helper.detail };
    case 'other-version':
      return { code: 'helper-version', detail: `the helper speaks protocol ${helper.theirs}, the window ${helper.ours}` };
    case 'restarting':
      return { code: 'helper-gone', detail: 'the helper is restarting' };
    default:
      return { code: 'helper-not-running', detail: 'no helper is connected' };
  }
}

/** The value, or undefined when it took longer. */
async function within<T>(pending: Promise<T>, milliseconds: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), milliseconds);
  });
  try {
    return await Promise.race([pending, late]);
  } finally {
    clearTimeout(timer);
  }
}

interface Batch {
  readonly add: (line: LogLine) => void;
  readonly drop: () => void;
}

function createBatch(milliseconds: number, flush: (lines: readonly LogLine[]) => void): Batch {
  let lines: LogLine[] = [];
  let timer: NodeJS.Timeout | undefined;
  const take = (): readonly LogLine[] => {
    clearTimeout(timer);
    timer = undefined;
    const taken = lines;
    lines = [];
    return taken;
  };
  return {
    add: (line) => {
      lines.push(line);
      if (lines.length >= BATCH_LINES) flush(take());
      else timer ??= setTimeout(() => flush(take()), milliseconds);
    },
    drop: () => {
      take();
    },
  };
}
