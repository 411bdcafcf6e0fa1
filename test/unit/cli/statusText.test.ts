import assert from 'node:assert/strict';
import { test } from 'node:test';
import { revocationText, warningText } from '../../../core/cli/certificateText.ts';
import { statusText } from '../../../core/cli/statusText.ts';
import type { ChildStatus, Status } from '../../../core/rpc/contract.ts';

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

const child: ChildStatus = {
  spiIn: '0x00000001',
  spiOut: '0x00000002',
  encr: 'AES_CBC',
  keyLength: 256,
  integ: 'HMAC_SHA2_256_128',
  esn: false,
  localSelectors: ['10.9.0.2/32'],
  remoteSelectors: ['10.1.0.0/16'],
  installedAt: NOW - 1000,
  packetsIn: 1,
  bytesIn: 100,
  packetsOut: 2,
  bytesOut: 200,
  lastIn: NOW,
  lastOut: NOW,
  dropsReplay: 0,
  dropsIntegrity: 0,
  dropsSelector: 0,
  dropsMalformed: 0,
  dropsExhausted: 0,
};

/** The row of this name without its padding. */
function rows(status: Partial<Status>, name: string): string[] {
  const lines = statusText({ ...base, ...status }, NOW);
  return lines.filter((line) => line.startsWith(`  ${name}  `)).map((line) => line.slice(name.length + 2).trim());
}

test('the status names the code that carries each SA, and before there is one the code that would', () => {
  const fastest = 'ipsec-mb vaes_avx512';
  assert.deepEqual(rows({ backend: fastest }, 'Cipher code'), [fastest]);
  assert.deepEqual(rows({ backend: fastest, children: [child] }, 'Cipher code'), [fastest], 'an older helper');
  assert.deepEqual(rows({ backend: fastest, children: [{ ...child, backend: 'evp' }] }, 'Cipher code'), ['evp']);
});

test('the status says what the kernel does by the names of the field, or that it does nothing', () => {
  const all = { tun: { headers: true, tcp: true, udp: true }, socket: { segmentation: true, coalescing: true } };
  const nothing = { tun: { headers: false, tcp: false, udp: false }, socket: { segmentation: false, coalescing: false } };
  assert.deepEqual(rows({ offload: all }, 'Kernel offload'), ['TUN checksums, TSO, USO, UDP GSO, UDP GRO']);
  const lost = { ...all, socket: { segmentation: false, coalescing: true } };
  assert.deepEqual(rows({ offload: lost }, 'Kernel offload'), ['TUN checksums, TSO, USO, UDP GRO']);
  assert.deepEqual(rows({ offload: nothing }, 'Kernel offload'), ['none: packets one by one']);
  assert.deepEqual(rows({}, 'Kernel offload'), [], 'an older helper');
});

test('only drops that happened are shown, and NAT keepalives are none', () => {
  assert.deepEqual(rows({ children: [child] }, 'Dropped'), []);
  const dropped = { ...child, dropsReplay: 1, dropsTooBig: 2, dropsCongestion: 3 };
  assert.deepEqual(rows({ children: [dropped] }, 'Dropped'), ['1 replayed, 2 too large for the path, 3 lost to congestion']);
  assert.deepEqual(rows({ drops: { 'unknown-spi': 0, 'keepalive-in': 9 } }, 'Dropped besides'), []);
  assert.deepEqual(rows({ drops: { 'unknown-spi': 1, 'not-ip': 0, kernel: 12_000, 'queue-full': 5 } }, 'Dropped besides'), [
    '1 for an unknown SPI, 12,000 by the kernel, 5 by a full queue',
  ]);
});

test('the inner MTU says why it is less than wanted', () => {
  const rowOf = (path: NonNullable<Status['children'][number]['path']>): readonly string[] =>
    rows({ children: [{ ...child, path }] }, 'Inner MTU');
  assert.deepEqual(rowOf({ innerMtu: 1400 }), ['1400']);
  assert.deepEqual(rowOf({ innerMtu: 1312, because: 'black-hole' }), ['1312 (the path carries no more: larger packets vanish)']);
  assert.deepEqual(rowOf({ innerMtu: 1312, because: 'reported' }), ['1312 (the path carries no more: the network said so)']);
  assert.deepEqual(rows({ children: [child] }, 'Inner MTU'), []);
});

test('what is brought back says when it is tried, why it was lost, and what becomes of the traffic', () => {
  const failure = { code: 'gateway-lost', what: 'The gateway no longer answers.', advice: 'Wait.', evidence: 'no answer' };
  const text = statusText({ ...base, state: 'reconnecting', failure, retryAt: NOW + 7000, held: true }, NOW);
  assert.match(text[0] ?? '', /^Reconnecting for 5 s/);
  assert.ok(text.includes('  Next try  in 7 s'), text.join('\n'));
  assert.ok(text.includes('  Reason    The gateway no longer answers.'));
  assert.ok(text.includes('  Traffic   held back until it is connected again'));
  assert.ok(
    statusText({ ...base, state: 'reconnecting', failure, held: false }, NOW).includes('  Traffic   goes without the tunnel'),
  );
  const heads = (['rekeying', 'roaming', 'paused', 'blocked'] as const).map((state) => statusText({ ...base, state }, NOW)[0]);
  assert.deepEqual(
    heads.map((head) => head?.split(' for ')[0]),
    [
      'Connected, taking fresh keys',
      'Connected, moving to another network',
      'Paused, the computer sleeps',
      'Not connected, traffic held back',
    ],
  );
});
