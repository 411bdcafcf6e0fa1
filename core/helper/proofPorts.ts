/** The real parts behind proof.ts, as the engine puts them together. */
import { parseCertificate } from '../pki/certificate.ts';
import { validatePath } from '../pki/path.ts';
import type { Log } from '../system/log.ts';
import type { ProofPorts } from './proof.ts';
import { createSystemRoots } from './systemRoots.ts';
import { openTlsSession } from './tlsSession.ts';

export function createProofPorts(log: Log): ProofPorts {
  return {
    trust: {
      pki: { parseCertificate, validatePath },
      systemRoots: createSystemRoots({ parseCertificate, log }),
      now: Date.now,
    },
    checkRevocation: async () => ({ verdicts: [], fault: undefined }),
    openTls: openTlsSession,
  };
}
