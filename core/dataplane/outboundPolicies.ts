/**
 * Which SA an outbound packet goes on: the first in order whose selectors cover it. The newest come first, but a rekeyed SA's successor takes
 * its place: the order is the policy (RFC 4301 §4.4.1), and a rekeying changes the SA, not the policy (RFC 7296 §2.8).
 */
import type { InnerHeader } from '../ip/header.ts';
import type { SelectorSet } from './selectors.ts';

export interface Selecting {
  /** Inbound SPI of the SA. */
  readonly spiIn: number;
  readonly local: SelectorSet;
  readonly remote: SelectorSet;
}

export class OutboundPolicies<P extends Selecting> {
  #all: readonly P[] = [];
  /** Those in whose stead the nearest one in front of them that is none sends. */
  #standbys: readonly P[] = [];

  /** In order. */
  get all(): readonly P[] {
    return this.#all;
  }

  /** `replaces`: inbound SPI of the SA whose successor it is; `standby`: that one goes on until it is relieved or removed. */
  add(policy: P, replaces: number | undefined, standby: boolean): void {
    const before = this.#at(replaces);
    if (before < 0) this.#all = [policy, ...this.#all];
    else if (standby) {
      this.#all = this.#all.toSpliced(before + 1, 0, policy);
      this.#standbys = [...this.#standbys, policy];
    } else this.#all = this.#all.toSpliced(this.#sender(before), 0, policy);
  }

  /** What was removed. */
  remove(spiIn: number): P | undefined {
    const at = this.#at(spiIn);
    if (at < 0) return undefined;
    const gone = this.#all[at];
    // Who waited for one that sent has nobody to wait for now.
    const heir = this.#standbys.includes(gone) ? gone : this.#all[at + 1];
    this.#all = this.#all.toSpliced(at, 1);
    this.#standbys = this.#standbys.filter((policy) => policy !== gone && policy !== heir);
    return gone;
  }

  /** SAs that stood by and are used by the peer send from now on, each in front of the one that did. */
  relieve(isUsed: (policy: P) => boolean): void {
    for (const policy of this.#standbys) {
      if (!isUsed(policy)) continue;
      const at = this.#all.indexOf(policy);
      this.#all = this.#all.toSpliced(at, 1).toSpliced(this.#sender(at), 0, policy);
      this.#standbys = this.#standbys.filter((other) => other !== policy);
    }
  }

  covering(inner: InnerHeader): P | undefined {
    const all = this.#all;
    for (let i = 0; i < all.length; i++) if (covers(all[i], inner)) return all[i];
    return undefined;
  }

  /** The one that sends for this SA, if it covers the packet; else the first that does of those that `like` says are as good. */
  coveringFor(spiIn: number, inner: InnerHeader, like: (other: P, named: P) => boolean): P | undefined {
    const at = this.#at(spiIn);
    if (at < 0) return undefined;
    const named = this.#all[this.#sender(at)];
    if (covers(named, inner)) return named;
    return this.#all.find((other) => like(other, named) && covers(other, inner) && !this.#standbys.includes(other));
  }

  #at(spiIn: number | undefined): number {
    return this.#all.findIndex((policy) => policy.spiIn === spiIn);
  }

  /** Where the one stands that sends for the one at `at`. */
  #sender(at: number): number {
    let sender = at;
    while (sender > 0 && this.#standbys.includes(this.#all[sender])) sender--;
    return sender;
  }
}

function covers({ local, remote }: Selecting, inner: InnerHeader): boolean {
  return remote.covers(inner, 'destination') && local.covers(inner, 'source');
}
