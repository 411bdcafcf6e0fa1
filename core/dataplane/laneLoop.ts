/** What all threads of the dataplane do: they block in poll(2) and never return to an event loop until they are told to stop. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { EspCipher } from '../crypto/espCipher.ts';
import type { BackendChoice } from '../esp/backends.ts';
import { EventFd, setTimerSlack, sleepMicroseconds } from '../system/linux/poll.ts';
import type { Command, LaneStart, Report } from './commands.ts';
import { Counters } from './counters.ts';
import { inboundLoop } from './inboundLoop.ts';
import { type LaneLoop, type LaneSetup, LaneTurns } from './laneTurns.ts';
import { outboundLoop } from './outboundLoop.ts';

/** Nanoseconds: a lane that waits for packets to gather means microseconds. */
const timerSlack = 10_000;

const start: LaneStart = workerData;
const wake = EventFd.of(start.wakeFd);
const posted = new Int32Array(start.posted);

/** Serves until the command to stop comes. */
export function runLane({ backend, tried = [] }: Pick<BackendChoice, 'backend'> & Partial<BackendChoice>): void {
  report({ kind: 'ready', backend: backend.name, tried });
  const setup: LaneSetup = {
    ...start,
    backend: { name: backend.name, cipher: (suite, keys) => noteMaker(backend.cipher(suite, keys)) },
    counters: new Counters(start.counters, start.index),
    ...{ wake, report, obeyInstalls },
  };
  const lane = start.lane === 'inbound' ? inboundLoop(setup) : outboundLoop(setup);
  setTimerSlack(timerSlack);
  const turns = new LaneTurns(lane, start.wakeFd, sleepMicroseconds);
  for (;;) {
    if (!turns.turn()) continue;
    wake.drain();
    if (!obeyAll(lane)) return;
    turns.renew();
  }
}

/** Who made the last cipher: several backends share the suites (core/esp/backends.ts). */
let lastMaker: string | undefined;

function noteMaker(cipher: EspCipher | undefined): EspCipher | undefined {
  lastMaker = cipher?.backend;
  return cipher;
}

/** Commands that were taken, and what `obeyInstalls` put off. */
let taken = 0;
let putOff: readonly Command[] = [];

/** False once told to stop. */
function obeyAll(lane: LaneLoop): boolean {
  const waiting = putOff;
  putOff = [];
  for (const command of waiting) if (!obey(lane, command)) return false;
  for (;;) {
    const command = nextCommand();
    if (command === undefined) return true;
    if (!obey(lane, command)) return false;
  }
}

/**
 * In the middle of a batch: SAs that wait to be installed, since what the lane reads may be theirs already. All other commands have time
 * until the batch is done; behind the end of a connection nothing of it is installed. True when there was one.
 */
function obeyInstalls(lane: LaneLoop): boolean {
  let installed = false;
  while (Atomics.load(posted, 0) !== taken) {
    const command = nextCommand();
    if (command === undefined) break;
    const over = putOff.some(({ kind }) => kind === 'detach' || kind === 'stop');
    if (command.kind === 'install' && !over) {
      obey(lane, command);
      installed = true;
    } else putOff = [...putOff, command];
  }
  return installed;
}

function nextCommand(): Command | undefined {
  if (parentPort === null) throw new Error('not a worker thread');
  const received: { message: Command } | undefined = receiveMessageOnPort(parentPort);
  if (received !== undefined) taken = (taken + 1) | 0;
  return received?.message;
}

function obey(lane: LaneLoop, command: Command): boolean {
  const refused = lane.obey(command);
  const made = command.kind === 'install' && refused === undefined ? lastMaker : undefined;
  report({
    kind: 'done',
    id: command.id,
    ...(refused !== undefined && { refused }),
    ...(made !== undefined && { backend: made }),
  });
  return command.kind !== 'stop';
}

function report(message: Report, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}
