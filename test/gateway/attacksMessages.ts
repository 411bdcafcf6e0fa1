/** Attacks by how messages are made: SECURITY.md 16. */
import { type Attack, type AttackedSentence, attack } from './attack.ts';
import type { MisbehaviourName } from './misbehaviours.ts';

/** The first answer has the chain and is long: those after it are attacked, when the client has told its name. */
function fragments(by: MisbehaviourName, told: Attack['told'], more: Partial<Attack> = {}): Attack {
  return attack(by, told, told === 'connected' ? 'proof' : 'name', more);
}

export const messageAttacks: readonly AttackedSentence[] = [
  {
    line: 16,
    sentence: 'Fragments: number 0, above total, changing total, duplicates',
    attacks: [
      fragments('fragment-above-total', 'connected'),
      fragments('fragments-fewer-in-all', 'connected'),
      fragments('fragments-more-in-all', 'connected'),
      fragments('fragments-backwards', 'connected'),
      fragments('fragments-beside-whole', 'connected'),
    ],
  },
  {
    line: 16,
    sentence: '65,535 of them, never completed: bounded memory, a timeout',
    attacks: [
      fragments('fragments-65535', 'gateway-misbehaved', { evidence: /65535 fragments/ }),
      fragments('fragments-too-long', 'gateway-misbehaved', { evidence: /octets in fragments/ }),
      fragments('fragments-incomplete', 'no-answer-auth', { client: 'udp-only', silent: true }),
      fragments('fragment-flood', 'connected'),
      fragments('fragments-forged', 'connected'),
    ],
  },
  {
    line: 16,
    sentence: 'unprotected extra payloads',
    attacks: [
      fragments('fragment-beside-clear', 'no-answer-auth', { client: 'udp-only', silent: true }),
      fragments('fragments-of-rubbish', 'gateway-misbehaved', { evidence: /SK: payload 1/ }),
      fragments('fragment-pad-length', 'gateway-misbehaved', { evidence: /Pad Length/ }),
    ],
  },
];
