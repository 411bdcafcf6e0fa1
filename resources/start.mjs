#!/usr/bin/env node
/**
 * `npm start`: builds what is stale, starts the helper of this checkout if none runs, and opens the window: in Electron where its program
 * is there, else in Chromium's app mode, else it says why not and keeps the helper running.
 *
 *   npm start                      window and, if none runs, helper
 *   npm start -- --helper-only     the helper in the foreground, with the monitor's own options behind it
 *   npm start -- --socket PATH     a window for the helper at that socket
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** The Node this checkout was installed with; the one that runs this file may be an older one that cannot run TypeScript. */
const ownNode = join(root, 'node_modules', '.bin', 'node');
const node = existsSync(ownNode) ? ownNode : process.execPath;
const helper = [node, join(root, 'core', 'helper', 'monitor.ts')];
const given = process.argv.slice(2);

if (given.includes('--helper-only')) helperInForeground(given.filter((word) => word !== '--helper-only'));
else inForeground([node, join(root, 'core', 'desktop', 'startMain.ts'), ...given]);

function helperInForeground(options) {
  const isRoot = process.getuid?.() === 0;
  if (!isRoot)
    say('The helper changes routes and opens a network device, so it must run as root; sudo may ask for your password.');
  say(`Helper in the foreground; Ctrl-C ends it and restores the network.`);
  say(`In another terminal: ${join(root, 'resources/bin/sallyport')} --help`);
  inForeground([...(isRoot ? [] : ['sudo']), ...helper, ...options]);
}

/** Runs the command in our place: its input, its output, its end. */
function inForeground([program, ...rest]) {
  const child = spawn(program, rest, { stdio: 'inherit' });
  child.on('error', (problem) => {
    say(`Cannot start ${program}: ${problem.message}`);
    process.exit(1);
  });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(signal ? 130 : (code ?? 1)));
}

function say(line) {
  process.stderr.write(`${line}\n`);
}
