/**
 * Being sent to another gateway (RFC 5685): what REDIRECT says, and REDIRECTED_FROM for the gateway that we come to. Who the new
 * gateway is to be does not change by it (§3): it proves the same identity to the same authorities, so a forged redirect leads nowhere.
 */
import { formatAddress, parseAddress } from '../../bytes/address.ts';
import { fromUtf8, toUtf8 } from '../../bytes/bytes.ts';
import type { Result } from '../../bytes/result.ts';
import { err, ok } from '../../bytes/result.ts';
import type { IkeConfig, IkeFailure } from '../sa/contract.ts';
import { NOTIFY } from '../wire/constants.ts';
import type { Payload } from '../wire/message.ts';
import { findNotify, notify } from '../wire/payloads.ts';
import { unusable } from './configuration.ts';

/** RFC 5685 §12: GW Identity Type. */
const GATEWAY = { IPV4: 1, IPV6: 2, FQDN: 3 } as const;

export interface Redirect {
  /** A textual address or a host name. */
  readonly gateway: string;
  /** What follows it: the nonce of our request in an IKE_SA_INIT response, nothing else anywhere. */
  readonly nonce: Uint8Array;
}

/** RFC 5685 §9.2. The error is printable. */
export function readRedirect(data: Uint8Array): Result<Redirect, string> {
  const length = data[1];
  if (length === undefined || data.length < 2 + length) return err(`REDIRECT of ${data.length} octets`);
  const gateway = gatewayText(data[0], data.subarray(2, 2 + length));
  return gateway.ok ? ok({ gateway: gateway.value, nonce: data.subarray(2 + length) }) : gateway;
}

/** The data of a REDIRECT; `nonce` goes into an IKE_SA_INIT response only. */
export function redirectData(gateway: string, nonce: Uint8Array = new Uint8Array(0)): Uint8Array {
  const address = parseAddress(gateway);
  const type = address ? typeOf(address) : GATEWAY.FQDN;
  const identity = address ?? fromUtf8(gateway);
  return Uint8Array.of(type, identity.length, ...identity, ...nonce);
}

/** RFC 5685 §9.3: the address of the gateway that sent us here. */
export function redirectedFrom(address: string): readonly Payload[] {
  return parseAddress(address) ? [notify(NOTIFY.REDIRECTED_FROM, redirectData(address))] : [];
}

export function redirected(gateway: string, where: string): IkeFailure {
  return { code: 'redirected', evidence: `REDIRECT to ${gateway} in ${where}`, redirect: gateway };
}

/** The redirect of a gateway that has proven itself (RFC 5685 §5, §6); undefined when there is none to follow. */
export function redirectIn(
  payloads: readonly Payload[],
  { redirect }: Pick<IkeConfig, 'redirect'>,
  log: (level: 'warn', text: string) => void,
): IkeFailure | undefined {
  const found = findNotify(payloads, NOTIFY.REDIRECT);
  if (!found) return undefined;
  const read = redirect ? readRedirect(found.data) : err('REDIRECT, which was not asked for');
  if (read.ok) return redirected(read.value.gateway, 'IKE_AUTH response');
  log('warn', `not followed: ${read.error}`);
  return undefined;
}

function gatewayText(type: number | undefined, identity: Uint8Array): Result<string, string> {
  if (type === GATEWAY.FQDN) return hostName(toUtf8(identity));
  const length = type === GATEWAY.IPV4 ? 4 : 16;
  if (type !== GATEWAY.IPV4 && type !== GATEWAY.IPV6) return err(`REDIRECT to an identity of type ${type}`);
  if (identity.length !== length) return err(`REDIRECT to an address of ${identity.length} octets`);
  const text = formatAddress(identity);
  const nonsense = unusable(identity);
  return nonsense === undefined ? ok(text) : err(`REDIRECT to ${text}, which is ${nonsense}`);
}

/** It will reach the resolver, so letters, digits and hyphens only. What looks like a number would be read as an address. */
function hostName(text: string): Result<string, string> {
  const name = text.replace(/\.$/, '').toLowerCase();
  const label = '[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?';
  const good = name.length <= 253 && new RegExp(`^${label}(\\.${label})*$`).test(name) && !/(^|\.)[0-9]+$/.test(name);
  return good ? ok(name) : err('REDIRECT to what is not a name');
}

function typeOf(address: Uint8Array): number {
  return address.length === 4 ? GATEWAY.IPV4 : GATEWAY.IPV6;
}
