import { type Attempts, newMemory, startAttempts } from '../../../core/helper/attempts.ts';
import type { IkeConfig, IkeFailure, IkeInput, IkeOutput, IkeTicket } from '../../../core/ike/sa/contract.ts';
import type { Profile } from '../../../core/profile/model.ts';
import type { Status } from '../../../core/rpc/contract.ts';
import { statusFor } from '../../../core/tunnel/status.ts';
import { sampleProfile } from '../helper/sampleProfile.ts';
import { comesUp, establishedSa, fakeWorld, lookout, ownSecret, type Script, scriptedMachine } from './fakes.ts';

export const octets = (text: string) => new TextEncoder().encode(text);
/** First octet of the datagram at which the machine wants a new login. */
const LOGIN = 9;
/** All octets of one that is for the machine of a new login to say what it does. */
export const MORE = 7;
export const from = { address: '127.0.0.1', port: 4500 };

/** A gateway that comes up; a datagram makes it end with what `dies` says. */
export function startSession(
  changes: Partial<Profile> = {},
  script: (config: IkeConfig, count: number) => Script = () => comesUp,
  memory = newMemory(),
) {
  const fake = fakeWorld();
  const states: string[] = [];
  const lines: string[] = [];
  const { look: lookAround, until } = lookout();
  const secrets: Uint8Array[] = [];
  const remembered: string[] = [];
  const inputs: string[] = [];
  let dies: IkeFailure = { code: 'gateway-lost', evidence: 'no answer to INFORMATIONAL' };
  let clock = 1_000_000;
  let ready = false;
  const status = (): Status => statusFor(attempts.facts(), 1000, 0);
  const look = () => {
    if (!ready) return;
    const { state } = status();
    if (states.at(-1) !== state) states.push(state);
    lookAround();
  };
  let machines = 0;
  const attempts: Attempts = startAttempts(
    {
      ...fake.deps,
      monotonic: () => clock + performance.now(),
      random: () => 0,
      createMachine: (config) => {
        fake.configs.push(config);
        const secret = ownSecret(config);
        if (secret) secrets.push(secret);
        const told = script(config, machines++);
        return scriptedMachine((input: IkeInput, emit: (output: IkeOutput) => void) => {
          inputs.push(input.kind);
          if (input.kind === 'datagram' && input.bytes[0] === LOGIN) emit({ kind: 'reauthenticate', within: 60_000 });
          else if (input.kind === 'datagram' && input.bytes[0] !== MORE) emit({ kind: 'closed', failure: dies });
          else told(input, emit);
        });
      },
      log: (_level, _area, text) => lines.push(text),
      onChange: look,
    },
    {
      owner: 1000,
      profile: sampleProfile({ gateway: '127.0.0.1', ...changes }),
      secret: { psk: octets('the key of this gateway'), password: octets('kept') },
      memory,
      recall: (kind) => octets(kind === 'psk' ? 'the key of this gateway' : 'kept'),
      mayRemember: () => true,
      remember: (kind, value) => remembered.push(`${kind} ${new TextDecoder().decode(value)}`),
    },
  );
  ready = true;
  return {
    ...fake,
    attempts,
    states,
    lines,
    secrets,
    remembered,
    inputs,
    status,
    until,
    machines: () => machines,
    reaches: (state: string) => until(() => status().state === state),
    /** The gateway ends it. */
    die(why?: IkeFailure) {
      if (why) dies = why;
      attempts.datagram(new Uint8Array(28), 'natt', from);
    },
    /** A message of the gateway for a new login. */
    more() {
      attempts.datagram(new Uint8Array(28).fill(MORE), 'natt', from);
    },
    /** The login runs out. */
    logInAgain() {
      attempts.datagram(new Uint8Array(28).fill(LOGIN), 'natt', from);
    },
    sleepFor: (milliseconds: number) => {
      clock += milliseconds;
    },
  };
}

const { encr, prf, integ, ke } = establishedSa;
const ticketSuite = { encr, prf, integ, ke, additional: [] };

/** A ticket as the machine tells it, each with a key of its own. */
function ticket(config: IkeConfig, key: number): IkeTicket {
  const octets = Uint8Array.of(key);
  const skD = new Uint8Array(32).fill(key);
  const { localIdentity, remote } = config;
  const remoteIdentity = localIdentity;
  return {
    octets,
    skD,
    expiresAt: Infinity,
    authenticatedAt: 0,
    suite: ticketSuite,
    localIdentity,
    remoteIdentity,
    gateway: remote.address,
  };
}

/** Comes up, and brings a ticket of its own. */
export function ticketing(tickets: IkeTicket[]): (config: IkeConfig, count: number) => Script {
  return (config, count) => (input, emit) => {
    comesUp(input, emit);
    if (input.kind !== 'start') return;
    const one = ticket(config, count + 1);
    tickets.push(one);
    emit({ kind: 'ticket', ticket: one });
  };
}
