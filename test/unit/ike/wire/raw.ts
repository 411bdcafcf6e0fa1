/** Octets of IKE messages written down by hand, without the encoder under test. */
import assert from 'node:assert/strict';
import { concat, fromHex } from '../../../../core/bytes/bytes.ts';
import type { Payload, WireError } from '../../../../core/ike/wire/message.ts';
import { parseMessage, parsePayloads } from '../../../../core/ike/wire/parse.ts';

/** Octets of hex text, blanks allowed. */
export function hex(text: string): Uint8Array {
  const bytes = fromHex(text);
  if (bytes === undefined) throw new Error(`not hex: ${text}`);
  return bytes;
}

/** `count` octets in hex. */
export function fill(count: number, octet = 'aa'): string {
  return octet.repeat(count);
}

export function hex16(value: number): string {
  return value.toString(16).padStart(4, '0');
}

/** A payload with its generic header: reserved bits zero, length right. */
export function payload(next: number, body: string, critical = false): string {
  const length = hex(body).length + 4;
  return `${next.toString(16).padStart(2, '0')}${critical ? '80' : '00'}${hex16(length)}${body.replace(/\s+/g, '')}`;
}

/** A message of IKE_SA_INIT with the right length: `first` is the type of its first payload, `body` all payloads. */
export function message(first: number, body: string): Uint8Array {
  const rest = hex(body);
  const length = (28 + rest.length).toString(16).padStart(8, '0');
  const head = `0102030405060708 0000000000000000 ${first.toString(16).padStart(2, '0')} 20 22 08 00000000 ${length}`;
  return concat(hex(head), rest);
}

/** The only payload of a message with just a payload of `type` and this body. */
export function one(type: number, body: string): Payload {
  const result = parseMessage(message(type, payload(0, body)));
  assert.ok(result.ok, result.ok ? '' : `${result.error.code} at ${result.error.place}`);
  assert.equal(result.value.payloads.length, 1);
  return result.value.payloads[0];
}

/** A message with just this payload is refused with `code`, at a place that matches. Inside an SK payload the same. */
export function refuses(type: number, body: string, code: WireError['code'], place: RegExp): void {
  const bytes = payload(0, body);
  refusesMessage(message(type, bytes), code, place);
  const inner = parsePayloads(type, hex(bytes));
  assert.ok(!inner.ok && inner.error.code === code, `inside SK ${inner.ok ? 'accepted' : inner.error.code}`);
}

export function refusesMessage(bytes: Uint8Array, code: WireError['code'], place: RegExp): void {
  const result = parseMessage(bytes);
  assert.ok(!result.ok, 'accepted');
  assert.equal(result.error.code, code, result.error.place);
  assert.match(result.error.place, place);
}
