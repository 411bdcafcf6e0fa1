/** Notifications on what changes while nobody looks; which changes those are is core/desktop/glance.ts. */
import { Notification } from 'electron';
import { type Glance, noticeOf } from '../core/desktop/glance.ts';
import { filled, type Words } from '../core/desktop/words.ts';

export interface NotifyOptions {
  readonly words: () => Words;
  /** The user wants them, and does not look at the window. */
  readonly wanted: () => boolean;
  readonly open: () => void;
}

/** Takes every glance in turn. */
export function notifyOf(options: NotifyOptions): (glance: Glance) => void {
  let before: Glance | undefined;
  // Kept until it is replaced: a notification that is collected loses its click.
  let shown: Notification | undefined;
  return (glance) => {
    const notice = before && noticeOf(before, glance);
    const profile = glance.profile ?? before?.profile;
    before = glance;
    if (notice === undefined || !options.wanted() || !Notification.isSupported()) return;
    const [title, body] = options.words().notice[notice];
    shown?.close();
    shown = new Notification({ title: filled(title, profile), body: filled(body, profile), silent: notice === 'protected' });
    shown.on('click', options.open);
    shown.show();
  };
}
