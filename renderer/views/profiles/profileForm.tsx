/** Making and editing a profile: what everybody needs first, the rest folded; problems as they are typed; nothing is lost by looking away. */
import { type KeyboardEvent, type ReactElement, useRef, useState } from 'react';
import type { ProfileSummary, ProfileView } from '../../../core/rpc/contract.ts';
import { Button } from '../../components/button.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { ErrorCard } from '../../components/errorCard.tsx';
import { toast } from '../../components/toast.tsx';
import { useTranslation } from '../../i18n/i18n.ts';
import { navigate } from '../../route.ts';
import { loadProfiles } from '../../store/profiles.ts';
import { saveSettings, useSession } from '../../store/session.ts';
import { isolated, profilePath } from './actions.ts';
import { type Draft, draftOf, emptyDraft, type FieldName } from './form.ts';
import { FormFields } from './formFields.tsx';
import { BackLink } from './profileDetail.tsx';
import { useDraft } from './useDraft.ts';
import { useProfileView } from './useProfileView.ts';

export function NewProfile({ folders }: { readonly folders: readonly string[] }): ReactElement {
  return <ProfileForm begin={emptyDraft} folders={folders} />;
}

export function EditProfile({
  profile,
  folders,
}: {
  readonly profile: ProfileSummary;
  readonly folders: readonly string[];
}): ReactElement {
  const { t } = useTranslation('common');
  const { view, error, again } = useProfileView(profile);
  // What is edited is what was there when it began, whatever is read again meanwhile.
  const begun = useRef<ProfileView>(undefined);
  begun.current ??= view;
  if (error)
    return <ErrorCard code={error.code} evidence={error.detail} actions={<Button onPress={again}>{t('tryAgain')}</Button>} />;
  if (!begun.current) return <p className="soft">{t('loading')}</p>;
  return <ProfileForm begin={draftOf(begun.current)} edited={begun.current} folders={folders} />;
}

interface ProfileFormProps {
  readonly begin: Draft;
  /** Undefined for a new one. */
  readonly edited?: ProfileView;
  readonly folders: readonly string[];
}

function ProfileForm({ begin, edited, folders }: ProfileFormProps): ReactElement {
  const { t } = useTranslation(['profiles', 'common']);
  const [start] = useState(begin);
  const state = useDraft(edited?.id, start, edited && start);
  const [leaving, setLeaving] = useState(false);
  const [more, setMore] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const back = () => navigate(edited ? profilePath(edited.id) : '/profiles');
  const leave = () => {
    if (state.changed) setLeaving(true);
    else {
      state.forget();
      back();
    }
  };
  const focusOn = (field: FieldName) => {
    setMore(true);
    // After the folded part is open.
    setTimeout(() => {
      const element = form.current?.querySelector<HTMLElement>(`[data-field="${field}"] :is(input, textarea, button)`);
      element?.focus();
      element?.scrollIntoView({ block: 'center' });
    }, 0);
  };
  const save = async () => {
    const saved = await state.save(focusOn);
    if (!saved) return;
    await loadProfiles();
    if (!edited && useSession.getState().settings.currentProfile === null) void saveSettings({ currentProfile: saved.id });
    toast({ text: t(edited ? 'saved' : 'created', { name: isolated(saved.name) }) });
    navigate(profilePath(saved.id));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.defaultPrevented) return;
    if (event.key === 'Escape') {
      // The window would go back at once.
      event.preventDefault();
      leave();
    } else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 's') {
      event.preventDefault();
      void save();
    }
  };
  return (
    <>
      <form
        ref={form}
        className="profile profile-form"
        aria-label={edited ? t('editTitle', { name: isolated(edited.name) }) : t('newTitle')}
        noValidate
        onKeyDown={onKeyDown}
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
        data-test="profile-form"
      >
        <BackLink />
        <h2 dir="auto">{edited ? t('editTitle', { name: isolated(edited.name) }) : t('newTitle')}</h2>
        {state.resumed && state.changed && <p className="small soft">{t('resumed')}</p>}
        <FormFields state={state} edited={edited} folders={folders} more={more} onMore={setMore} />
        {state.error && <ErrorCard code={state.error.code} evidence={state.error.detail} />}
        <div className="profile-save">
          <Button onPress={leave}>{t('common:cancel')}</Button>
          <Button
            look="primary"
            type="submit"
            isPending={state.saving}
            isDisabled={edited !== undefined && !state.changed}
            data-test="profile-save"
          >
            {t(edited ? 'common:save' : 'createDo')}
          </Button>
        </div>
      </form>
      <Dialog
        title={t('leaveTitle')}
        role="alertdialog"
        isOpen={leaving}
        onClose={() => setLeaving(false)}
        footer={
          <>
            <Button onPress={() => setLeaving(false)} autoFocus>
              {t('leaveStay')}
            </Button>
            <Button
              look="danger"
              onPress={() => {
                state.forget();
                setLeaving(false);
                back();
              }}
              data-test="profile-discard"
            >
              {t('leaveDo')}
            </Button>
          </>
        }
      >
        <p>{t('leaveText')}</p>
      </Dialog>
    </>
  );
}
