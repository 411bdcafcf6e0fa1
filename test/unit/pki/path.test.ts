import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromUtf8 } from '../../../core/bytes/bytes.ts';
import { verifySignature } from '../../../core/crypto/signatures.ts';
import { parseCertificate, serialText } from '../../../core/pki/certificate.ts';
import type { Certificate, PathRequest, PkiFaultCode } from '../../../core/pki/contract.ts';
import { validatePath } from '../../../core/pki/path.ts';
import { type Authority, authority, type Entity } from '../../authority/authority.ts';
import { type CertificateSpec, DAY, type IssuedCertificate } from '../../authority/certificate.ts';
import { sequence } from '../../authority/der.ts';
import { extension } from '../../authority/extensions.ts';
import { makeKey } from '../../authority/keys.ts';

const root = authority.root();
const middle = root.authority({ subject: 'CN=Middle' });
const gatewaySpec: CertificateSpec = { subject: 'CN=vpn.office.test', san: ['dns:vpn.office.test'] };
const gateway = middle.issue(gatewaySpec);
const AT = Date.now();
const past = { notBefore: new Date(AT - 9 * DAY), notAfter: new Date(AT - DAY) };

function certificate({ der }: { readonly der: Uint8Array }): Certificate {
  const parsed = parseCertificate(der);
  return parsed.ok ? parsed.value : assert.fail(parsed.error.evidence);
}

type Asked = Partial<Omit<PathRequest, 'presented' | 'anchors'>>;

function validate(
  presented: readonly { readonly der: Uint8Array }[],
  anchors: readonly IssuedCertificate[] = [root],
  asked: Asked = {},
): ReturnType<typeof validatePath> {
  return validatePath({
    presented: presented.map(({ der }) => der),
    anchors: anchors.map(certificate),
    at: AT,
    purpose: 'ike',
    ...asked,
  });
}

/** `ok`, or the code. */
function verdict(...question: Parameters<typeof validate>): PkiFaultCode | 'ok' {
  const result = validate(...question);
  return result.ok ? 'ok' : result.error.code;
}

function subjects(...question: Parameters<typeof validate>): string[] {
  const result = validate(...question);
  return result.ok ? result.value.path.map(({ subject }) => subject.text) : assert.fail(result.error.evidence);
}

test('the path is the end entity first and the anchor last, however the others were sent', () => {
  const expected = ['CN=vpn.office.test', 'CN=Middle', 'CN=Office Root'];
  assert.deepEqual(subjects([gateway, middle]), expected);
  assert.deepEqual(subjects([gateway, root, authority.root({ subject: 'CN=Other' }), middle]), expected);
  assert.deepEqual(subjects([gateway], [root], { intermediates: [certificate(middle)] }), expected);
  assert.deepEqual(subjects([gateway], [middle]), expected.slice(0, 2));
});

test('a pinned end entity is a path of its own, and its dates still count', () => {
  assert.deepEqual(subjects([gateway], [gateway]), ['CN=vpn.office.test']);
  const old = authority.selfSigned({ ...gatewaySpec, ...past });
  assert.equal(verdict([old], [old]), 'expired');
  const twin = authority.selfSigned({ ...gatewaySpec, key: old.key });
  assert.equal(verdict([twin], [old]), 'untrusted');
  const pinned = authority.root({ ...gatewaySpec, ca: false });
  assert.equal(verdict([pinned], [pinned]), 'ok');
  assert.equal(verdict([pinned.issue({ subject: 'CN=other' })], [pinned]), 'not-a-ca');
});

test('nothing sent, nothing readable, or far too much has a code of its own', () => {
  assert.equal(verdict([]), 'no-certificate');
  assert.equal(verdict([{ der: Uint8Array.of(0x30, 0) }]), 'malformed');
  assert.equal(verdict(Array.from({ length: 129 }, () => gateway)), 'too-large');
  assert.equal(verdict([{ der: new Uint8Array(300_000) }]), 'too-large');
});

