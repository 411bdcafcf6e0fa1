/** The fields of the form. A locked one shows its value and who locked it. */
import type { ReactElement } from 'react';
import type { ProfileView } from '../../../core/rpc/contract.ts';
import { Button } from '../../components/button.tsx';
import { Segmented } from '../../components/segmented.tsx';
import { useTranslation } from '../../i18n/i18n.ts';
import { FieldWarning, LockedValue, Problems, useFields } from './fieldParts.tsx';
import { ANYBODY, type FieldName, usesEap } from './form.ts';
import { LastingFields } from './lastingFields.tsx';
import { GatewayProof, MoreProof, UserProof } from './proofFields.tsx';
import type { DraftState } from './useDraft.ts';

export interface FormFieldsProps {
  readonly state: DraftState;
  readonly edited: ProfileView | undefined;
  readonly folders: readonly string[];
  /** The folded part is open. */
  readonly more: boolean;
  readonly onMore: (open: boolean) => void;
}

/** Fields of the folded part. */
const FOLDED: readonly FieldName[] = [
  'remoteId',
  'eap.methods',
  'eap.serverName',
  'trust.commonName',
  'ikeProposals',
  'espProposals',
  'gatewayPorts',
  'localPort',
  'mtu',
  'natKeepalive',
  'liveness',
  'whenLost',
  'mobike',
  'tcp',
  'fragmentation',
  'rekeyChild',
  'rekeyIke',
  'reauthenticateEvery',
  'additionalChildren',
  'ppk',
];

export function FormFields({ state, edited, folders, more, onMore }: FormFieldsProps): ReactElement {
  const { t } = useTranslation('profiles');
  const { draft, change } = state;
  const fields = useFields(state, edited);
  const { text, toggle, error, isLocked } = fields;
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

      <UserProof state={state} edited={edited} fields={fields} />
      {draft.auth !== 'psk' && <GatewayProof state={state} edited={edited} fields={fields} />}

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
        {toggle('ipv4', 'ipv4')}
        {toggle('ipv6', 'ipv6')}
        {toggle('dns', 'dns')}
      </fieldset>

      <details className="folded profile-more" open={more || hidden > 0} onToggle={(event) => onMore(event.currentTarget.open)}>
        <summary>{t('forAdministrators')}</summary>
        <fieldset className="stack folded-body">
          <legend className="visually-hidden">{t('forAdministrators')}</legend>
          {text('remoteId', 'remoteId', {
            description: draft.remoteId.trim() === ANYBODY ? <FieldWarning text={t('help.remoteIdAny')} /> : t('help.remoteId'),
            placeholder: draft.gateway,
            technical: true,
          })}
          {(usesEap(draft.auth) || draft.gatewayMethod === 'certificate') && <MoreProof state={state} fields={fields} />}
          {text('ikeProposals', 'ikeProposals', { description: t('help.proposals'), rows: 2, technical: true })}
          {text('espProposals', 'espProposals', { description: t('help.proposals'), rows: 2, technical: true })}
          <div className="profile-ports">
            {text('ikePort', 'gatewayPorts', { technical: true, numeric: true })}
            {text('nattPort', 'gatewayPorts', { technical: true, numeric: true })}
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
          <LastingFields state={state} edited={edited} fields={fields} />
        </fieldset>
      </details>
    </>
  );
}
