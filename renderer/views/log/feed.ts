/**
 * Brings the helper's lines into the model while the view is open: what it still has, newest first, and what comes. The model stays when the
 * view closes, so that opening it again asks only for what is missing.
 */
import { create } from 'zustand';
import type { LogLine, RpcError } from '../../../core/rpc/contract.ts';
import { call, followLog, listen } from '../../api.ts';
import { CAPACITY, LogModel } from './model.ts';

export const log = new LogModel();

export interface FeedState {
  /** Older lines are still on their way. */
  readonly loading: boolean;
  readonly error: RpcError | null;
}

export const useFeed = create<FeedState>()(() => ({ loading: false, error: null }));

/** Enough for a screen, so that something is there at once. */
const FIRST_PAGE = 1000;
const PAGE = 10_000;
/** Lines that come in a burst are drawn together. */
const TOGETHER_MS = 120;

/** A hole is asked about no more often: lines about others' tunnels are holes that stay. */
const HOLE_MS = 1000;

let life = 0;

/** Opened anew whenever the helper comes back (HelperGate). Returns the way to stop. */
export function openFeed(): () => void {
  life++;
  const mine = life;
  const current = () => mine === life;
  let waiting: LogLine[] = [];
  let ready = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let holeTimer: ReturnType<typeof setTimeout> | undefined;

  const flush = () => {
    timer = undefined;
    const lines = waiting;
    waiting = [];
    const [newest, first] = [log.newestSeq, lines[0]];
    log.append(lines);
    if (newest !== undefined && first && first.seq > newest + 1) lookForHole();
  };
  const lookForHole = () => {
    holeTimer ??= setTimeout(() => {
      holeTimer = undefined;
      void call('log.read', { lines: FIRST_PAGE, level: 'debug' }).then((reply) => {
        if (reply.ok && current() && ready) log.fill(reply.value);
      });
    }, HOLE_MS);
  };
  const begin = async () => {
    useFeed.setState({ loading: true, error: null });
    // From here on every line comes as an event; what was before is read.
    await followLog(true);
    const error = await catchUp(current);
    if (!current()) return;
    ready = true;
    flush();
    useFeed.setState({ error });
    if (error === null) await readOlder(current);
    if (current()) useFeed.setState({ loading: false });
  };

  const stopEvents = listen((event) => {
    if (event.event !== 'log') return;
    waiting.push(...event.data);
    // While the first answer is under way a flood must not pile up.
    if (waiting.length > CAPACITY) waiting = waiting.slice(-CAPACITY);
    if (ready) timer ??= setTimeout(flush, TOGETHER_MS);
  });
  void begin();
  return () => {
    stopEvents();
    clearTimeout(timer);
    clearTimeout(holeTimer);
    // Another opening may have followed already: then it is its feed.
    if (!current()) return;
    life++;
    void followLog(false);
  };
}

/** Reads backwards until it meets what the model has. */
async function catchUp(current: () => boolean): Promise<RpcError | null> {
  const newest = log.newestSeq;
  const pages: (readonly LogLine[])[] = [];
  let count = 0;
  for (let before: number | undefined; current(); ) {
    const reply = await call('log.read', {
      lines: pages.length === 0 ? FIRST_PAGE : PAGE,
      level: 'debug',
      ...(before !== undefined && { before }),
    });
    if (!reply.ok) return reply.error;
    const first = reply.value[0];
    if (!first) break;
    pages.unshift(reply.value);
    count += reply.value.length;
    before = first.seq;
    // Without anything of its own the model takes the first page and gets the rest by and by.
    if (newest === undefined || first.seq <= newest + 1 || count >= CAPACITY) break;
  }
  if (current()) log.resume(pages.flat());
  return null;
}

async function readOlder(current: () => boolean): Promise<void> {
  while (current() && log.total < CAPACITY) {
    const before = log.oldestSeq;
    if (before === undefined) return;
    const reply = await call('log.read', { lines: Math.min(PAGE, CAPACITY - log.total), level: 'debug', before });
    if (!reply.ok || reply.value.length === 0 || !current()) return;
    log.fill(reply.value);
  }
}
