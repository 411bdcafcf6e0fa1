/**
 * The engine: everything that speaks to users and to networks, without a privilege. It starts as root only to load its code (a
 * checkout may be readable by its owner alone), gives root up for ever, and serves only then.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { warmUp } from '../crypto/selfTest.ts';
import type { Dataplane } from '../dataplane/contract.ts';
import { startDataplane } from '../dataplane/dataplane.ts';
import { whyUnusable } from '../esp/backends.ts';
import type { IkeConfig } from '../ike/sa/contract.ts';
import { createInitiator } from '../ike/sa/initiator.ts';
import { openProfileStore } from '../profile/store.ts';
import { programVersion } from '../rpc/version.ts';
import { F_SETFD, FD_CLOEXEC } from '../system/ffi/constants.ts';
import { close, fcntl } from '../system/ffi/libc.ts';
import { boottime, watchClock } from '../system/linux/clock.ts';
import { descriptorOf, peerCredentials } from '../system/linux/peer.ts';
import { giveBackCode, keepCompiled } from '../system/linux/programCode.ts';
import { watchSleepNews } from '../system/linux/sleepWatch.ts';
import { createSleepGauge } from '../tunnel/wake.ts';
import { openAgentKey } from './agentKey.ts';
import { createCertificateFetch } from './certificateFetch.ts';
import { type EngineArgs, parseEngineArguments } from './engineArgs.ts';
import { createHandlers } from './handlers.ts';
import { openHistory } from './history.ts';
import { createKeyAgent } from './keyAgentClient.ts';
import { type KeyLog, openKeyLog } from './keyLog.ts';
import { defaultLanes } from './laneCount.ts';
import { createLogRing, type LogRing } from './logRing.ts';
import { connectMonitor } from './monitorClient.ts';
import { ENGINE_LOCK_FD, ENGINE_MONITOR_FD, ENGINE_RPC_FD, EXIT_OPTIONS } from './monitorContract.ts';
import { createNetworkPorts } from './networkPorts.ts';
import { createOutsideLookUp, nameServers } from './outsideLookUp.ts';
import { dropPrivileges } from './privileges.ts';
import { createProofPorts } from './proofPorts.ts';
import { createPublisher } from './publisher.ts';
import { createRemovedProfiles } from './removedProfiles.ts';
import { limitChecks } from './revocation.ts';
import { createRpcServer, type RpcServer } from './rpcServer.ts';
import { createTunnelKeeper, type TunnelKeeper } from './tunnelKeeper.ts';
import { bootId, openWanted } from './wanted.ts';

const LOG_LINES = 100_000;
/** Milliseconds for the goodbye to the gateway: when asked to end (the monitor's patience is longer), and when the monitor is gone. */
const LAST_WORDS = { asked: 2_500, orphaned: 300 };
/** Of certificates that somebody only looks at; a connection never waits for them. */
const LENS_CHECKS = 4;
/** Milliseconds without news of a tunnel after which the memory of what start or connection needed is given back. */
const AT_REST = 3_000;

await main();

async function main(): Promise<void> {
  const args = parseEngineArguments(process.argv.slice(2));
  if (!args.ok) refuse(args.error);
  const logs = createLogRing({
    capacity: LOG_LINES,
    now: Date.now,
    write: (line) => process.stderr.write(line),
    writeLevel: args.value.logLevel,
  });
  process.on('uncaughtException', (fault) => die(logs, fault.stack ?? fault.message));
  await serve(args.value, logs);
}

