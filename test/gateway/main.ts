/**
 * The head office as a process: node test/gateway/main.ts CONFIG.json, as root in a network namespace of its own.
 *
 * It opens UDP 500 and 4500 and a TUN device, carries ESP in user space with core/dataplane, and forwards to the hosts behind it.
 * Standard output is JSON lines: {"ready":true} when it serves, then events: sa-established, child-installed, child-removed, sa-deleted,
 * log, key-log, and answers to control lines. Standard input takes control lines:
 *
 *   {"do":"list-sas"}                  → {"event":"sas","sas":[…]}
 *   {"do":"terminate"}                 → DELETE to all clients; {"do":"terminate","id":"…"} to one
 *   {"do":"check-liveness"}            → an empty INFORMATIONAL to all clients
 *   {"do":"misbehave","names":[…]}     → {"event":"misbehaving","names":[…]}; SAs are forgotten without a word
 *   {"do":"heard"}                     → {"event":"heard","eap":[1,26],"datagrams":7}: EAP types and datagrams of clients since it was told to misbehave
 *   {"do":"reset-tcp"}                 → all TCP connections are broken: {"event":"tcp-reset","connections":1}; "shut" true: and no new ones taken, until it is false
 *   {"do":"stop"}                      → terminate, wait for the answers, end; SIGTERM and SIGINT do the same
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { createInterface } from 'node:readline';
import type { Dataplane, DataplaneSocket } from '../../core/dataplane/contract.ts';
import { startDataplane } from '../../core/dataplane/dataplane.ts';
import type { Channel, ChildSa } from '../../core/ike/sa/contract.ts';
import { openTun } from '../../core/system/linux/tun.ts';
import { openUdp } from '../../core/system/linux/udp.ts';
import type { TunFeatures } from '../../core/system/ports.ts';
import type { HeadOffice, HeadOfficeInput, HeadOfficeOutput } from './config.ts';
import { type ProcessConfig, readConfig } from './mainConfig.ts';
import { officeTls } from './mainCredentials.ts';
import { isMisbehaviour } from './misbehaviours.ts';
import { createHeadOffice } from './responder.ts';
import { TicketStore } from './standing.ts';
import { TcpDoor } from './tcpDoor.ts';

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
/** How long `stop` waits for clients to answer the DELETE. */
const STOP_WITHIN_MS = 2_000;

function random(length: number): Uint8Array {
  return new Uint8Array(randomBytes(length));
}

/** A fault of the office's own: better a dead office than a mute one. */
function failed(error: unknown): never {
  print({ event: 'failed', detail: error instanceof Error ? error.message : String(error) });
  // Not process.exit, which waits for the dataplane's threads.
  process.kill(process.pid, 'SIGKILL');
  throw error;
}

