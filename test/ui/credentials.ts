/** Offices that prove themselves by certificates, and profiles and files for them, for cases of who is there. */
import { type Authority, authority, type Entity } from '../authority/authority.ts';
import { DAY } from '../authority/certificate.ts';
import { makeCrl } from '../authority/crl.ts';
import { pkcs12 } from '../authority/files.ts';
import type { OfficeOptions } from '../gateway/office.ts';
import type { ProfileFields, World } from './world.ts';

export const NAME = 'vpn.office.test';
export const USER = 'alice@office.test';
export const PASSWORD = 'Zwölf Boxkämpfer jagen Viktor';
export const P12_PASSWORD = 'opens the file';
export const CODE = { text: 'The code from your token', answer: '424242' } as const;

/** At the router. */
const RESPONDER = { host: '198.51.100.1', port: 8080 } as const;
const CRL = `http://${RESPONDER.host}:${RESPONDER.port}/office.crl`;

export const root: Authority = authority.root({ subject: 'CN=Office Root' });
export const sub: Authority = root.authority({ subject: 'CN=Office CA' });
export const alice: Entity = sub.issue({ subject: 'CN=Alice', san: [`email:${USER}`] });
export const gateway: Entity = gatewayWith({});
export const listedGateway: Entity = gatewayWith({ crlUrl: CRL });

export function gatewayWith(more: object): Entity {
  return sub.issue({ subject: `CN=${NAME}`, san: [`dns:${NAME}`], ...more });
}

/** Ends in so many days and a bit. */
export function endsIn(days: number): { readonly notAfter: Date } {
  return { notAfter: new Date(Date.now() + days * DAY + DAY / 2) };
}

export const base64 = (octets: Uint8Array): string => Buffer.from(octets).toString('base64');

function proofOf({ chain, pkcs8 }: Entity): { readonly chain: string[]; readonly key: string } {
  return { chain: chain.map(base64), key: base64(pkcs8) };
}

export function byCertificate(entity: Entity = gateway): OfficeOptions {
  return {
    certificate: proofOf(entity),
    userAuthorities: [base64(root.der)],
    users: [{ identity: USER, proofs: ['certificate'] }],
  };
}

export function byEap(method: 'mschapv2' | 'gtc' | 'otp' = 'mschapv2', entity: Entity = gateway): OfficeOptions {
  const alice = method === 'mschapv2' ? { password: PASSWORD } : { password: '', codes: [CODE] };
  return {
    certificate: proofOf(entity),
    users: [{ identity: USER, proofs: ['eap'] }],
    eap: { methods: [method], users: { alice } },
  };
}

export const byBoth: OfficeOptions = {
  ...byCertificate(),
  ...byEap(),
  users: [{ identity: USER, proofs: ['certificate', 'eap'] }],
};

const trust = { authorities: [root.pem], revocation: { crl: false, ocsp: false } };

export function eapProfile(auth: object = {}, gatewayAuth: object = trust): ProfileFields {
  return { auth: { method: 'eap', ...auth }, gatewayAuth };
}

export function certificateProfile(entity: Entity = alice, auth: object = {}): ProfileFields {
  const own = { certificate: entity.chainPem, key: entity.key.pkcs8Pem };
  return { auth: { method: 'certificate', ...own, ...auth }, gatewayAuth: trust };
}

export const strictTrust = (strict: boolean): object => ({
  authorities: [root.pem],
  revocation: { crl: true, ocsp: true, strict },
});

/** Where `listedGateway` says lists are. */
export async function serveList(world: World, revoked: readonly Entity[]): Promise<void> {
  const { der } = makeCrl(sub, { revoked: revoked.map((certificate) => ({ certificate })) });
  const answers = { '/office.crl': { kind: 'octets', base64: base64(der) } };
  await world.serve('test/authority/revocationMain.ts', JSON.stringify({ ...RESPONDER, answers }));
}

/** As an administrator hands it out: key, chain and root, protected. */
export function aliceP12(protection: 'modern' | 'legacy' = 'modern'): Buffer {
  return Buffer.from(pkcs12(alice, { password: P12_PASSWORD, protection, more: [root] }));
}

/** strongSwan's profile, with something of everything: kept, changed, left out. */
export function sswan(): string {
  return JSON.stringify({
    uuid: '7b4b1bc2-7d7c-4bfb-9a4a-5a8a2f3c7a11',
    name: 'From strongSwan',
    type: 'ikev2-cert',
    remote: { addr: NAME, id: NAME, cert: base64(root.der), revocation: { crl: false, ocsp: false } },
    local: { id: USER, p12: base64(aliceP12()), 'rsa-pss': true },
    'split-tunneling': { subnets: '10.10.0.0/24' },
    apps: ['com.example'],
    colour: 'red',
  });
}
