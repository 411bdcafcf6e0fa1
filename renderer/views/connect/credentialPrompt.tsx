import type { ReactElement } from 'react';
export function CredentialPrompt(): ReactElement | null {
  return null;
}
