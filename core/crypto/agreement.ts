import type { KeyExchangeFault, Random } from './types.ts';

/** One Diffie-Hellman group as an implementation gives it. `Secret` is the private value in the form the implementation keeps. */
export interface Agreement<Secret = Uint8Array> {
  /** A fresh private value made of octets of `random`, and its public value as sent on the wire. */
  start(random: Random): { readonly secret: Secret; readonly publicValue: Uint8Array };
  /** Checks the peer's public value by the rules of the group, then gives the shared secret in its full width. */
  derive(secret: Secret, peer: Uint8Array): Uint8Array | KeyExchangeFault;
}
