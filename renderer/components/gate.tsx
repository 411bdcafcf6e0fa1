/** The mark: a small gate in a wall, open when connected, closed when not; half raised on the way. One colour, readable at 16 px. */
import type { ReactElement } from 'react';
import type { GateState } from './look.ts';

export function Gate({ state, size = 20 }: { readonly state: GateState; readonly size?: number }): ReactElement {
  const small = size <= 24;
  const bottom = state === 'open' ? 9.5 : state === 'moving' ? 15 : 21;
  return (
    <svg
      className="gate"
      viewBox="0 0 24 24"
      width={size}
      height={size}
      fill="none"
      stroke="currentColor"
      strokeWidth={1.75}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden
      focusable="false"
    >
      <path d="M2 21V4h3v2.5h4V4h6v2.5h4V4h3v17" />
      <path d="M6.5 21v-6.5a5.5 5.5 0 0 1 11 0V21" />
      <path d="M1.5 21H6.5M17.5 21H22.5" />
      {state !== 'open' && !small && <path d={`M9.5 ${bottom - 0.6}V10.2M12 ${bottom - 0.6}V9.4M14.5 ${bottom - 0.6}V10.2`} />}
      {state === 'moving' && !small && <path d="M7 15h10" />}
      {state === 'closed' && !small && <path d="M7 16.5h10" />}
      {small && leaves[state] !== undefined && <path d={leaves[state]} fill="currentColor" stroke="none" />}
    </svg>
  );
}

/** A grid is a grey patch at the size of a tab: there the gate is a leaf that fills the arch, or its upper half. */
const leaves: Readonly<Record<GateState, string | undefined>> = {
  open: undefined,
  moving: 'M8.6 15.5V14.5A3.4 3.4 0 0 1 15.4 14.5V15.5Z',
  closed: 'M8.6 21V14.5A3.4 3.4 0 0 1 15.4 14.5V21Z',
};
