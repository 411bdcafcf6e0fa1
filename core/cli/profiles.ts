/** `import`, `list`, `show`, `remove`. */
import { createReadStream } from 'node:fs';
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
  const text = await readProfile(file);
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

export function noteLine({ field, outcome, why }: ImportNote): string {
  const word = { kept: 'Kept', changed: 'Note', dropped: 'Left out', warning: 'Warning' }[outcome];
  return printable(`${word}: ${field}: ${why}`);
}

/** The text of a file or of standard input (`-`). */
async function readProfile(file: string): Promise<Result<string, RpcError>> {
  try {
    // As a stream: standard input may be a socket or a terminal, where a synchronous read fails.
    const source = file === '-' ? process.stdin : createReadStream(file, { end: LONGEST_FILE });
    const pieces: Uint8Array[] = [];
    let length = 0;
    for await (const piece of source) {
      pieces.push(piece);
      length += piece.length;
      if (length > LONGEST_FILE) return cliError('profile-malformed', `${file}: larger than ${LONGEST_FILE} octets`);
    }
    return ok(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(pieces)));
  } catch (problem) {
    if (problem instanceof TypeError) return cliError('profile-malformed', `${file}: not UTF-8 text`);
    const why = problem instanceof Error && 'code' in problem ? String(problem.code) : 'read error';
    return cliError('profile-unreadable', `${file}: ${why}`);
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
      const rows = done.value.map(({ name, folder, gateway, auth, owner, shared, id }) => [
        folder === '' ? name : `${folder} / ${name}`,
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
      ['Folder', view.folder === '' ? 'none' : view.folder],
      ['For', view.shared ? 'everybody' : `uid ${view.owner}`],
      ['Gateway', `${view.gateway}, UDP ports ${view.gatewayPorts.ike} and ${view.gatewayPorts.natt}`],
      ['Its identity', view.remoteId ?? 'any (not checked)'],
      ['Your identity', view.localId],
      ['Proof', `pre-shared key${view.hasSecret ? '' : ' (asked for when connecting)'}`],
      ['IKE proposals', view.ikeProposals.join(', ')],
      ['ESP proposals', view.espProposals.join(', ')],
      ['Networks', view.remoteNetworks.join(', ')],
      ['IPv4, IPv6', `${yes(view.ipv4)}, ${yes(view.ipv6)}`],
      ['Use its DNS', yes(view.dns)],
      ['MTU', String(view.mtu)],
      ['NAT keepalive', view.natKeepalive === 0 ? 'none' : `${view.natKeepalive} s`],
      ['Liveness', view.liveness === 0 ? 'never asked' : `asked after ${view.liveness} s of silence`],
      ['Local ports', view.localPort === 'standard' ? '500 and 4500' : 'any'],
      ['Locked', view.locked.length === 0 ? 'nothing' : view.locked.join(', ')],
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
    output.line(`Removed ${done.value.removed}. For ten minutes \`sallyport restore ${done.value.undo}\` takes it back.`);
    output.object(done.value);
    return SUCCESS;
  });
}
