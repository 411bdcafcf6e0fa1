/** The configuration payload of a client (RFC 7296 §2.19, §3.15; RFC 8598): what to ask for, and what to believe of the reply. */

import { formatAddress, parseAddress } from '../../bytes/address.ts';
import { concat, equalBytes, toUtf8 } from '../../bytes/bytes.ts';
import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import { formatCidr, maskAddress } from '../../ip/cidr.ts';
import type { Configuration, IkeConfig } from '../sa/contract.ts';
import { CP_ATTRIBUTE, CP_TYPE, nameOf } from '../wire/constants.ts';
import type { ConfigAttribute, PayloadOf } from '../wire/message.ts';

/** More than any resolver asks, more than any office needs; what is beyond is left out with a note. */
const MAX_DNS = 8;
const MAX_DOMAINS = 32;
const MAX_SUBNETS = 256;
const MAX_VERSION_TEXT = 128;

type Wanted = IkeConfig['request'];

/** CFG_REQUEST with an attribute for each thing wanted, empty but for addresses that we had before; undefined when nothing is. */
export function configurationRequest(wanted: Wanted): PayloadOf<'CP'> | undefined {
  if (!wanted.ipv4 && !wanted.ipv6 && !wanted.dns) return undefined;
  const types: number[] = [];
  if (wanted.ipv4) types.push(CP_ATTRIBUTE.INTERNAL_IP4_ADDRESS, CP_ATTRIBUTE.INTERNAL_IP4_NETMASK);
  if (wanted.ipv4 && wanted.dns) types.push(CP_ATTRIBUTE.INTERNAL_IP4_DNS);
  // RFC 7296 §3.15.1: INTERNAL_IP6_SUBNET has no empty form, so it is not asked for; it may come all the same.
  if (wanted.ipv4) types.push(CP_ATTRIBUTE.INTERNAL_IP4_SUBNET);
  if (wanted.ipv6) types.push(CP_ATTRIBUTE.INTERNAL_IP6_ADDRESS);
  if (wanted.ipv6 && wanted.dns) types.push(CP_ATTRIBUTE.INTERNAL_IP6_DNS);
  // RFC 8598 §3.1: asked for together with DNS servers.
  if (wanted.dns) types.push(CP_ATTRIBUTE.INTERNAL_DNS_DOMAIN);
  // RFC 7296 §2.20: an empty APPLICATION_VERSION asks for the peer's.
  types.push(CP_ATTRIBUTE.APPLICATION_VERSION);
  const attributes = types.map((type) => ({ type, value: wish(type, wanted) }));
  return { kind: 'CP', cfgType: CP_TYPE.REQUEST, attributes };
}

/** RFC 7296 §3.15.1: an address that is asked for; of IPv6 with its prefix length. Nothing: any. */
function wish(type: number, { addresses = [] }: Wanted): Uint8Array {
  const had = addresses.map(parseAddress);
  const four = had.find((address) => address?.length === 4);
  const six = had.find((address) => address?.length === 16);
  if (type === CP_ATTRIBUTE.INTERNAL_IP4_ADDRESS && four) return four;
  if (type === CP_ATTRIBUTE.INTERNAL_IP6_ADDRESS && six) return concat(six, Uint8Array.of(128));
  return new Uint8Array(0);
}

export interface ReadConfiguration {
  readonly configuration: Configuration;
  /** What was left out and why; printable. */
  readonly notes: readonly string[];
}

/**
 * The reply, or why there is no usable address. Attributes of a wrong length and unknown ones are left out (RFC 7296 §3.15.1);
 * an address that no client can have is refused. `gateway` is the outer address of the other side, textual.
 */
