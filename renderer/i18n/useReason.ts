import { useCallback } from 'react';
import type { ReasonCode } from '../../core/tunnel/reasons.ts';
import { useTranslation } from './i18n.ts';
import { resources } from './resources.ts';

export interface ReasonWords {
  readonly what: string;
  readonly advice: string;
}

/** What happened and what to do, in the language of the window. A helper newer than the window may know more codes: then its own words. */
export function useReason(): (code: string, what?: string, advice?: string) => ReasonWords {
  const { t } = useTranslation('reasons');
  return useCallback(
    (code: string, what?: string, advice?: string) => {
      if (!isReason(code)) return { what: what ?? t('internal.what'), advice: advice ?? t('internal.advice') };
      return { what: t(`${code}.what`), advice: t(`${code}.advice`) };
    },
    [t],
  );
}

/** By the window's own words, of which a test knows that none is missing: the helper's would be a second copy of them in the bundle. */
function isReason(code: string): code is ReasonCode {
  return Object.hasOwn(resources.en.reasons, code);
}
