/** `create`, `edit`, `duplicate`, `restore`. */
import type { Params } from '../rpc/contract.ts';
import { printable } from '../tunnel/explain.ts';
import { parseFields } from './fields.ts';
import { noteLine } from './profiles.ts';
import { readSecret } from './secret.ts';
import { type Session, SUCCESS, withHelper } from './session.ts';

export interface SaveOptions {
  readonly secretFile?: string;
  readonly forgetSecret?: boolean;
  readonly shared?: boolean;
  readonly dryRun?: boolean;
}

/** Without `profile` a new one is made. */
export async function saveCommand(
  session: Session,
  profile: string | undefined,
  assignments: readonly string[],
  options: SaveOptions,
): Promise<number> {
  const { output } = session;
  const fields = parseFields(assignments);
  if (!fields.ok) return output.error(fields.error);
  const secret = options.secretFile === undefined ? undefined : await readSecret(options.secretFile);
  if (secret && !secret.ok) return output.error(secret.error);
  const request: Params<'profile.save'> = {
    fields: fields.value,
    forgetSecret: options.forgetSecret ?? false,
    shared: options.shared ?? false,
    dryRun: options.dryRun ?? false,
    ...(profile !== undefined && { profile }),
    ...(secret && { secret: secret.value }),
  };
  return withHelper(session, async (helper) => {
    const done = await helper.call('profile.save', request);
    if (!done.ok) return done;
    const { profile: saved, problems, notes } = done.value;
    if (!saved) {
      for (const { field, message } of problems) output.progress(printable(`${field}: ${message}`));
      const detail = [...new Set(problems.map(({ field }) => field))].join(', ');
      return { ok: true, value: output.error({ code: 'profile-invalid', detail }, { problems }) };
    }
    for (const note of notes) output.progress(noteLine(note));
    const verb = profile === undefined ? ['Created', 'Would create'] : ['Changed', 'Would change'];
    output.line(`${verb[options.dryRun ? 1 : 0]} "${printable(saved.name)}" (${saved.id}).`);
    output.object(done.value);
    return SUCCESS;
  });
}

export function duplicateCommand(session: Session, profile: string): Promise<number> {
  const { output } = session;
  return withHelper(session, async (helper) => {
    const done = await helper.call('profile.duplicate', { profile });
    if (!done.ok) return done;
    if (!done.value.hasSecret) output.progress('Note: the copy has no key; it is asked for when connecting.');
    output.line(`Created "${printable(done.value.name)}" (${done.value.id}).`);
    output.object(done.value);
    return SUCCESS;
  });
}

export function restoreCommand(session: Session, undo: string): Promise<number> {
  const { output } = session;
  return withHelper(session, async (helper) => {
    const done = await helper.call('profile.restore', { undo });
    if (!done.ok) return done;
    output.line(`"${printable(done.value.name)}" is back (${done.value.id}).`);
    output.object(done.value);
    return SUCCESS;
  });
}
