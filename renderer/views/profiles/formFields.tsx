/** The fields of the form. A locked one shows its value and who locked it. */
import Eye from 'lucide-react/icons/eye';
import EyeOff from 'lucide-react/icons/eye-off';
import Lock from 'lucide-react/icons/lock';
import TriangleAlert from 'lucide-react/icons/triangle-alert';
import { type ReactElement, type ReactNode, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { ProfileView } from '../../../core/rpc/contract.ts';
import { Button } from '../../components/button.tsx';
import { Switch, TextField } from '../../components/fields.tsx';
import { Segmented } from '../../components/segmented.tsx';
import { ANYBODY, type Draft, type FieldName, type Problem, SHORT_SECRET } from './form.ts';
import type { DraftState } from './useDraft.ts';

export interface FormFieldsProps {
  readonly state: DraftState;
  readonly edited: ProfileView | undefined;
  readonly folders: readonly string[];
  /** The folded part is open. */
  readonly more: boolean;
  readonly onMore: (open: boolean) => void;
}

type TextName = Exclude<{ [K in keyof Draft]: Draft[K] extends string ? K : never }[keyof Draft], 'traffic' | 'localPort'>;

/** Fields of the folded part. */
const FOLDED: readonly FieldName[] = [
  'remoteId',
  'ikeProposals',
  'espProposals',
  'gatewayPorts',
  'localPort',
  'mtu',
  'natKeepalive',
  'liveness',
];

export function FormFields({ state, edited, folders, more, onMore }: FormFieldsProps): ReactElement {
  const { t } = useTranslation('profiles');
  const { draft, change } = state;
  const isLocked = (field: FieldName) => edited?.locked.includes(field) ?? false;
  const problemText = useProblemText();
  const error = (field: FieldName) => {
    const problem = state.problemOf(field);
    return problem && problemText(problem, field);
  };
  const described = (field: FieldName, description?: ReactNode) => (isLocked(field) ? <LockedNote /> : description);

  const text = (
    name: TextName,
    field: FieldName,
    more: {
      readonly description?: ReactNode;
      readonly rows?: number;
      readonly technical?: boolean;
      readonly placeholder?: string;
      readonly label?: string;
      readonly numeric?: boolean;
      readonly required?: boolean;
    } = {},
  ) => (
    <div data-field={field}>
      <TextField
        label={more.label ?? t(`fields.${field}`)}
        value={draft[name]}
        onChange={(value) => change({ [name]: value }, field)}
        error={error(field)}
        isReadOnly={isLocked(field)}
        isRequired={more.required ?? false}
        description={described(field, more.description)}
        {...(more.rows !== undefined && { rows: more.rows })}
        {...(more.placeholder !== undefined && { placeholder: more.placeholder })}
        {...(more.numeric && { inputMode: 'numeric' as const })}
        technical={more.technical ?? false}
        autoComplete="off"
        data-test={`field-${name}`}
      />
    </div>
  );
  const toggle = (name: 'ipv4' | 'ipv6' | 'dns') => (
    <div data-field={name}>
      <Switch
        label={t(`fields.${name}`)}
        description={described(name, t(`help.${name}`))}
        isSelected={draft[name]}
        isDisabled={isLocked(name)}
        onChange={(on) => change({ [name]: on }, name)}
        data-test={`field-${name}`}
      />
      <Problems text={error(name)} />
    </div>
  );
  const hidden = FOLDED.filter((field) => error(field) !== undefined).length;

  return (
    <>
      <fieldset className="stack">
        <legend className="visually-hidden">{t('basics')}</legend>
        {text('name', 'name', { placeholder: t('placeholder.name'), required: true })}
        {text('gateway', 'gateway', {
          description: t('help.gateway'),
          placeholder: t('placeholder.gateway'),
          technical: true,
          required: true,
        })}
        {text('localId', 'localId', {
          description: t('help.localId'),
          placeholder: t('placeholder.localId'),
          technical: true,
          required: true,
        })}
        <Secret state={state} edited={edited} locked={isLocked('secret')} error={error('secret')} />
        <div data-field="folder">
          {text('folder', 'folder', { description: t('help.folder') })}
          {folders.length > 0 && !isLocked('folder') && (
            <div className="row wrap folder-chips">
              {folders.map((folder) => (
                <Button key={folder} look="quiet" onPress={() => change({ folder }, 'folder')}>
                  <bdi>{folder}</bdi>
                </Button>
              ))}
            </div>
          )}
        </div>
      </fieldset>

      <fieldset className="stack">
        <legend className="profile-legend">{t('trafficTitle')}</legend>
        <div className="stack" data-field="remoteNetworks">
          {isLocked('remoteNetworks') ? (
            <LockedValue label={t('fields.remoteNetworks')}>
              {draft.traffic === 'everything' ? t('traffic.everything') : <span className="fixed">{draft.remoteNetworks}</span>}
            </LockedValue>
          ) : (
            <>
              <Segmented
                label={t('trafficTitle')}
                options={(['everything', 'only'] as const).map((id) => ({ id, label: t(`traffic.${id}`) }))}
                value={draft.traffic}
                onChange={(traffic) => change({ traffic }, 'remoteNetworks')}
              />
              {draft.traffic === 'only' ? (
                text('remoteNetworks', 'remoteNetworks', {
                  description: t('help.remoteNetworks'),
                  placeholder: t('placeholder.remoteNetworks'),
                  rows: 3,
                  technical: true,
                })
              ) : (
                <Problems text={error('remoteNetworks')} />
              )}
            </>
          )}
        </div>
        {toggle('ipv4')}
        {toggle('ipv6')}
        {toggle('dns')}
      </fieldset>

      <details className="folded profile-more" open={more || hidden > 0} onToggle={(event) => onMore(event.currentTarget.open)}>
        <summary>{t('forAdministrators')}</summary>
        <fieldset className="stack folded-body">
          <legend className="visually-hidden">{t('forAdministrators')}</legend>
          {text('remoteId', 'remoteId', {
            description: draft.remoteId.trim() === ANYBODY ? <Warning text={t('help.remoteIdAny')} /> : t('help.remoteId'),
            placeholder: draft.gateway,
            technical: true,
          })}
          {text('ikeProposals', 'ikeProposals', { description: t('help.proposals'), rows: 2, technical: true })}
          {text('espProposals', 'espProposals', { description: t('help.proposals'), rows: 2, technical: true })}
          <div className="profile-ports">
            {text('ikePort', 'gatewayPorts', { label: t('ikePort'), technical: true, numeric: true })}
            {text('nattPort', 'gatewayPorts', { label: t('nattPort'), technical: true, numeric: true })}
          </div>
          <div data-field="localPort">
            {isLocked('localPort') ? (
              <LockedValue label={t('fields.localPort')}>{t(`ports.${draft.localPort}`)}</LockedValue>
            ) : (
              <div className="field">
                <span>{t('fields.localPort')}</span>
                <Segmented
                  label={t('fields.localPort')}
                  options={(['standard', 'any'] as const).map((id) => ({ id, label: t(`ports.${id}`) }))}
                  value={draft.localPort}
                  onChange={(localPort) => change({ localPort }, 'localPort')}
                />
                <span className="small soft">{t('help.localPort')}</span>
              </div>
            )}
            <Problems text={error('localPort')} />
          </div>
          {text('mtu', 'mtu', { description: t('help.mtu'), technical: true, numeric: true })}
          {text('natKeepalive', 'natKeepalive', { description: t('help.natKeepalive'), technical: true, numeric: true })}
          {text('liveness', 'liveness', { description: t('help.liveness'), technical: true, numeric: true })}
        </fieldset>
      </details>
    </>
  );
}

function Secret({
  state,
  edited,
  locked,
  error,
}: {
  readonly state: DraftState;
  readonly edited: ProfileView | undefined;
  readonly locked: boolean;
  readonly error: string | undefined;
}): ReactElement {
  const { t } = useTranslation('profiles');
  const [seen, setSeen] = useState(false);
  const { draft, change } = state;
  const stored = edited?.hasSecret ?? false;
  if (locked) return <LockedValue label={t('fields.secret')}>{t(stored ? 'secretStored' : 'secretAsked')}</LockedValue>;
  const short = draft.secret !== '' && [...draft.secret].length < SHORT_SECRET;
  return (
    <div className="stack" data-field="secret">
      {!draft.forgetSecret && (
        <div className="profile-secret">
          <TextField
            label={t(stored ? 'secretNew' : 'fields.secret')}
            type={seen ? 'text' : 'password'}
            value={draft.secret}
            onChange={(secret) => change({ secret }, 'secret')}
            error={error}
            description={short ? <Warning text={t('help.secretShort')} /> : t(stored ? 'help.secretKeep' : 'help.secret')}
            autoComplete="new-password"
            technical
            data-test="field-secret"
          />
          <Button
            look="quiet"
            icon={seen ? <EyeOff size={16} aria-hidden /> : <Eye size={16} aria-hidden />}
            onPress={() => setSeen(!seen)}
          >
            {t(seen ? 'secretHide' : 'secretShow')}
          </Button>
        </div>
      )}
      {stored && (
        <Switch
          label={t('secretForget')}
          description={t('help.secretForget')}
          isSelected={draft.forgetSecret}
          onChange={(forgetSecret) => change({ forgetSecret }, 'secret')}
          data-test="field-forgetSecret"
        />
      )}
    </div>
  );
}

/** In the language of the window; a code that is newer than the window has the helper's own words. */
function useProblemText(): (problem: Problem, field: FieldName) => string {
  const { t, i18n } = useTranslation('profiles');
  return ({ code, message }, field) => {
    if (code === 'out-of-range') {
      if (field === 'mtu' || field === 'natKeepalive' || field === 'liveness' || field === 'gatewayPorts')
        return t(`range.${field}`);
      return message;
    }
    return i18n.exists(`profiles:problems.${code}`) ? t(`problems.${code}`) : message;
  };
}

function LockedNote(): ReactElement {
  const { t } = useTranslation('profiles');
  return (
    <span className="profile-locked">
      <Lock size={14} aria-hidden />
      <span>{t('lockedField')}</span>
    </span>
  );
}

function LockedValue({ label, children }: { readonly label: string; readonly children: ReactNode }): ReactElement {
  return (
    <div className="field">
      <span>{label}</span>
      <span className="locked-value">{children}</span>
      <span className="small soft">
        <LockedNote />
      </span>
    </div>
  );
}

function Problems({ text }: { readonly text: string | undefined }): ReactElement | null {
  return text === undefined ? null : (
    <p className="field-error" role="alert">
      {text}
    </p>
  );
}

function Warning({ text }: { readonly text: string }): ReactElement {
  return (
    <span className="profile-warning">
      <TriangleAlert size={14} aria-hidden />
      <span>{text}</span>
    </span>
  );
}
