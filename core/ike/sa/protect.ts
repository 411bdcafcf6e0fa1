/**
 * Encrypted payloads of one IKE SA: sealing and opening of SK messages (RFC 7296 §3.14, RFC 5282) and of the SKF messages that a
 * long one is split into (RFC 7383). Role-neutral: the initiator seals with SK_ei/SK_ai and opens with SK_er/SK_ar, the responder
 * the other way round (RFC 7296 §2.14).
 *
 *   const protection = createProtection('initiator', suite, keys, random);
 *   const datagrams = protection.seal(header, payloads);                    // one: header, SK{payloads}, ICV
 *   const datagrams = protection.seal(header, payloads, { limit: 1248 });   // several of at most 1248 octets where one would be longer
 *   const opened = protection.open(bytes, message);                         // parseMessage(bytes) with one SK payload
 *   const chunk = protection.openFragment(bytes, message);                  // with one SKF payload; all chunks in order: openPlaintext
 */

import { concat } from '../../bytes/bytes.ts';
import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import { recordCipher } from '../../crypto/record.ts';
import type { Random, RecordCipher } from '../../crypto/types.ts';
import type { IkeKeys } from '../keys/ikeKeys.ts';
import type { IkeSuite } from '../negotiation.ts';
import { type EncryptedKind, encodeEncryptedPrefix, encodePayloads } from '../wire/encode.ts';
import type { Header, Message, Payload, PayloadOf, WireError } from '../wire/message.ts';
import { GENERIC_HEADER_LENGTH, HEADER_LENGTH, parsePayloads } from '../wire/parse.ts';

/** What is in front of the IV of a whole message, and of a fragment with its two numbers. */
const WHOLE_PREFIX = HEADER_LENGTH + GENERIC_HEADER_LENGTH;
const FRAGMENT_PREFIX = WHOLE_PREFIX + 4;

export type Role = 'initiator' | 'responder';

/** Why a message was not opened. `syntax` came with a good ICV: the peer itself sent it. */
export type OpenError =
  /** No encrypted payload, or others beside it, or too short to be one. Nothing is proven about the sender. */
  { readonly code: 'unprotected' } | { readonly code: 'icv' } | { readonly code: 'syntax'; readonly error: WireError };

/** What was encrypted: the payloads, and the octets that they were parsed from with the type of the first (RFC 9242 §3.3.2 signs those). */
export interface Opened {
  readonly payloads: readonly Payload[];
  readonly first: number;
  readonly plaintext: Uint8Array;
}

/** How a message is put on the wire. */
export interface SealOptions {
  /** Where it would be longer than so many octets it goes in fragments that are not (RFC 7383 §2.5). */
  readonly limit?: number;
  /** Payloads that come in front of the encrypted one; of fragments the first has them (RFC 7383 §2.5.3). The ICV covers them. */
  readonly inTheClear?: readonly Payload[] | undefined;
}

export interface Protection {
  /**
   * The datagrams of a message. A retransmission repeats the bytes (RFC 7296 §2.1); only to make smaller fragments is a message
   * sealed again.
   */
  seal(header: Header, payloads: readonly Payload[], options?: SealOptions): readonly Uint8Array[];
  /** The inner payloads of `message`, which is what `bytes` were parsed into. */
  open(bytes: Uint8Array, message: Message): Result<Opened, OpenError>;
  /** The piece that is in a fragment; `message` is what `bytes` were parsed into. */
  openFragment(bytes: Uint8Array, message: Message): Result<Uint8Array, OpenError>;
}

export function createProtection(role: Role, suite: IkeSuite, keys: IkeKeys, random: Random): Protection {
  const initiator = recordCipher(suite.encr, suite.integ, keys.ei, keys.ai);
  const responder = recordCipher(suite.encr, suite.integ, keys.er, keys.ar);
  const out = role === 'initiator' ? initiator : responder;
  const inward = role === 'initiator' ? responder : initiator;
  const nextIv = suite.encr.aead ? counterIv(out.ivBytes) : () => random(out.ivBytes); // RFC 7296 §3.14: CBC wants unpredictable IVs
  return {
    seal: (header, payloads, options = {}) => seal(out, nextIv, header, payloads, options),
    open: (bytes, message) => open(inward, bytes, message),
    openFragment: (bytes, message) => openFragment(inward, bytes, message),
  };
}

/** RFC 5282 §3.1: the IV must be unique for the key, which belongs to this sender alone; a counter is. */
function counterIv(length: number): () => Uint8Array {
  let count = 0n;
  return () => {
    count++;
    const iv = new Uint8Array(length);
    new DataView(iv.buffer).setBigUint64(length - 8, count);
    return iv;
  };
}

