/** The threaded dataplane over real TUN devices and real UDP sockets, each end in a namespace of its own. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Namespace, run } from '../lab/namespace.ts';
import type { PeerCalls, PeerChild } from './dataplanePeer.ts';
import { Peer, until } from './peer.ts';

let office: Peer;
let laptop: Peer;
let tablet: Peer;

const officeNet = ['10.99.0.0/24', 'fd99::/64'];
const laptopAddresses = ['10.88.0.1/32', 'fd88::1/128'];
const tabletAddresses = ['10.88.0.2/32', 'fd88::2/128'];

/** The two halves of one CHILD SA: at the roamer, and at the office. */
function pair(
  suite: string,
  spi: number,
  at: 1 | 2,
  roamer: Partial<PeerChild> = {},
  gateway: Partial<PeerChild> = {},
): readonly [PeerChild, PeerChild] {
  const own = at === 1 ? laptopAddresses : tabletAddresses;
  const names = { up: `${suite}${spi}up`, down: `${suite}${spi}down` };
  return [
    {
      suite,
      spiIn: spi,
      spiOut: spi + 1,
      keyIn: names.down,
      keyOut: names.up,
      local: own,
      remote: officeNet,
      to: '192.0.2.1',
      ...roamer,
    },
    {
      suite,
      spiIn: spi + 1,
      spiOut: spi,
      keyIn: names.up,
      keyOut: names.down,
      local: officeNet,
      remote: own,
      to: at === 1 ? '192.0.2.2' : '2001:db8::3',
      ...gateway,
    },
  ];
}

async function install(roamer: Peer, [near, far]: readonly [PeerChild, PeerChild]): Promise<void> {
  await Promise.all([roamer.call('install', near), office.call('install', far)]);
}

async function uninstall(roamer: Peer, [near, far]: readonly [PeerChild, PeerChild]): Promise<void> {
  await Promise.all([roamer.call('remove', near.spiIn), office.call('remove', far.spiIn)]);
}

before(async () => {
  const wan = await Namespace.create('dp-wan');
  await wan.ip(['link add br0 type bridge', 'link set br0 up']);
  const peers: Peer[] = [];
  for (const [i, label] of ['office', 'laptop', 'tablet'].entries()) {
    const namespace = await Namespace.create(`dp-${label}`);
    const result = await run('ip', [
      '-n',
      wan.name,
      'link',
      'add',
      `p${i}`,
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'netns',
      namespace.name,
    ]);
    assert.equal(result.code, 0, result.stderr);
    await wan.ip([`link set p${i} master br0 up`]);
    await namespace.ip([
      'link set eth0 up',
      `address add 192.0.2.${i + 1}/24 dev eth0`,
      `address add 2001:db8::${i + 1}/64 dev eth0 nodad`,
    ]);
    peers.push(new Peer(namespace));
  }
  [office, laptop, tablet] = peers;
  for (const peer of peers) {
    assert.match(await peer.call('start', { keepaliveInterval: 100 }), /^(ipsec-mb \w+|evp)$/);
    await peer.call('sockets');
  }
  await office.call('tun', 1400, ['10.99.0.1/24', 'fd99::1/64'], ['10.88.0.0/24', 'fd88::/64', '10.77.0.0/24']);
  await laptop.call('tun', 1400, [...laptopAddresses, '10.77.0.1/32'], officeNet);
  await tablet.call('tun', 1400, tabletAddresses, officeNet);
  await office.call('serve', 7000);
});

after(() => {
  for (const peer of [office, laptop, tablet]) peer?.process.kill('SIGKILL');
});

test('two clients of one office, IPv4 and IPv6 outside and inside, ESN and not: ping and TCP both ways', async () => {
  const first = pair('aes256gcm16-esn', 0x1000, 1);
  const second = pair('aes256-sha256', 0x2000, 2, { to: '2001:db8::1' });
  await install(laptop, first);
  await install(tablet, second);
  for (const roamer of [laptop, tablet]) {
    assert.ok(await roamer.ping('10.99.0.1'));
    assert.ok(await roamer.ping('fd99::1'));
    assert.ok(await roamer.ping('10.99.0.1', '-s', '1372')); // 1400 octets: the whole MTU
    assert.ok((await roamer.call('transfer', '10.99.0.1', 7000, 3_000_000)).intact);
    assert.ok((await roamer.call('transfer', 'fd99::1', 7000, 1_000_001)).intact);
  }
  // The office picks the SA by the destination.
  assert.ok(await office.ping('10.88.0.1'));
  assert.ok(await office.ping('fd88::2'));

  // Both ends counted the same inner packets: nothing was lost on a bridge.
  for (const [roamer, [near, far]] of [
    [laptop, first],
    [tablet, second],
  ] as const) {
    await until(async () => {
      const [a, b] = [await roamer.counters(near.spiIn), await office.counters(far.spiIn)];
      return a.packetsOut === b.packetsIn && a.packetsIn === b.packetsOut;
    }, 'both ends agree');
    const [a, b] = [await roamer.counters(near.spiIn), await office.counters(far.spiIn)];
    assert.deepEqual([a.bytesOut, a.bytesIn], [b.bytesIn, b.bytesOut]);
    assert.ok(a.bytesOut > 4_000_000);
    assert.ok(a.lastIn > 0 && a.lastOut > 0 && Math.abs(Date.now() - a.lastIn) < 60_000);
    for (const drops of ['dropsReplay', 'dropsIntegrity', 'dropsSelector', 'dropsMalformed', 'dropsExhausted']) {
      assert.deepEqual([a[drops], b[drops]], [0, 0], drops);
    }
  }
  await uninstall(laptop, first);
  await uninstall(tablet, second);
});

