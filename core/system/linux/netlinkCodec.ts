/** rtnetlink messages as octets: pure, no socket. Numbers are host order (all our machines are little-endian), addresses network order. */
import { FIB_RULE_HDR, IFADDRMSG, IFINFOMSG, NLMSGERR, NLMSGHDR, RTATTR, RTMSG } from '../ffi/layouts.ts';

export const RTM = {
  NEWLINK: 16,
  DELLINK: 17,
  GETLINK: 18,
  NEWADDR: 20,
  DELADDR: 21,
  GETADDR: 22,
  NEWROUTE: 24,
  DELROUTE: 25,
  GETROUTE: 26,
  NEWRULE: 32,
  DELRULE: 33,
  GETRULE: 34,
} as const;

export const NLM = {
  REQUEST: 0x1,
  ACK: 0x4,
  DUMP: 0x300,
  EXCL: 0x200,
  CREATE: 0x400,
  REPLACE: 0x100,
  CAPPED: 0x100,
  ACK_TLVS: 0x200,
} as const;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

export const IFLA = { IFNAME: 3, MTU: 4, LINKINFO: 18, INFO_KIND: 1 } as const;
export const IFA = { ADDRESS: 1, LOCAL: 2, FLAGS: 8 } as const;
export const IFA_F = { NODAD: 0x02, NOPREFIXROUTE: 0x200 } as const;
export const RTA = { DST: 1, OIF: 4, PRIORITY: 6, PREFSRC: 7, TABLE: 15, MARK: 16 } as const;
export const FRA = { DST: 1, PRIORITY: 6, FWMARK: 10, SUPPRESS_PREFIXLEN: 14, TABLE: 15, FWMASK: 16 } as const;
export const IFF_UP = 1;
/** The driver has a carrier: a cable is in, or a network joined (netdevice(7)). */
export const IFF_LOWER_UP = 0x1_0000;
export const RT_TABLE_MAIN = 254;
export const FR_ACT_TO_TBL = 1;
export const FIB_RULE_INVERT = 0x2;
/** `proto static`: what an administrator set; ours are told apart by their table. */
export const RTPROT_STATIC = 4;
export const RT_SCOPE_UNIVERSE = 0;
export const RT_SCOPE_LINK = 253;
export const RTN_UNICAST = 1;
/** Whoever sends there is told that nobody is there. */
export const RTN_UNREACHABLE = 7;

export interface Attribute {
  readonly type: number;
  readonly value: Uint8Array;
}

export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** What follows the netlink header. */
  readonly body: Uint8Array;
}

/** A request: netlink header, family header, attributes, each aligned to 4 octets. */
export function encodeRequest(
  type: number,
  flags: number,
  sequence: number,
  header: Uint8Array,
  attributes: readonly Attribute[],
): Uint8Array {
  const length = attributes.reduce(
    (sum, { value }) => sum + align(RTATTR.size + value.length),
    NLMSGHDR.size + align(header.length),
  );
  const out = new Uint8Array(length);
  const view = new DataView(out.buffer);
  view.setUint32(NLMSGHDR.offset.length, length, true);
  view.setUint16(NLMSGHDR.offset.type, type, true);
  view.setUint16(NLMSGHDR.offset.flags, flags, true);
  view.setUint32(NLMSGHDR.offset.sequence, sequence, true);
  out.set(header, NLMSGHDR.size);
  let at = NLMSGHDR.size + align(header.length);
  for (const { type: attribute, value } of attributes) {
    view.setUint16(at + RTATTR.offset.length, RTATTR.size + value.length, true);
    view.setUint16(at + RTATTR.offset.type, attribute, true);
    out.set(value, at + RTATTR.size);
    at += align(RTATTR.size + value.length);
  }
  return out;
}

/** The messages of one datagram. Undefined when the lengths do not add up (never from the kernel). */
export function decodeMessages(datagram: Uint8Array): Message[] | undefined {
  const view = viewOf(datagram);
  const messages: Message[] = [];
  for (let at = 0; at < datagram.length; ) {
    if (at + NLMSGHDR.size > datagram.length) return undefined;
    const length = view.getUint32(at + NLMSGHDR.offset.length, true);
    if (length < NLMSGHDR.size || at + length > datagram.length) return undefined;
    messages.push({
      type: view.getUint16(at + NLMSGHDR.offset.type, true),
      flags: view.getUint16(at + NLMSGHDR.offset.flags, true),
      sequence: view.getUint32(at + NLMSGHDR.offset.sequence, true),
      body: datagram.subarray(at + NLMSGHDR.size, at + length),
    });
    at += align(length);
  }
  return messages;
}

