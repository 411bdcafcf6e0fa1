/** How both sides prove who they are, as far as it can be edited. What was stored is never shown: it stays, is replaced, or forgotten. */
import Eye from 'lucide-react/icons/eye';
import EyeOff from 'lucide-react/icons/eye-off';
import { type ReactElement, useState } from 'react';
import type { AuthMethod, GatewayTrust, ProfileView } from '../../../core/rpc/contract.ts';
import { Button } from '../../components/button.tsx';
import { Select, Switch, TextField } from '../../components/fields.tsx';
import { Segmented, SegmentedMany } from '../../components/segmented.tsx';
import { useTranslation } from '../../i18n/i18n.ts';
import { type Fields, FieldWarning, LockedValue, Problems } from './fieldParts.tsx';
import {
  type EapMethod,
  type Revocation,
  SHORT_SECRET,
  usesCertificate,
  usesEap,
  usesPsk,
  withAuth,
  withAuthorities,
} from './form.ts';
import { METHOD_NAMES, METHODS } from './methods.ts';
import { countIn } from './pem.ts';
import type { DraftState } from './useDraft.ts';

export interface ProofProps {
  readonly state: DraftState;
  readonly edited: ProfileView | undefined;
  readonly fields: Fields;
}

const AUTHS: readonly AuthMethod[] = ['psk', 'certificate', 'eap', 'certificate-eap'];

export function UserProof({ state, edited, fields }: ProofProps): ReactElement {
  const { t } = useTranslation('profiles');
  const { draft, change } = state;
  const { text, error, isLocked } = fields;
  const { auth } = draft;
  const stored = (name: 'psk' | 'password' | 'key') => edited?.secrets.includes(name) ?? false;
  return (
    <fieldset className="stack">
      <legend className="profile-legend">{t('userProof')}</legend>
      <div data-field="auth">
        {isLocked('auth') ? (
          <LockedValue label={t('fields.auth')}>{t(`authChoice.${auth}`)}</LockedValue>
        ) : (
          <Select
            label={t('fields.auth')}
            options={AUTHS.map((id) => ({ id, label: t(`authChoice.${id}`) }))}
            value={auth}
            onChange={(chosen) => change(withAuth(draft, chosen), 'auth')}
            data-test="field-auth"
          />
        )}
        <Problems text={error('auth')} />
      </div>
      {text('localId', 'localId', {
        description: t(
          auth === 'psk'
            ? 'help.localId'
            : usesCertificate(draft) && auth !== 'eap'
              ? 'help.localIdCertificate'
              : 'help.localIdEap',
        ),
        placeholder: t('placeholder.localId'),
        technical: true,
        required: auth === 'psk',
      })}
      {usesPsk(draft) && <Secret name="secret" stored={stored('psk')} state={state} fields={fields} />}
      {usesEap(auth) && (
        <>
          {text('eapIdentity', 'eap.identity', { description: t('help.eapIdentity'), technical: true })}
          <Secret name="password" stored={stored('password')} state={state} fields={fields} />
        </>
      )}
      {usesCertificate(draft) && <OwnCertificate state={state} fields={fields} keyStored={stored('key')} />}
    </fieldset>
  );
}

function OwnCertificate({
  state: { draft },
  fields: { text, isLocked },
  keyStored,
}: {
  readonly state: DraftState;
  readonly fields: Fields;
  readonly keyStored: boolean;
}): ReactElement {
  const { t } = useTranslation('profiles');
  return (
    <>
      {text('certificates', 'certificates', {
        description:
          draft.certificates.trim() === ''
            ? t('help.certificates')
            : t('certificateCount', { count: countIn(draft.certificates) }),
        rows: 3,
        technical: true,
      })}
      {isLocked('key') ? (
        <LockedValue label={t('fields.key')}>{t(keyStored ? 'secretStored' : 'keyMissing')}</LockedValue>
      ) : (
        text('key', 'key', { description: t(keyStored ? 'help.keyKeep' : 'help.key'), rows: 2, technical: true })
      )}
      {draft.key.includes('ENCRYPTED') &&
        text('keyPassword', 'key', { description: t('help.keyPassword'), technical: true, hidden: true })}
    </>
  );
}

const GATEWAYS: readonly GatewayTrust['method'][] = ['certificate', 'eap-only', 'psk'];
const REVOCATIONS: readonly Revocation[] = ['off', 'soft', 'strict'];