test('name constraints hold for a common name in whatever form it would be believed, and exclude mailboxes in any letter case', () => {
  const host = { type: 'fqdn', data: fromUtf8('vpn.bank.test') } as const;
  const address = { type: 'ip', data: Uint8Array.of(192, 0, 2, 1) } as const;
  const mailbox = { type: 'email', data: fromUtf8('boss@bank.test') } as const;
  const office = { permitted: ['dns:office.test', 'ip:10.0.0.0/8', 'email:office.test'] };
  for (const [subject, identity, purpose] of [
    ['CN=vpn.bank.test.', host, 'ike'],
    ['CN=*.bank.test.', host, 'tls-server'],
    ['CN=192.0.2.1', address, 'ike'],
    ['CN=boss@bank.test', mailbox, 'ike'],
  ] as const) {
    const asked = { purpose, name: { identity, commonName: true } };
    const constrained = authority.root({ nameConstraints: office });
    assert.equal(verdict([constrained.issue({ subject })], [constrained], asked), 'name-constraints', subject);
    assert.equal(verdict([root.issue({ subject })], [root], asked), 'ok', subject);
  }
  // U+212A, the sign of kelvin, is a "k" in lower case.
  const kelvin = root.issue({ subject: 'CN=vpn.ban\u212a.test' });
  assert.equal(verdict([kelvin], [root], { name: { identity: host, commonName: true } }), 'wrong-name');
  const without = authority.root({ nameConstraints: { excluded: ['email:boss@bank.test'] } });
  const boss = without.issue({ subject: 'CN=x', san: ['email:BOSS@bank.test'] });
  assert.equal(verdict([boss], [without], { name: { identity: mailbox, commonName: false } }), 'name-constraints');
});

test('untrusted names who issued the last certificate, and a malformed one that may be the missing link', () => {
  const result = validate([gateway, { der: middle.der.slice(0, -1) }]);
  assert.ok(!result.ok && result.error.code === 'untrusted');
  assert.match(
    result.error.evidence,
    /CN=vpn.office.test: issued by CN=Middle, which is not trusted; also sent: not a certificate/,
  );
  assert.equal(verdict([authority.selfSigned(gatewaySpec)]), 'untrusted');
  assert.equal(verdict([gateway, middle], []), 'untrusted');
});

interface ChainCase {
  readonly rule: string;
  readonly root?: CertificateSpec;
  readonly middle?: CertificateSpec;
  readonly gateway?: CertificateSpec;
  readonly asked?: Asked;
  readonly code: PkiFaultCode | 'ok';
}

const unknown = (critical: boolean) => ({ oid: '1.3.6.1.4.1.55555.1', critical, value: sequence() });

