/** The keyboard of the window: Ctrl+1…4 the destinations, Ctrl+Enter the big control, Esc cancels or goes back, `/` searches. */
import { useEffect } from 'react';
import { above } from './path.ts';
import { currentRoute, navigate } from './route.ts';
import { pressControl } from './store/control.ts';
import { isConnecting, shownState } from './store/reduce.ts';
import { disconnect, useSession } from './store/session.ts';

const numbered = ['/connect', '/profiles', '/statistics', '/log'];

export function useKeys(): void {
  useEffect(() => {
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);
}

function onKey(event: KeyboardEvent): void {
  // A dialog, a menu or a field that used the key prevents its default.
  if (event.defaultPrevented || event.isComposing || event.altKey) return;
  const control = event.ctrlKey || event.metaKey;
  const dialogOpen = document.querySelector('[role="dialog"], [role="alertdialog"]') !== null;
  if (dialogOpen) return;
  const path = control ? numbered[Number(event.key) - 1] : undefined;
  if (path !== undefined) {
    event.preventDefault();
    navigate(path);
  } else if (control && event.key === 'Enter') {
    event.preventDefault();
    pressControl();
  } else if (event.key === 'Escape') {
    stepBack();
  } else if (event.key === '/' && !control && !isTyping(event.target)) {
    const search = document.querySelector<HTMLInputElement>('main input[type="search"]');
    if (search === null) return;
    event.preventDefault();
    search.focus();
  }
}

/** Cancels what is under way where it is shown; elsewhere one step back up. */
function stepBack(): void {
  const route = currentRoute();
  if (route.destination !== 'connect') navigate(above(route));
  else if (isConnecting(shownState(useSession.getState()).state)) void disconnect();
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName));
}
