/**
 * Ways that carry less than the tunnel wants: laptop – router – office with a narrow link behind the router, whose reports arrive or are
 * dropped on the way (a black hole), outside IPv4 or IPv6. Real devices, sockets and threads; the kernels' TCP and ping are the judges.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { espShape, largestInner } from '../../core/esp/size.ts';
import { Namespace } from '../lab/namespace.ts';
import { suiteOf } from '../unit/esp/suites.ts';
import type { PeerChild } from './dataplanePeer.ts';
import { Peer, until } from './peer.ts';
import type { ReportOrder } from './reportSender.ts';

const suite = 'aes256gcm16';
const { encr, integ } = suiteOf(suite);
const shape = espShape(encr, integ);
const officeNet = ['10.99.0.0/24', 'fd99::/64'];
const laptopAddresses = ['10.88.0.1/32', 'fd88::1/128'];
const outside = { 4: ['192.0.2.2', '198.51.100.2'], 6: ['2001:db8:1::2', '2001:db8:2::2'] } as const;

let router: Namespace;
let laptop: Peer;
let office: Peer;
let spi = 0x1000;

before(async () => {
  router = await Namespace.create('pm-router');
  const [a, b] = [await Namespace.create('pm-laptop'), await Namespace.create('pm-office')];
  await router.sysctl({ 'net/ipv4/ip_forward': 1, 'net/ipv6/conf/all/forwarding': 1 });
  // Reports are what is tested here, not their rate.
  await router.sysctl({ 'net/ipv4/icmp_ratelimit': 0, 'net/ipv6/icmp/ratelimit': 0 });
  for (const [device, namespace, v4, v6] of [
    ['lan', a, '192.0.2', '2001:db8:1:'],
    ['wan', b, '198.51.100', '2001:db8:2:'],
  ] as const) {
    await router.ip([`link add ${device} type veth peer name eth0 netns ${namespace.name}`]);
    await router.ip([`addr add ${v4}.1/24 dev ${device}`, `addr add ${v6}:1/64 dev ${device} nodad`, `link set ${device} up`]);
    await namespace.ip([`addr add ${v4}.2/24 dev eth0`, `addr add ${v6}:2/64 dev eth0 nodad`, 'link set eth0 up']);
    await namespace.ip([`route add default via ${v4}.1`, `route add default via ${v6}:1`]);
  }
  [laptop, office] = [new Peer(a), new Peer(b)];
  for (const peer of [laptop, office]) {
    await peer.call('start', {});
    await peer.call('sockets');
  }
  await office.call('tun', 1400, ['10.99.0.1/24', 'fd99::1/64'], ['10.88.0.0/24', 'fd88::/64']);
  await laptop.call('tun', 1400, laptopAddresses, officeNet);
  await office.call('serve', 7000);
});

after(() => {
  for (const peer of [office, laptop]) peer?.process.kill('SIGKILL');
});

async function narrow(mtu: number, hole: boolean): Promise<void> {
  await router.ip([`link set wan mtu ${mtu}`]);
  await office.namespace.ip([`link set eth0 mtu ${mtu}`]);
  const rules = [
    'add table inet hole',
    'delete table inet hole',
    'table inet hole { chain out { type filter hook output priority 0;',
    ...(hole ? ['icmp type destination-unreachable drop', 'icmpv6 type packet-too-big drop'] : []),
    '}',
    '}',
  ];
  await router.must(['nft', '-f', '-'], { input: `${rules.join('\n')}\n` });
  for (const { namespace } of [laptop, office]) {
    for (const family of ['-4', '-6']) await namespace.must(['ip', family, 'route', 'flush', 'cache']);
    await namespace.exec(['ip', 'tcp_metrics', 'flush']);
  }
}

/** An SA between the two, kept as the engine keeps it; its inbound SPI at the laptop. */
async function connect(family: 4 | 6): Promise<readonly [PeerChild, PeerChild]> {
  spi += 16;
  const [near, far] = outside[family];
  const common = { suite, mtu: 1400 };
  const up = { ...common, spiIn: spi, spiOut: spi + 1, keyIn: `${spi}d`, keyOut: `${spi}u`, local: laptopAddresses };
  const down = { ...common, spiIn: spi + 1, spiOut: spi, keyIn: `${spi}u`, keyOut: `${spi}d`, local: officeNet };
  const pair = [
    { ...up, remote: officeNet, to: far },
    { ...down, remote: laptopAddresses, to: near },
  ] as const;
  await Promise.all([laptop.call('install', pair[0]), office.call('install', pair[1])]);
  await laptop.call('probeThrough', pair[0].spiIn, '10.88.0.1', '10.99.0.1');
  return pair;
}

async function disconnect([near, far]: readonly [PeerChild, PeerChild]): Promise<void> {
  await Promise.all([laptop.call('remove', near.spiIn), office.call('remove', far.spiIn)]);
}

