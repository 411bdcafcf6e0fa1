import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../../../../core/bytes/bytes.ts';
import type { SignatureAlgorithm } from '../../../../core/crypto/signatureTypes.ts';
import { chooseSignature } from '../../../../core/ike/auth/signature.ts';
import {
  readTakenMethods,
  takenMethodsNotify,
  takenOf,
  takenText,
  takesMethod,
  takesSignature,
} from '../../../../core/ike/auth/takenMethods.ts';
import { NOTIFY } from '../../../../core/ike/wire/constants.ts';
import type { Payload } from '../../../../core/ike/wire/message.ts';
import { notify } from '../../../../core/ike/wire/payloads.ts';

const SHA2 = new Set([2, 3, 4, 5]);
const pss: SignatureAlgorithm = { kind: 'rsa-pss', hash: 'sha256', saltLength: 32 };
const pkcs1: SignatureAlgorithm = { kind: 'rsa-pkcs1', hash: 'sha256' };
const ecdsa: SignatureAlgorithm = { kind: 'ecdsa', hash: 'sha256', format: 'der' };

function said(hex: string): Payload {
  const data = fromHex(hex);
  assert.ok(data);
  return notify(NOTIFY.SUPPORTED_AUTH_METHODS, data);
}

test('announcements of two, three and more octets (RFC 9593 §3.2)', () => {
  // Shared key; NULL; ECDSA with P-256 linked to the second CERTREQ; Ed25519 by RFC 7427, linked to none.
  const payloads = [said('0202 020d 030902 0a0e00 300506032b6570'.replaceAll(' ', ''))];
  assert.deepEqual(readTakenMethods(payloads), [
    { method: 2 },
    { method: 13 },
    { method: 9 },
    { method: 14, algorithm: { kind: 'ed25519' } },
  ]);
});

test('several notifies are one list; what is unknown or cut short is no trouble', () => {
  const known = { method: 14, algorithm: { kind: 'ed25519' } } as const;
  assert.deepEqual(readTakenMethods([said('0202'), said('0a0e00300506032b6570')]), [{ method: 2 }, known]);
  assert.deepEqual(readTakenMethods([said('05fe010203' + '0202')]), [{ method: 254 }, { method: 2 }]);
  assert.deepEqual(readTakenMethods([said('050e00ffff' + '030e00')]), [{ method: 14, unknown: true }, { method: 14 }]);
  for (const nothing of ['', '00', '02', '0002', '01', '0102', '0302', 'ff0200'])
    assert.equal(readTakenMethods([said(nothing)]), undefined, nothing);
  assert.deepEqual(readTakenMethods([said('0202' + '09')]), [{ method: 2 }]);
  assert.equal(readTakenMethods([]), undefined);
  assert.equal(readTakenMethods([said('0202'.repeat(5000))])?.length, 256);
});

test('what is written is read again', () => {
  for (const gateway of [
    { method: 'psk', secret: new Uint8Array(1) },
    { method: 'certificate', authorities: [] },
  ] as const) {
    const taken = takenOf(gateway);
    const written = takenMethodsNotify(taken);
    assert.deepEqual(readTakenMethods([written]), taken);
  }
  const shared = takenMethodsNotify([{ method: 2 }]);
  assert.equal(shared.kind === 'N' && toHex(shared.data), '0202');
});

test('a signature that is taken goes before one that is preferred, and never before the hashes', () => {
  const able = [ecdsa, pkcs1, pss];
  const choose = (taken: readonly SignatureAlgorithm[], hashes: ReadonlySet<number> | undefined = SHA2) =>
    chooseSignature(
      able,
      hashes,
      taken.map((algorithm) => ({ method: 14, algorithm })),
    )?.algorithm;
  assert.deepEqual(choose([pss]), pss);
  assert.deepEqual(choose([pss, pkcs1]), pkcs1);
  assert.deepEqual(choose([{ kind: 'ed25519' }]), ecdsa, 'advice that fits nothing is not followed');
  assert.equal(choose([pss], new Set([3])), undefined);
  assert.deepEqual(chooseSignature(able, SHA2, [{ method: 14 }])?.algorithm, ecdsa, 'any');
  assert.deepEqual(chooseSignature(able, SHA2, [{ method: 14, unknown: true }])?.algorithm, ecdsa);
});

test('the older methods, where the gateway knows no other', () => {
  const both: readonly SignatureAlgorithm[] = [
    { kind: 'ecdsa', hash: 'sha256', format: 'p1363' },
    { kind: 'rsa-pkcs1', hash: 'sha256' },
  ];
  const choose = (method: number) => chooseSignature(both, undefined, [{ method }])?.algorithm.kind;
  assert.equal(choose(1), 'rsa-pkcs1');
  assert.equal(choose(9), 'ecdsa');
  assert.equal(choose(11), 'ecdsa', 'advice that fits nothing is not followed');
});

test('in words', () => {
  assert.equal(
    takenText([{ method: 2 }, { method: 14, algorithm: pss }, { method: 14, unknown: true }, { method: 200 }]),
    'SHARED_KEY, rsa-pss with sha256, a signature that is not known here, 200',
  );
  assert.equal(takesMethod([{ method: 2 }], 2) && !takesMethod([{ method: 2 }], 14), true);
  assert.equal(takesSignature([{ method: 14, algorithm: pss }], { ...pss, saltLength: 20 }), false);
});
