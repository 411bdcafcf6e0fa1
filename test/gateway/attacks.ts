/**
 * The attacks of SECURITY.md 1–13, sentence by sentence: what the misbehaving head office does, what the user is told of it, and what it
 * has learned of the user by then. test/host/attacks.test.ts runs every row through the real helper and command line; attacks.test.ts
 * holds the list against the misbehaviours and ARCHITECTURE.md.
 */
import type { ReasonCode } from '../../core/tunnel/reasons.ts';
import type { MisbehaviourName } from './misbehaviours.ts';

export interface Attack {
  /** None: what the client is configured for is the attack, the office is honest. */
  readonly by: readonly MisbehaviourName[];
  readonly told: ReasonCode | 'connected';
  /** The most that the office heard through EAP: nothing, who asks (identity and NAK), or a proof made of the secret. */
  readonly hears: 'nothing' | 'name' | 'proof';
  readonly client: AttackedClient;
  /** In the evidence that goes with the reason. */
  readonly evidence?: RegExp;
  /** Paths the client asked of the web; none when not said. */
  readonly fetches?: readonly string[];
}

/** How the attacked user is set up; `asks` has nothing stored, so any question would be seen. */
export type AttackedClient =
  | 'asks'
  | 'stored'
  | 'strict'
  | 'tls'
  | 'peap'
  | 'alone'
  | 'alone-by-password'
  | 'key'
  | 'ike-authority-for-eap'
  | 'eap-authority-for-ike'
  | 'login-name'
  | 'esp-cbc'
  | 'split'
  | ProposalClient;

/** As `asks`, with proposals of its own. */
export type ProposalClient = 'cbc' | 'x25519' | 'x448' | 'ecp256' | 'ecp384' | 'ecp521' | 'modp2048' | 'modp4096' | 'two-groups';

export interface AttackedSentence {
  /** Of SECURITY.md. */
  readonly line: number;
  readonly sentence: string;
  readonly attacks: readonly Attack[];
}

