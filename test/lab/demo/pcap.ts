/** Reads what `tcpdump -w` wrote (libpcap's classic format, Ethernet). Packets may be cut to the snap length. */

export interface CapturedFrame {
  /** Milliseconds since the epoch, with the fraction the capture has. */
  readonly at: number;
  /** The captured octets, link layer first. */
  readonly bytes: Uint8Array;
}

const GLOBAL_HEADER = 24;
const RECORD_HEADER = 16;
const LINKTYPE_ETHERNET = 1;
/** Magic numbers of the two clocks a capture may have, in fractions of a second. */
const FRACTIONS: Readonly<Record<number, number>> = { 2712847316: 1e6, 2712812621: 1e9 };

/** All whole records; a last one that was being written is left out. Throws when it is no Ethernet capture: our own tcpdump made it. */
export function readPcap(file: Uint8Array): readonly CapturedFrame[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < GLOBAL_HEADER) throw new Error('the capture file is empty');
  const little = FRACTIONS[view.getUint32(0, true)] !== undefined;
  const fractions = FRACTIONS[view.getUint32(0, little)];
  if (fractions === undefined || view.getUint32(20, little) !== LINKTYPE_ETHERNET) throw new Error('not an Ethernet capture');
  const frames: CapturedFrame[] = [];
  let at = GLOBAL_HEADER;
  while (at + RECORD_HEADER <= file.length) {
    const length = view.getUint32(at + 8, little);
    const start = at + RECORD_HEADER;
    if (start + length > file.length) break;
    const instant = view.getUint32(at, little) * 1000 + (view.getUint32(at + 4, little) * 1000) / fractions;
    frames.push({ at: instant, bytes: file.subarray(start, start + length) });
    at = start + length;
  }
  return frames;
}
