/** Which lines are chosen: a range of ids from where it began to where it stands, as in every list with Shift. Pure. */
export interface Selection {
  readonly anchor: number;
  readonly focus: number;
}

export function isSelected(selection: Selection | undefined, id: number): boolean {
  if (!selection) return false;
  return id >= Math.min(selection.anchor, selection.focus) && id <= Math.max(selection.anchor, selection.focus);
}

/** One line, or with `extend` from the anchor to it. */
export function selectTo(selection: Selection | undefined, id: number, extend: boolean): Selection {
  return extend && selection ? { anchor: selection.anchor, focus: id } : { anchor: id, focus: id };
}

/** The row that a key goes to; undefined for other keys. */
export function rowForKey(key: string, row: number | undefined, count: number, page: number): number | undefined {
  if (count === 0) return undefined;
  const last = count - 1;
  const bounded = (wanted: number) => Math.max(0, Math.min(last, wanted));
  switch (key) {
    case 'ArrowDown':
      return row === undefined ? last : bounded(row + 1);
    case 'ArrowUp':
      return row === undefined ? last : bounded(row - 1);
    case 'PageDown':
      return bounded((row ?? last) + page);
    case 'PageUp':
      return bounded((row ?? last) - page);
    case 'Home':
      return 0;
    case 'End':
      return last;
    default:
      return undefined;
  }
}
