/**
 * `npm run demo`: a laptop behind a NAT connects to a head office, all of it on this machine in network namespaces, nothing of it left
 * afterwards. `--once` ends by itself; `--once --json` prints one object (demo/visit.ts) and nothing else on standard output. Exit code
 * 0 only when all is well.
 */

import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { buildWindow, type OpenedWindow, openWindow } from '../../core/desktop/openWindow.ts';
import { hasDisplay } from '../../core/desktop/startHelper.ts';
import type { Status } from '../../core/rpc/contract.ts';
import { buildStage, missingPackages, type Stage } from './demo/stage.ts';
import { allIsWell, type DemoReport, nothingYet, type Visit, visit } from './demo/visit.ts';

class Stopped extends Error {}

const USAGE = 'usage: npm run demo [-- --once [--json]]\n';

async function main(): Promise<number> {
  const options = readOptions();
  if (options === undefined) return 2;
  if (process.getuid?.() !== 0) {
    process.stderr.write(
      'The demo builds its laptop, router and office as network namespaces, which needs root: sudo npm run demo\n',
    );
    return 1;
  }
  const missing = missingPackages();
  if (missing.length > 0) {
    process.stderr.write(`The demo needs: apt-get install ${missing.join(' ')}\n`);
    return 1;
  }
  const screen = createScreen(options.json);
  const stop = stopSwitch();
  const checkpoint = (): void => {
    if (stop.wanted()) throw new Stopped('stopped');
  };
  let stage: Stage | undefined;
  try {
    stage = await buildStage({}, (step) => {
      checkpoint();
      screen.say(step);
    });
    screen.done('ready');
    const seen = await visit(stage, {
      say: screen.say,
      done: screen.done,
      checkpoint,
      throughputMs: 2_000,
      ...(options.once ? {} : { whileUp: (ready: Stage) => stayUp(ready, stop) }),
    });
    screen.done(seen.report.cleanAfter ? 'the laptop is as it was' : 'the laptop is NOT as it was');
    screen.say('taking everything down');
    if (seen.problem !== undefined && !stop.wanted()) process.stderr.write(stage.helperSaid());
    await stage.close();
    stage = undefined;
    screen.done('nothing is left');
    return conclude(seen, options.json, screen, stop.wanted());
  } catch (error) {
    screen.fail(error instanceof Error ? error.message : String(error));
    if (options.json) process.stdout.write(`${JSON.stringify(nothingYet)}\n`);
    return stop.wanted() ? 130 : 1;
  } finally {
    await stage?.close();
  }
}

