/** Certificate revocation lists of any shape: full, delta, indirect, partitioned, signed wrongly. RFC 5280 §5. */
import { HOUR, type IssuedCertificate, pem, signed } from './certificate.ts';
import {
  boolean,
  type Der,
  enumerated,
  explicit,
  generalizedTime,
  implicit,
  integer,
  sequence,
  sequenceOf,
  time,
} from './der.ts';
import {
  type DistributionPointSpec,
  type ExtensionSpec,
  extension,
  extensionsDer,
  fullName,
  type ReasonName,
  reasonCodes,
  reasonFlagsContent,
} from './extensions.ts';
import type { KeyPair, SignatureSpec } from './keys.ts';
import { type NameText, nameDer } from './names.ts';

export interface CrlSpec {
  readonly revoked?: readonly RevokedSpec[];
  /** Default: an hour ago, and a day from now; `null` leaves nextUpdate out. */
  readonly thisUpdate?: Date;
  readonly nextUpdate?: Date | null;
  /** CRLNumber; default 1. */
  readonly number?: number | null;
  /** Makes it a delta CRL on the base with this number. */
  readonly deltaBase?: number;
  /** Where deltas of this one are. */
  readonly freshest?: readonly DistributionPointSpec[];
  readonly distributionPoint?: IssuingDistributionPointSpec;
  /** Version 1 has no extensions but those that are given. */
  readonly version?: number;
  readonly extensions?: readonly ExtensionSpec[];
  readonly issuer?: NameText;
  readonly signedBy?: KeyPair;
  readonly signature?: SignatureSpec;
  readonly innerAlgorithm?: Der;
}

export interface RevokedSpec {
  readonly certificate?: IssuedCertificate;
  /** In place of the certificate's: the octets of the INTEGER, or a number. */
  readonly serial?: Uint8Array | number;
  /** Or DER of what stands there. */
  readonly at?: Date | Der;
  readonly reason?: ReasonName;
  /** Certificate issuer, for an indirect CRL. */
  readonly issuer?: NameText;
  readonly extensions?: readonly ExtensionSpec[];
}

export interface IssuingDistributionPointSpec {
  readonly uris?: readonly string[];
  readonly onlyUser?: boolean;
  readonly onlyCa?: boolean;
  readonly onlyAttribute?: boolean;
  readonly reasons?: readonly ReasonName[];
  readonly indirect?: boolean;
}

export interface MadeCrl {
  readonly der: Uint8Array;
  readonly pem: string;
}

export function makeCrl(issuer: IssuedCertificate, spec: CrlSpec = {}): MadeCrl {
  const revoked = (spec.revoked ?? []).map(entry);
  const list = extensionsOf(issuer, spec);
  const version = spec.version ?? 2;
  const der = signed(
    spec.signedBy ?? issuer.key,
    (algorithm) =>
      sequence(
        ...(version === 1 ? [] : [integer(version - 1)]),
        algorithm,
        spec.issuer === undefined ? issuer.subject : nameDer(spec.issuer),
        time(spec.thisUpdate ?? new Date(Date.now() - HOUR)),
        ...(spec.nextUpdate === null ? [] : [time(spec.nextUpdate ?? new Date(Date.now() + 24 * HOUR))]),
        // §5.1.2.6: absent when there are none.
        ...(revoked.length === 0 ? [] : [sequenceOf(revoked)]),
        ...(list.length > 0 ? [explicit(0, extensionsDer(list))] : []),
      ),
    spec.signature,
    spec.innerAlgorithm,
  );
  return { der, pem: pem('X509 CRL', der) };
}

function entry({ certificate, serial = certificate?.serial ?? 0, at, reason, issuer, extensions = [] }: RevokedSpec): Der {
  const list: ExtensionSpec[] = [...extensions];
  if (reason !== undefined) list.push({ oid: '2.5.29.21', value: enumerated(reasonCodes[reason]) });
  if (issuer !== undefined) {
    list.push({ oid: '2.5.29.29', critical: true, value: sequence(explicit(4, nameDer(issuer))) });
  }
  return sequence(
    integer(serial),
    at instanceof Uint8Array ? at : time(at ?? new Date(Date.now() - 2 * HOUR)),
    ...(list.length > 0 ? [extensionsDer(list)] : []),
  );
}

function extensionsOf(issuer: IssuedCertificate, spec: CrlSpec): ExtensionSpec[] {
  if (spec.version === 1) return [...(spec.extensions ?? [])];
  const list: ExtensionSpec[] = [extension.authorityKeyId(issuer.keyId)];
  if (spec.number !== null) list.push({ oid: '2.5.29.20', value: integer(spec.number ?? 1) });
  if (spec.deltaBase !== undefined) list.push({ oid: '2.5.29.27', critical: true, value: integer(spec.deltaBase) });
  if (spec.freshest !== undefined) list.push(extension.freshestCrl(spec.freshest));
  if (spec.distributionPoint !== undefined) list.push(issuingDistributionPoint(spec.distributionPoint));
  const given = spec.extensions ?? [];
  return [...list.filter(({ oid }) => !given.some((other) => other.oid === oid)), ...given];
}

/** §5.2.5 */
function issuingDistributionPoint(spec: IssuingDistributionPointSpec): ExtensionSpec {
  const yes = boolean(true).subarray(2);
  return {
    oid: '2.5.29.28',
    critical: true,
    value: sequence(
      ...(spec.uris === undefined ? [] : [fullName(spec.uris)]),
      ...(spec.onlyUser ? [implicit(1, yes)] : []),
      ...(spec.onlyCa ? [implicit(2, yes)] : []),
      ...(spec.reasons === undefined ? [] : [implicit(3, reasonFlagsContent(spec.reasons))]),
      ...(spec.indirect ? [implicit(4, yes)] : []),
      ...(spec.onlyAttribute ? [implicit(5, yes)] : []),
    ),
  };
}

/** Entry extension invalidityDate, §5.3.2. */
export const invalidityDate = (at: Date): ExtensionSpec => ({ oid: '2.5.29.24', value: generalizedTime(at) });

/** A CRL of `count` entries with serials from 1: for bounds and for speed. */
export const manyRevoked = (count: number): readonly RevokedSpec[] => {
  const at = new Date(Date.now() - HOUR);
  return Array.from({ length: count }, (_, i) => ({ serial: i + 1, at }));
};
