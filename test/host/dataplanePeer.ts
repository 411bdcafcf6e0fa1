/**
 * One end of a tunnel as a process of its own, so that it can live in a network namespace: a real TUN, real UDP sockets and the
 * real threads, with keys given instead of negotiated. Obeys calls that arrive over Node's IPC; `dataplane.test.ts` makes them.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { openSync, readdirSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { parseAddress } from '../../core/bytes/address.ts';
import { fromHex, toHex } from '../../core/bytes/bytes.ts';
import type { EspSuite } from '../../core/crypto/espCipher.ts';
import { byKeyword, esnTransforms } from '../../core/crypto/transforms.ts';
import type { ChildOptions, ChildPath, Dataplane, DataplaneOptions, DataplaneSocket } from '../../core/dataplane/contract.ts';
import { startDataplane } from '../../core/dataplane/dataplane.ts';
import type { ChildMtu } from '../../core/dataplane/pathKeeper.ts';
import type { Channel, ChildSa, Endpoint, TrafficLimits } from '../../core/ike/sa/contract.ts';
import type { TrafficSelector } from '../../core/ike/wire/message.ts';
import { parseCidr, rangeOfCidr } from '../../core/ip/cidr.ts';
import { close } from '../../core/system/ffi/libc.ts';
import { openTun } from '../../core/system/linux/tun.ts';
import { openUdp } from '../../core/system/linux/udp.ts';

/** A CHILD SA in text. `keyIn` and `keyOut` seed the keys: one end's `keyIn` is the other's `keyOut`. */
export interface PeerChild {
  /** `aes256gcm16-esn`, `aes128-sha256`. */
  readonly suite: string;
  readonly spiIn: number;
  readonly spiOut: number;
  readonly keyIn: string;
  readonly keyOut: string;
  readonly local: readonly string[];
  readonly remote: readonly string[];
  readonly to: string;
  readonly keepalive?: boolean;
  /** The path is kept, from this inner size on, as the engine has it. */
  readonly mtu?: number;
  readonly replayWindow?: number;
  readonly limits?: TrafficLimits;
  readonly replaces?: number;
  readonly standby?: boolean;
}

/** What came of a stream of numbered datagrams. */
export interface Tally {
  readonly received: number;
  /** Numbers below the highest that were not received. */
  readonly missing: number;
  /** Datagrams behind one with a higher number, and the largest such distance. */
  readonly late: number;
  readonly furthest: number;
}

export interface PeerOptions extends Omit<DataplaneOptions, 'onIke' | 'onFailure' | 'onLimit' | 'worker'> {
  /** Text of a URL. */
  readonly worker?: string;
}

export interface PeerCalls {
  start(options: PeerOptions): Promise<string>;
  /** Opens 500 and 4500 for both families, or one, when called first, and hands them over. */
  sockets(family?: 4 | 6): Promise<void>;
  /** Lets go of those of a family, and closes them. */
  release(family: 4 | 6): Promise<void>;
  /** Opens `sally0`, with one queue or more, configures it with `ip` and hands it over. */
  tun(mtu: number, addresses: readonly string[], routes: readonly string[], queues?: number): Promise<void>;
  install(child: PeerChild): Promise<void>;
  /** From an address of ours to somebody at the other end. */
  probeThrough(spiIn: number, source: string, target: string): Promise<void>;
  pathMtu(spiIn: number): Promise<ChildMtu | undefined>;
  /** As an engine that sends its answer right behind: does not wait for the lanes. */
  installSoon(child: PeerChild): Promise<void>;
  changePath(spiIn: number, path: ChildPath): Promise<void>;
  /** Since the last call. */
  limits(): Promise<readonly string[]>;
  remove(spiIn: number, grace?: number): Promise<void>;
  counters(spiIn: number): Promise<Record<string, number> | undefined>;
  /** Removes it with that grace and waits for its end: what it carried in all. */
  outlive(spiIn: number, grace: number): Promise<Record<string, number> | undefined>;
  globals(): Promise<Record<string, number>>;
  sendIke(channel: Channel, to: Endpoint, hex: string): Promise<boolean>;
  /** What arrived since the last call. */
  ike(): Promise<readonly { readonly channel: Channel; readonly from: Endpoint; readonly hex: string }[]>;
  failures(): Promise<readonly string[]>;
  /** Answers every connection with the SHA-256 of all it sent. */
  serve(port: number): Promise<void>;
  /** Sends octets to such a server; true when the digest is right. */
  transfer(address: string, port: number, octets: number): Promise<{ readonly intact: boolean; readonly seconds: number }>;
  /** Counts the numbered datagrams that come to this port until `tally`. */
  listen(port: number): Promise<void>;
  tally(port: number, expected: number): Promise<Tally>;
  /** Sends numbered datagrams there, so many each millisecond, until `streamed`; how many it were. */
  stream(address: string, port: number, octets: number, perMillisecond: number): Promise<void>;
  streamed(): Promise<number>;
  /** Keeps the main thread from taking messages until the queue has refused more than this many; 20 s at most. */
  blockUntilRefused(refused: number): Promise<void>;
  /** Becomes nobody; tells what comes of opening a file then. */
  dropPrivileges(): Promise<string>;
  detach(): Promise<void>;
  /** One queue of it, or all. */
  closeTun(queue?: number): Promise<void>;
  /** Names of the threads (15 octets), and how often each was put on a processor. */
  threads(): Promise<readonly { readonly name: string; readonly switches: number }[]>;
  stop(): Promise<void>;
}

