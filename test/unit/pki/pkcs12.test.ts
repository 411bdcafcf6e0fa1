/** PKCS #12 as OpenSSL 3 writes it, new and old, and as others do: in BER, without MAC, with PBMAC1. */
import assert from 'node:assert/strict';
import { createHmac, pbkdf2Sync } from 'node:crypto';
import { after, test } from 'node:test';
import { concat, equalBytes } from '../../../core/bytes/bytes.ts';
import { childrenOf, type DerNode, readDer } from '../../../core/bytes/der.ts';
import { derElement, derInteger, derNull, derOctetString, derOid, derSequence } from '../../../core/bytes/derWriter.ts';
import type { CredentialFault } from '../../../core/pki/credentialFault.ts';
import { convertPkcs12Command, looksLikePkcs12, openPkcs12, type Pkcs12Contents } from '../../../core/pki/pkcs12.ts';
import { quickest } from '../quickest.ts';
import { javaPkcs12, rc2Pkcs12, tripleDesPkcs12 } from './fixtures.ts';
import { hasLegacyProvider, onlyBlock, opensslFolder, password, runAsTyped } from './opensslFiles.ts';

const folder = opensslFolder();
after(() => folder.remove());
const { openssl, text, read } = folder;

openssl(
  'req',
  '-x509',
  '-newkey',
  'rsa:2048',
  '-nodes',
  '-keyout',
  'ca.key',
  '-out',
  'ca.pem',
  '-subj',
  '/CN=Test CA',
  '-days',
  '30',
);
openssl(
  'req',
  '-newkey',
  'ec',
  '-pkeyopt',
  'ec_paramgen_curve:prime256v1',
  '-nodes',
  '-keyout',
  'alice.key',
  '-out',
  'alice.csr',
  '-subj',
  '/CN=alice',
);
openssl(
  'x509',
  '-req',
  '-in',
  'alice.csr',
  '-CA',
  'ca.pem',
  '-CAkey',
  'ca.key',
  '-CAcreateserial',
  '-out',
  'alice.pem',
  '-days',
  '30',
);
openssl('pkcs8', '-topk8', '-nocrypt', '-in', 'alice.key', '-outform', 'DER', '-out', 'alice.der');
const alice = onlyBlock(text('alice.pem')).der;
const ca = onlyBlock(text('ca.pem')).der;
const key = read('alice.der');

function pack(name: string, ...options: string[]): Uint8Array {
  openssl(
    'pkcs12',
    '-export',
    '-in',
    'alice.pem',
    '-inkey',
    'alice.key',
    '-certfile',
    'ca.pem',
    '-name',
    'Alice',
    '-out',
    name,
    ...options,
  );
  return read(name);
}

function contents(file: Uint8Array, secret?: string): Pkcs12Contents {
  const opened = openPkcs12(file, secret === undefined ? undefined : password(secret));
  assert.ok(opened.ok, JSON.stringify(opened));
  return opened.value;
}

function faultOf(file: Uint8Array, secret?: string): CredentialFault {
  const opened = openPkcs12(file, secret === undefined ? undefined : password(secret));
  assert.ok(!opened.ok, 'it opened');
  return opened.error;
}

function assertAlice({ keys, certificates }: Pkcs12Contents): void {
  assert.equal(keys.length, 1);
  assert.deepEqual(keys[0], key);
  assert.deepEqual(certificates, [alice, ca]);
}

const usual = pack('usual.p12', '-passout', 'pass:secret');

for (const [what, options] of Object.entries({
  'as OpenSSL 3 does by default': [],
  'AES-128 and SHA-512': ['-keypbe', 'AES-128-CBC', '-certpbe', 'AES-192-CBC', '-macalg', 'sha512'],
  'SHA-1 for the checksum': ['-macalg', 'sha1'],
  'SHA-384 for the checksum, many iterations': ['-macalg', 'sha384', '-iter', '20000'],
  'the certificates in clear': ['-certpbe', 'NONE'],
  'the key in clear': ['-keypbe', 'NONE'],
  'no checksum': ['-nomac'],
})) {
  test(`opens with the password and says so without: ${what}`, () => {
    const file = pack('one.p12', '-passout', 'pass:secret', ...options);
    assert.equal(looksLikePkcs12(file), true);
    assertAlice(contents(file, 'secret'));
    assert.equal(faultOf(file, 'Secret').code, 'password-wrong');
    assert.equal(faultOf(file, '').code, 'password-wrong');
    assert.equal(faultOf(file).code, 'password-needed');
  });
}

