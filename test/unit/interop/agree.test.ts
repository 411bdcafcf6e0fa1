/** The comparison of the interop suite must see every difference: a judge that always agrees judges nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Status } from '../../../core/rpc/contract.ts';
import { agree } from '../../interop/agree.ts';
import { parseVici, toSaList } from '../../lab/vici.ts';

/** As strongSwan 5.9.8 prints it. */
const RAW =
  'list-sa event {office {uniqueid=1 version=2 state=ESTABLISHED local-host=198.51.100.10 local-port=4500 local-id=vpn.office.test ' +
  'remote-host=198.51.100.1 remote-port=4500 remote-id=alice@office.test initiator-spi=16c4d31cfb6f1bd9 responder-spi=cc03521689970b79 ' +
  'nat-remote=yes nat-any=yes encr-alg=AES_CBC encr-keysize=256 integ-alg=HMAC_SHA2_256_128 prf-alg=PRF_HMAC_SHA2_256 dh-group=CURVE_25519 ' +
  'established=0 remote-vips=[10.10.99.1 fd10:99::1] child-sas {net-1 {name=net uniqueid=1 reqid=1 state=INSTALLED mode=TUNNEL protocol=ESP ' +
  'encap=yes spi-in=08f85023 spi-out=bfd8b750 encr-alg=AES_GCM_16 encr-keysize=128 bytes-in=0 packets-in=0 bytes-out=0 packets-out=0 ' +
  'install-time=0 local-ts=[10.10.0.0/24 fd10:10::/64] remote-ts=[10.10.99.1/32 fd10:99::1/128]}}}}\nlist-sas reply {}\n';

const counters = {
  installedAt: 0,
  packetsIn: 0,
  bytesIn: 0,
  packetsOut: 0,
  bytesOut: 0,
  lastIn: 0,
  lastOut: 0,
  dropsReplay: 0,
  dropsIntegrity: 0,
  dropsSelector: 0,
  dropsMalformed: 0,
  dropsExhausted: 0,
};
const status: Status = {
  state: 'connected',
  since: 0,
  otherUser: false,
  virtualIps: ['fd10:99::1', '10.10.99.1'],
  dns: [],
  domains: [],
  routes: [],
  ike: {
    spiI: '16c4d31cfb6f1bd9',
    spiR: 'cc03521689970b79',
    encr: 'AES_CBC',
    keyLength: 256,
    prf: 'PRF_HMAC_SHA2_256',
    integ: 'HMAC_SHA2_256_128',
    ke: 'CURVE_25519',
    establishedAt: 0,
    localIdentity: 'alice@office.test',
    remoteIdentity: 'vpn.office.test',
  },
  steps: [],
  children: [
    {
      ...counters,
      spiIn: '0xbfd8b750',
      spiOut: '0x08f85023',
      encr: 'AES_GCM_16',
      keyLength: 128,
      integ: undefined,
      esn: false,
      localSelectors: ['10.10.99.1/32', 'fd10:99::1/128'],
      remoteSelectors: ['10.10.0.0/24', 'fd10:10::/64'],
    },
  ],
};

function differences(ours: Status): string[] {
  const [sa] = toSaList(parseVici(RAW));
  assert.ok(sa !== undefined);
  return agree(ours, sa);
}

test('the same connection told by both sides is the same', () => {
  assert.deepEqual(differences(status), []);
});

test('each field that differs is found and named', () => {
  const { ike, children } = status;
  const [child] = children;
  assert.ok(ike !== undefined && child !== undefined);
  const wrong: [string, Status][] = [
    ['state', { ...status, state: 'installing' }],
    ['virtualIps', { ...status, virtualIps: ['10.10.99.1'] }],
    ['children', { ...status, children: [] }],
    ...(['spiI', 'spiR', 'encr', 'prf', 'integ', 'ke', 'localIdentity', 'remoteIdentity'] as const).map(
      (key): [string, Status] => [`ike.${key}`, { ...status, ike: { ...ike, [key]: 'other' } }],
    ),
    ['ike.keyLength', { ...status, ike: { ...ike, keyLength: 128 } }],
    ['child 0x00000001', { ...status, children: [{ ...child, spiIn: '0x00000001' }] }],
    ['child.spiOut', { ...status, children: [{ ...child, spiOut: '0x00000001' }] }],
    ['child.encr', { ...status, children: [{ ...child, encr: 'AES_GCM_8' }] }],
    ['child.keyLength', { ...status, children: [{ ...child, keyLength: undefined }] }],
    ['child.integ', { ...status, children: [{ ...child, integ: 'HMAC_SHA1_96' }] }],
    ['child.esn', { ...status, children: [{ ...child, esn: true }] }],
    ['child.localSelectors', { ...status, children: [{ ...child, localSelectors: ['10.10.99.0/24', 'fd10:99::1'] }] }],
    ['child.remoteSelectors', { ...status, children: [{ ...child, remoteSelectors: ['10.10.0.0/24'] }] }],
  ];
  for (const [field, ours] of wrong) {
    const found = differences(ours);
    assert.equal(found.length, 1, `${field}: ${found.join('; ')}`);
    assert.ok(found[0]?.startsWith(`${field}:`), found[0]);
  }
});
