/**
 * Where the head office takes TCP connections (RFC 9329). Node accepts and closes them; the dataplane's threads read and write the descriptors.
 * An IKE SA that is heard of in another connection goes on there (§6.1), and its CHILD SAs with it.
 */

import { once } from 'node:events';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import type { Dataplane } from '../../core/dataplane/contract.ts';
import type { Endpoint } from '../../core/ike/sa/contract.ts';
import type { SaSummary } from './config.ts';

/** What node does not say of a socket in words. */
interface WithHandle {
  readonly _handle?: { readonly fd: number };
}

export class TcpDoor {
  readonly #dataplane: Dataplane;
  readonly #servers: Server[] = [];
  readonly #open = new Map<number, Socket>();
  /** Where each IKE SA was heard of last. */
  readonly #places = new Map<string, string>();

  constructor(dataplane: Dataplane) {
    this.#dataplane = dataplane;
  }

  get connections(): number {
    return this.#open.size;
  }

  async listen(addresses: readonly string[], ports: readonly number[]): Promise<void> {
    for (const host of addresses) {
      for (const port of ports) {
        const server = createServer({ pauseOnConnect: true }, (socket) => void this.#accept(socket, host, port));
        server.listen({ host, port, ipv6Only: isIPv6(host) });
        await once(server, 'listening');
        this.#servers.push(server);
      }
    }
  }

  /** `onStreamOver` of the dataplane. */
  async over(fd: number): Promise<void> {
    const socket = this.#open.get(fd);
    this.#open.delete(fd);
    // No thread must use the descriptor any more when another connection gets its number.
    await this.#dataplane.releaseStream(fd);
    socket?.destroy();
  }

  /** Breaks all connections with RST. */
  async reset(): Promise<void> {
    for (const [fd, socket] of [...this.#open]) {
      this.#open.delete(fd);
      await this.#dataplane.releaseStream(fd);
      socket.resetAndDestroy();
    }
  }

  /** Takes no more connections, or takes them again. */
  async shut(shut: boolean, addresses: readonly string[], ports: readonly number[]): Promise<void> {
    if (!shut) return this.listen(addresses, ports);
    for (const server of this.#servers.splice(0)) server.close();
    await this.reset();
  }

  /** After a message was dealt with. */
  follow(sas: readonly SaSummary[]): void {
    for (const { id, remote, children } of sas) {
      const place = remote.transport === 'tcp' ? `${remote.address} ${remote.port}` : undefined;
      const before = this.#places.get(id);
      if (place === undefined || place === before) continue;
      this.#places.set(id, place);
      if (before === undefined) continue;
      for (const { spiIn } of children) void this.#dataplane.changePath(spiIn, { local: remote, remote, keepalive: false });
    }
  }

  async #accept(socket: Socket, host: string, port: number): Promise<void> {
    const fd = (socket as WithHandle)._handle?.fd;
    const { remoteAddress, remotePort } = socket;
    if (fd === undefined || remoteAddress === undefined || remotePort === undefined)
      throw new Error(`a socket at ${host} ${port}`);
    socket.on('error', () => {});
    this.#open.set(fd, socket);
    const peer: Endpoint = { address: remoteAddress, port: remotePort, transport: 'tcp' };
    await this.#dataplane.attachStream({ fd, opener: 'peer', peer });
  }
}
