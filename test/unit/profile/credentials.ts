/** Certificates, keys and PKCS #12 for tests of profiles. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { authority, type Entity } from '../../authority/authority.ts';

export const root = authority.root({ subject: 'CN=Office Root, O=Office' });
export const sub = root.authority({ subject: 'CN=Office Users, O=Office' });
export const alice = sub.issue({ subject: 'CN=alice, O=Office', san: ['email:alice@office.test'], eku: ['clientAuth'] });
export const bob = sub.issue({ subject: 'CN=bob, O=Office' });
export const gateway = root.issue({ subject: 'CN=vpn.office.test', san: ['dns:vpn.office.test'], eku: ['serverAuth'] });

export const P12_PASSWORD = 'a p12 password';

/** As OpenSSL makes it by default (PBES2), or as it made it long ago. */
export function pkcs12(
  entity: Entity,
  options: { readonly password?: string; readonly extra?: readonly { readonly pem: string }[]; readonly legacy?: boolean } = {},
): Uint8Array {
  const { password = P12_PASSWORD, extra = [sub, root], legacy = false } = options;
  return inFolder((folder) => {
    writeFileSync(join(folder, 'key.pem'), entity.key.pkcs8Pem);
    writeFileSync(join(folder, 'cert.pem'), entity.pem);
    writeFileSync(join(folder, 'extra.pem'), extra.map(({ pem }) => pem).join(''));
    const more = extra.length > 0 ? ['-certfile', 'extra.pem'] : [];
    const args = ['pkcs12', '-export', '-inkey', 'key.pem', '-in', 'cert.pem', ...more, '-passout', `pass:${password}`];
    execFileSync('openssl', [...args, ...(legacy ? ['-legacy'] : []), '-out', 'out.p12'], { cwd: folder, stdio: 'pipe' });
    return new Uint8Array(readFileSync(join(folder, 'out.p12')));
  });
}

/** The key as encrypted PKCS #8. */
export function encryptedKey(entity: Entity, password: string): string {
  return inFolder((folder) => {
    writeFileSync(join(folder, 'key.pem'), entity.key.pkcs8Pem);
    const args = ['pkcs8', '-topk8', '-v2', 'aes-256-cbc', '-in', 'key.pem', '-passout', `pass:${password}`, '-out', 'out.pem'];
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
    return readFileSync(join(folder, 'out.pem'), 'utf8');
  });
}

function inFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-credentials-'));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function base64(octets: Uint8Array): string {
  return Buffer.from(octets).toString('base64');
}
