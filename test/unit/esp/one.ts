/** One packet at a time through the halves of an SA, as tests want it. */
import type { InboundSa, InboundVerdict } from '../../../core/esp/inbound.ts';
import type { OutboundSa } from '../../../core/esp/outbound.ts';

/** Octets of the ESP packet, which starts `sa.headBytes` in front of `offset`; 0 when the numbers are used up. */
export function sealOne(sa: OutboundSa, buffer: Uint8Array, offset: number, length: number, nextHeader: number): number {
  const wire = sa.frame(buffer, offset, length, nextHeader);
  sa.seal(buffer);
  return wire;
}

export function openOne(sa: InboundSa, buffer: Uint8Array, offset: number, length: number): InboundVerdict {
  const refused = sa.admit(buffer, offset, length);
  if (refused !== undefined) return refused;
  sa.open(buffer);
  const verdict = sa.take(buffer, 0);
  sa.clear();
  return verdict;
}
