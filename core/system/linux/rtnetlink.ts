/** Links, addresses, routes and rules of this network namespace, synchronously: one request, one answer, some 20 µs each. */

import { formatAddress, parseAddress } from '../../bytes/address.ts';
import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import { parseCidr } from '../../ip/cidr.ts';
import {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  EINTR,
  NETLINK_EXT_ACK,
  NETLINK_GET_STRICT_CHK,
  SOCK_CLOEXEC,
  SOCK_RAW,
  SOL_NETLINK,
} from '../ffi/constants.ts';
import { FIB_RULE_HDR, IFADDRMSG, IFINFOMSG, RTMSG, SOCKADDR_NL } from '../ffi/layouts.ts';
import { bind, close, errno, errnoName, recv, send, socket } from '../ffi/libc.ts';
import { Pinned } from '../ffi/memory.ts';
import {
  type Attribute,
  decodeAttributes,
  decodeError,
  decodeMessages,
  encodeAddressHeader,
  encodeLinkHeader,
  encodeRequest,
  encodeRouteHeader,
  encodeRuleHeader,
  FIB_RULE_INVERT,
  FRA,
  IFA,
  IFA_F,
  IFF_LOWER_UP,
  IFF_UP,
  IFLA,
  type Message,
  NLM,
  NLMSG_DONE,
  NLMSG_ERROR,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RTA,
  RTM,
  RTN_UNICAST,
  RTN_UNREACHABLE,
  readCString,
  readU32,
  u32,
  viewOf,
} from './netlinkCodec.ts';
import { setIntegerOption } from './udp.ts';

/** The kernel's refusal: errno, its name, what was asked, and the kernel's own words. */
export interface NetlinkError {
  readonly errno: number;
  readonly detail: string;
}

export interface Link {
  readonly index: number;
  readonly name: string;
  readonly mtu: number;
  readonly up: boolean;
  /** `tun`, `veth`, …; empty for hardware. */
  readonly kind: string;
}

export interface InterfaceAddress {
  readonly address: string;
  readonly prefix: number;
}

export interface Route {
  readonly family: 4 | 6;
  /** `10.0.0.0/8`, `0.0.0.0/0`. */
  readonly destination: string;
  readonly table: number;
  /** Interface index; 0 when it has none (multipath, blackhole). */
  readonly interface: number;
  /** It leads nowhere, and is asked after every other route of its destination. */
  readonly unreachable?: boolean;
}

/** A routing rule, as far as we make some. */
export interface Rule {
  readonly family: 4 | 6;
  readonly priority: number;
  readonly table: number;
  /** `not`: the rule holds for what does not match. */
  readonly invert?: boolean;
  readonly mark?: number;
  readonly suppressPrefixLength?: number;
  /** CIDR; absent: whatever the destination. */
  readonly destination?: string;
}

const ANSWER_MAX = 64 * 1024;
/** Of routes that lead nowhere. Those of devices have 0 (IPv4) and 1024 (IPv6), and less goes first. */
const LAST_METRIC = 0x7fff_ffff;

