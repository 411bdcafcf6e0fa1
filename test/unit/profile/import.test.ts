import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importProfile } from '../../../core/profile/import.ts';
import { defaultTrust } from '../../../core/profile/model.ts';
import { profileText } from './sample.ts';

function imported(changes: Readonly<Record<string, unknown>> = {}) {
  const result = importProfile(profileText(changes));
  assert.ok(result.ok, result.ok ? '' : result.error.detail);
  return result.value;
}

function refusal(changes: Readonly<Record<string, unknown>>): string {
  const result = importProfile(profileText(changes));
  assert.equal(result.ok, false);
  return result.ok ? '' : result.error.detail;
}

test('the least profile gets its defaults, and what was assumed is said', () => {
  const { profile, secret, notes } = imported();
  assert.deepEqual(profile, {
    id: '2d2e7f70-5b0a-4a55-9d7e-3f1c5f0a8b11',
    name: 'Office',
    gateway: 'vpn.office.test',
    gatewayPorts: { ike: 500, natt: 4500 },
    localId: 'alice@office.test',
    remoteId: 'vpn.office.test',
    auth: 'psk',
    certificates: [],
    signatures: [],
    eap: undefined,
    trust: defaultTrust('psk'),
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
    folder: '',
    locked: [],
  });
  assert.equal(new TextDecoder().decode(secret.psk), 'correct horse battery staple');
  assert.deepEqual(notes.find(({ field }) => field === 'remoteId')?.outcome, 'changed');
  assert.equal(
    notes.some(({ outcome }) => outcome === 'warning' || outcome === 'dropped'),
    false,
  );
});

test('secrets as text, base64 and hex', () => {
  const bytes = Buffer.from('0102030405060708090a0b0c0d0e0f101112131415', 'hex');
  for (const secret of [{ base64: bytes.toString('base64') }, { hex: bytes.toString('hex') }]) {
    assert.deepEqual(Buffer.from(imported({ auth: { method: 'psk', secret } }).secret.psk ?? []), bytes);
  }
  assert.deepEqual(imported({ auth: { method: 'psk', secret: 'pässwörtchen, lang genug' } }).secret.psk?.length, 26);
});

test('a short key and a gateway that may be anybody are warned about', () => {
  const { notes, profile } = imported({ auth: { method: 'psk', secret: 'short' }, remoteId: '%any' });
  const warned = notes.filter(({ outcome }) => outcome === 'warning').map(({ field }) => field);
  assert.deepEqual(warned, ['auth.secret', 'remoteId']);
  assert.equal(profile.remoteId, undefined);
  assert.equal(JSON.stringify(notes).includes('"short"'), false);
});

test('a line end that counts as part of the key is warned about, as `echo` puts one before base64', () => {
  const warned = (secret: unknown) =>
    imported({ auth: { method: 'psk', secret } })
      .notes.filter(({ code }) => code === 'secret-line-end')
      .map(({ field }) => field);
  for (const text of ['correct horse battery staple\n', 'correct horse battery staple\r\n']) {
    assert.deepEqual(warned(text), ['auth.secret']);
    assert.deepEqual(warned({ base64: Buffer.from(text).toString('base64') }), ['auth.secret']);
  }
  assert.deepEqual(warned('correct horse battery staple'), []);
  const { secret } = imported({ auth: { method: 'psk', secret: 'correct horse battery staple\n' } });
  assert.equal(secret.psk?.at(-1), 0x0a, 'it may be meant, and nothing is taken away');
});

test('unknown fields are left out and named, wherever they are', () => {
  const { notes, profile } = imported({
    color: 'red',
    auth: { method: 'psk', secret: 'correct horse battery staple', hint: 'animal' },
    gatewayPorts: { ike: 1500, tcp: 443 },
  });
  const dropped = notes.filter(({ outcome }) => outcome === 'dropped').map(({ field }) => field);
  assert.deepEqual(
    dropped,
    ['auth.hint', 'color', 'gatewayPorts.tcp'].sort((a, b) => dropped.indexOf(a) - dropped.indexOf(b)),
  );
  assert.equal(dropped.length, 3);
  assert.deepEqual(profile.gatewayPorts, { ike: 1500, natt: 4500 });
  const hostile = importProfile(profileText().replace('{', '{"__proto__":{"name":"evil"},"toString":1,'));
  assert.ok(hostile.ok);
  assert.equal(hostile.value.profile.name, 'Office');
  assert.deepEqual(
    hostile.value.notes.filter(({ outcome }) => outcome === 'dropped').map(({ field }) => field),
    ['__proto__', 'toString'],
  );
});

