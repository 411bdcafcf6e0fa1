/** Two established `IkeSa` face to face, without the exchanges that made them: what only happens when both sides act at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deriveIkeKeys, type IkeKeys } from '../../core/ike/keys/ikeKeys.ts';
import { childSuite, type IkeSuite, ikeSuite } from '../../core/ike/negotiation.ts';
import type { ChildSa, IkeOutput } from '../../core/ike/sa/contract.ts';
import { IkeSa } from '../../core/ike/sa/ikeSa.ts';
import { Narrator } from '../../core/ike/sa/narrator.ts';
import { createProtection, type Role } from '../../core/ike/sa/protect.ts';
import type { Header, Payload } from '../../core/ike/wire/message.ts';
import { parseMessage } from '../../core/ike/wire/parse.ts';
import { notify } from '../../core/ike/wire/payloads.ts';
import { clientAt, gatewayAt, proposals, seededRandom, timing } from './world.ts';

interface Side {
  readonly sa: IkeSa;
  readonly outbox: Uint8Array[];
  readonly said: IkeOutput[];
}

function suite(): IkeSuite {
  const [proposal] = proposals('ike', 'aes128-sha256-x25519');
  const found = ikeSuite(proposal);
  assert.ok(found);
  return found;
}

const fill = (value: number, length: number) => new Uint8Array(length).fill(value);
const spis = { spiI: fill(1, 8), spiR: fill(2, 8) };

function keysOf(): IkeKeys {
  return deriveIkeKeys(suite(), fill(3, 32), { ni: fill(4, 32), nr: fill(5, 32) }, spis);
}

function side(role: Role): Side {
  const outbox: Uint8Array[] = [];
  const said: IkeOutput[] = [];
  const emit = (output: IkeOutput): void => {
    said.push(output);
    if (output.kind === 'transmit') outbox.push(output.bytes);
  };
  const sa = new IkeSa({
    role,
    ...spis,
    suite: suite(),
    keys: keysOf(),
    timing,
    random: seededRandom(role),
    keyLog: false,
    version: role,
    channel: 'natt',
    remote: role === 'initiator' ? gatewayAt('natt') : clientAt('natt'),
    fragmentSize: 'usual',
    nextRequestId: 0,
    expectedRequestId: 0,
    handlers: {},
    closeWithoutChild: false,
    followPeer: false,
    emit,
    narrator: new Narrator(emit),
  });
  sa.authenticated(0);
  return { sa, outbox, said };
}

function child(spiIn: number, spiOut: number): ChildSa {
  const [proposal] = proposals('esp', 'aes128gcm16');
  const found = childSuite(proposal);
  assert.ok(found);
  const keys = { encryption: new Uint8Array(20), integrity: new Uint8Array(0) };
  return {
    spiIn,
    spiOut,
    ...found,
    keysIn: keys,
    keysOut: keys,
    localSelectors: [],
    remoteSelectors: [],
    local: clientAt('natt'),
    remote: gatewayAt('natt'),
    keepalive: false,
  };
}

/** Delivers the oldest message of one side to the other. */
function carry(from: Side, to: Side, now: number): void {
  const bytes = from.outbox.shift();
  assert.ok(bytes);
  const parsed = parseMessage(bytes);
  assert.ok(parsed.ok);
  to.sa.receive(parsed.value, bytes, 'natt', from.sa.remote, now);
}

const removed = ({ said }: Side) => said.flatMap((output) => (output.kind === 'remove-child' ? [output.spiIn] : []));
const answers = ({ said }: Side) =>
  said.flatMap((output) => (output.kind === 'log' && /sent.*response/.test(output.text) ? [output.fields?.payloads] : []));

test('DELETE of the same CHILD SA crosses: neither answer names it, both remove it once (RFC 7296 §1.4.1)', () => {
  const a = side('initiator');
  const b = side('responder');
  a.sa.addChild(child(0x1111, 0x2222));
  b.sa.addChild(child(0x2222, 0x1111));
  // HDR(0), SK{D(ESP, 1111)} → and ← HDR(0), SK{D(ESP, 2222)}, both on their way
  a.sa.deleteChild(0x1111, 1);
  b.sa.deleteChild(0x2222, 1);
  a.sa.deleteChild(0x1111, 1); // asked for twice, sent once
  assert.deepEqual([a.outbox.length, b.outbox.length], [1, 1]);
  carry(a, b, 2);
  carry(b, a, 2);
  assert.deepEqual([answers(a), answers(b)], [[''], ['']]);
  assert.deepEqual([removed(a), removed(b)], [[], []], 'inbound stays until our own DELETE is answered');
  carry(a, b, 3);
  carry(b, a, 3);
  assert.deepEqual([removed(a), removed(b)], [[0x1111], [0x2222]]);
  assert.deepEqual([a.sa.state, b.sa.state], ['established', 'established']);
});

