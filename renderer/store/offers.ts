/**
 * What somebody wants to import, before anybody knows whether it is a profile. Pure: which files belong together, their content tells, as
 * it tells the helper what they are.
 */
import type { ProfileOffer } from '../../core/desktop/contract.ts';

/** Certificates and keys: several make one profile. */
export interface FilesOffer {
  readonly source: 'file';
  readonly from: string;
  /** Base64. */
  readonly data: readonly string[];
}

export type Offer = ProfileOffer | FilesOffer;

export interface NamedFile {
  readonly name: string;
  readonly octets: Uint8Array;
}

/** Larger files are not profiles; the helper refuses them too. */
export const MAX_SIZE = 256 * 1024;
/** Of all files that make one profile: what fits into one message to the helper. */
const MAX_TOTAL = 512 * 1024;
/** As many as the helper takes. */
const MAX_FILES = 16;
/** Too large stays too large: the helper says so in the words of its reason. */
export const TOO_LARGE = ' '.repeat(MAX_SIZE + 1);

/** Each profile file is a profile; certificates and keys are one together. */
export function offersOf(files: readonly NamedFile[]): readonly Offer[] {
  const offers: Offer[] = [];
  const parts: NamedFile[] = [];
  for (const file of files) {
    const text = file.octets.length > MAX_SIZE ? TOO_LARGE : profileText(file.octets);
    if (text === undefined) parts.push(file);
    else offers.push({ source: 'file', from: file.name, text });
  }
  if (parts.length === 0) return offers;
  const from = parts.map(({ name }) => name).join(', ');
  const total = parts.reduce((sum, { octets }) => sum + octets.length, 0);
  if (parts.length > MAX_FILES || total > MAX_TOTAL) return [...offers, { source: 'file', from, text: TOO_LARGE }];
  return [...offers, { source: 'file', from, data: parts.map(({ octets }) => toBase64(octets)) }];
}

/** Undefined for what is no text, and for PEM. */
function profileText(octets: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(octets);
    return looksLikePem(text) || text.includes('\0') ? undefined : text;
  } catch {
    return undefined;
  }
}

/** Such a file does not say where the gateway is. */
export function lacksGateway(offer: Offer): boolean {
  return 'data' in offer || looksLikePem(offer.text);
}

/** A profile may have PEM in it; then it is JSON all the same. */
function looksLikePem(text: string): boolean {
  return !/^\s*\{/.test(text) && text.includes('-----BEGIN ');
}

function toBase64(octets: Uint8Array): string {
  let binary = '';
  for (const octet of octets) binary += String.fromCharCode(octet);
  return btoa(binary);
}
