/** RFC 9329: the client and the head office over a TCP connection, which may break. The connection itself is in test/unit/system and test/host. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint, IkeConfig, IkeOutput } from '../../core/ike/sa/contract.ts';
import { createInitiator } from '../../core/ike/sa/initiator.ts';
import { NOTIFY } from '../../core/ike/wire/constants.ts';
import { parseMessage } from '../../core/ike/wire/parse.ts';
import { findNotify } from '../../core/ike/wire/payloads.ts';
import type { HeadOfficeConfig } from '../gateway/config.ts';
import { Conversation } from '../gateway/conversation.ts';
import { clientConfig, officeConfig, seededRandom, selector } from '../gateway/fixtures.ts';
import type { MisbehaviourName } from '../gateway/misbehaviours.ts';
import { createHeadOffice } from '../gateway/responder.ts';

const gateway: Endpoint = { address: '198.51.100.10', port: 443, transport: 'tcp' };
const ports = { ike: 40_000, natt: 40_000 };
const overTcp: IkeConfig = {
  ...clientConfig,
  local: { ...clientConfig.local, ports },
  remote: { address: gateway.address, ports: { ike: gateway.port, natt: gateway.port } },
  transport: 'tcp',
  forceEncapsulation: false,
};

/** Both ends, and the connection between them. */
class Line {
  readonly conversation: Conversation;
  readonly office: ReturnType<typeof createHeadOffice>;
  /** What passes in order and whole, or nothing at all. */
  up = true;
  #client: Endpoint;

  constructor(from: Endpoint, client: Partial<IkeConfig> = {}, office: Partial<HeadOfficeConfig> = {}) {
    this.#client = from;
    const self = this;
    this.office = createHeadOffice({ ...officeConfig, tcpPorts: [4500, 443], ...office }, { random: seededRandom('office') });
    this.conversation = new Conversation({
      machine: createInitiator({ ...overTcp, ...client }, { random: seededRandom('client'), keyLog: false }),
      office: this.office,
      client: {
        ike: { address: '0.0.0.0', port: 0 },
        get natt() {
          return self.#client;
        },
      },
      gateway: { ike: { address: '0.0.0.0', port: 0 }, natt: gateway },
      network: () => (self.up ? [1] : []),
    });
  }

  /** A new connection, from another port as ever. */
  reconnect(port: number): void {
    this.#client = { ...this.#client, port };
    this.up = true;
    this.conversation.tell({ kind: 'reconnected' });
  }

  connect(): void {
    this.conversation.tell({ kind: 'start' });
    this.conversation.run(60_000, () => this.conversation.outputs('install-child').length + this.ends.length > 0);
  }

  get ends(): readonly Extract<IkeOutput, { kind: 'closed' }>[] {
    return this.conversation.outputs('closed');
  }

  /** Messages of the client so far. */
  get sent(): number {
    return this.conversation.outputs('transmit').length;
  }

  /** Where the office sent its last message. */
  get answersTo(): Endpoint | undefined {
    const last = this.conversation.officeHeard.findLast((output) => output.kind === 'transmit');
    return last?.kind === 'transmit' ? last.to : undefined;
  }
}

const direct: Endpoint = { address: clientConfig.local.address, port: 40_000, transport: 'tcp' };
const behindNat: Endpoint = { address: '198.51.100.1', port: 61_001, transport: 'tcp' };

// IKE_SA_INIT ->  <- IKE_SA_INIT  IKE_AUTH ->  <- IKE_AUTH, all on the one channel.
test('everything goes over the connection, from the first message on', () => {
  const line = new Line(direct);
  line.connect();
  assert.deepEqual(line.ends, []);
  const sent = line.conversation.outputs('transmit');
  assert.ok(sent.length >= 2);
  for (const { channel, to } of sent) {
    assert.equal(channel, 'natt');
    assert.deepEqual(to, gateway);
  }
  const [{ child }] = line.conversation.outputs('install-child');
  assert.deepEqual(child.remote, gateway);
  assert.equal(child.keepalive, false);
  assert.deepEqual(line.answersTo, direct);
});

