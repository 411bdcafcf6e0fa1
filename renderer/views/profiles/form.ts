/**
 * What is typed into the form, and what of it goes to the helper. The helper validates (profile.save with dryRun); here only what cannot
 * even be sent is caught: figures that are none.
 */
import type {
  AuthMethod,
  EapSettings,
  Fragmentation,
  GatewayTrust,
  Params,
  ProfileFields,
  ProfileProblem,
  ProfileProblemCode,
  ProfileView,
  TcpUse,
  WhenLost,
} from '../../../core/rpc/contract.ts';
import { pemOf, pemsIn } from './pem.ts';

/** As the helper names what a problem is about. */
export type FieldName = keyof ProfileFields | 'secret' | 'password' | 'key' | `eap.${string}` | `trust.${string}`;
export type EapMethod = EapSettings['methods'][number];

const FIGURES = ['mtu', 'natKeepalive', 'liveness', 'rekeyChild', 'rekeyIke', 'reauthenticateEvery'] as const;

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
  /** One CHILD SA per line, its networks parted by commas. */
  readonly additionalChildren: string;
  readonly whenLost: WhenLost;
  readonly tcp: TcpUse;
  readonly fragmentation: Fragmentation;
  readonly mobike: boolean;
  /** Seconds. */
  readonly rekeyChild: string;
  readonly rekeyIke: string;
  readonly reauthenticateEvery: string;
  /** Empty: there is none. */
  readonly ppkId: string;
  readonly ppkRequired: boolean;
  /** Empty keeps the one there is. */
  readonly ppk: string;
  /** How the user proves who they are. */
  readonly auth: AuthMethod;
  readonly eapIdentity: string;
  /** As `secret`, of EAP. */
  readonly password: string;
  readonly forgetPassword: boolean;
  /** Empty leaves it to the helper. */
  readonly eapMethods: readonly EapMethod[];
  readonly serverName: string;
  /** PEM. */
  readonly certificates: string;
  /** PEM; empty keeps the one there is. */
  readonly key: string;
  readonly keyPassword: string;
  /** How the gateway proves who it is. */
  readonly gatewayMethod: GatewayTrust['method'];
  /** PEM. */
  readonly authorities: string;
  readonly systemRoots: boolean;
  readonly commonName: boolean;
  readonly revocation: Revocation;
}

/** `soft` asks and takes silence for an answer; `strict` does not. */
export type Revocation = 'off' | 'soft' | 'strict';

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
  additionalChildren: '',
  whenLost: 'hold',
  tcp: 'auto',
  fragmentation: 'yes',
  mobike: true,
  rekeyChild: '3000',
  rekeyIke: '10800',
  reauthenticateEvery: '0',
  ppkId: '',
  ppkRequired: false,
  ppk: '',
  auth: 'psk',
  eapIdentity: '',
  password: '',
  forgetPassword: false,
  eapMethods: [],
  serverName: '',
  certificates: '',
  key: '',
  keyPassword: '',
  gatewayMethod: 'psk',
  authorities: '',
  systemRoots: true,
  commonName: false,
  revocation: 'soft',
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
    additionalChildren: profile.additionalChildren.map(({ remoteNetworks }) => remoteNetworks.join(', ')).join('\n'),
    whenLost: profile.whenLost,
    tcp: profile.tcp,
    fragmentation: profile.fragmentation,
    mobike: profile.mobike,
    rekeyChild: String(profile.rekeyChild),
    rekeyIke: String(profile.rekeyIke),
    reauthenticateEvery: String(profile.reauthenticateEvery),
    ppkId: profile.ppk?.id ?? '',
    ppkRequired: profile.ppk?.required ?? false,
    ppk: '',
    auth: profile.auth,
    eapIdentity: profile.eap?.identity ?? '',
    password: '',
    forgetPassword: false,
    eapMethods: profile.eap?.methods ?? [],
    serverName: profile.eap?.serverName ?? '',
    certificates: profile.certificates.map(pemOf).join('\n'),
    key: '',
    keyPassword: '',
    gatewayMethod: profile.trust.method,
    authorities: profile.trust.authorities.map(pemOf).join('\n'),
    systemRoots: profile.trust.systemRoots,
    commonName: profile.trust.commonName,
    revocation: revocationOf(profile.trust.revocation),
  };
}