async function serve(args: EngineArgs, logs: LogRing): Promise<void> {
  const version = programVersion();
  let tunnel: TunnelKeeper | undefined;

  // As root: code is loaded, threads are started, files of the administrator are opened. Nothing is read from anybody.
  const unusable = args.espBackend === undefined ? undefined : whyUnusable(args.espBackend);
  if (unusable !== undefined)
    refuse(`--esp-backend ${args.espBackend} cannot be used: ${unusable}; name one of these, or leave the option out`);
  const keyLog = args.keyLog === undefined ? undefined : openKeyLogOrRefuse(args.keyLog);
  if (keyLog) {
    logs.log('warn', 'engine', 'KEYS ARE WRITTEN TO FILES: whoever reads them reads everything in the tunnel', {
      folder: args.keyLog ?? '',
    });
  }
  // The monitor's descriptors are not for the agent that is started next.
  for (const fd of [ENGINE_MONITOR_FD, ENGINE_RPC_FD, ENGINE_LOCK_FD]) fcntl(fd, F_SETFD, FD_CLOEXEC);
  const agent = createKeyAgent({ identity: { uid: args.uid, gid: args.gid }, log: logs.log });
  const [dataplane] = await Promise.all([
    startDataplane({
      onIke: ({ bytes, channel, from }) => tunnel?.datagram(bytes, channel, from),
      // Only root can start another thread. What is held the monitor holds, until the next engine has threads that live.
      onFailure: (detail) => die(logs, detail),
      onDeviceGone: (detail) => tunnel?.deviceGone(detail),
      onStreamOver: (fd, why) => tunnel?.streamOver(fd, why),
      onLimit: (spiIn, which) => tunnel?.limit(spiIn, which),
      ...(args.espBackend !== undefined && { backend: args.espBackend }),
      offload: args.offload === 'none' ? 'plain' : 'all',
      lanes: args.lanes ?? defaultLanes(availableParallelism()),
    }),
    // Without it there are tunnels still, but none with a private key: each of them starts it again.
    agent.start(),
  ]);
  const tested = warmUp();
  if (!tested.ok) fatal(`engine: the known-answer test of ${tested.error.test} failed`);
  const monitor = connectMonitor(ENGINE_MONITOR_FD, logs.log);

  // One turn of the event loop from listen to the handlers; connections are accepted in a later one. listen() must be root's:
  // the kernel tells clients who called it.
  const server = createRpcServer({
    handlers: () => handlers,
    version,
    log: logs.log,
    peerOf: (socket) => {
      const fd = descriptorOf(socket);
      const peer = fd === undefined ? undefined : peerCredentials(fd);
      return peer ? { ok: true, value: peer } : { ok: false, error: 'no credentials' };
    },
    onClosed: (peer) => publisher.forget(peer),
  });
  const listening = server.listen({ fd: ENGINE_RPC_FD });
  // Its own folder is where the engine stands, and paths are relative from here on: the folders above may be closed to its user.
  process.chdir(args.state);
  keepCompiled();
  const dropped = dropPrivileges(args.uid, args.gid);
  if (!dropped.ok) fatal(`engine: cannot give up root: ${dropped.error.detail}`);

  const atRest = setTimeout(giveBackCode, AT_REST);
  const profiles = openProfileStore('profiles', logs.log);
  const proof = createProofPorts(logs.log);
  const machine = (logKeys: boolean) => (config: IkeConfig) => createInitiator(config, { random: randomBytes, keyLog: logKeys });
  const history = openHistory({ directory: 'history', now: Date.now, log: logs.log });
  const queues = dataplane.lanes().outbound;
  const keeper = createTunnelKeeper({
    history,
    wanted: openWanted('wanted.json', bootId(), logs.log),
    monitor: { ...monitor, openTun: (mtu) => monitor.openTun(mtu, { offload: args.offload, queues }) },
    dataplane,
    profiles,
    logs,
    version: `Sallyport ${version}`,
    createMachine: machine(keyLog !== undefined),
    proof,
    network: createNetworkPorts(logs.log),
    outside: {
      lookUp: createOutsideLookUp({
        openUdp: (family) => monitor.bindUdp(family, 0),
        randomId: () => randomInt(0x1_0000),
      }),
      nameServers,
    },
    openKey: (pkcs8) => openAgentKey(agent, pkcs8),
    closeDescriptor: (fd) => {
      close(fd);
    },
    ...(keyLog && { keyLog }),
    now: Date.now,
    monotonic: boottime,
    onChange: () => {
      publisher.changed();
      atRest.refresh();
    },
  });
  tunnel = keeper;
  const publisher = createPublisher({ statusFor: keeper.statusFor, running: keeper.active, logs });
  const handlers = createHandlers({
    profiles,
    removed: createRemovedProfiles({ profiles }),
    tunnel: keeper,
    publisher,
    history,
    logs,
    log: logs.log,
    certificates: {
      fetchGatewayCertificate: createCertificateFetch({
        createMachine: machine(false),
        openUdp: (family) => monitor.bindUdp(family, 0),
        logFor: logs.logFor,
        monotonic: () => performance.now(),
      }),
      systemRoots: proof.trust.systemRoots,
      checkRevocation: limitChecks(proof.checkRevocation, LENS_CHECKS),
    },
  });

  watchSleep(keeper, logs);
  keeper.resume();

  const heard = await listening;
  if (!heard.ok) fatal(`engine: cannot listen: ${heard.error}`);
  monitor.onClosed(() => void end(server, keeper, dataplane, 'orphaned'));
  process.on('SIGTERM', () => void end(server, keeper, dataplane, 'asked'));
  logs.log('info', 'engine', 'ready', { version, uid: args.uid, backend: dataplane.backend() });
  for (const { name, outcome } of dataplane.backendTrials()) logs.log('debug', 'engine', 'ESP backend', { name, outcome });
}

