/**
 * A gateway answers with more than was asked for, where RFC 7296 §2.9 has it narrow: Libreswan 4.10 and OpenIKED 7.2 do so with pools of
 * addresses. What was asked for is used, and not a packet more.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerChild, ChildRequest } from '../../core/ike/exchanges/createChild.ts';
import { selectorsText } from '../../core/ike/selectors.ts';
import { EXCHANGE } from '../../core/ike/wire/constants.ts';
import type { Payload, TrafficSelector } from '../../core/ike/wire/message.ts';
import { findPayload } from '../../core/ike/wire/payloads.ts';
import { selector } from '../gateway/fixtures.ts';
import { clientConfig, proposals, seededRandom, World } from './world.ts';

/** Asked for, answered, taken; undefined where nothing is in common. */
const answers: readonly (readonly [
  asked: readonly string[],
  answered: readonly string[],
  taken: readonly string[] | undefined,
])[] = [
  [['10.10.0.0/16'], ['10.10.1.0/24'], ['10.10.1.0/24']],
  [['10.10.0.0/16'], ['0.0.0.0/0'], ['10.10.0.0/16']],
  [['10.10.0.0/16', '10.30.0.0/16'], ['10.0.0.0/8'], ['10.10.0.0/16', '10.30.0.0/16']],
  [
    ['10.10.0.0/16', 'fd10::/16'],
    ['0.0.0.0/0', '::/0'],
    ['10.10.0.0/16', 'fd10::/16'],
  ],
  [['10.10.0.0/16'], ['10.10.1.0/24', '10.0.0.0/8'], ['10.10.1.0/24', '10.10.0.0/16']],
  [['10.10.0.0/16'], ['10.10.1.0/24', '172.16.0.0/12'], ['10.10.1.0/24']],
  [['10.10.0.0/16'], ['10.20.0.0/16'], undefined],
  [['10.10.0.0/16'], ['::/0'], undefined],
];

const nets = (texts: readonly string[]): TrafficSelector[] => texts.map((text) => selector(text));

for (const [asked, answered, taken] of answers) {
  const [question, answer] = [asked.join(' '), answered.join(' ')];
  test(`IKE_AUTH: ${question} is asked for, the answer is ${answer}: ${taken?.join(' ') ?? 'refused'}`, () => {
    const world = new World({
      client: { remoteSelectors: nets(asked) },
      gateway: {
        changeAuth: (payloads) =>
          payloads.map((one) => (one.kind === 'TSr' ? { kind: 'TSr', selectors: nets(answered), unknownTypes: 0 } : one)),
      },
    });
    world.tell({ kind: 'start' });
    world.run(5_000);
    const [installed] = world.said('install-child');
    assert.equal(installed && selectorsText(installed.child.remoteSelectors), taken?.join(' '));
    if (!taken) assert.equal(world.said('closed')[0]?.failure?.code, 'ts-unacceptable');
  });

  test(`CREATE_CHILD_SA: ${question} is asked for, the answer is ${answer}: ${taken?.join(' ') ?? 'refused'}`, () => {
    const local = nets(['10.7.0.5/32']);
    const esp = proposals('esp', 'aes128gcm16');
    const random = seededRandom('narrowing');
    const request = new ChildRequest({
      ...{ random, proposals: esp, spiIn: 0x1001, rekeyed: undefined },
      ...{ localSelectors: local, remoteSelectors: nets(asked) },
    });
    const said = answerChild(request.build(), {
      ...{ random, proposals: esp, spiIn: 0x2001 },
      // The peer's own side is what we call remote.
      narrow: (_, remote) => ({ local: nets(answered), remote }),
    });
    assert.ok(said.ok);
    const read = request.read(said.payloads);
    assert.equal(read.kind, taken ? 'agreed' : 'wrong');
    if (read.kind === 'agreed') assert.equal(selectorsText(read.agreed.remoteSelectors), taken?.join(' '));
  });
}

test('TSi may be of everything: what is sent is from the address that was given', () => {
  const world = new World({
    client: { localSelectors: nets(['10.7.0.0/16']) },
    gateway: {
      changeAuth: (payloads) =>
        payloads.map((one) => (one.kind === 'TSi' ? { kind: 'TSi', selectors: nets(['0.0.0.0/0']), unknownTypes: 0 } : one)),
    },
  });
  world.connect();
  const [{ child }] = world.said('install-child');
  assert.equal(selectorsText(child.localSelectors), '10.7.0.5/32');
  assert.deepEqual(
    child.remoteSelectors.map(({ type }) => type),
    clientConfig.remoteSelectors.map(({ type }) => type),
  );
});

// RFC 7296 §2.9.2: Libreswan refuses to rekey to less than it has (TS_UNACCEPTABLE).
for (const by of ['us', 'the gateway'] as const) {
  test(`rekeyed by ${by}: about all that the gateway has, and used as before`, () => {
    const esp = proposals('esp', 'aes128gcm16');
    const random = seededRandom('rekeying');
    let asked = '';
    const world = new World({
      client: { espProposals: esp, remoteSelectors: nets(['10.10.0.0/16']) },
      gateway: {
        espProposals: esp,
        changeAuth: (payloads) =>
          payloads.map((one) => (one.kind === 'TSr' ? { kind: 'TSr', selectors: nets(['10.0.0.0/8']), unknownTypes: 0 } : one)),
        handlers: {
          [EXCHANGE.CREATE_CHILD_SA]: (payloads) => {
            asked = selectorsText(findPayload(payloads, 'TSr')?.selectors ?? []);
            const narrow = (local: readonly TrafficSelector[], remote: readonly TrafficSelector[]) => ({ local, remote });
            return { payloads: answerChild(payloads, { random, proposals: esp, spiIn: 0x9001, narrow }).payloads };
          },
        },
      },
    });
    world.connect();
    const [{ child: old }] = world.said('install-child');
    assert.deepEqual([old.remoteSelectors, old.peerSelectors ?? []].map(selectorsText), ['10.10.0.0/16', '10.0.0.0/8']);
    // CREATE_CHILD_SA: N(REKEY_SA) SA Ni TSi TSr(10.0.0.0/8) → SA Nr TSi TSr(10.0.0.0/8)
    if (by === 'us') world.tell({ kind: 'rekey-child', spiIn: old.spiIn });
    else {
      const request = new ChildRequest({
        ...{ random, proposals: esp, spiIn: 0x9001, rekeyed: old.spiOut },
        ...{ localSelectors: nets(['10.0.0.0/8']), remoteSelectors: nets(['10.7.0.5/32']) },
      });
      const process = (payloads: readonly Payload[]) => {
        const read = request.read(payloads);
        asked = read.kind === 'agreed' ? selectorsText(read.agreed.localSelectors) : read.kind;
      };
      world.act((gateway, now) =>
        gateway.sa?.request({ exchange: EXCHANGE.CREATE_CHILD_SA, build: () => request.build(), process }, now),
      );
    }
    assert.ok(world.run(5_000, () => world.said('child-rekeyed').length > 0));
    world.run(100);
    assert.equal(asked, '10.0.0.0/8');
    const { child } = world.said('install-child')[1];
    assert.deepEqual([child.remoteSelectors, child.peerSelectors ?? []].map(selectorsText), ['10.10.0.0/16', '10.0.0.0/8']);
  });
}
