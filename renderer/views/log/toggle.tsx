import type { ReactElement } from 'react';
import { ToggleButton } from 'react-aria-components/ToggleButton';

export interface ToggleProps {
  readonly label: string;
  readonly on: boolean;
  readonly onChange: (on: boolean) => void;
}

/** A button that stays pressed. */
export function Toggle({ label, on, onChange }: ToggleProps): ReactElement {
  return (
    <ToggleButton className="log-toggle" isSelected={on} onChange={onChange}>
      {label}
    </ToggleButton>
  );
}
