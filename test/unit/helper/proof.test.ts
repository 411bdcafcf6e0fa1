import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { ok } from '../../../core/bytes/result.ts';
import type { SigningKey } from '../../../core/helper/asks.ts';
import { ikeConfig } from '../../../core/helper/ikeConfig.ts';
import { type ProofPorts, prepareProof } from '../../../core/helper/proof.ts';
import { parseCertificate } from '../../../core/pki/certificate.ts';
import type { Certificate } from '../../../core/pki/contract.ts';
import { validatePath } from '../../../core/pki/path.ts';
import { signerInfoOf } from '../../../core/pki/privateKey.ts';
import { defaultTrust, type Profile } from '../../../core/profile/model.ts';
import { authority, type Entity } from '../../authority/authority.ts';
import { DAY } from '../../authority/certificate.ts';
import { sampleProfile } from './sampleProfile.ts';

const root = authority.root({ subject: 'CN=Office Root' });
const sub = root.authority({ subject: 'CN=Office CA' });
const alice = sub.issue({ subject: 'CN=Alice,O=Office', san: ['dns:laptop.office.test', 'email:alice@office.test'] });
const psk = new TextEncoder().encode('a key of both');
const base64 = ({ der }: { readonly der: Uint8Array }) => Buffer.from(der).toString('base64');
const eap = { methods: ['mschapv2', 'ttls'], identity: 'alice', serverName: '', authorities: [] } as const;

function parsed({ der }: { readonly der: Uint8Array }): Certificate {
  const read = parseCertificate(der);
  assert.ok(read.ok);
  return read.value;
}

function keyOf(entity: Entity): SigningKey {
  const info = signerInfoOf(entity.pkcs8);
  assert.ok(info.ok);
  return { info: info.value, sign: async (_, octets) => ok(octets) };
}

interface Given {
  readonly ppk?: Uint8Array;
  readonly psk?: Uint8Array;
  readonly signer?: SigningKey;
  readonly roots?: readonly Certificate[];
}

function prepare(changes: Partial<Profile>, given: Given = {}) {
  const opened: string[] = [];
  const ports: ProofPorts = {
    trust: { pki: { parseCertificate, validatePath }, systemRoots: () => given.roots ?? [], now: Date.now },
    checkRevocation: async () => ({ verdicts: [], fault: undefined }),
    openTls: ({ certificates, revocation }) => {
      opened.push(`tls with ${certificates.length}${revocation ? ', revocation' : ''}`);
      return { exchange: async () => ({ kind: 'credential-missing', why: 'expired' }), close: () => {} };
    },
  };
  const profile = sampleProfile(changes);
  const proof = prepareProof(ports, {
    profile,
    psk: given.psk,
    ppk: given.ppk,
    signer: given.signer,
    credentials: { answer: async () => ({ kind: 'credential-missing', why: 'expired' }) },
    log: () => {},
    onChange: () => {},
  });
  const where = { local: '10.0.0.5', remote: '192.0.2.1', localPorts: { ike: 500, natt: 4500 } };
  const config = proof.ok ? ikeConfig(profile, proof.value, where, 'x') : undefined;
  return { proof, opened, config: config?.ok ? config.value : undefined, code: proof.ok ? 'ok' : proof.error.code };
}

const own: Partial<Profile> = { certificates: [base64(alice), base64(sub), base64(root)] };
const trusts = (changes: Partial<Profile['trust']>): Pick<Profile, 'trust'> => ({
  trust: { ...defaultTrust('certificate'), systemRoots: false, authorities: [base64(root)], ...changes },
});

test('a pre-shared key proves both sides', () => {
  const { config, opened } = prepare({}, { psk });
  assert.deepEqual(config?.auth, { local: [{ method: 'psk', secret: psk }], gateway: { method: 'psk', secret: psk } });
  assert.deepEqual(opened, []);
  assert.equal(prepare({}).code, 'own-key-failed');
});

test('a post-quantum preshared key goes with any proof, and is only missed where it is demanded', () => {
  const ppk = new Uint8Array(32).fill(9);
  const named = { ppk: { id: 'office-ppk-1', required: true } };
  const wanted = { id: new TextEncoder().encode('office-ppk-1'), secret: ppk, required: true };
  assert.deepEqual(prepare(named, { psk, ppk }).config?.auth.ppk, wanted);
  assert.deepEqual(
    prepare({ auth: 'certificate', ...own, ...trusts({}), ...named }, { signer: keyOf(alice), ppk }).config?.auth.ppk,
    wanted,
  );
  assert.equal(prepare(named, { psk }).code, 'own-key-failed');
  const optional = prepare({ ppk: { id: 'office-ppk-1', required: false } }, { psk });
  assert.deepEqual([optional.code, optional.config?.auth.ppk], ['ok', undefined]);
  assert.equal(prepare({}, { psk, ppk }).config?.auth.ppk, undefined, 'nobody named it');
});

