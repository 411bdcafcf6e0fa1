/**
 * The privileged half of the helper: root, and nothing more than the commands of `monitorContract.ts`. It parses nothing that came
 * from a network. Run by systemd, the lab or an administrator; see `usage`.
 */
import { readFileSync, realpathSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fromUtf8, toUtf8 } from '../bytes/bytes.ts';
import type { Result } from '../bytes/result.ts';
import { err, ok } from '../bytes/result.ts';
import { PR_SET_NO_NEW_PRIVS } from '../system/ffi/constants.ts';
import { close, prctl } from '../system/ffi/libc.ts';
import { findResolverTools, type ResolverTools } from '../system/linux/dns.ts';
import { LinuxHost } from '../system/linux/hostPlan.ts';
import { Journal } from '../system/linux/journal.ts';
import { giveBackCode } from '../system/linux/programCode.ts';
import { Rtnetlink } from '../system/linux/rtnetlink.ts';
import { openTcp } from '../system/linux/tcpStream.ts';
import { type OpenTun, openTun, parkTun } from '../system/linux/tun.ts';
import { openUdp } from '../system/linux/udp.ts';
import type { Log, LogLevel } from '../system/log.ts';
import { type HostError, SOCKET_MARK } from '../system/ports.ts';
import { parseCommand } from './monitorCommands.ts';
import { EXIT_OPTIONS, type MonitorCommand, type MonitorReply } from './monitorContract.ts';
import { type Reply, superviseEngine } from './monitorEngine.ts';
import { udpPortOwner } from './monitorPortOwner.ts';
import { engineFolder, engineOwner, listenUnix, type Owner, rootFolder, tryLock } from './monitorSetup.ts';

/** Milliseconds without a command after which the memory of what start or command needed is given back. */
const AT_REST = 3_000;
/** What is held back while no engine comes that lives is let go after so many: nobody is shut out for ever who did not want it so. */
const MOST_IN_VAIN = 3;

export interface MonitorOptions {
  readonly runDir: string;
  readonly stateDir: string;
  readonly engineUser: string;
  readonly logLevel: LogLevel;
  /** For the engine, which knows what they mean. */
  readonly espBackend?: string;
  readonly offload?: string;
  readonly lanes?: string;
  readonly keyLog: string | undefined;
  readonly engineScript: string;
  readonly resolver: ResolverTools;
}

/** Serves until SIGTERM or SIGINT, or until the engine refuses its options; the value is the exit code. */
export async function runMonitor(options: MonitorOptions): Promise<number> {
  const log = stderrLog(options.logLevel);
  const opened = openHost(options);
  if (!opened.ok) return fail(log, opened.error);
  const { host, netlink } = opened.value;
  if (host.held() !== undefined) log('warn', 'host', 'what was meant for a tunnel is held back');
  else {
    const recovered = host.recover();
    if (!recovered.ok) log('error', 'host', 'the host could not be put back wholly', { detail: recovered.error.detail });
    else if (recovered.value.length > 0) log('warn', 'host', 'the host was put back', { changes: recovered.value.join('; ') });
  }

  const prepared = prepare(options);
  if (!prepared.ok) return fail(log, prepared.error);
  const { owner, rpcFd, socketPath } = prepared.value;
  if (options.keyLog !== undefined) log('warn', 'monitor', 'session keys are written to a folder', { folder: options.keyLog });

  /** Devices this engine opened; the kernel removes them with it. */
  const ours = new Set<string>();
  const parked = createParking(log);
  /** Engines in a row that ended, or could not be started, without having made the host as they wanted it. */
  let inVain = 0;
  const atRest = setTimeout(giveBackCode, AT_REST);
  const engine = superviseEngine({
    script: options.engineScript,
    args: [
      ...['--state-dir', join(options.stateDir, 'engine'), '--engine-uid', String(owner.uid), '--engine-gid', String(owner.gid)],
      ...['--log-level', options.logLevel],
      ...(options.espBackend === undefined ? [] : ['--esp-backend', options.espBackend]),
      ...(options.offload === undefined ? [] : ['--offload', options.offload]),
      ...(options.lanes === undefined ? [] : ['--lanes', options.lanes]),
      ...(options.keyLog === undefined ? [] : ['--key-log', options.keyLog]),
    ],
    rpcFd,
    lockPath: join(realpathSync(options.runDir), 'engine.lock'),
    log,
    onMessage: (bytes, reply) => {
      atRest.refresh();
      const applied = () => {
        inVain = 0;
      };
      return serve(bytes, reply, { host, netlink, ours, parked, log, applied });
    },
    onGone: () => {
      ours.clear();
      const held = host.held();
      inVain += 1;
      if (held === 'lock' || (held === 'hold' && inVain <= MOST_IN_VAIN))
        log('warn', 'host', 'what was meant for the tunnel is held back');
      else {
        revert(host, log);
        parked.leave();
      }
    },
  });
  const why = await Promise.race([terminated(), engine.refused.then(() => REFUSED)]);
  clearTimeout(atRest);
  log('info', 'monitor', 'ending', { why });
  rmSync(socketPath, { force: true });
  await engine.stop();
  if (!revert(host, log)) return 1;
  return why === REFUSED ? EXIT_OPTIONS : 0;
}

