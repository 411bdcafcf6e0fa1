/**
 * Profiles from outside the window: a link somebody clicked, a file opened with the app. Anybody can make both, so they are bounded,
 * checked for being text at all, and only offered: nothing is stored without the user's yes (windowApi.ts sends the offer to the page).
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import { err, ok, type Result } from '../bytes/result.ts';
import type { ProfileOffer } from './contract.ts';
import { MAX_OFFER } from './windowApi.ts';

/** Why there is nothing to offer. */
export type OfferProblem = 'not-a-profile-link' | 'not-a-profile-file' | 'too-long' | 'unreadable';

export const LINK_SCHEME = 'sallyport';
/** What the app registers for, and what it takes from a command line. */
const FILE_ENDINGS = ['.sallyport', '.sallyport.json'] as const;

/** `sallyport://import?profile=<base64url of the profile file>`. */
export function offerOfLink(link: string): Result<ProfileOffer, OfferProblem> {
  // Four octets of base64 for three of text.
  if (link.length > MAX_OFFER * 2) return err('too-long');
  if (!URL.canParse(link)) return err('not-a-profile-link');
  const address = new URL(link);
  const names = [...address.searchParams.keys()];
  const given = address.searchParams.get('profile') ?? '';
  const ours = address.protocol === `${LINK_SCHEME}:` && address.host === 'import' && ['', '/'].includes(address.pathname);
  if (!ours || names.length !== 1 || !/^[A-Za-z0-9_-]+=*$/.test(given)) return err('not-a-profile-link');
  const text = textOf(Buffer.from(given, 'base64url'));
  if (text === undefined) return err('not-a-profile-link');
  if (text.length > MAX_OFFER) return err('too-long');
  return ok({ source: 'link', from: `${LINK_SCHEME}://import`, text });
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

/** The first link or file in a command line, as the system starts us with; undefined when there is none. */
export function offerOfArguments(argv: readonly string[]): Result<ProfileOffer, OfferProblem> | undefined {
  const given = argv.slice(1).filter((word) => !word.startsWith('-'));
  const link = given.find((word) => word.startsWith(`${LINK_SCHEME}:`));
  if (link !== undefined) return offerOfLink(link);
  const file = given.find(isProfilePath);
  return file === undefined ? undefined : offerOfFile(file);
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
