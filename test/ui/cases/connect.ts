/** The main flow: connect, see what holds, disconnect; cancel wherever it hangs; what the gateway does meanwhile. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Status, TunnelState } from '../../../core/rpc/contract.ts';
import { VISITOR } from '../../gateway/office.ts';
import { type App, WIDE } from '../app.ts';
import { type Case, eventually } from '../kit.ts';
import { connectedScene, useSettings } from '../scenes.ts';
import type { Blocked, ProfileFields, World } from '../world.ts';
import { card } from './failures.ts';

const STEPS = ['Finding the gateway', 'Securing the channel', 'Proving the gateway', 'Proving you', 'Preparing the network'];

/** The large word. */
export async function stateIs(app: App, wanted: string, withinMs = 10_000): Promise<void> {
  await app.page.getByRole('heading', { level: 1, name: wanted, exact: true }).waitFor({ timeout: withinMs });
}

async function connects(world: World, press: (app: App) => Promise<void>): Promise<Status> {
  await world.profile();
  const app = await world.open();
  await stateIs(app, 'Not protected');
  await press(app);
  const status = await world.state('connected');
  await stateIs(app, 'Protected');
  return status;
}

interface Hang {
  readonly block?: Blocked;
  readonly profile?: ProfileFields;
  readonly silent?: true;
}

/** Cancels with the window where it hangs; nothing of it is left. */
function cancels(state: TunnelState, says: RegExp, hang: Hang, by: 'button' | 'Escape', smoke?: true): Case {
  return {
    name: `connect/cancel while ${state}, by ${by === 'button' ? 'the button' : by}`,
    ...(smoke && { smoke }),
    run: async (world) => {
      await world.profile(hang.profile);
      if (hang.block) await world.block(hang.block);
      if (hang.silent) await world.misbehave('silent-after-sa-init');
      const app = await world.open();
      await app.press('Connect');
      await world.state(state);
      await app.sees(says);
      await app.picture(`connect-${state}`);
      if (by === 'Escape') await app.page.keyboard.press('Escape');
      else await app.press('Cancel');
      await world.state('idle');
      await stateIs(app, 'Not protected');
      assert.equal(await card(app).count(), 0, 'a cancelled connection is no failure');
      await app.button('Connect').waitFor();
      return 'back at once';
    },
  };
}