/**
 * A timer sleeps with the computer: who is awake again asks at once whether the gateway is still there. What goes on between the word that it
 * is about to sleep and the sleep (network managers take the network away) is no loss of the tunnel.
 */
function watchSleep(tunnel: TunnelKeeper, logs: LogRing): void {
  const clocks = () => ({ boottime: boottime(), monotonic: performance.now(), wall: Date.now() });
  const gauge = createSleepGauge(clocks());
  const awake = (seconds: number) => {
    logs.log('info', 'engine', 'awake again', { seconds });
    tunnel.resumed();
  };
  const watch = watchClock(() => {
    const slept = gauge.look(clocks());
    if (slept > 0) awake(Math.round(slept / 1_000));
  });
  if (typeof watch === 'string') logs.log('warn', 'engine', 'a wake-up will be noticed late', { why: watch });
  let asleep = false;
  watchSleepNews({
    onSleep: (about) => {
      asleep = about;
      logs.log('info', 'engine', about ? 'the computer is about to sleep' : 'the computer is not about to sleep any more');
      if (about) tunnel.suspending();
      // Also where it did not sleep after all: what was taken for asleep is looked at.
      else tunnel.resumed();
    },
    onReady: () => logs.log('debug', 'engine', 'logind tells when the computer is about to sleep'),
    onClosed: (why) => {
      logs.log('info', 'engine', 'sleep will be noticed by the clocks alone', { why });
      if (asleep) tunnel.resumed();
    },
  });
  // A process that stood still is in the same position, and no clock tells.
  process.on('SIGCONT', () => awake(0));
}

/** Says goodbye to the gateway, then ends; the monitor, or the next one, puts the host back. */
async function end(server: RpcServer, tunnel: TunnelKeeper, dataplane: Dataplane, why: keyof typeof LAST_WORDS): Promise<void> {
  // A thread that waits in a system call cannot be ended from outside, and process.exit waits for all of them: they are woken first,
  // and where even that fails the kernel does it.
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), LAST_WORDS[why] + 300);
  await Promise.race([
    Promise.allSettled([tunnel.stop(why === 'orphaned' ? 'kept' : undefined), server.close()]),
    sleep(LAST_WORDS[why]),
  ]);
  await dataplane.stop();
  process.exit(0);
}

function openKeyLogOrRefuse(folder: string): KeyLog {
  try {
    return openKeyLog(folder);
  } catch (fault) {
    refuse(
      `--key-log ${folder} cannot be used: ${fault instanceof Error ? fault.message : fault}; name another folder, or leave the option out`,
    );
  }
}

/** What the administrator wants cannot be had, however often it is tried. Only before there are threads: `fatal` says why. */
function refuse(text: string): never {
  complain(text);
  process.exit(EXIT_OPTIONS);
}

/** The monitor starts another engine, which takes up what was up. */
function die(logs: LogRing, fault: string): void {
  logs.log('error', 'engine', 'a fault of our own', { fault });
  // Not process.exit: it waits for the dataplane's threads, and those wait for packets.
  process.kill(process.pid, 'SIGKILL');
}

function fatal(text: string): never {
  complain(text);
  // Not process.exit alone: it waits for the dataplane's threads, and those wait for packets.
  process.kill(process.pid, 'SIGKILL');
  process.exit(1);
}

function complain(text: string): void {
  process.stderr.write(`${JSON.stringify({ at: new Date().toISOString(), level: 'error', area: 'engine', text })}\n`);
}
