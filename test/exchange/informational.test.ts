import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toUtf8 } from '../../core/bytes/bytes.ts';
import { CP_ATTRIBUTE, CP_TYPE, EXCHANGE, NOTIFY, PROTOCOL } from '../../core/ike/wire/constants.ts';
import type { Payload } from '../../core/ike/wire/message.ts';
import { deleteChildSas, deleteIkeSa, notify, notifyAbout } from '../../core/ike/wire/payloads.ts';
import { spiBytes } from '../../core/ike/wire/spi.ts';
import { proposals, timing, World, type WorldOptions } from './world.ts';

/** Connected, and the trace empty of what led there. */
function connected(options: WorldOptions = {}): World {
  const world = new World(options);
  world.connect();
  assert.equal(world.said('install-child').length, 1);
  world.trace.length = 0;
  return world;
}

/** A request of the gateway and the payloads of the client's answer, undefined when none comes. */
function ask(world: World, exchange: number, payloads: readonly Payload[]): readonly Payload[] | undefined {
  let answer: readonly Payload[] | undefined;
  world.act(({ sa }, now) => {
    const process = (got: readonly Payload[]): void => {
      answer = got;
    };
    sa?.request({ exchange, build: () => payloads, process }, now);
  });
  world.run(1_000, () => answer !== undefined);
  return answer;
}

const ids = (world: World) => ({
  ours: world.said('install-child')[0].child.spiIn,
  theirs: world.said('install-child')[0].child.spiOut,
});

/** A CREATE_CHILD_SA request with what RFC 7296 §1.3 wants; the proposals make it one for IKE or for ESP. */
function createChild(what: 'new' | 'rekey-child' | 'rekey-ike', world: World): readonly Payload[] {
  const nonce = { kind: 'NONCE', data: new Uint8Array(32).fill(1) } as const;
  if (what === 'rekey-ike') {
    const [offer] = proposals('ike', 'aes128gcm16-prfsha256-x25519');
    return [
      { kind: 'SA', proposals: [{ ...offer, spi: new Uint8Array(8).fill(2) }] },
      nonce,
      { kind: 'KE', method: 31, data: new Uint8Array(32).fill(9) },
    ];
  }
  const { child } = world.gatewayOutputs('install-child')[0];
  const [offer] = proposals('esp', 'aes128gcm16');
  const rekey = notifyAbout(PROTOCOL.ESP, spiBytes(child.spiIn), NOTIFY.REKEY_SA);
  return [
    ...(what === 'rekey-child' ? [rekey] : []),
    { kind: 'SA', proposals: [{ ...offer, spi: Uint8Array.of(1, 2, 3, 4) }] },
    nonce,
    { kind: 'TSi', selectors: child.localSelectors, unknownTypes: 0 },
    { kind: 'TSr', selectors: child.remoteSelectors, unknownTypes: 0 },
  ];
}

// Liveness.

test('liveness, started by the client after silence', () => {
  const world = connected();
  world.run(30_500);
  // HDR(2), SK{} → ; ← HDR(2), SK{}
  assert.deepEqual(world.texts(), ['client natt INFORMATIONAL request 2', 'gateway natt INFORMATIONAL response 2']);
  world.run(60_500);
  assert.equal(world.texts().length, 6);
  assert.equal(world.closed, false);
});

test('liveness: traffic counts as life, and so does a message of the gateway', () => {
  const world = connected();
  for (let i = 0; i < 10; i++) {
    world.run(20_000);
    world.tell({ kind: 'inbound-traffic' });
  }
  assert.deepEqual(world.texts(), []);
  world.run(20_000);
  assert.deepEqual(ask(world, EXCHANGE.INFORMATIONAL, []), []);
  const before = world.texts().length;
  world.run(20_000);
  assert.equal(world.texts().length, before);
});

