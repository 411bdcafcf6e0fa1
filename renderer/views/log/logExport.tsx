/** The export without private details: shown in full before it leaves, then copied or saved. */
import Copy from 'lucide-react/icons/copy';
import Download from 'lucide-react/icons/download';
import { type ReactElement, useEffect, useMemo, useRef, useState } from 'react';
import { call } from '../../api.ts';
import { Button } from '../../components/button.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { Segmented } from '../../components/segmented.tsx';
import { toast } from '../../components/toast.tsx';
import { copyText, saveText } from '../../files.ts';
import { useTranslation } from '../../i18n/i18n.ts';
import { useFormat } from '../../i18n/useFormat.ts';
import { useProfiles } from '../../store/profiles.ts';
import { useSession } from '../../store/session.ts';
import { type Entry, lineText } from './model.ts';
import { createRedactor, type MaskCounts } from './redact.ts';
import { rowsIn } from './virtual.ts';

export interface LogExportProps {
  /** What the filter lets through when the dialog opens: what comes later is not in it. */
  readonly entries: readonly Entry[];
  /** The chosen lines, when more than one is. */
  readonly chosen: readonly Entry[];
  readonly onClose: () => void;
}

export function LogExport({ entries, chosen, onClose }: LogExportProps): ReactElement {
  const { t } = useTranslation(['log', 'common']);
  const format = useFormat();
  const [scope, setScope] = useState<'shown' | 'chosen'>(chosen.length > 0 ? 'chosen' : 'shown');
  const known = useKnown();
  const maskedWords = useMaskedWords();
  const [source] = useState({ shown: entries, chosen });
  const masked = useMasked(source[scope], known);
  const text = () => `${masked?.lines.join('\n') ?? ''}\n`;
  const ready = masked !== null;
  const copy = () =>
    void copyText(text()).then((done) =>
      toast(done ? { text: t('exportCopied') } : { text: t('common:copyFailed'), tone: 'failed' }),
    );
  const save = () => {
    const stamp = new Date().toISOString().slice(0, 19).replaceAll(':', '');
    saveText(`sallyport-log-${stamp}.txt`, 'text/plain;charset=utf-8', text());
    toast({ text: t('exportSaved') });
  };
  return (
    <Dialog
      title={t('exportTitle')}
      isOpen
      wide
      onClose={onClose}
      footer={
        <>
          <Button onPress={onClose}>{t('common:close')}</Button>
          <Button icon={<Copy size={16} aria-hidden />} isDisabled={!ready} onPress={copy} data-test="log-export-copy">
            {t('common:copy')}
          </Button>
          <Button
            look="primary"
            icon={<Download size={16} aria-hidden />}
            isDisabled={!ready}
            onPress={save}
            data-test="log-export-save"
          >
            {t('exportSave')}
          </Button>
        </>
      }
    >
      <p>{t('exportText')}</p>
      {chosen.length > 0 && (
        <Segmented
          label={t('exportScope')}
          options={[
            { id: 'chosen', label: t('exportChosen', { count: chosen.length, shown: format.number(chosen.length) }) },
            { id: 'shown', label: t('exportShown', { count: entries.length, shown: format.number(entries.length) }) },
          ]}
          value={scope}
          onChange={setScope}
        />
      )}
      <p className="small soft" role="status" data-test="log-masked">
        {masked ? t('masked', { what: maskedWords(masked.counts) }) : t('masking')}
      </p>
      <Preview lines={masked?.lines ?? []} />
    </Dialog>
  );
}

const KINDS = ['address', 'host', 'identity', 'id', 'path'] as const;

/** What was replaced, in words. */
function useMaskedWords(): (counts: MaskCounts) => string {
  const { t } = useTranslation('log');
  const format = useFormat();
  return (counts) => {
    const words = KINDS.filter((kind) => counts[kind] > 0).map((kind) => t(`mask.${kind}`, { count: counts[kind] }));
    return words.length === 0 ? t('maskNone') : format.list(words);
  };
}

/** Everything of it can be read: a virtual list, scrolled by keyboard as well. */
function Preview({ lines }: { readonly lines: readonly string[] }): ReactElement {
  const { t } = useTranslation('log');
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ scrollTop: 0, height: 0, rowHeight: 20 });
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = () => {
      const rowHeight = Math.round(Number.parseFloat(getComputedStyle(element).fontSize) * 1.6);
      setView({ scrollTop: element.scrollTop, height: element.clientHeight, rowHeight });
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    element.addEventListener('scroll', measure, { passive: true });
    measure();
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', measure);
    };
  }, []);
  const { first, end, offset } = rowsIn({ ...view, count: lines.length });
  return (
    <section
      ref={box}
      className="log-preview fixed"
      aria-label={t('preview')}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be reachable by keyboard.
      tabIndex={0}
      dir="ltr"
      data-test="log-preview"
    >
      <div className="log-all" style={{ blockSize: lines.length * view.rowHeight }}>
        <div style={{ transform: `translateY(${offset}px)` }}>
          {lines.slice(first, end).map((line, index) => (
            <div key={first + index} className="log-preview-line" style={{ blockSize: view.rowHeight }}>
              {line}
            </div>
          ))}
        </div>
      </div>
    </section>
  );
}

/** Lines masked between two looks at the clock, so that the window goes on answering. */
const AT_ONCE = 4000;

function useMasked(
  entries: readonly Entry[],
  known: readonly string[] | null,
): { readonly lines: readonly string[]; readonly counts: MaskCounts } | null {
  const [result, setResult] = useState<{ readonly lines: readonly string[]; readonly counts: MaskCounts } | null>(null);
  useEffect(() => {
    setResult(null);
    if (known === null) return;
    const redactor = createRedactor(known);
    const lines: string[] = [];
    let timer: ReturnType<typeof setTimeout>;
    const work = () => {
      for (const { line } of entries.slice(lines.length, lines.length + AT_ONCE)) lines.push(redactor.line(lineText(line)));
      if (lines.length < entries.length) timer = setTimeout(work, 0);
      else setResult({ lines, counts: redactor.counts() });
    };
    timer = setTimeout(work, 0);
    return () => clearTimeout(timer);
  }, [entries, known]);
  return result;
}

/** Names and identities that the patterns alone would not know; null until the profiles have told theirs. */
function useKnown(): readonly string[] | null {
  const list = useProfiles((profiles) => profiles.list);
  const [more, setMore] = useState<readonly string[] | null>(null);
  useEffect(() => {
    let wanted = true;
    void Promise.all((list ?? []).map(({ id }) => call('profile.show', { profile: id }))).then((replies) => {
      if (!wanted) return;
      setMore(replies.flatMap((reply) => (reply.ok ? [reply.value.localId, reply.value.remoteId ?? ''] : [])));
    });
    return () => {
      wanted = false;
    };
  }, [list]);
  const ike = useSession((session) => session.status?.ike);
  const [local, remote] = [ike?.localIdentity ?? '', ike?.remoteIdentity ?? ''];
  return useMemo(
    () => more && [...(list ?? []).flatMap(({ name, gateway }) => [name, gateway]), ...more, local, remote],
    [list, more, local, remote],
  );
}
