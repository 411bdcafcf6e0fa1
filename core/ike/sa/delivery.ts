/**
 * Where the messages of one IKE SA go: requests the way in use, several at once where `Roads` says so, or others that are to be tried first;
 * answers to where the request came from (RFC 7296 §2.11). A peer that moves is followed, by who may do that (§2.23).
 */
import type { Channel, Endpoint } from './contract.ts';
import type { IkeSaSetup, Route } from './setup.ts';
import { type RetransmitTiming, sentOnce } from './window.ts';

export class Delivery {
  readonly #setup: IkeSaSetup;
  #channel: Channel;
  #remote: Endpoint;
  #followPeer: boolean;
  /** Where the request in flight goes in place of the way in use, as long as it tries others. */
  #trial: readonly Route[] = [];

  constructor(setup: IkeSaSetup) {
    this.#setup = setup;
    this.#channel = setup.channel;
    this.#remote = setup.remote;
    this.#followPeer = setup.followPeer;
  }

  /** The way in use. */
  get way(): Route {
    return { channel: this.#channel, remote: this.#remote };
  }

  /** The request in flight tries other ways. */
  get trying(): boolean {
    return this.#trial.length > 0;
  }

  /** There is no network: nothing is sent, and no silence means anything. */
  get isCutOff(): boolean {
    return this.#setup.roads?.routes(1).length === 0;
  }

  /** RFC 9329 §6.2: what goes into a connection is not repeated. */
  get patience(): RetransmitTiming {
    const { timing } = this.#setup;
    return this.#remote.transport === 'tcp' && !this.trying ? sentOnce(timing) : timing;
  }

  /** The next request goes these ways first; none: the way in use. */
  tryFirst(ways: readonly Route[]): void {
    this.#trial = ways;
  }

  moveTo({ channel, remote }: Route): void {
    this.#channel = channel;
    this.#remote = remote;
  }

  stopFollowing(): void {
    this.#followPeer = false;
  }

  /** As the one that this one comes after. */
  followAs(other: Delivery): void {
    this.#followPeer = other.#followPeer;
  }

  /** The peer itself sent something, from there. */
  heardFrom(from: Route): void {
    const { address, port, transport } = this.#remote;
    const { remote } = from;
    const moved = remote.address !== address || remote.port !== port || remote.transport !== transport;
    if (!this.#followPeer || !moved) return;
    this.#setup.narrator.log('info', 'peer moved', { address: remote.address, port: remote.port });
    this.moveTo(from);
  }

  /** For the `sent`th time. */
  request(datagrams: readonly Uint8Array[], sent: number): void {
    const routes = this.trying ? this.#trial : (this.#setup.roads?.routes(sent) ?? [this.way]);
    for (const route of routes) this.transmit(datagrams, route);
  }

  transmit(datagrams: readonly Uint8Array[], { channel, remote }: Route): void {
    for (const bytes of datagrams) this.#setup.emit({ kind: 'transmit', bytes, channel, to: remote });
  }
}
