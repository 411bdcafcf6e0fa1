/**
 * laptop – router – office – intranet, each a network namespace:
 *
 *   laptop 192.168.77.2 ── 192.168.77.1 router 198.51.100.1 ── 198.51.100.10 office 10.10.0.1 ── 10.10.0.80 web, 10.10.0.53 DNS
 *
 * An idle link is silent: no duplicate address detection, no router solicitation.
 */
import { addresses, devices } from './addresses.ts';
import { type Impairment, Relay } from './impair.ts';
import { Namespace } from './namespace.ts';

export interface LabOptions {
  /** The router translates IPv4 and lets nothing in that was not asked for. Default true; without it plain routing. */
  readonly nat?: boolean;
  /** Default true. */
  readonly ipv6?: boolean;
}

export interface Lab {
  readonly laptop: Namespace;
  readonly router: Namespace;
  readonly office: Namespace;
  readonly intranet: Namespace;
  readonly addresses: typeof addresses;
  readonly devices: typeof devices;
  /** Changes what happens to forwarded packets, in both directions; `{}` ends it. Resolves when it is in force. */
  impair(impairment: Impairment): Promise<void>;
  /** Turns translation on or off. Connections that exist are forgotten. */
  setNat(on: boolean): Promise<void>;
  /** Removes all of it. Doing it twice is harmless. */
  close(): Promise<void>;
}

export async function createLab(options: LabOptions = {}): Promise<Lab> {
  const made: Namespace[] = [];
  const make = async (label: string): Promise<Namespace> => {
    const namespace = await Namespace.create(label);
    made.push(namespace);
    return namespace;
  };
  try {
    const [laptop, router, office, intranet] = await Promise.all([
      make('laptop'),
      make('router'),
      make('office'),
      make('intranet'),
    ]);
    await Promise.all([quiet(laptop, false), quiet(router, true), quiet(office, true), quiet(intranet, false)]);
    await link({ laptop, router, office, intranet }, options.ipv6 ?? true);
    laptop.overlay('resolv.conf', `nameserver ${addresses.router.lan4}\n`);
    for (const inside of [office, intranet]) inside.overlay('resolv.conf', `nameserver ${addresses.intranet.dns4}\n`);
    await setNat(router, options.nat ?? true);
    const relay = new Relay(router);
    return {
      laptop,
      router,
      office,
      intranet,
      addresses,
      devices,
      impair: (impairment) => relay.set(impairment),
      setNat: (on) => setNat(router, on),
      close: async () => {
        await relay.set({});
        for (const namespace of made) await namespace.remove();
      },
    };
  } catch (error) {
    for (const namespace of made) namespace.removeNow();
    throw error;
  }
}

interface Namespaces {
  readonly laptop: Namespace;
  readonly router: Namespace;
  readonly office: Namespace;
  readonly intranet: Namespace;
}

/** Before any device is made: new ones take their settings from `default`. */
async function quiet(namespace: Namespace, forwards: boolean): Promise<void> {
  await namespace.sysctl({
    'net/ipv6/conf/default/accept_dad': 0,
    'net/ipv6/conf/default/dad_transmits': 0,
    'net/ipv6/conf/default/router_solicitations': 0,
    'net/ipv6/conf/default/accept_ra': 0,
    // Multicast listener reports are sent twice, at random within this many milliseconds; then the link is silent.
    'net/ipv6/conf/default/mldv2_unsolicited_report_interval': 1,
    'net/ipv4/conf/all/rp_filter': 0,
    'net/ipv4/conf/default/rp_filter': 0,
    'net/ipv4/ip_forward': forwards ? 1 : 0,
    'net/ipv6/conf/all/forwarding': forwards ? 1 : 0,
    'net/ipv6/conf/default/forwarding': forwards ? 1 : 0,
  });
}

async function link({ laptop, router, office, intranet }: Namespaces, ipv6: boolean): Promise<void> {
  const a = addresses;
  await router.ip([
    `link add ${devices.router.lan} type veth peer name ${devices.laptop} netns ${laptop.name}`,
    `link add ${devices.router.wan} type veth peer name ${devices.office.wan} netns ${office.name}`,
  ]);
  await office.ip([`link add ${devices.office.lan} type veth peer name ${devices.intranet} netns ${intranet.name}`]);
  const six = (...lines: string[]): string[] => (ipv6 ? lines : []);
  const up = (device: string): string[] => [`link set ${device} up`];
  await Promise.all([
    laptop.ip([
      ...up(devices.laptop),
      `addr add ${a.laptop.v4}/24 dev ${devices.laptop}`,
      ...six(`addr add ${a.laptop.v6}/64 dev ${devices.laptop} nodad`),
    ]),
    router.ip([
      ...up(devices.router.lan),
      ...up(devices.router.wan),
      `addr add ${a.router.lan4}/24 dev ${devices.router.lan}`,
      `addr add ${a.router.wan4}/24 dev ${devices.router.wan}`,
      ...six(
        `addr add ${a.router.lan6}/64 dev ${devices.router.lan} nodad`,
        `addr add ${a.router.wan6}/64 dev ${devices.router.wan} nodad`,
      ),
    ]),
    office.ip([
      ...up(devices.office.wan),
      ...up(devices.office.lan),
      `addr add ${a.office.wan4}/24 dev ${devices.office.wan}`,
      `addr add ${a.office.lan4}/24 dev ${devices.office.lan}`,
      ...six(
        `addr add ${a.office.wan6}/64 dev ${devices.office.wan} nodad`,
        `addr add ${a.office.lan6}/64 dev ${devices.office.lan} nodad`,
      ),
    ]),
    intranet.ip([
      ...up(devices.intranet),
      `addr add ${a.intranet.web4}/24 dev ${devices.intranet}`,
      `addr add ${a.intranet.dns4}/24 dev ${devices.intranet}`,
      ...six(
        `addr add ${a.intranet.web6}/64 dev ${devices.intranet} nodad`,
        `addr add ${a.intranet.dns6}/64 dev ${devices.intranet} nodad`,
      ),
    ]),
  ]);
  // Routes last: both ends of each link are up now.
  await Promise.all([
    laptop.ip([`route add default via ${a.router.lan4}`, ...six(`route add default via ${a.router.lan6}`)]),
    office.ip([`route add default via ${a.router.wan4}`, ...six(`route add default via ${a.router.wan6}`)]),
    intranet.ip([`route add default via ${a.office.lan4}`, ...six(`route add default via ${a.office.lan6}`)]),
  ]);
}

async function setNat(router: Namespace, on: boolean): Promise<void> {
  // `add` before `delete`: deleting what is not there is an error.
  const clear = ['add table inet lab', 'delete table inet lab'];
  const { wan } = devices.router;
  const rules = [
    'table inet lab {',
    '  chain postrouting {',
    '    type nat hook postrouting priority srcnat;',
    `    oifname "${wan}" ip saddr ${addresses.networks.laptop4} masquerade`,
    '  }',
    '  chain forward {',
    '    type filter hook forward priority filter;',
    `    iifname "${wan}" meta nfproto ipv4 ct state new,invalid drop`,
    '  }',
    '}',
  ];
  await router.must(['nft', '-f', '-'], { input: `${[...clear, ...(on ? rules : [])].join('\n')}\n` });
}
