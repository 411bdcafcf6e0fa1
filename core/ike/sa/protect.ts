/**
 * Encrypted payloads of one IKE SA: sealing and opening of whole SK messages (RFC 7296 §3.14, RFC 5282). Role-neutral: the
 * initiator seals with SK_ei/SK_ai and opens with SK_er/SK_ar, the responder the other way round (RFC 7296 §2.14).
 *
 *   const protection = createProtection('initiator', suite, keys, random);
 *   const bytes = protection.seal(header, payloads);          // header, SK{payloads}, ICV
 *   const opened = protection.open(bytes, message);           // parseMessage(bytes) with one SK payload
 */

import { concat } from '../../bytes/bytes.ts';
import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import { recordCipher } from '../../crypto/record.ts';
import type { Random, RecordCipher } from '../../crypto/types.ts';
import type { IkeKeys } from '../keys/ikeKeys.ts';
import type { IkeSuite } from '../negotiation.ts';
import { encodeEncryptedPrefix, encodePayloads } from '../wire/encode.ts';
import type { Header, Message, Payload, WireError } from '../wire/message.ts';
import { parsePayloads } from '../wire/parse.ts';

export type Role = 'initiator' | 'responder';

/** Why a message was not opened. `syntax` came with a good ICV: the peer itself sent it. */
export type OpenError =
  /** No encrypted payload, or others beside it, or too short to be one. Nothing is proven about the sender. */
  { readonly code: 'unprotected' } | { readonly code: 'icv' } | { readonly code: 'syntax'; readonly error: WireError };

export interface Protection {
  /** A whole message. Never call it twice for one message: a retransmission repeats the bytes (RFC 7296 §2.1). */
  seal(header: Header, payloads: readonly Payload[]): Uint8Array;
  /** The inner payloads of `message`, which is what `bytes` were parsed into. */
  open(bytes: Uint8Array, message: Message): Result<readonly Payload[], OpenError>;
}

export function createProtection(role: Role, suite: IkeSuite, keys: IkeKeys, random: Random): Protection {
  const initiator = recordCipher(suite.encr, suite.integ, keys.ei, keys.ai);
  const responder = recordCipher(suite.encr, suite.integ, keys.er, keys.ar);
  const out = role === 'initiator' ? initiator : responder;
  const inward = role === 'initiator' ? responder : initiator;
  const nextIv = suite.encr.aead ? counterIv(out.ivBytes) : () => random(out.ivBytes); // RFC 7296 §3.14: CBC wants unpredictable IVs
  return {
    seal: (header, payloads) => seal(out, nextIv(), header, payloads),
    open: (bytes, message) => open(inward, bytes, message),
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

function seal(cipher: RecordCipher, iv: Uint8Array, header: Header, payloads: readonly Payload[]): Uint8Array {
  const inner = encodePayloads(payloads);
  // RFC 7296 §3.14: padding and the Pad Length octet fill the last block; no more than needed, contents are ours to choose.
  const padding = cipher.blockBytes - 1 - (inner.bytes.length % cipher.blockBytes);
  const plaintext = new Uint8Array(inner.bytes.length + padding + 1);
  plaintext.set(inner.bytes);
  plaintext[plaintext.length - 1] = padding;
  const bodyLength = cipher.ivBytes + plaintext.length + cipher.icvBytes;
  // RFC 5282 §5.1: all from the first octet of the IKE header to the last of the generic header of SK. For a separate
  // integrity transform the ICV covers the same, then IV and ciphertext (RFC 7296 §3.14).
  const prefix = encodeEncryptedPrefix(header, 'SK', inner.first, bodyLength);
  return concat(prefix, iv, cipher.seal(iv, prefix, plaintext));
}

function open(cipher: RecordCipher, bytes: Uint8Array, message: Message): Result<readonly Payload[], OpenError> {
  // SK is always the last payload, so when it is the first it is alone. Anything in front of it would be in the clear.
  const [sk] = message.payloads;
  if (sk?.kind !== 'SK') return err({ code: 'unprotected' });
  const cipherLength = sk.body.length - cipher.ivBytes - cipher.icvBytes;
  if (cipherLength < 1 || cipherLength % cipher.blockBytes !== 0) return err({ code: 'icv' });
  const aad = bytes.subarray(0, sk.bodyOffset);
  const plaintext = cipher.open(sk.body.subarray(0, cipher.ivBytes), aad, sk.body.subarray(cipher.ivBytes));
  if (!plaintext) return err({ code: 'icv' });
  // RFC 7296 §3.14: any amount of padding is taken, whatever is in it.
  const padding = plaintext[plaintext.length - 1] as number;
  const length = plaintext.length - 1 - padding;
  if (length < 0) return err({ code: 'syntax', error: { code: 'syntax', place: 'SK: Pad Length', header: message.header } });
  const inner = parsePayloads(sk.firstInner, plaintext.subarray(0, length));
  return inner.ok ? ok(inner.value) : err({ code: 'syntax', error: inner.error });
}
