import './base.css';
import './components/components.css';
import './window.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { shell } from './api.ts';
import { App } from './app.tsx';
import { Fallback } from './fallback.tsx';
import { speak } from './i18n/i18n.ts';
import { languageFor } from './i18n/languages.ts';
import { stayHere } from './stay.ts';
import { startHistory } from './store/history.ts';
import { startProfiles } from './store/profiles.ts';
import { startSession } from './store/session.ts';
import { startWarnings } from './store/warnings.ts';
import { startRecorder } from './views/statistics/recorder.ts';

stayHere();
speak(languageFor('system', navigator.language));

const reachable = shell() !== undefined;
if (reachable) {
  startWarnings();
  startProfiles();
  startHistory();
  startRecorder();
  startSession();
}

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <Fallback reachable={reachable}>
        <App />
      </Fallback>
    </StrictMode>,
  );
}
