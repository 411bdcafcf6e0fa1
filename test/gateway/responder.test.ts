import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromUtf8 } from '../../core/bytes/bytes.ts';
import { pskBothWays } from '../../core/ike/auth/psk.ts';
import { suiteText } from '../../core/ike/negotiation.ts';
import type { Channel, Endpoint, IkeConfig } from '../../core/ike/sa/contract.ts';
import { createInitiator } from '../../core/ike/sa/initiator.ts';
import { selectorText } from '../../core/ike/wire/selectorText.ts';
import type { HeadOffice, HeadOfficeConfig } from './config.ts';
import { Conversation } from './conversation.ts';
import { clientConfig, identity, officeConfig, proposals, SECRET, seededRandom, selector } from './fixtures.ts';
import { createHeadOffice } from './responder.ts';

interface Scene {
  readonly client?: Partial<IkeConfig>;
  readonly office?: Partial<HeadOfficeConfig>;
  readonly nat?: boolean;
  readonly seed?: string;
}

function makeOffice(office: Partial<HeadOfficeConfig> = {}): HeadOffice {
  return createHeadOffice({ ...officeConfig, ...office }, { random: seededRandom('office') });
}

function meet({ client, office: told, nat = false, seed = 'client' }: Scene, office = makeOffice(told)): Conversation {
  const config = { ...clientConfig, forceEncapsulation: false, ...client };
  const pair = (address: string, ike: number, natt: number): Record<Channel, Endpoint> => ({
    ike: { address, port: ike },
    natt: { address, port: natt },
  });
  return new Conversation({
    machine: createInitiator(config, { random: seededRandom(seed), keyLog: false }),
    office,
    client: nat ? pair('198.51.100.1', 61_000, 61_001) : pair('192.168.77.2', 500, 4500),
    gateway: pair('198.51.100.10', 500, 4500),
  });
}

function connect(scene: Scene, office?: HeadOffice): Conversation {
  const conversation = office === undefined ? meet(scene) : meet(scene, office);
  conversation.tell({ kind: 'start' });
  conversation.run(60_000, () => conversation.outputs('install-child').length + conversation.outputs('closed').length > 0);
  return conversation;
}

const failureOf = (conversation: Conversation) => conversation.outputs('closed')[0]?.failure?.code;
const initRequests = (conversation: Conversation) =>
  conversation.outputs('transmit').filter(({ bytes }) => bytes[18] === 34).length;

for (const nat of [false, true]) {
  test(`both ends find out ${nat ? 'that the client is behind a NAT' : 'that there is no NAT'}`, () => {
    const conversation = connect({ nat });
    const [client] = conversation.outputs('established');
    const office = conversation.officeHeard.find((output) => output.kind === 'established');
    assert.deepEqual([client?.sa.natLocal, client?.sa.natRemote], [nat, false]);
    assert.ok(office?.kind === 'established');
    assert.deepEqual([office.sa.natLocal, office.sa.natRemote], [false, nat]);
  });
}

test('forced encapsulation looks like a NAT to the office and not to the client', () => {
  const conversation = connect({ client: { forceEncapsulation: true } });
  const [client] = conversation.outputs('established');
  const office = conversation.officeHeard.find((output) => output.kind === 'established');
  assert.deepEqual([client?.sa.natLocal, client?.sa.natRemote], [false, false]);
  assert.ok(office?.kind === 'established' && office.sa.natRemote);
});

