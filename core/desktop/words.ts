/** What a shell itself says: tray, menus, notifications. The page has its own words (renderer/i18n). */
import type { Settings } from './contract.ts';
import type { Glance, Notice } from './glance.ts';
import type { OfferProblem } from './offers.ts';

export type Language = 'en' | 'ko' | 'de';

export interface Words {
  readonly state: Readonly<Record<Glance['state'], string>>;
  /** Title and text. `{profile}` is the profile's name. */
  readonly notice: Readonly<Record<Notice, readonly [string, string]>>;
  /** Why a link or a file cannot be a profile, and what to do. */
  readonly offer: Readonly<Record<OfferProblem, readonly [string, string]>>;
  readonly show: string;
  readonly connect: string;
  readonly connectTo: string;
  readonly disconnect: string;
  readonly cancel: string;
  readonly quit: string;
  readonly file: string;
  readonly edit: string;
  readonly view: string;
  readonly window: string;
  readonly views: Readonly<Record<'connect' | 'profiles' | 'statistics' | 'log' | 'settings', string>>;
  readonly closeWindow: string;
  readonly minimize: string;
  readonly undo: string;
  readonly redo: string;
  readonly cut: string;
  readonly copy: string;
  readonly paste: string;
  readonly selectAll: string;
  readonly zoomIn: string;
  readonly zoomOut: string;
  readonly actualSize: string;
}

const en: Words = {
  state: {
    protected: 'Protected',
    unprotected: 'Not protected',
    connecting: 'Connecting',
    waiting: 'Waiting for you',
    reconnecting: 'Reconnecting',
    blocked: 'Traffic is held back',
    disconnecting: 'Disconnecting',
    failed: 'Not connected',
    elsewhere: 'Used by somebody else',
    'no-helper': 'The helper is not there',
  },
  notice: {
    protected: ['Protected', '{profile} is connected.'],
    lost: ['No longer protected', 'The connection to {profile} ended.'],
    failed: ['Not connected', '{profile} could not be reached. The window says why.'],
    waiting: ['{profile} needs you', 'Open the window to continue.'],
  },
  offer: {
    'not-a-profile-link': ['This link holds no profile', 'It may have been cut off on its way. Ask for the profile as a file.'],
    'not-a-profile-file': ['This file is no profile', 'Choose a file that ends in .sallyport or .sallyport.json.'],
    'too-long': ['This is too large to be a profile', 'Ask whoever sent it for the right file.'],
    unreadable: ['The file cannot be read', 'Check that it is still there and that you may open it.'],
  },
  show: 'Open Sallyport',
  connect: 'Connect',
  connectTo: 'Connect to {profile}',
  disconnect: 'Disconnect',
  cancel: 'Cancel',
  quit: 'Quit',
  file: 'File',
  edit: 'Edit',
  view: 'View',
  window: 'Window',
  views: { connect: 'Connect', profiles: 'Profiles', statistics: 'Statistics', log: 'Log', settings: 'Settings' },
  closeWindow: 'Close window',
  minimize: 'Minimize',
  undo: 'Undo',
  redo: 'Redo',
  cut: 'Cut',
  copy: 'Copy',
  paste: 'Paste',
  selectAll: 'Select all',
  zoomIn: 'Zoom in',
  zoomOut: 'Zoom out',
  actualSize: 'Actual size',
};

