/** Which rows of a long list are drawn, and where the list stands: numbers only. */

export interface Viewport {
  readonly scrollTop: number;
  readonly height: number;
  readonly rowHeight: number;
  readonly count: number;
}

/** Rows drawn above and below what is seen, so that a fast scroll does not show a hole. */
const OVERSCAN = 10;
/** So close to the end the user means the end. */
const SLACK = 4;

/** First row drawn, one after the last, and how far down the first one stands. */
export function rowsIn(view: Viewport): { readonly first: number; readonly end: number; readonly offset: number } {
  if (view.rowHeight <= 0 || view.count === 0) return { first: 0, end: 0, offset: 0 };
  const top = Math.max(0, Math.min(view.scrollTop, view.count * view.rowHeight - view.height));
  // An even first row keeps striped rows from changing their colour while scrolling.
  const first = Math.max(0, Math.floor(top / view.rowHeight) - OVERSCAN) & ~1;
  const end = Math.min(view.count, Math.ceil((top + Math.max(0, view.height)) / view.rowHeight) + OVERSCAN);
  return { first, end, offset: first * view.rowHeight };
}

/** Whether the list stands at its end. */
export function atEnd(view: Viewport): boolean {
  return view.count * view.rowHeight - view.scrollTop - view.height <= SLACK;
}

/** The least scrolling that brings a row into view; a row far away comes to the middle. */
export function scrollToRow(view: Viewport, row: number): number {
  const [top, bottom] = [row * view.rowHeight, (row + 1) * view.rowHeight];
  const most = Math.max(0, view.count * view.rowHeight - view.height);
  if (top >= view.scrollTop && bottom <= view.scrollTop + view.height) return view.scrollTop;
  const near = top > view.scrollTop - view.height && bottom < view.scrollTop + 2 * view.height;
  const wanted = near ? (top < view.scrollTop ? top : bottom - view.height) : top - (view.height - view.rowHeight) / 2;
  return Math.max(0, Math.min(most, wanted));
}
