/** What a connection tells of its SAs while one takes the place of another. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChildCounters } from '../../../core/dataplane/contract.ts';
import { Counters } from '../../../core/dataplane/counters.ts';
import { ChildSas } from '../../../core/helper/childSas.ts';
import type { ChildSa } from '../../../core/ike/sa/contract.ts';
import { childSa } from '../tunnel/fakes.ts';
import { sampleProfile } from './sampleProfile.ts';

const childOf = (spiIn: number): ChildSa => ({ ...childSa(), spiIn });

/** SAs are in the slots of their SPIs. */
function scene() {
  const counters = new Counters();
  const installed = new Map<number, PromiseWithResolvers<ChildCounters | undefined>>();
  /** As the dataplane: at first it has no counters to show any more, then the lanes have let go of it. */
  const gone = (spiIn: number): (() => void) => {
    const { resolve } = installed.get(spiIn) ?? Promise.withResolvers();
    installed.delete(spiIn);
    return () => resolve(counters.child(spiIn));
  };
  const children = new ChildSas(
    {
      dataplane: {
        installChild: async ({ spiIn }) => void installed.set(spiIn, Promise.withResolvers()),
        changePath: async () => {},
        removeChild: async (spiIn) => gone(spiIn)(),
        probeThrough: () => {},
        pathMtu: () => undefined,
        counters: (spiIn) => (installed.has(spiIn) ? counters.child(spiIn) : undefined),
        lastCounters: (spiIn) => installed.get(spiIn)?.promise ?? Promise.resolve(undefined),
        globalCounters: () => ({}) as never,
        backendOf: () => 'evp',
      },
      log: () => {},
      now: () => 0,
    },
    sampleProfile(),
  );
  return {
    children,
    gone,
    receive(spiIn: number, packets: number) {
      counters.add(spiIn, 'packetsIn', packets);
      counters.add(spiIn, 'bytesIn', packets * 1000);
    },
    told: () => children.facts((at) => at).octets.in,
  };
}

test('what comes in the grace of a replaced SA is in the total, at every moment once', async () => {
  const { children, gone, receive, told } = scene();
  await children.install(childOf(1), {});
  receive(1, 1000);
  await children.install(childOf(2), { replaces: 1 });
  assert.equal(told(), 1_000_000);
  children.forget(1);
  assert.deepEqual([told(), children.spis], [1_000_000, [2]]);
  receive(1, 500);
  receive(2, 1);
  assert.equal(told(), 1_501_000);
  const letGo = gone(1);
  receive(1, 1);
  assert.equal(told(), 1_501_000, 'nothing is shown of it at this moment but what was seen');
  letGo();
  await new Promise(setImmediate);
  assert.equal(told(), 1_502_000);
  // Its end is not waited for when the connection ends.
  await children.install(childOf(3), { replaces: 2 });
  children.forget(2);
  receive(2, 1);
  receive(3, 1);
  await children.removeAll();
  assert.deepEqual([told(), children.spis], [1_504_000, []]);
});

test('RFC 7296 §2.4: traffic shows that the peer lives on whichever SA it comes, whatever the one before had carried', async () => {
  const { children, gone, receive } = scene();
  await children.install(childOf(1), {});
  receive(1, 1000);
  assert.deepEqual([children.trafficArrived(), children.trafficArrived()], [true, false]);
  await children.install(childOf(2), { replaces: 1 });
  children.forget(1);
  receive(1, 1);
  assert.deepEqual([children.trafficArrived(), children.trafficArrived()], [true, false]);
  gone(1)();
  receive(2, 1);
  assert.deepEqual([children.trafficArrived(), children.trafficArrived()], [true, false]);
});
