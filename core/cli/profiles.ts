/** `import`, `list`, `show`, `remove`. */
import { closeSync, openSync, readSync } from 'node:fs';
import { ok, type Result } from '../bytes/result.ts';
import type { ImportNote, RpcError } from '../rpc/contract.ts';
import { printable } from '../tunnel/explain.ts';
import { cliError, type Session, SUCCESS, withHelper } from './session.ts';
import { columns } from './text.ts';

/** As the contract has it; a longer file is no profile. */
const LONGEST_FILE = 512 * 1024;

export async function importCommand(
  session: Session,
  file: string,
  options: { readonly shared?: boolean; readonly dryRun?: boolean },
): Promise<number> {
  const { output } = session;
  const text = readProfile(file);
  if (!text.ok) return output.error(text.error);
  return withHelper(session, async (helper) => {
    const done = await helper.call('profile.import', {
      text: text.value,
      shared: options.shared ?? false,
      dryRun: options.dryRun ?? false,
    });
    if (!done.ok) return done;
    const { profile, notes, replaced } = done.value;
    for (const note of notes) if (note.outcome !== 'kept') output.progress(noteLine(note));
    const verb = options.dryRun ? (replaced ? 'Would replace' : 'Would import') : replaced ? 'Replaced' : 'Imported';
    output.line(`${verb} "${printable(profile.name)}"${profile.shared ? ' for everybody' : ''} (${profile.id}).`);
    output.object(done.value);
    return SUCCESS;
  });
}

function noteLine({ field, outcome, why }: ImportNote): string {
  const word = { kept: 'Kept', changed: 'Note', dropped: 'Left out', warning: 'Warning' }[outcome];
  return printable(`${word}: ${field}: ${why}`);
}

/** The text of a file or of stdin (`-`). */
function readProfile(file: string): Result<string, RpcError> {
  let fd: number | undefined;
  try {
    fd = file === '-' ? 0 : openSync(file, 'r');
    const buffer = new Uint8Array(LONGEST_FILE + 1);
    let filled = 0;
    for (;;) {
      const taken = readSync(fd, buffer, filled, buffer.length - filled, null);
      if (taken === 0) break;
      filled += taken;
      if (filled > LONGEST_FILE) return cliError('profile-malformed', `${file}: larger than ${LONGEST_FILE} octets`);
    }
    return ok(new TextDecoder('utf-8', { fatal: true }).decode(buffer.subarray(0, filled)));
  } catch (problem) {
    if (problem instanceof TypeError) return cliError('profile-malformed', `${file}: not UTF-8 text`);
    return cliError(
      'profile-unreadable',
      `${file}: ${problem instanceof Error && 'code' in problem ? String(problem.code) : 'read error'}`,
    );
  } finally {
    if (fd !== undefined && fd !== 0) closeSync(fd);
  }
}

export function listCommand(session: Session): Promise<number> {
  const { output } = session;
  return withHelper(session, async (helper) => {
    const done = await helper.call('profile.list', {});
    if (!done.ok) return done;
    output.object({ profiles: done.value });
    if (done.value.length === 0) output.progress('You have no profiles. `sallyport import FILE` adds one.');
    else {
      const rows = done.value.map(({ name, gateway, auth, owner, shared, id }) => [
        name,
        gateway,
        auth,
        shared ? 'everybody' : owner === helper.server.uid ? 'you' : `uid ${owner}`,
        id,
      ]);
      for (const line of columns([['NAME', 'GATEWAY', 'AUTH', 'FOR', 'ID'], ...rows])) output.line(line);
    }
    return SUCCESS;
  });
}

export function showCommand(session: Session, profile: string): Promise<number> {
  const { output } = session;
  return withHelper(session, async (helper) => {
    const done = await helper.call('profile.show', { profile });
    if (!done.ok) return done;
    const view = done.value;
    output.object(view);
    const yes = (value: boolean) => (value ? 'yes' : 'no');
    const rows = [
      ['Name', view.name],
      ['Id', view.id],
      ['For', view.shared ? 'everybody' : `uid ${view.owner}`],
      ['Gateway', `${view.gateway}, UDP ports ${view.gatewayPorts.ike} and ${view.gatewayPorts.natt}`],
      ['Its identity', view.remoteId ?? 'any (not checked)'],
      ['Your identity', view.localId],
      ['Proof', `pre-shared key${view.hasSecret ? '' : ' (missing)'}`],
      ['IKE proposals', view.ikeProposals.join(', ')],
      ['ESP proposals', view.espProposals.join(', ')],
      ['Networks', view.remoteNetworks.join(', ')],
      ['IPv4, IPv6', `${yes(view.ipv4)}, ${yes(view.ipv6)}`],
      ['Use its DNS', yes(view.dns)],
      ['MTU', String(view.mtu)],
      ['NAT keepalive', view.natKeepalive === 0 ? 'none' : `${view.natKeepalive} s`],
      ['Liveness', view.liveness === 0 ? 'never asked' : `asked after ${view.liveness} s of silence`],
      ['Local ports', view.localPort === 'standard' ? '500 and 4500' : 'any'],
    ];
    for (const line of columns(rows)) output.line(line);
    return SUCCESS;
  });
}

export function removeCommand(session: Session, profile: string): Promise<number> {
  const { output } = session;
  return withHelper(session, async (helper) => {
    const done = await helper.call('profile.remove', { profile });
    if (!done.ok) return done;
    output.line(`Removed ${done.value.removed}.`);
    output.object(done.value);
    return SUCCESS;
  });
}
