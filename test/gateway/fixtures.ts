/** A client and an office that get on with each other, and a random source with a seed. */
import { createHash } from 'node:crypto';
import { fromUtf8 } from '../../core/bytes/bytes.ts';
import type { Random } from '../../core/crypto/types.ts';
import { pskBothWays } from '../../core/ike/auth/psk.ts';
import { parseIdentity } from '../../core/ike/identity.ts';
import { type ProposalUse, parseProposals } from '../../core/ike/proposals.ts';
import type { Identity, IkeConfig, IkeTiming } from '../../core/ike/sa/contract.ts';
import type { Proposal, TrafficSelector } from '../../core/ike/wire/message.ts';
import { selectorFromCidr } from '../../core/ike/wire/selectorText.ts';
import type { HeadOfficeConfig } from './config.ts';

export const SECRET = fromUtf8('a secret that only the two know');

const timing: IkeTiming = {
  retransmitFirst: 500,
  retransmitFactor: 2,
  retransmitMax: 8_000,
  retransmitTries: 5,
  livenessAfter: 30_000,
  establishWithin: 60_000,
};

/** SHA-256 in counter mode over a seed: as unpredictable as a test needs, and the same every time. */
export function seededRandom(seed: string): Random {
  let counter = 0;
  return (length) => {
    const out = new Uint8Array(length);
    for (let at = 0; at < length; at += 32) {
      const block = createHash('sha256').update(`${seed} ${counter++}`).digest();
      out.set(block.subarray(0, Math.min(32, length - at)), at);
    }
    return out;
  };
}

/** Of texts the test wrote itself: throws when they are wrong. */
export function identity(text: string): Identity {
  const parsed = parseIdentity(text);
  if (!parsed.ok) throw new Error(`identity ${text}`);
  return parsed.value;
}

export function proposals(texts: readonly string[], use: ProposalUse): readonly Proposal[] {
  const parsed = parseProposals(texts, use);
  if (!parsed.ok) throw new Error(parsed.error.message);
  return parsed.value;
}

export function selector(cidr: string): TrafficSelector {
  const parsed = selectorFromCidr(cidr);
  if (parsed === undefined) throw new Error(`network ${cidr}`);
  return parsed;
}

export const officeConfig: HeadOfficeConfig = {
  addresses: ['198.51.100.10'],
  ports: { ike: 500, natt: 4500 },
  identity: identity('vpn.office.test'),
  users: [{ identity: identity('alice@office.test'), secret: SECRET }],
  ikeProposals: proposals(['default'], 'ike'),
  espProposals: proposals(['default'], 'esp'),
  pool: { ipv4: '10.10.99.0/24', ipv6: 'fd10:99::/64' },
  dns: ['10.10.0.53', 'fd10:10::53'],
  domains: ['office.test'],
  subnets: ['10.10.0.0/16', 'fd10:10::/64'],
  selectors: [selector('10.10.0.0/16'), selector('fd10:10::/64')],
  version: 'embedded head office',
  cookie: 100,
  timing,
  keyLog: false,
  misbehave: [],
};

export const clientConfig: IkeConfig = {
  local: { address: '192.168.77.2', ports: { ike: 500, natt: 4500 } },
  remote: { address: '198.51.100.10', ports: { ike: 500, natt: 4500 } },
  ikeProposals: proposals(['aes256gcm16-prfsha256-x25519-ecp256-modp2048'], 'ike'),
  espProposals: proposals(['aes256gcm16-esn-noesn'], 'esp'),
  localIdentity: identity('alice@office.test'),
  remoteIdentity: identity('vpn.office.test'),
  auth: pskBothWays(SECRET),
  request: { ipv4: true, ipv6: true, dns: true, version: 'Sallyport' },
  localSelectors: [selector('0.0.0.0/0'), selector('::/0')],
  remoteSelectors: [selector('10.0.0.0/8'), selector('fd10::/16')],
  forceEncapsulation: true,
  fragmentation: 'yes',
  timing,
};
