/** The program's version, the same for helper and clients of one installation. */
import { readFileSync } from 'node:fs';

export function programVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const manifest: unknown = JSON.parse(text);
  const known =
    typeof manifest === 'object' && manifest !== null && 'version' in manifest && typeof manifest.version === 'string';
  return known ? String(manifest.version) : 'unknown';
}
