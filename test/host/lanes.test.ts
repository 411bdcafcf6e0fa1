/** Several outbound lanes and queues over a real TUN device, against a peer whose replay window is as small as they come. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Namespace } from '../lab/namespace.ts';
import type { PeerChild } from './dataplanePeer.ts';
import { Peer, until } from './peer.ts';

let office: Peer;
let laptop: Peer;

const lanes = 2;
const queues = 4;
const suite = 'aes256gcm16';
const inside = { laptop: ['10.88.0.1/32'], office: ['10.99.0.0/24'] };

function pair(spi: number, of = suite): readonly [PeerChild, PeerChild] {
  const [up, down] = [`${spi} up`, `${spi} down`];
  const near = {
    spiIn: spi,
    spiOut: spi + 1,
    keyIn: down,
    keyOut: up,
    local: inside.laptop,
    remote: inside.office,
    to: '192.0.2.1',
  };
  const far = {
    spiIn: spi + 1,
    spiOut: spi,
    keyIn: up,
    keyOut: down,
    local: inside.office,
    remote: inside.laptop,
    to: '192.0.2.2',
  };
  return [
    { suite: of, ...near },
    { suite: of, ...far },
  ];
}

async function install([near, far]: readonly [PeerChild, PeerChild]): Promise<void> {
  await Promise.all([laptop.call('install', near), office.call('install', far)]);
}

async function uninstall([near, far]: readonly [PeerChild, PeerChild]): Promise<void> {
  await Promise.all([laptop.call('remove', near.spiIn), office.call('remove', far.spiIn)]);
}

/** Eight at once each way, each of these many octets; all must arrive as they were. */
async function transferAll(octets: number): Promise<void> {
  const all = Array.from({ length: 8 }, (_, i) => [
    laptop.call('transfer', '10.99.0.1', 7000, octets + i),
    office.call('transfer', '10.88.0.1', 7000, octets + i),
  ]).flat();
  for (const { intact } of await Promise.all(all)) assert.ok(intact);
}

async function noDrops(...children: readonly (readonly [PeerChild, PeerChild])[]): Promise<void> {
  for (const [near, far] of children) {
    for (const counters of [await laptop.counters(near.spiIn), await office.counters(far.spiIn)]) {
      for (const drops of ['dropsReplay', 'dropsIntegrity', 'dropsMalformed', 'dropsExhausted'])
        assert.equal(counters[drops], 0, drops);
    }
  }
}

before(async () => {
  const [ends, names] = [await Promise.all([Namespace.create('ln-office'), Namespace.create('ln-laptop')]), ['office', 'laptop']];
  await ends[0].ip([`link add eth0 type veth peer name eth0 netns ${ends[1].name}`]);
  for (const [i, namespace] of ends.entries()) {
    await namespace.ip(['link set eth0 up', `address add 192.0.2.${i + 1}/24 dev eth0`]);
    const peer = new Peer(namespace);
    if (names[i] === 'office') office = peer;
    else laptop = peer;
    await peer.call('start', { lanes, replayWindow: 64, keepaliveInterval: 100 });
    await peer.call('sockets');
    await peer.call('serve', 7000);
  }
  await office.call('tun', 1400, ['10.99.0.1/24'], inside.laptop, queues);
  await laptop.call('tun', 1400, inside.laptop, inside.office, queues);
});

after(() => {
  for (const peer of [office, laptop]) peer?.process.kill('SIGKILL');
});

test('lanes that share an SA send in order: a window of 64 packets drops nothing', async () => {
  const runs = async (): Promise<readonly number[]> =>
    (await laptop.call('threads')).filter(({ name }) => name.startsWith('sallyport outb')).map(({ switches }) => switches);
  for (const [i, of] of [suite, 'aes128-sha256-esn', 'chacha20poly1305'].entries()) {
    const children = pair(0x1000 + 16 * i, of);
    await install(children);
    const before = await runs();
    await transferAll(4_000_000);
    const after = await runs();
    assert.equal(after.length, lanes);
    for (const [lane, count] of after.entries())
      assert.ok(count > before[lane] + 20, `lane ${lane} had work: ${before} ${after}`);
    await noDrops(children);
    // What one end sent, the other took: every packet of every lane is counted.
    await until(async () => {
      const [near, far] = [await laptop.counters(children[0].spiIn), await office.counters(children[1].spiIn)];
      return near.packetsOut === far.packetsIn && near.bytesOut === far.bytesIn && near.packetsIn === far.packetsOut;
    }, 'both ends agree');
    await uninstall(children);
  }
});