interface Serving {
  readonly host: LinuxHost;
  readonly netlink: Rtnetlink;
  readonly ours: Set<string>;
  readonly parked: Parking;
  readonly log: Log;
  /** The host is as the engine wanted it. */
  readonly applied: () => void;
}

/** One command; false when the message is none. The whole surface of the privileged process is this switch. */
function serve(bytes: Uint8Array, reply: Reply, serving: Serving): boolean {
  const { host, ours, parked, log, applied } = serving;
  const parsed = parseCommand(toUtf8(bytes), ours);
  if (parsed.kind === 'malformed') return false;
  const answer = (message: MonitorReply, descriptors: readonly number[] = []): void => {
    if (!message.ok)
      log('warn', 'monitor', 'command not carried out', { code: message.error.code, detail: message.error.detail });
    reply(fromUtf8(JSON.stringify(message)), descriptors);
    // The engine has its own copies now; the device must end with the engine.
    for (const descriptor of descriptors) close(descriptor);
  };
  if (parsed.kind === 'refused') {
    answer({ id: parsed.id, ok: false, error: { code: 'refused', detail: `refused: ${parsed.why}` } });
    return true;
  }
  const { command } = parsed;
  const { id } = command;
  switch (command.command) {
    case 'open-tun': {
      const opened = openDevice(serving, command);
      const led = opened.ok ? host.lead(opened.value.name) : ok([]);
      if (!led.ok) log('error', 'host', 'what is held back cannot be led into the device', { detail: led.error.detail });
      if (opened.ok) answer({ id, ok: true, name: opened.value.name, features: opened.value.features }, opened.value.fds);
      else answer({ id, ok: false, error: opened.error });
      return true;
    }
    case 'bind-udp': {
      const bound = bindSocket(command);
      if (bound.ok) answer({ id, ok: true, port: bound.value.port }, [bound.value.fd]);
      else answer({ id, ok: false, error: bound.error });
      return true;
    }
    case 'connect-tcp': {
      const { address, port } = command;
      const started = openTcp({ address, port }, SOCKET_MARK);
      if (started.ok) answer({ id, ok: true }, [started.value]);
      else answer({ id, ok: false, error: started.error });
      return true;
    }
    case 'apply':
    case 'revert': {
      const held = command.command === 'apply' && command.plan.whenLost !== undefined ? command.plan : undefined;
      // Before a route leads there: packets could come to the one queue that nobody reads.
      if (held) parked.park(held.interface.name);
      const done = command.command === 'apply' ? host.apply(command.plan) : host.revert();
      if (done.ok) applied();
      if (!held || !done.ok) parked.leave();
      if (done.ok && done.value.length > 0) log('info', 'host', command.command, { changes: done.value.join('; ') });
      answer(done.ok ? { id, ok: true, changes: done.value } : { id, ok: false, error: done.error });
      return true;
    }
  }
}

interface Parking {
  /** Name of the device that is kept. */
  name(): string | undefined;
  park(name: string): void;
  /** It goes when nobody else has it. */
  leave(): void;
}

/** Keeps the device of a tunnel whose traffic is held when the engine dies: what hangs on it, name servers too, stays as it was. */
function createParking(log: Log): Parking {
  let kept: { readonly name: string; readonly fd: number } | undefined;
  const leave = (): void => {
    if (kept) close(kept.fd);
    kept = undefined;
  };
  return {
    name: () => kept?.name,
    park(name) {
      if (kept?.name === name) return;
      leave();
      const parked = parkTun(name);
      if (parked.ok) kept = { name, fd: parked.value };
      // Then it goes with the engine, and the routes that lead nowhere remain.
      else log('warn', 'host', 'the device cannot be kept', { detail: parked.error.detail });
    },
    leave,
  };
}

