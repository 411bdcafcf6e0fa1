/**
 * Keys for Wireshark, only when the administrator asked: two tables of its preferences, opened while the engine is still root.
 * Whoever has these files reads the whole connection.
 */
import { mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const FILES = { ikev2: 'ikev2_decryption_table', esp: 'esp_sa' } as const;

export type KeyLog = (table: keyof typeof FILES, line: string) => void;

export function openKeyLog(folder: string): KeyLog {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const descriptors = {
    ikev2: openSync(join(folder, FILES.ikev2), 'a', 0o600),
    esp: openSync(join(folder, FILES.esp), 'a', 0o600),
  };
  return (table, line) => {
    writeSync(descriptors[table], line.endsWith('\n') ? line : `${line}\n`);
  };
}
