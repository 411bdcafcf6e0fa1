import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type CertParts, createCertHandlers } from '../../../core/helper/certHandlers.ts';
import type { FetchRequest } from '../../../core/helper/certificateFetch.ts';
import type { RpcPeer } from '../../../core/helper/rpcServer.ts';
import { parseCertificate } from '../../../core/pki/certificate.ts';
import type { Certificate } from '../../../core/pki/contract.ts';
import { importProfile } from '../../../core/profile/import.ts';
import { openProfileStore } from '../../../core/profile/store.ts';
import type { CertificateReport } from '../../../core/rpc/contract.ts';
import { failure } from '../../../core/tunnel/explain.ts';
import { authority } from '../../authority/authority.ts';
import { base64, gateway, root, sub } from '../profile/credentials.ts';
import { profileText } from '../profile/sample.ts';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-lens-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const ALICE = 1000;
const peer = (uid: number): RpcPeer => ({ id: 1, uid, gid: uid, pid: 1, send: () => {} });
const parsed = (der: Uint8Array): Certificate => {
  const read = parseCertificate(der);
  assert.ok(read.ok);
  return read.value;
};

function setUp(shown: readonly Uint8Array[] | undefined, roots: readonly Uint8Array[] = []) {
  const profiles = openProfileStore(mkdtempSync(join(folder, 'store-')), () => {});
  const file = importProfile(
    profileText({ localId: undefined, auth: { method: 'eap' }, gatewayAuth: { authorities: root.pem } }),
  );
  assert.ok(file.ok);
  const planned = profiles.plan(file.value, ALICE, false);
  assert.ok(planned.ok && profiles.save(planned.value, file.value).ok);
  const fetches: FetchRequest[] = [];
  const checks: (readonly Certificate[])[] = [];
  const certificates: CertParts['certificates'] = {
    fetchGatewayCertificate: async (request) => {
      fetches.push(request);
      if (!shown) return { ok: false, error: failure('no-answer', 'nobody there') };
      return { ok: true, value: { certificates: shown, ocsp: [], identity: 'vpn.office.test', address: '192.0.2.1' } };
    },
    systemRoots: () => roots.map(parsed),
    checkRevocation: async ({ path }) => {
      checks.push(path);
      const [first] = path;
      const verdict = {
        subject: first?.subject.text ?? '',
        status: 'revoked',
        source: 'crl',
        revokedAt: 5,
        evidence: 'list',
      } as const;
      return { verdicts: [verdict], fault: { code: 'revoked', evidence: 'it was revoked' } };
    },
  };
  const handlers = createCertHandlers({ profiles, certificates });
  const fetch = async (
    given: { gateway?: string; profile?: string; expect?: string },
    uid = ALICE,
  ): Promise<CertificateReport | string> => {
    const done = await handlers['cert.fetch']({ systemRoots: true, ...given }, peer(uid));
    return done.ok ? done.value : done.error.code;
  };
  return { handlers, fetch, fetches, checks };
}

const told = (report: CertificateReport | string) =>
  typeof report === 'string' ? report : [report.verdict, ...report.problems.map(({ code }) => code)].join(' ');

test('a gateway’s chain is held against the profile, then and only then against revocation', async () => {
  const { fetch, fetches, checks } = setUp([gateway.der]);
  const report = await fetch({ profile: 'Office' });
  assert.ok(typeof report === 'object');
  assert.equal(told(report), 'refused revoked');
  assert.deepEqual([report.expected, report.revocation[0]?.status], [{ identity: 'vpn.office.test', fits: true }, 'revoked']);
  assert.equal(checks[0]?.length, 2);
  assert.deepEqual([fetches[0]?.gateway, fetches[0]?.authorities.length], ['vpn.office.test', 1]);
  assert.equal(fetches[0]?.owner, ALICE, 'what is logged of it is for her alone');
});

test('no network is asked for what is not anchored (SECURITY.md 7)', async () => {
  const stranger = authority.root({ subject: 'CN=Somebody' }).issue({ subject: 'CN=x', san: ['dns:vpn.office.test'] });
  const { fetch, checks } = setUp([stranger.der]);
  assert.equal(told(await fetch({ profile: 'Office' })), 'refused untrusted');
  assert.equal(checks.length, 0);
});

test('without a profile: the authorities of this computer, and the name that was asked for', async () => {
  const { fetch } = setUp([gateway.der], [root.der]);
  assert.equal(told(await fetch({ gateway: 'vpn.office.test' })), 'refused revoked');
  assert.equal(told(await fetch({ gateway: 'other.test' })), 'refused wrong-name');
  assert.equal(told(await fetch({ gateway: 'other.test', expect: 'vpn.office.test' })), 'refused revoked');
});

test('a name with * fits no gateway (RFC 4945 §3.1.2), in the report as for the connection', async () => {
  const wild = root.issue({ subject: 'CN=office', san: ['dns:*.office.test'] });
  for (const roots of [[root.der], []]) {
    const report = await setUp([wild.der], roots).fetch({ gateway: 'vpn.office.test' });
    assert.ok(typeof report === 'object');
    assert.deepEqual([told(report), report.expected?.fits], ['refused wrong-name', false]);
  }
});

test('gateways that do not answer, send nothing or nonsense; profiles of others; names that are none', async () => {
  assert.equal(await setUp(undefined).fetch({ gateway: 'x.test' }), 'no-answer');
  assert.equal(await setUp([]).fetch({ gateway: 'x.test' }), 'gateway-no-certificate');
  assert.equal(await setUp([Uint8Array.of(1)]).fetch({ gateway: 'x.test' }), 'gateway-cert-invalid');
  const { fetch } = setUp([gateway.der]);
  assert.equal(await fetch({ profile: 'Office' }, 1001), 'profile-unknown');
  assert.equal(await fetch({}), 'bad-request');
  assert.equal(await fetch({ gateway: 'a b' }), 'bad-request');
  assert.equal(await fetch({ gateway: 'x.test', expect: 'a b' }), 'bad-request');
});

test('files: either text or data, and what they are held against', async () => {
  const { handlers } = setUp(undefined, [root.der]);
  const show = async (given: object) => {
    const done = await handlers['cert.show']({ systemRoots: false, revocation: false, ...given }, peer(ALICE));
    return done.ok ? told(done.value) : done.error.code;
  };
  assert.equal(await show({ text: gateway.pem }), 'unanchored');
  assert.equal(await show({ text: gateway.pem, systemRoots: true }), 'trusted');
  assert.equal(await show({ text: gateway.pem, profile: 'Office' }), 'trusted');
  assert.equal(await show({ text: gateway.pem, authorities: [base64(sub.der)] }), 'refused untrusted');
  assert.equal(await show({ text: gateway.pem, systemRoots: true, at: Date.UTC(2020, 0) }), 'refused not-yet-valid');
  assert.equal(await show({ profile: 'Office' }), 'trusted', 'of a profile without a certificate, whom it trusts');
  assert.equal(await show({ text: gateway.pem, data: [base64(gateway.der)] }), 'bad-request');
  assert.equal(await show({}), 'bad-request');
  assert.equal(await show({ data: ['%%'] }), 'bad-request');
  assert.equal(await show({ text: 'x' }), 'certificate-unreadable');
});