/** The device that an engine before left; else `sally0` … `sally99`, the first that is free; one engine needs one, and four leave room for a change-over. */
function openDevice(
  { netlink, ours, parked }: Serving,
  { offload, queues }: Extract<MonitorCommand, { readonly command: 'open-tun' }>,
): Result<OpenTun & { readonly name: string }, HostError> {
  const links = netlink.links();
  if (!links.ok) return err({ code: 'failed', detail: links.error.detail });
  const names = new Set(links.value.map((link) => link.name));
  for (const name of ours) if (!names.has(name)) ours.delete(name);
  if (ours.size >= 4) return err({ code: 'busy', detail: `${ours.size} devices are open` });
  const kept = parked.name();
  // Another program removed it: what is kept of it would stand in the way of keeping the next one of that name.
  if (kept !== undefined && !names.has(kept)) parked.leave();
  const left = parked.name();
  const free = Array.from({ length: 100 }, (_, i) => `sally${i}`).find((candidate) => !names.has(candidate));
  const name = left !== undefined && names.has(left) && !ours.has(left) ? left : free;
  if (name === undefined) return err({ code: 'busy', detail: 'all of sally0 to sally99 exist' });
  const opened = openTun(name, { offload, queues, parkable: true });
  if (!opened.ok) return opened;
  ours.add(name);
  return ok({ ...opened.value, name });
}

function bindSocket({ family, port }: Extract<MonitorCommand, { readonly command: 'bind-udp' }>) {
  const bound = openUdp({ family, port, mark: SOCKET_MARK });
  if (bound.ok || bound.error.code !== 'port-in-use') return bound;
  const holder = udpPortOwner(port);
  return holder === undefined ? bound : err({ ...bound.error, detail: `UDP port ${port} is used by ${holder}` });
}

interface OpenHost {
  readonly host: LinuxHost;
  readonly netlink: Rtnetlink;
  readonly journal: Journal;
}

/** Lock, folders and journal. The error is words. */
function openHost(options: Pick<MonitorOptions, 'runDir' | 'stateDir' | 'resolver'>): Result<OpenHost, string> {
  if (process.getuid?.() !== 0) return err('the monitor must be started by root');
  process.umask(0o077);
  // Threads and children that come after have it too: nothing started from here ever gains rights by a set-uid program.
  if (prctl(PR_SET_NO_NEW_PRIVS, 1) < 0) return err('no_new_privs is refused');
  const journalDir = join(options.stateDir, 'monitor');
  try {
    for (const [path, mode] of [
      [options.runDir, 0o755] as const,
      [options.stateDir, 0o755] as const,
      [journalDir, 0o700] as const,
    ]) {
      const made = rootFolder(path, mode);
      if (!made.ok) return made;
    }
    if (tryLock(join(options.runDir, 'monitor.lock')) === undefined) return err(BUSY);
    const netlink = Rtnetlink.open();
    if (!netlink.ok) return err(netlink.error.detail);
    const journal = Journal.open(join(journalDir, 'journal'));
    return ok({
      host: new LinuxHost({ netlink: netlink.value, journal, resolver: options.resolver }),
      netlink: netlink.value,
      journal,
    });
  } catch (error) {
    return err(error instanceof Error ? error.message : 'failed');
  }
}

interface Prepared {
  readonly owner: Owner;
  readonly rpcFd: number;
  readonly socketPath: string;
}

function prepare(options: MonitorOptions): Result<Prepared, string> {
  const engineDir = join(options.stateDir, 'engine');
  const owner: Owner = engineOwner(options.engineUser, engineDir);
  const made = engineFolder(engineDir, owner);
  if (!made.ok) return made;
  const socketPath = join(options.runDir, 'sallyport.sock');
  const listening = listenUnix(socketPath);
  return listening.ok ? ok({ owner, rpcFd: listening.value, socketPath }) : listening;
}

/** True when all is undone; what is not is tried again by the next start. */
function revert(host: LinuxHost, log: Log): boolean {
  const reverted = host.revert();
  if (!reverted.ok) log('error', 'host', 'the host could not be put back wholly', { detail: reverted.error.detail });
  else if (reverted.value.length > 0) log('info', 'host', 'revert', { changes: reverted.value.join('; ') });
  return reverted.ok;
}

