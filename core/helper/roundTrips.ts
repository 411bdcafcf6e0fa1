/**
 * How long the gateway takes to answer, read off the headers of the messages that pass. By Karn's rule only an exchange that needed
 * no repetition counts: nobody knows which sending an answer is for. For display alone; nothing depends on it.
 */
export interface RoundTrips {
  sent(message: Uint8Array, now: number): void;
  /** Milliseconds, when this answers the request that was sent last. */
  received(message: Uint8Array, now: number): number | undefined;
}

/** RFC 7296 §3.1: SPIs of 8 octets each, next payload, version, exchange type, flags, message ID. */
const HEADER = 28;
const EXCHANGE = 18;
const FLAGS = 19;
const MESSAGE_ID = 20;
const RESPONSE = 0x20;

export function createRoundTrips(): RoundTrips {
  let request: { readonly bytes: Uint8Array; readonly at: number; repeated: boolean } | undefined;
  return {
    sent(message, now) {
      if (message.length < HEADER || isResponse(message)) return;
      if (request && Buffer.compare(request.bytes, message) === 0) request.repeated = true;
      else request = { bytes: message.slice(), at: now, repeated: false };
    },
    received(message, now) {
      if (!request || message.length < HEADER || !isResponse(message) || !answers(message, request.bytes)) return undefined;
      const { at, repeated } = request;
      request = undefined;
      return repeated ? undefined : now - at;
    },
  };
}

function isResponse(message: Uint8Array): boolean {
  return ((message[FLAGS] ?? 0) & RESPONSE) !== 0;
}

/** The initiator's SPI, the exchange and the message ID are the request's. */
function answers(response: Uint8Array, request: Uint8Array): boolean {
  const same = (from: number, to: number) => Buffer.compare(response.subarray(from, to), request.subarray(from, to)) === 0;
  return same(0, 8) && same(EXCHANGE, EXCHANGE + 1) && same(MESSAGE_ID, MESSAGE_ID + 4);
}
