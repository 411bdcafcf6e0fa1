/** The certificates of the office in interop, and what gateway and profile are told so that one side proves itself in a given way. */
import { type Authority, authority, type Entity } from '../authority/authority.ts';
import type { CertificateSpec } from '../authority/certificate.ts';
import { type KeyName, makeKey } from '../authority/keys.ts';
import { addresses } from '../lab/addresses.ts';
import type { GatewayConfig, Section } from '../lab/strongswan.ts';

export const ALICE = 'alice@office.test';
export const PASSWORD = 'cobbler, stick to thy last 3';

type Files = Readonly<Record<string, string | Uint8Array>>;

/** Made once: what a case needs besides, it issues itself. */
let made: { readonly root: Authority; readonly between: Authority; readonly other: Authority } | undefined;

export function office(): { readonly root: Authority; readonly between: Authority; readonly other: Authority } {
  if (!made) {
    const root = authority.root({ subject: 'O=Office, CN=Office Root', key: 'p256' });
    const between = root.authority({ subject: 'O=Office, CN=Office CA', key: 'p256' });
    made = { root, between, other: authority.root({ subject: 'O=Elsewhere, CN=Other Root', key: 'p256' }) };
  }
  return made;
}

const byKey = new Map<string, Entity>();

/** Of the gateway or of Alice, with a key of this kind; made once each. */
export function entity(whose: 'gateway' | 'alice', key: KeyName): Entity {
  const name = `${whose} ${key}`;
  const known = byKey.get(name);
  if (known) return known;
  const fresh = issue(whose, { key: makeKey(key) });
  byKey.set(name, fresh);
  return fresh;
}

/** Right in all that `spec` does not say. */
export function issue(whose: 'gateway' | 'alice', spec: CertificateSpec = {}, by: Authority = office().root): Entity {
  return by.issue(
    whose === 'gateway'
      ? { subject: 'O=Office, CN=gateway', san: [`dns:${addresses.names.gateway}`], eku: ['serverAuth'], ...spec }
      : { subject: 'O=Office, CN=Alice', san: [`email:${ALICE}`], eku: ['clientAuth'], ...spec },
  );
}

/** Files of the gateway: its own certificate and key, those between, and the roots it knows. */
export function gatewayFiles(own: Entity, roots: readonly Entity[] = [office().root], between: readonly Entity[] = []): Files {
  return {
    'x509/gateway.pem': own.pem,
    'private/gateway.pem': own.key.pkcs8Pem,
    ...Object.fromEntries([...roots, ...between].map(({ pem }, index) => [`x509ca/ca-${index}.pem`, pem])),
  };
}

/** `auth` of the gateway's own section: `pubkey`, or one algorithm such as `ike:ecdsa-sha256`. */
export function localSection(auth = 'pubkey'): Section {
  return { auth, id: addresses.names.gateway, certs: 'gateway.pem' };
}

/** A gateway that proves itself with a certificate, and users with EAP of a kind. */
export function eapGateway(method: string, own: Entity = entity('gateway', 'p256'), more: Section = {}): Partial<GatewayConfig> {
  return {
    auth: { local: localSection(), remote: { auth: method, eap_id: '%any', ...more } },
    credentials: { 'eap-alice': { id: 'alice', secret: `"${PASSWORD}"` } },
    files: gatewayFiles(own),
  };
}

/** A gateway and users with certificates. */
export function certificateGateway(
  own: Entity = entity('gateway', 'p256'),
  auth: { readonly local?: string; readonly remote?: string } = {},
): Partial<GatewayConfig> {
  return {
    auth: { local: localSection(auth.local), remote: { auth: auth.remote ?? 'pubkey' } },
    files: gatewayFiles(own),
  };
}

/** How the profile knows the gateway: by this root, and what is said besides. */
export function trust(root: { readonly pem: string } = office().root, more: object = {}): object {
  return { method: 'certificate', authorities: [root.pem], ...more };
}

export function eapProfile(more: object = {}): { readonly auth: object; readonly gatewayAuth: object } {
  return { auth: { method: 'eap', identity: 'alice', password: PASSWORD, ...more }, gatewayAuth: trust() };
}

export function certificateProfile(
  own: Entity = entity('alice', 'p256'),
  more: object = {},
): {
  readonly auth: object;
  readonly gatewayAuth: object;
} {
  return { auth: { method: 'certificate', certificate: own.chainPem, key: own.key.pkcs8Pem, ...more }, gatewayAuth: trust() };
}
