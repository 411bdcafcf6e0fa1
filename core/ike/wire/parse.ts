/**
 * Bytes to message (RFC 7296 §3, RFC 7383 §2.5). Total: any octets give a value or a `WireError`, never a throw.
 * Work and memory are linear in the input: every octet is looked at a bounded number of times, every count is checked
 * against a limit, and byte fields are views into the input.
 */
import { Reader } from '../../bytes/reader.ts';
import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import { FLAG, ID, nameOf, PAYLOAD, PROTOCOL } from './constants.ts';
import type { Header, Message, Payload, WireError } from './message.ts';
import type { Fault } from './parseNested.ts';
import { fault, parseConfiguration, parseSecurityAssociation, parseTrafficSelectors } from './parseNested.ts';
import { isDeleteSpiSize, isNotifySpiSize } from './spi.ts';

/** RFC 7296 §3.1: two SPIs, six small fields, the length. */
export const HEADER_LENGTH = 28;
/** RFC 7296 §3.2. */
export const GENERIC_HEADER_LENGTH = 4;
/** The longest real messages (many certificates, many notifies) have some dozens. */
export const MAX_PAYLOADS = 256;
/** SPIs in one Delete payload. */
export const MAX_SPIS = 1024;

export interface ParsedHeader {
  readonly header: Header;
  /** Type of the first payload. */
  readonly next: number;
  /** Octets of the whole message, header included. */
  readonly length: number;
}

/**
 * The fixed header alone. Errors: `short-header`; `major-version` (with the header, so that it can be answered); the
 * length field is reported, not judged.
 */
export function parseHeader(bytes: Uint8Array): Result<ParsedHeader, WireError> {
  if (bytes.length < HEADER_LENGTH) return err({ code: 'short-header', place: 'header' });
  const reader = new Reader(bytes);
  const spiI = reader.bytes(8);
  const spiR = reader.bytes(8);
  const next = reader.u8();
  const version = reader.u8();
  const exchange = reader.u8();
  const bits = reader.u8();
  const messageId = reader.u32();
  const length = reader.u32();
  const header: Header = {
    spiI,
    spiR,
    majorVersion: version >>> 4,
    minorVersion: version & 0x0f, // RFC 7296 §3.1: the minor version is ignored on receipt.
    exchange,
    messageId,
    // RFC 7296 §3.1: the X bits are ignored on receipt.
    flags: {
      initiator: (bits & FLAG.INITIATOR) !== 0,
      version: (bits & FLAG.VERSION) !== 0,
      response: (bits & FLAG.RESPONSE) !== 0,
    },
  };
  // RFC 7296 §2.5: other major versions are dropped (and higher ones may be answered); 1 is IKEv1 and not spoken here.
  if (header.majorVersion !== 2) return err({ code: 'major-version', place: `version ${header.majorVersion}`, header });
  return ok({ header, next, length });
}

/** One whole IKE message, without the non-ESP marker of port 4500. An SK or SKF payload stays closed. */
export function parseMessage(bytes: Uint8Array): Result<Message, WireError> {
  const start = parseHeader(bytes);
  if (!start.ok) return start;
  const { header, next, length } = start.value;
  // RFC 7296 §3.1: Length is that of the total message, so a UDP datagram holds exactly that.
  if (length !== bytes.length) return err({ code: 'length', place: `header says ${length} of ${bytes.length} octets`, header });
  const payloads = parseChain(next, new Reader(bytes, HEADER_LENGTH), 'outer', '');
  return payloads.ok ? ok({ header, payloads: payloads.value }) : err({ ...payloads.error, header });
}

/**
 * The chain of payloads inside a decrypted SK payload (padding and pad length removed).
 * `first` is its Next Payload field; `place` goes in front of the place in errors.
 */
export function parsePayloads(first: number, bytes: Uint8Array, place = 'SK'): Result<readonly Payload[], WireError> {
  return parseChain(first, new Reader(bytes), 'inner', `${place}: `);
}

