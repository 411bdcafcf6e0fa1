/**
 * Between a view and a helper that is not there: each way of not being there has its words and its way out. What was shown before is
 * gone at once, because an old state looks like a live one.
 */
import './helper.css';
import { type ReactElement, type ReactNode, useState } from 'react';
import type { HelperLink, StartReply } from '../../../core/desktop/contract.ts';
import { startHelper } from '../../api.ts';
import { Button } from '../../components/button.tsx';
import { Gate } from '../../components/gate.tsx';
import { CopyText, Facts, Folded } from '../../components/pieces.tsx';
import { toast } from '../../components/toast.tsx';
import { copyText } from '../../files.ts';
import { useTranslation } from '../../i18n/i18n.ts';
import { useFormat } from '../../i18n/useFormat.ts';
import { useReason } from '../../i18n/useReason.ts';
import { useSession } from '../../store/session.ts';
import { useNow } from '../../useNow.ts';

export function HelperGate({ children }: { readonly children: ReactNode }): ReactNode {
  const link = useSession((session) => session.link);
  return link.state === 'connected' ? children : <HelperScreen link={link} />;
}

type Gone = Exclude<HelperLink, { readonly state: 'connected' }>;

const screens = {
  connecting: { words: 'connecting', code: undefined, moving: true },
  missing: { words: 'missing', code: 'helper-not-running', moving: false },
  restarting: { words: 'restarting', code: 'helper-gone', moving: true },
  'other-version': { words: 'otherVersion', code: 'helper-version', moving: false },
  hung: { words: 'hung', code: 'helper-silent', moving: true },
  refused: { words: 'refused', code: 'helper-refused', moving: false },
  untrusted: { words: 'untrusted', code: 'helper-untrusted', moving: false },
} as const;

function HelperScreen({ link }: { readonly link: Gone }): ReactElement {
  const { t } = useTranslation('helper');
  const { words, moving } = screens[link.state];
  const lastName = useSession(({ lastStatus }) => (lastStatus?.state === 'connected' ? lastStatus.profile?.name : undefined));
  const goesOn = link.state !== 'connecting' && link.state !== 'refused' && link.state !== 'untrusted';
  return (
    <div className="view helper-screen" data-test="helper-screen" data-state={link.state}>
      <div className={moving ? 'helper-mark moving' : 'helper-mark'}>
        <Gate state={moving ? 'moving' : 'closed'} size={48} />
      </div>
      <div className="helper-words" role="status">
        <h1>{t(`${words}.title`)}</h1>
        <p className="soft">{t(`${words}.text`)}</p>
        {lastName !== undefined && link.state !== 'connecting' && <p>{t('before', { name: lastName })}</p>}
        {goesOn && <p className="soft small">{t('retrying')}</p>}
      </div>
      {(link.state === 'missing' || link.state === 'restarting') && <StartHelper />}
      {(link.state === 'restarting' || link.state === 'hung') && <Waiting />}
      <More link={link} />
    </div>
  );
}

function StartHelper(): ReactElement | null {
  const { t } = useTranslation('helper');
  const { t: common } = useTranslation();
  const can = useSession((session) => session.info?.canStartHelper ?? false);
  const restarting = useSession((session) => session.link.state === 'restarting');
  const since = useSession((session) => session.linkSince);
  const now = useNow(restarting ? 1000 : null);
  const [starting, setStarting] = useState(false);
  const [failed, setFailed] = useState<Extract<StartReply, { ok: false }>['error'] | null>(null);
  // While it restarts by itself nobody should start a second one; when it takes too long, this is the way out.
  if (!can || (restarting && now - since < 6000)) return null;
  const start = async () => {
    setStarting(true);
    setFailed(null);
    const reply = await startHelper();
    setStarting(false);
    if (!reply.ok) setFailed(reply.error);
  };
  return (
    <div className="stack helper-start">
      <Button look="primary" size="big" isPending={starting} onPress={() => void start()} data-test="start-helper">
        {t(starting ? 'starting' : 'start')}
      </Button>
      <p className="small soft">{t('startAsks')}</p>
      {failed && (
        <div role="alert">
          <p className="helper-failed">{t('startFailed')}</p>
          {failed.start && <p>{t(`startProblem.${failed.start.code}`, { program: failed.start.values?.program ?? '' })}</p>}
          <Folded summary={common('evidence')}>
            <p className="small fixed">{failed.detail}</p>
          </Folded>
        </div>
      )}
    </div>
  );
}

function Waiting(): ReactElement | null {
  const { t } = useTranslation('helper');
  const format = useFormat();
  const since = useSession((session) => session.linkSince);
  const now = useNow(1000);
  if (now - since < 3000) return null;
  return <p className="small soft figures">{t('waitingSince', { duration: format.duration(now - since) })}</p>;
}

/** For the administrator: the command that helps, what is known, and the report. */
function More({ link }: { readonly link: Gone }): ReactElement | null {
  const { t } = useTranslation('helper');
  const { t: common } = useTranslation();
  const reason = useReason();
  const info = useSession((session) => session.info);
  const { code, words } = screens[link.state];
  if (code === undefined) return null;
  const facts = [
    { term: common('code'), value: code },
    ...('detail' in link && link.detail !== '' ? [{ term: common('message'), value: link.detail }] : []),
    ...(link.state === 'other-version' ? [{ term: t('helperVersion'), value: link.theirs }] : []),
    ...(info ? [{ term: t('windowVersion'), value: link.state === 'other-version' ? link.ours : info.version }] : []),
  ];
  const command = info?.platform === 'linux' ? commandFor(link.state) : undefined;
  const report = () => {
    const lines = [
      'Sallyport',
      reason(code).what,
      '',
      ...facts.map(({ term, value }) => `${term}: ${value}`),
      new Date().toISOString(),
    ];
    void copyText(lines.join('\n')).then((done) =>
      toast({ text: common(done ? 'reportCopied' : 'copyFailed'), tone: done ? 'plain' : 'failed' }),
    );
  };
  return (
    <div className="helper-more">
      {command !== undefined && (
        <p className="small">
          <span className="soft">{t('byCommand')}</span> <CopyText text={command} />
        </p>
      )}
      <Folded summary={common('evidence')}>
        <Facts facts={facts.map(({ term, value }) => ({ term, value: <span className="fixed">{value}</span> }))} />
      </Folded>
      {(words === 'refused' || words === 'untrusted' || words === 'otherVersion' || words === 'hung') && (
        <Button onPress={report}>{common('copyReport')}</Button>
      )}
    </div>
  );
}

function commandFor(state: Gone['state']): string | undefined {
  if (state === 'missing') return 'sudo systemctl start sallyport';
  if (state === 'other-version' || state === 'hung' || state === 'restarting') return 'sudo systemctl restart sallyport';
  return undefined;
}
