/** How things are, in the few values that a tray icon, its menu and a notification can show. Pure. */
import type { Status } from '../rpc/contract.ts';
import type { HelperLink } from './contract.ts';

/** What the mark shows: the gate open, closed, on its way, or closed with a fault. */
export type Gate = 'open' | 'closed' | 'moving' | 'fault';

export interface Glance {
  readonly gate: Gate;
  readonly state:
    | 'protected'
    | 'unprotected'
    | 'connecting'
    | 'waiting'
    | 'reconnecting'
    | 'blocked'
    | 'disconnecting'
    | 'failed'
    | 'elsewhere'
    | 'no-helper';
  /** Name of the profile the tunnel is about. */
  readonly profile: string | undefined;
  /** What the one control does now. */
  readonly control: 'connect' | 'disconnect' | 'cancel' | 'none';
  /** What is blocked stands still: it waits for a network, and so does everything else on this computer. */
  readonly kept?: true;
}

/** `status` undefined: not known. */
export function glanceOf(helper: HelperLink, status: Status | undefined): Glance {
  if (helper.state !== 'connected') return { gate: 'fault', state: 'no-helper', profile: undefined, control: 'none' };
  if (status === undefined) return { gate: 'closed', state: 'unprotected', profile: undefined, control: 'none' };
  const profile = status.profile?.name;
  if (status.otherUser && status.state !== 'idle')
    return { gate: 'closed', state: 'elsewhere', profile: undefined, control: 'none' };
  switch (status.state) {
    case 'idle':
      return { gate: 'closed', state: 'unprotected', profile, control: 'connect' };
    case 'waiting':
      return { gate: 'moving', state: 'waiting', profile, control: 'cancel' };
    case 'resolving':
    case 'connecting':
    case 'authenticating':
    case 'installing':
      return { gate: 'moving', state: 'connecting', profile, control: 'cancel' };
    case 'connected':
    case 'rekeying':
    case 'roaming':
      // A new login may ask while the old one carries the traffic.
      return { gate: 'open', state: status.prompt ? 'waiting' : 'protected', profile, control: 'disconnect' };
    case 'reconnecting':
    case 'paused':
      return { gate: 'moving', state: 'reconnecting', profile, control: 'cancel' };
    case 'blocked':
      return {
        gate: 'fault',
        state: 'blocked',
        profile,
        control: 'disconnect',
        ...(status.children.length > 0 && { kept: true }),
      };
    case 'disconnecting':
      return { gate: 'moving', state: 'disconnecting', profile, control: 'none' };
    case 'failed':
      return { gate: 'fault', state: 'failed', profile, control: 'connect' };
  }
}

export type Notice = 'protected' | 'lost' | 'failed' | 'waiting';

/**
 * What is worth a notification to somebody who does not look at the window. What the user has just asked for (a disconnect, a cancel)
 * is not; a helper that restarts comes back by itself, so only protection that was there and is gone is told.
 */
export function noticeOf(before: Glance, now: Glance): Notice | undefined {
  if (before.state === now.state) return undefined;
  switch (now.state) {
    case 'protected':
      // After a restart of the window or the helper, or where the loss was not told, it is no news.
      return before.gate === 'open' || before.state === 'no-helper' || before.state === 'reconnecting' || before.kept
        ? undefined
        : 'protected';
    case 'blocked':
      return before.state === 'no-helper' || now.kept ? undefined : 'lost';
    case 'failed':
      return before.gate === 'open' || before.state === 'reconnecting' || before.kept
        ? 'lost'
        : before.state === 'no-helper'
          ? undefined
          : 'failed';
    case 'waiting':
      return 'waiting';
    case 'unprotected':
    case 'no-helper':
      return before.gate === 'open' ? 'lost' : undefined;
    default:
      return undefined;
  }
}
