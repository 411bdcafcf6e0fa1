/** The octets of IKE messages that RFCs print, in both directions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, toHex } from '../../../../core/bytes/bytes.ts';
import { NOTIFY, PAYLOAD } from '../../../../core/ike/wire/constants.ts';
import { encodeEncryptedPrefix, encodeMessage, encodePayloads } from '../../../../core/ike/wire/encode.ts';
import { parseMessage, parsePayloads } from '../../../../core/ike/wire/parse.ts';
import { notify } from '../../../../core/ike/wire/payloads.ts';
import { hex } from './raw.ts';

// RFC 7634, Appendix B: an INFORMATIONAL request with SET_WINDOW_SIZE, ChaCha20-Poly1305.
const aad = hex('c0c1c2c3c4c5c6c7 d0d1d2d3d4d5d6d7 2e20250000000009 0000004529000029');
const body = hex('1011121314151617 610394701f8d017f7c12924889 6b71bfe25236efd7cdc670669063 15b2');
const windowSize = hex('0000000c 00004001 0000000a');

test('RFC 7634 Appendix B: the message is parsed', () => {
  const result = parseMessage(concat(aad, body));
  assert.ok(result.ok);
  assert.deepEqual(result.value, {
    header: {
      spiI: hex('c0c1c2c3c4c5c6c7'),
      spiR: hex('d0d1d2d3d4d5d6d7'),
      majorVersion: 2,
      minorVersion: 0,
      exchange: 37,
      messageId: 9,
      flags: { initiator: false, version: false, response: false },
    },
    payloads: [{ kind: 'SK', firstInner: 41, body, bodyOffset: 32 }],
  });
});

test('RFC 7634 Appendix B: the notify inside is parsed and encoded', () => {
  const inner = parsePayloads(41, windowSize);
  assert.ok(inner.ok);
  assert.deepEqual(inner.value, [notify(NOTIFY.SET_WINDOW_SIZE, hex('0000000a'))]);
  const encoded = encodePayloads(inner.value);
  assert.equal(encoded.first, 41);
  assert.equal(toHex(encoded.bytes), toHex(windowSize));
});

test('RFC 7634 Appendix B, RFC 5282 §5.1: the associated data is encoded, and the whole message', () => {
  const result = parseMessage(concat(aad, body));
  assert.ok(result.ok);
  const { header, payloads } = result.value;
  assert.equal(toHex(encodeEncryptedPrefix(header, 'SK', 41, body.length)), toHex(aad));
  assert.equal(toHex(encodeMessage(header, payloads)), toHex(concat(aad, body)));
});

// RFC 5903 §8.1 to §8.3: the KEi and KEr payloads of groups 19, 20 and 21.
const keyExchanges: readonly (readonly [name: string, method: number, payload: string])[] = [
  [
    'RFC 5903 §8.1 KEi',
    19,
    `00000048 00130000 DAD0B653 94221CF9 B051E1FE CA5787D0 98DFE637 FC90B9EF
     945D0C37 72581180 5271A046 1CDB8252 D61F1C45 6FA3E59A B1F45B33 ACCF5F58
     389E0577 B8990BB3`,
  ],
  [
    'RFC 5903 §8.1 KEr',
    19,
    `00000048 00130000 D12DFB52 89C8D4F8 1208B702 70398C34 2296970A 0BCCB74C
     736FC755 4494BF63 56FBF3CA 366CC23E 8157854C 13C58D6A AC23F046 ADA30F83
     53E74F33 039872AB`,
  ],
  [
    'RFC 5903 §8.2 KEi',
    20,
    `00000068 00140000 667842D7 D180AC2C DE6F74F3 7551F557 55C7645C 20EF73E3
     1634FE72 B4C55EE6 DE3AC808 ACB4BDB4 C88732AE E95F41AA 9482ED1F C0EEB9CA
     FC498462 5CCFC23F 65032149 E0E144AD A0241815 35A0F38E EB9FCFF3 C2C947DA
     E69B4C63 4573A81C`,
  ],
  [
    'RFC 5903 §8.3 KEr',
    21,
    `0000008c 00150000 00D0B397 5AC4B799 F5BEA16D 5E13E9AF 971D5E9B 984C9F39
     728B5E57 39735A21 9B97C356 436ADC6E 95BB0352 F6BE64A6 C2912D4E F2D0433C
     ED2B6171 640012D9 460F015C 68226383 956E3BD0 66E797B6 23C27CE0 EAC2F551
     A10C2C72 4D985207 7B87220B 6536C5C4 08A1D2AE BB8E86D6 78AE49CB 57091F47
     32296579 AB44FCD1 7F0FC56A`,
  ],
];

for (const [name, method, text] of keyExchanges) {
  test(`${name}: the key exchange payload is parsed and encoded`, () => {
    const bytes = hex(text);
    const result = parsePayloads(PAYLOAD.KE, bytes);
    assert.ok(result.ok);
    assert.deepEqual(result.value, [{ kind: 'KE', method, data: bytes.subarray(8) }]);
    assert.equal(toHex(encodePayloads(result.value).bytes), toHex(bytes));
  });
}

// RFC 7296 §3.3 draws an ESP offer of two proposals with their SPIs, §3.3.1, §3.3.2 and §3.3.5 the fields of which these
// octets are made; the ids are those of §3.3.2 (AES-CBC 12, XCBC 5, HMAC-SHA1 2, AES-GCM-8 18, ESN 1, no ESN 0).
const offer = hex(`
  00000088
    02000050 01 03 04 07 052357bb
      0300000c 01 00 000c 800e0080
      0300000c 01 00 000c 800e00c0
      0300000c 01 00 000c 800e0100
      03000008 03 00 0002
      03000008 03 00 0005
      03000008 05 00 0001
      00000008 05 00 0000
    00000034 02 03 04 04 35a1d6f2
      0300000c 01 00 0012 800e0080
      0300000c 01 00 0012 800e0100
      03000008 05 00 0001
      00000008 05 00 0000`);

test('RFC 7296 §3.3: the offer drawn there, with seven and four transforms', () => {
  const result = parsePayloads(PAYLOAD.SA, offer);
  assert.ok(result.ok, result.ok ? '' : result.error.place);
  const esn = [
    { type: 5, id: 1 },
    { type: 5, id: 0 },
  ];
  assert.deepEqual(result.value, [
    {
      kind: 'SA',
      proposals: [
        {
          number: 1,
          protocol: 3,
          spi: hex('052357bb'),
          transforms: [
            { type: 1, id: 12, keyLength: 128 },
            { type: 1, id: 12, keyLength: 192 },
            { type: 1, id: 12, keyLength: 256 },
            { type: 3, id: 2 },
            { type: 3, id: 5 },
            ...esn,
          ],
        },
        {
          number: 2,
          protocol: 3,
          spi: hex('35a1d6f2'),
          transforms: [{ type: 1, id: 18, keyLength: 128 }, { type: 1, id: 18, keyLength: 256 }, ...esn],
        },
      ],
    },
  ]);
  assert.equal(toHex(encodePayloads(result.value).bytes), toHex(offer));
});