test('liveness, asked for now; two questions are one', () => {
  const world = connected();
  world.tell({ kind: 'check-liveness' });
  world.tell({ kind: 'check-liveness' });
  world.run(100);
  assert.deepEqual(world.texts(), ['client natt INFORMATIONAL request 2', 'gateway natt INFORMATIONAL response 2']);
});

test('liveness, asked for quickly: the answer is told, once; what is in flight goes out again at once', () => {
  const world = connected();
  world.tell({ kind: 'check-liveness', quick: true });
  assert.deepEqual(world.said('alive'), []);
  world.run(100);
  assert.equal(world.said('alive').length, 1);
  world.run(60_500);
  assert.equal(world.said('alive').length, 1, 'later answers are no news');
  world.trace.length = 0;
  // The gateway is silent since before the question.
  world.network = { ...world.network, loss: 1 };
  world.tell({ kind: 'check-liveness' });
  world.run(400);
  world.tell({ kind: 'check-liveness', quick: true });
  assert.equal(world.texts().length, 2, 'twice, before the first repetition is due');
  world.run(1_700);
  assert.ok(world.texts().length >= 4, world.texts().join());
  world.network = { ...world.network, loss: 0 };
  world.run(6_500);
  assert.equal(world.said('alive').length, 2);
});

test('liveness, started by the gateway: an empty answer under its own ids', () => {
  const world = connected();
  assert.deepEqual(ask(world, EXCHANGE.INFORMATIONAL, []), []);
  assert.deepEqual(ask(world, EXCHANGE.INFORMATIONAL, []), []);
  assert.deepEqual(world.texts(), [
    'gateway natt INFORMATIONAL request 0',
    'client natt INFORMATIONAL response 0',
    'gateway natt INFORMATIONAL request 1',
    'client natt INFORMATIONAL response 1',
  ]);
});

test('both ask at the same time', () => {
  const world = connected();
  world.tell({ kind: 'check-liveness' });
  assert.deepEqual(ask(world, EXCHANGE.INFORMATIONAL, []), []);
  world.run(100);
  assert.equal(world.texts().length, 4);
  assert.equal(world.closed, false);
});

test('a gateway that is gone: the request is repeated byte for byte with growing pauses, then all ends', () => {
  const world = connected();
  world.filter = ({ by }) => by === 'gateway';
  world.tell({ kind: 'check-liveness' });
  world.run(600_000, () => world.closed);
  const [{ failure }] = world.said('closed');
  assert.equal(failure?.code, 'gateway-lost');
  assert.equal(world.trace.length, 9, 'once and eight repetitions');
  assert.ok(world.trace.every(({ bytes }) => Buffer.compare(bytes, world.trace[0].bytes) === 0));
  const pauses = world.trace.slice(1).map(({ at }, i) => Math.round(at - world.trace[i].at));
  assert.deepEqual(pauses.slice(0, 4), [500, 900, 1620, 2916]);
  assert.equal(pauses.at(-1), 10_000);
  assert.deepEqual(
    world.said('remove-child').map(({ spiIn }) => spiIn),
    [ids(world).ours],
  );
});

test('a bad road, and packets of the gateway arrive: it is asked twice as long, and then all ends', () => {
  const world = connected();
  world.filter = ({ by }) => by === 'gateway';
  world.tell({ kind: 'check-liveness' });
  const began = world.now;
  while (!world.closed && world.now - began < 600_000) {
    world.run(1_000, () => world.closed);
    if (!world.closed) world.tell({ kind: 'inbound-traffic' });
  }
  assert.equal(world.said('closed')[0].failure?.code, 'gateway-lost');
  assert.equal(world.trace.length, 18);
  assert.ok(world.trace.every(({ bytes }) => Buffer.compare(bytes, world.trace[0].bytes) === 0));
});

