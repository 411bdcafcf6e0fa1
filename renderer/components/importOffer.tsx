/** One offer: what it lacks is asked for, then the report, then the user's yes. Nothing is stored before that. */
import { type FormEvent, type ReactElement, useEffect, useRef, useState } from 'react';
import type { Params, ProfileSummary, Results, RpcError } from '../../core/rpc/contract.ts';
import { call } from '../api.ts';
import { useTranslation } from '../i18n/i18n.ts';
import { currentRoute, navigate } from '../route.ts';
import { lacksGateway, type Offer } from '../store/offers.ts';
import { loadProfiles } from '../store/profiles.ts';
import { connect, saveSettings, takeOffer } from '../store/session.ts';
import { forgetWarnings } from '../store/warnings.ts';
import { Button } from './button.tsx';
import { chooseProfileFile } from './chooseFile.ts';
import { Dialog } from './dialog.tsx';
import { ErrorCard } from './errorCard.tsx';
import { Switch, TextField } from './fields.tsx';
import { ImportReport } from './importReport.tsx';
import { toast } from './toast.tsx';

type Read =
  | { readonly state: 'reading' }
  | { readonly state: 'read'; readonly result: Results['profile.import'] }
  | { readonly state: 'refused'; readonly error: RpcError };

/** What only the user knows of a file. */
interface Details {
  readonly password: string;
  readonly gateway: string;
  readonly name: string;
}

const NOTHING: Details = { password: '', gateway: '', name: '' };
const PASSWORD: ReadonlySet<string> = new Set(['import-password-needed', 'import-password-wrong']);

export function ImportOffer({ offer }: { readonly offer: Offer }): ReactElement {
  const { t } = useTranslation();
  const [read, setRead] = useState<Read>({ state: 'reading' });
  const [details, setDetails] = useState(NOTHING);
  // Once asked for, it stays in sight until the file is read.
  const [asks, setAsks] = useState({ password: false, gateway: false });
  const [storing, setStoring] = useState(false);
  const latest = useRef(0);
  const close = () => takeOffer(offer);

  const look = async (given: Details) => {
    latest.current++;
    const mine = latest.current;
    const reply = await call('profile.import', { ...request(offer, given), dryRun: true });
    if (mine !== latest.current) return;
    setRead(reply.ok ? { state: 'read', result: reply.value } : { state: 'refused', error: reply.error });
    if (reply.ok) return;
    const { code } = reply.error;
    const needed = PASSWORD.has(code) || code === 'import-gateway-needed';
    // Whoever is asked for the one is asked for the other at once.
    setAsks((before) => ({
      password: before.password || PASSWORD.has(code),
      gateway: before.gateway || (needed && lacksGateway(offer)),
    }));
  };

  useEffect(() => {
    void look(NOTHING);
    return () => {
      latest.current++;
    };
  }, [offer]);

  const store = async () => {
    setStoring(true);
    const reply = await call('profile.import', request(offer, details));
    setStoring(false);
    if (!reply.ok) {
      setRead({ state: 'refused', error: reply.error });
      return;
    }
    close();
    const { profile } = reply.value;
    forgetWarnings(profile.id);
    void saveSettings({ currentProfile: profile.id });
    await loadProfiles();
    // On Connect the big control is there already.
    const here = currentRoute().destination === 'connect';
    const action = { label: t('connect'), run: () => void goAndConnect(profile) };
    toast({ text: t('imported', { name: profile.name }), ...(!here && { action }) });
  };

  const asking = read.state === 'refused' && (asks.password || asks.gateway);
  const title =
    read.state === 'read'
      ? t('importTitle', { name: read.result.profile.name })
      : t(asking ? 'importMoreTitle' : read.state === 'reading' ? 'importReading' : 'importFailedTitle');
  return (
    <Dialog
      title={title}
      isOpen
      onClose={close}
      footer={
        asking ? undefined : (
          <>
            <Button onPress={close}>{t(read.state === 'refused' ? 'close' : 'cancel')}</Button>
            {read.state === 'read' && (
              <Button look="primary" isPending={storing} onPress={() => void store()} autoFocus data-test="import-do">
                {t(read.result.replaced ? 'importReplace' : 'importDo')}
              </Button>
            )}
          </>
        )
      }
    >
      <p className="small soft">{t('importFrom', { from: offer.from })}</p>
      {offer.source === 'link' && read.state !== 'refused' && <p>{t('importLinkWarning')}</p>}
      {read.state === 'read' && <ImportReport result={read.result} />}
      {asking && (
        <DetailsForm asks={asks} details={details} onChange={setDetails} refused={read.error} onClose={close} onSend={look} />
      )}
      {read.state === 'refused' && !asking && <Refusal error={read.error} onOther={close} />}
    </Dialog>
  );
}

