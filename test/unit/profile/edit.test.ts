import assert from 'node:assert/strict';
import { test } from 'node:test';
import { editProfile, freeName, type GivenFields } from '../../../core/profile/edit.ts';
import { importProfile } from '../../../core/profile/import.ts';
import type { Profile } from '../../../core/profile/model.ts';
import type { SecretName } from '../../../core/rpc/contract.ts';
import { profileText } from './sample.ts';

function base(changes: Readonly<Record<string, unknown>> = {}): Profile {
  const imported = importProfile(profileText(changes));
  assert.ok(imported.ok, imported.ok ? '' : imported.error.detail);
  return { ...imported.value.profile, id: imported.value.profile.id ?? 'id' };
}

interface Rest {
  readonly base?: Profile;
  readonly secret?: string;
  readonly touchesSecret?: boolean;
}

function edit(fields: GivenFields, rest: Rest = {}) {
  const touched: readonly SecretName[] = rest.touchesSecret || rest.secret !== undefined ? ['psk'] : [];
  return editProfile({ base: rest.base, fields, secrets: { psk: rest.secret }, touched, now: Date.now() });
}

function codes(fields: GivenFields, rest: Rest = {}): readonly string[] {
  const { problems, imported } = edit(fields, rest);
  assert.equal(imported === undefined, problems.length > 0, 'nothing to store with problems, something without');
  return problems.map(({ field, code }) => `${field} ${code}`);
}

const least = { name: 'Office', gateway: 'vpn.office.test', localId: 'alice@office.test' } as const;

test('a new one with the least is what the same file would be', () => {
  const { imported } = edit(least, { secret: 'correct horse battery staple' });
  const { id: _, ...expected } = base();
  assert.deepEqual({ ...imported?.profile, id: undefined }, { ...expected, id: undefined });
  assert.equal(new TextDecoder().decode(imported?.secret?.psk), 'correct horse battery staple');
});

