import type { ReactElement } from 'react';

export function StatisticsView(): ReactElement {
  return <div className="view" />;
}
