/** Traffic selectors (RFC 7296 §2.9, §3.13): comparing, narrowing; text and CIDR are in wire/selectorText.ts. */
import { compareAddresses, rangeContains } from '../ip/cidr.ts';
import type { TrafficSelector } from './wire/message.ts';
import { selectorText } from './wire/selectorText.ts';

/** Every packet that `inner` selects is selected by `outer`. */
export function selectorContains(outer: TrafficSelector, inner: TrafficSelector): boolean {
  if (outer.type !== inner.type || !isOrdered(inner)) return false;
  if (outer.protocol !== 0 && outer.protocol !== inner.protocol) return false;
  if (!portsContain(outer, inner)) return false;
  return rangeContains(outer, inner.start) && rangeContains(outer, inner.end);
}

/** The first of `answer` that is in none of `asked`; undefined when `answer` is a narrowing. A selector across several asked ones is none. */
export function widerThan(asked: readonly TrafficSelector[], answer: readonly TrafficSelector[]): TrafficSelector | undefined {
  return answer.find((one) => !asked.some((outer) => selectorContains(outer, one)));
}

/**
 * Of `answer` what is in `asked`, and no packet more. RFC 7296 §2.9 has the responder narrow; gateways with a pool of addresses answer with all
 * that they have, whatever was asked for (Libreswan 4.10, OpenIKED 7.2), so the asker does it. Empty: nothing is in common.
 */
export function withinAsked(asked: readonly TrafficSelector[], answer: readonly TrafficSelector[]): readonly TrafficSelector[] {
  const inside = answer.filter((one) => asked.some((outer) => selectorContains(outer, one)));
  if (inside.length === answer.length) return answer;
  // One more than there may be, so that who asks sees it.
  const rest = answer.filter((one) => !inside.includes(one));
  const cut = intersections(rest, asked, mostSelectors + 1);
  return [...inside, ...cut.filter((one) => !inside.some((outer) => selectorContains(outer, one)))];
}

/** RFC 7296 §3.13: a message cannot name more. */
export const mostSelectors = 255;

/**
 * RFC 7296 §2.9: every pairwise intersection, without those that another one covers; empty where nothing is in common (TS_UNACCEPTABLE). Of
 * more than a message can name the first: that is a narrowing, too, and a peer has us compare no more than those with each other.
 */
export function narrow(proposed: readonly TrafficSelector[], allowed: readonly TrafficSelector[]): readonly TrafficSelector[] {
  return intersections(proposed, allowed, mostSelectors);
}

function intersections(
  proposed: readonly TrafficSelector[],
  allowed: readonly TrafficSelector[],
  most: number,
): readonly TrafficSelector[] {
  let all: TrafficSelector[] = [];
  for (const a of proposed) {
    for (const b of allowed) {
      const common = intersection(a, b);
      if (common === undefined || all.some((one) => selectorContains(one, common))) continue;
      all = all.filter((one) => !selectorContains(common, one));
      all.push(common);
      if (all.length === most) return all;
    }
  }
  return all;
}

/** Some packet is selected by it and by one of the others. */
export function overlaps(one: TrafficSelector, others: readonly TrafficSelector[]): boolean {
  return others.some((other) => intersection(one, other) !== undefined);
}

/** Selectors of a message that are kept: what was parsed is a view of the datagram. */
export function copySelector(selector: TrafficSelector): TrafficSelector {
  return { ...selector, start: selector.start.slice(), end: selector.end.slice() };
}

export function selectsAddress(selector: TrafficSelector, address: Uint8Array): boolean {
  return selector.start.length === address.length && rangeContains(selector, address);
}

export function selectorsText(selectors: readonly TrafficSelector[]): string {
  return selectors.map(selectorText).join(' ');
}

function isOrdered(selector: TrafficSelector): boolean {
  return compareAddresses(selector.start, selector.end) <= 0 && (selector.startPort <= selector.endPort || isOpaque(selector));
}

function portsContain(outer: TrafficSelector, inner: TrafficSelector): boolean {
  if (outer.startPort === 0 && outer.endPort === 65535) return true;
  // RFC 7296 §3.13.1: OPAQUE is a value of its own, in "any" but in no range.
  if (isOpaque(outer) || isOpaque(inner)) return isOpaque(outer) && isOpaque(inner);
  return outer.startPort <= inner.startPort && inner.endPort <= outer.endPort;
}

/** RFC 7296 §3.13.1: start port 65535 and end port 0. */
function isOpaque(selector: TrafficSelector): boolean {
  return selector.startPort === 65535 && selector.endPort === 0;
}

function intersection(a: TrafficSelector, b: TrafficSelector): TrafficSelector | undefined {
  if (a.type !== b.type) return undefined;
  if (a.protocol !== 0 && b.protocol !== 0 && a.protocol !== b.protocol) return undefined;
  const start = compareAddresses(a.start, b.start) > 0 ? a.start : b.start;
  const end = compareAddresses(a.end, b.end) < 0 ? a.end : b.end;
  const startPort = Math.max(a.startPort, b.startPort);
  const endPort = Math.min(a.endPort, b.endPort);
  if (compareAddresses(start, end) > 0 || startPort > endPort) return undefined;
  return { type: a.type, protocol: a.protocol === 0 ? b.protocol : a.protocol, startPort, endPort, start, end };
}
