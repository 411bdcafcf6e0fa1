/**
 * From the text of a profile file to a profile, its secret and notes of what happened to each field. All or nothing: one wrong
 * field and there is no profile, with every wrong field named. No value of a secret field ever reaches a message.
 */
import * as v from 'valibot';
import { err, ok, type Result } from '../bytes/result.ts';
import { parseProposals } from '../ike/proposals.ts';
import { selectorCidr, selectorFromCidr } from '../ike/wire/selectorText.ts';
import type { ImportNote } from '../rpc/contract.ts';
import { isObject, type Json, type JsonObject, parseJson } from './json.ts';
import { DEFAULTS, type Profile, type ProfileSecret } from './model.ts';
import { ANY_IDENTITY, expectedOf, hostOf, knownFields, type ProfileFile, profileSchema } from './schema.ts';

export interface Imported {
  /** `id` is the file's uuid, or undefined when it has none: the store then decides. */
  readonly profile: Omit<Profile, 'id'> & { readonly id: string | undefined };
  readonly secret: ProfileSecret;
  readonly notes: readonly ImportNote[];
}

/** What is wrong with the file, for a person: fields, problems, expectations; no secrets. */
export interface ImportError {
  readonly detail: string;
}

const SHORT_PSK = 20;
const FAULTS_TOLD = 5;

export function importProfile(text: string): Result<Imported, ImportError> {
  const parsed = parseJson(text);
  if (!parsed.ok) {
    const { line, column, problem } = parsed.error;
    return err({ detail: `line ${line}, column ${column}: ${problem}` });
  }
  if (!isObject(parsed.value)) return err({ detail: 'the file must hold one object: { "sallyport": 1, … }' });
  if (!Object.hasOwn(parsed.value, 'sallyport')) {
    return err({ detail: 'sallyport: is missing; expected 1, the version of this format' });
  }
  const notes: ImportNote[] = [];
  const known = withoutUnknown(parsed.value, '', notes);
  const valid = v.safeParse(profileSchema, known);
  if (!valid.success) return err({ detail: faults(valid.issues) });
  const conflict = conflicts(valid.output);
  if (conflict !== undefined) return err({ detail: conflict });
  return ok(convert(valid.output, notes));
}

/** A copy without the fields this version does not know; each is named in a note. */
function withoutUnknown(value: JsonObject, place: string, notes: ImportNote[]): Json {
  const known = knownFields.get(place) ?? [];
  const result: Record<string, Json> = Object.create(null);
  for (const [key, inner] of Object.entries(value)) {
    const path = place === '' ? key : `${place}.${key}`;
    if (!known.includes(key)) {
      notes.push({ field: shown(path), outcome: 'dropped', why: 'this version does not know the field' });
    } else {
      result[key] = isObject(inner) && knownFields.has(path) ? withoutUnknown(inner, path, notes) : inner;
    }
  }
  return result;
}

function faults(issues: readonly v.BaseIssue<unknown>[]): string {
  const told = issues.slice(0, FAULTS_TOLD).map(fault);
  if (issues.length > told.length) told.push(`and ${issues.length - told.length} more`);
  return told.join('; ');
}

function fault(issue: v.BaseIssue<unknown>): string {
  const path = (issue.path ?? []).map(({ key }) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
  const field = shown(path.replace(/^\./, ''));
  if (issue.input === undefined) {
    const wanted = expectedOf(field);
    return `${field}: is missing${wanted === undefined ? '' : `; expected ${wanted}`}`;
  }
  const found = field.startsWith('auth') ? '' : `, found ${foundText(issue.input)}`;
  return `${field}: expected ${issue.message}${found}`;
}

function foundText(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'string') return value === '' ? 'an empty text' : `"${shown(value)}"`;
  return String(value);
}

/** A piece of the file as part of one line. */
function shown(text: string): string {
  const clean = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '?');
  return clean.length > 60 ? `${clean.slice(0, 59)}…` : clean;
}