test('NAT detection is by the ports of TCP, and tells the truth', () => {
  const open = new Line(direct);
  open.connect();
  const [{ sa }] = open.conversation.outputs('established');
  assert.deepEqual([sa.natLocal, sa.natRemote], [false, false]);
  const hidden = new Line(behindNat);
  hidden.connect();
  const [established] = hidden.conversation.outputs('established');
  assert.deepEqual([established.sa.natLocal, established.sa.natRemote], [true, false]);
  // RFC 9329 §6.6: even then no keepalives.
  assert.equal(hidden.conversation.outputs('install-child')[0].child.keepalive, false);
});

// RFC 9329 §6.2, first rule.
test('IKE_SA_INIT is sent once, and waited for ten seconds: a port that takes connections need not be a gateway', () => {
  const line = new Line(direct);
  line.up = false;
  line.conversation.tell({ kind: 'start' });
  line.conversation.run(9_900);
  assert.deepEqual([line.sent, line.ends.length], [1, 0]);
  line.conversation.run(200);
  assert.equal(line.sent, 1);
  assert.equal(line.ends[0]?.failure?.code, 'no-answer');
});

test('other requests are sent once, and waited for as long as those that are repeated', () => {
  const line = new Line(direct);
  line.connect();
  const before = line.sent;
  line.up = false;
  line.conversation.tell({ kind: 'check-liveness' });
  // 0.5, 1, 2, 4, 8 and 8 s are the pauses of the fixture's timing.
  line.conversation.run(23_400);
  assert.deepEqual([line.sent, line.ends.length], [before + 1, 0]);
  line.conversation.run(200);
  assert.equal(line.sent, before + 1);
  assert.equal(line.ends[0]?.failure?.code, 'gateway-lost');
});

// RFC 9329 §6.2: "if no response is received within some reasonable period of time, the IKE SA is deleted".
for (const mobike of [false, true]) {
  test(`a port that takes connections and breaks each is no gateway: the IKE SA is given up, ${mobike ? 'with' : 'without'} MOBIKE`, () => {
    const line = new Line(direct, { mobike }, mobike ? { mobike: {} } : {});
    line.connect();
    const began = line.conversation.now;
    line.up = false;
    for (let port = 41_000; line.ends.length === 0 && port < 41_100; port++) {
      line.conversation.run(15_000, () => line.ends.length > 0);
      if (line.ends.length > 0) break;
      line.reconnect(port);
      line.up = false;
    }
    assert.equal(line.ends[0]?.failure?.code, 'gateway-lost');
    assert.ok(line.conversation.now - began < 180_000, `${line.conversation.now - began}`);
  });
}

test('over a new connection it is told when the gateway answers', () => {
  for (const mobike of [false, true]) {
    const line = new Line(direct, { mobike }, mobike ? { mobike: {} } : {});
    line.connect();
    line.up = false;
    line.conversation.run(1_000);
    line.conversation.tell({ kind: 'reconnected' });
    line.conversation.run(1_000);
    assert.equal(line.conversation.outputs('alive').length, 0);
    line.reconnect(40_001);
    line.conversation.run(1_000);
    assert.equal(line.conversation.outputs('alive').length, 1);
  }
});

// RFC 9329 §6.2, second rule: IKE_SA_INIT -> (lost with its connection), new connection, IKE_SA_INIT -> …
test('over a new connection IKE_SA_INIT goes out again, the very same octets', () => {
  const line = new Line(direct);
  line.up = false;
  line.conversation.tell({ kind: 'start' });
  line.conversation.run(5_000);
  line.reconnect(40_001);
  line.conversation.run(60_000, () => line.conversation.outputs('install-child').length > 0);
  const [first, second] = line.conversation.outputs('transmit');
  assert.deepEqual(second?.bytes, first?.bytes);
  assert.equal(line.conversation.outputs('install-child').length, 1);
});

