/**
 * Name constraints (RFC 5280 §4.2.1.10) of every kind: which names the authorities below, and who they certify, may bear. Names of kinds
 * whose constraints are not understood are refused where such a constraint is in force.
 */
import { formatAddress, parseAddress } from '../bytes/address.ts';
import { DerFields, type DerNode, eachChild, integerOf } from '../bytes/der.ts';
import type { Certificate, CertificateExtensions, GeneralName, NameSubtree } from './contract.ts';
import { attribute, attributeTexts, canonicalRdns, isEmptyName, parseGeneralName, printable } from './names.ts';

export type NameConstraints = NonNullable<CertificateExtensions['nameConstraints']>;

/** Names times subtrees: beyond it nobody means well (limbo's nc-dos, Go's limit of the same size). */
const maxComparisons = 250_000;
const maxSubtrees = 8192;

/** Undefined when malformed. RFC 5280 §4.2.1.10: minimum is 0, maximum absent, and one of the two lists is there. */
export function parseNameConstraints(node: DerNode): NameConstraints | undefined {
  const fields = new DerFields(node);
  const permitted = fields.optional(0xa0);
  const excluded = fields.optional(0xa1);
  if (!fields.done || (permitted === undefined && excluded === undefined)) return undefined;
  const lists = [permitted, excluded].map((list) => (list === undefined ? [] : subtrees(list)));
  const [allowed, forbidden] = lists;
  return allowed === undefined || forbidden === undefined ? undefined : { permitted: allowed, excluded: forbidden };
}

/** What all paths of one question may cost together. */
export interface ComparisonBudget {
  comparisons: number;
}

export function comparisonBudget(): ComparisonBudget {
  return { comparisons: maxComparisons };
}

/** The constraints in force on a path, from the anchor down. */
export class ConstraintStack {
  readonly #levels: Level[] = [];
  readonly #budget: ComparisonBudget;

  constructor(budget: ComparisonBudget) {
    this.#budget = budget;
  }

  /** Those of one more authority: a name must be permitted by all of them. */
  push(constraints: NameConstraints | undefined): void {
    if (constraints !== undefined) {
      this.#levels.push({ permitted: byKind(constraints.permitted), excluded: byKind(constraints.excluded) });
    }
  }