const chains: readonly ChainCase[] = [
  { rule: 'RFC 5280 §6.1.3 (a)(1): a broken signature', gateway: { signature: { broken: true } }, code: 'bad-signature' },
  { rule: 'a broken signature higher up', middle: { signature: { broken: true } }, code: 'bad-signature' },
  { rule: 'a broken signature of the anchor, which nobody checks', root: { signature: { broken: true } }, code: 'ok' },
  { rule: 'another key under the issuer’s name', gateway: { signedBy: makeKey('p256') }, code: 'bad-signature' },
  { rule: '§6.1.3 (a)(2): an expired end entity', gateway: past, code: 'expired' },
  { rule: 'an expired authority', middle: past, code: 'expired' },
  { rule: 'an expired anchor', root: past, code: 'expired' },
  { rule: 'not yet valid', gateway: { notBefore: new Date(AT + DAY), notAfter: new Date(AT + 2 * DAY) }, code: 'not-yet-valid' },
  { rule: '§6.1.4 (k): no authority', middle: { ca: false }, code: 'not-a-ca' },
  { rule: 'an authority that does not say so', middle: { basicConstraints: null }, code: 'not-a-ca' },
  { rule: 'an authority of version 1', middle: { version: 1 }, code: 'not-a-ca' },
  { rule: '§6.1.4 (n): keyCertSign', middle: { keyUsage: ['cRLSign'] }, code: 'key-usage' },
  { rule: 'an authority without key usage', middle: { keyUsage: null }, code: 'ok' },
  { rule: '§6.1.4 (l), (m): path length of the anchor', root: { ca: { pathLength: 0 } }, code: 'path-length' },
  { rule: 'a path length that suffices', root: { ca: { pathLength: 1 } }, middle: { ca: { pathLength: 0 } }, code: 'ok' },
  { rule: 'fewer intermediates asked for', asked: { maxIntermediates: 0 }, code: 'path-length' },
  { rule: '§6.1.5 (f): unknown and critical', gateway: { extensions: [unknown(true)] }, code: 'unknown-critical-extension' },
  { rule: 'unknown and critical in an authority', middle: { extensions: [unknown(true)] }, code: 'unknown-critical-extension' },
  { rule: 'unknown and not critical', gateway: { extensions: [unknown(false)] }, code: 'ok' },
  { rule: '§4.2: an extension twice', gateway: { extensions: [unknown(false), unknown(false)] }, code: 'malformed' },
  { rule: 'SHA-1', gateway: { signature: { hash: 'sha1' } }, code: 'weak-signature' },
  { rule: 'SHA-1 with RSA', middle: { key: 'rsa' }, gateway: { signature: { hash: 'sha1' } }, code: 'weak-signature' },
  { rule: 'MD5 with RSA', middle: { key: 'rsa' }, gateway: { signature: { hash: 'md5' } }, code: 'weak-signature' },
  { rule: 'an authority with 1024 bit', middle: { key: 'rsa1024' }, code: 'weak-key' },
  { rule: 'an end entity with 1024 bit', gateway: { key: 'rsa1024' }, code: 'weak-key' },
  { rule: 'RFC 4945 §5.1.3.2: key usage', gateway: { keyUsage: ['keyEncipherment'] }, code: 'key-usage' },
  { rule: 'nonRepudiation alone', gateway: { keyUsage: ['nonRepudiation'] }, code: 'ok' },
  { rule: 'RFC 4945 §5.1.3.12: ipsecIKE', gateway: { eku: ['ipsecIKE'] }, code: 'ok' },
  { rule: 'any extended key usage', gateway: { eku: ['any'] }, code: 'ok' },
  { rule: 'serverAuth, as gateways have', gateway: { eku: ['serverAuth'] }, code: 'ok' },
  { rule: 'only for clients: a user is not the gateway', gateway: { eku: ['clientAuth'] }, code: 'extended-key-usage' },
  { rule: 'only for clients, of a user', gateway: { eku: ['clientAuth'] }, asked: { purpose: 'ike-user' }, code: 'ok' },
  { rule: 'only for signing code', gateway: { eku: ['codeSigning'] }, code: 'extended-key-usage' },
  {
    rule: 'only for clients, asked for a server',
    gateway: { eku: ['clientAuth'] },
    asked: { purpose: 'tls-server' },
    code: 'extended-key-usage',
  },
  { rule: 'an authority only for mail', middle: { eku: ['emailProtection'] }, code: 'extended-key-usage' },
  {
    rule: 'an authority for clients above a server',
    middle: { eku: ['clientAuth'] },
    gateway: { eku: ['serverAuth'] },
    code: 'extended-key-usage',
  },
  {
    rule: 'any purpose',
    gateway: { eku: ['codeSigning'], keyUsage: ['keyEncipherment'] },
    asked: { purpose: 'any' },
    code: 'ok',
  },
  { rule: 'another name', gateway: { san: ['dns:other.test'] }, asked: named('vpn.office.test'), code: 'wrong-name' },
  { rule: 'the right name', asked: named('vpn.office.test'), code: 'ok' },
  {
    rule: '§4.2.1.10: a name that is not permitted',
    middle: { nameConstraints: { permitted: ['dns:other.test'] } },
    code: 'name-constraints',
  },
  { rule: 'a name that is excluded', root: { nameConstraints: { excluded: ['dns:office.test'] } }, code: 'name-constraints' },
  {
    rule: 'a subject that is not permitted',
    middle: { nameConstraints: { permitted: ['dn:O=Office'] } },
    code: 'name-constraints',
  },
  {
    rule: 'a common name that is used as host name',
    middle: { nameConstraints: { permitted: ['dns:other.test'] } },
    gateway: { san: ['ip:192.0.2.1'] },
    asked: named('vpn.office.test', true),
    code: 'name-constraints',
  },
  {
    rule: 'a kind of name that is constrained and not understood',
    middle: { nameConstraints: { excluded: ['upn:x@y'] } },
    gateway: { san: ['upn:a@b'] },
    code: 'name-constraints',
  },
  { rule: 'a kind that is constrained and not there', middle: { nameConstraints: { excluded: ['upn:x@y'] } }, code: 'ok' },
  {
    rule: 'a mailbox in the subject',
    middle: { nameConstraints: { permitted: ['email:office.test'] } },
    gateway: { subject: 'E=a@other.test' },
    code: 'name-constraints',
  },
  {
    rule: 'an address out of range',
    middle: { nameConstraints: { permitted: ['ip:192.0.2.0/24'] } },
    gateway: { san: ['ip:192.0.3.1'] },
    code: 'name-constraints',
  },
  {
    rule: 'an address of the other family',
    middle: { nameConstraints: { permitted: ['ip:0.0.0.0/0'] } },
    gateway: { san: ['ip:::1'] },
    code: 'name-constraints',
  },
  {
    rule: 'a URI of another host',
    middle: { nameConstraints: { permitted: ['uri:.office.test'] } },
    gateway: { san: ['uri:http://a@evil.test:80/.office.test'] },
    code: 'name-constraints',
  },
  {
    rule: 'a URI without a host under a constraint',
    middle: { nameConstraints: { excluded: ['uri:x.test'] } },
    gateway: { san: ['uri:urn:x'] },
    code: 'name-constraints',
  },
  {
    rule: 'CVE-2025-61727: a wildcard over what is excluded',
    middle: { nameConstraints: { excluded: ['dns:b.office.test'] } },
    gateway: { san: ['dns:*.office.test'] },
    code: 'name-constraints',
  },
  {
    rule: 'a constraint that is malformed',
    middle: { nameConstraints: { permitted: ['dns:*.office.test'] } },
    code: 'untrusted',
  },
  {
    rule: '§6.1.5 (g): an explicit policy is required and none is there',
    middle: { extensions: [extension.policyConstraints(0)] },
    code: 'policy',
  },
  {
    rule: 'an explicit policy is there',
    middle: { policies: ['1.2.3'], extensions: [extension.policyConstraints(0)] },
    gateway: { policies: ['1.2.3'] },
    code: 'ok',
  },
  {
    rule: 'another policy than above',
    middle: { policies: ['1.2.3'], extensions: [extension.policyConstraints(0)] },
    gateway: { policies: ['1.2.4'] },
    code: 'policy',
  },
  {
    rule: 'anyPolicy, inhibited',
    middle: { policies: ['1.2.3'], extensions: [extension.policyConstraints(0), extension.inhibitAnyPolicy(0)] },
    gateway: { policies: ['2.5.29.32.0'] },
    code: 'policy',
  },
  {
    rule: 'anyPolicy, not inhibited',
    middle: { policies: ['1.2.3'], extensions: [extension.policyConstraints(0)] },
    gateway: { policies: ['2.5.29.32.0'] },
    code: 'ok',
  },
];

