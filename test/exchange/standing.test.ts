/**
 * What lasts as long as an authentication: AUTH_LIFETIME (RFC 4478), the token of a crash (RFC 6290), between the client and the embedded
 * head office, and unprotected hints that an SA is not known (RFC 7296 §1.5, §2.4).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IkeConfig } from '../../core/ike/sa/contract.ts';
import { EXCHANGE, NOTIFY, PROTOCOL } from '../../core/ike/wire/constants.ts';
import { encodeMessage } from '../../core/ike/wire/encode.ts';
import type { Header, Payload } from '../../core/ike/wire/message.ts';
import { notify } from '../../core/ike/wire/payloads.ts';
import { spiBytes } from '../../core/ike/wire/spi.ts';
import type { HeadOfficeConfig } from '../gateway/config.ts';
import type { Conversation } from '../gateway/conversation.ts';
import { crashToken, tokenPayload } from '../gateway/standing.ts';
import { agreed, meet } from './office.ts';

const bytesOf = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
const u32 = (value: number) => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
const lifetime = (seconds: number): Payload => notify(NOTIFY.AUTH_LIFETIME, u32(seconds));

function up(office: Partial<HeadOfficeConfig> = {}, client: Partial<IkeConfig> = {}): Conversation {
  const conversation = meet({ office, client });
  agreed(conversation);
  return conversation;
}

/** Milliseconds from `from` until the machine asked for another authentication; undefined: it did not. */
function askedAfter(conversation: Conversation, from: number, within: number): readonly [number, number] | undefined {
  const before = conversation.outputs('reauthenticate').length;
  const asked = conversation.run(within, () => conversation.outputs('reauthenticate').length > before);
  return asked ? [conversation.now - from, conversation.outputs('reauthenticate').at(-1)?.within ?? 0] : undefined;
}

const failureOf = (conversation: Conversation) => conversation.outputs('closed')[0]?.failure?.code;

// --- AUTH_LIFETIME -----------------------------------------------------------------------------------------------------------------

test('AUTH_LIFETIME in IKE_AUTH: asked for in time, once, with jitter; at its end the office deletes, and the reason is told', () => {
  const conversation = up({ authLifetime: 3600 });
  const from = conversation.now;
  const [after, within] = askedAfter(conversation, from, 3_700_000) ?? assert.fail();
  // 300 s before the end, and up to a quarter of that earlier.
  assert.ok(after <= 3_300_000 && after >= 3_225_000, String(after));
  assert.ok(Math.abs(after + within - 3_630_000) <= 20, `${after} + ${within}`);
  conversation.run(200_000);
  assert.equal(conversation.outputs('reauthenticate').length, 1);
  conversation.run(1_000_000, () => failureOf(conversation) !== undefined);
  assert.equal(failureOf(conversation), 'authentication-expired');
  assert.ok(conversation.now - from >= 3_600_000 && conversation.now - from < 3_601_000, 'it is the office that ends it');
});

test('a lifetime that is no lifetime does not become a loop (RFC 4478 §5), and a zero is at once (§3)', () => {
  const short = up();
  // In the first seconds: not before ten are over.
  short.tellOffice({ kind: 'tell', payloads: [lifetime(1)] });
  const [after] = askedAfter(short, short.now, 20_000) ?? assert.fail();
  assert.ok(after > 9_000 && after <= 10_000, String(after));

  const zero = up();
  zero.run(100_000);
  zero.tellOffice({ kind: 'tell', payloads: [lifetime(0)] });
  const [at, within] = askedAfter(zero, zero.now, 5_000) ?? assert.fail();
  assert.ok(at < 100 && within > 55_000, 'a reasonable time to do it');
  zero.run(100_000, () => failureOf(zero) !== undefined);
  assert.equal(failureOf(zero), 'authentication-expired');
});

