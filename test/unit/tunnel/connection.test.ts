import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newMemory } from '../../../core/helper/attempts.ts';
import { type Connection, startConnection } from '../../../core/helper/connection.ts';
import { createStage } from '../../../core/helper/stage.ts';
import { createTicketHolder } from '../../../core/helper/ticketHolder.ts';
import { importProfile } from '../../../core/profile/import.ts';
import type { Profile } from '../../../core/profile/model.ts';
import { statusFor } from '../../../core/tunnel/status.ts';
import { profileText } from '../profile/sample.ts';
import { childSa, comesUp, type FakeWorld, fakeWorld, network, neverAnswers } from './fakes.ts';

function profile(changes: Readonly<Record<string, unknown>> = {}): Profile {
  const imported = importProfile(profileText({ gateway: '127.0.0.1', ipv6: false, ...changes }));
  assert.ok(imported.ok);
  return { ...imported.value.profile, id: 'id' };
}

interface Run {
  readonly connection: Connection;
  readonly psk: Uint8Array;
  readonly lines: string[];
  /** Resolves when the state is one of these. */
  reaches(...states: string[]): Promise<string>;
}

function run(world: FakeWorld, wanted: Profile = profile()): Run {
  const psk = new TextEncoder().encode('a key that must be wiped');
  const lines: string[] = [];
  let look = () => {};
  const log = (_level: string, _area: string, text: string, fields?: object) =>
    lines.push(`${text} ${JSON.stringify(fields ?? {})}`);
  const stage = createStage({ ...world.deps, log }, wanted, () => {});
  const one = startConnection(
    { ...world.deps, log, onChange: () => look() },
    {
      owner: 1000,
      profile: wanted,
      stage,
      memory: newMemory(),
      tickets: createTicketHolder(),
      onAlive: () => {},
      onLate: () => {},
      onReauthenticate: () => {},
      psk,
      signer: undefined,
      credentials: { answer: async () => ({ kind: 'credential-missing', why: 'cancelled' }) },
      retract: () => {},
    },
  );
  const over = one.over.then(() => stage.close());
  /** As the owner of both ends them (attempts.ts). */
  const end = async () => {
    await Promise.all([one.end(), stage.revert()]);
    await over;
  };
  const connection: Connection = { ...one, over, end };
  const state = () => statusFor(connection.facts(), 1000, 0).state;
  return {
    connection,
    psk,
    lines,
    reaches: (...states) =>
      new Promise((resolve) => {
        look = () => {
          if (states.includes(state())) resolve(state());
        };
        look();
      }),
  };
}

function cleanAfter(world: FakeWorld, psk: Uint8Array): void {
  assert.equal(world.open.size, 0, 'every descriptor is closed');
  assert.ok(
    psk.every((octet) => octet === 0),
    'the key is wiped',
  );
}

test('up: everything is open before the first message, and connected means host and dataplane are in place', async () => {
  const world = fakeWorld();
  const { connection, reaches } = run(world);
  await reaches('connected');
  assert.deepEqual(world.calls, [
    'openTun 1400',
    'bindUdp 4 500',
    'bindUdp 4 4500',
    'attachSockets ike natt',
    'attachTun',
    'installChild 20000 1024',
    'apply',
    'probeThrough 10.1.0.53',
  ]);
  assert.deepEqual(world.plans, [
    {
      interface: { name: 'sally0', mtu: 1400, addresses: [{ address: '10.9.0.2', prefix: 32 }] },
      routes: ['10.1.0.0/16'],
      whenLost: 'hold',
      dns: { servers: ['10.1.0.53'], searchDomains: ['office.test'], matchDomains: ['office.test'] },
    },
  ]);
  const status = statusFor(connection.facts(), 1000, 0);
  assert.equal(status.interface?.name, 'sally0');
  assert.equal(status.children[0]?.spiOut, '0xa1b2c3d4');
  assert.deepEqual(status.children[0]?.path, { innerMtu: 1312, because: 'black-hole' });
  assert.deepEqual(status.nat, { local: true, remote: false });
  await connection.end();
});

test('the status says what device, sockets and ciphers do, and what was dropped since this connection began', async () => {
  const world = fakeWorld();
  world.strays = 5;
  const { connection, reaches } = run(world);
  const early = statusFor(connection.facts(), 1000, 0);
  assert.deepEqual([early.offload, early.drops], [undefined, undefined]);
  await reaches('connected');
  world.strays = 7;
  const status = statusFor(connection.facts(), 1000, 0);
  assert.deepEqual(status.offload, {
    tun: { headers: false, tcp: false, udp: false },
    socket: { segmentation: true, coalescing: true },
  });
  assert.deepEqual([status.drops?.['unknown-spi'], status.drops?.kernel], [2, 0]);
  assert.deepEqual([status.backend, status.children[0]?.backend], ['fake', 'fake other']);
  await connection.end();
});