export const sentences: readonly AttackedSentence[] = [
  {
    line: 1,
    sentence: 'EAP-Success before any method finished or MSK exists',
    attacks: [
      attack('eap-success-at-once', 'eap-protocol', 'nothing', { client: 'stored' }),
      attack('eap-success-after-identity', 'eap-protocol', 'name'),
      attack('eap-success-before-proof', 'eap-protocol', 'proof'),
      attack('eap-success-wrong-identifier', 'eap-protocol', 'proof'),
      attack('eap-success-unfinished-tls', 'eap-protocol', 'proof', { client: 'peap' }),
      attack('eap-result-before-inner', 'eap-protocol', 'proof', { client: 'peap' }),
      attack('eap-wrong-binding', 'eap-server-unproven', 'proof', { client: 'peap' }),
      attack('eap-wrong-key', 'gateway-authentication-failed', 'proof'),
      attack('eap-no-key', 'gateway-authentication-failed', 'proof'),
      attack('eap-last-auth-missing', 'gateway-misbehaved', 'proof'),
      attack('eap-skipped', 'gateway-misbehaved', 'nothing', { client: 'stored' }),
    ],
  },
  {
    line: 2,
    sentence: 'MSCHAPv2: Success request without or with a wrong S=',
    attacks: [
      attack('eap-success-without-proof', 'eap-server-unproven', 'proof'),
      attack('eap-success-wrong-proof', 'eap-server-unproven', 'proof'),
    ],
  },
  {
    line: 2,
    sentence: 'MSCHAPv2: failure requests of every odd length',
    attacks: [
      attack('eap-failure-of-3-octets', 'eap-protocol', 'proof'),
      attack('eap-failure-of-4-octets', 'eap-protocol', 'proof'),
      attack('eap-failure-of-5-octets', 'eap-protocol', 'proof'),
      attack('eap-failure-too-short-for-itself', 'eap-protocol', 'proof'),
      attack('eap-failure-longer-than-sent', 'eap-protocol', 'proof'),
      attack('eap-failure-odd-challenge', 'password-wrong', 'proof'),
      attack('eap-failure-without-words', 'password-wrong', 'proof'),
      attack('eap-failure-of-1000-octets', 'password-wrong', 'proof'),
    ],
  },
  {
    line: 3,
    sentence: 'Identity, password or code only after AUTH, chain and name of the gateway are verified',
    attacks: [
      attack('eap-bad-signature', 'gateway-authentication-failed'),
      attack('eap-bad-signature', 'gateway-authentication-failed', 'nothing', { client: 'stored' }),
      attack('eap-other-name', 'gateway-identity', 'nothing', { client: 'stored', evidence: /evil\.office\.test/ }),
      attack('wrong-identity', 'gateway-identity', 'nothing', { client: 'stored' }),
    ],
  },
  {
    line: 3,
    sentence: 'A valid certificate of another name is not the gateway',
    attacks: [
      attack('certificate-other-name', 'gateway-wrong-name', 'nothing', { evidence: /mail\.office\.test/ }),
      attack('certificate-other-name', 'gateway-wrong-name', 'nothing', { client: 'stored' }),
    ],
  },
  {
    line: 4,
    sentence: 'IKE_AUTH response without CERT/AUTH that starts EAP',
    attacks: [
      attack('eap-before-gateway', 'eap-before-gateway'),
      attack('eap-before-gateway', 'eap-before-gateway', 'nothing', { client: 'stored' }),
      attack('eap-without-auth', 'eap-before-gateway', 'nothing', { client: 'stored' }),
      attack('eap-without-certificate', 'gateway-no-certificate', 'nothing', { client: 'stored' }),
      attack('certificate-missing', 'gateway-no-certificate'),
      attack('no-auth', 'eap-before-gateway', 'nothing', { client: 'stored' }),
      attack('no-auth', 'gateway-misbehaved', 'nothing', { client: 'key' }),
    ],
  },
  {
    line: 4,
    sentence: 'unless EAP-only is configured with a mutual method',
    attacks: [
      attack([], 'connected', 'proof', { client: 'alone' }),
      attack('eap-wrong-key', 'gateway-authentication-failed', 'proof', { client: 'alone' }),
      attack('eap-downgrade-md5', 'eap-protocol', 'name', { client: 'alone' }),
      attack([], 'connected', 'proof', { client: 'alone-by-password' }),
    ],
  },
  {
    line: 5,
    sentence: 'EAP method downgrade is answered by a NAK',
    attacks: [
      attack('eap-downgrade-md5', 'eap-protocol', 'name', { evidence: /without end/ }),
      attack('eap-expanded-type', 'connected', 'proof'),
      attack('eap-second-method', 'eap-protocol', 'proof'),
    ],
  },
  {
    line: 5,
    sentence: 'Trust anchors of IKE and of EAP-TLS do not leak into each other',
    attacks: [
      attack([], 'eap-server-certificate', 'proof', { client: 'ike-authority-for-eap' }),
      attack([], 'gateway-untrusted', 'nothing', { client: 'eap-authority-for-ike' }),
      attack([], 'eap-server-certificate', 'proof', { client: 'login-name' }),
    ],
  },
  {
    line: 6,
    sentence: 'PKCS#1 v1.5 forgeries: e=3, garbage after the hash, short hash',
    attacks: [
      attack('signature-cube-root', 'gateway-authentication-failed', 'nothing', { evidence: /does not verify/ }),
      attack('signature-garbage-after-hash', 'gateway-authentication-failed', 'nothing', { evidence: /does not verify/ }),
      attack('signature-short-hash', 'gateway-authentication-failed', 'nothing', { evidence: /does not verify/ }),
      attack('key-exponent-1', 'gateway-cert-invalid', 'nothing', { evidence: /weak-key/ }),
      attack('signature-other-octets', 'gateway-authentication-failed'),
      attack('signature-empty', 'gateway-signature-refused'),
      attack('signature-zero', 'gateway-authentication-failed'),
    ],
  },
  {
    line: 6,
    sentence: 'absurd PSS salt',
    attacks: [
      attack('signature-absurd-salt', 'gateway-signature-refused'),
      attack('signature-pss-long-salt', 'gateway-signature-refused'),
    ],
  },
  {
    line: 6,
    sentence: 'tiny or even modulus',
    attacks: [
      attack('key-tiny', 'gateway-cert-invalid', 'nothing', { evidence: /weak-key/ }),
      attack('key-even-modulus', 'gateway-cert-invalid', 'nothing', { evidence: /weak-key/ }),
      attack('key-huge', 'gateway-cert-invalid', 'nothing', { evidence: /its key/ }),
      attack('key-huge-exponent', 'gateway-cert-invalid', 'nothing', { evidence: /weak-key/ }),
    ],
  },
  {
    line: 6,
    sentence: 'SHA-1/MD5 when hashes were negotiated',
    attacks: [
      attack('signature-sha1', 'gateway-signature-refused', 'nothing', { evidence: /SHA-1/ }),
      attack('signature-rsa-sha1', 'gateway-signature-refused', 'nothing', { evidence: /SHA-1/ }),
      attack('signature-md5', 'gateway-signature-refused'),
      attack('certificate-sha1', 'gateway-cert-invalid', 'nothing', { evidence: /weak-signature/ }),
      attack('certificate-md5', 'gateway-cert-invalid', 'nothing', { evidence: /weak-signature/ }),
    ],
  },
  {
    line: 6,
    sentence: 'and any other way to sign than the agreed ones',
    attacks: [
      attack('signature-other-algorithm', 'gateway-signature-refused'),
      attack('signature-unknown-algorithm', 'gateway-signature-refused'),
      attack('signature-long-identifier', 'gateway-signature-refused'),
      attack('signature-wrong-curve', 'gateway-signature-refused'),
      attack('signature-null', 'auth-method-mismatch'),
      attack('signature-shared-key', 'auth-method-mismatch'),
    ],
  },
  {
    line: 7,
    sentence: 'name constraints',
    attacks: [
      attack('authority-outside-constraints', 'gateway-cert-invalid', 'nothing', { evidence: /name-constraints/ }),
      attack('authority-excludes-name', 'gateway-cert-invalid', 'nothing', { evidence: /name-constraints/ }),
    ],
  },
  {
    line: 7,
    sentence: 'pathLen, and who is an authority at all',
    attacks: [
      attack('authority-below-authority', 'gateway-cert-invalid', 'nothing', { evidence: /path-length/ }),
      attack('authority-no-ca', 'gateway-cert-invalid', 'nothing', { evidence: /not-a-ca/ }),
      attack('certificate-of-nobody', 'gateway-untrusted'),
      attack('certificate-of-nobody', 'gateway-untrusted', 'nothing', { client: 'stored' }),
    ],
  },
  {
    line: 7,
    sentence: 'unknown critical extension',
    attacks: [
      attack('certificate-critical-extension', 'gateway-cert-invalid', 'nothing', { evidence: /unknown-critical-extension/ }),
      attack('authority-critical-extension', 'gateway-cert-invalid', 'nothing', { evidence: /unknown-critical-extension/ }),
    ],
  },
  {
    line: 7,
    sentence: 'EKU, key usage',
    attacks: [
      attack('certificate-for-signing-code', 'gateway-cert-invalid', 'nothing', { evidence: /extended-key-usage/ }),
      attack('certificate-for-encryption', 'gateway-cert-invalid', 'nothing', { evidence: /key-usage/ }),
      attack('authority-may-not-sign', 'gateway-cert-invalid', 'nothing', { evidence: /key-usage/ }),
    ],
  },
  {
    line: 7,
    sentence: 'loops',
    attacks: [
      attack('certificate-loop', 'gateway-untrusted'),
      attack('certificate-chain-of-20', 'gateway-cert-invalid', 'nothing', { evidence: /too-complex/ }),
    ],
  },
  {
    line: 7,
    sentence: 'expiry',
    attacks: [
      attack('certificate-expired', 'gateway-cert-expired'),
      attack('certificate-not-yet-valid', 'gateway-cert-not-yet-valid'),
      attack('authority-expired', 'gateway-cert-expired'),
    ],
  },
  {
    line: 7,
    sentence: 'revocation',
    attacks: [
      attack('certificate-revoked', 'gateway-cert-revoked', 'nothing', { fetches: ['/revoked.crl'] }),
      listed('list-of-somebody-else', '/somebody-else.crl', /signature|issuer|signed/i),
      listed('list-out-of-date', '/out-of-date.crl', /date|expired|old/i),
    ],
  },
  {
    line: 7,
    sentence: 'no URL is fetched before the chain is anchored',
    attacks: [
      attack('certificate-of-nobody-with-addresses', 'gateway-untrusted'),
      attack('certificate-of-nobody-with-addresses', 'gateway-untrusted', 'nothing', { client: 'strict' }),
      attack('certificate-by-url', 'gateway-no-certificate'),
    ],
  },
  {
    line: 7,
    sentence: 'fetches have time and size caps',
    attacks: [
      listed('list-too-large', '/too-large.crl', /10485760 octets/),
      listed('list-without-end', '/without-end.crl', /6 s/),
    ],
  },
  {
    line: 7,
    sentence: 'no redirects to other schemes or private addresses',
    attacks: [
      listed('list-redirected-to-file', '/to-file.crl', /file:/),
      listed('list-redirected-to-https', '/to-https.crl', /https:/),
      listed('list-redirected-inside', '/inside.crl', /192\.168\.77\.1/),
      listed('list-redirected-to-loopback', '/loopback.crl', /127\.0\.0\.1/),
      attack('list-on-loopback', 'gateway-revocation-unknown', 'nothing', { client: 'strict', evidence: /127\.0\.0\.1/ }),
      attack('list-redirected-for-ever', 'gateway-revocation-unknown', 'nothing', {
        client: 'strict',
        evidence: /redirects/,
        fetches: new Array<string>(4).fill('/for-ever.crl'),
      }),
    ],
  },
  {
    line: 8,
    sentence: 'PSK below 20 characters warned',
    attacks: [attack([], 'connected', 'nothing', { client: 'key' })],
  },
  {
    line: 8,
    sentence: 'nobody can make the client fall back to IKEv1 or to a weaker profile',
    attacks: [attack('answers-in-ikev1', 'gateway-version'), attack('takes-no-proposal', 'no-proposal-chosen')],
  },
  {
    line: 9,
    sentence: 'something not offered',
    attacks: [
      negotiated('proposal-not-offered', 'asks', /encr:23:256/),
      negotiated('prf-not-offered', 'asks', /prf/),
      negotiated('two-proposals', 'asks', /2 proposals/),
      attack('child-proposal-not-offered', 'gateway-misbehaved', 'proof', { evidence: /child-bad-answer-proposal.*encr:23/ }),
      attack('child-null-cipher', 'gateway-misbehaved', 'proof', { evidence: /child-bad-answer-proposal/ }),
    ],
  },
  {
    line: 9,
    sentence: 'a shorter key',
    attacks: [
      negotiated('shorter-key', 'asks', /aes192gcm16/),
      attack('child-shorter-key', 'gateway-misbehaved', 'proof', { evidence: /aes/ }),
    ],
  },
  {
    line: 9,
    sentence: 'no integrity',
    attacks: [
      negotiated('no-integrity', 'cbc', /INTEG/),
      negotiated('integrity-none', 'cbc', /integ:0/),
      attack('child-no-integrity', 'gateway-misbehaved', 'proof', { client: 'esp-cbc', evidence: /INTEG/ }),
    ],
  },
  {
    line: 9,
    sentence: 'an unoffered group',
    attacks: [negotiated('group-not-offered', 'asks', /22/), negotiated('additional-key-exchange', 'asks', /36|type 6|ke1/i)],
  },
  {
    line: 10,
    sentence: 'Endless INVALID_KE_PAYLOAD, COOKIE or REDIRECT',
    attacks: [
      attack('endless-invalid-ke', 'ke-refused'),
      attack('invalid-ke-not-offered', 'ke-refused', 'nothing', { evidence: /22/ }),
      attack('endless-cookie', 'gateway-misbehaved', 'nothing', { evidence: /COOKIE/ }),
      attack('same-cookie', 'gateway-misbehaved', 'nothing', { evidence: /COOKIE/ }),
      attack('cookie-then-group', 'ke-refused', 'nothing', { client: 'two-groups' }),
      attack('endless-redirect', 'gateway-misbehaved', 'nothing', { evidence: /REDIRECT/ }),
      attack('redirect-in-auth', 'connected', 'proof'),
    ],
  },
  {
    line: 10,
    sentence: 'Cookie 1–64 octets',
    attacks: [
      attack('cookie-0-octets', 'gateway-misbehaved', 'nothing', { evidence: /COOKIE of 0/ }),
      attack('cookie-65-octets', 'gateway-misbehaved', 'nothing', { evidence: /COOKIE of 65/ }),
    ],
  },
  {
    line: 10,
    sentence: 'and EAP without end',
    attacks: [
      attack('eap-endless-rounds', 'eap-protocol', 'name'),
      attack('eap-endless-identity', 'eap-protocol', 'name'),
      attack('eap-tls-length', 'eap-protocol', 'proof', { client: 'tls' }),
      attack('eap-fragments-without-end', 'eap-protocol', 'proof', { client: 'tls' }),
    ],
  },
  {
    line: 11,
    sentence: 'wrong length',
    attacks: [
      badValue('public-value-short', 'x25519', /length/),
      badValue('public-value-long', 'x25519', /length/),
      badValue('public-value-empty', 'x25519', /no key exchange data/),
      badValue('public-value-short', 'modp2048', /length/),
      badValue('public-value-compressed', 'ecp256', /length/),
    ],
  },
  {
    line: 11,
    sentence: '0, 1, p−1',
    attacks: [
      badValue('public-value-zero', 'modp2048', /range/),
      badValue('public-value-one', 'modp2048', /range/),
      badValue('public-value-p-minus-1', 'modp2048', /range/),
      badValue('public-value-p-minus-1', 'modp4096', /range/),
      badValue('public-value-p', 'modp2048', /range/),
    ],
  },
  {
    line: 11,
    sentence: 'off the curve',
    attacks: [
      badValue('public-value-off-curve', 'ecp256', /off-curve/),
      badValue('public-value-off-curve', 'ecp384', /off-curve/),
      badValue('public-value-off-curve', 'ecp521', /off-curve/),
      badValue('public-value-zero', 'ecp256', /off-curve|range/),
      badValue('public-value-beyond-field', 'ecp256', /range/),
    ],
  },
  {
    line: 11,
    sentence: 'all-zero X25519',
    attacks: [
      badValue('public-value-zero', 'x25519', /zero/),
      badValue('public-value-one-little-endian', 'x25519', /zero/),
      badValue('public-value-small-order', 'x25519', /zero/),
      badValue('public-value-zero', 'x448', /zero/),
      badValue('public-value-one-little-endian', 'x448', /zero/),
    ],
  },
  {
    line: 11,
    sentence: 'wrong-size ML-KEM ciphertext (ML-KEM is not offered yet, and so not taken)',
    attacks: [negotiated('additional-key-exchange', 'two-groups')],
  },
  {
    line: 12,
    sentence: 'Forged unprotected answers are remembered, not believed',
    attacks: [
      attack('forged-no-proposal', 'connected', 'proof'),
      attack('forged-major-version', 'connected', 'proof'),
      attack('unprotected-auth-failed', 'connected', 'proof'),
      attack('forged-bad-icv', 'connected', 'proof'),
    ],
  },
  {
    line: 13,
    sentence: 'Traffic selectors wider than asked, addresses that cannot be, thousands of DNS servers',
    attacks: [
      attack('selectors-wider', 'gateway-misbehaved', 'proof', { client: 'split' }),
      attack('address-is-gateway', 'no-address', 'proof', { evidence: /198\.51\.100\.10/ }),
      attack('address-loopback', 'no-address', 'proof', { evidence: /127\.0\.0\.1/ }),
      attack('address-multicast', 'no-address', 'proof', { evidence: /224\.0\.0\.5/ }),
      attack('thousand-dns-servers', 'connected', 'proof'),
    ],
  },
];

