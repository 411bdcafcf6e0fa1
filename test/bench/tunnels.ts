/**
 * What is compared: tunnels of different makers through the same lab, a laptop behind a NAT and an office, each in a network namespace of
 * its own. Traffic starts on the laptop and ends at the gateway itself, so that nothing but the tunnel is between. Each tunnel has a lab of
 * its own, all made by the same code, and waits idle while another one is measured.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startJson } from '../gateway/jsonProcess.ts';
import type { HeadOfficeFile } from '../gateway/mainConfig.ts';
import { Client } from '../interop/client.ts';
import { addresses } from '../lab/addresses.ts';
import { createLab, type Lab } from '../lab/lab.ts';
import type { Namespace } from '../lab/namespace.ts';
import { CHILD, clientConfig, gatewayConfig, StrongSwan } from '../lab/strongswan.ts';
import { childrenOf, startIperf } from './support.ts';

export interface Tunnel {
  /** For progress. */
  readonly name: string;
  /** Where traffic starts: the client's end. */
  readonly laptop: Namespace;
  /** Where it ends. */
  readonly office: Namespace;
  /** The office's address, reached through the tunnel. */
  readonly target: string;
  /** The client's processes by role. */
  readonly client: Readonly<Record<string, number>>;
  /** The product, where that is the client. */
  readonly product?: Client;
  close(): Promise<void>;
}

export const MTU = 1400;
const IKE = 'aes256gcm16-prfsha384-x25519';
const ESP = 'aes256gcm16';
const USER = { identity: 'alice@office.test', psk: 'correct horse battery staple 17' } as const;
const NETWORKS = [addresses.networks.office4, addresses.networks.office6];
/** Inside address of the gateway. */
const TARGET = addresses.office.lan4;

/** The lab alone. */
export function openPlain(): Promise<Tunnel> {
  return open('no tunnel', async () => ({ target: addresses.office.wan4, client: {} }));
}

/** The product on the laptop, the test head office in the office. `backend` forces the ESP backend of both, by its name. */
export function openOurs(backend?: string): Promise<Tunnel> {
  return open(backend === undefined ? 'ours' : `ours (${backend})`, async (lab, undo) => {
    await startOffice(lab, undo, backend);
    return { target: TARGET, ...(await connectOurs(lab, undo, backend)) };
  });
}

/** strongSwan on the laptop, the test head office in the office. */
export function openStrongswanToOffice(): Promise<Tunnel> {
  return open('strongSwan to our gateway', async (lab, undo) => {
    await startOffice(lab, undo);
    return { target: TARGET, client: await connectStrongswan(lab, undo) };
  });
}

/** The product on the laptop, strongSwan in the office. */
export function openOursToStrongswan(): Promise<Tunnel> {
  return open('ours to strongSwan', async (lab, undo) => {
    await startGateway(lab, undo);
    const connected = await connectOurs(lab, undo);
    await setMtu(lab.office);
    return { target: TARGET, ...connected };
  });
}

/** strongSwan at both ends, ESP in user space (kernel-libipsec) with AES-NI. */
export function openStrongswan(): Promise<Tunnel> {
  return open('strongSwan', async (lab, undo) => {
    await startGateway(lab, undo);
    const client = await connectStrongswan(lab, undo);
    await setMtu(lab.office);
    return { target: TARGET, client };
  });
}

type Undo = (() => Promise<void>)[];

