/** The conversation of one command with the helper: connected, checked, greeted. */
import { err, ok, type Result } from '../bytes/result.ts';
import { connectRpc, type RpcClient } from '../rpc/client.ts';
import { DEFAULT_SOCKET, type RpcError } from '../rpc/contract.ts';
import { programVersion } from '../rpc/version.ts';
import type { Output } from './output.ts';

export interface Session {
  readonly output: Output;
  readonly socket: string | undefined;
}

/** The helper, or why it cannot be talked to. */
export async function openHelper({ socket }: Session): Promise<Result<RpcClient, RpcError>> {
  // The only part of the command line that needs the FFI; loaded when it is needed.
  const { helperChecks } = await import('../system/linux/trust.ts');
  return connectRpc({
    socket: socket ?? process.env.SALLYPORT_SOCKET ?? DEFAULT_SOCKET,
    client: 'sallyport-cli',
    ...helperChecks(),
  });
}

/** Runs a command with the helper and turns its end into an exit code. */
export async function withHelper(
  session: Session,
  command: (helper: RpcClient) => Promise<Result<number, RpcError>>,
): Promise<number> {
  const helper = await openHelper(session);
  if (!helper.ok) return session.output.error(helper.error);
  try {
    const done = await command(helper.value);
    return done.ok ? done.value : session.output.error(asTyped(done.error, helper.value.server.version));
  } finally {
    helper.value.close();
  }
}

/** What a helper of our own version does not accept was typed by a person, and a restart would not help. */
function asTyped(error: RpcError, version: string): RpcError {
  if (error.code !== 'bad-request' || version !== programVersion()) return error;
  return { code: 'usage', detail: error.detail.replace(/^[a-z]+\.[a-z]+: (fields\.)?/, '') };
}

export const SUCCESS = ok(0);

/** An error of the command line itself. */
export function cliError(code: string, detail: string): { readonly ok: false; readonly error: RpcError } {
  return err({ code, detail });
}