test('of a heap of unknown fields fifty are named, and how many more there are', () => {
  const dropped = (count: number) =>
    imported(Object.fromEntries(Array.from({ length: count }, (_, at) => [`field${at}`, at]))).notes.filter(
      ({ outcome }) => outcome === 'dropped',
    );
  const few = dropped(50);
  assert.deepEqual([few.length, few.at(-1)?.code], [50, 'unknown-field']);
  const many = dropped(9_000);
  assert.equal(many.length, 50);
  assert.deepEqual(many.at(-1), {
    field: 'field49',
    outcome: 'dropped',
    why: 'this version does not know the field, and 8950 more',
    code: 'unknown-fields',
    values: { count: 8950 },
  });
});

test('what is made normal is said', () => {
  const { profile, notes } = imported({
    name: '  Büro ',
    gateway: 'bücher.example',
    remoteNetworks: ['10.1.2.3/16', '10.1.0.0/16'],
  });
  assert.equal(profile.name, 'Büro');
  assert.equal(profile.gateway, 'xn--bcher-kva.example');
  assert.deepEqual(profile.remoteNetworks, ['10.1.0.0/16']);
  const changed = notes.filter(({ outcome }) => outcome === 'changed').map(({ field }) => field);
  assert.deepEqual(changed, ['name', 'gateway', 'remoteId', 'remoteNetworks']);
});

const wrong: readonly (readonly [Readonly<Record<string, unknown>>, string])[] = [
  [{ sallyport: 2 }, 'sallyport: expected 1, the version of this format, found 2'],
  [{ sallyport: undefined }, 'sallyport: is missing; expected 1, the version of this format'],
  [{ name: undefined }, 'name: is missing; expected 1 to 100 characters, none of them invisible'],
  [{ name: '' }, 'name: expected 1 to 100 characters, none of them invisible, found an empty text'],
  [{ name: 'a\u0007b' }, 'name: expected 1 to 100 characters, none of them invisible, found "a?b"'],
  [{ name: 'a\u202eb' }, 'name: expected 1 to 100 characters, none of them invisible, found "a?b"'],
  [{ name: ['x'] }, 'name: expected 1 to 100 characters, none of them invisible, found a list'],
  [{ gateway: '192.0.2.300' }, 'gateway: expected a host name, an IPv4 or an IPv6 address, found "192.0.2.300"'],
  [{ gateway: 'a b' }, 'gateway: expected a host name, an IPv4 or an IPv6 address, found "a b"'],
  [{ gateway: 'fe80::1%eth0' }, 'gateway: expected a host name, an IPv4 or an IPv6 address, found "fe80::1%eth0"'],
  [{ gateway: 7 }, 'gateway: expected a host name, an IPv4 or an IPv6 address, found 7'],
  [{ mtu: 1200 }, 'mtu: expected 1280 to 1500, found 1200'],
  [{ mtu: '1400' }, 'mtu: expected 1280 to 1500, found "1400"'],
  [{ liveness: 3 }, 'liveness: expected 0 for never, or 5 to 86400 seconds, found 3'],
  [{ localPort: 'odd' }, 'localPort: expected "standard" or "any", found "odd"'],
  [{ ipv4: 'yes' }, 'ipv4: expected true or false, found "yes"'],
  [{ ipv4: false, ipv6: false }, 'ipv4: expected at least one of ipv4 and ipv6 to be true'],
  [
    { ipv6: false, remoteNetworks: ['fd00::/8'] },
    'remoteNetworks: expected at least one network of a family that ipv4 and ipv6 allow',
  ],
  [
    { remoteNetworks: ['10.0.0.0/33'] },
    'remoteNetworks[0]: expected a network such as "10.1.0.0/16" or "2001:db8::/32", found "10.0.0.0/33"',
  ],
  [{ remoteNetworks: [] }, 'remoteNetworks: expected 1 to 64 networks, found an empty list'],
  [{ gatewayPorts: { ike: 70000 } }, 'gatewayPorts.ike: expected a port, 1 to 65535, found 70000'],
  [{ uuid: 'x' }, 'uuid: expected a UUID such as 2d2e7f70-5b0a-4a55-9d7e-3f1c5f0a8b11, found "x"'],
];
for (const [changes, detail] of wrong) {
  test(`refused: ${JSON.stringify(changes)}`, () => {
    assert.equal(refusal(changes), detail);
  });
}

test('a proposal that is not one is named with what is wrong in it', () => {
  const detail = refusal({ ikeProposals: ['aes256gcm16-prfsha256-x25519', 'aes256-frobnicate'] });
  assert.match(detail, /^ikeProposals\[1\]: expected an IKE proposal such as .*frobnicate/);
});

