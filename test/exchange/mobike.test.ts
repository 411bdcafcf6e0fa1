/** MOBIKE (RFC 4555) as a dialogue of the client and the head office, each with addresses that come, go and are translated. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noNatsAllowed } from '../../core/ike/exchanges/mobike.ts';
import { defaultLifetimes } from '../../core/ike/sa/lifetimes.ts';
import { NOTIFY } from '../../core/ike/wire/constants.ts';
import type { Payload } from '../../core/ike/wire/message.ts';
import { notify } from '../../core/ike/wire/payloads.ts';
import { clientConfig } from '../gateway/fixtures.ts';
import { officeAt, pathOf, Road } from './road.ts';

const home = { from: '192.0.2.7', to: officeAt.address };
const cafe = { from: '203.0.113.20', to: officeAt.address };
const updates = (road: Road) => road.messages().filter((line) => /^sent .*UPDATE_SA_ADDRESSES/.test(line));

test('another address: CHILD SAs move at once, the office follows when it has seen that we are there (§3.5, §3.7)', () => {
  const road = new Road().connect();
  assert.ok(road.messages().some((line) => /IKE_AUTH request: .*N\(MOBIKE_SUPPORTED\)/.test(line)));
  const since = road.outputs('log').length;
  road.network([cafe]);
  assert.equal(road.clientSends, '203.0.113.20 > 198.51.100.10 NAT', 'before a word was exchanged');
  assert.equal(road.officeSends?.address, '192.0.2.7');
  road.run(100);
  assert.deepEqual(road.messages(since), [
    // HDR, SK{N(UPDATE_SA_ADDRESSES), N(NAT_DETECTION_*), N(COOKIE2)} →
    'sent INFORMATIONAL request: N(UPDATE_SA_ADDRESSES) N(NAT_DETECTION_SOURCE_IP) N(NAT_DETECTION_DESTINATION_IP) N(COOKIE2)',
    // ← HDR, SK{N(NAT_DETECTION_*), N(COOKIE2)}
    'received INFORMATIONAL response: N(NAT_DETECTION_SOURCE_IP) N(NAT_DETECTION_DESTINATION_IP) N(COOKIE2)',
    // ← HDR, SK{N(COOKIE2)} and its answer
    'received INFORMATIONAL request: N(COOKIE2)',
    'sent INFORMATIONAL response: N(COOKIE2)',
  ]);
  assert.deepEqual(road.officeSends, { address: '203.0.113.20', port: 4500 });
  assert.equal(road.clientSends, '203.0.113.20 > 198.51.100.10', 'no NAT here');
  assert.equal(road.outputs('closed').length, 0);
});

test('into a network behind a NAT and out of it: keepalives are due there and not here', () => {
  const road = new Road().connect();
  road.network([{ from: '10.3.3.3', to: officeAt.address, nat: { address: '203.0.113.1', shift: 20_000 } }]);
  road.run(100);
  assert.equal(road.clientSends, '10.3.3.3 > 198.51.100.10 NAT');
  assert.deepEqual(road.officeSends, { address: '203.0.113.1', port: 24_500 });
  road.network([home]);
  road.run(100);
  assert.equal(road.clientSends, '192.0.2.7 > 198.51.100.10');
  assert.deepEqual(road.officeSends, { address: '192.0.2.7', port: 4500 });
});

test('a request in flight goes to the new place (§3.5), and the update behind it', () => {
  const road = new Road().connect();
  road.streets = [];
  road.tell({ kind: 'check-liveness' });
  road.run(300);
  road.network([cafe]);
  road.run(100);
  assert.equal(updates(road).length, 1);
  assert.equal(road.officeSends?.address, '203.0.113.20');
});

test('addresses that change faster than the office answers: the last one counts (§3.5)', () => {
  const road = new Road().connect();
  for (let i = 30; i < 40; i++) {
    road.network([{ from: `203.0.113.${i}`, to: officeAt.address }]);
    road.run(i % 3 === 0 ? 15 : 3);
  }
  road.run(2_000);
  assert.equal(road.officeSends?.address, '203.0.113.39');
  assert.equal(road.clientSends, '203.0.113.39 > 198.51.100.10');
  assert.ok(updates(road).length < 10, 'those that wait are not sent');
});

test('the way is silent: the other addresses of the office are tried, and whichever answers is taken (§3.10)', () => {
  const both = [home, { from: '192.0.2.7', to: officeAt.other }];
  const road = new Road({ office: { mobike: { additional: [officeAt.other] } } }, both).connect();
  assert.deepEqual(road.outputs('peer-addresses'), [{ kind: 'peer-addresses', addresses: [officeAt.other] }]);
  road.network(both);
  road.run(1_000);
  assert.equal(road.clientSends, undefined, 'nothing has changed');
  road.streets = [both[1]];
  road.tell({ kind: 'check-liveness' });
  const began = road.now;
  assert.ok(road.run(10_000, () => road.clientSends !== undefined));
  assert.ok(road.now - began < 1_600, `${road.now - began} ms`);
  road.run(100);
  assert.equal(road.clientSends, '192.0.2.7 > 198.51.100.11');
  assert.equal(updates(road).length, 1);
  assert.equal(road.outputs('closed').length, 0);
});

test('from IPv4 to IPv6 and back, by addresses that the office told of', () => {
  const road = new Road({ office: { mobike: { additional: [officeAt.six] } } }).connect();
  road.network([{ from: '2001:db8:a::7', to: officeAt.six }]);
  road.run(100);
  assert.equal(road.clientSends, '2001:db8:a::7 > 2001:db8:f::10');
  assert.deepEqual(road.officeSends, { address: '2001:db8:a::7', port: 4500 });
  road.network([home]);
  road.run(100);
  assert.equal(road.clientSends, '192.0.2.7 > 198.51.100.10');
  assert.deepEqual(road.officeSends, { address: '192.0.2.7', port: 4500 });
});

test('without a network nobody counts the time; with the next one all goes on', () => {
  const { timing } = clientConfig;
  // An office that neither asks nor rekeys meanwhile.
  const lifetimes = { ...defaultLifetimes, child: { soft: 1e9, hard: 1e9 } };
  const road = new Road({ office: { timing: { ...timing, livenessAfter: 0 }, lifetimes } }).connect();
  road.tell({ kind: 'check-liveness' });
  road.network([]);
  const sent = road.outputs('transmit').length;
  road.run(3_600_000);
  assert.equal(road.outputs('transmit').length, sent);
  assert.equal(road.outputs('closed').length, 0);
  road.network([cafe]);
  road.run(200);
  assert.equal(road.officeSends?.address, '203.0.113.20');
  // The same address again is looked at too: it may be another network's.
  road.network([]);
  road.run(1_000);
  const before = road.messages().length;
  road.network([cafe]);
  road.run(200);
  assert.ok(
    road
      .messages()
      .slice(before)
      .some((line) => /^received INFORMATIONAL response/.test(line)),
  );
});

test('nobody answers in the new network: the gateway is lost', () => {
  const road = new Road().connect();
  road.streets = [];
  road.tell({
    kind: 'paths',
    paths: [{ local: { address: '203.0.113.20', ports: clientConfig.local.ports }, remote: clientConfig.remote }],
  });
  road.run(120_000, () => road.outputs('closed').length > 0);
  assert.equal(road.outputs('closed')[0]?.failure?.code, 'gateway-lost');
});

test('a NAT that gives us another port is seen in the answer to a question, and told (§3.8)', () => {
  const street = { ...home, nat: { address: '203.0.113.1', shift: 20_000 } };
  const road = new Road({}, [street]).connect();
  road.tell({ kind: 'check-liveness' });
  road.run(200);
  // There is nothing to compare with: it may have happened before.
  assert.equal(updates(road).length, 1);
  road.tell({ kind: 'check-liveness' });
  road.run(200);
  assert.equal(updates(road).length, 1, 'nothing has changed');
  road.streets = [{ ...home, nat: { address: '203.0.113.1', shift: 30_000 } }];
  road.tell({ kind: 'check-liveness' });
  road.run(200);
  assert.equal(updates(road).length, 2);
  assert.deepEqual(road.officeSends, { address: '203.0.113.1', port: 34_500 });
  assert.equal(road.outputs('moved').length, 0, 'nothing to do for the dataplane');
  road.tell({ kind: 'check-liveness' });
  road.run(200);
  assert.equal(updates(road).length, 2);
});

test('a NAT that gives us another port after a rekeying of the IKE SA, which leaves nothing to compare with (§3.8)', () => {
  const road = new Road({}, [{ ...home, nat: { address: '203.0.113.1', shift: 20_000 } }]).connect();
  road.tell({ kind: 'check-liveness' });
  road.run(200);
  road.tell({ kind: 'rekey-ike' });
  road.run(200);
  assert.equal(road.outputs('ike-rekeyed').length, 1);
  const before = road.officeHeard.length;
  road.streets = [{ ...home, nat: { address: '203.0.113.1', shift: 30_000 } }];
  road.tell({ kind: 'check-liveness' });
  road.run(200);
  assert.deepEqual(road.officeSends, { address: '203.0.113.1', port: 34_500 });
  // Also the new IKE SA follows when it is told to, and not by itself.
  assert.ok(!road.officeHeard.slice(before).some((one) => one.kind === 'log' && one.text === 'peer moved'));
});

test('what only looks like a change is asked about; the office does not follow by itself (§3.8)', () => {
  const road = new Road().connect();
  const before = road.messages().length;
  road.network([home]);
  road.run(200);
  assert.deepEqual(
    road
      .messages()
      .slice(before)
      .map((line) => line.split(':')[0]),
    ['sent INFORMATIONAL request', 'received INFORMATIONAL response'],
  );
  // The kernel uses another address, and we have not noticed.
  road.streets = [cafe];
  road.tell({ kind: 'check-liveness' });
  road.run(5);
  road.tellOffice({ kind: 'tick' });
  assert.equal(road.officeSends?.address, '192.0.2.7');
});

test('the office refuses the address: the next way, or another connection (§3.5)', () => {
  const picky = { accepts: ({ address }: { address: string }) => address !== '203.0.113.20', additional: [officeAt.six] };
  const road = new Road({ office: { mobike: picky } }).connect();
  const six = { from: '2001:db8:a::7', to: officeAt.six };
  road.network([cafe, six]);
  road.run(500);
  assert.equal(road.clientSends, '2001:db8:a::7 > 2001:db8:f::10');
  assert.equal(road.officeSends?.address, '2001:db8:a::7');
  road.network([cafe]);
  road.run(500);
  const [closed] = road.outputs('closed');
  assert.equal(closed?.failure?.code, 'address-changed');
  assert.match(closed.failure.evidence, /UNACCEPTABLE_ADDRESSES/);
});

test('UNEXPECTED_NAT_DETECTED is tried again some times and then taken as a refusal (§3.9)', () => {
  let asked = 0;
  const changeAnswer = (payloads: readonly Payload[]) => {
    if (!payloads.some((one) => one.kind === 'N' && one.type === NOTIFY.COOKIE2)) return payloads;
    asked++;
    return [...payloads, notify(NOTIFY.UNEXPECTED_NAT_DETECTED)];
  };
  const road = new Road({ office: { mobike: { changeAnswer } } }).connect();
  road.network([cafe]);
  road.run(2_000);
  assert.equal(asked, 4);
  assert.equal(road.outputs('closed')[0]?.failure?.code, 'address-changed');
});

for (const [what, change] of [
  [
    'another COOKIE2',
    (one: Payload) => (one.kind === 'N' && one.type === NOTIFY.COOKIE2 ? notify(NOTIFY.COOKIE2, new Uint8Array(16)) : one),
  ],
  ['no COOKIE2', (one: Payload) => (one.kind === 'N' && one.type === NOTIFY.COOKIE2 ? notify(40_000) : one)],
] as const) {
  test(`${what} in the answer to an update ends the IKE SA (§3.7)`, () => {
    const changeAnswer = (payloads: readonly Payload[]) => payloads.map(change);
    const road = new Road({ office: { mobike: { changeAnswer } } }).connect();
    road.network([cafe]);
    road.run(10_000);
    const [closed] = road.outputs('closed');
    assert.equal(closed?.failure?.code, 'protocol');
    assert.match(closed.failure.evidence, /COOKIE2/);
  });
}

test('no MOBIKE at the office: with the same address the session stays, with another it ends, and the office knows (RFC 7296 §2.11)', () => {
  const road = new Road({ plain: true }).connect();
  road.network([home]);
  road.run(200);
  road.network([]);
  road.run(500);
  assert.equal(road.outputs('closed').length, 0);
  const since = road.outputs('log').length;
  road.network([cafe]);
  road.run(50);
  assert.deepEqual(road.messages(since), [
    // HDR, SK{D} → from the new address, and its answer there
    'sent INFORMATIONAL request: D',
    'received INFORMATIONAL response: ',
  ]);
  assert.equal(road.outputs('closed')[0]?.failure?.code, 'address-changed');
  assert.equal(road.officeHeard.filter(({ kind }) => kind === 'remove-child').length, 1, 'our address inside is free again');
});

test('no MOBIKE at the office: from IPv4 to IPv6 the DELETE goes to its other address', () => {
  const road = new Road({ plain: true }).connect();
  road.network([{ from: '2001:db8:a::7', to: officeAt.six }]);
  assert.ok(road.run(200, () => road.outputs('closed').length > 0));
  assert.equal(road.outputs('transmit').at(-1)?.to.address, officeAt.six);
  assert.equal(road.officeHeard.filter(({ kind }) => kind === 'remove-child').length, 1);
});

test('no MOBIKE at the office, a request in flight: it is answered at the new address, and then the session ends', () => {
  const road = new Road({ plain: true }).connect();
  road.streets = [];
  road.tell({ kind: 'check-liveness' });
  road.run(300);
  const before = road.now;
  road.network([cafe]);
  assert.ok(
    road.run(200, () => road.outputs('closed').length > 0),
    'it waits for no timer',
  );
  assert.equal(road.outputs('closed')[0]?.failure?.code, 'address-changed');
  assert.equal(road.officeHeard.filter(({ kind }) => kind === 'remove-child').length, 1, `${road.now - before} ms`);
});

test('no MOBIKE at the office, and nobody takes our DELETE: the session ends by itself, soon', () => {
  const road = new Road({ plain: true }).connect();
  road.network([cafe]);
  road.streets = [];
  const before = road.now;
  assert.ok(
    road.run(2_000, () => road.outputs('closed').length > 0),
    `${road.now - before} ms`,
  );
  assert.equal(road.outputs('closed')[0]?.failure?.code, 'address-changed');
});

test('the office has other addresses now: all that it lists and nothing else, its checks are answered (§3.6, §3.8, §3.9)', () => {
  const road = new Road().connect();
  const tell = (payloads: readonly Payload[]): void => {
    road.tellOffice({ kind: 'tell', payloads });
    road.run(200);
  };
  const cookie = notify(NOTIFY.COOKIE2, new Uint8Array(8).fill(7));
  const four = notify(NOTIFY.ADDITIONAL_IP4_ADDRESS, Uint8Array.of(198, 51, 100, 11));
  const six = notify(NOTIFY.ADDITIONAL_IP6_ADDRESS, Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0xf, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10));
  const nonsense = [Uint8Array.of(127, 0, 0, 1), Uint8Array.of(224, 0, 0, 1), Uint8Array.of(1, 2, 3), new Uint8Array(4)];
  const told = () => road.outputs('peer-addresses').map(({ addresses }) => addresses);
  tell([four, ...nonsense.map((data) => notify(NOTIFY.ADDITIONAL_IP4_ADDRESS, data)), six, four, cookie]);
  assert.deepEqual(told(), [[officeAt.other, officeAt.six]]);
  assert.ok(road.messages().includes('sent INFORMATIONAL response: N(COOKIE2)'));
  tell([notify(NOTIFY.NO_ADDITIONAL_ADDRESSES)]);
  assert.deepEqual(told().at(-1), []);
  // Each is a way that a request in vain is sent, so a few are enough, however they come.
  tell(Array.from({ length: 60 }, (_, i) => notify(NOTIFY.ADDITIONAL_IP4_ADDRESS, Uint8Array.of(198, 51, 100, i + 20))));
  assert.equal(told().at(-1)?.length, 8);

  tell([
    notify(NOTIFY.NAT_DETECTION_SOURCE_IP, new Uint8Array(20)),
    notify(NOTIFY.NAT_DETECTION_DESTINATION_IP, new Uint8Array(20)),
  ]);
  assert.ok(road.messages().includes('sent INFORMATIONAL response: N(NAT_DETECTION_SOURCE_IP) N(NAT_DETECTION_DESTINATION_IP)'));

  const at = (address: string) => ({ address, port: 4500 });
  const honest = noNatsAllowed(at(officeAt.address), at('192.0.2.7'));
  const translated = noNatsAllowed(at('10.0.0.1'), at('192.0.2.7'));
  assert.ok(honest && translated);
  const count = told().length;
  for (const order of [0, 1]) {
    const list = [notify(NOTIFY.NO_NATS_ALLOWED, translated), four];
    tell(order === 0 ? list : list.toReversed());
    assert.equal(told().length, count, 'what a NAT changed is not believed');
    assert.ok(road.messages().some((line) => /^sent INFORMATIONAL response: N\(UNEXPECTED_NAT_DETECTED\)/.test(line)));
  }
  tell([notify(NOTIFY.NO_NATS_ALLOWED, honest), four]);
  assert.deepEqual(told().slice(count), [[officeAt.other]]);
  // What makes no sense changes nothing.
  tell([
    notify(NOTIFY.COOKIE2, new Uint8Array(7)),
    notify(NOTIFY.UPDATE_SA_ADDRESSES),
    notify(NOTIFY.NO_NATS_ALLOWED, new Uint8Array(3)),
  ]);
  assert.equal(road.outputs('closed').length, 0);
  assert.equal(road.outputs('moved').length, 0);
});

test('our other addresses are told where no NAT is, with the update or alone, and that there are none (§3.6)', () => {
  const road = new Road().connect();
  const six = { from: '2001:db8:a::7', to: officeAt.six };
  const lists = () => road.messages().filter((line) => /^sent INFORMATIONAL request: .*ADDITIONAL/.test(line));
  road.network([cafe]);
  road.run(200);
  assert.deepEqual(lists(), []);
  road.network([cafe, six]);
  road.run(200);
  assert.deepEqual(lists(), ['sent INFORMATIONAL request: N(ADDITIONAL_IP6_ADDRESS)']);
  road.network([cafe]);
  road.run(200);
  assert.equal(lists().at(-1), 'sent INFORMATIONAL request: N(NO_ADDITIONAL_ADDRESSES)');
});

test('keys made anew after a move: the new SAs go the new way, and move on (RFC 4555 §3.3, §3.8)', () => {
  const road = new Road().connect();
  road.network([cafe]);
  road.run(200);
  const before = road.outputs('install-child').at(-1)?.child.spiIn ?? 0;
  road.tell({ kind: 'rekey-child', spiIn: before });
  road.run(200);
  const next = road.outputs('install-child').at(-1)?.child;
  assert.notEqual(next?.spiIn, before);
  assert.deepEqual([next?.local.address, next?.remote.address], ['203.0.113.20', officeAt.address]);
  road.tell({ kind: 'rekey-ike' });
  road.run(200);
  const [rekeyed] = road.outputs('ike-rekeyed');
  assert.deepEqual([rekeyed?.sa.local.address, rekeyed?.sa.remote.address], ['203.0.113.20', officeAt.address]);
  // The SPIs are others, and so are the hashes: nothing follows from that.
  const sent = updates(road).length;
  for (let i = 0; i < 2; i++) {
    road.tell({ kind: 'check-liveness' });
    road.run(200);
  }
  assert.equal(updates(road).length, sent);
  road.network([home]);
  road.run(200);
  assert.equal(road.clientSends, '192.0.2.7 > 198.51.100.10');
  assert.deepEqual(road.officeSends, { address: '192.0.2.7', port: 4500 });
});

test('a move while keys are made anew: the request goes along, and nothing is lost', () => {
  for (const kind of ['rekey-ike', 'rekey-child'] as const) {
    for (const after of [1, 5, 11, 15, 21, 25, 31]) {
      const road = new Road().connect();
      const spiIn = road.outputs('install-child')[0]?.child.spiIn ?? 0;
      road.tell(kind === 'rekey-ike' ? { kind } : { kind, spiIn });
      road.run(after);
      road.network([cafe]);
      road.run(2_000);
      assert.equal(road.outputs('closed').length, 0, `${kind} ${after}`);
      assert.equal(road.outputs(kind === 'rekey-ike' ? 'ike-rekeyed' : 'child-rekeyed').length, 1, `${kind} ${after}`);
      assert.equal(road.clientSends, '203.0.113.20 > 198.51.100.10', `${kind} ${after}`);
      assert.equal(road.officeSends?.address, '203.0.113.20', `${kind} ${after}`);
    }
  }
});

test('moves under loss: the last address is known to both in the end', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const road = new Road().connect();
    let dice = seed * 7919;
    const lossy = (): boolean => {
      dice = (dice * 48_271) % 2_147_483_647;
      return dice % 10 < 3;
    };
    let at = 0;
    for (let i = 0; i < 12; i++) {
      at = 30 + ((seed + i * 5) % 40);
      const street = { from: `203.0.113.${at}`, to: officeAt.address };
      road.network(lossy() ? [] : [street]);
      if (lossy()) road.streets = [];
      road.run(200 + (dice % 3_000));
      road.network([street]);
      road.run(dice % 700);
    }
    road.run(10_000);
    assert.equal(road.officeSends?.address, `203.0.113.${at}`, `seed ${seed}`);
    assert.equal(road.outputs('closed').length, 0);
  }
});

test('addresses of some other device that come and go for hours do not make a gateway that is gone any more alive', () => {
  const road = new Road().connect();
  road.streets = [];
  const began = road.now;
  const over = () => road.outputs('closed').length > 0;
  while (!over() && road.now - began < 3_600_000) {
    road.run(20_000, over);
    if (!over()) road.tell({ kind: 'paths', paths: [pathOf(home.from)] });
  }
  assert.equal(road.outputs('closed')[0]?.failure?.code, 'gateway-lost');
  assert.ok(road.now - began < 200_000, `${road.now - began}`);
});

test('lists of our addresses that wait are one, made of what holds when it is sent', () => {
  const road = new Road().connect();
  road.passes = () => false;
  road.tell({ kind: 'check-liveness' });
  for (let i = 1; i <= 4; i++) road.tell({ kind: 'paths', paths: [pathOf(home.from), pathOf(`203.0.113.${i}`)] });
  road.passes = () => true;
  const since = road.outputs('log').length;
  road.run(20_000);
  assert.deepEqual(road.messages(since).filter((line) => /^sent .*ADDITIONAL_IP4_ADDRESS/.test(line)).length, 1);
});