test('the last word of the gateway counts, and never more than what we demand ourselves', () => {
  const conversation = up({}, { reauthenticateEvery: 1_000_000 });
  const from = conversation.now;
  conversation.tellOffice({ kind: 'tell', payloads: [lifetime(100)] });
  conversation.run(1_000);
  conversation.tellOffice({ kind: 'tell', payloads: [lifetime(86_400)] });
  assert.equal(askedAfter(conversation, from, 500_000), undefined, 'the first word is forgotten');
  const [after, within] = askedAfter(conversation, from, 600_000) ?? assert.fail();
  assert.ok(after >= 750_000 && after <= 800_000 && Math.abs(after + within - 1_000_000) <= 20, `${after} ${within}`);
});

test('an AUTH_LIFETIME of another length is none, and of the longest that can be said nothing comes soon', () => {
  const conversation = up();
  const wrong = [new Uint8Array(0), Uint8Array.of(0, 0, 1), new Uint8Array(5)];
  conversation.tellOffice({ kind: 'tell', payloads: wrong.map((data) => notify(NOTIFY.AUTH_LIFETIME, data)) });
  conversation.run(1_000);
  const warnings = conversation.outputs('log').filter(({ text }) => text === 'peer reports AUTH_LIFETIME');
  assert.equal(warnings.length, 3);
  conversation.tellOffice({ kind: 'tell', payloads: [lifetime(0xffff_ffff)] });
  assert.equal(askedAfter(conversation, conversation.now, 1_000_000), undefined);
});

test('in the middle of IKE_AUTH, unasked for, it does no harm: only the last answer is read', () => {
  const conversation = up({ changeAuth: (honest) => [...honest, lifetime(600), lifetime(20)] });
  const [after] = askedAfter(conversation, conversation.now, 700_000) ?? assert.fail();
  assert.ok(after > 400_000);
});

// --- QCD ---------------------------------------------------------------------------------------------------------------------------

const secret = new Uint8Array(32).fill(9);

test('an office that lost the SA proves it by its token, in answer to a liveness check: over at once (RFC 6290)', () => {
  const conversation = up({ crashSecret: secret, answerUnknownSpis: true });
  conversation.tellOffice({ kind: 'forget' });
  const before = conversation.now;
  // HDR, SK {} →   ← HDR, N(INVALID_IKE_SPI), N(QCD_TOKEN)
  conversation.tell({ kind: 'check-liveness' });
  conversation.run(60_000, () => failureOf(conversation) !== undefined);
  assert.equal(failureOf(conversation), 'gateway-restarted');
  assert.ok(conversation.now - before < 100, 'one round trip');
  assert.equal(conversation.outputs('remove-child').length, 1);
  const last = conversation.heard.findLast((output) => output.kind === 'transmit');
  assert.ok(last && conversation.heard.indexOf(last) < conversation.heard.findIndex(({ kind }) => kind === 'closed'));
});

test('without a token the same takes as long as silence does', () => {
  const conversation = up({ answerUnknownSpis: true });
  conversation.tellOffice({ kind: 'forget' });
  const before = conversation.now;
  conversation.tell({ kind: 'check-liveness' });
  conversation.run(100_000, () => failureOf(conversation) !== undefined);
  assert.equal(failureOf(conversation), 'gateway-lost');
  assert.ok(conversation.now - before > 10_000);
});

test('AUTH_LIFETIME goes on through a rekey of the IKE SA (RFC 4478 §2), and so does our own limit', () => {
  const conversation = up({ authLifetime: 3600 }, { reauthenticateEvery: 5_000_000 });
  const from = conversation.now;
  conversation.run(600_000);
  conversation.tell({ kind: 'rekey-ike' });
  conversation.run(10_000);
  assert.equal(conversation.outputs('ike-rekeyed').length, 1);
  const [after] = askedAfter(conversation, from, 3_700_000) ?? assert.fail();
  assert.ok(after <= 3_300_000, String(after));
  conversation.run(1_000_000, () => failureOf(conversation) !== undefined);
  assert.equal(failureOf(conversation), 'authentication-expired');
});

