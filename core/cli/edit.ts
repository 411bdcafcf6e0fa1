/** `create`, `edit`, `duplicate`, `restore`. */
import { err, type Result } from '../bytes/result.ts';
import type { Params, RpcError } from '../rpc/contract.ts';
import { printable } from '../tunnel/explain.ts';
import { parseFields } from './fields.ts';
import { readAll } from './files.ts';
import { noteLine } from './profiles.ts';
import { readSecrets } from './secret.ts';
import { type Session, SUCCESS, withHelper } from './session.ts';

export interface SaveOptions {
  readonly secretFile?: string;
  readonly forgetSecret?: boolean;
  readonly passwordFile?: string;
  readonly forgetPassword?: boolean;
  readonly keyFile?: string;
  readonly keyPasswordFile?: string;
  readonly forgetKey?: boolean;
  readonly ppkFile?: string;
  /** PEM or DER. */
  readonly certificate?: readonly string[];
  readonly ca?: readonly string[];
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
  const { secretFile: secret, passwordFile: password, keyPasswordFile: keyPassword, ppkFile: ppk, keyFile } = options;
  const secrets = await readSecrets({ secret, password, keyPassword, ppk });
  if (!secrets.ok) return output.error(secrets.error);
  const key = await readAll(keyFile === undefined ? [] : [keyFile]);
  if (!key.ok) return output.error(key.error);
  const certificates = await readAll([...(options.certificate ?? []), ...(options.ca ?? [])]);
  if (!certificates.ok) return output.error(certificates.error);
  const texts = certificates.value.map(certificateText);
  const own = texts.slice(0, options.certificate?.length ?? 0);
  const authorities = texts.slice(own.length);
  const request: Params<'profile.save'> = {
    fields: {
      ...fields.value,
      ...(own.length > 0 && { certificates: own }),
      ...(authorities.length > 0 && { trust: { ...fields.value.trust, authorities } }),
    },
    forgetSecret: options.forgetSecret ?? false,
    forgetPassword: options.forgetPassword ?? false,
    forgetKey: options.forgetKey ?? false,
    shared: options.shared ?? false,
    dryRun: options.dryRun ?? false,
    ...(profile !== undefined && { profile }),
    ...secrets.value,
    ...(key.value[0] !== undefined && { key: Buffer.from(key.value[0], 'base64').toString('utf8') }),
  };
  return withHelper(session, async (helper) => {
    const done = await helper.call('profile.save', request);
    if (!done.ok) return notAccepted(done.error);
    const { profile: saved, problems, notes } = done.value;
    if (!saved) {
      const hint = (code: string) =>
        code === 'key-password' && keyPassword === undefined ? '; `--key-password-file` gives its password' : '';
      for (const { field, code, message } of problems) output.progress(printable(`${field}: ${message}${hint(code)}`));
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

/** Of `eap=`, `trust=` and `ppk=` the helper knows what may be in them; that is no matter of versions. */
function notAccepted(error: RpcError): Result<never, RpcError> {
  const [, field, what] = /^profile\.save: fields\.((?:eap|trust|ppk)\S*): (.*)$/.exec(error.detail) ?? [];
  return err(error.code === 'bad-request' && field !== undefined ? { code: 'usage', detail: `${field}: ${what}` } : error);
}

/** PEM as it is, DER in base64. */
function certificateText(octets: string): string {
  const text = Buffer.from(octets, 'base64').toString('latin1');
  return text.includes('-----BEGIN ') ? text : octets;
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
