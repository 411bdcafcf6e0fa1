import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCertificate } from '../../../core/pki/certificate.ts';
import { daysLeft, expiryStage, expiryWarnings } from '../../../core/profile/expiry.ts';
import { authority } from '../../authority/authority.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 21, 12);

function until(days: number, subject = `CN=in ${days} days`) {
  const made = authority.selfSigned({ subject, notBefore: new Date(NOW - 400 * DAY), notAfter: new Date(NOW + days * DAY) });
  const parsed = parseCertificate(made.der);
  assert.ok(parsed.ok);
  return parsed.value;
}

test('told 30, 14, 7 and 1 days before, and when it is over', () => {
  const stages = [31, 30, 29, 15, 14, 8, 7, 2, 1, 0.5, -0.5].map((days) => expiryStage(until(days), NOW));
  assert.deepEqual(stages, [undefined, 30, 30, 30, 14, 14, 7, 7, 1, 1, 0]);
});

test('whole days; the last day has none left', () => {
  assert.deepEqual(
    [30, 1.5, 0.5, -0.5].map((days) => daysLeft(until(days), NOW)),
    [30, 1, 0, -1],
  );
});

test('own, gateway’s and authorities’, the soonest first, each once', () => {
  const ca = until(3, 'CN=CA');
  const warnings = expiryWarnings(
    { own: [until(20, 'CN=me'), ca], gateway: [until(10, 'CN=gw'), ca], authorities: [ca, until(300)] },
    NOW,
  );
  assert.deepEqual(
    warnings.map(({ code, subject, days }) => [code, subject, days]),
    [
      ['authority-expires', 'CN=CA', 3],
      ['gateway-certificate-expires', 'CN=gw', 10],
      ['client-certificate-expires', 'CN=me', 20],
    ],
  );
  assert.deepEqual(expiryWarnings({ own: [], gateway: [], authorities: [] }, NOW), []);
});
