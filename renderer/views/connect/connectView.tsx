import type { ReactElement } from 'react';
export function ConnectView(): ReactElement {
  return <div className="view" />;
}
