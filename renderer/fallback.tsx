/** Where a blank page would be: no shell, or a fault in the window itself. */
import { Component, type ReactElement, type ReactNode } from 'react';
import { Button } from './components/button.tsx';
import { Gate } from './components/gate.tsx';
import { EmptyState, Folded } from './components/pieces.tsx';
import { useTranslation } from './i18n/i18n.ts';

interface Props {
  readonly reachable: boolean;
  readonly children: ReactNode;
}

interface State {
  readonly fault: string | null;
}

/** React has error boundaries as classes only. */
export class Fallback extends Component<Props, State> {
  override state: State = { fault: null };

  static getDerivedStateFromError(fault: unknown): State {
    return { fault: fault instanceof Error ? `${fault.name}: ${fault.message}` : 'unknown' };
  }

  override render(): ReactNode {
    if (!this.props.reachable) return <NoShell />;
    if (this.state.fault !== null) return <Broken fault={this.state.fault} />;
    return this.props.children;
  }
}

function NoShell(): ReactElement {
  const { t } = useTranslation();
  return (
    <main className="view">
      <EmptyState level={1} icon={<Gate state="closed" size={48} />} title={t('noShellTitle')} text={t('noShellText')} />
    </main>
  );
}

function Broken({ fault }: { readonly fault: string }): ReactElement {
  const { t } = useTranslation();
  return (
    <main className="view">
      <EmptyState
        level={1}
        icon={<Gate state="closed" size={48} />}
        title={t('brokenTitle')}
        text={t('brokenText')}
        actions={
          <Button look="primary" onPress={() => window.location.reload()}>
            {t('reload')}
          </Button>
        }
      />
      <Folded summary={t('evidence')}>
        <p className="fixed small">{fault}</p>
      </Folded>
    </main>
  );
}
