/**
 * Where `validatePath` and `openssl verify` may differ, and why. A rule says as closely as it can which cases are its own: what we answered,
 * openssl's error (X509_V_ERR), and what is in the certificates.
 */
import type { Certificate, PkiFaultCode } from '../../core/pki/contract.ts';
import type { Comparison } from './differential.ts';

export interface Explanation {
  readonly name: string;
  readonly why: string;
  applies(comparison: Comparison): boolean;
}

/** X509_V_ERR_*, of openssl 3. */
const error = {
  signature: 7,
  expired: 10,
  selfSigned: 19,
  noIssuer: 20,
  purpose: 26,
  permitted: 47,
  excluded: 48,
} as const;

export const explanations: readonly Explanation[] = [
  {
    name: 'openssl does not go back',
    why: 'openssl builds one path and judges it; we try the others. It takes the path that we found when it is given nothing else.',
    applies: ({ ours, opensslOnOurPath }) => ours.fault === undefined && opensslOnOurPath?.accepted === true,
  },
  {
    name: 'anyExtendedKeyUsage',
    why: 'RFC 5280 §4.2.1.12: anyExtendedKeyUsage restricts nothing; openssl wants serverAuth or clientAuth itself for TLS.',
    applies: accepted(error.purpose, (path) => path.some(({ extensions }) => extensions.extendedKeyUsage?.includes(anyUsage))),
  },
  {
    name: 'the last second',
    why: 'RFC 5280 §4.1.2.5: notAfter is inclusive (limbo: notafter-exact); openssl compares with "at or before".',
    applies: accepted(error.expired, (path, at) => path.some(({ notAfter }) => notAfter === at)),
  },
  {
    name: 'authority key identifier of another key',
    why: 'RFC 5280 §4.2.1.1 and RFC 4158 §3.5.12: a help for building paths, no proof; the signature is. openssl refuses the issuer.',
    applies: ({ chain, ours, opensslOnOurPath }) =>
      ours.fault === undefined &&
      opensslOnOurPath?.code === error.noIssuer &&
      chain.features.some((feature) => feature.endsWith('another authority key identifier')),
  },
  {
    name: 'same names without key identifiers',
    why: 'Two keys under one name and nothing to tell them apart by: openssl takes one and fails on it; we try both.',
    applies: (comparison) => [error.signature, error.selfSigned].some((code) => accepted(code, sameNamesUntold)(comparison)),
  },
  {
    name: 'anchors without basic constraints',
    why: 'RFC 5280 §4.2.1.9: an authority says so. openssl takes a self-signed certificate of version 1, or one with keyCertSign.',
    applies: refused('not-a-ca', ({ features }) =>
      features.some((feature) => /:(no basic constraints|version 1)$/.test(feature)),
    ),
  },
  {
    name: 'anyPolicy mapped',
    why: 'RFC 5280 §6.1.4 (a): no mapping from or to anyPolicy, or the path fails. openssl passes over such a mapping when no policy is asked for.',
    applies: refused('policy', ({ features }) => features.some((feature) => feature.includes('mapping any>'))),
  },
  {
    name: 'mailbox in the subject',
    why: 'RFC 4945 §3.1.3: the rfc822Name of subjectAltName. openssl also takes the attribute emailAddress of the subject.',
    applies: refused('wrong-name', ({ name }) => name?.type === 'email'),
  },
  {
    name: 'an extension twice',
    why: 'RFC 5280 §4.2: a certificate MUST NOT include one twice (limbo: duplicate-extensions). openssl looks only with -x509_strict.',
    applies: refusedFor(['malformed', 'untrusted', 'expired'], 'an extension twice'),
  },
  {
    name: 'two signature algorithms in an anchor',
    why: 'RFC 5280 §4.1.1.2: both fields MUST be the same (limbo: mismatching-signature-algorithm). openssl looks when it verifies that signature, which it does not for anchors.',
    applies: refusedFor(['untrusted', 'expired'], 'inner algorithm another'),
  },
  {
    name: 'constraints on host names and the common name',
    why: 'openssl takes a common name for a host name whenever there is no DNS name; we do where the caller may use it as one.',
    applies: (comparison) =>
      comparison.chain.name?.type !== 'fqdn' &&
      [error.permitted, error.excluded].some((code) => accepted(code, ([endEntity]) => !hasDnsName(endEntity))(comparison)),
  },
];

const anyUsage = '2.5.29.37.0';

/** We accept what openssl refuses with this error, also when it is given our very path. */
function accepted(code: number, on: (path: readonly Certificate[], at: number) => boolean | undefined): Explanation['applies'] {
  return ({ chain, ours, opensslOnOurPath }) =>
    ours.fault === undefined && opensslOnOurPath?.code === code && on(ours.path, chain.at.getTime()) === true;
}

/** We refuse for this reason what openssl accepts. */
function refused(code: PkiFaultCode, on: (chain: Comparison['chain']) => boolean): Explanation['applies'] {
  return ({ chain, ours, openssl }) => openssl.accepted && ours.fault?.code === code && on(chain);
}

function refusedFor(codes: readonly PkiFaultCode[], feature: string): Explanation['applies'] {
  return ({ chain, ours, openssl }) =>
    openssl.accepted &&
    ours.fault !== undefined &&
    codes.includes(ours.fault.code) &&
    chain.features.some((text) => text.endsWith(feature));
}

function hasDnsName({ extensions }: Certificate): boolean {
  return extensions.subjectAltName?.some(({ kind }) => kind === 'dns') === true;
}

function sameNamesUntold(path: readonly Certificate[]): boolean {
  const names = new Set(path.map(({ subject }) => subject.text));
  return names.size < path.length && path.some(({ extensions }) => extensions.authorityKeyId === undefined);
}