function print(line: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** The descriptors of the process; closed by the kernel when it ends. */
function openSockets(config: ProcessConfig): readonly DataplaneSocket[] {
  const sockets: DataplaneSocket[] = [];
  for (const address of config.office.addresses) {
    const family = isIPv6(address) ? 6 : 4;
    for (const channel of ['ike', 'natt'] as const satisfies readonly Channel[]) {
      const opened = openUdp({ family, address, port: config.office.ports[channel] });
      if (!opened.ok) throw new Error(`${opened.error.code}: ${opened.error.detail}`);
      sockets.push({ fd: opened.value.fd, channel, family });
    }
  }
  return sockets;
}

/** The device, up, with the routes to the clients; the namespace forwards. */
function openOfficeTun({ tun, office }: ProcessConfig): { readonly fds: readonly number[]; readonly features: TunFeatures } {
  const opened = openTun(tun.name, { offload: 'all' });
  if (!opened.ok) throw new Error(`${opened.error.code}: ${opened.error.detail}`);
  execFileSync('ip', ['link', 'set', tun.name, 'mtu', String(tun.mtu), 'up']);
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
  writeFileSync('/proc/sys/net/ipv6/conf/all/forwarding', '1');
  for (const network of [office.pool.ipv4, office.pool.ipv6]) {
    if (network !== undefined) execFileSync('ip', ['route', 'replace', network, 'dev', tun.name]);
  }
  return opened.value;
}

/** A control line. */
interface Command {
  readonly do?: string;
  readonly id?: string;
  readonly names?: readonly string[];
  readonly shut?: boolean;
}

class Process {
  readonly #config: ProcessConfig;
  #office: HeadOffice;
  readonly #dataplane: Dataplane;
  readonly #door: TcpDoor;
  readonly #tls: ReturnType<typeof officeTls>;
  #timer: NodeJS.Timeout | undefined;
  readonly #tickets = new TicketStore();
  #heard: number[] = [];
  #datagrams = 0;
  #draining: Promise<void> = Promise.resolve();

  private constructor(config: ProcessConfig, dataplane: Dataplane) {
    this.#config = config;
    this.#dataplane = dataplane;
    this.#door = new TcpDoor(dataplane);
    this.#tls = officeTls(config.credentials);
    this.#office = this.#open(config.office.misbehave);
  }

  static async start(config: ProcessConfig): Promise<Process> {
    // The threads are started first: the callback needs the process, which needs the dataplane.
    let self: Process | undefined;
    const dataplane = await startDataplane({
      ...(config.espBackend !== undefined && { backend: config.espBackend }),
      onIke: (message) => self?.input({ kind: 'datagram', ...message }),
      onFailure: failed,
      onStreamOver: (fd) => self?.connectionOver(fd),
    });
    self = new Process(config, dataplane);
    const { fds, features } = openOfficeTun(config);
    await dataplane.attachTun(fds, features);
    await dataplane.attachSockets(openSockets(config));
    await self.#door.listen(config.office.addresses, config.office.tcpPorts ?? []);
    return self;
  }

  /** One input of the office, then all it wants done, in order. */
  input(input: HeadOfficeInput): void {
    if (input.kind === 'datagram') this.#datagrams++;
    this.#office.handle(input, performance.now());
    this.#draining = this.#draining.then(() => this.#drain()).catch(failed);
    if (input.kind === 'datagram') this.#draining = this.#draining.then(() => this.#door.follow(this.#office.list()));
  }

  connectionOver(fd: number): void {
    this.#door.over(fd).catch(failed);
  }

  control(line: string): void {
    const command = JSON.parse(line) as Command;
    const only = command.id === undefined ? {} : { id: command.id };
    if (command.do === 'list-sas') print({ event: 'sas', sas: this.#list() });
    else if (command.do === 'terminate') this.input({ kind: 'terminate', ...only });
    else if (command.do === 'check-liveness') this.input({ kind: 'check-liveness', ...only });
    else if (command.do === 'misbehave') void this.#misbehave(command.names ?? []);
    else if (command.do === 'heard') print({ event: 'heard', eap: this.#heard, datagrams: this.#datagrams });
    else if (command.do === 'reset-tcp') void this.#resetTcp(command.shut).catch(failed);
    else if (command.do === 'stop') void this.stop();
    else print({ event: 'unknown-command', line });
  }

  async stop(): Promise<void> {
    this.input({ kind: 'terminate' });
    const until = performance.now() + STOP_WITHIN_MS;
    while (this.#office.list().length > 0 && performance.now() < until) await new Promise((done) => setTimeout(done, 20));
    await this.#draining;
    await this.#dataplane.detach();
    await this.#dataplane.stop();
    process.exit(0);
  }

  async #resetTcp(shut: boolean | undefined): Promise<void> {
    const { connections } = this.#door;
    const { addresses, tcpPorts = [] } = this.#config.office;
    if (shut === undefined) await this.#door.reset();
    else await this.#door.shut(shut, addresses, tcpPorts);
    print({ event: 'tcp-reset', connections });
  }

  /** A new office in the place of the old one, as after a restart. */
  async #misbehave(names: readonly string[]): Promise<void> {
    const children = this.#office.list().flatMap((sa) => sa.children);
    await this.#draining;
    this.#office = this.#open(names);
    this.#heard = [];
    this.#datagrams = 0;
    for (const { spiIn } of children) await this.#dataplane.removeChild(spiIn);
    print({ event: 'misbehaving', names: names.filter(isMisbehaviour) });
  }

  #open(names: readonly string[]): HeadOffice {
    // RFC 3748 §4.1: the type is the fifth octet.
    const heard = (packet: Uint8Array): void => void this.#heard.push(packet[4] ?? 0);
    return createHeadOffice(
      { ...this.#config.office, heard, misbehave: names.filter(isMisbehaviour) },
      { random, ticketStore: this.#tickets },
    );
  }

  async #drain(): Promise<void> {
    for (let out = this.#office.poll(); out !== undefined; out = this.#office.poll()) await this.#perform(out);
    clearTimeout(this.#timer);
    const due = this.#office.deadline();
    if (due === undefined) return;
    this.#timer = setTimeout(() => this.#tick(), Math.max(0, due - performance.now()));
  }

  #tick(): void {
    for (const { children } of this.#office.list()) {
      for (const { spiIn } of children) {
        // RFC 7296 §2.4: authenticated traffic of a CHILD SA shows that the peer lives.
        const last = this.#dataplane.counters(spiIn)?.lastIn ?? 0;
        if (last > Date.now() - this.#config.office.timing.livenessAfter)
          this.#office.handle({ kind: 'inbound-traffic', spiIn }, performance.now());
      }
    }
    this.input({ kind: 'tick' });
  }

  async #perform(out: HeadOfficeOutput): Promise<void> {
    const { id } = out;
    switch (out.kind) {
      case 'transmit':
        this.#dataplane.sendIke(out.channel, out.to, out.bytes);
        return;
      case 'established': {
        const { remote, remoteIdentity, natLocal, natRemote, spiI, spiR } = out.sa;
        print({ event: 'sa-established', id, spiI, spiR, remote, remoteIdentity, natLocal, natRemote });
        return;
      }
      case 'install-child':
        print({ event: 'child-installed', id, ...describe(out.child) });
        await this.#dataplane.installChild(out.child, {
          ...(out.replaces !== undefined && { replaces: out.replaces }),
          ...(out.standby && { standby: true }),
        });
        return;
      case 'remove-child':
        await this.#dataplane.removeChild(out.spiIn, out.grace);
        print({ event: 'child-removed', id, spiIn: out.spiIn });
        return;
      case 'closed':
        print({ event: 'sa-deleted', id, ...(out.failure === undefined ? {} : { failure: out.failure }) });
        return;
      case 'log':
        if (LEVELS.indexOf(out.level) < LEVELS.indexOf(this.#config.log)) return;
        print({ event: 'log', id, level: out.level, text: out.text, ...out.fields });
        return;
      case 'key-log':
        print({ event: 'key-log', table: out.table, line: out.line });
        return;
      case 'ask':
        // The office goes on with other clients meanwhile.
        void this.#tls(id, out.ask).then((answer) => this.input({ kind: 'answer', id, answer }), failed);
        return;
      case 'moved': {
        const { local, remote, natLocal: keepalive } = out;
        const children = this.#office.list().find((one) => one.id === id)?.children ?? [];
        for (const { spiIn } of children) await this.#dataplane.changePath(spiIn, { local, remote, keepalive });
        print({ event: 'moved', id, remote });
        return;
      }
      case 'progress':
      case 'configured':
        return;
    }
  }

  #list(): readonly unknown[] {
    return this.#office.list().map((one) => ({
      ...one,
      children: one.children.map((child) => ({ ...child, counters: this.#dataplane.counters(child.spiIn) })),
    }));
  }
}

/** Everything about a CHILD SA but its keys. */
function describe(child: ChildSa): Readonly<Record<string, unknown>> {
  const { spiIn, spiOut, encr, integ, esn, remote } = child;
  return { spiIn, spiOut, encr: encr.keyword, integ: integ?.keyword, esn: esn.id === 1, remote };
}

const path = process.argv[2];
if (path === undefined) {
  process.stderr.write('usage: node test/gateway/main.ts CONFIG.json\n');
  process.exit(2);
}
const office = await Process.start(readConfig(path));
createInterface({ input: process.stdin }).on('line', (line) => office.control(line));
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void office.stop());
print({ ready: true });
