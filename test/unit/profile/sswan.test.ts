import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networksOf, parseRange } from '../../../core/profile/networks.ts';
import { importFiles } from '../../../core/profile/readFiles.ts';
import { alice, base64, gateway, P12_PASSWORD, pkcs12, root } from './credentials.ts';

const uuid = '7b4b1bc2-7d7c-4bfb-9a4a-5a8a2f3c7a11';
const p12 = base64(pkcs12(alice));
const least = { uuid, name: 'Office', type: 'ikev2-eap', remote: { addr: 'vpn.office.test' } };

function read(file: object, password: string | undefined = P12_PASSWORD) {
  return importFiles([new TextEncoder().encode(JSON.stringify(file))], { now: Date.now(), password });
}

function imported(file: object, password?: string) {
  const result = read(file, password);
  assert.ok(result.ok, result.ok ? '' : result.error.detail);
  return result.value;
}

function refusal(file: object): string {
  const result = read(file);
  assert.equal(result.ok, false);
  return result.ok ? '' : `${result.error.code}: ${result.error.detail}`;
}

test('the least there is: asked for name and password, trust of this computer', () => {
  const { profile, secret, notes } = imported(least);
  assert.deepEqual(
    [profile.id, profile.auth, profile.eap?.methods, profile.eap?.identity, profile.trust.systemRoots, Object.keys(secret)],
    [uuid, 'eap', ['mschapv2', 'gtc', 'otp'], '', true, []],
  );
  const told = notes.map(({ field, outcome, code }) => `${outcome} ${field} ${code}`);
  for (const line of [
    'kept type kept',
    'kept uuid kept',
    'kept remote.addr kept',
    'changed remote.cert system-roots',
    'changed local.eap_id user-missing',
    'changed remote.id identity-from-gateway',
  ])
    assert.ok(told.includes(line), `${line} in ${told.join('; ')}`);
});

test('an object or a list where yes or no must be is told, whatever is in it', () => {
  for (const odd of [{}, { a: 1 }, [], [{}], [[{}]]]) {
    const remote = { addr: 'vpn.office.test', certreq: odd, revocation: { strict: odd } };
    const told = refusal({ ...least, remote, 'split-tunneling': { 'block-ipv6': odd } });
    for (const field of ['remote.certreq', 'remote.revocation.strict', 'split-tunneling.block-ipv6']) {
      assert.ok(told.includes(`${field}: expected true or false`), told);
    }
  }
});

test('strict about a revocation that nobody is asked about is told by the name that the file has for it', () => {
  const remote = { addr: 'vpn.office.test', revocation: { crl: false, ocsp: false, strict: true } };
  assert.match(refusal({ ...least, remote }), /^profile-malformed: remote\.revocation: "strict" takes nothing unchecked/);
  const { profile } = imported({ ...least, remote: { ...remote, revocation: { ...remote.revocation, strict: false } } });
  assert.deepEqual(profile.trust.revocation, { crl: false, ocsp: false, strict: false });
});

test('a gateway is only given for files that name none; a name may be given for all', () => {
  const bytes = [new TextEncoder().encode(JSON.stringify(least))];
  const both = importFiles(bytes, { now: Date.now(), gateway: 'x.test' });
  assert.match(both.ok ? '' : both.error.detail, /^gateway: the file says itself where it is/);
  const named = importFiles(bytes, { now: Date.now(), name: 'Mine' });
  assert.equal(named.ok && named.value.profile.name, 'Mine');
  const { name: _, ...nameless } = least;
  const octets = [new TextEncoder().encode(JSON.stringify(nameless))];
  const unnamed = importFiles(octets, { now: Date.now() });
  assert.match(unnamed.ok ? '' : unnamed.error.detail, /^name: is missing/);
  const called = importFiles(octets, { now: Date.now(), name: 'Mine' });
  assert.equal(called.ok && called.value.profile.name, 'Mine');
});