/** Every turn consumes at least the four octets of a generic header, so the loop ends. */
function parseChain(first: number, reader: Reader, where: 'outer' | 'inner', prefix: string): Result<Payload[], Fault> {
  const payloads: Payload[] = [];
  let type = first;
  while (type !== PAYLOAD.NONE) {
    const place = () => `${prefix}payload ${payloads.length + 1} (${nameOf(PAYLOAD, type)})`;
    if (payloads.length === MAX_PAYLOADS) return fault('too-many', `${prefix}payloads`);
    if (reader.remaining < GENERIC_HEADER_LENGTH) return fault('syntax', `${place()}: missing`);
    const next = reader.u8();
    const critical = (reader.u8() & 0x80) !== 0; // RFC 7296 §3.2: the other seven bits are ignored on receipt.
    const length = reader.u16();
    if (length < GENERIC_HEADER_LENGTH || length - GENERIC_HEADER_LENGTH > reader.remaining)
      return fault('syntax', `${place()}: length ${length}`);
    const offset = reader.offset;
    const body = reader.bytes(length - GENERIC_HEADER_LENGTH);
    const encrypted = type === PAYLOAD.SK || type === PAYLOAD.SKF;
    // RFC 7296 §3.14, RFC 7383 §2.5: the encrypted payload is the last one, and none is inside another.
    if (encrypted && (where === 'inner' || reader.remaining > 0)) return fault('syntax', `${place()}: not the last payload`);
    const payload = encrypted ? parseEncrypted(type, next, offset, body) : parseBody(type, critical, body);
    if (!payload.ok) return fault(payload.error.code, `${place()}: ${payload.error.place}`);
    payloads.push(payload.value);
    // RFC 7296 §3.14: the Next Payload field of the encrypted payload is the type of the first payload inside.
    type = encrypted ? PAYLOAD.NONE : next;
  }
  // RFC 7296 §3.2: Next Payload is 0 in the last payload, so nothing may follow it.
  if (reader.remaining > 0) return fault('syntax', `${prefix}${reader.remaining} octets after the last payload`);
  return ok(payloads);
}

function parseEncrypted(type: number, firstInner: number, offset: number, body: Uint8Array): Result<Payload, Fault> {
  if (type === PAYLOAD.SK) return ok({ kind: 'SK', firstInner, body, bodyOffset: offset });
  const reader = new Reader(body);
  const fragment = reader.u16();
  const total = reader.u16();
  if (reader.short) return fault('syntax', 'fragment numbers');
  // RFC 7383 §2.6: neither is 0 and the fragment number is not above the total.
  if (fragment === 0 || fragment > total) return fault('syntax', `fragment ${fragment} of ${total}`);
  return ok({ kind: 'SKF', firstInner, fragment, total, body: reader.rest(), bodyOffset: offset + 4 });
}

/** RFC 7296 §2.5: the critical bit is looked at for types that are not known, and for no other. */
function parseBody(type: number, critical: boolean, body: Uint8Array): Result<Payload, Fault> {
  switch (type) {
    case PAYLOAD.SA:
      return parseSecurityAssociation(body);
    case PAYLOAD.KE:
      return parseKeyExchange(body);
    case PAYLOAD.IDi:
      return parseIdentification('IDi', body);
    case PAYLOAD.IDr:
      return parseIdentification('IDr', body);
    case PAYLOAD.CERT:
      return parseCertificate('CERT', body);
    case PAYLOAD.CERTREQ:
      return parseCertificate('CERTREQ', body);
    case PAYLOAD.AUTH:
      return parseAuthentication(body);
    case PAYLOAD.NONCE:
      // RFC 7296 §3.9: the nonce is 16 to 256 octets.
      if (body.length < 16 || body.length > 256) return fault('syntax', `${body.length} octets`);
      return ok({ kind: 'NONCE', data: body });
    case PAYLOAD.N:
      return parseNotify(body);
    case PAYLOAD.D:
      return parseDelete(body);
    case PAYLOAD.V:
      return ok({ kind: 'V', data: body });
    case PAYLOAD.TSi:
      return parseTrafficSelectors('TSi', body);
    case PAYLOAD.TSr:
      return parseTrafficSelectors('TSr', body);
    case PAYLOAD.CP:
      return parseConfiguration(body);
    case PAYLOAD.PS:
      // RFC 8019 §8.2: four keys of one size, which is not zero.
      if (!isPuzzleSolution(body)) return fault('syntax', `${body.length} octets`);
      return ok({ kind: 'PS', data: body });
    case PAYLOAD.EAP:
      return parseEap(body);
    default:
      return ok({ kind: 'unknown', type, critical, body });
  }
}

export function isPuzzleSolution(data: Uint8Array): boolean {
  return data.length > 0 && data.length % 4 === 0;
}

