import type { ReactElement } from 'react';

export function LogView(): ReactElement {
  return <div className="view" />;
}
