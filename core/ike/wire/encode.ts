/**
 * Message to bytes (RFC 7296 §3, RFC 7383 §2.5). Reserved fields are zero and the critical bit is clear (§2.5: no payload
 * defined there has it set), except on `unknown` payloads, which say it themselves.
 * An `unknown` payload may have any type, so tests can send what the typed ones refuse.
 * A value that the format cannot carry is a programmer's mistake and throws a RangeError.
 */
import { Writer } from '../../bytes/writer.ts';
import { ATTRIBUTE_KEY_LENGTH, FLAG, PAYLOAD, PROTOCOL, TS_TYPE } from './constants.ts';
import type { Header, Payload, PayloadOf, Proposal, TrafficSelector, Transform } from './message.ts';
import {
  GENERIC_HEADER_LENGTH,
  HEADER_LENGTH,
  isEapMessage,
  isIdentityLength,
  isPuzzleSolution,
  MAX_PAYLOADS,
  MAX_SPIS,
} from './parse.ts';
import { isSelectorOrdered, MAX_CONFIG_ATTRIBUTES, MORE_PROPOSALS, MORE_TRANSFORMS } from './parseNested.ts';
import { isDeleteSpiSize, isNotifySpiSize, isProposalSpiSize } from './spi.ts';

/** Which of the two encrypted payloads; fragments are counted from 1. */
export type EncryptedKind = 'SK' | { readonly fragment: number; readonly total: number };

/** A whole message with all lengths set. An SK or SKF payload, already encrypted, may be the last one. */
export function encodeMessage(header: Header, payloads: readonly Payload[]): Uint8Array {
  const writer = new Writer();
  writeHeader(writer, header, firstType(payloads));
  writePayloads(writer, payloads);
  writer.patch32(HEADER_LENGTH - 4, writer.length);
  return writer.finish();
}

/** The plaintext of an SK payload before padding, and the type that its Next Payload field must have. */
export function encodePayloads(payloads: readonly Payload[]): { readonly first: number; readonly bytes: Uint8Array } {
  const writer = new Writer();
  writePayloads(writer, payloads);
  return { first: firstType(payloads), bytes: writer.finish() };
}

/**
 * Header, payloads in the clear and generic header (with the fragment numbers) of a message whose last payload is encrypted. `bodyLength`
 * is IV + ciphertext + ICV. These octets are the associated data of RFC 5282 §5.1 and the front of the message.
 */
export function encodeEncryptedPrefix(
  header: Header,
  kind: EncryptedKind,
  firstInner: number,
  bodyLength: number,
  inTheClear: readonly Payload[] = [],
): Uint8Array {
  const numbers = kind === 'SK' ? 0 : 4;
  const type = kind === 'SK' ? PAYLOAD.SK : PAYLOAD.SKF;
  const writer = new Writer(HEADER_LENGTH + GENERIC_HEADER_LENGTH + numbers);
  writeHeader(writer, header, inTheClear.length > 0 ? firstType(inTheClear) : type);
  writePayloads(writer, inTheClear, type);
  writer.patch32(HEADER_LENGTH - 4, writer.length + GENERIC_HEADER_LENGTH + numbers + bodyLength);
  const length = GENERIC_HEADER_LENGTH + numbers + bodyLength;
  demand(bodyLength >= 0 && length <= 0xffff, `encrypted payload of ${length} octets`);
  if (kind === 'SK') {
    writer.u8(octet(firstInner)).u8(0).u16(length);
  } else {
    demand(
      kind.fragment >= 1 && kind.fragment <= kind.total && kind.total <= 0xffff,
      `fragment ${kind.fragment} of ${kind.total}`,
    );
    // RFC 7383 §2.5: the first fragment names the first inner payload, the others say zero.
    writer
      .u8(kind.fragment === 1 ? octet(firstInner) : 0)
      .u8(0)
      .u16(length);
    writer.u16(kind.fragment).u16(kind.total);
  }
  return writer.finish();
}

function writeHeader(writer: Writer, header: Header, next: number): void {
  demand(header.spiI.length === 8 && header.spiR.length === 8, 'SPIs of the IKE SA are 8 octets');
  demand(header.majorVersion <= 15 && header.minorVersion <= 15, 'version');
  demand(header.messageId >= 0 && header.messageId <= 0xffff_ffff, `message id ${header.messageId}`);
  const { initiator, version, response } = header.flags;
  writer.bytes(header.spiI).bytes(header.spiR).u8(next);
  writer.u8((header.majorVersion << 4) | header.minorVersion).u8(octet(header.exchange));
  writer.u8((initiator ? FLAG.INITIATOR : 0) | (version ? FLAG.VERSION : 0) | (response ? FLAG.RESPONSE : 0));
  writer.u32(header.messageId).u32(0);
}

