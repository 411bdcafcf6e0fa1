/** Where a profile stands: a folder there is, a new one, or none. */
import Folder from 'lucide-react/icons/folder';
import FolderX from 'lucide-react/icons/folder-x';
import { type ReactElement, useState } from 'react';
import type { ProfileSummary } from '../../../core/rpc/contract.ts';
import { Button } from '../../components/button.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { TextField } from '../../components/fields.tsx';
import { useTranslation } from '../../i18n/i18n.ts';
import { isolated } from './actions.ts';

export interface FolderDialogProps {
  readonly profile: ProfileSummary;
  readonly folders: readonly string[];
  readonly onChoose: (folder: string) => void;
  readonly onClose: () => void;
}

export function FolderDialog({ profile, folders, onChoose, onClose }: FolderDialogProps): ReactElement {
  const { t } = useTranslation(['profiles', 'common']);
  const [folder, setFolder] = useState(profile.folder);
  const others = folders.filter((each) => each !== profile.folder);
  return (
    <Dialog title={t('moveTitle', { name: isolated(profile.name) })} isOpen dismissable onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          onChoose(folder.trim());
        }}
      >
        {(others.length > 0 || profile.folder !== '') && (
          <ul className="folder-choices">
            {others.map((each) => (
              <li key={each}>
                <Button look="quiet" icon={<Folder size={16} aria-hidden />} onPress={() => onChoose(each)}>
                  <bdi>{each}</bdi>
                </Button>
              </li>
            ))}
            {profile.folder !== '' && (
              <li>
                <Button look="quiet" icon={<FolderX size={16} aria-hidden />} onPress={() => onChoose('')}>
                  {t('noFolder')}
                </Button>
              </li>
            )}
          </ul>
        )}
        <TextField
          label={t('fields.folder')}
          description={t('folderNew')}
          value={folder}
          onChange={setFolder}
          autoFocus
          data-test="folder-name"
        />
        <div className="row wrap profile-end">
          <Button onPress={onClose}>{t('common:cancel')}</Button>
          <Button look="primary" type="submit" isDisabled={folder.trim() === profile.folder} data-test="folder-save">
            {t('moveDo')}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