for (const { rule, code, ...specs } of chains) {
  test(`${code === 'ok' ? 'valid' : code}: ${rule}`, () => {
    const top = authority.root(specs.root);
    const between = top.authority({ subject: 'CN=Middle', ...specs.middle });
    const entity = between.issue({ ...gatewaySpec, ...specs.gateway });
    const result = validate([entity, between], [top], specs.asked);
    assert.equal(result.ok ? 'ok' : result.error.code, code, result.ok ? '' : result.error.evidence);
  });
}

test('of two authorities of one name the one whose key signed is found', () => {
  const other = root.authority({ subject: 'CN=Middle' });
  assert.deepEqual(subjects([gateway, other, middle]), ['CN=vpn.office.test', 'CN=Middle', 'CN=Office Root']);
  const plain = root.authority({ subject: 'CN=Middle', subjectKeyId: null });
  assert.equal(verdict([gateway, plain, middle]), 'ok');
  assert.equal(verdict([gateway, other]), 'untrusted');
});

test('cross-signed: an expired or constrained way does not hide the other', () => {
  const old = authority.root({ subject: 'CN=Old Root', ...past });
  const fresh = authority.root({ subject: 'CN=New Root' });
  const cross = old.crossSign(fresh);
  const entity = fresh.issue(gatewaySpec);
  assert.equal(verdict([entity, cross], [old]), 'expired');
  assert.equal(verdict([entity, cross], [old, fresh]), 'ok');
  const narrow = root.crossSign(middle, { nameConstraints: { excluded: ['dns:office.test'] } });
  assert.equal(verdict([gateway, narrow], [root]), 'name-constraints');
  assert.equal(verdict([gateway, narrow, middle], [root]), 'ok');
});

