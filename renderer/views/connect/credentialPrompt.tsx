/** The gateway or the profile needs something from the user: over every view, because the connection, or the next login, waits for it. */
import { type FormEvent, type ReactElement, useState } from 'react';
import type { Prompt, RpcError } from '../../../core/rpc/contract.ts';
import { call } from '../../api.ts';
import { Button } from '../../components/button.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { ErrorCard } from '../../components/errorCard.tsx';
import { Switch, TextField } from '../../components/fields.tsx';
import { useTranslation } from '../../i18n/i18n.ts';
import { putAside, useAside } from '../../store/aside.ts';
import { disconnect, useSession } from '../../store/session.ts';

export function CredentialPrompt(): ReactElement | null {
  const prompt = useSession((session) => (session.intent === null ? session.status?.prompt : undefined));
  const name = useSession((session) => session.status?.profile?.name ?? '');
  const beside = useSession(({ status }) => status?.state !== 'waiting');
  const aside = useAside(({ id }) => id);
  // What everything waits for cannot be put aside.
  if (!prompt || (beside && prompt.id === aside)) return null;
  // A prompt of its own for every attempt: nothing typed stays behind.
  return <PromptDialog key={`${prompt.id} ${prompt.attempt}`} prompt={prompt} name={name} beside={beside} />;
}

interface PromptDialogProps {
  readonly prompt: Prompt;
  readonly name: string;
  /** It is for a new login, and the tunnel of the old one is there. */
  readonly beside: boolean;
}

function PromptDialog({ prompt, name, beside }: PromptDialogProps): ReactElement {
  const { t } = useTranslation('connect');
  const { t: common } = useTranslation();
  // A name that was not taken is there again to be mended; nothing else that was typed is.
  const [secret, setSecret] = useState(prompt.kind === 'identity' ? prompt.identity : '');
  const [touched, setTouched] = useState(false);
  const [shown, setShown] = useState(false);
  const [remember, setRemember] = useState(false);
  const [sending, setSending] = useState(false);
  const [problem, setProblem] = useState<RpcError | null>(null);
  const [empty, setEmpty] = useState(false);
  const { kind } = prompt;
  const cancel = () => (beside ? putAside(prompt.id) : void disconnect());

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (secret === '') {
      setEmpty(true);
      return;
    }
    setSending(true);
    const reply = await call('tunnel.answer', { id: prompt.id, secret, remember });
    // What the gateway says of it comes as a status; until then the dialog stays as it is.
    if (reply.ok) return;
    setSending(false);
    setProblem(reply.error);
  };

  // Names and codes that are good for once are typed in sight.
  const hidden = kind === 'psk' || kind === 'password' || kind === 'pin';
  const wrong = prompt.attempt > 1 && !touched ? t(`prompt.${kind}Wrong`) : undefined;
  return (
    <Dialog title={t(`prompt.${kind}`, { name })} isOpen onClose={cancel}>
      <form
        className="stack"
        onSubmit={(event) => void submit(event)}
        data-test="prompt"
        data-kind={kind}
        data-attempt={prompt.attempt}
      >
        {beside && <p className="soft">{t('prompt.beside')}</p>}
        {prompt.text !== '' && (
          <figure className="gateway-text">
            <figcaption className="small soft">{t('prompt.says')}</figcaption>
            <p>{prompt.text}</p>
          </figure>
        )}
        {kind !== 'identity' && prompt.identity !== '' && <p className="soft">{t('prompt.as', { identity: prompt.identity })}</p>}
        <TextField
          label={t(`prompt.${kind}Label`)}
          type={hidden && !shown ? 'password' : 'text'}
          inputMode={kind === 'code' || kind === 'pin' ? 'numeric' : 'text'}
          value={secret}
          onChange={(value) => {
            setSecret(value);
            setTouched(true);
            setEmpty(false);
          }}
          error={empty ? t('prompt.empty') : wrong}
          autoComplete={kind === 'code' ? 'one-time-code' : kind === 'identity' ? 'username' : 'off'}
          technical
          autoFocus
          isDisabled={sending}
          data-test="prompt-secret"
        />
        {hidden && <Switch label={t('prompt.show')} isSelected={shown} onChange={setShown} />}
        {prompt.rememberAllowed && (
          <Switch
            label={t('prompt.remember')}
            description={t('prompt.rememberHint')}
            isSelected={remember}
            onChange={setRemember}
          />
        )}
        {problem && <ErrorCard code={problem.code} evidence={problem.detail} />}
        <div className="row wrap end">
          <Button onPress={cancel}>{beside ? t('prompt.later') : common('cancel')}</Button>
          <Button look="primary" type="submit" isPending={sending} data-test="prompt-submit">
            {t('prompt.submit')}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
