/** What each method of the contract does, over the parts of the engine. Params are valid here; who asks is the peer's uid. */
import { err, ok } from '../bytes/result.ts';
import { MAX_FRAME } from '../rpc/contract.ts';
import type { LogRing } from './logRing.ts';
import { createProfileHandlers, type ProfileParts } from './profileHandlers.ts';
import type { Publisher } from './publisher.ts';
import type { Handlers } from './rpcServer.ts';
import type { TunnelKeeper } from './tunnelKeeper.ts';

export interface HandlerParts extends ProfileParts {
  readonly tunnel: TunnelKeeper;
  readonly publisher: Publisher;
  readonly logs: LogRing;
}

/** Octets of log lines in one answer, so that the frame around them stays within its limit. */
const LOG_ANSWER = MAX_FRAME - 1024;

const notYet = () => err({ code: 'bad-request', detail: 'this helper cannot do it yet' } as const);

export function createHandlers(parts: HandlerParts): Handlers {
  const { tunnel, publisher, logs } = parts;
  return {
    ...createProfileHandlers(parts),
    'tunnel.answer': notYet,
    'history.list': () => ok([]),
    'tunnel.up': ({ profile }, peer) => tunnel.up(profile, peer.uid),
    'tunnel.down': (_, peer) => tunnel.down(peer.uid),
    'tunnel.status': (_, peer) => ok(tunnel.statusFor(peer.uid)),
    'log.read': ({ lines, level }, peer) => ok(logs.read(peer.uid, lines, level, LOG_ANSWER)),
    'host.repair': (_, peer) => tunnel.repair(peer.uid),
    subscribe: ({ to }, peer) => ok(publisher.subscribe(peer, to)),
  };
}