export function revocationOf({ crl, ocsp, strict }: GatewayTrust['revocation']): Revocation {
  if (!crl && !ocsp) return 'off';
  return strict ? 'strict' : 'soft';
}

export const usesEap = (auth: AuthMethod) => auth === 'eap' || auth === 'certificate-eap';
/** A pre-shared key is asked for where either side proves itself by one. */
export const usesPsk = ({ auth, gatewayMethod }: Pick<Draft, 'auth' | 'gatewayMethod'>) =>
  auth === 'psk' || gatewayMethod === 'psk';
/** Whether there is a place for the user's certificate; with EAP alone only EAP-TLS has one. */
export function usesCertificate({ auth, eapMethods }: Pick<Draft, 'auth' | 'eapMethods'>): boolean {
  return auth === 'certificate' || auth === 'certificate-eap' || (auth === 'eap' && eapMethods.includes('tls'));
}

/** What follows from another way of the user's: the gateway's goes with it, as the helper's defaults have it. */
export function withAuth(draft: Draft, auth: AuthMethod): Partial<Draft> {
  if (auth === 'psk') return { auth, gatewayMethod: 'psk' };
  const kept = draft.auth === 'psk' || (draft.gatewayMethod === 'eap-only' && auth !== 'eap');
  const systemRoots = draft.auth === 'psk' ? draft.authorities.trim() === '' : draft.systemRoots;
  return { auth, systemRoots, gatewayMethod: kept ? 'certificate' : draft.gatewayMethod };
}

/** Who names authorities means them and not everybody that this computer trusts. */
export function withAuthorities(draft: Draft, authorities: string): Partial<Draft> {
  const [before, after] = [draft.authorities.trim() !== '', authorities.trim() !== ''];
  return { authorities, ...(before !== after && { systemRoots: !after }) };
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
  readonly password: string | undefined;
  readonly forgetPassword: boolean;
  readonly key: string | undefined;
  readonly keyPassword: string | undefined;
  readonly ppk: string | undefined;
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
  const figures = FIGURES.flatMap((field) => {
    const value = figure(field, draft[field]);
    return value === undefined ? [] : [[field, value] as const];
  });
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
    ...Object.fromEntries(figures),
    localPort: draft.localPort,
    additionalChildren: draft.additionalChildren
      .split('\n')
      .map((line) => ({ remoteNetworks: lines(line) }))
      .filter(({ remoteNetworks }) => remoteNetworks.length > 0),
    whenLost: draft.whenLost,
    tcp: draft.tcp,
    fragmentation: draft.fragmentation,
    mobike: draft.mobike,
    ...ppkOf(draft, original),
    auth: draft.auth,
  };
  const certificates = usesCertificate(draft) ? pemsIn(draft.certificates) : [];
  if (draft.auth !== 'psk') all.certificates = certificates;
  const secrets = secretsOf(draft);
  const proofs = proofFields(draft, original);
  if (original === undefined) return { fields: { ...all, ...proofs }, ...secrets, problems };
  if (original.ikeProposals !== draft.ikeProposals && lines(draft.ikeProposals).length === 0) all.ikeProposals = [];
  if (original.espProposals !== draft.espProposals && lines(draft.espProposals).length === 0) all.espProposals = [];
  const { eap: _eap, trust: _trust, ...before } = prepare(original, undefined).fields;
  return { fields: { ...changedIn(all, before), ...proofs }, ...secrets, problems };
}

/** A name that was taken out takes the key away. */
function ppkOf({ ppkId, ppkRequired }: Draft, original: Draft | undefined): Pick<Params<'profile.save'>['fields'], 'ppk'> {
  const id = ppkId.trim();
  if (id === '') return original === undefined || original.ppkId === '' ? {} : { ppk: { id } };
  return { ppk: { id, required: ppkRequired } };
}

function secretsOf(draft: Draft): Omit<Prepared, 'fields' | 'problems'> {
  const given = (wanted: boolean, text: string) => (wanted && text.trim() !== '' ? text : undefined);
  const [psk, eap] = [usesPsk(draft), usesEap(draft.auth)];
  const key = given(usesCertificate(draft), draft.key);
  return {
    secret: given(psk && !draft.forgetSecret, draft.secret),
    forgetSecret: psk && draft.forgetSecret,
    password: given(eap && !draft.forgetPassword, draft.password),
    forgetPassword: eap && draft.forgetPassword,
    key,
    ppk: given(draft.ppkId.trim() !== '', draft.ppk),
    keyPassword: key === undefined ? undefined : given(true, draft.keyPassword),
  };
}

