/** One profile: what it does in plain language first, then every field for the administrator. */
import ArrowLeft from 'lucide-react/icons/arrow-left';
import Check from 'lucide-react/icons/check';
import Copy from 'lucide-react/icons/copy';
import FolderInput from 'lucide-react/icons/folder-input';
import Lock from 'lucide-react/icons/lock';
import Pencil from 'lucide-react/icons/pencil';
import Pin from 'lucide-react/icons/pin';
import Trash from 'lucide-react/icons/trash-2';
import TriangleAlert from 'lucide-react/icons/triangle-alert';
import Users from 'lucide-react/icons/users';
import type { ReactElement, ReactNode } from 'react';
import type { ProfileSummary, ProfileView } from '../../../core/rpc/contract.ts';
import { Button } from '../../components/button.tsx';
import { ErrorCard } from '../../components/errorCard.tsx';
import { Menu } from '../../components/menu.tsx';
import { Badge, CopyText, Facts } from '../../components/pieces.tsx';
import { useTranslation } from '../../i18n/i18n.ts';
import { useFormat } from '../../i18n/useFormat.ts';
import { href, navigate } from '../../route.ts';
import { LENS_OF, openLens } from '../../store/lens.ts';
import { useProfileWarnings } from '../../store/warnings.ts';
import { WarningList } from '../certificates/warningList.tsx';
import { isolated, profilePath, useMayChange, useProfileActions } from './actions.ts';
import { describe, type Sentence } from './describe.ts';
import { isAllLocked } from './form.ts';
import { useProofFacts } from './proofFacts.tsx';
import { useProfileView } from './useProfileView.ts';

export interface ProfileDetailProps {
  readonly profile: ProfileSummary;
  readonly isCurrent: boolean;
  readonly isActive: boolean;
  readonly onMove: () => void;
  readonly onRemove: () => void;
}

export function ProfileDetail({ profile, isCurrent, isActive, onMove, onRemove }: ProfileDetailProps): ReactElement {
  const { t } = useTranslation(['profiles', 'common']);
  const actions = useProfileActions();
  const changeable = useMayChange()(profile);
  const { view, error, again } = useProfileView(profile);
  const allLocked = view !== undefined && isAllLocked(view);
  return (
    <article className="profile" aria-label={profile.name} data-test="profile-detail">
      <BackLink />
      <header className="stack">
        <div className="profile-head">
          <h2 dir="auto">{profile.name}</h2>
          <span className="row wrap">
            {isActive && (
              <Badge tone="ok" icon={<Check size={12} aria-hidden />}>
                {t('active')}
              </Badge>
            )}
            {isCurrent && !isActive && (
              <Badge tone="working" icon={<Pin size={12} aria-hidden />}>
                {t('current')}
              </Badge>
            )}
            {profile.shared && <Badge icon={<Users size={12} aria-hidden />}>{t('shared')}</Badge>}
          </span>
        </div>
        <div className="row wrap">
          {isActive ? (
            <Button onPress={() => actions.disconnect()}>{t('disconnect')}</Button>
          ) : (
            <Button look="primary" onPress={() => actions.connect(profile)} data-test="profile-connect">
              {t('common:connect')}
            </Button>
          )}
          {changeable && !allLocked && (
            <Button
              icon={<Pencil size={16} aria-hidden />}
              onPress={() => navigate(profilePath(profile.id, 'edit'))}
              data-test="profile-edit"
            >
              {t('common:edit')}
            </Button>
          )}
          <Menu
            label={t('actionsFor', { name: isolated(profile.name) })}
            trigger={<Button data-test="profile-more">{t('common:more')}</Button>}
            entries={[
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
              {
                id: 'duplicate',
                label: t('duplicate'),
                icon: <Copy size={16} aria-hidden />,
                run: () => void actions.duplicate(profile),
              },
              ...(changeable
                ? [
                    { id: 'move', label: t('move'), icon: <FolderInput size={16} aria-hidden />, run: onMove },
                    {
                      id: 'remove',
                      label: t('common:delete'),
                      icon: <Trash size={16} aria-hidden />,
                      danger: true,
                      run: onRemove,
                    },
                  ]
                : []),
            ]}
          />
        </div>
        {!changeable && (
          <p className="profile-locked small">
            <Lock size={14} aria-hidden />
            <span>{t('notYours')}</span>
          </p>
        )}
      </header>
      {error && (
        <ErrorCard code={error.code} evidence={error.detail} actions={<Button onPress={again}>{t('common:tryAgain')}</Button>} />
      )}
      <ProfileWarnings profile={profile} />
      {view && <Plain view={view} allLocked={allLocked} />}
      {view && <Full view={view} />}
    </article>
  );
}

