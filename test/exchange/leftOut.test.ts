/**
 * A gateway leaves out some of the networks: of those that it is asked for (RFC 7296 §2.9: as it may), or of those that a CHILD SA was for which is
 * rekeyed (§2.9.2: as it must not).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerChild, ChildRequest } from '../../core/ike/exchanges/createChild.ts';
import { selectorsText } from '../../core/ike/selectors.ts';
import { EXCHANGE, NOTIFY } from '../../core/ike/wire/constants.ts';
import type { Payload, TrafficSelector } from '../../core/ike/wire/message.ts';
import { findNotify, findPayload, notify } from '../../core/ike/wire/payloads.ts';
import { selector } from '../gateway/fixtures.ts';
import { Scripted } from './scripted.ts';
import { proposals, seededRandom } from './world.ts';

const near = [selector('10.10.1.0/24')];
const far = [selector('10.10.2.0/24')];
const laptop = [selector('10.7.0.5/32')];
const random = seededRandom('left out');
const esp = proposals('esp', 'aes128gcm16');

/** A gateway that makes one CHILD SA of all that is asked for, and in rekeying of `near` alone. `alone`: what it makes of `far` by itself. */
function scene(alone: 'takes' | 'refuses') {
  let spiIn = 0x9000;
  const world = new Scripted(
    { closeWithoutChild: true },
    (payloads) => {
      const tsr = findPayload(payloads, 'TSr')?.selectors ?? [];
      if (selectorsText(tsr) === selectorsText(far) && alone === 'refuses') return [notify(NOTIFY.TS_UNACCEPTABLE)];
      const narrowed = findNotify(payloads, NOTIFY.REKEY_SA) ? tsr.slice(0, 1) : tsr;
      const narrow = (_: unknown, remote: readonly TrafficSelector[]) => ({ local: narrowed, remote });
      return answerChild(payloads, { random, proposals: esp, spiIn: ++spiIn, narrow }).payloads;
    },
    0,
  );
  world.client.session.wantFirst({ local: laptop, remote: [...near, ...far] }, world.now);
  world.settle();
  assert.deepEqual(reached(world), [selectorsText([...near, ...far])]);
  return world;
}

function reached(world: Scripted): readonly string[] {
  return [...world.client.living.values()].map(({ child }) => selectorsText(child.remoteSelectors)).sort();
}

function told(world: Scripted): readonly string[] {
  return world.client
    .outputs('child-refused')
    .map(({ remoteSelectors, evidence }) => `${selectorsText(remoteSelectors)}: ${evidence}`);
}

/** The gateway asks for a CHILD SA; the answer. */
function ask(world: Scripted, remote: typeof near, rekeyed: number | undefined): readonly Payload[] {
  const answers: (readonly Payload[])[] = [];
  const selectors = { localSelectors: remote, remoteSelectors: laptop };
  const request = new ChildRequest({
    random,
    proposals: esp,
    spiIn: 0x7777 + remote.length + (rekeyed ?? 0),
    rekeyed,
    ...selectors,
  });
  world.gateway.request(
    { exchange: EXCHANGE.CREATE_CHILD_SA, build: () => request.build(), process: (payloads) => answers.push(payloads) },
    world.now,
  );
  world.settle();
  return answers[0] ?? [];
}

const leftOut = `${selectorsText(far)}: left out by the gateway when it was rekeyed`;

test('we rekey: what is left out is told of, and asked for by itself', () => {
  const world = scene('takes');
  world.client.session.rekeyChild([...world.client.living.keys()][0] ?? 0, world.now);
  world.settle();
  assert.deepEqual([reached(world), told(world)], [[selectorsText(near)], [leftOut]]);
  world.pass(5_000);
  assert.deepEqual(reached(world), [selectorsText(near), selectorsText(far)]);
  // Rekeyed again, each is what it was.
  for (const spiIn of [...world.client.living.keys()]) world.client.session.rekeyChild(spiIn, world.now);
  world.pass(60_000);
  assert.deepEqual([reached(world), told(world)], [[selectorsText(near), selectorsText(far)], [leftOut]]);
});

