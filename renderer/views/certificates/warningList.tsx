/** What will be over soon or is weak, each with what to do about it. */
import './certificates.css';
import TriangleAlert from 'lucide-react/icons/triangle-alert';
import type { ReactElement, ReactNode } from 'react';
import type { Warning } from '../../../core/rpc/contract.ts';
import { useTranslation } from '../../i18n/i18n.ts';
import { useFormat } from '../../i18n/useFormat.ts';
import { mostUrgent, warningText, warningTone } from './words.ts';

export interface WarningListProps {
  readonly warnings: readonly Warning[];
  /** What can be done about one, as a button. */
  readonly action?: (warning: Warning) => ReactNode;
}

export function WarningList({ warnings, action }: WarningListProps): ReactElement | null {
  const { t } = useTranslation('certificates');
  const format = useFormat();
  if (warnings.length === 0) return null;
  return (
    <ul className="warning-list" aria-label={t('warnings')}>
      {mostUrgent(warnings).map((warning) => (
        <li key={warning.code} className={`warning-item ${warningTone(warning)}`} data-warning={warning.code}>
          <TriangleAlert size={16} aria-hidden />
          <div>
            <p title={warning.notAfter === undefined ? undefined : format.dateTime(warning.notAfter)}>
              <strong>{warningText(warning, t)}</strong> {t(`warning.${warning.code}.do`)}
            </p>
            {warning.subject !== '' && <p className="small soft fixed">{warning.subject}</p>}
            {action?.(warning)}
          </div>
        </li>
      ))}
    </ul>
  );
}