/** `eap` and `trust`, of an edit only what changed below them: what is left alone stays the helper's choice. */
function proofFields(draft: Draft, original: Draft | undefined): Pick<Params<'profile.save'>['fields'], 'eap' | 'trust'> {
  if (draft.auth === 'psk' && (original === undefined || original.auth === 'psk')) return {};
  const same = original?.auth === draft.auth ? original : undefined;
  const eap = usesEap(draft.auth) ? changedIn(eapOf(draft), same && eapOf(same)) : {};
  const trust = changedIn(trustOf(draft), same && trustOf(same));
  return {
    ...(Object.keys(eap).length > 0 && { eap }),
    ...(Object.keys(trust).length > 0 && { trust }),
  };
}

function eapOf({ eapMethods, eapIdentity, serverName }: Draft) {
  return {
    ...(eapMethods.length > 0 && { methods: [...eapMethods] }),
    identity: eapIdentity.trim(),
    serverName: serverName.trim(),
  };
}

function trustOf({ gatewayMethod, authorities, systemRoots, commonName, revocation }: Draft) {
  if (gatewayMethod !== 'certificate') return { method: gatewayMethod };
  const on = revocation !== 'off';
  return {
    method: gatewayMethod,
    authorities: pemsIn(authorities),
    systemRoots,
    commonName,
    revocation: { crl: on, ocsp: on, strict: revocation === 'strict' },
  };
}

function changedIn<T extends object>(all: T, before: object | undefined): Partial<T> {
  const old: Readonly<Record<string, unknown>> = { ...before };
  const changed = Object.entries(all).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(old[key]));
  return Object.fromEntries(changed) as Partial<T>;
}

export function isChanged({ fields, problems, secret, forgetSecret, password, forgetPassword, key, ppk }: Prepared): boolean {
  const secrets = [secret, password, key, ppk].some((one) => one !== undefined) || forgetSecret || forgetPassword;
  return Object.keys(fields).length > 0 || secrets || problems.length > 0;
}

/** The first problem of each field; the form's own come first, as the helper never saw that text. */
export function problemsByField(own: readonly Problem[], helpers: readonly ProfileProblem[]): ReadonlyMap<string, Problem> {
  const byField = new Map<string, Problem>();
  for (const problem of [...own, ...helpers]) {
    const field = shownAt(problem.field);
    if (!byField.has(field)) byField.set(field, problem);
  }
  return byField;
}

/** Where the form has it. */
function shownAt(field: string): string {
  if (field === 'trust.secret') return 'secret';
  if (field === 'trust') return 'trust.method';
  if (field === 'eap') return 'eap.identity';
  if (field.startsWith('trust.revocation')) return 'trust.revocation';
  // The form has one place for both.
  return field === 'eap.authorities' || field === 'trust.intermediates' ? 'trust.authorities' : field;
}

/** Fields in the order of the form: focus goes to the first that has a problem. */
export const FIELD_ORDER: readonly FieldName[] = [
  'name',
  'folder',
  'gateway',
  'auth',
  'localId',
  'secret',
  'eap.identity',
  'password',
  'certificates',
  'key',
  'trust.method',
  'trust.authorities',
  'trust.systemRoots',
  'trust.commonName',
  'trust.revocation',
  'eap.methods',
  'eap.serverName',
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
  'whenLost',
  'mobike',
  'tcp',
  'fragmentation',
  'rekeyChild',
  'rekeyIke',
  'reauthenticateEvery',
  'additionalChildren',
  'ppk',
];

/** Whether nothing is left that this user could edit. */
export function isAllLocked({ locked, auth }: Pick<ProfileView, 'locked' | 'auth'>): boolean {
  const psk: readonly string[] = ['secret'];
  const proofs: readonly string[] = ['certificates', 'key', 'trust', ...(usesEap(auth) ? ['eap', 'password'] : [])];
  const plain = FIELD_ORDER.filter((field) => !/^(eap|trust)\.|^(secret|password|certificates|key|auth)$/.test(field));
  return [...plain, ...(auth === 'psk' ? psk : proofs)].every((field) => locked.includes(field));
}

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
