/** The command line at a terminal: `script` gives it one. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../core/cli/main.ts', import.meta.url));

/** The command line as somebody at a terminal has it. */
export function terminal(socket: string, ...args: string[]) {
  const words = [process.execPath, CLI, '--socket', socket, ...args].map((word) => `'${word}'`);
  const [program = '', ...rest] = ['script', '-qec', words.join(' '), '/dev/null'];
  const child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  child.stdout.on('data', (piece) => {
    said += String(piece);
  });
  return {
    said: () => said,
    type: (text: string) => child.stdin.write(text),
    says: async (part: string, times = 1) => {
      const until = Date.now() + 20_000;
      while (said.split(part).length <= times) {
        assert.ok(Date.now() < until, `"${part}" in ${said}`);
        await sleep(20);
      }
    },
    ended: new Promise<number | null>((resolve) => child.on('close', resolve)),
  };
}