test('a certificate: the chain without its root, what the key can do, and the authorities by the SHA-1 of their keys', () => {
  const signer = keyOf(alice);
  const { config } = prepare({ auth: 'certificate', ...own, ...trusts({}) }, { signer });
  const spki = parsed(root).publicKey;
  assert.deepEqual(config?.auth, {
    local: [{ method: 'certificate', certificates: [alice.der, sub.der], algorithms: signer.info.algorithms }],
    gateway: { method: 'certificate', authorities: [new Uint8Array(createHash('sha1').update(spki).digest())], ocsp: true },
  });
  const revocation = { crl: true, ocsp: false, strict: false };
  const unasked = prepare({ auth: 'certificate', ...own, ...trusts({ revocation }) }, { signer }).config?.auth.gateway;
  assert.ok(unasked?.method === 'certificate' && unasked.ocsp === undefined, 'no OCSP answer is asked for where none is wanted');
  const silent = prepare({ auth: 'certificate', ...own, ...trusts({ certreq: false }) }, { signer });
  assert.deepEqual(silent.config?.auth.gateway, { method: 'certificate', authorities: [] });
});

test('what proves the gateway inside TLS is asked about: in EAP alone, and where nothing may be unknown', () => {
  const peap = { ...eap, methods: ['peap'] } as const;
  const revocation = { crl: true, ocsp: true, strict: true };
  assert.deepEqual(prepare({ auth: 'eap', eap: peap, ...trusts({}) }).opened, ['tls with 0']);
  assert.deepEqual(prepare({ auth: 'eap', eap: peap, ...trusts({ revocation }) }).opened, ['tls with 0, revocation']);
  assert.deepEqual(prepare({ auth: 'eap', eap: peap, ...trusts({ method: 'eap-only' }) }).opened, ['tls with 0, revocation']);
});

test('CERTREQ stays small, and the profile’s authorities come first', () => {
  const roots = Array.from({ length: 50 }, () => parsed(authority.root()));
  const { config } = prepare({ auth: 'certificate', ...own, ...trusts({ systemRoots: true }) }, { signer: keyOf(alice), roots });
  const gateway = config?.auth.gateway;
  assert.ok(gateway?.method === 'certificate');
  assert.equal(gateway.authorities.length, 32);
  assert.equal(
    Buffer.from(gateway.authorities[0] ?? []).equals(createHash('sha1').update(parsed(root).publicKey).digest()),
    true,
  );
});

test('EAP: identity, methods, what may be inside; EAP alone needs a method that proves the server', () => {
  const { config, opened } = prepare({ auth: 'eap', eap, ...trusts({}) });
  assert.deepEqual(config?.auth.local, [
    { method: 'eap', eap: { methods: ['mschapv2', 'ttls'], identity: 'alice', mutualOnly: false, inner: ['mschapv2', 'gtc'] } },
  ]);
  assert.deepEqual(opened, ['tls with 0']);
  const asks = prepare({
    auth: 'eap',
    eap: { ...eap, identity: '', methods: ['md5', 'mschapv2'] },
    ...trusts({ method: 'eap-only' }),
  });
  assert.deepEqual(asks.config?.auth.local, [
    {
      method: 'eap',
      eap: { methods: ['md5', 'mschapv2'], identity: undefined, mutualOnly: true, inner: ['mschapv2', 'gtc', 'md5'] },
    },
  ]);
  assert.equal(asks.config?.auth.gateway.method, 'eap-only');
  assert.deepEqual(asks.opened, [], 'no method is over TLS');
});

test('EAP-TLS is offered with a key only, and alone it is about whom the certificate is about', () => {
  const tls = { ...eap, identity: '', methods: ['tls', 'mschapv2'] } as const;
  const methods = (given: Given, more: Partial<Profile> = {}) => {
    const [round] = prepare({ auth: 'eap', eap: tls, ...trusts({}), ...own, ...more }, given).config?.auth.local ?? [];
    return round?.method === 'eap' ? [round.eap.methods.join(' '), round.eap.identity] : undefined;
  };
  assert.deepEqual(methods({ signer: keyOf(alice) }), ['tls mschapv2', undefined]);
  assert.deepEqual(methods({}), ['mschapv2', undefined]);
  assert.deepEqual(methods({ signer: keyOf(alice) }, { eap: { ...tls, methods: ['tls'] } }), ['tls', 'alice@office.test']);
  assert.equal(prepare({ auth: 'eap', eap: { ...tls, methods: ['tls'] }, ...trusts({}) }).code, 'own-key-failed');
});

