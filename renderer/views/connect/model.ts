/** What the Connect view says, from what is known: pure. */
import type { Status, StepName } from '../../../core/rpc/contract.ts';
import type { GateState, Tone } from '../../components/look.ts';
import { isConnecting, type Session, shownState } from '../../store/reduce.ts';

/** The states a user tells apart at arm's length. */
export type Headline =
  | 'idle'
  | 'connecting'
  | 'waiting'
  | 'connected'
  | 'rekeying'
  | 'roaming'
  | 'disconnecting'
  | 'failed'
  | 'retrying'
  | 'paused'
  | 'blocked'
  | 'elsewhere';

export function headlineOf(session: Pick<Session, 'status' | 'intent'>): Headline {
  const { status } = session;
  if (status?.otherUser) return 'elsewhere';
  const { state } = shownState(session);
  if (state === 'resolving' || state === 'connecting' || state === 'authenticating' || state === 'installing')
    return 'connecting';
  return state === 'reconnecting' ? 'retrying' : state;
}

export const tones: Readonly<Record<Headline, Tone>> = {
  idle: 'plain',
  connecting: 'working',
  waiting: 'attention',
  connected: 'ok',
  rekeying: 'ok',
  roaming: 'ok',
  disconnecting: 'working',
  failed: 'failed',
  retrying: 'attention',
  paused: 'attention',
  blocked: 'failed',
  elsewhere: 'plain',
};

export const gates: Readonly<Record<Headline, GateState>> = {
  idle: 'closed',
  connecting: 'moving',
  waiting: 'moving',
  connected: 'open',
  rekeying: 'open',
  roaming: 'open',
  disconnecting: 'moving',
  failed: 'closed',
  retrying: 'moving',
  paused: 'moving',
  blocked: 'closed',
  elsewhere: 'closed',
};

/** Whether the big control cancels what is under way. */
export function cancels(headline: Headline): boolean {
  return headline === 'connecting' || headline === 'waiting' || headline === 'retrying' || headline === 'paused';
}

/** Whether the tunnel is there, and everything about it can be shown. */
export function isProtected(headline: Headline): boolean {
  return headline === 'connected' || headline === 'rekeying' || headline === 'roaming';
}

/** Whether it comes up for the first time, so that its steps are of interest. */
export function showsSteps(headline: Headline): boolean {
  return headline === 'connecting' || headline === 'waiting';
}

/** The step under way; undefined before the helper told of any. */
export function activeStep(session: Pick<Session, 'status' | 'intent'>): StepName | undefined {
  const { state, asked } = shownState(session);
  if (asked || !isConnecting(state)) return undefined;
  return session.status?.steps.find((step) => step.state === 'active')?.name;
}

/** When the first step began. */
export function beganAt(status: Status | null): number | undefined {
  const starts = (status?.steps ?? []).flatMap(({ startedAt }) => (startedAt === null ? [] : [startedAt]));
  return starts.length > 0 ? Math.min(...starts) : undefined;
}

/** Since when the tunnel is there: fresh keys, a new login and another network are states of their own, and change nothing of it. */
export function upSince({ steps, since }: Pick<Status, 'steps' | 'since'>): number {
  return steps.find(({ name }) => name === 'network')?.endedAt ?? since;
}

export interface Traffic {
  readonly kind:
    | 'everything'
    | 'everythingV4'
    | 'everythingV6'
    | 'nothingButV4'
    | 'nothingButV6'
    | 'onlyOffice'
    | 'nothingThrough';
  readonly networks: number;
  readonly domains: number;
}