test('down: the host first, then the dataplane, then the descriptors; the key is wiped', async () => {
  const world = fakeWorld();
  const { connection, psk, reaches } = run(world);
  await reaches('connected');
  world.calls.length = 0;
  await connection.end();
  await connection.over;
  assert.deepEqual(world.calls, ['revert', 'removeChild', 'detach', 'close', 'close', 'close']);
  cleanAfter(world, psk);
  const status = statusFor(connection.facts(), 1000, 0);
  assert.deepEqual([status.state, status.failure, status.children.length], ['idle', undefined, 0]);
});

test('local ports of any, an MTU, a replay window, gateway ports and identities reach who needs them', async () => {
  const world = fakeWorld();
  const wanted = profile({
    localPort: 'any',
    mtu: 1300,
    replayWindow: 64,
    gatewayPorts: { ike: 1500, natt: 14500 },
    remoteId: '%any',
    liveness: 60,
  });
  const { connection, reaches } = run(world, wanted);
  await reaches('connected');
  assert.deepEqual(world.calls.slice(0, 3), ['openTun 1300', 'bindUdp 4 0', 'bindUdp 4 0']);
  assert.ok(world.calls.includes('installChild 20000 64'));
  const [config] = world.configs;
  assert.deepEqual(config?.remote, { address: '127.0.0.1', ports: { ike: 1500, natt: 14500 } });
  assert.equal(config?.local.ports.natt, 40_000);
  assert.equal(config?.remoteIdentity, undefined);
  assert.equal(config?.localIdentity.text, 'alice@office.test');
  assert.equal(config?.timing.livenessAfter, 60_000);
  assert.deepEqual([config?.request.ipv4, config?.request.ipv6], [true, false]);
  await connection.end();
});

const failures = [
  ['no TUN device', { openTun: { code: 'no-tun-device', detail: '/dev/net/tun: ENOENT' } }, 'no-tun-device'],
  ['no permission', { openTun: { code: 'permission', detail: 'TUNSETIFF: EPERM' } }, 'helper-lacks-permission'],
  ['port in use', { bindUdp: { code: 'port-in-use', detail: 'UDP port 500 is used by charon' } }, 'port-in-use'],
  ['the host cannot be set up', { apply: { code: 'failed', detail: 'RTM_NEWROUTE: EEXIST' } }, 'host-failed'],
  ['the dataplane refuses the keys', { installChild: 'no slot' }, 'dataplane-failed'],
] as const;
for (const [what, options, code] of failures) {
  test(`${what}: ${code}, and nothing is left`, async () => {
    const world = fakeWorld(options);
    const { connection, psk, lines } = run(world);
    await connection.over;
    const status = statusFor(connection.facts(), 1000, 0);
    assert.equal(status.state, 'failed');
    assert.equal(status.failure?.code, code);
    cleanAfter(world, psk);
    assert.equal(world.calls.includes('revert'), world.calls.includes('apply'), 'reverted exactly when something was applied');
    assert.equal(JSON.stringify(lines).includes('wiped'), false);
  });
}

test('what the machine ends with is what the user is told', async () => {
  const world = fakeWorld({
    script: (input, emit) => {
      if (input.kind === 'start') emit({ kind: 'closed', failure: { code: 'bad-answer-proposal', evidence: 'ENCR 12' } });
    },
  });
  const { connection, psk } = run(world);
  await connection.over;
  const { failure } = statusFor(connection.facts(), 1000, 0);
  assert.deepEqual([failure?.code, failure?.evidence], ['gateway-misbehaved', 'bad-answer-proposal: ENCR 12']);
  cleanAfter(world, psk);
});

test('a name that does not resolve', async () => {
  const world = fakeWorld();
  const { connection, psk } = run(world, profile({ gateway: 'no-such-gateway.invalid' }));
  await connection.over;
  const { failure } = statusFor(connection.facts(), 1000, 0);
  assert.equal(failure?.code, 'name-not-resolved');
  assert.match(failure?.evidence ?? '', /^no-such-gateway\.invalid: /);
  cleanAfter(world, psk);
});

