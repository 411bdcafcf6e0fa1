/** What the states of a tunnel have in common. */
import type { TunnelState } from '../rpc/contract.ts';

/** The tunnel carries traffic, or will in a moment without anybody's help. */
export function isUp(state: TunnelState): boolean {
  return state === 'connected' || state === 'rekeying' || state === 'roaming';
}

/** It was up, and is to be again. */
export function isLost(state: TunnelState): boolean {
  return state === 'reconnecting' || state === 'paused' || state === 'blocked';
}
