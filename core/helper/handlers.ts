/** What each method of the contract does, over the parts of the engine. Params are valid here; who asks is the peer's uid. */
import { ok } from '../bytes/result.ts';
import type { Certificate } from '../pki/contract.ts';
import { MAX_FRAME } from '../rpc/contract.ts';
import type { CheckRevocation } from './asks.ts';
import { createCertHandlers } from './certHandlers.ts';
import type { FetchGatewayCertificate } from './certificateFetch.ts';
import type { History } from './history.ts';
import type { LogRing } from './logRing.ts';
import { createProfileHandlers, type ProfileParts } from './profileHandlers.ts';
import type { Publisher } from './publisher.ts';
import type { Handlers } from './rpcServer.ts';
import type { TunnelKeeper } from './tunnelKeeper.ts';

export interface HandlerParts extends ProfileParts {
  readonly tunnel: TunnelKeeper;
  readonly publisher: Publisher;
  readonly logs: LogRing;
  readonly history: Pick<History, 'list'>;
  readonly certificates: CertificateParts;
}

/** For the certificate lens. */
export interface CertificateParts {
  readonly fetchGatewayCertificate: FetchGatewayCertificate;
  /** The authorities of this computer. */
  readonly systemRoots: () => readonly Certificate[];
  readonly checkRevocation: CheckRevocation;
}

/** Octets of log lines in one answer, so that the frame around them stays within its limit. */
const LOG_ANSWER = MAX_FRAME - 1024;

export function createHandlers(parts: HandlerParts): Handlers {
  const { tunnel, publisher, logs, history } = parts;
  return {
    ...createProfileHandlers(parts),
    ...createCertHandlers(parts),
    'tunnel.up': ({ profile, askSecret }, peer) => tunnel.up(profile, peer.uid, askSecret),
    'tunnel.answer': ({ id, secret, remember }, peer) => tunnel.answer(peer.uid, id, secret, remember),
    'tunnel.down': (_, peer) => tunnel.down(peer.uid),
    'tunnel.rekey': ({ what }, peer) => tunnel.rekey(peer.uid, what),
    'tunnel.status': (_, peer) => ok(tunnel.statusFor(peer.uid)),
    'log.read': ({ lines, level, before }, peer) => ok(logs.read(peer.uid, lines, level, LOG_ANSWER, before)),
    'history.list': ({ limit }, peer) => ok(history.list(peer.uid, limit)),
    'host.repair': (_, peer) => tunnel.repair(peer.uid),
    subscribe: ({ to }, peer) => ok(publisher.subscribe(peer, to)),
  };
}
