/**
 * DSCP and ECN of a tunnel: the octet of the outer header from the inner one and back (RFC 4301 §5.1.2, RFC 6040). The callers have checked
 * that the inner header is there.
 *
 * Outbound, ECN is always copied (RFC 6040 §4.1, normal mode; §4.3: with IKEv2 the other mode is not needed). DSCP is copied unless the SA
 * says `zero`. Copying is RFC 4301's rule and what gateways do; the mark is of use on the first hop, where the user's Wi-Fi gives voice a
 * queue of its own, and most networks behind erase it. It tells an observer which packets are voice, but so do sizes and rhythm, which
 * ESP without traffic flow confidentiality shows as well. `zero` is for those who want to show nothing they can avoid (RFC 4301
 * §4.4.2.1 calls that a covert channel) and for hotels whose network loses marked packets; it is also note 5 of §5.1.2.1 for a network in
 * which the marks of the office mean nothing.
 *
 * Inbound, DSCP of the outer header is discarded (RFC 4301 §5.1.2.2 note 9: anybody on the way can set it).
 */
import { adjust, storeWord, wordAt } from './checksum.ts';

export type DscpRule = 'copy' | 'zero';

/** The bits of the inner octet that go out, for `outerOctet`. Kept per SA so that the packet path has no branch. */
export function outerMask(rule: DscpRule): number {
  return rule === 'copy' ? 0xff : ecnBits;
}

/** TOS or traffic class for the outer header of the inner packet at `at`. */
export function outerOctet(bytes: Uint8Array, at: number, mask: number): number {
  return innerOctet(bytes, at) & mask;
}

/** What `applyOuterEcn` found. */
export const ecnKeep = 0;
/** Kept, but no tunnel that follows a standard sends it (RFC 6040 §4.2: SHOULD be logged, so count it). */
export const ecnUnusual = 1;
/** Congestion was experienced by a packet of a transport that learns of it by loss only: drop it. */
export const ecnDrop = 2;

/** Brings the ECN of the outer header (its whole octet) into the inner packet at `at`. */
export function applyOuterEcn(bytes: Uint8Array, at: number, outer: number): number {
  // RFC 6040 figure 4, first column: an outer Not-ECT changes nothing.
  if ((outer & ecnBits) === 0) return ecnKeep;
  const inner = innerOctet(bytes, at);
  const entry = figure4[((inner & ecnBits) << 2) | (outer & ecnBits)];
  const ecn = entry & ecnBits;
  if (ecn !== (inner & ecnBits)) setEcn(bytes, at, ecn);
  return entry >>> 2;
}

const ecnBits = 0x03;
const notEct = 0;
const ect1 = 1;
const ect0 = 2;
const ce = 3;

/** RFC 6040 figure 4: at inner * 4 + outer the ECN that goes on, and above it the verdict. */
const figure4 = Uint8Array.of(
  // outer: Not-ECT, ECT(1), ECT(0), CE
  ...[notEct, notEct | (ecnUnusual << 2), notEct | (ecnUnusual << 2), notEct | (ecnDrop << 2)], // inner Not-ECT
  ...[ect1, ect1, ect1 | (ecnUnusual << 2), ce], // inner ECT(1)
  ...[ect0, ect1, ect0, ce], // inner ECT(0)
  ...[ce, ce | (ecnUnusual << 2), ce, ce], // inner CE
);

function innerOctet(bytes: Uint8Array, at: number): number {
  const second = bytes[at + 1];
  return bytes[at] >>> 4 === 4 ? second : ((bytes[at] << 4) & 0xf0) | (second >>> 4); // RFC 8200 §3: traffic class
}

function setEcn(bytes: Uint8Array, at: number, ecn: number): void {
  if (bytes[at] >>> 4 !== 4) {
    bytes[at + 1] = (bytes[at + 1] & ~0x30) | (ecn << 4);
    return;
  }
  const old = wordAt(bytes, at);
  bytes[at + 1] = (bytes[at + 1] & ~ecnBits) | ecn;
  // A header whose checksum was wrong keeps a wrong one: the host must see it as it was sent.
  storeWord(bytes, at + 10, adjust(wordAt(bytes, at + 10), old, wordAt(bytes, at)));
}
