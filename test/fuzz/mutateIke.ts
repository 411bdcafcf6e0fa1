/**
 * Mutations that know what an IKE message looks like, so that hostile messages come past the first checks: whole payloads are
 * doubled, dropped, moved and renamed, and the lengths and links around a damaged place are made right again.
 * It reads the chain by itself, not with the parser under test.
 */
import { EDGES, MAX_OCTETS, mutateBytes, type Prng, splice } from './mutate.ts';

const HEADER = 28;
const GENERIC = 4;
/** All types with a rule of their own, one unknown, none. */
const TYPES: readonly number[] = [0, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 53, 200];

/** One payload: its type and its octets behind the generic header. */
export interface Link {
  readonly type: number;
  readonly critical: boolean;
  readonly body: Uint8Array;
}

/** The chain in `bytes` that begins with `first` at `from`, as far as it can be followed. */
export function readChain(first: number, bytes: Uint8Array, from: number): Link[] {
  const links: Link[] = [];
  let type = first;
  let at = from;
  while (type !== 0 && at + GENERIC <= bytes.length && links.length < 64) {
    const length = (bytes[at + 2] << 8) | bytes[at + 3];
    const end = Math.min(bytes.length, at + Math.max(GENERIC, length));
    links.push({ type, critical: bytes[at + 1] >= 0x80, body: bytes.slice(at + GENERIC, end) });
    // The encrypted payloads name their first inner payload there.
    type = type === 46 || type === 53 ? 0 : bytes[at];
    at = end;
  }
  return links;
}

/** The octets of a chain; `last` is the Next Payload of its last member. */
export function writeChain(links: readonly Link[], last = 0): Uint8Array {
  const out = new Uint8Array(links.reduce((sum, { body }) => sum + GENERIC + body.length, 0));
  let at = 0;
  for (const [i, { critical, body }] of links.entries()) {
    out[at] = i + 1 < links.length ? links[i + 1].type : last;
    out[at + 1] = critical ? 0x80 : 0;
    out[at + 2] = (GENERIC + body.length) >>> 8;
    out[at + 3] = GENERIC + body.length;
    out.set(body, at + GENERIC);
    at += GENERIC + body.length;
  }
  return out;
}

/** A whole message, changed. In three of four the length in the header is right again. */
export function mutateMessage(prng: Prng, input: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  let out: Uint8Array;
  if (input.length < HEADER || prng.oneIn(5)) {
    out = mutateBytes(prng, input, others);
  } else {
    const links = mutateLinks(prng, readChain(input[16], input, HEADER), others);
    const chain = damage(prng, writeChain(links, prng.oneIn(8) ? prng.pick(TYPES) : 0));
    out = splice(input.slice(0, HEADER), HEADER, 0, chain);
    out[16] = prng.oneIn(40) ? prng.pick(TYPES) : (links[0]?.type ?? 0);
    if (prng.oneIn(6)) out[prng.below(HEADER)] = prng.u32();
  }
  if (out.length > MAX_OCTETS) out = out.slice(0, MAX_OCTETS);
  if (out.length >= HEADER && !prng.oneIn(4)) new DataView(out.buffer).setUint32(24, out.length);
  return out;
}

/** The inside of an SK payload, changed. */
export function mutateInner(
  prng: Prng,
  first: number,
  input: Uint8Array,
  others: readonly Uint8Array[],
): { readonly first: number; readonly bytes: Uint8Array } {
  if (prng.oneIn(5)) return { first: prng.oneIn(8) ? prng.pick(TYPES) : first, bytes: mutateBytes(prng, input, others) };
  const links = mutateLinks(prng, readChain(first, input, 0), others);
  const bytes = damage(prng, writeChain(links, prng.oneIn(8) ? prng.pick(TYPES) : 0));
  return { first: prng.oneIn(40) ? prng.pick(TYPES) : (links[0]?.type ?? 0), bytes: bytes.slice(0, MAX_OCTETS) };
}

function mutateLinks(prng: Prng, links: Link[], others: readonly Uint8Array[]): Link[] {
  for (let rounds = 1 + prng.below(3); rounds > 0; rounds--) {
    const at = prng.below(links.length);
    const link = links[at];
    switch (prng.below(12)) {
      case 0: // a payload of another message
        links.splice(at, 0, foreignLink(prng, others));
        break;
      case 1: // doubled
        if (link) links.splice(prng.below(links.length + 1), 0, link);
        break;
      case 2: // many times
        if (link) for (let n = prng.pick([10, 100, 255, 256, 300]); n > 0; n--) links.splice(at, 0, link);
        break;
      case 3: // dropped
        links.splice(at, 1);
        break;
      case 4: // moved
        if (link) links.push(...links.splice(at, 1));
        break;
      case 5: // taken for another type
        if (link) links[at] = { ...link, type: prng.pick(TYPES) };
        break;
      case 6: // critical
        if (link) links[at] = { ...link, critical: !link.critical };
        break;
      case 7: // very many tiny ones
        if (prng.oneIn(64))
          for (let n = 16_000; n > 0; n--) links.push({ type: prng.pick(TYPES), critical: false, body: new Uint8Array(0) });
        break;
      case 8: // a count or a size near the front of the body
        if (link && link.body.length > 0) link.body[prng.below(Math.min(8, link.body.length))] = prng.pick(EDGES);
        break;
      default: // its content
        if (link) links[at] = { ...link, body: mutateBytes(prng, link.body, others).slice(0, 0xffff - GENERIC) };
    }
  }
  return links;
}

function foreignLink(prng: Prng, others: readonly Uint8Array[]): Link {
  const none = { type: prng.pick(TYPES), critical: prng.oneIn(2), body: prng.octets(prng.below(32)) };
  if (others.length === 0) return none;
  const other = prng.pick(others);
  const chain = other.length > HEADER ? readChain(other[16], other, HEADER) : [];
  return chain.length > 0 ? prng.pick(chain) : none;
}

/** Seldom, after all lengths were made right, a link or a length is wrong again. */
function damage(prng: Prng, chain: Uint8Array): Uint8Array {
  if (chain.length === 0 || !prng.oneIn(3)) return chain;
  let at = 0;
  for (let steps = prng.below(8); steps > 0; steps--) {
    const next = at + Math.max(GENERIC, (chain[at + 2] << 8) | chain[at + 3]);
    if (next + GENERIC > chain.length) break;
    at = next;
  }
  switch (prng.below(3)) {
    case 0:
      chain[at] = prng.pick(TYPES);
      break;
    case 1:
      chain[at + 2] = 0;
      chain[at + 3] = prng.below(8);
      break;
    default:
      chain[at + 2 + prng.below(2)] = prng.pick(EDGES);
  }
  return chain;
}
