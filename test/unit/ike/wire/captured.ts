/**
 * Real IKEv2 messages; README.md in `captured/` tells how they were made.
 * A line is `name hex`, or `name.inner hex` for the plaintext of the SK or SKF payload of the line before (`-` for none),
 * as strongSwan logged it, padding removed.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromHex } from '../../../../core/bytes/bytes.ts';

export interface Captured {
  /** `psk-both-families/05-client-IKE_AUTH-request-1`. */
  readonly name: string;
  /** One message without the non-ESP marker. */
  readonly bytes: Uint8Array;
  /** Content of its encrypted payload; a part of one when that is a fragment. */
  readonly inner?: Uint8Array;
}

/** All captured messages, dialogue by dialogue, in the order of the wire. */
export function readCaptured(): Captured[] {
  const folder = join(import.meta.dirname, 'captured');
  const files = readdirSync(folder).filter((file) => file.endsWith('.hex'));
  return files.sort().flatMap((file) => parseFile(file.slice(0, -4), readFileSync(join(folder, file), 'utf8')));
}

/** One message by its name; throws when there is none, which only a wrong test can cause. */
export function captured(name: string): Captured {
  const found = readCaptured().find((one) => one.name === name);
  if (found === undefined) throw new Error(`no captured message ${name}`);
  return found;
}

function parseFile(dialogue: string, text: string): Captured[] {
  const out: Captured[] = [];
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [name, hex] = line.split(' ');
    const bytes = fromHex(hex === '-' ? '' : hex);
    if (bytes === undefined) throw new Error(`${dialogue}/${name} is not hex`);
    const before = out.at(-1);
    if (name.endsWith('.inner') && before !== undefined) out[out.length - 1] = { ...before, inner: bytes };
    else out.push({ name: `${dialogue}/${name}`, bytes });
  }
  return out;
}
