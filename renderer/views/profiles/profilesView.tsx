import type { ReactElement } from 'react';

export function ProfilesView(): ReactElement {
  return <div className="view" />;
}