export class Rtnetlink {
  readonly #fd: number;
  readonly #buffer = new Pinned(ANSWER_MAX);
  #sequence = 0;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  static open(): Result<Rtnetlink, NetlinkError> {
    const fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (fd < 0) return err(failure(errno(), 'netlink socket'));
    setIntegerOption(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
    // Dumps then honour the filter (table, interface) instead of returning everything; an older kernel is filtered below anyway.
    setIntegerOption(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
    const name = new Pinned(SOCKADDR_NL.size);
    name.view.setUint16(SOCKADDR_NL.offset.family, AF_NETLINK, true);
    if (bind(fd, name.address, SOCKADDR_NL.size) < 0) {
      const error = failure(errno(), 'bind netlink');
      close(fd);
      return err(error);
    }
    return ok(new Rtnetlink(fd));
  }

  close(): void {
    close(this.#fd);
  }

  links(): Result<readonly Link[], NetlinkError> {
    const answer = this.#dump(RTM.GETLINK, encodeLinkHeader({ index: 0, flags: 0, change: 0 }), RTM.NEWLINK, 'list links');
    return answer.ok ? ok(answer.value.map(readLink)) : answer;
  }

  link(name: string): Result<Link | undefined, NetlinkError> {
    const all = this.links();
    return all.ok ? ok(all.value.find((link) => link.name === name)) : all;
  }

  setLink(index: number, change: { readonly up?: boolean; readonly mtu?: number }): Result<undefined, NetlinkError> {
    const flags = change.up === undefined ? { flags: 0, change: 0 } : { flags: change.up ? IFF_UP : 0, change: IFF_UP };
    const attributes: Attribute[] = change.mtu === undefined ? [] : [{ type: IFLA.MTU, value: u32(change.mtu) }];
    return this.#change(RTM.NEWLINK, 0, encodeLinkHeader({ index, ...flags }), attributes, `set link ${index}`);
  }

  deleteLink(index: number): Result<undefined, NetlinkError> {
    return this.#change(RTM.DELLINK, 0, encodeLinkHeader({ index, flags: 0, change: 0 }), [], `delete link ${index}`);
  }

  addresses(index: number): Result<readonly InterfaceAddress[], NetlinkError> {
    const found: InterfaceAddress[] = [];
    for (const family of [AF_INET, AF_INET6]) {
      const answer = this.#dump(RTM.GETADDR, encodeAddressHeader(family, 0, index), RTM.NEWADDR, 'list addresses');
      if (!answer.ok) return answer;
      for (const body of answer.value) {
        if (viewOf(body).getUint32(IFADDRMSG.offset.index, true) !== index) continue;
        const attributes = decodeAttributes(body, IFADDRMSG.size);
        const bytes = attributes.get(IFA.LOCAL) ?? attributes.get(IFA.ADDRESS);
        if (bytes === undefined) continue;
        found.push({ address: formatAddress(bytes), prefix: viewOf(body).getUint8(IFADDRMSG.offset.prefix) });
      }
    }
    return ok(found);
  }

  /** IPv6 without duplicate address detection: nobody else is on a TUN, and the address must work at once. No route comes with it. */
  addAddress(index: number, { address, prefix }: InterfaceAddress): Result<undefined, NetlinkError> {
    const request = addressRequest(index, address, prefix);
    if (request === undefined) return err(failure(22, `address ${address}/${prefix}`));
    const flags = (request.family === AF_INET6 ? IFA_F.NODAD : 0) | IFA_F.NOPREFIXROUTE;
    const attributes = [...request.attributes, { type: IFA.FLAGS, value: u32(flags) }];
    return this.#change(RTM.NEWADDR, NLM.CREATE | NLM.EXCL, request.header, attributes, `add address ${address}/${prefix}`);
  }

  deleteAddress(index: number, { address, prefix }: InterfaceAddress): Result<undefined, NetlinkError> {
    const request = addressRequest(index, address, prefix);
    if (request === undefined) return err(failure(22, `address ${address}/${prefix}`));
    return this.#change(RTM.DELADDR, 0, request.header, request.attributes, `delete address ${address}/${prefix}`);
  }

  /** All routes of a table, both families. */
  routes(table: number): Result<readonly Route[], NetlinkError> {
    const found: Route[] = [];
    for (const family of [AF_INET, AF_INET6]) {
      const header = new Uint8Array(RTMSG.size);
      header[RTMSG.offset.family] = family;
      const filter = [{ type: RTA.TABLE, value: u32(table) }];
      const answer = this.#dump(RTM.GETROUTE, header, RTM.NEWROUTE, `list routes of table ${table}`, filter);
      if (!answer.ok) {
        // The kernel's word for "there is no such table".
        if (answer.error.errno === 2) continue;
        return answer;
      }
      found.push(...answer.value.map(readRoute).filter((route) => route.table === table));
    }
    return ok(found);
  }

  addRoute(route: Route): Result<undefined, NetlinkError> {
    const request = routeRequest(route);
    if (request === undefined) return err(failure(22, `route ${route.destination}`));
    const { header, attributes } = request;
    return this.#change(RTM.NEWROUTE, NLM.CREATE | NLM.REPLACE, header, attributes, `add route ${route.destination}`);
  }

  deleteRoute(route: Route): Result<undefined, NetlinkError> {
    const request = routeRequest(route);
    if (request === undefined) return err(failure(22, `route ${route.destination}`));
    return this.#change(RTM.DELROUTE, 0, request.header, request.attributes, `delete route ${route.destination}`);
  }

  /**
   * The address that the kernel would give to packets with this mark that go there; undefined where there is no way. A route stays when its
   * cable is pulled, for seconds or for ever, and the kernel goes on using it (`ignore_routes_with_linkdown`): that is none. Nor is one from a
   * link-local address, of which the kernel knows no better where IPv6 has a router and no address of its own yet (RFC 4862 §5.4), or never
   * gets one: no router forwards such packets (RFC 4291 §2.5.6).
   */
  sourceTowards(address: string, mark: number): string | undefined {
    const bytes = parseAddress(address);
    if (bytes === undefined) return undefined;
    const header = new Uint8Array(RTMSG.size);
    header[RTMSG.offset.family] = bytes.length === 4 ? AF_INET : AF_INET6;
    header[RTMSG.offset.dstLength] = bytes.length * 8;
    const attributes = [
      { type: RTA.DST, value: bytes },
      { type: RTA.MARK, value: u32(mark) },
    ];
    const answer = this.#exchange(RTM.GETROUTE, NLM.ACK, header, attributes, `route to ${address}`);
    const route = answer.ok ? answer.value.find(({ type }) => type === RTM.NEWROUTE) : undefined;
    const found = route && decodeAttributes(route.body, RTMSG.size);
    const source = found?.get(RTA.PREFSRC);
    const device = readU32(found?.get(RTA.OIF));
    if (source && isLinkLocal(source) && !isLinkLocal(bytes)) return undefined;
    return source && (device === undefined || this.#hasCarrier(device)) ? formatAddress(source) : undefined;
  }

  /** Also of a device that the kernel does not tell of. */
  #hasCarrier(index: number): boolean {
    const header = encodeLinkHeader({ index, flags: 0, change: 0 });
    const answer = this.#exchange(RTM.GETLINK, NLM.ACK, header, [], `link ${index}`);
    const link = answer.ok ? answer.value.find(({ type }) => type === RTM.NEWLINK) : undefined;
    return !link || (viewOf(link.body).getUint32(IFINFOMSG.offset.flags, true) & IFF_LOWER_UP) !== 0;
  }

  /** All rules of both families. */
  rules(): Result<readonly Rule[], NetlinkError> {
    const found: Rule[] = [];
    for (const family of [AF_INET, AF_INET6]) {
      const header = new Uint8Array(FIB_RULE_HDR.size);
      header[FIB_RULE_HDR.offset.family] = family;
      const answer = this.#dump(RTM.GETRULE, header, RTM.NEWRULE, 'list rules');
      if (!answer.ok) return answer;
      found.push(...answer.value.map(readRule));
    }
    return ok(found);
  }

  addRule(rule: Rule): Result<undefined, NetlinkError> {
    return this.#change(RTM.NEWRULE, NLM.CREATE | NLM.EXCL, ...ruleRequest(rule), `add rule ${rule.priority} IPv${rule.family}`);
  }

  deleteRule(rule: Rule): Result<undefined, NetlinkError> {
    return this.#change(RTM.DELRULE, 0, ...ruleRequest(rule), `delete rule ${rule.priority} IPv${rule.family}`);
  }

  #change(
    type: number,
    flags: number,
    header: Uint8Array,
    attributes: readonly Attribute[],
    what: string,
  ): Result<undefined, NetlinkError> {
    const answer = this.#exchange(type, flags | NLM.ACK, header, attributes, what);
    return answer.ok ? ok(undefined) : answer;
  }

  #dump(
    type: number,
    header: Uint8Array,
    wanted: number,
    what: string,
    filter: readonly Attribute[] = [],
  ): Result<readonly Uint8Array[], NetlinkError> {
    const answer = this.#exchange(type, NLM.DUMP, header, filter, what);
    if (!answer.ok) return answer;
    return ok(answer.value.filter((message) => message.type === wanted).map(({ body }) => body));
  }

