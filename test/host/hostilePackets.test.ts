/**
 * Hostile packets through the real socket while a transfer runs through the same threads (SECURITY.md 15–19): each is counted under its
 * name and nothing else moves; the transfer arrives intact.
 */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { concat, fromHex, toHex } from '../../core/bytes/bytes.ts';
import type { SendOrder } from './datagramSender.ts';
import { FloodScene, inside, outer, spiAtLaptop } from './floodScene.ts';
import { echoReply, Forge, patched } from './forge.ts';
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
    await sleep(30);
    assert.deepEqual(moved(before, await counted(), { bytes }), expected);
    assert.deepEqual(await scene.laptop.call('failures'), []);
  });
}

test('in a flood the kernel drops replays and forgeries, but no genuine packet behind them in a run', { skip }, async () => {
  const octets = 100;
  const genuine = (): Uint8Array => forges.gcm.seal(echoReply('10.66.0.1', inside.laptop4, octets - 34));
  const far = (): Uint8Array => patched(genuine(), 4, 0x70, 0, 0, 0);
  const runOf = (length: number, at: number): HostilePacket => ({
    name: '',
    datagrams: () => Array.from({ length }, (_, i) => (i === at ? genuine() : far())),
    run: octets,
    spoofed: true,
    counts: {},
  });
  const flood = await scene.flood('bad-icv-small', false);
  // Until the rule holds, what passes and what does not is a matter of the queue; then all that is lost is lost on the way there.
  const runs = 50;
  await until(async () => {
    const before = await counted();
    for (let i = 0; i < runs; i++) await send(runOf(40, 1 + (i % 39)));
    await sleep(100);
    const now = await counted();
    const seen = now.gcm.dropsIntegrity - before.gcm.dropsIntegrity;
    return now.gcm.packetsIn - before.gcm.packetsIn >= 0.9 * runs && seen >= 0.9 * 39 * runs;
  }, 'genuine packets behind forged ones');
  await until(async () => {
    const before = await counted();
    for (let i = 0; i < runs; i++) await send(runOf(40, -1));
    await sleep(100);
    return (await counted()).gcm.dropsIntegrity - before.gcm.dropsIntegrity < 0.3 * 40 * runs;
  }, 'the kernel drops runs of forgeries');
  await flood.stop();
});

test('in a flood of messages of strangers those of whom we talk to are heard, on both ports', { skip }, async () => {
  const spis = '0a0b0c0d0e0f0102'.repeat(2);
  const message = (serial: number): Uint8Array =>
    fromHex(`${spis}2e20250000000000${serial.toString(16).padStart(8, '0')}`) ?? new Uint8Array(0);
  assert.ok(await scene.laptop.call('sendIke', 'natt', { address: outer.office, port: 4500 }, toHex(message(0))));
  const serials = Array.from({ length: 50 }, (_, i) => i);
  const flood = await scene.flood('ike-strangers', false);
  const began = (await counted()).globals;
  let seen = '';
  // Until the rule holds the queue may be full.
  const heard = async (): Promise<boolean> => {
    await scene.laptop.call('ike');
    await send({ name: '', datagrams: () => serials.map((serial) => concat(new Uint8Array(4), message(serial))), counts: {} });
    await send({ name: '', datagrams: () => serials.map(message), port: 500, counts: {} });
    const got = { natt: 0, ike: 0 };
    // The lane may have a whole queue of strangers in front of them.
    for (let i = 0; i < 20 && Math.min(got.natt, got.ike) < 0.9 * serials.length; i++) {
      await sleep(50);
      for (const { hex, channel } of await scene.laptop.call('ike')) if (hex.startsWith(spis)) got[channel]++;
    }
    seen = `${got.natt} upon 4500, ${got.ike} upon 500`;
    return Math.min(got.natt, got.ike) >= 0.9 * serials.length;
  };
  try {
    let well = false;
    for (let i = 0; i < 40 && !well; i++) well = await heard();
    const { kernel, 'ike-full': full } = (await counted()).globals;
    const dropped = `the filters dropped ${kernel - began.kernel}, the lane ${full - began['ike-full']}`;
    assert.ok(well, `${seen}; ${dropped}; the sender ended with ${flood.process.exitCode}`);
  } finally {
    const { datagrams } = await flood.stop();
    assert.ok(datagrams > 10_000, `it was no flood: ${datagrams} datagrams`);
  }
});

test('a while after a flood ended all is looked at again', { skip }, async () => {
  const unknown = async (): Promise<number> => (await counted()).globals['unknown-spi'];
  const run: HostilePacket = {
    name: '',
    datagrams: () => Array.from({ length: 20 }, () => new Uint8Array(1200).fill(0x5a)),
    run: 1200,
    spoofed: true,
    counts: {},
  };
  await until(async () => {
    const before = await unknown();
    for (let i = 0; i < 5; i++) await send(run);
    await sleep(30);
    return (await unknown()) === before + 100;
  }, 'the end of the rule');
  assert.deepEqual(await scene.laptop.call('failures'), []);
});

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
