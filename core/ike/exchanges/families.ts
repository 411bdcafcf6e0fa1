/**
 * IP4_ALLOWED and IP6_ALLOWED (RFC 8983): which families of addresses the gateway has, beside those it gave. Without them a missing
 * address has no reason.
 */
import type { Configuration, Families, IkeConfig } from '../sa/contract.ts';
import { NOTIFY } from '../wire/constants.ts';
import type { Payload } from '../wire/message.ts';
import { findNotify, notify } from '../wire/payloads.ts';

type Wanted = Pick<IkeConfig['request'], 'ipv4' | 'ipv6'>;

/** Undefined for a gateway that says nothing of it. */
export function readFamilies(payloads: readonly Payload[]): Families | undefined {
  const ipv4 = findNotify(payloads, NOTIFY.IP4_ALLOWED) !== undefined;
  const ipv6 = findNotify(payloads, NOTIFY.IP6_ALLOWED) !== undefined;
  return ipv4 || ipv6 ? { ipv4, ipv6 } : undefined;
}

/** The notifies that say this. */
export function familyNotifies({ ipv4, ipv6 }: Families): readonly Payload[] {
  return [...(ipv4 ? [notify(NOTIFY.IP4_ALLOWED)] : []), ...(ipv6 ? [notify(NOTIFY.IP6_ALLOWED)] : [])];
}

/** Why there is no address at all, where that is the reason: no family in common (RFC 8983 §5, table 1). */
export function noFamilyInCommon(families: Families | undefined, wanted: Wanted): string | undefined {
  if (!families || (families.ipv4 && wanted.ipv4) || (families.ipv6 && wanted.ipv6)) return undefined;
  return `the gateway gives ${families.ipv4 ? 'IPv4' : 'IPv6'} addresses only, and we ask for ${wanted.ipv4 ? 'IPv4' : 'IPv6'}`;
}

/** What there is to say of a family that was asked for and not given; undefined when nothing is. */
export function withheldText({ addresses, families }: Configuration, wanted: Wanted): string | undefined {
  if (!families) return undefined;
  const given = {
    ipv4: addresses.some(({ address }) => !address.includes(':')),
    ipv6: addresses.some(({ address }) => address.includes(':')),
  };
  for (const [family, name] of [
    ['ipv4', 'IPv4'],
    ['ipv6', 'IPv6'],
  ] as const) {
    if (!wanted[family] || given[family]) continue;
    // RFC 8983 §5: with both notifies the gateway has both, and policy was against giving both.
    return families[family] ? `the gateway has ${name} addresses and gave none` : `the gateway has no ${name} addresses`;
  }
  return undefined;
}