/** Makes the lab, whatever is in it, and iperf3 at its far end. Whatever fails, nothing is left behind. */
export async function open(
  name: string,
  connect: (lab: Lab, undo: Undo) => Promise<Pick<Tunnel, 'target' | 'client' | 'product'>>,
): Promise<Tunnel> {
  const lab = await createLab();
  const undo: Undo = [() => lab.close()];
  const close = async (): Promise<void> => {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step();
  };
  try {
    const [connected] = await Promise.all([connect(lab, undo), startIperf(lab.office)]);
    await lab.laptop.must(['ping', '-n', '-c', '3', '-i', '0.1', '-W', '5', connected.target]);
    return { name, laptop: lab.laptop, office: lab.office, ...connected, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Opens several and closes them again, whatever happens. */
export async function withTunnels<T>(
  makers: readonly (() => Promise<Tunnel>)[],
  use: (tunnels: readonly Tunnel[]) => Promise<T>,
): Promise<T> {
  const tunnels: Tunnel[] = [];
  try {
    for (const make of makers) tunnels.push(await make());
    return await use(tunnels);
  } finally {
    for (const tunnel of tunnels) await tunnel.close();
  }
}

async function connectOurs(lab: Lab, undo: Undo, backend?: string): Promise<Pick<Tunnel, 'client' | 'product'>> {
  const client = new Client(lab.laptop, backend === undefined ? [] : ['--esp-backend', backend]);
  undo.push(() => client.stop());
  await client.start();
  // What is measured is a helper as it is after its first start on a computer: it finds its code compiled.
  await client.end();
  await client.start();
  await client.importProfile({
    gateway: addresses.office.wan4,
    localId: USER.identity,
    remoteId: addresses.names.gateway,
    secret: USER.psk,
    ikeProposals: [IKE],
    espProposals: [ESP],
    mtu: MTU,
  });
  const up = await client.up();
  if (up.code !== 0) throw new Error(`sallyport up: ${up.stdout}${up.stderr}\n${client.output}`);
  const monitor = client.pid ?? 0;
  const [engine = 0] = childrenOf(monitor);
  const [agent = 0] = childrenOf(engine);
  return { client: { engine, monitor, agent }, product: client };
}

async function startOffice(lab: Lab, undo: Undo, backend?: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-bench-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  undo.push(async () => remove());
  const config = join(folder, 'gateway.json');
  writeFileSync(config, JSON.stringify(officeFile(backend)), { mode: 0o600 });
  const program = fileURLToPath(new URL('../gateway/main.ts', import.meta.url));
  const gateway = await startJson(lab.office, [process.execPath, program, config], 'the head office');
  undo.push(() => gateway.stop());
}

async function connectStrongswan(lab: Lab, undo: Undo): Promise<Tunnel['client']> {
  const client = await StrongSwan.start(lab.laptop);
  undo.push(() => client.stop());
  await usesAesNi(client);
  await client.load(
    clientConfig({
      remote: addresses.office.wan4,
      ikeProposals: IKE,
      espProposals: ESP,
      localId: USER.identity,
      gatewayId: addresses.names.gateway,
      secret: USER.psk,
      remoteTs: NETWORKS,
      virtualIps: ['0.0.0.0', '::'],
    }),
  );
  const initiated = await client.initiate(CHILD);
  if (initiated.code !== 0) throw new Error(`swanctl --initiate: ${initiated.stdout}`);
  await setMtu(lab.laptop);
  return { charon: client.pid ?? 0 };
}

async function startGateway(lab: Lab, undo: Undo): Promise<void> {
  const gateway = await StrongSwan.start(lab.office);
  undo.push(() => gateway.stop());
  await usesAesNi(gateway);
  await gateway.load(
    gatewayConfig({
      ikeProposals: IKE,
      espProposals: ESP,
      gatewayId: addresses.names.gateway,
      secrets: { [USER.identity]: USER.psk },
      localTs: NETWORKS,
      pools: { v4: addresses.pool.v4, v6: addresses.pool.v6 },
    }),
  );
}

/** With its portable AES in front, strongSwan is ten times slower, and nobody could tell from the outside. */
async function usesAesNi(daemon: StrongSwan): Promise<void> {
  const { stdout } = await daemon.swanctl(['--list-algs']);
  if (!/AES_GCM_16\[aesni\]/.test(stdout)) throw new Error(`strongSwan does not use AES-NI:\n${stdout}`);
}

/** kernel-libipsec leaves its device at 1500, and then its packets are fragmented outside. */
async function setMtu(namespace: Namespace): Promise<void> {
  await namespace.ip([`link set ipsec0 mtu ${MTU}`]);
}

function officeFile(backend: string | undefined): HeadOfficeFile {
  return {
    addresses: [addresses.office.wan4],
    identity: addresses.names.gateway,
    users: [USER],
    ikeProposals: [IKE],
    espProposals: [ESP],
    pool: { ipv4: addresses.pool.v4, ipv6: addresses.pool.v6 },
    networks: NETWORKS,
    tun: { name: 'office0', mtu: MTU },
    log: 'warn',
    ...(backend !== undefined && { espBackend: backend }),
  };
}
