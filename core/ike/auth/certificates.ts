/** CERT and CERTREQ payloads (RFC 7296 §3.6, §3.7; RFC 4806): what is sent, and what of the peer's is looked at. */
import { concat } from '../../bytes/bytes.ts';
import { err, ok, type Result } from '../../bytes/result.ts';
import { CERT_ENCODING } from '../wire/constants.ts';
import type { Payload, PayloadOf } from '../wire/message.ts';
import { allPayloads } from '../wire/payloads.ts';

/** A chain has some four; a gateway that sends several chains three times as many. */
const MAX_CERTIFICATES = 32;
const MAX_OCSP = 8;
/** A gateway that trusts the whole web has some 150. */
const MAX_AUTHORITIES = 1024;
const SHA1_OCTETS = 20;
/** All of them together. The largest real bundles have some 20 kB, with post-quantum keys perhaps three times that. */
const MAX_OCTETS = 128 * 1024;

export interface PeerCertificates {
  /** Copies, in their order: the first is the end entity's (RFC 7296 §3.6). */
  readonly certificates: readonly Uint8Array[];
  readonly ocsp: readonly Uint8Array[];
}

/** The certificates and OCSP answers of a message, or what is too much. */
export function readCertificates(payloads: readonly Payload[]): Result<PeerCertificates, string> {
  const certificates: Uint8Array[] = [];
  const ocsp: Uint8Array[] = [];
  let octets = 0;
  for (const { encoding, data } of allPayloads(payloads, 'CERT')) {
    octets += data.length;
    if (octets > MAX_OCTETS) return err(`certificates of more than ${MAX_OCTETS} octets`);
    // Hash and URL (12, 13) would let a stranger make us fetch things: we never say HTTP_CERT_LOOKUP_SUPPORTED, so they are ignored
    // like all other encodings (RFC 7296 §3.6).
    if (encoding === CERT_ENCODING.X509_SIGNATURE) certificates.push(data.slice());
    else if (encoding === CERT_ENCODING.OCSP_CONTENT) ocsp.push(data.slice());
    if (certificates.length > MAX_CERTIFICATES) return err(`more than ${MAX_CERTIFICATES} certificates`);
    if (ocsp.length > MAX_OCSP) return err(`more than ${MAX_OCSP} OCSP answers`);
  }
  return ok({ certificates, ocsp });
}

/** The hashes of the peer's CERTREQ payloads for X.509 certificates; what is beyond the bound is left out. */
export function requestedAuthorities(payloads: readonly Payload[]): readonly Uint8Array[] {
  const hashes: Uint8Array[] = [];
  for (const { encoding, data } of allPayloads(payloads, 'CERTREQ')) {
    if (encoding !== CERT_ENCODING.X509_SIGNATURE) continue;
    for (let at = 0; at + SHA1_OCTETS <= data.length && hashes.length < MAX_AUTHORITIES; at += SHA1_OCTETS)
      hashes.push(data.slice(at, at + SHA1_OCTETS));
  }
  return hashes;
}

/** RFC 7296 §3.6: the end entity's first, one certificate for each payload. */
export function certificatePayloads(certificates: readonly Uint8Array[]): readonly PayloadOf<'CERT'>[] {
  return certificates.map((data) => ({ kind: 'CERT', encoding: CERT_ENCODING.X509_SIGNATURE, data }));
}

/** `authorities` are SHA-1 hashes of SubjectPublicKeyInfo (RFC 7296 §3.7); none, no request. `ocsp`: answers in band are welcome. */
export function certificateRequests(authorities: readonly Uint8Array[], ocsp: boolean): readonly PayloadOf<'CERTREQ'>[] {
  const requests: PayloadOf<'CERTREQ'>[] = [];
  if (authorities.length > 0)
    requests.push({ kind: 'CERTREQ', encoding: CERT_ENCODING.X509_SIGNATURE, data: concat(...authorities) });
  // RFC 4806 §3.1, §4.1: a payload of its own; without hashes it is for answers of the CA and of whom it has named.
  if (ocsp) requests.push({ kind: 'CERTREQ', encoding: CERT_ENCODING.OCSP_CONTENT, data: new Uint8Array(0) });
  return requests;
}
