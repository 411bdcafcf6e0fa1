/** A client that moves while it carries something: MOBIKE (RFC 4555) with a gateway that is not ours. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { addresses, devices } from '../../lab/addresses.ts';
import { Stalls } from '../../lab/stalls.ts';
import { TRANSFER_PORT } from '../../lab/transfer.ts';
import { BOTH } from '../names.ts';
import type { Case, World } from '../world.ts';

const { laptop, router, office, intranet } = addresses;
const eth = devices.laptop;
const mobile = { more: { mobike: 'yes' } };
/** So long a move may hold a transfer up, from the moment the laptop has its new address. Milliseconds. */
const within = 1_000;
/** The same where the gateway does not follow. */
const withinAnew = 5_000;

/** Reads octets from the intranet at a steady rate, until its input ends; each line of its output is when some came. */
const reader = `
const [host, port, perMs] = process.argv.slice(1);
const socket = require('node:net').connect(Number(port), host, () => socket.write('down Infinity 1\\n'));
let told = false;
process.stdin.on('end', () => { told = true; socket.end(); }).resume();
const began = Date.now();
let received = 0;
socket.on('data', (data) => {
  received += data.length;
  process.stdout.write(Date.now() + ' ' + received + '\\n');
  const ahead = received / Number(perMs) - (Date.now() - began);
  if (ahead > 5) { socket.pause(); setTimeout(() => socket.resume(), Math.min(ahead, 50)); }
});
socket.setTimeout(10_000, () => { process.stderr.write('no progress'); process.exit(3); });
socket.on('error', (error) => { process.stderr.write(error.message); process.exit(1); });
socket.on('end', () => process.exit(told ? 0 : 2));
`;

class Reader {
  readonly #child: ChildProcess;
  readonly #arrivals: number[] = [];
  readonly #stalls = new Stalls();
  #received = 0;

