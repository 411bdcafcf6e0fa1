import assert from 'node:assert/strict';
import { test } from 'node:test';
import { statusText } from '../../../core/cli/statusText.ts';
import { findAdditionalKe } from '../../../core/crypto/transforms.ts';
import { applyDelta, statusDelta } from '../../../core/rpc/delta.ts';
import { failure, hostFailure, ikeFailure, printable, reasonOf } from '../../../core/tunnel/explain.ts';
import { reasons } from '../../../core/tunnel/reasons.ts';
import { statusFor, type TunnelFacts } from '../../../core/tunnel/status.ts';
import { childSa, establishedSa } from './fakes.ts';

const started: TunnelFacts = {
  owner: 1000,
  profile: { id: 'id', name: 'Office' },
  startedAt: 10,
  gateway: { name: 'vpn.office.test' },
  children: [],
};

const milestones: readonly (readonly [Partial<TunnelFacts>, string, number])[] = [
  [{}, 'resolving', 10],
  [{ initSentAt: 11 }, 'connecting', 11],
  [{ authSentAt: 12 }, 'authenticating', 12],
  [{ establishedAt: 13 }, 'installing', 13],
  [{ readyAt: 14 }, 'connected', 14],
  [{ endingAt: 15 }, 'disconnecting', 15],
  [{ endedAt: 16 }, 'idle', 16],
  [{ failure: failure('no-answer', 'x') }, 'failed', 16],
];

test('the state follows from the milestones, and since when', () => {
  let facts = started;
  for (const [more, state, since] of milestones) {
    facts = { ...facts, ...more };
    const status = statusFor(facts, 1000, 1);
    assert.deepEqual([status.state, status.since], [state, since]);
  }
  assert.deepEqual([statusFor(undefined, 1000, 1).state, statusFor(undefined, 1000, 1).since], ['idle', 1]);
});

test('a tunnel that is replaced, moves, sleeps, or is brought back says so until it ends', () => {
  const up: TunnelFacts = { ...started, readyAt: 14 };
  const lost = { at: 21, why: failure('gateway-lost', 'no answer to INFORMATIONAL'), held: true, stuck: false };
  const cases: readonly (readonly [Partial<TunnelFacts>, string, number])[] = [
    [{ rekeyingAt: 20 }, 'rekeying', 20],
    [{ rekeyingAt: 20, roamingAt: 21 }, 'roaming', 21],
    [{ roamingAt: 21, pausedAt: 22 }, 'paused', 22],
    [{ lost }, 'reconnecting', 21],
    [{ lost: { ...lost, retryAt: 30 } }, 'reconnecting', 21],
    [{ lost: { ...lost, stuck: true } }, 'blocked', 21],
    // Nothing is blocked where the host was put back.
    [{ lost: { ...lost, stuck: true, held: false } }, 'reconnecting', 21],
    [{ lost, pausedAt: 22 }, 'paused', 22],
    // Awake, and nobody can be asked.
    [{ lost: { ...lost, stuck: true }, pausedAt: 22 }, 'blocked', 21],
    [{ lost, endingAt: 23 }, 'disconnecting', 23],
    [{ lost, endedAt: 24, failure: failure('no-answer', 'x') }, 'failed', 24],
  ];
  for (const [more, state, since] of cases) {
    const status = statusFor({ ...up, ...more }, 1000, 1);
    assert.deepEqual([status.state, status.since], [state, since]);
  }
  const again = statusFor({ ...started, lost: { ...lost, retryAt: 30 } }, 1000, 1);
  assert.deepEqual([again.failure?.code, again.retryAt, again.held], ['gateway-lost', 30, true]);
  const trying = statusFor({ ...started, initSentAt: 25, lost }, 1000, 1);
  assert.deepEqual([trying.state, trying.retryAt, trying.steps[1]?.state], ['reconnecting', undefined, 'active']);
  const over = statusFor({ ...up, lost, endedAt: 24, failure: failure('no-answer', 'x') }, 1000, 1);
  assert.deepEqual([over.failure?.code, over.retryAt, over.held], ['no-answer', undefined, undefined]);
  assert.deepEqual(
    [statusFor({ ...up, lost }, 1001, 1).state, statusFor({ ...up, lost }, 1001, 1).failure],
    ['reconnecting', undefined],
  );
});

