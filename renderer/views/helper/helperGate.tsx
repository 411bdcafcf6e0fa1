import type { ReactElement, ReactNode } from 'react';
export function HelperGate({ children }: { readonly children: ReactNode }): ReactElement {
  return <>{children}</>;
}
