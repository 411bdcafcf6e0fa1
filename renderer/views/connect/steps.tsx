import Check from 'lucide-react/icons/check';
import Circle from 'lucide-react/icons/circle';
import CircleDot from 'lucide-react/icons/circle-dot';
import X from 'lucide-react/icons/x';
import type { ReactElement } from 'react';
import type { Step } from '../../../core/rpc/contract.ts';
import { useTranslation } from '../../i18n/i18n.ts';
import { useFormat } from '../../i18n/useFormat.ts';
import { useSession } from '../../store/session.ts';
import { useNow } from '../../useNow.ts';

const names = ['resolve', 'channel', 'gateway', 'user', 'network'] as const;

const waiting: readonly Step[] = names.map((name) => ({ name, state: 'pending', startedAt: null, endedAt: null }));

/** The five steps, each with its mark and the time it took or has taken so far. */
export function Steps(): ReactElement {
  // The steps of an attempt before are not those of the one just asked for.
  const steps = useSession(({ status, intent }) =>
    intent !== null || !status || status.steps.length === 0 ? waiting : status.steps,
  );
  return (
    <div className="card steps-card">
      <StepList steps={steps} />
    </div>
  );
}

export function StepList({ steps }: { readonly steps: readonly Step[] }): ReactElement {
  const { t } = useTranslation('connect');
  const format = useFormat();
  const now = useNow(steps.some(({ state }) => state === 'active') ? 250 : null);
  return (
    <ol className="steps" aria-label={t('steps')}>
      {steps.map((step) => (
        <li key={step.name} className={`step ${step.state}`} data-step={step.name} data-state={step.state}>
          <StepMark state={step.state} />
          <span>{t(`step.${step.name}`)}</span>
          <span className="visually-hidden">{t(`stepState.${step.state}`)}</span>
          <span className="step-time small soft figures">
            {step.startedAt !== null && format.seconds((step.endedAt ?? Math.max(now, step.startedAt)) - step.startedAt)}
          </span>
        </li>
      ))}
    </ol>
  );
}

function StepMark({ state }: { readonly state: Step['state'] }): ReactElement {
  switch (state) {
    case 'done':
      return <Check size={20} aria-hidden />;
    case 'active':
      return <CircleDot size={20} className="pulse" aria-hidden />;
    case 'failed':
      return <X size={20} aria-hidden />;
    case 'pending':
      return <Circle size={20} aria-hidden />;
  }
}