/** What goes through, by the routes the helper set. */
export function trafficOf(status: Pick<Status, 'routes' | 'domains' | 'warnings'>): Traffic {
  const v4 = covers(status.routes, '0.0.0.0/0', ['0.0.0.0/1', '128.0.0.0/1']);
  const v6 = covers(status.routes, '::/0', ['::/1', '8000::/1']);
  const numbers = { networks: status.routes.length, domains: status.domains.length };
  if (v4 && v6) return { kind: 'everything', ...numbers };
  const blocked = status.warnings?.some(({ code }) => code === 'family-blocked');
  if (v4) return { kind: blocked ? 'nothingButV4' : 'everythingV4', ...numbers };
  if (v6) return { kind: blocked ? 'nothingButV6' : 'everythingV6', ...numbers };
  return { kind: status.routes.length > 0 ? 'onlyOffice' : 'nothingThrough', ...numbers };
}

function covers(routes: readonly string[], whole: string, halves: readonly string[]): boolean {
  return routes.includes(whole) || halves.every((half) => routes.includes(half));
}

export interface Totals {
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export function totalsOf(status: Status | null): Totals {
  let [bytesIn, bytesOut] = [0, 0];
  for (const child of status?.children ?? []) {
    bytesIn += child.bytesIn;
    bytesOut += child.bytesOut;
  }
  return { bytesIn, bytesOut };
}

/** What the error card offers besides trying again. */
export type Remedy =
  | 'enterKey'
  | 'enterPassword'
  | 'lookAtGateway'
  | 'lookAtOwn'
  | 'editProfile'
  | 'chooseOther'
  | 'importProfile'
  | 'openLog'
  | 'disconnect';

const remedies: Readonly<Record<string, readonly Remedy[]>> = {
  'authentication-failed': ['enterKey', 'editProfile'],
  'gateway-authentication-failed': ['enterKey', 'editProfile'],
  'profile-secret-missing': ['enterKey'],
  'gateway-identity': ['editProfile'],
  'gateway-no-certificate': ['editProfile'],
  'gateway-untrusted': ['lookAtGateway', 'importProfile', 'editProfile'],
  'gateway-cert-expired': ['lookAtGateway'],
  'gateway-cert-not-yet-valid': ['lookAtGateway'],
  'gateway-cert-revoked': ['lookAtGateway'],
  'gateway-revocation-unknown': ['lookAtGateway', 'editProfile'],
  'gateway-wrong-name': ['lookAtGateway', 'editProfile'],
  'gateway-cert-invalid': ['lookAtGateway'],
  'gateway-signature-refused': ['lookAtGateway'],
  'auth-method-mismatch': ['editProfile', 'importProfile'],
  'own-key-failed': ['lookAtOwn', 'importProfile'],
  'own-cert-expired': ['lookAtOwn', 'importProfile'],
  'own-cert-refused': ['lookAtOwn', 'importProfile'],
  'ppk-refused': ['editProfile', 'importProfile'],
  'eap-refused': ['enterPassword', 'editProfile'],
  'password-wrong': ['enterPassword', 'editProfile'],
  'eap-no-common-method': ['editProfile'],
  'eap-not-allowed': ['editProfile'],
  'eap-server-certificate': ['editProfile', 'importProfile'],
  'eap-server-unproven': ['editProfile'],
  'eap-tls-failed': ['openLog'],
  'eap-protocol': ['openLog'],
  'name-not-resolved': ['editProfile'],
  'no-proposal-chosen': ['importProfile', 'editProfile'],
  'child-no-proposal-chosen': ['importProfile', 'editProfile'],
  'ke-refused': ['importProfile', 'editProfile'],
  'ts-unacceptable': ['editProfile'],
  'profile-unknown': ['chooseOther', 'importProfile'],
  'port-in-use': ['editProfile'],
  'already-up': ['disconnect'],
  internal: ['openLog'],
  'host-failed': ['openLog'],
  'dataplane-failed': ['openLog'],
  'device-gone': ['openLog'],
  'gateway-refused': ['openLog'],
  'gateway-misbehaved': ['openLog'],
};

export function remediesFor(code: string): readonly Remedy[] {
  return Object.hasOwn(remedies, code) ? (remedies[code] ?? []) : [];
}
