/** The real parts behind proof.ts, as the engine puts them together. */
import { err } from '../bytes/result.ts';
import type { Log } from '../system/log.ts';
import type { ProofPorts } from './proof.ts';
import { createSystemRoots } from './systemRoots.ts';

export function createProofPorts(log: Log): ProofPorts {
  const fault = { code: 'untrusted', evidence: 'certificates are not read yet' } as const;
  const pki = { parseCertificate: () => err(fault), validatePath: () => err(fault) };
  return {
    trust: { pki, systemRoots: createSystemRoots({ parseCertificate: pki.parseCertificate, log }), now: Date.now },
    checkRevocation: async () => [],
    openTls: () => ({
      exchange: async () => ({
        kind: 'tls',
        state: 'failed',
        send: new Uint8Array(0),
        plain: new Uint8Array(0),
        failure: { code: 'eap-tls-failed', evidence: 'there is no TLS yet' },
      }),
      close: () => {},
    }),
  };
}
