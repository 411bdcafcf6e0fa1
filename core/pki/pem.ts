/** PEM (RFC 7468), read as laxly as everybody does: text before, between and after the blocks, any line lengths and line ends. */
import { ok, type Result } from '../bytes/result.ts';
import { type CredentialFault, credentialFault } from './credentialFault.ts';

export interface PemBlock {
  /** `CERTIFICATE`, `PRIVATE KEY`, … */
  readonly label: string;
  readonly der: Uint8Array;
  /** `Proc-Type: 4,ENCRYPTED` of old OpenSSL (RFC 1421 §4.6.1): `der` is ciphertext. */
  readonly encrypted: boolean;
}

export const maxPemCharacters = 1 << 20;
const maxBlocks = 256;

/** All blocks in their order; at least one. */
export function readPem(text: string): Result<readonly PemBlock[], CredentialFault> {
  if (text.length > maxPemCharacters) return credentialFault('too-large', `PEM of ${text.length} characters`);
  const blocks: PemBlock[] = [];
  let open: { readonly label: string; readonly lines: string[] } | undefined;
  for (const line of text.split(/\r\n|\r|\n/)) {
    const boundary = /^\s*-----(BEGIN|END) ([A-Z0-9 .]{1,64})-----\s*$/.exec(line);
    if (boundary === null) {
      open?.lines.push(line);
      continue;
    }
    const [, side, label = ''] = boundary;
    if (side === 'BEGIN') {
      if (open !== undefined) return credentialFault('malformed', `PEM: the block "${open.label}" does not end`);
      if (blocks.length >= maxBlocks) return credentialFault('too-large', `PEM of more than ${maxBlocks} blocks`);
      open = { label, lines: [] };
      continue;
    }
    if (open?.label !== label) return credentialFault('malformed', `PEM: the end of a block "${label}" that did not begin`);
    const block = decodeBlock(label, open.lines);
    if (!block.ok) return block;
    blocks.push(block.value);
    open = undefined;
  }
  if (open !== undefined) return credentialFault('malformed', `PEM: the block "${open.label}" does not end`);
  return blocks.length > 0 ? ok(blocks) : credentialFault('malformed', 'no PEM block');
}

/** Lines of 64 characters, as RFC 7468 §2 wants them written. */
export function writePem(label: string, der: Uint8Array): string {
  const lines = toBase64(der).match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** A text that has the beginning of a block somewhere. */
export function looksLikePem(text: string): boolean {
  return text.includes('-----BEGIN ');
}

function decodeBlock(label: string, lines: readonly string[]): Result<PemBlock, CredentialFault> {
  // RFC 1421 headers, if any, end with an empty line; a header's further lines begin with a blank.
  let at = 0;
  let encrypted = false;
  while (at < lines.length && (/^[A-Za-z-]+:/.test(lines[at]) || (at > 0 && /^[ \t]+\S/.test(lines[at])))) {
    if (/^Proc-Type:\s*4,\s*ENCRYPTED/i.test(lines[at])) encrypted = true;
    at += 1;
  }
  const der = fromBase64(lines.slice(at).join(''));
  if (der === undefined || der.length === 0) return credentialFault('malformed', `PEM: the block "${label}" is not base64`);
  return ok({ label, der, encrypted });
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const values: ReadonlyMap<string, number> = new Map([...alphabet].map((character, value) => [character, value]));

/** Octets of base64 with any blanks in it; undefined when it is none. Padding may be missing, bits beyond the end must be zero. */
export function fromBase64(text: string): Uint8Array | undefined {
  const compact = text.replace(/[\s]+/g, '');
  const match = /^([A-Za-z0-9+/]*)(={0,2})$/.exec(compact);
  if (match === null) return undefined;
  const digits = match[1] ?? '';
  if (digits.length % 4 === 1 || (match[2] !== '' && compact.length % 4 !== 0)) return undefined;
  const out = new Uint8Array(Math.floor((digits.length * 3) / 4));
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const digit of digits) {
    held = ((held << 6) | (values.get(digit) ?? 0)) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out[at++] = held >>> bits;
  }
  return (held & ((1 << bits) - 1)) === 0 ? out : undefined;
}

export function toBase64(octets: Uint8Array): string {
  let out = '';
  for (let at = 0; at < octets.length; at += 3) {
    const left = octets.length - at;
    const group = (octets[at] << 16) | ((octets[at + 1] ?? 0) << 8) | (octets[at + 2] ?? 0);
    out += alphabet[group >>> 18] + alphabet[(group >>> 12) & 63];
    out += left > 1 ? alphabet[(group >>> 6) & 63] : '=';
    out += left > 2 ? alphabet[group & 63] : '=';
  }
  return out;
}