test('another user learns that a tunnel is there, and nothing else', () => {
  const up: TunnelFacts = { ...started, initSentAt: 11, establishedAt: 13, readyAt: 14, ike: establishedSa };
  const seen = statusFor(up, 1001, 1);
  assert.deepEqual(seen, {
    state: 'connected',
    since: 14,
    otherUser: true,
    virtualIps: [],
    dns: [],
    domains: [],
    routes: [],
    children: [],
    steps: [],
  });
  const failed = statusFor({ ...up, endedAt: 20, failure: failure('gateway-lost', 'x') }, 1001, 1);
  assert.deepEqual([failed.state, failed.otherUser, failed.failure], ['idle', false, undefined]);
  assert.equal(statusFor(up, 0, 1).profile?.name, 'Office');
});

test('SPIs are 0x and eight digits, algorithms by name, counters zero until known', () => {
  const sa = { ...childSa(), spiIn: 0x00000fff, spiOut: 0xffffffff };
  const facts: TunnelFacts = {
    ...started,
    readyAt: 14,
    ike: establishedSa,
    children: [{ sa, localSelectors: ['10.9.0.2/32'], remoteSelectors: ['10.1.0.0/16'], installedAt: 14, counters: undefined }],
  };
  const [child] = statusFor(facts, 1000, 1).children;
  assert.deepEqual(
    [child?.spiIn, child?.spiOut, child?.encr, child?.keyLength, child?.integ, child?.esn, child?.packetsIn],
    ['0x00000fff', '0xffffffff', 'AES_GCM_16', 256, undefined, true, 0],
  );
  const { ike } = statusFor(facts, 1000, 1);
  assert.deepEqual([ike?.encr, ike?.prf, ike?.ke], ['AES_GCM_16', 'PRF_HMAC_SHA2_256', 'CURVE_25519']);
  assert.deepEqual([ike?.additionalKe, ike?.ppk], [undefined, undefined]);
  const [one] = facts.children;
  assert.ok(one);
  const due = statusFor({ ...facts, rekeyIkeAt: 7_200_014, children: [{ ...one, rekeyAt: 600_014 }] }, 1000, 1);
  assert.deepEqual(
    [ike?.rekeyAt, child?.rekeyAt, due.ike?.rekeyAt, due.children[0]?.rekeyAt],
    [undefined, undefined, 7_200_014, 600_014],
  );
  const told = statusText(due, 14).filter((line) => line.includes('new keys in'));
  assert.deepEqual(
    told.map((line) => line.slice(line.indexOf('new keys'))),
    ['new keys in 2 h', 'new keys in 10 min'],
  );
  const kem = findAdditionalKe(6, 36);
  assert.ok(kem?.ke);
  const hybrid = { ...establishedSa, additional: [{ ...kem, ke: kem.ke }], ppk: true as const };
  const quantum = statusFor({ ...facts, ike: hybrid }, 1000, 1);
  assert.deepEqual([quantum.ike?.additionalKe, quantum.ike?.ppk], [['ML_KEM_768'], true]);
  assert.ok(statusText(quantum, 20).some((line) => line.includes('CURVE_25519 + ML_KEM_768 + PPK')));
});

test('every reason is whole: words, advice, an exit code of its own that a shell can show', () => {
  const codes = new Map<number, string>();
  for (const [code, { what, advice, exitCode }] of Object.entries(reasons)) {
    assert.match(what, /^[A-Z].*\.$/, code);
    assert.match(advice, /^[A-Z].*\.$/, code);
    assert.ok(exitCode > 1 && exitCode < 126 + 5 && !Number.isNaN(exitCode), code);
    assert.equal(codes.get(exitCode), undefined, `${code} has the exit code of ${codes.get(exitCode)}`);
    codes.set(exitCode, code);
  }
});