export function readConfiguration(
  reply: PayloadOf<'CP'> | undefined,
  wanted: Wanted,
  gateway: string,
): Result<ReadConfiguration, string> {
  const reading = new Reading();
  const attributes = reply?.cfgType === CP_TYPE.REPLY ? reply.attributes : [];
  for (const attribute of attributes) {
    const refused = reading.take(attribute, wanted, parseAddress(gateway));
    if (refused !== undefined) return err(refused);
  }
  const read = reading.finish();
  if ((wanted.ipv4 || wanted.ipv6) && read.configuration.addresses.length === 0)
    return err(reply ? 'no address in CFG_REPLY' : 'no CFG_REPLY');
  return ok(read);
}

class Reading {
  readonly #addresses: { bytes: Uint8Array; prefix: number }[] = [];
  readonly #dns: string[] = [];
  readonly #domains: string[] = [];
  readonly #subnets: string[] = [];
  readonly #notes: string[] = [];
  #netmask: number | undefined;
  #version: string | undefined;

  /** Undefined, or why the whole reply is refused. */
  take({ type, value }: ConfigAttribute, wanted: Wanted, gateway: Uint8Array | undefined): string | undefined {
    if (value.length === 0) return undefined; // RFC 7296 §3.15.1: nothing is said
    switch (type) {
      case CP_ATTRIBUTE.INTERNAL_IP4_ADDRESS:
        return value.length === 4 ? this.#address(value, 32, wanted.ipv4, gateway) : this.#skip(type, value);
      case CP_ATTRIBUTE.INTERNAL_IP6_ADDRESS:
        // A prefix of no bits would make every address a neighbour, here and below.
        return value.length === 17 && value[16] <= 128
          ? this.#address(value.subarray(0, 16), value[16] || 128, wanted.ipv6, gateway)
          : this.#skip(type, value);
      case CP_ATTRIBUTE.INTERNAL_IP4_NETMASK:
        this.#netmask = prefixOfMask(value) || undefined;
        return this.#netmask === undefined ? this.#skip(type, value) : undefined;
      case CP_ATTRIBUTE.INTERNAL_IP4_DNS:
        return value.length === 4 ? this.#dnsServer(value) : this.#skip(type, value);
      case CP_ATTRIBUTE.INTERNAL_IP6_DNS:
        return value.length === 16 ? this.#dnsServer(value) : this.#skip(type, value);
      case CP_ATTRIBUTE.INTERNAL_IP4_SUBNET: {
        const prefix = prefixOfMask(value.subarray(4));
        return prefix === undefined ? this.#skip(type, value) : this.#subnet(value.subarray(0, 4), prefix);
      }
      case CP_ATTRIBUTE.INTERNAL_IP6_SUBNET:
        return value.length === 17 && value[16] <= 128 ? this.#subnet(value.subarray(0, 16), value[16]) : this.#skip(type, value);
      case CP_ATTRIBUTE.INTERNAL_DNS_DOMAIN:
        return this.#domain(value);
      case CP_ATTRIBUTE.APPLICATION_VERSION:
        this.#version ??= printable(value);
        return undefined;
      default:
        return undefined;
    }
  }