test('after a rekey the token is another: the new one ends the SA, the old one does not (RFC 6290 §4.3, §5.3)', () => {
  for (const by of ['us', 'the office'] as const) {
    const conversation = up({ crashSecret: secret, answerUnknownSpis: true });
    const [{ sa: before }] = conversation.outputs('established');
    const old = tokenPayload(crashToken(secret, bytesOf(before.spiI), bytesOf(before.spiR)));
    if (by === 'us') conversation.tell({ kind: 'rekey-ike' });
    else conversation.tellOffice({ kind: 'rekey-ike' });
    conversation.run(20_000);
    const [{ sa: now }] = conversation.outputs('ike-rekeyed');
    inject(conversation, { payloads: [notify(NOTIFY.INVALID_IKE_SPI), old] });
    const spis = { spiI: bytesOf(now.spiI), spiR: bytesOf(now.spiR) };
    inject(conversation, { header: spis, payloads: [notify(NOTIFY.INVALID_IKE_SPI), old] });
    assert.equal(failureOf(conversation), undefined, by);
    conversation.run(30_000);
    conversation.tellOffice({ kind: 'forget' });
    conversation.tell({ kind: 'check-liveness' });
    conversation.run(60_000, () => failureOf(conversation) !== undefined);
    assert.equal(failureOf(conversation), 'gateway-restarted', by);
  }
});

interface Forged {
  readonly header?: Partial<Header>;
  readonly payloads: readonly Payload[];
}

function inject(conversation: Conversation, { header, payloads }: Forged): void {
  const [{ sa }] = conversation.outputs('established');
  const flags = { initiator: false, version: false, response: true };
  const spis = { spiI: bytesOf(sa.spiI), spiR: bytesOf(sa.spiR) };
  const whole = { ...spis, majorVersion: 2, minorVersion: 0, exchange: EXCHANGE.INFORMATIONAL, messageId: 1, flags, ...header };
  const from = { address: '203.0.113.66', port: 4242 };
  conversation.tell({ kind: 'datagram', bytes: encodeMessage(whole, payloads), channel: 'natt', from });
}

function right(conversation: Conversation): Payload {
  const [{ sa }] = conversation.outputs('established');
  return tokenPayload(crashToken(secret, bytesOf(sa.spiI), bytesOf(sa.spiR)));
}

/** Empty INFORMATIONAL requests sent. */
const checks = (conversation: Conversation) =>
  conversation.outputs('log').filter(({ text, fields }) => text === 'sent INFORMATIONAL request' && fields?.payloads === '')
    .length;

test('the right token among others, about ESP, from any address: believed (RFC 6290 §3, §4.5, §8.2)', () => {
  const wrong = tokenPayload(new Uint8Array(32).fill(1));
  const zero = { spiI: new Uint8Array(8), spiR: new Uint8Array(8), flags: { initiator: true, version: false, response: false } };
  for (const build of [
    (conversation: Conversation): Forged => ({
      payloads: [notify(NOTIFY.INVALID_IKE_SPI), wrong, wrong, wrong, right(conversation)],
    }),
    (conversation: Conversation): Forged => {
      const [{ child }] = conversation.outputs('install-child');
      return { header: zero, payloads: [notify(NOTIFY.INVALID_SPI, spiBytes(child.spiOut)), right(conversation)] };
    },
  ]) {
    const conversation = up({ crashSecret: secret });
    inject(conversation, build(conversation));
    assert.equal(failureOf(conversation), 'gateway-restarted');
  }
});

