/** Ten million packets through both lanes in memory (test/unit/dataplane/mill.ts): errors, what the heap grew, and the rate without a kernel. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { chooseBackend } from '../../core/esp/backends.ts';
import { mill } from '../unit/dataplane/mill.ts';
import type { BenchOptions, Figure } from './figure.ts';
import { rounded } from './figure.ts';

const PACKETS = 10_000_000;
const MARK = 1_000_000;
/** What is compiled late and counted once is less; one octet per packet is nine. */
const MOST_GROWTH_MB = 1;

export async function benchTenMillion({ say }: Pick<BenchOptions, 'say'>): Promise<readonly Figure[]> {
  const { backend } = chooseBackend();
  const heap: number[] = [];
  const started = performance.now();
  const { sent, seen, octets, frames, errors, firstError } = mill({
    backend,
    suite: 'aes256gcm16-esn',
    packets: PACKETS,
    progressEvery: MARK,
    onProgress: (packets) => {
      heap.push(heapUsed());
      say(`ten-million: ${packets}, heap ${(heap.at(-1) ?? 0).toFixed(2)} MB`);
    },
  });
  const seconds = (performance.now() - started) / 1000;
  const wrong = Object.values(errors).reduce((total, count) => total + count, Math.abs(sent - seen));
  const at = (million: number): number => rounded(heap[million - 1] ?? 0);
  return [
    {
      suite: 'ten-million',
      case: 'errors',
      value: wrong,
      unit: 'packets',
      atMost: 0,
      detail: { packets: seen, frames, backend: backend.name, ...(wrong > 0 && { first: firstError, ...errors }) },
    },
    {
      suite: 'ten-million',
      case: 'heap-growth',
      value: Number((at(10) - at(1)).toFixed(3)),
      unit: 'MB',
      atMost: MOST_GROWTH_MB,
      detail: { 'MB at 1 million': at(1), 'at 5': at(5), 'at 10': at(10) },
    },
    {
      suite: 'ten-million',
      case: 'in-memory',
      value: rounded(sent / seconds / 1e6),
      unit: 'Mpackets/s',
      detail: { seconds: rounded(seconds), gigabits: rounded((octets * 8) / seconds / 1e9) },
    },
  ];
}

/** Megabytes (10^6) in use after everything that can be freed was. */
function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  collect();
  return process.memoryUsage().heapUsed / 1e6;
}
