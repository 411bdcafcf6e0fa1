/**
 * What is typed into the form, and what of it goes to the helper. The helper validates (profile.save with dryRun); here only what cannot
 * even be sent is caught: figures that are none.
 */
import type { Params, ProfileFields, ProfileProblem, ProfileProblemCode, ProfileView } from '../../../core/rpc/contract.ts';

export type FieldName = keyof ProfileFields | 'secret';

/** As the form shows it: lists with one item per line, figures as text. */
export interface Draft {
  readonly name: string;
  readonly folder: string;
  readonly gateway: string;
  readonly ikePort: string;
  readonly nattPort: string;
  readonly localId: string;
  readonly remoteId: string;
  /** Empty keeps the one there is; a new profile without one asks when connecting. */
  readonly secret: string;
  /** Take the stored one away: the user is asked when connecting. */
  readonly forgetSecret: boolean;
  readonly ikeProposals: string;
  readonly espProposals: string;
  /** Whether everything goes through the gateway or only `remoteNetworks`. */
  readonly traffic: 'everything' | 'only';
  readonly remoteNetworks: string;
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  readonly dns: boolean;
  readonly mtu: string;
  readonly natKeepalive: string;
  readonly liveness: string;
  readonly localPort: 'standard' | 'any';
}

/** Takes any gateway that has the key. */
export const ANYBODY = '%any';

export const EVERYTHING: readonly string[] = ['0.0.0.0/0', '::/0'];

/** A new profile, with the helper's own defaults (core/profile/model.ts). */
export const emptyDraft: Draft = {
  name: '',
  folder: '',
  gateway: '',
  ikePort: '500',
  nattPort: '4500',
  localId: '',
  remoteId: '',
  secret: '',
  forgetSecret: false,
  ikeProposals: 'default',
  espProposals: 'default',
  traffic: 'everything',
  remoteNetworks: '',
  ipv4: true,
  ipv6: true,
  dns: true,
  mtu: '1400',
  natKeepalive: '20',
  liveness: '30',
  localPort: 'standard',
};

export function draftOf(profile: ProfileView): Draft {
  const everything = sameList(profile.remoteNetworks, EVERYTHING);
  return {
    name: profile.name,
    folder: profile.folder,
    gateway: profile.gateway,
    ikePort: String(profile.gatewayPorts.ike),
    nattPort: String(profile.gatewayPorts.natt),
    localId: profile.localId,
    // Empty follows the gateway's name, also when that is edited.
    remoteId: profile.remoteId === profile.gateway ? '' : (profile.remoteId ?? ANYBODY),
    secret: '',
    forgetSecret: false,
    ikeProposals: profile.ikeProposals.join('\n'),
    espProposals: profile.espProposals.join('\n'),
    traffic: everything ? 'everything' : 'only',
    remoteNetworks: everything ? '' : profile.remoteNetworks.join('\n'),
    ipv4: profile.ipv4,
    ipv6: profile.ipv6,
    dns: profile.dns,
    mtu: String(profile.mtu),
    natKeepalive: String(profile.natKeepalive),
    liveness: String(profile.liveness),
    localPort: profile.localPort,
  };
}

/** Shorter keys can be guessed by whoever records one attempt to connect (core/profile/convert.ts warns of the same). */
export const SHORT_SECRET = 20;

export interface Problem {
  readonly field: string;
  readonly code: ProfileProblemCode;
  /** The helper's own words, for codes the window does not know. */
  readonly message: string;
}

export interface Prepared {
  /** Fields that can be sent; a new profile sends all it has, an edit only what changed. */
  readonly fields: Params<'profile.save'>['fields'];
  readonly secret: string | undefined;
  readonly forgetSecret: boolean;
  readonly problems: readonly Problem[];
}

/** `original` is what the form began with; undefined for a new profile. */
export function prepare(draft: Draft, original: Draft | undefined): Prepared {
  const problems: Problem[] = [];
  const figure = (field: FieldName, text: string): number | undefined => {
    if (/^\s*\d{1,9}\s*$/.test(text)) return Number(text);
    problems.push({ field, code: text.trim() === '' ? 'required' : 'out-of-range', message: '' });
    return undefined;
  };
  const [mtu, natKeepalive, liveness] = [
    figure('mtu', draft.mtu),
    figure('natKeepalive', draft.natKeepalive),
    figure('liveness', draft.liveness),
  ];
  const [ike, natt] = [figure('gatewayPorts', draft.ikePort), figure('gatewayPorts', draft.nattPort)];
  const all: Params<'profile.save'>['fields'] = {
    name: draft.name,
    folder: draft.folder,
    gateway: draft.gateway.trim(),
    ...(ike !== undefined && natt !== undefined && { gatewayPorts: { ike, natt } }),
    localId: draft.localId.trim(),
    remoteId: draft.remoteId.trim(),
    ...(lines(draft.ikeProposals).length > 0 && { ikeProposals: lines(draft.ikeProposals) }),
    ...(lines(draft.espProposals).length > 0 && { espProposals: lines(draft.espProposals) }),
    remoteNetworks: draft.traffic === 'everything' ? [...EVERYTHING] : lines(draft.remoteNetworks),
    ipv4: draft.ipv4,
    ipv6: draft.ipv6,
    dns: draft.dns,
    ...(mtu !== undefined && { mtu }),
    ...(natKeepalive !== undefined && { natKeepalive }),
    ...(liveness !== undefined && { liveness }),
    localPort: draft.localPort,
  };
  const { forgetSecret } = draft;
  const secret = draft.secret === '' || forgetSecret ? undefined : draft.secret;
  if (original === undefined) return { fields: all, secret, forgetSecret, problems };
  if (original.ikeProposals !== draft.ikeProposals && lines(draft.ikeProposals).length === 0) all.ikeProposals = [];
  if (original.espProposals !== draft.espProposals && lines(draft.espProposals).length === 0) all.espProposals = [];
  const before: Readonly<Record<string, unknown>> = prepare(original, undefined).fields;
  const changed = Object.entries(all).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(before[key]));
  return { fields: Object.fromEntries(changed), secret, forgetSecret, problems };
}

export function isChanged({ fields, secret, forgetSecret, problems }: Prepared): boolean {
  return Object.keys(fields).length > 0 || secret !== undefined || forgetSecret || problems.length > 0;
}

/** The first problem of each field; the form's own come first, as the helper never saw that text. */
export function problemsByField(own: readonly Problem[], helpers: readonly ProfileProblem[]): ReadonlyMap<string, Problem> {
  const byField = new Map<string, Problem>();
  for (const problem of [...own, ...helpers]) if (!byField.has(problem.field)) byField.set(problem.field, problem);
  return byField;
}

/** Fields in the order of the form: focus goes to the first that has a problem. */
export const FIELD_ORDER: readonly FieldName[] = [
  'name',
  'folder',
  'gateway',
  'localId',
  'secret',
  'remoteId',
  'remoteNetworks',
  'ipv4',
  'ipv6',
  'dns',
  'ikeProposals',
  'espProposals',
  'gatewayPorts',
  'localPort',
  'mtu',
  'natKeepalive',
  'liveness',
];

export function firstWithProblem(problems: ReadonlyMap<string, Problem>): FieldName | undefined {
  return FIELD_ORDER.find((field) => problems.has(field));
}

/** One item per line; commas part items too, as people paste them. */
function lines(text: string): string[] {
  return text
    .split(/[\n,]/)
    .map((line) => line.trim())
    .filter(Boolean);
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item) => b.includes(item));
}
