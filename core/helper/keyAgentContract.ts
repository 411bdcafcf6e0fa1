/**
 * What the engine and the key agent say to each other, over a socketpair: frames of a length (core/rpc/framing.ts), a head in JSON and octets after it.
 * Octets are never in the JSON, so that no key becomes a string. Both ends validate; a message that is not of these shapes ends the agent.
 */
import * as v from 'valibot';
import { concat, fromUtf8 } from '../bytes/bytes.ts';
import type { EapFailureCode } from '../ike/auth/eap/contract.ts';

/** Descriptor of the socketpair in the agent. */
export const KEY_AGENT_FD = 3;
/** A flight of TLS with a long chain; a key and what is signed are far smaller. */
export const KEY_AGENT_FRAME_MAX = 1 << 20;
export const MOST_KEYS = 16;
export const MOST_TLS_SESSIONS = 8;
const MOST_PARTS = 32;

/** Numbers that the engine chooses. */
const number = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(Number.MAX_SAFE_INTEGER));
const hash = v.picklist(['sha1', 'sha256', 'sha384', 'sha512']);
const algorithm = v.variant('kind', [
  v.strictObject({ kind: v.literal('rsa-pkcs1'), hash }),
  v.strictObject({
    kind: v.literal('rsa-pss'),
    hash,
    saltLength: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1024)),
  }),
  v.strictObject({ kind: v.literal('ecdsa'), hash, format: v.picklist(['der', 'p1363']) }),
  v.strictObject({ kind: v.literal('ed25519') }),
  v.strictObject({ kind: v.literal('ed448') }),
]);
const tlsVersion = v.picklist(['TLSv1.2', 'TLSv1.3']);
const eapCodes = [
  'eap-refused',
  'password-wrong',
  'password-expired',
  'account-disabled',
  'account-restricted',
  'eap-no-common-method',
  'eap-not-allowed',
  'eap-server-unproven',
  'eap-server-certificate',
  'eap-tls-failed',
  'eap-protocol',
  'credential-cancelled',
  'credential-expired',
] as const satisfies readonly EapFailureCode[];
const eapFailure = v.strictObject({ code: v.picklist(eapCodes), evidence: v.pipe(v.string(), v.maxLength(1024)) });

/** Of the engine. Parts: `load` the PKCS #8; `sign` the octets; `tls-open` the own chain; `tls` what came, and what to write. */
export const engineMessage = v.variant('op', [
  v.strictObject({ op: v.literal('load'), id: number, key: number }),
  v.strictObject({ op: v.literal('sign'), id: number, key: number, algorithm }),
  v.strictObject({ op: v.literal('forget'), id: number, key: number }),
  v.strictObject({
    op: v.literal('tls-open'),
    id: number,
    key: number,
    session: number,
    method: v.picklist(['tls', 'ttls', 'peap']),
    minVersion: v.optional(tlsVersion),
    maxVersion: v.optional(tlsVersion),
  }),
  v.strictObject({ op: v.literal('tls'), id: number, session: number }),
  v.strictObject({ op: v.literal('tls-close'), id: number, session: number }),
  /** The answer to `check`. */
  v.strictObject({ op: v.literal('verdict'), session: number, failure: v.optional(eapFailure) }),
]);

export const KEY_AGENT_FAULTS = [
  'agent-gone', // it ended, or could not be started
  'agent-silent', // it did not answer in time and was ended
  'key-unusable', // damaged, too short, of an unknown kind
  'key-unknown',
  'cannot-sign', // not with this algorithm
  'too-many', // keys or TLS sessions at once
] as const;

/** Of the agent. Parts: `loaded` the SubjectPublicKeyInfo; `signed` the signature; `tls` see `tlsParts`; `check` the server's chain. */
export const agentMessage = v.variant('is', [
  v.strictObject({ is: v.literal('ready') }),
  v.strictObject({
    is: v.literal('loaded'),
    id: number,
    algorithms: v.pipe(v.array(algorithm), v.minLength(1), v.maxLength(32)),
  }),
  v.strictObject({ is: v.literal('signed'), id: number }),
  v.strictObject({ is: v.literal('done'), id: number }),
  v.strictObject({
    is: v.literal('tls'),
    id: number,
    state: v.picklist(['handshake', 'open', 'closed', 'failed']),
    version: v.optional(tlsVersion),
    failure: v.optional(eapFailure),
  }),
  v.strictObject({
    is: v.literal('refused'),
    id: number,
    code: v.picklist(KEY_AGENT_FAULTS),
    detail: v.pipe(v.string(), v.maxLength(1024)),
  }),
  /** Is this server the one? Answered by `verdict`, while `tls` of the session waits. */
  v.strictObject({ is: v.literal('check'), session: number }),
]);

export type EngineMessage = v.InferOutput<typeof engineMessage>;
export type AgentMessage = v.InferOutput<typeof agentMessage>;

export interface Framed<Head> {
  readonly head: Head;
  readonly parts: readonly Uint8Array[];
}

/** One frame: its length, the head's length in two octets, the head, then each part with its length in four. */
export function encodeMessage(head: EngineMessage | AgentMessage, parts: readonly Uint8Array[] = []): Uint8Array {
  const text = fromUtf8(JSON.stringify(head));
  const body = [text, ...parts.flatMap((part) => [lengthOf(part.length, 4), part])];
  const octets = body.reduce((sum, piece) => sum + piece.length, 2);
  if (text.length > 0xffff || octets > KEY_AGENT_FRAME_MAX || parts.length > MOST_PARTS)
    throw new RangeError('too large for the key agent');
  return concat(lengthOf(octets, 4), lengthOf(text.length, 2), ...body);
}

/** Of the body of a frame. Parts are views of it. Undefined: not a message. */
export function decodeMessage<Head>(frame: Uint8Array, schema: v.GenericSchema<unknown, Head>): Framed<Head> | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < 2) return undefined;
  const textEnd = 2 + view.getUint16(0);
  if (textEnd > frame.length) return undefined;
  const parts: Uint8Array[] = [];
  for (let at = textEnd; at < frame.length; ) {
    if (at + 4 > frame.length || parts.length >= MOST_PARTS) return undefined;
    const end = at + 4 + view.getUint32(at);
    if (end > frame.length) return undefined;
    parts.push(frame.subarray(at + 4, end));
    at = end;
  }
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(frame.subarray(2, textEnd)));
  } catch {
    return undefined;
  }
  const head = v.safeParse(schema, json);
  return head.success ? { head: head.output, parts } : undefined;
}

function lengthOf(value: number, octets: 2 | 4): Uint8Array {
  const out = new Uint8Array(octets);
  for (let i = 0, rest = value; i < octets; i++, rest = Math.floor(rest / 256)) out[octets - 1 - i] = rest & 0xff;
  return out;
}