/** Attributes from `at` to the end; stops at the first that does not fit. Nesting and byte-order flags are taken off the type. */
export function decodeAttributes(body: Uint8Array, from: number): Map<number, Uint8Array> {
  const view = viewOf(body);
  const found = new Map<number, Uint8Array>();
  for (let at = align(from); at + RTATTR.size <= body.length; ) {
    const length = view.getUint16(at + RTATTR.offset.length, true);
    if (length < RTATTR.size || at + length > body.length) break;
    found.set(view.getUint16(at + RTATTR.offset.type, true) & 0x3fff, body.subarray(at + RTATTR.size, at + length));
    at += align(length);
  }
  return found;
}

/** NLMSG_ERROR: the errno (0 is the acknowledgement) and the kernel's words where it gave some (NETLINK_EXT_ACK). */
export function decodeError(message: Message): { readonly errno: number; readonly text: string } {
  const { body } = message;
  if (body.length < NLMSGERR.size) return { errno: 0, text: '' };
  const errno = -viewOf(body).getInt32(NLMSGERR.offset.error, true);
  if ((message.flags & NLM.ACK_TLVS) === 0) return { errno, text: '' };
  // The request is echoed before the attributes, its header only when it was capped.
  const echoed = (message.flags & NLM.CAPPED) !== 0 ? NLMSGHDR.size : viewOf(body).getUint32(4 + NLMSGHDR.offset.length, true);
  const text = decodeAttributes(body, 4 + echoed).get(1);
  return { errno, text: text === undefined ? '' : new TextDecoder().decode(text).replace(/\0.*$/s, '') };
}

export interface LinkHeader {
  readonly index: number;
  readonly flags: number;
  /** Which of the flags to change. */
  readonly change: number;
}

export function encodeLinkHeader(link: LinkHeader): Uint8Array {
  const [out, view] = blank(IFINFOMSG);
  view.setInt32(IFINFOMSG.offset.index, link.index, true);
  view.setUint32(IFINFOMSG.offset.flags, link.flags, true);
  view.setUint32(IFINFOMSG.offset.change, link.change, true);
  return out;
}

export function encodeAddressHeader(family: number, prefix: number, index: number): Uint8Array {
  const [out, view] = blank(IFADDRMSG);
  view.setUint8(IFADDRMSG.offset.family, family);
  view.setUint8(IFADDRMSG.offset.prefix, prefix);
  view.setUint32(IFADDRMSG.offset.index, index, true);
  return out;
}

export function encodeRouteHeader(family: number, prefix: number, scope: number, type: number): Uint8Array {
  const [out, view] = blank(RTMSG);
  view.setUint8(RTMSG.offset.family, family);
  view.setUint8(RTMSG.offset.dstLength, prefix);
  view.setUint8(RTMSG.offset.protocol, RTPROT_STATIC);
  view.setUint8(RTMSG.offset.scope, scope);
  view.setUint8(RTMSG.offset.type, type);
  return out;
}

export function encodeRuleHeader(family: number, flags: number, destinationPrefix = 0): Uint8Array {
  const [out, view] = blank(FIB_RULE_HDR);
  view.setUint8(FIB_RULE_HDR.offset.family, family);
  view.setUint8(FIB_RULE_HDR.offset.dstLength, destinationPrefix);
  view.setUint8(FIB_RULE_HDR.offset.action, FR_ACT_TO_TBL);
  view.setUint32(FIB_RULE_HDR.offset.flags, flags, true);
  return out;
}

export function u32(value: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value, true);
  return out;
}

/** A `u32` attribute, or undefined when it is absent. */
export function readU32(value: Uint8Array | undefined): number | undefined {
  return value === undefined || value.length < 4 ? undefined : viewOf(value).getUint32(0, true);
}

/** A zero-terminated string; empty when absent. */
export function readCString(value: Uint8Array | undefined): string {
  return value === undefined ? '' : new TextDecoder().decode(value).replace(/\0.*$/s, '');
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function align(length: number): number {
  return (length + 3) & ~3;
}

function blank(layout: { readonly size: number }): readonly [Uint8Array, DataView] {
  const out = new Uint8Array(layout.size);
  return [out, new DataView(out.buffer)];
}