test('opens with the 600,000 iterations of its checksum that Firefox (NSS) and GnuTLS write', () => {
  const plain = ['-keypbe', 'NONE', '-certpbe', 'NONE'];
  assertAlice(contents(pack('firefox.p12', '-passout', 'pass:secret', ...plain, '-iter', '600000'), 'secret'));
  const more = pack('more.p12', '-passout', 'pass:secret', ...plain, '-iter', '600001');
  const { code, command } = faultOf(more, 'secret');
  assert.deepEqual([code, command], ['too-much-work', convertPkcs12Command]);
});

test('passwords are text of any kind: RFC 7292 §B.1 makes UTF-16 of it', () => {
  for (const secret of ['pässwörd', 'пароль', '비밀번호', 'key 🔑 key', 'x'.repeat(200)]) {
    assertAlice(contents(pack('text.p12', '-passout', `pass:${secret}`), secret));
  }
});

test('an empty password is no password: the file opens without a question', () => {
  const file = pack('empty.p12', '-passout', 'pass:');
  assertAlice(contents(file));
  assertAlice(contents(file, ''));
  assert.equal(faultOf(file, 'x').code, 'password-wrong');
});

test('a wrong password is told apart from a damaged file', () => {
  // One iteration: it is opened a thousand times.
  const quick = pack('quick.p12', '-passout', 'pass:secret', '-iter', '1');
  let damaged = 0;
  for (let at = 40; at < quick.length; at += 13) {
    const file = quick.slice();
    file[at] ^= 0x40;
    const opened = openPkcs12(file, password('secret'));
    // Names of the file, outside of what is checked, may change.
    if (opened.ok) continue;
    assert.notEqual(opened.error.code, 'password-needed');
    if (opened.error.code === 'damaged') damaged += 1;
    assert.notEqual(openPkcs12(file, password('wrong')).ok, true);
  }
  assert.ok(damaged > 50, `${damaged}`);
});

test('changed contents under a checksum that matches are damaged, never a wrong password', () => {
  const file = pack('nomac.p12', '-passout', 'pass:secret', '-nomac');
  const codes = new Set<string>();
  for (let at = 0; at < 40; at++) {
    const changed = withPbmac1(file, 'secret', (authenticated) => {
      authenticated[authenticated.length - 1 - 20 * at] ^= 1;
    });
    const opened = openPkcs12(changed, password('secret'));
    if (!opened.ok) codes.add(opened.error.code);
  }
  assert.ok(codes.has('damaged'));
  assert.ok(!codes.has('password-wrong'));
});

test('cut files and noise are malformed', () => {
  for (let length = 0; length < usual.length; length += 11)
    assert.equal(faultOf(usual.subarray(0, length), 'secret').code, 'malformed');
  assert.equal(faultOf(alice).code, 'malformed');
  assert.equal(faultOf(new Uint8Array((1 << 20) + 1)).code, 'too-large');
  assert.equal(looksLikePkcs12(alice), false);
  assert.equal(looksLikePkcs12(key), false);
});

test('depth and number of elements are bounded, without a throw', () => {
  const deep = concat(...Array.from({ length: 50_000 }, () => Uint8Array.of(0x30, 0x80)));
  assert.equal(faultOf(deep).code, 'malformed');
  const wide = derElement(
    0x30,
    new Uint8Array(200_000).map((_, i) => (i % 2 === 0 ? 5 : 0)),
  );
  assert.equal(faultOf(wide).code, 'malformed');
});

