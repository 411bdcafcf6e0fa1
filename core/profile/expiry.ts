/** What will be over soon. Pure: the time comes as a number. */
import type { Certificate } from '../pki/contract.ts';
import type { Warning } from '../rpc/contract.ts';

const DAY = 24 * 3600_000;
/** Days left at which the user is told, and told again (each once, for who counts). */
export const WARN_DAYS = [30, 14, 7, 1] as const;

/** Whole days; 0 on the last one, negative from the moment it is over. */
export function daysLeft({ notAfter }: Pick<Certificate, 'notAfter'>, now: number): number {
  return Math.floor((notAfter - now) / DAY);
}

/** The least of `WARN_DAYS` that is reached, 0 when it is over, undefined when there is time. */
export function expiryStage(certificate: Pick<Certificate, 'notAfter'>, now: number): number | undefined {
  if (certificate.notAfter < now) return 0;
  const days = (certificate.notAfter - now) / DAY;
  return [...WARN_DAYS].reverse().find((stage) => days <= stage);
}

export interface ExpiringCertificates {
  /** The user's own chain, the end entity first. */
  readonly own: readonly Certificate[];
  /** What the gateway showed, up to the anchor. */
  readonly gateway: readonly Certificate[];
  /** Trust anchors of the profile. */
  readonly authorities: readonly Certificate[];
}

/** Soonest first, each certificate once. */
export function expiryWarnings({ own, gateway, authorities }: ExpiringCertificates, now: number): readonly Warning[] {
  const warnings: Warning[] = [];
  const add = (code: Warning['code'], certificate: Certificate | undefined) => {
    if (!certificate || expiryStage(certificate, now) === undefined) return;
    const { notAfter, subject } = certificate;
    if (warnings.some((earlier) => earlier.subject === subject.text && earlier.notAfter === notAfter)) return;
    warnings.push({ code, subject: subject.text, days: daysLeft(certificate, now), notAfter });
  };
  add('client-certificate-expires', own[0]);
  add('gateway-certificate-expires', gateway[0]);
  for (const authority of [...own.slice(1), ...gateway.slice(1), ...authorities]) add('authority-expires', authority);
  return warnings.sort((a, b) => (a.notAfter ?? 0) - (b.notAfter ?? 0));
}
