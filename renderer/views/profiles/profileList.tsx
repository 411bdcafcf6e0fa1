/** The list of profiles by folder: arrow keys and typing walk it, Enter opens, Delete deletes (and can be taken back). */
import Check from 'lucide-react/icons/check';
import Copy from 'lucide-react/icons/copy';
import Ellipsis from 'lucide-react/icons/ellipsis-vertical';
import Folder from 'lucide-react/icons/folder';
import FolderInput from 'lucide-react/icons/folder-input';
import KeyRound from 'lucide-react/icons/key-round';
import Pencil from 'lucide-react/icons/pencil';
import Pin from 'lucide-react/icons/pin';
import Plug from 'lucide-react/icons/plug';
import Trash from 'lucide-react/icons/trash-2';
import TriangleAlert from 'lucide-react/icons/triangle-alert';
import Unplug from 'lucide-react/icons/unplug';
import Users from 'lucide-react/icons/users';
import { type KeyboardEvent, type ReactElement, useEffect, useRef } from 'react';
import { GridList, GridListHeader, GridListItem, GridListSection } from 'react-aria-components/GridList';
import type { ProfileSummary } from '../../../core/rpc/contract.ts';
import { IconButton } from '../../components/button.tsx';
import { Menu } from '../../components/menu.tsx';
import { Badge } from '../../components/pieces.tsx';
import { useTranslation } from '../../i18n/i18n.ts';
import { navigate } from '../../route.ts';
import { useProfileWarnings } from '../../store/warnings.ts';
import { mostUrgent, warningBadge, warningText, warningTone } from '../certificates/words.ts';
import { isolated, profilePath, useMayChange, useProfileActions } from './actions.ts';
import type { Group } from './listing.ts';

export interface ProfileListProps {
  readonly groups: readonly Group[];
  /** The one shown beside the list. */
  readonly open: string | undefined;
  /** The one the big control connects. */
  readonly current: string | undefined;
  /** The one of the connection that is on. */
  readonly active: string | undefined;
  readonly onMove: (id: string) => void;
}

export function ProfileList({ groups, open, current, active, onMove }: ProfileListProps): ReactElement {
  const { t } = useTranslation('profiles');
  const actions = useProfileActions();
  const mayChange = useMayChange();
  const box = useRef<HTMLDivElement>(null);
  // The one shown beside the list is in sight there.
  useEffect(() => {
    if (open !== undefined) box.current?.querySelector('.profile-row.open')?.scrollIntoView({ block: 'nearest' });
  }, [open]);
  const all = groups.flatMap(({ profiles }) => profiles);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Delete') return;
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-profile]') : null;
    const profile = all.find(({ id }) => id === row?.dataset.profile);
    if (!profile || !mayChange(profile)) return;
    event.preventDefault();
    void actions.remove(profile);
  };
  const row = (profile: ProfileSummary) => (
    <ProfileRow
      key={profile.id}
      profile={profile}
      isOpen={profile.id === open}
      isCurrent={profile.id === current}
      isActive={profile.id === active}
      mayChange={mayChange(profile)}
      onMove={() => onMove(profile.id)}
      onRemove={() => void actions.remove(profile)}
    />
  );
  return (
    <div ref={box} className="profile-scroll" onKeyDownCapture={onKeyDown}>
      <GridList
        aria-label={t('list')}
        className="profile-list"
        onAction={(id) => navigate(profilePath(String(id)))}
        data-test="profile-list"
      >
        {groups.map(({ folder, profiles }) => (
          <GridListSection
            key={folder}
            id={`folder ${folder}`}
            className="profile-folder"
            aria-label={folder === '' ? t('noFolder') : folder}
          >
            {(folder !== '' || groups.length > 1) && (
              <GridListHeader className="profile-folder-name small soft">
                {folder !== '' && <Folder size={14} aria-hidden />}
                <span dir="auto">{folder === '' ? t('noFolder') : folder}</span>
                <span className="figures">{profiles.length}</span>
              </GridListHeader>
            )}
            {profiles.map(row)}
          </GridListSection>
        ))}
      </GridList>
    </div>
  );
}

