/** RFC 9329 §7.1: from TCP, where UDP did not pass, to UDP once it does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint } from '../../core/ike/sa/contract.ts';
import type { HeadOfficeConfig } from '../gateway/config.ts';
import { officeAt, pathOf, Road, type RoadOptions } from './road.ts';

const home = { from: '192.0.2.7', to: officeAt.address };
const cafe = { from: '203.0.113.20', to: officeAt.address };
const ends = {
  client: { address: home.from, port: 40_000, transport: 'tcp' },
  office: { address: officeAt.address, port: 443, transport: 'tcp' },
  isOpen: true,
} as const;

/** A session over TCP, of which no UDP passes until `passes` says so. */
function overTcp({ plain, office }: { readonly plain?: boolean; readonly office?: Partial<HeadOfficeConfig> } = {}): Road {
  const ours = { ike: ends.client.port, natt: ends.client.port };
  const theirs = { ike: ends.office.port, natt: ends.office.port };
  const client: RoadOptions['client'] = {
    transport: 'tcp',
    forceEncapsulation: false,
    local: { address: home.from, ports: ours },
    remote: { address: officeAt.address, ports: theirs },
  };
  const road = new Road({ client, office: { tcpPorts: [443], ...office }, plain }, [home]);
  road.line = ends;
  road.passes = () => false;
  road.connect();
  assert.equal(road.outputs('install-child').length, 1);
  return road;
}

const sentTo = (road: Road): readonly string[] => road.outputs('transmit').map(({ to }) => `${to.transport ?? 'udp'} ${to.port}`);
const updates = (road: Road) => road.messages().filter((line) => /^sent .*UPDATE_SA_ADDRESSES/.test(line));
const text = ({ transport, address, port }: Endpoint): string => `${transport ?? 'udp'} ${address} ${port}`;
/** Where packets of CHILD SAs go, of the client and of the office. */
const ways = (road: Road): readonly (string | undefined)[] => {
  const moved = road.outputs('moved').at(-1);
  return [moved && text(moved.remote), road.officeSends && text(road.officeSends)];
};
const overUdp = ['udp 198.51.100.10 4500', 'udp 192.0.2.7 4500'];

// UDP: INFORMATIONAL {} ->, again ->   TCP: the same ->  <- INFORMATIONAL {}
test('UDP is tried after 30 s, then half as often each time, at least every ten minutes; the same request then goes over TCP', () => {
  const road = overTcp();
  const began = road.now;
  road.network([home]);
  const tried: number[] = [];
  while (road.now < began + 3_600_000) {
    const count = sentTo(road).length;
    assert.ok(road.run(3_600_000, () => sentTo(road).slice(count).includes('udp 4500')));
    tried.push(Math.round((road.now - began) / 1_000));
    road.run(3_000);
    const sent = road.outputs('transmit').slice(count);
    const trial = sent.find(({ to }) => to.transport === undefined);
    assert.ok(trial);
    const same = sent.filter(({ bytes }) => Buffer.compare(bytes, trial.bytes) === 0);
    assert.deepEqual(
      same.map(({ to }) => to.transport),
      [undefined, undefined, 'tcp'],
    );
  }
  const pauses = tried.map((at, i) => at - (tried[i - 1] ?? 0));
  assert.deepEqual(pauses.slice(0, 7), [30, 30, 60, 120, 240, 480, 600]);
  assert.deepEqual(road.outputs('moved'), []);
  assert.deepEqual(road.outputs('closed'), []);
});

// UDP: INFORMATIONAL {} ->  <- {}  INFORMATIONAL {UPDATE_SA_ADDRESSES, …} ->  <- {…}  <- INFORMATIONAL {COOKIE2}  -> {COOKIE2}
test('where UDP passes again the session moves, and the office follows', () => {
  const road = overTcp();
  road.network([home]);
  road.run(29_000);
  road.passes = () => true;
  assert.deepEqual(road.outputs('moved'), []);
  road.run(2_000);
  assert.deepEqual(ways(road), overUdp);
  assert.equal(updates(road).length, 1);
  const [first, ...more] = road.outputs('moved');
  assert.equal(first?.settled, false);
  assert.deepEqual(
    more.map(({ settled }) => settled),
    [true],
  );
  // From here on it is a session over UDP like any other: keys change, networks do, and nothing goes over TCP.
  const count = sentTo(road).length;
  road.tell({ kind: 'rekey-ike' });
  road.run(2_000);
  assert.equal(road.outputs('ike-rekeyed').length, 1);
  road.network([cafe]);
  road.run(700_000);
  assert.deepEqual(ways(road), ['udp 198.51.100.10 4500', 'udp 203.0.113.20 4500']);
  assert.deepEqual(
    sentTo(road)
      .slice(count)
      .filter((to) => to !== 'udp 4500'),
    [],
  );
  assert.deepEqual(road.outputs('closed'), []);
});

test('a NAT is pretended from there on, as in every session over UDP: the office is not to send ESP bare', () => {
  const road = overTcp();
  road.passes = () => true;
  road.network([home]);
  road.run(32_000);
  assert.deepEqual(ways(road), overUdp);
  assert.equal(road.outputs('moved').at(-1)?.natLocal, false, 'and we know better');
});

