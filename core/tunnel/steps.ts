/** How far a connection came, as the five steps a user sees. Pure: from the milestones of the facts. */
import type { Step, StepName } from '../rpc/contract.ts';
import type { TunnelFacts } from './status.ts';

type Milestones = Pick<
  TunnelFacts,
  'attemptAt' | 'prompt' | 'initSentAt' | 'authSentAt' | 'gatewayProvenAt' | 'establishedAt' | 'readyAt' | 'endingAt' | 'failure'
>;

/** The reasons that say whose proof it was that failed; both are proven in one exchange where there is a pre-shared key. */
const PROOF: Readonly<Record<string, StepName>> = {
  'authentication-failed': 'user',
  'gateway-authentication-failed': 'gateway',
  'gateway-identity': 'gateway',
};

export function stepsOf(facts: Milestones): readonly Step[] {
  const { attemptAt, initSentAt, authSentAt, gatewayProvenAt, establishedAt, readyAt } = facts;
  const spans: readonly (readonly [StepName, number | undefined, number | undefined])[] = [
    ['resolve', attemptAt, initSentAt],
    ['channel', initSentAt, authSentAt],
    ['gateway', authSentAt, gatewayProvenAt ?? establishedAt],
    ['user', authSentAt, establishedAt],
    ['network', establishedAt, readyAt],
  ];
  const stopped = facts.endingAt;
  const culprit = facts.failure && authSentAt !== undefined ? PROOF[facts.failure.code] : undefined;
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
