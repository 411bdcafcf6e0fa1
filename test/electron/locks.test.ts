/** What the packaged app lets a page do, executed by the Electron test host over a real Chromium (SECURITY.md 25). */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { until } from '../unit/desktop/fakeServer.ts';
import { departures, type Exposure, exposure, type InjectionOutcome, injections } from './attacks.ts';
import { type Answered, hears, holds, READY, seen, unable, use, useDesk } from './desk.ts';
import { PAGE_ORIGIN } from './host.ts';

suite('the locks of the Electron app', { skip: unable, timeout: 180_000 }, () => {
  const desk = useDesk('probe');

  test('the page comes with the policy as a header and a new nonce at each load', async () => {
    const { host, page } = await desk().open();
    const nonces = new Set<string>();
    page.on('response', async (response) => {
      if (response.url() !== `${PAGE_ORIGIN}/`) return;
      const policy = (await response.allHeaders())['content-security-policy'] ?? '';
      nonces.add(/script-src 'self' 'nonce-([\w-]+)'/.exec(policy)?.[1] ?? 'none');
      assert.match(policy, /default-src 'none'.*frame-ancestors 'none'.*require-trusted-types-for 'script'/);
    });
    await host.openWindow().reload();
    await host.openWindow().reload();
    await until('two loads', () => nonces.size === 2);
    assert.ok(!nonces.has('none'));
    await holds(page, READY);
    assert.ok(
      (await seen(page)).some(({ event }) => event === 'helper'),
      'a page that was loaded again hears too',
    );
  });

  test('app:// answers for nothing but the page: other files, hosts and methods are refused', async () => {
    const { page } = await desk().open();
    const statuses = await page.evaluate(`(async () => {
      const status = async (path, init) => (await fetch(path, init)).status;
      return [
        await status('/probe.js'),
        await status('/../package.json'),
        await status('/%2e%2e/electron/main.mjs'),
        await status('/..%2felectron%2fmain.mjs'),
        await status('/electron/main.mjs'),
        await status('/', { method: 'POST' }),
      ];
    })()`);
    assert.deepEqual(statuses, [200, 404, 404, 404, 404, 403]);
  });

  test('the preload exposes exactly the window’s API, and nothing of Electron', async () => {
    const { page } = await desk().open();
    assert.deepEqual(await page.evaluate<Exposure>(exposure), {
      names: ['call', 'changeSettings', 'followLog', 'info', 'listen', 'startHelper'],
      kinds: ['function'],
      leaks: [],
      replaceable: false,
      extensible: false,
    });
  });

  test('calls outside the contract are refused before the helper', async () => {
    const { page } = await desk().open();
    await hears(page, 'status');
    const outside = ['hello', 'subscribe', 'shell.exec', '__proto__', 'constructor', 'toString'];
    for (const method of outside) {
      const reply = await use(page, `call(${JSON.stringify(method)}, {})`);
      assert.deepEqual([reply.ok, reply.error?.code], [false, 'bad-request'], method);
    }
    for (const operation of [{ op: 'quit' }, { op: 'call' }, null, 7, { op: 'changeSettings', change: { evil: 1 } }]) {
      const reply = await page.evaluate<Answered>(`__electronInvoke('sallyport:request', ${JSON.stringify(operation)})`);
      assert.equal(reply.error?.code, 'bad-request', JSON.stringify(operation));
    }
    await assert.rejects(page.evaluate("__electronInvoke('another-channel', {})"), /No handler/);
    assert.ok(
      desk().helper.called.every((method) => ['hello', 'subscribe', 'tunnel.status'].includes(method)),
      desk().helper.called.join(' '),
    );
  });

  test('senders that are not the top frame of our own page are refused', async () => {
    const { host } = await desk().open();
    const ours = host.openWindow().webContents;
    const operation = { op: 'call', method: 'profile.list', params: {} };
    const asks = async (sender: typeof ours, frame: unknown): Promise<unknown> =>
      host.invoke('sallyport:request', operation, sender, frame);
    const refused = { ok: false, error: { code: 'not-permitted', detail: 'not from the window' } };
    await until('the helper', () => desk().helper.called.includes('subscribe'));
    assert.deepEqual(await asks(ours, ours.mainFrame), { ok: true, value: [] });
    assert.deepEqual(await asks(ours, { url: 'app://sallyport/' }), refused, 'a frame within our page');
    assert.deepEqual(await asks(ours, null), refused, 'a frame that is gone');
    const strange = host.strangeContents();
    assert.deepEqual(await asks(strange, strange.mainFrame), refused, 'another page');
    for (const url of ['https://evil.example/', 'app://evil/', 'file:///tmp/x.html', 'data:text/html,x', 'about:blank', '']) {
      const frame = { url };
      Object.defineProperty(strange, 'mainFrame', { value: frame, configurable: true });
      Object.defineProperty(ours, 'mainFrame', { value: frame, configurable: true });
      assert.deepEqual(await asks(strange, frame), refused, url);
      assert.deepEqual(await asks(ours, frame), refused, `our window at ${url}`);
    }
  });

  test('inline scripts, eval, markup from text and remote content are blocked by the policy', async () => {
    const { host, page } = await desk().open();
    const outcome = await page.evaluate<InjectionOutcome>(injections);
    assert.equal(outcome.results.eval, 'EvalError');
    assert.equal(outcome.results.newFunction, 'EvalError');
    assert.equal(outcome.results.innerHtml, 'TypeError');
    assert.equal(outcome.results.emptied, 'emptied', 'the one use that react-aria makes of it');
    assert.equal(outcome.results.fetch, 'TypeError');
    assert.equal(outcome.results.policy, 'TypeError');
    assert.deepEqual(outcome.ran, []);
    for (const directive of [
      'require-trusted-types-for',
      'trusted-types',
      'script-src-elem',
      'style-src-elem',
      'img-src',
      'frame-src',
      'connect-src',
      'base-uri',
    ]) {
      assert.ok(outcome.violations.includes(directive), `${directive} in ${outcome.violations.join(' ')}`);
    }
    assert.deepEqual(host.escaped, []);
  });

  test('the probe page itself violates nothing', async () => {
    const host = await desk().host();
    const problems: string[] = [];
    host.context.on('console', (message) => problems.push(message.text()));
    host.context.on('weberror', (error) => problems.push(error.error().message));
    await desk().run(host);
    await until('a window', () => host.windows.length === 1);
    await hears(await host.page(), 'settings');
    assert.deepEqual(problems, []);
  });

  test('window.open and links to elsewhere open nothing', async () => {
    const { host, page } = await desk().open();
    await page.evaluate("setTimeout(() => window.open('https://evil.example/', '_blank'))");
    await page.evaluate("setTimeout(() => window.open('/', 'again', 'popup'))");
    await until('both were asked', () => host.wanted.length === 2);
    assert.deepEqual([...host.wanted].sort(), ['app://sallyport/', 'https://evil.example/']);
    await until('one page', () => host.context.pages().length === 1);
    assert.equal(host.windows.length, 1);
    for (const address of ['https://evil.example/', 'app://sallyport/', 'about:blank', 'file:///etc/passwd']) {
      assert.equal(host.openWindow().webContents.mayOpen(address), false, address);
    }
    assert.deepEqual(host.escaped, []);
  });

  test('navigation is refused, by script, link, form, refresh and redirect', async () => {
    const { host, page } = await desk().open();
    for (const attempt of departures) {
      await page.evaluate(attempt);
      await page.waitForTimeout(150);
      assert.equal(page.url(), `${PAGE_ORIGIN}/`, attempt);
    }
    assert.equal(await page.evaluate(READY), true, 'the same document as before');
    assert.deepEqual(host.escaped, []);
    const { webContents } = host.openWindow();
    for (const event of ['will-redirect', 'will-attach-webview']) {
      let prevented = false;
      webContents.emit(event, { preventDefault: () => (prevented = true) });
      assert.equal(prevented, true, event);
    }
  });

  test('every permission but writing the clipboard is refused, that one to our top frame only', async () => {
    const { host } = await desk().open();
    const own = { isMainFrame: true, requestingUrl: 'app://sallyport/' };
    const asked = (permission: string, details = own): boolean => {
      let answer = true;
      assert.ok(host.permissionRequest);
      host.permissionRequest(host.openWindow().webContents, permission, (yes) => (answer = yes), details);
      const origin = URL.canParse(details.requestingUrl) ? details.requestingUrl : '';
      assert.equal(
        host.permissionCheck?.(host.openWindow().webContents, permission, origin, details),
        answer,
        `${permission}: request and check agree`,
      );
      return answer;
    };
    const all = [
      'clipboard-read',
      'deprecated-sync-clipboard-read',
      'display-capture',
      'fileSystem',
      'fullscreen',
      'geolocation',
      'hid',
      'idle-detection',
      'keyboardLock',
      'media',
      'mediaKeySystem',
      'midi',
      'midiSysex',
      'notifications',
      'openExternal',
      'pointerLock',
      'serial',
      'speaker-selection',
      'storage-access',
      'top-level-storage-access',
      'unknown',
      'usb',
      'window-management',
    ];
    assert.deepEqual(
      all.filter((permission) => asked(permission)),
      [],
    );
    assert.equal(asked('clipboard-sanitized-write'), true);
    assert.equal(asked('clipboard-sanitized-write', { ...own, isMainFrame: false }), false);
    for (const requestingUrl of ['https://evil.example/', 'app://evil/', 'app://sallyport.evil/', '']) {
      assert.equal(asked('clipboard-sanitized-write', { ...own, requestingUrl }), false, requestingUrl);
    }
    assert.equal(host.devicePermission?.({}), false);
  });
});
