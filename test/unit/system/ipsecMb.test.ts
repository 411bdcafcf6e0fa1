import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import * as ours from '../../../core/system/ffi/ipsecMb.ts';

/** The C expression of each number that is ours. */
const sizesAndConstants: readonly [number, string][] = [
  [ours.gcmKeyDataBytes, 'sizeof(struct gcm_key_data)'],
  [ours.maxBurst, 'IMB_MAX_BURST_SIZE'],
  [ours.ringJobs, 'IMB_MAX_JOBS'],
  [ours.IMB_JOB.size, 'sizeof(IMB_JOB)'],
  [ours.IMB_STATUS_COMPLETED, 'IMB_STATUS_COMPLETED'],
  [ours.IMB_CIPHER_GCM, 'IMB_CIPHER_GCM'],
  [ours.IMB_CIPHER_CHACHA20_POLY1305, 'IMB_CIPHER_CHACHA20_POLY1305'],
  [ours.IMB_AUTH_AES_GMAC, 'IMB_AUTH_AES_GMAC'],
  [ours.IMB_AUTH_CHACHA20_POLY1305, 'IMB_AUTH_CHACHA20_POLY1305'],
  [ours.IMB_DIR_ENCRYPT, 'IMB_DIR_ENCRYPT'],
  [ours.IMB_DIR_DECRYPT, 'IMB_DIR_DECRYPT'],
  [ours.IMB_ORDER_CIPHER_HASH, 'IMB_ORDER_CIPHER_HASH'],
  [ours.IMB_ORDER_HASH_CIPHER, 'IMB_ORDER_HASH_CIPHER'],
  [ours.IMB_FLAG_GFNI_OFF, 'IMB_FLAG_GFNI_OFF'],
  [ours.IMB_FEATURE_SELF_TEST_PASS, 'IMB_FEATURE_SELF_TEST_PASS'],
];

const jobFields: Readonly<Record<Exclude<keyof typeof ours.IMB_JOB, 'size'>, readonly string[]>> = {
  encKeys: ['enc_keys'],
  decKeys: ['dec_keys'],
  keyLength: ['key_len_in_bytes'],
  src: ['src'],
  dst: ['dst'],
  cipherLength: ['msg_len_to_cipher_in_bytes'],
  hashLength: ['msg_len_to_hash_in_bytes'],
  iv: ['iv'],
  ivLength: ['iv_len_in_bytes'],
  tag: ['auth_tag_output'],
  tagLength: ['auth_tag_output_len_in_bytes'],
  aad: ['u.GCM.aad', 'u.CHACHA20_POLY1305.aad'],
  aadLength: ['u.GCM.aad_len_in_bytes', 'u.CHACHA20_POLY1305.aad_len_in_bytes'],
  status: ['status'],
  cipherMode: ['cipher_mode'],
  direction: ['cipher_direction'],
  hash: ['hash_alg'],
  order: ['chain_order'],
};

const managerFields: Readonly<Record<keyof typeof ours.IMB_MGR, readonly string[]>> = {
  features: ['features'],
  error: ['imb_errno'],
  gcm256Encrypt: ['gcm256_enc'],
  submitBurst: ['submit_burst'],
  nextJob: ['next_job'],
  jobs: ['jobs'],
};

const compiler = ['cc', 'gcc', 'clang'].find((name) => spawnSync(name, ['--version']).status === 0);
const header = '/usr/include/intel-ipsec-mb.h';
const missing = compiler === undefined ? 'no C compiler here' : !existsSync(header) && `no ${header}`;

test('numbers and layouts are those of intel-ipsec-mb.h 1.3, as a C compiler says', { skip: missing }, () => {
  const offsets = (type: string, fields: Readonly<Record<string, readonly string[]>>, table: Readonly<Record<string, number>>) =>
    Object.entries(fields).flatMap(([field, names]) =>
      names.map((name): [number, string] => [table[field], `offsetof(${type}, ${name})`]),
    );
  const expected = [
    ...sizesAndConstants,
    ...offsets('IMB_JOB', jobFields, ours.IMB_JOB),
    ...offsets('IMB_MGR', managerFields, ours.IMB_MGR),
    [0x103, 'IMB_VERSION_NUM >> 8'],
  ];
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-ipsec-mb-'));
  try {
    const lines = expected.map(([, c]) => `printf("%lld ${c}\\n", (long long)(${c}));`);
    const source = `#include <stdio.h>\n#include <stddef.h>\n#include "${header}"\nint main(void) {\n${lines.join('\n')}\nreturn 0;\n}\n`;
    writeFileSync(join(folder, 'numbers.c'), source);
    const built = spawnSync(compiler ?? '', ['-o', join(folder, 'numbers'), join(folder, 'numbers.c')], { encoding: 'utf8' });
    assert.equal(built.status, 0, built.stderr);
    const told = spawnSync(join(folder, 'numbers'), { encoding: 'utf8' }).stdout.trim().split('\n');
    assert.deepEqual(
      told,
      expected.map(([number, c]) => `${number} ${c}`),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a manager whose AES-GCM is not the one that expands the keys is refused', { skip: library() === undefined }, () => {
  const refused = library()?.manager({ manager: 'sse', flags: 0, suffix: 'avx_gen2' });
  assert.equal(refused, 'libIPSec_MB.so.1: sse: does not use avx_gen2');
});

function library(): ours.IpsecMb | undefined {
  const loaded = ours.loadIpsecMb();
  return typeof loaded === 'string' ? undefined : loaded;
}
