/** Attacks on who is there: SECURITY.md 1–7. */
import { type AttackedSentence, attack, listed } from './attack.ts';

export const proofAttacks: readonly AttackedSentence[] = [
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
];
