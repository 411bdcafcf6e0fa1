/** Gateways that answer rekeying as no session of ours would. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerChild, answerIkeRekey, ChildRequest } from '../../core/ike/exchanges/createChild.ts';
import { EXCHANGE, NOTIFY } from '../../core/ike/wire/constants.ts';
import type { Payload } from '../../core/ike/wire/message.ts';
import { findNotify, findPayload, notify, notifyAbout } from '../../core/ike/wire/payloads.ts';
import { selector } from '../gateway/fixtures.ts';
import { Scripted } from './scripted.ts';
import { unlimited } from './sessions.ts';
import { proposals, seededRandom } from './world.ts';

const X25519 = 31;
const ECP256 = 19;

/** Answers of a gateway that wants ecp256 for all that comes after IKE_SA_INIT. */
function otherGroup() {
  const random = seededRandom('other group');
  let spiIn = 0x9000;
  return {
    ike: (payloads: readonly Payload[]) =>
      answerIkeRekey(payloads, { random, proposals: proposals('ike', 'aes128-sha256-ecp256'), spi: random(8).slice() }).payloads,
    child: (payloads: readonly Payload[]) =>
      answerChild(payloads, {
        ...{ random, proposals: proposals('esp', 'aes128gcm16-ecp256'), spiIn: ++spiIn },
        narrow: (local, remote) => ({ local, remote }),
      }).payloads,
  };
}

const ours = { ike: 'aes128-sha256-x25519-ecp256', esp: 'aes128gcm16-x25519-ecp256' };
const methods = (world: Scripted) => world.asked.map((payloads) => findPayload(payloads, 'KE')?.method);

for (const [what, kind] of [
  ['ike', 'ike-rekeyed'],
  ['child', 'child-rekeyed'],
] as const)
  test(`busy for a while, then another group is wanted (${what}): refusals for other reasons are none of the group (RFC 7296 §1.3)`, () => {
    const answer = otherGroup()[what];
    let busy = 5;
    const lifetimes = { ...unlimited, [what]: { soft: 60_000, hard: 900_000 } };
    const world = new Scripted({ ...ours, lifetimes }, (payloads) =>
      busy-- > 0 ? [notify(NOTIFY.TEMPORARY_FAILURE)] : answer(payloads),
    );
    const done = () => world.client.outputs(kind).length > 0;
    for (let minute = 0; minute < 14 && !done(); minute++) world.pass(60_000);
    assert.ok(done());
    assert.deepEqual(methods(world).slice(0, 7), [...new Array(6).fill(X25519), ECP256]);
  });

test('the same of the first CHILD SA (RFC 6023)', () => {
  const answer = otherGroup().child;
  let busy = 5;
  const world = new Scripted(
    { ...ours, closeWithoutChild: true },
    (payloads) => (busy-- > 0 ? [notify(NOTIFY.TEMPORARY_FAILURE)] : answer(payloads)),
    0,
  );
  world.client.session.wantFirst(world.client.selectors, world.now);
  world.pass(300_000);
  assert.deepEqual(methods(world), [...new Array(6).fill(X25519), ECP256]);
  assert.deepEqual([world.client.living.size, world.client.closed], [1, false]);
});

test('one that asks for another group each time is asked a few times in a row, and later again', () => {
  let turn = 0;
  const world = new Scripted({ ...ours, lifetimes: { ...unlimited, child: { soft: 60_000, hard: 900_000 } } }, () => [
    notify(NOTIFY.INVALID_KE_PAYLOAD, Uint8Array.of(0, turn++ % 2 === 0 ? ECP256 : X25519)),
  ]);
  world.pass(60_000);
  assert.equal(world.asked.length, 4);
  world.pass(700_000);
  assert.ok(world.asked.length < 80, `${world.asked.length} times`);
});