test('certificate and EAP are two rounds, the certificate first', () => {
  const { config } = prepare({ auth: 'certificate-eap', ...own, eap, ...trusts({}) }, { signer: keyOf(alice) });
  assert.deepEqual(
    config?.auth.local.map(({ method }) => method),
    ['certificate', 'eap'],
  );
});

test('what is missing of the own certificate is known before a message is sent', () => {
  const changes = { auth: 'certificate', ...own, ...trusts({}) } as const;
  assert.equal(prepare(changes).code, 'own-key-failed');
  const other = sub.issue({ subject: 'CN=Bob' });
  assert.equal(prepare(changes, { signer: keyOf(other) }).code, 'own-key-failed');
  assert.equal(prepare({ ...changes, certificates: [] }, { signer: keyOf(alice) }).code, 'own-key-failed');
  assert.equal(prepare({ ...changes, certificates: ['AAAA'] }, { signer: keyOf(alice) }).code, 'profile-malformed');
});

test('IDi where the profile names none: what the certificate is about; with EAP our address, never the user’s name', () => {
  const idi = (changes: Partial<Profile>, entity: Entity = alice) =>
    prepare({ localId: '', ...trusts({}), ...changes }, { signer: keyOf(entity) }).config?.localIdentity.text;
  assert.equal(idi({ auth: 'certificate', ...own }), 'alice@office.test');
  const host = sub.issue({ subject: 'CN=x', san: ['dns:laptop.office.test'] });
  assert.equal(idi({ auth: 'certificate', certificates: [base64(host)] }, host), 'laptop.office.test');
  const plain = sub.issue({ subject: 'CN=Alice,O=Office' });
  const byName = prepare(
    { localId: '', auth: 'certificate', certificates: [base64(plain)], ...trusts({}) },
    { signer: keyOf(plain) },
  ).config?.localIdentity;
  assert.deepEqual([byName?.type, byName?.text, byName?.data], [9, 'CN=Alice,O=Office', parsed(plain).subject.der]);
  assert.equal(idi({ auth: 'eap', eap }), '10.0.0.5');
  assert.equal(idi({ auth: 'eap', eap, localId: 'alice@office.test' }), 'alice@office.test');
});

test('a refusal after an own certificate that has expired says so', () => {
  const late = sub.issue({ subject: 'CN=Alice', notAfter: new Date(Date.now() - DAY) });
  const explain = (entity: Entity, code: 'own-cert-refused' | 'authentication-failed' | 'no-answer') => {
    const { proof } = prepare({ auth: 'certificate', certificates: [base64(entity)], ...trusts({}) }, { signer: keyOf(entity) });
    assert.ok(proof.ok);
    return proof.value.explain({ code, evidence: 'AUTHENTICATION_FAILED' });
  };
  assert.equal(explain(late, 'own-cert-refused').code, 'own-cert-expired');
  assert.match(explain(late, 'authentication-failed').evidence, /CN=Alice: valid until \d{4}-\d\d-\d\d; AUTHENTICATION_FAILED/);
  assert.equal(explain(late, 'no-answer').code, 'no-answer');
  assert.equal(explain(alice, 'own-cert-refused').code, 'own-cert-refused');
});

test('warned of: what ends soon, a short key, and nothing else', () => {
  const soon = sub.issue({ subject: 'CN=Alice', notAfter: new Date(Date.now() + 6.5 * DAY) });
  const { proof } = prepare(
    { auth: 'certificate', certificates: [base64(soon), base64(sub)], ...trusts({}) },
    { signer: keyOf(soon) },
  );
  assert.ok(proof.ok);
  const told = proof.value.warnings().map(({ code, subject, days }) => [code, subject, days]);
  assert.deepEqual(told, [['client-certificate-expires', 'CN=Alice', 6]]);
  const short = prepare({}, { psk });
  assert.ok(short.proof.ok);
  assert.deepEqual(short.proof.value.warnings(), [{ code: 'psk-short', subject: '' }]);
  const long = prepare({}, { psk: new Uint8Array(20) });
  assert.ok(long.proof.ok);
  assert.deepEqual(long.proof.value.warnings(), []);
});