test('authorities that sign each other end, without a root as without', () => {
  const a = authority.root({ subject: 'CN=A' });
  const b = a.authority({ subject: 'CN=B' });
  const loop = [b.issue(gatewaySpec), b, b.crossSign(a), a.crossSign(b)];
  assert.equal(verdict(loop), 'untrusted');
  assert.equal(verdict(loop, [a]), 'ok');
});

test('the work is bounded: at most 64 signatures, whatever is sent', () => {
  const key = makeKey('p256');
  const crowd = Array.from({ length: 100 }, () =>
    authority.root({ subject: 'CN=Crowd', subjectKeyId: null, authorityKeyId: null }),
  );
  const entity = authority.root({ subject: 'CN=Crowd', key, subjectKeyId: null }).issue({ ...gatewaySpec, authorityKeyId: null });
  let checks = 0;
  const request: PathRequest = {
    presented: [entity, ...crowd].map(({ der }) => der),
    anchors: [certificate(root)],
    at: AT,
    purpose: 'ike',
  };
  const result = validatePath(request, (...question) => {
    checks++;
    return verifySignature(...question);
  });
  assert.equal(result.ok ? 'ok' : result.error.code, 'too-complex');
  assert.equal(checks, 64);
});

test('a path of seventeen certificates is too long', () => {
  const line: Entity[] = [root];
  let last: Authority = root;
  for (let i = 0; i < 15; i++) {
    last = last.authority({ subject: `CN=Level ${i}` });
    line.unshift(last);
  }
  const entity = last.issue(gatewaySpec);
  assert.equal(verdict([entity, ...line]), 'too-complex');
  assert.equal(verdict([line[0], ...line.slice(1)], [root], { purpose: 'any' }), 'ok');
});

test('strict: rules for authorities that mislead nobody are rules all the same', () => {
  for (const spec of [{ serial: 0 }, { authorityKeyId: null }, { san: ['dns:a_b.test'] }] satisfies CertificateSpec[]) {
    const entity = middle.issue({ ...gatewaySpec, ...spec });
    assert.equal(verdict([entity, middle]), 'ok');
    assert.equal(verdict([entity, middle], [root], { strict: true }), 'malformed');
  }
});

test('a serial number is hexadecimal without leading zeros, and a negative one is no other’s', () => {
  assert.equal(serialText(Uint8Array.of(0, 0x80, 1)), '8001');
  assert.equal(serialText(Uint8Array.of(0x80, 1)), '-7fff');
  assert.equal(serialText(Uint8Array.of(0)), '00');
  assert.equal(serialText(Uint8Array.of(0xff)), '-01');
});

function named(host: string, commonName = false): Asked {
  return { name: { identity: { type: 'fqdn', data: fromUtf8(host) }, commonName } };
}