test('every family of suites, also one installed after root is given up and no file can be opened any more', async () => {
  const suites = [
    'aes128gcm16',
    'aes192gcm12-esn',
    'aes256gcm8',
    'chacha20poly1305',
    'chacha20poly1305-esn',
    'aes128-sha1',
    'aes192-sha384-esn',
    'aes256-sha512',
  ];
  const limited = await run('prlimit', ['--pid', String(tablet.process.pid), '--nofile=8:8']);
  assert.equal(limited.code, 0, limited.stderr);
  assert.equal(await tablet.call('dropPrivileges'), 'EMFILE');
  for (const [i, suite] of suites.entries()) {
    const children = pair(suite, 0x3000 + 16 * i, 2, { to: '2001:db8::1' });
    await install(tablet, children);
    assert.ok(await tablet.ping('10.99.0.1'), suite);
    assert.equal((await tablet.counters(children[0].spiIn)).packetsIn, 3, suite);
    await uninstall(tablet, children);
  }
  assert.deepEqual(await tablet.call('failures'), []);
});

test('a newer SA takes over, the older one still receives; removing it leaves nothing behind', async () => {
  const old = pair('aes128gcm16', 0x4000, 1);
  const fresh = pair('aes128gcm16', 0x4100, 1);
  await install(laptop, old);
  assert.ok(await laptop.ping('10.99.0.1'));
  await laptop.call('install', fresh[0]); // the office still sends on the old one …
  await office.call('install', fresh[1]);
  assert.ok(await laptop.ping('10.99.0.1'));
  assert.equal((await laptop.counters(old[0].spiIn)).packetsOut, 3);
  assert.equal((await laptop.counters(fresh[0].spiIn)).packetsOut, 3);
  await uninstall(laptop, old);
  assert.equal(await laptop.call('counters', old[0].spiIn), undefined);
  assert.ok(await laptop.ping('10.99.0.1'));
  await uninstall(laptop, fresh);
  const before = (await laptop.call('globals'))['no-policy'];
  assert.equal(await laptop.ping('10.99.0.1', '-W', '1'), false);
  // Never sent in clear. At least: the kernel sends packets of its own accord too (multicast listener reports).
  assert.ok((await laptop.call('globals'))['no-policy'] >= before + 3);
});

test('selectors hold both ways: what a peer may not send is dropped at the office, what it may not get is never sent', async () => {
  // The laptop thinks it may use 10.77.0.1; the office does not.
  const wide = pair('aes256gcm16', 0x5000, 1, { local: ['0.0.0.0/0'] });
  await install(laptop, wide);
  assert.equal(await laptop.ping('10.99.0.1', '-I', '10.77.0.1', '-W', '1'), false);
  const far = await office.counters(wide[1].spiIn);
  assert.deepEqual([far.dropsSelector, far.packetsIn], [3, 0]);
  const before = (await office.call('globals'))['no-policy'];
  assert.equal(await office.ping('10.77.0.1', '-W', '1'), false);
  assert.ok((await office.call('globals'))['no-policy'] >= before + 3);
  await uninstall(laptop, wide);

  // Only TCP port 7000: ping does not pass, the transfer does.
  const narrow = pair(
    'aes256gcm16',
    0x5100,
    1,
    { remote: ['10.99.0.0/24 tcp 7000'], local: ['10.88.0.1/32 tcp'] },
    { local: ['10.99.0.0/24 tcp 7000'] },
  );
  await install(laptop, narrow);
  assert.equal(await laptop.ping('10.99.0.1', '-W', '1'), false);
  assert.ok((await laptop.call('transfer', '10.99.0.1', 7000, 100_000)).intact);
  await uninstall(laptop, narrow);
});

test('IKE on both channels, with the non-ESP marker added and taken off (RFC 3948 §2.2)', async () => {
  const message = `${'11'.repeat(8) + '22'.repeat(8)}21202308000000000000001c`;
  await office.call('ike');
  assert.equal(await laptop.call('sendIke', 'ike', { address: '192.0.2.1', port: 500 }, message), true);
  assert.equal(await laptop.call('sendIke', 'natt', { address: '2001:db8::1', port: 4500 }, message), true);
  assert.equal(await laptop.call('sendIke', 'natt', { address: '198.51.100.1', port: 4500 }, message), false); // no route
  assert.equal(await laptop.call('sendIke', 'natt', { address: 'vpn.office.test', port: 4500 }, message), false);
  const got: Awaited<ReturnType<PeerCalls['ike']>>[number][] = [];
  await until(async () => got.push(...(await office.call('ike'))) === 2, 'two IKE messages');
  got.sort((a, b) => a.channel.localeCompare(b.channel));
  assert.deepEqual(got, [
    { channel: 'ike', from: { address: '192.0.2.2', port: 500 }, hex: message },
    { channel: 'natt', from: { address: '2001:db8::2', port: 4500 }, hex: message },
  ]);
});

