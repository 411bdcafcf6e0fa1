/**
 * Every misbehaviour of an office with certificates and EAP ends in the right refusal (SECURITY.md 1–7), and no user is asked for
 * anything by an office that has not proven itself.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IkeAsk } from '../../core/ike/auth/contract.ts';
import type { IkeFailure } from '../../core/ike/sa/contract.ts';
import { answering, authorities, byEap, eapServer, officeCertificate, PASSWORD, USER } from '../gateway/credentials.ts';
import { identity, SECRET } from '../gateway/fixtures.ts';
import type { chainMisbehaviours } from '../gateway/misbehaveChain.ts';
import type { eapMisbehaviours } from '../gateway/misbehaveEap.ts';
import type { exchangeMisbehaviours } from '../gateway/misbehaveExchanges.ts';
import type { proofMisbehaviours } from '../gateway/misbehaveProof.ts';
import type { signatureMisbehaviours } from '../gateway/misbehaveSignature.ts';
import { misbehaviours } from '../gateway/misbehaviours.ts';
import { agreed, failed, meet, type Scene } from './office.ts';

interface Expectation {
  /** Undefined: what it wants is declined, and it gives in. */
  readonly failure?: IkeFailure['code'];
  readonly evidence?: RegExp;
}

type Listed =
  | (typeof proofMisbehaviours)[number]
  | (typeof signatureMisbehaviours)[number]
  | (typeof chainMisbehaviours)[number]
  | (typeof eapMisbehaviours)[number]
  | (typeof exchangeMisbehaviours)[number];

/** One entry for each: the compiler asks for it. Those that need more than the two sides are in test/host/attacks.test.ts. */
const expectations: Readonly<Record<Extract<Listed, { needs: 'certificate' | 'eap' }>['name'], Expectation>> = {
  'signature-other-octets': { failure: 'gateway-authentication-failed', evidence: /does not verify/ },
  'signature-sha1': { failure: 'gateway-signature-refused', evidence: /SHA-1/ },
  'signature-rsa-sha1': { failure: 'gateway-signature-refused', evidence: /SHA-1/ },
  'signature-garbage-after-hash': { failure: 'gateway-authentication-failed', evidence: /does not verify/ },
  'signature-short-hash': { failure: 'gateway-authentication-failed', evidence: /does not verify/ },
  'signature-cube-root': { failure: 'gateway-authentication-failed', evidence: /does not verify/ },
  'signature-other-algorithm': { failure: 'gateway-signature-refused', evidence: /wrong-key-kind/ },
  'signature-absurd-salt': { failure: 'gateway-signature-refused', evidence: /algorithm/ },
  'signature-unknown-algorithm': { failure: 'gateway-signature-refused', evidence: /not known/ },
  'signature-long-identifier': { failure: 'gateway-signature-refused', evidence: /255/ },
  'signature-empty': { failure: 'gateway-signature-refused' },
  'signature-wrong-curve': { failure: 'gateway-signature-refused', evidence: /p384/ },
  'signature-null': { failure: 'auth-method-mismatch', evidence: /NULL/ },
  'signature-shared-key': { failure: 'auth-method-mismatch', evidence: /SHARED_KEY/ },
  'another-auth-without-end': { failure: 'auth-method-mismatch', evidence: /ANOTHER_AUTH_FOLLOWS/ },
  'key-tiny': { failure: 'gateway-cert-invalid', evidence: /weak-key/ },
  'key-even-modulus': { failure: 'gateway-cert-invalid', evidence: /weak-key/ },
  'certificate-other-name': { failure: 'gateway-wrong-name', evidence: /mail\.office\.test/ },
  'certificate-of-nobody': { failure: 'gateway-untrusted' },
  'certificate-expired': { failure: 'gateway-cert-expired' },
  'certificate-not-yet-valid': { failure: 'gateway-cert-not-yet-valid' },
  'certificate-for-signing-code': { failure: 'gateway-cert-invalid', evidence: /extended-key-usage/ },
  'certificate-for-encryption': { failure: 'gateway-cert-invalid', evidence: /key-usage/ },
  'certificate-critical-extension': { failure: 'gateway-cert-invalid', evidence: /unknown-critical-extension/ },
  'certificate-sha1': { failure: 'gateway-cert-invalid', evidence: /weak-signature/ },
  'authority-outside-constraints': { failure: 'gateway-cert-invalid', evidence: /name-constraints/ },
  'authority-below-authority': { failure: 'gateway-cert-invalid', evidence: /path-length/ },
  'authority-no-ca': { failure: 'gateway-cert-invalid', evidence: /not-a-ca/ },
  'certificate-loop': { failure: 'gateway-untrusted' },
  'certificate-missing': { failure: 'gateway-no-certificate' },
  'certificate-by-url': { failure: 'gateway-no-certificate' },
  'certificate-garbage': { failure: 'gateway-cert-invalid', evidence: /malformed/ },
  'certificate-of-60-kb': { failure: 'gateway-cert-invalid' },
  'certificate-bundle': { failure: 'gateway-cert-invalid', evidence: /more than 32/ },
  'ocsp-flood': { failure: 'gateway-cert-invalid', evidence: /OCSP/ },
  'signature-md5': { failure: 'gateway-signature-refused' },
  'signature-pss-long-salt': { failure: 'gateway-signature-refused' },
  'signature-zero': { failure: 'gateway-authentication-failed' },
  'key-exponent-1': { failure: 'gateway-cert-invalid', evidence: /weak-key/ },
  'key-huge': { failure: 'gateway-cert-invalid' },
  'key-huge-exponent': { failure: 'gateway-cert-invalid' },
  'certificate-md5': { failure: 'gateway-cert-invalid', evidence: /weak-signature/ },
  'authority-excludes-name': { failure: 'gateway-cert-invalid', evidence: /name-constraints/ },
  'authority-critical-extension': { failure: 'gateway-cert-invalid', evidence: /unknown-critical-extension/ },
  'authority-may-not-sign': { failure: 'gateway-cert-invalid', evidence: /key-usage/ },
  'authority-expired': { failure: 'gateway-cert-expired' },
  'certificate-chain-of-20': { failure: 'gateway-cert-invalid', evidence: /too-complex/ },
  'certificate-of-nobody-with-addresses': { failure: 'gateway-untrusted' },
  'eap-without-certificate': { failure: 'gateway-no-certificate' },
  'eap-without-auth': { failure: 'eap-before-gateway' },
  'eap-failure-of-3-octets': { failure: 'eap-protocol' },
  'eap-failure-of-4-octets': { failure: 'eap-protocol', evidence: /without E=/ },
  'eap-failure-of-5-octets': { failure: 'eap-protocol', evidence: /without E=/ },
  'eap-failure-too-short-for-itself': { failure: 'eap-protocol' },
  'eap-failure-longer-than-sent': { failure: 'eap-protocol' },
  'eap-failure-odd-challenge': { failure: 'password-wrong' },
  'eap-failure-without-words': { failure: 'password-wrong' },
  'eap-failure-of-1000-octets': { failure: 'password-wrong' },
  'eap-success-wrong-identifier': { failure: 'eap-protocol' },
  'eap-before-gateway': { failure: 'eap-before-gateway' },
  'eap-bad-signature': { failure: 'gateway-authentication-failed' },
  'eap-success-at-once': { failure: 'eap-protocol' },
  'eap-success-after-identity': { failure: 'eap-protocol' },
  'eap-success-before-proof': { failure: 'eap-protocol' },
  'eap-success-without-proof': { failure: 'eap-server-unproven' },
  'eap-success-wrong-proof': { failure: 'eap-server-unproven' },
  'eap-second-method': { failure: 'eap-protocol' },
  'eap-identity-in-method': { failure: 'eap-protocol' },
  'eap-endless-rounds': { failure: 'eap-protocol' },
  'eap-downgrade-md5': { failure: 'eap-protocol', evidence: /without end/ },
  'eap-expanded-type': {},
  'eap-response-code': { failure: 'eap-protocol' },
  'eap-wrong-length': { failure: 'protocol', evidence: /EAP/ },
  'eap-failure-at-once': { failure: 'eap-refused' },
  'eap-endless-identity': { failure: 'eap-protocol' },
  'eap-failed-notify': { failure: 'eap-refused', evidence: /AUTHENTICATION_FAILED/ },
  'eap-wrong-key': { failure: 'gateway-authentication-failed', evidence: /EAP/ },
  'eap-no-key': { failure: 'gateway-authentication-failed', evidence: /EAP/ },
  'eap-last-auth-missing': { failure: 'protocol', evidence: /AUTH/ },
  'eap-auth-early': { failure: 'eap-protocol', evidence: /AUTH/ },
  'eap-skipped': { failure: 'protocol', evidence: /EAP/ },
  'eap-stops': { failure: 'protocol', evidence: /EAP/ },
  'redirect-between': {},
  'eap-other-name': { failure: 'gateway-identity', evidence: /evil\.office\.test/ },
};

