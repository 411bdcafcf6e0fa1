/** What an attack is, as data, and short words for those that there are many of. */
import type { ReasonCode } from '../../core/tunnel/reasons.ts';
import type { MisbehaviourName } from './misbehaviours.ts';

export interface Attack {
  /** None: what the client is configured for is the attack, the office is honest. */
  readonly by: readonly MisbehaviourName[];
  readonly told: ReasonCode | 'connected';
  /** The most that the office heard through EAP: nothing, who asks (identity and NAK), or a proof made of the secret. */
  readonly hears: 'nothing' | 'name' | 'proof';
  readonly client: AttackedClient;
  /** In the evidence that goes with the reason. */
  readonly evidence?: RegExp;
  /** Paths the client asked of the web; none when not said. */
  readonly fetches?: readonly string[];
  /** The client is left waiting until it gives up, for which it must not have another way to try. */
  readonly silent?: boolean;
}

/** How the attacked user is set up; `asks` has nothing stored, so any question would be seen. */
export type AttackedClient =
  | 'asks'
  | 'stored'
  | 'udp-only'
  | 'strict'
  | 'tls'
  | 'peap'
  | 'alone'
  | 'alone-by-password'
  | 'key'
  | 'ike-authority-for-eap'
  | 'eap-authority-for-ike'
  | 'login-name'
  | 'esp-cbc'
  | 'split'
  | ProposalClient;

/** As `asks`, with proposals of its own. */
export type ProposalClient =
  | 'cbc'
  | 'x25519'
  | 'x448'
  | 'ecp256'
  | 'ecp384'
  | 'ecp521'
  | 'modp2048'
  | 'modp4096'
  | 'two-groups'
  | 'hybrid'
  | 'hybrid-twice';

export interface AttackedSentence {
  /** Of SECURITY.md. */
  readonly line: number;
  readonly sentence: string;
  readonly attacks: readonly Attack[];
}

export function attack(
  by: MisbehaviourName | readonly MisbehaviourName[],
  told: Attack['told'],
  hears: Attack['hears'] = 'nothing',
  more: Partial<Attack> = {},
): Attack {
  return { by: typeof by === 'string' ? [by] : by, told, hears, client: hears === 'nothing' ? 'asks' : 'stored', ...more };
}

/** Nobody can say whether the certificate was revoked, and the profile insists. */
export function listed(by: MisbehaviourName, path: string, evidence: RegExp): Attack {
  return attack(by, 'gateway-revocation-unknown', 'nothing', { client: 'strict', evidence, fetches: [path] });
}

export function negotiated(by: MisbehaviourName, client: AttackedClient, evidence = /bad-answer-proposal/): Attack {
  return attack(by, 'gateway-misbehaved', 'nothing', { client, evidence });
}

export function badValue(by: MisbehaviourName, client: ProposalClient, evidence: RegExp): Attack {
  return attack(by, 'gateway-misbehaved', 'nothing', { client, evidence });
}
