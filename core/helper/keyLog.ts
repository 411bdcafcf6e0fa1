/**
 * Keys for Wireshark, only when the administrator asked: two tables of its preferences, opened while the engine is still root.
 * Whoever has these files reads the whole connection.
 */
import { closeSync, constants, fstatSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const FILES = { ikev2: 'ikev2_decryption_table', esp: 'esp_sa' } as const;

export type KeyLog = (table: keyof typeof FILES, line: string) => void;

/** Throws when the folder or a file cannot be had: nobody wants half a key log. */
export function openKeyLog(folder: string): KeyLog {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const descriptors = { ikev2: openTable(folder, FILES.ikev2), esp: openTable(folder, FILES.esp) };
  return (table, line) => {
    writeSync(descriptors[table], line.endsWith('\n') ? line : `${line}\n`);
  };
}

/** Root opens these in a folder that may be the engine's: a link there must not lead to somebody else's file. */
function openTable(folder: string, name: string): number {
  const path = join(folder, name);
  const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW, 0o600);
  const status = fstatSync(fd);
  if (status.isFile() && status.nlink === 1) return fd;
  closeSync(fd);
  throw new Error(`${path} is not a file of its own`);
}
