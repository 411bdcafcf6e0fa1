/** Statistics: what the helper knows, as it is now, to read and to take along. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SessionRecord, Status } from '../../../core/rpc/contract.ts';
import { type App, WIDE } from '../app.ts';
import { type Case, eventually } from '../kit.ts';
import { connectedScene } from '../scenes.ts';
import type { World } from '../world.ts';
import { hearCopies } from './failures.ts';

/** The cells of a table's first row, by what names them: a header, or the name in the cell. None when it is not there, as while nothing is connected. */
export async function table(app: App, name: string): Promise<Readonly<Record<string, string>>> {
  return app.run(`(() => {
    const grid = document.querySelector('[data-test="table-${name}"]');
    if (grid === null) return {};
    const text = (cell) => cell.innerText.replace(/\\s+/g, ' ').trim();
    const headers = [...grid.querySelectorAll('thead th')].map(text);
    return Object.fromEntries([...grid.querySelectorAll('tbody tr:first-child td')].map((cell, index) => {
      const [named, value] = [cell.querySelector('.stat-name'), cell.querySelector('.stat-value')];
      return named ? [text(named), text(value)] : [headers[index], text(cell)];
    }));
  })()`);
}

const figure = (text: string | undefined): number => Number((text ?? '').replaceAll(/[^\d.-]/g, ''));

/** The window and the command line tell the same, asked between two equal answers of the command line. */
async function agree(world: World, app: App): Promise<string> {
  return eventually(
    'window and command line agree',
    async () => {
      const before = await world.cli<Status>('status');
      const [traffic, ike, path] = [await table(app, 'traffic'), await table(app, 'ike'), await table(app, 'path')];
      const after = await world.cli<Status>('status');
      const [child, again] = [before.children[0], after.children[0]];
      // Something came through in between: nothing can be compared.
      if (child === undefined || child.bytesIn !== again?.bytesIn || child.bytesOut !== again.bytesOut) return undefined;
      const shown = [
        traffic['SPI in'],
        traffic['SPI out'],
        figure(traffic['Received packets']),
        figure(traffic['Received bytes']),
        figure(traffic['Sent packets']),
        figure(traffic['Sent bytes']),
      ];
      const told = [child.spiIn, child.spiOut, child.packetsIn, child.bytesIn, child.packetsOut, child.bytesOut];
      // The window is told every half second.
      if (shown.join() !== told.join()) return undefined;
      assert.equal(ike['Initiator SPI'], before.ike?.spiI);
      assert.equal(ike['Responder SPI'], before.ike?.spiR);
      assert.equal(path.You, before.ike?.localIdentity);
      assert.equal(path['Gateway proved'], before.ike?.remoteIdentity);
      assert.equal(path.Gateway, `${before.gateway?.address}:${before.gateway?.port}`);
      assert.equal(figure(path['MTU bytes'] ?? path.MTU), before.interface?.mtu);
      return `${child.packetsIn} packets, ${child.bytesIn} bytes in; ${child.packetsOut}, ${child.bytesOut} out`;
    },
    10_000,
  );
}

async function download(app: App, entry: RegExp): Promise<{ readonly name: string; readonly text: string }> {
  await app.page.getByTestId('stat-export').click();
  const [saved] = await Promise.all([app.page.waitForEvent('download'), app.page.getByRole('menuitem', { name: entry }).click()]);
  return { name: saved.suggestedFilename(), text: readFileSync(await saved.path(), 'utf8') };
}

/** Rows of a CSV without line breaks in its fields. */
function cells(line: string): readonly string[] {
  return [...line.matchAll(/"((?:[^"]|"")*)"|([^,]+)|(?<=,|^)(?=,|$)/g)].map(
    (match) => match[1]?.replaceAll('""', '"') ?? match[2] ?? '',
  );
}

