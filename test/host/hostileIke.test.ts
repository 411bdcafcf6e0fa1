/**
 * Hostile IKE at the real helper while it is connected and a transfer runs (SECURITY.md 14–17): messages with the SPIs of its IKE SA that
 * nobody authenticated, and a flood of them. The tunnel stays, the transfer is intact, the log does not grow with it.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { concat, fromHex, toHex } from '../../core/bytes/bytes.ts';
import { VISITOR } from '../gateway/office.ts';
import { addresses } from '../lab/addresses.ts';
import { startFlow, startTransferServer, transfer } from '../lab/transfer.ts';
import type { SendOrder } from './datagramSender.ts';
import type { FloodOrder } from './floodSender.ts';
import { OfficeScene } from './officeScene.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root: network namespaces';
const program = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const target = `${addresses.laptop.v4}:4500`;
const source = `${addresses.router.lan4}:0`;

let scene: OfficeScene;
/** SPIs of the IKE SA, and the one the laptop receives ESP on. */
let ikeSpis = '';
let espSpi = 0;

before(async () => {
  if (skip) return;
  scene = await OfficeScene.start();
  await scene.open({});
  await startTransferServer(scene.lab.intranet);
  const profile = await scene.profile({ localId: VISITOR.identity, auth: { method: 'psk', secret: VISITOR.psk } });
  assert.equal(await scene.up(profile), 'connected');
  const { gateway } = scene.office ?? assert.fail('no office');
  const line = await gateway.next(({ event }) => event === 'sa-established', 5_000);
  ikeSpis = `${line.spiI}${line.spiR}`;
  assert.match(ikeSpis, /^[0-9a-f]{32}$/);
  gateway.send({ do: 'list-sas' });
  const { sas } = await gateway.next(({ event }) => event === 'sas', 5_000);
  const [sa] = sas as [{ children: [{ spiOut: number }] }];
  espSpi = Number(sa.children[0].spiOut);
  assert.match(await scene.lab.laptop.must(['ss', '-Hlun']), /:4500 /, 'the port that is attacked is the one in use');
});
after(async () => {
  await scene?.close();
});

/** A message with the SPIs of the SA: a request or response of this exchange, its first payload and what follows the header. */
function message(
  exchange: number,
  flags: number,
  id: number,
  first: number,
  body: Uint8Array,
  length = 28 + body.length,
): Uint8Array {
  const head = fromHex(ikeSpis) ?? new Uint8Array(16);
  const rest = new Uint8Array(12);
  rest.set([first, 0x20, exchange, flags]);
  new DataView(rest.buffer).setUint32(4, id);
  new DataView(rest.buffer).setUint32(8, length);
  return concat(new Uint8Array(4), head, rest, body);
}

/** A payload header (RFC 7296 §3.2), with a length that need not be right. */
function payload(next: number, octets: number, length = 4 + octets, critical = false): Uint8Array {
  const out = new Uint8Array(4 + octets).fill(0x5a, 4);
  out.set([next, critical ? 0x80 : 0, length >>> 8, length & 0xff]);
  return out;
}

/** RFC 7383 §2.5: an encrypted fragment payload. */
function fragment(number: number, total: number, octets = 64): Uint8Array {
  return patch(payload(0, 4 + octets), number, total);
}

function patch(octets: Uint8Array, number: number, total: number): Uint8Array {
  new DataView(octets.buffer).setUint16(4, number);
  new DataView(octets.buffer).setUint16(6, total);
  return octets;
}

const informational = 37;
const sk = 46;
const skf = 53;
const requests = [0, 1, 2, 3, 7, 1000, 0xffffffff];

