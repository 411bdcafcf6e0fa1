/** Traffic selectors made ready for the packet path (RFC 7296 §3.13.1, RFC 4301 §4.4.1.1). */
import type { TrafficSelector } from '../ike/wire/message.ts';
import { type InnerHeader, opaque } from '../ip/header.ts';

/** Which end of a packet a set of selectors speaks about. */
export type PacketEnd = 'source' | 'destination';

export class SelectorSet {
  readonly #rules: readonly Rule[];

  /** Selectors whose addresses do not have their type's length match nothing. */
  constructor(selectors: readonly TrafficSelector[]) {
    this.#rules = selectors.flatMap((selector) => {
      const octets = selector.type === 'ipv4' ? 4 : 16;
      if (selector.start.length !== octets || selector.end.length !== octets) return [];
      return [
        {
          version: selector.type === 'ipv4' ? 4 : 6,
          protocol: selector.protocol,
          startPort: selector.startPort,
          endPort: selector.endPort,
          start: words(selector.start),
          end: words(selector.end),
        },
      ];
    });
  }

  /** Whether any selector covers that end of the packet. */
  covers(header: InnerHeader, end: PacketEnd): boolean {
    const address = end === 'source' ? header.source : header.destination;
    const port = end === 'source' ? header.sourcePort : header.destinationPort;
    const rules = this.#rules;
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i];
      if (rule.version !== header.version) continue;
      if (rule.protocol !== 0 && rule.protocol !== header.protocol) continue;
      if (!portCovered(rule, port)) continue;
      if (notAfter(rule.start, address) && notAfter(address, rule.end)) return true;
    }
    return false;
  }
}

interface Rule {
  readonly version: number;
  readonly protocol: number;
  readonly startPort: number;
  readonly endPort: number;
  readonly start: Uint32Array;
  readonly end: Uint32Array;
}

/**
 * All ports cover packets that show none as well; a part of them does not. 65535 to 0 is OPAQUE and covers only packets that
 * show none (RFC 7296 §3.13.1).
 */
function portCovered(rule: Rule, port: number): boolean {
  if (rule.startPort === 0 && rule.endPort === 65535) return true;
  if (rule.startPort === 65535 && rule.endPort === 0) return port === opaque;
  return port !== opaque && rule.startPort <= port && port <= rule.endPort;
}

/** `a` is not above `b`, as numbers of as many words as the shorter has. */
function notAfter(a: Uint32Array, b: Uint32Array): boolean {
  const count = Math.min(a.length, b.length);
  for (let i = 0; i < count; i++) if (a[i] !== b[i]) return a[i] < b[i];
  return true;
}

function words(address: Uint8Array): Uint32Array {
  const view = new DataView(address.buffer, address.byteOffset, address.byteLength);
  return Uint32Array.from({ length: address.length / 4 }, (_, i) => view.getUint32(4 * i));
}