/** `--repair`: what another monitor left behind is undone; JSON on stdout. Exit code 1 when it cannot be, or one is at work. */
export function repair(options: Pick<MonitorOptions, 'runDir' | 'stateDir' | 'resolver'>): number {
  const print = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
  const opened = openHost(options);
  if (!opened.ok) {
    const nothingApplied = opened.error === BUSY && journalIsEmpty(join(options.stateDir, 'monitor', 'journal'));
    print(nothingApplied ? { repaired: true, changes: [] } : { repaired: false, error: opened.error });
    return nothingApplied ? 0 : 1;
  }
  const recovered = opened.value.host.recover();
  print(recovered.ok ? { repaired: true, changes: recovered.value } : { repaired: false, error: recovered.error.detail });
  return recovered.ok ? 0 : 1;
}

function journalIsEmpty(path: string): boolean {
  try {
    return readFileSync(path, 'utf8').trim() === '';
  } catch {
    return true;
  }
}

const REFUSED = 'the engine refuses its options';
const BUSY = 'another monitor is running';

const usage = `usage: monitor.ts [options]
  --run-dir DIR        socket and lock (default /run/sallyport)
  --state-dir DIR      journal and the engine's state (default /var/lib/sallyport)
  --engine-user NAME   who the engine runs as (default sallyport; a free uid where there is no such user)
  --log-level LEVEL    debug, info, warn or error (default info)
  --esp-backend NAME   use this one for packets: ipsec-mb, evp, node:crypto or noble (default the fastest that is there)
  --offload KIND       all, tcp or none: what the kernel may put together and take apart (default all)
  --lanes N            threads that encrypt and send, 1 to 8 (default 1; 2 on 16 processors or more)
  --key-log DIR        write session keys for Wireshark there: whoever reads them reads the traffic
  --repair             undo what a monitor that is gone has left on this host, print it as JSON, end
`;

const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** JSON lines on stderr, for the journal of the system. */
function stderrLog(least: LogLevel): Log {
  return (level, area, text, fields) => {
    if (levels.indexOf(level) < levels.indexOf(least)) return;
    process.stderr.write(
      `${JSON.stringify({ at: new Date().toISOString(), level, area, text, ...(fields === undefined ? {} : { fields }) })}\n`,
    );
  };
}

function fail(log: Log, detail: string): number {
  log('error', 'monitor', 'cannot start', { detail });
  return 1;
}

function terminated(): Promise<string> {
  return new Promise((done) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => done(signal));
  });
}

const espBackends = ['ipsec-mb', 'evp', 'node:crypto', 'noble'];
const offloads = ['all', 'tcp', 'none'];
const lanes = ['1', '2', '3', '4', '5', '6', '7', '8'];

/** What is wrong with the value of an option, if it was given. */
function misnamed(value: string | boolean | undefined, names: readonly string[]): string | undefined {
  if (value === undefined || names.includes(String(value))) return undefined;
  return `"${value}" is none of ${names.join(', ')}`;
}

async function main(): Promise<number> {
  const text = { type: 'string' } as const;
  let values: { readonly [option: string]: string | boolean | undefined };
  try {
    values = parseArgs({
      options: {
        'run-dir': { ...text, default: '/run/sallyport' },
        'state-dir': { ...text, default: '/var/lib/sallyport' },
        'engine-user': { ...text, default: 'sallyport' },
        'log-level': { ...text, default: 'info' },
        'key-log': text,
        'esp-backend': text,
        offload: text,
        lanes: text,
        repair: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : ''}\n${usage}`);
    return EXIT_OPTIONS;
  }
  const logLevel = levels.find((level) => level === values['log-level']);
  if (values.help === true || logLevel === undefined) {
    process.stderr.write(usage);
    return values.help === true ? 0 : EXIT_OPTIONS;
  }
  const wrong =
    misnamed(values['esp-backend'], espBackends) ?? misnamed(values.offload, offloads) ?? misnamed(values.lanes, lanes);
  if (wrong !== undefined) {
    process.stderr.write(`${wrong}\n${usage}`);
    return EXIT_OPTIONS;
  }
  const options: MonitorOptions = {
    runDir: resolve(String(values['run-dir'])),
    stateDir: resolve(String(values['state-dir'])),
    engineUser: String(values['engine-user']),
    logLevel,
    keyLog: typeof values['key-log'] === 'string' ? resolve(values['key-log']) : undefined,
    ...(typeof values['esp-backend'] === 'string' && { espBackend: values['esp-backend'] }),
    ...(typeof values.offload === 'string' && { offload: values.offload }),
    ...(typeof values.lanes === 'string' && { lanes: values.lanes }),
    engineScript: fileURLToPath(new URL('./engine.ts', import.meta.url)),
    resolver: findResolverTools(),
  };
  return values.repair === true ? repair(options) : runMonitor(options);
}

if (import.meta.main) process.exit(await main());
