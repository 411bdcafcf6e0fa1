/** What is to be said of the certificates of a file: soon over, weak, not what they are taken for. */

import { parsePublicKey } from '../crypto/publicKey.ts';
import { publicKeyFault } from '../crypto/signatures.ts';
import { parseIdentity, sameIdentity } from '../ike/identity.ts';
import { isSelfIssued } from '../pki/certificate.ts';
import type { Certificate } from '../pki/contract.ts';
import type { EapSettings, GatewayTrust } from '../rpc/contract.ts';
import { daysLeft, expiryStage } from './expiry.ts';
import { shown } from './faults.ts';
import type { Material } from './material.ts';
import type { Notes } from './notes.ts';
import type { ProfileFile } from './schema.ts';

export function noteCertificates(
  { auth, localId }: Pick<ProfileFile, 'auth' | 'localId'>,
  trust: GatewayTrust,
  material: Material,
  eap: EapSettings | undefined,
  notes: Notes,
  now: number,
): void {
  const proves = auth.method === 'certificate' || auth.method === 'certificate-eap';
  if (proves) noteIdentity(localId, material.certificates[0], notes);
  for (const certificate of material.certificates) noteOne('auth.certificate', certificate, notes, now);
  if (eap) for (const certificate of material.eapAuthorities) noteOne('auth.authorities', certificate, notes, now);
  if (trust.method === 'psk') return;
  for (const certificate of material.authorities) {
    noteOne('gatewayAuth.authorities', certificate, notes, now);
    if (certificate.extensions.basicConstraints?.ca !== true && certificate.version === 3) {
      const subject = shown(certificate.subject.text);
      const why = `${subject} is no authority: the gateway must have exactly this certificate, or one of this key`;
      notes.warning('gatewayAuth.authorities', 'not-an-authority', why, { subject });
    }
  }
  for (const certificate of material.intermediates) noteOne('gatewayAuth.intermediates', certificate, notes, now);
}

function noteOne(field: string, certificate: Certificate, notes: Notes, now: number): void {
  const subject = shown(certificate.subject.text);
  const days = daysLeft(certificate, now);
  const day = new Date(certificate.notAfter).toISOString().slice(0, 10);
  if (certificate.notBefore > now) {
    notes.warning(field, 'certificate-not-yet-valid', `${subject} is not valid yet; is the clock of this computer right?`, {
      subject,
    });
  } else if (certificate.notAfter < now) {
    notes.warning(field, 'certificate-expired', `${subject} is no longer valid since ${day}`, { subject, days });
  } else if (expiryStage(certificate, now) !== undefined) {
    notes.warning(field, 'certificate-expires', `${subject} is valid until ${day} only`, { subject, days });
  }
  const algorithm = certificate.signatureAlgorithm;
  // Nobody verifies how a root signed itself.
  const weak = algorithm === undefined || ('hash' in algorithm && algorithm.hash === 'sha1');
  if (weak && !isSelfIssued(certificate)) {
    const value = algorithm === undefined ? certificate.signatureOid : 'SHA-1';
    notes.warning(field, 'weak-signature', `${subject} is signed with ${value}, which is not believed`, { subject, value });
  }
  const key = publicKeyFault(certificate.publicKey);
  if (key !== undefined) {
    const read = parsePublicKey(certificate.publicKey);
    const value = read.ok && read.value.kind === 'rsa' ? `RSA ${read.value.bits}` : key;
    notes.warning(field, 'weak-key', `the key of ${subject} is not good enough (${value})`, { subject, value });
  }
}

/** As the connection finds it (core/helper/proof.ts): the first mail address or host name (RFC 4945 §3.1), else the subject. */
export function identityIn(certificate: Certificate): string {
  const names = textNames(certificate).filter(({ value }) => parseIdentity(value).ok);
  const found = names.find(({ kind }) => kind === 'email') ?? names.find(({ kind }) => kind === 'dns');
  return found?.value ?? certificate.subject.text;
}

function textNames({ extensions }: Certificate): readonly { readonly kind: 'email' | 'dns'; readonly value: string }[] {
  return (extensions.subjectAltName ?? []).flatMap((name) =>
    name.kind === 'email' || name.kind === 'dns' ? [{ kind: name.kind, value: name.value }] : [],
  );
}

/** Gateways look for who we say we are in our certificate. */
export function noteIdentity(localId: string | undefined, mine: Certificate | undefined, notes: Notes): void {
  if (localId === undefined || !mine) return;
  const wanted = localId.trim().toLowerCase();
  const alternative = textNames(mine).some(({ value }) => value.toLowerCase() === wanted);
  const given = parseIdentity(localId);
  const subject = parseIdentity(mine.subject.text);
  const same = given.ok && subject.ok && sameIdentity(given.value, subject.value);
  if (alternative || same) return;
  const value = shown(identityIn(mine));
  notes.warning(
    'localId',
    'identity-unlike-certificate',
    `is not in your certificate, which says ${value}: many gateways refuse that`,
    {
      value,
    },
  );
}