test('each type is a method of ours; a report of the computer’s health is not given', () => {
  const local = { p12, eap_id: 'alice', shared_secret: 'geheim' };
  const of = (type: string) => {
    const { profile, secret } = imported({ ...least, type, local, remote: { addr: 'x.test', cert: base64(root.der) } });
    return [profile.auth, profile.eap?.methods.join() ?? '', Object.keys(secret).join(), profile.certificates.length];
  };
  assert.deepEqual(of('ikev2-eap'), ['eap', 'mschapv2,ttls,peap,gtc,otp', 'password', 0]);
  assert.deepEqual(of('ikev2-cert'), ['certificate', '', 'key', 2]);
  assert.deepEqual(of('ikev2-cert-eap'), ['certificate-eap', 'mschapv2,ttls,peap,gtc,otp', 'password,key', 2]);
  assert.deepEqual(of('ikev2-eap-tls'), ['eap', 'tls', 'key', 2]);
  assert.match(refusal({ ...least, type: 'ikev2-byod-eap' }), /^import-unsupported: type: "ikev2-byod-eap": .*health report/);
  assert.match(refusal({ ...least, type: 'ikev2-cert' }), /^profile-malformed: local\.p12: is missing/);
});

test('PKCS #12 inside wants its own password', () => {
  const file = { ...least, type: 'ikev2-cert', local: { p12 } };
  const code = (password: string) => {
    const result = read(file, password);
    return result.ok ? 'ok' : result.error.code;
  };
  assert.deepEqual([code(P12_PASSWORD), code('no'), code('')], ['ok', 'import-password-wrong', 'import-password-wrong']);
  const none = importFiles([new TextEncoder().encode(JSON.stringify(file))], { now: Date.now() });
  assert.deepEqual([none.ok, none.ok ? '' : none.error.code], [false, 'import-password-needed']);
  const { profile, notes } = imported(file);
  assert.deepEqual(
    [profile.trust.authorities, profile.trust.systemRoots],
    [[base64(root.der)], true],
    'its authorities, and the computer’s',
  );
  assert.ok(notes.some(({ field, code: one }) => field === 'local.p12' && one === 'anchors-found'));
});

test('what is missing or wrong is told by the names of the file, all at once', () => {
  assert.match(refusal({ type: 'ikev2-eap', remote: {} }), /uuid: is missing; name: is missing; remote\.addr: is missing/);
  assert.match(refusal({ ...least, uuid: 'x' }), /uuid: expected a UUID/);
  assert.match(refusal({ ...least, remote: { addr: 'a b' } }), /remote\.addr: expected a host name/);
  assert.match(refusal({ ...least, remote: { addr: 'x.test', cert: 'AAAA' } }), /remote\.cert: expected certificates in PEM/);
  assert.match(refusal({ ...least, remote: { addr: 'x.test', port: 'many' } }), /remote\.port: expected a whole number/);
  assert.match(refusal({ ...least, remote: { addr: 'x.test', certreq: 'perhaps' } }), /remote\.certreq: expected true or false/);
  assert.match(refusal({ ...least, 'split-tunneling': { subnets: 'x' } }), /split-tunneling\.subnets: expected networks/);
  assert.match(
    refusal({ ...least, 'split-tunneling': { excluded: ['0.0.0.0/0', '::/0'] } }),
    /split-tunneling: nothing would be left/,
  );
});

test('ports, a pinned certificate, a range of networks, proposals that are not had', () => {
  const { profile, notes } = imported({
    ...least,
    remote: { addr: 'x.test', port: 4501, cert: base64(gateway.der) },
    'esp-proposal': 'aes256gcm16-ke1_mlkem768, 3des-sha1',
    'split-tunneling': { subnets: ['10.0.0.1-10.0.0.2', '10.0.0.3'] },
    'nat-keepalive': '1',
    proxy: { host: 'proxy', port: 8080 },
  });
  assert.deepEqual(
    [profile.gatewayPorts, profile.espProposals, profile.remoteNetworks, profile.natKeepalive],
    [{ ike: 4501, natt: 4501 }, ['aes256gcm16'], ['10.0.0.1/32', '10.0.0.2/32', '10.0.0.3/32'], 5],
  );
  const told = notes.filter(({ outcome }) => outcome !== 'kept').map(({ field, code }) => `${field} ${code}`);
  for (const line of [
    'remote.port written-otherwise',
    'remote.cert not-an-authority',
    'esp-proposal proposal-left-out',
    'esp-proposal proposal-translated',
    'nat-keepalive written-otherwise',
    'nat-keepalive nearest-taken',
    'proxy.host not-supported',
    'proxy.port not-supported',
  ])
    assert.ok(told.includes(line), `${line} in ${told.join('; ')}`);
  const none = imported({ ...least, 'ike-proposal': '3des-md5-modp1024' });
  assert.deepEqual(none.profile.ikeProposals, ['default']);
  assert.ok(none.notes.some(({ field, code }) => field === 'ike-proposal' && code === 'default-taken'));
});

