/** What a gateway that holds the keys can do wrong with fragments (RFC 7383), and what somebody between can do with its fragments. */
import { concat } from '../../core/bytes/bytes.ts';
import { Writer } from '../../core/bytes/writer.ts';
import { recordCipher } from '../../core/crypto/record.ts';
import type { Random } from '../../core/crypto/types.ts';
import type { IkeKeys } from '../../core/ike/keys/ikeKeys.ts';
import type { IkeSuite } from '../../core/ike/negotiation.ts';
import { EXCHANGE, PAYLOAD } from '../../core/ike/wire/constants.ts';
import { parseMessage } from '../../core/ike/wire/parse.ts';
import { breakLastOctet } from './misbehaveTransport.ts';
import type { Misbehaviour } from './misbehaviours.ts';

/** A message of the office's own, opened, and the means to seal pieces of it in any way. */
export interface OwnMessage {
  readonly bytes: Uint8Array;
  readonly exchange: number;
  readonly response: boolean;
  /** Plaintext of its SK payload. */
  readonly inner: Uint8Array;
  /** An SKF message with a good ICV. */
  readonly fragment: (number: number, total: number, chunk: Uint8Array, odd?: Odd) => Uint8Array;
}

interface Odd {
  /** Type of the first inner payload; that of the message in the first fragment, else none. */
  readonly first?: number;
  /** The Pad Length octet. */
  readonly padLength?: number;
  /** Put a notify in the clear in front. */
  readonly inTheClear?: boolean;
}

const HEADER_OCTETS = 28;
const NEXT_AT = 16;

/** Undefined for what is not one whole SK message under these keys. */
export function ownMessage(bytes: Uint8Array, suite: IkeSuite, keys: IkeKeys, random: Random): OwnMessage | undefined {
  const parsed = parseMessage(bytes);
  if (!parsed.ok) return undefined;
  const { header, payloads } = parsed.value;
  const [sk] = payloads;
  if (sk?.kind !== 'SK') return undefined;
  const cipher = recordCipher(suite.encr, suite.integ, keys.er, keys.ar);
  const { ivBytes, icvBytes, blockBytes } = cipher;
  const padded = cipher.open(sk.body.subarray(0, ivBytes), bytes.subarray(0, sk.bodyOffset), sk.body.subarray(ivBytes));
  if (!padded) return undefined;
  const inner = padded.subarray(0, padded.length - 1 - (padded[padded.length - 1] as number));
  const fragment: OwnMessage['fragment'] = (number, total, chunk, odd = {}) => {
    const padding = blockBytes - 1 - (chunk.length % blockBytes);
    const plaintext = new Uint8Array(chunk.length + padding + 1);
    plaintext.set(chunk);
    plaintext[plaintext.length - 1] = odd.padLength ?? padding;
    const clear = odd.inTheClear ? Uint8Array.of(PAYLOAD.SKF, 0, 0, 8, 0, 0, 0x9c, 0x40) : new Uint8Array(0);
    const body = ivBytes + plaintext.length + icvBytes;
    const writer = new Writer();
    writer.bytes(bytes.subarray(0, NEXT_AT)).u8(odd.inTheClear ? PAYLOAD.N : PAYLOAD.SKF);
    writer.bytes(bytes.subarray(NEXT_AT + 1, HEADER_OCTETS - 4)).u32(HEADER_OCTETS + clear.length + 8 + body);
    writer.bytes(clear);
    writer.u8(odd.first ?? (number === 1 ? sk.firstInner : PAYLOAD.NONE)).u8(0);
    writer
      .u16(8 + body)
      .u16(number)
      .u16(total);
    const prefix = writer.finish();
    const iv = random(ivBytes).slice();
    return concat(prefix, iv, cipher.seal(iv, prefix, plaintext));
  };
  return { bytes, exchange: header.exchange, response: header.flags.response, inner, fragment };
}

type Reseal = (own: OwnMessage) => readonly Uint8Array[];

function authAnswer(change: Reseal): Reseal {
  return (own) => (own.exchange === EXCHANGE.IKE_AUTH && own.response ? change(own) : [own.bytes]);
}

