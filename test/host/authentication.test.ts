/** Who is there: the real helper against the embedded head office, by certificates and EAP, and every way in which it must not work. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { authority, type Entity } from '../authority/authority.ts';
import { DAY } from '../authority/certificate.ts';
import { makeCrl } from '../authority/crl.ts';
import type { OfficeOptions } from '../gateway/office.ts';
import { base64, NAME, Office2026, OfficeScene, proofOf, RESPONDER, USER } from './officeScene.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root: network namespaces';
const ca = new Office2026();
const PASSWORD = 'Zwölf Boxkämpfer jagen Viktor';
const WRONG = 'nobody has this password';

const byCertificate: OfficeOptions = {
  certificate: proofOf(ca.gateway),
  userAuthorities: [base64(ca.root.der)],
  users: [{ identity: USER, proofs: ['certificate'] }],
};
const eapUsers = { alice: { password: PASSWORD } };
const byEap: OfficeOptions = {
  certificate: proofOf(ca.gateway),
  users: [{ identity: USER, proofs: ['eap'] }],
  eap: { methods: ['mschapv2'], users: eapUsers },
};
const trust = { authorities: [ca.root.pem], revocation: { crl: false, ocsp: false } };
const own = { certificate: ca.alice.chainPem, key: ca.alice.key.pkcs8Pem };
const certificateProfile = { auth: { method: 'certificate', ...own }, gatewayAuth: trust };
const eapProfile = (more: object = {}) => ({ auth: { method: 'eap', ...more }, gatewayAuth: trust });

let scene: OfficeScene;
before(async () => {
  if (!skip) scene = await OfficeScene.start();
});
after(async () => {
  await scene?.close();
});

const steps = () =>
  scene
    .status()
    .steps.map(({ state }) => state)
    .join(' ');

/** Than that the office has IPv4 only. */
const otherWarnings = () => scene.status().warnings?.filter(({ code }) => code !== 'family-blocked') ?? [];

test('certificates on both sides', { skip }, async () => {
  await scene.open(byCertificate);
  const profile = await scene.profile(certificateProfile);
  assert.equal(await scene.up(profile), 'connected');
  const { gatewayCertificate, warnings, ike } = scene.status();
  assert.deepEqual(
    [gatewayCertificate?.subject, gatewayCertificate?.issuer, gatewayCertificate?.revocation.map(({ status }) => status)],
    [`CN=${NAME}`, 'CN=Office CA', ['not-checked', 'not-checked']],
  );
  const blocked = [{ code: 'family-blocked', subject: 'IPv6' }];
  assert.deepEqual([warnings, ike?.localIdentity, ike?.remoteIdentity], [blocked, USER, NAME], 'this office has IPv4 only');
  assert.equal(steps(), 'done done done done done');
  const ping = await scene.lab.laptop.exec(['ping', '-c', '1', '-W', '3', scene.lab.addresses.intranet.web4]);
  assert.equal(ping.code, 0, ping.stdout);
  const six = await scene.lab.laptop.exec(['ip', '-6', 'route', 'get', '2001:db8:ffff::1']);
  assert.match(six.stderr, /No route to host/, 'it leads nowhere, and not past the tunnel');
  await scene.down();
});

test('EAP-MSCHAPv2: name and password are asked for once the gateway is proven; what is remembered is not asked again', {
  skip,
}, async () => {
  await scene.open(byEap);
  const profile = await scene.profile(eapProfile());
  await scene.begin(profile);
  const waiting = await scene.until('a question', ({ prompt }) => prompt !== undefined);
  assert.deepEqual([waiting.state, waiting.prompt?.kind], ['waiting', 'identity']);
  assert.equal(steps(), 'done done done active pending');
  assert.equal(waiting.gatewayCertificate?.subject, `CN=${NAME}`);
  await scene.down();
  assert.equal(scene.status().state, 'idle');
  assert.equal(await scene.up(profile, { identity: ['alice'], password: [PASSWORD] }, true), 'connected');
  assert.equal(steps(), 'done done done done done');
  await scene.down();
  assert.equal(await scene.up(profile), 'connected');
  await scene.down();
});

