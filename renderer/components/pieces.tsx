/** Small parts used by several views. */
import Check from 'lucide-react/icons/check';
import Copy from 'lucide-react/icons/copy';
import { type ReactElement, type ReactNode, useEffect, useState } from 'react';
import { Button as AriaButton } from 'react-aria-components/Button';
import { copyText } from '../files.ts';
import { useTranslation } from '../i18n/i18n.ts';
import type { Tone } from './look.ts';

export type { Tone };

/** A fact worth a word. Never colour alone: the text says it. */
export function Badge({
  tone = 'plain',
  icon,
  children,
  title,
}: {
  readonly tone?: Tone;
  readonly icon?: ReactElement;
  readonly children: ReactNode;
  readonly title?: string;
}): ReactElement {
  return (
    <span className={`badge ${tone}`} title={title}>
      {icon}
      {children}
    </span>
  );
}

/** An empty place that says what belongs there and how to fill it. */
export function EmptyState({
  icon,
  title,
  text,
  actions,
  level = 2,
}: {
  readonly icon?: ReactElement;
  readonly title: string;
  readonly text: ReactNode;
  readonly actions?: ReactNode;
  /** 1 where nothing else heads the page. */
  readonly level?: 1 | 2;
}): ReactElement {
  return (
    <div className="empty">
      {icon}
      {level === 1 ? <h1>{title}</h1> : <h2>{title}</h2>}
      <p className="soft">{text}</p>
      {actions !== undefined && <div className="row wrap center">{actions}</div>}
    </div>
  );
}

/** Technical text that one press copies: addresses, SPIs, names. */
export function CopyText({ text, label }: { readonly text: string; readonly label?: string }): ReactElement {
  const { t } = useTranslation();
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1500);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <span className="copy-text">
      <span className="fixed">{text}</span>
      <AriaButton
        className="icon-button small-icon"
        aria-label={copied ? t('copied') : t('copyThis', { what: label ?? text })}
        onPress={() => void copyText(text).then(setCopied)}
      >
        {copied ? <Check size={14} aria-hidden /> : <Copy size={14} aria-hidden />}
      </AriaButton>
    </span>
  );
}

/** A list of facts: term and value, in two columns where there is room. */
export function Facts({
  facts,
}: {
  readonly facts: readonly { readonly term: string; readonly value: ReactNode }[];
}): ReactElement {
  return (
    <dl className="facts">
      {facts.map(({ term, value }) => (
        <div key={term}>
          <dt>{term}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Folded until asked for. */
export function Folded({ summary, children }: { readonly summary: string; readonly children: ReactNode }): ReactElement {
  return (
    <details className="folded">
      <summary>{summary}</summary>
      <div className="folded-body">{children}</div>
    </details>
  );
}
