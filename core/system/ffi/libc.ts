/**
 * The C library's functions this product calls, each declared once. What else uses koffi is in this folder too.
 *
 * A function returns what the C function returns; after -1 ask `errno()` before anything else is called. Addresses are plain
 * numbers (user space ends at 2^47) from `Pinned`, whose owner must stay referenced for the length of the call.
 */
import { getSystemErrorName } from 'node:util';
import koffi from 'koffi';

const library = koffi.load(null);

/** Number of the last error of this thread. */
export function errno(): number {
  return koffi.errno();
}

/** `ENOENT`, `EPERM`, … or `errno 524` for one without a name. */
export function errnoName(number: number): string {
  if (number <= 0) return `errno ${number}`;
  const name = getSystemErrorName(-number);
  return name.startsWith('Unknown') ? `errno ${number}` : name;
}

// Descriptors

export const read: (fd: number, address: number, length: number) => number = library.func('read', 'long', [
  'int',
  'uintptr_t',
  'size_t',
]);
export const write: (fd: number, address: number, length: number) => number = library.func('write', 'long', [
  'int',
  'uintptr_t',
  'size_t',
]);
export const writev: (fd: number, iovecs: number, count: number) => number = library.func('writev', 'long', [
  'int',
  'uintptr_t',
  'int',
]);
export const close: (fd: number) => number = library.func('close', 'int', ['int']);
export const poll: (pollfds: number, count: number, timeoutMs: number) => number = library.func('poll', 'int', [
  'uintptr_t',
  'ulong',
  'int',
]);
export const usleep: (microseconds: number) => number = library.func('usleep', 'int', ['uint']);
export const eventfd: (initial: number, flags: number) => number = library.func('eventfd', 'int', ['uint', 'int']);
export const clock_gettime: (clock: number, timespec: number) => number = library.func('clock_gettime', 'int', [
  'int',
  'uintptr_t',
]);
export const timerfd_create: (clock: number, flags: number) => number = library.func('timerfd_create', 'int', ['int', 'int']);
export const timerfd_settime: (fd: number, flags: number, value: number, old: number) => number = library.func(
  'timerfd_settime',
  'int',
  ['int', 'int', 'uintptr_t', 'uintptr_t'],
);
export const flock: (fd: number, operation: number) => number = library.func('flock', 'int', ['int', 'int']);

// `fcntl` and `ioctl` are variadic; on x86-64 and arm64 Linux an integer third argument travels as a named one would, but koffi
// wants to know.
const fcntlVariadic: (fd: number, command: number, type: 'int', argument: number) => number = library.func('fcntl', 'int', [
  'int',
  'int',
  '...',
]);
const ioctlVariadic: (fd: number, request: number, type: 'uintptr_t', argument: number) => number = library.func('ioctl', 'int', [
  'int',
  'ulong',
  '...',
]);

export function fcntl(fd: number, command: number, argument: number): number {
  return fcntlVariadic(fd, command, 'int', argument);
}

export function ioctl(fd: number, request: number, address: number): number {
  return ioctlVariadic(fd, request, 'uintptr_t', address);
}

// Sockets

export const socket: (domain: number, type: number, protocol: number) => number = library.func('socket', 'int', [
  'int',
  'int',
  'int',
]);
export const socketpair: (domain: number, type: number, protocol: number, fds: number) => number = library.func(
  'socketpair',
  'int',
  ['int', 'int', 'int', 'uintptr_t'],
);
export const bind: (fd: number, address: number, length: number) => number = library.func('bind', 'int', [
  'int',
  'uintptr_t',
  'uint',
]);
export const connect: (fd: number, address: number, length: number) => number = library.func('connect', 'int', [
  'int',
  'uintptr_t',
  'uint',
]);
export const listen: (fd: number, backlog: number) => number = library.func('listen', 'int', ['int', 'int']);
export const getsockname: (fd: number, address: number, length: number) => number = library.func('getsockname', 'int', [
  'int',
  'uintptr_t',
  'uintptr_t',
]);
export const setsockopt: (fd: number, level: number, name: number, value: number, length: number) => number = library.func(
  'setsockopt',
  'int',
  ['int', 'int', 'int', 'uintptr_t', 'uint'],
);
export const getsockopt: (fd: number, level: number, name: number, value: number, length: number) => number = library.func(
  'getsockopt',
  'int',
  ['int', 'int', 'int', 'uintptr_t', 'uintptr_t'],
);
export const send: (fd: number, address: number, length: number, flags: number) => number = library.func('send', 'long', [
  'int',
  'uintptr_t',
  'size_t',
  'int',
]);
export const recv: (fd: number, address: number, length: number, flags: number) => number = library.func('recv', 'long', [
  'int',
  'uintptr_t',
  'size_t',
  'int',
]);
export const sendmsg: (fd: number, message: number, flags: number) => number = library.func('sendmsg', 'long', [
  'int',
  'uintptr_t',
  'int',
]);
export const recvmsg: (fd: number, message: number, flags: number) => number = library.func('recvmsg', 'long', [
  'int',
  'uintptr_t',
  'int',
]);
export const sendmmsg: (fd: number, messages: number, count: number, flags: number) => number = library.func('sendmmsg', 'int', [
  'int',
  'uintptr_t',
  'uint',
  'int',
]);
export const recvmmsg: (fd: number, messages: number, count: number, flags: number, timeout: number) => number = library.func(
  'recvmmsg',
  'int',
  ['int', 'uintptr_t', 'uint', 'int', 'uintptr_t'],
);
export const madvise: (address: number, length: number, advice: number) => number = library.func('madvise', 'int', [
  'uintptr_t',
  'size_t',
  'int',
]);

// Processes

/** glibc applies these three to all threads of the process (nptl's setxid), as POSIX asks. */
export const setgroups: (count: number, list: number) => number = library.func('setgroups', 'int', ['size_t', 'uintptr_t']);
export const setresgid: (real: number, effective: number, saved: number) => number = library.func('setresgid', 'int', [
  'uint',
  'uint',
  'uint',
]);
export const setresuid: (real: number, effective: number, saved: number) => number = library.func('setresuid', 'int', [
  'uint',
  'uint',
  'uint',
]);
const prctlVariadic: (option: number, ...rest: ['ulong', number, 'ulong', number, 'ulong', number, 'ulong', number]) => number =
  library.func('prctl', 'int', ['int', '...']);

export function prctl(option: number, argument: number): number {
  return prctlVariadic(option, 'ulong', argument, 'ulong', 0, 'ulong', 0, 'ulong', 0);
}
