/** The office's side of the Configuration payload (RFC 7296 §2.19, §3.15; RFC 8598): virtual addresses, DNS, domains, subnets, version. */
import { concat, fromUtf8 } from '../../core/bytes/bytes.ts';
import { CP_ATTRIBUTE, CP_TYPE } from '../../core/ike/wire/constants.ts';
import type { ConfigAttribute, PayloadOf } from '../../core/ike/wire/message.ts';
import { addressOctets } from './addresses.ts';
import type { HeadOfficeConfig } from './config.ts';
import { type AddressPool, createAddressPool } from './pool.ts';

export interface AddressPools {
  readonly ipv4: AddressPool | undefined;
  readonly ipv6: AddressPool | undefined;
}

export interface Lease {
  readonly addresses: readonly Uint8Array[];
  readonly reply: PayloadOf<'CP'>;
  /** Gives the addresses back. */
  release(): void;
}

export function createPools(pool: HeadOfficeConfig['pool']): AddressPools {
  return {
    ipv4: pool.ipv4 === undefined ? undefined : createAddressPool(pool.ipv4),
    ipv6: pool.ipv6 === undefined ? undefined : createAddressPool(pool.ipv6),
  };
}

/** What is given to `owner` for this CFG_REQUEST; undefined when no address can be given (INTERNAL_ADDRESS_FAILURE). */
export function lease(request: PayloadOf<'CP'>, owner: string, pools: AddressPools, config: HeadOfficeConfig): Lease | undefined {
  const asked = new Set(request.attributes.map((attribute) => attribute.type));
  // RFC 7296 §3.15.1: INTERNAL_IP6_SUBNET has no empty form to ask with; whoever wants an IPv6 address is told.
  if (asked.has(CP_ATTRIBUTE.INTERNAL_IP6_ADDRESS)) asked.add(CP_ATTRIBUTE.INTERNAL_IP6_SUBNET);
  const four = asked.has(CP_ATTRIBUTE.INTERNAL_IP4_ADDRESS) ? pools.ipv4?.take(owner) : undefined;
  const six = asked.has(CP_ATTRIBUTE.INTERNAL_IP6_ADDRESS) ? pools.ipv6?.take(owner) : undefined;
  if (four === undefined && six === undefined) return undefined;
  const attributes: ConfigAttribute[] = [];
  if (four !== undefined) attributes.push({ type: CP_ATTRIBUTE.INTERNAL_IP4_ADDRESS, value: four });
  // RFC 7296 §3.15.1: 16 octets of address, one of prefix length. The client is one host of the pool's network.
  if (six !== undefined) attributes.push({ type: CP_ATTRIBUTE.INTERNAL_IP6_ADDRESS, value: concat(six, Uint8Array.of(128)) });
  for (const attribute of optionalAttributes(config)) if (asked.has(attribute.type)) attributes.push(attribute);
  return {
    addresses: [four, six].filter((address) => address !== undefined),
    reply: { kind: 'CP', cfgType: CP_TYPE.REPLY, attributes },
    release: () => {
      if (four !== undefined) pools.ipv4?.release(four);
      if (six !== undefined) pools.ipv6?.release(six);
    },
  };
}

/** All that may be told besides addresses; each only to a client that asked for its type. */
function optionalAttributes(config: HeadOfficeConfig): readonly ConfigAttribute[] {
  const { INTERNAL_IP4_DNS, INTERNAL_IP6_DNS, INTERNAL_IP4_SUBNET, INTERNAL_IP6_SUBNET } = CP_ATTRIBUTE;
  return [
    ...config.dns.map((text) => {
      const value = addressOctets(text);
      return { type: value.length === 4 ? INTERNAL_IP4_DNS : INTERNAL_IP6_DNS, value };
    }),
    ...config.subnets.map((text) => {
      const [network = '', bits = ''] = text.split('/');
      const octets = addressOctets(network);
      return octets.length === 4
        ? { type: INTERNAL_IP4_SUBNET, value: concat(octets, maskOf(Number(bits))) }
        : { type: INTERNAL_IP6_SUBNET, value: concat(octets, Uint8Array.of(Number(bits))) };
    }),
    // RFC 8598 §4.1: the domain as text, no final dot.
    ...config.domains.map((text) => ({ type: CP_ATTRIBUTE.INTERNAL_DNS_DOMAIN, value: fromUtf8(text) })),
    { type: CP_ATTRIBUTE.APPLICATION_VERSION, value: fromUtf8(config.version) },
  ];
}

function maskOf(bits: number): Uint8Array {
  return Uint8Array.from({ length: 4 }, (_, index) => 0xff & ~(0xff >>> Math.min(8, Math.max(0, bits - 8 * index))));
}
