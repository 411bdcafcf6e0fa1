/** The dialogues again on bad networks, hundreds of them: each seed is another order of losses, doubles and overtakings. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EXCHANGE, NOTIFY, PROTOCOL } from '../../core/ike/wire/constants.ts';
import { deleteChildSas, findNotify, findPayload, notify } from '../../core/ike/wire/payloads.ts';
import { spiBytes } from '../../core/ike/wire/spi.ts';
import { type Network, proposals, World, type WorldOptions } from './world.ts';

const SEEDS = 30;

const networks: Readonly<Record<string, Network>> = {
  'loss 20 %': { loss: 0.2, duplicate: 0, delay: 40, jitter: 0 },
  'every datagram twice, in any order': { loss: 0, duplicate: 1, delay: 10, jitter: 900 },
  'loss 30 %, doubles 30 %, overtaking': { loss: 0.3, duplicate: 0.3, delay: 30, jitter: 400 },
  'slower than our patience': { loss: 0, duplicate: 0.1, delay: 700, jitter: 600 },
};

/** Many repetitions, so that all seeds of 30 % loss all come through; a lost peer is another test's matter. */
const patient = {
  retransmitFirst: 500,
  retransmitFactor: 1.5,
  retransmitMax: 4_000,
  retransmitTries: 40,
  livenessAfter: 20_000,
  establishWithin: 120_000,
};

interface Dialogue {
  readonly options?: WorldOptions;
  /** After the CHILD SA is up. */
  play(world: World): void;
}

const wantGroup = (options: WorldOptions): WorldOptions => ({
  ...options,
  gateway: { ...options.gateway, ikeProposals: proposals('ike', 'aes128gcm16-prfsha256-ecp256') },
});

const dialogues: Readonly<Record<string, Dialogue>> = {
  'connect and DELETE by the client': { play: leave },
  'cookie, then connect': { options: { gateway: { cookie: Uint8Array.of(1, 2, 3) } }, play: leave },
  'another group, then connect': { options: wantGroup({}), play: leave },
  'cookie and another group, then connect': {
    options: wantGroup({
      gateway: {
        insteadOfSaInit({ payloads }) {
          const cookie = Uint8Array.of(5, 5);
          if (!findNotify(payloads, NOTIFY.COOKIE)) return [notify(NOTIFY.COOKIE, cookie)];
          return findPayload(payloads, 'KE')?.method === 19
            ? undefined
            : [notify(NOTIFY.INVALID_KE_PAYLOAD, Uint8Array.of(0, 19))];
        },
      },
    }),
    play: leave,
  },
  'five minutes of liveness from the client': {
    play(world) {
      world.run(300_000);
      leave(world);
    },
  },
  'questions from both sides': {
    play(world) {
      let answers = 0;
      for (let i = 0; i < 5; i++) {
        world.tell({ kind: 'check-liveness' });
        world.act(({ sa }, now) =>
          sa?.request({ exchange: EXCHANGE.INFORMATIONAL, build: () => [], process: () => answers++ }, now),
        );
        world.run(3_000);
      }
      world.run(120_000, () => answers === 5);
      assert.equal(answers, 5, 'each request is answered once');
      leave(world);
    },
  },
  'refused CREATE_CHILD_SA, then DELETE by the gateway': {
    play(world) {
      const refusals: string[] = [];
      const stranger = Uint8Array.of(10, 7, 0, 250);
      const [offer] = proposals('esp', 'aes128gcm16');
      const { child } = world.gatewayOutputs('install-child')[0];
      const build = () =>
        [
          { kind: 'SA', proposals: [{ ...offer, spi: Uint8Array.of(1, 2, 3, 4) }] },
          { kind: 'NONCE', data: new Uint8Array(32) },
          { kind: 'TSi', selectors: child.localSelectors, unknownTypes: 0 },
          // Another client's address: TS_UNACCEPTABLE.
          { kind: 'TSr', selectors: [{ ...child.remoteSelectors[0], start: stranger, end: stranger }], unknownTypes: 0 },
        ] as const;
      world.act(({ sa }, now) => {
        for (let i = 0; i < 3; i++) {
          const process: (got: readonly { readonly kind: string }[]) => void = (got) =>
            refusals.push(got.map(({ kind }) => kind).join());
          sa?.request({ exchange: EXCHANGE.CREATE_CHILD_SA, build, process }, now);
        }
      });
      world.run(200_000, () => refusals.length === 3);
      assert.deepEqual(refusals, ['N', 'N', 'N']);
      world.act(({ sa }, now) => sa?.terminate(now));
      world.run(60_000, () => world.closed);
      // Its DELETE is repeated for a bounded time: the client may never hear it, and then notices by asking.
      world.run(600_000, () => world.closed);
      assert.match(world.said('closed')[0]?.failure?.code ?? '', /^(closed-by-gateway|gateway-lost)$/);
    },
  },
  'DELETE of the CHILD SA by the gateway': {
    play(world) {
      const [{ child }] = world.said('install-child');
      world.act(({ sa }, now) =>
        sa?.request(
          {
            exchange: EXCHANGE.INFORMATIONAL,
            build: () => [deleteChildSas(PROTOCOL.ESP, [spiBytes(child.spiOut)])],
            process() {},
          },
          now,
        ),
      );
      world.run(300_000, () => world.closed);
      assert.equal(world.said('closed')[0]?.failure?.evidence, 'DELETE of the last CHILD SA');
    },
  },
  'both leave at once': {
    play(world) {
      world.tell({ kind: 'terminate' });
      world.act(({ sa }, now) => sa?.terminate(now));
      world.run(60_000, () => world.closed && world.gatewayOutputs('closed').length > 0);
      assert.deepEqual(world.said('closed'), [{ kind: 'closed' }]);
    },
  },
};

function leave(world: World): void {
  assert.equal(world.closed, false, JSON.stringify(world.said('closed')));
  world.tell({ kind: 'terminate' });
  world.run(60_000, () => world.closed);
  assert.deepEqual(world.said('closed'), [{ kind: 'closed' }]);
}

for (const [networkName, network] of Object.entries(networks)) {
  for (const [name, { options, play }] of Object.entries(dialogues)) {
    test(`${networkName}: ${name}, ${SEEDS} times`, () => {
      for (let i = 0; i < SEEDS; i++) {
        const seed = `${networkName} ${name} ${i}`;
        try {
          once(seed, network, options, play);
        } catch (error) {
          throw new Error(`seed "${seed}"`, { cause: error });
        }
      }
    });
  }
}

function once(seed: string, network: Network, options: WorldOptions | undefined, play: Dialogue['play']): void {
  const world = new World({
    ...options,
    seed,
    network,
    client: { ...options?.client, timing: patient },
    gateway: { ...options?.gateway, timing: { ...patient, livenessAfter: 0 } },
  });
  world.connect(120_000);
  assert.equal(world.said('established').length, 1, JSON.stringify(world.said('closed')));
  assert.deepEqual(world.said('install-child')[0].child.keysIn, world.gatewayOutputs('install-child')[0].child.keysOut);
  play(world);
  // Whatever happened on the way: everything once.
  assert.equal(world.said('closed').length, 1);
  assert.equal(world.said('install-child').length, 1);
  assert.equal(world.said('remove-child').length, 1);
  assert.equal(world.said('established').length, 1);
  assert.equal(world.gatewayOutputs('install-child').length, 1);
}
