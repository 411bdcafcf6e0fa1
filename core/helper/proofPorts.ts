/** The real parts behind proof.ts, as the engine puts them together in its own folder. */
import { parseCertificate } from '../pki/certificate.ts';
import { validatePath } from '../pki/path.ts';
import type { Log } from '../system/log.ts';
import type { ProofPorts } from './proof.ts';
import { createRevocationCheck } from './revocation.ts';
import { openRevocationCache } from './revocationCache.ts';
import { createRevocationFetch } from './revocationFetch.ts';
import { createSystemRoots } from './systemRoots.ts';
import { openTlsSession } from './tlsSession.ts';

export function createProofPorts(log: Log): ProofPorts {
  return {
    trust: {
      pki: { parseCertificate, validatePath },
      systemRoots: createSystemRoots({ parseCertificate, log }),
      now: Date.now,
    },
    checkRevocation: createRevocationCheck({
      fetch: createRevocationFetch(),
      cache: openRevocationCache({ directory: 'revocation', now: Date.now, log }),
      now: Date.now,
    }),
    openTls: openTlsSession,
  };
}