function readOptions(): { readonly once: boolean; readonly json: boolean } | undefined {
  try {
    const { values } = parseArgs({ options: { once: { type: 'boolean' }, json: { type: 'boolean' } } });
    const json = values.json ?? false;
    return { once: (values.once ?? false) || json, json };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : ''}\n${USAGE}`);
    return undefined;
  }
}

interface Stop {
  wanted(): boolean;
  readonly pressed: Promise<void>;
}

/** The first Ctrl-C takes everything down in order; a second one ends at once (the lab's own handler still removes the namespaces). */
function stopSwitch(): Stop {
  let count = 0;
  let press = (): void => {};
  const pressed = new Promise<void>((resolve) => {
    press = resolve;
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      count++;
      if (count > 1) process.exit(130);
      press();
    });
  }
  return { wanted: () => count > 0, pressed };
}

interface Screen {
  readonly say: (step: string) => void;
  readonly done: (result: string) => void;
  readonly fail: (why: string) => void;
}

/** Steps with their times; on standard error when standard output is for the one JSON object. */
function createScreen(json: boolean): Screen {
  const stream = json ? process.stderr : process.stdout;
  const styled = stream.isTTY === true && process.env.NO_COLOR === undefined;
  const paint = (code: number, text: string): string => (styled ? `\u001b[${code}m${text}\u001b[0m` : text);
  let startedAt = performance.now();
  let open = '';
  const finish = (mark: string, text: string): void => {
    if (open === '') return;
    const took = `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
    stream.write(`${mark} ${open}${text === '' ? '' : `: ${text}`} ${paint(2, took)}\n`);
    open = '';
  };
  return {
    say: (step) => {
      finish(paint(32, '✓'), '');
      startedAt = performance.now();
      open = step;
    },
    done: (result) => finish(paint(32, '✓'), result),
    fail: (why) => {
      finish(paint(31, '✗'), '');
      stream.write(`${paint(31, '✗')} ${why}\n`);
    },
  };
}

/** Shows the status as it changes until somebody has had enough. The visitor may play with `down` and `up`: says when it first went down. */
async function stayUp(stage: Stage, stop: Stop): Promise<number | undefined> {
  let downAt: number | undefined;
  const { folder, lab } = stage;
  const { intranet } = lab.addresses.names;
  process.stdout.write(
    [
      '',
      'The tunnel is up and stays up. In another terminal, as root:',
      `  ${join(folder, 'sallyport')} status          (the command line of the laptop; also list, show, log, down, up)`,
      `  ${join(folder, 'laptop')} ping ${intranet}`,
      `  ${join(folder, 'laptop')} ip route show table all`,
      `  ip netns exec ${lab.router.name} tcpdump -n -i lan     (what a stranger on the laptop's network sees)`,
      'Ctrl-C ends it and takes everything down.',
      '',
      '',
    ].join('\n'),
  );
  const window = await demoWindow(folder);
  const watching = stage.spawnCli('--json', 'status', '--watch');
  if (watching.stdout === null) throw new Error('sallyport status --watch has no output');
  const line = createInterface({ input: watching.stdout });
  line.on('line', (text) => {
    const status = JSON.parse(text) as Status;
    if (status.state !== 'connected') downAt ??= status.since;
    const erase = process.stdout.isTTY ? '\r\u001b[K' : '\n';
    process.stdout.write(`${erase}${statusLine(status)}`);
  });
  const ended = new Promise<void>((resolve) => watching.once('exit', () => resolve()));
  await Promise.race([stop.pressed, ended]);
  watching.kill('SIGTERM');
  await window?.close();
  process.stdout.write('\n');
  return downAt;
}

/** The window on the laptop's helper, where there is a display; how to see it otherwise. */
async function demoWindow(folder: string): Promise<OpenedWindow | undefined> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const socket = join(folder, 'run/sallyport.sock');
  if (hasDisplay()) await buildWindow(say);
  const opened = hasDisplay()
    ? await openWindow({ socket, settings: join(folder, 'settings.json'), say })
    : ({
        ok: false,
        error: ['There is no display here. To see the window, run the demo where there is one, or meanwhile, there:'],
      } as const);
  if (opened.ok) return opened.value;
  for (const line of opened.error) say(line);
  say(`  npm start -- --socket ${socket}\n`);
  return undefined;
}

function statusLine(status: Status): string {
  const [child] = status.children;
  const traffic = child === undefined ? '' : `  ↑ ${amount(child.bytesOut)}  ↓ ${amount(child.bytesIn)}`;
  const gateway = status.gateway === undefined ? '' : `  ${status.gateway.name}`;
  return `${status.state}${gateway}  ${status.virtualIps.join(' ')}${traffic}`;
}

function amount(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

function conclude(seen: Visit, json: boolean, screen: Screen, stopped: boolean): number {
  const { report, leftovers, leakReport, problem } = seen;
  if (problem !== undefined && !stopped) screen.fail(problem);
  for (const line of leftovers) screen.fail(`left behind: ${line}`);
  for (const frame of leakReport?.examples ?? []) screen.fail(`outside the tunnel: ${frame}`);
  if (json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else if (!stopped || report.connected) process.stdout.write(`\n${summary(report)}\n`);
  if (stopped && !report.connected) return 130;
  return allIsWell(report) ? 0 : 1;
}

function summary(report: DemoReport): string {
  const width = Math.max(...Object.keys(report).map((key) => key.length));
  return Object.entries(report)
    .map(([key, value]) => `  ${key.padEnd(width)}  ${value === null ? '–' : value}`)
    .join('\n');
}

process.exitCode = await main();
