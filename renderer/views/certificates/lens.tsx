/**
 * The certificate lens: the chain, the names against who it should be, the use, revocation and how that was learnt, the days left. Of a
 * profile's own certificate, of whom it trusts, and of what its gateway shows.
 */
import './certificates.css';
import CircleAlert from 'lucide-react/icons/circle-alert';
import ClipboardCopy from 'lucide-react/icons/clipboard-copy';
import ShieldAlert from 'lucide-react/icons/shield-alert';
import ShieldCheck from 'lucide-react/icons/shield-check';
import { type ReactElement, type ReactNode, useEffect, useState } from 'react';
import type { CertificateReport, CertificateView, RpcError } from '../../../core/rpc/contract.ts';
import { Button } from '../../components/button.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { ErrorCard } from '../../components/errorCard.tsx';
import { CopyText, Facts, Folded } from '../../components/pieces.tsx';
import { toast } from '../../components/toast.tsx';
import { copyText } from '../../files.ts';
import { useTranslation } from '../../i18n/i18n.ts';
import { useFormat } from '../../i18n/useFormat.ts';
import { closeLens, type LensSubject, useLens } from '../../store/lens.ts';
import { useSession } from '../../store/session.ts';
import { readReport } from './read.ts';
import { WarningList } from './warningList.tsx';
import {
  certificateRows,
  expectedText,
  placeOf,
  type Row,
  reportText,
  revocationText,
  type Verdict,
  verdictKey,
} from './words.ts';

export function Lens(): ReactElement | null {
  const subject = useLens((lens) => lens.subject);
  return subject ? <LensDialog key={`${subject.whose} ${subject.profile.id}`} subject={subject} /> : null;
}

type Read =
  | { readonly state: 'reading' }
  /** Null: there is none. */
  | { readonly state: 'read'; readonly report: CertificateReport | null; readonly revocation: boolean }
  | { readonly state: 'refused'; readonly error: RpcError };

function LensDialog({ subject }: { readonly subject: LensSubject }): ReactElement {
  const { t } = useTranslation(['certificates', 'common']);
  const format = useFormat();
  const [read, setRead] = useState<Read>({ state: 'reading' });
  const [turn, setTurn] = useState({ revocation: false });
  const { whose, profile } = subject;

  useEffect(() => {
    let wanted = true;
    setRead({ state: 'reading' });
    void readReport(subject, turn.revocation).then((reply) => {
      if (!wanted) return;
      const revocation = turn.revocation || whose === 'gateway';
      setRead(reply.ok ? { state: 'read', report: reply.value, revocation } : { state: 'refused', error: reply.error });
    });
    return () => {
      wanted = false;
    };
  }, [subject, turn]);

  const report = read.state === 'read' ? read.report : null;
  const title = t(`title.${whose}`);
  const copy = async () => {
    if (!report) return;
    const head = [`${title} – ${profile.name}`, format.dateTime(Date.now())];
    const done = await copyText(reportText(report, head, whose, t, format));
    toast({ text: t(done ? 'common:copied' : 'common:copyFailed'), tone: done ? 'plain' : 'failed' });
  };
  return (
    <Dialog
      title={title}
      isOpen
      wide
      dismissable
      onClose={closeLens}
      footer={
        <>
          {report && (
            <Button icon={<ClipboardCopy size={16} aria-hidden />} onPress={() => void copy()} data-test="lens-copy">
              {t('copy')}
            </Button>
          )}
          {report && whose === 'own' && read.state === 'read' && !read.revocation && (
            <Button onPress={() => setTurn({ revocation: true })} data-test="lens-revocation">
              {t('askRevocation')}
            </Button>
          )}
          {whose === 'gateway' && read.state !== 'reading' && (
            <Button onPress={() => setTurn({ revocation: false })}>{t('askAgain')}</Button>
          )}
          <Button look="primary" onPress={closeLens} autoFocus>
            {t('common:close')}
          </Button>
        </>
      }
    >
      <div className="stack" data-test="lens" data-state={read.state}>
        <p className="small soft" dir="auto">
          {profile.name}
        </p>
        {whose === 'gateway' && <AtConnection id={profile.id} />}
        {read.state === 'reading' && <p role="status">{t(whose === 'gateway' ? 'asking' : 'reading')}</p>}
        {read.state === 'refused' && <ErrorCard code={read.error.code} evidence={read.error.detail} />}
        {read.state === 'read' && !read.report && <p>{t(whose === 'authorities' ? 'none.authorities' : 'none.own')}</p>}
        {report && <Report report={report} whose={whose} />}
      </div>
    </Dialog>
  );
}

