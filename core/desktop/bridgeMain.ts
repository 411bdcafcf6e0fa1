/**
 * The bridge as a program: `node core/desktop/bridgeMain.ts --socket PATH [--dist DIR] [--settings FILE] [--owner UID]`.
 * Prints one JSON line {"url": …} that opens the window once; each further line on standard input is answered with another one.
 * Ends when its standard input does, or on SIGTERM.
 */
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startBrowserShell } from './browserShell.ts';

const { values } = parseArgs({
  options: { socket: { type: 'string' }, dist: { type: 'string' }, settings: { type: 'string' }, owner: { type: 'string' } },
});
const shell = await startBrowserShell({
  dist: values.dist ?? join(fileURLToPath(new URL('../../', import.meta.url)), 'dist', 'renderer'),
  ...(values.socket !== undefined && { socket: values.socket }),
  ...(values.settings !== undefined && { settings: values.settings }),
  ...(values.owner !== undefined && { owner: Number(values.owner) }),
  say: (line) => process.stderr.write(`${line}\n`),
});
const print = (): boolean => process.stdout.write(`${JSON.stringify({ url: shell.issueUrl() })}\n`);
print();
const end = (): void => void shell.close().then(() => process.exit(0));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, end);
createInterface({ input: process.stdin }).on('line', print);