test('the gateway rekeys: the same', () => {
  const world = scene('takes');
  const [old] = [...world.client.living.values()];
  assert.ok(findPayload(ask(world, near, old?.child.spiOut), 'SA'));
  world.pass(30_000);
  assert.deepEqual([reached(world), told(world)], [[selectorsText(near), selectorsText(far)], [leftOut]]);
});

test('the gateway makes one for the rest by itself: nobody asks for another', () => {
  const world = scene('takes');
  const before = world.asked.length;
  const [old] = [...world.client.living.values()];
  ask(world, near, old?.child.spiOut);
  assert.ok(findPayload(ask(world, far, undefined), 'SA'));
  world.pass(60_000);
  assert.deepEqual(reached(world), [selectorsText(near), selectorsText(far)]);
  assert.equal(world.asked.length, before);
});

test('one that takes it in no way is asked once', () => {
  const world = scene('refuses');
  world.client.session.rekeyChild([...world.client.living.keys()][0] ?? 0, world.now);
  world.pass(600_000);
  assert.deepEqual([reached(world), told(world)], [[selectorsText(near)], [leftOut, `${selectorsText(far)}: TS_UNACCEPTABLE`]]);
  assert.equal(world.client.closed, false);
});

test('what is of a family that we have no address of is no loss', () => {
  let spiIn = 0x9000;
  const world = new Scripted(
    { closeWithoutChild: true },
    (payloads) => {
      const again = findNotify(payloads, NOTIFY.REKEY_SA) !== undefined;
      const narrow = (local: readonly TrafficSelector[], remote: readonly TrafficSelector[]) => ({
        local: again ? local.filter(({ type }) => type === near[0]?.type) : local,
        remote,
      });
      return answerChild(payloads, { random, proposals: esp, spiIn: ++spiIn, narrow }).payloads;
    },
    0,
  );
  world.client.session.wantFirst({ local: laptop, remote: [...near, selector('::/0')] }, world.now);
  world.settle();
  world.client.session.rekeyChild([...world.client.living.keys()][0] ?? 0, world.now);
  world.pass(60_000);
  assert.deepEqual([reached(world), told(world), world.asked.length], [[selectorsText(near)], [], 2]);
});

const third = [selector('10.10.3.0/24')];
const foreign = [selector('fd10:10::/64')];

/** A gateway that has so many networks in each CHILD SA, and none of these. */
function sparing(most: number, none: readonly TrafficSelector[] = []) {
  let spiIn = 0x9000;
  return new Scripted(
    { closeWithoutChild: true },
    (payloads) => {
      const asked = findPayload(payloads, 'TSr')?.selectors ?? [];
      const narrowed = asked.filter((one) => !selectorsText(none).includes(selectorsText([one]))).slice(0, most);
      if (narrowed.length === 0) return [notify(NOTIFY.TS_UNACCEPTABLE)];
      const narrow = (_: unknown, remote: readonly TrafficSelector[]) => ({ local: narrowed, remote });
      return answerChild(payloads, { random, proposals: esp, spiIn: ++spiIn, narrow }).payloads;
    },
    0,
  );
}

test('one network in each CHILD SA: all are had, one after the other', () => {
  const world = sparing(1);
  world.client.session.wantFirst({ local: laptop, remote: [...near, ...far, ...third, ...foreign] }, world.now);
  world.settle();
  assert.deepEqual([reached(world), told(world)], [[near, far, third].map(selectorsText), []]);
  assert.equal(world.asked.length, 3, 'of the family that we have no address of nothing is asked for');
  for (const spiIn of [...world.client.living.keys()]) world.client.session.rekeyChild(spiIn, world.now);
  world.pass(60_000);
  assert.deepEqual([reached(world), world.asked.length], [[near, far, third].map(selectorsText), 6]);
});

test('networks that the gateway does not have are asked for once, and told of', () => {
  const world = sparing(9, [...far, ...third]);
  world.client.session.wantFirst({ local: laptop, remote: [...near, ...far, ...third] }, world.now);
  world.pass(600_000);
  assert.deepEqual(
    [reached(world), told(world)],
    [[selectorsText(near)], [`${selectorsText([...far, ...third])}: TS_UNACCEPTABLE`]],
  );
  assert.equal(world.asked.length, 2);
});
