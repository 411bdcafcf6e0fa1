import type { ReactElement } from 'react';
export function SettingsView(): ReactElement {
  return <div className="view" />;
}
