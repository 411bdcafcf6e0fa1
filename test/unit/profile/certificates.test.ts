import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importProfile } from '../../../core/profile/import.ts';
import { authority } from '../../authority/authority.ts';
import { alice, base64, bob, encryptedKey, gateway, root, sub } from './credentials.ts';
import { profileText } from './sample.ts';

const certificate = { method: 'certificate', certificate: [alice.pem, sub.pem], key: alice.key.pkcs8Pem };

function imported(changes: Readonly<Record<string, unknown>>, now?: number) {
  const result = importProfile(profileText({ localId: undefined, ...changes }), now);
  assert.ok(result.ok, result.ok ? '' : result.error.detail);
  return result.value;
}

function refusal(changes: Readonly<Record<string, unknown>>): string {
  const result = importProfile(profileText({ localId: undefined, ...changes }));
  assert.equal(result.ok, false);
  return result.ok ? '' : result.error.detail;
}

const codes = (changes: Readonly<Record<string, unknown>>, now?: number) =>
  imported(changes, now)
    .notes.filter(({ outcome }) => outcome !== 'kept')
    .map(({ field, code }) => `${field} ${code}`);

test('a certificate and its key; the gateway’s by its authority', () => {
  const { profile, secret } = imported({ auth: certificate, gatewayAuth: { authorities: [root.pem] } });
  assert.deepEqual([profile.auth, profile.localId, profile.eap], ['certificate', '', undefined]);
  assert.deepEqual(profile.certificates, [base64(alice.der), base64(sub.der)]);
  assert.deepEqual(secret.key, alice.key.pkcs8);
  assert.deepEqual(
    [profile.trust.method, profile.trust.authorities, profile.trust.systemRoots],
    ['certificate', [base64(root.der)], false],
  );
});

test('the chain is put in order by the key, whatever order the file has', () => {
  const mixed = { ...certificate, certificate: `${sub.pem}some text\n${bob.pem}${alice.pem}` };
  assert.deepEqual(imported({ auth: mixed, gatewayAuth: { authorities: root.pem } }).profile.certificates.slice(0, 2), [
    base64(alice.der),
    base64(sub.der),
  ]);
});

test('an encrypted key opens with its password and is kept without it; in the clear it is warned about', () => {
  const key = encryptedKey(alice, 'the password');
  const auth = { ...certificate, key, keyPassword: 'the password' };
  const trust = { gatewayAuth: { authorities: root.pem }, localId: 'alice@office.test' };
  assert.deepEqual(imported({ auth, ...trust }).secret.key, alice.key.pkcs8);
  assert.deepEqual(codes({ auth, ...trust, remoteId: 'x' }), ['auth.key kept-without-password']);
  assert.deepEqual(codes({ auth: certificate, ...trust, remoteId: 'x' }), ['auth.key clear-text']);
  assert.match(refusal({ auth: { ...certificate, key } }), /^auth\.key: the private key is encrypted/);
  assert.match(refusal({ auth: { ...certificate, key, keyPassword: 'other' } }), /^auth\.key: the password does not open/);
});

test('what does not go together is named with what to do', () => {
  const cases: readonly (readonly [Readonly<Record<string, unknown>>, RegExp])[] = [
    [{ auth: { ...certificate, key: bob.key.pkcs8Pem } }, /^auth\.key: expected the key of the certificate of CN=alice/],
    [{ auth: { method: 'certificate' } }, /^auth\.certificate: is missing; expected your certificate/],
    [
      { auth: { method: 'eap', methods: ['tls'] } },
      /^auth\.certificate: is missing.*"tls" needs it; auth\.authorities: is missing/,
    ],
    [{ auth: { method: 'eap', methods: ['peap'] } }, /^auth\.authorities: is missing/],
    [{ auth: { method: 'psk', password: 'x' }, localId: 'a' }, /^auth\.password: does not belong here: "psk" takes "secret"$/],
    [{ auth: { method: 'psk' } }, /^localId: is missing; expected who you are/],
    [{ auth: certificate, gatewayAuth: { method: 'eap-only' } }, /^gatewayAuth\.method: "eap-only" goes with "eap" only/],
    [
      { auth: { method: 'eap', methods: ['gtc'] }, gatewayAuth: { method: 'eap-only' } },
      /^auth\.methods: expected one that proves/,
    ],
    // RFC 5998 §4: whoever is in the gateway's place would get a response to try out passwords against.
    [
      { auth: { method: 'eap', methods: ['mschapv2'] }, gatewayAuth: { method: 'eap-only' } },
      /^auth\.methods: expected one that proves the server: tls, ttls, peap$/,
    ],
    [{ auth: { method: 'eap' }, gatewayAuth: { method: 'eap-only' } }, /^auth\.methods: expected one that proves/],
    [
      { auth: certificate, gatewayAuth: { systemRoots: false } },
      /^gatewayAuth\.authorities: is missing; expected CA certificates/,
    ],
    [{ auth: certificate, remoteId: '%any' }, /^remoteId: "%any" with the authorities of this computer/],
    [
      { auth: certificate, gatewayAuth: { authorities: alice.key.pkcs8Pem } },
      /^gatewayAuth\.authorities: .*there is a block "PRIVATE KEY"/,
    ],
    [
      { auth: { ...certificate, certificate: root.pem.replace('MII', '%%%') } },
      /^auth\.certificate: expected certificates in PEM/,
    ],
    [
      { auth: certificate, gatewayAuth: { revocation: { crl: false, ocsp: false, strict: true } } },
      /^gatewayAuth\.revocation: "strict" takes nothing unchecked, .*; expected one of them, or no "strict"$/,
    ],
    [{ auth: certificate, gatewayAuth: { secret: 'x' } }, /^gatewayAuth\.secret: does not belong here/],
    [{ auth: 'eap' }, /^auth: expected an object with "method"/],
    [{ auth: { method: 'xauth' } }, /^auth\.method: expected "psk", "certificate", "eap" or "certificate-eap"/],
  ];
  for (const [changes, said] of cases) assert.match(refusal(changes), said);
});

