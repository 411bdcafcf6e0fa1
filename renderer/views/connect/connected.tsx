import ArrowDown from 'lucide-react/icons/arrow-down';
import ArrowUp from 'lucide-react/icons/arrow-up';
import Router from 'lucide-react/icons/router';
import ShieldAlert from 'lucide-react/icons/shield-alert';
import ShieldCheck from 'lucide-react/icons/shield-check';
import Timer from 'lucide-react/icons/timer';
import type { ReactElement } from 'react';
import type { Status } from '../../../core/rpc/contract.ts';
import { Button } from '../../components/button.tsx';
import { Badge, CopyText, Facts, Folded } from '../../components/pieces.tsx';
import { useTranslation } from '../../i18n/i18n.ts';
import { useFormat } from '../../i18n/useFormat.ts';
import { openLens } from '../../store/lens.ts';
import type { ProfileName } from '../../store/reduce.ts';
import { useSession } from '../../store/session.ts';
import { useNow } from '../../useNow.ts';
import { totalsOf, trafficOf, upSince } from './model.ts';
import { useRate } from './useRate.ts';

/** By what am I protected: gateway, since when, what goes through, how much right now. */
export function Connected(): ReactElement | null {
  const { t } = useTranslation('connect');
  const status = useSession((session) => session.status);
  if (!status) return null;
  return (
    <section className="card connected-card" aria-label={t('state.connected')}>
      <Badges status={status} />
      <Facts
        facts={[
          { term: t('profile'), value: status.profile?.name ?? '' },
          ...(status.gateway
            ? [{ term: t('gateway'), value: <CopyText text={status.gateway.name} label={t('gateway')} /> }]
            : []),
          ...(status.gatewayCertificate && status.profile
            ? [{ term: t('certificate'), value: <Shown subject={status.gatewayCertificate.subject} profile={status.profile} /> }]
            : []),
          { term: t('since'), value: <Since at={upSince(status)} /> },
          { term: t('through'), value: <Through status={status} /> },
          { term: t('rate'), value: <LiveRate /> },
          { term: t('total'), value: <Total status={status} /> },
        ]}
      />
      <Addresses status={status} />
    </section>
  );
}

function Badges({ status }: { readonly status: Status }): ReactElement | null {
  const { t } = useTranslation('connect');
  const format = useFormat();
  const traffic = trafficOf(status);
  const behindNat = status.nat?.local || status.nat?.remote;
  const hasV6 = status.virtualIps.some((address) => address.includes(':'));
  const outside = traffic.kind === 'everythingV4';
  if (!behindNat && !hasV6 && !outside && status.pathRtt === undefined) return null;
  return (
    <ul className="row wrap" aria-label={t('badges')}>
      {outside && (
        <li>
          <Badge tone="attention" icon={<ShieldAlert size={14} aria-hidden />}>
            {t('badgeV6Outside')}
          </Badge>
        </li>
      )}
      {hasV6 && !outside && (
        <li>
          <Badge tone="ok" icon={<ShieldCheck size={14} aria-hidden />}>
            {t('badgeV6')}
          </Badge>
        </li>
      )}
      {behindNat && (
        <li>
          <Badge icon={<Router size={14} aria-hidden />} title={t('badgeNatHint')}>
            {t('badgeNat')}
          </Badge>
        </li>
      )}
      {status.pathRtt !== undefined && (
        <li>
          <Badge icon={<Timer size={14} aria-hidden />}>{t('badgeRtt', { time: format.milliseconds(status.pathRtt) })}</Badge>
        </li>
      )}
    </ul>
  );
}

/** By what the gateway proved itself; one press shows it all. */
function Shown({ subject, profile }: { readonly subject: string; readonly profile: ProfileName }): ReactElement {
  const { t } = useTranslation('connect');
  return (
    <span className="shown-certificate">
      <span className="fixed">{subject}</span>
      <Button look="quiet" onPress={() => openLens('gateway', profile)} data-test="look-at-gateway">
        {t('lookCloser')}
      </Button>
    </span>
  );
}

function Since({ at }: { readonly at: number }): ReactElement {
  const { t } = useTranslation('connect');
  const format = useFormat();
  const now = useNow(1000);
  return (
    <time dateTime={new Date(at).toISOString()} title={format.dateTime(at)} className="figures">
      {t('sinceFor', { duration: format.duration(now - at) })}
    </time>
  );
}

function Through({ status }: { readonly status: Status }): ReactElement {
  const { t } = useTranslation('connect');
  const format = useFormat();
  const { kind, networks, domains } = trafficOf(status);
  if (kind !== 'onlyOffice') return <>{t(kind)}</>;
  const what = [t('networks', { count: networks }), ...(domains > 0 ? [t('domains', { count: domains })] : [])];
  return <>{t('onlyOffice', { what: format.list(what) })}</>;
}

function LiveRate(): ReactElement {
  const { t } = useTranslation('connect');
  const format = useFormat();
  const { down, up } = useRate();
  return (
    <span className="rates figures">
      <span className="rate">
        <ArrowDown size={16} aria-hidden />
        <span className="visually-hidden">{t('rateDown')} </span>
        {format.rate(down)}
      </span>
      <span className="rate">
        <ArrowUp size={16} aria-hidden />
        <span className="visually-hidden">{t('rateUp')} </span>
        {format.rate(up)}
      </span>
    </span>
  );
}

function Total({ status }: { readonly status: Status }): ReactElement {
  const { t } = useTranslation('connect');
  const format = useFormat();
  const { bytesIn, bytesOut } = totalsOf(status);
  return <span className="figures">{t('totalText', { received: format.bytes(bytesIn), sent: format.bytes(bytesOut) })}</span>;
}

function Addresses({ status }: { readonly status: Status }): ReactElement {
  const { t } = useTranslation('connect');
  const groups = [
    { term: t('yourAddress'), texts: status.virtualIps.map((address) => address.replace(/\/(32|128)$/, '')) },
    { term: t('officeNetworks'), texts: status.routes },
    { term: t('officeDomains'), texts: status.domains },
    { term: t('nameServers'), texts: status.dns },
    { term: t('gateway'), texts: status.gateway ? [status.gateway.address] : [] },
    { term: t('identity'), texts: status.ike ? [status.ike.localIdentity] : [] },
  ].filter(({ texts }) => texts.length > 0);
  return (
    <Folded summary={t('details')}>
      <Facts
        facts={groups.map(({ term, texts }) => ({
          term,
          value: (
            <span className="lines">
              {texts.map((text) => (
                <CopyText key={text} text={text} />
              ))}
            </span>
          ),
        }))}
      />
    </Folded>
  );
}
