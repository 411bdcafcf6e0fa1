/**
 * The authorities this computer trusts, from the one file every distribution keeps them in for programs like this one. Read when a
 * profile first wants them and again when the file has changed, so that an update of the computer counts at the next connection.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import type { Result } from '../bytes/result.ts';
import type { Certificate, PkiFault } from '../pki/contract.ts';
import type { Log } from '../system/log.ts';

export interface SystemRootsOptions {
  readonly parseCertificate: (der: Uint8Array) => Result<Certificate, PkiFault>;
  readonly log: Log;
  /** The first that exists. Readable by everybody: no privilege is needed. */
  readonly paths?: readonly string[];
}

/** Debian and its relatives, Fedora and its relatives, Alpine and BSDs. */
const PATHS = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem'];
/** Of 150 authorities the file has 220 kB. */
const LARGEST = 8 * 1024 * 1024;
const MOST = 2_000;

/** Certificates that do not read (old roots break rules of today) are left out. */
export function createSystemRoots({ parseCertificate, log, paths = PATHS }: SystemRootsOptions): () => readonly Certificate[] {
  let cached: { readonly key: string; readonly roots: readonly Certificate[] } | undefined;

  function load(path: string): readonly Certificate[] | undefined {
    let fd: number;
    try {
      fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch {
      return undefined;
    }
    try {
      const status = fstatSync(fd);
      const key = `${path} ${status.size} ${status.mtimeMs}`;
      if (cached?.key === key) return cached.roots;
      if (!status.isFile() || status.size > LARGEST) {
        log('warn', 'trust', 'the file of authorities is not used', { path, octets: status.size });
        return [];
      }
      const blocks = readFileSync(fd, 'latin1').matchAll(/-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----/g);
      const roots: Certificate[] = [];
      let left = 0;
      for (const [, base64 = ''] of blocks) {
        if (roots.length === MOST) break;
        const parsed = parseCertificate(new Uint8Array(Buffer.from(base64, 'base64')));
        if (parsed.ok) roots.push(parsed.value);
        else left += 1;
      }
      log('info', 'trust', 'the authorities of this computer were read', { path, authorities: roots.length, leftOut: left });
      cached = { key, roots };
      return roots;
    } catch (fault) {
      log('warn', 'trust', 'the file of authorities cannot be read', { path, why: fault instanceof Error ? fault.message : '' });
      return [];
    } finally {
      closeSync(fd);
    }
  }

  return () => {
    for (const path of paths) {
      const roots = load(path);
      if (roots) return roots;
    }
    log('warn', 'trust', 'this computer has no file of authorities', { path: paths[0] ?? '' });
    return [];
  };
}
