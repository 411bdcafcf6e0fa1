/** The judge is judged first: strongSwan as client against strongSwan as gateway, in the lab. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createLab, type Lab } from './lab.ts';
import { CHILD, CONNECTION, clientConfig, gatewayConfig, StrongSwan } from './strongswan.ts';
import { startTransferServer, transfer } from './transfer.ts';
import { parseVici, toSaList } from './vici.ts';

let lab: Lab;
let gateway: StrongSwan;
let client: StrongSwan;
const gatewayId = 'vpn.office.test';
const localId = 'alice@office.test';
const secret = 'correct horse battery staple';

before(async () => {
  lab = await createLab();
  [gateway, client] = await Promise.all([
    StrongSwan.start(lab.office),
    StrongSwan.start(lab.laptop),
    startTransferServer(lab.intranet),
  ]);
});
after(async () => {
  await client?.stop();
  await gateway?.stop();
  await lab?.close();
});

for (const { name, nat, ike, esp, outside } of [
  { name: 'AES-GCM through NAT', nat: true, ike: 'aes256gcm16-prfsha384-x25519', esp: 'aes256gcm16', outside: 'wan4' },
  { name: 'CBC with HMAC, direct', nat: false, ike: 'aes128-sha256-modp2048', esp: 'aes128-sha256', outside: 'wan4' },
  {
    name: 'ChaCha20-Poly1305, IPv6 outside',
    nat: false,
    ike: 'chacha20poly1305-prfsha256-x25519',
    esp: 'chacha20poly1305',
    outside: 'wan6',
  },
] as const) {
  test(`strongSwan connects to strongSwan: ${name}`, async () => {
    await lab.setNat(nat);
    await gateway.load(
      gatewayConfig({
        ikeProposals: ike,
        espProposals: esp,
        gatewayId,
        secrets: { [localId]: secret },
        localTs: ['10.10.0.0/24', 'fd10:10::/64'],
        pools: { v4: lab.addresses.pool.v4, v6: lab.addresses.pool.v6, dns: [lab.addresses.intranet.dns4] },
      }),
    );
    await client.load(
      clientConfig({
        remote: lab.addresses.office[outside],
        ikeProposals: ike,
        espProposals: esp,
        localId,
        gatewayId,
        secret,
        remoteTs: ['10.10.0.0/24', 'fd10:10::/64'],
        virtualIps: ['0.0.0.0', '::'],
      }),
    );
    const initiated = await client.initiate(CHILD);
    assert.equal(initiated.code, 0, initiated.stdout);
    const [[here], [there]] = await Promise.all([client.listSas(), gateway.listSas()]);
    assert.equal(here?.spiI, there?.spiI);
    assert.equal(here?.children[0]?.spiOut, there?.children[0]?.spiIn);
    assert.equal(there?.state, 'ESTABLISHED');
    assert.equal(there?.children[0]?.state, 'INSTALLED');
    assert.equal(
      there?.remoteHost,
      outside === 'wan6' ? lab.addresses.laptop.v6 : nat ? lab.addresses.router.wan4 : lab.addresses.laptop.v4,
    );
    for (const [direction, host] of [
      ['down', lab.addresses.intranet.web4],
      ['up', lab.addresses.intranet.web6],
    ] as const) {
      const result = await transfer(lab.laptop, direction, host, 20_000_000);
      assert.ok(result.ok, JSON.stringify(result));
    }
    await client.terminate({ ike: CONNECTION });
    assert.deepEqual(await gateway.listSas(), []);
  });
}

test('the reader of raw vici takes what swanctl prints and refuses halves', () => {
  const text =
    'list-sa event {office {uniqueid=1 version=2 state=ESTABLISHED remote-id=C=DE, O=Big Office, CN=a b initiator-spi=16c4 ' +
    'responder-spi=cc encr-keysize=256 remote-vips=[10.10.99.1 fd10:99::1] child-sas {net-1 {name=net spi-in=8f85023 local-ts=[10.10.0.0/24]} ' +
    'net-2 {name=net spi-in=1 local-ts=[]}}}}\nlist-sas reply {}\n';
  const [sa] = toSaList(parseVici(text));
  assert.equal(sa?.remoteId, 'C=DE, O=Big Office, CN=a b');
  assert.equal(sa?.spiI, '00000000000016c4');
  assert.equal(sa?.keyLength, 256);
  assert.deepEqual(sa?.virtualIps, ['10.10.99.1', 'fd10:99::1']);
  assert.deepEqual(
    sa?.children.map((child) => [child.spiIn, child.localTs]),
    [
      ['08f85023', ['10.10.0.0/24']],
      ['00000001', []],
    ],
  );
  for (let length = 1; length < text.indexOf('\n'); length++) {
    assert.throws(() => parseVici(text.slice(0, length)), `${length} octets`);
  }
});
