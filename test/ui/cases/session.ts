/** A session that lasts, as its user sees it: keys change, the gateway goes, the network is another, the computer sleeps; what is said, and what can be done. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Status } from '../../../core/rpc/contract.ts';
import { startJson } from '../../gateway/jsonProcess.ts';
import { VISITOR } from '../../gateway/office.ts';
import { type App, WIDE } from '../app.ts';
import { byEap, CODE, eapProfile, PASSWORD } from '../credentials.ts';
import { type Case, eventually } from '../kit.ts';
import { connectedScene } from '../scenes.ts';
import type { ProfileFields, World } from '../world.ts';
import { stateIs } from './connect.ts';
import { answer, question } from './credentialPrompts.ts';
import { card } from './failures.ts';
import { table } from './statistics.ts';

const NOBODY = 65_534;
/** Under which the office is known again after a change of keys. */
const OTHER_KEY = 'an0ther-h0rse-another-staple-2026';
/** A wait that can be looked at, however busy the machine is. Milliseconds. */
const LONG_WAIT = 8_000;

/** Writes down every state the window shows from now on, and every question it asks. */
async function watch(app: App): Promise<() => Promise<readonly string[]>> {
  await app.run(`(() => {
    const seen = globalThis.uiStates = [];
    const note = () => {
      const prompt = document.querySelector('[data-test=prompt]');
      const now = prompt ? 'prompt' : document.querySelector('[data-test=state]')?.dataset.state;
      if (now && seen.at(-1) !== now) seen.push(now);
    };
    note();
    new MutationObserver(note).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-state'] });
  })()`);
  return () => app.run<readonly string[]>('globalThis.uiStates');
}

/** Packets into the tunnel ten times a second until told; how many were not answered. */
function pinging(world: World): () => Promise<number> {
  const { laptop, addresses } = world.stage.lab;
  const child = laptop.spawn(['ping', '-n', '-i', '0.1', addresses.intranet.web4], { stdio: ['ignore', 'pipe', 'ignore'] });
  let said = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  return async () => {
    // What is on its way arrives.
    await sleep(300);
    child.kill('SIGINT');
    const [, sent, received] = await eventually(
      'ping tells',
      () => /(\d+) packets transmitted, (\d+) received/.exec(said) ?? undefined,
      5_000,
    );
    assert.ok(Number(sent) > 0);
    return Number(sent) - Number(received);
  };
}

async function logged(app: App, text: RegExp): Promise<void> {
  await app.go('Log');
  await app.sees(text);
}

interface Rekeyed {
  readonly what: 'ike' | 'child';
  readonly shown: readonly ['traffic' | 'ike', string, string];
  readonly log: RegExp;
}

/** Fresh keys under traffic: Statistics has them, the log tells of it, nobody notices. */
async function rekeys(world: World, { what, shown: [name, first, second], log }: Rekeyed): Promise<string> {
  const app = await connectedScene(world, { viewport: WIDE });
  await app.go('Statistics');
  const spis = async (): Promise<readonly (string | undefined)[]> => {
    const row = await table(app, name);
    return [row[first], row[second]];
  };
  const before = await spis();
  const stop = pinging(world);
  await world.call('tunnel.rekey', { what });
  const after = await eventually(
    'Statistics shows new SPIs',
    async () => {
      const now = await spis();
      return now.every((spi, i) => spi !== undefined && spi !== before[i]) ? now : undefined;
    },
    10_000,
  );
  const lost = await stop();
  assert.equal(lost, 0, `${lost} packets lost`);
  const { state, ike, children } = await world.cli<Status>('status');
  assert.equal(state, 'connected');
  assert.deepEqual(after, what === 'ike' ? [ike?.spiI, ike?.spiR] : [children[0]?.spiIn, children[0]?.spiOut]);
  await logged(app, log);
  await app.go('Connect');
  await stateIs(app, 'Protected');
  return `${before.join('/')} → ${after.join('/')}`;
}

