/** What the lens says of a certificate, as terms and values: on the screen, and as text to hand on. Pure. */
import type { CertificateReport, CertificateView, Results, Warning } from '../../../core/rpc/contract.ts';
import type { Formats } from '../../i18n/format.ts';
import type { Translate } from '../../i18n/translate.ts';
import type { LensSubject } from '../../store/lens.ts';

export type Verdict = CertificateReport['revocation'][number];
export type Whose = LensSubject['whose'];
/** Of the namespace `certificates`. */
export type Say = Translate<readonly ['certificates']>;

export interface Row {
  readonly term: string;
  /** One line each. */
  readonly values: readonly string[];
  /** Technical text: fixed-width, and one press copies it. */
  readonly technical?: true;
  /** Only for whoever unfolds it. */
  readonly folded?: true;
}

/** What is left of a certificate's time, in words. */
export function daysText(days: number, t: Say): string {
  if (days < 0) return t('days.over', { count: -days });
  return days === 0 ? t('days.last') : t('days.left', { count: days });
}

export function revocationText({ status, source, revokedAt, evidence }: Verdict, t: Say, format: Formats): string {
  const how = source === 'none' ? '' : t(`source.${source}`);
  const said =
    status === 'revoked' && revokedAt !== undefined
      ? t('revocation.revokedOn', { date: format.date(revokedAt) })
      : t(`revocation.${status}`);
  const more = status === 'good' || status === 'revoked' ? how : [how, evidence].filter(Boolean).join(' · ');
  return more === '' ? said : `${said} (${more})`;
}

/** `verdict` is undefined where nobody looked. */
export function certificateRows(view: CertificateView, verdict: Verdict | undefined, t: Say, format: Formats): readonly Row[] {
  const { notBefore, notAfter, days, pathLength } = view;
  const rows: readonly Row[] = [
    { term: t('fact.subject'), values: [view.subject], technical: true },
    { term: t('fact.names'), values: view.names, technical: true },
    { term: t('fact.issuer'), values: [view.issuer], technical: true },
    {
      term: t('fact.valid'),
      values: [t('validFrom', { from: format.date(notBefore), until: format.date(notAfter) }), daysText(days, t)],
    },
    { term: t('fact.revocation'), values: verdict ? [revocationText(verdict, t, format)] : [] },
    {
      term: t('fact.authority'),
      values: view.ca ? [pathLength === undefined ? t('authorityYes') : t('authorityBelow', { count: pathLength })] : [],
    },
    { term: t('fact.key'), values: [view.key], folded: true },
    { term: t('fact.signature'), values: [view.signature], folded: true },
    { term: t('fact.keyUsage'), values: view.keyUsage ?? [t('anything')], folded: true },
    { term: t('fact.purpose'), values: view.extendedKeyUsage ?? [t('anything')], folded: true },
    { term: t('fact.crls'), values: view.crls, technical: true, folded: true },
    { term: t('fact.ocsp'), values: view.ocsp, technical: true, folded: true },
    { term: t('fact.serial'), values: [view.serial], technical: true, folded: true },
    { term: t('fact.fingerprint'), values: [view.fingerprint], technical: true, folded: true },
  ];
  return rows.filter(({ values }) => values.length > 0);
}

/** What a certificate is in the chain. */
export function placeOf(report: CertificateReport, at: number, whose: Whose): 'own' | 'gateway' | 'issuer' | 'anchor' | 'pinned' {
  const view = report.chain[at];
  if (whose === 'authorities') return view?.ca ? 'anchor' : 'pinned';
  if (at === 0) return whose;
  return at === report.chain.length - 1 && report.verdict === 'trusted' ? 'anchor' : 'issuer';
}

/** The sentence above all; undefined where there is nothing to judge. */
export function verdictKey({ verdict }: CertificateReport, whose: Whose) {
  if (whose === 'authorities') return verdict === 'refused' ? 'verdict.refused' : undefined;
  if (verdict === 'refused') return 'verdict.refused';
  return verdict === 'trusted' ? (`verdict.trusted.${whose}` as const) : (`verdict.unanchored.${whose}` as const);
}

/** Days left at which a warning becomes louder. */
const SOON = 7;

export function warningTone({ code, days }: Warning): 'attention' | 'failed' {
  return code.endsWith('expires') && days !== undefined && days <= SOON ? 'failed' : 'attention';
}

/** It has no end. */
function isLasting(code: Warning['code']): code is 'psk-short' | 'revocation-unknown' | 'network-refused' | 'family-blocked' {
  return ['psk-short', 'revocation-unknown', 'network-refused', 'family-blocked'].includes(code);
}

/** What is wrong, as a short sentence. */
export function warningText({ code, days = 0 }: Warning, t: Say): string {
  if (isLasting(code)) return t(`warning.${code}.what`);
  if (days < 0) return t(`warning.${code}.over`);
  return days === 0 ? t(`warning.${code}.last`) : t(`warning.${code}.what`, { count: days });
}

/** The same in as few words as a list has room for. */
export function warningBadge({ code, days = 0 }: Warning, t: Say): string {
  if (isLasting(code)) return t(`badge.${code}`);
  return days < 0 ? t('badge.over') : t('badge.expires', { count: days });
}

/** Soonest first, each kind once: who sees it mends all of them together. */
export function mostUrgent(warnings: readonly Warning[]): readonly Warning[] {
  const days = (one: Warning) => one.days ?? Number.POSITIVE_INFINITY;
  const sorted = [...warnings].sort((a, b) => days(a) - days(b));
  return sorted.filter((one, at) => sorted.findIndex(({ code }) => code === one.code) === at);
}

export function reportText(report: Results['cert.show'], head: readonly string[], whose: Whose, t: Say, format: Formats): string {
  const lines = [...head];
  const key = verdictKey(report, whose);
  if (key) lines.push(t(key));
  for (const { code, evidence } of report.problems) lines.push(`${t(`problem.${code}`)} (${code}: ${evidence})`);
  for (const warning of report.warnings) lines.push(`${warningText(warning, t)} (${warning.subject})`);
  if (report.expected) lines.push(expectedText(report.expected, t));
  const block = (title: string, rows: readonly Row[]) => {
    lines.push('', title, ...rows.map(({ term, values }) => `  ${term}: ${values.join(', ')}`));
  };
  report.chain.forEach((view, at) => {
    block(t(`place.${placeOf(report, at, whose)}`), certificateRows(view, report.revocation[at], t, format));
  });
  for (const view of report.others) {
    block(
      t(whose === 'authorities' ? (view.ca ? 'place.anchor' : 'place.pinned') : 'place.also'),
      certificateRows(view, undefined, t, format),
    );
  }
  return `${lines.join('\n')}\n`;
}

export function expectedText({ identity, fits }: NonNullable<CertificateReport['expected']>, t: Say): string {
  return t(fits ? 'nameFits' : 'nameDoesNotFit', { identity });
}
