/** Where the window is: a path in the address's fragment, so that links are links, Back works, and a reload stays. */
import { useSyncExternalStore } from 'react';
import { parseRoute, type Route } from './path.ts';

export function currentRoute(): Route {
  return parseRoute(window.location.hash);
}

/** `navigate('/profiles/new')`. */
export function navigate(path: string): void {
  if (currentRoute().path !== path) window.location.hash = path;
}

/** For `<a href>`. */
export function href(path: string): string {
  return `#${path}`;
}

export function useRoute(): Route {
  const hash = useSyncExternalStore(
    (changed) => {
      window.addEventListener('hashchange', changed);
      return () => window.removeEventListener('hashchange', changed);
    },
    () => window.location.hash,
  );
  return parseRoute(hash);
}