function ProfileWarnings({ profile }: { readonly profile: ProfileSummary }): ReactElement | null {
  const { t } = useTranslation('certificates');
  const warnings = useProfileWarnings(profile.id);
  return (
    <WarningList
      warnings={warnings}
      action={({ code }) => {
        const whose = LENS_OF[code];
        return (
          whose && (
            <Button look="quiet" onPress={() => openLens(whose, profile)}>
              {t('lookAt')}
            </Button>
          )
        );
      }}
    />
  );
}

export function BackLink(): ReactElement {
  const { t } = useTranslation('profiles');
  return (
    <a className="profile-back" href={href('/profiles')}>
      <ArrowLeft size={16} aria-hidden />
      {t('toList')}
    </a>
  );
}

function Plain({ view, allLocked }: { readonly view: ProfileView; readonly allLocked: boolean }): ReactElement {
  const { t } = useTranslation('profiles');
  const say = useSay();
  return (
    <section className="stack profile-plain" aria-label={t('inPlain')}>
      <ul className="plain-words" data-test="profile-plain">
        {describe(view).map(({ sentence, warning }) => (
          <li key={sentence.key} className={warning ? 'profile-warning' : undefined}>
            {warning && <TriangleAlert size={16} aria-hidden />}
            <span>{say(sentence)}</span>
          </li>
        ))}
      </ul>
      {view.locked.length > 0 && (
        <p className="profile-locked small">
          <Lock size={14} aria-hidden />
          <span>{allLocked ? t('lockedAll') : t('lockedSome', { count: view.locked.length })}</span>
        </p>
      )}
    </section>
  );
}

/** Networks named in the sentence; more are in the full list. */
const NAMED = 3;

function useSay(): (sentence: Sentence) => string {
  const { t, language } = useTranslation('profiles');
  return (sentence) => {
    switch (sentence.key) {
      case 'certificateUnnamed':
      case 'eapUnnamed':
      case 'eapTls':
        return t(`plain.${sentence.key}`, { gateway: isolated(sentence.gateway) });
      case 'trustOwn':
        return t('plain.trustOwn', { count: sentence.count });
      case 'connectsStored':
      case 'connectsAsked':
      case 'certificate':
      case 'eapStored':
      case 'eapAsked':
        return t(`plain.${sentence.key}`, { gateway: isolated(sentence.gateway), identity: isolated(sentence.identity) });
      case 'onlyOffice': {
        const named = sentence.networks.slice(0, NAMED).map(isolated);
        const networks = new Intl.ListFormat(language, { type: 'conjunction' }).format(named);
        return t(sentence.networks.length > NAMED ? 'plain.onlyOfficeMore' : 'plain.onlyOffice', {
          count: sentence.count,
          networks,
        });
      }
      case 'proof':
        return t('plain.proof', { identity: isolated(sentence.identity) });
      default:
        return t(`plain.${sentence.key}`);
    }
  };
}

