/** The question of a new login that the user put aside: the tunnel that is there goes on without an answer. */
import { create } from 'zustand';

export const useAside = create<{ readonly id: string | null }>()(() => ({ id: null }));

/** Null: it is shown again. */
export function putAside(id: string | null): void {
  useAside.setState({ id });
}
