/** Which profiles the list shows, in which order and under which heading. Pure. */
import type { ProfileSummary } from '../../../core/rpc/contract.ts';

export interface Group {
  /** '' for profiles without a folder; they come first. */
  readonly folder: string;
  readonly profiles: readonly ProfileSummary[];
}

/** Profiles whose name, gateway or folder has every word of the query, whatever its case and accents. */
export function search(list: readonly ProfileSummary[], query: string): readonly ProfileSummary[] {
  const words = folded(query).split(/\s+/).filter(Boolean);
  if (words.length === 0) return list;
  return list.filter((profile) => {
    const text = folded(`${profile.name} ${profile.gateway} ${profile.folder}`);
    return words.every((word) => text.includes(word));
  });
}

/** By folder, then by name, as the language sorts and with numbers as numbers. */
export function grouped(list: readonly ProfileSummary[], language: string): readonly Group[] {
  const order = new Intl.Collator(language, { numeric: true, sensitivity: 'base' });
  const folders = new Map<string, ProfileSummary[]>();
  for (const profile of list) {
    const group = folders.get(profile.folder);
    if (group) group.push(profile);
    else folders.set(profile.folder, [profile]);
  }
  return [...folders]
    .map(([folder, profiles]) => ({
      folder,
      profiles: profiles.toSorted((a, b) => order.compare(a.name, b.name) || (a.id < b.id ? -1 : 1)),
    }))
    .sort((a, b) => (a.folder === '' ? -1 : b.folder === '' ? 1 : order.compare(a.folder, b.folder)));
}

/** The folders there are, sorted, without ''. */
export function foldersOf(list: readonly ProfileSummary[], language: string): readonly string[] {
  return grouped(list, language)
    .map(({ folder }) => folder)
    .filter((folder) => folder !== '');
}

/** Without case, accents and width, for comparing. */
function folded(text: string): string {
  return text.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase();
}
