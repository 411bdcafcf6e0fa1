/** Real messages of strongSwan 5.9.8 (captured/README.md): what they say, and that the codec is exact in both directions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, toHex, toUtf8 } from '../../../../core/bytes/bytes.ts';
import { CP_ATTRIBUTE, CP_TYPE, EXCHANGE, NOTIFY, nameOf, PROTOCOL, TRANSFORM } from '../../../../core/ike/wire/constants.ts';
import { encodeEncryptedPrefix, encodeMessage, encodePayloads } from '../../../../core/ike/wire/encode.ts';
import type { Message, Payload, PayloadOf } from '../../../../core/ike/wire/message.ts';
import { parseMessage, parsePayloads } from '../../../../core/ike/wire/parse.ts';
import { findNotify, findPayload } from '../../../../core/ike/wire/payloads.ts';
import { captured, readCaptured } from './captured.ts';

const all = readCaptured();

test('every captured message is parsed, and encoding what was parsed gives its bytes again', () => {
  assert.equal(all.length, 75);
  for (const { name, bytes } of all) {
    const message = parsed(bytes, name);
    assert.equal(toHex(encodeMessage(message.header, message.payloads)), toHex(bytes), name);
  }
});

test('every captured plaintext is parsed, and encoding what was parsed gives its bytes again', () => {
  let count = 0;
  for (const { name, bytes, inner } of all) {
    const last = parsed(bytes, name).payloads.at(-1);
    if (inner === undefined || last?.kind !== 'SK') continue;
    const encoded = encodePayloads(opened(last.firstInner, inner, name));
    assert.equal(toHex(encoded.bytes), toHex(inner), name);
    assert.equal(encoded.first, last.firstInner, name);
    count++;
  }
  assert.equal(count, 47);
});

test('RFC 5282 §5.1: the encrypted prefix has the octets that strongSwan authenticated', () => {
  for (const { name, bytes } of all) {
    const { header, payloads } = parsed(bytes, name);
    const last = payloads.at(-1);
    if (last?.kind !== 'SK' && last?.kind !== 'SKF') continue;
    const kind = last.kind === 'SK' ? 'SK' : { fragment: last.fragment, total: last.total };
    const prefix = encodeEncryptedPrefix(header, kind, last.firstInner, last.body.length);
    assert.equal(toHex(prefix), toHex(bytes.subarray(0, last.bodyOffset)), name);
    assert.equal(toHex(last.body), toHex(bytes.subarray(last.bodyOffset)), name);
  }
});

test('IKE_SA_INIT request: header, proposal, key exchange, nonce, notifies', () => {
  const { header, payloads } = parsed(captured('create-child-refused/01-client-IKE_SA_INIT-request-0').bytes);
  assert.equal(header.exchange, EXCHANGE.IKE_SA_INIT);
  assert.equal(header.messageId, 0);
  assert.deepEqual(header.flags, { initiator: true, version: false, response: false });
  assert.equal(toHex(header.spiR), '0000000000000000');
  assert.equal(
    shape(payloads),
    'SA KE NONCE NAT_DETECTION_SOURCE_IP NAT_DETECTION_DESTINATION_IP IKEV2_FRAGMENTATION_SUPPORTED SIGNATURE_HASH_ALGORITHMS REDIRECT_SUPPORTED',
  );
  // chacha20poly1305-prfsha256-curve25519, as configured.
  assert.deepEqual(need(payloads, 'SA').proposals, [
    {
      number: 1,
      protocol: PROTOCOL.IKE,
      spi: new Uint8Array(0),
      transforms: [
        { type: TRANSFORM.ENCR, id: 28 },
        { type: TRANSFORM.PRF, id: 5 },
        { type: TRANSFORM.KE, id: 31 },
      ],
    },
  ]);
  assert.equal(need(payloads, 'KE').method, 31);
  assert.equal(need(payloads, 'KE').data.length, 32);
  assert.equal(need(payloads, 'NONCE').data.length, 32);
  // RFC 7427 §4: SHA2-256, -384, -512 and identity.
  assert.equal(toHex(notifyOf(payloads, NOTIFY.SIGNATURE_HASH_ALGORITHMS).data), '0002000300040005');
  assert.equal(notifyOf(payloads, NOTIFY.NAT_DETECTION_SOURCE_IP).data.length, 20);
});

test('IKE_SA_INIT request: a list of proposals with key lengths', () => {
  // aes256gcm16-prfsha384-ecp256-ecp384,aes128-sha256-modp2048
  const { payloads } = parsed(captured('psk-both-families/01-client-IKE_SA_INIT-request-0').bytes);
  const proposals = need(payloads, 'SA').proposals.map(({ number, transforms }) => [
    number,
    transforms
      .map(({ type, id, keyLength }) => `${nameOf(TRANSFORM, type)}=${id}${keyLength === undefined ? '' : `/${keyLength}`}`)
      .join(' '),
  ]);
  assert.deepEqual(proposals, [
    [1, 'ENCR=20/256 PRF=6 KE=19 KE=20'],
    [2, 'ENCR=12/128 INTEG=12 PRF=5 KE=14'],
  ]);
});

test('refusals of IKE_SA_INIT: INVALID_KE_PAYLOAD, COOKIE, NO_PROPOSAL_CHOSEN', () => {
  const ke = parsed(captured('psk-both-families/02-gateway-IKE_SA_INIT-response-0').bytes);
  assert.equal(shape(ke.payloads), 'INVALID_KE_PAYLOAD');
  assert.equal(toHex(notifyOf(ke.payloads, NOTIFY.INVALID_KE_PAYLOAD).data), '0014'); // group 20
  assert.deepEqual(ke.header.flags, { initiator: false, version: false, response: true });
  const cookie = parsed(captured('cookie/02-gateway-IKE_SA_INIT-response-0').bytes);
  assert.equal(notifyOf(cookie.payloads, NOTIFY.COOKIE).data.length, 24);
  const again = parsed(captured('cookie/03-client-IKE_SA_INIT-request-0').bytes);
  assert.match(shape(again.payloads), /^COOKIE SA KE NONCE/);
  const none = parsed(captured('no-proposal/02-gateway-IKE_SA_INIT-response-0').bytes);
  assert.equal(shape(none.payloads), 'NO_PROPOSAL_CHOSEN');
});

test('IKE_AUTH request: identities, PSK authentication, configuration request, selectors', () => {
  const payloads = inside('psk-both-families/05-client-IKE_AUTH-request-1');
  assert.equal(
    shape(payloads),
    'IDi INITIAL_CONTACT CERTREQ IDr AUTH CP SA TSi TSr MOBIKE_SUPPORTED NO_ADDITIONAL_ADDRESSES MULTIPLE_AUTH_SUPPORTED EAP_ONLY_AUTHENTICATION IKEV2_MESSAGE_ID_SYNC_SUPPORTED',
  );
  assert.equal(toUtf8(need(payloads, 'IDi').data), 'alice@office.test');
  assert.equal(need(payloads, 'IDi').idType, 3);
  assert.equal(toUtf8(need(payloads, 'IDr').data), 'vpn.office.test');
  assert.equal(need(payloads, 'AUTH').method, 2);
  assert.equal(need(payloads, 'AUTH').data.length, 48);
  const request = need(payloads, 'CP');
  assert.equal(request.cfgType, CP_TYPE.REQUEST);
  assert.deepEqual(
    request.attributes.map(({ type, value }) => `${nameOf(CP_ATTRIBUTE, type)} ${toHex(value)}`.trim()),
    // strongSwan asks for DNS only when a plugin can install it.
    ['INTERNAL_IP4_ADDRESS', 'INTERNAL_IP6_ADDRESS'],
  );
  assert.equal(need(payloads, 'SA').proposals[0].protocol, PROTOCOL.ESP);
  assert.equal(need(payloads, 'SA').proposals[0].spi.length, 4);
  assert.equal(
    need(payloads, 'TSr').selectors.map(range).join(' '),
    '00000000-ffffffff ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
  );
});

test('IKE_AUTH response: configuration reply and narrowed selectors of both families', () => {
  const payloads = inside('psk-both-families/06-gateway-IKE_AUTH-response-1');
  assert.equal(shape(payloads), 'IDr AUTH CP SA TSi TSr MOBIKE_SUPPORTED NO_ADDITIONAL_ADDRESSES');
  const reply = need(payloads, 'CP');
  assert.equal(reply.cfgType, CP_TYPE.REPLY);
  assert.deepEqual(
    reply.attributes.map(({ type, value }) => `${nameOf(CP_ATTRIBUTE, type)} ${toHex(value)}`),
    [
      'INTERNAL_IP4_ADDRESS 0a090001',
      'INTERNAL_IP6_ADDRESS 20010db800090000000000000000000140',
      'INTERNAL_IP4_DNS 0a010035',
      'INTERNAL_IP4_DNS 0a010036',
      'INTERNAL_IP4_SUBNET 0a010000ffff0000',
      'INTERNAL_IP4_SUBNET 0a020000ffff0000',
      '28678 0a030000ffff0000', // UNITY_LOCAL_LAN, a vendor's
      `INTERNAL_DNS_DOMAIN ${toHex(Buffer.from('office.test'))}`,
      'INTERNAL_IP6_DNS 20010db8000100000000000000000053',
    ],
  );
  assert.deepEqual(need(payloads, 'TSr').selectors.map(range), [
    '0a010000-0a01ffff',
    '0a020000-0a02ffff',
    '2001:db8:1:0:0:0:0:0-2001:db8:1:ffff:ffff:ffff:ffff:ffff',
  ]);
  const [tcp] = need(payloads, 'TSr').selectors;
  assert.deepEqual([tcp.protocol, tcp.startPort, tcp.endPort], [6, 0, 65535]);
});

test('IKE_AUTH refused: AUTHENTICATION_FAILED inside SK', () => {
  assert.equal(shape(inside('unknown-identity/04-gateway-IKE_AUTH-response-1')), 'AUTHENTICATION_FAILED');
});

test('CREATE_CHILD_SA: rekey with and without key exchange, of the IKE SA, and the refusals', () => {
  const rekey = inside('psk-both-families/07-client-CREATE_CHILD_SA-request-2');
  assert.equal(shape(rekey), 'REKEY_SA SA NONCE TSi TSr');
  const about = notifyOf(rekey, NOTIFY.REKEY_SA);
  assert.equal(about.protocol, PROTOCOL.ESP);
  assert.equal(about.spi.length, 4);
  assert.equal(shape(inside('create-child-refused/09-client-CREATE_CHILD_SA-request-4')), 'REKEY_SA SA NONCE KE TSi TSr');
  const ike = inside('psk-both-families/15-client-CREATE_CHILD_SA-request-5');
  assert.equal(shape(ike), 'SA NONCE KE');
  assert.equal(need(ike, 'SA').proposals[0].protocol, PROTOCOL.IKE);
  assert.equal(need(ike, 'SA').proposals[0].spi.length, 8);
  assert.equal(shape(inside('create-child-refused/06-gateway-CREATE_CHILD_SA-response-2')), 'TS_UNACCEPTABLE');
  assert.equal(shape(inside('create-child-refused/08-gateway-CREATE_CHILD_SA-response-3')), 'NO_PROPOSAL_CHOSEN');
});

test('INFORMATIONAL: delete of a CHILD SA, delete of the IKE SA, empty answer', () => {
  const [child] = inside('psk-both-families/19-client-INFORMATIONAL-request-0');
  assert.ok(child.kind === 'D' && child.protocol === PROTOCOL.ESP && child.spis.length === 1);
  const [ike] = inside('psk-both-families/21-client-INFORMATIONAL-request-1');
  assert.deepEqual(ike, { kind: 'D', protocol: PROTOCOL.IKE, spis: [] });
  assert.deepEqual(inside('psk-both-families/22-gateway-INFORMATIONAL-response-1'), []);
});

test('RFC 7383 §2.6: the plaintexts of all fragments, joined, are the inner payloads', () => {
  const request = reassembled('certificates-fragments', 'client', 3);
  assert.match(shape(request), /^IDi CERT INITIAL_CONTACT CERTREQ IDr AUTH CP SA TSi TSr /);
  assert.equal(need(request, 'CERT').encoding, 4);
  assert.equal(need(request, 'CERT').data[0], 0x30); // a DER sequence
  assert.equal(need(request, 'CERTREQ').data.length, 20);
  assert.equal(need(request, 'AUTH').method, 14);
  const response = reassembled('certificates-fragments', 'gateway', 3);
  assert.equal(shape(response), 'IDr CERT AUTH CP SA TSi TSr MOBIKE_SUPPORTED NO_ADDITIONAL_ADDRESSES');
  assert.equal(shape(reassembled('eap-md5', 'gateway', 2)), 'IDr CERT AUTH EAP');
});

test('EAP: identity, challenge, answer and success', () => {
  const [identity] = inside('eap-md5/06-client-IKE_AUTH-request-2');
  assert.ok(identity.kind === 'EAP');
  assert.equal(toUtf8(identity.message.subarray(5)), 'bob@office.test');
  const [success] = inside('eap-md5/09-gateway-IKE_AUTH-response-3');
  assert.ok(success.kind === 'EAP');
  assert.equal(success.message[0], 3);
  assert.equal(success.message.length, 4);
});

test('strongSwan understands our encoder: an IKE_SA_INIT of ours and its answer', () => {
  const ours = parsed(captured('answer-to-our-encoder/01-client-IKE_SA_INIT-request-0').bytes);
  const answer = parsed(captured('answer-to-our-encoder/02-gateway-IKE_SA_INIT-response-0').bytes);
  assert.equal(toHex(answer.header.spiI), toHex(ours.header.spiI));
  assert.deepEqual(need(answer.payloads, 'SA').proposals[0].transforms, [
    { type: TRANSFORM.ENCR, id: 28 },
    { type: TRANSFORM.PRF, id: 5 },
    { type: TRANSFORM.KE, id: 31 },
  ]);
  assert.equal(need(answer.payloads, 'SA').proposals[0].number, 2);
});

function parsed(bytes: Uint8Array, name = ''): Message {
  const result = parseMessage(bytes);
  assert.ok(result.ok, `${name}: ${result.ok ? '' : result.error.place}`);
  return result.value;
}

function opened(first: number, bytes: Uint8Array, name: string): readonly Payload[] {
  const result = parsePayloads(first, bytes);
  assert.ok(result.ok, `${name}: ${result.ok ? '' : result.error.place}`);
  return result.value;
}

function inside(name: string): readonly Payload[] {
  const { bytes, inner } = captured(name);
  const last = parsed(bytes, name).payloads.at(-1);
  assert.ok(last?.kind === 'SK' && inner !== undefined, name);
  return opened(last.firstInner, inner, name);
}

function reassembled(dialogue: string, side: string, total: number): readonly Payload[] {
  const parts = all.filter(({ name }) => name.startsWith(`${dialogue}/`) && name.includes(`-${side}-`));
  const fragments = parts.flatMap(({ bytes, inner }) => {
    const last = parsed(bytes).payloads.at(-1);
    return last?.kind === 'SKF' && inner !== undefined ? [{ last, inner }] : [];
  });
  assert.deepEqual(
    fragments.map(({ last }) => [last.fragment, last.total]),
    Array.from({ length: total }, (_, i) => [i + 1, total]),
  );
  // RFC 7383 §2.5: the first fragment names the first inner payload, the others say zero.
  assert.ok(fragments.slice(1).every(({ last }) => last.firstInner === 0));
  return opened(fragments[0].last.firstInner, concat(...fragments.map(({ inner }) => inner)), dialogue);
}

function need<K extends Payload['kind']>(payloads: readonly Payload[], kind: K): PayloadOf<K> {
  const payload = findPayload(payloads, kind);
  assert.ok(payload !== undefined, `no ${kind}`);
  return payload;
}

function notifyOf(payloads: readonly Payload[], type: number): PayloadOf<'N'> {
  const payload = findNotify(payloads, type);
  assert.ok(payload !== undefined, `no ${nameOf(NOTIFY, type)}`);
  return payload;
}

/** Kinds of the payloads, notifies by their type. */
function shape(payloads: readonly Payload[]): string {
  return payloads.map((payload) => (payload.kind === 'N' ? nameOf(NOTIFY, payload.type) : payload.kind)).join(' ');
}

function range({ start, end }: { start: Uint8Array; end: Uint8Array }): string {
  return start.length === 4 ? `${toHex(start)}-${toHex(end)}` : `${groups(start)}-${groups(end)}`;
}

function groups(bytes: Uint8Array): string {
  const hex = toHex(bytes);
  const text = Array.from({ length: 8 }, (_, i) => Number.parseInt(hex.slice(4 * i, 4 * i + 4), 16).toString(16)).join(':');
  return text === '0:0:0:0:0:0:0:0' ? '::' : text;
}
