/** Certificates and keys as files: for strongSwan, openssl and the import of PKCS#12. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Entity } from './authority.ts';
import type { IssuedCertificate } from './certificate.ts';

export interface WrittenFiles {
  readonly certificate: string;
  readonly key: string;
  /** The certificate and its intermediates. */
  readonly chain: string;
}

/** `DIR/NAME.pem`, `NAME.key.pem` (0600, PKCS#8), `NAME.chain.pem`. */
export function writePem(directory: string, name: string, entity: Entity): WrittenFiles {
  mkdirSync(directory, { recursive: true });
  const files = {
    certificate: join(directory, `${name}.pem`),
    key: join(directory, `${name}.key.pem`),
    chain: join(directory, `${name}.chain.pem`),
  };
  writeFileSync(files.certificate, entity.pem);
  writeFileSync(files.key, entity.key.pkcs8Pem, { mode: 0o600 });
  writeFileSync(files.chain, entity.chainPem);
  return files;
}

/** Several certificates as one PEM file: openssl's `-CAfile`. */
export function writeBundle(path: string, certificates: readonly IssuedCertificate[]): string {
  writeFileSync(path, certificates.map(({ pem }) => pem).join(''));
  return path;
}

export interface Pkcs12Spec {
  readonly password: string;
  /** `modern`: PBES2 with AES-256 and SHA-256, what openssl 3 makes. `legacy`: RC2-40 and 3DES, what old Windows and routers make. */
  readonly protection?: 'modern' | 'legacy' | '3des';
  readonly friendlyName?: string;
  /** Certificates besides the chain's, e.g. the root. */
  readonly more?: readonly IssuedCertificate[];
}

/** A PKCS#12 file, by openssl. */
export function pkcs12(
  entity: Entity,
  { password, protection = 'modern', friendlyName = 'office', more = [] }: Pkcs12Spec,
): Uint8Array {
  return inFolder((folder) => {
    const { key } = writePem(folder, 'it', entity);
    const others = join(folder, 'others.pem');
    const pems = entity.chainPem.slice(entity.pem.length) + more.map(({ pem }) => pem).join('');
    writeFileSync(others, pems);
    const out = join(folder, 'it.p12');
    openssl(
      ['pkcs12', '-export', '-inkey', key, '-in', join(folder, 'it.pem'), '-name', friendlyName, '-out', out].concat(
        pems === '' ? [] : ['-certfile', others],
        protections[protection],
        ['-passout', `pass:${password}`],
      ),
    );
    return new Uint8Array(readFileSync(out));
  });
}

const protections: Readonly<Record<NonNullable<Pkcs12Spec['protection']>, readonly string[]>> = {
  modern: [],
  legacy: ['-legacy', '-certpbe', 'PBE-SHA1-RC2-40', '-keypbe', 'PBE-SHA1-3DES'],
  '3des': ['-certpbe', 'PBE-SHA1-3DES', '-keypbe', 'PBE-SHA1-3DES', '-macalg', 'sha1'],
};

/** Runs openssl; throws with its words when it fails. */
export function openssl(args: readonly string[], input?: Uint8Array): Buffer {
  return execFileSync('openssl', [...args], { input, stdio: ['pipe', 'pipe', 'pipe'], maxBuffer: 1 << 28 });
}

/** A folder of our own for the time of `use`. */
export function inFolder<T>(use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-authority-'));
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
