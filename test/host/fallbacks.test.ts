/**
 * The real helper as it comes, and told to do without: no offload of the kernel, or one crypto backend alone. Everything goes through
 * in each case, and the status says which one it is.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { ipsecMbBackend } from '../../core/crypto/ipsecMb/esp.ts';
import type { Status } from '../../core/rpc/contract.ts';
import { VISITOR } from '../gateway/office.ts';
import { startTransferServer, transfer } from '../lab/transfer.ts';
import { OfficeScene } from './officeScene.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root: network namespaces';
const octets = 3_000_000;
const nothing = { tun: { headers: false, tcp: false, udp: false }, socket: { segmentation: false, coalescing: false } };
const anything = { espProposals: ['aes256gcm16', 'aes256-sha256'] };

let scene: OfficeScene;
before(async () => {
  if (skip) return;
  scene = await OfficeScene.start();
  await scene.open({});
  await startTransferServer(scene.lab.intranet);
});
after(async () => {
  await scene?.close();
});

/** With a helper that was started anew: the connected status after everything went through. */
async function carried(options: readonly string[], wanted: object = {}): Promise<Status> {
  await scene.stopHelper();
  await scene.startHelper(options);
  const profile = await scene.profile({ localId: VISITOR.identity, auth: { method: 'psk', secret: VISITOR.psk }, ...wanted });
  assert.equal(await scene.up(profile), 'connected');
  const host = scene.lab.addresses.intranet.web4;
  const ping = await scene.lab.laptop.exec(['ping', '-c', '3', '-i', '0.1', '-W', '3', host]);
  assert.equal(ping.code, 0, ping.stdout);
  for (const direction of ['up', 'down'] as const) {
    const moved = await transfer(scene.lab.laptop, direction, host, octets);
    assert.deepEqual([moved.ok, moved.octets], [true, octets], JSON.stringify(moved));
  }
  const status = await scene.until('counters of all of it', ({ children: [child] }) => (child?.bytesIn ?? 0) > octets);
  await scene.down();
  assert.deepEqual([scene.status().offload, scene.status().drops], [undefined, undefined]);
  return status;
}

const monitorFile = resolve(import.meta.dirname, '../../core/helper/monitor.ts');
const carriers = (status: Status) => [status.backend, status.children[0]?.backend];

test('by itself: the kernel does what it can, and the status has every figure there is', { skip }, async () => {
  const { offload, drops, children, backend } = await carried([]);
  // Which of them, the kernel below decides; ours has all that Linux 6.2 has.
  assert.deepEqual([offload?.tun.headers, offload?.tun.tcp], [true, true]);
  assert.deepEqual(offload?.socket, { segmentation: true, coalescing: true });
  assert.deepEqual(Object.keys(drops ?? {}).toSorted(), [
    'ike-full',
    'keepalive-in',
    'kernel',
    'no-policy',
    'not-ip',
    'queue-full',
    'send-failed',
    'short-packet',
    'tun-full',
    'unknown-spi',
  ]);
  assert.deepEqual([children[0]?.dropsTooBig, children[0]?.dropsCongestion], [0, 0]);
  assert.match(`${children[0]?.backend}`, /^(ipsec-mb \w+|evp)$/);
  assert.equal(children[0]?.backend, backend);
});

test('a suite that the first backend lacks is carried by another, and the child says so', { skip }, async () => {
  const [first, own] = carriers(await carried([], { espProposals: ['aes256-sha256'] }));
  assert.match(`${own}`, /^(evp|node:crypto)$/);
  if (first?.startsWith('ipsec-mb')) assert.notEqual(own, first);
});

test('--offload none: packets one by one, and all of them', { skip }, async () => {
  const { offload } = await carried(['--offload', 'none']);
  assert.deepEqual(offload, nothing);
});