test('what is quoted of a proposal turns no line around and ends none', () => {
  const told = refusal({ ikeProposals: ['aes256\u202egcm16\u0000'] });
  assert.match(told, /is not an algorithm known here/);
  assert.doesNotMatch(told, /[\p{Cc}\p{Cf}]/u);
});

test('TCP: when, and at which ports, each once', () => {
  const { profile } = imported({ tcp: 'always', tcpPorts: [443, 8443, 443] });
  assert.deepEqual([profile.tcp, profile.tcpPorts], ['always', [443, 8443]]);
  assert.match(refusal({ tcp: 'sometimes' }), /^tcp: expected "auto", "always" or "never", found "sometimes"/);
  assert.match(refusal({ tcpPorts: [443, 65_536] }), /^tcpPorts\[1\]: expected a port, 1 to 65535, found 65536/);
  assert.match(refusal({ tcpPorts: [] }), /^tcpPorts: expected 1 to 4 ports, found an empty list/);
});

test('gateways that stand in are names or addresses, each once, and none is the gateway itself', () => {
  const { profile } = imported({
    gateway: 'vpn.office.test',
    gateways: ['münchen.test', '192.0.2.9', 'vpn.office.test', '192.0.2.9'],
  });
  assert.deepEqual(profile.gateways, ['xn--mnchen-3ya.test', '192.0.2.9']);
  assert.match(refusal({ gateways: ['a b'] }), /^gateways\[0\]: expected a host name, an IPv4 or an IPv6 address, found /);
  assert.match(refusal({ gateways: Array(9).fill('vpn.office.test') }), /^gateways: expected at most 8 gateways, found /);
});

test('what becomes of the traffic of a lost tunnel is one of four words', () => {
  assert.equal(imported({ whenLost: 'lock' }).profile.whenLost, 'lock');
  assert.equal(imported({ fragmentation: 'force' }).profile.fragmentation, 'force');
  assert.match(refusal({ whenLost: 'never' }), /^whenLost: expected "hold", "lock", "open" or "end", found /);
});

test('a replay window is taken as it is, and out of range it is said what is expected', () => {
  assert.equal(imported({ replayWindow: 4096 }).profile.replayWindow, 4096);
  for (const window of [63, 4097, 0, 64.5, '64']) {
    assert.match(refusal({ replayWindow: window }), /^replayWindow: expected 64 to 4096 packets, found /);
  }
});

test('every wrong field is named, up to five', () => {
  const detail = refusal({ name: '', gateway: '', mtu: 1, liveness: 1, natKeepalive: 1, ipv4: 1, dns: 1 });
  assert.equal(detail.split('; ').length, 6);
  assert.match(detail, /and 2 more$/);
});

test('no secret is ever in an error', () => {
  const secret = 'my-very-own-secret';
  const details = [
    refusal({ auth: { method: 'psk', secret: { base64: secret } } }),
    refusal({ auth: { method: secret, secret: 'x' } }),
    refusal({ auth: secret }),
    refusal({ auth: { method: 'psk', secret: [secret] } }),
    refusal({ auth: { method: 'psk', secret: { hex: secret, base64: secret } } }),
    refusal({ auth: { method: 'psk', secret: '' } }),
  ];
  for (const detail of details) {
    assert.equal(detail.includes(secret), false, detail);
    assert.match(detail, /^auth/);
  }
  const broken = importProfile(`{"sallyport":1,"auth":{"secret":"${secret}" x`);
  assert.equal(broken.ok || broken.error.detail.includes(secret), false);
});

test('without a key the profile imports, and it is said that it is asked for', () => {
  const { secret, notes } = imported({ auth: { method: 'psk' } });
  assert.deepEqual(secret, {});
  const note = notes.find(({ field }) => field === 'auth.secret');
  assert.deepEqual([note?.outcome, note?.why], ['warning', 'not given: it is asked for when connecting']);
});

test('folder and locks', () => {
  assert.equal(imported({ folder: ' Work ' }).profile.folder, 'Work');
  assert.deepEqual(imported({ locked: ['mtu', 'gateway', 'mtu'] }).profile.locked, ['mtu', 'gateway']);
  const all = imported({ locked: true }).profile.locked;
  for (const field of ['name', 'folder', 'gateway', 'secret', 'localPort']) assert.ok(all.includes(field as 'name'), field);
  assert.match(refusal({ locked: ['colour'] }), /^locked: expected true, or a list of names of fields/);
  assert.match(refusal({ auth: { method: 'psk', secret: 'ä'.repeat(600) } }), /^auth\.secret: expected at most 1024 octets$/);
});
