/** The report of an import, field by field (PROFILES.md: kept, changed, dropped, warned about). */
import type { ImportNote, ImportNoteCode } from '../rpc/contract.ts';

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
