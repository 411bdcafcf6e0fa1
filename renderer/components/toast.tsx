/** Short notes at the foot of the window, with one way to take the thing back. They wait while pointed at or focused. */
import X from 'lucide-react/icons/x';
import { type ReactElement, useEffect, useState } from 'react';
import { create } from 'zustand';
import { useTranslation } from '../i18n/i18n.ts';
import { Button, IconButton } from './button.tsx';

export interface Toast {
  readonly text: string;
  readonly tone?: 'plain' | 'failed';
  readonly action?: { readonly label: string; readonly run: () => void };
}

interface Shown extends Toast {
  readonly key: number;
}

const LIFE = 6000;
/** With an action there is something to decide. */
const LIFE_WITH_ACTION = 15_000;

const useToasts = create<{ readonly toasts: readonly Shown[] }>()(() => ({ toasts: [] }));
let lastKey = 0;

/** `toast({ text: t('profiles:removed', { name }), action: { label: t('common:undo'), run } })` */
export function toast(note: Toast): void {
  lastKey++;
  const shown = { ...note, key: lastKey };
  useToasts.setState(({ toasts }) => ({ toasts: [...toasts, shown].slice(-3) }));
}

function drop(key: number): void {
  useToasts.setState(({ toasts }) => ({ toasts: toasts.filter((each) => each.key !== key) }));
}

export function Toasts(): ReactElement {
  const { t } = useTranslation();
  const toasts = useToasts((state) => state.toasts);
  return (
    <section className="toasts" aria-label={t('notifications')} aria-live="polite" aria-relevant="additions">
      {toasts.map((each) => (
        <ToastCard key={each.key} shown={each} />
      ))}
    </section>
  );
}

function ToastCard({ shown }: { readonly shown: Shown }): ReactElement {
  const { t } = useTranslation();
  const [held, setHeld] = useState(false);
  const { key, action } = shown;
  useEffect(() => {
    if (held) return;
    const timer = setTimeout(() => drop(key), action ? LIFE_WITH_ACTION : LIFE);
    return () => clearTimeout(timer);
  }, [held, key, action]);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: pointing at the note only makes it wait.
    <div
      className={shown.tone === 'failed' ? 'toast failed' : 'toast'}
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
    >
      <p>{shown.text}</p>
      {action && (
        <Button
          look="quiet"
          onPress={() => {
            drop(key);
            action.run();
          }}
        >
          {action.label}
        </Button>
      )}
      <IconButton label={t('dismiss')} icon={<X size={16} aria-hidden />} onPress={() => drop(key)} />
    </div>
  );
}