test('a bad road that gets better: the tenth sending is answered, and the next request has rounds of its own', () => {
  const world = connected({ client: { timing: { ...timing, livenessAfter: 0 } } });
  const lost: World['filter'] = ({ by }) => by === 'gateway';
  world.filter = lost;
  world.tell({ kind: 'check-liveness' });
  world.run(600_000, () => world.trace.length === 9);
  world.run(5_000);
  world.tell({ kind: 'inbound-traffic' });
  world.filter = () => true;
  world.run(120_000);
  assert.deepEqual([world.closed, world.trace.length], [false, 11]);
  world.filter = lost;
  world.tell({ kind: 'check-liveness' });
  world.run(600_000, () => world.closed);
  assert.equal(world.trace.length, 11 + 9, 'nothing was heard since');
});

test('an unprotected INVALID_IKE_SPI ends nothing (RFC 7296 §2.21.4)', () => {
  const world = connected();
  world.filter = ({ by }) => by === 'gateway';
  world.tell({ kind: 'check-liveness' });
  const request = world.trace[0].bytes;
  const forged = Uint8Array.of(
    ...request.subarray(0, 16),
    41,
    0x20,
    37,
    0x20,
    ...request.subarray(20, 24),
    0,
    0,
    0,
    36,
    0,
    0,
    0,
    8,
    0,
    0,
    0,
    NOTIFY.INVALID_IKE_SPI,
  );
  world.inject(forged, 'natt');
  assert.equal(world.closed, false);
  world.filter = () => true;
  world.run(5_000);
  assert.equal(world.closed, false);
  assert.equal(world.texts().at(-1), 'gateway natt INFORMATIONAL response 2');
});

// DELETE of the IKE SA.

test('DELETE of the IKE SA by the client', () => {
  const world = connected();
  world.tell({ kind: 'terminate' });
  assert.equal(world.closed, false);
  world.run(1_000, () => world.closed);
  // HDR(2), SK{D(IKE)} → ; ← HDR(2), SK{}
  assert.deepEqual(world.texts(), ['client natt INFORMATIONAL request 2', 'gateway natt INFORMATIONAL response 2']);
  assert.deepEqual(world.said('closed'), [{ kind: 'closed' }]);
  assert.equal(world.gatewayOutputs('closed')[0]?.failure?.evidence, 'DELETE of the IKE SA');
  const last = world.clientSaid.filter(({ kind }) => kind !== 'log').slice(-2);
  assert.deepEqual(
    last.map(({ kind }) => kind),
    ['remove-child', 'closed'],
  );
});

test('DELETE waits for the request that is in flight (RFC 7296 §2.3)', () => {
  const world = connected();
  world.tell({ kind: 'check-liveness' });
  world.tell({ kind: 'terminate' });
  assert.deepEqual(world.texts(), ['client natt INFORMATIONAL request 2']);
  world.run(1_000, () => world.closed);
  assert.equal(world.texts()[2], 'client natt INFORMATIONAL request 3');
  assert.deepEqual(world.said('closed'), [{ kind: 'closed' }]);
});

test('DELETE without an answer is repeated for a bounded time; a second terminate ends at once', () => {
  for (const twice of [false, true]) {
    const world = connected();
    world.filter = () => false;
    const before = world.now;
    world.tell({ kind: 'terminate' });
    if (twice) world.tell({ kind: 'terminate' });
    world.run(60_000, () => world.closed);
    assert.deepEqual(world.said('closed'), [{ kind: 'closed' }]);
    assert.ok(world.now - before <= (twice ? 0 : 5_000));
    assert.equal(world.trace.length > 2, !twice);
  }
});

test('DELETE of the IKE SA by the gateway: an empty answer and the end', () => {
  const world = connected();
  assert.deepEqual(ask(world, EXCHANGE.INFORMATIONAL, [deleteIkeSa()]), []);
  assert.equal(world.said('closed')[0]?.failure?.code, 'closed-by-gateway');
  assert.equal(world.said('remove-child').length, 1);
});