interface DetailsFormProps {
  readonly asks: { readonly password: boolean; readonly gateway: boolean };
  readonly details: Details;
  readonly onChange: (details: Details) => void;
  readonly refused: RpcError;
  readonly onClose: () => void;
  readonly onSend: (details: Details) => Promise<void>;
}

function DetailsForm({ asks, details, onChange, refused, onClose, onSend }: DetailsFormProps): ReactElement {
  const { t } = useTranslation();
  const [sending, setSending] = useState(false);
  const [tried, setTried] = useState(false);
  const [shown, setShown] = useState(false);
  // What was said of an earlier text says nothing about this one.
  const [judged, setJudged] = useState(details);
  const change = (part: Partial<Details>) => onChange({ ...details, ...part });
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if ((asks.password && details.password === '') || (asks.gateway && details.gateway.trim() === '')) return;
    setSending(true);
    setJudged(details);
    await onSend(details);
    setSending(false);
  };
  const wrong = refused.code === 'import-password-wrong' && judged.password === details.password;
  const known = PASSWORD.has(refused.code) || refused.code === 'import-gateway-needed';
  const missing = (text: string) => (tried && text.trim() === '' ? t('importNeeded') : undefined);
  return (
    <form className="stack" noValidate onSubmit={(event) => void submit(event)} data-test="import-details">
      <p>{t(asks.password ? 'importPasswordWhy' : 'importGatewayWhy')}</p>
      {asks.password && (
        <>
          <TextField
            label={t('importPassword')}
            type={shown ? 'text' : 'password'}
            value={details.password}
            onChange={(password) => change({ password })}
            error={wrong ? t('importPasswordWrong') : missing(details.password)}
            autoComplete="off"
            technical
            autoFocus
            data-test="import-password"
          />
          <Switch label={t('importPasswordShow')} isSelected={shown} onChange={setShown} />
        </>
      )}
      {asks.gateway && (
        <>
          <TextField
            label={t('importGateway')}
            value={details.gateway}
            onChange={(gateway) => change({ gateway })}
            description={t('importGatewayHint')}
            error={missing(details.gateway)}
            autoComplete="off"
            technical
            autoFocus={!asks.password}
            data-test="import-gateway"
          />
          <TextField
            label={t('importName')}
            value={details.name}
            onChange={(name) => change({ name })}
            description={t('importNameHint')}
            autoComplete="off"
            data-test="import-name"
          />
        </>
      )}
      {!known && <ErrorCard code={refused.code} evidence={refused.detail} />}
      <div className="row wrap end">
        <Button onPress={onClose}>{t('cancel')}</Button>
        <Button look="primary" type="submit" isPending={sending} data-test="import-continue">
          {t('importContinue')}
        </Button>
      </div>
    </form>
  );
}

function Refusal({ error, onOther }: { readonly error: RpcError; readonly onOther: () => void }): ReactElement {
  const { t } = useTranslation();
  return (
    <ErrorCard
      code={error.code}
      evidence={error.detail}
      actions={
        <Button
          onPress={() => {
            onOther();
            chooseProfileFile();
          }}
        >
          {t('importChooseOther')}
        </Button>
      }
    />
  );
}

function request(offer: Offer, { password, gateway, name }: Details): Params<'profile.import'> {
  return {
    ...('text' in offer ? { text: offer.text } : { data: [...offer.data] }),
    ...(password !== '' && { password }),
    ...(gateway.trim() !== '' && { gateway: gateway.trim() }),
    ...(name.trim() !== '' && { name: name.trim() }),
  };
}

async function goAndConnect({ id, name }: ProfileSummary): Promise<void> {
  navigate('/connect');
  await connect({ id, name });
}
