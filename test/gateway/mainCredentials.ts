/** What the office's process proves itself with and demands of users, from its configuration file; and the TLS of its EAP server. */
import * as v from 'valibot';
import { parsePublicKey } from '../../core/crypto/publicKey.ts';
import type { Identity } from '../../core/ike/sa/contract.ts';
import { parseCertificate } from '../../core/pki/certificate.ts';
import { algorithmsOf } from '../../core/pki/privateKey.ts';
import { type Authority, authority } from '../authority/authority.ts';
import { givenKey } from '../authority/keys.ts';
import type { HeadOfficeConfig } from './config.ts';
import { createEapServer } from './eap/server.ts';
import type { TlsAnswer, TlsAsk } from './eap/serverMethod.ts';
import { TlsServer } from './eap/tlsServer.ts';

const base64 = v.string();
const entity = v.strictObject({
  /** Base64 DER, its own first. */
  chain: v.pipe(v.array(base64), v.minLength(1)),
  /** Base64 DER PKCS #8. */
  key: base64,
});

export const credentialEntries = {
  certificate: v.optional(
    v.strictObject({
      ...entity.entries,
      /** Base64 DER PKCS #8 and the name of whoever issued it: misbehaviours have other certificates made. */
      authority: v.optional(v.strictObject({ subject: v.string(), key: base64 })),
    }),
  ),
  /** Base64 DER of the authorities users' certificates come from. */
  userAuthorities: v.optional(v.array(base64)),
  /** Leave AUTH out for clients that want EAP alone (RFC 5998). */
  eapOnly: v.optional(v.boolean()),
  eap: v.optional(
    v.strictObject({
      methods: v.array(v.picklist(['mschapv2', 'tls', 'gtc', 'otp', 'md5', 'ttls', 'peap'])),
      /** By EAP identity. */
      users: v.optional(
        v.record(
          v.string(),
          v.strictObject({
            password: v.string(),
            codes: v.optional(v.array(v.strictObject({ text: v.string(), answer: v.string() }))),
            error: v.optional(v.number()),
          }),
        ),
        {},
      ),
      retries: v.optional(v.number()),
      inner: v.optional(v.picklist(['mschapv2', 'gtc', 'md5', 'mschapv2-attributes', 'pap'])),
      /** Of TLS, TTLS and PEAP. */
      tls: v.optional(
        v.strictObject({
          ...entity.entries,
          userAuthority: v.optional(base64),
          maxVersion: v.optional(v.picklist(['TLSv1.2', 'TLSv1.3'])),
        }),
      ),
    }),
  ),
};

const schema = v.object(credentialEntries);
export type OfficeCredentials = v.InferOutput<typeof schema>;

export function credentialConfig(
  file: OfficeCredentials,
): Pick<HeadOfficeConfig, 'certificate' | 'userAuthorities' | 'eapOnly' | 'eap'> {
  const { certificate, userAuthorities, eapOnly, eap } = file;
  return {
    ...(eapOnly !== undefined && { eapOnly }),
    ...(certificate && {
      certificate: {
        chain: certificate.chain.map(octets),
        pkcs8: octets(certificate.key),
        algorithms: algorithmsFor(octets(certificate.chain[0] ?? '')),
        ...(certificate.authority && { authority: authorityOf(certificate.authority) }),
      },
    }),
    ...(userAuthorities && { userAuthorities: userAuthorities.map(octets) }),
    ...(eap && {
      eap: (_claimed: Identity, misbehave) => {
        const { tls: _, retries, inner, ...server } = eap;
        return createEapServer({
          ...server,
          ...(retries !== undefined && { retries }),
          ...(inner !== undefined && { inner }),
          ...(misbehave && { misbehave }),
        });
      },
    }),
  };
}

/** One TLS server per client of the office. */
export function officeTls({ eap }: OfficeCredentials): (id: string, ask: TlsAsk) => Promise<TlsAnswer> {
  const open = new Map<string, TlsServer>();
  return (id, ask) => {
    const tls = eap?.tls;
    if (!tls) throw new Error('the office has no certificate for TLS');
    if (ask.open) {
      open.set(
        id,
        new TlsServer({
          method: ask.method,
          certPem: tls.chain.map((der) => pem('CERTIFICATE', der)).join(''),
          keyPem: pem('PRIVATE KEY', tls.key),
          ...(tls.userAuthority && ask.method === 'tls' && { clientCaPem: pem('CERTIFICATE', tls.userAuthority) }),
          ...(tls.maxVersion && { maxVersion: tls.maxVersion }),
        }),
      );
    }
    const server = open.get(id);
    if (!server) throw new Error('TLS before it was opened');
    return server.exchange(ask.received, ask.write);
  };
}

/** The same to whoever trusts the real one: name and key are. */
function authorityOf({ subject, key }: { readonly subject: string; readonly key: string }): Authority {
  return authority.root({ subject, key: givenKey(pem('PRIVATE KEY', key)) });
}

function algorithmsFor(der: Uint8Array) {
  const parsed = parseCertificate(der);
  const key = parsed.ok ? parsePublicKey(parsed.value.publicKey) : undefined;
  if (!key?.ok) throw new Error('the certificate of the office does not read');
  return algorithmsOf(key.value);
}

function octets(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'));
}

function pem(label: string, text: string): string {
  return `-----BEGIN ${label}-----\n${text.match(/.{1,64}/g)?.join('\n') ?? ''}\n-----END ${label}-----\n`;
}
