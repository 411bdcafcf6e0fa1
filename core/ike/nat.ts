/**
 * NAT detection (RFC 7296 §2.23). Each side tells the hash of the address it believes to have and of the one it sends to; the
 * other compares them with what it sees.
 */

import { parseAddress } from '../bytes/address.ts';
import { equalBytes } from '../bytes/bytes.ts';
import { sha1 } from '../crypto/hash.ts';
import type { Random } from '../crypto/types.ts';
import type { Endpoint, IkeConfig } from './sa/contract.ts';
import { NOTIFY } from './wire/constants.ts';
import type { Payload } from './wire/message.ts';
import { allNotifies, notify } from './wire/payloads.ts';

/** Octets of a hash. */
export const natHashOctets = 20;

/** RFC 7296 §2.23: SHA-1 of SPIi | SPIr | IP address | port, the SPIs as in the header of the message that carries it. */
export function natDetectionHash(spis: { readonly spiI: Uint8Array; readonly spiR: Uint8Array }, at: Endpoint): Uint8Array {
  const address = parseAddress(at.address);
  if (!address) throw new RangeError(`not an address: ${at.address}`);
  return sha1(spis.spiI, spis.spiR, address, Uint8Array.of(at.port >>> 8, at.port));
}

/** What a first request says of its addresses; the responder's SPI is not known yet. */
export function natDetectionNotifies(
  { local, remote, forceEncapsulation }: Pick<IkeConfig, 'local' | 'remote' | 'forceEncapsulation'>,
  spiI: Uint8Array,
  random: Random,
): readonly Payload[] {
  const here = { address: local.address, port: local.ports.ike };
  const there = { address: remote.address, port: remote.ports.ike };
  // RFC 7296 §2.23: a source hash that matches nothing makes the gateway see a NAT, so ESP goes in UDP.
  const disguise = forceEncapsulation ? random(natHashOctets).slice() : undefined;
  return natDetection({ spiI, spiR: new Uint8Array(8) }, here, there, disguise);
}

/** What a message has that goes from there to there. A `disguise` in place of the source's hash matches nothing: a NAT is pretended. */
export function natDetection(
  spis: { readonly spiI: Uint8Array; readonly spiR: Uint8Array },
  local: Endpoint,
  remote: Endpoint,
  disguise?: Uint8Array,
): readonly Payload[] {
  return [
    notify(NOTIFY.NAT_DETECTION_SOURCE_IP, disguise ?? natDetectionHash(spis, local)),
    notify(NOTIFY.NAT_DETECTION_DESTINATION_IP, natDetectionHash(spis, remote)),
  ];
}

export interface NatFindings {
  /** Both notifies were there. */
  readonly supported: boolean;
  /** Our address is translated on its way to the peer. */
  readonly local: boolean;
  /** The peer's address is translated on its way to us, or it says so to force encapsulation. */
  readonly remote: boolean;
}

/**
 * What the notifies of a message from the peer show. `local` is the address we believe to have, `remote` the one the message
 * came from. No notify, no finding: `supported` is false then.
 */
export function detectNat(
  spis: { readonly spiI: Uint8Array; readonly spiR: Uint8Array },
  payloads: readonly Payload[],
  local: Endpoint,
  remote: Endpoint,
): NatFindings {
  const sources = allNotifies(payloads, NOTIFY.NAT_DETECTION_SOURCE_IP);
  const destinations = allNotifies(payloads, NOTIFY.NAT_DETECTION_DESTINATION_IP);
  const ofLocal = natDetectionHash(spis, local);
  const ofRemote = natDetectionHash(spis, remote);
  return {
    supported: sources.length > 0 && destinations.length > 0,
    local: destinations.length > 0 && !destinations.some((one) => equalBytes(one.data, ofLocal)),
    // RFC 7296 §2.23: there may be several source notifies, one for each address the sender might use.
    remote: sources.length > 0 && !sources.some((one) => equalBytes(one.data, ofRemote)),
  };
}
