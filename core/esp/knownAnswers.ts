/** What a backend must compute to be used, for every pair of transforms that ESP may use. */
import { equalBytes, fromHex } from '../bytes/bytes.ts';
import {
  cipherBatch,
  type EspBackend,
  type EspCipher,
  type EspKeys,
  type EspSuite,
  openAll,
  sealAll,
} from '../crypto/espCipher.ts';
import { byKeyword } from '../crypto/transforms.ts';

export interface KnownAnswer {
  readonly suite: EspSuite;
  readonly keys: EspKeys;
  readonly seqHigh: number;
  /** Header, IV and payload with trailer. */
  readonly plain: Uint8Array;
  /** The packet on the wire. */
  readonly sealed: Uint8Array;
}

/**
 * Whether the backend gives the answer; undefined when it does not have the suite. Runs each of its code paths once, so that nothing is
 * compiled, loaded or initialised later: the process may no longer be able to.
 */
export function givesKnownAnswer(backend: EspBackend, { suite, keys, seqHigh, plain, sealed }: KnownAnswer): boolean | undefined {
  const cipher = backend.cipher(suite, keys);
  if (cipher === undefined) return undefined;
  const length = plain.length - 8 - cipher.ivBytes;
  const buffer = new Uint8Array(sealed.length);
  buffer.set(plain);
  cipher.seal(buffer, 0, length, seqHigh);
  if (!equalBytes(buffer, sealed)) return false;
  if (!cipher.open(buffer, 0, length, seqHigh) || !equalBytes(buffer.subarray(0, plain.length), plain)) return false;
  // A forgery must not pass, at either end of the ICV, and must leave the buffer alone.
  for (const at of [sealed.length - 1, sealed.length - cipher.icvBytes]) {
    const forged = sealed.slice();
    forged[at] ^= 0x80;
    buffer.set(forged);
    if (cipher.open(buffer, 0, length, seqHigh) || !equalBytes(buffer, forged)) return false;
  }
  const right = givesInBatch(cipher, plain, sealed, seqHigh);
  cipher.destroy();
  return right;
}

/** The same packet three times in one batch; then the one in the middle forged, at either end of the ICV. */
function givesInBatch(cipher: EspCipher, plain: Uint8Array, sealed: Uint8Array, seqHigh: number): boolean {
  const length = plain.length - 8 - cipher.ivBytes;
  const buffer = new Uint8Array(3 * sealed.length);
  const batch = cipherBatch(3);
  const places = [0, sealed.length, 2 * sealed.length];
  batch.at.set(places);
  batch.length.fill(length);
  batch.seqHigh.fill(seqHigh);
  batch.count = 3;
  for (const at of places) buffer.set(plain, at);
  sealAll(cipher, buffer, batch);
  const at = (place: number, octets: number): Uint8Array => buffer.subarray(place, place + octets);
  if (!places.every((place) => equalBytes(at(place, sealed.length), sealed))) return false;
  openAll(cipher, buffer, batch);
  if (!places.every((place, i) => batch.intact[i] === 1 && equalBytes(at(place, plain.length), plain))) return false;
  for (const wrong of [sealed.length - 1, sealed.length - cipher.icvBytes]) {
    for (const place of places) buffer.set(sealed, place);
    buffer[sealed.length + wrong] ^= 0x80;
    const forged = at(sealed.length, sealed.length).slice();
    openAll(cipher, buffer, batch);
    if (batch.intact[0] !== 1 || batch.intact[1] !== 0 || batch.intact[2] !== 1) return false;
    if (!equalBytes(at(sealed.length, sealed.length), forged)) return false;
    if (!equalBytes(at(0, plain.length), plain) || !equalBytes(at(2 * sealed.length, plain.length), plain)) return false;
  }
  return true;
}

/** AES-GCM: draft-mcgrew-gcm-test-01 §4, cases 1, 7 and 3. The short ICVs are the first octets of the full one (RFC 4106 §6). */
const gcm: readonly Text[] = [
  {
    suite: ['aes128gcm16', undefined, true],
    encryption: '4c80cdefbb5d10da906ac73c3613a634 2e443b68',
    integrity: '',
    seqHigh: 0x87654321,
    head: '00004321 00000000 4956ed7e3b244cfe',
    plain:
      '45000048699a000080114db7c0a80102c0a801010a9bf15638d301000001000000000000045f736970045f756470037369700963796265726369747902646b000021000101020201',
    cipher:
      'fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34cfa2436f14a3f3cf65925bf1f4a13c5d15b21e1884f5ff6247aeabb786b93bce61bc17d768fd9732',
    icv: '459018148f6cbe722fd04796562dfdb4',
  },
  {
    suite: ['aes192gcm16', undefined, false],
    encryption: 'feffe9928665731c6d6a8f9467308308feffe9928665731c cafebabe',
    integrity: '',
    seqHigh: 0,
    head: '0000a5f8 0000000a facedbaddecaf888',
    plain: '45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e501016d075680001',
    cipher: 'a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0315b27452144cc77',
    icv: '95457b9652037f5318027b5b4cd7a636',
  },
  {
    suite: ['aes256gcm16', undefined, false],
    encryption: 'abbccddef00112233445566778899aababbccddef00112233445566778899aab 11223344',
    integrity: '',
    seqHigh: 0,
    head: '4a2cbfe3 00000002 0102030405060708',
    plain: '4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b40101040201020201',
    cipher: 'ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763748a637985771d347f0545659f14e99def842d8e',
    icv: 'b335f4eecfdbf831824b4c4915956c96',
  },
];

