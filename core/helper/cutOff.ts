/**
 * That nothing of a tunnel can pass for now, though it stands: no address of this computer leads to the gateway, or the TCP connection is
 * broken. Told only when it lasts: a computer that changes networks is without any for a moment.
 */
import type { Failure } from '../rpc/contract.ts';
import type { Lost } from '../tunnel/status.ts';

/** Longer than most changes of networks take, and short enough for who wonders. Milliseconds. */
const PATIENCE = 1_200;

export interface CutOff {
  /** Why nothing passes now, and whether nobody tries; undefined: it passes as far as anybody knows. */
  now(cause: (Pick<Lost, 'stuck'> & { readonly why: Failure }) | undefined): void;
  /** What there is to show of it. */
  lost(): Lost | undefined;
  stop(): void;
}

/** `clock` is Date.now(), for the facts. */
export function createCutOff(clock: () => number, onChange: () => void): CutOff {
  let lost: Lost | undefined;
  let timer: NodeJS.Timeout | undefined;
  let shown = false;

  return {
    now(cause) {
      // Host and SAs are in place: what is meant for the tunnel goes nowhere else.
      lost = cause && { at: lost?.at ?? clock(), ...cause, held: true };
      if (lost && !shown) {
        timer ??= setTimeout(() => {
          shown = true;
          onChange();
        }, PATIENCE);
        return;
      }
      clearTimeout(timer);
      timer = undefined;
      if (!shown) return;
      shown = lost !== undefined;
      onChange();
    },
    lost: () => (shown ? lost : undefined),
    stop: () => clearTimeout(timer),
  };
}
