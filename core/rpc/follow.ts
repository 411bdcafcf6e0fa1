/** The status as it changes: the snapshot of `subscribe`, then every delta merged into it, in order. */
import { ok, type Result } from '../bytes/result.ts';
import type { RpcClient } from './client.ts';
import type { Events, RpcError, Status } from './contract.ts';
import { applyDelta } from './delta.ts';

export interface StatusFollower {
  current(): Status;
  stop(): void;
}

/** `onStatus` is called with the snapshot and with each later status. */
export async function followStatus(
  client: RpcClient,
  onStatus: (status: Status) => void,
): Promise<Result<StatusFollower, RpcError>> {
  let status: Status | undefined;
  // A delta can be read in the same piece as the snapshot it is for, before the waiting code runs.
  const early: Events['status'][] = [];
  const stop = client.on('status', (delta) => {
    if (!status) {
      early.push(delta);
      return;
    }
    status = applyDelta(status, delta);
    onStatus(status);
  });
  const answer = await client.call('subscribe', { to: ['status'] });
  if (!answer.ok || !answer.value.status) {
    stop();
    return answer.ok ? { ok: false, error: { code: 'internal', detail: 'subscribe answered without a status' } } : answer;
  }
  let snapshot = answer.value.status;
  for (const delta of early) snapshot = applyDelta(snapshot, delta);
  status = snapshot;
  onStatus(snapshot);
  return ok({ current: () => status ?? snapshot, stop });
}
