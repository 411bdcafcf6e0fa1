/** RFC 7383 as dialogues: who sends fragments, of what size, what becomes of lost ones, and what a gateway may not do with them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fragmentation } from '../../core/ike/sa/contract.ts';
import { EXCHANGE } from '../../core/ike/wire/constants.ts';
import type { Payload } from '../../core/ike/wire/message.ts';
import { parseMessage } from '../../core/ike/wire/parse.ts';
import { agreed, meet } from './office.ts';
import { clientConfig, dice, proposals, type Sent, selector, timing, World, type WorldOptions } from './world.ts';

/** Enough selectors for a request of some 2 kB, all in the first of the answer. */
const manySelectors = Array.from({ length: 120 }, (_, index) => selector(`10.7.${index}.0/24`));
/** A vendor id that makes a message longer. */
const ballast = (octets: number): Payload => ({ kind: 'V', data: new Uint8Array(octets).fill(0x61) });

function long(client: Fragmentation = 'yes', gateway: Fragmentation = 'yes', more: Partial<WorldOptions> = {}): World {
  return new World({
    ...more,
    client: { fragmentation: client, remoteSelectors: [...clientConfig.remoteSelectors, ...manySelectors], ...more.client },
    gateway: { fragmentation: gateway, changeAuth: (payloads) => [...payloads, ballast(3000)], ...more.gateway },
  });
}

/** `client SKF 2/3 1248`, or `client SK 300`; what is in the clear is left out. */
function shapes(sent: readonly Sent[]): readonly string[] {
  return sent.flatMap(({ by, bytes }) => {
    const parsed = parseMessage(bytes);
    const payload = parsed.ok ? parsed.value.payloads[0] : undefined;
    if (payload?.kind === 'SK') return [`${by} SK ${bytes.length}`];
    if (payload?.kind === 'SKF') return [`${by} SKF ${payload.fragment}/${payload.total} ${bytes.length}`];
    return [];
  });
}

test('long messages go in fragments that fit a packet of 1280 octets, both ways', () => {
  const world = long();
  world.connect();
  assert.equal(world.said('install-child').length, 1);
  const seen = shapes(world.trace);
  assert.deepEqual(
    seen.map((line) => line.replace(/ \d+$/, '')),
    ['client SKF 1/2', 'client SKF 2/2', 'gateway SKF 1/3', 'gateway SKF 2/3', 'gateway SKF 3/3'],
  );
  // 1280 less IPv4, UDP and the non-ESP marker.
  assert.equal(Math.max(...world.trace.map(({ bytes }) => bytes.length)), 1280 - 20 - 8 - 4);
});

for (const [client, gateway] of [
  ['no', 'yes'],
  ['yes', 'no'],
  ['no', 'no'],
] as const)
  test(`client ${client}, gateway ${gateway}: long messages stay whole (RFC 7383 §2.4)`, () => {
    const world = long(client, gateway);
    world.connect();
    assert.equal(world.said('install-child').length, 1);
    assert.deepEqual(
      shapes(world.trace).map((line) => line.replace(/ \d+$/, '')),
      ['client SK', 'gateway SK'],
    );
  });

test('short messages stay whole where fragmentation is agreed', () => {
  const world = new World();
  world.connect();
  assert.equal(shapes(world.trace).length, 2);
  assert.ok(shapes(world.trace).every((line) => line.includes(' SK ')));
});

test('forced: packets of 576 octets from the first message on, and the gateway answers in the same', () => {
  const world = long('force');
  world.connect();
  assert.equal(world.said('install-child').length, 1);
  assert.equal(Math.max(...world.trace.filter(({ channel }) => channel === 'natt').map(({ bytes }) => bytes.length)), 576 - 32);
});

test('a path that takes no packets above 576 octets: smaller fragments after three tries, remembered for later messages', () => {
  const world = long();
  world.filter = ({ bytes }) => bytes.length <= 576 - 32;
  world.connect();
  assert.equal(world.said('install-child').length, 1);
  const lines = world.said('log').map(({ text }) => text);
  assert.equal(lines.filter((text) => text === 'repeating IKE_AUTH request in smaller fragments').length, 1);
  assert.equal(shapes(world.trace).filter((line) => /client SKF 1\/2/.test(line)).length, 3);
  assert.ok(
    lines.includes('received fragment 2 of 7 of IKE_AUTH response'),
    lines.filter((text) => /fragment/.test(text)).join('\n'),
  );
});

test('a path that is narrow towards the client only: the gateway makes its answer smaller when it is asked again and again', () => {
  const world = long();
  world.filter = ({ by, bytes }) => by === 'client' || bytes.length <= 576 - 32;
  world.connect();
  assert.equal(world.said('install-child').length, 1);
});

for (const [way, inRequest, inAnswer] of [
  ['request', 36, 0],
  ['answer', 0, 500],
  ['request and the answer', 36, 500],
] as const)
  test(`a path that takes no packets above 576 octets, and the ${way} in one of up to 1280: it goes in fragments after all`, () => {
    const world = new World({
      client: { remoteSelectors: [...clientConfig.remoteSelectors, ...manySelectors.slice(0, inRequest)] },
      gateway: { changeAuth: (payloads) => (inAnswer > 0 ? [...payloads, ballast(inAnswer)] : payloads) },
    });
    world.filter = ({ bytes, channel }) => channel === 'ike' || bytes.length <= 576 - 32;
    world.connect();
    assert.equal(world.said('install-child').length, 1);
    const [whole] = shapes(world.trace);
    assert.equal(/client SK (\d+)/.test(whole), true, whole);
    assert.equal(Number(whole.split(' ')[2]) > 576 - 32, inRequest > 0);
    const gateway = shapes(world.trace).filter((line) => line.startsWith('gateway'));
    assert.equal(gateway.at(-1)?.startsWith('gateway SKF 2/2') ?? false, inAnswer > 0, gateway.join(', '));
  });