test('both delete the IKE SA at once: both answer, both end (RFC 7296 §2.25.2)', () => {
  const world = connected();
  world.tell({ kind: 'terminate' });
  world.act(({ sa }, now) => sa?.terminate(now));
  world.run(1_000, () => world.closed && world.gatewayOutputs('closed').length > 0);
  assert.deepEqual(world.said('closed'), [{ kind: 'closed' }], 'our own reason stays');
  assert.deepEqual(world.gatewayOutputs('closed'), world.gatewayOutputs('closed').slice(0, 1));
  assert.ok(world.texts().includes('client natt INFORMATIONAL response 0'));
  assert.ok(world.texts().includes('gateway natt INFORMATIONAL response 2'));
});

// DELETE of the CHILD SA.

test('DELETE of the CHILD SA by the gateway: the paired SPI comes back, then the IKE SA is of no use and goes', () => {
  const world = connected();
  const { ours, theirs } = ids(world);
  // ← HDR(0), SK{D(ESP, SPI the gateway receives on)}
  const answer = ask(world, EXCHANGE.INFORMATIONAL, [deleteChildSas(PROTOCOL.ESP, [spiBytes(theirs)])]);
  // HDR(0), SK{D(ESP, SPI we receive on)} →
  assert.deepEqual(answer, [deleteChildSas(PROTOCOL.ESP, [spiBytes(ours)])]);
  world.run(1_000, () => world.closed);
  assert.deepEqual(
    world.said('remove-child').map(({ spiIn }) => spiIn),
    [ours],
  );
  assert.equal(world.said('closed')[0]?.failure?.evidence, 'DELETE of the last CHILD SA');
  assert.equal(world.gatewayOutputs('closed')[0]?.failure?.evidence, 'DELETE of the IKE SA');
});

test('DELETE of a CHILD SA by our own inbound SPI, or of one that is not there, deletes nothing', () => {
  const world = connected();
  const unknown = [spiBytes(ids(world).ours), spiBytes(0x01020304)];
  assert.deepEqual(ask(world, EXCHANGE.INFORMATIONAL, [deleteChildSas(PROTOCOL.ESP, unknown)]), []);
  assert.deepEqual(ask(world, EXCHANGE.INFORMATIONAL, [deleteChildSas(PROTOCOL.AH, [spiBytes(ids(world).theirs)])]), []);
  assert.equal(world.said('remove-child').length, 0);
  assert.equal(world.closed, false);
});

test('a CHILD SA deleted twice in one message is named once in the answer', () => {
  const world = connected();
  const { ours, theirs } = ids(world);
  const spi = spiBytes(theirs);
  const payloads = [deleteChildSas(PROTOCOL.ESP, [spi, spi]), deleteChildSas(PROTOCOL.ESP, [spi])];
  assert.deepEqual(ask(world, EXCHANGE.INFORMATIONAL, payloads), [deleteChildSas(PROTOCOL.ESP, [spiBytes(ours)])]);
});

test('many DELETEs in one message, the IKE SA among them', () => {
  const world = connected();
  const spi = spiBytes(ids(world).theirs);
  const payloads = [deleteChildSas(PROTOCOL.ESP, [spi, spi, spi]), deleteChildSas(PROTOCOL.ESP, [spi]), deleteIkeSa()];
  assert.deepEqual(ask(world, EXCHANGE.INFORMATIONAL, payloads), []);
  assert.equal(world.said('remove-child').length, 1);
  assert.equal(world.said('closed').length, 1);
});

test('DELETEs of thousands of SAs that are not there: a few lines in the log', () => {
  const world = connected();
  const before = world.said('log').length;
  const unknown = Array.from({ length: 100 }, (_, i) => spiBytes(0x01000000 + i));
  const payloads = Array.from({ length: 40 }, () => deleteChildSas(PROTOCOL.ESP, unknown));
  assert.deepEqual(ask(world, EXCHANGE.INFORMATIONAL, payloads), []);
  const lines = world.said('log').slice(before);
  assert.equal(lines.filter(({ text }) => /which is unknown$/.test(text)).length, 8);
  assert.ok(lines.some(({ text }) => text === 'and 3992 more of these'));
});

