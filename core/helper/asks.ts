/**
 * Who answers what the IKE machine asks of the world, one object per connection: is this the gateway, may its certificate still be used,
 * sign this, what is the password. The machine's order (core/ike/auth/contract.ts) is kept here too: nothing is fetched before the
 * chain is anchored, and no revocation is looked up for a path that nobody judged.
 */

import type { Result } from '../bytes/result.ts';
import type { SignatureAlgorithm, SignerInfo } from '../crypto/signatureTypes.ts';
import type { IkeAnswer, IkeAsk } from '../ike/auth/contract.ts';
import type { EapAskAnswer } from '../ike/auth/eap/contract.ts';
import type { IkeFailure } from '../ike/sa/contract.ts';
import type { Certificate } from '../pki/contract.ts';
import type { RevocationPolicy, RevocationResult } from '../pki/revocation.ts';
import type { GatewayCertificate } from '../rpc/contract.ts';
import type { Log } from '../system/log.ts';
import { printable } from '../tunnel/explain.ts';
import type { Credentials } from './credentials.ts';
import { type GatewayTrust, ikeFault, type Pki } from './gatewayTrust.ts';
import type { TlsClient, TlsClientOptions } from './tlsClient.ts';

/** The user's private key, wherever it is. */
export interface SigningKey {
  readonly info: SignerInfo;
  /** An error is one printable line. */
  sign(algorithm: SignatureAlgorithm, octets: Uint8Array): Promise<Result<Uint8Array, string>>;
  /** TLS where the key is, proving the user by it; `chain` is DER, the end entity first. */
  openTls?(options: TlsClientOptions, chain: readonly Uint8Array[]): TlsClient;
}

/** TLS inside EAP: one session per connection, opened by the first ask of a method. */
export interface TlsSession {
  exchange(ask: Extract<IkeAsk, { readonly kind: 'tls' }>): Promise<EapAskAnswer>;
  close(): void;
}

/** Bounded in time; given up when the connection ends. */
export type CheckRevocation = (request: {
  readonly path: readonly Certificate[];
  /** OCSP answers that came in CERT payloads. */
  readonly ocsp: readonly Uint8Array[];
  readonly policy: RevocationPolicy;
  readonly signal: AbortSignal;
}) => Promise<RevocationResult>;

export interface AsksPorts {
  readonly pki: Pick<Pki, 'parseCertificate'>;
  readonly trust: GatewayTrust | undefined;
  readonly revocationPolicy: RevocationPolicy;
  readonly checkRevocation: CheckRevocation;
  readonly signer: SigningKey | undefined;
  readonly tls: TlsSession | undefined;
  readonly credentials: Pick<Credentials, 'answer'>;
  /** EAP alone proves the gateway (RFC 5998). */
  readonly eapOnly: boolean;
  readonly log: Log;
  /** Something of `facts` changed. */
  readonly onChange: () => void;
  /** Date.now() milliseconds. */
  readonly now: () => number;
}

export interface AskFacts {
  /** What the gateway showed: accepted, or what was refused. */
  readonly gatewayCertificate?: GatewayCertificate;
  /** Its AUTH, chain and standing are good. */
  readonly gatewayProvenAt?: number;
}

export interface Asks {
  /** Never rejects: what goes wrong is a refusal. */
  answer(ask: IkeAsk): Promise<IkeAnswer>;
  facts(): AskFacts;
  /** The gateway's certificate up to the anchor, once it was accepted; else empty. */
  path(): readonly Certificate[];
  /** The connection ends: what is under way is given up. */
  end(): void;
}

