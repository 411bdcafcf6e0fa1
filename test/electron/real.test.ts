/** The real window in the Electron app: the built renderer behind app://, its own preload, and a policy that it never violates. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { until } from '../unit/desktop/fakeServer.ts';
import { holds, READY, unable, use, useDesk } from './desk.ts';

suite('the real window in the Electron app', { skip: unable, timeout: 180_000 }, () => {
  const desk = useDesk('real');

  test('shows every view, by the menu, without one violation or error', async () => {
    const host = await desk().host();
    const problems: string[] = [];
    host.context.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text());
    });
    host.context.on('weberror', (error) => problems.push(error.error().message));
    await desk().run(host);
    await until('a window', () => host.windows.length === 1);
    const page = await host.page();
    await holds(page, READY);
    // Nothing imported yet: the first run teaches.
    await page.getByRole('button', { name: 'Import a profile' }).waitFor();
    const view = host.menu?.items.find(({ label }) => label === 'View')?.submenu ?? [];
    for (const name of ['Profiles', 'Statistics', 'Log', 'Connect']) {
      view.find(({ label }) => label === name)?.click?.();
      await page
        .getByRole('tab', { name, selected: true })
        .or(page.locator('[aria-current]', { hasText: name }))
        .first()
        .waitFor();
    }
    await use(page, "changeSettings({ language: 'de', appearance: 'dark' })");
    await holds(page, "document.documentElement.lang === 'de'");
    assert.deepEqual(problems, []);
    assert.deepEqual(host.escaped, []);
  });

  test('shows a file that is opened with it, and asks before it imports', async () => {
    const { host, page } = await desk().open();
    await page.getByRole('button', { name: 'Import a profile' }).waitFor();
    const offered = `sallyport://import?profile=${Buffer.from('{"sallyport":1,"name":"Office"}').toString('base64url')}`;
    host.app.emit('open-url', { preventDefault: () => {} }, offered);
    await page.getByRole('dialog').waitFor();
    assert.ok(!desk().helper.called.includes('profile.save'));
  });
});
