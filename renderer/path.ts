/**
 * The places of the window as paths: `/connect`, `/profiles`, `/profiles/new`, `/profiles/<id>`, `/profiles/<id>/edit`, `/statistics`,
 * `/log`, `/settings`. Pure; route.ts keeps them in the address.
 */
export type Destination = 'connect' | 'profiles' | 'statistics' | 'log' | 'settings';

const destinations: readonly Destination[] = ['connect', 'profiles', 'statistics', 'log', 'settings'];

export interface Route {
  readonly destination: Destination;
  /** What follows the destination: `['new']`, `['<id>', 'edit']`. */
  readonly rest: readonly string[];
  readonly path: string;
}

/** Total: what is no place is Connect. */
export function parseRoute(hash: string): Route {
  const parts = hash
    .replace(/^#?\/?/, '')
    .split('/')
    .filter(Boolean)
    .map(decoded);
  const destination = destinations.find((name) => name === parts[0]) ?? 'connect';
  const rest = parts[0] === destination ? parts.slice(1) : [];
  return { destination, rest, path: pathOf(destination, rest) };
}

export function pathOf(destination: Destination, rest: readonly string[]): string {
  return `/${[destination, ...rest.map(encodeURIComponent)].join('/')}`;
}

/** One step up: from an edit to the profile, from a profile to the list, from a view to Connect. */
export function above({ destination, rest }: Route): string {
  return rest.length > 0 ? pathOf(destination, rest.slice(0, -1)) : '/connect';
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
