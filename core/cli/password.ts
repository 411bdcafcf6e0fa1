/** The password of a file: from the file that was named, or asked for as often as people mistype. */
import { ok, type Result } from '../bytes/result.ts';
import type { RpcError } from '../rpc/contract.ts';
import { askSecret, canAsk, readSecret } from './secret.ts';

const MOST_TRIES = 3;

/** Runs `call` without a password first; asks when it wants one. */
export async function withPassword<T>(
  file: string | undefined,
  call: (password: string | undefined) => Promise<Result<T, RpcError>>,
): Promise<Result<T, RpcError>> {
  const given = file === undefined ? ok(undefined) : await readSecret(file);
  if (!given.ok) return given;
  let done = await call(given.value);
  for (let tries = 0; !done.ok && given.value === undefined && canAsk() && tries < MOST_TRIES; tries++) {
    const { code } = done.error;
    if (code !== 'import-password-needed' && code !== 'import-password-wrong') break;
    const again = code === 'import-password-wrong' ? 'That was not right. ' : '';
    const typed = await askSecret(`${again}Password of the file: `, new AbortController().signal);
    if (!typed.ok) return typed;
    done = await call(typed.value);
  }
  return done;
}