const received: { channel: Channel; from: Endpoint; hex: string }[] = [];
const failures: string[] = [];
const digests = new Set<ReturnType<typeof createServer>>();
let dataplane: Dataplane | undefined;
let tunFds: readonly number[] = [];
let sockets: readonly DataplaneSocket[] = [];
const limits: string[] = [];
const listeners = new Map<number, { readonly socket: ReturnType<typeof createSocket>; readonly numbers: number[] }>();
let stopStream: () => Promise<number> = async () => 0;

const calls: PeerCalls = {
  async start({ worker, ...options }) {
    dataplane = await startDataplane({
      ...options,
      ...(worker !== undefined && { worker: new URL(worker) }),
      onIke: ({ bytes, channel, from }) => received.push({ channel, from, hex: toHex(bytes) }),
      onFailure: (detail) => failures.push(detail),
      onLimit: (spiIn, which) => limits.push(`${spiIn} ${which}`),
    });
    return dataplane.backend();
  },
  async sockets(family) {
    const wanted = family === undefined ? ([4, 6] as const) : [family];
    if (sockets.length === 0 || family !== undefined) sockets = [...sockets, ...wanted.flatMap(openPair)];
    await running().attachSockets(family === undefined ? sockets : sockets.slice(-2));
  },
  async release(family) {
    const gone = sockets.filter((socket) => socket.family === family);
    sockets = sockets.filter((socket) => socket.family !== family);
    await running().releaseSockets(gone.map(({ fd }) => fd));
    for (const { fd } of gone) close(fd);
  },
  async tun(mtu, addresses, routes, queues = 1) {
    const opened = openTun('sally0', { offload: 'all', queues });
    if (!opened.ok) throw new Error(opened.error.detail);
    tunFds = opened.value.fds;
    ip('link', 'set', 'sally0', 'mtu', String(mtu), 'up');
    for (const address of addresses) ip('address', 'add', address, 'dev', 'sally0', ...(address.includes(':') ? ['nodad'] : []));
    for (const route of routes) ip('route', 'add', route, 'dev', 'sally0');
    await running().attachTun(opened.value.fds, opened.value.features);
  },
  install: (child) => running().installChild(childSa(child), optionsOf(child)),
  async installSoon(child) {
    running()
      .installChild(childSa(child), optionsOf(child))
      .catch((fault) => failures.push(String(fault)));
  },
  changePath: (spiIn, path) => running().changePath(spiIn, path),
  limits: async () => limits.splice(0),
  async probeThrough(spiIn, source, target) {
    running().probeThrough(spiIn, [{ source: octetsOf(source), target: octetsOf(target) }]);
  },
  pathMtu: async (spiIn) => running().pathMtu(spiIn),
  remove: (spiIn, grace) => running().removeChild(spiIn, grace),
  async outlive(spiIn, grace) {
    const last = running().lastCounters(spiIn);
    await running().removeChild(spiIn, grace);
    return { ...(await last) };
  },
  async counters(spiIn) {
    const counters = running().counters(spiIn);
    return counters && { ...counters };
  },
  globals: async () => ({ ...running().globalCounters() }),
  sendIke: async (channel, to, hex) => running().sendIke(channel, to, bytes(hex)),
  ike: async () => received.splice(0),
  failures: async () => failures,
  serve: (port) =>
    new Promise((resolve) => {
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        const hash = createHash('sha256');
        socket.on('data', (chunk) => hash.update(chunk));
        socket.on('end', () => socket.end(hash.digest('hex')));
        socket.on('error', () => {});
      });
      digests.add(server);
      server.listen(port, '::', resolve);
    }),
  transfer: (address, port, octets) =>
    new Promise((resolve, reject) => {
      const started = performance.now();
      const hash = createHash('sha256');
      const block = Buffer.alloc(64 * 1024);
      let answer = '';
      let left = octets;
      const socket = connect({ host: address, port, allowHalfOpen: true });
      const push = (): void => {
        while (left > 0) {
          const chunk = Buffer.from(block.subarray(0, Math.min(left, block.length)));
          chunk.writeUInt32BE(left, 0);
          hash.update(chunk);
          left -= chunk.length;
          if (!socket.write(chunk)) return;
        }
        socket.end();
      };
      socket.on('connect', push);
      socket.on('drain', push);
      socket.on('data', (chunk) => {
        answer += chunk.toString('latin1');
      });
      socket.on('end', () => resolve({ intact: answer === hash.digest('hex'), seconds: (performance.now() - started) / 1000 }));
      socket.on('error', reject);
    }),
  listen: (port) =>
    new Promise((resolve) => {
      const numbers: number[] = [];
      const socket = createSocket({ type: 'udp6', recvBufferSize: 8 << 20 });
      socket.on('message', (datagram) => numbers.push(datagram.readUInt32BE(0)));
      listeners.set(port, { socket, numbers });
      socket.bind(port, '::', resolve);
    }),
  async tally(port, expected) {
    const listener = listeners.get(port);
    if (listener === undefined) throw new Error(`nobody listens at ${port}`);
    const { socket, numbers } = listener;
    for (let i = 0; i < 400 && numbers.length < expected; i++) await new Promise((resolve) => setTimeout(resolve, 50));
    socket.close();
    listeners.delete(port);
    let highest = -1;
    let late = 0;
    let furthest = 0;
    for (const number of numbers) {
      if (number < highest) {
        late++;
        furthest = Math.max(furthest, highest - number);
      }
      highest = Math.max(highest, number);
    }
    return { received: numbers.length, missing: highest + 1 - new Set(numbers).size, late, furthest };
  },
  async stream(address, port, octets, perMillisecond) {
    const socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', sendBufferSize: 4 << 20 });
    const datagram = Buffer.alloc(octets);
    const begun = performance.now();
    let sent = 0;
    const timer = setInterval(() => {
      // After a pause of this process the rest goes out over a while, not at once.
      const due = Math.min(sent + 20 * perMillisecond, Math.floor((performance.now() - begun) * perMillisecond));
      while (sent < due) {
        datagram.writeUInt32BE(sent++, 0);
        socket.send(Buffer.from(datagram), port, address);
      }
    }, 1);
    stopStream = () =>
      new Promise((resolve) => {
        clearInterval(timer);
        setTimeout(() => socket.close(() => resolve(sent)), 100);
      });
  },
  streamed: () => stopStream(),
  async blockUntilRefused(refused) {
    const cell = new Int32Array(new SharedArrayBuffer(4));
    for (let i = 0; i < 1000 && running().globalCounters()['ike-full'] <= refused; i++) Atomics.wait(cell, 0, 0, 20);
  },
  async dropPrivileges() {
    process.setgroups?.([]);
    process.setgid?.(65534);
    process.setuid?.(65534);
    try {
      openSync('/dev/null', 'r');
      return 'opened';
    } catch (error) {
      return error instanceof Error && 'code' in error ? String(error.code) : String(error);
    }
  },
  detach: () => running().detach(),
  async closeTun(queue) {
    for (const fd of queue === undefined ? tunFds : [tunFds[queue]]) close(fd);
  },
  async threads() {
    return readdirSync('/proc/self/task').map((thread) => {
      const status = readFileSync(`/proc/self/task/${thread}/status`, 'latin1');
      const switches = [...status.matchAll(/^(?:non)?voluntary_ctxt_switches:\s+(\d+)$/gm)].map(([, count]) => Number(count));
      return { name: /^Name:\s+(.*)$/m.exec(status)?.[1] ?? '', switches: switches.reduce((sum, count) => sum + count, 0) };
    });
  },
  async stop() {
    await dataplane?.stop();
    for (const server of digests) server.close();
  },
};

