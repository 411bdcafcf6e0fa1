/** Files for the helper: read here, as the user; the helper never opens a path that somebody named. */
import { createReadStream, existsSync, statSync } from 'node:fs';
import { ok, type Result } from '../bytes/result.ts';
import type { RpcError } from '../rpc/contract.ts';
import { cliError } from './session.ts';

/** As the contract has it, in base64; a longer file is no profile and no certificate. */
export const LONGEST_FILE = 384 * 1024;

/** The octets of a file or of standard input (`-`), in base64. */
export async function readOctets(file: string): Promise<Result<string, RpcError>> {
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
    if (length === 0) return cliError('profile-malformed', `${file}: it is empty`);
    return ok(Buffer.concat(pieces).toString('base64'));
  } catch (problem) {
    const why = problem instanceof Error && 'code' in problem ? String(problem.code) : 'read error';
    return cliError('profile-unreadable', `${file}: ${why}`);
  }
}

/** As the contract has it. */
const MOST_FILES = 16;

export async function readAll(files: readonly string[]): Promise<Result<string[], RpcError>> {
  if (files.length > MOST_FILES) return cliError('usage', `at most ${MOST_FILES} files at once; one file may hold many in PEM`);
  const read: string[] = [];
  for (const file of files) {
    const octets = await readOctets(file);
    if (!octets.ok) return octets;
    read.push(octets.value);
  }
  return ok(read);
}

/** The helper knows files by their number only (core/profile/bundle.ts). */
export function withNames(error: RpcError, files: readonly string[]): RpcError {
  const detail = error.detail.replace(/^file (\d{1,4}): /, (whole, number) => {
    const name = files[Number(number) - 1];
    return name === undefined ? whole : `${name === '-' ? 'standard input' : name}: `;
  });
  return { ...error, detail };
}

export function isFile(path: string): boolean {
  return path === '-' || (existsSync(path) && !statSync(path).isDirectory());
}
