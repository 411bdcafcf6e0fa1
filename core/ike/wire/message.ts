/**
 * The closed, read-only types that hostile bytes are parsed into (RFC 7296 §3). Byte fields are views into the
 * datagram unless the parser says otherwise; whoever keeps one beyond the datagram copies it.
 */

/** RFC 7296 §3.1, less the lengths and the next-payload number, which belong to the encoding. SPIs are 8 octets. */
export interface Header {
  readonly spiI: Uint8Array;
  readonly spiR: Uint8Array;
  readonly majorVersion: number;
  readonly minorVersion: number;
  readonly exchange: number;
  readonly messageId: number;
  readonly flags: { readonly initiator: boolean; readonly version: boolean; readonly response: boolean };
}

export interface Transform {
  readonly type: number;
  readonly id: number;
  /** Key Length attribute in bits, where the transform has one. */
  readonly keyLength?: number;
  /** An attribute this client does not know: the transform must then not be chosen (RFC 7296 §3.3.6). */
  readonly unknownAttribute?: boolean;
}

export interface Proposal {
  readonly number: number;
  readonly protocol: number;
  /** 0 octets (initial IKE SA), 8 (IKE) or 4 (ESP, AH). */
  readonly spi: Uint8Array;
  readonly transforms: readonly Transform[];
}

export interface TrafficSelector {
  readonly type: 'ipv4' | 'ipv6';
  /** IP protocol, 0 for any. */
  readonly protocol: number;
  readonly startPort: number;
  readonly endPort: number;
  /** 4 or 16 octets. */
  readonly start: Uint8Array;
  readonly end: Uint8Array;
}

export interface ConfigAttribute {
  readonly type: number;
  readonly value: Uint8Array;
}

export type Payload =
  | { readonly kind: 'SA'; readonly proposals: readonly Proposal[] }
  | { readonly kind: 'KE'; readonly method: number; readonly data: Uint8Array }
  /** `reserved`: the three octets behind the type where they are not zero, as one number; AUTH covers them (RFC 7296 §2.15). */
  | { readonly kind: 'IDi' | 'IDr'; readonly idType: number; readonly data: Uint8Array; readonly reserved?: number }
  | { readonly kind: 'CERT' | 'CERTREQ'; readonly encoding: number; readonly data: Uint8Array }
  | { readonly kind: 'AUTH'; readonly method: number; readonly data: Uint8Array }
  | { readonly kind: 'NONCE'; readonly data: Uint8Array }
  | { readonly kind: 'N'; readonly protocol: number; readonly spi: Uint8Array; readonly type: number; readonly data: Uint8Array }
  | { readonly kind: 'D'; readonly protocol: number; readonly spis: readonly Uint8Array[] }
  | { readonly kind: 'V'; readonly data: Uint8Array }
  | { readonly kind: 'TSi' | 'TSr'; readonly selectors: readonly TrafficSelector[]; readonly unknownTypes: number }
  | { readonly kind: 'CP'; readonly cfgType: number; readonly attributes: readonly ConfigAttribute[] }
  /** Four keys of one size, one after the other (RFC 8019 §8.2). */
  | { readonly kind: 'PS'; readonly data: Uint8Array }
  | { readonly kind: 'EAP'; readonly message: Uint8Array }
  /** Encrypted, still closed. `firstInner` is the type of the first payload inside, `body` is IV, ciphertext and ICV. */
  | { readonly kind: 'SK'; readonly firstInner: number; readonly body: Uint8Array; readonly bodyOffset: number }
  | {
      readonly kind: 'SKF';
      readonly firstInner: number;
      readonly fragment: number;
      readonly total: number;
      readonly body: Uint8Array;
      readonly bodyOffset: number;
    }
  | { readonly kind: 'unknown'; readonly type: number; readonly critical: boolean; readonly body: Uint8Array };

/** The member of `Payload` with that kind, also where a member has several kinds. */
export type PayloadOf<K extends Payload['kind']> = { [P in Payload as P['kind']]: P }[K];

export interface Message {
  readonly header: Header;
  readonly payloads: readonly Payload[];
}

/** Why bytes are not a message, with the payload in which it showed. */
export interface WireError {
  readonly code:
    | 'short-header' // fewer than 28 octets
    | 'major-version' // answer: INVALID_MAJOR_VERSION
    | 'length' // header length differs from the datagram's
    | 'syntax' // answer: INVALID_SYNTAX
    | 'too-many'; // more payloads, proposals, transforms, selectors or attributes than bounded
  readonly place: string;
  /** Known whenever the 28 octets of the header were there. */
  readonly header?: Header;
}

/** RFC 7296 §2.5: a critical payload that is not known; answered with UNSUPPORTED_CRITICAL_PAYLOAD. */
export function unsupportedCritical(payloads: readonly Payload[]): number | undefined {
  for (const payload of payloads) if (payload.kind === 'unknown' && payload.critical) return payload.type;
  return undefined;
}
