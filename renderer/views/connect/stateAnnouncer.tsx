import type { ReactElement } from 'react';
export function StateAnnouncer(): ReactElement | null {
  return null;
}
