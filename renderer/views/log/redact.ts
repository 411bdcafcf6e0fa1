/**
 * Takes out of log lines what tells who and where somebody is, and what names a connection: addresses, names of hosts, identities, SPIs,
 * profile names, users, folders. The same thing gets the same mask within one export, so that the story can still be followed.
 * Rather too much than too little: what looks like it is masked.
 */

export type MaskKind = 'address' | 'host' | 'identity' | 'id' | 'path';
export type MaskCounts = Readonly<Record<MaskKind, number>>;

export interface Redactor {
  line(text: string): string;
  /** How many different things of each kind have been masked. */
  counts(): MaskCounts;
}

/** `known` are texts to be masked as they stand wherever they occur as words: identities, profile names, gateways. */
export function createRedactor(known: readonly string[]): Redactor {
  const pattern = patternOf(known);
  const masks = new Map<string, string>();
  const counts: Record<MaskKind, number> = { address: 0, host: 0, identity: 0, id: 0, path: 0 };

  function mask(kind: MaskKind, what: string): string {
    const key = `${kind} ${what.toLowerCase()}`;
    const before = masks.get(key);
    if (before !== undefined) return before;
    const fresh = `[${kind}-${++counts[kind]}]`;
    masks.set(key, fresh);
    return fresh;
  }

  function pass(text: string): string {
    return text.replaceAll(pattern, (found: string, ...rest: unknown[]) => {
      const groups = rest.at(-1) as Readonly<Record<string, string | undefined>>;
      if (groups.masked !== undefined) return found;
      const assigned = /^(uid|pid|user)=(.*)$/.exec(found);
      if (groups.number !== undefined && assigned) return `${assigned[1]}=${mask('id', found)}`;
      if (groups.host !== undefined) return SOURCE_FILE.test(found) ? found : mask('host', found.replace(/\.$/, ''));
      if (groups.address !== undefined) return mask('address', found);
      if (groups.path !== undefined) return mask('path', found);
      return mask(groups.identity !== undefined ? 'identity' : 'id', found);
    });
  }

  return {
    counts: () => ({ ...counts }),
    line(text) {
      // Again, as long as it finds something: a mask ends a word, and what was behind one (`a@b{@c`) now begins one.
      let masked = pass(text);
      for (let before = text; masked !== before && masked.length < maxLength; ) {
        before = masked;
        masked = pass(before);
      }
      return masked;
    },
  };
}

/** Of a line that is looked at more than once: none of ours is longer. */
const maxLength = 100_000;

/** One text. */
export function redact(text: string, known: readonly string[] = []): { readonly text: string; readonly counts: MaskCounts } {
  const redactor = createRedactor(known);
  return { text: redactor.line(text), counts: redactor.counts() };
}

const SOURCE_FILE = /\.(?:ts|tsx|js|mjs|cjs|json|sock|service|conf|log|so)$/i;
const LABEL = String.raw`[\p{L}\p{N}_](?:[\p{L}\p{N}_-]{0,61}[\p{L}\p{N}_])?`;
const OCTET = String.raw`(?:25[0-5]|2[0-4]\d|1?\d?\d)`;
const V4 = String.raw`${OCTET}(?:\.${OCTET}){3}(?!\d|\.\d)`;

/** All in one, so that no rule sees what another one put in; at one place the first that fits wins. */
function patternOf(known: readonly string[]): RegExp {
  const words = [...new Set(known.map((text) => text.trim()))]
    .filter((text) => text.length >= 2)
    .toSorted((a, b) => b.length - a.length)
    .map((text) => text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&'));
  const rules = [
    String.raw`(?<masked>\[(?:address|host|identity|id|path)-\d+\])`,
    // Not inside of a longer word: a profile called "up" must not eat every "up" of "update".
    ...(words.length === 0 ? [] : [String.raw`(?<identity>(?<![\p{L}\p{N}])(?:${words.join('|')})(?![\p{L}\p{N}@]))`]),
    String.raw`(?<identity>keyid:(?:[0-9a-f]{2})+|(?<![^\s"'<>()\[\]=,;@])[^\s"'<>()\[\]=,;@]{1,256}@${LABEL}(?:\.${LABEL})*)`,
    // RFC 9562.
    String.raw`(?<uuid>\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b)`,
    String.raw`(?<address>\b(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}\b|${ipv6()}|(?<![\d.])${V4})`,
    String.raw`(?<path>(?:/(?:home|root|Users|var/home)/|[A-Z]:\\Users\\)[^\s"',;:)\\/]+)`,
    String.raw`(?<number>\b0x[0-9a-f]{2,}\b|\b(?:uid|pid|user)=\d+)`,
    // SPIs and other long numbers; a word of the letters a to f alone is one, too, when it is long.
    String.raw`(?<hex>(?<![\p{L}\p{N}_])(?:(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,}|[0-9a-f]{16,})(?![\p{L}\p{N}_]))`,
    // A name with a dot in it whose last part is of letters.
    String.raw`(?<host>(?<![\p{L}\p{N}_/.-])(?:${LABEL}\.){1,126}(?:xn--[a-z0-9-]+|\p{L}{2,63})\.?(?![\p{L}\p{N}_-]))`,
  ];
  return new RegExp(rules.join('|'), 'giu');
}

function ipv6(): string {
  const h = '[0-9a-f]{1,4}';
  const full = `(?:${h}:){7}${h}`;
  const mixed = `(?:${h}:){6}${V4}`;
  // RFC 4291 §2.2: one `::`, and an IPv4 address may stand at the end; `::` alone is punctuation more often than an address.
  const short = `(?:${h}(?::${h}){0,6})?::(?:(?:${h}:){0,5}${V4}|${h}(?::${h}){0,6})|${h}(?::${h}){0,6}::`;
  return String.raw`(?<![\p{L}\p{N}:.])(?:${mixed}|${full}|${short})(?:%[\p{L}\p{N}_.-]+)?(?![\p{L}\p{N}:])`;
}
