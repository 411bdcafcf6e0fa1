/** The language that the window speaks, and the hook that views get their words by. */
import { useMemo, useSyncExternalStore } from 'react';
import type { Language } from './languages.ts';
import { hasText, type Namespace, type Translate, translate, type Values } from './translate.ts';

let spoken: Language = 'en';
const listeners = new Set<() => void>();

export function speak(language: Language): void {
  document.documentElement.lang = language;
  if (spoken === language) return;
  spoken = language;
  for (const listener of [...listeners]) listener();
}

type Listed<N extends Namespace | readonly Namespace[]> = N extends readonly Namespace[] ? N : readonly [N & Namespace];

export interface Translation<N extends Namespace | readonly Namespace[]> {
  /** The same function until the language changes. */
  readonly t: Translate<Listed<N>>;
  readonly language: Language;
  /** Whether there is a text for a key that came from elsewhere. */
  readonly exists: (key: string) => boolean;
}

/** The words of a view: keys of its namespace plainly, those of others that it names as `namespace:key`. */
export function useTranslation<const N extends Namespace | readonly Namespace[] = 'common'>(namespaces?: N): Translation<N> {
  const language = useSyncExternalStore(subscribe, () => spoken);
  const first: Namespace = (typeof namespaces === 'object' ? namespaces[0] : (namespaces as Namespace | undefined)) ?? 'common';
  return useMemo(
    () => ({
      t: (key: string, values?: Values) => translate(language, first, key, values),
      language,
      exists: (key: string) => hasText(first, key),
    }),
    [language, first],
  );
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
