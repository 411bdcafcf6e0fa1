/** Classic BPF programs on sockets, and what the kernel dropped. Neither needs a privilege. */
import { SO_ATTACH_FILTER, SO_DETACH_FILTER, SO_MEMINFO, SOL_SOCKET } from '../ffi/constants.ts';
import { SOCK_FILTER, SOCK_FPROG } from '../ffi/layouts.ts';
import { getsockopt, setsockopt } from '../ffi/libc.ts';
import { Pinned } from '../ffi/memory.ts';
import { setIntegerOption } from './udp.ts';

/** `struct sock_filter` (linux/filter.h). */
export interface FilterInstruction {
  readonly code: number;
  /** Instructions to skip when the comparison holds, and when it does not. */
  readonly yes: number;
  readonly no: number;
  readonly value: number;
}

/** In place of the program before; without one, everything passes. False when it is too long for this kernel: then there is none. */
export function filterSocket(fd: number, program: readonly FilterInstruction[] | undefined): boolean {
  if (program !== undefined && attach(fd, program)) return true;
  setIntegerOption(fd, SOL_SOCKET, SO_DETACH_FILTER, 0); // fails when there is none
  // Once more: it and the one before may have been more than a socket may have (net.core.optmem_max).
  return program === undefined || attach(fd, program);
}

function attach(fd: number, program: readonly FilterInstruction[]): boolean {
  const code = new Pinned(program.length * SOCK_FILTER.size);
  for (const [i, { code: operation, yes, no, value }] of program.entries()) {
    const at = i * SOCK_FILTER.size;
    code.view.setUint16(at + SOCK_FILTER.offset.code, operation, true);
    code.view.setUint8(at + SOCK_FILTER.offset.yes, yes);
    code.view.setUint8(at + SOCK_FILTER.offset.no, no);
    code.view.setUint32(at + SOCK_FILTER.offset.value, value, true);
  }
  const whole = new Pinned(SOCK_FPROG.size);
  whole.view.setUint16(SOCK_FPROG.offset.length, program.length, true);
  whole.setPointer(SOCK_FPROG.offset.filter, code.address);
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, whole.address, SOCK_FPROG.size) === 0;
}

/** SK_MEMINFO_DROPS (linux/sock_diag.h), one of nine words. */
const DROPS = 8;
const meminfo = new Pinned(9 * 4);
const size = new Pinned(4);

/** What the socket's filter dropped or its queue had no room for, since it was opened; runs count once. Modulo 2^32; 0 when unknown. */
export function kernelDrops(fd: number): number {
  size.view.setUint32(0, meminfo.bytes.length, true);
  if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, meminfo.address, size.address) < 0) return 0;
  return meminfo.view.getUint32(DROPS * 4, true);
}