// IKE_AUTH -> (lost), new connection, the same IKE_AUTH ->  <- IKE_AUTH
test('over a new connection IKE_AUTH goes out again', () => {
  const line = new Line(direct);
  line.conversation.tell({ kind: 'start' });
  assert.ok(line.conversation.run(1_000, () => line.sent === 1));
  // The request of IKE_AUTH is lost: the connection breaks when the answer to IKE_SA_INIT has arrived.
  assert.ok(line.conversation.run(1_000, () => line.conversation.officeHeard.some(({ kind }) => kind === 'transmit')));
  line.up = false;
  assert.ok(line.conversation.run(1_000, () => line.sent === 2));
  line.conversation.run(10_000);
  assert.equal(line.sent, 2);
  line.reconnect(40_001);
  line.conversation.run(10_000, () => line.conversation.outputs('install-child').length > 0);
  const sent = line.conversation.outputs('transmit');
  assert.deepEqual(sent[2]?.bytes, sent[1]?.bytes);
  assert.equal(line.conversation.outputs('install-child').length, 1);
});

// RFC 9329 §6.1: INFORMATIONAL {} ->  <- INFORMATIONAL {}
test('a new connection of an established SA is shown to the office, which answers there from then on', () => {
  const line = new Line(behindNat);
  line.connect();
  const before = line.sent;
  line.up = false;
  line.conversation.run(3_000);
  line.reconnect(61_077);
  line.conversation.run(1_000);
  assert.equal(line.sent, before + 1);
  assert.deepEqual(line.answersTo, { ...behindNat, port: 61_077 });
  line.conversation.tellOffice({ kind: 'check-liveness' });
  assert.deepEqual(line.answersTo, { ...behindNat, port: 61_077 });
  line.conversation.run(1_000);
  assert.deepEqual(line.ends, []);
  assert.deepEqual(line.office.list()[0]?.remote, { ...behindNat, port: 61_077 });
});

// RFC 9329 §6.1: "both sides SHOULD maintain the state for their SAs".
test('an SA outlives its connection: lost and found again an hour long, with liveness asked over each', () => {
  const line = new Line(behindNat);
  line.connect();
  for (let round = 1; round <= 120; round++) {
    line.up = false;
    line.conversation.run(10_000);
    line.reconnect(61_100 + round);
    line.conversation.run(20_000);
    assert.deepEqual([line.ends.length, line.office.list().length], [0, 1], `round ${round}`);
  }
});

test('without a new connection the SA ends when the gateway was silent for as long as over UDP', () => {
  const line = new Line(direct);
  line.connect();
  line.up = false;
  line.conversation.run(30_000 + 23_600);
  assert.equal(line.ends[0]?.failure?.code, 'gateway-lost');
});

test('a request in flight is repeated over every new connection, and its answer is taken once', () => {
  const line = new Line(direct);
  line.connect();
  line.up = false;
  line.conversation.tell({ kind: 'check-liveness' });
  const before = line.sent;
  for (const port of [40_001, 40_002, 40_003]) {
    line.reconnect(port);
    line.conversation.run(0);
  }
  assert.equal(line.sent, before + 3, 'the same request three times');
  line.conversation.run(5_000);
  assert.deepEqual(line.ends, []);
  assert.equal(line.sent, before + 3);
});

// RFC 9329 §6.4
test('an error in IKE_SA_INIT is believed at once', () => {
  const line = new Line(direct, {}, { misbehave: ['takes-no-proposal'] satisfies readonly MisbehaviourName[] });
  const started = line.conversation.now;
  line.connect();
  assert.equal(line.ends[0]?.failure?.code, 'no-proposal-chosen');
  assert.ok(line.conversation.now - started < 100, 'no better answer is waited for');
});

// RFC 9329 §6.3
test('an office that wants cookies wants none of who has a connection', () => {
  const line = new Line(direct, {}, { cookie: 'always' });
  line.connect();
  assert.equal(line.conversation.outputs('install-child').length, 1);
  const answer = line.conversation.officeHeard.find((output) => output.kind === 'transmit');
  assert.ok(answer?.kind === 'transmit');
  const parsed = parseMessage(answer.bytes);
  assert.ok(parsed.ok && findNotify(parsed.value.payloads, NOTIFY.COOKIE) === undefined);
});