for (const lost of [1, 2, 3])
  test(`fragment ${lost} of 3 of the answer is lost once: a repetition brings it, and the others count`, () => {
    const world = long();
    let left = 1;
    world.filter = ({ by, bytes }) => !(by === 'gateway' && isFragment(bytes, lost) && left-- > 0);
    world.connect();
    assert.equal(world.said('install-child').length, 1);
    assert.equal(left <= 0, true);
    // RFC 7383 §2.6.1: of the repeated request only the first fragment has the answer sent again.
    assert.equal(shapes(world.trace).filter((line) => line.startsWith('gateway SKF')).length, 6);
  });

function isFragment(bytes: Uint8Array, fragment: number): boolean {
  const parsed = parseMessage(bytes);
  const payload = parsed.ok ? parsed.value.payloads[0] : undefined;
  return payload?.kind === 'SKF' && payload.fragment === fragment;
}

/** The gateway sends an INFORMATIONAL of some 3 kB; true once it is answered. */
function longRequest(world: World): () => boolean {
  let answered = false;
  const exchange = {
    exchange: EXCHANGE.INFORMATIONAL,
    build: () => [ballast(3000)],
    process: () => {
      answered = true;
    },
  };
  world.act(({ sa }, now) => sa?.request(exchange, now));
  return () => answered;
}

test('a request of the gateway in fragments is answered once, whatever the network does to them', () => {
  for (let run = 0; run < 20; run++) {
    const world = long('yes', 'yes', { seed: `request ${run}` });
    world.connect();
    world.network = { loss: 0.2, duplicate: 0.3, delay: 20, jitter: 300 };
    const from = world.said('log').length;
    assert.ok(world.run(60_000, longRequest(world)), `run ${run}`);
    const received = world
      .said('log')
      .slice(from)
      .filter(({ text }) => text === 'received INFORMATIONAL request');
    assert.equal(received.length, 1);
    assert.equal(received[0].fields?.fragments, 3);
  }
});

test('fragments of a request that stays incomplete are given up after 30 s, and it can still be had whole later', () => {
  const world = long();
  world.connect();
  const from = world.now;
  world.filter = ({ by, bytes, at }) => !(by === 'gateway' && at < from + 36_000 && isFragment(bytes, 2));
  const answered = longRequest(world);
  // The smaller set that the gateway tries after 3 s has its own 30.
  assert.equal(world.run(35_000, answered), false);
  const givenUp = world.said('log').filter(({ text }) => text === 'fragments given up: the others did not come');
  assert.equal(givenUp.length, 1);
  assert.equal(world.run(30_000, answered), true);
});

test('an answer in fragments is waited for as long as its request is repeated', () => {
  const world = long();
  const from = world.now;
  // One fragment of the first set, the others only much later.
  world.filter = ({ by, bytes, at }) =>
    !(by === 'gateway' && at < from + 35_000 && !isFragment(bytes, 1) && shapes([{ bytes } as Sent]).length > 0);
  world.connect();
  assert.equal(world.said('install-child').length, 1);
  assert.ok(world.now > from + 35_000);
});

test('under loss, doubling and overtaking long messages arrive all the same', () => {
  for (let run = 0; run < 40; run++) {
    const world = long('yes', 'yes', {
      seed: `fragments ${run}`,
      network: { loss: 0.2, duplicate: 0.2, delay: 20, jitter: 200 },
    });
    world.connect();
    assert.equal(world.said('install-child').length, 1, `run ${run}`);
  }
});

/** Key exchanges that are long themselves (RFC 9370): AUTH covers what was in the fragments, not how it was split (RFC 9242 §3.3.2). */
for (const fragmentation of ['yes', 'force'] as const)
  test(`IKE_INTERMEDIATE with ML-KEM-1024 in fragments (${fragmentation}), under loss, sides that begin with other sizes`, () => {
    const ikeProposals = proposals('ike', 'aes128gcm16-prfsha256-x25519-ke1_mlkem1024');
    for (let run = 0; run < 12; run++) {
      const roll = dice(`intermediate ${fragmentation} ${run}`);
      const conversation = meet({
        client: { ikeProposals, fragmentation, timing },
        office: { ikeProposals, fragmentation: fragmentation === 'yes' ? 'force' : 'yes' },
        network: () => (roll() < 0.2 ? [] : [10 + Math.floor(roll() * 100)]),
      });
      agreed(conversation);
      const lines = conversation.outputs('log').map(({ text }) => text);
      assert.ok(lines.some((text) => /^sent fragment 2 of \d of IKE_INTERMEDIATE request$/.test(text)));
      assert.ok(lines.some((text) => /^received fragment 2 of \d of IKE_INTERMEDIATE response$/.test(text)));
    }
  });
