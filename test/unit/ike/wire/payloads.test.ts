/** The payloads without structures inside (RFC 7296 §3.4 to §3.12, §3.16). One test per rule. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NOTIFY, PAYLOAD } from '../../../../core/ike/wire/constants.ts';
import { MAX_SPIS } from '../../../../core/ike/wire/parse.ts';
import {
  allNotifies,
  allPayloads,
  deleteChildSas,
  deleteIkeSa,
  findNotify,
  findPayload,
  notify,
  notifyAbout,
} from '../../../../core/ike/wire/payloads.ts';
import { fill, hex, hex16, one, refuses } from './raw.ts';

const { AUTH, CERT, CERTREQ, D, EAP, IDi, IDr, KE, N, NONCE, V } = PAYLOAD;

test('RFC 7296 §3.4: KE is a method and data, reserved octets ignored', () => {
  assert.deepEqual(one(KE, '001f ffff 0102'), { kind: 'KE', method: 31, data: hex('0102') });
});

test('RFC 7296 §3.4: KE without data is refused', () => {
  for (const body of ['', '00', '001f', '001f00', '001f0000']) refuses(KE, body, 'syntax', /key exchange data/);
});

test('RFC 7296 §3.5: ID is a type and data, reserved octets kept for AUTH alone (§2.15)', () => {
  assert.deepEqual(one(IDi, '0b ffffff 0102'), { kind: 'IDi', idType: 11, data: hex('0102'), reserved: 0xffffff });
  assert.deepEqual(one(IDr, '02 000000'), { kind: 'IDr', idType: 2, data: hex('') });
});

test('RFC 7296 §3.5: ID needs its four octets', () => {
  for (const body of ['', '02', '0200', '020000']) refuses(IDi, body, 'syntax', /short/);
});

test('RFC 7296 §3.5: ID_IPV4_ADDR has four octets, ID_IPV6_ADDR sixteen', () => {
  for (const type of [IDi, IDr]) {
    for (const length of [0, 3, 5, 16]) refuses(type, `01000000${fill(length)}`, 'syntax', /address/);
    for (const length of [0, 4, 15, 17]) refuses(type, `05000000${fill(length)}`, 'syntax', /address/);
    one(type, `01000000${fill(4)}`);
    one(type, `05000000${fill(16)}`);
  }
});

test('RFC 7296 §3.6, §3.7: CERT and CERTREQ are an encoding and data', () => {
  assert.deepEqual(one(CERT, '04 3082'), { kind: 'CERT', encoding: 4, data: hex('3082') });
  assert.deepEqual(one(CERTREQ, '04'), { kind: 'CERTREQ', encoding: 4, data: hex('') });
  refuses(CERT, '', 'syntax', /short/);
  refuses(CERTREQ, '', 'syntax', /short/);
});

test('RFC 7296 §3.8: AUTH is a method and data, reserved octets ignored', () => {
  assert.deepEqual(one(AUTH, '02 ffffff 0102'), { kind: 'AUTH', method: 2, data: hex('0102') });
  for (const body of ['', '02', '0200', '020000']) refuses(AUTH, body, 'syntax', /short/);
});

test('RFC 7296 §3.9: a nonce has 16 to 256 octets', () => {
  for (const length of [0, 1, 15, 257, 1000]) refuses(NONCE, fill(length), 'syntax', new RegExp(`${length} octets`));
  for (const length of [16, 32, 256]) assert.deepEqual(one(NONCE, fill(length)), { kind: 'NONCE', data: hex(fill(length)) });
});

test('RFC 7296 §3.10: a notify of the IKE SA', () => {
  assert.deepEqual(one(N, '00 00 4006 0102'), notify(NOTIFY.COOKIE, hex('0102')));
  assert.deepEqual(one(N, '00 00 000e'), notify(NOTIFY.NO_PROPOSAL_CHOSEN));
});

test('RFC 7296 §3.10: a notify with the SPI of a CHILD SA', () => {
  for (const [protocol, octet] of [
    [2, '02'],
    [3, '03'],
  ] as const)
    assert.deepEqual(one(N, `${octet} 04 4009 01020304 aa`), notifyAbout(protocol, hex('01020304'), NOTIFY.REKEY_SA, hex('aa')));
});

test('RFC 7296 §3.10: the protocol is ignored when there is no SPI', () => {
  for (const protocol of ['01', '02', '03', 'c8'])
    assert.deepEqual(one(N, `${protocol} 00 000e`), notify(NOTIFY.NO_PROPOSAL_CHOSEN));
});

test('RFC 7296 §3.10: the SPI size is zero for the IKE SA and 4 for AH and ESP', () => {
  for (const size of ['04', '08', '01'])
    for (const protocol of ['00', '01']) refuses(N, `${protocol}${size}4009${fill(8)}`, 'syntax', /SPI of/);
  for (const size of ['01', '03', '05', '08', 'ff'])
    for (const protocol of ['02', '03']) refuses(N, `${protocol}${size}4009${fill(8)}`, 'syntax', /SPI of/);
});

test('RFC 7296 §3.10: an SPI longer than the payload is refused', () => {
  refuses(N, '03 04 4009 010203', 'syntax', /SPI of 4/);
  refuses(N, `c8 ff 4009 ${fill(254)}`, 'syntax', /SPI of 255/);
});

test('RFC 7296 §3.10: a notify needs its four octets', () => {
  for (const body of ['', '00', '0000', '000040']) refuses(N, body, 'syntax', /short/);
});

test('RFC 7296 §3.10: unknown notify types are values', () => {
  const payload = one(N, '00 00 3fff');
  assert.ok(payload.kind === 'N' && payload.type === 16383);
});

test('RFC 7296 §3.11: delete of the IKE SA has no SPI', () => {
  assert.deepEqual(one(D, '01 00 0000'), deleteIkeSa());
  refuses(D, '01 08 0001 0102030405060708', 'syntax', /SPIs of 8/);
  refuses(D, '01 04 0001 01020304', 'syntax', /SPIs of 4/);
});

test('RFC 7296 §3.11: delete of CHILD SAs has SPIs of four octets', () => {
  assert.deepEqual(one(D, '03 04 0002 01020304 05060708'), deleteChildSas(3, [hex('01020304'), hex('05060708')]));
  assert.deepEqual(one(D, '02 04 0000'), deleteChildSas(2, []));
  for (const size of ['00', '03', '08']) refuses(D, `03${size}0000`, 'syntax', /SPIs of/);
  refuses(D, '00 04 0001 01020304', 'syntax', /protocol 0/);
});

test('RFC 7296 §3.11: count times size is the length', () => {
  refuses(D, '03 04 0002 01020304', 'syntax', /2 SPIs in 4/);
  refuses(D, '03 04 0001 01020304 00', 'syntax', /1 SPIs in 5/);
  refuses(D, '03 04 ffff 01020304', 'syntax', /65535 SPIs in 4/);
  // No octets, yet 65535 SPIs of nothing: the product is right and the count is a lie.
  refuses(D, '01 00 ffff', 'syntax', /65535 SPIs in 0/);
});

test('RFC 7296 §3.11: the number of SPIs is bounded', () => {
  one(D, `0304${hex16(MAX_SPIS)}${fill(4 * MAX_SPIS)}`);
  refuses(D, `0304${hex16(MAX_SPIS + 1)}${fill(4 * (MAX_SPIS + 1))}`, 'too-many', /SPIs/);
});

test('RFC 7296 §3.11: a delete needs its four octets', () => {
  for (const body of ['', '01', '0100', '010000']) refuses(D, body, 'syntax', /short/);
});

test('RFC 7296 §3.12: a vendor id is any octets', () => {
  assert.deepEqual(one(V, ''), { kind: 'V', data: hex('') });
  assert.deepEqual(one(V, fill(1000)), { kind: 'V', data: hex(fill(1000)) });
});

test('RFC 7296 §3.16: the length inside an EAP message is that of the message', () => {
  assert.deepEqual(one(EAP, '03 07 0004'), { kind: 'EAP', message: hex('03070004') });
  assert.deepEqual(one(EAP, '01 07 0005 01'), { kind: 'EAP', message: hex('0107000501') });
  for (const body of ['', '01', '010700', '01070003', '01070005', '0107000401']) refuses(EAP, body, 'syntax', /EAP length/);
});

test('finding payloads: the first, all, and notifies by type', () => {
  const payloads = [
    notify(NOTIFY.COOKIE),
    { kind: 'V', data: hex('01') } as const,
    notify(NOTIFY.COOKIE, hex('02')),
    deleteIkeSa(),
  ];
  assert.equal(findPayload(payloads, 'D'), payloads[3]);
  assert.equal(findPayload(payloads, 'SA'), undefined);
  assert.deepEqual(allPayloads(payloads, 'N'), [payloads[0], payloads[2]]);
  assert.equal(findNotify(payloads, NOTIFY.COOKIE), payloads[0]);
  assert.equal(findNotify(payloads, NOTIFY.INVALID_SYNTAX), undefined);
  assert.deepEqual(allNotifies(payloads, NOTIFY.COOKIE), [payloads[0], payloads[2]]);
});