/** Lost to an office that has no address left for now: waits are long ones. Resolves at the beginning of a long one. */
async function waitingScene(world: World, fields: ProfileFields = {}): Promise<App> {
  await world.profile(fields);
  const app = await world.open();
  await app.press('Connect');
  await world.state('connected');
  await stateIs(app, 'Protected');
  // The first try may come at once, and is to find the office that refuses.
  await world.block('ike');
  world.office.gateway.send({ do: 'terminate' });
  await world.misbehave('no-address');
  await world.unblock();
  await eventually(
    'a long wait',
    async () => {
      const { state, retryAt } = await world.status();
      return state === 'reconnecting' && retryAt !== undefined && retryAt > Date.now() + LONG_WAIT ? true : undefined;
    },
    60_000,
  );
  await stateIs(app, 'Reconnecting');
  // For those who hear it.
  assert.equal(await app.page.getByTestId('announcement').innerText(), 'Reconnecting to Head office.');
  return app;
}

const sentence = async (app: App): Promise<string> => app.page.locator('.state-sentence').innerText();

/** Seconds that the countdown shows. */
async function countdown(app: App): Promise<number> {
  const said = await sentence(app);
  const [, minutes, seconds] = /^Trying Head office again in (\d+):(\d\d)\.$/.exec(said) ?? assert.fail(said);
  return Number(minutes) * 60 + Number(seconds);
}

const AWAY = '192.168.77.9';

/** The laptop's address is another one from now on. */
async function move(world: World, from: string, to: string): Promise<void> {
  const { laptop, addresses, devices } = world.stage.lab;
  await laptop.ip([
    `addr del ${from}/24 dev ${devices.laptop}`,
    `addr add ${to}/24 dev ${devices.laptop}`,
    `route add default via ${addresses.router.lan4}`,
  ]);
}

/** No way to the outside, or again one. */
async function network(world: World, there: boolean): Promise<void> {
  const { laptop, addresses } = world.stage.lab;
  const routes = [`default via ${addresses.router.lan4}`, `default via ${addresses.router.lan6}`];
  for (const [index, route] of routes.entries())
    await laptop.must(['ip', index === 0 ? '-4' : '-6', 'route', there ? 'replace' : 'del', ...route.split(' ')]);
}

/** The laptop's cable, at its other end: the laptop keeps its addresses and routes, and so does the router. */
async function cable(world: World, plugged: boolean): Promise<void> {
  const { router, devices } = world.stage.lab;
  const { lan } = devices.router;
  await router.must(['sysctl', '-qw', `net.ipv6.conf.${lan}.keep_addr_on_down=1`]);
  await router.ip([`link set ${lan} ${plugged ? 'up' : 'down'}`]);
}

/** As a sleep of the computer would stop it. */
async function sleeps(world: World): Promise<void> {
  world.stopEngine();
  await sleep(1_000);
  world.resumeEngine();
}

