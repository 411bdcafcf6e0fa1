/** Several sockets on one port, so that several threads receive, each its own SAs. */
import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import { SO_ATTACH_REUSEPORT_CBPF } from '../ffi/constants.ts';
import { close, errno } from '../ffi/libc.ts';
import type { HostError } from '../ports.ts';
import { hostError } from './errors.ts';
import { attachProgram } from './socketFilter.ts';
import { openUdp, type UdpOptions } from './udp.ts';

/**
 * Opens `count` sockets. A datagram goes to the one at the index of its first 32-bit word modulo `count`: the SPI of ESP in UDP, so that
 * an SA stays with one thread and in order; IKE behind its marker of four zero octets (RFC 3948 §2.2), and what is shorter than a
 * word (keepalives), go to the first. Datagrams that the kernel coalesced go where the first of them goes: a thread must be able to
 * tell those that are another's. Close all together: the kernel renumbers the others when one goes.
 */
export function openUdpGroup(
  options: Omit<UdpOptions, 'shared'>,
  count: number,
): Result<{ readonly fds: readonly number[]; readonly port: number }, HostError> {
  const fds: number[] = [];
  let { port } = options;
  for (let i = 0; i < count; i++) {
    const opened = openUdp({ ...options, port, shared: true });
    if (!opened.ok) return fail(fds, opened.error);
    fds.push(opened.value.fd);
    port = opened.value.port;
  }
  if (!steer(fds[0], count)) return fail(fds, hostError(errno(), 'SO_ATTACH_REUSEPORT_CBPF'));
  return ok({ fds, port });
}

function fail(fds: readonly number[], error: HostError): Result<never, HostError> {
  for (const fd of fds) close(fd);
  return err(error);
}

/** One program serves the whole group. It sees the UDP payload; a load behind its end ends the program with 0 (linux/bpf_common.h). */
function steer(fd: number, count: number): boolean {
  return attachProgram(fd, SO_ATTACH_REUSEPORT_CBPF, [
    { code: 0x20, yes: 0, no: 0, value: 0 }, // BPF_LD | BPF_W | BPF_ABS: the first word
    { code: 0x94, yes: 0, no: 0, value: count }, // BPF_ALU | BPF_MOD | BPF_K
    { code: 0x16, yes: 0, no: 0, value: 0 }, // BPF_RET | BPF_A: the index of the socket
  ]);
}
