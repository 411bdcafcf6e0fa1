/**
 * The one table of IKEv2 transforms this product knows, as data. Numbers: IANA "IKEv2 Parameters"; names and keywords as strongSwan
 * prints and reads them, so that both ends of an interop run can be compared as text.
 */
import type {
  AdditionalKeTransform,
  EncrTransform,
  EsnTransform,
  IntegTransform,
  KeTransform,
  PrfTransform,
  RequirementLevel,
  RequirementLevels,
  TransformRow,
} from './types.ts';

const encrTransforms: readonly EncrTransform[] = [
  aesCbc(128, levels('MUST', 'MUST')),
  aesCbc(192, levels('MAY', 'MAY')),
  aesCbc(256, levels('MUST', 'MUST')),
  // RFC 8247 §2.1: only the 16-octet ICV is at SHOULD, 8 and 12 "remain at the MAY level"; RFC 8221 §5 lists GCM_16 alone, a MUST.
  aesGcm(18, 8, 128, levels('MAY', undefined)),
  aesGcm(18, 8, 192, levels('MAY', undefined)),
  aesGcm(18, 8, 256, levels('MAY', undefined)),
  aesGcm(19, 12, 128, levels('MAY', undefined)),
  aesGcm(19, 12, 192, levels('MAY', undefined)),
  aesGcm(19, 12, 256, levels('MAY', undefined)),
  aesGcm(20, 16, 128, levels('SHOULD', 'MUST')),
  aesGcm(20, 16, 192, levels('MAY', 'MAY')),
  aesGcm(20, 16, 256, levels('SHOULD', 'MUST')),
  {
    type: 1,
    id: 28,
    // RFC 7634 §2: the key is always 256 bits and no Key Length attribute is sent.
    keyLength: undefined,
    name: 'CHACHA20_POLY1305',
    keyword: 'chacha20poly1305',
    aead: true,
    keyBytes: 32,
    saltBytes: 4,
    ivBytes: 8,
    blockBytes: 1,
    icvBytes: 16,
    level: levels('SHOULD', 'SHOULD'),
  },
];

const prfTransforms: readonly PrfTransform[] = [
  {
    type: 2,
    id: 2,
    name: 'PRF_HMAC_SHA1',
    keyword: 'prfsha1',
    keyBytes: 20,
    outBytes: 20,
    hash: 'sha1',
    level: ikeOnly('MUST-'),
  },
  {
    type: 2,
    id: 5,
    name: 'PRF_HMAC_SHA2_256',
    keyword: 'prfsha256',
    keyBytes: 32,
    outBytes: 32,
    hash: 'sha256',
    level: ikeOnly('MUST'),
  },
  {
    type: 2,
    id: 6,
    name: 'PRF_HMAC_SHA2_384',
    keyword: 'prfsha384',
    keyBytes: 48,
    outBytes: 48,
    hash: 'sha384',
    level: ikeOnly(undefined),
  },
  {
    type: 2,
    id: 7,
    name: 'PRF_HMAC_SHA2_512',
    keyword: 'prfsha512',
    keyBytes: 64,
    outBytes: 64,
    hash: 'sha512',
    level: ikeOnly('SHOULD+'),
  },
];

const integTransforms: readonly IntegTransform[] = [
  {
    type: 3,
    id: 2,
    name: 'HMAC_SHA1_96',
    keyword: 'sha1',
    keyBytes: 20,
    icvBytes: 12,
    hash: 'sha1',
    level: levels('MUST-', 'MUST-'),
  },
  {
    type: 3,
    id: 12,
    name: 'HMAC_SHA2_256_128',
    keyword: 'sha256',
    keyBytes: 32,
    icvBytes: 16,
    hash: 'sha256',
    level: levels('MUST', 'MUST'),
  },
  {
    type: 3,
    id: 13,
    name: 'HMAC_SHA2_384_192',
    keyword: 'sha384',
    keyBytes: 48,
    icvBytes: 24,
    hash: 'sha384',
    level: levels(undefined, undefined),
  },
  {
    type: 3,
    id: 14,
    name: 'HMAC_SHA2_512_256',
    keyword: 'sha512',
    keyBytes: 64,
    icvBytes: 32,
    hash: 'sha512',
    level: levels('SHOULD', 'SHOULD'),
  },
];

const keTransforms: readonly KeTransform[] = [
  modp(14, 2048, 'MUST'),
  modp(15, 3072),
  modp(16, 4096),
  modp(17, 6144),
  modp(18, 8192),
  ecp(19, 'ECP_256', 'ecp256', 32, 'SHOULD'),
  ecp(20, 'ECP_384', 'ecp384', 48),
  // RFC 5903 §7: 521 bits are sent as 528.
  ecp(21, 'ECP_521', 'ecp521', 66),
  ecp(28, 'ECP_256_BP', 'ecp256bp', 32),
  ecp(29, 'ECP_384_BP', 'ecp384bp', 48),
  ecp(30, 'ECP_512_BP', 'ecp512bp', 64),
  ke(31, 'CURVE_25519', 'x25519', { publicBytes: 32, sharedBytes: 32 }),
  ke(32, 'CURVE_448', 'x448', { publicBytes: 56, sharedBytes: 56 }),
  // draft-ietf-ipsecme-ikev2-mlkem, FIPS 203 §8: encapsulation key, ciphertext, secret.
  ke(35, 'ML_KEM_512', 'mlkem512', { publicBytes: 800, answerBytes: 768, sharedBytes: 32 }),
  ke(36, 'ML_KEM_768', 'mlkem768', { publicBytes: 1184, answerBytes: 1088, sharedBytes: 32 }),
  ke(37, 'ML_KEM_1024', 'mlkem1024', { publicBytes: 1568, answerBytes: 1568, sharedBytes: 32 }),
];

