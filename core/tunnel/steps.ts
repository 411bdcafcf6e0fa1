/** How far a connection came, as the five steps a user sees. Pure: from the milestones of the facts. */
import type { Step, StepName } from '../rpc/contract.ts';
import type { ReasonCode } from './reasons.ts';
import type { TunnelFacts } from './status.ts';

type Milestones = Pick<
  TunnelFacts,
  | 'attemptAt'
  | 'initSentAt'
  | 'authSentAt'
  | 'gatewayFirst'
  | 'gatewayProvenAt'
  | 'establishedAt'
  | 'readyAt'
  | 'endingAt'
  | 'failure'
>;

/** The reasons that say whose proof it was that failed; without EAP both are proven in one exchange. */
const PROOF: Partial<Readonly<Record<string, StepName>>> = {
  'authentication-failed': 'user',
  'own-key-failed': 'user',
  'own-cert-expired': 'user',
  'own-cert-refused': 'user',
  'gateway-authentication-failed': 'gateway',
  'gateway-identity': 'gateway',
  'gateway-no-certificate': 'gateway',
  'gateway-untrusted': 'gateway',
  'gateway-cert-expired': 'gateway',
  'gateway-cert-not-yet-valid': 'gateway',
  'gateway-cert-revoked': 'gateway',
  'gateway-revocation-unknown': 'gateway',
  'gateway-wrong-name': 'gateway',
  'gateway-cert-invalid': 'gateway',
  'gateway-signature-refused': 'gateway',
  'auth-method-mismatch': 'gateway',
  'eap-before-gateway': 'gateway',
} satisfies { readonly [C in ReasonCode]?: StepName };

export function stepsOf(facts: Milestones): readonly Step[] {
  const { attemptAt, initSentAt, authSentAt, gatewayProvenAt, establishedAt, readyAt } = facts;
  const spans: readonly (readonly [StepName, number | undefined, number | undefined])[] = [
    ['resolve', attemptAt, initSentAt],
    ['channel', initSentAt, authSentAt],
    ['gateway', authSentAt, gatewayProvenAt ?? establishedAt],
    // By a ticket nobody is proven anew.
    ['user', facts.gatewayFirst ? (gatewayProvenAt ?? establishedAt) : authSentAt, establishedAt],
    ['network', establishedAt, readyAt],
  ];
  const stopped = facts.endingAt;
  const named = facts.failure && authSentAt !== undefined ? PROOF[facts.failure.code] : undefined;
  // A gateway may refuse the user's name before it proved itself: then its own step is as far as it came.
  const culprit = spans.some(([name, startedAt]) => name === named && startedAt !== undefined) ? named : undefined;
  let failed = false;
  return spans.map(([name, startedAt, endedAt]): Step => {
    if (startedAt === undefined) return { name, state: 'pending', startedAt: null, endedAt: null };
    if (endedAt !== undefined) return { name, state: 'done', startedAt, endedAt };
    if (stopped === undefined) return { name, state: 'active', startedAt, endedAt: null };
    // The tunnel came down: what was going on then is what failed, unless the reason names it.
    const fails = facts.failure !== undefined && !failed && (culprit === undefined || culprit === name);
    if (!fails) return { name, state: 'pending', startedAt: null, endedAt: null };
    failed = true;
    return { name, state: 'failed', startedAt, endedAt: stopped };
  });
}