test('both ends agree on algorithms, keys, SPIs and selectors', () => {
  const conversation = connect({ nat: true });
  const [mine] = conversation.outputs('install-child');
  const theirs = conversation.officeHeard.find((output) => output.kind === 'install-child');
  assert.ok(mine !== undefined && theirs?.kind === 'install-child');
  assert.equal(mine.child.spiIn, theirs.child.spiOut);
  assert.equal(mine.child.spiOut, theirs.child.spiIn);
  assert.deepEqual(mine.child.keysIn, theirs.child.keysOut);
  assert.deepEqual(mine.child.keysOut, theirs.child.keysIn);
  assert.equal(suiteText(mine.child), suiteText(theirs.child));
  assert.equal(mine.child.esn.name, 'EXT_SEQ');
  assert.deepEqual(mine.child.localSelectors.map(selectorText), ['10.10.99.1/32', 'fd10:99::1/128']);
  // Asked for 10/8 and fd10::/16; the office has less.
  assert.deepEqual(mine.child.remoteSelectors.map(selectorText), ['10.10.0.0/16', 'fd10:10::/64']);
  assert.deepEqual(theirs.child.remoteSelectors, mine.child.localSelectors);
  assert.deepEqual(theirs.child.remote, { address: '198.51.100.1', port: 61_001 }, 'ESP goes where the NAT expects it');
});

test('the configuration arrives as the office gave it', () => {
  const [configured] = connect({}).outputs('configured');
  assert.deepEqual(configured?.configuration, {
    addresses: [
      { address: '10.10.99.1', prefix: 32 },
      { address: 'fd10:99::1', prefix: 128 },
    ],
    dns: ['10.10.0.53', 'fd10:10::53'],
    domains: ['office.test'],
    subnets: ['10.10.0.0/16', 'fd10:10::/64'],
    applicationVersion: 'embedded head office',
    families: { ipv4: true, ipv6: true },
  });
});

test('a cookie is asked for when told, and costs one round trip', () => {
  const conversation = connect({ office: { cookie: 'always' } });
  assert.equal(conversation.outputs('install-child').length, 1);
  assert.equal(initRequests(conversation), 2);
});

test('cookies start under half-open load', () => {
  const office = makeOffice({ cookie: 3 });
  for (let i = 0; i < 3; i++) {
    const silent = meet(
      { seed: `silent ${i}`, client: { local: { ...clientConfig.local, address: `192.168.78.${i}` } } },
      office,
    );
    silent.tell({ kind: 'start' });
    silent.run(1);
    // Its IKE_AUTH never leaves: the conversation is dropped here.
  }
  assert.equal(office.list().filter((sa) => sa.state === 'half-open').length, 3);
  const conversation = connect({}, office);
  assert.equal(initRequests(conversation), 2);
  assert.equal(conversation.outputs('install-child').length, 1);
});

test('half-open SAs are forgotten', () => {
  const office = makeOffice();
  const silent = meet({}, office);
  silent.tell({ kind: 'start' });
  silent.run(1);
  assert.equal(office.list().length, 1);
  office.handle({ kind: 'tick' }, office.deadline() ?? 0);
  assert.equal(office.list().length, 0);
  assert.equal(office.deadline(), undefined);
});

test('INVALID_KE_PAYLOAD leads to the group the office takes', () => {
  const office = { ikeProposals: proposals(['aes256gcm16-prfsha256-ecp256'], 'ike') };
  const conversation = connect({ office });
  assert.equal(conversation.outputs('established')[0]?.sa.ke.keyword, 'ecp256');
  assert.equal(initRequests(conversation), 2);
});

for (const { name, scene, code } of [
  {
    name: 'a wrong key',
    scene: { client: { auth: pskBothWays(fromUtf8('not the secret that both know')) } },
    code: 'authentication-failed',
  },
  {
    name: 'an unknown identity',
    scene: { client: { localIdentity: identity('mallory@office.test') } },
    code: 'authentication-failed',
  },
  {
    name: 'no IKE proposal in common',
    scene: { office: { ikeProposals: proposals(['aes128-sha1-modp2048'], 'ike') } },
    code: 'no-proposal-chosen',
  },
  {
    name: 'no ESP proposal in common',
    scene: { office: { espProposals: proposals(['aes128-sha1'], 'esp') } },
    code: 'child-no-proposal-chosen',
  },
  {
    name: 'no network in common',
    scene: { office: { selectors: [selector('172.16.0.0/12')] } },
    code: 'ts-unacceptable',
  },
  { name: 'an empty pool', scene: { office: { pool: {} } }, code: 'no-address' },
]) {
  test(`${name} ends in ${code}`, () => {
    assert.equal(failureOf(connect(scene)), code);
  });
}