function Full({ view }: { readonly view: ProfileView }): ReactElement {
  const { t } = useTranslation(['profiles', 'common']);
  const locked = (field: string, value: ReactNode) =>
    view.locked.includes(field) ? (
      <span className="fact-locked" title={t('lockedField')}>
        {value}
        <Lock size={14} aria-hidden />
        <span className="visually-hidden">{t('lockedField')}</span>
      </span>
    ) : (
      value
    );
  const proofs = useProofFacts(view);
  const copied = (text: string, label: string) => <CopyText text={text} label={label} />;
  const lines = (items: readonly string[]) => (
    <ul className="fact-lines fixed">
      {items.map((item) => (
        <li key={item}>{item}</li>
      ))}
    </ul>
  );
  const yes = (on: boolean) => t(on ? 'common:yes' : 'common:no');
  const format = useFormat();
  const lasting = (count: number) => (count === 0 ? t('off') : format.duration(count * 1000));
  const seconds = (count: number) => (count === 0 ? t('off') : t('seconds', { count }));
  return (
    <section className="stack" aria-label={t('inFull')}>
      <h3>{t('inFull')}</h3>
      <Facts
        facts={[
          { term: t('fields.gateway'), value: locked('gateway', copied(view.gateway, t('fields.gateway'))) },
          {
            term: t('fields.gatewayPorts'),
            value: locked(
              'gatewayPorts',
              <span className="figures">{t('portsValue', { ike: view.gatewayPorts.ike, natt: view.gatewayPorts.natt })}</span>,
            ),
          },
          {
            term: t('fields.localId'),
            value: locked('localId', view.localId === '' ? t('foundOut') : copied(view.localId, t('fields.localId'))),
          },
          {
            term: t('fields.remoteId'),
            value: locked(
              'remoteId',
              view.remoteId === undefined
                ? t(view.trust.method === 'psk' ? 'anybody' : 'anybodyCertificate')
                : copied(view.remoteId, t('fields.remoteId')),
            ),
          },
          ...proofs.map(({ term, field, value }) => ({ term, value: locked(field, value) })),
          { term: t('fields.remoteNetworks'), value: locked('remoteNetworks', lines(view.remoteNetworks)) },
          ...(view.additionalChildren.length > 0
            ? [
                {
                  term: t('fields.additionalChildren'),
                  value: locked(
                    'additionalChildren',
                    lines(view.additionalChildren.map(({ remoteNetworks }) => remoteNetworks.join(', '))),
                  ),
                },
              ]
            : []),
          { term: t('fields.ipv4'), value: locked('ipv4', yes(view.ipv4)) },
          { term: t('fields.ipv6'), value: locked('ipv6', yes(view.ipv6)) },
          { term: t('fields.dns'), value: locked('dns', yes(view.dns)) },
          { term: t('fields.ikeProposals'), value: locked('ikeProposals', lines(view.ikeProposals)) },
          { term: t('fields.espProposals'), value: locked('espProposals', lines(view.espProposals)) },
          { term: t('fields.localPort'), value: locked('localPort', t(`ports.${view.localPort}`)) },
          { term: t('fields.mtu'), value: locked('mtu', t('bytes', { count: view.mtu })) },
          { term: t('fields.natKeepalive'), value: locked('natKeepalive', seconds(view.natKeepalive)) },
          { term: t('fields.liveness'), value: locked('liveness', seconds(view.liveness)) },
          { term: t('fields.whenLost'), value: locked('whenLost', t(`choice.whenLost.${view.whenLost}`)) },
          { term: t('fields.mobike'), value: locked('mobike', yes(view.mobike)) },
          {
            term: t('fields.tcp'),
            value: locked('tcp', `${t(`choice.tcp.${view.tcp}`)}${view.tcp === 'never' ? '' : ` (${view.tcpPorts.join(', ')})`}`),
          },
          { term: t('fields.fragmentation'), value: locked('fragmentation', t(`choice.fragmentation.${view.fragmentation}`)) },
          { term: t('fields.rekeyChild'), value: locked('rekeyChild', lasting(view.rekeyChild)) },
          { term: t('fields.rekeyIke'), value: locked('rekeyIke', lasting(view.rekeyIke)) },
          { term: t('fields.reauthenticateEvery'), value: locked('reauthenticateEvery', lasting(view.reauthenticateEvery)) },
          ...(view.ppk ? [{ term: t('fields.ppk'), value: locked('ppk', copied(view.ppk.id, t('fields.ppk'))) }] : []),
          ...(view.ppk ? [{ term: t('fields.ppkRequired'), value: locked('ppk', yes(view.ppk.required)) }] : []),
          { term: t('fields.folder'), value: locked('folder', view.folder === '' ? t('noFolder') : <bdi>{view.folder}</bdi>) },
          { term: t('fields.id'), value: copied(view.id, t('fields.id')) },
        ]}
      />
    </section>
  );
}
