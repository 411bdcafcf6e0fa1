import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createGatewayTrust, expectedName, type TrustPorts } from '../../../core/helper/gatewayTrust.ts';
import { createSystemRoots } from '../../../core/helper/systemRoots.ts';
import { parseCertificate } from '../../../core/pki/certificate.ts';
import { validatePath } from '../../../core/pki/path.ts';
import { defaultTrust, type Profile } from '../../../core/profile/model.ts';
import { type Authority, authority, type Entity } from '../../authority/authority.ts';
import { DAY } from '../../authority/certificate.ts';
import { sampleProfile } from './sampleProfile.ts';

const root = authority.root({ subject: 'CN=Office Root' });
const sub = root.authority({ subject: 'CN=Office CA' });
const gateway = sub.issue({ subject: 'CN=vpn.office.test', san: ['dns:vpn.office.test', 'ip:192.0.2.1'] });
const stranger = authority.root({ subject: 'CN=Stranger Root' });
const base64 = ({ der }: { readonly der: Uint8Array }) => Buffer.from(der).toString('base64');

function trust(changes: Partial<Profile>, roots: readonly Authority[] = [], at = Date.now()) {
  const parsed = roots.map(({ der }) => {
    const one = parseCertificate(der);
    assert.ok(one.ok);
    return one.value;
  });
  const ports: TrustPorts = { pki: { parseCertificate, validatePath }, systemRoots: () => parsed, now: () => at };
  const made = createGatewayTrust(ports, sampleProfile({ auth: 'certificate', ...changes }));
  assert.ok(made.ok);
  return made.value;
}

const own = (changes: Partial<Profile['trust']> = {}): Pick<Profile, 'trust'> => ({
  trust: { ...defaultTrust('certificate'), systemRoots: false, authorities: [base64(root)], ...changes },
});

function verdict(changes: Partial<Profile>, presented: readonly Uint8Array[], roots: readonly Authority[] = [], at?: number) {
  const judged = trust(changes, roots, at).gateway(presented);
  return judged.ok ? `path of ${judged.value.path.length}` : judged.error.code;
}

test('a chain to the authority of the profile, for the name it expects', () => {
  assert.equal(verdict(own(), gateway.chain), 'path of 3');
  assert.equal(verdict(own({ intermediates: [base64(sub)] }), [gateway.der]), 'path of 3', 'the profile has what lies between');
  assert.equal(verdict(own(), [gateway.der]), 'gateway-untrusted');
  assert.equal(verdict(own(), []), 'gateway-no-certificate');
  assert.equal(verdict(own(), [Uint8Array.of(0x30, 0)]), 'gateway-cert-invalid');
});

test('the authorities of the computer count where the profile says so, and only there', () => {
  const none = { authorities: [] };
  assert.equal(verdict(own(none), gateway.chain, [root]), 'gateway-untrusted');
  assert.equal(verdict(own({ ...none, systemRoots: true }), gateway.chain, [root]), 'path of 3');
  assert.equal(verdict(own({ ...none, systemRoots: true }), gateway.chain, [stranger]), 'gateway-untrusted');
});

test('a valid certificate of another name is not the gateway', () => {
  const other = sub.issue({ subject: 'CN=vpn.office.test', san: ['dns:mail.office.test'] });
  assert.equal(verdict(own({ commonName: true }), other.chain), 'gateway-wrong-name');
  assert.equal(verdict({ ...own(), remoteId: 'other.office.test' }, gateway.chain), 'gateway-wrong-name');
  // Whoever takes any identity still wants to end up where the connection goes.
  assert.equal(verdict({ ...own(), remoteId: undefined }, gateway.chain), 'path of 3');
  assert.equal(verdict({ ...own(), remoteId: undefined, gateway: 'elsewhere.test' }, gateway.chain), 'gateway-wrong-name');
  assert.equal(verdict({ ...own(), remoteId: 'keyid:0badcafe', gateway: 'elsewhere.test' }, gateway.chain), 'gateway-wrong-name');
  assert.equal(verdict({ ...own(), remoteId: '192.0.2.1' }, gateway.chain), 'path of 3');
  assert.equal(verdict({ ...own(), remoteId: '192.0.2.2' }, gateway.chain), 'gateway-wrong-name');
});

test('expired, not valid yet, of a stranger, bad in another way', () => {
  const late = sub.issue({ subject: 'CN=x', san: ['dns:vpn.office.test'], notAfter: new Date(Date.now() - DAY) });
  assert.equal(verdict(own(), late.chain), 'gateway-cert-expired');
  assert.equal(verdict(own(), gateway.chain, [], Date.now() - 30 * DAY), 'gateway-cert-not-yet-valid');
  const faked = stranger.issue({ subject: 'CN=vpn.office.test', san: ['dns:vpn.office.test'] });
  assert.equal(verdict(own(), faked.chain), 'gateway-untrusted');
  const email = sub.issue({ subject: 'CN=x', san: ['dns:vpn.office.test'], eku: ['emailProtection'] });
  assert.equal(verdict(own(), email.chain), 'gateway-cert-invalid');
});