/** The MSS in the next SYN, or SYN and ACK, that this end's device sees; `sent` resolves when it listens. */
async function segmentSize(peer: Peer, source: string): Promise<{ readonly found: Promise<number> }> {
  const filter = `src host ${source} and tcp[tcpflags] & tcp-syn != 0`;
  const child = peer.namespace.spawn(['tcpdump', '-i', 'sally0', '-n', '-l', '-c', '1', filter], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  if (child.stderr) await once(child.stderr, 'data'); // listening on sally0
  return { found: once(child, 'close').then(() => Number(/mss (\d+)/.exec(said)?.[1])) };
}

for (const { family, outer, hole } of [
  { family: 4, outer: 1400, hole: false },
  { family: 4, outer: 1400, hole: true },
  { family: 4, outer: 1300, hole: false },
  { family: 4, outer: 1300, hole: true },
  { family: 6, outer: 1400, hole: false },
  { family: 6, outer: 1400, hole: true },
  { family: 6, outer: 1300, hole: true },
  // Last, because a link below 1280 octets has no IPv6 any more.
  { family: 4, outer: 900, hole: false },
  { family: 4, outer: 900, hole: true },
] as const) {
  const name = `${outer} octets outside by IPv${family}, ${hole ? 'reports are lost' : 'reports arrive'}`;
  test(`${name}: TCP, ping and fragments arrive, the host is told`, { timeout: 180_000 }, async () => {
    await narrow(outer, hole);
    const sas = await connect(family);
    const { spiIn } = sas[0];
    const inner = async (): Promise<number> => (await laptop.call('pathMtu', spiIn))?.inner ?? 0;
    const most = largestInner(shape, family, outer);

    // At once, while nothing is known yet: both must find out on the way.
    for (const address of ['10.99.0.1', 'fd99::1']) {
      const { intact, seconds } = await laptop.call('transfer', address, 7000, 20_000_000);
      assert.ok(intact, address);
      assert.ok(seconds < 60, `${address}: ${seconds} s`);
    }
    // The last step of a search is less than eight octets too low.
    for (let i = 0; i < 400 && !((await inner()) > most - 24 && (await inner()) <= most); i++)
      await new Promise((resolve) => setTimeout(resolve, 100));
    const mtu = await laptop.call('pathMtu', spiIn);
    assert.ok(mtu && mtu.inner <= most && mtu.inner > most - 24, `${mtu?.inner} of ${most}`);
    assert.equal(mtu.because, hole ? 'black-hole' : 'reported');
    assert.equal(mtu.fragmentOutside, false);

    const told = async (address: string): Promise<number> => {
      const { namespace } = laptop;
      for (const version of ['-4', '-6']) await namespace.must(['ip', version, 'route', 'flush', 'cache']);
      const { stdout } = await namespace.exec(['ping', '-c', '2', '-i', '0.2', '-W', '1', '-M', 'do', '-s', '1345', address]);
      return Number(/mtu ?= ?(\d+)/.exec(stdout)?.[1]);
    };
    assert.equal(await told('10.99.0.1'), await inner());
    assert.equal(await told('fd99::1'), Math.max(1280, await inner()));
    // What fits the MTU passes with DF, and all sizes of IPv6 up to 1280 octets.
    assert.ok(await laptop.ping('10.99.0.1', '-M', 'do', '-s', String((await inner()) - 28)));
    // By IPv6 outside nobody divides what only a black hole shows to be too long (ports.ts).
    const least = family === 6 && hole ? 0 : 1280;
    assert.ok(await laptop.ping('fd99::1', '-M', 'do', '-s', String(Math.max(least, await inner()) - 48)));
    // Datagrams without DF are fragmented inside and put together.
    assert.ok(await laptop.ping('10.99.0.1', '-M', 'dont', '-s', '1345'));
    assert.ok(await laptop.ping('10.99.0.1', '-M', 'dont', '-s', '4000'));
    if (least > 0) assert.ok(await laptop.ping('fd99::1', '-s', '4000'));

    const [syn, answer] = [await segmentSize(office, '10.88.0.1'), await segmentSize(laptop, '10.99.0.1')];
    assert.ok((await laptop.call('transfer', '10.99.0.1', 7000, 1000)).intact);
    for (const size of [await syn.found, await answer.found]) assert.ok(size > 0 && size <= (await inner()) - 40, `${size}`);
    await disconnect(sas);
  });
}

test('a black hole is found when the newest SA of the way is of networks where nobody is asked', {
  timeout: 120_000,
}, async () => {
  await narrow(1500, true);
  const sas = await connect(4);
  const [near, far] = sas;
  const others = ['10.77.0.0/24'];
  const further = [
    { ...near, spiIn: near.spiIn + 4, spiOut: near.spiOut + 4, remote: others },
    { ...far, spiIn: far.spiIn + 4, spiOut: far.spiOut + 4, local: others },
  ] as const;
  await Promise.all([laptop.call('install', further[0]), office.call('install', further[1])]);
  await narrow(1300, true);
  assert.ok((await laptop.call('transfer', '10.99.0.1', 7000, 20_000_000)).intact);
  const most = largestInner(shape, 4, 1300);
  await until(async () => ((await laptop.call('pathMtu', near.spiIn))?.inner ?? 0) <= most, 'the black hole is found');
  assert.equal((await laptop.call('pathMtu', near.spiIn))?.because, 'black-hole');
  await Promise.all([disconnect(further), disconnect(sas)]);
});

test('TCP without DF goes on in fragments on a way that turns out narrow, and is told nothing', {
  timeout: 120_000,
}, async () => {
  await narrow(1300, true);
  await laptop.namespace.sysctl({ 'net/ipv4/ip_no_pmtu_disc': 1 });
  try {
    const sas = await connect(4);
    // Begun with the segments of a wide way.
    assert.ok((await laptop.call('transfer', '10.99.0.1', 7000, 20_000_000)).intact);
    assert.ok(((await laptop.call('pathMtu', sas[0].spiIn))?.inner ?? 1400) < 1300);
    const { packetsOut, dropsTooBig } = await laptop.counters(sas[0].spiIn);
    assert.equal(dropsTooBig, 0);
    assert.ok(packetsOut > (2 * 20_000_000) / 1360, `${packetsOut}`);
    await disconnect(sas);
  } finally {
    await laptop.namespace.sysctl({ 'net/ipv4/ip_no_pmtu_disc': 0 });
  }
});

test('the way as wide as wanted: nothing is lowered', async () => {
  await narrow(1500, false);
  const sas = await connect(4);
  const { spiIn } = sas[0];
  await until(async () => (await laptop.counters(spiIn)).lastIn > 0, 'a probe is answered');
  assert.ok(await laptop.ping('10.99.0.1', '-M', 'do', '-s', '1372'));
  assert.deepEqual(await laptop.call('pathMtu', spiIn), { inner: 1400, fragmentOutside: false });
  assert.equal((await laptop.counters(spiIn)).dropsTooBig, 0);
  assert.deepEqual(await laptop.call('failures'), []);
  await disconnect(sas);
});

test('a report that is not true any more, or never was: a larger packet shows it within seconds, though the kernel believes it', async () => {
  await narrow(1500, false);
  const sas = await connect(4);
  const { spiIn } = sas[0];
  const inner = async (): Promise<number> => (await laptop.call('pathMtu', spiIn))?.inner ?? 0;
  await until(async () => (await laptop.counters(spiIn)).lastIn > 0, 'a probe is answered');
  await router.ip(['link set wan mtu 1300']);
  const pinged = laptop.ping('10.99.0.1', '-M', 'do', '-s', '1372');
  await until(async () => (await inner()) < 1400, 'the report is believed');
  await router.ip(['link set wan mtu 1500']);
  await until(async () => (await inner()) === 1400, 'the larger size is back');
  await pinged;
  const route = await laptop.namespace.must(['ip', 'route', 'get', '198.51.100.2']);
  assert.match(route, /mtu 1300/, 'what the kernel believes for ten minutes');
  // It also believes what we told it of the tunnel.
  await laptop.namespace.must(['ip', 'route', 'flush', 'cache']);
  assert.ok(await laptop.ping('10.99.0.1', '-M', 'do', '-s', '1372'));
  await disconnect(sas);
});

test('forged reports as fast as they can be sent cost no packet of ours, and a way that is narrow after them is found', async (t) => {
  await narrow(1500, false);
  const sas = await connect(4);
  const { spiIn } = sas[0];
  await until(async () => (await laptop.counters(spiIn)).lastIn > 0, 'a probe is answered');
  const order: ReportOrder = { about: '192.0.2.2:4500', to: '198.51.100.2:4500' };
  const program = fileURLToPath(new URL('./reportSender.ts', import.meta.url));
  const sender = router.spawn([process.execPath, program, JSON.stringify(order)], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => sender.kill());
  assert.ok(sender.stdin && sender.stdout);
  let said = '';
  sender.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  await until(async () => said.includes('ready'), 'the sender');
  const failed = async (): Promise<number> => (await laptop.call('globals'))['send-failed'];
  const before = await failed();
  for (let i = 0; i < 8; i++) assert.ok((await laptop.call('transfer', '10.99.0.1', 7000, 40_000_000)).intact);
  assert.equal((await failed()) - before, 0);
  const closed = once(sender, 'close');
  sender.stdin.end();
  await closed;
  const sent = Number(said.split('\n')[1]);
  t.diagnostic(`${sent} reports`);
  assert.ok(sent > 10_000, String(sent));

  await router.ip(['link set wan mtu 1300']);
  await until(async () => {
    await laptop.ping('10.99.0.1', '-M', 'do', '-s', '1372', '-W', '1');
    return ((await laptop.call('pathMtu', spiIn))?.inner ?? 1400) < 1300;
  }, 'the narrow way is found, by a report or a probe');
  assert.deepEqual(await laptop.call('failures'), []);
  await narrow(1500, false);
  await disconnect(sas);
});
