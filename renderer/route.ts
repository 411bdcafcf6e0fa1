/**
 * Where the window is: a path in the address's fragment, so that links are links, Back works, and a reload stays.
 * `/connect`, `/profiles`, `/profiles/new`, `/profiles/<id>`, `/profiles/<id>/edit`, `/statistics`, `/log`, `/settings`.
 */
import { useSyncExternalStore } from 'react';

export type Destination = 'connect' | 'profiles' | 'statistics' | 'log' | 'settings';

const destinations: readonly Destination[] = ['connect', 'profiles', 'statistics', 'log', 'settings'];

export interface Route {
  readonly destination: Destination;
  /** What follows the destination: `['new']`, `['<id>', 'edit']`. */
  readonly rest: readonly string[];
  readonly path: string;
}

export function parseRoute(hash: string): Route {
  const parts = hash
    .replace(/^#?\/?/, '')
    .split('/')
    .filter(Boolean)
    .map(decoded);
  const destination = destinations.find((name) => name === parts[0]) ?? 'connect';
  const rest = parts[0] === destination ? parts.slice(1) : [];
  return { destination, rest, path: `/${[destination, ...rest.map(encodeURIComponent)].join('/')}` };
}

/** `navigate('/profiles/new')`. */
export function navigate(path: string): void {
  if (parseRoute(window.location.hash).path !== path) window.location.hash = path;
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

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