/** What each field allows and the fields together do not. */
function conflicts(file: ProfileFile): string | undefined {
  if (file.ipv4 === false && file.ipv6 === false) return 'ipv4, ipv6: expected at least one of them to be true';
  if (octets(file.auth.secret).length > 1024) return 'auth.secret: expected at most 1024 octets';
  for (const [field, texts, use] of [
    ['ikeProposals', file.ikeProposals, 'ike'],
    ['espProposals', file.espProposals, 'esp'],
  ] as const) {
    const parsed = parseProposals(texts ?? DEFAULTS.proposals, use);
    if (!parsed.ok) return `${field}: ${shown(parsed.error.message)}`;
  }
  const networks = file.remoteNetworks ?? DEFAULTS.remoteNetworks;
  const wants4 = file.ipv4 !== false && networks.some((network) => !network.includes(':'));
  const wants6 = file.ipv6 !== false && networks.some((network) => network.includes(':'));
  if (!wants4 && !wants6) return 'remoteNetworks: expected at least one network of a family that ipv4 and ipv6 allow';
  return undefined;
}

function convert(file: ProfileFile, notes: ImportNote[]): Imported {
  const note = (field: string, outcome: ImportNote['outcome'], why: string) => notes.push({ field, outcome, why });
  const name = file.name.trim().normalize('NFC');
  if (name !== file.name) note('name', 'changed', 'blanks around it were taken off');
  const gateway = hostOf(file.gateway) ?? file.gateway;
  if (gateway !== file.gateway) note('gateway', 'changed', `is ${gateway} to the name servers`);
  const psk = octets(file.auth.secret);
  if (psk.length < SHORT_PSK) {
    note('auth.secret', 'warning', `shorter than ${SHORT_PSK} characters: whoever records one connection attempt can guess it`);
  }
  if (file.remoteId === undefined) note('remoteId', 'changed', `not given: the gateway must prove to be "${gateway}"`);
  if (file.remoteId === ANY_IDENTITY) {
    note('remoteId', 'warning', '"%any": everybody who knows the pre-shared key can pretend to be the gateway');
  }
  const networks = (file.remoteNetworks ?? DEFAULTS.remoteNetworks).map((network) => {
    const selector = selectorFromCidr(network);
    const normal = (selector && selectorCidr(selector)) ?? network;
    if (normal !== network) note('remoteNetworks', 'changed', `${shown(network)} is the network ${normal}`);
    return normal;
  });
  for (const field of Object.keys(file)) {
    if (!notes.some((earlier) => earlier.field === field && earlier.outcome === 'changed')) note(field, 'kept', 'as given');
  }
  return {
    profile: {
      id: file.uuid?.toLowerCase(),
      name,
      gateway,
      gatewayPorts: { ike: file.gatewayPorts?.ike ?? DEFAULTS.ikePort, natt: file.gatewayPorts?.natt ?? DEFAULTS.nattPort },
      localId: file.localId,
      remoteId: file.remoteId === ANY_IDENTITY ? undefined : (file.remoteId ?? gateway),
      auth: 'psk',
      ikeProposals: file.ikeProposals ?? DEFAULTS.proposals,
      espProposals: file.espProposals ?? DEFAULTS.proposals,
      remoteNetworks: [...new Set(networks)],
      ipv4: file.ipv4 ?? true,
      ipv6: file.ipv6 ?? true,
      dns: file.dns ?? true,
      mtu: file.mtu ?? DEFAULTS.mtu,
      natKeepalive: file.natKeepalive ?? DEFAULTS.natKeepalive,
      liveness: file.liveness ?? DEFAULTS.liveness,
      localPort: file.localPort ?? 'standard',
      folder: '',
      locked: [],
    },
    secret: { psk },
    notes,
  };
}

function octets(secret: ProfileFile['auth']['secret']): Uint8Array {
  if (typeof secret === 'string') return new TextEncoder().encode(secret);
  return 'base64' in secret
    ? new Uint8Array(Buffer.from(secret.base64, 'base64'))
    : new Uint8Array(Buffer.from(secret.hex, 'hex'));
}
