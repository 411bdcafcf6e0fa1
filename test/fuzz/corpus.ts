/** The seeds: captured messages, the constructed ones of `corpus/`, and monsters too long for a file. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { concat, fromHex } from '../../core/bytes/bytes.ts';
import { readCaptured } from '../unit/ike/wire/captured.ts';
import { readChain, writeChain } from './mutateIke.ts';

export interface InnerSeed {
  /** Next Payload of the SK payload. */
  readonly first: number;
  readonly bytes: Uint8Array;
}

/** Whole messages. */
export function messageSeeds(): Uint8Array[] {
  const plain = readCaptured().map(({ bytes }) => bytes);
  // What is inside SK also travels in clear here: the parser of the outer chain must stand it.
  const opened = innerSeeds().map(({ first, bytes }) => framed(first, bytes));
  return [...plain, ...opened, ...corpusFile()];
}

/** Decrypted insides of SK payloads. */
export function innerSeeds(): InnerSeed[] {
  return readCaptured().flatMap(({ bytes, inner }) => {
    if (inner === undefined || inner.length === 0) return [];
    const last = readChain(bytes[16], bytes, 28).at(-1);
    // The generic header of the last payload is in front of its body.
    return last?.type === 46 ? [{ first: bytes[bytes.length - last.body.length - 4], bytes: inner }] : [];
  });
}

/** `corpus/*.hex`: `name hex` lines, `#` comments that tell where they come from. */
function corpusFile(): Uint8Array[] {
  const folder = join(import.meta.dirname, 'corpus');
  const lines = readdirSync(folder).flatMap((file) => readFileSync(join(folder, file), 'utf8').split('\n'));
  return lines.flatMap((line) => {
    if (line === '' || line.startsWith('#')) return [];
    const bytes = fromHex(line.slice(line.indexOf(' ')));
    if (bytes === undefined) throw new Error(`corpus: not hex: ${line}`);
    return [bytes];
  });
}

/** Messages as long as a datagram can be, of the smallest parts there are. */
export function monsterSeeds(): Uint8Array[] {
  const tiny = (type: number, count: number) =>
    writeChain(Array.from({ length: count }, () => ({ type, critical: false, body: new Uint8Array(0) })));
  const link = (type: number, body: Uint8Array) => writeChain([{ type, critical: false, body }]);
  const repeat = (head: Uint8Array, part: Uint8Array, count: number) =>
    concat(head, ...Array.from({ length: count }, () => part));
  const octets = (...values: number[]) => Uint8Array.from(values);
  return [
    framed(43, tiny(43, 16_000)),
    framed(200, tiny(200, 16_000)),
    framed(43, tiny(43, 256)),
    // 16 k SPIs in a delete, 16 k attributes in a configuration payload.
    framed(42, link(42, concat(octets(3, 4, 0x3f, 0xf0), new Uint8Array(4 * 0x3ff0)))),
    framed(47, link(47, repeat(octets(1, 0, 0, 0), octets(0, 1, 0, 0), 16_000))),
    // One proposal of a transform with 16 k attributes; of variable and of fixed length.
    framed(
      33,
      link(
        33,
        concat(
          octets(0, 0, 0xfa, 0x10, 1, 1, 0, 1, 0, 0, 0xfa, 0x08, 1, 0, 0, 12),
          repeat(octets(), octets(0, 15, 0, 0), 16_000),
        ),
      ),
    ),
    framed(
      33,
      link(
        33,
        concat(
          octets(0, 0, 0xfa, 0x10, 1, 1, 0, 1, 0, 0, 0xfa, 0x08, 1, 0, 0, 12),
          repeat(octets(), octets(0x80, 14, 1, 0), 16_000),
        ),
      ),
    ),
    // 255 proposals of 29 transforms.
    framed(33, link(33, concat(...Array.from({ length: 255 }, (_, i) => hugeProposal(i + 1, i === 254, 29))))),
    // 255 selectors of unknown type.
    framed(44, link(44, repeat(octets(255, 0, 0, 0), octets(9, 0, 0, 4), 255))),
  ];
}

function hugeProposal(number: number, last: boolean, transforms: number): Uint8Array {
  const length = 8 + 8 * transforms;
  const head = Uint8Array.of(last ? 0 : 2, 0, length >>> 8, length, number, 1, 0, transforms);
  const list = Array.from({ length: transforms }, (_, i) => Uint8Array.of(i + 1 < transforms ? 3 : 0, 0, 0, 8, 1, 0, 0, 28));
  return concat(head, ...list);
}

/** An IKE_AUTH request around a chain, its length right. */
export function framed(first: number, chain: Uint8Array): Uint8Array {
  const header = new Uint8Array(28).fill(0xa5, 0, 16);
  header.set([first, 0x20, 35, 0x08], 16);
  const out = concat(header, chain);
  new DataView(out.buffer).setUint32(24, out.length);
  return out;
}
