/** The engine's process: started, watched, started again. At most one lives, even across monitors. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, ftruncateSync, readFileSync, readlinkSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { close } from '../system/ffi/libc.ts';
import { watchReadable } from '../system/ffi/readiness.ts';
import { MessageEnd, messagePair } from '../system/linux/channel.ts';
import type { Log } from '../system/log.ts';
import { compileCache } from './compileCache.ts';
import { ENGINE_LOCK_FD, EXIT_OPTIONS, MONITOR_MESSAGE_MAX } from './monitorContract.ts';
import { tryLock } from './monitorSetup.ts';

export interface EngineOptions {
  /** What runs the script; default is what runs us. */
  readonly runtime?: string;
  readonly script: string;
  readonly args: readonly string[];
  /** The listening socket it serves. */
  readonly rpcFd: number;
  /** Held by the engine for as long as it lives. */
  readonly lockPath: string;
  readonly log: Log;
  /** One message of the engine's, and how to answer it; false ends the engine. */
  readonly onMessage: (bytes: Uint8Array, reply: Reply) => boolean;
  /** The engine is gone, with all its descriptors, or could not be started: one that was before may be stuck. */
  readonly onGone: () => void;
}

export type Reply = (bytes: Uint8Array, descriptors?: readonly number[]) => void;

export interface EngineProcess {
  /** Resolves when an engine refused its options; it is not started again. */
  readonly refused: Promise<void>;
  /** Ends it and resolves when it is gone; it is not started again. */
  stop(): Promise<void>;
}

/**
 * The engine makes little garbage and the threads of its dataplane none: V8 need not keep 16 MB for each of them to put it in, and the C
 * library not an arena for each of Node's threads.
 */
const LEAN = { flags: ['--max-semi-space-size=1'], env: { MALLOC_ARENA_MAX: '2' } };
/**
 * getaddrinfo(3) cannot be taken back, and waits for silent name servers for 20 s and more; libuv does half as many of them at a time as it has
 * threads. With its four, two look-ups from a network that was left would keep those of the next one waiting. A thread costs 9 kB.
 */
const LOOK_UPS = { UV_THREADPOOL_SIZE: '32' };
const BACKOFF = { first: 100, most: 5000 };
/** An engine that lived this long was fine: the next one starts at once. Milliseconds. */
const LIVED_WELL = 10_000;
/** Messages that are read in one turn of the event loop: an engine that never stops sending must not keep signals and timers waiting. */
const MESSAGES_A_TURN = 16;
/** What an engine gets to say goodbye to its gateway before it is killed. */
const PATIENCE = 3000;

export function superviseEngine(options: EngineOptions): EngineProcess {
  const { log } = options;
  let stopping = false;
  let running: Running | undefined;
  const refusal = Promise.withResolvers<void>();
  const loop = keepRunning();

  async function keepRunning(): Promise<void> {
    let delay = BACKOFF.first;
    while (!stopping) {
      const started = Date.now();
      running = await start(options).catch((fault: unknown) => {
        log('error', 'monitor', 'the engine could not be started', { detail: String(fault) });
        return undefined;
      });
      // stop() may have been called while the old engine was waited for.
      if (stopping) running?.child.kill('SIGTERM');
      const code = await running?.gone;
      running = undefined;
      options.onGone();
      if (code === EXIT_OPTIONS) return refusal.resolve();
      if (stopping) return;
      if (Date.now() - started > LIVED_WELL) delay = BACKOFF.first;
      log('warn', 'monitor', 'the engine is started again', { afterMs: delay });
      await sleep(delay);
      delay = Math.min(delay * 2, BACKOFF.most);
    }
  }

  return {
    refused: refusal.promise,
    stop: async () => {
      stopping = true;
      const child = running?.child;
      child?.kill('SIGTERM');
      const kill = setTimeout(() => child?.kill('SIGKILL'), PATIENCE);
      // During a back-off there is no engine to wait for.
      if (running !== undefined) await loop;
      clearTimeout(kill);
    },
  };
}

