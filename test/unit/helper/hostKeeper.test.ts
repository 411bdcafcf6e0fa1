/** A host that another program changes while a tunnel is up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { err, ok } from '../../../core/bytes/result.ts';
import { keepHost } from '../../../core/helper/hostKeeper.ts';
import { createStage } from '../../../core/helper/stage.ts';
import type { HostError, HostPlan } from '../../../core/system/ports.ts';
import { fakeWorld } from '../tunnel/fakes.ts';

const plan: HostPlan = {
  interface: { name: 'sally0', mtu: 1400, addresses: [{ address: '10.9.0.2', prefix: 32 }] },
  routes: ['0.0.0.0/0'],
};

function world(held?: 'held') {
  const fake = fakeWorld();
  const lines: string[] = [];
  const lost: HostError[] = [];
  const watched = new Set<() => void>();
  const state = { missing: [] as readonly string[], refuses: undefined as HostError | undefined, applied: 0 };
  const stage = createStage(
    {
      ...fake.deps,
      log: (_level, _area, text, fields) => lines.push(`${text}${fields?.missing === undefined ? '' : `: ${fields.missing}`}`),
      monitor: {
        ...fake.deps.monitor,
        async apply() {
          state.applied++;
          if (state.refuses) return err(state.refuses);
          state.missing = [];
          return ok([]);
        },
      },
      network: {
        watch: (_, onChange) => {
          const look = () => onChange({ addresses: false });
          watched.add(look);
          return { close: () => watched.delete(look) };
        },
        missing: () => state.missing,
      },
    },
    { mtu: 1400, localPort: 'any' },
    (why) => lost.push(why),
    held,
  );
  const news = async (): Promise<void> => {
    for (const look of [...watched]) look();
    await sleep(10);
  };
  return { stage, state, lines, lost, watched, news, fake };
}

test('what another program took away is put back, and said', async () => {
  const { stage, state, lines, lost, watched, news } = world();
  assert.equal(watched.size, 0);
  await stage.apply(plan);
  await news();
  assert.deepEqual([state.applied, lines], [1, []], 'all is there');
  state.missing = ['sally0 is down', 'route 0.0.0.0/0'];
  await news();
  assert.equal(state.applied, 2);
  assert.deepEqual(lines, [
    'another program changed what was set up for the tunnel: it is put back: sally0 is down, route 0.0.0.0/0',
  ]);
  assert.deepEqual(stage.plan(), plan);
  await stage.close();
  assert.equal(watched.size, 0);
  assert.deepEqual(lost, []);
});

test('a host that is put back to what it was, or not made yet, is left alone', async () => {
  const { stage, state, news } = world();
  await stage.apply(plan);
  await stage.revert();
  state.missing = ['sally0 is down'];
  await news();
  assert.equal(state.applied, 1);
  await stage.close();
});

test('nobody watches for a tunnel that ends while its host is being made', async () => {
  const { stage, watched } = world();
  void stage.apply(plan);
  await Promise.resolve();
  await stage.close();
  assert.equal(watched.size, 0);
});

test('where it cannot be put back nothing of the plan is in place, and that is told', async () => {
  const { stage, state, lost, news } = world();
  await stage.apply(plan);
  state.missing = ['sally0 is down'];
  state.refuses = { code: 'failed', detail: 'add route' };
  await news();
  assert.deepEqual(lost, [{ code: 'failed', detail: 'add route' }]);
  assert.deepEqual([stage.plan(), stage.holds()], [undefined, false]);
  await stage.close();
});

test('where it cannot be put back and what is held is held still, that is told, and nothing is let go', async () => {
  const { stage, state, lost, news } = world();
  await stage.apply(plan);
  state.missing = ['sally0 is down'];
  state.refuses = { code: 'still-held', detail: 'add route' };
  await news();
  assert.deepEqual(lost, [state.refuses]);
  assert.deepEqual([stage.plan(), stage.holds()], [plan, true]);
  assert.equal((await stage.apply({ ...plan, routes: [] })).ok, false);
  assert.deepEqual([stage.plan(), stage.holds()], [plan, true]);
  await stage.close();
});

test('a plan that the monitor refuses: the one before stays, and what an engine before us held', async () => {
  const { stage, state } = world();
  await stage.apply(plan);
  state.refuses = { code: 'refused', detail: 'refused: domain' };
  assert.deepEqual(await stage.apply({ ...plan, routes: [] }), err(state.refuses));
  assert.deepEqual([stage.plan(), stage.holds()], [plan, true]);
  await stage.close();

  const next = world('held');
  next.state.refuses = state.refuses;
  assert.deepEqual(await next.stage.apply(plan), err(state.refuses));
  assert.deepEqual([next.stage.plan(), next.stage.holds()], [undefined, true]);
  await next.stage.close();
});

test('a plan that failed is no plan any more', async () => {
  const { stage, state } = world('held');
  state.refuses = { code: 'invalid', detail: 'sally0 is no TUN device of ours' };
  await stage.apply(plan);
  assert.deepEqual([stage.plan(), stage.holds()], [undefined, false]);
  await stage.close();
});

test('a device that goes while it is looked after: what is held stays held, and the next connection goes on with another', async () => {
  const { stage, state, lost, news } = world();
  await stage.apply(plan);
  state.missing = ['sally0 is down'];
  state.refuses = { code: 'device-gone', detail: 'sally0 is there no more' };
  await news();
  assert.deepEqual(lost, []);
  assert.deepEqual([stage.plan(), stage.holds()], [plan, true]);
  assert.equal((await stage.apply(plan)).ok, false);
  assert.equal(stage.holds(), true);
  await stage.close();
  assert.equal(stage.holds(), false);
});

test('a device that is removed while it is opened or handed over: the next one carries the packets, and nothing is left open', async () => {
  const { stage, fake } = world();
  const attached = () => fake.calls.filter((call) => call === 'attachTun').length;
  await stage.device();
  stage.renewDevice();
  await stage.attach(); // by a connection that was on its way there
  assert.equal(attached(), 0);

  const second = await stage.device();
  const handing = stage.attach();
  assert(second.ok);
  await sleep(0);
  assert.equal(attached(), 1);
  stage.renewDevice();
  await handing;
  assert.ok(fake.open.has(second.value.fd), 'threads use it until they have another one');
  const third = await stage.device();
  await stage.attach();
  assert.deepEqual([attached(), [...fake.open]], [2, third.ok && [third.value.fd]]);

  stage.renewDevice();
  void stage.device();
  stage.renewDevice();
  await stage.close();
  assert.equal(fake.open.size, 0);
});

test('two programs that do not agree: once a second', async () => {
  let looks = 0;
  let news = (): void => {};
  const keeper = keepHost(
    {
      watch: (_, onChange) => {
        news = () => onChange({ addresses: false });
        return { close: () => {} };
      },
    },
    async () => ++looks > 0,
  );
  const until = performance.now() + 1_300;
  while (performance.now() < until) {
    news();
    await sleep(20);
  }
  assert.equal(looks, 2);
  keeper.stop();
  news();
  await sleep(20);
  assert.equal(looks, 2);
});
