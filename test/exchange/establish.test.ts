import assert from 'node:assert/strict';
import { test } from 'node:test';
import { equalBytes, toHex } from '../../core/bytes/bytes.ts';
import { natDetectionHash } from '../../core/ike/nat.ts';
import { selectorsText } from '../../core/ike/selectors.ts';
import { EXCHANGE, NOTIFY, PAYLOAD } from '../../core/ike/wire/constants.ts';
import type { Message, Payload } from '../../core/ike/wire/message.ts';
import { parseMessage } from '../../core/ike/wire/parse.ts';
import { findNotify, findPayload, notify } from '../../core/ike/wire/payloads.ts';
import { clientAt, clientConfig, gatewayAt, goodNetwork, identity, proposals, selector, World } from './world.ts';

/** The IKE_SA_INIT requests the client sent, each once. */
function requests(world: World): readonly Message[] {
  return world.trace
    .filter(({ by, bytes }) => by === 'client' && bytes[18] === EXCHANGE.IKE_SA_INIT)
    .map(({ bytes }) => {
      const parsed = parseMessage(bytes);
      assert.ok(parsed.ok);
      return parsed.value;
    });
}

const octets = (payloads: readonly Payload[], type: number) => toHex(findNotify(payloads, type)?.data ?? new Uint8Array(0));

test('the plain dialogue: four messages, then both ends have the same CHILD SA', () => {
  const world = new World();
  world.connect();
  assert.deepEqual(world.texts(), [
    // HDR(SPIi, 0), SA, KE, Ni, N(NAT_DETECTION_*), N(SIGNATURE_HASH_ALGORITHMS) →
    'client ike IKE_SA_INIT request 0',
    // ← HDR(SPIi, SPIr), SA, KE, Nr, N(NAT_DETECTION_*)
    'gateway ike IKE_SA_INIT response 0',
    // port 4500 from here on; SK{IDi, IDr, AUTH, CP(CFG_REQUEST), SA, TSi, TSr} →
    'client natt IKE_AUTH request 1',
    // ← SK{IDr, AUTH, CP(CFG_REPLY), SA, TSi, TSr}
    'gateway natt IKE_AUTH response 1',
  ]);
  const order = world.clientSaid.filter(({ kind }) => kind !== 'log' && kind !== 'transmit').map(({ kind }) => kind);
  assert.deepEqual(order, [
    'progress',
    'progress',
    'proven',
    'progress',
    'established',
    'configured',
    'rekey-due',
    'install-child',
    'rekey-due',
  ]);
  const [ours] = world.said('install-child');
  const [theirs] = world.gatewayOutputs('install-child');
  assert.equal(ours.child.spiIn, theirs.child.spiOut);
  assert.equal(ours.child.spiOut, theirs.child.spiIn);
  assert.deepEqual(ours.child.keysIn, theirs.child.keysOut);
  assert.deepEqual(ours.child.keysOut, theirs.child.keysIn);
  assert.notDeepEqual(ours.child.keysIn, ours.child.keysOut);
  assert.equal(selectorsText(ours.child.localSelectors), '10.7.0.5/32');
  assert.equal(selectorsText(ours.child.remoteSelectors), '10.7.0.0/16');
  assert.deepEqual(ours.child.local, clientAt('natt'));
  assert.deepEqual(ours.child.remote, gatewayAt('natt'));
  const [{ configuration }] = world.said('configured');
  assert.deepEqual(configuration, { addresses: [{ address: '10.7.0.5', prefix: 32 }], dns: [], domains: [], subnets: [] });
});

test('what the first request holds', () => {
  const world = new World({ client: { forceEncapsulation: false } });
  world.tell({ kind: 'start' });
  const [{ header, payloads }] = requests(world);
  assert.deepEqual(
    payloads.map(({ kind }) => kind),
    ['SA', 'KE', 'NONCE', 'N', 'N', 'N', 'N'],
  );
  assert.equal(findPayload(payloads, 'NONCE')?.data.length, 32);
  assert.equal(octets(payloads, NOTIFY.NAT_DETECTION_SOURCE_IP), toHex(natDetectionHash(header, clientAt('ike'))));
  assert.equal(octets(payloads, NOTIFY.NAT_DETECTION_DESTINATION_IP), toHex(natDetectionHash(header, gatewayAt('ike'))));
  assert.equal(octets(payloads, NOTIFY.SIGNATURE_HASH_ALGORITHMS), '0002000300040005');
  assert.equal(octets(payloads, NOTIFY.IKEV2_FRAGMENTATION_SUPPORTED), '');
});

