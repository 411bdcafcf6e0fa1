/** Messages of TLS in EAP packets: flags, length, fragments both ways (RFC 5216 §2.1.5, §3.1; TTLS and PEAP add a version). */
import { concat } from '../../../bytes/bytes.ts';
import { Reader } from '../../../bytes/reader.ts';
import { Writer } from '../../../bytes/writer.ts';

const LENGTH = 0x80;
const MORE = 0x40;
const START = 0x20;
const VERSION = 0x07;

/** RFC 5216 §3.1 lets a message have 2³² octets; a flight with 64 KiB of certificates is absurd already. */
const MAX_MESSAGE = 65_536;

/** Octets of TLS in one packet. An IKE message with it stays below 1280 octets, so no network has to fragment it. */
const FRAGMENT = 1024;

export type Framed =
  | { readonly kind: 'start' }
  /** A whole message of the server; empty when it has nothing to say. A copy. */
  | { readonly kind: 'message'; readonly bytes: Uint8Array }
  /** What is to be sent now: an acknowledgement, or our next fragment. */
  | { readonly kind: 'send'; readonly data: Uint8Array }
  | { readonly kind: 'fault'; readonly evidence: string };

export class TlsFraming {
  /** TTLS and PEAP have a version in the flags, which must be 0 here. */
  readonly #versioned: boolean;
  #started = false;
  #received: Uint8Array[] = [];
  #receivedLength = 0;
  #announced: number | undefined;
  /** What of our message was not sent yet. */
  #unsent: Uint8Array = EMPTY;

  constructor(versioned: boolean) {
    this.#versioned = versioned;
  }

  /** All of the last message was sent. */
  get sent(): boolean {
    return this.#unsent.length === 0;
  }

  /** The data of one request. */
  receive(data: Uint8Array): Framed {
    const reader = new Reader(data);
    const flags = reader.u8();
    const announced = (flags & LENGTH) === 0 ? undefined : reader.u32();
    if (reader.short) return fault(`a TLS packet of ${data.length} octets`);
    if (!this.#started) return this.#start(flags);
    if ((flags & START) !== 0) return fault('a second TLS start');
    // The version was settled by our first response, which says 0.
    if (this.#versioned && (flags & VERSION) !== 0) return fault(`version ${flags & VERSION} after version 0 was agreed`);
    return this.#fragment(reader.rest(), announced, (flags & MORE) !== 0);
  }

  /** Data of the response that begins this message; what does not fit follows when the server asks for it. */
  send(message: Uint8Array): Uint8Array {
    const first = message.subarray(0, FRAGMENT);
    this.#unsent = message.slice(first.length);
    if (this.#unsent.length === 0) return new Writer(1 + first.length).u8(0).bytes(first).finish();
    // RFC 5216 §2.1.5: the first fragment tells the length of all.
    return new Writer(5 + first.length)
      .u8(LENGTH | MORE)
      .u32(message.length)
      .bytes(first)
      .finish();
  }

  #start(flags: number): Framed {
    // RFC 5216 §2.1.1: it begins with a packet that has the start bit. A version above ours is answered with ours (RFC 5281 §9.1).
    if ((flags & START) === 0) return fault('TLS without a start');
    this.#started = true;
    return { kind: 'start' };
  }

  #fragment(fragment: Uint8Array, announced: number | undefined, more: boolean): Framed {
    if (this.#unsent.length > 0) {
      // RFC 5216 §2.1.5: an empty request acknowledges our fragment.
      if (fragment.length > 0 || more) return fault('TLS from the server before our message was sent');
      return { kind: 'send', data: this.#next() };
    }
    const first = this.#receivedLength === 0;
    if (announced !== undefined) {
      if (announced > MAX_MESSAGE) return fault(`a TLS message of ${announced} octets`);
      if (!first && announced !== this.#announced) return fault('the length of a TLS message changes');
      this.#announced = announced;
    }
    if (more && fragment.length === 0) return fault('an empty fragment of TLS');
    if (more && first && announced === undefined) return fault('a fragmented TLS message without its length');
    this.#receivedLength += fragment.length;
    if (this.#receivedLength > (this.#announced ?? MAX_MESSAGE)) return fault('more octets than the length of the TLS message');
    this.#received.push(fragment.slice());
    if (more) return { kind: 'send', data: Uint8Array.of(0) };
    return this.#whole();
  }

  #whole(): Framed {
    if (this.#announced !== undefined && this.#receivedLength !== this.#announced) {
      return fault(`a TLS message of ${this.#receivedLength} octets that said ${this.#announced}`);
    }
    const bytes = concat(...this.#received);
    this.#received = [];
    this.#receivedLength = 0;
    this.#announced = undefined;
    return { kind: 'message', bytes };
  }

  #next(): Uint8Array {
    const part = this.#unsent.subarray(0, FRAGMENT);
    this.#unsent = this.#unsent.subarray(part.length);
    return new Writer(1 + part.length)
      .u8(this.#unsent.length > 0 ? MORE : 0)
      .bytes(part)
      .finish();
  }
}

const EMPTY = new Uint8Array(0);

function fault(evidence: string): Framed {
  return { kind: 'fault', evidence };
}
