import './settings.css';
import type { ReactElement, ReactNode } from 'react';
import type { Settings } from '../../../core/desktop/contract.ts';
import { Select, Switch } from '../../components/fields.tsx';
import { Facts } from '../../components/pieces.tsx';
import { toast } from '../../components/toast.tsx';
import { useTranslation } from '../../i18n/i18n.ts';
import { type Language, languageFor } from '../../i18n/languages.ts';
import { saveSettings, useSession } from '../../store/session.ts';

/** Each language in its own words: whoever cannot read this one must find theirs. */
const languageNames: Readonly<Record<Language, string>> = { en: 'English', ko: '한국어', de: 'Deutsch' };

export function SettingsView(): ReactElement {
  const { t } = useTranslation('settings');
  const { t: common } = useTranslation();
  const settings = useSession((session) => session.settings);
  const info = useSession((session) => session.info);
  const change = (part: Partial<Settings>) => {
    void saveSettings(part).then((kept) => {
      if (!kept) toast({ text: t('notSaved'), tone: 'failed' });
    });
  };
  const system = languageNames[languageFor('system', info?.locale ?? navigator.language)];
  return (
    <div className="view narrow settings">
      <h1>{common('settings')}</h1>
      <Group title={t('look')}>
        <Select
          label={t('appearance')}
          value={settings.appearance}
          onChange={(appearance) => change({ appearance })}
          options={[
            { id: 'system', label: t('appearanceSystem') },
            { id: 'light', label: t('appearanceLight') },
            { id: 'dark', label: t('appearanceDark') },
            { id: 'high-contrast', label: t('appearanceContrast') },
          ]}
          data-test="appearance"
        />
        <Select
          label={t('language')}
          value={settings.language}
          onChange={(language) => change({ language })}
          options={[
            { id: 'system', label: t('languageSystem', { name: system }) },
            { id: 'en', label: languageNames.en },
            { id: 'ko', label: languageNames.ko },
            { id: 'de', label: languageNames.de },
          ]}
          data-test="language"
        />
      </Group>
      <Group title={t('general')}>
        <Switch
          label={t('notifications')}
          description={t('notificationsHint')}
          isSelected={settings.notifications}
          onChange={(notifications) => change({ notifications })}
          data-test="notifications"
        />
        {info?.canStartAtLogin && (
          <Switch
            label={t('startAtLogin')}
            description={t('startAtLoginHint')}
            isSelected={settings.startAtLogin}
            onChange={(startAtLogin) => change({ startAtLogin })}
            data-test="start-at-login"
          />
        )}
      </Group>
      <Group title={t('keys')}>
        <Keys />
      </Group>
      <Group title={t('about')}>
        <About />
      </Group>
    </div>
  );
}

function Group({ title, children }: { readonly title: string; readonly children: ReactNode }): ReactElement {
  return (
    <section className="stack-small" aria-label={title}>
      <h2>{title}</h2>
      <div className="card">{children}</div>
    </section>
  );
}

const keys = [
  { pressed: ['Ctrl', '1…4'], what: 'keyViews' },
  { pressed: ['Ctrl', 'Enter'], what: 'keyControl' },
  { pressed: ['Esc'], what: 'keyEscape' },
  { pressed: ['/'], what: 'keySearch' },
] as const;

function Keys(): ReactElement {
  const { t } = useTranslation('settings');
  return (
    <dl className="keys">
      {keys.map(({ pressed, what }) => (
        <div key={what}>
          <dt>
            {pressed.map((key) => (
              <kbd key={key}>{key}</kbd>
            ))}
          </dt>
          <dd>{t(what)}</dd>
        </div>
      ))}
    </dl>
  );
}

function About(): ReactElement {
  const { t } = useTranslation('settings');
  const info = useSession((session) => session.info);
  const link = useSession((session) => session.link);
  const helper = link.state === 'connected' ? link.version : t('helperUnknown');
  return (
    <Facts
      facts={[
        { term: t('version'), value: <span className="figures">{info?.version ?? ''}</span> },
        { term: t('helperVersion'), value: <span className="figures">{helper}</span> },
        { term: t('shell'), value: info ? t(info.shell === 'electron' ? 'shellElectron' : 'shellBrowser') : '' },
        { term: t('licence'), value: LICENCE },
      ]}
    />
  );
}

/** SPDX. */
const LICENCE = 'Apache-2.0';
