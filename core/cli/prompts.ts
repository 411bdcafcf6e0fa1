/** What the helper asks while `up` waits: answered from the files given, or by the person at the terminal. */
import type { RpcClient } from '../rpc/client.ts';
import type { Prompt, RpcError } from '../rpc/contract.ts';
import { printable } from '../tunnel/explain.ts';
import { askSecret, canAsk } from './secret.ts';
import { PROMPTS } from './statusText.ts';

export interface PromptAnswers {
  /** What is asked now; the same question again is not asked again. */
  show(prompt: Prompt | undefined): void;
  /** Gives the terminal back. */
  stop(): void;
}

export interface AnswerOptions {
  /** Of files: one answer of each kind, and no other. */
  readonly answers: { readonly [K in Prompt['kind']]?: string };
  readonly remember?: boolean;
}

/** `giveUp` when there is no answer to give. */
export function answerPrompts(helper: RpcClient, options: AnswerOptions, giveUp: (error: RpcError) => void): PromptAnswers {
  let asked: string | undefined;
  const used = new Set<Prompt['kind']>();
  let question = new AbortController();

  async function answer(prompt: Prompt, gone: AbortSignal): Promise<void> {
    let secret = options.answers[prompt.kind];
    if (secret !== undefined) {
      if (used.has(prompt.kind)) {
        return giveUp(
          refusal(prompt) ?? { code: WRONG[prompt.kind], detail: `the ${PROMPTS[prompt.kind]} given is not the right one` },
        );
      }
      used.add(prompt.kind);
    } else if (canAsk()) {
      const typed = await askSecret(questionText(prompt), gone, prompt.kind === 'identity');
      if (gone.aborted) return;
      if (!typed.ok) return giveUp(typed.error);
      secret = typed.value;
    } else {
      // Nobody is there who could do better than what was refused.
      const missing = {
        code: 'profile-secret-missing',
        detail: `there is no terminal to ask for the ${PROMPTS[prompt.kind]} on`,
      };
      return giveUp(refusal(prompt) ?? missing);
    }
    const remember = prompt.rememberAllowed && (options.remember ?? false);
    const done = await helper.call('tunnel.answer', { id: prompt.id, secret, remember });
    // A question that is gone meanwhile has its reason in the status.
    if (!done.ok && done.error.code !== 'prompt-unknown') giveUp(done.error);
  }

  return {
    show(prompt) {
      // A status that was read late may show a question that is answered already.
      if (prompt && prompt.id === asked) return;
      question.abort();
      if (!prompt) return;
      asked = prompt.id;
      question = new AbortController();
      answer(prompt, question.signal).catch((fault: unknown) => giveUp({ code: 'internal', detail: String(fault) }));
    },
    stop: () => question.abort(),
  };
}

function refusal({ refused }: Prompt): RpcError | undefined {
  return refused && { code: refused.code, detail: refused.evidence };
}

const WRONG: Readonly<Record<Prompt['kind'], string>> = {
  psk: 'authentication-failed',
  identity: 'eap-refused',
  password: 'password-wrong',
  code: 'eap-refused',
  pin: 'eap-refused',
};

function questionText({ kind, identity, text, attempt }: Prompt): string {
  const wrong = attempt > 1 ? 'That was not right. ' : '';
  const own = text === '' ? '' : `The gateway says: ${text}. `;
  const whose = identity === '' ? '' : ` of ${identity}`;
  return `${printable(`${wrong}${own}${PROMPTS[kind][0]?.toUpperCase()}${PROMPTS[kind].slice(1)}${whose}`)}: `;
}
