/** What tray and menu do for the user: the same one control as in the window, without a page. */
import type { WindowEvent } from './contract.ts';
import type { Glance } from './glance.ts';
import type { Link } from './link.ts';
import type { WindowApi } from './windowApi.ts';

export type ViewName = Extract<WindowEvent, { event: 'navigate' }>['data'];

export interface Control {
  /** Connects, disconnects or cancels, as the glance offers. */
  act(control: Glance['control']): void;
  show(): void;
  go(view: ViewName): void;
}

export interface ControlParts {
  readonly api: WindowApi;
  readonly link: Link;
  /** Id of the profile the user used last. */
  readonly currentProfile: () => string | null;
  readonly show: () => void;
}

export function createControl({ api, link, currentProfile, show }: ControlParts): Control {
  const go = (view: ViewName): void => {
    show();
    api.navigate(view);
  };
  const act = async (control: Glance['control']): Promise<void> => {
    if (control === 'none') return;
    if (control !== 'connect') {
      await link.call('tunnel.down', {});
      return;
    }
    const profile = currentProfile() ?? link.status()?.profile?.id;
    const accepted = profile === undefined ? undefined : await link.call('tunnel.up', { profile, askSecret: true });
    // No profile yet, or one that is gone: the window knows what to do about it.
    if (!accepted?.ok) go('connect');
  };
  return { act: (control) => void act(control), show, go };
}
