import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EapConfig, EapFailure } from '../../../../../core/ike/auth/eap/contract.ts';
import { authority } from '../../../../authority/authority.ts';
import type { EapServerConfig } from '../../../../gateway/eap/server.ts';
import type { EapMisbehaviour } from '../../../../gateway/eap/serverMethod.ts';
import { type Dialogue, type DialogueOptions, ending, evidence, hold } from './dialogue.ts';

const root = authority.root({ subject: 'CN=Office Root' });
const office = root.authority({ subject: 'CN=Office EAP CA' });
const radius = office.issue({
  subject: 'CN=radius.office.test',
  san: ['dns:radius.office.test'],
  eku: ['serverAuth'],
  key: 'rsa',
});
const alice = office.issue({ subject: 'CN=alice', eku: ['clientAuth'] });

const users = { alice: { password: 'secret' } };
const versions = ['TLSv1.2', 'TLSv1.3'] as const;
type Version = (typeof versions)[number];

const serverTls = (version: Version) => ({
  certPem: radius.chainPem,
  keyPem: radius.key.pkcs8Pem,
  minVersion: version,
  maxVersion: version,
});

function talk(
  version: Version,
  server: Partial<EapServerConfig> & Pick<EapServerConfig, 'methods'>,
  rest: Omit<DialogueOptions, 'server' | 'tls'> = {},
  client: NonNullable<DialogueOptions['tls']>['client'] = {},
): Promise<Dialogue> {
  const inner = server.methods[0] !== 'tls';
  return hold({
    server: { users, ...server },
    peer: { methods: server.methods },
    tls: {
      server: { ...serverTls(version), ...(inner ? {} : { clientCaPem: root.pem + office.pem }) },
      client: { ...(inner ? {} : { clientCertificate: { chain: alice.chain, pkcs8: alice.pkcs8 } }), ...client },
    },
    ...rest,
  });
}

function sameKey(done: Dialogue): void {
  sameKeyOf(done);
  assert.ok(done.peer?.kind === 'success' && done.peer.mutual);
}

function sameKeyOf(done: Dialogue): void {
  assert.equal(ending(done), 'success', evidence(done));
  assert.ok(done.peer?.kind === 'success' && done.server?.kind === 'success');
  assert.equal(done.peer.msk?.length, 64);
  assert.deepEqual(done.peer.msk, done.server.msk);
}

