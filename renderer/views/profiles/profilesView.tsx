/** Profiles: the list, and beside it (or, in a narrow window, in its place) one of them: to read, to make or to edit. */
import './profiles.css';
import FilePlus from 'lucide-react/icons/file-plus-2';
import Import from 'lucide-react/icons/import';
import List from 'lucide-react/icons/list';
import { type ReactElement, useState } from 'react';
import { Button } from '../../components/button.tsx';
import { chooseProfileFile } from '../../components/chooseFile.ts';
import { ErrorCard } from '../../components/errorCard.tsx';
import { SearchField } from '../../components/fields.tsx';
import { EmptyState } from '../../components/pieces.tsx';
import { useTranslation } from '../../i18n/i18n.ts';
import { navigate, useRoute } from '../../route.ts';
import { currentProfile, loadProfiles, useProfiles } from '../../store/profiles.ts';
import { useSession } from '../../store/session.ts';
import { useProfileActions } from './actions.ts';
import { FolderDialog } from './folderDialog.tsx';
import { foldersOf, grouped, search } from './listing.ts';
import { ProfileDetail } from './profileDetail.tsx';
import { EditProfile, NewProfile } from './profileForm.tsx';
import { ProfileList } from './profileList.tsx';

export function ProfilesView(): ReactElement {
  const { t, language } = useTranslation(['profiles', 'common']);
  const { rest } = useRoute();
  const { list, error } = useProfiles();
  const [query, setQuery] = useState('');
  const [moving, setMoving] = useState<string>();
  const wanted = useSession((session) => session.settings.currentProfile);
  const active = useSession((session) => (session.status?.state === 'idle' ? undefined : session.status?.profile?.id));
  const actions = useProfileActions();

  if (list === null) {
    return (
      <div className="view">
        <h1 className="visually-hidden">{t('common:profiles')}</h1>
        {error ? (
          <ErrorCard
            code={error.code}
            evidence={error.detail}
            actions={<Button onPress={() => void loadProfiles()}>{t('common:tryAgain')}</Button>}
          />
        ) : (
          <p className="soft">{t('common:loading')}</p>
        )}
      </div>
    );
  }
  const [chosen, what] = rest;
  const current = currentProfile(list, wanted, active);
  if (list.length === 0 && chosen !== 'new') return <NoProfile />;

  const groups = grouped(search(list, query), language);
  const folders = foldersOf(list, language);
  const shown = chosen === undefined ? current : list.find(({ id }) => id === chosen);
  const toMove = list.find(({ id }) => id === moving);
  return (
    <div className={chosen === undefined ? 'profiles' : 'profiles has-choice'}>
      {/* Also where the list is not shown. */}
      <h1 className="visually-hidden">{t('common:profiles')}</h1>
      <section className="profiles-list" aria-label={t('list')}>
        <div className="row between">
          <p className="profiles-title" aria-hidden>
            {t('common:profiles')}
          </p>
          <div className="row">
            <Button icon={<Import size={16} aria-hidden />} onPress={chooseProfileFile} data-test="profile-import">
              {t('import')}
            </Button>
            <Button icon={<FilePlus size={16} aria-hidden />} onPress={() => navigate('/profiles/new')} data-test="profile-new">
              {t('new')}
            </Button>
          </div>
        </div>
        {list.length > 1 && (
          <SearchField label={t('search')} clearLabel={t('common:clearSearch')} value={query} onChange={setQuery} />
        )}
        <p className="visually-hidden" role="status">
          {query === '' ? '' : t('found', { count: groups.reduce((sum, group) => sum + group.profiles.length, 0) })}
        </p>
        {groups.length === 0 ? (
          <EmptyState
            title={t('noneFoundTitle')}
            text={t('noneFound', { query })}
            actions={<Button onPress={() => setQuery('')}>{t('common:clearSearch')}</Button>}
          />
        ) : (
          <ProfileList groups={groups} open={shown?.id} current={current?.id} active={active} onMove={setMoving} />
        )}
        <p className="small soft profiles-hint">{t('importHint')}</p>
      </section>
      <div className="profiles-choice">
        {chosen === 'new' ? (
          <NewProfile folders={folders} />
        ) : shown === undefined ? (
          <EmptyState
            icon={<List size={32} aria-hidden />}
            title={t('goneTitle')}
            text={t('gone')}
            actions={<Button onPress={() => navigate('/profiles')}>{t('toList')}</Button>}
          />
        ) : what === 'edit' ? (
          <EditProfile key={shown.id} profile={shown} folders={folders} />
        ) : (
          <ProfileDetail
            key={shown.id}
            profile={shown}
            isCurrent={shown.id === current?.id}
            isActive={shown.id === active}
            onMove={() => setMoving(shown.id)}
            onRemove={() => void actions.remove(shown)}
          />
        )}
      </div>
      {toMove && (
        <FolderDialog
          profile={toMove}
          folders={folders}
          onClose={() => setMoving(undefined)}
          onChoose={(folder) => {
            setMoving(undefined);
            void actions.setFolder(toMove, folder);
          }}
        />
      )}
    </div>
  );
}

function NoProfile(): ReactElement {
  const { t } = useTranslation(['profiles', 'common']);
  return (
    <div className="view">
      <h1 className="visually-hidden">{t('common:profiles')}</h1>
      <EmptyState
        icon={<List size={32} aria-hidden />}
        title={t('emptyTitle')}
        text={t('empty')}
        actions={
          <>
            <Button look="primary" icon={<Import size={16} aria-hidden />} onPress={chooseProfileFile}>
              {t('common:importProfile')}
            </Button>
            <Button onPress={() => navigate('/profiles/new')}>{t('common:createProfile')}</Button>
          </>
        }
      />
    </div>
  );
}