  /** Sends, and reads until the acknowledgement, the end of the dump or an error. The kernel answers in this very call. */
  #exchange(
    type: number,
    flags: number,
    header: Uint8Array,
    attributes: readonly Attribute[],
    what: string,
  ): Result<readonly Message[], NetlinkError> {
    this.#sequence += 1;
    const request = new Pinned(encodeRequest(type, flags | NLM.REQUEST, this.#sequence, header, attributes));
    if (send(this.#fd, request.address, request.bytes.length, 0) < 0) return err(failure(errno(), what));
    const collected: Message[] = [];
    for (;;) {
      const length = recv(this.#fd, this.#buffer.address, ANSWER_MAX, 0);
      if (length < 0) {
        const number = errno();
        if (number === EINTR) continue;
        return err(failure(number, what));
      }
      const messages = decodeMessages(this.#buffer.bytes.slice(0, length));
      if (messages === undefined) return err({ errno: 0, detail: `${what}: the kernel's answer is cut off` });
      for (const message of messages) {
        if (message.sequence !== this.#sequence) continue;
        if (message.type === NLMSG_ERROR) {
          const { errno: number, text } = decodeError(message);
          return number === 0 ? ok(collected) : err(failure(number, what, text));
        }
        if (message.type === NLMSG_DONE) {
          const number = message.body.length >= 4 ? -viewOf(message.body).getInt32(0, true) : 0;
          return number > 0 ? err(failure(number, what)) : ok(collected);
        }
        collected.push(message);
      }
    }
  }
}

function failure(number: number, what: string, text = ''): NetlinkError {
  return { errno: number, detail: `${what}: ${errnoName(number)}${text === '' ? '' : ` (${text})`}` };
}

function readLink(body: Uint8Array): Link {
  const attributes = decodeAttributes(body, IFINFOMSG.size);
  const info = attributes.get(IFLA.LINKINFO);
  return {
    index: viewOf(body).getInt32(IFINFOMSG.offset.index, true),
    name: readCString(attributes.get(IFLA.IFNAME)),
    mtu: readU32(attributes.get(IFLA.MTU)) ?? 0,
    up: (viewOf(body).getUint32(IFINFOMSG.offset.flags, true) & IFF_UP) !== 0,
    kind: info === undefined ? '' : readCString(decodeAttributes(info, 0).get(IFLA.INFO_KIND)),
  };
}

function addressRequest(index: number, address: string, prefix: number) {
  const bytes = parseAddress(address);
  if (bytes === undefined) return undefined;
  const family = bytes.length === 4 ? AF_INET : AF_INET6;
  const attributes: Attribute[] = [
    { type: IFA.LOCAL, value: bytes },
    { type: IFA.ADDRESS, value: bytes },
  ];
  return { family, header: encodeAddressHeader(family, prefix, index), attributes };
}

function readRoute(body: Uint8Array): Route {
  const attributes = decodeAttributes(body, RTMSG.size);
  const family = body[RTMSG.offset.family] === AF_INET ? 4 : 6;
  const destination = formatAddress(attributes.get(RTA.DST) ?? new Uint8Array(family === 4 ? 4 : 16));
  return {
    family,
    destination: `${destination}/${body[RTMSG.offset.dstLength]}`,
    table: readU32(attributes.get(RTA.TABLE)) ?? body[RTMSG.offset.table],
    interface: readU32(attributes.get(RTA.OIF)) ?? 0,
    ...(body[RTMSG.offset.type] === RTN_UNREACHABLE && { unreachable: true }),
  };
}

function routeRequest(route: Route) {
  const cidr = parseCidr(route.destination);
  if (cidr === undefined || cidr.network.length !== (route.family === 4 ? 4 : 16)) return undefined;
  const family = route.family === 4 ? AF_INET : AF_INET6;
  const attributes: Attribute[] = [
    { type: RTA.TABLE, value: u32(route.table) },
    { type: RTA.DST, value: cidr.network },
  ];
  if (route.unreachable === true) {
    attributes.push({ type: RTA.PRIORITY, value: u32(LAST_METRIC) });
    return { header: encodeRouteHeader(family, cidr.prefix, RT_SCOPE_UNIVERSE, RTN_UNREACHABLE), attributes };
  }
  attributes.push({ type: RTA.OIF, value: u32(route.interface) });
  const scope = route.family === 4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  return { header: encodeRouteHeader(family, cidr.prefix, scope, RTN_UNICAST), attributes };
}

function readRule(body: Uint8Array): Rule {
  const attributes = decodeAttributes(body, FIB_RULE_HDR.size);
  const mark = readU32(attributes.get(FRA.FWMARK));
  const suppress = readU32(attributes.get(FRA.SUPPRESS_PREFIXLEN));
  const destination = attributes.get(FRA.DST);
  const invert = (viewOf(body).getUint32(FIB_RULE_HDR.offset.flags, true) & FIB_RULE_INVERT) !== 0;
  return {
    family: body[FIB_RULE_HDR.offset.family] === AF_INET ? 4 : 6,
    priority: readU32(attributes.get(FRA.PRIORITY)) ?? 0,
    table: readU32(attributes.get(FRA.TABLE)) ?? body[FIB_RULE_HDR.offset.table],
    ...(invert ? { invert } : {}),
    ...(mark === undefined || mark === 0 ? {} : { mark }),
    ...(suppress === undefined || suppress === 0xffff_ffff ? {} : { suppressPrefixLength: suppress }),
    ...(destination && { destination: `${formatAddress(destination)}/${body[FIB_RULE_HDR.offset.dstLength]}` }),
  };
}

function ruleRequest(rule: Rule): readonly [Uint8Array, readonly Attribute[]] {
  const attributes: Attribute[] = [
    { type: FRA.PRIORITY, value: u32(rule.priority) },
    { type: FRA.TABLE, value: u32(rule.table) },
  ];
  if (rule.mark !== undefined) {
    attributes.push({ type: FRA.FWMARK, value: u32(rule.mark) }, { type: FRA.FWMASK, value: u32(0xffff_ffff) });
  }
  if (rule.suppressPrefixLength !== undefined) {
    attributes.push({ type: FRA.SUPPRESS_PREFIXLEN, value: u32(rule.suppressPrefixLength) });
  }
  const cidr = rule.destination === undefined ? undefined : parseCidr(rule.destination);
  if (cidr) attributes.push({ type: FRA.DST, value: cidr.network });
  const family = rule.family === 4 ? AF_INET : AF_INET6;
  return [encodeRuleHeader(family, rule.invert === true ? FIB_RULE_INVERT : 0, cidr?.prefix), attributes];
}

/** fe80::/10 */
function isLinkLocal(address: Uint8Array): boolean {
  return address.length === 16 && address[0] === 0xfe && (address[1] & 0xc0) === 0x80;
}