  finish(): ReadConfiguration {
    const addresses = this.#addresses.map(({ bytes, prefix }) => ({
      address: formatAddress(bytes),
      prefix: bytes.length === 4 ? (this.#netmask ?? prefix) : prefix,
    }));
    const configuration = { addresses, dns: this.#dns, domains: this.#domains, subnets: this.#subnets };
    return {
      configuration: this.#version === undefined ? configuration : { ...configuration, applicationVersion: this.#version },
      notes: this.#notes,
    };
  }

  #address(bytes: Uint8Array, prefix: number, wanted: boolean, gateway: Uint8Array | undefined): string | undefined {
    const text = formatAddress(bytes);
    const nonsense = unusable(bytes);
    // Harmless, and of no use beyond its own link.
    if (nonsense === LINK_LOCAL) return this.#note(`address ${text} is ${nonsense}`);
    if (nonsense !== undefined) return `address ${text} is ${nonsense}`;
    if (gateway && equalBytes(gateway, bytes)) return `address ${text} is the gateway's own`;
    // RFC 7296 §3.15.1: no more addresses than were asked for, which is one of each family.
    if (!wanted || this.#addresses.some((one) => one.bytes.length === bytes.length))
      return this.#note(`address ${text} was not asked for`);
    this.#addresses.push({ bytes: bytes.slice(), prefix });
    return undefined;
  }

  #dnsServer(bytes: Uint8Array): undefined {
    const text = formatAddress(bytes);
    const nonsense = unusable(bytes);
    if (nonsense !== undefined) return this.#note(`DNS server ${text} is ${nonsense}`);
    return this.#add('DNS servers', this.#dns, text, MAX_DNS);
  }

  #subnet(network: Uint8Array, prefix: number): undefined {
    return this.#add('subnets', this.#subnets, formatCidr({ network: maskAddress(network, prefix), prefix }), MAX_SUBNETS);
  }

  /** RFC 8598 §4.1: a domain name in presentation format, without terminator. It will reach the resolver, so letters only. */
  #domain(value: Uint8Array): undefined {
    const text = toUtf8(value).replace(/\.$/, '').toLowerCase();
    const label = '[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?';
    if (text.length > 253 || !new RegExp(`^${label}(\\.${label})*$`).test(text)) return this.#note('a DNS domain is not a name');
    return this.#add('DNS domains', this.#domains, text, MAX_DOMAINS);
  }

  #add(what: string, list: string[], text: string, most: number): undefined {
    if (list.includes(text)) return undefined;
    if (list.length >= most) return this.#note(`more than ${most} ${what}`);
    list.push(text);
    return undefined;
  }

  #skip(type: number, value: Uint8Array): undefined {
    return this.#note(`${nameOf(CP_ATTRIBUTE, type)} of ${value.length} octets`);
  }

  #note(text: string): undefined {
    if (!this.#notes.includes(text) && this.#notes.length < 32) this.#notes.push(text);
    return undefined;
  }
}

const LINK_LOCAL = 'a link-local address';

/** Why no host can use the address, or undefined. */
export function unusable(bytes: Uint8Array): string | undefined {
  const head = bytes.subarray(0, bytes.length - 1);
  const zeroHead = head.every((octet) => octet === 0);
  if (zeroHead && bytes[bytes.length - 1] === 0) return 'unspecified';
  if (bytes.length === 4) {
    if (bytes[0] === 0) return 'in 0.0.0.0/8';
    if (bytes[0] === 127) return 'a loopback address';
    if (bytes[0] >= 224 && bytes[0] < 240) return 'a multicast address';
    if (bytes[0] >= 240) return 'reserved';
    return undefined;
  }
  if (zeroHead && bytes[15] === 1) return 'a loopback address';
  if (bytes[0] === 0xff) return 'a multicast address';
  if (bytes[0] === 0xfe && (bytes[1] & 0xc0) === 0x80) return LINK_LOCAL;
  if (bytes.subarray(0, 10).every((octet) => octet === 0) && bytes[10] === 0xff && bytes[11] === 0xff) return 'an IPv4 address';
  return undefined;
}

/** Prefix length of a netmask of four octets; undefined when its ones are not all in front. */
function prefixOfMask(mask: Uint8Array): number | undefined {
  if (mask.length !== 4) return undefined;
  const bits = new DataView(mask.buffer, mask.byteOffset, 4).getUint32(0);
  const prefix = Math.clz32(~bits >>> 0);
  return prefix === 32 || bits << prefix === 0 ? prefix : undefined;
}

/** RFC 7296 §3.15.1: printable ASCII; what is not is shown as a question mark. */
function printable(value: Uint8Array): string {
  return Array.from(value.subarray(0, MAX_VERSION_TEXT), (octet) =>
    octet >= 0x20 && octet < 0x7f ? String.fromCharCode(octet) : '?',
  ).join('');
}