/** What the gateway showed to the connection that is on, or to the one that failed last. */
function AtConnection({ id }: { readonly id: string }): ReactElement | null {
  const { t } = useTranslation('certificates');
  const format = useFormat();
  const status = useSession((session) => session.status);
  const shown = status?.profile?.id === id ? status.gatewayCertificate : undefined;
  if (!shown) return null;
  const told = shown.revocation.filter((one) => one.status !== 'not-checked');
  return (
    <section className="lens-connection" aria-label={t('atConnection')}>
      <h3>{t('atConnection')}</h3>
      <Facts
        facts={[
          { term: t('fact.subject'), value: <CopyText text={shown.subject} /> },
          { term: t('fact.issuer'), value: <CopyText text={shown.issuer} /> },
          { term: t('fact.valid'), value: t('until', { date: format.date(shown.notAfter) }) },
          ...(told.length > 0
            ? [
                {
                  term: t('fact.revocation'),
                  value: <Lines values={told.map((one) => `${one.subject}: ${revocationText(one, t, format)}`)} />,
                },
              ]
            : []),
        ]}
      />
    </section>
  );
}

function Report({ report, whose }: { readonly report: CertificateReport; readonly whose: LensSubject['whose'] }): ReactElement {
  const { t } = useTranslation('certificates');
  const key = verdictKey(report, whose);
  const tone = report.verdict === 'refused' ? 'failed' : report.verdict === 'trusted' ? 'ok' : 'plain';
  const authorities = whose === 'authorities';
  return (
    <>
      {key && (
        <p className={`lens-verdict ${tone}`} data-test="lens-verdict" data-verdict={report.verdict}>
          {tone === 'ok' ? <ShieldCheck size={20} aria-hidden /> : <ShieldAlert size={20} aria-hidden />}
          <span>{t(key)}</span>
        </p>
      )}
      {report.problems.length > 0 && (
        <ul className="lens-problems" aria-label={t('problems')}>
          {report.problems.map(({ code, evidence }) => (
            <li key={`${code} ${evidence}`} data-problem={code}>
              <CircleAlert size={16} aria-hidden />
              <span>
                {t(`problem.${code}`)}
                <span className="small soft fixed lens-evidence">{evidence}</span>
              </span>
            </li>
          ))}
        </ul>
      )}
      {report.expected && (
        <p className={report.expected.fits ? 'soft' : 'lens-wrong'} data-test="lens-expected">
          {expectedText(report.expected, t)}
        </p>
      )}
      <WarningList warnings={report.warnings} />
      <ol className="lens-chain" aria-label={t('chain')}>
        {report.chain.map((view, at) => (
          <Certificate
            key={view.fingerprint}
            place={t(`place.${placeOf(report, at, whose)}`)}
            view={view}
            verdict={report.revocation[at]}
          />
        ))}
        {report.others.map((view) => (
          <Certificate
            key={view.fingerprint}
            place={t(authorities ? (view.ca ? 'place.anchor' : 'place.pinned') : 'place.also')}
            view={view}
            verdict={undefined}
          />
        ))}
      </ol>
    </>
  );
}

function Certificate({
  place,
  view,
  verdict,
}: {
  readonly place: string;
  readonly view: CertificateView;
  readonly verdict: Verdict | undefined;
}): ReactElement {
  const { t } = useTranslation('certificates');
  const format = useFormat();
  const rows = certificateRows(view, verdict, t, format);
  const facts = (some: readonly Row[]) => some.map((row) => ({ term: row.term, value: shownValue(row) }));
  return (
    <li className="lens-certificate">
      <h3>{place}</h3>
      <Facts facts={facts(rows.filter(({ folded }) => !folded))} />
      <Folded summary={t('more')}>
        <Facts facts={facts(rows.filter(({ folded }) => folded))} />
      </Folded>
    </li>
  );
}

function shownValue({ values, technical, term }: Row): ReactNode {
  if (!technical) return <Lines values={values} />;
  return (
    <span className="lines">
      {values.map((value) => (
        <CopyText key={value} text={value} label={term} />
      ))}
    </span>
  );
}

function Lines({ values }: { readonly values: readonly string[] }): ReactElement {
  return (
    <span className="lines">
      {values.map((value) => (
        <span key={value}>{value}</span>
      ))}
    </span>
  );
}
