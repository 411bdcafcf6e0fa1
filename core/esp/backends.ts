/** Chooses what seals and opens packets: the first backend that is there and gives the known answers. */
import { equalBytes, fromHex } from '../bytes/bytes.ts';
import type { EspBackend, EspKeys, EspSuite } from '../crypto/espCipher.ts';
import { nodeEspBackend } from '../crypto/node/esp.ts';
import { byKeyword } from '../crypto/transforms.ts';

/** Fastest first. */
const backends: readonly EspBackend[] = [nodeEspBackend];

/**
 * Also runs every code path of the backend once, so that nothing is compiled, loaded or initialised later: the process may no longer
 * be able to. Throws when no backend gives the known answers, for then nothing may be sent.
 */
export function chooseBackend(candidates: readonly EspBackend[] = backends): EspBackend {
  for (const backend of candidates) if (knownAnswers.every((known) => givesKnownAnswer(backend, known))) return backend;
  throw new Error('no ESP backend gives the known answers');
}

interface KnownAnswer {
  readonly suite: EspSuite;
  readonly keys: EspKeys;
  readonly seqHigh: number;
  /** Header, IV and payload with trailer. */
  readonly plain: Uint8Array;
  /** The packet on the wire. */
  readonly sealed: Uint8Array;
}

function givesKnownAnswer(backend: EspBackend, { suite, keys, seqHigh, plain, sealed }: KnownAnswer): boolean {
  const cipher = backend.cipher(suite, keys);
  if (cipher === undefined) return false;
  const length = plain.length - 8 - cipher.ivBytes;
  const buffer = new Uint8Array(sealed.length);
  buffer.set(plain);
  cipher.seal(buffer, 0, length, seqHigh);
  if (!equalBytes(buffer, sealed)) return false;
  if (!cipher.open(buffer, 0, length, seqHigh) || !equalBytes(buffer.subarray(0, plain.length), plain)) return false;
  // A forgery must not pass, at either end of the ICV.
  buffer.set(sealed);
  buffer[sealed.length - 1] ^= 1;
  if (cipher.open(buffer, 0, length, seqHigh)) return false;
  buffer.set(sealed);
  buffer[sealed.length - cipher.icvBytes] ^= 0x80;
  if (cipher.open(buffer, 0, length, seqHigh)) return false;
  cipher.destroy();
  return true;
}

/** One per family of suites. */
const knownAnswers: readonly KnownAnswer[] = [
  // AES-GCM with ESN: draft-mcgrew-gcm-test-01 §4, case 1.
  known({
    suite: { encr: encr('aes128gcm16'), integ: undefined, esn: true },
    encryption: '4c80cdefbb5d10da906ac73c3613a634 2e443b68',
    integrity: '',
    seqHigh: 0x87654321,
    head: '00004321 00000000 4956ed7e3b244cfe',
    plain:
      '45000048699a000080114db7c0a80102c0a801010a9bf15638d301000001000000000000045f736970045f756470037369700963796265726369747902646b000021000101020201',
    cipher:
      'fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34cfa2436f14a3f3cf65925bf1f4a13c5d15b21e1884f5ff6247aeabb786b93bce61bc17d768fd9732',
    icv: '459018148f6cbe722fd04796562dfdb4',
  }),
  // ChaCha20-Poly1305 without ESN: RFC 7634 appendix A.
  known({
    suite: { encr: encr('chacha20poly1305'), integ: undefined, esn: false },
    encryption: '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f a0a1a2a3',
    integrity: '',
    seqHigh: 0,
    head: '01020304 00000005 1011121314151617',
    plain:
      '45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec100007362708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363701020204',
    cipher:
      '24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da9165b82829f641e0',
    icv: '76aaa8266b7fb0f7b11b369907e1ad43',
  }),
  // AES-CBC: RFC 3602 §4, case 7. The RFC sends no ICV; this one, under the key 00 01 … 1f, was computed with @noble/hashes.
  known({
    suite: { encr: encr('aes128'), integ: integ('sha256'), esn: true },
    encryption: '0123456789abcdef0123456789abcdef',
    integrity: '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f',
    seqHigh: 1,
    head: '00008765 00000002 f4e765244f6407adf13dc1380f673f37',
    plain:
      '45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d02a2040008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536370102030405060708090a0a04',
    cipher:
      '773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a93013c1b0ea1a0cf70f8e4ecaec78ac53aad7a0f022b859243c647752e94a859352b8a4d4d2decd136e5c177f132ad3fbfb2201ac9904c74ee0a109e0ca1e4dfe9d5a100b842f1c22f0d',
    icv: '5375026dcb0fb2fb4cef93489cb1a544',
  }),
];

function known(text: {
  readonly suite: EspSuite;
  readonly encryption: string;
  readonly integrity: string;
  readonly seqHigh: number;
  readonly head: string;
  readonly plain: string;
  readonly cipher: string;
  readonly icv: string;
}): KnownAnswer {
  return {
    suite: text.suite,
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
