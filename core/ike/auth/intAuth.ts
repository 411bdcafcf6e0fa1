/**
 * What IKE_INTERMEDIATE adds to the octets that AUTH covers (RFC 9242 §3.3.2). Both sides of an IKE SA add up each exchange when it is
 * complete, with the SK_pi and SK_pr that were in force when it began, and before a key exchange in it makes others.
 */
import { concat } from '../../bytes/bytes.ts';
import { prf } from '../../crypto/prf.ts';
import type { PrfTransform } from '../../crypto/types.ts';
import type { IkeKeys } from '../keys/ikeKeys.ts';
import { PAYLOAD } from '../wire/constants.ts';
import { GENERIC_HEADER_LENGTH, HEADER_LENGTH } from '../wire/parse.ts';

export class IntAuth {
  #initiator: Uint8Array = new Uint8Array(0);
  #responder: Uint8Array = new Uint8Array(0);
  #exchanges = 0;

  /** `request` and `response` are in the form that `authenticatedForm` gives. */
  add(transform: PrfTransform, keys: Pick<IkeKeys, 'pi' | 'pr'>, request: Uint8Array, response: Uint8Array): void {
    this.#initiator = prf(transform, keys.pi, this.#initiator, request);
    this.#responder = prf(transform, keys.pr, this.#responder, response);
    this.#exchanges++;
  }

  /** IntAuth_iN | IntAuth_rN | IKE_AUTH_MID; undefined: there was no such exchange, and AUTH is as it always was. */
  get octets(): Uint8Array | undefined {
    if (this.#exchanges === 0) return undefined;
    const messageId = new Uint8Array(4);
    // RFC 9242 §3.2: IKE_SA_INIT is 0, IKE_INTERMEDIATE 1 and on, and the first IKE_AUTH the next.
    new DataView(messageId.buffer).setUint32(0, this.#exchanges + 1);
    return concat(this.#initiator, this.#responder, messageId);
  }
}

/**
 * IntAuth_*A | IntAuth_*P: the message as it would be if nothing of it were encrypted, and neither split (RFC 9242 §3.3.2). `sent` is the
 * whole message or its first fragment, of which nothing but headers is used; `plaintext` are the inner payloads, `first` the type of the first.
 */
export function authenticatedForm(sent: Uint8Array, first: number, plaintext: Uint8Array): Uint8Array {
  const length = HEADER_LENGTH + GENERIC_HEADER_LENGTH + plaintext.length;
  // The headers as the sender wrote them, reserved bits included.
  const form = concat(sent.subarray(0, HEADER_LENGTH + GENERIC_HEADER_LENGTH), plaintext);
  const view = new DataView(form.buffer, form.byteOffset);
  view.setUint8(NEXT_PAYLOAD_AT, PAYLOAD.SK);
  view.setUint32(HEADER_LENGTH - 4, length);
  view.setUint8(HEADER_LENGTH, first);
  view.setUint16(HEADER_LENGTH + 2, GENERIC_HEADER_LENGTH + plaintext.length);
  return form;
}

/** In the IKE header (RFC 7296 §3.1). */
const NEXT_PAYLOAD_AT = 16;
