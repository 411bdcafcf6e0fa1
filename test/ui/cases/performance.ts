/** How much it weighs and how quick it is. CPU is the processes' own time, so that a busy machine does not decide. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { type App, WIDE } from '../app.ts';
import type { Case } from '../kit.ts';
import { connectedScene } from '../scenes.ts';
import type { World } from '../world.ts';

const MOST_KB = 300;
const USABLE_WITHIN_MS = 1_000;
const MOST_CPU_PERCENT = 5;
/** Growth that is noise: garbage that was not collected yet, tables of the engine. */
const HEAP_NOISE = 1.5 * 1024 * 1024;

function files(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Seconds of CPU of the page's own process so far. */
async function rendererSeconds(world: World): Promise<number> {
  const session = await world.desk.browserSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  await session.detach();
  return processInfo.filter(({ type }) => type === 'renderer').reduce((sum, { cpuTime }) => sum + cpuTime, 0);
}

async function heap(app: App): Promise<number> {
  const session = await app.context.newCDPSession(app.page);
  for (let round = 0; round < 3; round++) await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  await session.detach();
  return usedSize;
}

/** A live chart with traffic under it. Stops it when the work is done. */
async function withTraffic<T>(world: World, work: () => Promise<T>): Promise<T> {
  const { laptop, addresses } = world.stage.lab;
  const ping = laptop.spawn(['ping', '-n', '-q', '-i', '0.1', '-s', '900', addresses.intranet.web4], { stdio: 'ignore' });
  try {
    return await work();
  } finally {
    ping.kill('SIGKILL');
  }
}

async function chartCpu(world: World, seconds: number): Promise<string> {
  const app = await connectedScene(world, { viewport: WIDE });
  await app.go('Statistics');
  return withTraffic(world, async () => {
    await sleep(3_000);
    const before = await rendererSeconds(world);
    await sleep(seconds * 1_000);
    const percent = ((await rendererSeconds(world)) - before) * (100 / seconds);
    assert.ok(percent <= MOST_CPU_PERCENT, `${percent.toFixed(1)} % of a core over ${seconds} s`);
    return `${percent.toFixed(1)} % of a core over ${seconds} s`;
  });
}

/** The heap after a warm-up and at the end, both after a collection, and a line through what lies between. */
async function chartHeap(world: World, seconds: number): Promise<string> {
  const app = await connectedScene(world, { viewport: WIDE });
  await app.go('Statistics');
  return withTraffic(world, async () => {
    await sleep(Math.min(60, seconds / 3) * 1_000);
    const samples: number[] = [];
    const steps = 6;
    for (let step = 0; step <= steps; step++) {
      samples.push(await heap(app));
      if (step < steps) await sleep((seconds * 1_000) / steps);
    }
    const growth = (samples.at(-1) ?? 0) - (samples[0] ?? 0);
    const said = samples.map((bytes) => `${(bytes / 1024 / 1024).toFixed(2)}`).join(' ');
    assert.ok(growth < HEAP_NOISE, `grew by ${(growth / 1024 / 1024).toFixed(2)} MB in ${seconds} s: ${said} MB`);
    return `${said} MB over ${seconds} s`;
  });
}

export const performanceCases: readonly Case[] = [
  {
    name: 'performance/the bundle is small',
    smoke: true,
    run: (world) => {
      const sizes = files(world.desk.dist).map((file) => gzipSync(readFileSync(file), { level: 9 }).length);
      const kb = sizes.reduce((sum, size) => sum + size, 0) / 1000;
      assert.ok(kb <= MOST_KB, `${kb.toFixed(0)} kB gzipped`);
      return Promise.resolve(`${kb.toFixed(1)} kB gzipped in ${sizes.length} files`);
    },
  },
  {
    name: 'performance/usable within a second of the load',
    smoke: true,
    run: async (world) => {
      const { id } = await world.profile();
      const app = await world.open();
      const times: number[] = [];
      for (let round = 0; round < 3; round++) {
        await app.page.reload({ waitUntil: 'commit' });
        await app.page.getByTestId('control').waitFor();
        times.push(await app.run<number>('performance.now()'));
      }
      const best = Math.min(...times);
      assert.ok(best <= USABLE_WITHIN_MS, `${times.map(Math.round).join(', ')} ms`);
      return `${times.map(Math.round).join(', ')} ms with profile ${id.slice(0, 8)}`;
    },
  },
  { name: 'performance/live charts are cheap', run: (world) => chartCpu(world, 10) },
  { name: 'performance/live charts are cheap for a minute', perf: true, run: (world) => chartCpu(world, 60) },
  { name: 'performance/the heap does not grow', run: (world) => chartHeap(world, 20) },
  { name: 'performance/the heap does not grow in ten minutes', perf: true, run: (world) => chartHeap(world, 600) },
];
