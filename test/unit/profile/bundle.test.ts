import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importFiles } from '../../../core/profile/readFiles.ts';
import { opensslFolder } from '../pki/opensslFiles.ts';
import { alice, base64, P12_PASSWORD, pkcs12, root, sub } from './credentials.ts';

const octets = (text: string) => new TextEncoder().encode(text);
const day = (days: number) => new Date(Date.now() + days * 86_400_000);

function read(...files: readonly (string | Uint8Array)[]) {
  const given = files.map((file) => (typeof file === 'string' ? octets(file) : file));
  return importFiles(given, { now: Date.now(), gateway: 'vpn.office.test', password: P12_PASSWORD });
}

function imported(...files: readonly (string | Uint8Array)[]) {
  const result = read(...files);
  assert.ok(result.ok, result.ok ? '' : result.error.detail);
  return result.value;
}

function refusal(...files: readonly (string | Uint8Array)[]): string {
  const result = read(...files);
  assert.equal(result.ok, false);
  return result.ok ? '' : `${result.error.code}: ${result.error.detail}`;
}

const dropped = ({ notes }: ReturnType<typeof imported>) =>
  notes.filter(({ outcome }) => outcome === 'dropped').map(({ why }) => why);

test('a user’s certificate beside one’s own is told of, and never trusted', () => {
  const carol = sub.issue({ subject: 'CN=carol, O=Office', eku: ['clientAuth'] });
  const found = imported(pkcs12(alice, { extra: [carol, sub, root] }));
  assert.deepEqual(found.profile.trust.authorities, [base64(root.der)]);
  assert.match(dropped(found).join(), /^the certificate of CN=carol,O=Office until .*: it is not trusted$/);
});

test('a gateway’s own certificate beside one’s own is trusted', () => {
  const server = root.issue({ subject: 'CN=vpn.office.test', eku: ['serverAuth'] });
  const { trust } = imported(alice.key.pkcs8Pem, alice.pem, server.pem).profile;
  assert.deepEqual([trust.authorities, trust.systemRoots], [[base64(server.der)], false]);
});

test('of two certificates for one key the newer one is taken, and the old one is told of', () => {
  const old = sub.issue({ subject: 'CN=alice, O=Office', key: alice.key, notBefore: day(-400), notAfter: day(-5) });
  const found = imported(`${old.pem}${alice.pem}${sub.pem}${root.pem}${alice.key.pkcs8Pem}`);
  assert.deepEqual(found.profile.certificates, [base64(alice.der), base64(sub.der)]);
  assert.deepEqual(found.profile.trust.authorities, [base64(root.der)]);
  assert.equal(dropped(found).length, 1);
});

test('of authorities with one name the chain has the one whose key signed, and the newer certificate of it', () => {
  const other = root.authority({ subject: 'CN=Office Users, O=Office' });
  const old = root.crossSign(sub, { notBefore: day(-400), notAfter: day(-5) });
  const { certificates } = imported(`${alice.key.pkcs8Pem}${alice.pem}${other.pem}${old.pem}${sub.pem}${root.pem}`).profile;
  assert.deepEqual(certificates.slice(0, 2), [base64(alice.der), base64(sub.der)]);
});

test('other PEM blocks are named: converted, or left out', () => {
  const relabelled = (label: string) => alice.pem.replaceAll('CERTIFICATE', label);
  assert.match(refusal(relabelled('PKCS7')), /^import-unsupported: a block "PKCS7"; convert it: openssl pkcs7 -print_certs/);
  assert.match(refusal(relabelled('TRUSTED CERTIFICATE')), /^import-unsupported: .* convert it: openssl x509 -in/);
  const request = relabelled('CERTIFICATE REQUEST');
  assert.match(refusal(request, alice.key.pkcs8Pem), /a private key, and no certificate \(but "CERTIFICATE REQUEST"\)$/);
  const found = imported(alice.key.pkcs8Pem, alice.pem, request);
  assert.deepEqual(dropped(found), ['a block "CERTIFICATE REQUEST": it is of no use here']);
});

test('a configuration profile of Apple is told what it is, plain or signed, with a comment or without', () => {
  const folder = opensslFolder();
  const comment = '<!-- of the\noffice -- -->\n';
  try {
    folder.write('alice.pem', `${alice.pem}${alice.key.pkcs8Pem}`);
    for (const before of ['', comment, comment.repeat(20)]) {
      const text = `<?xml version="1.0" encoding="UTF-8"?>\n${before}<!DOCTYPE plist PUBLIC "x" "y">\n<plist version="1.0"><dict/></plist>`;
      folder.write('plain', text);
      // DER, and BER of indefinite length.
      for (const how of [[], ['-stream']]) {
        const sign = ['cms', '-sign', '-nodetach', '-binary', ...how, '-in', 'plain', '-signer', 'alice.pem', '-outform', 'DER'];
        const signed = new Uint8Array(folder.openssl(...sign));
        for (const file of [text, signed])
          assert.match(refusal(file), /^import-unsupported: an Apple configuration profile: not read yet; ask for/);
      }
    }
    // What only looks like one does not take long.
    assert.match(refusal(`<?xml?>${'<!---->'.repeat(280)}`), /^profile-malformed: /);
    folder.write('other', 'no XML');
    const other = folder.openssl('cms', '-sign', '-nodetach', '-in', 'other', '-signer', 'alice.pem', '-outform', 'DER');
    assert.match(refusal(new Uint8Array(other)), /^import-unsupported: PKCS #7; convert it: /);
  } finally {
    folder.remove();
  }
});

test('of several files the one that is wrong is named', () => {
  assert.match(refusal(alice.pem, alice.key.pkcs8Pem.replace(/\n../, '\n!!')), /: file 2: PEM: .* is not base64$/);
  assert.match(refusal(alice.pem, alice.key.pkcs8Pem, '{}'), /: file 3: .*; this is neither$/);
});

test('text that was wrapped by another program is told what it is', () => {
  const wide = Uint8Array.of(0xff, 0xfe, ...Buffer.from(alice.pem, 'utf16le'));
  assert.match(refusal(wide), /: text in UTF-16; save it as UTF-8$/);
  assert.match(refusal(base64(pkcs12(alice)).replace(/.{76}/g, '$&\n')), /: base64 of a file .*decode it first: base64 -d/);
});
