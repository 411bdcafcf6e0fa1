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

function world() {
  const fake = fakeWorld();
  const lines: string[] = [];
  const lost: HostError[] = [];
  const watched = new Set<() => void>();
  const state = { missing: [] as readonly string[], refuses: false, applied: 0 };
  const stage = createStage(
    {
      ...fake.deps,
      log: (_level, _area, text, fields) => lines.push(`${text}${fields?.missing === undefined ? '' : `: ${fields.missing}`}`),
      monitor: {
        ...fake.deps.monitor,
        async apply() {
          state.applied++;
          if (state.refuses) return err({ code: 'failed', detail: 'add route' });
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
  );
  const news = async (): Promise<void> => {
    for (const look of [...watched]) look();
    await sleep(10);
  };
  return { stage, state, lines, lost, watched, news };
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

test('where it cannot be put back nothing of the plan is in place, and that is told', async () => {
  const { stage, state, lost, news } = world();
  await stage.apply(plan);
  state.missing = ['sally0 is down'];
  state.refuses = true;
  await news();
  assert.deepEqual(lost, [{ code: 'failed', detail: 'add route' }]);
  assert.deepEqual([stage.plan(), stage.holds()], [undefined, false]);
  await stage.close();
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
