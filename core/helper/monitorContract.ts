/**
 * The closed set of commands between engine and monitor. The socketpair is SOCK_SEQPACKET: one packet is one message of JSON, the
 * kernel keeps the boundaries; a reply that carries descriptors has them in the SCM_RIGHTS control message of the same `sendmsg`.
 * Commands are answered one at a time, in order. A command that is refused or fails is answered; a message that is not a command
 * at all (not JSON, too long, a descriptor with it) costs the engine its life.
 */
import type { HostError, HostPlan, TunFeatures } from '../system/ports.ts';

export type MonitorCommand =
  /**
   * Creates the TUN device `sallyN` and sends its descriptors, one for each queue. The device goes when the last one is closed.
   * `offload` is the most that is wanted of the kernel (`none` when absent), `queues` how many (one when absent); it may have less.
   */
  | {
      readonly id: number;
      readonly command: 'open-tun';
      readonly mtu: number;
      readonly offload?: TunOffload;
      readonly queues?: number;
    }
  /** A UDP socket, bound (`port` 0 is any free one), marked with SOCKET_MARK, non-blocking, with large buffers. */
  | { readonly id: number; readonly command: 'bind-udp'; readonly family: 4 | 6; readonly port: number }
  /** A TCP socket, marked and non-blocking, whose connection has been started (RFC 9329): the engine waits for it, not the monitor. */
  | { readonly id: number; readonly command: 'connect-tcp'; readonly address: string; readonly port: number }
  | { readonly id: number; readonly command: 'apply'; readonly plan: HostPlan }
  | { readonly id: number; readonly command: 'revert' };

/** As `TunOptions.offload` (core/system/linux/tun.ts). */
export type TunOffload = (typeof LIMITS.offloads)[number];

export type MonitorReply =
  | {
      readonly id: number;
      readonly ok: true;
      /** open-tun */
      readonly name?: string;
      /** open-tun: what the device got, which no descriptor tells */
      readonly features?: TunFeatures;
      /** bind-udp: the port it got */
      readonly port?: number;
      /** apply, revert: what was changed, for people; empty when nothing was to do */
      readonly changes?: readonly string[];
    }
  | { readonly id: number; readonly ok: false; readonly error: HostError };

/** Octets. A longer message ends the conversation. */
export const MONITOR_MESSAGE_MAX = 256 * 1024;

/** Descriptors the engine is born with. */
export const ENGINE_MONITOR_FD = 3;
/** The listening socket of the RPC. */
export const ENGINE_RPC_FD = 4;
/** Holds the lock that tells a new monitor whether an old engine still lives. Nothing to do with it: it ends with the process. */
export const ENGINE_LOCK_FD = 5;

/**
 * Exit code of an engine that cannot do what the administrator's options say and said why: another one would not either. The monitor then
 * ends with the same, as for options that it cannot read, and the service unit does not start it again.
 */
export const EXIT_OPTIONS = 2;

/** Limits the monitor enforces, so that the engine can stay within them. */
export const LIMITS = {
  mtu: { min: 576, max: 9000 },
  offloads: ['none', 'tcp', 'all'],
  queues: { min: 1, max: 8 },
  addresses: 16,
  routes: 1024,
  blocked: 2,
  dnsServers: 16,
  domains: 64,
  whenLost: ['hold', 'lock'],
  ports: [0, 500, 4500],
  tcpPorts: { min: 1, max: 65_535 },
} as const;
