import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULTS, defaultTrust } from '../../../core/profile/model.ts';
import type { ProfileSummary, ProfileView } from '../../../core/rpc/contract.ts';
import { coversAll, describe } from '../../../renderer/views/profiles/describe.ts';
import {
  ANYBODY,
  type Draft,
  draftOf,
  EVERYTHING,
  emptyDraft,
  FIELD_ORDER,
  firstWithProblem,
  isChanged,
  prepare,
  problemsByField,
} from '../../../renderer/views/profiles/form.ts';
import { foldersOf, grouped, search } from '../../../renderer/views/profiles/listing.ts';

const summary = (name: string, folder = '', gateway = 'vpn.office.test'): ProfileSummary => ({
  id: name.toLowerCase().replaceAll(' ', '-'),
  name,
  gateway,
  auth: 'psk',
  owner: 1000,
  shared: false,
  folder,
  hasSecret: true,
});

const view = (more: Partial<ProfileView> = {}): ProfileView => ({
  ...summary('Head office'),
  localId: 'alice@office.test',
  remoteId: 'vpn.office.test',
  ikeProposals: ['default'],
  espProposals: ['default'],
  remoteNetworks: [...DEFAULTS.remoteNetworks],
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
  signatures: [],
  eap: undefined,
  trust: defaultTrust('psk'),
  secrets: ['psk'],
  locked: [],
  ...more,
});

test('search finds every word, whatever case, accent and script', () => {
  const list = [
    summary('Zürich Büro', 'Schweiz'),
    summary('서울 사무실', '한국', 'vpn.seoul.test'),
    summary('مكتب القاهرة'),
    summary('Office 10'),
  ];
  const names = (query: string) => search(list, query).map(({ name }) => name);
  assert.deepEqual(
    names('  '),
    list.map(({ name }) => name),
  );
  assert.deepEqual(names('zurich'), ['Zürich Büro']);
  assert.deepEqual(names('BÜRO schweiz'), ['Zürich Büro']);
  assert.deepEqual(names('사무'), ['서울 사무실']);
  assert.deepEqual(names('seoul 한국'), ['서울 사무실']);
  assert.deepEqual(names('القاهرة'), ['مكتب القاهرة']);
  assert.deepEqual(names('zurich 10'), []);
});

test('folders are sorted as the language sorts, numbers as numbers, none first', () => {
  const list = [summary('B 10', 'Zoo'), summary('B 9', 'Zoo'), summary('a', 'Ärzte'), summary('loose'), summary('B 10b', 'zoo')];
  assert.deepEqual(
    grouped(list, 'de').map(({ folder, profiles }) => [folder, profiles.map(({ name }) => name)]),
    [
      ['', ['loose']],
      ['Ärzte', ['a']],
      ['Zoo', ['B 9', 'B 10']],
      ['zoo', ['B 10b']],
    ],
  );
  assert.deepEqual(foldersOf(list, 'de'), ['Ärzte', 'Zoo', 'zoo']);
});

const keys = (profile: ProfileView) => describe(profile).map(({ sentence }) => sentence.key);

test('in plain language: how it connects, what goes through, who is proved', () => {
  assert.deepEqual(keys(view()), ['connectsStored', 'everything', 'proof', 'names']);
  assert.deepEqual(keys(view({ hasSecret: false, secrets: [], dns: false, shared: true })), [
    'connectsAsked',
    'everything',
    'proof',
    'namesOwn',
    'shared',
  ]);
  assert.deepEqual(keys(view({ ipv6: false })), ['connectsStored', 'everythingV4', 'proof', 'names']);
  assert.deepEqual(keys(view({ ipv4: false, remoteNetworks: ['10.0.0.0/8', 'fd00::/8'] })), [
    'connectsStored',
    'onlyOffice',
    'proof',
    'names',
    'v6Only',
  ]);
  const [, traffic] = describe(view({ remoteNetworks: ['10.0.0.0/8', 'fd00::/8'], ipv6: false }));
  assert.deepEqual(traffic?.sentence, { key: 'onlyOffice', count: 1, networks: ['10.0.0.0/8'] });
  assert.equal(coversAll(view({ remoteNetworks: ['0.0.0.0/0'] })), false, 'IPv6 does not go through');
});

test('a profile that takes any gateway is told as a warning', () => {
  const told = describe(view({ remoteId: undefined }));
  assert.deepEqual(
    told.filter(({ warning }) => warning).map(({ sentence }) => sentence.key),
    ['proofAny'],
  );
});

const NOTHING = {
  fields: {},
  secret: undefined,
  forgetSecret: false,
  password: undefined,
  forgetPassword: false,
  key: undefined,
  keyPassword: undefined,
  ppk: undefined,
  problems: [],
};

test('a draft of a profile, unchanged, sends nothing', () => {
  for (const profile of [view(), view({ remoteId: undefined, remoteNetworks: ['10.0.0.0/8'], ipv4: false, localPort: 'any' })]) {
    const draft = draftOf(profile);
    assert.deepEqual(prepare(draft, draft), NOTHING);
    assert.equal(isChanged(prepare(draft, draft)), false);
  }
});

