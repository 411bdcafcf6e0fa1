/**
 * electron/main.ts and preload.ts as they are packaged, executed by the Electron test host over a real Chromium: window, tray, menu,
 * notifications, links and files.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import type { Page } from 'playwright-core';
import type { AppInfo } from '../../core/desktop/contract.ts';
import { until } from '../unit/desktop/fakeServer.ts';
import { hears, holds, READY, seen, unable, use, useDesk } from './desk.ts';
import type { MenuItem } from './host.ts';

const profile = '{"sallyport":1,"name":"Office"}';
const link = `sallyport://import?profile=${Buffer.from(profile).toString('base64url')}`;

suite('the Electron app in the test host', { skip: unable, timeout: 180_000 }, () => {
  const desk = useDesk('probe');

  test('opens one window on app://, of the size and with the locks it should have', async () => {
    const { host } = await desk().open();
    const { options, webContents } = host.openWindow();
    assert.equal(webContents.mainFrame.url, 'app://sallyport/');
    assert.deepEqual([options.width, options.height, options.minWidth, options.show], [420, 680, 360, false]);
    const { preload, ...preferences } = options.webPreferences ?? {};
    assert.match(preload ?? '', /preload\.cjs$/);
    assert.deepEqual(preferences, {
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      webSecurity: true,
      webviewTag: false,
      navigateOnDragDrop: false,
      spellcheck: false,
      devTools: true,
    });
    assert.equal(host.openWindow().visible, true);
    assert.deepEqual(host.schemes, [{ scheme: 'app', privileges: { standard: true, secure: true, supportFetchAPI: true } }]);
    assert.deepEqual(host.app.protocols, ['sallyport']);
  });

  test('calls reach the helper, events reach the page', async () => {
    const { page } = await desk().open();
    await hears(page, 'status');
    assert.deepEqual(await use(page, `call('profile.list', {})`), {
      ok: true,
      value: [],
    });
    const info = await use<AppInfo>(page, 'info()');
    assert.equal(info.shell, 'electron');
    assert.equal(info.locale, 'en-GB');
    desk().helper.emit('status', { state: 'resolving' });
    await holds(page, "seen.some(({ data }) => data.state === 'resolving')");
  });

  test('the tray shows how things stand and offers the one control', async () => {
    const { host, page } = await desk().open();
    await hears(page, 'status');
    const icon = host.trays[0];
    assert.ok(icon);
    await until('not protected', () => icon.toolTip === 'Not protected');
    assert.match(icon.image.path, /tray-closed-dark\.png$/);
    assert.equal(icon.image.there, true);
    assert.deepEqual(labels(icon.menu?.items), ['Not protected', 'Connect', undefined, 'Open Sallyport', 'Quit']);

    desk().helper.emit('status', { state: 'connected', profile: { id: 'p', name: 'Head office' } });
    await until('protected', () => icon.toolTip === 'Protected: Head office');
    assert.match(icon.image.path, /tray-open-dark\.png$/);
    assert.equal(icon.image.there, true);
    item(icon.menu?.items, 'Disconnect').click?.();
    await until('the helper hears', () => desk().helper.called.includes('tunnel.down'));

    await desk().helper.close();
    await until('a fault', () => /tray-fault-dark\.png$/.test(icon.image.path));
    assert.equal(icon.image.there, true);
    assert.equal(item(icon.menu?.items, 'Connect').enabled, false);
  });

  test('connecting from the tray takes the profile used last, or shows the window', async () => {
    const { host, page } = await desk().open();
    await hears(page, 'status');
    await until('the menu', () => host.trays[0]?.toolTip === 'Not protected');
    item(host.trays[0]?.menu?.items, 'Connect').click?.();
    await hears(page, 'navigate');
    assert.ok(!desk().helper.called.includes('tunnel.up'), 'nothing to connect yet');
    await change(page, { currentProfile: 'the-id' });
    item(host.trays[0]?.menu?.items, 'Connect').click?.();
    await until('the helper hears', () => desk().helper.called.includes('tunnel.up'));
  });

  test('closing the window leaves the app in the tray, whose click brings it back where it was', async () => {
    const { host } = await desk().open();
    const [first] = host.windows;
    assert.ok(first);
    first.bounds = { x: 40, y: 50, width: 500, height: 700 };
    await first.close();
    await until('closed', () => first.isDestroyed());
    assert.equal(host.app.quitted, false);
    host.trays[0]?.emit('click');
    await until('another window', () => host.windows.length === 2);
    const { x, y, width, height } = host.openWindow().options;
    assert.deepEqual({ x, y, width, height }, { x: 40, y: 50, width: 500, height: 700 });
  });

  test('without a place for tray icons everything works, and closing the window ends the app', async () => {
    desk().tray(false);
    const { host, page } = await desk().open();
    assert.equal(host.trays.length, 0);
    await hears(page, 'status');
    await host.openWindow().close();
    await until('ended', () => host.app.quitted);
    await until('the link is closed', () => desk().helper.connections() === 0);
  });

  test('started at login it waits in the tray without a window', async () => {
    const host = await desk().start('--hidden');
    await until('the tray', () => host.trays[0]?.toolTip === 'Not protected');
    assert.equal(host.windows.length, 0);
    item(host.trays[0]?.menu?.items, 'Open Sallyport').click?.();
    await until('a window', () => host.windows.length === 1);
  });

  test('the menu has every view, goes there, and speaks the language of the settings', async () => {
    const { host, page } = await desk().open();
    await hears(page, 'status');
    await until('a menu', () => host.menu !== undefined);
    assert.deepEqual(labels(host.menu?.items), ['File', 'Edit', 'View', 'Window']);
    for (const view of ['Connect', 'Profiles', 'Statistics', 'Log', 'Settings']) item(host.menu?.items, view);
    item(host.menu?.items, 'Log').click?.();
    assert.deepEqual(await hears(page, 'navigate'), { event: 'navigate', data: 'log' });
    await change(page, { language: 'ko' });
    await until('Korean', () => labels(host.menu?.items)[0] === '파일');
    await change(page, { language: 'de' });
    await until('German', () => host.trays[0]?.toolTip === 'Nicht geschützt');
  });

  test('notifications come while nobody looks, and not when they are not wanted', async () => {
    const { host, page } = await desk().open();
    await hears(page, 'status');
    host.focused = false;
    desk().helper.emit('status', { state: 'connecting', profile: { id: 'p', name: 'Head office' } });
    desk().helper.emit('status', { state: 'connected' });
    await until('one', () => host.notifications.length === 1);
    assert.deepEqual([host.notifications[0]?.title, host.notifications[0]?.body], ['Protected', 'Head office is connected.']);
    desk().helper.emit('status', { state: 'failed' });
    await until('two', () => host.notifications.length === 2);
    assert.equal(host.notifications[1]?.title, 'No longer protected');
    const raised = host.openWindow().raised;
    host.notifications[1]?.click();
    assert.equal(host.openWindow().raised, raised + 1);

    await change(page, { notifications: false });
    desk().helper.emit('status', { state: 'connected' });
    await until('it arrived', () => host.trays[0]?.toolTip === 'Protected: Head office');
    await change(page, { notifications: true });
    host.focused = true;
    desk().helper.emit('status', { state: 'failed' });
    await until('it arrived', () => host.trays[0]?.toolTip === 'Not connected');
    assert.equal(host.notifications.length, 2);
  });

  test('a link is offered, not imported', async () => {
    const { host, page } = await desk().open(link);
    const offer = await hears(page, 'offer');
    assert.deepEqual(offer.data, { source: 'link', from: 'sallyport://import', text: profile });
    host.app.emit('open-url', { preventDefault: () => {} }, link);
    await holds(page, "seen.filter(({ event }) => event === 'offer').length === 2");
    assert.ok(!desk().helper.called.includes('profile.import'));
  });

  test('a file is offered, not imported; what is no profile is said', async () => {
    const path = join(desk().folder, 'office.sallyport.json');
    writeFileSync(path, profile);
    const { host, page } = await desk().open();
    host.app.emit('open-file', { preventDefault: () => {} }, path);
    assert.deepEqual((await hears(page, 'offer')).data, { source: 'file', from: 'office.sallyport.json', text: profile });
    assert.ok(!desk().helper.called.includes('profile.import'));
    host.app.emit('open-file', { preventDefault: () => {} }, '/etc/passwd');
    host.app.emit('open-url', { preventDefault: () => {} }, 'sallyport://import?profile=%00');
    host.app.emit('open-url', { preventDefault: () => {} }, `sallyport://import?profile=${'A'.repeat(3_000_000)}`);
    await until('three', () => host.dialogs.length === 3);
    assert.deepEqual(
      host.dialogs.map(({ message }) => message),
      ['This file is no profile', 'This link holds no profile', 'This is too large to be a profile'],
    );
    assert.equal((await seen(page)).filter(({ event }) => event === 'offer').length, 1);
  });

  test('a second start shows the first window, and hands over its link; there is one process', async () => {
    const { host, page } = await desk().open();
    const raised = host.openWindow().raised;
    const second = await desk().start();
    assert.equal(second.app.quitted, true);
    assert.equal(second.windows.length, 0);
    await until('raised', () => host.openWindow().raised === raised + 1);
    await desk().start(link);
    assert.equal((await hears(page, 'offer')).event, 'offer');
    assert.equal(host.windows.length, 1);
  });

  test('start at login writes the entry of an installed app, and removes it', async () => {
    const host = await desk().host();
    host.app.isPackaged = true;
    await desk().run(host);
    await until('a window', () => host.windows.length === 1);
    const page = await host.page();
    await holds(page, READY);
    const entry = join(desk().folder, 'config', 'autostart', 'sallyport.desktop');
    await change(page, { startAtLogin: true });
    assert.match(readFileSync(entry, 'utf8'), /^Exec=.* --hidden$/m);
    await change(page, { startAtLogin: false });
    assert.equal(existsSync(entry), false);
    assert.equal(host.openWindow().options.webPreferences?.devTools, false, 'no developer tools in an installed app');
  });
});

function change(page: Page, settings: object): Promise<unknown> {
  return use(page, `changeSettings(${JSON.stringify(settings)})`);
}

function labels(items: readonly MenuItem[] = []): readonly (string | undefined)[] {
  return items.map(({ label }) => label);
}

/** The item of that name in a menu or one level below. */
function item(items: readonly MenuItem[] | undefined, label: string): MenuItem {
  const found = items?.flatMap((each) => [each, ...(each.submenu ?? [])]).find((each) => each.label === label);
  assert.ok(found, `no "${label}" in ${JSON.stringify(items)}`);
  return found;
}
