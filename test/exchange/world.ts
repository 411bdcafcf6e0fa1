/**
 * Two machines and the network between them under a virtual clock. Each datagram may be lost, doubled or overtaken, as a seed
 * says; time jumps to the next datagram or deadline.
 */
import { createHash } from 'node:crypto';
import { fromUtf8 } from '../../core/bytes/bytes.ts';
import type { Random } from '../../core/crypto/types.ts';
import { pskBothWays } from '../../core/ike/auth/psk.ts';
import { parseIdentity } from '../../core/ike/identity.ts';
import { type ProposalUse, parseProposals } from '../../core/ike/proposals.ts';
import type {
  Channel,
  Endpoint,
  Identity,
  IkeConfig,
  IkeInput,
  IkeMachine,
  IkeOutput,
  IkeTiming,
} from '../../core/ike/sa/contract.ts';
import { createInitiator } from '../../core/ike/sa/initiator.ts';
import { EXCHANGE, nameOf } from '../../core/ike/wire/constants.ts';
import type { Proposal, TrafficSelector } from '../../core/ike/wire/message.ts';
import { parseMessage } from '../../core/ike/wire/parse.ts';
import { selectorFromCidr } from '../../core/ike/wire/selectorText.ts';
import { Peer, type PeerConfig } from './peer.ts';

export interface Network {
  /** Probabilities of one datagram, 0 to 1. */
  readonly loss: number;
  readonly duplicate: number;
  /** One way, milliseconds. */
  readonly delay: number;
  /** Added at random, up to so many milliseconds: overtaking happens when it is more than the pause between datagrams. */
  readonly jitter: number;
}

export const goodNetwork: Network = { loss: 0, duplicate: 0, delay: 10, jitter: 0 };

export const clientAddress = '192.0.2.7';
export const gatewayAddress = '198.51.100.1';
export const secret = fromUtf8('correct horse battery staple');

export const timing: IkeTiming = {
  retransmitFirst: 500,
  retransmitFactor: 1.8,
  retransmitMax: 10_000,
  retransmitTries: 8,
  livenessAfter: 30_000,
  establishWithin: 60_000,
};

/** One datagram of the trace: `I 500 IKE_SA_INIT request 0`. */
export interface Sent {
  readonly by: 'client' | 'gateway';
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly channel: Channel;
  readonly text: string;
}

export interface WorldOptions {
  readonly client?: Partial<IkeConfig>;
  readonly gateway?: Partial<PeerConfig>;
  readonly network?: Network;
  readonly seed?: string;
  readonly keyLog?: boolean;
}

export class World {
  readonly client: IkeMachine;
  readonly gateway: Peer;
  readonly clientSaid: IkeOutput[] = [];
  readonly gatewaySaid: IkeOutput[] = [];
  readonly trace: Sent[] = [];
  now = 1_000_000;
  network: Network;
  /** Called with each datagram before the network has it; false loses it. */
  filter: (sent: Sent) => boolean = () => true;
  readonly #dice: () => number;
  readonly #flying: { at: number; order: number; deliver: () => void }[] = [];
  #order = 0;

  constructor(options: WorldOptions = {}) {
    const seed = options.seed ?? 'world';
    this.network = options.network ?? goodNetwork;
    this.#dice = dice(seed);
    this.client = createInitiator(
      { ...clientConfig, ...options.client },
      { random: seededRandom(`${seed} client`), keyLog: options.keyLog ?? false },
    );
    this.gateway = new Peer({ ...peerConfig, ...options.gateway }, seededRandom(`${seed} gateway`));
  }

  tell(input: IkeInput): void {
    this.client.handle(input, this.now);
    this.#drain();
  }

  /** Lets the test act on the gateway's SA and sends what comes of it. */
  act(what: (gateway: Peer, now: number) => void): void {
    what(this.gateway, this.now);
    this.#drain();
  }

  /** A datagram out of nowhere, to the client. */
  inject(bytes: Uint8Array, channel: Channel, from: Endpoint = gatewayAt(channel)): void {
    this.tell({ kind: 'datagram', bytes, channel, from });
  }

  /** Until `done` or until `within` milliseconds are over; true when `done`. */
  run(within: number, done: () => boolean = () => false): boolean {
    const end = this.now + within;
    for (let steps = 0; steps < 100_000; steps++) {
      if (done()) return true;
      const next = Math.min(
        this.#flying[0]?.at ?? Infinity,
        this.client.deadline() ?? Infinity,
        this.gateway.deadline() ?? Infinity,
      );
      if (next > end) {
        this.now = end;
        return done();
      }
      this.now = Math.max(this.now, next);
      while (this.#flying.length > 0 && this.#flying[0].at <= this.now) {
        this.#flying.shift()?.deliver();
        this.#drain();
      }
      if ((this.client.deadline() ?? Infinity) <= this.now) this.client.handle({ kind: 'tick' }, this.now);
      if ((this.gateway.deadline() ?? Infinity) <= this.now) this.gateway.handle({ kind: 'tick' }, this.now);
      this.#drain();
    }
    throw new Error('the dialogue does not end');
  }

  /** Start, and run until the first CHILD SA is there or all is over. */
  connect(within = 60_000): void {
    this.tell({ kind: 'start' });
    this.run(within, () => this.said('install-child').length + this.said('closed').length > 0);
  }

  said<K extends IkeOutput['kind']>(kind: K): Extract<IkeOutput, { kind: K }>[] {
    return ofKind(this.clientSaid, kind);
  }

