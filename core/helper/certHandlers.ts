/** The certificate lens: files, profiles and gateways. Files come as octets; nothing here reads a path a client named. */
import { err } from '../bytes/result.ts';
import type { Handlers } from './rpcServer.ts';

export function createCertHandlers(): Pick<Handlers, 'cert.show' | 'cert.fetch'> {
  return {
    'cert.show': () => err({ code: 'internal', detail: 'not there yet' }),
    'cert.fetch': () => err({ code: 'internal', detail: 'not there yet' }),
  };
}
