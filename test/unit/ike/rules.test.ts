import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchangeRules, siftPayloads } from '../../../core/ike/exchanges/rules.ts';
import { EXCHANGE, NOTIFY } from '../../../core/ike/wire/constants.ts';
import type { Payload } from '../../../core/ike/wire/message.ts';
import { notify } from '../../../core/ike/wire/payloads.ts';

const nonce: Payload = { kind: 'NONCE', data: new Uint8Array(32) };
const ke: Payload = { kind: 'KE', method: 31, data: new Uint8Array(32) };
const sa: Payload = { kind: 'SA', proposals: [] };
const auth: Payload = { kind: 'AUTH', method: 2, data: new Uint8Array(32) };
const unknown = (critical: boolean): Payload => ({ kind: 'unknown', type: 77, critical, body: new Uint8Array(0) });

const sift = (payloads: readonly Payload[], direction: 'request' | 'response' = 'response') =>
  siftPayloads(EXCHANGE.IKE_SA_INIT, direction, 'in the clear', payloads);

test('what belongs there stays, what does not is taken out', () => {
  const sifted = sift([sa, ke, nonce, auth, unknown(false), notify(40_000)]);
  assert.deepEqual(sifted, { ok: true, value: { payloads: [sa, ke, nonce, notify(40_000)], ignored: ['AUTH', 'type 77'] } });
});

test('what must be encrypted is never read outside of SK', () => {
  const rule = exchangeRules[EXCHANGE.IKE_SA_INIT];
  for (const kind of ['AUTH', 'IDi', 'IDr', 'CP', 'TSi', 'TSr', 'D', 'EAP', 'CERT'] as const) {
    assert.equal(rule.request.payloads[kind], undefined, kind);
    assert.equal(rule.response.payloads[kind], undefined, kind);
  }
  for (const exchange of [EXCHANGE.IKE_AUTH, EXCHANGE.CREATE_CHILD_SA, EXCHANGE.INFORMATIONAL]) {
    assert.deepEqual([exchangeRules[exchange].request.encrypted, exchangeRules[exchange].response.encrypted], [true, true]);
  }
});

test('messages that are encrypted and should not be, and the other way round', () => {
  assert.deepEqual(siftPayloads(EXCHANGE.IKE_SA_INIT, 'response', 'inside SK', [sa, ke, nonce]), {
    ok: false,
    error: { code: 'payloads', place: 'payloads inside SK' },
  });
  assert.deepEqual(siftPayloads(EXCHANGE.INFORMATIONAL, 'request', 'in the clear', []), {
    ok: false,
    error: { code: 'payloads', place: 'payloads in the clear' },
  });
});

test('missing and repeated payloads are named', () => {
  assert.deepEqual(sift([sa, ke]), { ok: false, error: { code: 'payloads', place: 'no NONCE payload' } });
  assert.deepEqual(sift([sa, ke, nonce, nonce]), { ok: false, error: { code: 'payloads', place: '2 NONCE payloads' } });
});

test('an unknown critical payload comes before everything else (RFC 7296 §2.5)', () => {
  assert.deepEqual(sift([unknown(true)]), { ok: false, error: { code: 'critical', type: 77 } });
  assert.equal(sift([sa, ke, nonce, unknown(false)]).ok, true);
});

test('an error comes alone, in a response and only there', () => {
  assert.equal(sift([notify(NOTIFY.NO_PROPOSAL_CHOSEN)]).ok, true);
  assert.equal(sift([notify(NOTIFY.COOKIE, Uint8Array.of(1))]).ok, true);
  assert.equal(sift([notify(NOTIFY.NAT_DETECTION_SOURCE_IP)]).ok, false);
  assert.equal(sift([notify(NOTIFY.NO_PROPOSAL_CHOSEN)], 'request').ok, false);
  assert.equal(sift([notify(NOTIFY.NO_PROPOSAL_CHOSEN), nonce, nonce]).ok, false, 'an error excuses no repetition');
});

test('exchanges that are not known here', () => {
  for (const exchange of [0, 33, 45, 255])
    assert.deepEqual(siftPayloads(exchange, 'request', 'inside SK', []), { ok: false, error: { code: 'exchange' } });
});
