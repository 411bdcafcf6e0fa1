/** Which certificates the lens shows, over whatever view: one at a time. */
import { create } from 'zustand';
import type { Warning } from '../../core/rpc/contract.ts';
import type { ProfileName } from './reduce.ts';

export interface LensSubject {
  /** The user's own, whom the profile trusts, or what the gateway shows now. */
  readonly whose: 'own' | 'authorities' | 'gateway';
  readonly profile: ProfileName;
}

export const useLens = create<{ readonly subject: LensSubject | null }>()(() => ({ subject: null }));

export function openLens(whose: LensSubject['whose'], { id, name }: ProfileName): void {
  useLens.setState({ subject: { whose, profile: { id, name } } });
}

export function closeLens(): void {
  useLens.setState({ subject: null });
}

/** Which certificate a warning is about; undefined: none. */
export const LENS_OF: { readonly [C in Warning['code']]: LensSubject['whose'] | undefined } = {
  'client-certificate-expires': 'own',
  'gateway-certificate-expires': 'gateway',
  'authority-expires': 'authorities',
  'revocation-unknown': 'gateway',
  'psk-short': undefined,
  'network-refused': undefined,
  'family-blocked': undefined,
};
