/** What the page must not be able to do, and who must not be able to be the window (SECURITY.md 24, 25). The last case asks about the whole run. */
import assert from 'node:assert/strict';
import type { OutgoingHttpHeaders } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Case, eventually } from '../kit.ts';
import { STRANGER } from '../stranger.ts';
import type { World } from '../world.ts';

/** Time in which a load that is not refused would have come through. */
const LOAD_MS = 700;
const HOSTILE = '<img src=x onerror="globalThis.uiRan = true"><script>globalThis.uiRan = true</script>';

/** A window whose violations are wanted; `attempt` is run in the page, later than the debugger's own call, and must not have its way. */
async function attack(world: World, attempt: string, refusedBy: RegExp): Promise<string> {
  await world.desk.visits();
  const app = await world.open({ attacks: true });
  await app.run(
    `globalThis.uiRan = false; setTimeout(() => { try { ${attempt} } catch (error) { globalThis.uiRefused = error.name; } }, 0)`,
  );
  await sleep(LOAD_MS);
  assert.equal(await app.run('globalThis.uiRan === true || globalThis.strangerRan === true'), false, 'it ran');
  assert.deepEqual(await world.desk.visits(), [], 'it left the window');
  const refused = async (): Promise<string> =>
    [...app.watch.violations, String(await app.run('globalThis.uiRefused'))].join(' | ');
  const said = await eventually(
    'somebody says that it was refused',
    async () => {
      const now = await refused();
      return refusedBy.test(now) ? now : undefined;
    },
    10_000,
  );
  return said.slice(0, 160);
}

function attacks(name: string, attempt: string, refusedBy: RegExp, smoke?: true): Case {
  return { name: `security/${name}`, ...(smoke && { smoke }), run: (world) => attack(world, attempt, refusedBy) };
}

/** An element made by script; the default trusted-types policy has no say in attributes like src of img. */
const element = (tag: string, set: string): string =>
  `{ const made = document.createElement('${tag}'); ${set}; document.body.append(made); }`;

interface Seat {
  readonly port: number;
  readonly host: string;
  readonly token: string;
}

/** A bridge nobody has entered yet. */
async function seat(world: World): Promise<{ readonly seat: Seat; readonly stop: () => Promise<void> }> {
  const bridge = await world.desk.bridge(world.stage.socket);
  const { host, port, searchParams } = new URL(bridge.url);
  return { seat: { host, port: Number(port), token: searchParams.get('token') ?? '' }, stop: bridge.stop };
}

async function withSeat(world: World, judge: (seat: Seat) => Promise<string>): Promise<string> {
  const { seat: one, stop } = await seat(world);
  try {
    return await judge(one);
  } finally {
    await stop();
  }
}

