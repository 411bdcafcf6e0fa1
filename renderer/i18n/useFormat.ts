import { useSession } from '../store/session.ts';
import { type Formats, formats } from './format.ts';
import { useTranslation } from './i18n.ts';
import { formatLocale, languageFor } from './languages.ts';

/** The formatters of the language the window speaks now. */
export function useFormat(): Formats {
  const { language } = useTranslation();
  const system = useSession((session) => session.info?.locale ?? navigator.language);
  return formats(formatLocale(languageFor(asChoice(language), 'en'), system));
}

function asChoice(tag: string): 'en' | 'ko' | 'de' {
  return tag === 'ko' || tag === 'de' ? tag : 'en';
}
