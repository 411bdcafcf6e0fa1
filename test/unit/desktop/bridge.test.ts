/** The loopback bridge as a hostile neighbour meets it: raw requests, every guard broken on its own while all others hold. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { type Bridge, startBridge } from '../../../core/desktop/bridge.ts';
import type { WindowEvent } from '../../../core/desktop/contract.ts';
import { type Link, openLink } from '../../../core/desktop/link.ts';
import { openSettings } from '../../../core/desktop/settings.ts';
import { createWindowApi, type WindowApi } from '../../../core/desktop/windowApi.ts';
import { type FakeServer, startServer, until } from './fakeServer.ts';

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

suite('the loopback bridge', () => {
  let folder: string;
  let helper: FakeServer;
  let link: Link;
  let api: WindowApi;
  let bridge: Bridge;
  let port: number;
  let cookie: string;
  let key: string;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sallyport-bridge-'));
    const dist = join(folder, 'dist');
    mkdirSync(join(dist, 'assets'), { recursive: true });
    writeFileSync(join(folder, 'secret.json'), '{"secret":"beside the page"}');
    writeFileSync(join(dist, 'index.html'), '<!doctype html><head><meta nonce="__CSP_NONCE__"></head>');
    writeFileSync(join(dist, 'assets', 'app.js'), 'export const a = 1;');
    writeFileSync(join(dist, 'assets', '.hidden.js'), '');
    symlinkSync(join(folder, 'secret.json'), join(dist, 'assets', 'link.json'));
    helper = await startServer(join(folder, 'sallyport.sock'));
    link = openLink({ socket: join(folder, 'sallyport.sock'), client: 'test' });
    const settings = openSettings(join(folder, 'settings.json'));
    const info = {
      version: '1',
      shell: 'browser',
      platform: 'linux',
      locale: 'en',
      canStartHelper: false,
      canStartAtLogin: false,
    } as const;
    const startHelper = async () => ({ ok: false, error: { code: 'helper-not-running', detail: 'not here' } }) as const;
    api = createWindowApi({ link, settings, shell: { info: () => info, startHelper } });
    bridge = await startBridge({ api, dist, heartbeat: 20 });
    port = Number(new URL(bridge.origin).port);
    await until('connected', () => link.helper().state === 'connected');
    const entered = await ask(pathOf(bridge.issueUrl()));
    cookie = String(entered.headers['set-cookie']).split(';')[0] ?? '';
    key = /setItem\("[^"]+", "([^"]+)"\)/.exec(entered.body)?.[1] ?? '';
  });
  after(async () => {
    link.close();
    await bridge.close();
    await helper.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function ask(
    path: string,
    options: { method?: string; headers?: Record<string, string>; body?: string } = {},
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { method = 'GET', headers = {}, body } = options;
      const asked = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(pieces).toString() }),
        );
      });
      asked.on('error', reject);
      asked.end(body);
    });
  }

  const pathOf = (url: string): string => url.slice(bridge.origin.length);
  const signedIn = (headers: Record<string, string> = {}): { headers: Record<string, string> } => ({
    headers: { cookie, ...headers },
  });

  /** A call as the page makes it, but for what is changed; '' leaves a header out. */
  function call(operation: unknown, changed: Record<string, string> = {}, body = JSON.stringify(operation)): Promise<Answer> {
    const all = {
      cookie,
      origin: bridge.origin,
      'content-type': 'application/json',
      'x-sallyport-key': key,
      'sec-fetch-site': 'same-origin',
      ...changed,
    };
    const headers = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''));
    return ask('/call', { method: 'POST', headers, body });
  }

  const list = { op: 'call', method: 'profile.list', params: {} };

  test('the page’s own call is answered by the helper', async () => {
    const answer = await call(list);
    assert.equal(answer.status, 200);
    assert.deepEqual(JSON.parse(answer.body), { ok: true, value: [] });
  });

  test('a token opens once, and leaves the session to this browser only', async () => {
    const url = bridge.issueUrl();
    const first = await ask(pathOf(url));
    assert.equal(first.status, 200);
    const set = String(first.headers['set-cookie']);
    assert.match(set, /HttpOnly/);
    assert.match(set, /SameSite=Strict/);
    assert.doesNotMatch(first.body, new RegExp(new URL(url).searchParams.get('token') ?? 'none'));
    const again = await ask(pathOf(url));
    assert.equal(again.status, 403);
    assert.equal(again.headers['set-cookie'], undefined);
  });

  test('a wrong, empty, shortened or foreign token is refused', async () => {
    const token = new URL(bridge.issueUrl()).searchParams.get('token') ?? '';
    for (const wrong of ['', 'x', token.slice(0, -1), `${token}a`, 'A'.repeat(token.length)]) {
      const answer = await ask(`/?token=${wrong}`);
      assert.equal(answer.status, 403, `token "${wrong}"`);
      assert.equal(answer.headers['set-cookie'], undefined);
    }
    assert.equal((await ask(`/?token=${token}`)).status, 200, 'wrong tries do not use it up');
  });

  test('nothing without the session', async () => {
    for (const path of ['/', '/index.html', '/assets/app.js', '/bridge.js', '/events'])
      assert.equal((await ask(path)).status, 403, path);
    assert.equal((await call(list, { cookie: '' })).status, 403);
    assert.equal((await call(list, { cookie: `${cookie}x` })).status, 403);
  });

  test('a cookie alone, as every port of this host is sent it, calls nothing and hears nothing', async () => {
    assert.equal((await call(list, { 'x-sallyport-key': '' })).status, 403);
    assert.equal((await call(list, { 'x-sallyport-key': 'wrong' })).status, 403);
    assert.equal((await ask('/events?page=abcdefgh', signedIn())).status, 403);
    assert.equal((await ask('/events?page=abcdefgh&key=wrong', signedIn())).status, 403);
  });

  test('foreign hosts are refused, also with everything else right (DNS rebinding)', async () => {
    for (const host of [
      `evil.example:${port}`,
      `localhost:${port}`,
      '127.0.0.1',
      `127.0.0.1:${port + 1}`,
      `127.0.0.1.evil.example:${port}`,
    ]) {
      assert.equal((await call(list, { host })).status, 403, host);
      assert.equal((await ask('/', signedIn({ host }))).status, 403, host);
      assert.equal((await ask(pathOf(bridge.issueUrl()), { headers: { host } })).status, 403, host);
    }
  });

  test('foreign origins are refused', async () => {
    const foreign = [
      'https://evil.example',
      'null',
      `http://localhost:${port}`,
      `http://127.0.0.1:${port + 1}`,
      `https://127.0.0.1:${port}`,
    ];
    for (const origin of foreign) {
      assert.equal((await call(list, { origin })).status, 403, origin);
      assert.equal((await ask('/', signedIn({ origin }))).status, 403, origin);
    }
    assert.equal((await call(list, { origin: '' })).status, 403, 'a POST without an origin');
  });

  test('foreign sites are refused by what the browser says of them', async () => {
    for (const site of ['cross-site', 'same-site']) {
      assert.equal((await ask('/', signedIn({ 'sec-fetch-site': site }))).status, 403, site);
      assert.equal((await call(list, { 'sec-fetch-site': site })).status, 403, site);
      const embedded = { 'sec-fetch-site': site, 'sec-fetch-dest': 'iframe' };
      assert.equal((await ask(pathOf(bridge.issueUrl()), { headers: embedded })).status, 403, 'a token in a frame');
    }
    assert.equal((await call(list, { 'sec-fetch-site': 'none' })).status, 403);
    assert.equal((await ask('/', signedIn({ 'sec-fetch-site': 'none' }))).status, 200, 'the address bar');
    const started = { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'document' };
    assert.equal((await ask(pathOf(bridge.issueUrl()), { headers: started })).status, 200, 'the start page on the disk');
  });

  test('a body beyond the limit is refused without being read', async () => {
    const answer = await call(list, {}, JSON.stringify({ ...list, params: 'x'.repeat(2 * 1024 * 1024) })).catch(
      (error: Error) => error,
    );
    // The bridge may hang up before all of it is sent.
    if (answer instanceof Error) assert.match(answer.message, /ECONNRESET|EPIPE|socket hang up/);
    else assert.equal(answer.status, 413);
    assert.equal((await call(list)).status, 200, 'and it goes on');
  });

  test('what is not JSON is refused', async () => {
    assert.equal((await call(list, { 'content-type': 'text/plain' })).status, 415);
    assert.equal((await call(list, { 'content-type': '' })).status, 415);
    assert.equal(JSON.parse((await call(list, {}, '{"op":')).body).error.code, 'bad-request');
  });

  test('methods and operations outside the contract never reach the helper', async () => {
    const before = helper.called.length;
    const outside = [
      { op: 'call', method: 'hello', params: { protocol: 1, client: 'x' } },
      { op: 'call', method: 'subscribe', params: { to: ['log'] } },
      { op: 'call', method: 'shell.exec', params: {} },
      { op: 'call', method: 'constructor', params: {} },
      { op: 'call', method: '__proto__', params: {} },
      { op: 'call', method: 'profile.list', params: { surplus: 1 } },
      { op: 'call', method: 'profile.list' },
      { op: 'call', method: ['profile.list'], params: {} },
      { op: 'exec' },
      { op: 'changeSettings', change: { evil: true } },
      { op: 'changeSettings', change: { language: 'xx' } },
      { op: 'followLog', on: 'yes' },
      [],
      null,
      'call',
    ];
    for (const operation of outside) {
      const answer = JSON.parse((await call(operation)).body);
      assert.equal(answer.ok, false, JSON.stringify(operation));
      assert.equal(answer.error.code, 'bad-request');
    }
    assert.deepEqual(
      helper.called.slice(before).filter((method) => method !== 'tunnel.status'),
      [],
    );
  });

  test('a refused operation is not echoed: it may hold a secret', async () => {
    const answer = await call({
      op: 'call',
      method: 'tunnel.answer',
      params: { id: 5, secret: 'hunter2hunter2', remember: 'hunter2' },
    });
    assert.equal(JSON.parse(answer.body).ok, false);
    assert.doesNotMatch(answer.body, /hunter2/);
  });

  test('files of the page are served, nothing beside it', async () => {
    assert.equal((await ask('/assets/app.js', signedIn())).status, 200);
    const paths = [
      '/../secret.json',
      '/assets/../../secret.json',
      '/assets/..%2f..%2fsecret.json',
      '/%2e%2e/secret.json',
      '/assets/..%5c..%5csecret.json',
      '/assets/link.json',
      '/assets/.hidden.js',
      '/assets/',
      '/assets',
      '//etc/passwd',
      '/assets/app.js%00.js',
      '/%zz',
    ];
    for (const path of paths) {
      const answer = await ask(path, signedIn());
      assert.ok(answer.status === 404 || answer.status === 403, `${path}: ${answer.status}`);
      assert.doesNotMatch(answer.body, /beside the page/);
    }
  });

  test('other methods are refused', async () => {
    for (const method of ['PUT', 'DELETE', 'OPTIONS', 'PATCH', 'HEAD']) {
      const answer = await ask('/', { method, ...signedIn({ origin: bridge.origin }) });
      assert.equal(answer.status, 405, method);
      assert.equal(answer.headers['access-control-allow-origin'], undefined);
    }
  });

  test('every load has a policy with a nonce of its own, and the headers', async () => {
    const nonces = new Set<string>();
    for (let load = 0; load < 3; load++) {
      const page = await ask('/', signedIn());
      const policy = String(page.headers['content-security-policy']);
      const nonce = /script-src 'self' 'nonce-([\w-]{20,})'/.exec(policy)?.[1] ?? '';
      assert.match(page.body, new RegExp(`nonce="${nonce}"`));
      assert.doesNotMatch(page.body, /__CSP_NONCE__/);
      assert.match(page.body, /<head><script src="\/bridge\.js"><\/script>/);
      for (const directive of [
        "default-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
      ]) {
        assert.ok(policy.includes(directive), directive);
      }
      assert.doesNotMatch(policy, /unsafe|\*|https?:/);
      nonces.add(nonce);
    }
    assert.equal(nonces.size, 3);
    for (const path of ['/', '/assets/app.js', '/nothing.js', '/bridge.js']) {
      const { headers } = await ask(path, signedIn());
      assert.equal(headers['x-content-type-options'], 'nosniff', path);
      assert.equal(headers['cache-control'], 'no-store');
      assert.equal(headers['cross-origin-opener-policy'], 'same-origin');
      assert.equal(headers['cross-origin-resource-policy'], 'same-origin');
      assert.equal(headers['referrer-policy'], 'no-referrer');
    }
  });

  test('events: how things are at once, then what happens, until the page is gone', async () => {
    const events: WindowEvent[] = [];
    let beats = 0;
    const stream = request(
      { host: '127.0.0.1', port, path: `/events?page=page-0001&key=${key}`, headers: { cookie }, agent: false },
      (response) => {
        response.setEncoding('utf8').on('data', (text: string) => {
          for (const line of text.split('\n')) {
            if (line.startsWith('data: ')) events.push(JSON.parse(line.slice(6)) as WindowEvent);
            if (line === ':') beats++;
          }
        });
      },
    );
    stream.on('error', () => {});
    stream.end();
    await until('the first three', () => events.length >= 3);
    assert.deepEqual(
      events.map(({ event }) => event),
      ['helper', 'settings', 'status'],
    );
    await call({ op: 'followLog', on: true }, { 'x-sallyport-page': 'page-0001' });
    await until('a log connection', () => helper.called.filter((method) => method === 'subscribe').length === 2);
    helper.emit('log', { seq: 1, at: 1, level: 'info', area: 'a', text: 'line' });
    await until('the line', () => events.some(({ event }) => event === 'log'));
    await until('a heartbeat', () => beats > 0);
    api.offer({ source: 'file', from: 'a.sallyport', text: '{}' });
    await until('the offer', () => events.some(({ event }) => event === 'offer'));
    stream.destroy();
    await until('the log connection is gone with the page', () => helper.connections() === 1);
  });

  test('settings change for every page', async () => {
    const answer = JSON.parse((await call({ op: 'changeSettings', change: { appearance: 'dark' } })).body);
    assert.equal(answer.value.appearance, 'dark');
    assert.equal(openSettings(join(folder, 'settings.json')).current().appearance, 'dark');
  });
});
