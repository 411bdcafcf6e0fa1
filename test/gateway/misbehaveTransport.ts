/** Lies of the network: whole datagrams forged, broken, repeated or lost. */

import { Writer } from '../../core/bytes/writer.ts';
import type { Random } from '../../core/crypto/types.ts';
import { EXCHANGE, FLAG, NOTIFY, PAYLOAD } from '../../core/ike/wire/constants.ts';

type Datagrams = (bytes: Uint8Array, exchange: number, response: boolean, random: Random) => readonly Uint8Array[];

/** Offsets in the IKE header (RFC 7296 §3.1). */
const SPI_R_AT = 8;
const MESSAGE_ID_AT = 20;
const HEADER_OCTETS = 28;

export function onSaInitAnswer(change: (bytes: Uint8Array) => readonly Uint8Array[]): Datagrams {
  return (bytes, exchange, response) => (exchange === EXCHANGE.IKE_SA_INIT && response ? change(bytes) : [bytes]);
}

export function onAuthAnswer(change: (bytes: Uint8Array) => readonly Uint8Array[]): Datagrams {
  return (bytes, exchange, response) => (exchange === EXCHANGE.IKE_AUTH && response ? change(bytes) : [bytes]);
}

export function messageIdSeven(bytes: Uint8Array): readonly Uint8Array[] {
  const changed = bytes.slice();
  changed.set([0, 0, 0, 7], MESSAGE_ID_AT);
  return [changed];
}

export function otherSpi(bytes: Uint8Array): readonly Uint8Array[] {
  const changed = bytes.slice();
  changed[SPI_R_AT] = (changed[SPI_R_AT] as number) ^ 0xff;
  return [changed];
}

export function breakLastOctet(bytes: Uint8Array): Uint8Array {
  const changed = bytes.slice();
  changed[changed.length - 1] = (changed[changed.length - 1] as number) ^ 0x80;
  return changed;
}

/** A response with the header of `bytes` and nothing but an unprotected notify: all that somebody who only sees the request can make. */
export function forgedNotify(bytes: Uint8Array, type: keyof typeof NOTIFY): Uint8Array {
  const writer = new Writer(HEADER_OCTETS + 8);
  writer.bytes(bytes.subarray(0, SPI_R_AT + 8));
  writer
    .u8(PAYLOAD.N)
    .u8(0x20)
    .u8(bytes[18] as number)
    .u8(FLAG.RESPONSE);
  writer.bytes(bytes.subarray(MESSAGE_ID_AT, MESSAGE_ID_AT + 4)).u32(HEADER_OCTETS + 8);
  writer.u8(PAYLOAD.NONE).u8(0).u16(8).u8(0).u8(0).u16(NOTIFY[type]);
  return writer.finish();
}

/**
 * Random octets of many lengths, truncations of the genuine message, and the genuine message with one octet changed. IKE_SA_INIT is not
 * authenticated while it runs, so a changed copy of its answer is a denial of service no client can tell (RFC 7296 §2.21.1): left out there.
 */
export const flood: Datagrams = (bytes, exchange, _response, random) => {
  const authenticated = exchange !== EXCHANGE.IKE_SA_INIT;
  const rubbish: Uint8Array[] = [];
  for (let i = 0; i < 64; i++) {
    const choice = random(4);
    if (i % 3 === 0 || (i % 3 === 2 && !authenticated))
      rubbish.push(random(((choice[0] as number) << 3) | (choice[1] as number)));
    else if (i % 3 === 1) rubbish.push(bytes.slice(0, (((choice[0] as number) << 8) | (choice[1] as number)) % bytes.length));
    else {
      const changed = bytes.slice();
      const at = (((choice[0] as number) << 8) | (choice[1] as number)) % bytes.length;
      changed[at] = (changed[at] as number) ^ ((choice[2] as number) | 1);
      rubbish.push(changed);
    }
  }
  return [...rubbish.slice(0, 32), bytes, ...rubbish.slice(32)];
};

export function repeatRequests(times: number): Datagrams {
  return (bytes, _exchange, response) => (response ? [bytes] : new Array<Uint8Array>(times).fill(bytes));
}
