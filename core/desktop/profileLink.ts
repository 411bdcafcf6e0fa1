/** A link that carries a profile. Without Node, because the page knows one that is pasted by the same rules. */
import { err, ok, type Result } from '../bytes/result.ts';

export const LINK_SCHEME = 'sallyport';
/** For showing: the rest of a link is long and says nothing. */
export const LINK_SHOWN = `${LINK_SCHEME}://import`;

export type LinkProblem = 'not-a-profile-link' | 'too-long';

export function isLink(text: string): boolean {
  return text.slice(0, LINK_SCHEME.length + 1).toLowerCase() === `${LINK_SCHEME}:`;
}

/** The text of the profile in `sallyport://import?profile=<base64url of the profile file>`; `most` is its longest, in characters. */
export function profileOfLink(link: string, most: number): Result<string, LinkProblem> {
  // Four octets of base64 for three of text.
  if (link.length > most * 2) return err('too-long');
  if (!URL.canParse(link)) return err('not-a-profile-link');
  const address = new URL(link);
  const names = [...address.searchParams.keys()];
  const given = address.searchParams.get('profile') ?? '';
  const ours = address.protocol === `${LINK_SCHEME}:` && address.host === 'import' && ['', '/'].includes(address.pathname);
  if (!ours || names.length !== 1 || !/^[A-Za-z0-9_-]+=*$/.test(given)) return err('not-a-profile-link');
  const text = decoded(given.replace(/=+$/, ''));
  if (text === undefined) return err('not-a-profile-link');
  return text.length > most ? err('too-long') : ok(text);
}

function decoded(base64url: string): string | undefined {
  try {
    const octets = Uint8Array.from(atob(base64url.replaceAll('-', '+').replaceAll('_', '/')), (octet) => octet.charCodeAt(0));
    return new TextDecoder('utf-8', { fatal: true }).decode(octets);
  } catch {
    return undefined;
  }
}