test('causes below become reasons, with the cause kept as evidence', () => {
  assert.equal(ikeFailure({ code: 'no-answer', evidence: 'x' }).evidence, 'x');
  assert.deepEqual(
    [ikeFailure({ code: 'protocol', evidence: 'x' }).code, ikeFailure({ code: 'protocol', evidence: 'x' }).evidence],
    ['gateway-misbehaved', 'protocol: x'],
  );
  assert.equal(hostFailure({ code: 'permission', detail: 'EPERM' }).code, 'helper-lacks-permission');
  assert.equal(reasonOf('no-such-code'), 'internal');
  assert.equal(reasonOf('toString'), 'internal');
});

test('evidence is one printable line', () => {
  assert.equal(printable('a\nb\u001b[31mc\u202ed'), 'a?b?[31mc?d');
  assert.equal(printable('x'.repeat(1000)).length, 400);
});

const NO_TRAFFIC = {
  packetsIn: 0,
  bytesIn: 0,
  packetsOut: 0,
  bytesOut: 0,
  lastIn: 0,
  lastOut: 0,
  dropsReplay: 0,
  dropsIntegrity: 0,
  dropsSelector: 0,
  dropsMalformed: 0,
  dropsExhausted: 0,
  ecnUnusual: 0,
};
const strays = {
  'unknown-spi': 3,
  'short-packet': 0,
  'no-policy': 0,
  'not-ip': 0,
  'keepalive-in': 0,
  'tun-full': 0,
  'send-failed': 0,
  'ike-full': 0,
  kernel: 7,
  'queue-full': 2,
};
const offload = {
  tun: { headers: true, tcp: true, udp: false },
  socket: { segmentation: true, coalescing: true },
};

test('a connected status tells what the kernel does, who carries each SA, and every drop; before and after it does not', () => {
  const counters = { ...NO_TRAFFIC, dropsTooBig: 4, dropsCongestion: 5 };
  const one = { localSelectors: [], remoteSelectors: [], installedAt: 14 };
  const up: TunnelFacts = {
    ...started,
    readyAt: 14,
    backend: 'ipsec-mb vaes_avx512',
    offload,
    drops: strays,
    children: [
      { sa: childSa(), ...one, counters, backend: 'evp' },
      { sa: childSa(), ...one, counters: undefined, backend: undefined },
    ],
  };
  const status = statusFor(up, 1000, 1);
  assert.deepEqual(status.offload, offload);
  assert.deepEqual(status.drops, strays);
  assert.equal(status.backend, 'ipsec-mb vaes_avx512');
  const [carried, coming] = status.children;
  assert.deepEqual([carried?.backend, carried?.dropsTooBig, carried?.dropsCongestion], ['evp', 4, 5]);
  assert.equal(coming !== undefined && 'backend' in coming, false);
  for (const other of [
    { ...up, endingAt: 20 },
    { ...up, endedAt: 20 },
    { ...up, endedAt: 20, failure: failure('internal', '') },
  ]) {
    const { offload: told, drops } = statusFor(other, 1000, 1);
    assert.deepEqual([told, drops], [undefined, undefined]);
  }
  const stranger = statusFor(up, 1001, 1);
  assert.deepEqual([stranger.offload, stranger.drops], [undefined, undefined]);
});

test('offload and drops come through snapshot, wire and delta as they are', () => {
  const before = statusFor({ ...started, readyAt: 14, offload, drops: strays }, 1000, 1);
  const lost = { ...offload, socket: { segmentation: false, coalescing: true } };
  const after = statusFor({ ...started, readyAt: 14, offload: lost, drops: { ...strays, kernel: 8 } }, 1000, 1);
  const delta = statusDelta(before, after);
  assert.deepEqual(Object.keys(delta ?? {}).toSorted(), ['drops', 'offload']);
  assert.deepEqual(applyDelta(before, JSON.parse(JSON.stringify(delta))), after);
  const idle = statusFor(undefined, 1000, 1);
  const over = applyDelta(after, JSON.parse(JSON.stringify(statusDelta(after, idle))));
  assert.deepEqual([over.offload, over.drops], [undefined, undefined]);
});