test('what proves nothing ends nothing: it makes the client ask, and not often (RFC 7296 §2.4)', () => {
  const other = { spiI: new Uint8Array(8).fill(3), spiR: new Uint8Array(8).fill(4) };
  const wrong = tokenPayload(new Uint8Array(32).fill(1));
  const zero = { spiI: new Uint8Array(8), spiR: new Uint8Array(8) };
  const cases: readonly (readonly [string, (conversation: Conversation) => Forged, number])[] = [
    ['no token', () => ({ payloads: [notify(NOTIFY.INVALID_IKE_SPI)] }), 1],
    ['a wrong token', () => ({ payloads: [notify(NOTIFY.INVALID_IKE_SPI), wrong] }), 1],
    ['half the token', (c) => ({ payloads: [notify(NOTIFY.INVALID_IKE_SPI), cut(right(c))] }), 1],
    ['an ESP SPI of ours', (c) => ({ header: zero, payloads: [invalidSpi(c.outputs('install-child')[0].child.spiOut)] }), 1],
    ['the token alone', (c) => ({ payloads: [right(c)] }), 0],
    ['the token for other SPIs', (c) => ({ header: other, payloads: [notify(NOTIFY.INVALID_IKE_SPI), right(c)] }), 0],
    ['an ESP SPI of nobody', (c) => ({ header: zero, payloads: [invalidSpi(0x1234_5678), right(c)] }), 0],
    ['our inbound ESP SPI', (c) => ({ header: zero, payloads: [invalidSpi(c.outputs('install-child')[0].child.spiIn)] }), 0],
    ['INVALID_SPI without SPI', () => ({ header: zero, payloads: [notify(NOTIFY.INVALID_SPI)] }), 0],
    ['another error', (c) => ({ payloads: [notify(NOTIFY.AUTHENTICATION_FAILED), right(c)] }), 0],
  ];
  for (const [what, build, expected] of cases) {
    const conversation = up({ crashSecret: secret });
    for (let i = 0; i < 100; i++) {
      inject(conversation, build(conversation));
      conversation.run(50);
    }
    assert.equal(checks(conversation), expected, what);
    conversation.run(10_000);
    inject(conversation, build(conversation));
    conversation.run(10_000);
    assert.equal(checks(conversation), 2 * expected, `${what}, later`);
    assert.equal(failureOf(conversation), undefined, what);
  }
});

test('tokens tried by the thousand are not all compared, and the right one is believed later (RFC 6290 §8.1)', () => {
  const conversation = up({ crashSecret: secret });
  for (let i = 0; i < 1000; i++) {
    const guess = tokenPayload(new Uint8Array(32).fill(i));
    inject(conversation, { payloads: [notify(NOTIFY.INVALID_IKE_SPI), guess] });
  }
  inject(conversation, { payloads: [notify(NOTIFY.INVALID_IKE_SPI), right(conversation)] });
  assert.equal(failureOf(conversation), undefined);
  conversation.run(10_000);
  inject(conversation, { payloads: [notify(NOTIFY.INVALID_IKE_SPI), right(conversation)] });
  assert.equal(failureOf(conversation), 'gateway-restarted');
});

test('a token that comes later under protection counts too; one that is too short or too long does not (RFC 6290 §4.4, §5)', () => {
  for (const [length, taken] of [
    [15, false],
    [16, true],
    [128, true],
    [129, false],
  ] as const) {
    const conversation = up();
    const token = tokenPayload(new Uint8Array(length).fill(length));
    conversation.tellOffice({ kind: 'tell', payloads: [token] });
    conversation.run(1_000);
    inject(conversation, { payloads: [notify(NOTIFY.INVALID_IKE_SPI), token] });
    assert.equal(failureOf(conversation), taken ? 'gateway-restarted' : undefined, String(length));
  }
});

function cut(payload: Payload): Payload {
  return payload.kind === 'N' ? { ...payload, protocol: PROTOCOL.IKE, data: payload.data.subarray(0, 16) } : payload;
}

function invalidSpi(spi: number): Payload {
  return notify(NOTIFY.INVALID_SPI, spiBytes(spi));
}
