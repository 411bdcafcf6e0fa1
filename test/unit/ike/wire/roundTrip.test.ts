/** parse(encode(x)) = x and encode(parse(b)) = b, for all x and for all b that our encoder or an accepted datagram gives. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { toHex } from '../../../../core/bytes/bytes.ts';
import { encodeEncryptedPrefix, encodeMessage, encodePayloads } from '../../../../core/ike/wire/encode.ts';
import type { Header, Payload } from '../../../../core/ike/wire/message.ts';
import { parseMessage, parsePayloads } from '../../../../core/ike/wire/parse.ts';
import { encrypted, header, payload } from './arbitrary.ts';

const chain = fc.array(payload, { maxLength: 12 });
const seeded = { seed: 7296, numRuns: 1500 };

test('parse(encode(x)) = x and encode(parse(b)) = b for messages', () => {
  fc.assert(
    fc.property(header, chain, (head, payloads) => {
      const bytes = encodeMessage(head, payloads);
      const result = parseMessage(bytes);
      assert.ok(result.ok, result.ok ? '' : result.error.place);
      assert.deepEqual(result.value, { header: head, payloads });
      assert.equal(toHex(encodeMessage(result.value.header, result.value.payloads)), toHex(bytes));
    }),
    seeded,
  );
});

test('parse(encode(x)) = x and encode(parse(b)) = b for the inside of SK', () => {
  fc.assert(
    fc.property(chain, (payloads) => {
      const { first, bytes } = encodePayloads(payloads);
      const result = parsePayloads(first, bytes);
      assert.ok(result.ok, result.ok ? '' : result.error.place);
      assert.deepEqual(result.value, payloads);
      assert.deepEqual(encodePayloads(result.value), { first, bytes });
    }),
    seeded,
  );
});

test('an encrypted payload at the end of any chain keeps its body and says where it begins', () => {
  fc.assert(
    fc.property(header, chain, encrypted, (head, payloads, last) => {
      const bytes = encodeMessage(head, [...payloads, last]);
      const result = parseMessage(bytes);
      assert.ok(result.ok, result.ok ? '' : result.error.place);
      assert.deepEqual(result.value.payloads, [...payloads, { ...last, bodyOffset: bytes.length - last.body.length }]);
    }),
    seeded,
  );
});

test('the encrypted prefix and a body are the message that encodeMessage makes', () => {
  fc.assert(
    fc.property(header, encrypted, (head, only) => {
      const kind = only.kind === 'SK' ? 'SK' : { fragment: only.fragment, total: only.total };
      const prefix = encodeEncryptedPrefix(head, kind, only.firstInner, only.body.length);
      // RFC 7383 §2.5: fragments after the first say zero.
      const firstInner = only.kind === 'SKF' && only.fragment > 1 ? 0 : only.firstInner;
      const whole = encodeMessage(head, [{ ...only, firstInner }]);
      assert.equal(toHex(prefix) + toHex(only.body), toHex(whole));
    }),
    seeded,
  );
});

test('whatever octets are accepted, encoding gives octets of the same meaning', () => {
  const base = fc.tuple(header, chain).map(([head, payloads]) => encodeMessage(head, payloads));
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 });
  let accepted = 0;
  fc.assert(
    fc.property(base, damage, (bytes, edits) => {
      const damaged = bytes.slice();
      for (const [at, octet] of edits) damaged[at % damaged.length] = octet;
      const result = parseMessage(damaged);
      if (!result.ok || hasUnknownAttribute(result.value.payloads)) return;
      accepted++;
      const again = parseMessage(encodeMessage(result.value.header, sendable(result.value.payloads)));
      assert.ok(again.ok, again.ok ? '' : again.error.place);
      assert.deepEqual(again.value, sent(result.value.header, result.value.payloads));
    }),
    { seed: 7296, numRuns: 4000 },
  );
  assert.ok(accepted > 500, `only ${accepted} were accepted`);
});

/** What is never sent: transforms with attributes that were not understood. */
function hasUnknownAttribute(payloads: readonly Payload[]): boolean {
  return payloads.some(
    (one) => one.kind === 'SA' && one.proposals.some((p) => p.transforms.some((t) => t.unknownAttribute === true)),
  );
}

/** A TS payload of unknown selectors only has nothing that can be sent. */
function sendable(payloads: readonly Payload[]): Payload[] {
  return payloads.filter((one) => !((one.kind === 'TSi' || one.kind === 'TSr') && one.selectors.length === 0));
}

/** Selectors of unknown types are counted on receipt and not sent. */
function sent(head: Header, payloads: readonly Payload[]): { header: Header; payloads: Payload[] } {
  const known = sendable(payloads).map((one) => (one.kind === 'TSi' || one.kind === 'TSr' ? { ...one, unknownTypes: 0 } : one));
  return { header: head, payloads: known };
}
