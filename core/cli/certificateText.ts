/** Certificates as lines of text. Pure; `now` is Date.now() milliseconds. */
import type { CertificateReport, CertificateView, Warning } from '../rpc/contract.ts';
import { printable } from '../tunnel/explain.ts';
import { columns } from './text.ts';

type Verdict = CertificateReport['revocation'][number];

const DAY = 24 * 3600_000;

export function dayText(instant: number): string {
  const at = new Date(instant);
  return Number.isNaN(at.getTime()) ? 'an impossible day' : at.toISOString().slice(0, 10);
}

export function daysText(days: number): string {
  // Of whole days, rounded down: an hour ago is -1.
  if (days === -1) return 'over for less than a day';
  if (days < 0) return `over for ${-days - 1} day${days === -2 ? '' : 's'}`;
  if (days === 0) return 'less than a day left';
  return `${days} day${days === 1 ? '' : 's'} left`;
}

export function untilText(notAfter: number, now: number): string {
  return `until ${dayText(notAfter)} (${daysText(Math.floor((notAfter - now) / DAY))})`;
}

const SOURCES: Readonly<Record<Verdict['source'], string>> = {
  ocsp: 'by OCSP',
  'ocsp-in-band': 'by OCSP from the gateway',
  crl: 'by a revocation list',
  cache: 'from an earlier time',
  none: '',
};

export function revocationText({ status, source, revokedAt, reason, evidence }: Verdict): string {
  const how = SOURCES[source];
  switch (status) {
    case 'good':
      return `not revoked${how === '' ? '' : ` (${how})`}`;
    case 'revoked': {
      const when = revokedAt === undefined ? '' : ` on ${dayText(revokedAt)}`;
      return `REVOKED${when}${reason === undefined ? '' : `, ${reason}`}${how === '' ? '' : ` (${how})`}`;
    }
    case 'unknown':
      return `not known: ${evidence}`;
    case 'not-checked':
      return `not checked: ${evidence}`;
  }
}

const WARNINGS: Readonly<Record<Warning['code'], string>> = {
  'client-certificate-expires': 'your certificate',
  'gateway-certificate-expires': 'the certificate of the gateway',
  'authority-expires': 'the certificate of the authority',
  'psk-short': 'the pre-shared key is short: it can be guessed',
  'revocation-unknown': 'nobody could say whether it was revoked',
  'network-refused': 'the gateway makes no CHILD SA for it, and it is not reached',
  'family-blocked': 'the gateway carries none of it, so that nothing leaves this computer by it',
};

export function warningText({ code, subject, days, notAfter }: Warning): string {
  const whose = subject === '' ? '' : ` ${subject}`;
  if (code === 'psk-short') return WARNINGS[code];
  if (code === 'revocation-unknown' || code === 'network-refused' || code === 'family-blocked')
    return `${subject === '' ? '' : `${subject}: `}${WARNINGS[code]}`;
  const until = notAfter === undefined ? '' : ` on ${dayText(notAfter)}`;
  if (days !== undefined && days < 0) return `${WARNINGS[code]}${whose} expired${until}`;
  return `${WARNINGS[code]}${whose} expires${until}${days === undefined ? '' : `: ${daysText(days)}`}`;
}

/** The whole lens: verdict first, then each certificate. */
export function reportText(report: CertificateReport): string[] {
  const lines: string[] = [VERDICTS[report.verdict]];
  for (const { code, evidence } of report.problems) lines.push(printable(`Problem: ${evidence} (${code})`));
  for (const warning of report.warnings) lines.push(printable(`Warning: ${warningText(warning)}`));
  if (report.expected) {
    lines.push(printable(`Name: ${report.expected.fits ? 'fits' : 'does NOT fit'} ${report.expected.identity}`));
  }
  if (report.key)
    lines.push(printable(`Private key: ${report.key.kind}, ${report.key.fits ? 'fits' : 'does NOT fit'} the certificate`));
  report.chain.forEach((view, at) => {
    const last = at === report.chain.length - 1;
    const place = at === 0 ? 'Certificate' : last && report.verdict === 'trusted' ? 'Trusted authority' : 'Issued by';
    lines.push('', `${place}:`, ...columns(viewRows(view, report.revocation[at])));
  });
  for (const view of report.others) lines.push('', 'Also in it:', ...columns(viewRows(view, undefined)));
  return lines;
}

const VERDICTS: Readonly<Record<CertificateReport['verdict'], string>> = {
  trusted: 'The chain holds.',
  refused: 'The chain does not hold.',
  unanchored: 'Not held against any authority (--profile, --ca or --system-roots name some).',
};

function viewRows(view: CertificateView, revocation: Verdict | undefined): string[][] {
  const rows: string[][] = [];
  const row = (name: string, text: string | undefined) => {
    if (text !== undefined && text !== '') rows.push([`  ${name}`, text]);
  };
  row('Subject', view.subject);
  row('Names', view.names.join(', '));
  row('Issuer', view.issuer);
  row('Valid', `${dayText(view.notBefore)} to ${dayText(view.notAfter)}, ${daysText(view.days)}`);
  row('Key', view.key);
  row('Signed', view.signature);
  row('Authority', view.ca ? `yes${view.pathLength === undefined ? '' : `, at most ${view.pathLength} below it`}` : 'no');
  row('Key usage', view.keyUsage === undefined ? 'anything' : view.keyUsage.join(', '));
  row('For', view.extendedKeyUsage === undefined ? 'anything' : view.extendedKeyUsage.join(', '));
  row('Lists at', view.crls.join(' '));
  row('OCSP at', view.ocsp.join(' '));
  if (revocation) row('Revocation', revocationText(revocation));
  row('Serial', view.serial);
  row('SHA-256', view.fingerprint);
  return rows;
}
