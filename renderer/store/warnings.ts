/**
 * What will be over soon, by profile: asked of the helper for those that have certificates, when the list was read, so that nobody has to
 * connect to learn that a certificate ends. What a connection found out is in its status.
 */
import { create } from 'zustand';
import type { ProfileSummary, Warning } from '../../core/rpc/contract.ts';
import { call } from '../api.ts';
import { useProfiles } from './profiles.ts';
import { useSession } from './session.ts';

export const useWarnings = create<{ readonly byProfile: Readonly<Record<string, readonly Warning[]>> }>()(() => ({
  byProfile: {},
}));

/** Milliseconds for which an answer is believed while the profile looks the same. */
const FRESH = 60_000;
/** Profiles that are looked at; nobody has more. */
const MOST = 200;

const asked = new Map<string, { readonly at: number; readonly summary: string }>();
let running = false;
let again = false;

/** Once, before the first render. */
export function startWarnings(): void {
  useProfiles.subscribe((now, before) => {
    if (now.list !== before.list) void lookAtAll();
  });
}

const NONE: readonly Warning[] = [];

/** What a connection of the profile told is more than what was known before it; the newest of both, each kind once. */
export function useProfileWarnings(profile: string | undefined): readonly Warning[] {
  const known = useWarnings(({ byProfile }) => (profile === undefined ? NONE : (byProfile[profile] ?? NONE)));
  const told = useSession(({ status }) => (status?.profile?.id === profile ? status?.warnings : undefined));
  return told ? [...told, ...known.filter((one) => !told.some(({ code }) => code === one.code))] : known;
}

/** Its certificates may be others now. */
export function forgetWarnings(profile: string): void {
  asked.delete(profile);
}

async function lookAtAll(): Promise<void> {
  again = running;
  if (running) return;
  running = true;
  do {
    again = false;
    for (const profile of (useProfiles.getState().list ?? []).slice(0, MOST)) await lookAt(profile);
  } while (again);
  running = false;
}

async function lookAt(profile: ProfileSummary): Promise<void> {
  const summary = JSON.stringify(profile);
  const before = asked.get(profile.id);
  if (before && before.summary === summary && Date.now() - before.at < FRESH) return;
  asked.set(profile.id, { at: Date.now(), summary });
  const warnings = profile.auth === 'psk' ? [] : await warningsOf(profile);
  if (!warnings) return;
  useWarnings.setState(({ byProfile }) => ({ byProfile: { ...byProfile, [profile.id]: warnings } }));
}

async function warningsOf({ id, auth }: ProfileSummary): Promise<readonly Warning[] | undefined> {
  const reply = await call('cert.show', { profile: id });
  if (!reply.ok) return undefined;
  const { warnings } = reply.value;
  if (auth !== 'eap') return warnings;
  // Of a profile without certificates of the user's the helper shows whom it trusts.
  const shown = await call('profile.show', { profile: id });
  if (!shown.ok || shown.value.certificates.length > 0) return warnings;
  return warnings.map((one) => (one.code === 'client-certificate-expires' ? { ...one, code: 'authority-expires' } : one));
}
