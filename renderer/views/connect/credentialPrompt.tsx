/** The gateway or the profile needs something from the user: over every view, because the connection waits for it. */
import { type FormEvent, type ReactElement, useState } from 'react';
import type { Prompt, RpcError } from '../../../core/rpc/contract.ts';
import { call } from '../../api.ts';
import { Button } from '../../components/button.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { ErrorCard } from '../../components/errorCard.tsx';
import { Switch, TextField } from '../../components/fields.tsx';
import { useTranslation } from '../../i18n/i18n.ts';
import { disconnect, useSession } from '../../store/session.ts';

export function CredentialPrompt(): ReactElement | null {
  const prompt = useSession((session) => (session.intent === null ? session.status?.prompt : undefined));
  const name = useSession((session) => session.status?.profile?.name ?? '');
  // A prompt of its own for every attempt: nothing typed stays behind.
  return prompt ? <PromptDialog key={`${prompt.id} ${prompt.attempt}`} prompt={prompt} name={name} /> : null;
}

function PromptDialog({ prompt, name }: { readonly prompt: Prompt; readonly name: string }): ReactElement {
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
  const cancel = () => void disconnect();

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
          <Button onPress={cancel}>{common('cancel')}</Button>
          <Button look="primary" type="submit" isPending={sending} data-test="prompt-submit">
            {t('prompt.submit')}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