for (const retries of [0, 3]) {
  test(`a wrong password, then the right one; three wrong ones are the end (${retries} tries within the method)`, {
    skip,
  }, async () => {
    await scene.open({ ...byEap, eap: { methods: ['mschapv2'], users: eapUsers, retries } });
    const profile = await scene.profile(eapProfile({ identity: 'alice', password: WRONG }));
    assert.equal(await scene.up(profile), 'asks: password 2');
    await scene.down();
    assert.equal(await scene.up(profile, { password: [PASSWORD] }), 'connected');
    await scene.down();
    assert.match(await scene.up(profile, { password: [WRONG, WRONG, WRONG] }), /^(password-wrong|eap-refused)$/);
    assert.equal(steps(), 'done done done failed pending');
    await scene.down();
  });
}

test('what only the administrator can mend is not asked again', { skip }, async () => {
  for (const [error, code] of [
    [648, 'password-expired'],
    [647, 'account-disabled'],
    [649, 'account-restricted'],
  ] as const) {
    await scene.open({ ...byEap, eap: { methods: ['mschapv2'], users: { alice: { password: PASSWORD, error } } } });
    const profile = await scene.profile(eapProfile({ identity: 'alice', password: PASSWORD }));
    assert.equal(await scene.up(profile), code);
  }
});

test('a code with the gateway’s own words', { skip }, async () => {
  const codes = [{ text: 'The number on your token', answer: '424242' }];
  await scene.open({ ...byEap, eap: { methods: ['gtc'], users: { alice: { password: '', codes } } } });
  const profile = await scene.profile(eapProfile({ identity: 'alice' }));
  await scene.begin(profile);
  const { prompt } = await scene.until('a question', (status) => status.prompt !== undefined);
  assert.deepEqual([prompt?.text, prompt?.identity], ['The number on your token', 'alice']);
  assert.ok(prompt);
  const told = await scene.rpc.call('tunnel.answer', { id: prompt.id, secret: '424242', remember: false });
  assert.ok(told.ok);
  await scene.until('connected', ({ state }) => state === 'connected');
  await scene.down();
});

test('a certificate, then a password', { skip }, async () => {
  await scene.open({ ...byCertificate, ...byEap, users: [{ identity: USER, proofs: ['certificate', 'eap'] }] });
  const auth = { method: 'certificate-eap', ...own, identity: 'alice' };
  const profile = await scene.profile({ auth, gatewayAuth: trust });
  assert.equal(await scene.up(profile, { password: [PASSWORD] }), 'connected');
  await scene.down();
});

const radius = authority.root({ subject: 'CN=Login Root' });
const server = radius.issue({ subject: 'CN=radius', san: ['dns:radius.office.test'], eku: ['serverAuth'] });
const tls = { ...proofOf(server), userAuthority: base64(ca.root.der) };
const login = { serverName: 'radius.office.test', authorities: [radius.pem] };

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`EAP-TLS and TTLS by ${maxVersion}; the login server is proven by its own authorities alone`, { skip }, async () => {
    const version = { ...tls, maxVersion };
    await scene.open({ ...byEap, eap: { methods: ['tls'], tls: version } });
    const byTls = { methods: ['tls'], ...own, ...login };
    assert.equal(await scene.up(await scene.profile(eapProfile(byTls))), 'connected');
    await scene.down();
    const foreign = await scene.profile(eapProfile({ ...byTls, authorities: [ca.root.pem] }));
    assert.equal(await scene.up(foreign), 'eap-server-certificate');
    const renamed = await scene.profile(eapProfile({ ...byTls, serverName: 'elsewhere.office.test' }));
    assert.equal(await scene.up(renamed), 'eap-server-certificate');
    await scene.open({ ...byEap, eap: { methods: ['ttls'], users: eapUsers, tls: version } });
    const byTtls = { methods: ['ttls'], identity: 'alice', ...login };
    assert.equal(await scene.up(await scene.profile(eapProfile(byTtls)), { password: [PASSWORD] }), 'connected');
    await scene.down();
  });
}

const gatewayWith = (more: object): Entity => ca.sub.issue({ subject: `CN=${NAME}`, san: [`dns:${NAME}`], ...more });
const stranger = authority.root({ subject: 'CN=Office Root' });
const refused: readonly (readonly [string, Entity, string])[] = [
  ['another name', gatewayWith({ san: ['dns:mail.office.test'] }), 'gateway-wrong-name'],
  ['another authority of the same name', stranger.issue({ subject: `CN=${NAME}`, san: [`dns:${NAME}`] }), 'gateway-untrusted'],
  ['expired', gatewayWith({ notAfter: new Date(Date.now() - DAY) }), 'gateway-cert-expired'],
  ['not valid yet', gatewayWith({ notBefore: new Date(Date.now() + DAY) }), 'gateway-cert-not-yet-valid'],
  ['for e-mail', gatewayWith({ eku: ['emailProtection'] }), 'gateway-cert-invalid'],
];
for (const [what, entity, code] of refused) {
  test(`the gateway's certificate is ${what}: refused, shown, and nothing is asked of the user`, { skip }, async () => {
    await scene.open({ ...byEap, certificate: proofOf(entity) });
    assert.equal(await scene.up(await scene.profile(eapProfile())), code);
    assert.equal(steps(), 'done done failed pending pending');
    assert.equal(scene.status().gatewayCertificate?.subject, `CN=${NAME}`);
  });
}