/** RFC 7296 §3.4; whether the value suits the method is for the key exchange to say. */
function parseKeyExchange(body: Uint8Array): Result<Payload, Fault> {
  const reader = new Reader(body);
  const method = reader.u16();
  reader.u16(); // reserved
  const data = reader.rest();
  if (data.length === 0) return fault('syntax', 'no key exchange data');
  return ok({ kind: 'KE', method, data });
}

/** RFC 7296 §3.5. */
function parseIdentification(kind: 'IDi' | 'IDr', body: Uint8Array): Result<Payload, Fault> {
  const reader = new Reader(body);
  const idType = reader.u8();
  // MUST be ignored, yet AUTH covers it: it is kept for that.
  const reserved = reader.u8() * 0x10000 + reader.u16();
  if (reader.short) return fault('syntax', 'short');
  const data = reader.rest();
  if (!isIdentityLength(idType, data.length)) return fault('syntax', `address of ${data.length} octets`);
  return ok({ kind, idType, data, ...(reserved !== 0 && { reserved }) });
}

/** RFC 7296 §3.5: ID_IPV4_ADDR is one address of four octets, ID_IPV6_ADDR one of sixteen. */
export function isIdentityLength(idType: number, length: number): boolean {
  if (idType === ID.IPV4_ADDR) return length === 4;
  return idType !== ID.IPV6_ADDR || length === 16;
}

/** RFC 7296 §3.6 and §3.7. */
function parseCertificate(kind: 'CERT' | 'CERTREQ', body: Uint8Array): Result<Payload, Fault> {
  const reader = new Reader(body);
  const encoding = reader.u8();
  if (reader.short) return fault('syntax', 'short');
  return ok({ kind, encoding, data: reader.rest() });
}

/** RFC 7296 §3.8. */
function parseAuthentication(body: Uint8Array): Result<Payload, Fault> {
  const reader = new Reader(body);
  const method = reader.u8();
  reader.bytes(3); // reserved
  if (reader.short) return fault('syntax', 'short');
  return ok({ kind: 'AUTH', method, data: reader.rest() });
}

/** RFC 7296 §3.10. */
function parseNotify(body: Uint8Array): Result<Payload, Fault> {
  const reader = new Reader(body);
  const protocol = reader.u8();
  const spiSize = reader.u8();
  const type = reader.u16();
  if (reader.short) return fault('syntax', 'short');
  // RFC 7296 §3.10: the size is that of the protocol's SPIs, or zero; for the IKE SA it is zero.
  if (!isNotifySpiSize(protocol, spiSize)) return fault('syntax', `SPI of ${spiSize} octets`);
  const spi = reader.bytes(spiSize);
  if (reader.short) return fault('syntax', `SPI of ${spiSize} octets`);
  // RFC 7296 §3.10: without an SPI the protocol is ignored on receipt.
  return ok({ kind: 'N', protocol: spiSize === 0 ? PROTOCOL.NONE : protocol, spi, type, data: reader.rest() });
}

/** RFC 7296 §3.11. */
function parseDelete(body: Uint8Array): Result<Payload, Fault> {
  const reader = new Reader(body);
  const protocol = reader.u8();
  const spiSize = reader.u8();
  const count = reader.u16();
  if (reader.short) return fault('syntax', 'short');
  // RFC 7296 §3.11: zero for IKE, whose SPIs are in the header; four for AH and ESP. Unknown protocols say it themselves.
  if (!isDeleteSpiSize(protocol, spiSize)) return fault('syntax', `protocol ${protocol} with SPIs of ${spiSize} octets`);
  if (spiSize * count !== reader.remaining || (spiSize === 0 && count !== 0))
    return fault('syntax', `${count} SPIs in ${reader.remaining} octets`);
  if (count > MAX_SPIS) return fault('too-many', 'SPIs');
  const spis: Uint8Array[] = [];
  for (let i = 0; i < count; i++) spis.push(reader.bytes(spiSize));
  return ok({ kind: 'D', protocol, spis });
}

/** RFC 7296 §3.16. What the message says is for the EAP method. */
function parseEap(body: Uint8Array): Result<Payload, Fault> {
  if (!isEapMessage(body)) return fault('syntax', `EAP length in ${body.length} octets`);
  return ok({ kind: 'EAP', message: body });
}

/** RFC 7296 §3.16: the length inside is four less than the payload's, that is the message's own. */
export function isEapMessage(message: Uint8Array): boolean {
  const reader = new Reader(message);
  reader.u16(); // code and identifier
  return reader.u16() === message.length && !reader.short;
}