test('cancelled while connecting: over at once, nothing is left', async () => {
  const world = fakeWorld({ script: neverAnswers });
  const { connection, psk, reaches } = run(world);
  await reaches('connecting');
  await connection.end();
  cleanAfter(world, psk);
  assert.equal(statusFor(connection.facts(), 1000, 0).state, 'idle');
  assert.equal(world.calls.includes('revert'), false);
});

test('cancelled at once, before anything is open', async () => {
  const world = fakeWorld();
  const { connection, psk } = run(world);
  await Promise.all([connection.end(), connection.end()]);
  cleanAfter(world, psk);
  assert.equal(world.configs.length, 0);
});

test('cancelled while host and dataplane are being set up: both are taken back', async () => {
  const world = fakeWorld();
  const { connection, psk, reaches } = run(world);
  await reaches('installing');
  await connection.end();
  assert.ok(world.calls.indexOf('revert') > world.calls.indexOf('apply'));
  assert.ok(world.calls.indexOf('detach') > world.calls.indexOf('revert'));
  cleanAfter(world, psk);
});

test('a gateway that never answers the DELETE does not hold up the end', async () => {
  let told = 0;
  const world = fakeWorld({
    script: (input, emit) => {
      if (input.kind !== 'terminate') comesUp(input, emit);
      // The first terminate sends DELETE, the second ends at once (contract of the machine).
      else if (++told === 2) emit({ kind: 'closed' });
    },
  });
  const { connection, psk, reaches } = run(world);
  await reaches('connected');
  await connection.end();
  assert.equal(told >= 2, true);
  cleanAfter(world, psk);
});

test('networks of a family without an address get no route, and name servers outside are not used', async () => {
  const world = fakeWorld({
    script: (input, emit) => {
      if (input.kind === 'terminate') emit({ kind: 'closed' });
      if (input.kind !== 'start') return;
      comesUp(input, (output) => {
        if (output.kind === 'configured') {
          emit({ ...output, configuration: { ...output.configuration, dns: ['10.1.0.53', '192.168.0.1', 'fd00::53'] } });
        } else if (output.kind === 'install-child') {
          emit({ ...output, child: { ...output.child, remoteSelectors: [...output.child.remoteSelectors, ...six] } });
        } else emit(output);
      });
    },
  });
  const { connection, lines, reaches } = run(world);
  await reaches('connected');
  assert.deepEqual(world.plans[0]?.routes, ['10.1.0.0/16']);
  assert.deepEqual(world.plans[0]?.dns?.servers, ['10.1.0.53']);
  assert.equal(lines.filter((line) => line.startsWith('not used: ')).length, 3);
  await connection.end();
});

test('the networks of further CHILD SAs are routed before those stand: nothing for them leaves in clear', async () => {
  const further = [{ remoteNetworks: ['10.7.0.0/16', 'fd07::/64'] }, { remoteNetworks: ['192.168.9.0/24'] }];
  const world = fakeWorld({ script: comesUp });
  const { connection, reaches } = run(world, profile({ additionalChildren: further }));
  await reaches('connected');
  // IPv6 is not wanted.
  assert.deepEqual(world.plans[0]?.routes, ['10.1.0.0/16', '10.7.0.0/16', '192.168.9.0/24']);
  await connection.end();
});

test('the networks that the gateway makes no CHILD SA for are warned of, together', async () => {
  const selectorsOf = (network: number) => [
    {
      type: 'ipv4',
      protocol: 0,
      startPort: 0,
      endPort: 65535,
      start: Uint8Array.of(10, network, 0, 0),
      end: Uint8Array.of(10, network, 255, 255),
    } as const,
  ];
  const world = fakeWorld({
    script: (input, emit) => {
      comesUp(input, (output) => {
        emit(output);
        if (output.kind !== 'install-child') return;
        emit({ kind: 'child-refused', remoteSelectors: selectorsOf(7), evidence: 'TS_UNACCEPTABLE' });
        emit({ kind: 'child-refused', remoteSelectors: selectorsOf(8), evidence: 'NO_PROPOSAL_CHOSEN' });
      });
    },
  });
  const { connection, reaches } = run(world);
  await reaches('connected');
  assert.deepEqual(statusFor(connection.facts(), 1000, 0).warnings, [
    { code: 'network-refused', subject: '10.7.0.0/16 (TS_UNACCEPTABLE); 10.8.0.0/16 (NO_PROPOSAL_CHOSEN)' },
  ]);
  await connection.end();
});

