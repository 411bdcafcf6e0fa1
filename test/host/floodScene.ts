/**
 * An office and a laptop with a tunnel whose keys are given, on one Ethernet with a third host that attacks the laptop: under addresses of
 * its own, or under the office's (`spoofed`), as one could where no NAT is between and nobody filters sources.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Namespace } from '../lab/namespace.ts';
import type { PeerChild } from './dataplanePeer.ts';
import type { FloodOrder } from './floodSender.ts';
import { Peer } from './peer.ts';

export const outer = { office: '192.0.2.1', laptop: '192.0.2.2', attacker: '192.0.2.3' } as const;
/** Inside addresses; the second one of each end is nobody's business: for packets outside the selectors. */
export const inside = {
  office4: '10.99.0.1',
  office6: 'fd99::1',
  laptop4: '10.88.0.1',
  laptop6: 'fd88::1',
} as const;
export const spiAtLaptop = 0x11c0ffee;
export const spiAtOffice = 0x22c0ffee;
const mtu = 1400;
const senderFile = fileURLToPath(new URL('./floodSender.ts', import.meta.url));

export interface FloodReport {
  readonly datagrams: number;
  readonly seconds: number;
}

export class FloodScene {
  readonly office: Peer;
  readonly laptop: Peer;
  readonly attacker: Namespace;
  readonly #namespaces: readonly Namespace[];

  private constructor(office: Peer, laptop: Peer, attacker: Namespace, namespaces: readonly Namespace[]) {
    this.office = office;
    this.laptop = laptop;
    this.attacker = attacker;
    this.#namespaces = namespaces;
  }

  static async create(options: { readonly suite: string; readonly replayWindow?: number }): Promise<FloodScene> {
    const made: Namespace[] = [];
    const make = async (label: string): Promise<Namespace> => {
      const namespace = await Namespace.create(label);
      made.push(namespace);
      return namespace;
    };
    try {
      const wan = await make('flood-wan');
      const attacker = await make('flood-attacker');
      const officeSpace = await make('flood-office');
      const laptopSpace = await make('flood-laptop');
      await wan.ip(['link add br0 type bridge', 'link set br0 up']);
      await attach(wan, officeSpace, 1);
      await attach(wan, laptopSpace, 2);
      await attach(wan, attacker, 3);
      await pretend(attacker, laptopSpace);
      const office = new Peer(officeSpace);
      const laptop = new Peer(laptopSpace);
      const scene = new FloodScene(office, laptop, attacker, made);
      await scene.#connect(options);
      return scene;
    } catch (error) {
      for (const namespace of made) namespace.removeNow();
      throw error;
    }
  }

  async #connect({ suite, replayWindow }: { readonly suite: string; readonly replayWindow?: number }): Promise<void> {
    const { office, laptop } = this;
    for (const peer of [office, laptop]) {
      await peer.call('start', replayWindow === undefined ? {} : { replayWindow });
      await peer.call('sockets');
    }
    await office.call('tun', mtu, [`${inside.office4}/24`, `${inside.office6}/64`], ['10.88.0.0/24', 'fd88::/64']);
    await laptop.call('tun', mtu, [`${inside.laptop4}/32`, `${inside.laptop6}/128`], ['10.99.0.0/24', 'fd99::/64']);
    const [near, far] = children(suite);
    await Promise.all([laptop.call('install', near), office.call('install', far)]);
  }

  /** Starts a flood upon a port of the laptop; the end of it tells how much it was. */
  async flood(
    kind: string,
    spoofed: boolean,
    port = 4500,
  ): Promise<{ readonly process: ChildProcess; stop(): Promise<FloodReport> }> {
    const order: FloodOrder = {
      kind,
      source: spoofed ? `${outer.office}:4500` : `${outer.attacker}:0`,
      target: `${outer.laptop}:${port}`,
      spi: spiAtLaptop,
      ikeSpis: '11'.repeat(8) + '22'.repeat(8),
    };
    const sender = this.attacker.spawn([process.execPath, senderFile, JSON.stringify(order)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let text = '';
    sender.stdout?.setEncoding('utf8').on('data', (data: string) => {
      text += data;
    });
    while (!text.includes('\n')) {
      if (sender.exitCode !== null) throw new Error(`the sender of ${kind} ended with ${sender.exitCode}`);
      await Promise.race([once(sender.stdout ?? sender, 'data'), once(sender, 'exit')]);
    }
    return {
      process: sender,
      stop: async () => {
        const exit = once(sender, 'close');
        sender.stdin?.end();
        await exit;
        return JSON.parse(text.trim().split('\n').at(-1) ?? '') as FloodReport;
      },
    };
  }

  async close(): Promise<void> {
    for (const namespace of this.#namespaces) await namespace.remove();
  }
}

/** The two halves: at the laptop, and at the office. */
export function children(suite: string): readonly [PeerChild, PeerChild] {
  const laptopSide = [`${inside.laptop4}/32`, `${inside.laptop6}/128`];
  const officeSide = ['10.99.0.0/24', 'fd99::/64'];
  return [
    {
      suite,
      spiIn: spiAtLaptop,
      spiOut: spiAtOffice,
      keyIn: 'flood down',
      keyOut: 'flood up',
      local: laptopSide,
      remote: officeSide,
      to: outer.office,
    },
    {
      suite,
      spiIn: spiAtOffice,
      spiOut: spiAtLaptop,
      keyIn: 'flood up',
      keyOut: 'flood down',
      local: officeSide,
      remote: laptopSide,
      to: outer.laptop,
    },
  ];
}

async function attach(wan: Namespace, namespace: Namespace, host: number): Promise<void> {
  await wan.ip([`link add p${host} type veth peer name eth0 netns ${namespace.name}`, `link set p${host} up master br0`]);
  await namespace.ip([
    'link set eth0 up',
    `address add 192.0.2.${host}/24 dev eth0`,
    `address add 2001:db8::${host}/64 dev eth0 nodad`,
  ]);
}

/** The attacker may bind the office's address, and tells nobody on the Ethernet that it is its own. */
async function pretend(attacker: Namespace, laptop: Namespace): Promise<void> {
  await attacker.sysctl({ 'net/ipv4/conf/all/arp_ignore': 8, 'net/ipv4/conf/eth0/arp_ignore': 8 });
  const [{ address }] = JSON.parse(await laptop.must(['ip', '-j', 'link', 'show', 'dev', 'eth0'])) as [{ address: string }];
  await attacker.ip([
    `neighbor replace ${outer.laptop} lladdr ${address} nud permanent dev eth0`,
    `address add ${outer.office}/32 dev lo`,
  ]);
  // The laptop asks nobody where the attacker is: what it might answer goes nowhere, and that costs it nothing.
}
