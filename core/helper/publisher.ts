/**
 * Who subscribed to what. A subscriber gets a whole snapshot, then the top-level keys that change. Counters have no event of their
 * own: they are read twice a second, and only while somebody is subscribed and a tunnel is up, so that an idle helper sleeps.
 */
import type { Status } from '../rpc/contract.ts';
import { statusDelta } from '../rpc/delta.ts';
import type { LogRing } from './logRing.ts';
import type { RpcPeer } from './rpcServer.ts';

export interface Publisher {
  /** Registers and returns the snapshot to answer with. */
  subscribe(peer: RpcPeer, to: readonly ('status' | 'log')[]): { readonly status?: Status };
  forget(peer: RpcPeer): void;
  /** Something a status shows has changed; told to all at the end of this turn of the event loop. */
  changed(): void;
  stop(): void;
}

export interface PublisherOptions {
  readonly statusFor: (viewer: number) => Status;
  /** Are there counters that run? */
  readonly running: () => boolean;
  readonly logs: LogRing;
  readonly refreshEvery?: number;
}

interface Subscriber {
  readonly peer: RpcPeer;
  told: Status | undefined;
  log: boolean;
}

export function createPublisher(options: PublisherOptions): Publisher {
  const subscribers = new Map<number, Subscriber>();
  let refresh: NodeJS.Timeout | undefined;
  let pending: NodeJS.Immediate | undefined;

  const stopListening = options.logs.listen((line, visibleTo) => {
    for (const { peer, log } of [...subscribers.values()]) if (log && visibleTo(peer.uid)) peer.send('log', line);
  });

  function publish(): void {
    pending = undefined;
    for (const subscriber of [...subscribers.values()]) {
      if (!subscriber.told) continue;
      const status = options.statusFor(subscriber.peer.uid);
      const delta = statusDelta(subscriber.told, status);
      subscriber.told = status;
      if (delta) subscriber.peer.send('status', delta);
    }
    keepTime();
  }

  function keepTime(): void {
    const needed = options.running() && [...subscribers.values()].some(({ told }) => told !== undefined);
    if (needed) refresh ??= setInterval(publish, options.refreshEvery ?? 500);
    else {
      clearInterval(refresh);
      refresh = undefined;
    }
  }

  return {
    subscribe(peer, to) {
      const subscriber = subscribers.get(peer.id) ?? { peer, told: undefined, log: false };
      subscriber.log ||= to.includes('log');
      if (to.includes('status')) subscriber.told = options.statusFor(peer.uid);
      subscribers.set(peer.id, subscriber);
      keepTime();
      return to.includes('status') && subscriber.told ? { status: subscriber.told } : {};
    },
    forget(peer) {
      subscribers.delete(peer.id);
      keepTime();
    },
    changed() {
      pending ??= setImmediate(publish);
    },
    stop() {
      clearInterval(refresh);
      if (pending) clearImmediate(pending);
      stopListening();
    },
  };
}
