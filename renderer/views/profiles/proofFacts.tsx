/** How both sides of a profile prove who they are, for the administrator: everything that is stored but the secrets. */
import { type ReactElement, type ReactNode, useEffect, useState } from 'react';
import type { CertificateReport, CertificateView, ProfileView } from '../../../core/rpc/contract.ts';
import { call } from '../../api.ts';
import { Button } from '../../components/button.tsx';
import { useTranslation } from '../../i18n/i18n.ts';
import { type LensSubject, openLens } from '../../store/lens.ts';
import { authoritiesReport } from '../certificates/read.ts';
import { daysText } from '../certificates/words.ts';
import { revocationOf, usesEap } from './form.ts';
import { METHOD_NAMES } from './methods.ts';

export interface ProofFact {
  readonly term: string;
  /** What the administrator may have locked. */
  readonly field: string;
  readonly value: ReactNode;
}

export function useProofFacts(view: ProfileView): readonly ProofFact[] {
  const { t } = useTranslation(['profiles', 'common']);
  const { auth, trust, eap, secrets } = view;
  const yes = (on: boolean) => t(on ? 'common:yes' : 'common:no');
  const stored = (on: boolean) => t(on ? 'secretStored' : 'secretAsked');
  const eapFacts: readonly ProofFact[] =
    eap && usesEap(auth)
      ? [
          {
            term: t('fields.eapIdentity'),
            field: 'eap',
            value: eap.identity === '' ? t('secretAsked') : <span className="fixed">{eap.identity}</span>,
          },
          { term: t('fields.password'), field: 'password', value: stored(secrets.includes('password')) },
          { term: t('fields.eapMethods'), field: 'eap', value: eap.methods.map((method) => METHOD_NAMES[method]).join(', ') },
          ...(eap.serverName === ''
            ? []
            : [{ term: t('fields.serverName'), field: 'eap', value: <span className="fixed">{eap.serverName}</span> }]),
        ]
      : [];
  const ownFacts: readonly ProofFact[] =
    view.certificates.length > 0
      ? [
          { term: t('fields.certificates'), field: 'certificates', value: <Certificates view={view} whose="own" /> },
          { term: t('fields.key'), field: 'key', value: t(secrets.includes('key') ? 'secretStored' : 'keyMissing') },
        ]
      : [];
  const psk = auth === 'psk' || trust.method === 'psk';
  const trustFacts: readonly ProofFact[] =
    trust.method === 'certificate'
      ? [
          ...(trust.authorities.length > 0
            ? [{ term: t('fields.authorities'), field: 'trust', value: <Certificates view={view} whose="authorities" /> }]
            : []),
          { term: t('fields.systemRoots'), field: 'trust', value: yes(trust.systemRoots) },
          { term: t('fields.revocation'), field: 'trust', value: <Revocation trust={trust} /> },
          { term: t('fields.commonName'), field: 'trust', value: yes(trust.commonName) },
          { term: t('fields.gatewayCertificate'), field: '', value: <LookButton view={view} whose="gateway" /> },
        ]
      : [];
  return [
    { term: t('fields.auth'), field: 'auth', value: t(`authChoice.${auth}`) },
    ...(psk ? [{ term: t('fields.secret'), field: 'secret', value: stored(secrets.includes('psk')) }] : []),
    ...eapFacts,
    ...ownFacts,
    ...(auth === 'psk' ? [] : [{ term: t('fields.trust'), field: 'trust', value: t(`gatewayChoice.${trust.method}`) }]),
    ...trustFacts,
  ];
}

function Revocation({ trust }: Pick<ProfileView, 'trust'>): ReactElement {
  const { t } = useTranslation('profiles');
  const how = revocationOf(trust.revocation);
  return <>{t(`help.revocation.${how}`)}</>;
}

function LookButton({ view, whose }: { readonly view: ProfileView; readonly whose: LensSubject['whose'] }): ReactElement {
  const { t } = useTranslation('certificates');
  return (
    <Button look="quiet" onPress={() => openLens(whose, view)} data-test={`look-${whose}`}>
      {t(whose === 'gateway' ? 'askGateway' : 'lookAt')}
    </Button>
  );
}

/** Whose they are and how long they last; the lens says the rest. */
function Certificates({ view, whose }: { readonly view: ProfileView; readonly whose: 'own' | 'authorities' }): ReactElement {
  const { t } = useTranslation('certificates');
  const [report, setReport] = useState<CertificateReport | null>(null);
  useEffect(() => {
    let wanted = true;
    const asked = whose === 'own' ? call('cert.show', { profile: view.id }) : authoritiesReport(view);
    void asked.then((reply) => {
      if (wanted && reply.ok) setReport(reply.value);
    });
    return () => {
      wanted = false;
    };
  }, [view, whose]);
  const all: readonly CertificateView[] = report ? [...report.chain, ...report.others] : [];
  const shown = whose === 'own' ? all.slice(0, 1) : all;
  return (
    <div className="proof-certificates">
      {shown.map((one) => (
        <span key={one.fingerprint}>
          <span className="fixed">{one.subject}</span>{' '}
          <span className="small soft">
            {daysText(one.days, t)}
            {whose === 'authorities' && !one.ca && ` · ${t('place.pinned')}`}
          </span>
        </span>
      ))}
      <LookButton view={view} whose={whose} />
    </div>
  );
}