const wrong: readonly (readonly [GivenFields, readonly string[]])[] = [
  [{}, ['name required', 'gateway required', 'localId required']],
  [{ ...least, name: '  ' }, ['name required']],
  [{ ...least, name: 'x'.repeat(101) }, ['name too-long']],
  [{ ...least, name: 'a\u202eb' }, ['name unprintable']],
  [{ ...least, folder: 'x'.repeat(101) }, ['folder too-long']],
  [{ ...least, folder: 'a\nb' }, ['folder unprintable']],
  [{ ...least, gateway: '' }, ['gateway required']],
  [{ ...least, gateway: 'a b' }, ['gateway gateway-invalid']],
  [{ ...least, gatewayPorts: { ike: 0, natt: 4500 } }, ['gatewayPorts out-of-range']],
  [{ ...least, localId: 'keyid:zz' }, ['localId identity-invalid']],
  [{ ...least, remoteId: 'keyid:zz' }, ['remoteId identity-invalid']],
  [{ ...least, ikeProposals: [] }, ['ikeProposals required']],
  [{ ...least, ikeProposals: ['aes256-frobnicate'] }, ['ikeProposals proposal-invalid']],
  [{ ...least, espProposals: Array.from({ length: 40 }, () => 'default') }, ['espProposals too-many']],
  [{ ...least, remoteNetworks: ['10.0.0.0/33'] }, ['remoteNetworks network-invalid']],
  [{ ...least, ipv6: false, remoteNetworks: ['fd00::/8'] }, ['remoteNetworks no-network-of-family']],
  [{ ...least, ipv4: false, ipv6: false }, ['ipv4 no-family']],
  [{ ...least, trust: { revocation: { crl: false, ocsp: false, strict: true } } }, ['trust.revocation choice-invalid']],
  [{ ...least, mtu: 1.5 }, ['mtu out-of-range']],
  [{ ...least, natKeepalive: 4 }, ['natKeepalive out-of-range']],
  [{ ...least, liveness: -1 }, ['liveness out-of-range']],
  [{ ...least, replayWindow: 32 }, ['replayWindow out-of-range']],
  [{ ...least, gateways: ['b.test', 'a b'] }, ['gateways gateway-invalid']],
  [{ ...least, gateways: Array(9).fill('b.test') }, ['gateways too-many']],
  [{ ...least, fragmentation: 'accept' }, ['fragmentation choice-invalid']],
  [{ ...least, tcp: 'accept' }, ['tcp choice-invalid']],
  [{ ...least, tcpPorts: [] }, ['tcpPorts required']],
  [{ ...least, tcpPorts: [443, 0] }, ['tcpPorts out-of-range']],
  [{ ...least, tcpPorts: [1, 2, 3, 4, 5] }, ['tcpPorts too-many']],
  [{ ...least, whenLost: 'never' }, ['whenLost choice-invalid']],
  [{ ...least, reauthenticateEvery: 299 }, ['reauthenticateEvery out-of-range']],
  [{ ...least, rekeyIke: 9 }, ['rekeyIke out-of-range']],
  [{ ...least, rekeyChild: -1 }, ['rekeyChild out-of-range']],
  [{ ...least, rekeyBytes: 99_999 }, ['rekeyBytes out-of-range']],
  [{ ...least, rekeyPackets: 1.5 }, ['rekeyPackets out-of-range']],
  [{ ...least, additionalChildren: [{ remoteNetworks: ['10.2.0.0/16', 'x'] }] }, ['additionalChildren network-invalid']],
  [{ ...least, additionalChildren: [{ remoteNetworks: [] }] }, ['additionalChildren network-invalid']],
  [{ ...least, additionalChildren: Array(9).fill({ remoteNetworks: ['10.2.0.0/16'] }) }, ['additionalChildren too-many']],
  [
    { ...least, ipv6: false, additionalChildren: [{ remoteNetworks: ['fd00::/8'] }] },
    ['additionalChildren no-network-of-family'],
  ],
  [{ ...least, localPort: 'odd' }, ['localPort choice-invalid']],
  [
    { name: '', gateway: 'a b', localId: '', mtu: 1, ipv4: false, ipv6: false, remoteNetworks: ['x', 'y'] },
    [
      'name required',
      'gateway gateway-invalid',
      'localId required',
      'remoteNetworks network-invalid',
      'remoteNetworks network-invalid',
      'mtu out-of-range',
      'ipv4 no-family',
    ],
  ],
];
for (const [fields, expected] of wrong) {
  test(`problems of ${JSON.stringify(fields).slice(0, 120)}`, () => {
    assert.deepEqual(codes(fields), expected);
  });
}

test('a post-quantum key: named, kept, made obligatory, renamed, given anew, and gone with its name', () => {
  const given = editProfile({
    base: undefined,
    fields: { ...least, ppk: { id: 'office-ppk-1' } },
    secrets: { ppk: 'sixteen octets or more' },
    touched: ['ppk'],
    now: Date.now(),
  });
  assert.deepEqual([given.imported?.profile.ppk, given.forget.includes('ppk')], [{ id: 'office-ppk-1', required: false }, false]);
  assert.equal(new TextDecoder().decode(given.imported?.secret.ppk), 'sixteen octets or more');
  const with1 = base({ ppk: { id: 'office-ppk-1', required: true } });
  const after = (fields: GivenFields) => edit(fields, { base: with1 }).imported?.profile.ppk;
  assert.deepEqual(after({ mtu: 1300 }), with1.ppk);
  assert.deepEqual(after({ ppk: { id: 'office-ppk-2' } }), { id: 'office-ppk-2', required: true });
  assert.deepEqual(after({ ppk: { id: 'office-ppk-1', required: false } }), { id: 'office-ppk-1', required: false });
  const gone = edit({ ppk: { id: '' } }, { base: with1 });
  assert.deepEqual([gone.imported?.profile.ppk, gone.forget.includes('ppk')], [undefined, true]);
  assert.deepEqual(codes({ ppk: { id: 'with blanks' } }, { base: with1 }), ['ppk identity-invalid']);
  const nameless = editProfile({ base: base(), fields: {}, secrets: { ppk: 'a secret' }, touched: ['ppk'], now: Date.now() });
  assert.deepEqual(
    nameless.problems.map(({ field, code }) => `${field} ${code}`),
    ['ppk required'],
  );
  assert.doesNotMatch(JSON.stringify(nameless.problems), /a secret/);
  const locked = base({ ppk: { id: 'office-ppk-1' }, locked: ['ppk'] });
  assert.deepEqual(codes({ ppk: { id: '' } }, { base: locked }), ['ppk locked']);
  assert.deepEqual(codes({ ppk: { id: 'office-ppk-1', required: false }, mtu: 1300 }, { base: locked }), []);
});