for (const version of versions) {
  describe(`EAP-TLS with ${version}`, () => {
    test('both prove themselves and have the same key', async () => {
      const done = await talk(version, { methods: ['tls'] });
      sameKey(done);
      assert.equal(done.asked.length, 0);
    });

    for (const fragment of [100, 500, 1400]) {
      test(`in fragments of ${fragment} octets`, async () => sameKey(await talk(version, { methods: ['tls'], fragment })));
    }

    test('our own messages are sent in fragments of 1024 octets at most, the first with the length of all (RFC 5216 §2.1.5)', async () => {
      const bulky = { chain: [...alice.chain, radius.der, radius.der], pkcs8: alice.pkcs8 };
      const done = await talk(version, { methods: ['tls'] }, {}, { clientCertificate: bulky });
      sameKey(done);
      assert.ok(done.sent.every((packet) => packet.length <= 1034));
      const long = done.sent.findIndex((packet) => packet[5] === 0xc0);
      const total = new DataView(done.sent[long].buffer).getUint32(6);
      assert.ok(total > 2048 && total === done.sent[long].length - 10 + rest(done.sent, long + 1));
    });

    test('without a certificate of ours the server’s alert is the evidence', async () => {
      const done = await talk(version, { methods: ['tls'] }, {}, { clientCertificate: undefined });
      assert.equal(ending(done), 'eap-tls-failed');
      assert.match(evidence(done), version === 'TLSv1.3' ? /alert 116 certificate_required/ : /alert 40 handshake_failure/);
    });

    test('a certificate of somebody else’s CA is refused by the server', async () => {
      const stranger = authority.root({ subject: 'CN=Stranger' }).issue({ subject: 'CN=alice' });
      const done = await talk(
        version,
        { methods: ['tls'] },
        {},
        { clientCertificate: { chain: stranger.chain, pkcs8: stranger.pkcs8 } },
      );
      assert.equal(ending(done), 'eap-refused');
      assert.equal(done.server?.kind, 'failure');
    });

    test('a key that does not fit the certificate is our own fault, and said', async () => {
      const done = await talk(
        version,
        { methods: ['tls'] },
        {},
        { clientCertificate: { chain: alice.chain, pkcs8: radius.pkcs8 } },
      );
      assert.equal(ending(done), 'eap-tls-failed');
      assert.match(evidence(done), /^client certificate: /);
    });

    test('a server that says Success when it has our Finished: too early with 1.2, and with 1.3 the 0x00 is missing (RFC 9190 §2.5)', async () => {
      assert.equal(ending(await talk(version, { methods: ['tls'], misbehave: 'success-unfinished-tls' })), 'eap-protocol');
    });
  });

  describe(`the server's certificate, with ${version}`, () => {
    for (const [method, inner] of [
      ['tls', undefined],
      ['ttls', 'mschapv2'],
      ['peap', 'mschapv2'],
    ] as const) {
      test(`${method}: it is judged before anything of ours but the client hello has left`, async () => {
        const chains: (readonly Uint8Array[])[] = [];
        const refusal: EapFailure = { code: 'eap-server-certificate', evidence: 'CN=radius.office.test: not the one' };
        const done = await talk(
          version,
          { methods: [method], ...(inner === undefined ? {} : { inner }) },
          {},
          {
            checkServer: (chain) => {
              chains.push(chain);
              return refusal;
            },
          },
        );
        assert.equal(ending(done), 'eap-server-certificate');
        assert.equal(evidence(done), refusal.evidence);
        assert.deepEqual(
          chains.map((chain) => chain.map((der) => Buffer.from(der).toString('hex'))),
          [[radius.der, office.der].map((der) => Buffer.from(der).toString('hex'))],
        );
        assert.equal(done.asked.length, 0);
        // Identity, client hello, acknowledgements, and an alert in clear.
        const alert = done.sent.at(-1);
        assert.deepEqual([...(alert?.subarray(6) ?? [])], [21, 3, 3, 0, 2, 2, 46]);
        assert.ok(
          done.sent.slice(3, -1).every((packet) => packet.length === 6),
          'nothing but acknowledgements',
        );
        assert.ok(done.sent.every((packet) => !Buffer.from(packet).includes(Buffer.from(alice.der.subarray(0, 100)))));
      });
    }
  });

  describe(`TTLS with ${version}`, () => {
    for (const inner of ['mschapv2', 'gtc', 'md5'] as const) {
      test(`inner EAP ${inner}`, async () => {
        sameKey(await talk(version, { methods: ['ttls'], inner }, { peer: { methods: ['ttls'], inner: [inner] } }));
      });
    }
    for (const inner of ['mschapv2-attributes', 'pap'] as const) {
      test(`${inner}`, async () => {
        sameKey(await talk(version, { methods: ['ttls'], inner }, { peer: { methods: ['ttls'], inner: [inner] } }));
      });
      test(`${inner} with a wrong password`, async () => {
        const peer = { methods: ['ttls'], inner: [inner] } as const;
        const done = await talk(version, { methods: ['ttls'], inner }, { peer, typed: ['wrong'] });
        assert.equal(ending(done), inner === 'pap' ? 'eap-refused' : 'password-wrong');
      });
    }
    for (const misbehave of ['success-without-proof', 'success-wrong-proof'] as const) {
      for (const inner of ['mschapv2', 'mschapv2-attributes'] as const) {
        test(`${misbehave} inside, ${inner}`, async () => {
          const done = await talk(
            version,
            { methods: ['ttls'], inner, misbehave },
            { peer: { methods: ['ttls'], inner: [inner] } },
          );
          assert.equal(ending(done), 'eap-server-unproven');
        });
      }
    }
    test('success after the handshake, before anything inside', async () => {
      assert.equal(ending(await talk(version, { methods: ['ttls'], misbehave: 'success-unfinished-tls' })), 'eap-protocol');
    });
    test('a wrong password', async () => {
      assert.equal(
        ending(
          await talk(version, { methods: ['ttls'] }, { typed: ['wrong'], peer: { methods: ['ttls'], inner: ['mschapv2'] } }),
        ),
        'password-wrong',
      );
    });
  });

  describe(`PEAP with ${version}`, () => {
    for (const inner of ['mschapv2', 'gtc', 'md5'] as const) {
      test(`inner ${inner}`, async () => {
        sameKey(await talk(version, { methods: ['peap'], inner }, { peer: { methods: ['peap'], inner: [inner] } }));
      });
    }
    test('with a cryptobinding', async () => sameKey(await talk(version, { methods: ['peap'], binding: true })));
    test('requests that keep their header', async () => sameKey(await talk(version, { methods: ['peap'], headers: true })));
    test('a wrong password', async () => {
      assert.equal(ending(await talk(version, { methods: ['peap'] }, { typed: ['wrong'] })), 'password-wrong');
    });
    const wrong: readonly (readonly [EapMisbehaviour, string])[] = [
      ['result-before-inner', 'eap-protocol'],
      ['success-unfinished-tls', 'eap-protocol'],
      ['wrong-binding', 'eap-server-unproven'],
      ['success-without-proof', 'eap-server-unproven'],
      ['success-wrong-proof', 'eap-server-unproven'],
      ['success-before-proof', 'eap-protocol'],
    ];
    for (const [misbehave, code] of wrong) {
      test(misbehave, async () => assert.equal(ending(await talk(version, { methods: ['peap'], misbehave })), code));
    }
  });
}

