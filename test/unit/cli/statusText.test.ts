import assert from 'node:assert/strict';
import { test } from 'node:test';
import { revocationText, warningText } from '../../../core/cli/certificateText.ts';
import { statusText } from '../../../core/cli/statusText.ts';
import type { Status } from '../../../core/rpc/contract.ts';

const NOW = Date.UTC(2026, 10, 21, 12);
const DAY = 86_400_000;

const base: Status = {
  state: 'connected',
  since: NOW - 5000,
  otherUser: false,
  virtualIps: [],
  dns: [],
  domains: [],
  routes: [],
  children: [],
  steps: [],
};

test('the status shows the gateway’s certificate, what is known of its revocation, and the warnings', () => {
  const text = statusText(
    {
      ...base,
      gatewayCertificate: {
        subject: 'CN=vpn.office.test\u202e',
        issuer: 'CN=Office Root',
        notAfter: NOW + 10.5 * DAY,
        revocation: [
          { subject: 'CN=vpn.office.test', status: 'good', source: 'ocsp-in-band', evidence: '' },
          { subject: 'CN=Office CA', status: 'unknown', source: 'none', evidence: 'http://crl.office.test: no answer' },
        ],
      },
      warnings: [
        { code: 'gateway-certificate-expires', subject: 'CN=vpn.office.test', days: 10, notAfter: NOW + 10.5 * DAY },
        { code: 'psk-short', subject: '' },
      ],
    },
    NOW,
  );
  assert.ok(
    text.includes('  Certificate  CN=vpn.office.test?, of CN=Office Root, until 2026-12-02 (10 days left)'),
    text.join('\n'),
  );
  assert.ok(text.includes('  Revocation   CN=vpn.office.test, not revoked (by OCSP from the gateway)'), text.join('\n'));
  assert.ok(text.includes('  Revocation   CN=Office CA, not known: http://crl.office.test: no answer'));
  assert.ok(
    text.includes('  Warning      the certificate of the gateway CN=vpn.office.test expires on 2026-12-02: 10 days left'),
  );
  assert.ok(text.includes('  Warning      the pre-shared key is short: it can be guessed'));
});

test('warnings and revocation in words, whatever is known', () => {
  const at = { subject: 'CN=me', notAfter: NOW - DAY };
  assert.equal(
    warningText({ code: 'client-certificate-expires', ...at, days: -1 }),
    'your certificate CN=me expired on 2026-11-20',
  );
  assert.equal(
    warningText({ code: 'authority-expires', ...at, days: 0 }),
    'the certificate of the authority CN=me expires on 2026-11-20: less than a day left',
  );
  assert.equal(warningText({ code: 'revocation-unknown', subject: 'CN=x' }), 'CN=x: nobody could say whether it was revoked');
  assert.equal(
    revocationText({ subject: 'x', status: 'revoked', source: 'crl', revokedAt: NOW, reason: 'keyCompromise', evidence: '' }),
    'REVOKED on 2026-11-21, keyCompromise (by a revocation list)',
  );
  assert.equal(
    revocationText({ subject: 'x', status: 'not-checked', source: 'none', evidence: 'switched off' }),
    'not checked: switched off',
  );
});
