/** The CHILD SAs to be made beside those there are. Those that the peer deleted come back here, later and later where it does so again and again. */
import type { KeTransform, Random } from '../../crypto/types.ts';
import { selectorsText } from '../selectors.ts';
import { type Life, type Lineage, newLineage, type Selectors } from './childLife.ts';
import { pauseAfter, wantedFor } from './lifetimes.ts';

export interface Wanted extends Selectors {
  /** `again`: the peer has deleted it, or left it out. */
  readonly which: 'first' | 'further' | 'again';
  readonly lineage: Lineage;
  readonly method?: KeTransform;
  readonly attempts: number;
  /** Methods asked for in a row. */
  readonly groups: number;
  readonly notBefore: number;
}

/** For the log. */
export const asking: { readonly [W in Wanted['which']]: string } = {
  first: 'asking for the first',
  further: 'asking for one more',
  again: 'asking again for a',
};

export class WantedChildren {
  readonly #random: Random;
  /** Of all CHILD SAs there are. */
  readonly #lives: ReadonlyMap<number, Life>;
  #wanted: Wanted[] = [];

  constructor(random: Random, lives: ReadonlyMap<number, Life>) {
    this.#random = random;
    this.#lives = lives;
  }

  /** One is to be made; not counted is what the peer has deleted or left out, and may again. */
  get pending(): boolean {
    return this.#wanted.some(({ which }) => which !== 'again');
  }

  deadline(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.#wanted.map(({ notBefore }) => notBefore));
  }

  add({ local, remote }: Selectors, which: Wanted['which'], lineage = newLineage(false, 0)): void {
    this.#wanted.push({ local, remote, which, lineage, attempts: 0, groups: 0, notBefore: 0 });
  }

  retry(wanted: Wanted): void {
    this.#wanted.push(wanted);
  }

  /** Whose turn it is; it is wanted no longer. */
  take(now: number): Wanted | undefined {
    const due = this.#wanted.find(({ notBefore }) => now >= notBefore);
    this.#wanted = this.#wanted.filter((one) => one !== due);
    return due?.which === 'again' && this.#isServed(due, due.lineage) ? undefined : due;
  }

  /** It ended, and nobody meant to replace it. Milliseconds until it is asked for again because the peer deleted it. */
  missed({ selectors, lineage, expired }: Life, now: number): number | undefined {
    if (this.#isServed(selectors, lineage)) return undefined;
    if (expired) this.add(selectors, 'further', lineage);
    // What the peer made of its own accord it may end so.
    if (expired || lineage.byPeer) return undefined;
    lineage.deletions = now - lineage.madeAt < wantedFor ? lineage.deletions + 1 : 1;
    const pause = pauseAfter(lineage.deletions, Number.POSITIVE_INFINITY, this.#random);
    this.retry({ ...selectors, which: 'again', lineage, attempts: 0, groups: 0, notBefore: now + pause });
    return pause;
  }

  /** The peer made a successor that is not for these any more. Milliseconds until they are asked for: it may be about to do so itself. */
  leftOut(selectors: Selectors, now: number): number {
    const lineage = newLineage(false, now);
    lineage.deletions = 1;
    const pause = pauseAfter(lineage.deletions, Number.POSITIVE_INFINITY, this.#random);
    this.retry({ ...selectors, which: 'again', lineage, attempts: 0, groups: 0, notBefore: now + pause });
    return pause;
  }

  /** One to come after these. */
  isAsked(lineage: Lineage): boolean {
    return this.#wanted.some((one) => one.lineage === lineage);
  }

  /** One for the very same traffic, which has no successor. */
  usableFor(wanted: Selectors): Life | undefined {
    const traffic = trafficText(wanted);
    return this.#usable.find(({ selectors }) => trafficText(selectors) === traffic);
  }

  /** There is one in its place, or one is asked for. One that the peer made for the very same traffic counts as ours from then on. */
  #isServed(selectors: Selectors, lineage: Lineage): boolean {
    if (this.isAsked(lineage) || this.#usable.some((one) => one.lineage === lineage)) return true;
    const same = this.usableFor(selectors);
    if (same && !lineage.byPeer) same.lineage = lineage;
    return same !== undefined;
  }

  get #usable(): readonly Life[] {
    return [...this.#lives.values()].filter(({ replacedBy, expired }) => replacedBy === undefined && !expired);
  }
}

function trafficText({ local, remote }: Selectors): string {
  return `${selectorsText(local)} > ${selectorsText(remote)}`;
}