export const session: readonly Case[] = [
  {
    name: 'session/the keys of the data change, and Statistics and the log tell',
    smoke: true,
    run: (world) => rekeys(world, { what: 'child', shown: ['traffic', 'SPI in', 'SPI out'], log: /CHILD SA rekeyed by us/ }),
  },
  {
    name: 'session/the keys of the channel change, and Statistics and the log tell',
    run: (world) => rekeys(world, { what: 'ike', shown: ['ike', 'Initiator SPI', 'Responder SPI'], log: /IKE SA rekeyed by us/ }),
  },
  {
    name: 'session/while fresh keys are on their way it is protected, and says so',
    run: async (world) => {
      const app = await connectedScene(world);
      const before = (await world.status()).ike?.spiI;
      await world.block('natt');
      await world.call('tunnel.rekey', { what: 'ike' });
      await app.sees('Taking fresh keys…');
      await stateIs(app, 'Protected');
      await app.button('Disconnect').waitFor();
      await app.picture('session-rekeying');
      await world.unblock();
      await app.sees('Connected to Head office.', 30_000);
      const { ike, state } = await world.status();
      assert.equal(state, 'connected');
      assert.notEqual(ike?.spiI, before);
      await world.ping();
      return 'said, and done';
    },
  },
  {
    name: 'session/disconnected while fresh keys are on their way',
    run: async (world) => {
      const app = await connectedScene(world);
      await world.block('natt');
      await world.call('tunnel.rekey', { what: 'child' });
      await app.sees('Taking fresh keys…');
      await app.press('Disconnect');
      await world.state('idle');
      await stateIs(app, 'Not protected');
      assert.equal(await card(app).count(), 0);
      return 'down';
    },
  },
  {
    name: 'session/a login that runs out is made anew beside the connection, without a question',
    run: async (world) => {
      await world.openOffice({ authLifetime: 15 });
      await world.profile({ secret: null });
      const app = await world.open();
      await app.press('Connect');
      await app.page.getByRole('dialog').getByLabel('Pre-shared key').fill(VISITOR.psk);
      await app.press('Continue');
      await stateIs(app, 'Protected');
      const seen = await watch(app);
      const before = (await world.status()).ike?.spiI;
      const stop = pinging(world);
      await eventually(
        'another IKE SA',
        async () => {
          const { state, ike } = await world.status();
          return state === 'connected' && ike !== undefined && ike.spiI !== before ? true : undefined;
        },
        40_000,
      );
      const lost = await stop();
      assert.ok(lost <= 1, `${lost} packets lost`);
      const states = await seen();
      assert.ok(
        states.every((state) => ['connected', 'rekeying'].includes(state)),
        states.join(' '),
      );
      await stateIs(app, 'Protected');
      return states.join(' ');
    },
  },
  {
    name: 'session/the gateway restarts: brought back with the key that was typed, nobody is asked',
    run: async (world) => {
      await world.profile({ secret: null });
      const app = await world.open();
      await app.press('Connect');
      await app.page.getByRole('dialog').getByLabel('Pre-shared key').fill(VISITOR.psk);
      await app.press('Continue');
      await stateIs(app, 'Protected');
      const seen = await watch(app);
      const before = (await world.status()).ike?.spiI;
      await world.openOffice({});
      await eventually(
        'connected again',
        async () => {
          const { state, ike } = await world.status();
          return state === 'connected' && ike?.spiI !== before ? true : undefined;
        },
        60_000,
      );
      await stateIs(app, 'Protected');
      const states = await seen();
      assert.deepEqual([states[0], states.at(-1)], ['connected', 'connected']);
      assert.ok(states.includes('retrying'), states.join(' '));
      for (const never of ['prompt', 'failed', 'idle']) assert.ok(!states.includes(never), states.join(' '));
      await world.ping();
      return states.join(' ');
    },
  },
  {
    name: 'session/the countdown to the next try counts; “Try again” does not wait for its end',
    smoke: true,
    run: async (world) => {
      const app = await waitingScene(world);
      const first = await countdown(app);
      await app.picture('session-countdown');
      await sleep(2_500);
      const second = await countdown(app);
      assert.ok(first - second >= 2 && first - second <= 6, `${first} s, then ${second} s`);
      const { retryAt } = await world.status();
      assert.ok(Math.abs((retryAt ?? 0) - Date.now() - second * 1_000) < 3_000, 'it is the time that the helper tells');
      await world.misbehave();
      const pressed = Date.now();
      await app.press('Try again');
      await world.state('connected');
      await stateIs(app, 'Protected');
      assert.ok(Date.now() < (retryAt ?? 0), 'it was not waited for');
      await world.ping();
      return `${first} s, ${second} s, connected after ${Date.now() - pressed} ms`;
    },
  },
  {
    name: 'session/cancelled while it waits for the next try, and the way is free again',
    run: async (world) => {
      const app = await waitingScene(world);
      const way = (): Promise<string> =>
        world.stage.lab.laptop.must(['ip', 'route', 'get', world.stage.lab.addresses.intranet.web4]);
      assert.match(await way(), /dev sally0/, 'held back');
      await app.press('Cancel');
      await world.state('idle');
      await stateIs(app, 'Not protected');
      assert.doesNotMatch(await way(), /sally0/);
      assert.equal(await card(app).count(), 0);
      return 'idle';
    },
  },
  {
    name: 'session/cancelled while it is tried again',
    run: async (world) => {
      const app = await waitingScene(world);
      await world.block('ike', 'natt');
      await app.press('Try again');
      await app.sees('Connecting to Head office…');
      assert.equal(await app.page.getByTestId('now').count(), 0, 'it is being tried');
      await app.press('Cancel');
      await world.state('idle');
      await stateIs(app, 'Not protected');
      return 'idle';
    },
  },
  {
    name: 'session/no network: held back with its words; with a network it comes back by itself',
    run: async (world) => {
      const app = await waitingScene(world);
      await world.misbehave();
      try {
        await network(world, false);
        await stateIs(app, 'Held back');
        assert.equal(await sentence(app), 'Head office is not connected; its traffic waits here.');
        await card(app).waitFor();
        await app.button('Disconnect').waitFor();
        await app.picture('session-held-back');
      } finally {
        await network(world, true);
      }
      await world.state('connected');
      await stateIs(app, 'Protected');
      await world.ping();
      return 'held back, and back';
    },
  },
  {
    name: 'session/disconnected while it is held back',
    run: async (world) => {
      const app = await waitingScene(world);
      try {
        await network(world, false);
        await stateIs(app, 'Held back');
        await app.press('Disconnect');
        await world.state('idle');
        await stateIs(app, 'Not protected');
      } finally {
        await network(world, true);
      }
      return 'idle';
    },
  },
  {
    name: 'session/the cable is out while it is connected: held back within two seconds, and the same session goes on when it is in',
    run: async (world) => {
      const app = await connectedScene(world);
      const seen = await watch(app);
      const before = (await world.status()).ike?.spiI;
      try {
        await network(world, false);
        await sleep(700);
        await network(world, true);
        await sleep(1_000);
        assert.deepEqual(await seen(), ['connected'], 'a change of networks is no news');
        const at = Date.now();
        await cable(world, false);
        await stateIs(app, 'Held back');
        const { since, held, failure, children } = await world.status();
        assert.deepEqual([held, failure?.code, children.length], [true, 'no-route', 1]);
        assert.ok(since - at < 1_500, `noticed after ${since - at} ms`);
        assert.equal(await sentence(app), 'Head office is not connected; its traffic waits here.');
        await card(app).getByText('This computer is not online.').waitFor();
        await app.button('Disconnect').waitFor();
        await app.picture('session-cut-off');
        const { laptop, addresses } = world.stage.lab;
        assert.match(await laptop.must(['ip', 'route', 'get', addresses.intranet.web4]), /dev sally0/);
        assert.match((await world.stage.cli('status')).stdout, /^Not connected, traffic held back/);
      } finally {
        await cable(world, true);
      }
      await world.state('connected');
      await stateIs(app, 'Protected');
      assert.equal((await world.status()).ike?.spiI, before, 'the same session');
      await world.ping();
      return (await seen()).join(' ');
    },
  },
  {
    name: 'session/another address: protected all the while, and Statistics has the new one',
    run: async (world) => {
      const { addresses } = world.stage.lab;
      const app = await connectedScene(world, { viewport: WIDE });
      const seen = await watch(app);
      const before = (await world.status()).ike?.spiI;
      await move(world, addresses.laptop.v4, AWAY);
      try {
        const { local } = await eventually(
          'the tunnel is at the new address',
          async () => {
            const status = await world.status();
            return status.state === 'connected' && status.local?.address === AWAY ? status : undefined;
          },
          30_000,
        );
        await world.ping();
        const states = await seen();
        assert.ok(
          states.every((state) => ['connected', 'roaming'].includes(state)),
          states.join(' '),
        );
        await stateIs(app, 'Protected');
        await app.go('Statistics');
        await eventually(
          'Statistics shows it',
          async () => (Object.values(await table(app, 'path')).includes(`${AWAY}:${local?.port}`) ? true : undefined),
          5_000,
        );
        assert.equal((await world.status()).ike?.spiI, before, 'the same session');
        return `${states.join(' ')}, ${AWAY}:${local?.port}`;
      } finally {
        await world.call('tunnel.down', {});
        await move(world, AWAY, addresses.laptop.v4);
      }
    },
  },
  {
    name: 'session/while it moves and the gateway is not heard there yet, it says so',
    run: async (world) => {
      const { addresses } = world.stage.lab;
      const app = await connectedScene(world);
      await world.block('natt');
      await move(world, addresses.laptop.v4, AWAY);
      try {
        await app.sees('Moving to another network…', 15_000);
        await stateIs(app, 'Protected');
        await app.picture('session-roaming');
        await world.unblock();
        await app.sees('Connected to Head office.', 30_000);
        await world.ping();
        return 'said, and arrived';
      } finally {
        await world.call('tunnel.down', {});
        await move(world, AWAY, addresses.laptop.v4);
      }
    },
  },
  {
    name: 'session/after a sleep: paused until the gateway is heard, then as before; cancelled the next time',
    run: async (world) => {
      // A code is good for once: it is waited for long before somebody is asked for another.
      await world.openOffice(byEap('otp'));
      await world.profile(eapProfile({ methods: ['otp'], identity: 'alice' }));
      const app = await world.open();
      await app.press('Connect');
      await answer(question(app, 'code'), 'code', CODE.answer);
      await stateIs(app, 'Protected');
      const before = (await world.status()).ike?.spiI;
      await world.block('natt');
      await sleeps(world);
      await stateIs(app, 'Paused');
      assert.equal(await sentence(app), 'Checking Head office after sleep…');
      await app.picture('session-paused');
      await world.unblock();
      await world.state('connected', 30_000);
      await stateIs(app, 'Protected');
      assert.equal((await world.status()).ike?.spiI, before, 'the same session');
      await world.block('natt');
      await sleeps(world);
      await stateIs(app, 'Paused');
      await app.press('Cancel');
      await world.state('idle');
      await stateIs(app, 'Not protected');
      return 'paused, back, cancelled';
    },
  },
  {
    name: 'session/a key that the office changed meanwhile is not tried again',
    run: async (world) => {
      await world.profile({ liveness: 5 });
      const app = await world.open();
      await app.press('Connect');
      await world.state('connected');
      await world.ping(1);
      await world.openOffice({ users: [{ identity: VISITOR.identity, psk: OTHER_KEY }] });
      // Who refuses it has proven nothing: the traffic stays held back.
      await world.state('blocked', 90_000);
      await card(app).waitFor();
      assert.equal((await world.status()).failure?.code, 'authentication-failed');
      const heard = async (): Promise<unknown> => {
        const { gateway } = world.office;
        gateway.send({ do: 'heard' });
        return (await gateway.next((line) => line.event === 'heard', 5_000)).datagrams;
      };
      const first = await heard();
      await sleep(4_000);
      assert.equal(await heard(), first, 'it was tried again');
      await app.press('Enter the key again');
      await app.page.getByRole('dialog').getByLabel('Pre-shared key').fill(OTHER_KEY);
      await app.press('Continue');
      await world.state('connected');
      await stateIs(app, 'Protected');
      return `${first} datagrams, and no more`;
    },
  },
  {
    name: 'session/a password that the office changed meanwhile is asked for, not guessed',
    run: async (world) => {
      await world.openOffice(byEap());
      await world.profile({ ...eapProfile({ identity: 'alice' }), liveness: 5 });
      const app = await world.open();
      await app.press('Connect');
      await answer(question(app, 'password'), 'password', PASSWORD);
      await stateIs(app, 'Protected');
      const fresh = 'a new one, from this morning on';
      await world.openOffice({ ...byEap(), eap: { methods: ['mschapv2'], users: { alice: { password: fresh } } } });
      const again = question(app, 'password', 2);
      await again.getByText('This password was not accepted.').waitFor({ timeout: 90_000 });
      assert.equal((await world.status()).state, 'waiting');
      await answer(again, 'password', fresh);
      await world.state('connected');
      await stateIs(app, 'Protected');
      return 'asked once';
    },
  },
  {
    name: 'session/locked: a key that the office changed meanwhile is said, nothing leaves, and the right one opens it',
    run: async (world) => {
      await world.profile({ whenLost: 'lock', liveness: 5 });
      const app = await world.open();
      await app.press('Connect');
      await world.state('connected');
      await world.ping(1);
      await world.openOffice({ users: [{ identity: VISITOR.identity, psk: OTHER_KEY }] });
      await world.state('blocked', 90_000);
      await stateIs(app, 'Held back');
      await card(app).waitFor();
      const { laptop, addresses } = world.stage.lab;
      assert.match(await laptop.must(['ip', 'route', 'get', addresses.intranet.web4]), /dev sally0/);
      await app.picture('session-locked');
      await app.press('Enter the key again');
      await app.page.getByRole('dialog').getByLabel('Pre-shared key').fill(OTHER_KEY);
      await app.press('Continue');
      await world.state('connected');
      await stateIs(app, 'Protected');
      await world.ping();
      return 'locked, opened';
    },
  },
  {
    name: 'session/sent to another gateway it goes there, and Statistics names it',
    run: async (world) => {
      const { office, addresses } = world.stage.lab;
      const file = join(world.stage.folder, 'second.json');
      const { networks, intranet, names } = addresses;
      const config = {
        addresses: [addresses.office.wan6],
        identity: names.gateway,
        users: [VISITOR],
        pool: { ipv4: '10.10.98.0/24' },
        dns: [intranet.dns4],
        domains: [names.domain],
        subnets: [networks.office4],
        networks: [networks.office4],
        tun: { name: 'office1', mtu: 1400 },
      };
      writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
      await world.openOffice({ redirect: { to: addresses.office.wan6, at: 'init' } });
      const second = await startJson(office, [process.execPath, 'test/gateway/main.ts', file], 'the second gateway');
      try {
        const { id } = await world.profile();
        await world.up(id);
        const app = await world.open({ viewport: WIDE });
        await stateIs(app, 'Protected');
        await world.ping();
        await app.go('Statistics');
        const { Gateway } = await table(app, 'path');
        assert.equal(Gateway, `[${addresses.office.wan6}]:4500`);
        await logged(app, /redirect/i);
        await world.call('tunnel.down', {});
        return Gateway ?? '';
      } finally {
        await second.stop();
      }
    },
  },
  {
    name: 'session/where no UDP passes it goes by TCP, and Statistics says so',
    run: async (world) => {
      await world.block('ike', 'natt');
      await world.profile();
      const app = await world.open({ viewport: WIDE });
      await app.press('Connect');
      await world.state('connected', 40_000);
      await stateIs(app, 'Protected');
      await world.ping();
      await app.go('Statistics');
      const { Gateway } = await table(app, 'path');
      assert.equal(Gateway, `${world.stage.lab.addresses.office.wan4}:4500 TCP`);
      return Gateway ?? '';
    },
  },
  {
    name: 'session/the hybrid key exchange is shown, and stays when keys change',
    run: async (world) => {
      const app = await connectedScene(world, { viewport: WIDE });
      await app.go('Statistics');
      const shown = async (): Promise<string | undefined> => (await table(app, 'ike'))['Key exchange'];
      assert.equal(await shown(), 'CURVE_25519 + ML_KEM_768');
      const before = (await world.status()).ike?.spiI;
      await world.call('tunnel.rekey', { what: 'ike' });
      await eventually(
        'another IKE SA',
        async () => ((await table(app, 'ike'))['Initiator SPI'] !== before ? true : undefined),
        10_000,
      );
      assert.equal(await shown(), 'CURVE_25519 + ML_KEM_768');
      return 'CURVE_25519 + ML_KEM_768';
    },
  },
  {
    name: 'session/another user sees that it is in use while it is brought back, and nothing of whose',
    run: async (world) => {
      const own = await waitingScene(world);
      const other = await world.open({ user: NOBODY });
      await stateIs(other, 'In use');
      const text = await other.text();
      assert.match(text, /Another user of this computer is connected/);
      assert.doesNotMatch(text, /Head office|vpn\.office\.test/);
      assert.equal(await other.page.getByTestId('now').count(), 0);
      await own.press('Cancel');
      await own.sees('Not protected');
      await eventually('it is free', async () => ((await other.text()).includes('In use') ? undefined : true), 5_000);
      return 'in use, then free';
    },
  },
];
