/**
 * TLS inside EAP for one connection: each method that starts opens a client of its own. Where the user has a certificate, TLS runs in the
 * process that has its key; the server's chain is judged here either way, by the authorities of EAP and no others (SECURITY.md 5).
 */
import type { IkeAsk } from '../ike/auth/contract.ts';
import type { EapAskAnswer, EapFailure } from '../ike/auth/eap/contract.ts';
import { printable } from '../tunnel/explain.ts';
import type { TlsSession } from './asks.ts';
import { eapFault } from './gatewayTrust.ts';
import type { TlsRequest } from './proof.ts';
import { createTlsClient, type TlsClient, type TlsClientOptions } from './tlsClient.ts';

type TlsAsk = Extract<IkeAsk, { readonly kind: 'tls' }>;

export function openTlsSession({ trust, certificates, signer, revocation, log }: TlsRequest): TlsSession {
  let client: TlsClient | undefined;
  const over = new AbortController();

  async function checkServer(chain: readonly Uint8Array[]): Promise<EapFailure | undefined> {
    const judged = trust.tlsServer(chain);
    if (!judged.ok) return judged.error;
    const { path } = judged.value;
    const [server] = path;
    // A path of one is the anchor itself: nobody above it can revoke it.
    const checked = path.length < 2 ? undefined : await revocation?.(path, over.signal);
    for (const { subject, status, source, evidence } of checked?.verdicts ?? []) {
      log(
        status === 'good' || status === 'not-checked' ? 'debug' : 'warn',
        'trust',
        `revocation of the login server: ${status}`,
        {
          subject,
          source,
          evidence,
        },
      );
    }
    if (checked?.fault) return eapFault(checked.fault);
    log('info', 'trust', 'the certificate of the login server is accepted', { subject: printable(server?.subject.text ?? '') });
    return undefined;
  }

  function open(method: TlsAsk['method']): TlsClient {
    const options: TlsClientOptions = { method, checkServer };
    // A certificate is shown to a server that asks for one; to TTLS and PEAP the password is what proves the user.
    const wantsKey = method === 'tls' && certificates.length > 0;
    if (wantsKey && signer?.openTls)
      return signer.openTls(
        options,
        certificates.map(({ der }) => der),
      );
    return createTlsClient(options);
  }

  return {
    async exchange({ method, open: opens, received, write }): Promise<EapAskAnswer> {
      if (over.signal.aborted) return closed();
      if (opens) {
        client?.close();
        client = open(method);
      }
      return client ? client.exchange(received, write) : closed();
    },
    close() {
      over.abort();
      client?.close();
      client = undefined;
    },
  };
}

function closed(): EapAskAnswer {
  const none = new Uint8Array(0);
  const failure: EapFailure = { code: 'eap-tls-failed', evidence: 'the connection ends' };
  return { kind: 'tls', state: 'failed', send: none, plain: none, failure };
}
