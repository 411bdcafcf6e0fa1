/** Certificates and passwords for the office and its user, and who answers what the user's IKE machine asks. */
import { fromUtf8 } from '../../core/bytes/bytes.ts';
import { sha1 } from '../../core/crypto/hash.ts';
import { signingKey } from '../../core/crypto/node/sign.ts';
import { expectedName, ikeFault } from '../../core/helper/gatewayTrust.ts';
import { createTlsClient, type TlsClient } from '../../core/helper/tlsClient.ts';
import type { IkeAnswer, IkeAsk, LocalAuth } from '../../core/ike/auth/contract.ts';
import type { EapConfig, EapMethodName } from '../../core/ike/auth/eap/contract.ts';
import { parseCertificate } from '../../core/pki/certificate.ts';
import type { Certificate } from '../../core/pki/contract.ts';
import { validatePath } from '../../core/pki/path.ts';
import { type Authority, authority, type Entity } from '../authority/authority.ts';
import type { CertificateSpec } from '../authority/certificate.ts';
import type { KeyName } from '../authority/keys.ts';
import type { HeadOfficeConfig, OfficeCertificate } from './config.ts';
import { createEapServer, type EapServerConfig } from './eap/server.ts';
import { algorithmsFor } from './forge.ts';

export const GATEWAY = 'vpn.office.test';
export const USER = 'alice@office.test';
export const PASSWORD = 'Ein Passwort, das nur die zwei kennen';

const root = authority.root({ subject: 'CN=Office Root', key: 'p256' });
/** What both sides trust; certificates come from an authority below it. */
export const anchor = root.der;
export const office: Authority = root.authority({ subject: 'CN=Office CA', key: 'p256' });

/** The office's certificate; whatever `spec` says is done. */
export function officeCertificate(key: KeyName = 'p256', spec: CertificateSpec = {}, by: Authority = office): OfficeCertificate {
  return asOfficeCertificate(
    by.issue({ subject: `CN=${GATEWAY}`, san: [`dns:${GATEWAY}`], eku: ['serverAuth'], key, ...spec }),
    by,
  );
}

export function asOfficeCertificate(entity: Entity, by: Authority): OfficeCertificate {
  const { chain, key } = entity;
  return { chain, pkcs8: key.pkcs8, algorithms: algorithmsFor(key.spki), authority: by };
}

/** A user's certificate with its key. */
export function userCertificate(key: KeyName = 'p256', spec: CertificateSpec = {}, by: Authority = office): Entity {
  return by.issue({ subject: 'CN=Alice', san: [`email:${USER}`], eku: ['clientAuth'], key, ...spec });
}

export function byCertificate({ chain, key }: Entity): Extract<LocalAuth, { method: 'certificate' }> {
  return { method: 'certificate', certificates: chain, algorithms: algorithmsFor(key.spki) };
}

export function byEap(methods: readonly EapMethodName[] = ['mschapv2'], more: Partial<EapConfig> = {}): LocalAuth {
  return { method: 'eap', eap: { methods, identity: USER, mutualOnly: false, inner: ['mschapv2'], ...more } };
}

/** SHA-1 of the anchor's key, as CERTREQ wants it. */
export const authorities: readonly Uint8Array[] = [sha1(certificate(anchor).publicKey)];

/** An office with an EAP server for the one user. */
export function eapServer(
  methods: readonly EapMethodName[] = ['mschapv2'],
  more: Partial<EapServerConfig> = {},
): HeadOfficeConfig['eap'] {
  return (_claimed, misbehave) =>
    createEapServer({ methods, users: { [USER]: { password: PASSWORD } }, ...(misbehave && { misbehave }), ...more });
}

export interface Answers {
  /** Default: the office's anchor. */
  readonly anchors?: readonly Uint8Array[];
  /** Whom the certificate must be of; default the gateway's name. */
  readonly name?: string;
  readonly user?: Entity;
  /** By what is wanted, one after the other; nothing left: nobody answers in time. */
  readonly credentials?: Partial<Record<'identity' | 'password' | 'code' | 'pin', string[]>>;
  readonly revocation?: IkeAnswer;
  /** Every ask, in order. */
  readonly asked?: IkeAsk[];
}

/** As the helper answers, less the network: real paths, real signatures, what the user types. */
export function answering(answers: Answers = {}): (ask: IkeAsk) => IkeAnswer | Promise<IkeAnswer> {
  let tls: TlsClient | undefined;
  return (ask) => {
    answers.asked?.push(ask);
    switch (ask.kind) {
      case 'gateway-certificate': {
        const name = expectedName(answers.name, GATEWAY, false);
        const anchors = (answers.anchors ?? [anchor]).map(certificate);
        const valid = validatePath({ presented: ask.certificates, anchors, at: Date.now(), purpose: 'ike', name });
        const [own] = valid.ok ? valid.value.path : [];
        if (own) return { kind: 'gateway-certificate', publicKey: own.publicKey };
        return { kind: 'refused', failure: ikeFault(valid.ok ? { code: 'malformed', evidence: 'no path' } : valid.error) };
      }
      case 'gateway-revocation':
        return answers.revocation ?? { kind: 'gateway-revocation' };
      case 'sign': {
        const signature = answers.user && signingKey(answers.user.key.pkcs8)?.sign(ask.algorithm, ask.octets);
        if (signature) return { kind: 'sign', signature };
        return { kind: 'refused', failure: { code: 'own-key-failed', evidence: 'no key' } };
      }
      case 'credential': {
        const value = answers.credentials?.[ask.want]?.shift();
        if (value === undefined) return { kind: 'credential-missing', why: 'expired' };
        return { kind: 'credential', value: fromUtf8(value) };
      }
      case 'tls': {
        const { user } = answers;
        if (ask.open) {
          tls?.close();
          tls = createTlsClient({
            method: ask.method,
            ...(user && { clientCertificate: { chain: user.chain, pkcs8: user.key.pkcs8 } }),
            checkServer: (chain) => serverProblem(chain, answers),
          });
        }
        if (!tls) throw new Error('TLS before it was opened');
        return tls.exchange(ask.received, ask.write);
      }
    }
  };
}

function serverProblem(chain: readonly Uint8Array[], { anchors, name }: Answers) {
  const valid = validatePath({
    presented: chain,
    anchors: (anchors ?? [anchor]).map(certificate),
    at: Date.now(),
    purpose: 'tls-server',
    name: expectedName(name, GATEWAY, false),
  });
  return valid.ok ? undefined : ({ code: 'eap-server-certificate', evidence: valid.error.evidence } as const);
}

function certificate(der: Uint8Array): Certificate {
  const parsed = parseCertificate(der);
  if (!parsed.ok) throw new Error(`a certificate of the tests: ${parsed.error.evidence}`);
  return parsed.value;
}
