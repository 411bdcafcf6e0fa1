/** The window: destinations, the view, and what lies over every view (imports, the prompt for credentials, notes). */

import ChartNoAxesColumn from 'lucide-react/icons/chart-no-axes-column';
import List from 'lucide-react/icons/list';
import ScrollText from 'lucide-react/icons/scroll-text';
import SettingsIcon from 'lucide-react/icons/settings';
import { lazy, type ReactElement, Suspense, useEffect, useRef } from 'react';
import { I18nProvider } from 'react-aria-components/I18nProvider';
import { isUp } from '../core/tunnel/states.ts';
import { Gate } from './components/gate.tsx';
import { Imports } from './components/importDialog.tsx';
import { Toasts } from './components/toast.tsx';
import { speak, useTranslation } from './i18n/i18n.ts';
import { formatLocale, languageFor } from './i18n/languages.ts';
import { useKeys } from './keys.ts';
import type { Destination } from './path.ts';
import { href, useRoute } from './route.ts';
import { useLens } from './store/lens.ts';
import { isConnecting, shownState } from './store/reduce.ts';
import { useSession } from './store/session.ts';
import { applyAppearance, watchContrast } from './theme.ts';
import { ConnectView } from './views/connect/connectView.tsx';
import { CredentialPrompt } from './views/connect/credentialPrompt.tsx';
import { StateAnnouncer } from './views/connect/stateAnnouncer.tsx';
import { HelperGate } from './views/helper/helperGate.tsx';
import { SettingsView } from './views/settings/settingsView.tsx';

// The first view must not wait for the chart's code.
const ProfilesView = lazy(() => import('./views/profiles/profilesView.tsx').then((m) => ({ default: m.ProfilesView })));
const StatisticsView = lazy(() => import('./views/statistics/statisticsView.tsx').then((m) => ({ default: m.StatisticsView })));
const Lens = lazy(() => import('./views/certificates/lens.tsx').then((m) => ({ default: m.Lens })));
const LogView = lazy(() => import('./views/log/logView.tsx').then((m) => ({ default: m.LogView })));

export function App(): ReactElement {
  useKeys();
  const locale = useLook();
  const route = useRoute();
  const lensOpen = useLens(({ subject }) => subject !== null);
  const state = useSession((session) => (session.link.state === 'connected' ? shownState(session).state : 'unknown'));
  return (
    <I18nProvider locale={locale}>
      <div className={`window tunnel-${state}`}>
        <Bar here={route.destination} />
        <Content key={route.destination} here={route.destination} />
      </div>
      <StateAnnouncer />
      <CredentialPrompt />
      <Imports />
      <Suspense fallback={null}>{lensOpen && <Lens />}</Suspense>
      <Toasts />
    </I18nProvider>
  );
}

/** Applies appearance and language; the answer is the locale. */
function useLook(): string {
  const appearance = useSession((session) => session.settings.appearance);
  const choice = useSession((session) => session.settings.language);
  const system = useSession((session) => session.info?.locale ?? navigator.language);
  const language = languageFor(choice, system);
  useEffect(() => {
    applyAppearance(appearance);
    return watchContrast(() => applyAppearance(appearance));
  }, [appearance]);
  useEffect(() => speak(language), [language]);
  return formatLocale(language, system);
}

function Bar({ here }: { readonly here: Destination }): ReactElement {
  const { t } = useTranslation();
  const gate = useSession((session) => {
    if (session.link.state !== 'connected') return 'closed';
    const { state } = shownState(session);
    return isUp(state) ? 'open' : isConnecting(state) ? 'moving' : 'closed';
  });
  const items = [
    { to: 'connect', icon: <Gate state={gate} />, keys: 'Control+1' },
    { to: 'profiles', icon: <List size={20} aria-hidden />, keys: 'Control+2' },
    { to: 'statistics', icon: <ChartNoAxesColumn size={20} aria-hidden />, keys: 'Control+3' },
    { to: 'log', icon: <ScrollText size={20} aria-hidden />, keys: 'Control+4' },
    { to: 'settings', icon: <SettingsIcon size={20} aria-hidden />, keys: undefined },
  ] as const;
  return (
    <header className="bar">
      <div className="brand">
        <Gate state={gate} size={24} />
        {t('appName')}
      </div>
      <nav className="destinations" aria-label={t('mainNavigation')}>
        {items.map(({ to, icon, keys }) => (
          <a
            key={to}
            href={href(`/${to}`)}
            className={`destination ${to === 'settings' ? 'gear' : ''} ${to === 'connect' ? 'gate-tab' : ''}`}
            aria-current={here === to ? 'page' : undefined}
            aria-keyshortcuts={keys}
            title={t(to)}
          >
            {icon}
            <span>{t(to)}</span>
          </a>
        ))}
      </nav>
    </header>
  );
}

function Content({ here }: { readonly here: Destination }): ReactElement {
  const { t } = useTranslation();
  const main = useRef<HTMLElement>(null);
  const title = t(here);
  // Whoever came by a key of the window goes on from here; whoever pressed a link stays on it.
  useEffect(() => {
    if (document.activeElement === document.body) main.current?.focus();
  }, []);
  useEffect(() => {
    document.title = `${title} – ${t('appName')}`;
  }, [title, t]);
  return (
    <main ref={main} className="content" tabIndex={-1} data-view={here}>
      <Suspense fallback={<p className="view soft">{t('loading')}</p>}>
        {here === 'settings' ? <SettingsView /> : <HelperGate>{viewOf(here)}</HelperGate>}
      </Suspense>
    </main>
  );
}

function viewOf(here: Exclude<Destination, 'settings'>): ReactElement {
  switch (here) {
    case 'connect':
      return <ConnectView />;
    case 'profiles':
      return <ProfilesView />;
    case 'statistics':
      return <StatisticsView />;
    case 'log':
      return <LogView />;
  }
}