test('NAT keepalives go out when nothing else does, and only then stop when their SA goes', async () => {
  const children = pair('aes256gcm16', 0x6000, 1, { keepalive: true });
  const keepalives = async (): Promise<number> => (await office.call('globals')).kernel; // which drops them in our stead
  const before = await keepalives();
  await install(laptop, children);
  await until(async () => (await keepalives()) >= before + 3, 'three keepalives');
  assert.ok(await laptop.ping('10.99.0.1'));
  await uninstall(laptop, children);
  const at = await keepalives();
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok((await keepalives()) <= at + 1); // one may have been under way
});

test('garbage is counted and changes nothing; a flood of IKE is bounded by the queue', async () => {
  const children = pair('aes256gcm16', 0x7000, 1);
  await install(laptop, children);
  const before = await office.call('globals');
  await tablet.throwAt(
    '192.0.2.1',
    4500,
    ['', '00', 'fe', '000000', 'ff', `deadbeef00000001${'00'.repeat(40)}`, `00000000${'00'.repeat(27)}`, '00007001'],
    10,
  );
  await tablet.throwAt(
    '192.0.2.1',
    4500,
    [
      '00007001000000',
      `0000700100000001${'00'.repeat(16)}`,
      `0000700100000009${'5a'.repeat(60)}`,
      `00007001ffffffff${'5a'.repeat(60)}`,
      `0000700100000000${'5a'.repeat(60)}`,
    ],
    10,
  );
  await until(async () => (await office.counters(0x7001)).dropsReplay === 10, 'all of it was read');
  const now = await office.call('globals');
  // The kernel drops it before it takes room in the queue.
  assert.equal(now.kernel - before.kernel, 90);
  assert.equal(now['short-packet'] - before['short-packet'], 0);
  const counters = await office.counters(0x7001);
  assert.deepEqual([counters.dropsMalformed, counters.dropsIntegrity, counters.dropsReplay], [10, 20, 10]);
  assert.ok(await laptop.ping('10.99.0.1')); // the forged high numbers did not move the window

  await office.call('ike');
  const blocked = office.call('blockUntilRefused', before['ike-full']);
  await tablet.throwAt('192.0.2.1', 500, [`${'ab'.repeat(16)}2e20${'ab'.repeat(182)}`], 3000);
  await blocked;
  let kept = 0;
  await until(async () => {
    kept += (await office.call('ike')).length;
    return kept > 0;
  }, 'some of the flood is kept');
  const refused = (await office.call('globals'))['ike-full'] - before['ike-full'];
  assert.ok(refused > 0, 'the queue filled up');
  assert.ok(kept + refused <= 3000, `${kept} kept, ${refused} refused`);
  assert.ok(await laptop.ping('10.99.0.1'));
  await uninstall(laptop, children);
});

test('an install that cannot be obeyed is refused and leaves nothing', async () => {
  const [near] = pair('aes256gcm16', 0x8000, 1);
  await assert.rejects(laptop.call('install', { ...near, to: 'vpn.office.test' }), /not an address/);
  assert.equal(await laptop.call('counters', near.spiIn), undefined);
  await laptop.call('install', near);
  await assert.rejects(laptop.call('install', near), /installed already/);
  await laptop.call('remove', near.spiIn);
  await laptop.call('remove', near.spiIn); // twice is harmless
});

test('detach lets go of everything and the threads serve the next connection', async () => {
  const children = pair('chacha20poly1305-esn', 0x9000, 1);
  await install(laptop, children);
  assert.ok(await laptop.ping('10.99.0.1'));
  await laptop.call('detach');
  await laptop.call('closeTun');
  assert.equal(await laptop.call('counters', children[0].spiIn), undefined);
  assert.equal(await laptop.call('sendIke', 'ike', { address: '192.0.2.1', port: 500 }, '00'.repeat(28)), false);
  await office.call('remove', children[1].spiIn);
  assert.deepEqual(await laptop.call('failures'), []);
});

test('a TUN that is deleted under the dataplane is reported once, and the threads still stop', async () => {
  await office.namespace.ip(['link delete sally0']);
  await until(async () => (await office.call('failures')).length > 0, 'the failure is reported');
  assert.deepEqual(await office.call('failures'), ['the TUN device is gone']);
});

test('stop ends both threads and the process ends by itself', async () => {
  for (const peer of [laptop, tablet, office]) assert.equal(await peer.end(), 0);
});