const ko: Words = {
  state: {
    protected: '보호됨',
    unprotected: '보호되지 않음',
    connecting: '연결 중',
    waiting: '확인을 기다리는 중',
    reconnecting: '다시 연결하는 중',
    blocked: '통신을 막아 둠',
    disconnecting: '연결을 끊는 중',
    failed: '연결되지 않음',
    elsewhere: '다른 사용자가 사용 중',
    'no-helper': '서비스를 찾을 수 없음',
  },
  notice: {
    protected: ['보호됨', '연결되었습니다: {profile}'],
    lost: ['더 이상 보호되지 않습니다', '연결이 끊겼습니다: {profile}'],
    failed: ['연결되지 않음', '연결할 수 없습니다: {profile}. 창에서 이유를 볼 수 있습니다.'],
    waiting: ['입력이 필요합니다', '{profile}: 창을 열어 계속하세요.'],
  },
  offer: {
    'not-a-profile-link': ['이 링크에는 프로필이 없습니다', '전달 중에 링크가 잘렸을 수 있습니다. 프로필을 파일로 요청하세요.'],
    'not-a-profile-file': ['이 파일은 프로필이 아닙니다', '.sallyport 또는 .sallyport.json으로 끝나는 파일을 선택하세요.'],
    'too-long': ['프로필이라고 하기에는 너무 큽니다', '보낸 사람에게 올바른 파일을 요청하세요.'],
    unreadable: ['파일을 읽을 수 없습니다', '파일이 그 자리에 있는지, 열 권한이 있는지 확인하세요.'],
  },
  show: 'Sallyport 열기',
  connect: '연결',
  connectTo: '{profile}에 연결',
  disconnect: '연결 끊기',
  cancel: '취소',
  quit: '종료',
  file: '파일',
  edit: '편집',
  view: '보기',
  window: '창',
  views: { connect: '연결', profiles: '프로필', statistics: '통계', log: '로그', settings: '설정' },
  closeWindow: '창 닫기',
  minimize: '최소화',
  undo: '실행 취소',
  redo: '다시 실행',
  cut: '잘라내기',
  copy: '복사',
  paste: '붙여넣기',
  selectAll: '모두 선택',
  zoomIn: '확대',
  zoomOut: '축소',
  actualSize: '실제 크기',
};

const de: Words = {
  state: {
    protected: 'Geschützt',
    unprotected: 'Nicht geschützt',
    connecting: 'Verbindung wird aufgebaut',
    waiting: 'Wartet auf Sie',
    reconnecting: 'Verbindet neu',
    blocked: 'Datenverkehr angehalten',
    disconnecting: 'Verbindung wird getrennt',
    failed: 'Nicht verbunden',
    elsewhere: 'Von jemand anderem benutzt',
    'no-helper': 'Der Dienst ist nicht da',
  },
  notice: {
    protected: ['Geschützt', '{profile} ist verbunden.'],
    lost: ['Nicht mehr geschützt', 'Die Verbindung mit {profile} ist zu Ende.'],
    failed: ['Nicht verbunden', '{profile} war nicht zu erreichen. Im Fenster steht, warum.'],
    waiting: ['{profile} braucht Sie', 'Öffnen Sie das Fenster, um fortzufahren.'],
  },
  offer: {
    'not-a-profile-link': [
      'Dieser Link enthält kein Profil',
      'Vielleicht wurde er unterwegs abgeschnitten. Lassen Sie sich das Profil als Datei schicken.',
    ],
    'not-a-profile-file': [
      'Diese Datei ist kein Profil',
      'Wählen Sie eine Datei, die auf .sallyport oder .sallyport.json endet.',
    ],
    'too-long': ['Das ist zu groß für ein Profil', 'Fragen Sie den Absender nach der richtigen Datei.'],
    unreadable: ['Die Datei lässt sich nicht lesen', 'Prüfen Sie, ob sie noch da ist und ob Sie sie öffnen dürfen.'],
  },
  show: 'Sallyport öffnen',
  connect: 'Verbinden',
  connectTo: 'Mit {profile} verbinden',
  disconnect: 'Trennen',
  cancel: 'Abbrechen',
  quit: 'Beenden',
  file: 'Datei',
  edit: 'Bearbeiten',
  view: 'Ansicht',
  window: 'Fenster',
  views: { connect: 'Verbinden', profiles: 'Profile', statistics: 'Statistik', log: 'Protokoll', settings: 'Einstellungen' },
  closeWindow: 'Fenster schließen',
  minimize: 'Minimieren',
  undo: 'Rückgängig',
  redo: 'Wiederholen',
  cut: 'Ausschneiden',
  copy: 'Kopieren',
  paste: 'Einfügen',
  selectAll: 'Alles auswählen',
  zoomIn: 'Vergrößern',
  zoomOut: 'Verkleinern',
  actualSize: 'Originalgröße',
};

const all: Readonly<Record<Language, Words>> = { en, ko, de };

/** The language chosen, or the system's where we speak it, or English. */
export function wordsFor(setting: Settings['language'], systemLocale: string): Words {
  if (setting !== 'system') return all[setting];
  const system = systemLocale.slice(0, 2).toLowerCase();
  return system === 'ko' || system === 'de' ? all[system] : en;
}

export function filled(text: string, profile: string | undefined): string {
  return text.replaceAll('{profile}', () => profile ?? 'Sallyport');
}
