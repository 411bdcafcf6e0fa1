/**
 * What one packet costs each crypto backend, our TypeScript around it included: seal and open of 64, 576 and 1400 octets of payload, as many
 * packets behind each other as a super-packet makes, one by one and, where a backend takes them so, as a batch. Nanoseconds per packet; all
 * take turns, medians of the rounds.
 */
import { cipherBatch, type EspBackend, type EspCipher, openAll, sealAll } from '../../core/crypto/espCipher.ts';
import { contenders } from '../unit/esp/contenders.ts';
import { keysFor, octets, suiteOf } from '../unit/esp/suites.ts';
import type { BenchOptions, Figure } from './figure.ts';
import { rounded } from './figure.ts';
import { median, Samples } from './support.ts';

const MAIN_SUITE = 'aes256gcm16';
const MAIN_SIZES = [64, 576, 1400];
/** Of the other families one each, at one size. */
const OTHER_SUITES = ['chacha20poly1305', 'aes256-sha256'];
const OTHER_SIZES = [1408]; // whole blocks
const PACKETS = 40;
const SLOT = 1536;
const MILLISECONDS = 10;

interface Case {
  /** Without the suite where it is the main one. */
  readonly name: string;
  readonly suite: string;
  readonly size: number;
  readonly cipher: EspCipher;
  readonly direction: 'seal' | 'open';
  readonly inBatch: boolean;
}

export async function benchCrypto({ rounds, say }: BenchOptions): Promise<readonly Figure[]> {
  const cases = contenders.flatMap(({ name, backend }) => {
    if (typeof backend !== 'string') return casesOf(name, backend);
    say(`crypto: ${name}: ${backend}`);
    return [];
  });
  const samples = new Samples();
  for (const one of cases) measure(one); // compiled before it counts
  for (let round = 0; round < rounds; round++) for (const one of cases) samples.add(one.name, measure(one));
  return cases.map(({ name, suite, size }) => {
    const nanoseconds = samples.median(name);
    return {
      suite: 'crypto',
      case: name,
      value: rounded(nanoseconds),
      unit: 'ns per packet',
      detail: { suite, gbit: rounded((8 * size) / nanoseconds) },
    };
  });
}

function casesOf(backendName: string, backend: EspBackend): Case[] {
  const of = (suiteText: string, sizes: readonly number[]): Case[] => {
    const suite = suiteOf(suiteText);
    const cipher = backend.cipher(suite, keysFor(suite));
    if (cipher === undefined) return [];
    const ways = cipher.sealAll === undefined ? [false] : [false, true];
    return sizes.flatMap((size) =>
      ways.flatMap((inBatch) =>
        (['seal', 'open'] as const).map((direction) => ({
          name: `${backendName} ${suiteText === MAIN_SUITE ? '' : `${suiteText} `}${inBatch ? 'batch ' : ''}${direction} ${size}`,
          suite: suiteText,
          size,
          cipher,
          direction,
          inBatch,
        })),
      ),
    );
  };
  return [...of(MAIN_SUITE, MAIN_SIZES), ...OTHER_SUITES.flatMap((suite) => of(suite, OTHER_SIZES))];
}

const plain = octets(PACKETS * SLOT, 5);
const buffer = new Uint8Array(PACKETS * SLOT);
const batch = cipherBatch(PACKETS);
batch.at.set(Array.from({ length: PACKETS }, (_, i) => i * SLOT));
batch.count = PACKETS;

/** Nanoseconds per packet: the median of many short runs, of which hardly any loses the processor in the middle. */
function measure({ cipher, size, direction, inBatch }: Case): number {
  const sealed = plain.slice();
  batch.length.fill(size);
  for (let i = 0; i < PACKETS; i++) cipher.seal(sealed, i * SLOT, size, 0);
  const times: number[] = [];
  const end = performance.now() + MILLISECONDS;
  while (performance.now() < end) {
    buffer.set(direction === 'seal' ? plain : sealed);
    const start = performance.now();
    if (direction === 'seal') inBatch ? sealAll(cipher, buffer, batch) : sealEach(cipher, size);
    else inBatch ? openAll(cipher, buffer, batch) : openEach(cipher, size);
    times.push(performance.now() - start);
    if (direction === 'open' && batch.intact.includes(0)) throw new Error(`${cipher.backend} does not open what it sealed`);
  }
  return (1e6 * median(times)) / PACKETS;
}

function sealEach(cipher: EspCipher, size: number): void {
  for (let i = 0; i < PACKETS; i++) cipher.seal(buffer, i * SLOT, size, 0);
}

function openEach(cipher: EspCipher, size: number): void {
  for (let i = 0; i < PACKETS; i++) batch.intact[i] = cipher.open(buffer, i * SLOT, size, 0) ? 1 : 0;
}
