/** A gateway that holds the keys and says anything at all: no throw, one end at most, nothing after it, nothing installed twice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Payload } from '../../core/ike/wire/message.ts';
import { payload } from '../unit/ike/wire/arbitrary.ts';
import { World, type WorldOptions } from './world.ts';

const run = { seed: 20261121, numRuns: 300 } as const;

/** What happens to each payload of an honest message, and what is put between them. */
const mangling = fc.record({
  fates: fc.array(fc.constantFrom('keep', 'keep', 'keep', 'drop', 'double', 'replace'), { maxLength: 12 }),
  extras: fc.array(payload, { maxLength: 6 }),
});

type Mangling = typeof mangling extends fc.Arbitrary<infer T> ? T : never;

function mangle(honest: readonly Payload[], { fates, extras }: Mangling): readonly Payload[] {
  const spare = [...extras];
  const out = honest.flatMap((one, i) => {
    const fate = fates[i] ?? 'keep';
    if (fate === 'drop') return [];
    if (fate === 'double') return [one, one];
    return fate === 'replace' ? [spare.shift() ?? one] : [one];
  });
  return [...out, ...spare];
}

/** Connects, talks a little, leaves; whatever comes, the contract holds. */
function live(options: WorldOptions, between: (world: World) => void = () => {}): void {
  const world = new World(options);
  world.connect(100_000);
  between(world);
  world.run(1_000);
  world.tell({ kind: 'check-liveness' });
  world.run(1_000);
  world.tell({ kind: 'terminate' });
  world.run(60_000, () => world.closed);
  assert.equal(world.said('closed').length, 1);
  assert.equal(world.clientSaid.at(-1)?.kind, 'closed');
  assert.ok(world.said('established').length <= 1);
  assert.ok(world.said('install-child').length <= world.said('established').length);
  assert.equal(world.said('remove-child').length, world.said('install-child').length);
  for (const { text, fields } of world.said('log')) {
    assert.match(`${text} ${JSON.stringify(fields)}`, /^[\x20-\x7e]{0,4000}$/);
  }
  const [{ failure }] = world.said('closed');
  if (failure) assert.match(failure.evidence, /^[\x20-\x7e]{1,600}$/);
}

test('IKE_SA_INIT answers of any kind', () => {
  fc.assert(
    fc.property(mangling, (how) => live({ gateway: { changeSaInit: (honest) => mangle(honest, how) } })),
    run,
  );
});

test('IKE_AUTH answers of any kind', () => {
  fc.assert(
    fc.property(mangling, (how) => live({ gateway: { changeAuth: (honest) => mangle(honest, how) } })),
    run,
  );
});

test('requests of any kind, in any exchange', () => {
  const request = fc.record({
    exchange: fc.oneof({ weight: 4, arbitrary: fc.constantFrom(36, 37) }, { weight: 1, arbitrary: fc.nat(255) }),
    payloads: fc.array(payload, { maxLength: 8 }),
  });
  fc.assert(
    fc.property(fc.array(request, { minLength: 1, maxLength: 4 }), (requests) =>
      live({}, (world) => {
        for (const { exchange, payloads } of requests) {
          world.act(({ sa }, now) => sa?.request({ exchange, build: () => payloads, process() {}, malformed() {} }, now));
          world.run(100);
        }
      }),
    ),
    run,
  );
});

test('answers of any kind to INFORMATIONAL requests', () => {
  fc.assert(
    fc.property(fc.array(payload, { maxLength: 8 }), (payloads) => live({ gateway: { handlers: { 37: () => ({ payloads }) } } })),
    run,
  );
});