export interface PeerRequest {
  readonly id: number;
  readonly call: keyof PeerCalls;
  readonly args: readonly unknown[];
}

export type PeerAnswer = { readonly id: number; readonly value?: unknown; readonly error?: string };

// Nothing here calls process.exit: once stopped and disconnected the process must end by itself.
process.on('message', async ({ id, call, args }: PeerRequest) => {
  const run = calls[call] as (...all: readonly unknown[]) => Promise<unknown>;
  try {
    const value = await run(...args);
    process.send?.({ id, value } satisfies PeerAnswer);
  } catch (error) {
    process.send?.({ id, error: String(error) } satisfies PeerAnswer);
  }
  if (call === 'stop') process.disconnect();
});

function running(): Dataplane {
  if (dataplane === undefined) throw new Error('not started');
  return dataplane;
}

function openPair(family: 4 | 6): readonly DataplaneSocket[] {
  const channels = [
    ['ike', 500],
    ['natt', 4500],
  ] as const;
  return channels.map(([channel, port]) => {
    const opened = openUdp({ family, port });
    if (!opened.ok) throw new Error(opened.error.detail);
    return { fd: opened.value.fd, channel, family };
  });
}

function optionsOf({ mtu, replayWindow, replaces, standby }: PeerChild): ChildOptions {
  return {
    ...(mtu !== undefined && { mtu }),
    ...(replayWindow !== undefined && { replayWindow }),
    ...(replaces !== undefined && { replaces }),
    ...(standby !== undefined && { standby }),
  };
}