function seal(
  cipher: RecordCipher,
  nextIv: () => Uint8Array,
  header: Header,
  payloads: readonly Payload[],
  { limit = Infinity, inTheClear = [] }: SealOptions,
): readonly Uint8Array[] {
  const { first, bytes } = encodePayloads(payloads);
  const clear = encodePayloads(inTheClear).bytes.length;
  if (WHOLE_PREFIX + clear + sealedLength(cipher, bytes.length) <= limit)
    return [encrypt(cipher, nextIv(), { header, kind: 'SK', inTheClear }, first, bytes)];
  // RFC 7383 §2.5: a binary blob, split regardless of the payloads inside; the first fragment has less room where others are beside it.
  const [start, room] = [fragmentRoom(cipher, limit - clear), fragmentRoom(cipher, limit)];
  const total = 1 + Math.ceil((bytes.length - start) / room);
  return Array.from({ length: total }, (_, index) => {
    const chunk = bytes.subarray(index === 0 ? 0 : start + (index - 1) * room, start + index * room);
    const front = { header, kind: { fragment: index + 1, total }, inTheClear: index === 0 ? inTheClear : [] };
    return encrypt(cipher, nextIv(), front, first, chunk);
  });
}

/** Octets of plaintext in a fragment of at most `limit` octets. */
function fragmentRoom(cipher: RecordCipher, limit: number): number {
  const blocks = Math.floor((limit - FRAGMENT_PREFIX - cipher.ivBytes - cipher.icvBytes) / cipher.blockBytes);
  const room = blocks * cipher.blockBytes - 1;
  if (room < 1) throw new RangeError(`fragments of ${limit} octets have no room`);
  return room;
}

/** IV, ciphertext and ICV of so many octets. */
function sealedLength(cipher: RecordCipher, octets: number): number {
  return cipher.ivBytes + octets + paddingOf(cipher, octets) + 1 + cipher.icvBytes;
}

/** RFC 7296 §3.14: padding and the Pad Length octet fill the last block; no more than needed, contents are ours to choose. */
function paddingOf(cipher: RecordCipher, octets: number): number {
  return cipher.blockBytes - 1 - (octets % cipher.blockBytes);
}

/** What is in front of the IV. */
interface Front {
  readonly header: Header;
  readonly kind: EncryptedKind;
  readonly inTheClear: readonly Payload[];
}

function encrypt(
  cipher: RecordCipher,
  iv: Uint8Array,
  { header, kind, inTheClear }: Front,
  first: number,
  inner: Uint8Array,
): Uint8Array {
  const padding = paddingOf(cipher, inner.length);
  const plaintext = new Uint8Array(inner.length + padding + 1);
  plaintext.set(inner);
  plaintext[plaintext.length - 1] = padding;
  // RFC 5282 §5.1: all from the first octet of the IKE header to the last in front of the IV. For a separate integrity transform the
  // ICV covers the same, then IV and ciphertext (RFC 7296 §3.14). A fragment's numbers are in it (RFC 7383 §2.5).
  const prefix = encodeEncryptedPrefix(header, kind, first, sealedLength(cipher, inner.length), inTheClear);
  return concat(prefix, iv, cipher.seal(iv, prefix, plaintext));
}

function open(cipher: RecordCipher, bytes: Uint8Array, message: Message): Result<Opened, OpenError> {
  // SK is always the last payload, so when it is the first it is alone. Anything in front of it would be in the clear.
  const [sk] = message.payloads;
  if (sk?.kind !== 'SK') return err({ code: 'unprotected' });
  const plaintext = decrypt(cipher, bytes, message, sk);
  return plaintext.ok ? openPlaintext(sk.firstInner, plaintext.value) : plaintext;
}

function openFragment(cipher: RecordCipher, bytes: Uint8Array, message: Message): Result<Uint8Array, OpenError> {
  // RFC 7383 §2.5.3 lets payloads in the clear come in front of the first; who takes any has taken them away by now.
  const [skf] = message.payloads;
  return skf?.kind === 'SKF' ? decrypt(cipher, bytes, message, skf) : err({ code: 'unprotected' });
}

/** The payloads in what was encrypted, in one piece or merged from fragments. */
export function openPlaintext(first: number, plaintext: Uint8Array): Result<Opened, OpenError> {
  const inner = parsePayloads(first, plaintext);
  return inner.ok ? ok({ payloads: inner.value, first, plaintext }) : err({ code: 'syntax', error: inner.error });
}

/** What is in the payload, less its padding. */
function decrypt(
  cipher: RecordCipher,
  bytes: Uint8Array,
  message: Message,
  { kind, body, bodyOffset }: PayloadOf<'SK'> | PayloadOf<'SKF'>,
): Result<Uint8Array, OpenError> {
  const cipherLength = body.length - cipher.ivBytes - cipher.icvBytes;
  if (cipherLength < 1 || cipherLength % cipher.blockBytes !== 0) return err({ code: 'icv' });
  const aad = bytes.subarray(0, bodyOffset);
  const plaintext = cipher.open(body.subarray(0, cipher.ivBytes), aad, body.subarray(cipher.ivBytes));
  if (!plaintext) return err({ code: 'icv' });
  // RFC 7296 §3.14: any amount of padding is taken, whatever is in it.
  const padding = plaintext[plaintext.length - 1];
  const length = plaintext.length - 1 - padding;
  if (length < 0) return err({ code: 'syntax', error: { code: 'syntax', place: `${kind}: Pad Length`, header: message.header } });
  return ok(plaintext.subarray(0, length));
}