test('EAP: what is asked for, whose authorities, which methods', () => {
  const plain = imported({ auth: { method: 'eap' } });
  assert.deepEqual(plain.profile.eap, { methods: ['mschapv2', 'gtc', 'otp'], identity: '', serverName: '', authorities: [] });
  assert.deepEqual([plain.profile.trust.method, plain.profile.trust.systemRoots], ['certificate', true]);
  assert.deepEqual(codes({ auth: { method: 'eap' }, remoteId: 'x' }), [
    'gatewayAuth.authorities system-roots',
    'auth.identity user-missing',
    'localId default-taken',
  ]);
  const own = imported({
    auth: { method: 'eap', identity: 'alice', password: 'päss', authorities: gateway.pem },
    gatewayAuth: { authorities: root.pem },
  });
  assert.deepEqual([own.profile.eap?.authorities, own.profile.trust.authorities], [[base64(gateway.der)], [base64(root.der)]]);
  assert.deepEqual(own.profile.eap?.methods, ['mschapv2', 'ttls', 'peap', 'gtc', 'otp']);
  assert.equal(new TextDecoder().decode(own.secret.password), 'päss');
  const shared = imported({ auth: { method: 'eap' }, gatewayAuth: { authorities: root.pem } });
  assert.deepEqual(shared.profile.eap?.authorities, [base64(root.der)], 'a file that names none means the gateway’s');
  assert.ok(codes({ auth: { method: 'eap', methods: ['md5'], identity: 'a' } }).includes('auth.methods weak-method'));
});

test('a gateway with a pre-shared key and a user with EAP', () => {
  const { profile, secret } = imported({
    auth: { method: 'eap', identity: 'a' },
    gatewayAuth: { method: 'psk', secret: 'correct horse battery' },
  });
  assert.deepEqual([profile.trust.method, new TextDecoder().decode(secret.psk)], ['psk', 'correct horse battery']);
  assert.ok(codes({ auth: { method: 'eap' }, gatewayAuth: { method: 'psk' } }).includes('gatewayAuth.secret secret-missing'));
});

const DAY = 86_400_000;

test('certificates that are soon over, over, or not there yet; weak ones; those that are no authority', () => {
  const now = Date.now();
  const until = (days: number) =>
    authority.root({ subject: 'CN=CA', notBefore: new Date(now - 100 * DAY), notAfter: new Date(now + days * DAY) });
  const warned = (pem: string) =>
    codes({ auth: { ...certificate }, gatewayAuth: { authorities: pem } }, now).filter((code) => code.startsWith('gatewayAuth'));
  assert.deepEqual(warned(until(31).pem), []);
  assert.deepEqual(warned(until(29).pem), ['gatewayAuth.authorities certificate-expires']);
  assert.deepEqual(warned(until(-1).pem), ['gatewayAuth.authorities certificate-expired']);
  const future = authority.root({ subject: 'CN=CA', notBefore: new Date(now + DAY), notAfter: new Date(now + 90 * DAY) });
  assert.deepEqual(warned(future.pem), ['gatewayAuth.authorities certificate-not-yet-valid']);
  assert.deepEqual(warned(authority.root({ subject: 'CN=CA', key: 'rsa1024' }).pem), ['gatewayAuth.authorities weak-key']);
  assert.deepEqual(warned(root.authority({ subject: 'CN=CA', signature: { hash: 'sha1' } }).pem), [
    'gatewayAuth.authorities weak-signature',
  ]);
  assert.deepEqual(warned(gateway.pem), ['gatewayAuth.authorities not-an-authority']);
});

test('an identity that is not in the certificate is warned about; each name of it is taken', () => {
  const base = { auth: certificate, gatewayAuth: { authorities: root.pem }, remoteId: 'x' };
  const named = (localId: string) => codes({ ...base, localId }).includes('localId identity-unlike-certificate');
  for (const localId of ['alice@office.test', 'Alice@Office.test', 'CN=alice, O=Office', 'O=Office, CN=alice'])
    assert.equal(named(localId), false, localId);
  for (const localId of ['bob@office.test', 'alice', 'CN=alice']) assert.equal(named(localId), true, localId);
});

test('no PEM, password or key is in what is told', () => {
  const text = refusal({ auth: { ...certificate, password: 'geheim geheim', key: `${alice.key.pkcs8Pem} geheim` }, mtu: 1 });
  for (const secret of ['geheim', alice.key.pkcs8Pem.split('\n')[1] ?? '?']) assert.equal(text.includes(secret), false);
});