test('RC2 and 3DES: refused by name, and the command that is named makes a file that opens', {
  skip: !hasLegacyProvider() && 'no legacy provider',
}, () => {
  for (const options of [
    ['-legacy'],
    ['-legacy', '-certpbe', 'PBE-SHA1-3DES'],
    ['-keypbe', 'PBE-SHA1-3DES', '-certpbe', 'AES-256-CBC', '-legacy'],
  ]) {
    const file = pack('old.p12', '-passout', 'pass:old', ...options);
    const fault = faultOf(file, 'old');
    assert.equal(fault.code, 'unsupported');
    assert.match(fault.evidence, /RC2|3DES/);
    assert.equal(
      fault.command,
      'openssl pkcs12 -legacy -in old.p12 -out old.pem && openssl pkcs12 -export -in old.pem -out new.p12',
    );
    const [first = '', second = ''] = (fault.command ?? '').split(' && ');
    runAsTyped(folder, `${first} -passin pass:old -passout pass:between`);
    assert.match(text('old.pem'), /ENCRYPTED PRIVATE KEY/, 'the key is never in clear on the disk');
    runAsTyped(folder, `${second} -passin pass:between -passout pass:new`);
    const { keys, certificates } = contents(read('new.p12'), 'new');
    assert.deepEqual(keys, [key]);
    assert.ok(certificates.some((one) => equalBytes(one, alice)) && certificates.some((one) => equalBytes(one, ca)));
  }
});

test('stored files: RC2 and 3DES by name whatever the password, and a file of Java', () => {
  for (const [file, name] of [
    [rc2Pkcs12, /RC2 of 40 bits/],
    [tripleDesPkcs12, /3DES/],
  ] as const) {
    for (const secret of ['old', 'other', undefined]) {
      const fault = faultOf(Buffer.from(file, 'base64'), secret);
      assert.equal(fault.code, 'unsupported');
      assert.match(fault.evidence, name);
    }
  }
  const java = Buffer.from(javaPkcs12, 'base64');
  const { keys, certificates } = contents(java, 'secret1');
  assert.deepEqual([keys.length, certificates.length], [1, 1]);
  assert.equal(faultOf(java, 'secret2').code, 'password-wrong');
});

test('RFC 9579: PBMAC1 is checked', () => {
  const file = pack('nomac.p12', '-passout', 'pass:secret', '-nomac');
  assertAlice(contents(withPbmac1(file, 'secret'), 'secret'));
  assert.equal(faultOf(withPbmac1(file, 'secret'), 'other').code, 'password-wrong');
  assert.equal(faultOf(withPbmac1(file, 'another one'), 'secret').code, 'damaged');
});

test('BER with indefinite lengths and strings in pieces, as NSS and Java write it', () => {
  const file = loosened(usual);
  assert.equal(readDer(file).ok, false, 'it is no DER');
  assert.equal(looksLikePkcs12(file), true);
  assertAlice(contents(file, 'secret'));
  assert.equal(faultOf(file, 'wrong').code, 'password-wrong');
});

test('iterations are bounded before the work is done', () => {
  const file = pack('nomac.p12', '-passout', 'pass:secret', '-nomac');
  const huge = withPbmac1(file, 'secret', undefined, 2_000_000_000);
  const [version, authSafe] = partsOf(file);
  const digest = derSequence(derSequence(derOid('2.16.840.1.101.3.4.2.1'), derNull()), derOctetString(new Uint8Array(32)));
  const mac = derSequence(digest, derOctetString(new Uint8Array(8)), derInteger(1_000_000_000));
  const took = quickest(() => {
    assert.equal(faultOf(huge, 'secret').code, 'too-much-work');
    assert.equal(faultOf(derSequence(version.der, authSafe.der, mac), 'secret').code, 'too-much-work');
  });
  assert.ok(took < 1000, `${took} ms`);
});

