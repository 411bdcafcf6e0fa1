/**
 * Messages of the peer in one direction (its requests, or its answers), whole or in fragments. Between "its id is the one whose turn
 * it is" and "its payloads fit the rules": a fragment is judged, authenticated, stored; the last one gives the message.
 */
import { err, type Result } from '../../bytes/result.ts';
import type { Narrator } from '../sa/narrator.ts';
import { fragmentName, payloadsText } from '../sa/narrator.ts';
import { type OpenError, type Opened, openPlaintext, type Protection } from '../sa/protect.ts';
import type { Message, PayloadOf, WireError } from '../wire/message.ts';
import { Reassembly } from './reassembly.ts';

/** A whole message that the peer itself sent, and not before: its ICVs were good and its id was due. */
export interface Arrived {
  readonly opened: Result<Opened, WireError>;
  /** What repetitions are known by: the message, or its first fragment (RFC 7383 §2.6.1). */
  readonly request: Uint8Array;
  readonly octets: number;
  /** Undefined when it came whole. */
  readonly fragments: { readonly count: number; readonly longest: number } | undefined;
}

export class InboundMessages {
  readonly #agreed: boolean;
  readonly #narrator: Narrator;
  readonly #queue: Reassembly;

  /** `agreed`: both sides sent IKEV2_FRAGMENTATION_SUPPORTED. An incomplete set is kept for `keepFor` milliseconds. */
  constructor(agreed: boolean, narrator: Narrator, keepFor: number) {
    this.#agreed = agreed;
    this.#narrator = narrator;
    this.#queue = new Reassembly(keepFor);
  }

  get deadline(): number {
    return this.#queue.deadline;
  }

  tick(now: number): void {
    if (now < this.#queue.deadline) return;
    this.#narrator.log('debug', 'fragments given up: the others did not come');
    this.#queue.clear();
  }

  /** No message is expected any more. */
  clear(): void {
    this.#queue.clear();
  }

  /** Undefined: it is dropped, or fragments are missing. */
  take(protection: Protection, message: Message, bytes: Uint8Array, now: number): Arrived | undefined {
    const [payload] = message.payloads;
    if (payload?.kind === 'SKF') return this.#fragment(protection, message, payload, bytes, now);
    const opened = protection.open(bytes, message);
    if (!opened.ok && opened.error.code !== 'syntax') {
      this.#unproven(message, opened.error);
      return undefined;
    }
    // Sent whole after all: fragments of it are not waited for.
    this.#queue.clear();
    return {
      opened: opened.ok ? opened : err(syntaxOf(opened.error)),
      request: bytes,
      octets: bytes.length,
      fragments: undefined,
    };
  }

  #fragment(
    protection: Protection,
    message: Message,
    skf: PayloadOf<'SKF'>,
    bytes: Uint8Array,
    now: number,
  ): Arrived | undefined {
    const { header } = message;
    // RFC 7383 §2.4: not unless both have said that they can.
    if (!this.#agreed) {
      this.#narrator.drop('a fragment, and fragmentation is not agreed', { messageId: header.messageId });
      return undefined;
    }
    const judged = this.#queue.judge(header.messageId, skf);
    if (judged !== 'new') {
      this.#narrator.drop(judged, { messageId: header.messageId, fragment: skf.fragment, total: skf.total });
      return undefined;
    }
    const chunk = protection.openFragment(bytes, message);
    if (!chunk.ok && chunk.error.code !== 'syntax') {
      this.#unproven(message, chunk.error);
      return undefined;
    }
    this.#narrator.log('debug', `received ${fragmentName(header, skf.fragment, skf.total)}`, {
      messageId: header.messageId,
      bytes: bytes.length,
    });
    if (!chunk.ok) return this.#broken(syntaxOf(chunk.error), bytes);
    const state = this.#queue.add(skf, chunk.value, bytes, now);
    switch (state.kind) {
      case 'waiting':
        return undefined;
      case 'too-large':
        return this.#broken({ code: 'too-many', place: state.what, header }, bytes);
      case 'complete': {
        const { first, plaintext, firstFragment, fragments, octets, longest } = state.message;
        const opened = openPlaintext(first, plaintext);
        return {
          opened: opened.ok ? opened : err(syntaxOf(opened.error)),
          request: firstFragment,
          octets,
          fragments: { count: fragments, longest },
        };
      }
    }
  }

  /** The peer itself sent what nobody may send, so the whole message is wrong. */
  #broken(error: WireError, bytes: Uint8Array): Arrived {
    this.#queue.clear();
    return { opened: err(error), request: bytes, octets: bytes.length, fragments: undefined };
  }

  /**
   * Nothing proves who sent it. An unprotected INVALID_IKE_SPI is a hint to see whether the peer lives (RFC 7296 §2.21.4), but it
   * copies the id of a request of ours, and while that is in flight it is itself the check.
   */
  #unproven(message: Message, error: OpenError): void {
    const why = error.code === 'icv' ? 'wrong ICV' : 'not protected';
    this.#narrator.drop(why, { messageId: message.header.messageId, payloads: payloadsText(message.payloads) });
  }
}

function syntaxOf(error: OpenError): WireError {
  return error.code === 'syntax' ? error.error : { code: 'syntax', place: error.code };
}