interface Running {
  readonly child: ChildProcess;
  /** With its exit code, null when it had none. */
  readonly gone: Promise<number | null>;
}

async function start(options: EngineOptions): Promise<Running | undefined> {
  const { log } = options;
  const lockFd = await engineLock(options.lockPath, log);
  if (lockFd === undefined) return undefined;
  const pair = messagePair(MONITOR_MESSAGE_MAX);
  if (!pair.ok) {
    log('error', 'monitor', 'no socketpair', { detail: pair.error.detail });
    closeSync(lockFd);
    return undefined;
  }
  const [ours, theirs] = pair.value;
  let child: ChildProcess;
  try {
    child = spawn(options.runtime ?? process.execPath, [...LEAN.flags, options.script, ...options.args], {
      cwd: '/',
      // A session of its own: Ctrl-C in a terminal is the monitor's to handle.
      detached: true,
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8', ...LEAN.env, ...LOOK_UPS, ...compileCache() },
      stdio: ['ignore', 'inherit', 'inherit', theirs, options.rpcFd, lockFd],
    });
  } catch (fault) {
    // Most of what can go wrong comes as an event; the rest (ETXTBSY while an update writes the program) is thrown.
    close(ours);
    close(theirs);
    closeSync(lockFd);
    throw fault;
  }
  close(theirs);
  ftruncateSync(lockFd, 0);
  writeSync(lockFd, String(child.pid ?? 0), 0);
  closeSync(lockFd);
  const end = new MessageEnd(ours, MONITOR_MESSAGE_MAX);
  // Level-triggered: what is left is told again.
  const watch = watchReadable(ours, () => {
    for (let count = 0; count < MESSAGES_A_TURN; count++) {
      const received = end.receive();
      if (received.kind === 'nothing') return;
      if (received.kind === 'message' && received.descriptors.length === 0) {
        const reply: Reply = (bytes, descriptors) => {
          if (!end.send(bytes, descriptors)) log('warn', 'monitor', 'the engine does not take its answer');
        };
        if (options.onMessage(received.bytes, reply)) continue;
      }
      if (received.kind === 'message') for (const fd of received.descriptors) close(fd);
      if (received.kind !== 'closed') log('error', 'monitor', 'the engine sent something that is no command: it is killed');
      watch.close();
      child.kill('SIGKILL');
      return;
    }
  });
  const gone = new Promise<number | null>((resolve) => {
    const over = (code: number | null, detail: string): void => {
      watch.close();
      close(ours);
      log('warn', 'monitor', 'the engine is gone', { detail });
      resolve(code);
    };
    child.once('error', (error) => over(null, error.message));
    child.once('exit', (code, signal) => over(code, signal ?? `exit ${code}`));
  });
  log('info', 'monitor', 'the engine runs', { pid: child.pid ?? 0 });
  return { child, gone };
}

/** An engine that outlived its monitor ends by itself (its socket is closed); one that does not is killed. */
async function engineLock(path: string, log: Log): Promise<number | undefined> {
  for (let attempt = 0; attempt < 300; attempt++) {
    const fd = tryLock(path);
    if (fd !== undefined) return fd;
    if (attempt >= 100 && attempt % 50 === 0) killHolder(path, log);
    await sleep(10);
  }
  log('error', 'monitor', 'an old engine does not end', { lock: path });
  return undefined;
}

function killHolder(path: string, log: Log): void {
  const pid = Number(readFileSync(path, 'utf8'));
  try {
    // The number may be another process's by now; only one that holds this very file is meant.
    if (!Number.isInteger(pid) || pid <= 1 || readlinkSync(`/proc/${pid}/fd/${ENGINE_LOCK_FD}`) !== path) return;
    log('warn', 'monitor', 'an old engine is killed', { pid });
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended meanwhile.
  }
}
