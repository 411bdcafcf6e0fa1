/**
 * Profiles from outside the window: a link somebody clicked, a file opened with the app. Anybody can make both, so they are bounded,
 * checked for being text at all, and only offered: nothing is stored without the user's yes (windowApi.ts sends the offer to the page).
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { err, ok, type Result } from '../bytes/result.ts';
import type { ProfileOffer } from './contract.ts';
import { isLink, LINK_SHOWN, type LinkProblem, profileOfLink } from './profileLink.ts';
import { MAX_OFFER } from './windowApi.ts';

export { LINK_SCHEME } from './profileLink.ts';

/** Why there is nothing to offer. */
export type OfferProblem = LinkProblem | 'not-a-profile-file' | 'unreadable';

/** What the app registers for, and what it takes from a command line. */
const FILE_ENDINGS = ['.sallyport', '.sallyport.json'] as const;

export function offerOfLink(link: string): Result<ProfileOffer, OfferProblem> {
  const text = profileOfLink(link, MAX_OFFER);
  return text.ok ? ok({ source: 'link', from: LINK_SHOWN, text: text.value }) : text;
}

export function offerOfFile(path: string): Result<ProfileOffer, OfferProblem> {
  if (!isProfilePath(path)) return err('not-a-profile-file');
  let fd: number;
  try {
    // Without waiting: a name can be a pipe that nobody writes to.
    fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch {
    return err('unreadable');
  }
  try {
    const status = fstatSync(fd);
    if (!status.isFile()) return err('not-a-profile-file');
    if (status.size > MAX_OFFER) return err('too-long');
    const octets = Buffer.alloc(MAX_OFFER);
    const text = textOf(octets.subarray(0, readSync(fd, octets, 0, MAX_OFFER, 0)));
    return text === undefined ? err('not-a-profile-file') : ok({ source: 'file', from: basename(path), text });
  } catch {
    return err('unreadable');
  } finally {
    closeSync(fd);
  }
}

/**
 * The first link or file in a command line, as the system starts us with; undefined when there is none. `folder` is where a path that is
 * not absolute begins: of the program that was started, which may be another one than this.
 */
export function offerOfArguments(
  argv: readonly string[],
  folder: string = process.cwd(),
): Result<ProfileOffer, OfferProblem> | undefined {
  const given = argv.slice(1).filter((word) => !word.startsWith('-'));
  const link = given.find(isLink);
  if (link !== undefined) return offerOfLink(link);
  const file = given.map(pathOf).find(isProfilePath);
  return file === undefined ? undefined : offerOfFile(resolve(folder, file));
}

/** Desktop Entry Specification, "The Exec key": for `%U` a local file comes as a path or as a `file:` URL. */
function pathOf(word: string): string {
  if (!/^file:/i.test(word)) return word;
  try {
    return fileURLToPath(word);
  } catch {
    return word; // of another computer, or no URL: then there is no such path
  }
}

function isProfilePath(path: string): boolean {
  return FILE_ENDINGS.some((ending) => path.toLowerCase().endsWith(ending));
}

function textOf(octets: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(octets);
  } catch {
    return undefined;
  }
}