export function createAsks(ports: AsksPorts): Asks {
  const { log } = ports;
  const over = new AbortController();
  let facts: AskFacts = {};
  let judged: { readonly path: readonly Certificate[]; readonly ocsp: readonly Uint8Array[] } | undefined;

  function learn(more: AskFacts): void {
    facts = { ...facts, ...more };
    ports.onChange();
  }

  function gatewayCertificate(ask: Extract<IkeAsk, { readonly kind: 'gateway-certificate' }>): IkeAnswer {
    if (!ports.trust) return refused('auth-method-mismatch', 'it shows a certificate, and the profile says a pre-shared key');
    judged = undefined;
    const valid = ports.trust.gateway(ask.certificates);
    const shown = valid.ok ? valid.value.path[0] : parsed(ask.certificates[0]);
    if (shown) {
      const { subject, issuer, notAfter } = shown;
      learn({ gatewayCertificate: { subject: line(subject), issuer: line(issuer), notAfter, revocation: [] } });
    }
    if (!valid.ok) return { kind: 'refused', failure: valid.error };
    const { path } = valid.value;
    const [own] = path;
    if (!own) return refused('gateway-no-certificate', 'the path is empty');
    judged = { path, ocsp: ask.ocsp };
    log('info', 'trust', 'the certificate of the gateway is accepted', {
      subject: line(own.subject),
      anchor: line((path.at(-1) ?? own).subject),
      identity: ask.identity.text,
    });
    return { kind: 'gateway-certificate', publicKey: own.publicKey };
  }

  function parsed(der: Uint8Array | undefined): Certificate | undefined {
    const read = der && ports.pki.parseCertificate(der);
    return read?.ok ? read.value : undefined;
  }

  async function revocation(): Promise<IkeAnswer> {
    const { revocationPolicy: policy } = ports;
    if (!judged) return refused('gateway-no-certificate', 'its certificate was not judged');
    const { path, ocsp } = judged;
    // A path of one is the anchor itself: nobody above it can revoke it.
    const nobody = { verdicts: [], fault: undefined };
    const { verdicts, fault } =
      path.length < 2 ? nobody : await ports.checkRevocation({ path, ocsp, policy, signal: over.signal });
    for (const { subject, status, source, evidence } of verdicts) {
      log(status === 'good' || status === 'not-checked' ? 'debug' : 'warn', 'trust', `revocation: ${status}`, {
        subject,
        source,
        evidence,
      });
    }
    if (facts.gatewayCertificate) learn({ gatewayCertificate: { ...facts.gatewayCertificate, revocation: verdicts } });
    if (fault) return { kind: 'refused', failure: ikeFault(fault) };
    learn({ gatewayProvenAt: ports.now() });
    return { kind: 'gateway-revocation' };
  }

  /** The machine asks for nothing of the user's before the gateway is proven, by whatever means. */
  function reachedUser(): void {
    if (!ports.eapOnly && facts.gatewayProvenAt === undefined) learn({ gatewayProvenAt: ports.now() });
  }

  async function sign({ round, algorithm, octets }: Extract<IkeAsk, { readonly kind: 'sign' }>): Promise<IkeAnswer> {
    if (!ports.signer) return refused('own-key-failed', 'the profile has no private key');
    const signed = await ports.signer.sign(algorithm, octets);
    if (!signed.ok) return refused('own-key-failed', signed.error);
    log('debug', 'trust', 'signed with the own key', { round, algorithm: algorithm.kind });
    return { kind: 'sign', signature: signed.value };
  }

  async function dispatch(ask: IkeAsk): Promise<IkeAnswer> {
    switch (ask.kind) {
      case 'gateway-certificate':
        return gatewayCertificate(ask);
      case 'gateway-revocation':
        return revocation();
      case 'sign':
        return sign(ask);
      case 'credential':
        reachedUser();
        return ports.credentials.answer(ask);
      case 'tls':
        reachedUser();
        return ports.tls?.exchange(ask) ?? refused('eap-tls-failed', 'there is no TLS for this connection');
    }
  }

  return {
    async answer(ask) {
      try {
        return await dispatch(ask);
      } catch (fault) {
        // A mistake of ours must not leave the machine waiting for ever.
        log('error', 'trust', `${ask.kind} could not be answered`, { fault: fault instanceof Error ? fault.message : 'unknown' });
        return refused(FAULT[ask.kind], 'a fault of our own');
      }
    },
    facts: () => facts,
    path: () => judged?.path ?? [],
    end() {
      over.abort();
      ports.tls?.close();
    },
  };
}

const FAULT: { readonly [K in IkeAsk['kind']]: IkeFailure['code'] } = {
  'gateway-certificate': 'gateway-cert-invalid',
  'gateway-revocation': 'gateway-revocation-unknown',
  sign: 'own-key-failed',
  credential: 'eap-protocol',
  tls: 'eap-tls-failed',
};

function refused(code: IkeFailure['code'], evidence: string): IkeAnswer {
  return { kind: 'refused', failure: { code, evidence } };
}

function line({ text }: { readonly text: string }): string {
  return printable(text);
}