test('notifies without number, each of which has an answer: they are answered as far as there is any sense in it', () => {
  const world = new World({
    client: { mobike: true },
    gateway: { changeAuth: (payloads) => [...payloads, notify(NOTIFY.MOBIKE_SUPPORTED)] },
  });
  world.connect();
  world.run(1_000);
  const many = Array.from({ length: 129 }, () => notify(NOTIFY.NAT_DETECTION_SOURCE_IP, new Uint8Array(20)));
  assert.equal(ask(world, EXCHANGE.INFORMATIONAL, many)?.length, 128, 'a message holds 255 payloads');
  assert.equal(world.closed, false);
});

test('CREATE_CHILD_SA while we are closing: TEMPORARY_FAILURE (RFC 7296 §2.25.2)', () => {
  const world = connected();
  world.filter = ({ text }) => text !== 'client natt INFORMATIONAL request 2';
  world.tell({ kind: 'terminate' });
  assert.deepEqual(ask(world, EXCHANGE.CREATE_CHILD_SA, createChild('new', world)), [notify(NOTIFY.TEMPORARY_FAILURE)]);
});

test('the version is told when asked for (RFC 7296 §2.20)', () => {
  const world = connected();
  const attributes = [{ type: CP_ATTRIBUTE.APPLICATION_VERSION, value: new Uint8Array(0) }];
  const answer = ask(world, EXCHANGE.INFORMATIONAL, [{ kind: 'CP', cfgType: CP_TYPE.REQUEST, attributes }]);
  const [reply] = answer ?? [];
  assert.ok(reply?.kind === 'CP' && reply.cfgType === CP_TYPE.REPLY);
  assert.equal(toUtf8(reply.attributes[0].value), 'Sallyport test');
});

// Errors.

test('unknown status notifies, vendor ids and payloads that are not critical are ignored', () => {
  const world = connected();
  const payloads: readonly Payload[] = [
    notify(40_000),
    { kind: 'V', data: Uint8Array.of(1, 2, 3) },
    { kind: 'unknown', type: 200, critical: false, body: Uint8Array.of(1) },
    { kind: 'AUTH', method: 2, data: Uint8Array.of(1) },
  ];
  assert.deepEqual(ask(world, EXCHANGE.INFORMATIONAL, payloads), []);
  assert.equal(world.closed, false);
});

test('an unknown critical payload: UNSUPPORTED_CRITICAL_PAYLOAD with its type, nothing executed, and all goes on (RFC 7296 §2.5)', () => {
  const world = connected();
  const payloads: readonly Payload[] = [deleteIkeSa(), { kind: 'unknown', type: 201, critical: true, body: new Uint8Array(0) }];
  assert.deepEqual(ask(world, EXCHANGE.INFORMATIONAL, payloads), [
    notify(NOTIFY.UNSUPPORTED_CRITICAL_PAYLOAD, Uint8Array.of(201)),
  ]);
  assert.equal(world.closed, false);
  assert.deepEqual(ask(world, EXCHANGE.INFORMATIONAL, []), []);
});

test('a request that breaks the rules: INVALID_SYNTAX, and the IKE SA is over at both ends (RFC 7296 §2.21.3)', () => {
  for (const [exchange, payloads] of [
    [EXCHANGE.CREATE_CHILD_SA, []],
    [
      EXCHANGE.INFORMATIONAL,
      [
        { kind: 'CP', cfgType: 1, attributes: [] },
        { kind: 'CP', cfgType: 1, attributes: [] },
      ],
    ],
    [EXCHANGE.IKE_AUTH, []],
    [240, []],
  ] as readonly (readonly [number, readonly Payload[]])[]) {
    const world = connected();
    ask(world, exchange, payloads);
    const answers = world.said('log').filter(({ text }) => text.startsWith('sent') && text.endsWith('response'));
    assert.equal(answers.at(-1)?.fields?.payloads, 'N(INVALID_SYNTAX)');
    assert.equal(world.said('closed')[0]?.failure?.code, 'protocol');
  }
});