test('forced encapsulation pretends a NAT by the source hash and nothing else, and findings stay true', () => {
  const world = new World();
  world.connect();
  const [{ header, payloads }] = requests(world);
  assert.notEqual(octets(payloads, NOTIFY.NAT_DETECTION_SOURCE_IP), toHex(natDetectionHash(header, clientAt('ike'))));
  assert.equal(octets(payloads, NOTIFY.NAT_DETECTION_DESTINATION_IP), toHex(natDetectionHash(header, gatewayAt('ike'))));
  const [{ sa }] = world.said('established');
  assert.deepEqual([sa.natLocal, sa.natRemote], [false, false]);
  assert.equal(world.said('install-child')[0].child.keepalive, false);
});

test('without NAT and without force, IKE_AUTH stays on port 500', () => {
  const world = new World({ client: { forceEncapsulation: false } });
  world.connect();
  assert.equal(world.texts()[2], 'client ike IKE_AUTH request 1');
});

test('what IKE_AUTH holds', () => {
  const espProposals = proposals('esp', 'aes128gcm16-x25519-noesn');
  const world = new World({ client: { espProposals } });
  world.connect();
  assert.deepEqual(
    world.gateway.authRequest.map(({ kind }) => kind),
    ['IDi', 'IDr', 'AUTH', 'CP', 'SA', 'TSi', 'TSr'],
  );
  const sa = findPayload(world.gateway.authRequest, 'SA');
  // RFC 7296 §1.2: no key exchange in the proposals of the first CHILD SA.
  assert.ok(
    sa?.proposals.every(
      ({ transforms, spi }) => spi.length === 4 && transforms.every(({ type }) => type !== PAYLOAD.KE && type !== 4),
    ),
  );
});

test('IDr is left out when any gateway will do, and any that authenticates is taken', () => {
  const { remoteIdentity: _, ...anybody } = clientConfig;
  const world = new World({ gateway: { identity: identity('192.0.2.99') } });
  const free = new World({ client: { ...anybody, remoteIdentity: undefined }, gateway: { identity: identity('192.0.2.99') } });
  world.connect();
  free.connect();
  assert.equal(world.said('closed')[0]?.failure?.code, 'gateway-identity');
  assert.equal(free.said('established')[0]?.sa.remoteIdentity, '192.0.2.99');
  assert.equal(findPayload(free.gateway.authRequest, 'IDr'), undefined);
});

test('host names and mail addresses are compared without regard to case', () => {
  const world = new World({ gateway: { identity: identity('VPN.Office.Test') } });
  world.connect();
  assert.equal(world.said('established').length, 1);
});

test('COOKIE: the same request again with the cookie in front', () => {
  const cookie = Uint8Array.of(1, 2, 3, 4, 5);
  const world = new World({ gateway: { cookie } });
  world.connect();
  assert.equal(world.said('established').length, 1);
  const [first, second] = requests(world);
  assert.deepEqual(second.payloads[0], notify(NOTIFY.COOKIE, cookie));
  // RFC 7296 §2.6: all other payloads unchanged, message id 0, the same SPIi.
  assert.deepEqual(second.payloads.slice(1), first.payloads);
  assert.deepEqual(second.header, first.header);
});

test('INVALID_KE_PAYLOAD: the wanted group, the same nonce and SPI', () => {
  const world = new World({ gateway: { ikeProposals: proposals('ike', 'aes128gcm16-prfsha256-ecp256') } });
  world.connect();
  assert.equal(world.said('established')[0]?.sa.ke.name, 'ECP_256');
  const [first, second] = requests(world);
  assert.equal(findPayload(first.payloads, 'KE')?.method, 31);
  assert.equal(findPayload(second.payloads, 'KE')?.method, 19);
  assert.deepEqual(findPayload(second.payloads, 'NONCE'), findPayload(first.payloads, 'NONCE'));
  assert.deepEqual(second.header, first.header);
});

for (const cookieFirst of [true, false]) {
  test(`COOKIE and INVALID_KE_PAYLOAD, ${cookieFirst ? 'cookie' : 'group'} first; the cookie is kept (RFC 7296 §2.6.1)`, () => {
    const cookie = Uint8Array.of(9, 9, 9);
    const wantGroup = notify(NOTIFY.INVALID_KE_PAYLOAD, Uint8Array.of(0, 19));
    const world = new World({
      gateway: {
        ikeProposals: proposals('ike', 'aes128gcm16-prfsha256-ecp256'),
        insteadOfSaInit({ payloads }) {
          const right = findPayload(payloads, 'KE')?.method === 19;
          const came = findNotify(payloads, NOTIFY.COOKIE);
          const known = came !== undefined && equalBytes(came.data, cookie);
          if (cookieFirst && !known) return [notify(NOTIFY.COOKIE, cookie)];
          if (!right) return [wantGroup];
          return known ? undefined : [notify(NOTIFY.COOKIE, cookie)];
        },
      },
    });
    world.connect();
    assert.equal(world.said('established').length, 1);
    const sent = requests(world).map(({ payloads }) => {
      const withCookie = findNotify(payloads, NOTIFY.COOKIE) ? 'cookie ' : '';
      return `${withCookie}${findPayload(payloads, 'KE')?.method}`;
    });
    assert.deepEqual(sent, cookieFirst ? ['31', 'cookie 31', 'cookie 19'] : ['31', '19', 'cookie 19']);
  });
}

