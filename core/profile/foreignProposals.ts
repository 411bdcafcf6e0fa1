/** Proposals of other clients in ours: strongSwan's keywords are ours too, but for what is not known here. */
import { MAX_PROPOSALS, type ProposalUse, parseProposals } from '../ike/proposals.ts';
import { shown } from './faults.ts';
import type { Notes } from './notes.ts';

/** What can be offered of them; undefined when nothing is left, and then the defaults are offered. */
export function translateProposals(
  field: string,
  texts: readonly string[],
  use: ProposalUse,
  notes: Notes,
): readonly string[] | undefined {
  const taken: string[] = [];
  for (const text of texts.slice(0, MAX_PROPOSALS)) {
    const translated = translate(text.trim().toLowerCase(), use);
    if (translated === undefined) {
      const parsed = parseProposals([text], use);
      const why = parsed.ok ? '' : `: ${parsed.error.message.replace(/^proposal \S*: /, '')}`;
      notes.warning(field, 'proposal-left-out', `${shown(text)} is left out${shown(why)}`, { value: shown(text) });
      continue;
    }
    if (translated !== text) {
      const values = { from: shown(text), value: translated };
      notes.changed(field, 'proposal-translated', `${shown(text)} is ${translated} here`, values);
    }
    for (const keyword of weakIn(translated)) {
      notes.warning(field, 'weak-proposal', `${keyword} is old and only good for gateways that have nothing else`, {
        value: keyword,
      });
    }
    if (!taken.includes(translated)) taken.push(translated);
  }
  if (texts.length > MAX_PROPOSALS) {
    notes.warning(field, 'proposal-left-out', `only ${MAX_PROPOSALS} proposals can be offered`, {
      value: texts.length - MAX_PROPOSALS,
    });
  }
  if (taken.length > 0) return taken;
  notes.warning(field, 'default-taken', 'none of them can be offered: the usual proposals are', { value: 'default' });
  return undefined;
}

function translate(text: string, use: ProposalUse): string | undefined {
  if (parseProposals([text], use).ok) return text;
  // Of methods that are not known here; without them it is what gateways before RFC 9370 take.
  const keywords = text.split('-').filter((keyword) => !/^ke[1-7]_/.test(keyword));
  // In ESP, PRFs mean nothing, but people write them.
  const own = use === 'esp' ? keywords.filter((keyword) => !keyword.startsWith('prf')) : keywords;
  const candidate = [...new Set(own)].join('-');
  return parseProposals([candidate], use).ok ? candidate : undefined;
}

/** RFC 8247 §2 and RFC 8221 §5: SHOULD NOT and below, of what is known here. */
function weakIn(text: string): readonly string[] {
  return text.split('-').filter((keyword) => /^(sha1|sha1_96|sha|prfsha1|prfsha|modp1536|modp1024|modp1024s160)$/.test(keyword));
}