test('a secret that is too long is a problem of the secret, and is in no message', () => {
  for (const secret of ['s3cr3t'.repeat(300), 'ä'.repeat(600)]) {
    const { problems } = edit(least, { secret });
    assert.deepEqual(
      problems.map(({ field, code }) => [field, code]),
      [['secret', 'too-long']],
    );
    assert.equal(JSON.stringify(problems).includes(secret.slice(0, 12)), false);
  }
});

test('an edit changes what is given and nothing else', () => {
  const before = base({ mtu: 1300, remoteNetworks: ['10.0.0.0/8'], folder: 'Work', gatewayPorts: { ike: 1500 } });
  const { imported, problems } = edit({ name: ' New ', mtu: 1400 }, { base: before });
  assert.deepEqual(problems, []);
  assert.deepEqual(imported?.profile, { ...before, name: 'New', mtu: 1400 });
  assert.deepEqual(imported?.secret, {});
  assert.deepEqual(
    imported?.notes.map(({ field, outcome }) => [field, outcome]),
    [['name', 'changed']],
  );
});

test('the identity of the gateway: explicit, default, any, and one that follows the name', () => {
  const identity = (fields: GivenFields, before: Profile) => edit(fields, { base: before }).imported?.profile.remoteId;
  const usual = base();
  assert.equal(identity({ gateway: 'new.office.test' }, usual), 'new.office.test');
  assert.equal(identity({ gateway: 'new.office.test', remoteId: 'vpn.office.test' }, usual), 'vpn.office.test');
  const own = base({ remoteId: 'ike.office.test' });
  assert.equal(identity({ gateway: 'new.office.test' }, own), 'ike.office.test');
  assert.equal(identity({ remoteId: '' }, own), 'vpn.office.test');
  const any = base({ remoteId: '%any' });
  assert.equal(identity({ mtu: 1300 }, any), undefined);
  assert.equal(edit({ remoteId: '%any' }, { base: usual }).imported?.profile.remoteId, undefined);
});

test('locked fields stay: what would change them is a problem, what is the same is not', () => {
  const before = base({ locked: ['gateway', 'secret', 'remoteId'] });
  assert.deepEqual(codes({ gateway: 'evil.test', mtu: 1300 }, { base: before }), ['gateway locked']);
  assert.deepEqual(codes({ gateway: 'a b' }, { base: before }), ['gateway locked'], 'locked and wrong is locked');
  assert.deepEqual(codes({ gateway: 'vpn.office.test', remoteId: '', mtu: 1300 }, { base: before }), []);
  assert.deepEqual(codes({}, { base: before, secret: 'another secret that is long' }), ['secret locked']);
  assert.deepEqual(codes({}, { base: before, touchesSecret: true }), ['secret locked']);
  assert.deepEqual(codes({ gateway: 'evil.test', mtu: 1 }, { base: before }), ['gateway locked', 'mtu out-of-range']);
  const all = base({ locked: true });
  assert.deepEqual(codes({ name: 'x', folder: 'y', dns: false }, { base: all }), ['name locked', 'folder locked', 'dns locked']);
  assert.deepEqual(edit({ name: 'Office' }, { base: all }).imported?.profile.locked, all.locked, 'an edit does not unlock');
});

test('a locked identity does not follow the gateway', () => {
  const before = base({ locked: ['remoteId'] });
  const { imported } = edit({ gateway: 'new.office.test' }, { base: before });
  assert.equal(imported?.profile.remoteId, 'vpn.office.test');
});

test('free names', () => {
  assert.equal(freeName('Office', new Set(['Office'])), 'Office 2');
  assert.equal(freeName('Office', new Set(['Office', 'Office 2', 'Office 3'])), 'Office 4');
  const long = 'x'.repeat(100);
  assert.equal(freeName(long, new Set([long])).length, 100);
  assert.deepEqual(codes({ ...least, name: freeName('😀'.repeat(50), new Set()) }), []);
});