test('COOKIE, and another for the request with it: a new IKE SA, for AUTH would be of one of two requests (RFC 7296 §2.15)', () => {
  const jar = [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)];
  const world = new World({
    gateway: {
      insteadOfSaInit({ payloads }) {
        const came = findNotify(payloads, NOTIFY.COOKIE)?.data;
        // Its secret changes after the first answer and again after the second.
        return jar.length === 0 && came?.[0] === 3 ? undefined : [notify(NOTIFY.COOKIE, jar.shift() ?? Uint8Array.of(4))];
      },
    },
  });
  world.connect();
  assert.equal(world.said('established').length, 1);
  const sent = requests(world).map(({ header, payloads }) => ({
    spi: toHex(header.spiI),
    nonce: toHex(findPayload(payloads, 'NONCE')?.data ?? jar[0]),
    cookie: findNotify(payloads, NOTIFY.COOKIE)?.data[0],
  }));
  assert.deepEqual(
    sent.map(({ cookie }) => cookie),
    [undefined, 1, undefined, 3],
  );
  assert.equal(sent[0].spi, sent[1].spi);
  assert.equal(sent[2].spi, sent[3].spi);
  assert.notEqual(sent[1].spi, sent[2].spi);
  assert.notEqual(sent[1].nonce, sent[2].nonce);
  assert.equal(world.said('established')[0]?.sa.spiI, sent[3].spi);
});

test('echoes of COOKIE and INVALID_KE_PAYLOAD, late and often, disturb nothing', () => {
  const cookie = Uint8Array.of(7);
  const world = new World({ gateway: { cookie, ikeProposals: proposals('ike', 'aes128gcm16-prfsha256-ecp256') } });
  const echoes: Uint8Array[] = [];
  world.filter = ({ by, bytes }) => {
    if (by === 'gateway' && echoes.length < 2) echoes.push(bytes);
    return true;
  };
  world.tell({ kind: 'start' });
  world.run(1_000, () => {
    // After every step, everything the gateway ever said without state comes again.
    for (const bytes of echoes) world.inject(bytes.slice(), 'ike');
    return world.said('install-child').length > 0;
  });
  assert.equal(world.said('established').length, 1);
});

test('a second valid answer to IKE_SA_INIT is ignored', () => {
  const world = new World({ network: { ...goodNetwork, duplicate: 1 } });
  world.connect();
  assert.equal(world.said('established').length, 1);
  assert.equal(world.texts().filter((text) => text.startsWith('client natt IKE_AUTH')).length, 1);
});

test('answers from elsewhere, under other SPIs or ids, are ignored', () => {
  const world = new World();
  world.filter = ({ by }) => by === 'client';
  world.tell({ kind: 'start' });
  world.run(20);
  const answer = world.trace.find(({ by }) => by === 'gateway')?.bytes;
  assert.ok(answer);
  const before = world.said('transmit').length;
  const changed = (at: number) => answer.map((octet, i) => (i === at ? octet ^ 1 : octet));
  world.inject(answer.slice(), 'ike', { address: '203.0.113.66', port: 500 });
  world.inject(answer.slice(), 'ike', { address: gatewayAt('ike').address, port: 501 });
  world.inject(answer.slice(), 'natt');
  world.inject(changed(0), 'ike'); // SPIi
  world.inject(changed(23), 'ike'); // message id
  world.inject(changed(18), 'ike'); // exchange
  assert.equal(world.said('transmit').length, before);
  // The genuine one still counts.
  world.inject(answer.slice(), 'ike');
  assert.equal(world.texts().at(-1), 'client natt IKE_AUTH request 1');
});

test('an unauthenticated refusal is not believed while a genuine answer may come (RFC 7296 §2.21.1)', () => {
  const world = new World();
  const refusals: string[] = [];
  world.tell({ kind: 'start' });
  const [{ header }] = requests(world);
  const forged = new World({ gateway: { insteadOfSaInit: () => [notify(NOTIFY.NO_PROPOSAL_CHOSEN)] } });
  forged.tell({ kind: 'start' });
  forged.run(15);
  const bytes = forged.trace[1].bytes.slice();
  bytes.set(header.spiI, 0);
  world.inject(bytes, 'ike');
  refusals.push(...world.said('closed').map(() => 'closed'));
  world.run(2_000, () => world.said('install-child').length > 0);
  assert.deepEqual(refusals, []);
  assert.equal(world.said('established').length, 1);
});

