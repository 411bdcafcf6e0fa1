/** `sallyport cert fetch`: what a gateway shows to somebody who proves nothing, with the real helper. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Params } from '../../core/rpc/contract.ts';
import { authority } from '../authority/authority.ts';
import { VISITOR } from '../gateway/office.ts';
import { base64, NAME, Office2026, OfficeScene, proofOf, USER } from './officeScene.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root: network namespaces';
const ca = new Office2026();
const eap = { methods: ['mschapv2'], users: { alice: { password: 'whatever it is' } } } as const;
const trust = { authorities: [ca.root.pem], revocation: { crl: false, ocsp: false } };

let scene: OfficeScene;
before(async () => {
  if (!skip) scene = await OfficeScene.start();
});
after(async () => {
  await scene?.close();
});

async function fetchFrom(given: Params<'cert.fetch'>) {
  const fetched = await scene.rpc.call('cert.fetch', given);
  if (!fetched.ok) return { code: fetched.error.code };
  const { chain, others, verdict, problems, expected } = fetched.value;
  const subjects = [...chain, ...others].map(({ subject }) => subject);
  return { subjects, verdict, problems: problems.map(({ code }) => code), fits: expected?.fits };
}

test('a gateway of EAP shows its chain; by name it is untrusted, by the profile it is trusted', { skip }, async () => {
  await scene.open({ certificate: proofOf(ca.gateway), users: [], eap: { ...eap, methods: ['mschapv2'] }, log: 'debug' });
  const stranger = await fetchFrom({ gateway: NAME });
  assert.deepEqual(stranger, {
    subjects: [`CN=${NAME}`, 'CN=Office CA'],
    verdict: 'refused',
    problems: ['untrusted'],
    fits: true,
  });
  const profile = await scene.profile({ auth: { method: 'eap', identity: 'alice' }, gatewayAuth: trust });
  const known = await fetchFrom({ profile });
  assert.deepEqual([known.verdict, known.problems], ['trusted', []]);
  const renamed = await fetchFrom({ profile, expect: 'mail.office.test' });
  assert.deepEqual([renamed.verdict, renamed.fits], ['refused', false]);
});

test('the gateway gets an identity that is our address, no proof, and no word of EAP', { skip }, async () => {
  await scene.profile({ auth: { method: 'eap', identity: 'alice', password: 'whatever it is' }, gatewayAuth: trust });
  assert.ok((await fetchFrom({ gateway: NAME })).subjects);
  const told = `${scene.office?.gateway.recent()}`;
  assert.match(told, /received IKE_AUTH request.*"payloads":"IDi CERTREQ CP SA TSi TSr"/);
  assert.equal(/received IKE_AUTH request[^}]*"payloads":"[^"]*(EAP|AUTH|CERT )/.test(told), false, told);
  assert.equal(/alice/.test(told), false, told);
  assert.equal(scene.status().state, 'idle');
});

test('a gateway that wants a key or a certificate first shows none, and that is said', { skip }, async () => {
  await scene.open({ users: [VISITOR] });
  assert.match((await fetchFrom({ gateway: NAME })).code ?? '', /^(gateway-no-certificate|authentication-failed)$/);
  await scene.open({
    certificate: proofOf(ca.gateway),
    userAuthorities: [base64(ca.root.der)],
    users: [{ identity: USER, proofs: ['certificate'] }],
  });
  assert.match((await fetchFrom({ gateway: NAME })).code ?? '', /^(gateway-no-certificate|authentication-failed)$/);
});

test('nobody there, and no such name', { skip }, async () => {
  assert.deepEqual(await fetchFrom({ gateway: 'elsewhere.office.test' }), { code: 'name-not-resolved' });
  await scene.office?.stop();
  assert.deepEqual(await fetchFrom({ gateway: '198.51.100.10' }), { code: 'no-answer' });
});

test('beside a tunnel that takes everything it goes around it', { skip }, async () => {
  const users = [{ identity: USER, proofs: ['eap' as const] }];
  await scene.open({ certificate: proofOf(ca.gateway), users, eap: { ...eap, methods: ['mschapv2'] } });
  const auth = { method: 'eap', identity: 'alice', password: 'whatever it is' };
  assert.equal(await scene.up(await scene.profile({ auth, gatewayAuth: trust })), 'connected');
  assert.deepEqual((await fetchFrom({ gateway: '198.51.100.10' })).subjects, [`CN=${NAME}`, 'CN=Office CA']);
  assert.equal(scene.status().state, 'connected');
  await scene.down();
});

test('a pinned gateway and one whose chain is a mess are shown all the same', { skip }, async () => {
  const router = authority.selfSigned({ subject: 'CN=router' });
  const chain = [router.der, ca.alice.der, Uint8Array.of(0x30, 0x03, 0x02, 0x01, 0x00)].map(base64);
  await scene.open({ certificate: { chain, key: base64(router.pkcs8) }, users: [], eap: { ...eap, methods: ['mschapv2'] } });
  assert.deepEqual((await fetchFrom({ gateway: NAME })).subjects, ['CN=router', 'CN=Alice']);
});