  /**
   * Evidence against a certificate below, `too-complex`, or undefined. `commonNames`: what common names of the subject may be used as, so
   * constraints on such names hold for them too.
   */
  check(certificate: Certificate, commonNames: readonly GeneralName[] = []): string | 'too-complex' | undefined {
    if (this.#levels.length === 0) return undefined;
    const names = constrainedNames(certificate, commonNames);
    this.#budget.comparisons -= names.length;
    for (const level of this.#levels) {
      for (const name of names) {
        const permitted = level.permitted.get(kindOf(name));
        const excluded = level.excluded.get(kindOf(name));
        if (permitted === undefined && excluded === undefined) continue;
        this.#budget.comparisons -= (permitted?.length ?? 0) + (excluded?.length ?? 0);
        if (this.#budget.comparisons < 0) return 'too-complex';
        if (name.form === undefined) return `the name ${name.text} is constrained and not understood`;
        const { form } = name;
        if (excluded?.some((match) => match(form, 'any') === true)) return `the name ${name.text} is excluded`;
        if (permitted !== undefined && !permitted.some((match) => match(form, 'all')))
          return `the name ${name.text} is not permitted`;
      }
    }
    return undefined;
  }
}

/** DNS host name in preferred syntax (RFC 1123 §2.1), underscores taken as everybody does; `*` alone as the first label. */
export function isDnsName(text: string): boolean {
  if (text.length > 253) return false;
  return /^(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/i.test(text);
}

/** Local part and host of a mailbox, or undefined. Quoted local parts are not taken: nobody compares them right. */
export function splitMailbox(text: string): { readonly local: string; readonly host: string } | undefined {
  const at = text.indexOf('@');
  const local = text.slice(0, at);
  const host = text.slice(at + 1);
  if (at < 1 || local.length > 64 || !/^[\w!#$%&'*+\-/=?^`{|}~]+(\.[\w!#$%&'*+\-/=?^`{|}~]+)*$/.test(local)) return undefined;
  return isDnsName(host) && !host.startsWith('*') ? { local, host } : undefined;
}

interface Level {
  readonly permitted: ReadonlyMap<string, readonly Matcher[]>;
  readonly excluded: ReadonlyMap<string, readonly Matcher[]>;
}

/** A name, parsed as far as comparing needs it. */
type Form =
  | { readonly kind: 'dns'; readonly host: string; readonly wildcard: boolean }
  | { readonly kind: 'email'; readonly local: string; readonly host: string }
  | { readonly kind: 'uri'; readonly host: string }
  | { readonly kind: 'ip'; readonly address: Uint8Array }
  | { readonly kind: 'directory'; readonly rdns: readonly string[] };

/** Whether the subtree has the name. A wildcard stands for many names: `all` of them (permitted) or `any` (excluded). */
type Matcher = (form: Form, quantity: 'all' | 'any') => boolean;

interface ConstrainedName {
  readonly kind: GeneralName['kind'];
  readonly tag?: number;
  /** Undefined: malformed, or of a kind that is not understood. */
  readonly form: Form | undefined;
  readonly text: string;
}

function kindOf({ kind, tag }: { readonly kind: string; readonly tag?: number }): string {
  return tag === undefined ? kind : `${kind}:${tag}`;
}

/** RFC 5280 §4.2.1.10: the subject and all of subjectAltName; mailboxes in the subject too, whether there is a subjectAltName or not. */
function constrainedNames({ subject, extensions }: Certificate, commonNames: readonly GeneralName[]): ConstrainedName[] {
  const names: ConstrainedName[] = [...(extensions.subjectAltName ?? []), ...commonNames].map(constrained);
  if (!isEmptyName(subject)) names.push(constrained({ kind: 'directory', value: subject }));
  for (const value of attributeTexts(subject, attribute.email)) names.push(constrained({ kind: 'email', value }));
  return names;
}

function constrained(name: GeneralName): ConstrainedName {
  switch (name.kind) {
    case 'dns': {
      const wildcard = name.value.startsWith('*.');
      const host = name.value.slice(wildcard ? 2 : 0).toLowerCase();
      return {
        kind: 'dns',
        form: isDnsName(name.value) ? { kind: 'dns', host, wildcard } : undefined,
        text: printable(name.value),
      };
    }
    case 'email': {
      const box = splitMailbox(name.value);
      const form: Form | undefined = box && { kind: 'email', local: box.local, host: box.host.toLowerCase() };
      return { kind: 'email', form, text: printable(name.value) };
    }
    case 'uri': {
      const host = uriHost(name.value);
      return { kind: 'uri', form: host === undefined ? undefined : { kind: 'uri', host }, text: printable(name.value) };
    }
    case 'ip':
      return { kind: 'ip', form: { kind: 'ip', address: name.value }, text: formatAddress(name.value) };
    case 'directory':
      return {
        kind: 'directory',
        form: { kind: 'directory', rdns: canonicalRdns(name.value) },
        text: printable(name.value.text),
      };
    case 'other':
      return { kind: 'other', tag: name.tag, form: undefined, text: `of kind [${name.tag}]` };
  }
}

/** RFC 5280 §4.2.1.10: constraints on URIs are on the host, which must be a name; others "MUST be rejected". */
function uriHost(uri: string): string | undefined {
  const match = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#@:[\]]+)(?::\d*)?(?:[/?#]|$)/i.exec(uri);
  const host = match?.[1].toLowerCase();
  if (host === undefined || !isDnsName(host) || host.startsWith('*') || parseAddress(host) !== undefined) return undefined;
  return host;
}

function byKind(list: readonly NameSubtree[]): Map<string, Matcher[]> {
  const map = new Map<string, Matcher[]>();
  for (const subtree of list) {
    const key = kindOf(subtree);
    const matchers = map.get(key) ?? [];
    matchers.push(matcherOf(subtree));
    map.set(key, matchers);
  }
  return map;
}

function matcherOf(subtree: NameSubtree): Matcher {
  switch (subtree.kind) {
    case 'dns':
      return dnsMatcher(subtree.value.toLowerCase());
    case 'email':
      return emailMatcher(subtree.value);
    case 'uri': {
      const base = subtree.value.toLowerCase();
      return (form) => form.kind === 'uri' && hostMatches(form.host, base);
    }
    case 'ip': {
      const { address, mask } = subtree;
      return (form) =>
        form.kind === 'ip' &&
        form.address.length === address.length &&
        form.address.every((octet, i) => ((octet ^ address[i]) & mask[i]) === 0);
    }
    case 'directory': {
      const base = canonicalRdns(subtree.value);
      return (form) =>
        form.kind === 'directory' && form.rdns.length >= base.length && base.every((rdn, i) => rdn === form.rdns[i]);
    }
    case 'other':
      return () => false;
  }
}

/** Zero or more labels added on the left; with a leading period, as OpenSSL taught many authorities to write, one or more. */
function dnsMatcher(base: string): Matcher {
  const bare = base.replace(/^\./, '');
  const more = base.startsWith('.');
  return (form, quantity) => {
    if (form.kind !== 'dns') return false;
    if (bare === '') return true;
    // CVE-2025-61727: what `*.example.com` may stand for is excluded as well.
    if (form.wildcard && quantity === 'any' && bare.endsWith(`.${form.host}`)) return true;
    if (form.host === bare) return form.wildcard || !more;
    return form.host.endsWith(`.${bare}`);
  };
}

/**
 * A mailbox, all mailboxes of a host, or with a leading period of all hosts below a domain. The local part is compared as it is, except for
 * what is excluded: whoever is asked for is found in any letter case (RFC 4945 §3.1.3).
 */
function emailMatcher(value: string): Matcher {
  const box = splitMailbox(value);
  if (box !== undefined) {
    const host = box.host.toLowerCase();
    const local = box.local.toLowerCase();
    return (form, quantity) =>
      form.kind === 'email' &&
      (form.local === box.local || (quantity === 'any' && form.local.toLowerCase() === local)) &&
      form.host === host;
  }
  const base = value.toLowerCase();
  return (form) => form.kind === 'email' && hostMatches(form.host, base);
}

/** For mailboxes and URIs: the host itself, or with a leading period what is below it. */
function hostMatches(host: string, base: string): boolean {
  return base === '' || (base.startsWith('.') ? host.endsWith(base) : host === base);
}

function subtrees(node: DerNode): NameSubtree[] | undefined {
  const list: NameSubtree[] = [];
  for (const child of eachChild(node)) {
    const fields = new DerFields(child);
    const base = fields.take();
    const subtree = base === undefined ? undefined : subtreeOf(base);
    // The minimum is 0, which DER would leave out; a maximum is not allowed.
    const minimum = fields.optional(0x80);
    if (minimum !== undefined && integerOf(minimum, 0x80) !== 0) return undefined;
    if (!fields.done || subtree === undefined || list.length >= maxSubtrees) return undefined;
    list.push(subtree);
  }
  return list.length === 0 ? undefined : list;
}

function subtreeOf(base: DerNode): NameSubtree | undefined {
  if (base.tag === 0x87) return addressRange(base.content);
  const name = parseGeneralName(base);
  switch (name?.kind) {
    case undefined:
    case 'ip':
      return undefined;
    case 'dns':
      return isSuffix(name.value) ? { kind: 'dns', value: name.value } : undefined;
    case 'email':
      return isSuffix(name.value) || splitMailbox(name.value) !== undefined ? { kind: 'email', value: name.value } : undefined;
    case 'uri':
      return isSuffix(name.value) ? { kind: 'uri', value: name.value } : undefined;
    case 'directory':
      return { kind: 'directory', value: name.value };
    case 'other':
      return { kind: 'other', tag: name.tag };
  }
}

/** Nothing (everything), a host or domain, or either with a leading period; wildcards have no place here. */
function isSuffix(text: string): boolean {
  const bare = text.replace(/^\./, '');
  return text === '' || (isDnsName(bare) && !bare.startsWith('*'));
}

/** Address and mask of 4 or 16 octets each, the mask in CIDR form (RFC 4632). */
function addressRange(content: Uint8Array): NameSubtree | undefined {
  const size = content.length / 2;
  if (size !== 4 && size !== 16) return undefined;
  const mask = new Uint8Array(content.subarray(size));
  const bits = Array.from(mask, (octet) => octet.toString(2).padStart(8, '0')).join('');
  return /^1*0*$/.test(bits) ? { kind: 'ip', address: new Uint8Array(content.subarray(0, size)), mask } : undefined;
}
