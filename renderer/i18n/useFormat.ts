import { useTranslation } from 'react-i18next';
import { useSession } from '../store/session.ts';
import { type Formats, formats } from './format.ts';
import { formatLocale, languageFor } from './languages.ts';

/** The formatters of the language the window speaks now. */
export function useFormat(): Formats {
  const { i18n } = useTranslation();
  const system = useSession((session) => session.info?.locale ?? navigator.language);
  return formats(formatLocale(languageFor(asChoice(i18n.language), 'en'), system));
}

function asChoice(tag: string): 'en' | 'ko' | 'de' {
  return tag === 'ko' || tag === 'de' ? tag : 'en';
}