test('the dataplane is told of an IKE SA that a rekeying made: the gateway may be the first to use it', async () => {
  const world = fakeWorld({
    script: (input, emit) => {
      comesUp(input, (output) => {
        emit(output);
        if (output.kind !== 'established') return;
        emit({ kind: 'ike-rekeyed', by: 'peer', sa: { ...output.sa, role: 'responder', spiI: '00112233aabbccdd' } });
      });
    },
  });
  const { connection, reaches } = run(world);
  await reaches('connected');
  assert.ok(world.calls.includes('expectIke 00112233aabbccdd'));
  await connection.end();
});

test('a network whose CHILD SA the gateway deletes is warned of until it is made again', async () => {
  const child = (spiIn: number) => ({ ...childSa(['10.7.0.0/16']), spiIn });
  const world = fakeWorld({
    script: (input, emit) => {
      comesUp(input, emit);
      if (input.kind === 'start') emit({ kind: 'install-child', child: child(0x7777) });
      if (input.kind !== 'datagram') return;
      if (input.bytes.length > 1) emit({ kind: 'install-child', child: child(0x7778) });
      else {
        emit({ kind: 'remove-child', spiIn: 0x7777 });
        emit({ kind: 'child-refused', remoteSelectors: [network('10.7.0.0/16')], evidence: 'deleted by the gateway' });
      }
    },
  });
  const { connection, reaches } = run(world);
  await reaches('connected');
  const shown = () => {
    const { state, children, warnings } = statusFor(connection.facts(), 1000, 0);
    return { state, networks: children.length, warnings };
  };
  const gateway = { address: '127.0.0.1', port: 4500 };
  assert.deepEqual(shown(), { state: 'connected', networks: 2, warnings: undefined });
  connection.datagram(new Uint8Array(1), 'natt', gateway);
  const warnings = [{ code: 'network-refused', subject: '10.7.0.0/16 (deleted by the gateway)' }];
  assert.deepEqual(shown(), { state: 'connected', networks: 1, warnings });
  connection.datagram(new Uint8Array(2), 'natt', gateway);
  assert.deepEqual(shown(), { state: 'connected', networks: 2, warnings: undefined });
  await connection.end();
});

test('the last CHILD SA is lost and another made: the path is asked about through it, as what was known of it is gone', async () => {
  const child = (spiIn: number) => ({ ...childSa(['10.1.0.0/16']), spiIn });
  const world = fakeWorld({
    script: (input, emit) => {
      comesUp(input, emit);
      if (input.kind !== 'datagram') return;
      // A first SA is gone before there is another; in rekeying it is not.
      if (input.bytes.length === 1) emit({ kind: 'remove-child', spiIn: childSa(['10.1.0.0/16']).spiIn });
      emit({ kind: 'install-child', child: child(0x7000 + input.bytes.length) });
    },
  });
  const { connection, reaches } = run(world);
  await reaches('connected');
  const probes = () => world.calls.filter((call) => call.startsWith('probeThrough')).length;
  const gateway = { address: '127.0.0.1', port: 4500 };
  assert.equal(probes(), 1);
  connection.datagram(new Uint8Array(1), 'natt', gateway);
  await new Promise(setImmediate);
  assert.equal(probes(), 2);
  connection.datagram(new Uint8Array(2), 'natt', gateway);
  await new Promise(setImmediate);
  assert.equal(probes(), 2);
  await connection.end();
});

test('when keys are renewed is told, and by each SA for itself', async () => {
  const world = fakeWorld({
    script: (input, emit) => {
      comesUp(input, (output) => {
        emit(output);
        if (output.kind === 'established') emit({ kind: 'rekey-due', what: 'ike', within: 7_200_000 });
        if (output.kind !== 'install-child') return;
        emit({ kind: 'rekey-due', what: 'child', spiIn: output.child.spiIn, within: 600_000 });
        emit({ kind: 'rekey-due', what: 'child', spiIn: output.child.spiIn + 1, within: 1 });
      });
    },
  });
  const { connection, reaches } = run(world);
  await reaches('connected');
  const { ike, children } = statusFor(connection.facts(), 1000, 0);
  const left = [ike?.rekeyAt, children[0]?.rekeyAt].map((at) => Math.round(((at ?? 0) - Date.now()) / 60_000));
  assert.deepEqual([left, children.length], [[120, 10], 1]);
  await connection.end();
});

const six = [
  { type: 'ipv6', protocol: 0, startPort: 0, endPort: 65535, start: new Uint8Array(16), end: new Uint8Array(16).fill(255) },
] as const;
