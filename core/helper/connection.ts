/**
 * One connection from `up` to the last closed descriptor: find the gateway, open everything early, let the IKE machine talk, put
 * dataplane and host in place, and take all of it down again in order, whatever ended it. `facts` is all that is known of it.
 *
 * Taking down: the host first (no route leads into a device that carries nothing), beside it the DELETE while the sockets
 * are still there, then the dataplane lets go of the descriptors, then they are closed.
 */
import { err, ok, type Result } from '../bytes/result.ts';
import type { Dataplane, DataplaneSocket, GlobalDrop } from '../dataplane/contract.ts';
import type { IkeAsk } from '../ike/auth/contract.ts';
import type { Channel, ChildSa, Endpoint, IkeConfig, IkeMachine } from '../ike/sa/contract.ts';
import { selectorText } from '../ike/wire/selectorText.ts';
import type { Profile } from '../profile/model.ts';
import type { Failure, KernelOffload } from '../rpc/contract.ts';
import type { Log } from '../system/log.ts';
import type { TunFeatures } from '../system/ports.ts';
import { failure, hostFailure, ikeFailure } from '../tunnel/explain.ts';
import type { ChildFacts, TunnelFacts } from '../tunnel/status.ts';
import type { SigningKey } from './asks.ts';
import type { Credentials } from './credentials.ts';
import { createDriver, type Driver, type IkeEvent } from './driver.ts';
import { echoRoutes } from './echoRoutes.ts';
import { type Address, interfaceMtu, localAddressTowards, resolveGateway } from './gatewayPath.ts';
import { planHost } from './hostPlan.ts';
import { ikeConfig } from './ikeConfig.ts';
import type { MonitorClient } from './monitorClient.ts';
import { type Proof, type ProofPorts, prepareProof } from './proof.ts';

export interface ConnectionDeps {
  readonly monitor: Pick<MonitorClient, 'openTun' | 'bindUdp' | 'apply' | 'revert'>;
  readonly dataplane: Dataplane;
  readonly createMachine: (config: IkeConfig) => IkeMachine;
  readonly proof: ProofPorts;
  readonly closeDescriptor: (fd: number) => void;
  /** A line of a Wireshark table, when the administrator asked for them. */
  readonly keyLog?: (table: 'ikev2' | 'esp', line: string) => void;
  readonly log: Log;
  /** For the facts: Date.now() milliseconds. */
  readonly now: () => number;
  /** For the machine: milliseconds of a clock that never goes back. */
  readonly monotonic: () => number;
  readonly version: string;
  readonly onChange: () => void;
}

export interface ConnectionRequest {
  readonly owner: number;
  readonly profile: Profile;
  /** Where one side proves itself by it. Wiped when the connection is over. */
  readonly psk: Uint8Array | undefined;
  /** The user's private key, where there is one; an error is words. */
  readonly signer: Promise<Result<SigningKey, string>> | undefined;
  readonly credentials: Pick<Credentials, 'answer'>;
  /** Takes an open question back. */
  readonly retract: () => void;
}

export interface Connection {
  facts(): TunnelFacts;
  /** An IKE message from the dataplane. */
  datagram(bytes: Uint8Array, channel: Channel, from: Endpoint): void;
  /** Ends it, with a reason unless the user wanted it; resolves when everything is given back. */
  end(reason?: Failure): Promise<void>;
  /** Resolves when it is over, whoever ended it. */
  readonly over: Promise<void>;
}