function childSa(child: PeerChild): ChildSa {
  const rows = child.suite.split('-').map((keyword) => byKeyword(keyword));
  const encr = rows.find((row): row is EspSuite['encr'] => row?.type === 1);
  if (encr === undefined) throw new Error(child.suite);
  const integ = rows.find((row): row is NonNullable<EspSuite['integ']> => row?.type === 3);
  const keys = (seed: string): ChildSa['keysIn'] => {
    const material = createHash('shake256', { outputLength: 128 }).update(seed).digest();
    return {
      encryption: Uint8Array.from(material.subarray(0, encr.keyBytes + encr.saltBytes)),
      integrity: Uint8Array.from(material.subarray(64, 64 + (integ?.keyBytes ?? 0))),
    };
  };
  return {
    spiIn: child.spiIn,
    spiOut: child.spiOut,
    encr,
    integ,
    esn: esnTransforms[child.suite.endsWith('-esn') ? 1 : 0],
    ke: undefined,
    keysIn: keys(child.keyIn),
    keysOut: keys(child.keyOut),
    localSelectors: child.local.map(selector),
    remoteSelectors: child.remote.map(selector),
    local: { address: '0.0.0.0', port: 4500 },
    remote: { address: child.to, port: 4500 },
    keepalive: child.keepalive ?? false,
    ...(child.limits && { limits: child.limits }),
  };
}

/** `10.0.0.0/8`, `10.0.0.0/8 udp 53`. */
function selector(text: string): TrafficSelector {
  const [network, protocol, port] = text.split(' ');
  const cidr = parseCidr(network);
  if (cidr === undefined) throw new Error(text);
  const numbers: Readonly<Record<string, number>> = { icmp: 1, tcp: 6, udp: 17 };
  return {
    type: cidr.network.length === 4 ? 'ipv4' : 'ipv6',
    protocol: protocol === undefined ? 0 : numbers[protocol],
    startPort: port === undefined ? 0 : Number(port),
    endPort: port === undefined ? 65535 : Number(port),
    ...rangeOfCidr(cidr),
  };
}

function ip(...args: string[]): void {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`);
}

function octetsOf(address: string): Uint8Array {
  const out = parseAddress(address);
  if (out === undefined) throw new Error(address);
  return out;
}

function bytes(hex: string): Uint8Array {
  const out = fromHex(hex);
  if (out === undefined) throw new Error(hex);
  return out;
}
