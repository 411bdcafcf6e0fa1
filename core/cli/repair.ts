/** `repair`: through the helper; where none runs, root runs the monitor's own clean-up. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { openHelper, type Session, SUCCESS } from './session.ts';

export async function repairCommand(session: Session): Promise<number> {
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
  const done = spawnSync(process.execPath, [monitor, '--repair'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  if (done.status !== 0) {
    const lines = done.stderr.trim().split('\n');
    return output.error({ code: 'host-failed', detail: lines[lines.length - 1] ?? '' });
  }
  say(
    session,
    done.stdout
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== ''),
  );
  return SUCCESS.value;
}

function say({ output }: Session, changes: readonly string[]): void {
  output.object({ changes });
  for (const change of changes) output.line(change);
  if (changes.length === 0) output.line('Nothing to repair.');
}