/** Enters as a browser would; what a request of the window then carries. */
async function enter(world: World, { port, host, token }: Seat): Promise<OutgoingHttpHeaders> {
  const entered = await world.desk.ask({ port, path: `/?token=${token}`, headers: { host } });
  assert.equal(entered.status, 200, entered.body);
  const cookie = String(entered.headers['set-cookie']).split(';')[0] ?? '';
  const key = /sessionStorage\.setItem\("[^"]+", "([^"]+)"\)/.exec(entered.body)?.[1] ?? '';
  assert.ok(cookie.length > 20 && key.length > 20, 'cookie and key');
  return { host, origin: `http://${host}`, cookie, 'x-sallyport-key': key, 'content-type': 'application/json' };
}

const CALL = JSON.stringify({ op: 'call', method: 'profile.list', params: {} });

/** A call that is right but for what is changed in its headers must be refused; the right one must not. */
function changed(name: string, change: (right: OutgoingHttpHeaders) => OutgoingHttpHeaders, smoke?: true): Case {
  return {
    name: `bridge/${name}`,
    ...(smoke && { smoke }),
    run: (world) =>
      withSeat(world, async (one) => {
        const right = await enter(world, one);
        const call = (headers: OutgoingHttpHeaders) =>
          world.desk.ask({ port: one.port, method: 'POST', path: '/call', headers, body: CALL });
        assert.equal((await call(right)).status, 200, 'the right call');
        const refused = await call(change(right));
        assert.equal(refused.status, 403, refused.body);
        const { 'content-type': _, ...reading } = change(right);
        const key = encodeURIComponent(String(reading['x-sallyport-key'] ?? ''));
        const listened = await world.desk.ask({ port: one.port, path: `/events?page=12345678&key=${key}`, headers: reading });
        assert.equal(listened.status, 403, 'events');
        return refused.body.trim();
      }),
  };
}

const without = (name: string) => (right: OutgoingHttpHeaders) => {
  const { [name]: _, ...rest } = right;
  return rest;
};

const outside: readonly (readonly [string, string])[] = [
  ['hello', '{"protocol":1,"client":"x"}'],
  ['subscribe', '{"to":["log"]}'],
  ['profile.secret', '{}'],
  ['constructor', '{}'],
  ['__proto__', '{}'],
  ['profile.list', '{"more":1}'],
  ['profile.show', '{"profile":{"a":1}}'],
  ['tunnel.up', '{}'],
];

export const security: readonly Case[] = [
  attacks(
    'inline script is refused',
    element('script', `made.textContent = 'globalThis.uiRan = true'`),
    /script-src|require-trusted-types|TypeError/,
    true,
  ),
  attacks(
    'an inline handler is refused',
    element('button', `made.setAttribute('onclick', 'globalThis.uiRan = true'); document.body.append(made); made.click()`),
    /script-src|TypeError/,
  ),
  attacks('eval is refused', `eval('globalThis.uiRan = true')`, /EvalError|script-src|TypeError/, true),
  attacks('new Function is refused', `new Function('globalThis.uiRan = true')()`, /EvalError|script-src|TypeError/),
  attacks('a timer of text is refused', `setTimeout('globalThis.uiRan = true', 0)`, /EvalError|script-src|TypeError/),
  attacks(
    'javascript: is refused',
    element('a', `made.href = 'javascript:globalThis.uiRan = true'; document.body.append(made); made.click()`),
    /script-src|TypeError|require-trusted-types/,
  ),
  attacks(
    'a remote script is refused',
    element('script', `made.src = '${STRANGER}/script.js'`),
    /script-src|require-trusted-types|TypeError/,
    true,
  ),
  attacks(
    'a remote import is refused',
    `import('${STRANGER}/module.js').catch((error) => { globalThis.uiRefused = error.name; })`,
    /script-src|TypeError/,
  ),
  attacks('a remote picture is refused', element('img', `made.src = '${STRANGER}/picture.png'`), /img-src/),
  attacks(
    'a remote style is refused',
    element('link', `made.rel = 'stylesheet'; made.href = '${STRANGER}/style.css'`),
    /style-src/,
  ),
  attacks('a frame is refused', element('iframe', `made.src = '${STRANGER}/frame.html'`), /frame-src|default-src/),
  attacks(
    'a remote fetch is refused',
    `fetch('${STRANGER}/fetch').catch((error) => { globalThis.uiRefused = error.name; })`,
    /connect-src/,
  ),
  attacks(
    'a web socket elsewhere is refused',
    `new WebSocket('${STRANGER.replace('http', 'ws')}/socket')`,
    /connect-src|SecurityError/,
  ),
  attacks('a beacon is refused', `navigator.sendBeacon('${STRANGER}/beacon', 'x')`, /connect-src/),
  attacks(
    'a form sent elsewhere is refused',
    element('form', `made.action = '${STRANGER}/form'; made.method = 'post'; document.body.append(made); made.submit()`),
    /form-action|undefined/,
  ),
  attacks(
    'a worker from elsewhere is refused',
    `new Worker('${STRANGER}/worker.js')`,
    /SecurityError|TypeError|worker-src|script-src|default-src/,
  ),
  attacks(
    'markup does not become script',
    `document.body.insertAdjacentHTML('beforeend', ${JSON.stringify(HOSTILE)})`,
    /require-trusted-types|script-src|TypeError|undefined/,
  ),
  {
    name: 'security/window.open is refused',
    run: async (world) => {
      const app = await world.open({ attacks: true });
      await world.desk.visits();
      await app.page.mouse.click(200, 5);
      await app.run(
        `setTimeout(() => { globalThis.uiOpened = window.open('${STRANGER}/opened') === null ? 'null' : 'a window'; }, 0)`,
      );
      await sleep(LOAD_MS);
      assert.deepEqual(await world.desk.visits(), []);
      assert.equal(app.context.pages().length, 1, 'a second window');
      return String(await app.run('globalThis.uiOpened'));
    },
  },
  {
    name: 'security/navigation elsewhere is refused',
    run: async (world) => {
      const app = await world.open({ attacks: true });
      await world.desk.visits();
      const here = app.page.url();
      for (const attempt of [`location.href = '${STRANGER}/navigated'`, `location.assign('${STRANGER}/assigned')`]) {
        await app.run(`setTimeout(() => { ${attempt} }, 0)`);
        await sleep(LOAD_MS);
      }
      assert.deepEqual(await world.desk.visits(), []);
      assert.equal(app.page.url().split('#')[0], here.split('#')[0]);
      return 'stayed';
    },
  },
  {
    name: 'security/a call outside the contract is refused',
    smoke: true,
    run: async (world) => {
      const app = await world.open();
      for (const [method, params] of outside) {
        const reply = await app.run<{ readonly ok: boolean; readonly error?: { readonly code: string } }>(
          `window.sallyport.call(${JSON.stringify(method)}, JSON.parse(${JSON.stringify(params)}))`,
        );
        assert.equal(reply.ok, false, method);
        assert.equal(reply.error?.code, 'bad-request', method);
      }
      const settings = await app.run<{ readonly ok: boolean }>(`window.sallyport.changeSettings({ appearance: 'neon' })`);
      assert.equal(settings.ok, false, 'a setting that is none');
      return `${outside.length + 1} refused`;
    },
  },
  {
    name: 'security/no secret is in the page',
    run: async (world) => {
      const { id } = await world.profile({ secret: 'Zebra-Umbrella-Quokka-1234567890' });
      const app = await world.open();
      await app.visit(`/profiles/${id}/edit`);
      const replies = await app.run<string>(
        `Promise.all([window.sallyport.call('profile.show', { profile: '${id}' }), window.sallyport.call('profile.list', {}), window.sallyport.call('log.read', { lines: 1000, level: 'debug' })]).then((all) => JSON.stringify(all))`,
      );
      const page = await app.run<string>(
        `document.documentElement.outerHTML + [...document.querySelectorAll('input, textarea')].map((one) => one.value).join()`,
      );
      assert.doesNotMatch(replies + page, /Quokka/);
      return 'neither in the answers nor in the page';
    },
  },
  {
    name: 'security/a hostile name in a profile is text',
    run: async (world) => {
      await world.profile({ name: HOSTILE.slice(0, 100) });
      const app = await world.open();
      for (const view of ['Connect', 'Profiles', 'Log'] as const) await app.go(view);
      assert.equal(await app.run('globalThis.uiRan === true'), false);
      assert.equal(await app.run('document.querySelectorAll("img[src=x]").length'), 0);
      return 'shown as it is written';
    },
  },
  {
    name: 'security/the policy is a header, strict, with a nonce of each load',
    run: (world) =>
      withSeat(world, async (one) => {
        const headers = await enter(world, one);
        const load = async () => {
          const { 'content-type': _, origin: __, ...reading } = headers;
          const { status, headers: answered, body } = await world.desk.ask({ port: one.port, path: '/', headers: reading });
          assert.equal(status, 200);
          return { policy: String(answered['content-security-policy']), body };
        };
        const [first, second] = [await load(), await load()];
        const nonces = [first, second].map(({ policy }) => /'nonce-([^']+)'/.exec(policy)?.[1] ?? '');
        assert.ok((nonces[0] ?? '').length >= 22, 'a nonce');
        assert.notEqual(nonces[0], nonces[1]);
        assert.ok(first.body.includes(nonces[0] ?? '-'), 'the page knows its nonce');
        assert.match(first.policy, /default-src 'none'/);
        assert.doesNotMatch(first.policy, /unsafe|\*|https?:/);
        assert.match(first.policy, /frame-ancestors 'none'/);
        return first.policy;
      }),
  },
  {
    name: 'bridge/a wrong token is refused',
    smoke: true,
    run: (world) =>
      withSeat(world, async ({ port, host, token }) => {
        const wrong = `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`;
        for (const path of ['/', `/?token=${wrong}`, '/?token=', '/index.html', '/bridge.js', '/events?page=12345678&key=']) {
          const { status } = await world.desk.ask({ port, path, headers: { host } });
          assert.equal(status, 403, path);
        }
        return '6 addresses';
      }),
  },
  {
    name: 'bridge/a token works once',
    smoke: true,
    run: (world) =>
      withSeat(world, async (one) => {
        await enter(world, one);
        const again = await world.desk.ask({ port: one.port, path: `/?token=${one.token}`, headers: { host: one.host } });
        assert.equal(again.status, 403);
        assert.equal(again.headers['set-cookie'], undefined);
        return again.body.trim();
      }),
  },
  changed('a foreign origin is refused', (right) => ({ ...right, origin: STRANGER }), true),
  changed('a foreign host is refused', (right) => ({ ...right, host: 'rebound.attacker.test' }), true),
  changed('localhost by another name is refused', (right) => ({
    ...right,
    host: String(right.host).replace('127.0.0.1', 'localhost'),
  })),
  changed('no cookie is refused', without('cookie')),
  changed('a wrong cookie is refused', (right) => ({ ...right, cookie: `${String(right.cookie).slice(0, -2)}zz` })),
  changed('another site is refused', (right) => ({ ...right, 'sec-fetch-site': 'cross-site' })),
  changed('no key of the page is refused', without('x-sallyport-key')),
  {
    name: 'bridge/a page of somebody else in the same browser gets nothing',
    run: async (world) => {
      const app = await world.open({ attacks: true });
      const port = new URL(app.page.url()).port;
      const other = await app.context.newPage();
      await other.goto(`${STRANGER}/evil.html`);
      const tried = await other.evaluate<string>(
        `fetch('http://127.0.0.1:${port}/call', { method: 'POST', mode: 'no-cors', credentials: 'include', body: ${JSON.stringify(CALL)} }).then((answer) => answer.type + ' ' + answer.status, (error) => error.name)`,
      );
      assert.match(tried, /opaque 0|TypeError/);
      const listed = await eventually(
        'the window still works',
        async () => ((await app.run<{ ok: boolean }>(`window.sallyport.call('profile.list', {})`)).ok ? true : undefined),
        3_000,
      );
      assert.ok(listed);
      return tried;
    },
  },
  {
    name: 'security/nothing was refused in the whole run',
    run: (world) => {
      assert.deepEqual(world.watch.violations, []);
      return Promise.resolve('0 violations');
    },
  },
];
