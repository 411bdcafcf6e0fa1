/** Who is there: every way in which gateway and user can prove themselves to each other with certificates and signatures. */
import assert from 'node:assert/strict';
import { DAY } from '../../authority/certificate.ts';
import type { KeyName } from '../../authority/keys.ts';
import { addresses } from '../../lab/addresses.ts';
import {
  certificateGateway,
  certificateProfile,
  eapGateway,
  entity,
  gatewayFiles,
  issue,
  localSection,
  office,
  trust,
} from '../office.ts';
import type { Case, World } from '../world.ts';

/** strongSwan's words for one signature algorithm, and the key it needs. */
const algorithms: readonly (readonly [name: string, key: KeyName, constraint: string])[] = [
  ['rsa-sha256', 'rsa', 'ike:rsa-sha256'],
  ['rsa-sha384', 'rsa', 'ike:rsa-sha384'],
  ['rsa-sha512', 'rsa3072', 'ike:rsa-sha512'],
  ['rsa-pss-sha256', 'rsa', 'ike:rsa/pss-sha256'],
  ['rsa-pss-sha384', 'rsa', 'ike:rsa/pss-sha384'],
  ['rsa-pss-sha512', 'rsa4096', 'ike:rsa/pss-sha512'],
  ['ecdsa-p256', 'p256', 'ike:ecdsa-sha256'],
  ['ecdsa-p384', 'p384', 'ike:ecdsa-sha384'],
  ['ecdsa-p521', 'p521', 'ike:ecdsa-sha512'],
  ['ed25519', 'ed25519', 'ike:ed25519'],
  ['ed448', 'ed448', 'ike:ed448'],
];

const gatewaySigns: readonly Case[] = algorithms.map(([name, key, constraint]) => ({
  name: `auth/gateway-signs-${name}`,
  run: async (world) => {
    await world.configure(certificateGateway(entity('gateway', key), { local: constraint }), certificateProfile());
    return world.proves(/authentication of 'vpn\.office\.test' \(myself\) with/);
  },
}));

/** The gateway takes no other. Of RSA's six it cannot say which (RFC 7427 §4 is about hashes), so the profile does. */
const userSigns: readonly Case[] = algorithms.map(([name, key, constraint]) => ({
  name: `auth/user-signs-${name}`,
  run: async (world) => {
    const signatures = key.startsWith('rsa') ? { signatures: [name] } : {};
    await world.configure(
      certificateGateway(undefined, { remote: constraint }),
      certificateProfile(entity('alice', key), signatures),
    );
    return world.proves(/authentication of 'alice@office\.test' with .* successful/);
  },
}));

/** Gateways from before RFC 7427: RFC 4754's codes, and method 1. */
const old: readonly Case[] = (['rsa', 'p256', 'p384', 'p521'] as const).map((key) => ({
  name: `auth/old-gateway-${key}`,
  run: async (world) => {
    await world.gateway.restart({ signature_authentication: false });
    try {
      await world.configure(certificateGateway(entity('gateway', key)), certificateProfile(entity('alice', key)));
      return await world.proves(/authentication of 'alice@office\.test' with .* successful/);
    } finally {
      await world.gateway.restart();
    }
  },
}));

const chains: readonly Case[] = [
  {
    name: 'auth/chain-of-the-gateway',
    run: async (world) => {
      const { between, root } = office();
      const own = issue('gateway', { key: 'rsa' }, between);
      await world.configure({ ...certificateGateway(own), files: gatewayFiles(own, [root], [between]) }, certificateProfile());
      return world.proves(/sending issuer cert/);
    },
  },
  {
    name: 'auth/chain-of-the-user',
    run: async (world) => {
      const own = issue('alice', { key: 'rsa' }, office().between);
      await world.configure(certificateGateway(), certificateProfile(own));
      return world.proves(/received issuer cert/);
    },
  },
  {
    name: 'auth/chain-of-three-with-rsa-4096',
    run: async (world) => {
      const { root } = office();
      const one = root.authority({ subject: 'CN=One', key: 'rsa4096' });
      const two = one.authority({ subject: 'CN=Two', key: 'rsa4096' });
      const own = issue('gateway', { key: 'rsa4096' }, two);
      await world.configure({ ...certificateGateway(own), files: gatewayFiles(own, [root], [one, two]) }, certificateProfile());
      return world.proves(/sending issuer cert/);
    },
  },
  {
    name: 'auth/gateway-pinned',
    run: async (world) => {
      const own = issue('gateway', {}, office().other);
      await world.configure(
        { ...certificateGateway(own), files: gatewayFiles(own, [office().root, office().other]) },
        { ...certificateProfile(), gatewayAuth: trust(own) },
      );
      return world.proves(/authentication of 'vpn\.office\.test' \(myself\) with/);
    },
  },
  {
    name: 'auth/gateway-known-by-address',
    run: async (world) => {
      const own = issue('gateway', { san: [`ip:${addresses.office.wan4}`] });
      await world.configure(
        {
          ...certificateGateway(own),
          gatewayId: addresses.office.wan4,
          auth: { local: { ...localSection(), id: addresses.office.wan4 }, remote: { auth: 'pubkey' } },
        },
        { ...certificateProfile(), remoteId: addresses.office.wan4 },
      );
      return world.proves(/authentication of '198\.51\.100\.10' \(myself\) with/);
    },
  },
  {
    name: 'auth/gateway-certificate-user-psk',
    run: async (world) => {
      await world.configure(
        { auth: { local: localSection(), remote: { auth: 'psk' } }, files: gatewayFiles(entity('gateway', 'p256')) },
        { auth: { method: 'psk', secret: 'correct horse battery staple 17' }, gatewayAuth: trust() },
      );
      return world.proves(/authentication of 'alice@office\.test' with pre-shared key successful/);
    },
  },
];

