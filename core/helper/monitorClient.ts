/** The engine's side of the conversation with the monitor. */
import { fromUtf8, toUtf8 } from '../bytes/bytes.ts';
import type { Result } from '../bytes/result.ts';
import { err, ok } from '../bytes/result.ts';
import { close } from '../system/ffi/libc.ts';
import { watchReadable } from '../system/ffi/readiness.ts';
import { MessageEnd } from '../system/linux/channel.ts';
import type { Log } from '../system/log.ts';
import type { HostError, HostPlan, TunFeatures } from '../system/ports.ts';
import { MONITOR_MESSAGE_MAX, type MonitorCommand, type MonitorReply, type TunOffload } from './monitorContract.ts';

/** A device from the monitor. */
export interface OpenedTun {
  /** The first queue. */
  readonly fd: number;
  /** All queues, the first among them. */
  readonly fds: readonly number[];
  readonly name: string;
  readonly features: TunFeatures;
}

/** What is wanted of the device at most; `offload` is `none` and `queues` 1 when absent. */
export interface TunWanted {
  readonly offload?: TunOffload;
  readonly queues?: number;
}

export interface MonitorClient {
  /** The caller closes all descriptors, which removes the device. Errors: no-tun-device, permission, busy (another is open), … */
  openTun(mtu: number, wanted?: TunWanted): Promise<Result<OpenedTun, HostError>>;
  /** `port` 0, 500 or 4500. The caller closes the descriptor. Errors: port-in-use (detail names the other program), … */
  bindUdp(family: 4 | 6, port: number): Promise<Result<{ readonly fd: number; readonly port: number }, HostError>>;
  /**
   * The descriptor of a connection that has begun; `tcpConnected` (tcpConnection.ts) says what comes of it. The caller closes it.
   * Errors: no-route, permission, …
   */
  connectTcp(address: string, port: number): Promise<Result<number, HostError>>;
  /**
   * Makes the host as planned; the value says what was changed, in words. On an error nothing of any plan is in place, but with `device-gone`,
   * `still-held` and `refused`.
   */
  apply(plan: HostPlan): Promise<Result<readonly string[], HostError>>;
  revert(): Promise<Result<readonly string[], HostError>>;
  /** Once, when the monitor is gone; all open requests are answered with `failed` before. */
  onClosed(callback: () => void): void;
  /** Stops listening and closes the descriptor; `onClosed` is not called. */
  close(): void;
}

type Answer = { readonly reply: MonitorReply; readonly fds: readonly number[] };
/** Any command without its number. */
type Request = MonitorCommand extends infer C ? (C extends { readonly id: number } ? Omit<C, 'id'> : never) : never;

const GONE: HostError = { code: 'failed', detail: 'the privileged monitor is gone' };

export function connectMonitor(fd: number, log: Log): MonitorClient {
  const end = new MessageEnd(fd, MONITOR_MESSAGE_MAX);
  const waiting = new Map<number, (answer: Answer | undefined) => void>();
  const listeners: (() => void)[] = [];
  let open = true;
  let nextId = 1;

  const watch = watchReadable(fd, () => {
    for (;;) {
      const received = end.receive();
      if (received.kind === 'nothing') return;
      if (received.kind === 'message') {
        if (deliver(received.bytes, received.descriptors)) continue;
      }
      if (received.kind !== 'closed') log('error', 'monitor', 'the monitor sent something that is no reply');
      return finish(true);
    }
  });

  function deliver(bytes: Uint8Array, descriptors: readonly number[]): boolean {
    const reply = parseReply(toUtf8(bytes));
    const resolve = reply === undefined ? undefined : waiting.get(reply.id);
    if (reply === undefined || resolve === undefined) {
      for (const descriptor of descriptors) close(descriptor);
      return false;
    }
    waiting.delete(reply.id);
    resolve({ reply, fds: descriptors });
    return true;
  }

  function finish(tell: boolean): void {
    if (!open) return;
    open = false;
    watch.close();
    close(fd);
    for (const resolve of waiting.values()) resolve(undefined);
    waiting.clear();
    if (tell) for (const listener of listeners) listener();
  }

  async function ask(request: Request): Promise<Answer | undefined> {
    if (!open) return undefined;
    const id = nextId++;
    if (!end.send(fromUtf8(JSON.stringify({ id, ...request })))) return undefined;
    return new Promise((resolve) => waiting.set(id, resolve));
  }

  /** Descriptors belong to whoever gets the answer; those that nobody asked for are closed. */
  async function plain(request: Request): Promise<Result<readonly string[], HostError>> {
    const answer = await ask(request);
    if (answer === undefined) return err(GONE);
    closeAll(answer.fds);
    return answer.reply.ok ? ok(answer.reply.changes ?? []) : err(answer.reply.error);
  }

  return {
    openTun: async (mtu, wanted = {}) => {
      const answer = await ask({ command: 'open-tun', mtu, ...wanted });
      if (answer === undefined) return err(GONE);
      const { reply, fds } = answer;
      if (reply.ok && reply.name !== undefined && reply.features !== undefined && fds.length > 0)
        return ok({ fd: fds[0], fds, name: reply.name, features: reply.features });
      closeAll(fds);
      return err(reply.ok ? incomplete('open-tun') : reply.error);
    },
    bindUdp: async (family, port) => {
      const answer = await ask({ command: 'bind-udp', family, port });
      if (answer === undefined) return err(GONE);
      const { reply, fds } = answer;
      if (reply.ok && reply.port !== undefined && fds.length === 1) return ok({ fd: fds[0], port: reply.port });
      closeAll(fds);
      return err(reply.ok ? incomplete('bind-udp') : reply.error);
    },
    connectTcp: async (address, port) => {
      const answer = await ask({ command: 'connect-tcp', address, port });
      if (answer === undefined) return err(GONE);
      const { reply, fds } = answer;
      if (reply.ok && fds.length === 1) return ok(fds[0]);
      closeAll(fds);
      return err(reply.ok ? incomplete('connect-tcp') : reply.error);
    },
    apply: (plan) => plain({ command: 'apply', plan }),
    revert: () => plain({ command: 'revert' }),
    onClosed: (callback) => {
      listeners.push(callback);
    },
    close: () => finish(false),
  };
}

function closeAll(fds: readonly number[]): void {
  for (const fd of fds) close(fd);
}

function incomplete(command: string): HostError {
  return { code: 'failed', detail: `the monitor's reply to ${command} is incomplete` };
}

/** The monitor is the more privileged end: it is believed, once the shape is right. */
function parseReply(text: string): MonitorReply | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isReply(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isReply(value: unknown): value is MonitorReply {
  if (typeof value !== 'object' || value === null || !('id' in value) || !('ok' in value)) return false;
  if (typeof value.id !== 'number') return false;
  if ('features' in value && !isFeatures(value.features)) return false;
  return value.ok === true || (value.ok === false && 'error' in value && typeof value.error === 'object' && value.error !== null);
}

function isFeatures(value: unknown): value is TunFeatures {
  if (typeof value !== 'object' || value === null || !('headers' in value) || !('tcp' in value) || !('udp' in value))
    return false;
  return [value.headers, value.tcp, value.udp].every((feature) => typeof feature === 'boolean');
}
