/** A secret from the person at the terminal, without echo, or from a file for scripts. Never from the command line, where everybody reads it. */
import { createReadStream } from 'node:fs';
import { ok, type Result } from '../bytes/result.ts';
import type { RpcError } from '../rpc/contract.ts';
import { cliError } from './session.ts';

const LONGEST = 4096;

/** The content of a file, or of standard input (`-`), without the end of its line. */
export async function readSecret(file: string): Promise<Result<string, RpcError>> {
  try {
    const source = file === '-' ? process.stdin : createReadStream(file, { end: LONGEST });
    const pieces: Uint8Array[] = [];
    let length = 0;
    for await (const piece of source) {
      pieces.push(piece);
      length += piece.length;
      if (length > LONGEST) return cliError('profile-secret-missing', `${file}: longer than ${LONGEST} octets`);
    }
    const secret = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(pieces)).replace(/\r?\n$/, '');
    return secret === '' ? cliError('profile-secret-missing', `${file}: it is empty`) : ok(secret);
  } catch (problem) {
    if (problem instanceof TypeError) return cliError('profile-secret-missing', `${file}: not UTF-8 text`);
    const why = problem instanceof Error && 'code' in problem ? String(problem.code) : 'read error';
    return cliError('profile-secret-missing', `${file}: ${why}`);
  }
}

export function canAsk(): boolean {
  return process.stdin.isTTY === true;
}

/** Asks on the terminal; nothing of the answer is shown, unless `echo` is given. `gone` takes the question back. */
export function askSecret(question: string, gone: AbortSignal, echo = false): Promise<Result<string, RpcError>> {
  const { stdin, stderr } = process;
  return new Promise((resolve) => {
    let typed: string[] = [];
    const finish = (result: Result<string, RpcError>) => {
      stdin.off('data', onData);
      gone.removeEventListener('abort', withdrawn);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write('\n');
      resolve(result);
    };
    const withdrawn = () => finish(cliError('cancelled', ''));
    const onData = (piece: string | Buffer) => {
      for (const sign of String(piece)) {
        if (sign === '\r' || sign === '\n') {
          if (typed.length > 0) return finish(ok(typed.join('')));
        } else if (sign === '\x03' || (sign === '\x04' && typed.length === 0)) {
          return finish(cliError('cancelled', ''));
        } else if (sign === '\x7f' || sign === '\b') {
          if (echo && typed.length > 0) stderr.write('\b \b');
          typed = typed.slice(0, -1);
        } else if (sign === '\x15') {
          if (echo) stderr.write('\b \b'.repeat(typed.length));
          typed = [];
        } else if (sign >= ' ' && typed.length < LONGEST) {
          if (echo) stderr.write(sign);
          typed.push(sign);
        }
      }
    };
    // Nobody types before the question is there; from then on nothing is echoed.
    stdin.setRawMode(true);
    stderr.write(question);
    stdin.setEncoding('utf8');
    stdin.on('data', onData);
    stdin.resume();
    gone.addEventListener('abort', withdrawn, { once: true });
  });
}

/** Of options that name files: standard input has one end only. */
export async function readSecrets<K extends string>(
  files: Readonly<Partial<Record<K, string | undefined>>>,
): Promise<Result<Partial<Record<K, string>>, RpcError>> {
  const given = Object.entries(files).filter((entry): entry is [K, string] => typeof entry[1] === 'string');
  if (given.filter(([, file]) => file === '-').length > 1)
    return cliError('usage', 'standard input can be one of the files only');
  const secrets: Partial<Record<K, string>> = {};
  for (const [kind, file] of given) {
    const read = await readSecret(file);
    if (!read.ok) return read;
    secrets[kind] = read.value;
  }
  return ok(secrets);
}