test('an edit sends what changed and nothing else', () => {
  const draft = draftOf(view());
  const edit = (change: Partial<Draft>) => prepare({ ...draft, ...change }, draft);
  assert.deepEqual(edit({ name: 'Other' }).fields, { name: 'Other' });
  assert.deepEqual(edit({ traffic: 'only', remoteNetworks: '10.0.0.0/8, 192.168.0.0/16\n\n fd00::/8 ' }).fields, {
    remoteNetworks: ['10.0.0.0/8', '192.168.0.0/16', 'fd00::/8'],
  });
  assert.deepEqual(edit({ traffic: 'only', remoteNetworks: '' }).fields, { remoteNetworks: [] });
  assert.deepEqual(edit({ ikeProposals: ' ' }).fields, { ikeProposals: [] }, 'emptied is not unchanged');
  assert.deepEqual(edit({ nattPort: '4501' }).fields, { gatewayPorts: { ike: 500, natt: 4501 } });
  assert.deepEqual(edit({ gateway: ' vpn.office.test ' }).fields, {}, 'blanks around it are no change');
  assert.deepEqual(edit({ secret: 'new key' }), { ...NOTHING, secret: 'new key' });
  assert.equal(isChanged(edit({ secret: 'x' })), true);
  assert.deepEqual(edit({ secret: 'typed before', forgetSecret: true }), { ...NOTHING, forgetSecret: true });
  assert.equal(isChanged(edit({ forgetSecret: true })), true);
  assert.deepEqual(edit({ gateway: 'other.test' }).fields, { gateway: 'other.test' }, 'the identity follows the name');
  assert.deepEqual(edit({ remoteId: 'other.test' }).fields, { remoteId: 'other.test' });
  assert.deepEqual(edit({ additionalChildren: '10.2.0.0/16, 10.3.0.0/16\n\n fd02::/64' }).fields, {
    additionalChildren: [{ remoteNetworks: ['10.2.0.0/16', '10.3.0.0/16'] }, { remoteNetworks: ['fd02::/64'] }],
  });
  assert.deepEqual(edit({ rekeyChild: '600', fragmentation: 'force', mobike: false, whenLost: 'lock', tcp: 'never' }).fields, {
    rekeyChild: 600,
    fragmentation: 'force',
    mobike: false,
    whenLost: 'lock',
    tcp: 'never',
  });
  const named = edit({ ppkId: ' office-ppk-1 ', ppk: 'a key', ppkRequired: true });
  assert.deepEqual([named.fields, named.ppk], [{ ppk: { id: 'office-ppk-1', required: true } }, 'a key']);
  assert.equal(edit({ ppk: 'typed without a name' }).ppk, undefined);
  const with1 = draftOf(view({ ppk: { id: 'office-ppk-1', required: false }, secrets: ['psk', 'ppk'] }));
  assert.deepEqual(prepare(with1, with1), NOTHING);
  assert.deepEqual(prepare({ ...with1, ppkId: '' }, with1).fields, { ppk: { id: '' } });
  assert.equal(isChanged(prepare({ ...with1, ppk: 'another' }, with1)), true);
  const open = draftOf(view({ remoteId: undefined }));
  assert.equal(open.remoteId, ANYBODY);
  assert.deepEqual(prepare({ ...open, remoteId: '' }, open).fields, { remoteId: '' });
});

test('figures that are none are problems of the form and are not sent', () => {
  const draft = draftOf(view());
  for (const [text, code] of [
    ['', 'required'],
    ['12x', 'out-of-range'],
    ['-5', 'out-of-range'],
    ['1.5', 'out-of-range'],
    ['1e3', 'out-of-range'],
  ] as const) {
    const prepared = prepare({ ...draft, mtu: text, ikePort: text }, draft);
    assert.deepEqual(prepared.fields, {}, text);
    assert.deepEqual(
      prepared.problems.map((problem) => [problem.field, problem.code]),
      [
        ['mtu', code],
        ['gatewayPorts', code],
      ],
    );
    assert.equal(isChanged(prepared), true);
  }
  assert.deepEqual(prepare({ ...draft, mtu: ' 1300 ' }, draft).fields, { mtu: 1300 });
});

test('a new profile begins with the helper’s own defaults', () => {
  const { fields } = prepare(emptyDraft, undefined);
  assert.equal(fields.mtu, DEFAULTS.mtu);
  assert.equal(fields.natKeepalive, DEFAULTS.natKeepalive);
  assert.equal(fields.liveness, DEFAULTS.liveness);
  for (const field of ['whenLost', 'tcp', 'fragmentation', 'mobike', 'rekeyChild', 'rekeyIke', 'reauthenticateEvery'] as const)
    assert.equal(fields[field], DEFAULTS[field], field);
  assert.deepEqual([fields.additionalChildren, fields.ppk], [[], undefined]);
  assert.deepEqual(fields.gatewayPorts, { ike: DEFAULTS.ikePort, natt: DEFAULTS.nattPort });
  assert.deepEqual(fields.ikeProposals, [...DEFAULTS.proposals]);
  assert.deepEqual(fields.espProposals, [...DEFAULTS.proposals]);
  assert.deepEqual(fields.remoteNetworks, [...DEFAULTS.remoteNetworks]);
  assert.deepEqual([...EVERYTHING], [...DEFAULTS.remoteNetworks]);
});

test('each field shows its first problem, the form’s own before the helper’s, and the first field gets the focus', () => {
  const helpers = [
    { field: 'name', code: 'required', message: 'm1' },
    { field: 'mtu', code: 'locked', message: 'm2' },
    { field: 'name', code: 'too-long', message: 'm3' },
  ] as const;
  const problems = problemsByField([{ field: 'mtu', code: 'out-of-range', message: '' }], helpers);
  assert.deepEqual(
    [...problems].map(([field, { code }]) => [field, code]),
    [
      ['mtu', 'out-of-range'],
      ['name', 'required'],
    ],
  );
  assert.equal(firstWithProblem(problems), 'name');
  assert.equal(firstWithProblem(new Map()), undefined);
  assert.equal(new Set(FIELD_ORDER).size, FIELD_ORDER.length);
});