for (const what of ['ike', 'child'] as const) {
  const lifetimes = { ...unlimited, jitter: 0, [what]: { soft: 600_000, hard: 1_200_000 } };

  test(`one that rekeys nothing (${what}): another login is asked for while what there is still carries, once (RFC 7296 §4)`, () => {
    const world = new Scripted({ lifetimes, closeWithoutChild: true }, () => [notify(NOTIFY.NO_ADDITIONAL_SAS)]);
    world.pass(1_000_000);
    assert.deepEqual(world.client.outputs('reauthenticate'), []);
    world.pass(199_000);
    const [asked, ...more] = world.client.outputs('reauthenticate');
    assert.ok(asked && asked.within > 60_000 && asked.within <= 120_000, `${asked?.within}`);
    assert.deepEqual([more, world.client.closed, world.client.living.size], [[], false, 1]);
    world.pass(10_000);
    assert.equal(world.client.outputs('closed')[0]?.failure?.code, 'expired');
  });

  test(`one that is busy for long (${what}) and then rekeys: nobody logs in again`, () => {
    const { ike, child } = otherGroup();
    let busy = 12;
    const answer = what === 'ike' ? ike : child;
    const world = new Scripted({ ...ours, lifetimes, closeWithoutChild: true }, (payloads) =>
      busy-- > 0 ? [notify(NOTIFY.TEMPORARY_FAILURE)] : answer(payloads),
    );
    world.pass(1_199_000);
    assert.deepEqual(world.client.outputs('reauthenticate'), []);
    assert.equal(world.client.outputs(what === 'ike' ? 'ike-rekeyed' : 'child-rekeyed').length, 1);
  });
}

test('who waits for others to log in has none to do it again', () => {
  const lifetimes = { ...unlimited, child: { soft: 60_000, hard: 120_000 } };
  const world = new Scripted({ lifetimes }, () => [notify(NOTIFY.NO_ADDITIONAL_SAS)]);
  world.pass(200_000);
  assert.deepEqual(world.client.outputs('reauthenticate'), []);
});

test('one that rekeys many networks by many ports each: as many as a message can name are taken, in no time (RFC 7296 §3.13)', () => {
  const random = seededRandom('ports');
  const esp = proposals('esp', 'aes128gcm16');
  let spiIn = 0x9000;
  const world = new Scripted(
    { closeWithoutChild: true },
    (payloads) =>
      answerChild(payloads, { random, proposals: esp, spiIn: ++spiIn, narrow: (local, remote) => ({ local, remote }) }).payloads,
    0,
  );
  const remote = Array.from({ length: 250 }, (_, i) => selector(`10.10.${i}.0/24`));
  const local = [selector('10.7.0.5/32')];
  world.client.session.wantFirst({ local, remote }, world.now);
  world.settle();
  const [old] = [...world.client.living.values()];
  const everywhere = selector('0.0.0.0/0');
  const request = new ChildRequest({
    ...{ random, proposals: esp, spiIn: 0x7777, rekeyed: old?.child.spiOut, remoteSelectors: local },
    localSelectors: Array.from({ length: 255 }, (_, port) => ({ ...everywhere, startPort: port, endPort: port })),
  });
  const answers: (readonly Payload[])[] = [];
  world.gateway.request(
    { exchange: EXCHANGE.CREATE_CHILD_SA, build: () => request.build(), process: (payloads) => answers.push(payloads) },
    world.now,
  );
  const startedAt = performance.now();
  world.settle();
  assert.equal(findPayload(answers[0] ?? [], 'TSi')?.selectors.length, 255);
  // Minutes without a bound.
  assert.ok(performance.now() - startedAt < 10_000);
});

test('one that rekeys what is of no protocol that we know: it is not there', () => {
  const world = new Scripted({ closeWithoutChild: true }, () => undefined);
  const [old] = [...world.client.living.values()];
  assert.ok(old);
  const request = new ChildRequest({
    ...{ random: seededRandom('unknown'), proposals: proposals('esp', 'aes128gcm16'), spiIn: 0x7777, rekeyed: undefined },
    ...{ localSelectors: old.child.remoteSelectors, remoteSelectors: old.child.localSelectors },
  });
  const answers: (readonly Payload[])[] = [];
  const what = notifyAbout(200, new Uint8Array(7), NOTIFY.REKEY_SA);
  world.gateway.request(
    {
      exchange: EXCHANGE.CREATE_CHILD_SA,
      build: () => [what, ...request.build()],
      process: (payloads) => answers.push(payloads),
    },
    world.now,
  );
  world.settle();
  assert.ok(findNotify(answers[0] ?? [], NOTIFY.CHILD_SA_NOT_FOUND));
});