test('DELETE of two CHILD SAs at once, one from each side', () => {
  const a = side('initiator');
  const b = side('responder');
  for (const [spiA, spiB] of [
    [0x1111, 0x2222],
    [0x3333, 0x4444],
  ]) {
    a.sa.addChild(child(spiA, spiB));
    b.sa.addChild(child(spiB, spiA));
  }
  a.sa.deleteChild(0x1111, 1);
  b.sa.deleteChild(0x4444, 1);
  carry(a, b, 2);
  carry(b, a, 2);
  carry(a, b, 3);
  carry(b, a, 3);
  assert.deepEqual([answers(a), answers(b)], [['D'], ['D']]);
  assert.deepEqual(
    [removed(a).toSorted((x, y) => x - y), removed(b).toSorted((x, y) => x - y)],
    [
      [0x1111, 0x3333],
      [0x2222, 0x4444],
    ],
  );
});

test('DELETE of the IKE SA crosses a DELETE of a CHILD SA', () => {
  const a = side('initiator');
  const b = side('responder');
  a.sa.addChild(child(0x1111, 0x2222));
  b.sa.addChild(child(0x2222, 0x1111));
  a.sa.terminate(1);
  b.sa.deleteChild(0x2222, 1);
  carry(b, a, 2); // a is closing and still answers
  carry(a, b, 2); // b answers and ends
  assert.equal(b.sa.state, 'closed');
  carry(b, a, 3);
  assert.equal(a.sa.state, 'closed');
  assert.deepEqual([removed(a), removed(b)], [[0x1111], [0x2222]]);
});

test('a request that waits for the one in flight is sent when that is answered', () => {
  const a = side('initiator');
  const b = side('responder');
  const order: string[] = [];
  for (const name of ['first', 'second', 'third']) {
    a.sa.request({ exchange: 37, build: () => [], process: () => order.push(name) }, 1);
  }
  assert.equal(a.outbox.length, 1);
  for (let i = 0; i < 3; i++) {
    carry(a, b, 2);
    carry(b, a, 2);
  }
  assert.deepEqual(order, ['first', 'second', 'third']);
});

test('DELETE of the IKE SA goes before everything that was waiting', () => {
  const a = side('initiator');
  const b = side('responder');
  for (let i = 0; i < 3; i++) a.sa.request({ exchange: 37, build: () => [notify(40_000)], process() {} }, 1);
  a.sa.terminate(1);
  a.sa.request({ exchange: 37, build: () => [notify(40_001)], process() {} }, 1); // too late
  for (let i = 0; i < 2; i++) {
    carry(a, b, 2);
    carry(b, a, 2);
  }
  assert.deepEqual([a.sa.state, b.sa.state], ['closed', 'closed']);
  const sent = a.said.flatMap((output) =>
    output.kind === 'log' && output.text.startsWith('sent') ? [output.fields?.payloads] : [],
  );
  assert.deepEqual(sent, ['N(40000)', 'D']);
});

/** A message sealed with the responder's keys whose header says what the test wants. */
function forge(header: Partial<Header>, payloads: readonly Payload[] = []): Uint8Array {
  const honest: Header = {
    ...spis,
    majorVersion: 2,
    minorVersion: 0,
    exchange: 37,
    messageId: 0,
    flags: { initiator: false, version: false, response: false },
  };
  return createProtection('responder', suite(), keysOf(), seededRandom('forge')).seal({ ...honest, ...header }, payloads)[0];
}

test('the right keys do not help a message of the wrong role, exchange or SPI', () => {
  const a = side('initiator');
  const receive = (bytes: Uint8Array): void => {
    const parsed = parseMessage(bytes);
    assert.ok(parsed.ok);
    a.sa.receive(parsed.value, bytes, 'natt', gatewayAt('natt'), 1);
  };
  receive(forge({ flags: { initiator: true, version: false, response: false } }));
  receive(forge({ spiR: new Uint8Array(8).fill(9) }));
  assert.equal(a.outbox.length, 0);
  let answered = false;
  a.sa.request({ exchange: 37, build: () => [], process: () => (answered = true) }, 1);
  const response = { initiator: false, version: false, response: true };
  receive(forge({ flags: response, exchange: 36 }));
  receive(forge({ flags: response, messageId: 1 }));
  receive(forge({ flags: { ...response, initiator: true } }));
  assert.equal(answered, false);
  receive(forge({ flags: response }));
  assert.equal(answered, true);
  receive(forge({}));
  assert.equal(a.outbox.length, 2, 'the honest request is answered');
});

test('ids are counted on each side alone', () => {
  const a = side('initiator');
  const b = side('responder');
  for (let i = 0; i < 300; i++) {
    const [from, to] = i % 3 === 0 ? [b, a] : [a, b];
    let done = false;
    from.sa.request({ exchange: 37, build: () => [], process: () => (done = true) }, i);
    carry(from, to, i);
    carry(to, from, i);
    assert.ok(done);
  }
  assert.equal(a.sa.state, 'established');
});

test('keys are wiped at the end and nothing is done any more', () => {
  const a = side('initiator');
  const { keys } = a.sa;
  a.sa.addChild(child(0x1111, 0x2222));
  a.sa.close();
  for (const key of Object.values(keys)) assert.ok(key.every((octet: number) => octet === 0));
  const count = a.said.length;
  a.sa.terminate(5);
  a.sa.checkLiveness(5);
  a.sa.tick(1e9);
  a.sa.close();
  assert.equal(a.said.length, count);
  assert.equal(a.sa.deadline(), undefined);
});