/** In so many pieces of about one length. */
function pieces(inner: Uint8Array, count: number): readonly Uint8Array[] {
  const length = Math.ceil(inner.length / count);
  return Array.from({ length: count }, (_, index) => inner.subarray(index * length, (index + 1) * length));
}

function inFragments({ inner, fragment }: OwnMessage, count: number): readonly Uint8Array[] {
  return pieces(inner, count).map((chunk, index) => fragment(index + 1, count, chunk));
}

const rubbish = (length: number) => new Uint8Array(length).fill(0x5a);

/** One more in each answer. */
function growing(): Reseal {
  let total = 1;
  return ({ inner, fragment }) => [fragment(1, ++total, inner.subarray(0, 16))];
}

export const fragmentMisbehaviours = [
  {
    name: 'fragment-1-of-1',
    what: 'answers IKE_AUTH in a single fragment',
    clause: 'RFC 7383 §2.5',
    hooks: { reseal: authAnswer((own) => inFragments(own, 1)) },
  },
  {
    name: 'fragments-of-an-octet',
    what: 'answers IKE_AUTH in 200 fragments',
    clause: 'RFC 7383 §2.5.1, S16',
    hooks: { reseal: authAnswer((own) => inFragments(own, 200)) },
  },
  {
    name: 'fragments-backwards',
    what: 'sends the fragments of the IKE_AUTH answer from the last to the first, each five times',
    clause: 'RFC 7383 §2.6, S16',
    hooks: {
      reseal: authAnswer((own) => [...inFragments(own, 4)].reverse().flatMap((bytes) => new Array<Uint8Array>(5).fill(bytes))),
    },
  },
  {
    name: 'fragment-numbers-from-0',
    what: 'numbers the fragments of the IKE_AUTH answer from 0',
    clause: 'RFC 7383 §2.5, S16',
    hooks: {
      reseal: authAnswer(({ inner, fragment }) => pieces(inner, 3).map((chunk, index) => fragment(index, 3, chunk))),
    },
  },
  {
    name: 'fragment-above-total',
    what: 'a fragment 5 of 4, and 1 of 0, come before the genuine ones',
    clause: 'RFC 7383 §2.6, S16',
    hooks: {
      reseal: authAnswer((own) => [own.fragment(5, 4, rubbish(20)), own.fragment(1, 0, rubbish(20)), ...inFragments(own, 4)]),
    },
  },
  {
    name: 'fragments-fewer-in-all',
    what: 'fragments of a set of two come between those of a set of four',
    clause: 'RFC 7383 §2.6, S16',
    hooks: {
      reseal: authAnswer((own) => {
        const [a, b, ...rest] = inFragments(own, 4);
        const others = [own.fragment(1, 2, rubbish(20)), own.fragment(2, 2, rubbish(20))];
        return [a, ...others, b, ...others, ...rest].filter((one) => one !== undefined);
      }),
    },
  },
  {
    name: 'fragments-more-in-all',
    what: 'gives a set of three up for one of five',
    clause: 'RFC 7383 §2.5.2, S16',
    hooks: { reseal: authAnswer((own) => [...inFragments(own, 3).slice(1), ...inFragments(own, 5)]) },
  },
  {
    name: 'fragments-ever-more',
    what: 'begins a larger set with every answer',
    clause: 'RFC 7383 §2.5.2, S16',
    hooks: { reseal: authAnswer(growing()) },
  },
  {
    name: 'fragments-65535',
    what: 'answers IKE_AUTH with fragment 1 of 65,535',
    clause: 'RFC 7383 §5, S16',
    hooks: { reseal: authAnswer(({ inner, fragment }) => [fragment(1, 0xffff, inner)]) },
  },
  {
    name: 'fragments-too-long',
    what: 'answers IKE_AUTH with 250 fragments of 1,000 octets',
    clause: 'RFC 7383 §5, S16',
    hooks: {
      reseal: authAnswer(({ fragment }) => Array.from({ length: 250 }, (_, index) => fragment(index + 1, 250, rubbish(1000)))),
    },
  },
  {
    name: 'fragments-incomplete',
    what: 'never sends fragment 2 of 3 of the IKE_AUTH answer',
    clause: 'RFC 7383 §2.6, S16',
    hooks: { reseal: authAnswer((own) => inFragments(own, 3).filter((_, index) => index !== 1)) },
  },
  {
    name: 'fragment-beside-clear',
    what: 'puts a notify in the clear in front of the first fragment of the IKE_AUTH answer',
    clause: 'RFC 7383 §2.5.3, S16',
    hooks: {
      reseal: authAnswer(({ inner, fragment }) =>
        pieces(inner, 2).map((chunk, index) => fragment(index + 1, 2, chunk, { inTheClear: index === 0 })),
      ),
    },
  },
  {
    name: 'fragments-all-first',
    what: 'names the first payload in every fragment of the IKE_AUTH answer',
    clause: 'RFC 7383 §2.5, S16',
    hooks: {
      reseal: authAnswer(({ inner, fragment }) =>
        pieces(inner, 3).map((chunk, index) => fragment(index + 1, 3, chunk, { first: PAYLOAD.IDr })),
      ),
    },
  },
  {
    name: 'fragments-beside-whole',
    what: 'sends the IKE_AUTH answer whole between its fragments',
    clause: 'RFC 7383 §2.6, S16',
    hooks: {
      reseal: authAnswer((own) => {
        const [first, ...rest] = inFragments(own, 3);
        return [first, own.bytes, ...rest].filter((one) => one !== undefined);
      }),
    },
  },
  {
    name: 'fragments-of-rubbish',
    what: 'answers IKE_AUTH with fragments that hold no payloads',
    clause: 'RFC 7296 §2.21.2, S16',
    hooks: { reseal: authAnswer(({ fragment }) => [fragment(1, 2, rubbish(100)), fragment(2, 2, rubbish(100))]) },
  },
  {
    name: 'fragment-pad-length',
    what: 'answers IKE_AUTH with a fragment whose padding is longer than itself',
    clause: 'RFC 7296 §3.14, S16',
    hooks: { reseal: authAnswer(({ fragment }) => [fragment(1, 2, rubbish(20), { padLength: 255 })]) },
  },
  {
    name: 'fragments-forged',
    what: 'copies of each fragment with a broken checksum, and of another number, come before the genuine ones',
    clause: 'RFC 7383 §2.6, S12, S16',
    hooks: {
      reseal: authAnswer((own) => {
        const genuine = inFragments(own, 4);
        return [...genuine.map(breakLastOctet), ...genuine.map(renumbered), ...genuine];
      }),
    },
  },
  {
    name: 'fragment-flood',
    what: 'a thousand forged fragments of a thousand sets come before the genuine ones',
    clause: 'RFC 7383 §2.6, S16, S17',
    hooks: {
      reseal: authAnswer((own) => {
        const [first, ...rest] = inFragments(own, 3);
        if (!first) return [];
        const forged = Array.from({ length: 1000 }, (_, index) => renumbered(first, index));
        return [...forged.slice(0, 500), first, ...forged.slice(500), ...rest];
      }),
    },
  },
  {
    name: 'request-in-fragments-replayed',
    what: 'sends its first liveness request in two fragments, each of them five times, and all of it again',
    clause: 'RFC 7383 §2.6.1, S14, S16',
    hooks: {
      afterAuth: 'check-liveness',
      reseal: (own) => {
        if (own.response || own.exchange !== EXCHANGE.INFORMATIONAL) return [own.bytes];
        const two = [own.fragment(1, 2, own.inner), own.fragment(2, 2, new Uint8Array(0))];
        return [...two, ...two].flatMap((bytes) => new Array<Uint8Array>(5).fill(bytes));
      },
    },
  },
] as const satisfies readonly Misbehaviour[];

/** The fragment under another number of another set, as somebody without keys can change it. */
function renumbered(bytes: Uint8Array, by = 0): Uint8Array {
  const changed = bytes.slice();
  const view = new DataView(changed.buffer);
  view.setUint16(HEADER_OCTETS + 4, 1 + by);
  view.setUint16(HEADER_OCTETS + 6, 2000 + by);
  return changed;
}
