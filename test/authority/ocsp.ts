/** OCSP answers of any shape, and the reading of requests for a responder. RFC 6960, RFC 8954. */
import { createHash } from 'node:crypto';
import { childrenOf, type DerNode, oidOf, readDer } from '../../core/bytes/der.ts';
import { HOUR, type IssuedCertificate, signed } from './certificate.ts';
import {
  type Der,
  enumerated,
  explicit,
  generalizedTime,
  implicit,
  integer,
  nothing,
  octetString,
  oid,
  sequence,
  tlv,
} from './der.ts';
import { type ExtensionSpec, extensionsDer, keyOctets, type ReasonName, reasonCodes } from './extensions.ts';
import { type HashName, hashOids, type KeyPair, type SignatureSpec } from './keys.ts';

export type OcspResponseStatus =
  | 'successful'
  | 'malformedRequest'
  | 'internalError'
  | 'tryLater'
  | 'sigRequired'
  | 'unauthorized';

export interface OcspSpec {
  readonly singles?: readonly SingleSpec[];
  /** Without `successful` nothing more is in the answer. */
  readonly status?: OcspResponseStatus;
  readonly producedAt?: Date;
  /** Spelt out; the default 1 is not. */
  readonly version?: number;
  /** Whose key signs; default the authority itself. */
  readonly responder?: IssuedCertificate;
  /** How the responder is named. */
  readonly by?: 'key' | 'name';
  /** Certificates sent along; default the responder's when it is not the authority. */
  readonly certificates?: readonly IssuedCertificate[];
  readonly nonce?: Uint8Array;
  readonly extensions?: readonly ExtensionSpec[];
  readonly responseType?: string;
  readonly signedBy?: KeyPair;
  readonly signature?: SignatureSpec;
  /** In place of the responder id. */
  readonly responderId?: Der;
}

export interface SingleSpec {
  readonly certificate?: IssuedCertificate;
  /** In place of the certificate's, octets of the INTEGER. */
  readonly serial?: Uint8Array;
  /** Default: the authority that answers. */
  readonly issuer?: IssuedCertificate;
  readonly status?: 'good' | 'revoked' | 'unknown';
  readonly revokedAt?: Date;
  readonly reason?: ReasonName;
  /** Of the CertID; default SHA-1. */
  readonly hash?: HashName;
  /** Default: an hour ago, and a day from now; `null` leaves nextUpdate out. */
  readonly thisUpdate?: Date;
  readonly nextUpdate?: Date | null;
  /** The whole CertID, e.g. as it was asked. */
  readonly certId?: Der;
  readonly extensions?: readonly ExtensionSpec[];
}

const NONCE = '1.3.6.1.5.5.7.48.1.2';

/** An OCSPResponse. */
export function makeOcsp(authority: IssuedCertificate, spec: OcspSpec = {}): Uint8Array {
  const status = statusCodes[spec.status ?? 'successful'];
  if (status !== 0) return sequence(enumerated(status));
  const basic = basicResponse(authority, spec);
  return sequence(enumerated(0), explicit(0, sequence(oid(spec.responseType ?? '1.3.6.1.5.5.7.48.1.1'), octetString(basic))));
}

function basicResponse(authority: IssuedCertificate, spec: OcspSpec): Der {
  const responder = spec.responder ?? authority;
  const sent = spec.certificates ?? (responder === authority ? [] : [responder]);
  const list: ExtensionSpec[] = [...(spec.extensions ?? [])];
  if (spec.nonce !== undefined) list.push({ oid: NONCE, value: octetString(spec.nonce) });
  return signed(
    spec.signedBy ?? responder.key,
    () =>
      sequence(
        ...(spec.version === undefined ? [] : [explicit(0, integer(spec.version - 1))]),
        spec.responderId ?? responderId(responder, spec.by ?? 'key'),
        generalizedTime(spec.producedAt ?? new Date(Date.now() - HOUR / 2)),
        sequence(...(spec.singles ?? []).map((single) => singleResponse(authority, single))),
        ...(list.length > 0 ? [explicit(1, extensionsDer(list))] : []),
      ),
    spec.signature,
    undefined,
    sent.length > 0 ? [explicit(0, sequence(...sent.map(({ der }) => der)))] : [],
  );
}

