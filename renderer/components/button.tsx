import type { ReactElement, ReactNode } from 'react';
import { Button as AriaButton } from 'react-aria-components/Button';
import { Tooltip, TooltipTrigger } from 'react-aria-components/Tooltip';

export interface ButtonProps {
  readonly children: ReactNode;
  readonly onPress?: () => void;
  /** `primary` once a view; `danger` destroys; `quiet` has no edge until pointed at. */
  readonly look?: 'primary' | 'plain' | 'quiet' | 'danger';
  readonly size?: 'normal' | 'big';
  readonly icon?: ReactElement;
  readonly isDisabled?: boolean;
  readonly isPending?: boolean;
  readonly type?: 'button' | 'submit';
  readonly autoFocus?: boolean;
  /** Names another element that says more. */
  readonly 'aria-describedby'?: string;
  readonly 'data-test'?: string;
}

export function Button({ look = 'plain', size = 'normal', icon, children, ...rest }: ButtonProps): ReactElement {
  return (
    <AriaButton {...rest} className={`button ${look} ${size}`}>
      {icon}
      <span>{children}</span>
    </AriaButton>
  );
}

export interface IconButtonProps {
  /** The name for screen readers, and the tooltip. */
  readonly label: string;
  readonly icon: ReactElement;
  readonly onPress?: () => void;
  readonly isDisabled?: boolean;
  readonly 'data-test'?: string;
}

export function IconButton({ label, icon, ...rest }: IconButtonProps): ReactElement {
  return (
    <TooltipTrigger delay={600}>
      <AriaButton {...rest} aria-label={label} className="icon-button">
        {icon}
      </AriaButton>
      <Tooltip className="tooltip" placement="bottom">
        {label}
      </Tooltip>
    </TooltipTrigger>
  );
}