test('error notifies that end nothing are noted', () => {
  const world = connected();
  assert.deepEqual(ask(world, EXCHANGE.INFORMATIONAL, [notify(NOTIFY.INVALID_SELECTORS)]), []);
  assert.equal(world.closed, false);
  assert.ok(world.said('log').some(({ level, text }) => level === 'warn' && text.includes('INVALID_SELECTORS')));
});

// Windows.

test('a repeated request is answered from the cache, byte for byte, and executed once (RFC 7296 §2.1)', () => {
  const world = connected();
  ask(world, EXCHANGE.INFORMATIONAL, [notify(NOTIFY.INVALID_SELECTORS)]);
  const [request, answer] = world.trace;
  const warnings = world.said('log').filter(({ level }) => level === 'warn').length;
  for (let i = 0; i < 5; i++) world.inject(request.bytes.slice(), 'natt');
  const answers = world.trace.slice(2);
  assert.equal(answers.length, 5);
  for (const { bytes } of answers) assert.deepEqual(bytes, answer.bytes);
  assert.equal(world.said('log').filter(({ level }) => level === 'warn').length, warnings);
});

test('requests outside the window and altered repetitions are ignored (RFC 7296 §2.3)', () => {
  const world = connected();
  ask(world, EXCHANGE.INFORMATIONAL, []);
  ask(world, EXCHANGE.INFORMATIONAL, []);
  const [first, , second] = world.trace;
  const sent = world.trace.length;
  world.inject(first.bytes.slice(), 'natt'); // id 0, two back
  const altered = second.bytes.slice();
  altered[altered.length - 1] ^= 1;
  world.inject(altered, 'natt'); // id 1 with another ICV
  const ahead = second.bytes.slice();
  ahead[23] = 7;
  world.inject(ahead, 'natt'); // id 7
  ahead[23] = 2;
  world.inject(ahead, 'natt'); // id 2, which is next, with an ICV that does not fit
  assert.equal(world.trace.length, sent);
  assert.deepEqual(ask(world, EXCHANGE.INFORMATIONAL, []), [], 'the window has not moved');
});

test('our own messages, sent back to us, are ignored', () => {
  const world = connected();
  world.tell({ kind: 'check-liveness' });
  const own = world.trace[0].bytes.slice();
  world.inject(own, 'natt');
  assert.equal(world.trace.length, 1);
});

test('requests before authentication are ignored, then served when they are repeated', () => {
  const world = new World();
  world.filter = ({ text }) => text !== 'gateway natt IKE_AUTH response 1';
  world.tell({ kind: 'start' });
  world.run(100);
  let answer: readonly Payload[] | undefined;
  world.act(({ sa }, now) => {
    sa?.request(
      {
        exchange: EXCHANGE.INFORMATIONAL,
        build: () => [],
        process: (got) => {
          answer = got;
        },
      },
      now,
    );
  });
  world.run(100);
  assert.equal(answer, undefined);
  world.filter = () => true;
  world.run(5_000, () => answer !== undefined);
  assert.deepEqual(answer, []);
  assert.equal(world.said('established').length, 1);
});

test('rubbish of any kind changes nothing and fills no log', () => {
  const world = connected();
  const request = () => world.trace[0].bytes;
  world.tell({ kind: 'check-liveness' });
  const before = world.said('log').length;
  for (let i = 0; i < 2_000; i++) {
    const bytes = request().slice(0, 1 + (i % request().length));
    bytes[(i * 7) % bytes.length] ^= 1 + (i % 255);
    world.inject(bytes, i % 2 === 0 ? 'natt' : 'ike');
  }
  assert.equal(world.closed, false);
  assert.ok(world.said('log').length - before < 40, `${world.said('log').length - before} lines`);
  world.run(1_000);
  assert.equal(world.texts().at(-1), 'gateway natt INFORMATIONAL response 2');
});
