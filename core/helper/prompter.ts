/**
 * The one question a connection may have for its user at a time: a missing pre-shared key before connecting, and whatever an
 * authentication method asks for on the way. Whoever asks waits; the status shows the question; `tunnel.answer` answers it. An answer
 * belongs to who asked, and is wiped by them.
 */
import { randomUUID } from 'node:crypto';
import { err, ok, type Result } from '../bytes/result.ts';
import type { Prompt } from '../rpc/contract.ts';
import type { HelperError } from './rpcServer.ts';

export type Question = Omit<Prompt, 'id'>;

export type Asked =
  | { readonly kind: 'answered'; readonly secret: Uint8Array; readonly remember: boolean }
  /** Nobody answered in time. */
  | { readonly kind: 'expired' }
  /** The connection ends. */
  | { readonly kind: 'withdrawn' };

export interface Prompter {
  ask(question: Question): Promise<Asked>;
  /** What is asked now, and since when. */
  current(): (Prompt & { readonly askedAt: number }) | undefined;
  answer(id: string, secret: string, remember: boolean): Result<undefined, HelperError>;
  /** Takes the question back. */
  retract(): void;
  /** That, and every later one at once. */
  withdraw(): void;
}

export interface PrompterOptions {
  readonly now: () => number;
  readonly onChange: () => void;
  /** Milliseconds. */
  readonly patience?: number;
}

export const PROMPT_PATIENCE = 5 * 60_000;
const LONGEST_ANSWER = 1024;

interface Open {
  readonly prompt: Prompt & { readonly askedAt: number };
  readonly settle: (asked: Asked) => void;
}

export function createPrompter({ now, onChange, patience = PROMPT_PATIENCE }: PrompterOptions): Prompter {
  let open: Open | undefined;
  let withdrawn = false;

  return {
    ask(question) {
      if (withdrawn) return Promise.resolve({ kind: 'withdrawn' });
      return new Promise((resolve) => {
        const timer = setTimeout(() => open?.settle({ kind: 'expired' }), patience);
        open = {
          prompt: { ...question, id: randomUUID(), askedAt: now() },
          settle: (asked) => {
            clearTimeout(timer);
            open = undefined;
            resolve(asked);
            onChange();
          },
        };
        onChange();
      });
    },

    current: () => open?.prompt,

    answer(id, secret, remember) {
      // An answer to an earlier question must not be taken for one to this.
      if (open?.prompt.id !== id) return err({ code: 'prompt-unknown', detail: 'it was answered or taken back' });
      if (remember && !open.prompt.rememberAllowed) {
        return err({ code: 'not-permitted', detail: 'this profile does not keep the answer' });
      }
      const octets = new TextEncoder().encode(secret);
      if (octets.length === 0 || octets.length > LONGEST_ANSWER) {
        octets.fill(0);
        return err({ code: 'bad-request', detail: `secret: expected 1 to ${LONGEST_ANSWER} octets` });
      }
      open.settle({ kind: 'answered', secret: octets, remember });
      return ok(undefined);
    },

    retract: () => open?.settle({ kind: 'withdrawn' }),

    withdraw() {
      withdrawn = true;
      open?.settle({ kind: 'withdrawn' });
    },
  };
}
