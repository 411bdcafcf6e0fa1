/** Where the office publishes who is revoked: CRL and OCSP over HTTP, at the gateway's own address outside. */
import type { ChildProcess } from 'node:child_process';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Authority, Entity } from '../authority/authority.ts';
import { makeCrl } from '../authority/crl.ts';
import type { RevocationMainAnswer, RevocationMainConfig } from '../authority/revocationMain.ts';
import { addresses } from '../lab/addresses.ts';
import { end } from '../lab/daemon.ts';
import type { Namespace } from '../lab/namespace.ts';

const MAIN = resolve(import.meta.dirname, '..', 'authority', 'revocationMain.ts');
const PORT = 8080;

/** Where a certificate says that it is; of each case another place, so that nothing is in the cache. */
export function revocationUrl(kind: 'crl' | 'ocsp', place: string): string {
  return `http://${addresses.office.wan4}:${PORT}${revocationPath(kind, place)}`;
}

export function revocationPath(kind: 'crl' | 'ocsp', place: string): string {
  return `/${place}/${kind}`;
}

export interface Publisher {
  /** Paths that were asked for, in their order. */
  readonly asked: readonly string[];
  stop(): Promise<void>;
}

/** Publishes both; `down` answers nobody. */
export async function publish(
  namespace: Namespace,
  authority: Authority,
  place: string,
  { revoked = [], down = false }: { readonly revoked?: readonly Entity[]; readonly down?: boolean } = {},
): Promise<Publisher> {
  const crl = makeCrl(authority, { revoked: revoked.map((certificate) => ({ certificate, reason: 'keyCompromise' })) });
  const answers: Readonly<Record<string, RevocationMainAnswer>> = down
    ? { [revocationPath('crl', place)]: { kind: 'reset' }, [revocationPath('ocsp', place)]: { kind: 'reset' } }
    : {
        [revocationPath('crl', place)]: { kind: 'octets', base64: Buffer.from(crl.der).toString('base64') },
        [revocationPath('ocsp', place)]: {
          kind: 'ocsp',
          subject: Buffer.from(authority.subject).toString('base64'),
          key: authority.key.pkcs8Pem,
          revoked: revoked.map(({ serial }) => Buffer.from(serial).toString('hex')),
        },
      };
  const config: RevocationMainConfig = { host: addresses.office.wan4, port: PORT, answers };
  const child = namespace.spawn([process.execPath, MAIN, JSON.stringify(config)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const asked: string[] = [];
  await ready(child, asked);
  return {
    asked,
    stop: () => end(child, 'SIGKILL'),
  };
}

function ready(child: ChildProcess, asked: string[]): Promise<void> {
  return new Promise((resolveReady, reject) => {
    child.once('exit', (code) => reject(new Error(`the publisher ended: ${code}`)));
    if (child.stdout === null) throw new Error('no standard output');
    createInterface({ input: child.stdout }).on('line', (line) => {
      const said: { readonly ready?: boolean; readonly path?: string } = JSON.parse(line);
      if (said.ready) resolveReady();
      if (said.path !== undefined) asked.push(said.path);
    });
  });
}
