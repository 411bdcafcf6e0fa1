/** The program behind `npm start` (resources/start.mjs): helper if none runs, then the window, until the window is closed or Ctrl-C. */
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { DEFAULT_SOCKET } from '../rpc/contract.ts';
import { helperChecks } from '../system/linux/trust.ts';
import type { HelperLink, StartReply } from './contract.ts';
import { openLink } from './link.ts';
import { buildWindow, openWindow } from './openWindow.ts';
import { circumstances, type StartedHelper, startFailed, startHelper, wayToStart } from './startHelper.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** The first answer of a helper that runs. */
const FIRST_WORD_MS = 3_000;

const { values } = parseArgs({ options: { socket: { type: 'string' } } });
const socket = values.socket ?? process.env.SALLYPORT_SOCKET ?? DEFAULT_SOCKET;
const link = openLink({ socket, client: 'sallyport-start', ...helperChecks() });
let helper: StartedHelper | undefined;
process.exitCode = await main();

async function main(): Promise<number> {
  let stop = (): void => {};
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop);
  await buildWindow(say);
  const found = await firstWord();
  // Somebody who names a socket has a helper of their own in mind.
  if (found === 'missing' && socket === DEFAULT_SOCKET) {
    const started = await start();
    if (!started.ok) {
      say(`The helper could not be started: ${started.error.detail}`);
      say('The window opens without it. Start it in another terminal: sudo npm start -- --helper-only');
    }
  }
  const opened = await openWindow({ socket, startHelper: start, say });
  if (opened.ok) {
    await Promise.race([opened.value.closed, stopped]);
    await opened.value.close();
  } else {
    for (const line of opened.error) say(line);
    if (helper?.child) {
      say('The helper keeps running here; Ctrl-C ends it and restores the network.');
      await Promise.race([stopped, once(helper.child, 'exit')]);
    }
  }
  link.close();
  const child = helper?.child;
  if (child && child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit');
    // Started through sudo or pkexec it is root's, who alone may end it; Ctrl-C reaches it through the terminal, closing the window not.
    if (child.kill('SIGTERM')) await gone;
    else {
      say('The helper goes on as root; `sudo resources/bin/sallyport down` disconnects, Ctrl-C here ends it.');
      await gone;
    }
  }
  return opened.ok || helper?.child !== undefined ? 0 : 1;
}

async function start(): Promise<StartReply> {
  const way = wayToStart(circumstances([process.execPath, `${root}core/helper/monitor.ts`]));
  if (way === undefined) return startFailed('no-way', 'becoming root needs pkexec or sudo, and there is neither');
  if (way.reason !== '') say(`${way.reason} You may be asked for a password (${way.argv[0]}).`);
  else say('Starting the helper.');
  helper = await startHelper(way, () => {
    link.retry();
    return link.helper().state === 'connected';
  });
  return helper.reply;
}

/** How the helper stands, once that is known. */
function firstWord(): Promise<HelperLink['state']> {
  return new Promise((resolve) => {
    const tell = (): void => {
      const { state } = link.helper();
      if (state === 'connecting') return;
      clearTimeout(timer);
      stopListening();
      resolve(state);
    };
    const timer = setTimeout(() => {
      stopListening();
      resolve('hung');
    }, FIRST_WORD_MS);
    const stopListening = link.listen({ onHelper: tell });
    tell();
  });
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
