/** Programs of the lab that run until they are told to end: start them, hear what they say, wait until they are ready, end them in order. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Namespace } from './namespace.ts';

/** A machine that does much else starts a program in seconds. Milliseconds. */
const READY_WITHIN = 40_000;
const ENDS_WITHIN = 6_000;
/** Characters, the last of all that it said. */
const KEEP = 200_000;

export interface DaemonOptions {
  /** For messages of failures. */
  readonly label: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Ctrl-C in the terminal is not for it, but for whoever started it. */
  readonly detached?: boolean;
  readonly privateRun?: boolean;
}

export class Daemon {
  readonly child: ChildProcess;
  readonly #label: string;
  #said = '';

  constructor(namespace: Namespace, argv: readonly string[], { label, ...options }: DaemonOptions) {
    this.#label = label;
    this.child = namespace.spawn(argv, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#said = `${this.#said}${text}`.slice(-KEEP);
      });
    }
  }

  /** The last of what it wrote to its standard output and error. */
  get said(): string {
    return this.#said;
  }

  get runs(): boolean {
    return runs(this.child);
  }

  /** Looks until `isReady`; throws with all that it said when it ends before, or takes too long. */
  async ready(isReady: () => boolean | Promise<boolean>, more: () => string = () => this.#said): Promise<void> {
    const until = performance.now() + READY_WITHIN;
    while (!(await isReady())) {
      if (!this.runs) throw new Error(`${this.#label} ended with ${this.child.exitCode ?? this.child.signalCode}:\n${more()}`);
      if (performance.now() > until) throw new Error(`${this.#label} is not ready after ${READY_WITHIN / 1000} s:\n${more()}`);
      await sleep(20);
    }
  }

  end(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    return end(this.child, signal);
  }
}

export function runs({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null;
}

/** The signal, and SIGKILL for what does not heed it. Resolves when it is gone, at once where it is. */
export async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
  if (!runs(child)) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), ENDS_WITHIN);
  await gone;
  clearTimeout(timer);
}
