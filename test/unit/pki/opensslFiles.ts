/** Files as OpenSSL's command line makes them, in a folder of their own. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromUtf8 } from '../../../core/bytes/bytes.ts';
import { type PemBlock, readPem } from '../../../core/pki/pem.ts';

export interface OpensslFolder {
  readonly path: string;
  openssl(...args: string[]): Buffer;
  read(name: string): Uint8Array;
  text(name: string): string;
  write(name: string, content: string | Uint8Array): string;
  remove(): void;
}

export function opensslFolder(): OpensslFolder {
  const path = mkdtempSync(join(tmpdir(), 'sallyport-keys-'));
  return {
    path,
    openssl: (...args) => execFileSync('openssl', args, { cwd: path, stdio: ['ignore', 'pipe', 'pipe'] }),
    read: (name) => new Uint8Array(readFileSync(join(path, name))),
    text: (name) => readFileSync(join(path, name), 'utf8'),
    write: (name, content) => {
      writeFileSync(join(path, name), content);
      return name;
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** Whether the old algorithms are to be had on this machine. */
export function hasLegacyProvider(): boolean {
  return spawnSync('openssl', ['list', '-providers', '-provider', 'legacy'], { stdio: 'ignore' }).status === 0;
}

/** Runs what a fault tells the user to type, with the passwords as further words; there are no quotes in it. */
export function runAsTyped(folder: OpensslFolder, command: string): void {
  const [program, ...words] = command.split(' ');
  if (program !== 'openssl') throw new Error(`not a command to try: ${command}`);
  folder.openssl(...words);
}

export function onlyBlock(text: string): PemBlock {
  const blocks = readPem(text);
  if (!blocks.ok) throw new Error(blocks.error.evidence);
  const [block] = blocks.value;
  return block;
}

export function password(text: string): Uint8Array {
  return fromUtf8(text);
}
