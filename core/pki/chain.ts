/**
 * RFC 5280 §6.1: one path from a trust anchor to an end entity, the signatures on which were checked while it was built. The anchor is a
 * certificate that somebody chose, and what it says about itself (dates, constraints) binds it like any other.
 */
import { timeDigits } from '../bytes/derWriter.ts';
import { publicKeyFault } from '../crypto/signatures.ts';
import { describe, isSelfIssued } from './certificate.ts';
import { conformanceRemarks } from './conformance.ts';
import type { Certificate, PathRequest, PkiFault, PkiFaultCode } from './contract.ts';
import { nameFault, usableCommonNames } from './identity.ts';
import { type ComparisonBudget, ConstraintStack } from './nameConstraints.ts';
import { PolicyState } from './policy.ts';
import { endEntityPurposeFault, extendedUsageFault } from './purpose.ts';

/** The end entity first, the anchor last. Undefined: the path is valid. */
export function pathFault(path: readonly Certificate[], request: PathRequest, budget: ComparisonBudget): PkiFault | undefined {
  return (
    path.map((certificate, i) => certificateFault(certificate, i > 0, request)).findLast((fault) => fault !== undefined) ??
    authoritiesFault(path, request) ??
    constraintsFault(path, request, budget) ??
    policyFault(path) ??
    usageFault(path, request) ??
    subjectFault(path, request)
  );
}

/** What can be said of a certificate by itself: §6.1.3 (a)(2), §6.1.4 (o), §6.1.5 (f). */
function certificateFault(certificate: Certificate, authority: boolean, request: PathRequest): PkiFault | undefined {
  const { unknownCritical } = certificate.extensions;
  if (unknownCritical.length > 0)
    return fault('unknown-critical-extension', certificate, `the critical extension ${unknownCritical[0]}`);
  // Most often it is the clock that is wrong: a date that is off shows.
  const here = `and the date here is ${dateText(request.at)}`;
  if (request.at < certificate.notBefore)
    return fault('not-yet-valid', certificate, `valid from ${dateText(certificate.notBefore)}, ${here}`);
  // §4.1.2.5: inclusive, in whole seconds; 23:59:59.5 is still within 23:59:59.
  if (Math.floor(request.at / 1000) * 1000 > certificate.notAfter)
    return fault('expired', certificate, `valid until ${dateText(certificate.notAfter)}, ${here}`);
  if (request.strict === true) {
    const [remark] = conformanceRemarks(certificate, authority);
    if (remark !== undefined) return fault('malformed', certificate, `${remark.evidence} (RFC 5280 §${remark.clause})`);
  }
  return undefined;
}

/** §6.1.4 (k)–(n): who issued a certificate is an authority, may sign, and has not too many below it. From the anchor down. */
function authoritiesFault(path: readonly Certificate[], request: PathRequest): PkiFault | undefined {
  let room = request.maxIntermediates ?? path.length;
  for (let i = path.length - 1; i > 0; i--) {
    const certificate = path[i];
    const { basicConstraints, keyUsage } = certificate.extensions;
    if (certificate.version < 3) return fault('not-a-ca', certificate, `version ${certificate.version}`);
    if (basicConstraints?.ca !== true) return fault('not-a-ca', certificate, 'not an authority by its basic constraints');
    if (keyUsage?.has('keyCertSign') === false) return fault('key-usage', certificate, 'its key is not for signing certificates');
    // The anchor is not part of the path that is counted.
    if (i < path.length - 1 && !isSelfIssued(certificate)) {
      if (room <= 0) return fault('path-length', certificate, 'one authority more than those above allow');
      room -= 1;
    }
    room = Math.min(room, basicConstraints.pathLength ?? room);
  }
  return undefined;
}

/** §6.1.3 (b), (c), §6.1.4 (g). */
function constraintsFault(path: readonly Certificate[], request: PathRequest, budget: ComparisonBudget): PkiFault | undefined {
  const stack = new ConstraintStack(budget);
  for (let i = path.length - 1; i >= 0; i--) {
    const certificate = path[i];
    if (i < path.length - 1 && (i === 0 || !isSelfIssued(certificate))) {
      const common = i === 0 && request.name !== undefined ? usableCommonNames(certificate, request.name) : [];
      const evidence = stack.check(certificate, common);
      if (evidence === 'too-complex') return fault('too-complex', certificate, 'too many names and constraints on names');
      if (evidence !== undefined) return fault('name-constraints', certificate, evidence);
    }
    if (i > 0) stack.push(certificate.extensions.nameConstraints);
  }
  return undefined;
}

function policyFault(path: readonly Certificate[]): PkiFault | undefined {
  const state = new PolicyState(path.length - 1);
  for (let i = path.length - 2; i >= 0; i--) {
    const certificate = path[i];
    const selfIssued = isSelfIssued(certificate);
    const evidence =
      state.process(certificate, selfIssued, i === 0) ??
      (i > 0 ? state.prepare(certificate, selfIssued) : state.wrapUp(certificate, selfIssued));
    if (evidence !== undefined) return fault('policy', certificate, evidence);
  }
  return undefined;
}

function usageFault(path: readonly Certificate[], request: PathRequest): PkiFault | undefined {
  const [endEntity] = path;
  const usage = endEntityPurposeFault(endEntity, request.purpose);
  if (usage !== undefined) return fault(usage.code, endEntity, usage.evidence);
  const extended = extendedUsageFault(path, request.purpose);
  if (extended === undefined) return undefined;
  const certificate = path[extended.at];
  const list = (certificate.extensions.extendedKeyUsage ?? []).slice(0, 8).join(', ');
  return fault('extended-key-usage', certificate, `only for ${list}`);
}

/** The end entity's own key and name. */
function subjectFault([endEntity]: readonly Certificate[], request: PathRequest): PkiFault | undefined {
  const key = publicKeyFault(endEntity.publicKey);
  if (key === 'malformed-key') return fault('malformed', endEntity, 'its key is malformed');
  if (key === 'weak-key') return fault('weak-key', endEntity, 'its key is too short; RSA of 2048 to 8192 bits is taken');
  if (key !== undefined) return fault('weak-key', endEntity, 'its key is of a kind or curve that is not supported');
  if (request.name === undefined) return undefined;
  const wrong = nameFault(endEntity, request.name, request.purpose !== 'ike');
  return wrong === undefined ? undefined : fault('wrong-name', endEntity, wrong);
}

function fault(code: PkiFaultCode, certificate: Certificate, evidence: string): PkiFault {
  return { code, evidence: `${describe(certificate)}: ${evidence}` };
}

/** `2026-11-21`. Our own clock can say what no certificate does: it is taken for the first or the last day that has four digits. */
function dateText(milliseconds: number): string {
  const digits = timeDigits(Math.min(Math.max(milliseconds, FIRST_DAY), LAST_DAY));
  return `${digits.slice(0, 4)}-${digits.slice(4, 6)}-${digits.slice(6, 8)}`;
}

/** 0000-01-01 and 9999-12-31 in milliseconds. */
const FIRST_DAY = -62_167_219_200_000;
const LAST_DAY = 253_402_214_400_000;
