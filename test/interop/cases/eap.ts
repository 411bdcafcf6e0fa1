/** Users who prove themselves by EAP: by strongSwan's own methods, and by those of FreeRADIUS behind it. */
import assert from 'node:assert/strict';
import type { RadiusConfig } from '../../lab/freeradius.ts';
import {
  ALICE,
  certificateProfile,
  eapGateway,
  eapProfile,
  entity,
  issue,
  localSection,
  office,
  PASSWORD,
  trust,
} from '../office.ts';
import type { Case } from '../world.ts';

const SUCCESS = /EAP method \S+ succeeded|authentication of .* with EAP successful/;
const withKey = (own = entity('alice', 'p256')): object => ({ certificate: own.chainPem, key: own.key.pkcs8Pem });

const own: readonly Case[] = [
  ...(['mschapv2', 'gtc', 'ttls'] as const).map(
    (method): Case => ({
      name: `auth/eap-${method}`,
      run: async (world) => {
        await world.configure(eapGateway(`eap-${method}`), eapProfile({ methods: [method], authorities: [office().root.pem] }));
        return world.proves(SUCCESS);
      },
    }),
  ),
  {
    name: 'auth/eap-md5-where-allowed',
    run: async (world) => {
      await world.configure(eapGateway('eap-md5'), eapProfile({ methods: ['md5'] }));
      return world.proves(SUCCESS);
    },
  },
  {
    name: 'auth/eap-md5-is-refused',
    run: async (world) => {
      await world.configure(eapGateway('eap-md5'), eapProfile());
      return world.refused('eap-not-allowed');
    },
  },
  // strongSwan 5.9.8 derives the MSK of TLS 1.3 with the label of 1.2 and no context (its default is 1.2 at most), which is not RFC 9190
  // §2.3; FreeRADIUS does it right and judges 1.3 below.
  {
    name: 'auth/eap-tls',
    run: async (world) => {
      await world.configure(
        eapGateway('eap-tls'),
        eapProfile({ methods: ['tls'], ...withKey(), identity: ALICE, authorities: [office().root.pem] }),
      );
      return world.proves(SUCCESS);
    },
  },
  {
    name: 'auth/eap-negotiated',
    run: async (world) => {
      // The gateway begins with one we do not have; we name those we have.
      await world.configure(eapGateway('eap-gtc'), eapProfile({ methods: ['mschapv2', 'gtc'] }));
      return world.proves(SUCCESS);
    },
  },
  {
    name: 'auth/eap-no-common-method',
    run: async (world) => {
      await world.configure(eapGateway('eap-gtc'), eapProfile({ methods: ['mschapv2'] }));
      return world.refused('eap-no-common-method');
    },
  },
  {
    name: 'auth/eap-wrong-password',
    run: async (world) => {
      await world.configure(eapGateway('eap-mschapv2'), eapProfile({ password: 'not that one' }));
      return world.unanswered('password-wrong');
    },
  },
  {
    name: 'auth/eap-gtc-wrong-password',
    run: async (world) => {
      await world.configure(eapGateway('eap-gtc'), eapProfile({ methods: ['gtc'], password: 'not that one' }));
      return world.unanswered('eap-refused');
    },
  },
  {
    name: 'auth/eap-unknown-user',
    run: async (world) => {
      await world.configure(eapGateway('eap-mschapv2'), eapProfile({ identity: 'mallory' }));
      return world.unanswered('password-wrong', 'eap-refused', 'authentication-failed');
    },
  },
  {
    name: 'auth/eap-to-a-gateway-of-another-name',
    run: async (world) => {
      const wrong = issue('gateway', { san: ['dns:mail.office.test'] });
      const from = world.gateway.logSize();
      await world.configure(eapGateway('eap-mschapv2', wrong), eapProfile());
      const evidence = await world.refused('gateway-wrong-name');
      // SECURITY.md 3: not even the user's name has left.
      assert.doesNotMatch(world.gateway.log(from), /received EAP identity|EAP\/RES\/ID/);
      return evidence;
    },
  },
  {
    name: 'auth/eap-only',
    run: async (world) => {
      const gateway = entity('gateway', 'p256');
      await world.configure(
        {
          ...eapGateway('eap-tls', gateway),
          auth: { local: { ...localSection('eap-tls') }, remote: { auth: 'eap-tls', eap_id: '%any' } },
        },
        {
          auth: { method: 'eap', identity: ALICE, methods: ['tls'], ...withKey(), authorities: [office().root.pem] },
          gatewayAuth: { ...trust(), method: 'eap-only' },
        },
      );
      return world.proves(SUCCESS);
    },
  },
  {
    name: 'auth/certificate-then-eap',
    run: async (world) => {
      await world.configure(
        {
          ...eapGateway('eap-mschapv2'),
          auth: {
            local: localSection(),
            remote: { auth: 'pubkey' },
            'remote-2': { auth: 'eap-mschapv2', eap_id: '%any' },
          },
        },
        {
          auth: { method: 'certificate-eap', identity: 'alice', password: PASSWORD, ...withKey() },
          gatewayAuth: trust(),
        },
      );
      return world.proves(SUCCESS);
    },
  },
  {
    name: 'auth/certificate-then-eap-wrong-password',
    run: async (world) => {
      await world.configure(
        {
          ...eapGateway('eap-mschapv2'),
          auth: {
            local: localSection(),
            remote: { auth: 'pubkey' },
            'remote-2': { auth: 'eap-mschapv2', eap_id: '%any' },
          },
        },
        {
          auth: { method: 'certificate-eap', identity: 'alice', password: 'not that one', ...withKey() },
          gatewayAuth: trust(),
        },
      );
      return world.unanswered('password-wrong');
    },
  },
  {
    name: 'auth/eap-where-a-certificate-is-wanted',
    run: async (world) => {
      await world.configure(eapGateway('eap-mschapv2'), certificateProfile());
      return world.refused('own-cert-refused');
    },
  },
];

