/**
 * The head office as the lab has it: the gateway process in the office, a web and a name server in the intranet, and the Internet's name
 * server at the router, which knows where the gateway is. For the demo and for tests that need a whole office.
 *
 *   const office = await startOffice(lab, { misbehave: [] });
 *   office.gateway.send({ do: 'list-sas' });
 *   await office.stop();
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Lab } from '../lab/lab.ts';
import { type JsonProcess, startJson } from './jsonProcess.ts';
import type { HeadOfficeFile } from './mainConfig.ts';

/** The one user, with a key of random-looking 32 characters; it opens nothing but the lab. */
export const VISITOR = { identity: 'alice@office.test', psk: 'c0rrect-h0rse-battery-staple-2026' } as const;
export const THROUGHPUT_PORT = 5201;
export const PAGE_PORT = 80;

export interface Office {
  readonly gateway: JsonProcess;
  stop(): Promise<void>;
}

/** What a client may reach: everything (`full`), or the office's networks alone (`split`). */
export type OfficeOptions = Partial<HeadOfficeFile> & { readonly reach?: 'full' | 'split' };

/** Resolves when all four processes serve. */
export async function startOffice(lab: Lab, options: OfficeOptions = {}): Promise<Office> {
  const { addresses: a } = lab;
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-office-'));
  const started: JsonProcess[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((one) => one.stop()));
    rmSync(folder, { recursive: true, force: true });
  };
  const run = async (namespace: Lab['office'], label: string, program: string, argument: string): Promise<JsonProcess> => {
    const path = fileURLToPath(new URL(program, import.meta.url));
    const process_ = await startJson(namespace, [process.execPath, path, argument], label);
    started.push(process_);
    return process_;
  };
  const config = join(folder, 'gateway.json');
  writeFileSync(config, JSON.stringify(gatewayFile(lab, options)), { mode: 0o600 });
  const publicNames = { listen: [a.router.lan4], names: { [a.names.gateway]: [a.office.wan4] } };
  const officeNames = {
    listen: [a.intranet.dns4, a.intranet.dns6],
    names: { [a.names.intranet]: [a.intranet.web4, a.intranet.web6], [a.names.gateway]: [a.office.wan4] },
  };
  const starting = [
    run(lab.office, 'the head office', './main.ts', config),
    run(lab.intranet, 'the intranet', './web.ts', JSON.stringify({ page: PAGE_PORT, throughput: THROUGHPUT_PORT })),
    run(lab.intranet, "the office's name server", './dns.ts', JSON.stringify(officeNames)),
    run(lab.router, "the Internet's name server", './dns.ts', JSON.stringify(publicNames)),
  ] as const;
  try {
    const [gateway] = await Promise.all(starting);
    return { gateway, stop };
  } catch (error) {
    await Promise.allSettled(starting);
    await stop();
    throw error;
  }
}

function gatewayFile(lab: Lab, options: OfficeOptions): HeadOfficeFile {
  const { addresses: a } = lab;
  const { reach = 'full', ...more } = options;
  const networks = [a.networks.office4, a.networks.office6];
  return {
    addresses: [a.office.wan4],
    identity: a.names.gateway,
    users: [VISITOR],
    pool: { ipv4: a.pool.v4, ipv6: a.pool.v6 },
    dns: [a.intranet.dns4],
    domains: [a.names.domain],
    subnets: networks,
    ...(reach === 'split' ? { networks } : {}),
    ...more,
  };
}