export const statistics: readonly Case[] = [
  {
    name: 'statistics/empty, it says what will be here',
    run: async (world) => {
      const app = await world.open();
      await app.go('Statistics');
      // On a busy machine the window may still be looking for the helper.
      await app.page
        .getByRole('main')
        .getByText(/No figures yet|Not connected|Sessions/)
        .first()
        .waitFor();
      const text = await app.page.getByRole('main').innerText();
      return text.replaceAll(/\s+/g, ' ').slice(0, 120);
    },
  },
  {
    name: 'statistics/equal to the command line’s at the same moment, and again after more traffic',
    smoke: true,
    run: async (world) => {
      const app = await connectedScene(world, { viewport: WIDE });
      await app.go('Statistics');
      const first = await agree(world, app);
      await world.ping(20);
      const second = await agree(world, app);
      assert.notEqual(first, second, 'nothing moved');
      return `${first} | ${second}`;
    },
  },
  {
    name: 'statistics/what the kernel does, who carries the SA and what was dropped, as the command line has it',
    run: async (world) => {
      const app = await connectedScene(world, { viewport: WIDE });
      await app.go('Statistics');
      const status = await world.cli<Status>('status');
      const { stdout } = await world.stage.cli('status');
      const row = (name: string): string | undefined =>
        stdout
          .split('\n')
          .find((line) => line.startsWith(`  ${name}  `))
          ?.slice(name.length + 2)
          .trim();
      const [path, protection] = [await table(app, 'path'), await table(app, 'protection')];
      const [drops, strays] = [await table(app, 'drops'), await table(app, 'strays')];
      assert.equal(path['Kernel offload'], row('Kernel offload'));
      assert.equal(protection['Cipher code'], row('Cipher code'));
      assert.equal(protection['Cipher code'], status.children[0]?.backend);
      assert.equal(figure(drops['Too large for the path']), status.children[0]?.dropsTooBig);
      assert.equal(figure(drops['Lost to congestion']), status.children[0]?.dropsCongestion);
      assert.equal(figure(strays['Unknown SPI']), status.drops?.['unknown-spi']);
      assert.equal(figure(strays['By the kernel']), status.drops?.kernel);
      assert.equal(figure(strays['By a full queue']), status.drops?.['queue-full']);
      return `${path['Kernel offload']} | ${protection['Cipher code']}`;
    },
  },
  {
    name: 'statistics/the chart receives what goes through',
    run: async (world) => {
      const app = await connectedScene(world, { viewport: WIDE });
      await app.go('Statistics');
      const canvas = app.page.getByTestId('chart').locator('canvas');
      await canvas.waitFor();
      const words = async (): Promise<string> => app.run(`document.querySelector('[data-test="chart-text"]').textContent`);
      const ink = async (): Promise<number> =>
        app.run(
          `(() => { const canvas = document.querySelector('[data-test="chart"] canvas'); const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height); let sum = 0; for (let at = 3; at < data.length; at += 4) if (data[at] > 0) sum++; return sum; })()`,
        );
      const before = await ink();
      const flow = world.stage.lab.laptop.spawn(
        ['ping', '-n', '-q', '-i', '0.02', '-s', '1200', world.stage.lab.addresses.intranet.web4],
        { stdio: 'ignore' },
      );
      try {
        await eventually('ink of the traffic', async () => ((await ink()) > before + 100 ? true : undefined), 10_000);
        await sleep(3_000);
        await app.picture('statistics-live');
      } finally {
        flow.kill('SIGKILL');
      }
      // The text beside the chart is told slowly.
      const said = await eventually(
        'the text of the chart',
        async () => {
          const text = await words();
          return /[1-9][\d.,]* (kB|MB)\/s/.test(text) ? text : undefined;
        },
        15_000,
      );
      return said.slice(0, 140);
    },
  },
  {
    name: 'statistics/the span of the chart can be chosen, by keyboard',
    run: async (world) => {
      const app = await connectedScene(world);
      await app.go('Statistics');
      const hour = app.page.getByRole('radio', { name: '1 h' });
      await app.page.getByRole('radio', { name: '5 min' }).focus();
      await app.page.keyboard.press('ArrowRight');
      if ((await hour.getAttribute('aria-checked')) !== 'true') await app.page.keyboard.press('Space');
      assert.equal(await hour.getAttribute('aria-checked'), 'true');
      return '1 h';
    },
  },
  {
    name: 'statistics/history tells the sessions, the newest first, and why they ended',
    run: async (world) => {
      const { id } = await world.profile();
      await world.up(id);
      await world.ping(5);
      await world.call('tunnel.down', {});
      await world.state('idle');
      await world.misbehave('delete-right-after-auth');
      await world.call('tunnel.up', { profile: id });
      await world.state('failed');
      const app = await world.open({ viewport: WIDE });
      await app.go('Statistics');
      const grid = app.page.getByTestId('table-history');
      await grid.waitFor();
      const rows = (await grid.locator('tbody tr').allInnerTexts()).map((text) => text.replaceAll(/\s+/g, ' '));
      assert.match(rows[0] ?? '', /The office ended the connection|ended/);
      assert.match(rows[1] ?? '', /You disconnected/);
      const told = await world.call('history.list', { limit: 2 });
      assert.equal(told[1]?.endReason, 'user');
      assert.ok((told[1]?.bytesIn ?? 0) > 0);
      return rows.slice(0, 2).join(' | ').slice(0, 240);
    },
  },
  {
    name: 'statistics/export as JSON is what the helper knows',
    run: async (world) => {
      const app = await connectedScene(world, { viewport: WIDE });
      await app.go('Statistics');
      await agree(world, app);
      const { name, text } = await download(app, /JSON/);
      assert.match(name, /^sallyport-statistics-.*\.json$/);
      const saved = JSON.parse(text) as {
        readonly format: string;
        readonly status: Status;
        readonly sessions: readonly SessionRecord[];
      };
      const told = await world.cli<Status>('status');
      assert.equal(saved.format, 'sallyport-statistics');
      assert.deepEqual(saved.status.ike, JSON.parse(JSON.stringify(told.ike)));
      assert.equal(saved.status.children[0]?.spiIn, told.children[0]?.spiIn);
      assert.equal(saved.status.children[0]?.bytesIn, told.children[0]?.bytesIn);
      assert.ok(saved.sessions.some(({ profile }) => profile.name === 'Head office'));
      return `${text.length} characters, ${saved.sessions.length} sessions`;
    },
  },
  {
    name: 'statistics/export as CSV: raw figures in every table',
    run: async (world) => {
      const app = await connectedScene(world, { viewport: WIDE });
      await app.go('Statistics');
      await agree(world, app);
      const { name, text } = await download(app, /CSV/);
      assert.match(name, /\.csv$/);
      assert.ok(text.startsWith('\ufeff'), 'the mark of UTF-8');
      const blocks = text
        .slice(1)
        .split('\r\n\r\n')
        .map((block) => block.trimEnd().split('\r\n'));
      const traffic = blocks.find(([title]) => title?.includes('traffic'));
      const told = await world.cli<Status>('status');
      const values = cells(traffic?.[2] ?? '');
      const [child] = told.children;
      for (const value of [child?.spiIn, child?.packetsIn, child?.bytesIn, child?.bytesOut])
        assert.ok(values.includes(String(value)), `${value} in ${values.join(';')}`);
      assert.ok(blocks.length >= 6, `${blocks.length} tables`);
      assert.doesNotMatch(text, /(^|,)[=+@]/m, 'a formula');
      return blocks.map(([title]) => title).join(', ');
    },
  },
  {
    name: 'statistics/copy all, and a cell by keyboard',
    run: async (world) => {
      const app = await connectedScene(world, { viewport: WIDE });
      await app.go('Statistics');
      await hearCopies(app);
      const copied = (): Promise<string> =>
        eventually(
          'a copy',
          async () => {
            const text = await app.run<string>(`globalThis.uiCopied ?? ''`);
            await app.run(`globalThis.uiCopied = ''`);
            return text === '' ? undefined : text;
          },
          3_000,
        );
      await app.page.getByTestId('stat-copy').click();
      const all = await copied();
      const { ike } = await world.status();
      assert.ok(all.includes(ike?.spiI ?? '-') && all.includes('\t'), all.slice(0, 200));
      await app.page.getByTestId('table-ike').locator('[tabindex="0"]').focus();
      await app.page.keyboard.press('ArrowDown');
      await app.page.keyboard.press('Enter');
      assert.equal(await copied(), ike?.spiI);
      return `${all.split('\n').length} lines`;
    },
  },
  {
    name: 'statistics/after the end the figures are gone and the session is there',
    run: async (world) => {
      const app = await connectedScene(world, { viewport: WIDE });
      await app.go('Statistics');
      await app.page.getByTestId('table-ike').waitFor();
      await world.call('tunnel.down', {});
      await app.page.getByTestId('table-ike').waitFor({ state: 'detached' });
      await app.page.getByTestId('table-history').locator('tbody tr').first().getByText('You disconnected').waitFor();
      return 'history took over';
    },
  },
];