/** RFC 9370 §2.2.1: every key exchange method, and NONE, may be the nth additional one. */
const additionalKeTransforms: readonly AdditionalKeTransform[] = ([6, 7, 8, 9, 10, 11, 12] as const).flatMap((type) => [
  ...keTransforms.map((row) => ({ type, id: row.id, name: row.name, keyword: `ke${type - 5}_${row.keyword}`, ke: row })),
  { type, id: 0, name: 'NONE', keyword: `ke${type - 5}_none`, ke: undefined },
]);

/** Sequence numbers: `[0]` 32 bits, `[1]` ESN. */
export const esnTransforms: readonly EsnTransform[] = [
  { type: 5, id: 0, name: 'NO_EXT_SEQ', keyword: 'noesn' },
  { type: 5, id: 1, name: 'EXT_SEQ', keyword: 'esn' },
];

export const transforms: readonly TransformRow[] = [
  ...encrTransforms,
  ...prfTransforms,
  ...integTransforms,
  ...keTransforms,
  ...esnTransforms,
];

/** Other spellings that strongSwan accepts, and the keyword of the row they mean. */
const aliases: ReadonlyMap<string, string> = new Map([
  ['aes', 'aes128'],
  ...[128, 192, 256].flatMap((bits): [string, string][] => [
    [`aes${bits}gcm64`, `aes${bits}gcm8`],
    [`aes${bits}gcm96`, `aes${bits}gcm12`],
    [`aes${bits}gcm128`, `aes${bits}gcm16`],
  ]),
  ['sha', 'sha1'],
  ['sha2_256', 'sha256'],
  ['sha2_384', 'sha384'],
  ['sha2_512', 'sha512'],
  ['curve25519', 'x25519'],
  ['curve448', 'x448'],
]);

const rowOfKeyword: ReadonlyMap<string, TransformRow> = new Map(
  [...transforms, ...additionalKeTransforms].map((row) => [row.keyword, row]),
);

/** The row of an ENCR transform and its Key Length attribute in bits; undefined when unknown, or when the attribute is missing or out of place. */
export function findEncr(id: number, keyLength: number | undefined): EncrTransform | undefined {
  return encrTransforms.find((row) => row.id === id && row.keyLength === keyLength);
}

export function findPrf(id: number): PrfTransform | undefined {
  return prfTransforms.find((row) => row.id === id);
}

export function findInteg(id: number): IntegTransform | undefined {
  return integTransforms.find((row) => row.id === id);
}

export function findKe(id: number): KeTransform | undefined {
  return keTransforms.find((row) => row.id === id);
}

/** `type` is one of 6 to 12; undefined when the method is not known. */
export function findAdditionalKe(type: number, id: number): AdditionalKeTransform | undefined {
  return additionalKeTransforms.find((row) => row.type === type && row.id === id);
}

/**
 * The row of one part of a proposal in strongSwan's notation, e.g. `aes256gcm16`, `sha2_256`, `curve25519`, `ke1_mlkem768`; case does
 * not matter. `sha256` is the integrity transform, `prfsha256` the PRF.
 */
export function byKeyword(keyword: string): TransformRow | undefined {
  const lower = keyword.toLowerCase();
  const [, number = '', method = lower] = /^(ke[1-7]_)(.*)$/.exec(lower) ?? [];
  return rowOfKeyword.get(`${number}${aliases.get(method) ?? method}`);
}

function levels(ike: RequirementLevel | undefined, esp: RequirementLevel | undefined): RequirementLevels {
  return { ike, esp };
}

function ikeOnly(ike: RequirementLevel | undefined): RequirementLevels {
  return { ike, esp: undefined };
}

function aesCbc(keyLength: number, level: RequirementLevels): EncrTransform {
  return {
    type: 1,
    id: 12,
    keyLength,
    name: 'AES_CBC',
    keyword: `aes${keyLength}`,
    aead: false,
    keyBytes: keyLength / 8,
    saltBytes: 0,
    ivBytes: 16,
    blockBytes: 16,
    icvBytes: 0,
    level,
  };
}

function aesGcm(id: number, icvBytes: number, keyLength: number, level: RequirementLevels): EncrTransform {
  return {
    type: 1,
    id,
    keyLength,
    name: `AES_GCM_${icvBytes}`,
    keyword: `aes${keyLength}gcm${icvBytes}`,
    aead: true,
    keyBytes: keyLength / 8,
    // RFC 4106 §8.1: four octets of salt follow the key in KEYMAT; the Key Length attribute does not count them.
    saltBytes: 4,
    ivBytes: 8,
    blockBytes: 1,
    icvBytes,
    level,
  };
}

function ke(
  id: number,
  name: string,
  keyword: string,
  sizes: { readonly publicBytes: number; readonly answerBytes?: number; readonly sharedBytes: number },
  level?: RequirementLevel,
): KeTransform {
  return { type: 4, id, name, keyword, answerBytes: sizes.publicBytes, ...sizes, level: ikeOnly(level) };
}

function modp(id: number, bits: number, level?: RequirementLevel): KeTransform {
  return ke(id, `MODP_${bits}`, `modp${bits}`, { publicBytes: bits / 8, sharedBytes: bits / 8 }, level);
}

function ecp(id: number, name: string, keyword: string, fieldBytes: number, level?: RequirementLevel): KeTransform {
  // RFC 5903 §7: x and y on the wire, x alone is the secret; RFC 6954 §2 uses the same for brainpool.
  return ke(id, name, keyword, { publicBytes: 2 * fieldBytes, sharedBytes: fieldBytes }, level);
}