test('a genuine refusal is told after a short while, not after all repetitions', () => {
  const world = new World({ gateway: { insteadOfSaInit: () => [notify(NOTIFY.NO_PROPOSAL_CHOSEN)] } });
  const start = world.now;
  world.connect();
  assert.equal(world.said('closed')[0]?.failure?.code, 'no-proposal-chosen');
  assert.ok(world.now - start < 2_000, `${world.now - start} ms`);
});

test('answered selectors may be a part of what was asked for, on both sides', () => {
  const world = new World({ client: { localSelectors: [selector('10.7.0.5')], remoteSelectors: [selector('10.7.0.0/16')] } });
  world.connect();
  assert.equal(world.said('install-child').length, 1);
});

test('a gateway that leaves TSi at everything gets one cut down to the address it gave', () => {
  const everything = [selector('0.0.0.0/0')];
  const changeAuth = (payloads: readonly Payload[]) =>
    payloads.map((payload) => (payload.kind === 'TSi' ? { ...payload, selectors: everything } : payload));
  const world = new World({ gateway: { changeAuth } });
  world.connect();
  const [{ child }] = world.said('install-child');
  assert.equal(selectorsText(child.localSelectors), '10.7.0.5/32');
});

test('cancelling: at once during IKE_SA_INIT', () => {
  const world = new World();
  world.tell({ kind: 'start' });
  world.tell({ kind: 'terminate' });
  assert.deepEqual(world.said('closed'), [{ kind: 'closed' }]);
  assert.equal(world.client.deadline(), undefined);
});

test('cancelling during IKE_AUTH leaves no SA behind at the gateway', () => {
  const world = new World();
  world.tell({ kind: 'start' });
  world.run(1_000, () => world.texts().includes('client natt IKE_AUTH request 1'));
  world.tell({ kind: 'terminate' });
  assert.equal(world.closed, false);
  world.run(1_000, () => world.closed);
  assert.deepEqual(world.said('closed'), [{ kind: 'closed' }]);
  assert.equal(world.gatewayOutputs('closed').length, 1);
  assert.equal(world.said('established').length, 0);
});

test('cancelling during IKE_AUTH of a silent gateway ends within a second, and at once when asked twice', () => {
  for (const twice of [false, true]) {
    const world = new World();
    world.filter = ({ by, channel }) => by === 'client' || channel === 'ike';
    world.tell({ kind: 'start' });
    world.run(1_000, () => world.texts().includes('client natt IKE_AUTH request 1'));
    const before = world.now;
    world.tell({ kind: 'terminate' });
    if (twice) world.tell({ kind: 'terminate' });
    world.run(5_000, () => world.closed);
    assert.equal(world.said('closed').length, 1);
    assert.ok(world.now - before <= (twice ? 0 : 1_000));
  }
});

test('datagrams may be Buffers that the driver overwrites at once', () => {
  const world = new World();
  const handle = world.client.handle.bind(world.client);
  world.client.handle = (input, now) => {
    if (input.kind !== 'datagram') {
      handle(input, now);
      return;
    }
    const bytes = Buffer.from(input.bytes);
    handle({ ...input, bytes }, now);
    bytes.fill(0xee);
  };
  world.connect();
  const [{ child }] = world.said('install-child');
  assert.equal(selectorsText(child.remoteSelectors), '10.7.0.0/16');
  assert.equal(world.said('established')[0].sa.remoteIdentity, 'vpn.office.test');
});

test('many answers with a proposal are not all looked into, and a refusal stays what it was', () => {
  const bad = new World({
    gateway: {
      changeSaInit: (payloads) => payloads.map((one) => (one.kind === 'KE' ? { ...one, data: new Uint8Array(32) } : one)),
    },
  });
  bad.filter = ({ by }) => by === 'client';
  bad.tell({ kind: 'start' });
  bad.run(20);
  const answer = bad.trace.find(({ by }) => by === 'gateway')?.bytes;
  assert.ok(answer);
  for (let i = 0; i < 100; i++) bad.inject(answer.slice(), 'ike');
  const looked = bad.said('log').filter(({ fields }) => fields?.code === 'bad-public-value');
  assert.equal(looked.length, 16);
  bad.run(2_000, () => bad.closed);
  assert.equal(bad.said('closed')[0]?.failure?.code, 'bad-public-value');
});
