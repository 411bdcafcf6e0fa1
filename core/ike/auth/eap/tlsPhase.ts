/** EAP-TLS (RFC 5216, RFC 9190): nothing is said inside the tunnel but that it stands. */
import type { MethodOutcome } from './method.ts';
import { nothing, type PhaseStep, type TlsFacts, type TlsPhase } from './tlsTunnel.ts';

export class EapTlsPhase implements TlsPhase {
  #facts: TlsFacts | undefined;
  #confirmed = false;

  opened(facts: TlsFacts): PhaseStep {
    this.#facts = facts;
    return nothing;
  }

  received(plain: Uint8Array): PhaseStep {
    // RFC 9190 §2.5: one octet 0x00 says that the server took our Finished. With TLS 1.2 there is no data at all.
    if (this.#facts?.version !== 'TLSv1.3' || this.#confirmed || plain.length !== 1 || plain[0] !== 0) {
      return { kind: 'failed', failure: { code: 'eap-protocol', evidence: `${plain.length} octets of data inside EAP-TLS` } };
    }
    this.#confirmed = true;
    return nothing;
  }

  answer(): PhaseStep {
    throw new Error('EAP-TLS asks for nothing');
  }

  /**
   * RFC 9190 §2.5: with TLS 1.3 only after the 0x00. strongSwan before 5.9.10 does not say it, and makes other keys than all others with
   * TLS 1.3, so nothing is lost with it.
   */
  outcome(): MethodOutcome | undefined {
    if (this.#facts === undefined) return undefined;
    if (this.#facts.version === 'TLSv1.3' && !this.#confirmed) return undefined;
    return { msk: this.#facts.keyMaterial.subarray(0, 64), mutual: true };
  }

  refusal(): undefined {
    return undefined;
  }

  wipe(): void {
    this.#facts = undefined;
  }
}
