/** The instruction sets that libipsec-mb has AES-GCM for. */
import { readFileSync } from 'node:fs';
import { IMB_FLAG_GFNI_OFF, type Implementation } from '../../system/ffi/ipsecMb.ts';

export interface GcmVariant extends Implementation {
  /** Flags of /proc/cpuinfo that it needs; intel-ipsec-mb.h's IMB_CPUFLAGS_… in the kernel's words. */
  readonly needs: readonly string[];
}

const sse = ['sse4_2', 'cmov', 'aes', 'pclmulqdq'];
const avx = [...sse, 'avx'];
const avx2 = [...avx, 'avx2', 'bmi2'];
const avx512 = [...avx2, 'avx512f', 'avx512dq', 'avx512cd', 'avx512bw', 'avx512vl'];
const vaes = [...avx512, 'vaes', 'vpclmulqdq', 'gfni', 'avx512ifma', 'sha_ni'];

/** Fastest first, the order in which the library itself takes them. */
export const gcmVariants: readonly GcmVariant[] = [
  { suffix: 'vaes_avx512', manager: 'avx512', flags: 0, needs: vaes },
  // Left to itself, the manager would take VAES where there is GFNI as well.
  { suffix: 'avx512', manager: 'avx512', flags: IMB_FLAG_GFNI_OFF, needs: avx512 },
  { suffix: 'avx_gen4', manager: 'avx2', flags: 0, needs: avx2 },
  { suffix: 'avx_gen2', manager: 'avx', flags: 0, needs: avx },
  { suffix: 'sse', manager: 'sse', flags: 0, needs: sse },
];

/**
 * What this processor has, as the kernel says: it leaves out what it does not save for a process, which the processor's own CPUID
 * does not. Empty for other processors.
 */
export function processorFlags(): ReadonlySet<string> {
  try {
    const line = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'latin1'));
    return new Set(line?.[1].trim().split(/\s+/) ?? []);
  } catch {
    return new Set();
  }
}

export function has(flags: ReadonlySet<string>, variant: GcmVariant): boolean {
  return variant.needs.every((flag) => flags.has(flag));
}
