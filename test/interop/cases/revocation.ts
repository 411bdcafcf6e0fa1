/** Certificates that are revoked, or of which nobody can say so: either side, CRL and OCSP, soft and strict. */
import assert from 'node:assert/strict';
import { makeCrl } from '../../authority/crl.ts';
import { certificateGateway, certificateProfile, gatewayFiles, issue, office, trust } from '../office.ts';
import { publish, revocationPath, revocationUrl } from '../revocation.ts';
import type { Case, World } from '../world.ts';

function gatewayCase(kind: 'crl' | 'ocsp', state: 'good' | 'revoked' | 'unreachable', strict: boolean): Case {
  return {
    name: `auth/gateway-${kind}-${state}-${strict ? 'strict' : 'soft'}`,
    run: async (world) => {
      const { root } = office();
      const place = `${kind}-${state}-${strict}`;
      const url = revocationUrl(kind, place);
      const own = issue('gateway', kind === 'crl' ? { crlUrl: url } : { ocspUrl: url });
      const publisher = await publish(world.lab.office, root, place, {
        revoked: state === 'revoked' ? [own] : [],
        down: state === 'unreachable',
      });
      try {
        await world.configure(certificateGateway(own), {
          ...certificateProfile(),
          gatewayAuth: trust(root, { revocation: { crl: true, ocsp: true, strict } }),
        });
        const said = await outcome(world, state, strict);
        assert.ok(publisher.asked.includes(revocationPath(kind, place)), `asked for ${publisher.asked.join(' ') || 'nothing'}`);
        return said;
      } finally {
        await publisher.stop();
      }
    },
  };
}

async function outcome(world: World, state: 'good' | 'revoked' | 'unreachable', strict: boolean): Promise<string> {
  if (state === 'revoked') return world.refused('gateway-cert-revoked');
  if (state === 'unreachable' && strict) return world.refused('gateway-revocation-unknown');
  const { status } = await world.connect();
  await world.ping();
  const [verdict] = status.gatewayCertificate?.revocation ?? [];
  assert.equal(verdict?.status, state === 'good' ? 'good' : 'unknown', JSON.stringify(status.gatewayCertificate));
  if (state === 'unreachable') {
    assert.ok(
      status.warnings?.some(({ code }) => code === 'revocation-unknown'),
      JSON.stringify(status.warnings),
    );
  }
  await world.disconnect();
  return verdict?.evidence ?? '';
}

const gateways = (['crl', 'ocsp'] as const).flatMap((kind) =>
  (['good', 'revoked', 'unreachable'] as const).flatMap((state) =>
    [false, true].map((strict) => gatewayCase(kind, state, strict)),
  ),
);

/** strongSwan judges the user. */
const users: readonly Case[] = [
  {
    name: 'auth/user-revoked-by-crl',
    run: async (world) => {
      const { root } = office();
      const own = issue('alice');
      const crl = makeCrl(root, { revoked: [{ certificate: own }] });
      const gateway = issue('gateway');
      await world.configure(
        { ...certificateGateway(gateway), files: { ...gatewayFiles(gateway), 'x509crl/office.pem': crl.pem } },
        certificateProfile(own),
      );
      const from = world.gateway.logSize();
      const evidence = await world.refused('own-cert-refused');
      assert.match(world.gateway.log(from), /certificate was revoked/);
      return evidence;
    },
  },
  {
    name: 'auth/user-revoked-by-ocsp',
    run: async (world) => {
      const { root } = office();
      const own = issue('alice', { ocspUrl: revocationUrl('ocsp', 'users') });
      const publisher = await publish(world.lab.office, root, 'users', { revoked: [own] });
      try {
        await world.configure(certificateGateway(), certificateProfile(own));
        const from = world.gateway.logSize();
        const evidence = await world.refused('own-cert-refused');
        assert.match(world.gateway.log(from), /certificate was revoked/);
        return evidence;
      } finally {
        await publisher.stop();
      }
    },
  },
];

export const revocation: readonly Case[] = [...gateways, ...users];
