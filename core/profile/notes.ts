/** The report of an import, field by field (PROFILES.md: kept, changed, dropped, warned about). */
import type { ImportNote, ImportNoteCode } from '../rpc/contract.ts';
import { shown } from './faults.ts';

export type NoteValues = NonNullable<ImportNote['values']>;

export interface Notes {
  readonly list: readonly ImportNote[];
  kept(field: string): void;
  changed(field: string, code: ImportNoteCode, why: string, values?: NoteValues): void;
  dropped(field: string, code: ImportNoteCode, why: string, values?: NoteValues): void;
  warning(field: string, code: ImportNoteCode, why: string, values?: NoteValues): void;
}

export function createNotes(): Notes {
  const list: ImportNote[] = [];
  const add = (outcome: ImportNote['outcome']) => (field: string, code: ImportNoteCode, why: string, values?: NoteValues) => {
    list.push({ field, outcome, why, code, ...(values && { values }) });
  };
  return {
    list,
    kept: (field) => add('kept')(field, 'kept', 'as given'),
    changed: add('changed'),
    dropped: add('dropped'),
    warning: add('warning'),
  };
}

/** A file may have ten thousand. */
const MOST_NAMED = 50;

/** Dropped: what this version does not know. The last one that is named stands for the rest. */
export function noteUnknown(notes: Notes, fields: readonly string[]): void {
  const named = fields.slice(0, MOST_NAMED);
  const count = fields.length - named.length;
  const last = count > 0 ? named.pop() : undefined;
  for (const field of named) notes.dropped(shown(field), 'unknown-field', 'this version does not know the field');
  if (last === undefined) return;
  notes.dropped(shown(last), 'unknown-fields', `this version does not know the field, and ${count} more`, { count });
}