test('a certificate of another name is refused where the user has a certificate, too', { skip }, async () => {
  await scene.open({ ...byCertificate, certificate: proofOf(gatewayWith({ san: ['dns:mail.office.test'] })) });
  assert.equal(await scene.up(await scene.profile(certificateProfile)), 'gateway-wrong-name');
  assert.equal(steps(), 'done done failed pending pending');
});

test('a pinned certificate is the gateway; another one of the same name is not', { skip }, async () => {
  const router = authority.selfSigned({ subject: 'CN=router' });
  await scene.open({ ...byEap, certificate: proofOf(router) });
  const auth = { method: 'eap', identity: 'alice', password: PASSWORD };
  const pinned = await scene.profile({ auth, gatewayAuth: { ...trust, authorities: [router.pem] } });
  assert.equal(await scene.up(pinned), 'connected');
  await scene.down();
  await scene.open({ ...byEap, certificate: proofOf(authority.selfSigned({ subject: 'CN=router' })) });
  assert.equal(await scene.up(pinned), 'gateway-untrusted');
});

test('an own certificate that has expired is told as what it is', { skip }, async () => {
  await scene.open(byCertificate);
  const late = ca.sub.issue({ subject: 'CN=Alice', san: [`email:${USER}`], notAfter: new Date(Date.now() - DAY / 2) });
  const auth = { method: 'certificate', certificate: late.chainPem, key: late.key.pkcs8Pem };
  assert.equal(await scene.up(await scene.profile({ auth, gatewayAuth: trust })), 'own-cert-expired');
  assert.deepEqual(
    otherWarnings().map(({ code, days }) => [code, days]),
    [['client-certificate-expires', -1]],
  );
});

test('revocation: revoked always, unknown where the profile is strict; asked for after AUTH', { skip }, async () => {
  const crlUrl = `${RESPONDER}/office.crl`;
  const listed = gatewayWith({ crlUrl });
  const list = (revoked: readonly Entity[]) => makeCrl(ca.sub, { revoked: revoked.map((certificate) => ({ certificate })) }).der;
  const profile = (strict: boolean) =>
    scene.profile({
      auth: { method: 'eap', identity: 'alice', password: PASSWORD },
      gatewayAuth: { authorities: [ca.root.pem], revocation: { crl: true, ocsp: true, strict } },
    });
  await scene.open({ ...byEap, certificate: proofOf(listed) });
  // Nobody serves the list.
  const soft = await profile(false);
  assert.equal(await scene.up(soft), 'connected');
  assert.deepEqual(
    otherWarnings().map(({ code, subject }) => [code, subject]),
    [['revocation-unknown', `CN=${NAME}`]],
  );
  await scene.down();
  assert.equal(await scene.up(await profile(true)), 'gateway-revocation-unknown');
  const serve = (crl: Uint8Array) =>
    scene.serve(
      'test/authority/revocationMain.ts',
      JSON.stringify({ host: '198.51.100.1', port: 8080, answers: { '/office.crl': { kind: 'octets', base64: base64(crl) } } }),
    );
  const responder = await serve(list([listed]));
  assert.equal(await scene.up(soft), 'gateway-cert-revoked');
  assert.equal(steps(), 'done done failed pending pending');
  assert.deepEqual(
    scene
      .status()
      .gatewayCertificate?.revocation.map(({ status }) => status)
      .includes('revoked'),
    true,
  );
  await responder.stop();
  // Of an untrusted gateway no address is asked.
  const second = await serve(list([]));
  const faked = stranger.issue({ subject: `CN=${NAME}`, san: [`dns:${NAME}`], crlUrl });
  await scene.open({ ...byEap, certificate: proofOf(faked) });
  assert.equal(await scene.up(soft), 'gateway-untrusted');
  await assert.rejects(
    second.next((line) => line.path !== undefined, 300),
    /said nothing/,
  );
  await second.stop();
});