const hostile: readonly { readonly name: string; readonly messages: () => readonly Uint8Array[] }[] = [
  {
    name: 'unknown payloads, with and without the critical bit',
    messages: () =>
      [false, true].flatMap((critical) =>
        [200, 49, 255].map((type) => message(informational, 0, 0, type, payload(0, 20, 24, critical))),
      ),
  },
  {
    name: 'payload lengths 0 to 3 and beyond the end',
    messages: () =>
      [0, 1, 2, 3, 25, 0xffff].flatMap((length) =>
        [sk, 41, 200].map((type) => message(informational, 0, 0, type, payload(0, 20, length))),
      ),
  },
  {
    name: 'header lengths that are not there',
    messages: () => [0, 27, 28, 29, 0xffffffff].map((length) => message(informational, 0, 0, sk, payload(0, 60), length)),
  },
  {
    name: 'payloads that name themselves as the next one',
    messages: () =>
      [sk, 41, 43, 200].map((type) =>
        message(informational, 0, 0, type, concat(...Array.from({ length: 200 }, () => payload(type, 0)))),
      ),
  },
  {
    name: 'encryption in encryption',
    messages: () => [message(informational, 0, 0, sk, concat(payload(sk, 60), payload(sk, 60), payload(0, 60)))],
  },
  {
    name: 'every exchange and flag, with requests of every number, not authenticated',
    messages: () =>
      [34, 35, 36, 37, 0, 255].flatMap((exchange) =>
        [0, 0x08, 0x20, 0x28].flatMap((flags) => requests.map((id) => message(exchange, flags, id, sk, payload(41, 60)))),
      ),
  },
  {
    name: '10 MB of certificates',
    messages: () => Array.from({ length: 160 }, (_, id) => message(35, 0, id, 37, payload(0, 65_000))),
  },
  {
    name: 'fragments: number 0, above the total, a total that changes, 65,535 of them, duplicates, never complete',
    messages: () =>
      [
        [0, 5],
        [6, 5],
        [1, 0],
        [1, 1],
        [1, 5],
        [1, 5],
        [2, 9],
        [2, 3],
        [65_535, 65_535],
        ...Array.from({ length: 2_000 }, (_, i) => [i + 1, 65_535]),
      ].map(([number = 0, total = 0]) => message(informational, 0, 0, skf, fragment(number, total))),
  },
];

async function send(datagrams: readonly Uint8Array[]): Promise<void> {
  const sender = scene.lab.router.spawn([process.execPath, program('./datagramSender.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exit = once(sender, 'exit');
  const order: SendOrder = { source, target, datagrams: datagrams.map(toHex) };
  sender.stdout?.resume();
  sender.stdin?.end(`${JSON.stringify(order)}\n`);
  assert.deepEqual(await exit, [0, null]);
}

/** Octets that the helper wrote, at debug, and megabytes that its engine has. */
const written = (): number => scene.said.length;
const resident = (): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${scene.enginePid()}/status`, 'utf8'))?.[1]) / 1000;

for (const { name, messages } of hostile) {
  test(name, { skip }, async (t) => {
    const engine = scene.enginePid();
    const before = written();
    const flow = startFlow(scene.lab.laptop, addresses.intranet.web4);
    t.after(() => flow.kill());
    await flow.more(1_000_000);
    await send(messages());
    await flow.more(1_000_000);
    const moved = await flow.stop();
    assert.equal(moved.ok, true, moved.received);
    assert.equal(scene.status().state, 'connected');
    assert.equal(scene.enginePid(), engine);
    t.diagnostic(`${written() - before} octets of log`);
    assert.ok(written() - before < 100_000, `${written() - before} octets of log`);
  });
}

for (const kind of ['ike', 'bad-icv', 'random', 'keepalive']) {
  test(`a flood of ${kind}: the log stays short, memory bounded, the tunnel up`, { skip }, async (t) => {
    const before = { written: written(), resident: resident() };
    const order: FloodOrder = { kind, source, target, spi: espSpi, ikeSpis };
    const sender = scene.lab.router.spawn([process.execPath, program('./floodSender.ts'), JSON.stringify(order)], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    const exit = once(sender, 'exit');
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    sender.stdin?.end();
    await exit;
    t.diagnostic(`${written() - before.written} octets of log, ${(resident() - before.resident).toFixed(1)} MB`);
    assert.ok(written() - before.written < 100_000, `${written() - before.written} octets of log`);
    assert.ok(resident() - before.resident < 150, `${resident() - before.resident} MB more`);
    assert.equal((await transfer(scene.lab.laptop, 'down', addresses.intranet.web4, 5_000_000)).ok, true);
    assert.equal(scene.status().state, 'connected');
  });
}