/** How long `down` waits for the gateway's answer to DELETE. */
const GOODBYE = 1_500;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function startConnection(deps: ConnectionDeps, request: ConnectionRequest): Connection {
  const { profile, owner } = request;
  const facts: Mutable<Omit<TunnelFacts, 'children'>> = {
    owner,
    profile: { id: profile.id, name: profile.name },
    startedAt: deps.now(),
    attemptAt: deps.now(),
    gateway: { name: profile.gateway },
    backend: deps.dataplane.backend(),
    gatewayFirst: profile.eap !== undefined && profile.trust.method !== 'eap-only',
  };
  const children = new Map<number, Omit<ChildFacts, 'counters'>>();
  const descriptors: number[] = [];
  let driver: Driver | undefined;
  let proof: Proof | undefined;
  let machineClosed: () => void = () => {};
  const machineOver = new Promise<void>((resolve) => {
    machineClosed = resolve;
  });
  let installing: Promise<unknown> = Promise.resolve();
  let hostTouched = false;
  let attached = false;
  let packetsSeen = 0;
  let tunFeatures: TunFeatures | undefined;
  /** Of connections before. */
  const dropsBefore = deps.dataplane.globalCounters();
  /** Carried by CHILD SAs that are gone. */
  const carried = { in: 0, out: 0 };

  const ended = () => facts.endingAt !== undefined;
  const keep = <T extends { readonly fd: number; readonly fds?: readonly number[] }>(opened: T): T => {
    descriptors.push(...(opened.fds ?? [opened.fd]));
    return opened;
  };

  // A name server may be silent for long; whoever cancels does not wait for it.
  let cancel: () => void = () => {};
  const cancelled = new Promise<Result<never, Failure>>((resolve) => {
    cancel = () => resolve(err(failure('cancelled', 'while the name was looked up')));
  });

  let resolveOver: () => void = () => {};
  const over = new Promise<void>((resolve) => {
    resolveOver = resolve;
  });

  // --- coming up -----------------------------------------------------------------------------------------------------------------

  async function prepare(): Promise<Result<undefined, Failure>> {
    deps.log('info', 'tunnel', 'connecting', { profile: profile.name, gateway: profile.gateway });
    // The device is made while the name is looked up.
    const [device, addresses, signer] = await Promise.all([
      deps.monitor.openTun(profile.mtu).then((opened) => (opened.ok ? ok(keep(opened.value)) : opened)),
      Promise.race([resolveGateway(profile.gateway), cancelled]),
      request.signer,
    ]);
    if (ended()) return ok(undefined);
    if (!device.ok) return err(hostFailure(device.error));
    if (!addresses.ok) return addresses;
    if (signer?.ok === false) return err(ikeFailure({ code: 'own-key-failed', evidence: signer.error }));
    const { log, onChange } = deps;
    const { psk, credentials } = request;
    const prepared = prepareProof(deps.proof, { profile, psk, signer: signer?.value, credentials, log, onChange });
    if (!prepared.ok) return prepared;
    proof = prepared.value;
    facts.interface = { name: device.value.name, mtu: profile.mtu };
    tunFeatures = device.value.features;

    const path = await firstPath(addresses.value);
    if (ended()) return ok(undefined);
    if (!path.ok) return path;
    const { remote, local } = path.value;
    facts.gateway = { name: profile.gateway, address: remote.address, port: profile.gatewayPorts.ike };

    const standard = profile.localPort === 'standard';
    const bound = await Promise.all([
      bind('ike', remote.family, standard ? 500 : 0),
      bind('natt', remote.family, standard ? 4500 : 0),
    ]);
    if (ended()) return ok(undefined);
    const [ike, natt] = bound;
    if (!ike.ok) return err(hostFailure(ike.error));
    if (!natt.ok) return err(hostFailure(natt.error));
    facts.local = { address: local, port: ike.value.port };

    const config = ikeConfig(
      profile,
      proof,
      { local, remote: remote.address, localPorts: { ike: ike.value.port, natt: natt.value.port } },
      deps.version,
    );
    if (!config.ok) return config;
    attached = true;
    await deps.dataplane.attachSockets([ike.value.socket, natt.value.socket]);
    await deps.dataplane.attachTun(device.value.fds, device.value.features);
    if (ended()) return ok(undefined);

    driver = createDriver(deps.createMachine(config.value), {
      now: deps.monotonic,
      send,
      onEvent,
      onAsk: answer,
      trafficArrived,
      onRoundTrip: (milliseconds) => {
        facts.pathRtt = Math.round(milliseconds * 10) / 10;
        deps.onChange();
      },
    });
    driver.command('start');
    return ok(undefined);
  }

  async function firstPath(addresses: readonly Address[]): Promise<Result<{ remote: Address; local: string }, Failure>> {
    let problem: Result<never, Failure> = err(failure('name-not-resolved', `${profile.gateway}: the name has no address`));
    for (const remote of addresses) {
      const local = await localAddressTowards(remote, profile.gatewayPorts.ike);
      if (local.ok) return ok({ remote, local: local.value });
      problem = local;
    }
    return problem;
  }

  async function bind(channel: Channel, family: 4 | 6, port: number) {
    const opened = await deps.monitor.bindUdp(family, port);
    if (!opened.ok) return opened;
    const { fd, port: bound } = keep(opened.value);
    const socket: DataplaneSocket = { fd, channel, family };
    return ok({ socket, port: bound });
  }

  function send(channel: Channel, to: Endpoint, bytes: Uint8Array): boolean {
    const sent = deps.dataplane.sendIke(channel, to, bytes);
    if (!sent) deps.log('debug', 'tunnel', 'the kernel did not send a message', { to: `${to.address}:${to.port}` });
    return sent;
  }

  function answer(id: number, ask: IkeAsk): void {
    void proof?.asks.answer(ask).then((answered) => {
      driver?.answer(id, answered);
      // The machine wipes what it takes, and a machine that ended takes nothing.
      if (ended() && answered.kind === 'credential') answered.value.fill(0);
    });
  }

  // --- what the machine says -----------------------------------------------------------------------------------------------------

  function onEvent(event: IkeEvent): void {
    switch (event.kind) {
      case 'progress':
        if (event.step === 'sa-init') facts.initSentAt ??= deps.now();
        if (event.step === 'auth') facts.authSentAt ??= deps.now();
        break;
      case 'established':
        facts.establishedAt = deps.now();
        facts.ike = event.sa;
        facts.gateway = { name: profile.gateway, address: event.sa.remote.address, port: event.sa.remote.port };
        facts.local = { address: event.sa.local.address, port: event.sa.local.port };
        break;
      case 'configured':
        facts.configuration = event.configuration;
        break;
      case 'install-child':
        installing = install(event.child);
        break;
      case 'remove-child':
        forget(event.spiIn);
        deps.dataplane.removeChild(event.spiIn).catch(() => {});
        break;
      case 'reauthenticate':
      case 'ticket':
        break;
      case 'moved':
      case 'peer-addresses':
        break;
      case 'closed':
        machineClosed();
        void end(event.failure && ikeFailure(proof?.explain(event.failure) ?? event.failure));
        break;
      case 'log':
        deps.log(event.level, 'ike', event.text, event.fields);
        return;
      case 'key-log':
        deps.keyLog?.(event.table, event.line);
        return;
      default:
        event satisfies never;
    }
    deps.onChange();
  }

  /** Both at once: neither waits for the other, and only with both is the tunnel up. */
  async function install(child: ChildSa): Promise<void> {
    if (ended()) return;
    const { spiIn, spiOut, encr, integ, esn } = child;
    const device = interfaceMtu(child.local.address);
    const carried = deps.dataplane.installChild(child, {
      keepaliveInterval: profile.natKeepalive * 1000,
      replayWindow: profile.replayWindow,
      mtu: profile.mtu,
      ...(device !== undefined && { interfaceMtu: device }),
    });
    children.set(spiIn, {
      sa: { spiIn, spiOut, encr, integ, esn },
      localSelectors: child.localSelectors.map(selectorText),
      remoteSelectors: child.remoteSelectors.map(selectorText),
      installedAt: deps.now(),
    });
    const host = facts.plan ? undefined : prepareHost(child);
    const results = await Promise.allSettled([carried, host]);
    if (ended()) return;
    const [dataplane, applied] = results;
    const problem =
      dataplane.status === 'rejected'
        ? failure('dataplane-failed', String(dataplane.reason))
        : applied.status === 'rejected'
          ? failure('internal', String(applied.reason))
          : applied.value;
    if (problem) {
      void end(problem);
      return;
    }
    // Replies to echoes come to our address inside, which the host has now. A later SA goes on with what is known.
    if (host !== undefined && facts.configuration) deps.dataplane.probeThrough(spiIn, echoRoutes(facts.configuration));
    facts.readyAt ??= deps.now();
    deps.log('info', 'tunnel', 'connected', { profile: profile.name, gateway: facts.gateway.address ?? profile.gateway });
    deps.onChange();
  }

  async function prepareHost(child: ChildSa): Promise<Failure | undefined> {
    const configuration = facts.configuration ?? { addresses: [], dns: [], domains: [], subnets: [] };
    const planned = planHost(profile, facts.interface?.name ?? '', configuration, child);
    if (!planned.ok) return planned.error;
    for (const what of planned.value.left) deps.log('warn', 'tunnel', `not used: ${what}`);
    facts.plan = planned.value.plan;
    hostTouched = true;
    const applied = await deps.monitor.apply(planned.value.plan);
    if (!applied.ok) return hostFailure(applied.error);
    for (const change of applied.value) deps.log('debug', 'host', change);
    return undefined;
  }

  function offload(): KernelOffload | undefined {
    const socket = deps.dataplane.offload();
    if (tunFeatures === undefined || socket === undefined) return undefined;
    const { headers, tcp, udp } = tunFeatures;
    return { tun: { headers, tcp, udp }, socket };
  }

  function pathOf(spiIn: number): ChildFacts['path'] {
    const path = deps.dataplane.pathMtu(spiIn);
    return path && { innerMtu: path.inner, ...(path.because !== undefined && { because: path.because }) };
  }

  function drops(): Readonly<Record<GlobalDrop, number>> {
    const now = { ...deps.dataplane.globalCounters() };
    for (const reason of Object.keys(dropsBefore) as GlobalDrop[]) now[reason] -= dropsBefore[reason];
    return now;
  }

  function forget(spiIn: number): void {
    const last = deps.dataplane.counters(spiIn);
    if (children.delete(spiIn) && last) {
      carried.in += last.bytesIn;
      carried.out += last.bytesOut;
    }
  }

  function trafficArrived(): boolean {
    let packets = 0;
    for (const spiIn of children.keys()) packets += deps.dataplane.counters(spiIn)?.packetsIn ?? 0;
    const arrived = packets > packetsSeen;
    packetsSeen = packets;
    return arrived;
  }

  // --- going down ----------------------------------------------------------------------------------------------------------------

  function end(reason?: Failure): Promise<void> {
    // Terminating the machine below comes back here by its `closed`.
    if (ended()) return over;
    facts.endingAt = deps.now();
    if (reason) {
      facts.failure = reason;
      deps.log('warn', 'tunnel', reason.what, { code: reason.code, evidence: reason.evidence });
    }
    cancel();
    proof?.asks.end();
    request.retract();
    deps.onChange();
    takeDown()
      .catch((fault) => deps.log('error', 'tunnel', `taking down failed: ${String(fault)}`))
      .finally(resolveOver);
    return over;
  }

  async function takeDown(): Promise<void> {
    driver?.command('terminate');
    const goodbye = driver ? farewell(driver) : Promise.resolve();
    // Steps already on their way put things in place that must then be taken away.
    await Promise.allSettled([preparing, installing]);
    await Promise.allSettled([goodbye, hostTouched ? revertHost() : undefined]);
    driver?.stop();
    for (const spiIn of [...children.keys()]) forget(spiIn);
    if (attached) await deps.dataplane.detach().catch((fault) => deps.log('error', 'tunnel', `detach: ${String(fault)}`));
    for (const fd of descriptors.splice(0)) deps.closeDescriptor(fd);
    request.psk?.fill(0);
    facts.endedAt = deps.now();
    deps.log('info', 'tunnel', 'disconnected', { profile: profile.name });
    deps.onChange();
  }

  async function farewell(machine: Driver): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, GOODBYE);
    });
    await Promise.race([machineOver, patience]);
    clearTimeout(timer);
    // A second terminate ends the machine at once, answered or not.
    machine.command('terminate');
  }

  async function revertHost(): Promise<void> {
    const reverted = await deps.monitor.revert();
    if (!reverted.ok) deps.log('error', 'host', 'the host could not be put back', { evidence: reverted.error.detail });
  }

  const preparing = prepare().then(
    (prepared) => {
      if (!prepared.ok) void end(prepared.error);
    },
    (fault) => {
      void end(failure('internal', String(fault)));
    },
  );

  return {
    facts: () => {
      const { dataplane } = deps;
      const living = [...children.values()].map((child) => ({
        ...child,
        counters: dataplane.counters(child.sa.spiIn),
        backend: dataplane.backendOf(child.sa.spiIn),
        path: pathOf(child.sa.spiIn),
      }));
      const carrying = facts.readyAt !== undefined && !ended() && { drops: drops(), offload: offload() };
      const octets = { ...carried };
      for (const { counters } of living) {
        octets.in += counters?.bytesIn ?? 0;
        octets.out += counters?.bytesOut ?? 0;
      }
      const shown = proof && { ...proof.asks.facts(), warnings: proof.warnings() };
      return { ...facts, ...shown, ...carrying, octets, children: living };
    },
    datagram: (bytes, channel, from) => driver?.datagram(bytes, channel, from),
    end,
    over,
  };
}