  constructor(world: World, perMs: number) {
    const argv = [process.execPath, '-e', reader, intranet.web4, String(TRANSFER_PORT), String(perMs)];
    this.#child = world.lab.laptop.spawn(argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    let rest = '';
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const [at = '0', received = '0'] = line.split(' ');
        this.#arrivals.push(Number(at));
        this.#received = Number(received);
      }
    });
  }

  get going(): boolean {
    return this.#received > 0 && this.#child.exitCode === null;
  }

  /**
   * The longest silence that began around that instant: how long it was, and how long after the instant it ended. Milliseconds, without those
   * in which the machine stood still. One that began later is of a machine that does other things: what came in between had gone on.
   */
  async silenceAround(instant: number): Promise<{ readonly length: number; readonly endedAfter: number }> {
    let longest = { length: 0, endedAfter: 0 };
    for (let waited = 0; waited < 20_000; waited += 100) {
      await sleep(100);
      const around = this.#arrivals.filter((at) => at > instant - 500);
      for (const [i, at] of around.entries()) {
        const began = around[i - 1] ?? at;
        const length = at - began - this.#stalls.between(began, at);
        if (began <= instant + 500 && length > longest.length)
          longest = { length, endedAfter: at - instant - this.#stalls.between(instant, at) };
      }
      // What came in the meantime says that it is over.
      if (waited >= 1_500 && (around.at(-1) ?? 0) > Date.now() - 500) return longest;
    }
    return { length: Number.POSITIVE_INFINITY, endedAfter: Number.POSITIVE_INFINITY };
  }

  async end(): Promise<void> {
    const exit = once(this.#child, 'exit');
    if (this.#child.exitCode === null) {
      this.#child.stdin?.end();
      await exit;
    }
    assert.equal(this.#child.exitCode, 0, `the transfer ended with ${this.#child.exitCode} after ${this.#received} octets`);
  }

  stop(): void {
    this.#stalls[Symbol.dispose]();
    this.#child.kill('SIGKILL');
  }
}

interface Move {
  readonly to: string;
  /** Lines of ip -batch on the laptop. */
  readonly lines: readonly string[];
  /** What the gateway then sees. */
  readonly seen: string;
}

const four = (address: string, gateway: string): readonly string[] => [
  `addr add ${address}/24 dev ${eth}`,
  `route add default via ${gateway}`,
];
const withoutFour = (address: string): readonly string[] => [`addr del ${address}/24 dev ${eth}`];
const six: readonly string[] = [`addr add ${laptop.v6}/64 dev ${eth} nodad`, `route add default via ${router.lan6}`];
const withoutSix: readonly string[] = [`addr del ${laptop.v6}/64 dev ${eth}`, `route del default via ${router.lan6} dev ${eth}`];

/** All moves while one transfer runs; the laptop is as it was afterwards, if the last move leads back. */
async function roams(
  world: World,
  moves: readonly Move[],
  back: readonly string[],
  follows = true,
  gateway: string = office.wan4,
): Promise<string> {
  await world.configure(follows ? mobile : { more: { mobike: 'no' } }, { gateway });
  const { status: before } = await world.connect();
  const limit = follows ? within : withinAnew;
  const figures: string[] = [];
  // Little waits in the kernel, or the reader would not notice a silence.
  await world.lab.laptop.sysctl({ 'net/ipv4/tcp_rmem': '4096 65536 65536' });
  const transfer = new Reader(world, 5_000);
  try {
    await world.eventually('the transfer begins', async () => (transfer.going ? true : undefined), 10_000);
    for (const { to, lines, seen } of moves) {
      await sleep(1_000);
      await world.lab.laptop.ip([...lines]);
      const moved = Date.now();
      const { length, endedAfter } = await transfer.silenceAround(moved);
      figures.push(`${to}: on after ${endedAfter} ms, silent for ${length} ms`);
      assert.ok(transfer.going, 'the transfer goes on');
      assert.ok(endedAfter <= limit, figures.join('; '));
      await world.eventually(
        `the gateway sees ${seen}`,
        async () => ((await world.gateway.listSas())[0]?.remoteHost === seen ? true : undefined),
        5_000,
      );
      const { state, local, ike, virtualIps } = await world.client.status();
      assert.ok(state === 'connected' || state === 'roaming', `${state}`);
      assert.ok(
        lines.some((line) => line.includes(local?.address ?? 'nothing')),
        `we are at ${local?.address}`,
      );
      assert.deepEqual(virtualIps, before.virtualIps);
      assert.equal(ike?.spiR === before.ike?.spiR, follows, 'it is the same session where the gateway follows');
    }
    await transfer.end();
    await world.carry(2);
    await world.disconnect();
  } finally {
    transfer.stop();
    await world.lab.laptop.sysctl({ 'net/ipv4/tcp_rmem': '4096 131072 6291456' });
    // A case that failed half-way leaves no other network to the next.
    await world.lab.laptop.exec(['ip', '-6', 'route', 'del', 'default']);
    await world.lab.laptop.exec(['ip', 'addr', 'flush', 'dev', eth, 'scope', 'global']);
    await world.lab.laptop.ip([...back]);
  }
  return figures.join('; ');
}

const home = [...four(laptop.v4, router.lan4), ...six];

export const mobike: readonly Case[] = [
  {
    name: 'life/mobike-address-changes',
    nat: false,
    run: (world) =>
      roams(
        world,
        [
          { to: '192.168.77.3', lines: [...withoutFour(laptop.v4), ...four('192.168.77.3', router.lan4)], seen: '192.168.77.3' },
          { to: laptop.v4, lines: [...withoutFour('192.168.77.3'), ...four(laptop.v4, router.lan4)], seen: laptop.v4 },
        ],
        home,
      ),
  },
  {
    name: 'life/mobike-behind-one-nat',
    run: (world) =>
      roams(
        world,
        [{ to: '192.168.77.3', lines: [...withoutFour(laptop.v4), ...four('192.168.77.3', router.lan4)], seen: router.wan4 }],
        home,
      ),
  },
  {
    name: 'life/mobike-into-another-nat',
    run: async (world) => {
      const { lan, wan } = devices.router;
      const rules = [
        'table inet other {',
        'chain out {',
        'type nat hook postrouting priority srcnat',
        `oifname "${wan}" ip saddr 192.168.78.0/24 snat ip to 198.51.100.2`,
        '}',
        '}',
      ];
      const there = world.lab.router;
      await there.ip([`addr add 192.168.78.1/24 dev ${lan}`, `addr add 198.51.100.2/24 dev ${wan}`]);
      await there.must(['nft', '-f', '-'], { input: `${rules.join('\n')}\n` });
      try {
        return await roams(
          world,
          [
            {
              to: 'another NAT',
              lines: [...withoutFour(laptop.v4), ...four('192.168.78.2', '192.168.78.1')],
              seen: '198.51.100.2',
            },
            { to: 'the first one', lines: [...withoutFour('192.168.78.2'), ...four(laptop.v4, router.lan4)], seen: router.wan4 },
          ],
          home,
        );
      } finally {
        await there.must(['nft', 'delete', 'table', 'inet', 'other']);
        await there.ip([`addr del 192.168.78.1/24 dev ${lan}`, `addr del 198.51.100.2/24 dev ${wan}`]);
      }
    },
  },
  {
    name: 'life/mobike-ipv4-to-ipv6-and-back',
    run: (world) =>
      roams(
        world,
        [
          { to: 'IPv6', lines: [...withoutFour(laptop.v4), ...withoutSix, ...six], seen: laptop.v6 },
          { to: 'IPv4', lines: [...withoutSix, ...four(laptop.v4, router.lan4)], seen: router.wan4 },
        ],
        home,
      ),
  },
  {
    name: 'life/mobike-network-gone-and-back',
    run: async (world) => {
      await world.configure(mobile);
      await world.connect();
      const before = await world.agreed();
      await world.lab.laptop.ip([...withoutFour(laptop.v4), ...withoutSix]);
      await sleep(3_000);
      await world.lab.laptop.ip([...home]);
      await world.ping();
      const after = await world.agreed();
      assert.equal(after.status.ike?.spiR, before.status.ike?.spiR, 'it is the same session');
      await world.disconnect();
      return `${office.wan4} again, IKE SA ${after.status.ike?.spiR}`;
    },
  },
  {
    name: 'life/transfer-without-mobike',
    nat: false,
    run: (world) =>
      roams(
        world,
        [
          { to: '192.168.77.3', lines: [...withoutFour(laptop.v4), ...four('192.168.77.3', router.lan4)], seen: '192.168.77.3' },
          { to: laptop.v4, lines: [...withoutFour('192.168.77.3'), ...four(laptop.v4, router.lan4)], seen: laptop.v4 },
        ],
        home,
        false,
      ),
  },
  {
    name: 'life/transfer-without-mobike-behind-one-nat',
    run: (world) =>
      roams(
        world,
        [{ to: '192.168.77.3', lines: [...withoutFour(laptop.v4), ...four('192.168.77.3', router.lan4)], seen: router.wan4 }],
        home,
        false,
      ),
  },
  {
    name: 'life/transfer-without-mobike-ipv6-to-ipv4-and-back',
    run: (world) =>
      roams(
        world,
        [
          {
            to: 'IPv4',
            lines: [...withoutSix, ...withoutFour(laptop.v4), ...four('192.168.77.3', router.lan4)],
            seen: router.wan4,
          },
          { to: 'IPv6', lines: [...withoutFour('192.168.77.3'), ...six], seen: laptop.v6 },
        ],
        home,
        false,
        BOTH,
      ),
  },
  {
    name: 'life/mobike-refused',
    run: async (world) => {
      await world.configure({ more: { mobike: 'no' } });
      const before = await world.connect();
      await world.lab.laptop.ip([...withoutFour(laptop.v4), ...four('192.168.77.3', router.lan4)]);
      const moved = Date.now();
      try {
        // Another session takes the place of this one, without asking anybody.
        await world.eventually(
          'another session',
          async () => {
            const { state, ike } = await world.client.status();
            return state === 'connected' && ike?.spiR !== before.status.ike?.spiR ? true : undefined;
          },
          withinAnew,
        );
        const took = Date.now() - moved;
        await world.ping();
        return `connected anew after ${took} ms`;
      } finally {
        await world.client.down();
        await world.lab.laptop.ip([...withoutFour('192.168.77.3'), ...four(laptop.v4, router.lan4)]);
      }
    },
  },
];