function firstType(payloads: readonly Payload[]): number {
  return payloads.length === 0 ? PAYLOAD.NONE : typeOf(payloads[0]);
}

function typeOf(payload: Payload): number {
  return payload.kind === 'unknown' ? payload.type : PAYLOAD[payload.kind];
}

/** `after` is the type of what comes behind the last of them. */
function writePayloads(writer: Writer, payloads: readonly Payload[], after: number = PAYLOAD.NONE): void {
  demand(payloads.length <= MAX_PAYLOADS, `${payloads.length} payloads`);
  for (const [i, payload] of payloads.entries()) {
    const encrypted = payload.kind === 'SK' || payload.kind === 'SKF';
    // RFC 7296 §3.14: the encrypted payload is the last, and its Next Payload field tells what is inside.
    demand(!encrypted || i === payloads.length - 1, 'the encrypted payload is the last one');
    const next = encrypted ? payload.firstInner : i + 1 < payloads.length ? typeOf(payloads[i + 1]) : after;
    const start = writer.length;
    writer
      .u8(octet(next))
      .u8(payload.kind === 'unknown' && payload.critical ? 0x80 : 0)
      .u16(0);
    writeBody(writer, payload);
    const length = writer.length - start;
    demand(length <= 0xffff, `${payload.kind} payload of ${length} octets`);
    writer.patch16(start + 2, length);
  }
}

function writeBody(writer: Writer, payload: Payload): void {
  switch (payload.kind) {
    case 'SA':
      writeProposals(writer, payload.proposals);
      return;
    case 'KE':
      demand(payload.data.length > 0, 'KE without data');
      writer.u16(word(payload.method)).u16(0).bytes(payload.data);
      return;
    case 'IDi':
    case 'IDr':
      demand(
        isIdentityLength(payload.idType, payload.data.length),
        `identity ${payload.idType} of ${payload.data.length} octets`,
      );
      writer.u32(octet(payload.idType) * 0x1000000 + (payload.reserved ?? 0)).bytes(payload.data);
      return;
    case 'CERT':
    case 'CERTREQ':
      writer.u8(octet(payload.encoding)).bytes(payload.data);
      return;
    case 'AUTH':
      writer.u8(octet(payload.method)).zeros(3).bytes(payload.data);
      return;
    case 'NONCE':
      // RFC 7296 §3.9.
      demand(payload.data.length >= 16 && payload.data.length <= 256, `nonce of ${payload.data.length} octets`);
      writer.bytes(payload.data);
      return;
    case 'N':
      writeNotify(writer, payload);
      return;
    case 'D':
      writeDelete(writer, payload);
      return;
    case 'V':
      writer.bytes(payload.data);
      return;
    case 'TSi':
    case 'TSr':
      writeSelectors(writer, payload.selectors);
      return;
    case 'CP':
      writeConfiguration(writer, payload);
      return;
    case 'PS':
      demand(isPuzzleSolution(payload.data), `puzzle solution of ${payload.data.length} octets`);
      writer.bytes(payload.data);
      return;
    case 'EAP':
      demand(isEapMessage(payload.message), 'EAP message with another length inside');
      writer.bytes(payload.message);
      return;
    case 'SK':
      writer.bytes(payload.body);
      return;
    case 'SKF':
      demand(payload.fragment >= 1 && payload.fragment <= payload.total, `fragment ${payload.fragment} of ${payload.total}`);
      writer.u16(payload.fragment).u16(word(payload.total)).bytes(payload.body);
      return;
    case 'unknown':
      writer.bytes(payload.body);
      return;
  }
}

