import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRoundTrips } from '../../../core/helper/roundTrips.ts';

function message(
  id: number,
  options: { readonly response?: boolean; readonly spi?: number; readonly exchange?: number; readonly fill?: number } = {},
) {
  const bytes = new Uint8Array(40).fill(options.fill ?? 0, 28);
  bytes[0] = options.spi ?? 1;
  bytes[18] = options.exchange ?? 35;
  bytes[19] = options.response ? 0x20 : 0x08;
  bytes.set([0, 0, 0, id], 20);
  return bytes;
}

test('from a request to its answer', () => {
  const trips = createRoundTrips();
  trips.sent(message(1), 100);
  assert.equal(trips.received(message(0, { response: true }), 105), undefined, 'an answer to something else');
  assert.equal(trips.received(message(1), 105), undefined, 'the gateway’s own request');
  assert.equal(trips.received(message(1, { response: true, spi: 9 }), 105), undefined, 'another SA');
  assert.equal(trips.received(message(1, { response: true, exchange: 37 }), 105), undefined, 'another exchange');
  assert.equal(trips.received(new Uint8Array(3), 105), undefined);
  assert.equal(trips.received(message(1, { response: true }), 112), 12);
  assert.equal(trips.received(message(1, { response: true }), 120), undefined, 'once');
});

test('a repeated request does not count; one that was made anew does', () => {
  const trips = createRoundTrips();
  trips.sent(message(1), 100);
  trips.sent(message(1), 600);
  assert.equal(trips.received(message(1, { response: true }), 610), undefined);
  trips.sent(message(0), 1000);
  trips.sent(message(0, { fill: 7 }), 1100);
  assert.equal(trips.received(message(0, { response: true }), 1130), 30, 'with a cookie it is another request');
});

test('our answers to the gateway are no requests', () => {
  const trips = createRoundTrips();
  trips.sent(message(1, { response: true }), 100);
  assert.equal(trips.received(message(1, { response: true }), 110), undefined);
});
