#!/usr/bin/env node
/**
 * `npm start`: runs the helper of this checkout in the foreground, as root (through sudo where needed). The window
 * comes later; until then the command line does everything.
 */
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const helper = [process.execPath, join(root, 'core', 'helper', 'monitor.ts'), ...process.argv.slice(2)];
const isRoot = process.getuid?.() === 0;
if (!isRoot)
  process.stderr.write(
    'The helper changes routes and opens a network device, so it must run as root; sudo may ask for your password.\n',
  );
process.stderr.write(
  `Helper in the foreground; Ctrl-C ends it and restores the network.\nIn another terminal: ${join(root, 'resources/bin/sallyport')} --help\n`,
);
const [program, ...rest] = isRoot ? helper : ['sudo', ...helper];
const child = spawn(program, rest, { stdio: 'inherit' });
child.on('error', (problem) => {
  process.stderr.write(`Cannot start ${program}: ${problem.message}\n`);
  process.exit(1);
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(signal ? 130 : (code ?? 1)));
