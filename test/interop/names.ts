/** Name servers of the lab: the router's, which knows the gateway, and the office's, which knows the intranet. */

import { fileURLToPath } from 'node:url';
import type { DnsConfig } from '../gateway/dns.ts';
import type { Lab } from '../lab/lab.ts';
import type { Namespace } from '../lab/namespace.ts';

const PROGRAM = fileURLToPath(new URL('../gateway/dns.ts', import.meta.url));

/** The gateway at both of its addresses. */
export const BOTH = 'both.office.test';

/** They end with their namespaces. */
export async function startNameServers({ router, intranet, addresses }: Lab): Promise<void> {
  await Promise.all([
    start(router, {
      listen: [addresses.router.lan4],
      names: { [addresses.names.gateway]: [addresses.office.wan4], [BOTH]: [addresses.office.wan4, addresses.office.wan6] },
    }),
    start(intranet, {
      listen: [addresses.intranet.dns4, addresses.intranet.dns6],
      names: { [addresses.names.intranet]: [addresses.intranet.web4, addresses.intranet.web6] },
    }),
  ]);
}

async function start(namespace: Namespace, config: DnsConfig): Promise<void> {
  const child = namespace.spawn([process.execPath, PROGRAM, JSON.stringify(config)], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`name server ended with ${code}`)));
  });
  // Its report of queries is not read.
  child.stdout?.resume();
}
