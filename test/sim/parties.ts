/** From a scenario to what both machines are given. */
import { fromUtf8 } from '../../core/bytes/bytes.ts';
import { pskBothWays } from '../../core/ike/auth/psk.ts';
import type { IkeConfig, IkeTicket } from '../../core/ike/sa/contract.ts';
import { defaultLifetimes, type Lifetimes, usualTiming } from '../../core/ike/sa/lifetimes.ts';
import type { HeadOfficeConfig } from '../gateway/config.ts';
import { clientConfig, officeConfig, proposals, SECRET, selector } from '../gateway/fixtures.ts';
import { officeAddress, ports } from './network.ts';
import type { ClientPlan, Life, OfficePlan, SuiteName } from './scenario.ts';

interface Algorithms {
  readonly ike: IkeConfig['ikeProposals'];
  readonly esp: IkeConfig['espProposals'];
}

const both = (ike: string, esp: string): Algorithms => ({ ike: proposals([ike], 'ike'), esp: proposals([esp], 'esp') });

const usual = 'aes256gcm16-prfsha256-x25519-ecp256';
const withKem = 'aes256gcm16-prfsha256-x25519-ke1_mlkem768';

const algorithms: Readonly<Record<SuiteName, { readonly client: Algorithms; readonly office: Algorithms }>> = {
  plain: { client: both(usual, 'aes256gcm16-esn-noesn'), office: both(usual, 'aes256gcm16-esn') },
  'forward-secret': {
    client: both(usual, 'aes256gcm16-x25519-ecp256-modpnone-esn'),
    office: both(usual, 'aes256gcm16-x25519-ecp256-modpnone-esn'),
  },
  'forward-secret-strictly': {
    client: both(usual, 'aes256gcm16-x25519-esn'),
    office: both(usual, 'aes256gcm16-x25519-esn'),
  },
  // What the other side offers first is not what this one takes: INVALID_KE_PAYLOAD wherever there is a key exchange.
  'other-group': {
    client: both(usual, 'aes256gcm16-x25519-ecp256-modpnone-esn'),
    office: both('aes256gcm16-prfsha256-ecp256', 'aes256gcm16-ecp256-esn'),
  },
  'other-groups': {
    client: both('aes256gcm16-prfsha256-x25519-ecp256', 'aes256gcm16-x25519-ecp256-esn'),
    office: both('aes256gcm16-prfsha256-ecp256-x25519', 'aes256gcm16-ecp256-x25519-esn'),
  },
  'post-quantum': { client: both(withKem, 'aes256gcm16-esn'), office: both(withKem, 'aes256gcm16-esn') },
};

/** Networks of CHILD SAs beside the first. */
const more = ['10.10.5.0/24', '10.10.6.0/24'].map(selector);
const everywhere = selector('0.0.0.0/0');
const crashSecret = fromUtf8('outlives every restart');

export interface Whereabouts {
  readonly address: string;
  readonly suite: SuiteName;
  readonly ticket: IkeTicket | undefined;
}

export function clientOf(plan: ClientPlan, { address, suite, ticket }: Whereabouts): IkeConfig {
  const { ike, esp } = algorithms[suite].client;
  return {
    ...clientConfig,
    local: { address, ports },
    remote: { address: officeAddress, ports },
    ikeProposals: ike,
    espProposals: esp,
    auth: pskBothWays(SECRET),
    request: { ipv4: true, ipv6: false, dns: false, version: 'Sallyport' },
    localSelectors: [everywhere],
    remoteSelectors: [selector('10.0.0.0/8')],
    additionalChildren: more.slice(0, plan.more).map((network) => ({ localSelectors: [everywhere], remoteSelectors: [network] })),
    mobike: plan.mobike,
    initialContact: plan.initialContact,
    reauthenticateEvery: plan.reauthenticateEvery,
    ...(plan.resumption && { resumption: ticket ? { ticket } : {} }),
    timing: { ...usualTiming, livenessAfter: plan.liveness },
    lifetimes: { ...lifetimesOf(plan), rehearse: plan.rehearse },
  };
}

export function officeOf(plan: OfficePlan, suite: SuiteName): HeadOfficeConfig {
  const { ike, esp } = algorithms[suite].office;
  return {
    ...officeConfig,
    addresses: [officeAddress],
    ports,
    ikeProposals: ike,
    espProposals: esp,
    pool: { ipv4: '10.10.99.0/24' },
    selectors: [selector('10.10.0.0/16')],
    cookie: plan.cookie ? 'always' : 100,
    ...(plan.mobike && { mobike: {} }),
    ...(plan.authLifetime > 0 && { authLifetime: plan.authLifetime }),
    tickets: { lifetime: 600 },
    answerUnknownSpis: plan.unknown !== 'silent',
    ...(plan.unknown === 'token' && { crashSecret }),
    timing: { ...usualTiming, livenessAfter: plan.liveness },
    lifetimes: lifetimesOf(plan),
    keyLog: true,
  };
}

function lifetimesOf({ child, ike, jitter, ...plan }: Life & { readonly packets?: number }): Lifetimes {
  const packets = plan.packets ? { soft: plan.packets, hard: 4 * plan.packets } : defaultLifetimes.packets;
  return { ...defaultLifetimes, child, ike, jitter, packets };
}