/** How client and office are set up: the office proves itself by a certificate, the client by a key or by EAP. */
function scene(needs: 'certificate' | 'eap'): Scene {
  const gateway = { method: 'certificate', authorities } as const;
  const certificate = officeCertificate('rsa');
  if (needs === 'certificate') {
    const local = [{ method: 'psk', secret: SECRET }] as const;
    return { client: { auth: { local, gateway } }, office: { certificate } };
  }
  const users = [{ identity: identity(USER), proofs: ['eap'] as const }];
  return { client: { auth: { local: [byEap()], gateway } }, office: { certificate, users, eap: eapServer() } };
}

/** By what they are the office has not proven itself when it asks. */
const unproven = /^(signature|certificate|authority|key|ocsp)-|^eap-(before-gateway|bad-signature|other-name)$/;

for (const { name, what, clause, needs } of misbehaviours) {
  if (needs !== 'certificate' && needs !== 'eap') continue;
  const expected = expectations[name as keyof typeof expectations];
  test(`${name}: ${what} (${clause}) ends in ${expected.failure ?? 'what the client has'}`, () => {
    const asked: IkeAsk[] = [];
    const { client, office } = scene(needs);
    const began = performance.now();
    const conversation = meet({
      client: { redirect: {}, ...client },
      office: { ...office, misbehave: [name] },
      answer: answering({ credentials: { password: [PASSWORD] }, asked }),
    });
    if (expected.failure) failed(conversation, expected.failure, expected.evidence);
    else agreed(conversation);
    assert.ok(performance.now() - began < 2_000, 'it is refused quickly');
    if (unproven.test(name)) assert.ok(asked.every(({ kind }) => kind !== 'credential'));
    const proven = asked.findIndex(({ kind }) => kind === 'gateway-revocation');
    assert.ok(asked.every(({ kind }, at) => kind !== 'credential' || (proven >= 0 && at > proven)));
  });
}

for (const needs of ['certificate', 'eap'] as const) {
  test(`the honest office of these tests (${needs}) is reached`, () => {
    agreed(meet({ ...scene(needs), answer: answering({ credentials: { password: [PASSWORD] } }) }));
  });
}
