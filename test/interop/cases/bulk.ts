/**
 * Much traffic through a strongSwan gateway: transfers with a checksum over both families, and iperf3, which judges by itself. An ordinary run
 * carries 100 MB each way; `npm run interop -- bulk/gigabyte` carries 1 GB.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { addresses } from '../../lab/addresses.ts';
import type { Case, World } from '../world.ts';

const { web4, web6 } = addresses.intranet;

export const bulk: readonly Case[] = [
  carry('bulk/100-megabytes-ipv4', web4, 100),
  carry('bulk/100-megabytes-ipv6', web6, 100),
  { name: 'bulk/iperf3-ipv4-and-ipv6', run: iperf },
];

/** Only by name: minutes, where strongSwan in user space is at the other end. */
export const gigabyte: readonly Case[] = [carry('bulk/gigabyte-ipv4', web4, 1_000), carry('bulk/gigabyte-ipv6', web6, 1_000)];

function carry(name: string, address: string, megabytes: number): Case {
  return {
    name,
    run: async (world) => {
      await world.configure();
      await world.connect();
      const told = await world.carry(megabytes, address);
      // Both ends counted the same packets, or the gateway's own view of the SA differs from ours.
      const { status } = await world.agreed();
      const [child] = status.children;
      assert.ok(child !== undefined && child.bytesIn >= megabytes * 1_000_000 && child.bytesOut >= megabytes * 1_000_000);
      assert.deepEqual([child.dropsIntegrity, child.dropsMalformed, child.dropsSelector], [0, 0, 0]);
      await world.disconnect();
      return `${told}; ${status.backend}`;
    },
  };
}

async function iperf(world: World): Promise<string> {
  await world.configure();
  await world.connect();
  const told: string[] = [];
  for (const address of [web4, web6]) {
    // Bound, or its UDP answers come from the other address of the host.
    const server = world.lab.intranet.spawn(['iperf3', '--server', '--bind', address], { stdio: 'ignore' });
    await world.eventually('iperf3 listens', () => listening(world), 5_000);
    try {
      for (const options of [[], ['--reverse'], ['--parallel', '4'], ['--udp', '--bandwidth', '50M', '--length', '1200']]) {
        told.push(`${Math.round((await measure(world, address, options)) / 1e6)}`);
      }
    } finally {
      const exit = once(server, 'exit');
      server.kill('SIGKILL');
      await exit;
    }
  }
  await world.disconnect();
  return `up, down, 4 streams, UDP of 50; IPv4, then IPv6: ${told.join(', ')} Mbit/s`;
}

async function listening({ lab }: World): Promise<true | undefined> {
  const { stdout } = await lab.intranet.exec(['ss', '-Hltn', 'sport = :5201']);
  return stdout.trim() === '' ? undefined : true;
}

/** Bits per second that the receiver got. */
async function measure({ lab }: World, address: string, options: readonly string[]): Promise<number> {
  const argv = ['iperf3', '--json', '--time', '2', '--client', address, ...options];
  const { stdout } = await lab.laptop.exec(argv, { timeoutMs: 30_000 });
  const { end, error }: IperfReport = JSON.parse(stdout);
  const rate = (end?.sum_received ?? end?.sum)?.bits_per_second ?? 0;
  assert.ok(error === undefined && rate > 1e6, `${argv.join(' ')}: ${error ?? stdout.slice(-300)}`);
  return rate;
}

interface IperfReport {
  readonly error?: string;
  readonly end?: {
    readonly sum_received?: { readonly bits_per_second: number };
    readonly sum?: { readonly bits_per_second: number };
  };
}