describe('Success in the place of any packet before the method is finished (CVE-2021-45079)', () => {
  const bulky = { chain: [...alice.chain, radius.der, radius.der], pkcs8: alice.pkcs8 };
  const cases: readonly (readonly [string, Version, Parameters<typeof talk>[1], Partial<EapConfig>])[] = [
    ['mschapv2', 'TLSv1.2', { methods: ['mschapv2'] }, {}],
    ...versions.flatMap((version) => [
      [`tls ${version}`, version, { methods: ['tls'], fragment: 600 }, {}] as const,
      [`ttls ${version}`, version, { methods: ['ttls'] }, { inner: ['mschapv2'] }] as const,
      [
        `ttls without EAP ${version}`,
        version,
        { methods: ['ttls'], inner: 'mschapv2-attributes' },
        { inner: ['mschapv2-attributes'] },
      ] as const,
      [`peap ${version}`, version, { methods: ['peap'] }, {}] as const,
      [`peap with a binding ${version}`, version, { methods: ['peap'], binding: true }, {}] as const,
    ]),
  ];
  for (const [name, version, server, peer] of cases) {
    test(name, async () => {
      const config = { methods: server.methods, ...peer };
      const client = name.startsWith('tls') ? { clientCertificate: bulky } : {};
      const honest = await talk(version, server, { peer: config }, client);
      sameKeyOf(honest);
      for (let place = 1; place < honest.rounds; place++) {
        const swap = (packet: Uint8Array, number: number) => (number === place ? Uint8Array.of(3, packet[1], 0, 4) : packet);
        const done = await talk(version, server, { peer: config, onTheWay: swap }, client);
        assert.equal(ending(done), 'eap-protocol', `in the place of packet ${place} of ${honest.rounds}`);
      }
    });
  }
});

describe('TLS in EAP packets that is wrong', () => {
  for (const misbehave of ['tls-length', 'fragments-without-end'] as const) {
    test(misbehave, async () => {
      const done = await talk('TLSv1.2', { methods: ['ttls'], misbehave });
      assert.equal(ending(done), 'eap-protocol');
      assert.ok(done.rounds < 100);
    });
  }

  test('a version of TLS that is too old', async () => {
    const done = await talk('TLSv1.2', { methods: ['peap'] }, {}, { minVersion: 'TLSv1.3' });
    assert.equal(ending(done), 'eap-tls-failed');
    assert.match(evidence(done), /alert 70 protocol_version|unsupported/);
  });

  const changes: readonly (readonly [string, (packet: Uint8Array) => Uint8Array])[] = [
    ['garbage instead of the server’s flight', (packet) => packet.fill(0x55, 6)],
    ['a second start', (packet) => packet.fill(0x20, 5, 6)],
    ['another version of PEAP in the middle', (packet) => packet.fill(packet[5] | 1, 5, 6)],
  ];
  for (const [name, change] of changes) {
    test(name, async () => {
      const done = await talk(
        'TLSv1.2',
        { methods: ['peap'] },
        { onTheWay: (packet, number) => (number === 3 ? change(packet.slice()) : packet) },
      );
      assert.ok(['eap-protocol', 'eap-tls-failed'].includes(ending(done)), ending(done));
      assert.equal(done.asked.length, 0);
    });
  }
});

/** Octets of TLS in the fragments from `at` on, until the last. */
function rest(sent: readonly Uint8Array[], at: number): number {
  let total = 0;
  for (const packet of sent.slice(at)) {
    total += packet.length - 6;
    if ((packet[5] & 0x40) === 0) break;
  }
  return total;
}
