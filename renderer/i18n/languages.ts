/** Which language the window speaks. */
import type { Settings } from '../../core/desktop/contract.ts';

export const languages = ['en', 'ko', 'de'] as const;
export type Language = (typeof languages)[number];

/** Every file below a language's folder. A view has its own, so that views can be written side by side. */
export const namespaces = [
  'common',
  'connect',
  'settings',
  'helper',
  'profiles',
  'certificates',
  'statistics',
  'log',
  'reasons',
] as const;

/** `systemLocale` is a BCP 47 tag. */
export function languageFor(choice: Settings['language'], systemLocale: string): Language {
  if (choice !== 'system') return choice;
  const primary = systemLocale.toLowerCase().split(/[-_]/)[0];
  return languages.find((language) => language === primary) ?? 'en';
}

/** The tag for Intl: the system's own region where it speaks the same language (en-GB writes dates its own way). */
export function formatLocale(language: Language, systemLocale: string): string {
  const tag = systemLocale.replace('_', '-');
  if (tag.toLowerCase().split('-')[0] !== language) return language;
  try {
    return Intl.getCanonicalLocales(tag)[0] ?? language;
  } catch {
    return language;
  }
}
