/**
 * The error card, four parts in this order: what happened; what you can do, as buttons where possible; the evidence, folded; one button
 * that makes the report for the administrator.
 */
import CircleAlert from 'lucide-react/icons/circle-alert';
import ClipboardCopy from 'lucide-react/icons/clipboard-copy';
import type { ReactElement, ReactNode } from 'react';
import { copyText } from '../files.ts';
import { useTranslation } from '../i18n/i18n.ts';
import { useReason } from '../i18n/useReason.ts';
import { Button } from './button.tsx';
import { Facts, Folded } from './pieces.tsx';
import { toast } from './toast.tsx';

export interface ErrorCardProps {
  /** A code of core/tunnel/reasons.ts; one that is not known falls back to `what` and `advice`. */
  readonly code: string;
  readonly evidence: string;
  /** The helper's own words, for codes this window does not know. */
  readonly what?: string;
  readonly advice?: string;
  readonly actions?: ReactNode;
  /** More lines for evidence and report: addresses, identities. */
  readonly facts?: readonly { readonly term: string; readonly value: string }[];
}

export function ErrorCard({ code, evidence, what, advice, actions, facts = [] }: ErrorCardProps): ReactElement {
  const { t } = useTranslation();
  const reason = useReason();
  const words = reason(code, what, advice);
  const lines = [
    { term: t('code'), value: code },
    ...(evidence === '' ? [] : [{ term: t('message'), value: evidence }]),
    ...facts,
  ];
  const report = () => {
    const text = [
      'Sallyport',
      words.what,
      '',
      ...lines.map(({ term, value }) => `${term}: ${value}`),
      new Date().toISOString(),
    ].join('\n');
    void copyText(text).then((done) =>
      toast({ text: done ? t('reportCopied') : t('copyFailed'), tone: done ? 'plain' : 'failed' }),
    );
  };
  return (
    <section className="error-card" aria-label={t('problem')}>
      <div className="error-what">
        <CircleAlert size={20} aria-hidden />
        <h2>{words.what}</h2>
      </div>
      <p>{words.advice}</p>
      {actions !== undefined && <div className="row wrap">{actions}</div>}
      <Folded summary={t('evidence')}>
        <Facts facts={lines.map(({ term, value }) => ({ term, value: <span className="fixed">{value}</span> }))} />
      </Folded>
      <div className="row">
        <Button look="quiet" icon={<ClipboardCopy size={16} aria-hidden />} onPress={report}>
          {t('copyReport')}
        </Button>
      </div>
    </section>
  );
}