test('a pool of one family gives one family', () => {
  const [configured] = connect({ office: { pool: { ipv6: 'fd10:99::/64' } } }).outputs('configured');
  assert.deepEqual(configured?.configuration.addresses, [{ address: 'fd10:99::1', prefix: 128 }]);
});

test('a full pool refuses, and a freed address is given again', () => {
  const office = makeOffice({
    pool: { ipv4: '10.10.99.0/30' }, // two hosts
    users: ['a', 'b', 'c'].map((name) => ({ identity: identity(`${name}@office.test`), secret: SECRET })),
  });
  const as = (name: string): Scene => ({ seed: name, client: { localIdentity: identity(`${name}@office.test`) } });
  const first = connect(as('a'), office);
  assert.equal(connect(as('b'), office).outputs('install-child').length, 1);
  assert.equal(failureOf(connect(as('c'), office)), 'no-address');
  first.tell({ kind: 'terminate' });
  first.run(1_000, () => first.outputs('closed').length > 0);
  assert.equal(
    connect({ ...as('c'), seed: 'c again' }, office).outputs('configured')[0]?.configuration.addresses[0]?.address,
    '10.10.99.1',
  );
});

test('DELETE of the client ends the SA at the office', () => {
  const office = makeOffice();
  const conversation = connect({}, office);
  conversation.tell({ kind: 'terminate' });
  conversation.run(1_000);
  assert.deepEqual(conversation.outputs('closed'), [{ kind: 'closed' }]);
  assert.deepEqual(office.list(), []);
  assert.ok(conversation.officeHeard.some((output) => output.kind === 'remove-child'));
});

test('DELETE of the office ends the client', () => {
  const office = makeOffice();
  const conversation = connect({}, office);
  conversation.tellOffice({ kind: 'terminate' });
  conversation.run(1_000);
  assert.equal(failureOf(conversation), 'closed-by-gateway');
  assert.deepEqual(office.list(), []);
});

test('both ask whether the other lives, and stay for an hour', () => {
  const office = makeOffice();
  const conversation = connect({}, office);
  conversation.run(3_600_000);
  assert.equal(office.list()[0]?.state, 'established');
  assert.deepEqual(conversation.outputs('closed'), []);
});

test('an office whose client vanished notices', () => {
  const office = makeOffice();
  connect({}, office);
  for (let due = office.deadline(); due !== undefined; due = office.deadline()) office.handle({ kind: 'tick' }, due);
  assert.deepEqual(office.list(), []);
});

test('repeated and late IKE_SA_INIT requests change nothing', () => {
  const office = makeOffice();
  const conversation = connect({}, office);
  const [first] = conversation.outputs('transmit');
  assert.ok(first !== undefined);
  const from = { address: '192.168.77.2', port: 500 };
  for (let i = 0; i < 3; i++) conversation.tellOffice({ kind: 'datagram', bytes: first.bytes, channel: 'ike', from });
  assert.equal(office.list().length, 1);
  conversation.run(5_000);
  assert.deepEqual(conversation.outputs('closed'), []);
});

test('no datagram makes it throw', () => {
  const office = makeOffice();
  const random = seededRandom('rubbish');
  const from = { address: '192.0.2.7', port: 500 };
  const [genuine] = connect({}, office).outputs('transmit');
  for (let i = 0; i < 2_000; i++) {
    const [at = 0, value = 0, length = 0] = random(3);
    const bytes = i % 2 === 0 ? random(length) : (genuine?.bytes.slice() ?? new Uint8Array(0));
    if (i % 2 === 1) bytes[at % bytes.length] = value;
    office.handle({ kind: 'datagram', bytes, channel: 'ike', from }, i);
    while (office.poll() !== undefined);
  }
});
