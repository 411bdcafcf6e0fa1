/** Certificates, EAP and trust in the form and in plain language; which files belong together; the words of the lens. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultTrust } from '../../../core/profile/model.ts';
import type { CertificateReport, CertificateView, ProfileView, Warning } from '../../../core/rpc/contract.ts';
import { formats } from '../../../renderer/i18n/format.ts';
import { lacksGateway, MAX_SIZE, offersOf, TOO_LARGE } from '../../../renderer/store/offers.ts';
import {
  certificateRows,
  daysText,
  mostUrgent,
  placeOf,
  reportText,
  revocationText,
  type Say,
  warningTone,
} from '../../../renderer/views/certificates/words.ts';
import { describe } from '../../../renderer/views/profiles/describe.ts';
import {
  type Draft,
  draftOf,
  emptyDraft,
  isAllLocked,
  prepare,
  problemsByField,
  withAuth,
  withAuthorities,
} from '../../../renderer/views/profiles/form.ts';
import { countIn, pemOf, pemsIn } from '../../../renderer/views/profiles/pem.ts';

const trust = (more: Partial<ProfileView['trust']> = {}) => ({ ...defaultTrust('eap'), ...more });

const view = (more: Partial<ProfileView> = {}): ProfileView => ({
  id: 'a',
  name: 'Office',
  folder: '',
  gateway: 'vpn.office.test',
  auth: 'eap',
  owner: 1000,
  shared: false,
  hasSecret: true,
  localId: '',
  remoteId: 'vpn.office.test',
  ikeProposals: ['default'],
  espProposals: ['default'],
  remoteNetworks: ['0.0.0.0/0', '::/0'],
  ipv4: true,
  ipv6: true,
  dns: true,
  mtu: 1400,
  natKeepalive: 20,
  liveness: 30,
  gateways: [],
  replayWindow: 1024,
  whenLost: 'hold',
  fragmentation: 'yes',
  tcp: 'auto',
  tcpPorts: [4500, 443],
  redirect: true,
  resumption: true,
  childless: false,
  mobike: true,
  additionalChildren: [],
  initialContact: false,
  reauthenticateEvery: 0,
  rekeyIke: 10_800,
  rekeyChild: 3000,
  rekeyBytes: 0,
  rekeyPackets: 0,
  rekeyRehearsal: false,
  localPort: 'standard',
  gatewayPorts: { ike: 500, natt: 4500 },
  certificates: [],
  eap: { methods: ['mschapv2'], identity: 'alice', serverName: '', authorities: [] },
  trust: trust(),
  signatures: [],
  secrets: ['password'],
  locked: [],
  ...more,
});

const keys = (more: Partial<ProfileView>) =>
  describe(view(more)).map(({ sentence, warning }) => `${sentence.key}${warning ? '!' : ''}`);

test('in plain language: how the user and how the gateway proves who it is', () => {
  assert.deepEqual(keys({}), ['eapStored', 'everything', 'proof', 'trustSystem', 'revocationSoft', 'names']);
  assert.equal(keys({ secrets: [] })[0], 'eapAsked');
  const asks = { methods: ['md5', 'mschapv2'], identity: '', serverName: '', authorities: [] } as const;
  assert.deepEqual(keys({ eap: asks }).slice(0, 2), ['eapUnnamed', 'weakMethod!']);
  const own = { auth: 'certificate', eap: undefined, secrets: ['key'] } as const;
  assert.equal(keys({ ...own, localId: 'alice@office.test' })[0], 'certificate');
  assert.deepEqual(keys({ ...own, secrets: [] }).slice(0, 2), ['certificateUnnamed', 'keyMissing!']);
  assert.deepEqual(keys({ auth: 'certificate-eap', secrets: ['key'] }).slice(0, 2), ['certificateUnnamed', 'thenPasswordAsked']);
  const tls = { methods: ['tls'], identity: 'alice', serverName: '', authorities: [] } as const;
  assert.equal(keys({ eap: tls, secrets: ['key'] })[0], 'eapTls');
  const more = keys({
    trust: trust({
      authorities: ['AA=='],
      systemRoots: false,
      commonName: true,
      revocation: { crl: false, ocsp: false, strict: true },
    }),
  });
  assert.deepEqual(more.slice(3, 6), ['trustOwn', 'revocationOff!', 'commonName!']);
  assert.ok(keys({ trust: trust({ authorities: ['AA=='], systemRoots: true }) }).includes('trustBoth'));
  assert.ok(keys({ trust: trust({ revocation: { crl: true, ocsp: false, strict: true } }) }).includes('revocationStrict'));
  assert.ok(keys({ trust: trust({ method: 'eap-only' }) }).includes('trustEapOnly'));
  assert.ok(keys({ remoteId: undefined }).includes('proofAnyCertificate!'));
});

const edit = (base: Partial<ProfileView>, change: Partial<Draft>) => {
  const draft = draftOf(view(base));
  return prepare({ ...draft, ...change }, draft);
};

test('of EAP and trust an edit sends what changed below them', () => {
  const base = { certificates: ['AAAA'], trust: trust({ authorities: ['BBBB'] }) };
  assert.deepEqual(edit(base, {}).fields, {});
  assert.deepEqual(edit(base, { eapIdentity: ' bob ' }).fields, { eap: { identity: 'bob' } });
  assert.deepEqual(edit(base, { revocation: 'strict' }).fields, {
    trust: { revocation: { crl: true, ocsp: true, strict: true } },
  });
  assert.deepEqual(edit(base, { systemRoots: false, authorities: '' }).fields, {
    trust: { authorities: [], systemRoots: false },
  });
  assert.deepEqual(edit(base, { eapMethods: ['gtc'] }).fields, { eap: { methods: ['gtc'] } });
  // Only a list answered for, and left as it is.
  const lists = { trust: trust({ revocation: { crl: true, ocsp: false, strict: false } }) };
  assert.deepEqual(edit(lists, { name: 'Other' }).fields, { name: 'Other' });
});

test('passwords and keys travel only where they are used, and a forgotten one is not given', () => {
  const typed = { password: 'p', key: 'k', keyPassword: 'kp', secret: 's' };
  const eap = edit({}, typed);
  assert.deepEqual([eap.password, eap.key, eap.secret], ['p', undefined, undefined]);
  const both = edit({ auth: 'certificate-eap' }, { ...typed, forgetPassword: true });
  assert.deepEqual([both.password, both.forgetPassword, both.key, both.keyPassword], [undefined, true, 'k', 'kp']);
  const psk = edit({ auth: 'psk', eap: undefined, trust: defaultTrust('psk') }, typed);
  assert.deepEqual([psk.password, psk.key, psk.secret], [undefined, undefined, 's']);
});

test('another way of the user takes the gateway’s with it', () => {
  const eap = { ...emptyDraft, ...withAuth(emptyDraft, 'eap') };
  assert.deepEqual([eap.auth, eap.gatewayMethod, eap.systemRoots], ['eap', 'certificate', true]);
  assert.deepEqual(prepare(eap, undefined).fields.trust, {
    method: 'certificate',
    authorities: [],
    systemRoots: true,
    commonName: false,
    revocation: { crl: true, ocsp: true, strict: false },
  });
  const only: Draft = { ...eap, gatewayMethod: 'eap-only' };
  assert.equal(withAuth(only, 'certificate').gatewayMethod, 'certificate');
  assert.equal(withAuth(only, 'eap').gatewayMethod, 'eap-only');
  assert.equal(withAuth(eap, 'psk').gatewayMethod, 'psk');
  assert.equal(prepare(emptyDraft, undefined).fields.trust, undefined);
});

test('who names authorities means them and not all of this computer', () => {
  assert.equal(withAuthorities(emptyDraft, 'pem').systemRoots, false);
  const both: Draft = { ...emptyDraft, authorities: 'pem', systemRoots: true };
  assert.equal('systemRoots' in withAuthorities(both, 'pem pem'), false);
  assert.equal(withAuthorities(both, ' ').systemRoots, true);
});

test('a problem shows where the form has its field', () => {
  const problem = (field: string) => [...problemsByField([], [{ field, code: 'required', message: '' }]).keys()][0];
  assert.deepEqual(['trust.secret', 'trust', 'eap', 'trust.revocation.crl', 'eap.authorities', 'eap.methods'].map(problem), [
    'secret',
    'trust.method',
    'eap.identity',
    'trust.revocation',
    'trust.authorities',
    'eap.methods',
  ]);
});

test('all is locked when nothing of this way of connecting is left', () => {
  const plain = [
    'name',
    'folder',
    'gateway',
    'gatewayPorts',
    'localId',
    'remoteId',
    'ikeProposals',
    'espProposals',
    'remoteNetworks',
  ];
  const lasting = [
    'whenLost',
    'mobike',
    'tcp',
    'fragmentation',
    'rekeyChild',
    'rekeyIke',
    'reauthenticateEvery',
    'additionalChildren',
    'ppk',
  ];
  const rest = ['ipv4', 'ipv6', 'dns', 'mtu', 'natKeepalive', 'liveness', 'localPort', ...lasting];
  const locked = [...plain, ...rest, 'certificates', 'key', 'trust', 'eap'];
  assert.equal(isAllLocked({ auth: 'certificate', locked }), true);
  assert.equal(isAllLocked({ auth: 'eap', locked }), false);
  assert.equal(isAllLocked({ auth: 'eap', locked: [...locked, 'password'] }), true);
  assert.equal(isAllLocked({ auth: 'psk', locked }), false);
});

test('PEM goes there and back', () => {
  const base64 = 'QUJD'.repeat(40);
  const text = [pemOf(base64), pemOf('QUJD')].join('\n');
  assert.equal(countIn(text), 2);
  assert.deepEqual(
    pemsIn(`some words\n${text}\n`).map((one) => one.replaceAll(/-----[A-Z ]+-----|\n/g, '')),
    [base64, 'QUJD'],
  );
  assert.deepEqual([pemsIn(' x '), pemsIn('  ')], [['x'], []]);
});

const octets = (text: string) => new TextEncoder().encode(text);

test('each profile file is an offer of its own; certificates and keys are one together', () => {
  const der = Uint8Array.of(0x30, 0x82, 1, 0xff);
  const offers = offersOf([
    { name: 'a.pem', octets: octets('-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----') },
    { name: 'office.sswan', octets: octets('{"uuid":"x"}') },
    { name: 'with.sallyport', octets: octets('{"cert":"-----BEGIN CERTIFICATE-----"}') },
    { name: 'b.p12', octets: der },
  ]);
  assert.deepEqual(
    offers.map(({ from }) => from),
    ['office.sswan', 'with.sallyport', 'a.pem, b.p12'],
  );
  const [sswan, profile, parts] = offers;
  assert.deepEqual(
    [sswan, profile, parts].map((offer) => offer && lacksGateway(offer)),
    [false, false, true],
  );
  assert.ok(parts && 'data' in parts);
  assert.equal(parts.data[1], Buffer.from(der).toString('base64'));
});

test('too large is said and not cut', () => {
  const large = offersOf([{ name: 'x', octets: new Uint8Array(MAX_SIZE + 1) }]);
  assert.deepEqual(large, [{ source: 'file', from: 'x', text: TOO_LARGE }]);
  const many = Array.from({ length: 17 }, () => ({ name: 'c', octets: Uint8Array.of(0x30, 0xff) }));
  assert.ok('text' in (offersOf(many)[0] ?? {}));
});

const say = ((key: string, values?: { readonly count?: number }) =>
  values?.count === undefined ? key : `${key} ${values.count}`) as unknown as Say;
const format = formats('en');
const certificate = (more: Partial<CertificateView> = {}): CertificateView => ({
  subject: 'CN=a',
  issuer: 'CN=b',
  serial: '01',
  notBefore: 0,
  notAfter: 1e12,
  days: 12,
  names: [],
  key: 'P-256',
  signature: 'ECDSA',
  ca: false,
  pathLength: undefined,
  keyUsage: undefined,
  extendedKeyUsage: undefined,
  crls: [],
  ocsp: [],
  fingerprint: 'ff',
  ...more,
});

test('the lens says what there is and leaves out what there is not', () => {
  const terms = (more: Partial<CertificateView>) =>
    certificateRows(certificate(more), undefined, say, format).map(({ term }) => term);
  assert.ok(!terms({}).includes('fact.names') && !terms({}).includes('fact.revocation') && !terms({}).includes('fact.authority'));
  assert.ok(terms({ names: ['dns:x'], ca: true }).includes('fact.authority'));
  assert.deepEqual([daysText(-2, say), daysText(0, say), daysText(3, say)], ['days.over 2', 'days.last', 'days.left 3']);
  const verdict = { subject: 'CN=a', evidence: 'asked in vain' };
  assert.equal(revocationText({ ...verdict, status: 'good', source: 'crl' }, say, format), 'revocation.good (source.crl)');
  assert.equal(
    revocationText({ ...verdict, status: 'unknown', source: 'none' }, say, format),
    'revocation.unknown (asked in vain)',
  );
});

test('as text the lens holds verdict, problems and every certificate', () => {
  const report: CertificateReport = {
    chain: [certificate(), certificate({ subject: 'CN=b', ca: true, fingerprint: 'ee' })],
    others: [certificate({ subject: 'CN=c', fingerprint: 'dd' })],
    verdict: 'trusted',
    problems: [{ code: 'revoked', evidence: 'CN=a' }],
    expected: { identity: 'vpn', fits: false },
    revocation: [],
    warnings: [],
  };
  const text = reportText(report, ['head'], 'gateway', say, format);
  for (const part of [
    'head',
    'verdict.trusted.gateway',
    'problem.revoked (revoked: CN=a)',
    'nameDoesNotFit',
    'place.gateway',
    'place.anchor',
    'place.also',
    'CN=c',
    'ee',
  ])
    assert.ok(text.includes(part), part);
  assert.equal(placeOf(report, 0, 'authorities'), 'pinned');
});

test('warnings: soonest first, each kind once, louder in the last week', () => {
  const warning = (code: Warning['code'], days?: number): Warning => ({ code, subject: '', ...(days !== undefined && { days }) });
  const list = [
    warning('psk-short'),
    warning('authority-expires', 20),
    warning('authority-expires', 3),
    warning('client-certificate-expires', -1),
  ];
  assert.deepEqual(
    mostUrgent(list).map(({ code, days }) => `${code} ${days}`),
    ['client-certificate-expires -1', 'authority-expires 3', 'psk-short undefined'],
  );
  assert.deepEqual(
    [8, 7].map((days) => warningTone(warning('authority-expires', days))),
    ['attention', 'failed'],
  );
  assert.equal(warningTone(warning('psk-short')), 'attention');
});
