import FileDown from 'lucide-react/icons/file-down';
import type { ReactElement } from 'react';
import { Button } from '../../components/button.tsx';
import { chooseProfileFile } from '../../components/chooseFile.ts';
import { Gate } from '../../components/gate.tsx';
import { useTranslation } from '../../i18n/i18n.ts';
import { navigate } from '../../route.ts';

/** Nothing here yet: where a profile comes from, and both ways to one. */
export function FirstRun(): ReactElement {
  const { t } = useTranslation('connect');
  const { t: common } = useTranslation();
  return (
    <div className="view connect">
      <div className="first-run" data-test="first-run">
        <div className="state-mark">
          <Gate state="closed" size={56} />
        </div>
        <h1>{t('firstTitle')}</h1>
        <p className="soft">{t('firstText')}</p>
        <div className="control">
          <Button look="primary" size="big" icon={<FileDown size={20} aria-hidden />} onPress={chooseProfileFile}>
            {common('importProfile')}
          </Button>
        </div>
        <p className="soft small">{t('firstCreate')}</p>
        <Button onPress={() => navigate('/profiles/new')}>{common('createProfile')}</Button>
      </div>
    </div>
  );
}