test('every field of the format has a note', () => {
  const full = {
    ...least,
    type: 'ikev2-cert-eap',
    apps: ['a.b'],
    'excluded-apps': ['c.d'],
    'ike-proposal': 'aes256-sha256-ecp256',
    'esp-proposal': 'aes256-sha256',
    mtu: 1300,
    'nat-keepalive': 30,
    'dns-servers': ['10.0.0.1'],
    'ipv6-transport': true,
    remote: {
      addr: 'x.test',
      port: 500,
      id: 'x.test',
      cert: base64(root.der),
      certreq: true,
      revocation: { crl: true, ocsp: false, strict: false },
    },
    local: { eap_id: 'alice', id: 'alice@office.test', shared_secret: 'x', p12, 'rsa-pss': true },
    'split-tunneling': { subnets: ['10.0.0.0/8'], excluded: ['10.1.0.0/16'], 'block-ipv4': false, 'block-ipv6': true },
    proxy: { host: 'p', port: 1, exclusions: ['q'] },
  };
  const leaves = (value: object, place = ''): string[] =>
    Object.entries(value).flatMap(([key, inner]) =>
      typeof inner === 'object' && !Array.isArray(inner) ? leaves(inner, `${place}${key}.`) : [`${place}${key}`],
    );
  const { notes } = imported(full);
  const fields = new Set(notes.map(({ field }) => field));
  assert.deepEqual(
    leaves(full).filter((field) => !fields.has(field)),
    [],
  );
});

test('RSA signs with PKCS #1 as their client does, unless PSS is asked for', () => {
  const own = root.issue({ subject: 'CN=Alice', san: ['email:alice@office.test'], key: 'rsa' });
  const signatures = (local: object) => imported({ ...least, type: 'ikev2-cert', local }).profile.signatures;
  const file = base64(pkcs12(own));
  assert.deepEqual(signatures({ p12: file }).slice(0, 4), ['rsa-sha256', 'rsa-sha384', 'rsa-sha512', 'rsa-pss-sha256']);
  assert.deepEqual(signatures({ p12: file, 'rsa-pss': 'false' })[0], 'rsa-sha256');
  assert.deepEqual(signatures({ p12: file, 'rsa-pss': 'true' }), []);
  assert.deepEqual(signatures({ p12 }), [], 'another kind of key has nothing to choose');
});

test('networks are what is left when others are taken out', () => {
  const set = (...texts: string[]) => texts.flatMap((text) => parseRange(text) ?? []);
  assert.deepEqual(networksOf(set('10.0.0.0/8'), set('10.0.0.0/9'), 64), ['10.128.0.0/9']);
  assert.deepEqual(networksOf(set('10.0.0.0/30'), set('10.0.0.1'), 64), ['10.0.0.0/32', '10.0.0.2/31']);
  assert.deepEqual(networksOf(set('::/0', '0.0.0.0/0'), set('128.0.0.0/1'), 64), ['::/0', '0.0.0.0/1']);
  assert.deepEqual(networksOf(set('192.168.0.1-192.168.0.6'), [], 64), [
    '192.168.0.1/32',
    '192.168.0.2/31',
    '192.168.0.4/31',
    '192.168.0.6/32',
  ]);
  assert.deepEqual(networksOf(set('10.0.0.0/8'), set('0.0.0.0/0'), 64), []);
  assert.equal(networksOf(set('::/0'), set('2001:db8::1'), 64), undefined, 'more than the most');
  for (const text of ['10.0.0.9-10.0.0.1', '10.0.0.1-::1', 'x', '10.0.0.0/33', ''])
    assert.equal(parseRange(text), undefined, text);
});