test('many parts of many iterations each are bounded together', () => {
  const prf = derSequence(derOid('1.2.840.113549.2.9'), derNull());
  const derivation = derSequence(
    derOid('1.2.840.113549.1.5.12'),
    derSequence(derOctetString(new Uint8Array(8)), derInteger(900_000), prf),
  );
  const cipher = derSequence(derOid('2.16.840.1.101.3.4.1.42'), derOctetString(new Uint8Array(16)));
  const scheme = derSequence(derOid('1.2.840.113549.1.5.13'), derSequence(derivation, cipher));
  const key = derSequence(scheme, derOctetString(new Uint8Array(64)));
  const bag = derSequence(derOid('1.2.840.113549.1.12.10.1.2'), derElement(0xa0, key));
  const data = (octets: Uint8Array): Uint8Array =>
    derSequence(derOid('1.2.840.113549.1.7.1'), derElement(0xa0, derOctetString(octets)));
  const safes = derSequence(...Array.from({ length: 30 }, () => data(derSequence(bag, bag, bag, bag))));
  const digest = derSequence(derSequence(derOid('2.16.840.1.101.3.4.2.1'), derNull()), derOctetString(new Uint8Array(32)));
  const file = derSequence(derInteger(3), data(safes), derSequence(digest, derOctetString(new Uint8Array(8)), derInteger(1)));
  const started = performance.now();
  assert.equal(faultOf(file, 'secret').code, 'password-wrong');
  assert.ok(performance.now() - started < 5000, 'two of 120 were tried');
});

test('several keys come out as several; certificates alone come out without a key', () => {
  openssl('pkcs12', '-export', '-nokeys', '-in', 'ca.pem', '-out', 'certs.p12', '-passout', 'pass:');
  assert.deepEqual(contents(read('certs.p12')), { keys: [], certificates: [ca] });
});

function partsOf(file: Uint8Array): readonly [DerNode, DerNode] {
  const root = readDer(file);
  assert.ok(root.ok);
  const [version, authSafe] = childrenOf(root.value);
  return [version, authSafe];
}

/** A file without checksum gets one of RFC 9579; `change` is done to what it is about beforehand. `iterations` may be a lie. */
function withPbmac1(
  file: Uint8Array,
  secret: string,
  change?: (authenticated: Uint8Array) => void,
  iterations = 1000,
): Uint8Array {
  const [version, authSafe] = partsOf(file);
  const content = childrenOf(childrenOf(authSafe)[1])[0].content.slice();
  change?.(content);
  const salt = new Uint8Array(8).fill(7);
  const macKey = pbkdf2Sync(secret, salt, Math.min(iterations, 1000), 32, 'sha256');
  const digest = createHmac('sha256', macKey).update(content).digest();
  const prf = derSequence(derOid('1.2.840.113549.2.9'), derNull());
  const derivation = derSequence(
    derOid('1.2.840.113549.1.5.12'),
    derSequence(derOctetString(salt), derInteger(iterations), derInteger(32), prf),
  );
  const algorithm = derSequence(derOid('1.2.840.113549.1.5.14'), derSequence(derivation, prf));
  const mac = derSequence(derSequence(algorithm, derOctetString(digest)), derOctetString(salt), derInteger(1));
  const safe = derSequence(derOid('1.2.840.113549.1.7.1'), derElement(0xa0, derOctetString(content)));
  return derSequence(version.der, safe, mac);
}

/** The same in BER: every SEQUENCE and `[0]` of the outer layers indefinite, the OCTET STRING in pieces of 100. */
function loosened(file: Uint8Array): Uint8Array {
  const root = readDer(file);
  assert.ok(root.ok);
  const [version, authSafe, mac] = childrenOf(root.value);
  const [type, wrapped] = childrenOf(authSafe);
  const octets = childrenOf(wrapped)[0].content;
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < octets.length; at += 100) pieces.push(derOctetString(octets.subarray(at, at + 100)));
  const open = (tag: number, ...inner: Uint8Array[]): Uint8Array =>
    concat(Uint8Array.of(tag, 0x80), ...inner, Uint8Array.of(0, 0));
  return open(0x30, version.der, open(0x30, type.der, open(0xa0, open(0x24, ...pieces))), mac.der);
}