interface ProfileRowProps {
  readonly profile: ProfileSummary;
  readonly isOpen: boolean;
  readonly isCurrent: boolean;
  readonly isActive: boolean;
  readonly mayChange: boolean;
  readonly onMove: () => void;
  readonly onRemove: () => void;
}

function ProfileRow(props: ProfileRowProps): ReactElement {
  const { profile, isOpen, isCurrent, isActive, mayChange, onMove, onRemove } = props;
  const { t } = useTranslation(['profiles', 'common']);
  const { t: words } = useTranslation('certificates');
  const actions = useProfileActions();
  const [warning] = mostUrgent(useProfileWarnings(profile.id));
  return (
    <GridListItem
      id={profile.id}
      textValue={profile.name}
      className={isOpen ? 'profile-row open' : 'profile-row'}
      data-profile={profile.id}
    >
      <div className="profile-words">
        <span className="profile-name" dir="auto">
          {profile.name}
        </span>
        <span className="small soft fixed profile-gateway">{profile.gateway}</span>
        {(isActive || isCurrent || profile.shared || !profile.hasSecret || warning) && (
          <span className="row wrap profile-badges">
            {isActive ? (
              <Badge tone="ok" icon={<Check size={12} aria-hidden />}>
                {t('active')}
              </Badge>
            ) : (
              isCurrent && (
                <Badge tone="working" icon={<Pin size={12} aria-hidden />}>
                  {t('current')}
                </Badge>
              )
            )}
            {profile.shared && <Badge icon={<Users size={12} aria-hidden />}>{t('shared')}</Badge>}
            {!profile.hasSecret && <Badge icon={<KeyRound size={12} aria-hidden />}>{t(`asks.${profile.auth}`)}</Badge>}
            {warning && (
              <Badge
                tone={warningTone(warning)}
                icon={<TriangleAlert size={12} aria-hidden />}
                title={warningText(warning, words)}
              >
                {warningBadge(warning, words)}
              </Badge>
            )}
          </span>
        )}
      </div>
      <Menu
        label={t('actionsFor', { name: isolated(profile.name) })}
        trigger={
          <IconButton label={t('actionsFor', { name: isolated(profile.name) })} icon={<Ellipsis size={18} aria-hidden />} />
        }
        entries={[
          ...(isActive
            ? [
                {
                  id: 'disconnect',
                  label: t('disconnect'),
                  icon: <Unplug size={16} aria-hidden />,
                  run: () => actions.disconnect(),
                },
              ]
            : [
                {
                  id: 'connect',
                  label: t('common:connect'),
                  icon: <Plug size={16} aria-hidden />,
                  run: () => actions.connect(profile),
                },
              ]),
          ...(isCurrent || isActive
            ? []
            : [
                {
                  id: 'current',
                  label: t('makeCurrent'),
                  icon: <Pin size={16} aria-hidden />,
                  run: () => actions.makeCurrent(profile),
                },
              ]),
          ...(mayChange
            ? [
                {
                  id: 'edit',
                  label: t('common:edit'),
                  icon: <Pencil size={16} aria-hidden />,
                  run: () => navigate(profilePath(profile.id, 'edit')),
                },
                { id: 'move', label: t('move'), icon: <FolderInput size={16} aria-hidden />, run: onMove },
              ]
            : []),
          {
            id: 'duplicate',
            label: t('duplicate'),
            icon: <Copy size={16} aria-hidden />,
            run: () => void actions.duplicate(profile),
          },
          ...(mayChange
            ? [{ id: 'remove', label: t('common:delete'), icon: <Trash size={16} aria-hidden />, danger: true, run: onRemove }]
            : []),
        ]}
      />
    </GridListItem>
  );
}