/** ChaCha20-Poly1305: RFC 7634 appendix A. */
const chacha: Text = {
  suite: ['chacha20poly1305', undefined, false],
  encryption: '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f a0a1a2a3',
  integrity: '',
  seqHigh: 0,
  head: '01020304 00000005 1011121314151617',
  plain:
    '45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec100007362708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363701020204',
  cipher:
    '24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da9165b82829f641e0',
  icv: '76aaa8266b7fb0f7b11b369907e1ad43',
};

/**
 * AES-CBC: RFC 3602 §4, case 7, and SP 800-38A F.2.3 and F.2.5 below a header. Nobody publishes ICVs for them: these, under the key 00 01
 * 02 …, were computed with Python's hmac.
 */
const cbc: readonly Cbc[] = [
  {
    keyword: 'aes128',
    key: '0123456789abcdef0123456789abcdef',
    head: '00008765 00000002 f4e765244f6407adf13dc1380f673f37',
    plain:
      '45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d02a2040008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536370102030405060708090a0a04',
    cipher:
      '773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a93013c1b0ea1a0cf70f8e4ecaec78ac53aad7a0f022b859243c647752e94a859352b8a4d4d2decd136e5c177f132ad3fbfb2201ac9904c74ee0a109e0ca1e4dfe9d5a100b842f1c22f0d',
    icvs: {
      sha1: '2cf1e8c1a94723b88060224a',
      sha256: '5375026dcb0fb2fb4cef93489cb1a544',
      sha384: 'dba8902ad596ab51d3e552e42c4b4c29df1c586f08291b4c',
      sha512: '8d3d9919beb80508a445b5df8b9c5109cf442a2e6abd4ef78743cdbee36a3843',
    },
  },
  {
    keyword: 'aes192',
    key: '8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b',
    head: '00008765 00000002 000102030405060708090a0b0c0d0e0f',
    plain:
      '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710',
    cipher:
      '4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd',
    icvs: {
      sha1: '50e110e5e16bd34abb36604c',
      sha256: '9395ea9825fc719cbf41e798b87ff879',
      sha384: '43517cfd47073e6c68a3a1683a85d23d575b15b3ff0d34c2',
      sha512: '89bfbc9cba1d069c94ef0d320e760fc878d207e941bf8f1bca9fb0c3235427f3',
    },
  },
  {
    keyword: 'aes256',
    key: '603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4',
    head: '00008765 00000002 000102030405060708090a0b0c0d0e0f',
    plain:
      '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710',
    cipher:
      'f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b',
    icvs: {
      sha1: '390cdaa7588ef3ab37870c27',
      sha256: 'bc1975d16850e5930bbd2a6d9e1fcfde',
      sha384: '7028972767f44b1ba29215e5dc7fa0b6d22844e9d261f9f7',
      sha512: '89424ed64befac693a78763063e39dd5d09779805daed766c38c0b738e728631',
    },
  },
];

/** Octets in an integrity key, and whether the answer is of an SA with ESN: some are, some are not. */
const hmacs = { sha1: [20, false], sha256: [32, true], sha384: [48, false], sha512: [64, true] } as const;

const hashes = ['sha1', 'sha256', 'sha384', 'sha512'] as const;

export const knownAnswers: readonly KnownAnswer[] = [
  ...gcm.flatMap((text) => [8, 12, 16].map((icvBytes) => known(truncated(text, icvBytes)))),
  known(chacha),
  ...cbc.flatMap((row) => hashes.map((hash) => known(cbcText(row, hash)))),
];

interface Text {
  readonly suite: readonly [encr: string, integ: string | undefined, esn: boolean];
  readonly encryption: string;
  readonly integrity: string;
  readonly seqHigh: number;
  readonly head: string;
  readonly plain: string;
  readonly cipher: string;
  readonly icv: string;
}

interface Cbc {
  readonly keyword: string;
  readonly key: string;
  readonly head: string;
  readonly plain: string;
  readonly cipher: string;
  readonly icvs: Readonly<Record<(typeof hashes)[number], string>>;
}

function truncated(text: Text, icvBytes: number): Text {
  const [encr, integ, esn] = text.suite;
  return { ...text, suite: [encr.replace(/16$/, String(icvBytes)), integ, esn], icv: text.icv.slice(0, 2 * icvBytes) };
}

function cbcText({ keyword, key, icvs, ...rest }: Cbc, hash: (typeof hashes)[number]): Text {
  const [keyBytes, esn] = hmacs[hash];
  const integrity = Array.from({ length: keyBytes }, (_, i) => i.toString(16).padStart(2, '0')).join('');
  return { ...rest, suite: [keyword, hash, esn], encryption: key, integrity, seqHigh: esn ? 1 : 0, icv: icvs[hash] };
}

function known({ suite: [encryption, integrity, esn], ...text }: Text): KnownAnswer {
  return {
    suite: { encr: encr(encryption), integ: integrity === undefined ? undefined : integ(integrity), esn },
    keys: { encryption: hex(text.encryption), integrity: hex(text.integrity) },
    seqHigh: text.seqHigh,
    plain: hex(text.head + text.plain),
    sealed: hex(text.head + text.cipher + text.icv),
  };
}

function hex(text: string): Uint8Array {
  const bytes = fromHex(text);
  if (bytes === undefined) throw new Error(`not hexadecimal: ${text}`);
  return bytes;
}

function encr(keyword: string): EspSuite['encr'] {
  const row = byKeyword(keyword);
  if (row?.type !== 1) throw new Error(`no encryption transform ${keyword}`);
  return row;
}

function integ(keyword: string): EspSuite['integ'] {
  const row = byKeyword(keyword);
  if (row?.type !== 3) throw new Error(`no integrity transform ${keyword}`);
  return row;
}