test('--offload tcp: the device puts nothing but TCP together', { skip }, async () => {
  const { offload } = await carried(['--offload', 'tcp']);
  assert.deepEqual(offload?.tun, { headers: true, tcp: true, udp: false });
});

const library = ipsecMbBackend();
const noLibrary = typeof library === 'string' && library;
test('--esp-backend ipsec-mb carries AES-GCM', { skip: skip || noLibrary }, async () => {
  const [first, own] = carriers(await carried(['--esp-backend', 'ipsec-mb'], { espProposals: ['aes256gcm16'] }));
  assert.match(`${first}`, /^ipsec-mb \w+$/);
  assert.equal(own, first);
});

for (const backend of ['evp', 'node:crypto', 'noble']) {
  test(`--esp-backend ${backend} carries everything by itself`, { skip }, async () => {
    assert.deepEqual(carriers(await carried(['--esp-backend', backend], anything)), [backend, backend]);
  });
}

test('--lanes 3 carries everything, over a device with queues for three', { skip }, async () => {
  await carried(['--lanes', '3']);
  // The helper still runs; its device went with the connection, so a new one is looked at.
  const profile = await scene.profile({ localId: VISITOR.identity, auth: { method: 'psk', secret: VISITOR.psk } });
  assert.equal(await scene.up(profile), 'connected');
  const link = await scene.lab.laptop.exec(['ip', '-d', 'link', 'show', 'type', 'tun']);
  assert.match(link.stdout, /numqueues 3/);
  await scene.down();
});

for (const [option, value, names] of [
  ['--offload', 'udp', 'all, tcp, none'],
  ['--esp-backend', 'openssl', 'ipsec-mb, evp, node:crypto, noble'],
  ['--lanes', '9', '1, 2, 3, 4, 5, 6, 7, 8'],
] as const) {
  test(`${option} ${value} is refused: exit code 2 and the names there are`, () => {
    const ended = spawnSync(process.execPath, [monitorFile, option, value], { encoding: 'utf8', timeout: 20_000 });
    assert.equal(ended.status, 2, ended.stderr);
    assert.equal(ended.stderr.split('\n')[0], `"${value}" is none of ${names}`);
    assert.match(ended.stderr, /^usage: monitor\.ts/m);
    assert.equal(ended.stdout, '');
  });
}

/** Where the loader finds the library there is nothing in it for this helper: as on a computer without. */
const withoutLibrary = 'for file in $(ldconfig -p | sed -n "/libIPSec_MB/s/.* => //p"); do mount --bind /dev/null "$file"; done';

for (const [what, options, why] of [
  [
    'a backend that does not load',
    ['--esp-backend', 'ipsec-mb'],
    /libIPSec_MB\.so\.1: .*This computer has evp, node:crypto, noble;/,
  ],
  ['a key log that cannot be had', ['--key-log', '/dev/null'], /EEXIST/],
] as const) {
  test(`${what}: said once, with what to do, and the monitor ends with 2`, { skip }, () => {
    const folder = mkdtempSync('/run/sallyport-refused-');
    const places = ['--run-dir', join(folder, 'run'), '--state-dir', join(folder, 'state')];
    const argv = [process.execPath, monitorFile, ...places, ...options];
    const ended = spawnSync('unshare', ['--net', '--mount', 'sh', '-c', `${withoutLibrary}; exec "$@"`, 'sh', ...argv], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    rmSync(folder, { recursive: true, force: true });
    assert.equal(ended.status, 2, ended.stderr);
    const lines: Readonly<Record<string, unknown>>[] = ended.stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const errors = lines.filter(({ level }) => level === 'error').map(({ text }) => String(text));
    assert.equal(errors.length, 1, ended.stderr);
    assert.ok(errors[0].startsWith(`${options.join(' ')} cannot be used: `) && errors[0].endsWith(', or leave the option out'));
    assert.match(errors[0], why);
    assert.equal(lines.filter(({ text }) => text === 'the engine runs').length, 1, ended.stderr);
  });
}
