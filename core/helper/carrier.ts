/**
 * What a connection goes over once the gateway is reached: the addresses at both ends and how they change (MOBIKE), the TCP connection where
 * it is one (RFC 9329), and whether anything can pass, by what is known without asking the gateway.
 */
import type { Channel, Endpoint, Path } from '../ike/sa/contract.ts';
import type { Profile } from '../profile/model.ts';
import type { Log } from '../system/log.ts';
import { failure } from '../tunnel/explain.ts';
import type { Lost, TunnelFacts } from '../tunnel/status.ts';
import { createCutOff } from './cutOff.ts';
import type { Memory } from './reach.ts';
import { type NetworkPorts, type Roaming, startRoaming } from './roaming.ts';
import type { Stage } from './stage.ts';
import type { Line } from './tcpLine.ts';

/** How long a TCP connection is read after the session has left it: the gateway sends there until it has seen where we are. Milliseconds. */
const LINGER = 2_000;

export interface CarrierPorts {
  readonly network: NetworkPorts;
  readonly log: Log;
  /** Date.now() milliseconds, for what is shown. */
  readonly now: () => number;
  readonly onChange: () => void;
}

export interface CarrierRequest {
  readonly profile: Pick<Profile, 'tcp' | 'gatewayPorts'>;
  readonly stage: Pick<Stage, 'sockets'>;
  readonly memory: Pick<Memory, 'addresses' | 'udpBlocked'>;
  /** Where both ends are. Written where only the TCP connection knows. */
  readonly where: { gateway: TunnelFacts['gateway']; local?: NonNullable<TunnelFacts['local']> };
  /** For the IKE machine: these are the ways there are now. */
  readonly onPaths: (paths: readonly Path[]) => void;
  /** For the IKE machine: there is a way again after there was none; the gateway is to be asked, and `heard` follows when it answers. */
  readonly onBack: () => void;
  /** For the IKE machine: there is a TCP connection again. */
  readonly onReconnected: () => void;
  /** All goes over UDP, of which path nobody knows anything yet. */
  readonly onUdp: () => void;
}

export interface Carrier {
  /** It goes over this. */
  over(line: Line | undefined): void;
  /** The IKE SA stands: from here on it may move. `device` is the tunnel's own. */
  roam(device: string, path: { readonly local: Endpoint; readonly remote: Endpoint }): void;
  /** As of `Roaming`. */
  peerAddresses(addresses: readonly string[]): void;
  /** As of `Roaming`. */
  namesChanged(): void;
  /** The ends are where `where` says; `settled`: the gateway knows. */
  moved(settled: boolean): void;
  /** A TCP connection of the dataplane is over. False: it was none of these. */
  streamOver(fd: number, why: string): boolean;
  /** A TCP connection may be dead without anybody knowing. */
  renew(): void;
  /** The gateway answered what it was asked. */
  heard(): void;
  /** That nothing can pass, when it lasts. */
  lost(): Lost | undefined;
  /** Nothing is looked at any more; TCP connections stay, for a goodbye. */
  stop(): void;
  close(): Promise<void>;
}

export function createCarrier(ports: CarrierPorts, request: CarrierRequest): Carrier {
  const { profile, stage, memory, where } = request;
  const cutOff = createCutOff(ports.now, ports.onChange);
  let line: Line | undefined;
  /** What it went over before. */
  let left: { readonly line: Line; readonly timer: NodeJS.Timeout } | undefined;
  let roaming: Roaming | undefined;
  /** An address of ours leads to the gateway, as far as anybody knows. */
  let online = true;
  /** There was none for long enough to be told, or the connection broke, and the gateway was not heard since. */
  let unheard = false;

  function look(): void {
    const { address = '', port, transport } = where.gateway;
    const passes = transport === 'tcp' && line ? line.isOpen : online;
    if (passes && !unheard) cutOff.now(undefined);
    else if (passes)
      cutOff.now({
        why: failure('gateway-lost', `there is a way to ${address} again, and nothing was heard of it yet`),
        stuck: false,
      });
    else if (!online) cutOff.now({ why: failure('no-route', `no address of this computer leads to ${address}`), stuck: true });
    else cutOff.now({ why: failure('gateway-lost', `the TCP connection to ${address}, port ${port}, is broken`), stuck: false });
  }

  function tell(paths: readonly Path[]): void {
    // RFC 9329 §7.1: of a session over TCP these are ways back to UDP.
    if (!line || profile.tcp === 'auto') request.onPaths(paths);
    // A TCP connection from an address that is gone would be silent for a quarter of an hour.
    if (line && (!line.isOpen || paths.every(({ local }) => local.address !== where.local?.address))) line.renew();
    const back = !online && paths.length > 0;
    online = paths.length > 0;
    // A cable that is in again carries nothing for up to a second, and what is at its other end may be another network.
    if (back && !line && cutOff.lost()) {
      unheard = true;
      request.onBack();
    }
    look();
  }

  async function portsOf(family: 4 | 6): Promise<Readonly<Record<Channel, number>> | undefined> {
    const bound = await stage.sockets(family);
    return bound.ok ? bound.value : undefined;
  }

  /** RFC 9329 §7.1: the connection is closed when all goes over UDP. */
  function leave(open: Line): void {
    line = undefined;
    left = { line: open, timer: setTimeout(() => void open.close(), LINGER) };
    memory.udpBlocked = false;
    request.onUdp();
  }

  return {
    over(given) {
      line = given;
      if (!given) return;
      given.onBack = (here) => {
        if (where.gateway.transport === 'tcp') where.local = here;
        // What takes connections at that port may be no gateway any more, and break each.
        unheard ||= roaming !== undefined;
        request.onReconnected();
        look();
        ports.onChange();
      };
    },
    roam(device, path) {
      const named = () => memory.addresses.get(where.gateway.name)?.map(({ address }) => address) ?? [];
      const { network, log } = ports;
      roaming = startRoaming({ network, log, sockets: portsOf, named, tell }, device, path, profile.gatewayPorts);
    },
    peerAddresses: (addresses) => roaming?.peerAddresses(addresses),
    namesChanged: () => roaming?.namesChanged(),
    moved(settled) {
      if (line && settled && where.gateway.transport !== 'tcp') leave(line);
      look();
    },
    streamOver(fd, why) {
      if (left?.line.has(fd)) void left.line.close();
      else if (line?.has(fd)) {
        line.broken(why);
        look();
      } else return false;
      return true;
    },
    renew() {
      line?.renew();
      look();
    },
    heard() {
      if (!unheard) return;
      unheard = false;
      look();
    },
    lost: cutOff.lost,
    stop() {
      roaming?.stop();
      cutOff.stop();
    },
    async close() {
      clearTimeout(left?.timer);
      await Promise.all([line?.close(), left?.line.close()]);
    },
  };
}
