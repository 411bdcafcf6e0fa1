/**
 * The attacks of SECURITY.md 1–13 and 16, sentence by sentence: what the misbehaving head office does, what the user is told of it, and what it
 * has learned of the user by then. test/host/attacks.test.ts runs every row through the real helper and command line; attacks.test.ts
 * holds the list against the misbehaviours and ARCHITECTURE.md.
 */
import type { AttackedSentence } from './attack.ts';
import { messageAttacks } from './attacksMessages.ts';
import { negotiationAttacks } from './attacksNegotiation.ts';
import { proofAttacks } from './attacksProof.ts';

export const sentences: readonly AttackedSentence[] = [...proofAttacks, ...negotiationAttacks, ...messageAttacks];

/** Rows of ARCHITECTURE.md: for each line of SECURITY.md who attacks, and what the user is told. */
export function attackTable(): string {
  const lines = new Map<number, Map<string, Set<string>>>();
  for (const { line, attacks } of sentences) {
    const byTold = lines.get(line) ?? new Map<string, Set<string>>();
    lines.set(line, byTold);
    for (const { by, told, client } of attacks) {
      const names = byTold.get(told) ?? new Set<string>();
      byTold.set(told, names);
      names.add(by.length > 0 ? by.join(' + ') : `an honest office and the profile “${client}”`);
    }
  }
  const rows = [...lines].map(([line, byTold]) => {
    const cells = [...byTold].map(([told, names]) => `\`${told}\`: ${[...names].join(', ')}`);
    return `| ${line} | ${cells.join('; ')} |`;
  });
  return ['| line | what the user is told: by which misbehaviours |', '|---|---|', ...rows].join('\n');
}