  gatewayOutputs<K extends IkeOutput['kind']>(kind: K): Extract<IkeOutput, { kind: K }>[] {
    return ofKind(this.gatewaySaid, kind);
  }

  get closed(): boolean {
    return this.said('closed').length > 0;
  }

  /** Texts of the trace from `from` on. */
  texts(from = 0): readonly string[] {
    return this.trace.slice(from).map(({ text }) => text);
  }

  #drain(): void {
    for (let out = this.client.poll(); out; out = this.client.poll()) {
      this.clientSaid.push(out);
      if (out.kind === 'transmit') this.#send('client', out.bytes, out.channel);
    }
    for (let out = this.gateway.poll(); out; out = this.gateway.poll()) {
      this.gatewaySaid.push(out);
      if (out.kind === 'transmit') this.#send('gateway', out.bytes, out.channel);
    }
  }

  #send(by: Sent['by'], original: Uint8Array, channel: Channel): void {
    const bytes = original.slice(); // a filter may change them, and the sender repeats its own
    const sent: Sent = { by, at: this.now, bytes, channel, text: describe(by, bytes, channel) };
    this.trace.push(sent);
    if (!this.filter(sent)) return;
    const { loss, duplicate, delay, jitter } = this.network;
    const copies = 1 + (this.#dice() < duplicate ? 1 : 0);
    for (let copy = 0; copy < copies; copy++) {
      if (this.#dice() < loss) continue;
      const at = this.now + delay + Math.floor(this.#dice() * jitter);
      const order = this.#order++;
      this.#flying.push({ at, order, deliver: () => this.#deliver(by, bytes.slice(), channel) });
      this.#flying.sort((a, b) => a.at - b.at || a.order - b.order);
    }
  }

  #deliver(by: Sent['by'], bytes: Uint8Array, channel: Channel): void {
    const input = { kind: 'datagram', bytes, channel } as const;
    if (by === 'client') this.gateway.handle({ ...input, from: clientAt(channel) }, this.now);
    else this.client.handle({ ...input, from: gatewayAt(channel) }, this.now);
  }
}

export function clientAt(channel: Channel): Endpoint {
  return { address: clientAddress, port: channel === 'ike' ? 500 : 4500 };
}

export function gatewayAt(channel: Channel): Endpoint {
  return { address: gatewayAddress, port: channel === 'ike' ? 500 : 4500 };
}

export function identity(text: string): Identity {
  const parsed = parseIdentity(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
}

export function proposals(use: ProposalUse, ...texts: readonly string[]): readonly Proposal[] {
  const parsed = parseProposals(texts, use);
  if (!parsed.ok) throw new Error(parsed.error.message);
  return parsed.value;
}

export function selector(text: string): TrafficSelector {
  const parsed = selectorFromCidr(text);
  if (!parsed) throw new Error(text);
  return parsed;
}

export const clientConfig: IkeConfig = {
  local: { address: clientAddress, ports: { ike: 500, natt: 4500 } },
  remote: { address: gatewayAddress, ports: { ike: 500, natt: 4500 } },
  ikeProposals: proposals('ike', 'aes128gcm16-prfsha256-x25519-ecp256'),
  espProposals: proposals('esp', 'aes128gcm16-noesn'),
  localIdentity: identity('alice@office.test'),
  remoteIdentity: identity('vpn.office.test'),
  auth: pskBothWays(secret),
  request: { ipv4: true, ipv6: false, dns: true, version: 'Sallyport test' },
  localSelectors: [selector('0.0.0.0/0')],
  remoteSelectors: [selector('10.0.0.0/8')],
  forceEncapsulation: true,
  fragmentation: 'yes',
  timing,
};

export const peerConfig: PeerConfig = {
  address: gatewayAddress,
  identity: identity('vpn.office.test'),
  secret,
  ikeProposals: clientConfig.ikeProposals,
  espProposals: clientConfig.espProposals,
  fragmentation: 'yes',
  timing: { ...timing, livenessAfter: 0 },
};

/** SHA-256 in counter mode: the same seed gives the same octets. */
export function seededRandom(seed: string): Random {
  let counter = 0;
  return (length) => {
    const out = new Uint8Array(length);
    for (let at = 0; at < length; at += 32) {
      const block = createHash('sha256').update(`${seed} ${counter++}`).digest();
      out.set(block.subarray(0, Math.min(32, length - at)), at);
    }
    return out;
  };
}

/** Numbers from 0 up to 1. */
export function dice(seed: string): () => number {
  const random = seededRandom(`${seed} dice`);
  return () => new DataView(random(4).buffer).getUint32(0) / 0x1_0000_0000;
}

function describe(by: Sent['by'], bytes: Uint8Array, channel: Channel): string {
  const parsed = parseMessage(bytes);
  if (!parsed.ok) return `${by} ${channel} ${parsed.error.code}`;
  const { exchange, flags, messageId } = parsed.value.header;
  return `${by} ${channel} ${nameOf(EXCHANGE, exchange)} ${flags.response ? 'response' : 'request'} ${messageId}`;
}

function ofKind<K extends IkeOutput['kind']>(outputs: readonly IkeOutput[], kind: K): Extract<IkeOutput, { kind: K }>[] {
  const found: Extract<IkeOutput, { kind: K }>[] = [];
  for (const output of outputs) if (isKind(output, kind)) found.push(output);
  return found;
}

function isKind<K extends IkeOutput['kind']>(output: IkeOutput, kind: K): output is Extract<IkeOutput, { kind: K }> {
  return output.kind === kind;
}