function writeProposals(writer: Writer, proposals: readonly Proposal[]): void {
  demand(proposals.length > 0, 'SA without proposals');
  for (const [i, proposal] of proposals.entries()) {
    demand(proposals.length === 1 || proposal.number === i + 1, `proposal ${i + 1} with number ${proposal.number}`);
    const { transforms, spi } = proposal;
    demand(
      proposal.number > 0 && transforms.length > 0 && transforms.length <= 255,
      `proposal ${i + 1}: ${transforms.length} transforms`,
    );
    demand(isProposalSpiSize(proposal.protocol, spi.length), `protocol ${proposal.protocol} with an SPI of ${spi.length} octets`);
    const start = writer.length;
    const last = i < proposals.length - 1 ? MORE_PROPOSALS : 0;
    writer.u8(last).u8(0).u16(0);
    writer.u8(octet(proposal.number)).u8(octet(proposal.protocol)).u8(octet(spi.length)).u8(transforms.length).bytes(spi);
    for (const [t, transform] of transforms.entries()) writeTransform(writer, transform, t < transforms.length - 1);
    writer.patch16(start + 2, writer.length - start);
  }
}

function writeTransform(writer: Writer, transform: Transform, more: boolean): void {
  // RFC 7296 §3.3.6: a transform with an attribute that is not understood is never chosen, hence never sent.
  demand(transform.unknownAttribute !== true, 'transform with an unknown attribute');
  const last = more ? MORE_TRANSFORMS : 0;
  const length = transform.keyLength === undefined ? 8 : 12;
  writer.u8(last).u8(0).u16(length);
  writer.u8(octet(transform.type)).u8(0).u16(word(transform.id));
  // RFC 7296 §3.3.5: Key Length is always in TV format.
  if (transform.keyLength !== undefined) writer.u16(0x8000 | ATTRIBUTE_KEY_LENGTH).u16(word(transform.keyLength));
}

function writeNotify(writer: Writer, payload: PayloadOf<'N'>): void {
  // RFC 7296 §3.10: the protocol is sent as zero when there is no SPI.
  demand(
    isNotifySpiSize(payload.protocol, payload.spi.length),
    `protocol ${payload.protocol} with an SPI of ${payload.spi.length} octets`,
  );
  writer.u8(payload.spi.length === 0 ? PROTOCOL.NONE : octet(payload.protocol)).u8(octet(payload.spi.length));
  writer.u16(word(payload.type)).bytes(payload.spi).bytes(payload.data);
}

function writeDelete(writer: Writer, payload: PayloadOf<'D'>): void {
  const size = payload.spis.length === 0 ? 0 : payload.spis[0].length;
  demand(payload.spis.length <= MAX_SPIS && payload.spis.every((spi) => spi.length === size), 'SPIs of a Delete have one size');
  // RFC 7296 §3.11: zero for IKE and four for AH and ESP.
  demand(isDeleteSpiSize(payload.protocol, size), `protocol ${payload.protocol} with SPIs of ${size} octets`);
  writer.u8(octet(payload.protocol)).u8(size).u16(payload.spis.length);
  for (const spi of payload.spis) writer.bytes(spi);
}

/** Selectors of unknown types were only counted, so there is nothing to write of them. */
function writeSelectors(writer: Writer, selectors: readonly TrafficSelector[]): void {
  demand(selectors.length > 0 && selectors.length <= 255, `${selectors.length} traffic selectors`);
  writer.u8(selectors.length).zeros(3);
  for (const selector of selectors) {
    const octets = selector.type === 'ipv4' ? 4 : 16;
    demand(selector.start.length === octets && selector.end.length === octets, `${selector.type} address of another length`);
    demand(isSelectorOrdered(selector), 'traffic selector that ends before it starts');
    writer.u8(selector.type === 'ipv4' ? TS_TYPE.IPV4_ADDR_RANGE : TS_TYPE.IPV6_ADDR_RANGE).u8(octet(selector.protocol));
    writer
      .u16(8 + 2 * octets)
      .u16(word(selector.startPort))
      .u16(word(selector.endPort));
    writer.bytes(selector.start).bytes(selector.end);
  }
}

function writeConfiguration(writer: Writer, payload: PayloadOf<'CP'>): void {
  demand(payload.attributes.length <= MAX_CONFIG_ATTRIBUTES, `${payload.attributes.length} configuration attributes`);
  writer.u8(octet(payload.cfgType)).zeros(3);
  for (const { type, value } of payload.attributes) {
    demand(type >= 0 && type <= 0x7fff, `configuration attribute ${type}`);
    writer.u16(type).u16(word(value.length)).bytes(value);
  }
}

function octet(value: number): number {
  demand(value >= 0 && value <= 0xff, `${value} in one octet`);
  return value;
}

function word(value: number): number {
  demand(value >= 0 && value <= 0xffff, `${value} in two octets`);
  return value;
}

function demand(holds: boolean, what: string): void {
  if (!holds) throw new RangeError(`IKE message cannot be encoded: ${what}`);
}