test('PEM, base64 of PEM and lists are certificates too; line breaks are let pass in strings', () => {
  const text = new TextEncoder().encode(root.pem);
  const lost = root.pem.replaceAll('\n', '');
  for (const cert of [root.pem, lost, lost.replace(/.{64}/g, '$& '), base64(text), [base64(root.der), root.pem]]) {
    const { trust } = imported({ ...least, remote: { addr: 'x.test', cert } }).profile;
    assert.deepEqual([trust.authorities, trust.systemRoots], [[base64(root.der)], false]);
  }
  const pemInside = imported({ ...least, type: 'ikev2-cert', local: { p12: alice.pem + alice.key.pkcs8Pem } });
  assert.deepEqual(pemInside.secret.key, alice.key.pkcs8);
  assert.ok(pemInside.notes.some(({ field, code }) => field === 'local.p12' && code === 'clear-text'));
  const broken = JSON.stringify({ ...least, type: 'ikev2-cert', local: { p12 } }).replace(p12, p12.replace(/.{64}/g, '$&\r\n\t'));
  const options = { now: Date.now(), password: P12_PASSWORD };
  assert.equal(importFiles([new TextEncoder().encode(broken)], options).ok, true);
  const own = importFiles([new TextEncoder().encode('{"sallyport": 1, "name": "a\nb"}')], options);
  assert.match(own.ok ? '' : own.error.detail, /line 1, column .*: a control character inside a string/);
});

test('a type that is forgotten or written large is told of as theirs', () => {
  assert.equal(imported({ ...least, type: 'IKEv2-EAP' }).profile.auth, 'eap');
  assert.match(refusal({ ...least, type: undefined }), /: type: is missing; expected ikev2-eap, /);
});

test('of a heap of unknown fields fifty are named, and how many more there are', () => {
  const heap = Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`field${at}`, at]));
  const dropped = imported({ ...least, ...heap }).notes.filter(({ code }) => code.startsWith('unknown-field'));
  assert.deepEqual([dropped.length, dropped.at(-1)?.values], [50, { count: 10 }]);
});

test('a text where an object belongs is not taken for an unknown field', () => {
  for (const field of ['remote', 'local', 'split-tunneling', 'proxy']) {
    assert.match(refusal({ ...least, [field]: 'x' }), new RegExp(`: ${field}: expected an object`), field);
  }
  assert.match(refusal({ ...least, remote: { addr: 'x.test', revocation: true } }), /: remote\.revocation: expected an object$/);
});

test('a password keeps its blanks; a fault is told once', () => {
  const { secret } = imported({ ...least, local: { eap_id: 'alice', shared_secret: ' geheim ' } });
  assert.equal(new TextDecoder().decode(secret.password), ' geheim ');
  assert.match(refusal({ ...least, remote: { addr: 'x.test', port: 0 } }), /^[^:]*: remote\.port: expected a port[^;]*$/);
});

test('what the authorities of local.p12, local.rsa-pss and a wide network became is told', () => {
  const { profile, notes } = imported({
    ...least,
    type: 'ikev2-cert',
    remote: { addr: 'x.test', cert: base64(gateway.der) },
    local: { p12 },
    'split-tunneling': { subnets: ['10.1.2.3/8', '2001:DB8::/32'] },
  });
  assert.deepEqual(profile.trust.authorities, [base64(gateway.der)]);
  const told = notes.map(({ field, outcome, code, why }) => `${outcome} ${field} ${code} ${why}`).join('\n');
  assert.match(told, /^dropped local\.p12 not-needed its CA certificates are not trusted beside "remote\.cert": CN=Office Root/m);
  assert.match(told, /^changed split-tunneling\.subnets network-widened 10\.1\.2\.3\/8 is the network 10\.0\.0\.0\/8$/m);
  assert.doesNotMatch(told, /2001:DB8/);
  const eap = imported({ ...least, local: { 'rsa-pss': true } });
  assert.ok(eap.notes.some(({ field, outcome }) => field === 'local.rsa-pss' && outcome === 'dropped'));
});
