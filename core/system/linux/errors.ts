import { EACCES, EADDRINUSE, EBUSY, EHOSTUNREACH, EINVAL, ENETUNREACH, ENODEV, ENOENT, EPERM } from '../ffi/constants.ts';
import { errnoName } from '../ffi/libc.ts';
import type { HostError } from '../ports.ts';

/** The closed code for an errno of a system call on sockets, links, routes or files. */
export function hostError(number: number, what: string): HostError {
  return { code: codeOf(number), detail: `${what}: ${errnoName(number)}` };
}

/** The same for what node:fs throws; anything else is a programmer's mistake and is thrown again. */
export function hostErrorOf(error: unknown, what: string): HostError {
  if (!(error instanceof Error) || !('errno' in error) || typeof error.errno !== 'number') throw error;
  const number = Math.abs(error.errno);
  // A /dev/net/tun that is missing, or has no driver behind it (ENXIO, ENODEV).
  if (what.includes('/dev/net/tun') && (number === ENOENT || number === ENODEV || number === 6)) {
    return { code: 'no-tun-device', detail: `${what}: ${errnoName(number)}` };
  }
  return hostError(number, what);
}

function codeOf(number: number): HostError['code'] {
  switch (number) {
    case EPERM:
    case EACCES:
      return 'permission';
    case EADDRINUSE:
      return 'port-in-use';
    case ENETUNREACH:
    case EHOSTUNREACH:
      return 'no-route';
    case EBUSY:
      return 'busy';
    case EINVAL:
      return 'invalid';
    default:
      return 'failed';
  }
}