const radius = (first: RadiusConfig['first'], tls: RadiusConfig['tls'] = '1.2'): RadiusConfig => {
  const server = entity('gateway', 'rsa');
  return {
    users: { alice: PASSWORD },
    first,
    certificate: server.chainPem,
    key: server.key.pkcs8Pem,
    clientCa: office().root.pem,
    tls,
  };
};

const throughRadius: readonly Case[] = (
  [
    ['mschapv2', '1.2'],
    ['gtc', '1.2'],
    ['peap', '1.2'],
    ['peap', '1.3'],
    ['ttls', '1.2'],
    ['ttls', '1.3'],
    ['tls', '1.2'],
    ['tls', '1.3'],
  ] as const
).map(([method, version]) => ({
  name: `auth/radius-${method}${method === 'mschapv2' || method === 'gtc' ? '' : `-${version}`}`,
  run: async (world) => {
    await world.radius.start(radius(method, version));
    await world.configure(
      eapGateway('eap-radius'),
      eapProfile({
        methods: [method],
        authorities: [office().root.pem],
        ...(method === 'tls' && { ...withKey(), identity: ALICE }),
      }),
    );
    return world.proves(SUCCESS);
  },
}));

const radiusRefusals: readonly Case[] = [
  {
    name: 'auth/radius-peap-wrong-password',
    run: async (world) => {
      await world.radius.start(radius('peap'));
      await world.configure(
        eapGateway('eap-radius'),
        eapProfile({ methods: ['peap'], authorities: [office().root.pem], password: 'not that one' }),
      );
      return world.unanswered('password-wrong', 'eap-refused');
    },
  },
  {
    name: 'auth/radius-server-of-somebody-else',
    run: async (world) => {
      const stranger = issue('gateway', { key: 'rsa' }, office().other);
      await world.radius.start({ ...radius('peap'), certificate: stranger.chainPem, key: stranger.key.pkcs8Pem });
      await world.configure(eapGateway('eap-radius'), eapProfile({ methods: ['peap'], authorities: [office().root.pem] }));
      return world.refused('eap-server-certificate');
    },
  },
];

export const eap: readonly Case[] = [...own, ...throughRadius, ...radiusRefusals];
