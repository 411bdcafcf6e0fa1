import { useCallback, useEffect, useState } from 'react';
import type { ProfileSummary, ProfileView, RpcError } from '../../../core/rpc/contract.ts';
import { call } from '../../api.ts';

export interface Shown {
  readonly view: ProfileView | undefined;
  readonly error: RpcError | undefined;
  readonly again: () => void;
}

/** All of a profile, read again whenever the list was: another program may have changed it. */
export function useProfileView(profile: ProfileSummary): Shown {
  const [result, setResult] = useState<{ readonly view?: ProfileView; readonly error?: RpcError }>({});
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let wanted = true;
    void call('profile.show', { profile: profile.id }).then((reply) => {
      if (wanted) setResult(reply.ok ? { view: reply.value } : { error: reply.error });
    });
    return () => {
      wanted = false;
    };
  }, [profile, turn]);
  const again = useCallback(() => setTurn((before) => before + 1), []);
  return { view: result.view, error: result.error, again };
}
