/** The configuration file of the head office's process, JSON, with a schema; what is in words there becomes what the responder takes. */
import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { fromUtf8 } from '../../core/bytes/bytes.ts';
import { parseIdentity } from '../../core/ike/identity.ts';
import { type ProposalUse, parseProposals } from '../../core/ike/proposals.ts';
import type { Identity } from '../../core/ike/sa/contract.ts';
import type { Proposal, TrafficSelector } from '../../core/ike/wire/message.ts';
import { selectorFromCidr } from '../../core/ike/wire/selectorText.ts';
import type { HeadOfficeConfig } from './config.ts';
import { credentialConfig, credentialEntries, type OfficeCredentials } from './mainCredentials.ts';
import { isMisbehaviour } from './misbehaviours.ts';
import type { TicketPolicy } from './standing.ts';

const strings = v.array(v.string());
const milliseconds = v.pipe(v.number(), v.minValue(0));

const schema = v.strictObject({
  /** Outer addresses, at most one per family; the sockets are bound to them. */
  addresses: v.pipe(strings, v.minLength(1)),
  /** Where TCP connections are taken (RFC 9329). */
  tcpPorts: v.optional(v.array(v.number()), [4500, 443]),
  identity: v.string(),
  users: v.array(
    v.strictObject({
      identity: v.string(),
      psk: v.optional(v.string()),
      proofs: v.optional(v.array(v.picklist(['psk', 'certificate', 'eap']))),
      /** RFC 8784; the secret is text. */
      ppk: v.optional(v.strictObject({ id: v.string(), secret: v.string() })),
    }),
  ),
  ...credentialEntries,
  ikeProposals: v.optional(strings, ['default']),
  espProposals: v.optional(strings, ['default']),
  pool: v.strictObject({ ipv4: v.optional(v.string()), ipv6: v.optional(v.string()) }),
  dns: v.optional(strings, []),
  domains: v.optional(strings, []),
  subnets: v.optional(strings, []),
  /** CIDR of what clients may reach; default everything. */
  networks: v.optional(strings, ['0.0.0.0/0', '::/0']),
  cookie: v.optional(v.union([v.literal('always'), v.number()]), 100),
  /** Milliseconds of silence after which a client is asked whether it lives. */
  livenessAfter: v.optional(milliseconds, 30_000),
  /** Send clients elsewhere (RFC 5685). */
  redirect: v.optional(v.strictObject({ to: v.string(), at: v.picklist(['init', 'auth-first', 'auth-last']) })),
  /** Seconds (RFC 4478). */
  authLifetime: v.optional(v.number()),
  /** Tickets (RFC 5723), which outlive what `misbehave` does; `lifetime` is seconds. */
  tickets: v.optional(v.strictObject({ lifetime: v.number(), when: v.optional(v.picklist(['now', 'later', 'never'])) })),
  /** Tokens (RFC 6290) are made of it, and told to who uses an SA that was lost. */
  crashSecret: v.optional(v.string()),
  misbehave: v.optional(strings, []),
  tun: v.optional(v.strictObject({ name: v.string(), mtu: v.number() }), { name: 'office0', mtu: 1400 }),
  /** The one ESP backend to use; default the fastest that is there. */
  espBackend: v.optional(v.string()),
  /** Lowest level of log events printed. */
  log: v.optional(v.picklist(['debug', 'info', 'warn', 'error']), 'info'),
  keyLog: v.optional(v.boolean(), false),
});

export interface ProcessConfig {
  readonly office: HeadOfficeConfig;
  readonly credentials: OfficeCredentials;
  readonly tun: { readonly name: string; readonly mtu: number };
  readonly espBackend: string | undefined;
  readonly log: 'debug' | 'info' | 'warn' | 'error';
}

/** Input of the file, for those who write one. */
export type HeadOfficeFile = v.InferInput<typeof schema>;

/** Throws with the name of the field that is wrong: whoever starts the process wrote the file. */
export function readConfig(path: string): ProcessConfig {
  const file = v.parse(schema, JSON.parse(readFileSync(path, 'utf8')));
  for (const name of file.misbehave) if (!isMisbehaviour(name)) throw new Error(`misbehave: ${name} is not known`);
  return {
    tun: file.tun,
    espBackend: file.espBackend,
    log: file.log,
    credentials: file,
    office: {
      addresses: file.addresses,
      ports: { ike: 500, natt: 4500 },
      tcpPorts: file.tcpPorts,
      identity: identity(file.identity),
      users: file.users.map(({ identity: name, psk, proofs, ppk }) => ({
        identity: identity(name),
        ...(psk !== undefined && { secret: fromUtf8(psk) }),
        ...(proofs && { proofs }),
        ...(ppk && { ppk: { id: fromUtf8(ppk.id), secret: fromUtf8(ppk.secret) } }),
      })),
      ...credentialConfig(file),
      ikeProposals: proposals(file.ikeProposals, 'ike'),
      espProposals: proposals(file.espProposals, 'esp'),
      pool: file.pool,
      dns: file.dns,
      domains: file.domains,
      subnets: file.subnets,
      selectors: file.networks.map(selector),
      version: 'Sallyport embedded head office',
      cookie: file.cookie,
      timing: {
        retransmitFirst: 500,
        retransmitFactor: 1.8,
        retransmitMax: 8_000,
        retransmitTries: 6,
        livenessAfter: file.livenessAfter,
        establishWithin: 30_000,
      },
      ...(file.redirect && { redirect: file.redirect }),
      ...(file.authLifetime !== undefined && { authLifetime: file.authLifetime }),
      ...(file.tickets && { tickets: ticketPolicy(file.tickets) }),
      ...(file.crashSecret !== undefined && { crashSecret: fromUtf8(file.crashSecret), answerUnknownSpis: true }),
      keyLog: file.keyLog,
      mobike: {},
      misbehave: file.misbehave.filter(isMisbehaviour),
    },
  };
}

function ticketPolicy({ lifetime, when }: NonNullable<v.InferOutput<typeof schema>['tickets']>): TicketPolicy {
  return when === undefined ? { lifetime } : { lifetime, when };
}

function identity(text: string): Identity {
  const parsed = parseIdentity(text);
  if (!parsed.ok) throw new Error(`identity ${text}`);
  return parsed.value;
}

function proposals(texts: readonly string[], use: ProposalUse): readonly Proposal[] {
  const parsed = parseProposals(texts, use);
  if (!parsed.ok) throw new Error(parsed.error.message);
  return parsed.value;
}

function selector(text: string): TrafficSelector {
  const parsed = selectorFromCidr(text);
  if (parsed === undefined) throw new Error(`network ${text}`);
  return parsed;
}
