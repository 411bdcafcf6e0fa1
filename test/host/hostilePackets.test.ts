/**
 * Hostile packets through the real socket while a transfer runs through the same threads (SECURITY.md 15–19): each is counted under its
 * name and nothing else moves; the transfer arrives intact.
 */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { toHex } from '../../core/bytes/bytes.ts';
import type { SendOrder } from './datagramSender.ts';
import { FloodScene, inside, outer, spiAtLaptop } from './floodScene.ts';
import { Forge } from './forge.ts';
import { type Counts, type Forges, type HostilePacket, hostileNetworks, hostilePackets, hostileSas } from './hostilePackets.ts';
import { until } from './peer.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root: network namespaces';
const transferOctets = 20_000_000;
const forges: Forges = {
  gcm: new Forge(hostileSas.gcm.suite, hostileSas.gcm.spi, 'hostile gcm'),
  esn: new Forge(hostileSas.esn.suite, hostileSas.esn.spi, 'hostile esn'),
  cbc: new Forge(hostileSas.cbc.suite, hostileSas.cbc.spi, 'hostile cbc'),
  narrow: new Forge(hostileSas.narrow.suite, hostileSas.narrow.spi, 'hostile narrow'),
};

let scene: FloodScene;
let sender: ChildProcess;
const senderEnded = new AbortController();
/** Transfers, one after the other, until told to stop; how many were intact. */
let transfers: Promise<{ readonly intact: number; readonly all: number }>;
let transferring = true;

before(async () => {
  if (skip) return;
  scene = await FloodScene.create({ suite: 'aes256gcm16' });
  for (const [name, { spi, ...sa }] of Object.entries(hostileSas)) {
    await scene.laptop.call('install', {
      ...sa,
      spiIn: spi,
      spiOut: spi + 1,
      keyIn: `hostile ${name}`,
      keyOut: `hostile ${name} out`,
      local: [`${inside.laptop4}/32`, `${inside.laptop6}/128`],
      remote: hostileNetworks,
      to: outer.attacker,
    });
  }
  const program = fileURLToPath(new URL('./datagramSender.ts', import.meta.url));
  sender = scene.attacker.spawn([process.execPath, program], { stdio: ['pipe', 'pipe', 'inherit'] });
  sender.once('exit', () => senderEnded.abort());
  await scene.laptop.call('serve', 7000);
  transfers = keepTransferring();
});

after(async () => {
  transferring = false;
  sender?.kill();
  for (const peer of [scene?.laptop, scene?.office]) peer?.process.kill('SIGKILL');
  await scene?.close();
});

async function keepTransferring(): Promise<{ intact: number; all: number }> {
  const done = { intact: 0, all: 0 };
  while (transferring) {
    const address = done.all % 2 === 0 ? inside.laptop4 : inside.laptop6;
    const { intact } = await scene.office.call('transfer', address, 7000, transferOctets);
    done.all++;
    if (intact) done.intact++;
  }
  return done;
}

async function send({ datagrams, run, spoofed = false, port = 4500 }: HostilePacket): Promise<void> {
  const order: SendOrder = {
    source: spoofed ? `${outer.office}:4500` : `${outer.attacker}:0`,
    target: `${outer.laptop}:${port}`,
    datagrams: datagrams(forges).map(toHex),
    ...(run !== undefined && { run }),
  };
  assert.ok(sender.stdin && sender.stdout);
  sender.stdin.write(`${JSON.stringify(order)}\n`);
  await once(sender.stdout, 'data', { signal: senderEnded.signal });
}

/** All counters that packets from outside can move, less those that the transfer and the laptop's own packets do. */
async function counted(): Promise<Required<Omit<Counts, 'ike'>>> {
  const of = async (spi: number): Promise<Record<string, number>> => {
    const counters = await scene.laptop.counters(spi);
    const own = spi === spiAtLaptop ? ['packetsIn', 'bytesIn'] : [];
    const others = ['packetsOut', 'bytesOut', 'lastIn', 'lastOut', 'dropsTooBig', ...own];
    return Object.fromEntries(Object.entries(counters).filter(([name]) => !others.includes(name)));
  };
  const globals = await scene.laptop.call('globals');
  return {
    gcm: await of(hostileSas.gcm.spi),
    esn: await of(hostileSas.esn.spi),
    cbc: await of(hostileSas.cbc.spi),
    narrow: await of(hostileSas.narrow.spi),
    live: await of(spiAtLaptop),
    // The kernel sends packets of its own accord, which no SA takes.
    globals: Object.fromEntries(Object.entries(globals).filter(([name]) => name !== 'no-policy' && name !== 'send-failed')),
  };
}

type Counted = Awaited<ReturnType<typeof counted>>;

function moved(before: Counted, now: Counted, { bytes }: { readonly bytes: boolean }): Omit<Counts, 'ike'> {
  const out: Record<string, Record<string, number>> = {};
  for (const [part, counters] of Object.entries(now)) {
    const known: Readonly<Record<string, number>> = before[part as keyof Counted];
    const changed = Object.entries(counters).flatMap(([name, value]) => {
      const by = value - (known[name] ?? 0);
      return by === 0 || (name === 'bytesIn' && !bytes) ? [] : [[name, by] as const];
    });
    if (changed.length > 0) out[part] = Object.fromEntries(changed);
  }
  return out;
}

for (const packet of hostilePackets) {
  test(packet.name, { skip }, async () => {
    const { ike = 0, ...expected } = packet.counts;
    const bytes = Object.values(expected).some((part) => 'bytesIn' in part);
    await scene.laptop.call('ike');
    const before = await counted();
    await send(packet);
    let messages = 0;
    const asExpected = async (): Promise<boolean> => {
      messages += (await scene.laptop.call('ike')).length;
      return messages === ike && isSame(moved(before, await counted(), { bytes }), expected);
    };
    await until(asExpected, packet.name).catch(async () => {
      assert.deepEqual({ ike: messages, ...moved(before, await counted(), { bytes }) }, { ike, ...expected });
    });
    // Where nothing is to move, nothing has yet; the packet after it tells that it was read.
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.deepEqual(moved(before, await counted(), { bytes }), expected);
    assert.deepEqual(await scene.laptop.call('failures'), []);
  });
}

test('the transfers beside all this arrived intact', { skip }, async () => {
  transferring = false;
  const { intact, all } = await transfers;
  assert.ok(all > 0);
  assert.equal(intact, all);
});

function isSame(a: unknown, b: unknown): boolean {
  try {
    assert.deepEqual(a, b);
    return true;
  } catch {
    return false;
  }
}
