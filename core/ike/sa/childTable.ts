/** The CHILD SAs of one IKE SA, by their inbound SPIs, and what the dataplane and the key log are told of them. */
import type { ChildRecord } from '../exchanges/informational.ts';
import { espKeyLogLines } from '../keys/keyLog.ts';
import { spiText } from '../wire/spi.ts';
import type { Installed } from './childLife.ts';
import type { ChildSa } from './contract.ts';
import type { IkeSaSetup } from './setup.ts';

/** What is remembered of a CHILD SA: all but the keys, which belong to whoever carries its packets. */
export type ChildFacts = Omit<ChildSa, 'keysIn' | 'keysOut'>;

export interface Child extends ChildRecord {
  readonly sa: ChildFacts;
}

export class ChildTable {
  readonly #setup: IkeSaSetup;
  readonly #children = new Map<number, Child>();

  constructor(setup: IkeSaSetup) {
    this.#setup = setup;
  }

  get all(): readonly Child[] {
    return [...this.#children.values()];
  }

  get isEmpty(): boolean {
    return this.#children.size === 0;
  }

  get(spiIn: number): Child | undefined {
    return this.#children.get(spiIn);
  }

  add(child: ChildSa, how: Installed): void {
    const { keyLog, emit } = this.#setup;
    const { keysIn: _in, keysOut: _out, ...sa } = child;
    this.#children.set(child.spiIn, { spiIn: child.spiIn, spiOut: child.spiOut, deleting: false, sa });
    if (keyLog) for (const line of espKeyLogLines(child)) emit({ kind: 'key-log', table: 'esp', line });
    emit({ kind: 'install-child', child, ...how });
  }

  /** Our DELETE is to go out; false: it is on its way already, or there is no such SA. */
  markDeleting(spiIn: number): boolean {
    const child = this.#children.get(spiIn);
    if (!child || child.deleting) return false;
    this.#children.set(spiIn, { ...child, deleting: true });
    return true;
  }

  remove(spiIn: number): void {
    if (!this.#children.delete(spiIn)) return;
    this.#setup.narrator.log('info', 'CHILD SA ended', { spiIn: spiText(spiIn) });
    this.#setup.emit({ kind: 'remove-child', spiIn });
  }

  removeAll(): void {
    for (const spiIn of [...this.#children.keys()]) this.remove(spiIn);
  }

  /** They are of another IKE SA now. */
  moveTo(other: ChildTable): void {
    for (const [spiIn, child] of this.#children) other.#children.set(spiIn, child);
    this.#children.clear();
  }
}
