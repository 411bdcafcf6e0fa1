/**
 * The closed set of commands between engine and monitor: 4-byte big-endian length, JSON; a reply that carries a
 * descriptor has it in the SCM_RIGHTS control message of the same `sendmsg`. One command at a time, in order.
 */
import type { HostError, HostPlan } from '../system/ports.ts';

export type MonitorCommand =
  /** Creates the TUN device `sallyN` and sends its descriptor. The device goes when the last descriptor is closed. */
  | { readonly id: number; readonly command: 'open-tun'; readonly mtu: number }
  /** A UDP socket, bound (`port` 0 is any free one), marked with SOCKET_MARK, non-blocking, with large buffers. */
  | { readonly id: number; readonly command: 'bind-udp'; readonly family: 4 | 6; readonly port: number }
  | { readonly id: number; readonly command: 'apply'; readonly plan: HostPlan }
  | { readonly id: number; readonly command: 'revert' };

export type MonitorReply =
  | {
      readonly id: number;
      readonly ok: true;
      readonly name?: string;
      readonly port?: number;
      readonly changes?: readonly string[];
    }
  | { readonly id: number; readonly ok: false; readonly error: HostError };

/** Larger messages end the conversation. */
export const MONITOR_MESSAGE_MAX = 256 * 1024;
