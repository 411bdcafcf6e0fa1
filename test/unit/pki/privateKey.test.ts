/** Keys as OpenSSL 3 writes them, in every form, and what is said when a key cannot be used. */
import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { after, test } from 'node:test';
import { derInteger, derNull, derOctetString, derOid, derSequence } from '../../../core/bytes/derWriter.ts';
import { signingKey } from '../../../core/crypto/node/sign.ts';
import { verifySignature } from '../../../core/crypto/signatures.ts';
import { privateKeyFromDer, privateKeyFromPem } from '../../../core/pki/pkcs8.ts';
import { keyMismatch, signerInfoOf } from '../../../core/pki/privateKey.ts';
import { quickest } from '../quickest.ts';
import { hasLegacyProvider, onlyBlock, opensslFolder, password, runAsTyped } from './opensslFiles.ts';

const folder = opensslFolder();
after(() => folder.remove());
const { openssl, text, read } = folder;

openssl('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', 'rsa.pem');
openssl('genpkey', '-algorithm', 'RSA-PSS', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', 'pss.pem');
openssl('genpkey', '-algorithm', 'ED25519', '-out', 'ed25519.pem');
openssl('genpkey', '-algorithm', 'ED448', '-out', 'ed448.pem');
const curves = ['prime256v1', 'secp384r1', 'secp521r1', 'brainpoolP256r1', 'brainpoolP384r1', 'brainpoolP512r1'];
for (const curve of curves) {
  openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', `ec_paramgen_curve:${curve}`, '-out', `${curve}.pem`);
}
const kinds = ['rsa', 'pss', 'ed25519', 'ed448', ...curves];

for (const kind of kinds) {
  test(`${kind}: signs with every algorithm it says it can, and each signature verifies`, () => {
    const pkcs8 = keyOf(`${kind}.pem`);
    const signer = signerInfoOf(pkcs8);
    assert.ok(signer.ok, JSON.stringify(signer));
    openssl('pkey', '-in', `${kind}.pem`, '-pubout', '-outform', 'DER', '-out', 'public.der');
    assert.deepEqual(signer.value.publicKey, read('public.der'));
    const key = signingKey(pkcs8);
    const message = Uint8Array.of(1, 2, 3);
    for (const algorithm of signer.value.algorithms) {
      const signature = key?.sign(algorithm, message);
      assert.ok(signature, JSON.stringify(algorithm));
      assert.equal(verifySignature(algorithm, signer.value.publicKey, message, signature), undefined, JSON.stringify(algorithm));
    }
  });
}

test('algorithms: PSS before PKCS #1, SHA-1 last; the hash of the curve first', () => {
  const names = (kind: string): string[] => {
    const signer = signerInfoOf(keyOf(`${kind}.pem`));
    assert.ok(signer.ok);
    return signer.value.algorithms.map((one) =>
      [one.kind, 'hash' in one ? one.hash : '', 'format' in one ? one.format : ''].join(' ').trim(),
    );
  };
  assert.deepEqual(names('rsa'), [
    'rsa-pss sha256',
    'rsa-pss sha384',
    'rsa-pss sha512',
    'rsa-pkcs1 sha256',
    'rsa-pkcs1 sha384',
    'rsa-pkcs1 sha512',
    'rsa-pkcs1 sha1',
  ]);
  assert.deepEqual(names('pss'), ['rsa-pss sha256', 'rsa-pss sha384', 'rsa-pss sha512']);
  assert.deepEqual(names('secp384r1'), ['ecdsa sha384 der', 'ecdsa sha512 der', 'ecdsa sha256 der', 'ecdsa sha384 p1363']);
  assert.deepEqual(names('ed448'), ['ed448']);
});

test('an algorithm of another kind of key is refused, without a throw', () => {
  const key = signingKey(keyOf('ed25519.pem'));
  assert.equal(key?.sign({ kind: 'rsa-pkcs1', hash: 'sha256' }, new Uint8Array(1)), undefined);
  assert.equal(signingKey(keyOf('prime256v1.pem'))?.sign({ kind: 'ed25519' }, new Uint8Array(1)), undefined);
});

test('traditional PEM of RSA and EC becomes the same key', () => {
  for (const kind of ['rsa', 'prime256v1', 'secp521r1', 'brainpoolP384r1']) {
    openssl('pkey', '-in', `${kind}.pem`, '-traditional', '-out', 'old.pem');
    assert.match(text('old.pem'), /-----BEGIN (RSA|EC) PRIVATE KEY-----/);
    const key = privateKeyFromPem(onlyBlock(text('old.pem')));
    assert.ok(key.ok, kind);
    assert.equal(publicOf(key.value), publicOf(keyOf(`${kind}.pem`)));
  }
});

for (const [name, prf, cipher] of [
  ['sha1', 'hmacWithSHA1', 'aes-128-cbc'],
  ['sha256', 'hmacWithSHA256', 'aes-256-cbc'],
  ['sha384', 'hmacWithSHA384', 'aes-192-cbc'],
  ['sha512', 'hmacWithSHA512', 'aes-256-cbc'],
] as const) {
  test(`PBES2 with ${cipher} and ${prf}: opens with the password, says so with another, asks without one`, () => {
    openssl(
      'pkcs8',
      '-topk8',
      '-in',
      'rsa.pem',
      '-v2',
      cipher,
      '-v2prf',
      prf,
      '-passout',
      'pass:grün ist 1!',
      '-out',
      `${name}.enc`,
    );
    const block = onlyBlock(text(`${name}.enc`));
    const right = privateKeyFromPem(block, password('grün ist 1!'));
    assert.ok(right.ok);
    assert.deepEqual(right.value, keyOf('rsa.pem'));
    const wrong = Array.from({ length: 20 }, (_, i) => privateKeyFromPem(block, password(`grün ist ${i + 2}!`)));
    for (const result of wrong) assert.equal(result.ok ? 'opened' : result.error.code, 'password-wrong');
    const without = privateKeyFromPem(block);
    assert.equal(without.ok ? 'opened' : without.error.code, 'password-needed');
  });
}

test('old encryption of PEM is refused, and the command that is named makes a file that is taken', () => {
  openssl('pkey', '-in', 'rsa.pem', '-traditional', '-aes128', '-passout', 'pass:old', '-out', 'old.key');
  const refused = privateKeyFromPem(onlyBlock(text('old.key')), password('old'));
  assert.ok(!refused.ok);
  assert.equal(refused.error.code, 'unsupported');
  runAsTyped(folder, `${refused.error.command} -passin pass:old -passout pass:new`);
  const taken = privateKeyFromPem(onlyBlock(text('new.key')), password('new'));
  assert.ok(taken.ok);
  assert.deepEqual(taken.value, keyOf('rsa.pem'));
});

test('3DES is refused by name, with the command that converts', () => {
  openssl('pkcs8', '-topk8', '-in', 'rsa.pem', '-v2', 'des3', '-passout', 'pass:old', '-out', 'old.key');
  const refused = privateKeyFromPem(onlyBlock(text('old.key')), password('old'));
  assert.ok(!refused.ok);
  assert.equal(refused.error.code, 'unsupported');
  assert.match(refused.error.evidence, /3DES/);
  runAsTyped(folder, `${refused.error.command} -passin pass:old -passout pass:new`);
  assert.ok(privateKeyFromPem(onlyBlock(text('new.key')), password('new')).ok);
});

test('PBES1 and scrypt are refused by name', { skip: !hasLegacyProvider() && 'no legacy provider' }, () => {
  openssl(
    'pkcs8',
    '-topk8',
    '-in',
    'rsa.pem',
    '-v1',
    'PBE-MD5-DES',
    '-provider',
    'legacy',
    '-provider',
    'default',
    '-passout',
    'pass:x',
    '-out',
    'v1.key',
  );
  openssl('pkcs8', '-topk8', '-in', 'rsa.pem', '-scrypt', '-passout', 'pass:x', '-out', 'scrypt.key');
  for (const [file, name] of [
    ['v1.key', /MD5 and DES/],
    ['scrypt.key', /scrypt/],
  ] as const) {
    const refused = privateKeyFromPem(onlyBlock(text(file)), password('x'));
    assert.ok(!refused.ok);
    assert.equal(refused.error.code, 'unsupported');
    assert.match(refused.error.evidence, name);
  }
});

test('a billion iterations are refused before the first', () => {
  const derivation = derSequence(
    derOid('1.2.840.113549.1.5.12'),
    derSequence(derOctetString(new Uint8Array(8)), derInteger(1_000_000_001)),
  );
  const cipher = derSequence(derOid('2.16.840.1.101.3.4.1.42'), derOctetString(new Uint8Array(16)));
  const algorithm = derSequence(derOid('1.2.840.113549.1.5.13'), derSequence(derivation, cipher));
  const took = quickest(() => {
    const refused = privateKeyFromDer(derSequence(algorithm, derOctetString(new Uint8Array(64))), password('x'));
    assert.equal(refused.ok ? 'opened' : refused.error.code, 'too-much-work');
  });
  assert.ok(took < 500, `${took} ms`);
});

test('OpenSSH’s own format is refused with the command of ssh-keygen', () => {
  const refused = privateKeyFromPem({ label: 'OPENSSH PRIVATE KEY', der: Uint8Array.of(1), encrypted: false });
  assert.ok(!refused.ok);
  assert.equal(refused.error.code, 'unsupported');
  assert.equal(refused.error.command, 'ssh-keygen -p -m PKCS8 -f old.key');
});

test('keys below 2048 bits, of unknown curves, for key agreement only, damaged or huge: each is told', () => {
  const exported = (key: KeyObject): Uint8Array => new Uint8Array(key.export({ format: 'der', type: 'pkcs8' }));
  const faults: readonly (readonly [string, Uint8Array])[] = [
    ['weak-key', exported(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey)],
    ['unsupported', exported(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey)],
    ['unsupported', exported(generateKeyPairSync('x25519').privateKey)],
    ['damaged', damagedRsa()],
    ['malformed', derSequence(derInteger(0), derSequence(derOid('1.2.3'), derNull()), derOctetString(Uint8Array.of(1)))],
  ];
  for (const [code, pkcs8] of faults) {
    const signer = signerInfoOf(pkcs8);
    assert.equal(signer.ok ? 'taken' : signer.error.code, code);
  }
  for (const [code, der] of [
    ['too-large', new Uint8Array(40_000)],
    ['malformed', new Uint8Array(40)],
    ['no-key', derSequence(derInteger(7))],
    ['malformed', derSequence(derInteger(2), derSequence(derOid('1.2.3')), derOctetString())],
  ] as const) {
    const key = privateKeyFromDer(der);
    assert.equal(key.ok ? 'taken' : key.error.code, code);
  }
});

test('key and certificate belong together by their numbers', () => {
  const rsa = signerInfoOf(keyOf('rsa.pem'));
  const ec = signerInfoOf(keyOf('prime256v1.pem'));
  const pss = signerInfoOf(keyOf('pss.pem'));
  assert.ok(rsa.ok && ec.ok && pss.ok);
  assert.equal(keyMismatch(rsa.value, rsa.value.publicKey), undefined);
  assert.equal(keyMismatch(ec.value, ec.value.publicKey), undefined);
  for (const other of [ec.value.publicKey, pss.value.publicKey, new Uint8Array(4)]) {
    assert.equal(keyMismatch(rsa.value, other)?.code, 'key-mismatch');
  }
  // The same key, marked for PSS in one place only.
  const marked = derSequence(derSequence(derOid('1.2.840.113549.1.1.10')), rsa.value.publicKey.subarray(-275));
  assert.equal(keyMismatch(rsa.value, marked), undefined);
});

test('cut and changed files never throw', () => {
  const der = privateKeyDer('rsa.pem');
  const encrypted = onlyBlock(encryptedText()).der;
  for (const whole of [der, encrypted]) {
    for (let length = 0; length < whole.length; length += 7) {
      assert.equal(privateKeyFromDer(whole.subarray(0, length), password('x')).ok, false);
    }
    for (let at = 0; at < 80; at++) {
      const changed = whole.slice();
      changed[at] ^= 0x55;
      const key = privateKeyFromDer(changed, password('x'));
      if (key.ok) signerInfoOf(key.value);
    }
  }
});

function encryptedText(): string {
  openssl('pkcs8', '-topk8', '-in', 'ed25519.pem', '-v2', 'aes-256-cbc', '-passout', 'pass:x', '-out', 'x.enc');
  return text('x.enc');
}

function keyOf(name: string): Uint8Array {
  const key = privateKeyFromPem(onlyBlock(text(name)));
  assert.ok(key.ok, JSON.stringify(key));
  return key.value;
}

function privateKeyDer(name: string): Uint8Array {
  const key = createPrivateKey(text(name));
  return new Uint8Array(key.export({ format: 'der', type: 'pkcs8' }));
}

/** All private exponents are others. (With a single wrong one OpenSSL still signs rightly, by the others.) */
function damagedRsa(): Uint8Array {
  const jwk = createPrivateKey(text('rsa.pem')).export({ format: 'jwk' });
  const changed = (value: string | undefined): string => {
    const octets = Buffer.from(value ?? '', 'base64url');
    octets[octets.length - 1] ^= 2;
    return octets.toString('base64url');
  };
  const key = createPrivateKey({
    key: { ...jwk, d: changed(jwk.d), dp: changed(jwk.dp), dq: changed(jwk.dq) },
    format: 'jwk',
  });
  return new Uint8Array(key.export({ format: 'der', type: 'pkcs8' }));
}

function publicOf(pkcs8: Uint8Array): string {
  const signer = signerInfoOf(pkcs8);
  assert.ok(signer.ok);
  return Buffer.from(signer.value.publicKey).toString('hex');
}

test('a curve that is written out is refused with the command that names it', () => {
  openssl('ec', '-in', 'prime256v1.pem', '-param_enc', 'explicit', '-out', 'old.key');
  const refused = privateKeyFromPem(onlyBlock(text('old.key')));
  assert.equal(refused.ok ? '' : refused.error.code, 'unsupported');
  runAsTyped(folder, (refused.ok ? undefined : refused.error.command) ?? '');
  const again = privateKeyFromPem(onlyBlock(text('new.key')));
  assert.deepEqual(again.ok && signerInfoOf(again.value), signerInfoOf(keyOf('prime256v1.pem')));
});
