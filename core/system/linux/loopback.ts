/** A stand-in for a TUN device and the network, made of what every process may have: a pair of sockets, and one that sends to itself. */
import { AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_SEQPACKET } from '../ffi/constants.ts';
import { close, socketpair } from '../ffi/libc.ts';
import { Pinned } from '../ffi/memory.ts';
import type { TunFeatures } from '../ports.ts';
import { Poller } from './poll.ts';
import { LinuxTun } from './tun.ts';
import { LinuxUdp, openUdp, prepareUdp } from './udp.ts';

const address = '127.0.0.1';
/** As a device of a kernel of today: what is written and read has a virtio header. */
const features: TunFeatures = { headers: true, tcp: true, udp: true };

export class Loopback {
  /** In place of the device. */
  readonly tun: LinuxTun;
  /** The host's side of it. */
  readonly host: LinuxTun;
  readonly udp: LinuxUdp;
  /** Where the socket is bound. */
  readonly endpoint: { readonly address: string; readonly port: number };
  readonly #pollers: { readonly tun: Poller; readonly udp: Poller };

  private constructor(pair: readonly [number, number], fd: number, port: number) {
    this.tun = new LinuxTun(pair[0], features);
    this.host = new LinuxTun(pair[1], features);
    this.udp = new LinuxUdp(fd, prepareUdp(fd, 4));
    this.endpoint = { address, port };
    this.#pollers = { tun: new Poller([pair[0]]), udp: new Poller([fd]) };
  }

  /** Undefined where there is no loopback device to be had, as in a network namespace of which nobody took care. */
  static open(): Loopback | undefined {
    const udp = openUdp({ family: 4, port: 0, address });
    if (!udp.ok) return undefined;
    const fds = new Pinned(8);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.address) < 0) {
      close(udp.value.fd);
      return undefined;
    }
    return new Loopback([fds.view.getInt32(0, true), fds.view.getInt32(4, true)], udp.value.fd, udp.value.port);
  }

  /** Waits until there is something to read at the one end; false when nothing came within the milliseconds. */
  await(end: 'tun' | 'udp', milliseconds: number): boolean {
    const poller = this.#pollers[end];
    poller.wait(milliseconds);
    return poller.ready(0);
  }

  close(): void {
    for (const { fd } of [this.tun, this.host, this.udp]) close(fd);
  }
}
