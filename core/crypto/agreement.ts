import type { KeyExchangeFault, Random } from './types.ts';

/** One Diffie-Hellman group as an implementation gives it. `Secret` is the private value in the form the implementation keeps. */
export interface Agreement<Secret = Uint8Array> {
  /** A fresh private value made of octets of `random`, and its public value as sent on the wire. */
  start(random: Random): { readonly secret: Secret; readonly publicValue: Uint8Array };
  /** Checks the peer's public value by the rules of the group, then gives the shared secret in its full width. */
  derive(secret: Secret, peer: Uint8Array): Uint8Array | KeyExchangeFault;
}

/** One key encapsulation mechanism: to `start` and `derive` it is an agreement, but only the initiator has a private value. */
export interface Encapsulation<Secret> extends Agreement<Secret> {
  /** The responder's part: checks the initiator's public value, then makes a secret and what tells the initiator of it. */
  encapsulate(peer: Uint8Array): { readonly publicValue: Uint8Array; readonly shared: Uint8Array } | KeyExchangeFault;
}
