/** Attacks on what is agreed: SECURITY.md 8–13. */
import { type AttackedSentence, attack, badValue, negotiated } from './attack.ts';

export const negotiationAttacks: readonly AttackedSentence[] = [
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
    attacks: [
      negotiated('group-not-offered', 'asks', /22/),
      negotiated('additional-key-exchange', 'two-groups', /ke1_mlkem768/),
      negotiated('additional-key-exchange-unannounced', 'hybrid', /INTERMEDIATE/),
      negotiated('additional-key-exchange-left-out', 'hybrid', /ADDKE1/),
      negotiated('additional-key-exchange-twice', 'hybrid-twice', /36 twice/),
    ],
  },
  {
    line: 10,
    sentence: 'Endless INVALID_KE_PAYLOAD, COOKIE or REDIRECT',
    attacks: [
      attack('endless-invalid-ke', 'ke-refused'),
      attack('invalid-ke-not-offered', 'ke-refused', 'nothing', { evidence: /22/ }),
      attack('endless-cookie', 'gateway-misbehaved', 'nothing', { evidence: /COOKIE/ }),
      attack('same-cookie', 'gateway-misbehaved', 'nothing', { evidence: /COOKIE/ }),
      attack('endless-puzzle', 'gateway-overloaded', 'nothing', { evidence: /COOKIE without end/ }),
      attack('puzzle-too-hard', 'gateway-overloaded', 'nothing', { evidence: /PUZZLE of 255 bits/ }),
      attack('auth-puzzle-too-hard', 'gateway-overloaded', 'nothing', { evidence: /PUZZLE of 255 bits/ }),
      attack('forged-puzzle', 'connected', 'proof'),
      attack('cookie-then-group', 'ke-refused', 'nothing', { client: 'two-groups' }),
      attack('endless-redirect', 'redirected', 'nothing', { evidence: /REDIRECT/ }),
      attack('redirect-to-loopback', 'gateway-misbehaved', 'nothing', { evidence: /REDIRECT/ }),
      attack('redirect-to-no-name', 'gateway-misbehaved', 'nothing', { evidence: /REDIRECT/ }),
      // To where nobody lives.
      attack('redirect-in-auth', 'no-answer', 'nothing', { silent: true }),
      attack('redirect-before-proof', 'gateway-signature-refused'),
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
    sentence: 'wrong-size ML-KEM ciphertext',
    attacks: [
      badValue('kem-ciphertext-short', 'hybrid', /ke1_mlkem768: length/),
      badValue('kem-ciphertext-long', 'hybrid', /ke1_mlkem768: length/),
      badValue('kem-other-method', 'hybrid', /37 where ke1_mlkem768/),
    ],
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
      attack('selectors-wider', 'connected', 'proof', { client: 'split' }),
      attack('address-is-gateway', 'no-address', 'proof', { evidence: /198\.51\.100\.10/ }),
      attack('address-loopback', 'no-address', 'proof', { evidence: /127\.0\.0\.1/ }),
      attack('address-multicast', 'no-address', 'proof', { evidence: /224\.0\.0\.5/ }),
      attack('thousand-dns-servers', 'connected', 'proof'),
    ],
  },
];