/** §4.2.1: byName [1], byKey [2] with the SHA-1 of the responder's key. */
function responderId(responder: IssuedCertificate, by: 'key' | 'name'): Der {
  return by === 'name' ? explicit(1, responder.subject) : explicit(2, octetString(digest('sha1', keyOctets(responder.key.spki))));
}

function singleResponse(authority: IssuedCertificate, single: SingleSpec): Der {
  const { revokedAt, reason, nextUpdate } = single;
  const revoked = () =>
    tlv(
      0xa1,
      generalizedTime(revokedAt ?? new Date(Date.now() - 2 * HOUR)),
      ...(reason === undefined ? [] : [explicit(0, enumerated(reasonCodes[reason]))]),
    );
  const status = single.status ?? 'good';
  return sequence(
    single.certId ??
      certId(single.issuer ?? authority, single.serial ?? single.certificate?.serial ?? new Uint8Array(1), single.hash),
    status === 'good' ? implicit(0, nothing().subarray(2)) : status === 'unknown' ? implicit(2, new Uint8Array(0)) : revoked(),
    generalizedTime(single.thisUpdate ?? new Date(Date.now() - HOUR)),
    ...(nextUpdate === null ? [] : [explicit(0, generalizedTime(nextUpdate ?? new Date(Date.now() + 24 * HOUR)))]),
    ...(single.extensions === undefined ? [] : [explicit(1, extensionsDer(single.extensions))]),
  );
}

/** CertID, §4.1.1. */
export function certId(issuer: IssuedCertificate, serial: Uint8Array, hash: HashName = 'sha1'): Der {
  return sequence(
    sequence(oid(hashOids[hash]), nothing()),
    octetString(digest(hash, issuer.subject)),
    octetString(digest(hash, keyOctets(issuer.key.spki))),
    integer(serial),
  );
}

const digest = (hash: HashName, data: Uint8Array): Uint8Array => new Uint8Array(createHash(hash).update(data).digest());

const statusCodes: Readonly<Record<OcspResponseStatus, number>> = {
  successful: 0,
  malformedRequest: 1,
  internalError: 2,
  tryLater: 3,
  sigRequired: 5,
  unauthorized: 6,
};

export interface OcspRequest {
  readonly asked: readonly { readonly certId: Der; readonly serial: Uint8Array }[];
  readonly nonce: Uint8Array | undefined;
}

/** Undefined when it is not an OCSPRequest. */
export function readOcspRequest(bytes: Uint8Array): OcspRequest | undefined {
  const whole = readDer(bytes);
  if (!whole.ok) return undefined;
  const fields = childrenOf(childrenOf(whole.value)[0]);
  const list = fields.find(({ tag }) => tag === 0x30);
  const extensions = fields.find(({ tag }) => tag === 0xa2);
  if (list === undefined) return undefined;
  return {
    asked: childrenOf(list).map((request) => {
      const id = childrenOf(request)[0];
      return { certId: id.der, serial: childrenOf(id)[3].content };
    }),
    nonce: extensions && nonceOf(childrenOf(extensions)[0]),
  };
}

function nonceOf(extensions: DerNode): Uint8Array | undefined {
  for (const one of childrenOf(extensions)) {
    const parts = childrenOf(one);
    if (oidOf(parts[0]) !== NONCE) continue;
    const inner = readDer(parts[parts.length - 1].content);
    return inner.ok ? inner.value.content : undefined;
  }
  return undefined;
}

/** What a well-behaved responder says to a request: revoked if it is among them, good otherwise; the nonce is given back. */
export function answerOcsp(
  authority: IssuedCertificate,
  request: Uint8Array,
  how: OcspSpec & { readonly revoked?: readonly SingleSpec[] } = {},
): Uint8Array {
  const read = readOcspRequest(request);
  if (read === undefined) return makeOcsp(authority, { status: 'malformedRequest' });
  const singles = read.asked.map(({ certId: id, serial }): SingleSpec => {
    const same = (how.revoked ?? []).find(
      (one) => Buffer.compare(one.serial ?? one.certificate?.serial ?? new Uint8Array(0), serial) === 0,
    );
    return { status: same === undefined ? 'good' : 'revoked', ...same, certId: id };
  });
  return makeOcsp(authority, {
    ...how,
    singles: how.singles ?? singles,
    ...(read.nonce !== undefined && how.nonce === undefined && { nonce: read.nonce }),
  });
}
