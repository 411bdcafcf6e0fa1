/** One thread of the dataplane as the main thread sees it: started, told what to do, ended. */
import { Worker } from 'node:worker_threads';
import type { BackendTrial } from '../esp/backends.ts';
import { EventFd } from '../system/linux/poll.ts';
import type { Command, LaneStart, Report } from './commands.ts';

export type CommandBody = Command extends infer C ? (C extends Command ? Omit<C, 'id'> : never) : never;

export type LaneCommon = Omit<LaneStart, 'lane' | 'index' | 'wakeFd' | 'posted'>;

/** One thread with its eventfd and the commands it has not answered yet. */
export class LaneThread {
  /** Resolves when the self-test passed. */
  readonly ready: Promise<void>;
  backend = '';
  tried: readonly BackendTrial[] = [];
  readonly #lane: string;
  readonly #wake = EventFd.create();
  readonly #posted = new Int32Array(new SharedArrayBuffer(4));
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  readonly #pending = new Map<
    number,
    { readonly resolve: (backend?: string) => void; readonly reject: (error: Error) => void }
  >();
  #nextId = 1;
  #stopping = false;
  #dead: string | undefined;

  constructor(
    options: Omit<LaneStart, 'wakeFd' | 'posted'>,
    entry: URL = new URL('./worker.ts', import.meta.url),
    onReport: (report: Report) => void,
    onFailure: (detail: string) => void,
  ) {
    const { lane, index } = options;
    this.#lane = index === 0 ? lane : `${lane} ${index + 1}`;
    const workerData: LaneStart = { ...options, wakeFd: this.#wake.fd, posted: this.#posted.buffer };
    this.#worker = new Worker(entry, { workerData, name: `sallyport ${this.#lane}` });
    const start = Promise.withResolvers<void>();
    const end = Promise.withResolvers<void>();
    this.ready = start.promise;
    this.#ended = end.promise;
    let isReady = false;
    this.#worker.on('message', (report: Report) => {
      if (report.kind === 'ready') {
        isReady = true;
        this.backend = report.backend;
        this.tried = report.tried;
        start.resolve();
      } else if (report.kind === 'done') this.#answer(report);
      else onReport(report);
    });
    this.#worker.on('error', (error: unknown) => {
      this.#dead = `${this.#lane} lane: ${error instanceof Error ? error.message : String(error)}`;
    });
    this.#worker.on('exit', (code) => {
      this.#dead ??= `${this.#lane} lane: ended with ${code}`;
      const gone = new Error(this.#dead);
      for (const { reject } of this.#pending.values()) reject(gone);
      this.#pending.clear();
      start.reject(gone);
      this.#wake.close();
      end.resolve();
      if (isReady && !this.#stopping) onFailure(this.#dead);
    });
    this.ready.catch(() => {}); // whoever awaits it is told; nobody has to
  }

  /** Resolves when the lane has obeyed, with the backend of an SA it installed; rejects when it cannot or has ended. */
  send(command: CommandBody, transfer: ArrayBuffer[] = []): Promise<string | undefined> {
    if (this.#dead !== undefined) return Promise.reject(new Error(this.#dead));
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
    this.#pending.set(id, { resolve, reject });
    this.#worker.postMessage({ ...command, id }, transfer);
    Atomics.add(this.#posted, 0, 1);
    this.#wake.signal();
    return promise;
  }

  /** The thread ends by itself: `terminate` would wait for a poll that nobody wakes. */
  async stop(): Promise<void> {
    if (!this.#stopping && this.#dead === undefined) {
      this.#stopping = true;
      await this.send({ kind: 'stop' }).catch(() => undefined);
    }
    await this.#ended;
  }

  #answer({ id, refused, backend }: Report & { readonly kind: 'done' }): void {
    const waiting = this.#pending.get(id);
    this.#pending.delete(id);
    if (refused === undefined) waiting?.resolve(backend);
    else waiting?.reject(new Error(`${this.#lane} lane: ${refused}`));
  }
}
