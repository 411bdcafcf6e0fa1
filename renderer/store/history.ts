/** The sessions of the past. The helper sends no event for them: a change of state says when to read again. */
import { create } from 'zustand';
import type { Results, RpcError } from '../../core/rpc/contract.ts';
import { call } from '../api.ts';
import { useSession } from './session.ts';

export type PastSession = Results['history.list'][number];

export interface History {
  readonly sessions: readonly PastSession[] | null;
  readonly error: RpcError | null;
}

export const useHistory = create<History>()(() => ({ sessions: null, error: null }));

const LIMIT = 200;

export async function loadHistory(): Promise<void> {
  const reply = await call('history.list', { limit: LIMIT });
  if (reply.ok) useHistory.setState({ sessions: reply.value, error: null });
  else useHistory.setState({ error: reply.error });
}

/** Once, before the first render. */
export function startHistory(): void {
  useSession.subscribe((now, before) => {
    if (now.link.state !== 'connected') return;
    if (before.link.state !== 'connected' || now.status?.state !== before.status?.state) void loadHistory();
  });
}
