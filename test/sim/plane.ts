/**
 * A small model of the dataplane of one side: which SA a packet leaves by (newest first; one that stands by waits until the peer uses it or
 * the one before is removed, as core/dataplane/outboundLane.ts has it), which SAs a packet may come in by, and for how long after removal.
 */
import { toHex } from '../../core/bytes/bytes.ts';
import type { ChildSa, Endpoint } from '../../core/ike/sa/contract.ts';
import { selectorsText } from '../../core/ike/selectors.ts';

/** One SA of the model. Keys are copied at installation, as the dataplane does. */
export interface Installed {
  readonly spiIn: number;
  readonly spiOut: number;
  /** Local and remote, as this side sees them. */
  readonly selectors: string;
  readonly keysIn: string;
  readonly keysOut: string;
  readonly installedAt: number;
  readonly limits: ChildSa['limits'];
  packetsOut: number;
  packetsIn: number;
  spent: 'no' | 'soft' | 'hard';
}

export interface EspPacket {
  readonly spi: number;
  /** What it is sealed with. */
  readonly keys: string;
}

export class Plane {
  /** The first that fits sends, except those that stand by. */
  #senders: readonly Installed[] = [];
  readonly #standbys = new Set<Installed>();
  readonly #receivers = new Map<number, { readonly sa: Installed; until: number }>();
  remote: Endpoint | undefined;
  keepalive = false;

  /** What is wrong with it, if anything. */
  install(child: ChildSa, { replaces, standby }: { replaces?: number; standby?: true }, now: number): string | undefined {
    const { spiIn, spiOut, localSelectors, remoteSelectors, limits } = child;
    if (this.#senders.some((sa) => sa.spiIn === spiIn)) return `SPI ${spiIn} is installed twice`;
    const sa: Installed = {
      spiIn,
      spiOut,
      selectors: `${selectorsText(localSelectors)} > ${selectorsText(remoteSelectors)}`,
      keysIn: toHex(child.keysIn.encryption),
      keysOut: toHex(child.keysOut.encryption),
      installedAt: now,
      limits,
      packetsOut: 0,
      packetsIn: 0,
      spent: 'no',
    };
    this.#receivers.set(spiIn, { sa, until: Number.POSITIVE_INFINITY });
    this.remote = child.remote;
    this.keepalive = child.keepalive;
    const before = this.#senders.findIndex((one) => one.spiIn === replaces);
    if (replaces !== undefined && before < 0) return `SPI ${spiIn} replaces ${replaces}, which is not there`;
    if (standby && before >= 0) {
      this.#senders = this.#senders.toSpliced(before + 1, 0, sa);
      this.#standbys.add(sa);
    } else this.#senders = [sa, ...this.#senders];
    return undefined;
  }

  remove(spiIn: number, grace: number, now: number): string | undefined {
    const sa = this.#senders.find((one) => one.spiIn === spiIn);
    if (!sa) return `SPI ${spiIn} is removed, and is not there`;
    this.#senders = this.#senders.filter((one) => one !== sa);
    this.#standbys.delete(sa);
    const receiver = this.#receivers.get(spiIn);
    if (receiver) receiver.until = now + grace;
    return undefined;
  }

  /** All that is there, those in their grace not counted. */
  get installed(): readonly Installed[] {
    return this.#senders;
  }

  /** Selector sets that something can be sent for. */
  get destinations(): readonly string[] {
    return [...new Set(this.#senders.map(({ selectors }) => selectors))];
  }

  /** The packet for this destination, by an installed SA or not at all. */
  send(selectors: string): { readonly packet: EspPacket; readonly sa: Installed } | undefined {
    const fitting = this.#senders.filter((one) => one.selectors === selectors);
    const sa = fitting.find((one) => !this.#standbys.has(one)) ?? fitting[0];
    if (!sa || sa.spent === 'hard') return undefined;
    sa.packetsOut++;
    return { packet: { spi: sa.spiOut, keys: sa.keysOut }, sa };
  }

  /** The SA it came by; a text where it is refused. */
  receive({ spi, keys }: EspPacket, now: number): Installed | 'unknown' | 'gone' | 'keys' {
    const receiver = this.#receivers.get(spi);
    if (!receiver) return 'unknown';
    if (now >= receiver.until) return 'gone';
    const { sa } = receiver;
    if (sa.keysIn !== keys) return 'keys';
    sa.packetsIn++;
    if (this.#standbys.delete(sa)) this.#senders = [sa, ...this.#senders.filter((one) => one !== sa)];
    return sa;
  }
}

/** A crossed limit that was not told yet. */
export function crossed(sa: Installed): 'soft' | 'hard' | undefined {
  const limit = sa.limits?.packets;
  if (!limit) return undefined;
  const count = Math.max(sa.packetsOut, sa.packetsIn);
  if (count >= limit.hard && sa.spent !== 'hard') {
    sa.spent = 'hard';
    return 'hard';
  }
  if (count < limit.soft || sa.spent !== 'no') return undefined;
  sa.spent = 'soft';
  return 'soft';
}
