/** Snapshots and deltas of top-level keys: what `subscribe` answers with, and what the `status` events carry after it. */
import type { Events, Status } from './contract.ts';

/** What changed from one to the other, with null for a key that is gone; undefined when nothing did. */
export function statusDelta(from: Status, to: Status): Events['status'] | undefined {
  const before: Readonly<Record<string, unknown>> = { ...from };
  const after: Readonly<Record<string, unknown>> = { ...to };
  const changes: Record<string, unknown> = {};
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (after[key] === undefined) {
      if (before[key] !== undefined) changes[key] = null;
    } else if (JSON.stringify(before[key]) !== JSON.stringify(after[key])) {
      changes[key] = after[key];
    }
  }
  return Object.keys(changes).length === 0 ? undefined : changes;
}

/** The status after a delta. */
export function applyDelta(status: Status, delta: Events['status']): Status {
  return { ...status, ...Object.fromEntries(Object.entries(delta).map(([key, value]) => [key, value ?? undefined])) };
}