export const connect: readonly Case[] = [
  {
    name: 'connect/by the big control and down again',
    smoke: true,
    run: async (world) => {
      await world.profile();
      const app = await world.open();
      await stateIs(app, 'Not protected');
      await app.press('Connect');
      await world.state('connected');
      await stateIs(app, 'Protected');
      await world.ping();
      await app.press('Disconnect');
      await stateIs(app, 'Not protected');
      assert.equal((await world.status()).state, 'idle');
      return 'up and down';
    },
  },
  {
    name: 'connect/with the keyboard alone, from import to disconnect',
    smoke: true,
    run: async (world) => {
      const app = await world.open();
      const { keyboard } = app.page;
      await app.run(`navigator.clipboard.writeText(${JSON.stringify(world.profileText())})`);
      await keyboard.press('Control+V');
      await app.page
        .getByRole('dialog')
        .getByRole('heading', { name: /^Import “/ })
        .waitFor();
      // The yes has the focus.
      await keyboard.press('Enter');
      await app.sees('“Head office” is imported.');
      await keyboard.press('Control+1');
      await tabTo(app, 'control');
      await keyboard.press('Enter');
      await world.state('connected');
      await stateIs(app, 'Protected');
      for (const [keys, view] of [
        ['Control+2', 'profiles'],
        ['Control+3', 'statistics'],
        ['Control+4', 'log'],
        ['Control+1', 'connect'],
      ] as const) {
        await keyboard.press(keys);
        await app.page.locator(`main[data-view=${view}]`).getByRole('heading', { level: 1 }).waitFor();
      }
      await tabTo(app, 'control');
      await keyboard.press('Space');
      await world.state('idle');
      await stateIs(app, 'Not protected');
      return 'import, connect, every view, disconnect';
    },
  },
  {
    name: 'connect/by Ctrl+Enter from any view',
    run: async (world) => {
      const status = await connects(world, async (app) => {
        await app.go('Log');
        await app.page.keyboard.press('Control+Enter');
        await app.go('Connect');
      });
      return status.virtualIps.join(', ');
    },
  },
  {
    name: 'connect/says by what, since when and what goes through',
    run: async (world) => {
      const app = await connectedScene(world);
      await stateIs(app, 'Protected');
      const text = await app.page.getByRole('main').innerText();
      assert.match(text, /Head office/);
      assert.match(text, /vpn\.office\.test/);
      const { networks, domains } = { networks: 2, domains: (await world.status()).domains.length };
      assert.match(text, new RegExp(`Only the office: ${networks} networks.*${domains} domain`));
      assert.match(text, /for \d+/, 'since when');
      assert.match(text, /Behind a router/, 'NAT');
      assert.match(text, /Receiving/);
      assert.match(text, /Sending/);
      return text.replaceAll(/\s+/g, ' ').slice(0, 220);
    },
  },
  {
    name: 'connect/the live rate moves with the traffic',
    run: async (world) => {
      const app = await connectedScene(world);
      const flow = world.stage.lab.laptop.spawn(
        ['ping', '-n', '-q', '-i', '0.02', '-s', '1200', world.stage.lab.addresses.intranet.web4],
        { stdio: 'ignore' },
      );
      try {
        const said = await eventually(
          'a rate above 100 kbit/s',
          async () => {
            const text = (await app.page.getByRole('main').innerText()).replaceAll(/\s+/g, ' ');
            const rates = [...text.matchAll(/([\d.,]+) (k|M)(?:B|bit)\/s/g)].map(
              ([, figure = '', unit]) => Number(figure.replaceAll(',', '')) * (unit === 'M' ? 1000 : 1),
            );
            return rates.length >= 2 && rates.every((rate) => rate > 10) ? rates.join(' and ') : undefined;
          },
          6_000,
        );
        return `${said} k/s`;
      } finally {
        flow.kill('SIGKILL');
      }
    },
  },
  {
    name: 'connect/the steps are marked as they are done',
    run: async (world) => {
      await world.profile();
      await world.misbehave('silent-after-sa-init');
      const app = await world.open();
      await app.press('Connect');
      await app.sees(/Checking that it really is/);
      const items = (await app.page.getByLabel('Steps', { exact: true }).locator('li').allInnerTexts()).map((text) =>
        text.replaceAll(/\s+/g, ' '),
      );
      assert.equal(items.length, STEPS.length, items.join(' | '));
      for (const [index, step] of STEPS.entries()) assert.ok(items[index]?.includes(step), `${items[index]} is ${step}`);
      assert.match(items[0] ?? '', /done/);
      assert.match(items[1] ?? '', /done/);
      assert.match(items[2] ?? '', /under way/);
      assert.match(items[4] ?? '', /not yet/);
      await app.sees(/so far/);
      return items.join(' | ');
    },
  },
  cancels('resolving', /Finding/, { block: 'dns' }, 'button'),
  cancels('connecting', /Securing the channel/, { block: 'ike' }, 'button', true),
  cancels('authenticating', /Checking that it really is|Proving/, { silent: true }, 'button'),
  cancels('connecting', /Securing the channel/, { block: 'ike' }, 'Escape'),
  {
    name: 'connect/a second window shows the same',
    run: async (world) => {
      await world.profile();
      const [one, two] = [await world.open(), await world.open({ viewport: WIDE })];
      await one.press('Connect');
      await world.state('connected');
      await stateIs(two, 'Protected');
      await two.press('Disconnect');
      await stateIs(one, 'Not protected');
      return 'both ways';
    },
  },
  {
    name: 'connect/the command line connects, the window follows',
    run: async (world) => {
      await world.profile();
      const app = await world.open();
      await world.cli('up', 'Head office');
      await stateIs(app, 'Protected');
      await world.cli('down');
      await stateIs(app, 'Not protected');
      return 'followed';
    },
  },
  {
    name: 'connect/the profile to connect can be chosen',
    run: async (world) => {
      await world.profile({ name: 'Head office' });
      const { id } = await world.profile({ name: 'Branch', localId: VISITOR.identity });
      const app = await world.open();
      await app.page.getByRole('button', { name: /Profile/ }).click();
      await app.page.getByRole('option', { name: /Branch/ }).click();
      await app.press('Connect');
      const status = await world.state('connected');
      assert.equal(status.profile?.id, id);
      await app.sees('Branch');
      return 'Branch';
    },
  },
  {
    name: 'connect/the last profile used is offered again',
    run: async (world) => {
      await world.profile({ name: 'Alpha' });
      const { id } = await world.profile({ name: 'Zulu' });
      const app = await world.open();
      await useSettings(app, { currentProfile: id });
      await app.page.reload();
      await app.page
        .getByRole('button', { name: /Profile/ })
        .filter({ hasText: 'Zulu' })
        .waitFor();
      return 'Zulu';
    },
  },
  {
    name: 'connect/the gateway ends it',
    run: async (world) => {
      // Brought back it is in session.ts.
      const { id } = await world.profile({ whenLost: 'end' });
      await world.up(id);
      const app = await world.open();
      await stateIs(app, 'Protected');
      world.office.gateway.send({ do: 'terminate' });
      await world.state('failed');
      await card(app).waitFor();
      assert.match(await card(app).innerText(), /The office ended the connection/);
      await app.picture('connect-ended-by-gateway');
      await app.press('Try again');
      await world.state('connected');
      await stateIs(app, 'Protected');
      return 'said, and connected again';
    },
  },
  {
    name: 'connect/the gateway restarts and knows nothing any more',
    run: async (world) => {
      // The shortest silence a profile allows, so that the case is not long.
      const { id } = await world.profile({ liveness: 5, whenLost: 'end' });
      await world.up(id);
      const app = await world.open();
      await stateIs(app, 'Protected');
      await world.misbehave();
      await world.state('failed', 90_000);
      await card(app).waitFor();
      const text = await card(app).getByRole('heading').first().innerText();
      assert.match(text, /no longer answers|ended the connection/);
      await app.press('Try again');
      await world.state('connected');
      await stateIs(app, 'Protected');
      return text;
    },
  },
  {
    name: 'connect/pressed twice at once it connects once',
    run: async (world) => {
      await world.profile();
      const app = await world.open();
      await app.button('Connect').dblclick({ delay: 10 });
      await sleep(1_500);
      const { state } = await world.status();
      assert.ok(['connected', 'idle'].includes(state), state);
      await stateIs(app, state === 'connected' ? 'Protected' : 'Not protected');
      assert.equal(await card(app).count(), 0);
      return state;
    },
  },
  {
    name: 'connect/a refusal by the helper falls back to what is',
    run: async (world) => {
      const { id } = await world.profile();
      const app = await world.open();
      await app.button('Connect').waitFor();
      // Behind the window's back: what it shows is no longer there.
      await world.call('profile.remove', { profile: id });
      await app.press('Connect');
      await eventually(
        'it falls back',
        async () => {
          const text = await app.text();
          return /no such profile|Import a profile/i.test(text) ? true : undefined;
        },
        8_000,
      );
      assert.equal((await world.status()).state, 'idle');
      return 'fell back';
    },
  },
];

/** Tab until the control with this mark has the focus. */
async function tabTo(app: App, mark: string): Promise<void> {
  for (let count = 0; count < 60; count++) {
    await app.page.keyboard.press('Tab');
    if ((await app.run(`document.activeElement?.dataset?.test ?? ''`)) === mark) return;
  }
  throw new Error(`Tab does not reach ${mark}`);
}
