/** `repair`: through the helper; where none runs, root runs the monitor's own clean-up. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { printable } from '../tunnel/explain.ts';
import { openHelper, type Session, SUCCESS } from './session.ts';

export async function repairCommand(
  session: Session,
  options: { readonly runDir?: string; readonly stateDir?: string },
): Promise<number> {
  const { output } = session;
  const helper = await openHelper(session);
  if (helper.ok) {
    const done = await helper.value.call('host.repair', {});
    helper.value.close();
    if (!done.ok) return output.error(done.error);
    say(session, done.value.changes);
    return SUCCESS.value;
  }
  const absent = helper.error.code === 'helper-not-running';
  if (!absent || process.getuid?.() !== 0) return output.error(helper.error);
  const monitor = fileURLToPath(new URL('../helper/monitor.ts', import.meta.url));
  const places = [
    ...(options.runDir === undefined ? [] : ['--run-dir', options.runDir]),
    ...(options.stateDir === undefined ? [] : ['--state-dir', options.stateDir]),
  ];
  const done = spawnSync(process.execPath, [monitor, '--repair', ...places], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const answer = repairAnswer(done.stdout);
  if (done.status !== 0 || !answer) {
    return output.error({ code: 'host-failed', detail: answer?.error ?? done.stderr.trim().split('\n').pop() ?? '' });
  }
  say(session, answer.changes);
  return SUCCESS.value;
}

/** The monitor's one line of JSON. */
function repairAnswer(text: string): { readonly changes: readonly string[]; readonly error: string | undefined } | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const changes = 'changes' in value && Array.isArray(value.changes) ? value.changes.map(String) : [];
    return { changes, error: 'error' in value ? String(value.error) : undefined };
  } catch {
    return undefined;
  }
}

function say({ output }: Session, changes: readonly string[]): void {
  output.object({ changes });
  for (const change of changes) output.line(printable(change));
  if (changes.length === 0) output.line('Nothing to repair.');
}
