/**
 * Intel's multi-buffer library for IPsec (Debian's `libipsec-mb1`), as intel-ipsec-mb.h of version 1.3 declares it. Optional: where it
 * is not installed there is only a reason.
 */
import koffi from 'koffi';
import { NativeBlock } from './nativeBlock.ts';

/** Which of its implementations a manager is set up with. */
export interface Implementation {
  /** Of `init_mb_mgr_…`. */
  readonly manager: 'sse' | 'avx' | 'avx2' | 'avx512';
  /** IMB_FLAG_…: instructions that it is to do without. */
  readonly flags: number;
  /** As the names of the AES-GCM functions end that it must come to use. */
  readonly suffix: string;
}

/** `struct IMB_MGR` with its ring of jobs. Belongs to one thread. */
export interface Manager {
  /** Holds the structure. */
  readonly block: NativeBlock;
  /** Sets the structure up anew: whatever was under way is forgotten, every job is free and all zero. */
  reset(): void;
  /**
   * `submit_burst`: the next `count` jobs of the ring, 128 at most, whose addresses lie at `jobs`. Checks each of them. Says how many are
   * done, 0 when one is invalid; their addresses then lie at `jobs`.
   */
  readonly submitBurst: (manager: number, count: number, jobs: number) => number;
  /** `aes_gcm_pre_…`: expands the key at the first address into the key data at the second. */
  expandGcmKey(keyBytes: 16 | 24 | 32, key: number, keyData: number): void;
}

export interface IpsecMb {
  /** `1.3.0` */
  readonly version: string;
  /** Why there is none, as a string. Throws when the library lacks a function. */
  manager(implementation: Implementation): Manager | string;
}

/** `struct gcm_key_data`, aligned to 64 octets. */
export const gcmKeyDataBytes = 1008;

/** IMB_MAX_BURST_SIZE, IMB_MAX_JOBS */
export const maxBurst = 128;
export const ringJobs = 256;

/** Offsets in `struct IMB_JOB`; lengths and pointers have eight octets, the rest four. */
export const IMB_JOB = {
  size: 200,
  encKeys: 0,
  decKeys: 8,
  keyLength: 16,
  src: 24,
  dst: 32,
  cipherLength: 48,
  hashLength: 64,
  iv: 72,
  ivLength: 80,
  tag: 88,
  tagLength: 96,
  /** Of `u.GCM` and `u.CHACHA20_POLY1305`. */
  aad: 104,
  aadLength: 112,
  status: 128,
  cipherMode: 132,
  direction: 136,
  hash: 140,
  order: 144,
} as const;

/** Offsets in `struct IMB_MGR`. */
export const IMB_MGR = { features: 8, error: 60, gcm256Encrypt: 272, submitBurst: 960, nextJob: 1020, jobs: 1024 } as const;

export const IMB_STATUS_COMPLETED = 3;
export const IMB_CIPHER_GCM = 5;
export const IMB_CIPHER_CHACHA20_POLY1305 = 19;
export const IMB_AUTH_AES_GMAC = 9;
export const IMB_AUTH_CHACHA20_POLY1305 = 29;
export const IMB_DIR_ENCRYPT = 1;
export const IMB_DIR_DECRYPT = 2;
export const IMB_ORDER_CIPHER_HASH = 1;
export const IMB_ORDER_HASH_CIPHER = 2;
export const IMB_FLAG_GFNI_OFF = 4;
export const IMB_FEATURE_SELF_TEST_PASS = 1 << 21;

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
    return { version, manager: (implementation) => managerOf(library, implementation) };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return /No such file/.test(detail) ? `${soname}: not found` : `${soname}: ${detail}`;
  }
}

const soname = 'libIPSec_MB.so.1';

type Library = ReturnType<typeof koffi.load>;

/** burst_fn_t */
const burstFunction = koffi.proto('uint (uintptr_t manager, uint count, uintptr_t jobs)');

function managerOf(library: Library, { manager: name, flags, suffix }: Implementation): Manager | string {
  const setPointers = library.func('imb_set_pointers_mb_mgr', 'uintptr_t', ['uintptr_t', 'uint64_t', 'uint']);
  const initialise = library.func(`init_mb_mgr_${name}`, 'void', ['uintptr_t']);
  const size: number = library.func('imb_get_mb_mgr_size', 'size_t', [])();
  const block = new NativeBlock(size);
  const { address, words, bytes } = block;
  const reset = (): void => {
    setPointers(address, flags, 1);
    initialise(address);
    // The library's self-test has used some.
    bytes.fill(0, IMB_MGR.jobs, IMB_MGR.jobs + ringJobs * IMB_JOB.size);
  };
  reset();
  if (words[IMB_MGR.error >>> 2] !== 0) return `${soname}: ${name}: error ${words[IMB_MGR.error >>> 2]}`;
  if ((words[IMB_MGR.features >>> 2] & IMB_FEATURE_SELF_TEST_PASS) === 0) return `${soname}: ${name}: fails its self-test`;
  // Key data has another layout for each implementation: what expands the key must belong to what uses it.
  const used = pointerAt(block, IMB_MGR.gcm256Encrypt);
  if (used !== koffi.address(library.symbol(`aes_gcm_enc_256_${suffix}`, 'void *')))
    return `${soname}: ${name}: does not use ${suffix}`;
  const expand = (keyBytes: number): ((key: number, keyData: number) => void) =>
    library.func(`aes_gcm_pre_${8 * keyBytes}_${suffix}`, 'void', ['uintptr_t', 'uintptr_t']);
  const expanders = { 16: expand(16), 24: expand(24), 32: expand(32) };
  return {
    block,
    reset,
    submitBurst: koffi.decode(pointerAt(block, IMB_MGR.submitBurst), burstFunction),
    expandGcmKey: (keyBytes, key, keyData) => expanders[keyBytes](key, keyData),
  };
}

function pointerAt({ words }: NativeBlock, offset: number): bigint {
  return (BigInt(words[(offset >>> 2) + 1]) << 32n) | BigInt(words[offset >>> 2]);
}
