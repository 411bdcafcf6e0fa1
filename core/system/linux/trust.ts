/** The two checks of a client before it believes that a socket is the helper's (SECURITY.md 22): its place, and who listens there. */
import type { Socket } from 'node:net';
import { descriptorOf, peerCredentials, verifySocketPath } from './peer.ts';

/** Why not, with a code of core/tunnel/reasons.ts. */
export interface Distrust {
  readonly code: 'helper-not-running' | 'helper-untrusted';
  readonly detail: string;
}

export interface HelperChecks {
  readonly checkPlace: (path: string) => Distrust | undefined;
  readonly checkPeer: (socket: Socket) => Distrust | undefined;
}

/** `owner`: uid that made the socket and listens on it; root for the real helper. */
export function helperChecks(owner = 0): HelperChecks {
  return {
    checkPlace: (path) => {
      const place = verifySocketPath(path, owner);
      if (place.ok) return undefined;
      return { code: place.error.code === 'missing' ? 'helper-not-running' : 'helper-untrusted', detail: place.error.detail };
    },
    checkPeer: (socket) => {
      const fd = descriptorOf(socket);
      const peer = fd === undefined ? undefined : peerCredentials(fd);
      if (peer?.uid === owner) return undefined;
      return { code: 'helper-untrusted', detail: peer ? `uid ${peer.uid} listens there` : 'nobody knows who listens there' };
    },
  };
}