/** Rows of ARCHITECTURE.md: for each line of SECURITY.md who attacks, and what the user is told. */
export function attackTable(): string {
  const lines = new Map<number, Map<string, Set<string>>>();
  for (const { line, attacks } of sentences) {
    const byTold = lines.get(line) ?? new Map<string, Set<string>>();
    lines.set(line, byTold);
    for (const { by, told, client } of attacks) {
      const names = byTold.get(told) ?? new Set<string>();
      byTold.set(told, names);
      names.add(by.length > 0 ? by.join(' + ') : `an honest office and the profile “${client}”`);
    }
  }
  const rows = [...lines].map(([line, byTold]) => {
    const cells = [...byTold].map(([told, names]) => `\`${told}\`: ${[...names].join(', ')}`);
    return `| ${line} | ${cells.join('; ')} |`;
  });
  return ['| line | what the user is told: by which misbehaviours |', '|---|---|', ...rows].join('\n');
}

function attack(
  by: MisbehaviourName | readonly MisbehaviourName[],
  told: Attack['told'],
  hears: Attack['hears'] = 'nothing',
  more: Partial<Attack> = {},
): Attack {
  return { by: typeof by === 'string' ? [by] : by, told, hears, client: hears === 'nothing' ? 'asks' : 'stored', ...more };
}

/** Nobody can say whether the certificate was revoked, and the profile insists. */
function listed(by: MisbehaviourName, path: string, evidence: RegExp): Attack {
  return attack(by, 'gateway-revocation-unknown', 'nothing', { client: 'strict', evidence, fetches: [path] });
}

function negotiated(by: MisbehaviourName, client: AttackedClient, evidence = /bad-answer-proposal/): Attack {
  return attack(by, 'gateway-misbehaved', 'nothing', { client, evidence });
}

function badValue(by: MisbehaviourName, client: ProposalClient, evidence: RegExp): Attack {
  return attack(by, 'gateway-misbehaved', 'nothing', { client, evidence });
}
