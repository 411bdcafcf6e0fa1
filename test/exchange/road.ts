/**
 * A client and the embedded head office with several addresses each, networks between them that come and go, and NATs, on a virtual clock.
 * The client's datagrams leave from whichever address leads to where they go, as a kernel has it.
 */
import type { Channel, Endpoint, IkeConfig, IkeInput, IkeOutput, Path } from '../../core/ike/sa/contract.ts';
import { createInitiator } from '../../core/ike/sa/initiator.ts';
import type { HeadOfficeConfig, HeadOfficeInput, HeadOfficeOutput } from '../gateway/config.ts';
import { clientConfig, officeConfig, seededRandom } from '../gateway/fixtures.ts';
import { createHeadOffice } from '../gateway/responder.ts';

/** A way from an address of the client to one of the office. */
interface Street {
  readonly from: string;
  readonly to: string;
  /** What the office sees in place of the client's address and ports; each is added to the port. */
  nat?: { readonly address: string; readonly shift: number } | undefined;
}

export interface RoadOptions {
  readonly client?: Partial<IkeConfig>;
  readonly office?: Partial<HeadOfficeConfig>;
  /** The office does no MOBIKE. */
  readonly plain?: boolean;
}

export const officeAt = { address: '198.51.100.10', other: '198.51.100.11', six: '2001:db8:f::10' } as const;
const ports = { ike: 500, natt: 4500 } as const;
const latency = 10;

export function pathOf(from: string, to: string = officeAt.address): Path {
  return { local: { address: from, ports }, remote: { address: to, ports } };
}

export class Road {
  readonly client;
  readonly office;
  readonly heard: IkeOutput[] = [];
  readonly officeHeard: HeadOfficeOutput[] = [];
  /** The best first. */
  streets: Street[];
  /** A TCP connection and its ends, where there is one. */
  line: { readonly client: Endpoint; readonly office: Endpoint; readonly isOpen: boolean } | undefined;
  /** What passes over the streets; called with each datagram of either side. */
  passes: (by: 'client' | 'office') => boolean = () => true;
  now = 1_000;
  readonly #flights: { readonly at: number; readonly deliver: () => void }[] = [];

  constructor({ client, office, plain }: RoadOptions = {}, streets: Street[] = [{ from: '192.0.2.7', to: officeAt.address }]) {
    this.streets = streets;
    const [{ from }] = streets;
    const config = { ...clientConfig, ...pathOf(from), mobike: true, ...client };
    this.client = createInitiator(config, { random: seededRandom('road client'), keyLog: false });
    this.office = createHeadOffice(
      { ...officeConfig, ...(plain ? {} : { mobike: {} }), ...office },
      { random: seededRandom('road office') },
    );
  }

  tell(input: IkeInput): void {
    this.client.handle(input, this.now);
    this.#drain();
  }

  tellOffice(input: HeadOfficeInput): void {
    this.office.handle(input, this.now);
    this.#drain();
  }

  connect(): this {
    this.tell({ kind: 'start' });
    this.run(5_000);
    return this;
  }

  /** Another network: these ways and no others; and the client is told. */
  network(streets: Street[]): void {
    this.streets = streets;
    this.tell({ kind: 'paths', paths: streets.map(({ from, to }) => pathOf(from, to)) });
  }

  run(within: number, done: () => boolean = () => false): boolean {
    const end = this.now + within;
    for (let steps = 0; !done(); steps++) {
      if (steps > 50_000) throw new Error('it does not end');
      const times = [this.#flights[0]?.at, this.client.deadline(), this.office.deadline()].filter((at) => at !== undefined);
      const next = Math.min(...times);
      if (next > end) {
        this.now = end;
        return done();
      }
      this.now = Math.max(this.now, next);
      while (this.#flights[0] && this.#flights[0].at <= this.now) {
        this.#flights.shift()?.deliver();
        this.#drain();
      }
      if ((this.client.deadline() ?? Infinity) <= this.now) this.client.handle({ kind: 'tick' }, this.now);
      if ((this.office.deadline() ?? Infinity) <= this.now) this.office.handle({ kind: 'tick' }, this.now);
      this.#drain();
    }
    return true;
  }

  outputs<K extends IkeOutput['kind']>(kind: K): Extract<IkeOutput, { kind: K }>[] {
    return this.heard.filter((output): output is Extract<IkeOutput, { kind: K }> => output.kind === kind);
  }

  /** Where the office sends packets of CHILD SAs now. */
  get officeSends(): Endpoint | undefined {
    const last = this.officeHeard.findLast(({ kind }) => kind === 'moved' || kind === 'install-child');
    if (last?.kind === 'moved') return last.remote;
    return last?.kind === 'install-child' ? last.child.remote : undefined;
  }

  /** Where the client does, and from where. */
  get clientSends(): string | undefined {
    const moved = this.outputs('moved').at(-1);
    return moved && `${moved.local.address} > ${moved.remote.address}${moved.natLocal ? ' NAT' : ''}`;
  }

  /** What the client sent and received, by the log: `sent INFORMATIONAL request: N(COOKIE2)`. */
  messages(since = 0): readonly string[] {
    return this.outputs('log')
      .slice(since)
      .filter(({ text }) => /^(sent|received) /.test(text))
      .map(({ text, fields }) => `${text}: ${fields?.payloads}`);
  }

  #drain(): void {
    for (let out = this.client.poll(); out; out = this.client.poll()) {
      this.heard.push(out);
      if (out.kind === 'transmit') this.#fromClient(out.bytes, out.channel, out.to);
    }
    for (let out = this.office.poll(); out; out = this.office.poll()) {
      this.officeHeard.push(out);
      if (out.kind === 'transmit') this.#fromOffice(out.bytes, out.channel, out.to);
    }
  }

  #fromClient(bytes: Uint8Array, channel: Channel, to: Endpoint): void {
    if (to.transport === 'tcp') {
      const { line } = this;
      const input = line?.isOpen && { kind: 'datagram' as const, bytes: bytes.slice(), channel, from: line.client };
      if (input) this.#fly(() => this.office.handle(input, this.now));
      return;
    }
    if (!this.passes('client')) return;
    const street = this.streets.find((one) => one.to === to.address);
    if (!street) return;
    const shift = street.nat?.shift ?? 0;
    const from = { address: street.nat?.address ?? street.from, port: ports[channel] + shift };
    this.#fly(
      () =>
        this.streets.includes(street) && this.office.handle({ kind: 'datagram', bytes: bytes.slice(), channel, from }, this.now),
    );
  }

  /** By the way that the office sees at the other end, from the address that this way leads to. */
  #fromOffice(bytes: Uint8Array, channel: Channel, to: Endpoint): void {
    if (to.transport === 'tcp') {
      const { line } = this;
      const input = line?.isOpen &&
        line.client.port === to.port && { kind: 'datagram' as const, bytes: bytes.slice(), channel, from: line.office };
      if (input) this.#fly(() => this.client.handle(input, this.now));
      return;
    }
    if (!this.passes('office')) return;
    const street = this.streets.find(({ from, nat }) => {
      const port = ports[channel] + (nat?.shift ?? 0);
      return (nat?.address ?? from) === to.address && port === to.port;
    });
    if (!street) return;
    const from = { address: street.to, port: ports[channel] };
    this.#fly(() => this.client.handle({ kind: 'datagram', bytes: bytes.slice(), channel, from }, this.now));
  }

  #fly(deliver: () => void): void {
    this.#flights.push({ at: this.now + latency, deliver });
    this.#flights.sort((a, b) => a.at - b.at);
  }
}