test('a second SA takes over in all lanes while they carry, the first one goes, nothing is dropped as a replay', async () => {
  const [old, fresh] = [pair(0x2000), pair(0x2100)];
  await install(old);
  let over = false;
  const carried = (async () => {
    while (!over) await transferAll(2_000_000);
  })();
  await install(fresh);
  await until(async () => (await laptop.counters(fresh[0].spiIn)).packetsOut > 100, 'the new one carries');
  await noDrops(old, fresh);
  await uninstall(old);
  over = true;
  await carried;
  await noDrops(fresh);
  await uninstall(fresh);
  const before = (await laptop.call('globals'))['no-policy'];
  assert.equal(await laptop.ping('10.99.0.1', '-W', '1'), false);
  assert.ok((await laptop.call('globals'))['no-policy'] >= before + 3); // never in clear
});

test('keepalives come from one lane, and not while another one sends', async () => {
  const [near, far] = pair(0x3000);
  await install([{ ...near, keepalive: true }, far]);
  const keepalives = async (): Promise<number> => (await office.call('globals')).kernel; // which drops them in our stead
  const before = await keepalives();
  // Different flows, so different lanes: less than the interval of 100 ms between any two packets, also while a program is being started.
  const pings = laptop.namespace.must(['ping', '-n', '-c', '75', '-i', '0.02', '10.99.0.1']);
  for (let i = 0; i < 4; i++) assert.ok((await laptop.call('transfer', '10.99.0.1', 7000, 1000)).intact);
  await pings;
  const busy = (await keepalives()) - before;
  const silentFrom = await keepalives();
  const began = performance.now();
  let silent = 0;
  await until(async () => {
    silent = (await keepalives()) - silentFrom;
    return silent >= 10;
  }, 'ten keepalives');
  // From two lanes there would be twice as many.
  const most = (performance.now() - began) / 100 + 1;
  assert.ok(silent <= most, `${silent} while there was room for ${most}`);
  assert.ok(busy <= 3, `${busy} while there was traffic`);
  await uninstall([near, far]);
});

test('detach lets go of all queues, and the lanes serve the next device', async () => {
  await install(pair(0x4000));
  await laptop.call('detach');
  await laptop.call('closeTun');
  await laptop.namespace.must(['sh', '-c', '! ip link show sally0']);
  await office.call('remove', 0x4001);
  assert.equal(await laptop.call('counters', 0x4000), undefined);

  await laptop.call('sockets');
  await laptop.call('tun', 1400, inside.laptop, inside.office, queues);
  const children = pair(0x4100);
  await install(children);
  await transferAll(200_000);
  await noDrops(children);
  assert.deepEqual(await laptop.call('failures'), []);
});

test('a lane that fails is reported once, the other one goes on, and the processes end by themselves', async () => {
  assert.deepEqual(await office.call('failures'), []);
  await office.call('closeTun', 1); // the second lane's
  await office.call('install', pair(0x5000)[1]); // wakes the lanes: a wait that is under way does not see that a descriptor is closed
  await until(async () => (await office.call('failures')).length > 0, 'the failure is reported');
  await new Promise((resolve) => setTimeout(resolve, 200));
  const failures = await office.call('failures');
  assert.equal(failures.length, 1, failures.join());
  assert.match(failures[0], /^outbound 2 lane: a descriptor of the lane is not open any more/);
  for (const peer of [laptop, office]) assert.equal(await peer.end(), 0);
});
