/**
 * The helper says in English what an import did with a field; here the same is found in the words of the window. What is not known (a
 * newer helper) is shown as it came. test/unit/renderer/importWords.test.ts lets the importer say all it can say.
 */
import type { ImportNote } from '../../core/rpc/contract.ts';

export type NoteKey =
  | 'unknownField'
  | 'blanksRemoved'
  | 'asciiName'
  | 'secretMissing'
  | 'secretShort'
  | 'secretStays'
  | 'identityFromGateway'
  | 'identityAny'
  | 'networkWidened'
  | 'sameName'
  | 'newIdentifier';

export interface NoteWords {
  readonly key: NoteKey;
  /** What the sentence quotes. */
  readonly value: string;
  readonly from: string;
  readonly length: number;
}

interface Pattern {
  readonly key: NoteKey;
  readonly field?: string;
  readonly says: RegExp;
}

const patterns: readonly Pattern[] = [
  { key: 'unknownField', says: /does not know the field/ },
  { key: 'blanksRemoved', field: 'name', says: /^blanks/ },
  { key: 'asciiName', field: 'gateway', says: /^is (?<value>\S+) to the name servers/ },
  { key: 'secretMissing', field: 'auth.secret', says: /^not given: it is asked for/ },
  { key: 'secretStays', field: 'auth.secret', says: /^not given: the one you have stays/ },
  { key: 'secretShort', field: 'auth.secret', says: /^shorter than (?<length>\d+) characters/ },
  { key: 'identityFromGateway', field: 'remoteId', says: /^not given: the gateway must prove to be "(?<value>.*)"$/ },
  { key: 'identityAny', field: 'remoteId', says: /^"%any"/ },
  { key: 'networkWidened', field: 'remoteNetworks', says: /^(?<from>\S+) is the network (?<value>\S+)$/ },
  { key: 'sameName', field: 'uuid', says: /replaces your profile of the same name/ },
  { key: 'newIdentifier', field: 'uuid', says: /a new one was made/ },
];

export function noteWords({ field, why }: Pick<ImportNote, 'field' | 'why'>): NoteWords | undefined {
  for (const pattern of patterns) {
    if (pattern.field !== undefined && pattern.field !== field) continue;
    const groups = pattern.says.exec(why);
    if (groups === null) continue;
    const { value = '', from = '', length = '0' } = groups.groups ?? {};
    return { key: pattern.key, value, from, length: Number(length) };
  }
  return undefined;
}

const named = ['name', 'gateway', 'localId', 'remoteId', 'remoteNetworks', 'auth.secret', 'uuid'] as const;
const fieldKeys = {
  name: 'importField.name',
  gateway: 'importField.gateway',
  localId: 'importField.localId',
  remoteId: 'importField.remoteId',
  remoteNetworks: 'importField.remoteNetworks',
  'auth.secret': 'importField.secret',
  uuid: 'importField.uuid',
} as const;

/** The key of a field's name in words; undefined shows the field as the file spells it. */
export function fieldKey(field: string): (typeof fieldKeys)[keyof typeof fieldKeys] | undefined {
  const known = named.find((name) => name === field);
  return known === undefined ? undefined : fieldKeys[known];
}