/** What is wrong with one side's certificate, and what the user is told. */
const hours = (count: number): Date => new Date(Date.now() + (count * DAY) / 24);
const wrongGateways: readonly (readonly [string, () => Parameters<typeof issue>, Parameters<World['refused']>[0]])[] = [
  ['expired', () => ['gateway', { notBefore: hours(-48), notAfter: hours(-24) }], 'gateway-cert-expired'],
  ['not-yet-valid', () => ['gateway', { notBefore: hours(24), notAfter: hours(48) }], 'gateway-cert-not-yet-valid'],
  ['untrusted', () => ['gateway', {}, office().other], 'gateway-untrusted'],
  ['another-name', () => ['gateway', { san: ['dns:mail.office.test'] }], 'gateway-wrong-name'],
  [
    'name-in-the-cn-only',
    () => ['gateway', { subject: `CN=${addresses.names.gateway}`, san: ['dns:www.office.test'] }],
    'gateway-wrong-name',
  ],
];

const refusedGateways: readonly Case[] = wrongGateways.map(([what, spec, code]) => ({
  name: `auth/gateway-${what}`,
  run: async (world) => {
    const own = issue(...spec());
    // strongSwan does not look at its own certificate; another name it may use by a wildcard in its configuration.
    await world.configure(
      { ...certificateGateway(own), files: gatewayFiles(own, [office().root, office().other]) },
      certificateProfile(),
    );
    const evidence = await world.refused(code);
    assert.deepEqual(await world.gateway.listSas(), [], 'the gateway keeps an IKE SA');
    return evidence;
  },
}));

const refusedUsers: readonly Case[] = [
  ...(['expired', 'not-yet-valid', 'untrusted'] as const).map(
    (what): Case => ({
      name: `auth/user-${what}`,
      run: async (world) => {
        const own = {
          expired: () => issue('alice', { notBefore: hours(-48), notAfter: hours(-24) }),
          'not-yet-valid': () => issue('alice', { notBefore: hours(24), notAfter: hours(48) }),
          untrusted: () => issue('alice', {}, office().other),
        }[what]();
        await world.configure(certificateGateway(), certificateProfile(own));
        return world.refused(what === 'expired' ? 'own-cert-expired' : 'own-cert-refused');
      },
    }),
  ),
  {
    name: 'auth/gateway-psk-where-a-certificate-is-wanted',
    run: async (world) => {
      await world.configure({}, certificateProfile());
      return world.refused('own-cert-refused');
    },
  },
];

/** `sallyport cert fetch`: what the gateway shows to somebody who has no profile, and proves nothing. */
const lens: readonly Case[] = [
  {
    name: 'auth/certificate-fetched',
    run: async (world) => {
      const own = issue('gateway', { notAfter: hours(24 * 20) }, office().between);
      await world.configure({
        ...eapGateway('eap-mschapv2', own),
        files: gatewayFiles(own, [office().root], [office().between]),
      });
      const fetched = await world.client.cli(['cert', 'fetch', addresses.office.wan4, '--expect', addresses.names.gateway]);
      const report: unknown = JSON.parse(fetched.stdout);
      const text = JSON.stringify(report);
      assert.match(text, /O=Office,CN=gateway/);
      assert.match(text, /vpn\.office\.test/);
      assert.deepEqual(await world.gateway.listSas().then((sas) => sas.filter(({ state }) => state === 'ESTABLISHED')), []);
      return `exit ${fetched.code}: ${text.slice(0, 200)}`;
    },
  },
];

const unseen: Case = {
  name: 'auth/certificate-not-shown-to-strangers',
  run: async (world) => {
    await world.configure(certificateGateway());
    const fetched = await world.client.cli(['cert', 'fetch', addresses.office.wan4, '--expect', addresses.names.gateway]);
    assert.match(fetched.stdout, /"code":"gateway-no-certificate".*only to who proves/);
    return `exit ${fetched.code}`;
  },
};

export const auth: readonly Case[] = [
  ...gatewaySigns,
  ...userSigns,
  ...old,
  ...chains,
  ...refusedGateways,
  ...refusedUsers,
  ...lens,
  unseen,
];
