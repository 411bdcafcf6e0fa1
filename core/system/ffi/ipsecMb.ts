/**
 * Intel's multi-buffer library for IPsec (Debian's `libipsec-mb1`), as intel-ipsec-mb.h of version 1.3 declares it. Optional: where it
 * is not installed there is only a reason.
 */
import koffi from 'koffi';

/**
 * One call per packet, in place allowed. All but the lengths are addresses; the IV has 12 octets. `decrypt` writes the plaintext and the tag
 * that should have come, whatever came.
 */
export type GcmCall = (
  keyData: number,
  context: number,
  out: number,
  input: number,
  length: number,
  iv: number,
  aad: number,
  aadLength: number,
  tag: number,
  tagLength: number,
) => void;

export interface GcmFunctions {
  /** Expands the key at the first address into the key data at the second. */
  readonly precompute: (key: number, keyData: number) => void;
  readonly encrypt: GcmCall;
  readonly decrypt: GcmCall;
}

export interface IpsecMb {
  /** `1.3.0` */
  readonly version: string;
  /** Key lengths in octets, and the suffix of the functions that are for one instruction set. Throws when they are not exported. */
  gcm(keyBytes: 16 | 24 | 32, suffix: string): GcmFunctions;
}

/** `struct gcm_key_data` and `struct gcm_context_data`, both aligned to 64 octets. */
export const gcmKeyDataBytes = 1008;
export const gcmContextBytes = 88;

/**
 * By its bare name, so that only the loader's own folders are looked at, which are root's. Why it cannot be used, as a string. Of the
 * version only 1.3 is taken: sizes and layouts above are known for it alone, and a wrong one writes where it should not.
 */
export function loadIpsecMb(): IpsecMb | string {
  // The loader would look there first. This may be running as root; the library is worth less than the doubt.
  if (process.env.LD_LIBRARY_PATH) return `${soname}: not while LD_LIBRARY_PATH is set`;
  try {
    const library = koffi.load(soname);
    const number: number = library.func('imb_get_version', 'uint', [])();
    const version = `${number >>> 16}.${(number >>> 8) & 0xff}.${number & 0xff}`;
    if (number >>> 8 !== 0x103) return `${soname}: version ${version}, not 1.3`;
    return { version, gcm: (keyBytes, suffix) => gcmOf(library, 8 * keyBytes, suffix) };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return /No such file/.test(detail) ? `${soname}: not found` : `${soname}: ${detail}`;
  }
}

const soname = 'libIPSec_MB.so.1';

function gcmOf(library: ReturnType<typeof koffi.load>, bits: number, suffix: string): GcmFunctions {
  const one = (direction: 'enc' | 'dec'): GcmCall =>
    library.func(`aes_gcm_${direction}_${bits}_${suffix}`, 'void', [
      'uintptr_t',
      'uintptr_t',
      'uintptr_t',
      'uintptr_t',
      'uint64_t',
      'uintptr_t',
      'uintptr_t',
      'uint64_t',
      'uintptr_t',
      'uint64_t',
    ]);
  return {
    precompute: library.func(`aes_gcm_pre_${bits}_${suffix}`, 'void', ['uintptr_t', 'uintptr_t']),
    encrypt: one('enc'),
    decrypt: one('dec'),
  };
}
