/** `history`: the connections that were. */
import type { SessionRecord } from '../rpc/contract.ts';
import { reasonOf } from '../tunnel/explain.ts';
import { reasons } from '../tunnel/reasons.ts';
import { type Session, SUCCESS, withHelper } from './session.ts';
import { clock, columns, octets, span } from './text.ts';

export function historyCommand(session: Session, options: { readonly lines: number }): Promise<number> {
  const { output } = session;
  return withHelper(session, async (helper) => {
    const done = await helper.call('history.list', { limit: options.lines });
    if (!done.ok) return done;
    output.object({ sessions: done.value });
    if (done.value.length === 0) output.progress('There was no connection yet.');
    else for (const line of historyText(done.value, Date.now())) output.line(line);
    return SUCCESS;
  });
}

export function historyText(sessions: readonly SessionRecord[], now: number): string[] {
  const rows = sessions.map(({ startedAt, profile, connectedAt, endedAt, virtualIps, bytesIn, bytesOut, endReason }) => [
    clock(startedAt),
    profile.name,
    virtualIps.join(' '),
    connectedAt === undefined ? 'never up' : span((endedAt ?? now) - connectedAt),
    octets(bytesIn),
    octets(bytesOut),
    endText(endReason),
  ]);
  return columns([['STARTED', 'PROFILE', 'ADDRESS', 'LASTED', 'RECEIVED', 'SENT', 'END'], ...rows]);
}

function endText(reason: string | undefined): string {
  if (reason === undefined) return 'goes on';
  return reason === 'user' ? 'You ended it.' : reasons[reasonOf(reason)].what;
}