test('news of the network: UDP is tried at once', () => {
  const road = overTcp();
  road.network([home]);
  road.run(10_000);
  road.passes = () => true;
  road.network([home]);
  road.run(100);
  assert.deepEqual(ways(road), overUdp);
});

test('another network: UDP has its chance before the new connection is used (§7.1), and where it passes nothing goes there', () => {
  const road = overTcp();
  road.network([home]);
  road.run(10_000);
  road.line = { ...ends, isOpen: false };
  road.passes = () => true;
  road.network([cafe]);
  road.run(5);
  const before = sentTo(road).length;
  road.line = { ...ends, client: { ...ends.client, address: cafe.from, port: 40_001 } };
  road.tell({ kind: 'reconnected' });
  road.run(500);
  assert.deepEqual(ways(road), ['udp 198.51.100.10 4500', 'udp 203.0.113.20 4500']);
  assert.ok(!sentTo(road).slice(before).includes('tcp 443'));
});

test('another network that lets no UDP pass either: after the trial all goes over the new connection', () => {
  const road = overTcp();
  road.network([home]);
  road.run(10_000);
  road.line = { ...ends, isOpen: false };
  road.network([cafe]);
  road.run(50);
  const client = { ...ends.client, address: cafe.from, port: 40_001 };
  road.line = { ...ends, client };
  road.tell({ kind: 'reconnected' });
  road.run(1_600);
  assert.deepEqual(road.outputs('moved'), []);
  assert.deepEqual(road.officeSends, client);
  road.run(200_000);
  assert.deepEqual(road.outputs('closed'), []);
});

test('a user who disconnects does not wait for a trial', () => {
  const road = overTcp();
  road.network([home]);
  road.run(30_100);
  assert.equal(sentTo(road).at(-1), 'udp 4500');
  road.tell({ kind: 'terminate' });
  road.run(200);
  assert.equal(road.outputs('closed').length, 1);
  assert.equal(road.office.list().length, 0);
});

test('an impatient question during a trial goes over the connection at once', () => {
  const road = overTcp();
  road.network([home]);
  road.run(30_100);
  road.tell({ kind: 'check-liveness', quick: true });
  road.run(100);
  assert.equal(road.outputs('alive').length, 1);
});

test('UDP passes for a moment only: back over the connection, which is still there, and not again for ten minutes', () => {
  const road = overTcp();
  road.network([home]);
  // The first trial and its answer pass, and nothing after that.
  let passed = 0;
  road.passes = () => passed++ < 2;
  assert.ok(road.run(31_000, () => road.outputs('moved').length > 0));
  road.run(5_000);
  assert.deepEqual(ways(road), ['tcp 198.51.100.10 443', 'tcp 192.0.2.7 40000']);
  const count = sentTo(road).length;
  road.run(590_000);
  assert.ok(!sentTo(road).slice(count).includes('udp 4500'));
  assert.deepEqual(road.outputs('closed'), []);
});

test('what the office answers over UDP is lost: it is back at the connection before it believes us anywhere else', () => {
  const road = overTcp();
  road.network([home]);
  // Our messages pass, and of its own only the first answer.
  let answers = 0;
  road.passes = (by) => by === 'client' || answers++ < 1;
  road.run(40_000);
  assert.deepEqual(ways(road), ['tcp 198.51.100.10 443', 'tcp 192.0.2.7 40000']);
  road.run(300_000);
  assert.deepEqual(road.outputs('closed'), []);
});

test('an office that does not take us there keeps us at the connection', () => {
  const road = overTcp({ office: { mobike: { accepts: ({ transport }) => transport === 'tcp' } } });
  road.passes = () => true;
  road.network([home]);
  road.run(60_000);
  assert.equal(road.outputs('moved').at(-1)?.remote.transport, 'tcp');
  assert.equal(text(road.officeSends ?? ends.office), 'tcp 192.0.2.7 40000');
  road.run(3_600_000);
  assert.deepEqual(road.outputs('closed'), []);
});

test('without MOBIKE, and without ways told, it stays where it is', () => {
  const plain = overTcp({ plain: true });
  plain.passes = () => true;
  plain.network([home]);
  plain.run(700_000);
  const untold = overTcp();
  untold.passes = () => true;
  untold.run(700_000);
  for (const road of [plain, untold]) {
    assert.ok(!sentTo(road).includes('udp 4500'));
    assert.deepEqual(road.outputs('closed'), []);
  }
});

test('no network, then one: nothing is tried where there is no way, and then at once', () => {
  const road = overTcp();
  road.network([home]);
  road.network([]);
  const count = sentTo(road).length;
  road.run(20_000);
  assert.ok(!sentTo(road).slice(count).includes('udp 4500'));
  road.passes = () => true;
  road.streets = [home];
  road.tell({ kind: 'paths', paths: [pathOf(home.from)] });
  road.run(200);
  assert.deepEqual(ways(road), overUdp);
});
