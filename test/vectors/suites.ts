import { runAead } from './aead.ts';
import { runEcPoint, runEcSpki, runXdh } from './keyExchange.ts';
import { runMac } from './mac.ts';
import { runMlkem } from './mlkem.ts';
import { runPbes2 } from './pbes2.ts';
import { runSignatures, type SignatureKind } from './signatures.ts';
import { type CaseResult, listVectorFiles, skipAll } from './wycheproof.ts';

export interface Suite {
  readonly name: string;
  /** The Wycheproof file, without `.json`. */
  readonly file: string;
  /** Nothing of ours does this yet: every case is skipped, for this reason. */
  readonly missing?: true;
  run(folder: string): Iterable<CaseResult>;
}

/** IANA numbers, see core/crypto/transforms.ts. */
export const suites: readonly Suite[] = [
  { name: 'aes_gcm_test', file: 'aes_gcm_test', run: (folder) => runAead(folder, 'aes_gcm_test', 20) },
  cutTag('aes_gcm_test', 'ICV 12', 19),
  cutTag('aes_gcm_test', 'ICV 8', 18),
  {
    name: 'chacha20_poly1305_test',
    file: 'chacha20_poly1305_test',
    run: (folder) => runAead(folder, 'chacha20_poly1305_test', 28),
  },
  mac('hmac_sha1_test', 2, 2),
  mac('hmac_sha256_test', 5, 12),
  mac('hmac_sha384_test', 6, 13),
  mac('hmac_sha512_test', 7, 14),
  xdh('x25519_test', 31),
  xdh('x448_test', 32),
  ecPoint('ecdh_secp256r1_ecpoint_test', 19),
  ecPoint('ecdh_secp384r1_ecpoint_test', 20),
  ecPoint('ecdh_secp521r1_ecpoint_test', 21),
  ecSpki('ecdh_brainpoolP256r1_test', 28),
  ecSpki('ecdh_brainpoolP384r1_test', 29),
  ecSpki('ecdh_brainpoolP512r1_test', 30),
  ...['secp256r1_sha256', 'secp256r1_sha512', 'secp384r1_sha384', 'secp384r1_sha512', 'secp521r1_sha512'].map((name) =>
    signatures(`ecdsa_${name}_test`, 'ecdsa'),
  ),
  ...['secp256r1_sha256', 'secp384r1_sha384', 'secp521r1_sha512'].map((name) =>
    signatures(`ecdsa_${name}_p1363_test`, 'ecdsa-p1363'),
  ),
  signatures('ed25519_test', 'eddsa'),
  signatures('ed448_test', 'eddsa'),
  ...['2048', '3072', '4096', '8192'].flatMap((bits) =>
    ['sha256', 'sha384', 'sha512'].map((hash) => signatures(`rsa_signature_${bits}_${hash}_test`, 'rsa-pkcs1')),
  ),
  ...[
    '2048_sha256_mgf1_32_params',
    '2048_sha256_mgf1_32',
    '2048_sha384_mgf1_48',
    '3072_sha256_mgf1_32_params',
    '3072_sha256_mgf1_32',
    '4096_sha256_mgf1_32',
    '4096_sha384_mgf1_48',
    '4096_sha512_mgf1_64_params',
    '4096_sha512_mgf1_64',
    'misc_params',
    'misc',
  ].map((name) => signatures(`rsa_pss_${name}_test`, 'rsa-pss')),
  pbes2('hmacsha1_aes_128', '1.2.840.113549.2.7', '2.16.840.1.101.3.4.1.2'),
  pbes2('hmacsha1_aes_256', '1.2.840.113549.2.7', '2.16.840.1.101.3.4.1.42'),
  pbes2('hmacsha256_aes_128', '1.2.840.113549.2.9', '2.16.840.1.101.3.4.1.2'),
  pbes2('hmacsha256_aes_256', '1.2.840.113549.2.9', '2.16.840.1.101.3.4.1.42'),
  pbes2('hmacsha512_aes_128', '1.2.840.113549.2.11', '2.16.840.1.101.3.4.1.2'),
  pbes2('hmacsha512_aes_256', '1.2.840.113549.2.11', '2.16.840.1.101.3.4.1.42'),
  missing('aes_ccm_test', 'ENCR_AES_CCM (RFC 5282) is not in the table of transforms'),
  missing('aes_cmac_test', 'AUTH_AES_CMAC_96 and PRF_AES128_CMAC (RFC 4494, RFC 4615) are not in the table of transforms'),
  missing('aes_gmac_test', 'ENCR_NULL_AUTH_AES_GMAC (RFC 4543) is not in the table of transforms'),
  ...(
    [
      ['512', 35],
      ['768', 36],
      ['1024', 37],
    ] as const
  ).flatMap(([size, id]) => [
    mlkem(`mlkem_${size}_test`, id, 'decaps'),
    mlkem(`mlkem_${size}_encaps_test`, id, 'encaps'),
    mlkem(`mlkem_${size}_keygen_seed_test`, id, 'keygen'),
    missing(`mlkem_${size}_semi_expanded_decaps_test`, 'private keys are seeds here and nobody gives us one'),
  ]),
];

/** Files of the folder that no suite knows: new ones. */
export function unusedFiles(folder: string): string[] {
  const used = new Set(suites.map((suite) => suite.file));
  return listVectorFiles(folder).filter((name) => !used.has(name));
}

function cutTag(file: string, label: string, encrId: number): Suite {
  const name = `${file} (${label})`;
  return { name, file, run: (folder) => runAead(folder, file, encrId, name) };
}

function mac(file: string, prfId: number, integId: number): Suite {
  return { name: file, file, run: (folder) => runMac(folder, file, prfId, integId) };
}

function xdh(file: string, keId: number): Suite {
  return { name: file, file, run: (folder) => runXdh(folder, file, keId) };
}

function ecPoint(file: string, keId: number): Suite {
  return { name: file, file, run: (folder) => runEcPoint(folder, file, keId) };
}

function ecSpki(file: string, keId: number): Suite {
  return { name: file, file, run: (folder) => runEcSpki(folder, file, keId) };
}

function mlkem(file: string, keId: number, kind: 'decaps' | 'encaps' | 'keygen'): Suite {
  return { name: file, file, run: (folder) => runMlkem(folder, file, keId, kind) };
}

function signatures(file: string, kind: SignatureKind): Suite {
  return { name: file, file, run: (folder) => runSignatures(folder, file, kind) };
}

function pbes2(name: string, prf: string, cipher: string): Suite {
  const file = `pbes2_${name}_test`;
  return { name: file, file, run: (folder) => runPbes2(folder, file, prf, cipher) };
}

function missing(file: string, reason: string): Suite {
  return { name: file, file, missing: true, run: (folder) => skipAll(folder, file, reason) };
}
