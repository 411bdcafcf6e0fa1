/**
 * Importing, from wherever a profile comes: the button, a file dropped or text pasted anywhere in the window, a file or link the shell
 * offers. Always the report first (what is kept, changed, left out), then the user's yes (importOffer.tsx).
 */
import { type ReactElement, useEffect, useRef, useState } from 'react';
import { isLink, LINK_SHOWN, profileOfLink } from '../../core/desktop/profileLink.ts';
import { useTranslation } from '../i18n/i18n.ts';
import { MAX_SIZE, type NamedFile, offersOf, TOO_LARGE } from '../store/offers.ts';
import { addOffer, useSession } from '../store/session.ts';
import { ImportOffer } from './importOffer.tsx';

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
          void offerFiles([...(event.target.files ?? [])]);
          // The same file again must be a change again.
          event.target.value = '';
        }}
      />
      {dragged && <div className="drop-veil">{t('dropHere')}</div>}
      {offer && (
        <ImportOffer key={`${offer.from} ${'text' in offer ? offer.text.length : offer.data.join().length}`} offer={offer} />
      )}
    </>
  );
}

async function offerFiles(files: readonly File[]): Promise<void> {
  const read = files.map(async (file): Promise<NamedFile> => {
    // One octet more than is allowed tells that it is too large.
    return { name: file.name, octets: new Uint8Array(await file.slice(0, MAX_SIZE + 1).arrayBuffer()) };
  });
  for (const offer of offersOf(await Promise.all(read))) addOffer(offer);
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
      void offerFiles([...(event.dataTransfer?.files ?? [])]);
    };
    const paste = (event: ClipboardEvent) => {
      if (event.target instanceof HTMLElement && event.target.closest('input, textarea')) return;
      const files = [...(event.clipboardData?.files ?? [])];
      const text = event.clipboardData?.getData('text/plain').trim() ?? '';
      if (files.length > 0) void offerFiles(files);
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
