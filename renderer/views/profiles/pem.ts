/** Certificates as the form has them: PEM text, one after the other. Pure. */

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g;

/** Of base64 DER. */
export function pemOf(base64: string): string {
  const lines = base64.match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----'].join('\n');
}

/** Each block; text that has none is one, for the helper to say what is wrong with it. */
export function pemsIn(text: string): string[] {
  const blocks = [...text.matchAll(BLOCK)].map(([block]) => block);
  return blocks.length === 0 && text.trim() !== '' ? [text.trim()] : blocks;
}

/** How many certificates there are. */
export function countIn(text: string): number {
  return [...text.matchAll(BLOCK)].length;
}
