import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authority, type Entity } from './authority.ts';
import { inFolder, openssl, pkcs12, writeBundle, writePem } from './files.ts';
import type { KeyName } from './keys.ts';

const kinds: readonly KeyName[] = ['rsa', 'rsa3072', 'rsa-pss', 'p256', 'p384', 'p521', 'ed25519', 'ed448', 'brainpoolP256r1'];

for (const kind of kinds) {
  test(`openssl -x509_strict verifies a chain of ${kind} keys`, () => {
    const root = authority.root({ key: kind });
    const middle = root.authority({ subject: 'CN=Middle', key: kind, ca: { pathLength: 0 } });
    verify(middle.issue({ subject: 'CN=vpn.office.test', key: kind, san: ['dns:vpn.office.test'] }), root, [middle]);
  });
}

test('openssl verifies RSASSA-PSS with each hash and refuses a broken signature', () => {
  const root = authority.root({ key: 'rsa' });
  for (const hash of ['sha256', 'sha384', 'sha512'] as const) {
    verify(root.issue({ subject: 'CN=x', signature: { scheme: 'rsa-pss', hash } }), root, []);
  }
  const broken = root.issue({ subject: 'CN=x', signature: { broken: true } });
  assert.throws(() => verify(broken, root, []), /signature failure/);
});

test('openssl reads every extension as it was written', () => {
  const root = authority.root({ subject: 'CN=Office Root,O=Office\\, Inc,C=DE' });
  const { pem } = root.issue({
    subject: 'CN=alice,OU=Sales,O=Office',
    san: ['dns:vpn.office.test', 'ip:192.0.2.1', 'ip:2001:db8::1', 'email:a@b.test', 'upn:a@b', 'dn:CN=x', 'rid:1.2.3'],
    eku: ['ipsecIKE', 'serverAuth'],
    nameConstraints: { permitted: ['ip:10.0.0.0/9', 'dns:a.b'], excluded: ['email:.b'] },
    policies: ['1.2.3.4'],
    crlUrl: [{ uris: ['http://crl.test/a.crl'], reasons: ['keyCompromise', 'aACompromise'], issuer: 'CN=Other' }],
    ocspUrl: 'http://ocsp.test/',
    noCheck: true,
    notAfter: new Date('2051-02-03T04:05:06Z'),
  });
  const text = openssl(['x509', '-noout', '-text', '-nameopt', 'RFC2253'], Buffer.from(pem)).toString().replace(/\s+/g, ' ');
  for (const part of [
    'Issuer: CN=Office Root,O=Office\\, Inc,C=DE',
    'Not After : Feb 3 04:05:06 2051 GMT',
    'Subject: CN=alice,OU=Sales,O=Office',
    'DNS:vpn.office.test, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1, email:a@b.test, othername: UPN::a@b, DirName:/CN=x, Registered ID:1.2.3',
    'ipsec Internet Key Exchange, TLS Web Server Authentication',
    'Permitted: IP:10.0.0.0/255.128.0.0 DNS:a.b Excluded: email:.b',
    'Policy: 1.2.3.4',
    'Reasons: Key Compromise, AA Compromise CRL Issuer: DirName:CN = Other',
    'OCSP - URI:http://ocsp.test/',
    'OCSP No Check',
  ]) {
    assert.ok(text.includes(part), `${part}\n${text}`);
  }
});

test('a cross-signed authority leads to both roots', () => {
  const old = authority.root({ subject: 'CN=Old Root' });
  const fresh = authority.root({ subject: 'CN=New Root' });
  const gateway = fresh.issue({ subject: 'CN=vpn.office.test' });
  verify(gateway, fresh, []);
  verify(gateway, old, [old.crossSign(fresh)]);
});

test('openssl opens the PKCS#12 files of each protection', () => {
  const root = authority.root({ key: 'rsa' });
  const alice = root.authority({ subject: 'CN=Sub' }).issue({ subject: 'CN=alice', key: 'rsa' });
  for (const protection of ['modern', 'legacy', '3des'] as const) {
    const file = pkcs12(alice, { password: 'pass word', protection, more: [root] });
    const text = openssl(['pkcs12', '-legacy', '-nodes', '-passin', 'pass:pass word'], Buffer.from(file)).toString();
    assert.equal(text.match(/BEGIN CERTIFICATE/g)?.length, 3, protection);
    assert.ok(text.includes('BEGIN PRIVATE KEY'), protection);
  }
});

function verify(entity: Entity, anchor: Entity, between: readonly Entity[]): void {
  inFolder((folder) => {
    const { certificate } = writePem(folder, 'entity', entity);
    const anchors = ['-CAfile', writeBundle(`${folder}/anchors.pem`, [anchor])];
    const others = between.length === 0 ? [] : ['-untrusted', writeBundle(`${folder}/others.pem`, between)];
    openssl(['verify', '-x509_strict', ...anchors, ...others, certificate]);
  });
}
