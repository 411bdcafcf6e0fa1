/** `cert show`, `cert check`, `cert fetch`: the certificate lens. */
import { err, ok, type Result } from '../bytes/result.ts';
import type { CertificateReport, Params, RpcError } from '../rpc/contract.ts';
import { gatewayCodes } from '../tunnel/gatewayCodes.ts';
import type { ReasonCode } from '../tunnel/reasons.ts';
import { reportText } from './certificateText.ts';
import { isFile, readAll } from './files.ts';
import { withPassword } from './password.ts';
import { cliError, type Session, SUCCESS, withHelper } from './session.ts';

export interface CertOptions {
  readonly profile?: string;
  readonly expect?: string;
  readonly at?: string;
  readonly ca?: readonly string[];
  readonly systemRoots?: boolean;
  readonly passwordFile?: string;
  readonly offline?: boolean;
}

/** `judge`: the exit code tells whether it holds. */
export async function certCommand(session: Session, what: string, options: CertOptions, judge: boolean): Promise<number> {
  const { output } = session;
  const at = options.at === undefined ? ok(undefined) : readDay(options.at);
  if (!at.ok) return output.error(at.error);
  const authorities = await readAll(options.ca ?? []);
  if (!authorities.ok) return output.error(authorities.error);
  const file = isFile(what);
  const data = file ? await readAll([what]) : ok(undefined);
  if (!data.ok) return output.error(data.error);
  const profile = file ? options.profile : what;
  const request: Params<'cert.show'> = {
    systemRoots: options.systemRoots ?? false,
    revocation: judge && !options.offline,
    ...(data.value && { data: data.value }),
    ...(profile !== undefined && { profile }),
    ...(authorities.value.length > 0 && { authorities: authorities.value }),
    ...(options.expect !== undefined && { expect: options.expect }),
    ...(at.value !== undefined && { at: at.value }),
  };
  return withHelper(session, async (helper) => {
    const done = await withPassword(options.passwordFile, (password) =>
      helper.call('cert.show', { ...request, ...(password !== undefined && { password }) }),
    );
    if (done.ok && judge && done.value.chain.length + done.value.others.length === 0) {
      return cliError('usage', `"${what}" has no certificate that could be checked`);
    }
    if (done.ok) return tell(session, done.value, judge ? 'certificate-refused' : undefined);
    const { code, detail } = done.error;
    if (file || code !== 'profile-unknown') return usageOf(done.error);
    return cliError(code, `${detail}; nor is there a file "${what}"`);
  });
}

/** What the helper does not accept of these was typed by a person, and is no matter of versions. */
function usageOf(error: RpcError): Result<never, RpcError> {
  return err(error.code === 'bad-request' ? { ...error, code: 'usage' } : error);
}

export async function certFetchCommand(session: Session, gateway: string | undefined, options: CertOptions): Promise<number> {
  if (gateway === undefined && options.profile === undefined) {
    return session.output.error({ code: 'usage', detail: 'expected a gateway, or --profile' });
  }
  return withHelper(session, async (helper) => {
    const { profile, expect } = options;
    const done = await helper.call('cert.fetch', {
      ...(gateway !== undefined && { gateway }),
      ...(profile !== undefined && { profile }),
      ...(expect !== undefined && { expect }),
    });
    return done.ok ? tell(session, done.value, 'gateway') : usageOf(done.error);
  });
}

function tell(
  { output }: Session,
  report: CertificateReport,
  judge: 'certificate-refused' | 'gateway' | undefined,
): Result<number, RpcError> {
  const [verdict = '', ...lines] = reportText(report);
  output.line(output.style(report.verdict === 'refused' ? 'bad' : report.verdict === 'trusted' ? 'good' : 'strong', verdict));
  for (const line of lines) output.line(line);
  const [problem] = report.problems;
  if (judge === 'certificate-refused' && !problem && report.verdict === 'unanchored') {
    const detail = 'there is nothing to hold it against; --profile, --ca or --system-roots name some';
    return ok(output.error({ code: 'usage', detail }, { report }));
  }
  if (!problem || judge === undefined) {
    output.object(report);
    return SUCCESS;
  }
  const code = judge === 'gateway' ? gatewayCode(problem.code) : judge;
  return ok(output.error({ code, detail: problem.evidence }, { report }));
}

/** What a connection would say of the same. */
function gatewayCode(code: CertificateReport['problems'][number]['code']): ReasonCode {
  return code === 'key-mismatch' ? 'gateway-cert-invalid' : gatewayCodes[code];
}

function readDay(text: string): Result<number, RpcError> {
  const [, year, month, day] = /^(\d{4})-(\d{2})-(\d{2})([T ]|$)/.exec(text)?.map(Number) ?? [];
  const at = day === undefined ? Number.NaN : Date.parse(text.replace(' ', 'T'));
  // Date makes March of 30 February.
  const exists = new Date(Date.UTC(year ?? 0, (month ?? 0) - 1, day)).getUTCDate() === day;
  return Number.isNaN(at) || at < 0 || !exists ? cliError('usage', '--at: expected a day such as 2027-01-31') : ok(at);
}