export function GatewayProof({ state, fields }: ProofProps): ReactElement {
  const { t } = useTranslation('profiles');
  const { draft, change } = state;
  const { text, toggle, error, isLocked } = fields;
  const { gatewayMethod, auth } = draft;
  const possible = GATEWAYS.filter((one) => one !== 'eap-only' || auth === 'eap');
  const locked = isLocked('trust');
  return (
    <fieldset className="stack">
      <legend className="profile-legend">{t('gatewayProof')}</legend>
      <div data-field="trust.method">
        {locked ? (
          <LockedValue label={t('fields.trust')}>{t(`gatewayChoice.${gatewayMethod}`)}</LockedValue>
        ) : (
          <Select
            label={t('fields.trust')}
            options={possible.map((id) => ({ id, label: t(`gatewayChoice.${id}`) }))}
            value={gatewayMethod}
            onChange={(chosen) => change({ gatewayMethod: chosen }, 'trust.method')}
            data-test="field-gatewayMethod"
          />
        )}
        <Problems text={error('trust.method')} />
      </div>
      {gatewayMethod === 'certificate' && (
        <>
          {toggle('systemRoots', 'trust.systemRoots')}
          {text('authorities', 'trust.authorities', {
            description:
              draft.authorities.trim() === ''
                ? t('help.authorities')
                : t('authorityCount', { count: countIn(draft.authorities) }),
            change: (value) => withAuthorities(draft, value),
            rows: 3,
            technical: true,
          })}
          <div data-field="trust.revocation">
            {locked ? (
              <LockedValue label={t('fields.revocation')}>{t(`revocation.${draft.revocation}`)}</LockedValue>
            ) : (
              <div className="field">
                <span>{t('fields.revocation')}</span>
                <Segmented
                  label={t('fields.revocation')}
                  options={REVOCATIONS.map((id) => ({ id, label: t(`revocation.${id}`) }))}
                  value={draft.revocation}
                  onChange={(revocation) => change({ revocation }, 'trust.revocation')}
                />
                <span className="small soft">
                  {draft.revocation === 'off' ? (
                    <FieldWarning text={t('help.revocation.off')} />
                  ) : (
                    t(`help.revocation.${draft.revocation}`)
                  )}
                </span>
              </div>
            )}
            <Problems text={error('trust.revocation')} />
          </div>
        </>
      )}
    </fieldset>
  );
}

/** What only administrators know. */
export function MoreProof({ state, fields }: Omit<ProofProps, 'edited'>): ReactElement {
  const { t } = useTranslation('profiles');
  const { draft, change } = state;
  const { text, toggle, error, isLocked } = fields;
  const locked = isLocked('eap.methods');
  const chosen = draft.eapMethods;
  const choose = (methods: readonly EapMethod[]) => {
    // The preferred first: those that stay keep their place.
    const kept = chosen.filter((one) => methods.includes(one));
    change({ eapMethods: [...kept, ...methods.filter((one) => !kept.includes(one))] }, 'eap.methods');
  };
  return (
    <>
      {usesEap(draft.auth) && (
        <>
          <div data-field="eap.methods">
            {locked ? (
              <LockedValue label={t('fields.eapMethods')}>{chosen.map((one) => METHOD_NAMES[one]).join(', ')}</LockedValue>
            ) : (
              <div className="field">
                <span>{t('fields.eapMethods')}</span>
                <SegmentedMany
                  label={t('fields.eapMethods')}
                  options={METHODS.map((id) => ({ id, label: METHOD_NAMES[id] }))}
                  value={chosen}
                  onChange={choose}
                />
                <span className="small soft">
                  {chosen.includes('md5') ? <FieldWarning text={t('help.eapMd5')} /> : t('help.eapMethods')}
                </span>
              </div>
            )}
            <Problems text={error('eap.methods')} />
          </div>
          {text('serverName', 'eap.serverName', {
            description: t('help.serverName'),
            placeholder: draft.remoteId.trim() || draft.gateway,
            technical: true,
          })}
        </>
      )}
      {draft.gatewayMethod === 'certificate' && draft.auth !== 'psk' && toggle('commonName', 'trust.commonName')}
    </>
  );
}

/** What can be asked for when connecting can be forgotten. */
const FORGET = { secret: 'forgetSecret', password: 'forgetPassword', ppk: undefined } as const;

export function Secret({
  name,
  stored,
  state,
  fields,
}: {
  readonly name: 'secret' | 'password' | 'ppk';
  readonly stored: boolean;
  readonly state: DraftState;
  readonly fields: Fields;
}): ReactElement {
  const { t } = useTranslation('profiles');
  const [seen, setSeen] = useState(false);
  const { draft, change } = state;
  const forget = FORGET[name];
  if (fields.isLocked(name)) {
    return (
      <LockedValue label={t(`fields.${name}`)}>{t(stored ? 'secretStored' : forget ? 'secretAsked' : 'keyMissing')}</LockedValue>
    );
  }
  const short = name === 'secret' && draft.secret !== '' && [...draft.secret].length < SHORT_SECRET;
  return (
    <div className="stack" data-field={name}>
      {!(forget && draft[forget]) && (
        <div className="profile-secret">
          <TextField
            label={t(stored ? `${name}New` : `fields.${name}`)}
            type={seen ? 'text' : 'password'}
            value={draft[name]}
            onChange={(value) => change({ [name]: value }, name)}
            error={fields.error(name)}
            description={short ? <FieldWarning text={t('help.secretShort')} /> : t(stored ? `help.${name}Keep` : `help.${name}`)}
            autoComplete="new-password"
            technical
            data-test={`field-${name}`}
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
      {stored && name !== 'ppk' && forget && (
        <Switch
          label={t(`${name}Forget`)}
          description={t(`help.${name}Forget`)}
          isSelected={draft[forget]}
          onChange={(on) => change({ [forget]: on }, name)}
          data-test={`field-${forget}`}
        />
      )}
    </div>
  );
}
