/**
 * The program behind the router's TUN device (see impair.ts): node relay.ts DEVICE. One JSON line of `Impairment` on
 * standard input changes what it does; it answers `set`. What it does depends on the seed and the order of packets only.
 */
import { read, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { F_SETFL } from '../../core/system/ffi/constants.ts';
import { fcntl } from '../../core/system/ffi/libc.ts';
import { openTun } from '../../core/system/linux/tun.ts';
import type { Impairment } from './impair.ts';

/** A packet held back for reordering goes after this at the latest. */
const HOLD_MS = 30;
/** More waiting packets are dropped, like a router's queue. */
const QUEUE_MAX = 4096;

const device = process.argv[2] ?? 'impair';
const fd = openDevice(device);
let settings: Impairment = {};
let random = mulberry32(1);
/** Packets held back, each with how many others must pass it first. */
let held: { readonly packet: Uint8Array; passes: number; readonly timer: NodeJS.Timeout }[] = [];
let waiting = 0;

createInterface({ input: process.stdin }).on('line', (line) => {
  settings = JSON.parse(line) as Impairment;
  random = mulberry32(settings.seed ?? 1);
  process.stdout.write('set\n');
});
readNext(Buffer.alloc(65_536));
process.stdout.write('ready\n');

/** The product's own TUN, but waiting: Node's thread pool reads it. */
function openDevice(name: string): number {
  const opened = openTun(name);
  if (!opened.ok) throw new Error(`${name}: ${opened.error.detail}`);
  fcntl(opened.value.fd, F_SETFL, 0);
  return opened.value.fd;
}

/** One blocking read at a time, on a thread of Node's pool. */
function readNext(buffer: Buffer): void {
  read(fd, buffer, 0, buffer.length, null, (error, length) => {
    if (error !== null) {
      if (error.code !== 'EINTR') throw error;
    } else {
      arrived(Uint8Array.prototype.slice.call(buffer, 0, length));
    }
    readNext(buffer);
  });
}

function arrived(packet: Uint8Array): void {
  // Every draw is made for every packet, so that one setting does not shift the fate another one deals.
  const [lose, double, reorder, jitter, distance] = [random(), random(), random(), random(), random()];
  if (lose * 100 < (settings.lossPercent ?? 0)) return;
  const copies = double * 100 < (settings.duplicatePercent ?? 0) ? 2 : 1;
  const delay = (settings.delayMs ?? 0) + jitter * (settings.jitterMs ?? 0);
  for (let copy = 0; copy < copies; copy++) {
    if (copy === 0 && reorder * 100 < (settings.reorderPercent ?? 0)) hold(packet, 1 + Math.floor(distance * 3));
    else later(packet, delay);
  }
}

function later(packet: Uint8Array, delay: number): void {
  if (delay <= 0) {
    pass(packet);
    return;
  }
  if (waiting >= QUEUE_MAX) return;
  waiting++;
  setTimeout(() => {
    waiting--;
    pass(packet);
  }, delay);
}

function hold(packet: Uint8Array, passes: number): void {
  const entry = { packet, passes, timer: setTimeout(() => release(entry), HOLD_MS) };
  held.push(entry);
}

function release(entry: (typeof held)[number]): void {
  clearTimeout(entry.timer);
  held = held.filter((other) => other !== entry);
  write(entry.packet);
}

function pass(packet: Uint8Array): void {
  write(packet);
  for (const entry of [...held]) if (--entry.passes <= 0) release(entry);
}

function write(packet: Uint8Array): void {
  try {
    writeSync(fd, packet);
  } catch {
    // The kernel refuses what it cannot route; a router drops it as well.
  }
}

/** Tommy Ettinger's public-domain generator: small, seeded, good enough to lose packets with. In [0, 1). */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