test('a date that does not fit is told with the date here, which is the wrong one when our clock is off', () => {
  const eap = { methods: ['ttls'], identity: 'alice', serverName: 'vpn.office.test', authorities: [base64(root)] } as const;
  const faults = (at: number) => {
    const made = trust({ ...own(), eap }, [], at);
    return [made.gateway(gateway.chain), made.tlsServer(gateway.chain)].map((one) => (one.ok ? 'ok' : one.error.evidence));
  };
  for (const evidence of faults(0))
    assert.match(evidence, /^not-yet-valid: .*valid from 20\d\d-\d\d-\d\d, and the date here is 1970-01-01$/);
  for (const evidence of faults(Date.UTC(2099, 0, 2))) assert.match(evidence, /^expired: .*, and the date here is 2099-01-02$/);
  for (const at of [8.64e15, -8.64e15])
    for (const evidence of faults(at)) assert.match(evidence, /the date here is \d{4}-\d\d-\d\d$/);
});

test('the gateway’s own certificate, pinned, is the gateway whatever it is called; an authority that is pinned is not', () => {
  const alone: Entity = authority.selfSigned({ subject: 'CN=router' });
  assert.equal(verdict(own({ authorities: [base64(alone)] }), [alone.der]), 'path of 1');
  const both = authority.root({ subject: 'CN=Root that signs', keyUsage: null });
  assert.equal(verdict(own({ authorities: [base64(both)] }), [both.der]), 'gateway-wrong-name');
});

test('authorities of IKE say nothing of the login server, and the other way round', () => {
  const server = stranger.issue({ subject: 'CN=radius', san: ['dns:radius.office.test'], eku: ['serverAuth'] });
  const eap = { methods: ['ttls'], identity: '', serverName: 'radius.office.test', authorities: [base64(stranger)] } as const;
  const both = trust({ ...own({ systemRoots: true }), auth: 'eap', eap }, [root]);
  const code = (judged: ReturnType<typeof both.tlsServer>) => (judged.ok ? 'ok' : judged.error.code);
  assert.equal(code(both.tlsServer(server.chain)), 'ok');
  assert.equal(both.gateway(server.chain).ok, false);
  const office = sub.issue({ subject: 'CN=radius', san: ['dns:radius.office.test'], eku: ['serverAuth'] });
  assert.equal(code(both.tlsServer(office.chain)), 'eap-server-certificate');
  const named = trust({ ...own(), auth: 'eap', eap: { ...eap, serverName: '' } });
  assert.equal(code(named.tlsServer(server.chain)), 'eap-server-certificate', 'without a name it is the gateway’s own');
  const client = stranger.issue({ subject: 'CN=x', san: ['dns:radius.office.test'], eku: ['clientAuth'] });
  assert.equal(code(both.tlsServer(client.chain)), 'eap-server-certificate');
});

test('a stored certificate that does not read is a fault of the profile', () => {
  const ports: TrustPorts = { pki: { parseCertificate, validatePath }, systemRoots: () => [], now: Date.now };
  assert.equal(createGatewayTrust(ports, sampleProfile({ auth: 'certificate', ...own({ authorities: ['AAAA'] }) })).ok, false);
});

test('which name is expected', () => {
  const type = (identity: string | undefined, where: string) => expectedName(identity, where, false).identity.type;
  assert.deepEqual(
    [type('vpn.test', 'x'), type('192.0.2.1', 'x'), type('a@b.test', 'x'), type('CN=gw,O=Office', 'x')],
    ['fqdn', 'ip', 'email', 'dn'],
  );
  assert.deepEqual([type(undefined, '2001:db8::1'), type('keyid:01', 'vpn.test')], ['ip', 'fqdn']);
});

test('the authorities of the computer are read once, and again when the file changed; what does not read is left out', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-roots-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'roots.crt');
  const lines: string[] = [];
  let parsed = 0;
  const roots = createSystemRoots({
    parseCertificate: (der) => {
      parsed += 1;
      return parseCertificate(der);
    },
    log: (_level, _area, text) => lines.push(text),
    paths: [join(folder, 'is-not-there'), path],
  });
  assert.deepEqual(roots(), []);
  writeFileSync(path, `# a comment\n${root.pem}\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n${stranger.pem}`);
  const names = () => roots().map(({ subject }) => subject.text);
  assert.deepEqual(names(), ['CN=Office Root', 'CN=Stranger Root']);
  assert.deepEqual(names(), ['CN=Office Root', 'CN=Stranger Root']);
  assert.equal(parsed, 3);
  writeFileSync(path, root.pem);
  utimesSync(path, new Date(), new Date(Date.now() + 5_000));
  assert.deepEqual(names(), ['CN=Office Root']);
  writeFileSync(path, Buffer.alloc(9 * 1024 * 1024));
  assert.deepEqual(roots(), []);
});
