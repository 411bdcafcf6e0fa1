/**
 * Importing, from wherever a profile comes: the button, a file dropped or text pasted anywhere in the window, a file or link the shell
 * offers. Always the report first (what is kept, changed, left out), then the user's yes.
 */
import { type ReactElement, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { ProfileOffer } from '../../core/desktop/contract.ts';
import { isLink, LINK_SHOWN, profileOfLink } from '../../core/desktop/profileLink.ts';
import type { ProfileSummary, Results, RpcError } from '../../core/rpc/contract.ts';
import { call } from '../api.ts';
import { currentRoute, navigate } from '../route.ts';
import { loadProfiles } from '../store/profiles.ts';
import { addOffer, connect, saveSettings, takeOffer, useSession } from '../store/session.ts';
import { Button } from './button.tsx';
import { Dialog } from './dialog.tsx';
import { ErrorCard } from './errorCard.tsx';
import { ImportReport } from './importReport.tsx';
import { toast } from './toast.tsx';

/** Larger files are not profiles; the helper refuses them too. */
const MAX_SIZE = 256 * 1024;

/** Opens the file dialog of the system; what is chosen is shown with its report before anything is stored. */
export function chooseProfileFile(): void {
  const input = document.querySelector<HTMLInputElement>('#profile-file');
  input?.click();
}

/** Once in the window: the hidden file input, drop and paste, and the dialog for the offer that is first in line. */
export function Imports(): ReactElement {
  const { t } = useTranslation();
  const input = useRef<HTMLInputElement>(null);
  const dragged = useDropAndPaste(t('importFromClipboard'));
  const offer = useSession((session) => (session.link.state === 'connected' ? session.offers[0] : undefined));
  return (
    <>
      <input
        ref={input}
        id="profile-file"
        data-test="profile-file"
        type="file"
        accept=".json,.sallyport,application/json"
        hidden
        aria-label={t('importProfile')}
        onChange={(event) => {
          const file = event.target.files?.[0];
          if (file) void offerFile(file);
          // The same file again must be a change again.
          event.target.value = '';
        }}
      />
      {dragged && <div className="drop-veil">{t('dropHere')}</div>}
      {offer && <ImportDialog key={`${offer.from} ${offer.text.length}`} offer={offer} />}
    </>
  );
}

type Read =
  | { readonly state: 'reading' }
  | { readonly state: 'read'; readonly result: Results['profile.import'] }
  | { readonly state: 'refused'; readonly error: RpcError };

function ImportDialog({ offer }: { readonly offer: ProfileOffer }): ReactElement {
  const { t } = useTranslation();
  const [read, setRead] = useState<Read>({ state: 'reading' });
  const [storing, setStoring] = useState(false);
  const close = () => takeOffer(offer);

  useEffect(() => {
    let wanted = true;
    void call('profile.import', { text: offer.text, dryRun: true }).then((reply) => {
      if (wanted) setRead(reply.ok ? { state: 'read', result: reply.value } : { state: 'refused', error: reply.error });
    });
    return () => {
      wanted = false;
    };
  }, [offer]);

  const store = async () => {
    setStoring(true);
    const reply = await call('profile.import', { text: offer.text });
    setStoring(false);
    if (!reply.ok) {
      setRead({ state: 'refused', error: reply.error });
      return;
    }
    close();
    const { profile } = reply.value;
    void saveSettings({ currentProfile: profile.id });
    await loadProfiles();
    // On Connect the big control is there already.
    const here = currentRoute().destination === 'connect';
    const action = { label: t('connect'), run: () => void goAndConnect(profile) };
    toast({ text: t('imported', { name: profile.name }), ...(!here && { action }) });
  };

  const title =
    read.state === 'read'
      ? t('importTitle', { name: read.result.profile.name })
      : t(read.state === 'reading' ? 'importReading' : 'importFailedTitle');
  return (
    <Dialog
      title={title}
      isOpen
      onClose={close}
      footer={
        <>
          <Button onPress={close}>{t(read.state === 'refused' ? 'close' : 'cancel')}</Button>
          {read.state === 'read' && (
            <Button look="primary" isPending={storing} onPress={() => void store()} autoFocus data-test="import-do">
              {t(read.result.replaced ? 'importReplace' : 'importDo')}
            </Button>
          )}
        </>
      }
    >
      <p className="small soft">{t('importFrom', { from: offer.from })}</p>
      {offer.source === 'link' && read.state !== 'refused' && <p>{t('importLinkWarning')}</p>}
      {read.state === 'read' && <ImportReport result={read.result} />}
      {read.state === 'refused' && (
        <ErrorCard
          code={read.error.code}
          evidence={read.error.detail}
          actions={
            <Button
              onPress={() => {
                close();
                chooseProfileFile();
              }}
            >
              {t('importChooseOther')}
            </Button>
          }
        />
      )}
    </Dialog>
  );
}

async function goAndConnect({ id, name }: ProfileSummary): Promise<void> {
  navigate('/connect');
  await connect({ id, name });
}

/** Too large stays too large: the helper says so in the words of its reason. */
const TOO_LARGE = ' '.repeat(MAX_SIZE + 1);

async function offerFile(file: File): Promise<void> {
  addOffer({ source: 'file', from: file.name, text: file.size > MAX_SIZE ? TOO_LARGE : await file.text() });
}

/** A profile, or a link with one in it: from a chat where nobody could click it. */
function offerText(text: string, clipboard: string): void {
  if (!isLink(text)) {
    addOffer({ source: 'file', from: clipboard, text: text.length > MAX_SIZE ? TOO_LARGE : text });
    return;
  }
  const profile = profileOfLink(text, MAX_SIZE);
  // A link that is broken is no profile either, and the helper says so.
  const broken = profile.ok || profile.error === 'too-long' ? TOO_LARGE : text;
  addOffer({ source: 'link', from: LINK_SHOWN, text: profile.ok ? profile.value : broken });
}

/** True while a file is dragged over the window. */
function useDropAndPaste(clipboard: string): boolean {
  const [dragged, setDragged] = useState(false);
  useEffect(() => {
    const over = (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes('Files')) return;
      event.preventDefault();
      setDragged(true);
    };
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) setDragged(false);
    };
    const drop = (event: DragEvent) => {
      // Without this the page would navigate to the file.
      event.preventDefault();
      setDragged(false);
      for (const file of event.dataTransfer?.files ?? []) void offerFile(file);
    };
    const paste = (event: ClipboardEvent) => {
      if (event.target instanceof HTMLElement && event.target.closest('input, textarea')) return;
      const files = [...(event.clipboardData?.files ?? [])];
      const text = event.clipboardData?.getData('text/plain').trim() ?? '';
      if (files.length > 0) for (const file of files) void offerFile(file);
      else if (text !== '') offerText(text, clipboard);
    };
    window.addEventListener('dragover', over);
    window.addEventListener('dragleave', leave);
    window.addEventListener('drop', drop);
    window.addEventListener('paste', paste);
    return () => {
      window.removeEventListener('dragover', over);
      window.removeEventListener('dragleave', leave);
      window.removeEventListener('drop', drop);
      window.removeEventListener('paste', paste);
    };
  }, [clipboard]);
  return dragged;
}