test('what does not come over the connection is not the answer', () => {
  const line = new Line(direct);
  line.up = false;
  line.conversation.tell({ kind: 'start' });
  line.conversation.run(10);
  const { transport: _, ...udp } = gateway;
  const office = createHeadOffice({ ...officeConfig, tcpPorts: [443] }, { random: seededRandom('another') });
  const [request] = line.conversation.outputs('transmit');
  office.handle({ kind: 'datagram', bytes: request.bytes.slice(), channel: 'natt', from: direct }, 0);
  let answer = office.poll();
  while (answer !== undefined && answer.kind !== 'transmit') answer = office.poll();
  assert.ok(answer !== undefined);
  for (const from of [udp, { ...gateway, port: 4500 }])
    line.conversation.tell({ kind: 'datagram', bytes: answer.bytes.slice(), channel: 'natt', from });
  assert.equal(line.sent, 1);
  line.conversation.tell({ kind: 'datagram', bytes: answer.bytes.slice(), channel: 'natt', from: gateway });
  assert.equal(line.sent, 2, 'the same octets over the connection are');
});

test('DELETE goes over the connection and ends both', () => {
  const line = new Line(direct);
  line.connect();
  line.conversation.tell({ kind: 'terminate' });
  line.conversation.run(1_000);
  assert.equal(line.ends.length, 1);
  assert.equal(line.ends[0]?.failure, undefined);
  assert.equal(line.office.list().length, 0);
});

// RFC 9329 §6.1: INFORMATIONAL {UPDATE_SA_ADDRESSES, …, COOKIE2} ->  <- INFORMATIONAL {COOKIE2}
test('with MOBIKE a new connection is shown by an update of the addresses, and the office comes without a check of its own', () => {
  const line = new Line(behindNat, { mobike: true }, { mobike: {} });
  line.connect();
  for (const port of [61_077, 61_078]) {
    const before = line.sent;
    const moves = line.conversation.officeHeard.filter(({ kind }) => kind === 'moved').length;
    line.up = false;
    line.conversation.run(3_000);
    line.reconnect(port);
    line.conversation.run(1_000);
    assert.equal(line.sent, before + 1, 'one update, and no request of the office to answer');
    const moved = line.conversation.officeHeard.filter((output) => output.kind === 'moved');
    assert.equal(moved.length, moves + 1);
    const last = moved.at(-1);
    assert.ok(last?.kind === 'moved');
    assert.deepEqual([last.remote, last.natLocal], [{ ...behindNat, port }, false]);
    assert.deepEqual(line.answersTo, { ...behindNat, port });
  }
  assert.deepEqual(line.conversation.outputs('moved'), [], 'we are where we were');
  assert.deepEqual(line.ends, []);
});

// INFORMATIONAL {} -> (lost), new connection, the same INFORMATIONAL {} ->  <- INFORMATIONAL {}  INFORMATIONAL {UPDATE_SA_ADDRESSES} -> …
test('with MOBIKE what was in flight goes first, then the update', () => {
  const line = new Line(direct, { mobike: true }, { mobike: {} });
  line.connect();
  line.up = false;
  line.conversation.tell({ kind: 'check-liveness' });
  line.conversation.run(100);
  const before = line.sent;
  line.reconnect(40_001);
  line.conversation.run(1_000);
  const sent = line.conversation.outputs('transmit');
  assert.deepEqual(sent[before]?.bytes, sent[before - 1]?.bytes);
  assert.equal(line.sent, before + 2);
  assert.deepEqual(line.office.list()[0]?.remote, { ...direct, port: 40_001 });
  line.conversation.run(120_000);
  assert.deepEqual(line.ends, []);
});

// RFC 9329 §7.5
test('nothing goes in fragments, though they are agreed on for the day when it goes over UDP', () => {
  const remoteSelectors = Array.from({ length: 100 }, (_, i) => selector(`10.${i}.0.0/16`));
  const line = new Line(direct, { fragmentation: 'force', remoteSelectors });
  line.connect();
  assert.equal(line.conversation.outputs('install-child').length, 1);
  const sent = line.conversation.outputs('transmit');
  assert.ok(sent.some(({ bytes }) => bytes.length > 1_500));
  for (const { bytes } of sent) {
    const parsed = parseMessage(bytes);
    assert.ok(parsed.ok && parsed.value.payloads.every(({ kind }) => kind !== 'SKF'));
  }
});
