/** `up`, `answer`, `down` and `rekey`. */
import { err, ok, type Result } from '../bytes/result.ts';
import type { RpcError, Status } from '../rpc/contract.ts';
import { followStatus } from '../rpc/follow.ts';
import { printable } from '../tunnel/explain.ts';
import { isLost, isUp } from '../tunnel/states.ts';
import { type AnswerOptions, answerPrompts } from './prompts.ts';
import { readSecrets } from './secret.ts';
import { cliError, type Session, SUCCESS, withHelper } from './session.ts';
import { stateText } from './statusText.ts';

/** How an attempt came to its end. */
type Outcome = Result<Status, RpcError>;

export interface AnswerCommandOptions {
  readonly secretFile?: string;
  readonly passwordFile?: string;
  readonly codeFile?: string;
  readonly pinFile?: string;
  readonly user?: string;
  readonly remember?: boolean;
}

export interface UpOptions extends AnswerCommandOptions {
  readonly timeout?: number;
  readonly askSecret?: boolean;
}

type Answers = AnswerOptions['answers'];

async function answersOf(options: AnswerCommandOptions): Promise<Result<Answers, RpcError>> {
  const { secretFile: psk, passwordFile: password, codeFile: code, pinFile: pin, user } = options;
  const fromFiles = await readSecrets({ psk, password, code, pin });
  return fromFiles.ok ? ok({ ...fromFiles.value, ...(user !== undefined && { identity: user }) }) : fromFiles;
}

export async function upCommand(session: Session, profile: string, options: UpOptions): Promise<number> {
  const { output } = session;
  const given = await answersOf(options);
  if (!given.ok) return output.error(given.error);
  const answers = given.value;
  return withHelper(session, async (helper) => {
    let decide: (outcome: Outcome) => void = () => {};
    const outcome = new Promise<Outcome>((resolve) => {
      decide = resolve;
    });
    let gaveUp = false;
    /** Somebody's `up` of before: what it brought about holds traffic back, and goes on without us. */
    let joined = false;
    const giveUp = (error: RpcError) => {
      gaveUp = true;
      decide(err(joined && error.code === 'cancelled' ? { code: 'not-waited-for', detail: '' } : error));
    };
    const prompts = answerPrompts(helper, { ...options, answers }, giveUp);
    let accepted = false;
    let told = '';
    const judge = (status: Status) => {
      // What came before our `up` was accepted tells of an earlier tunnel.
      if (!accepted) return;
      prompts.show(status.prompt);
      if (isUp(status.state)) decide(ok(status));
      else if (status.state === 'failed' || status.state === 'blocked') decide(failureOf(status));
      else if (status.state === 'idle') decide(cliError('cancelled', 'somebody ran `sallyport down`'));
      else if (status.state !== 'waiting') {
        const step = `${stateText(status.state)} …${status.state === 'resolving' || !status.gateway ? '' : ` ${status.gateway.address}`}`;
        if (step !== told) output.progress(printable(step));
        told = step;
      }
    };
    const follower = await followStatus(helper, judge);
    if (!follower.ok) return follower;
    helper.closed.then((reason) => {
      if (reason) decide(err(reason));
    });
    const { state, failure } = follower.value.current();
    // What asks on its way back is lost, too: why it was is in the status.
    joined = isLost(state) || (state === 'waiting' && failure !== undefined);
    const stopListening = onInterrupt(() => giveUp({ code: 'cancelled', detail: '' }));
    const startedAt = performance.now();
    const askSecret = (options.askSecret ?? false) || Object.keys(answers).length > 0;
    const started = await helper.call('tunnel.up', { profile, askSecret });
    if (!started.ok) return started;
    accepted = true;
    // The whole connection may have come in one piece with the acceptance, read before this line ran. What the follower has after
    // one more answer is of our `up` for sure, and newer than that answer.
    const current = await helper.call('tunnel.status', {});
    if (current.ok) judge(follower.value.current());
    const timer =
      options.timeout === undefined
        ? undefined
        : setTimeout(() => giveUp(late(options.timeout ?? 0, joined)), options.timeout * 1000);
    const result = await outcome;
    clearTimeout(timer);
    stopListening();
    prompts.stop();
    if (!result.ok) {
      // What we gave up ourselves is still there; resolves when the helper has cleaned up.
      if (gaveUp && !joined) await helper.call('tunnel.down', {});
      return result;
    }
    const seconds = (performance.now() - startedAt) / 1000;
    const { virtualIps, gateway } = result.value;
    const at =
      gateway && gateway.name !== gateway.address ? `${gateway.name} (${gateway.address})` : (gateway?.address ?? 'the gateway');
    const line = `Connected: ${started.value.profile.name} through ${at}, address ${virtualIps.join(' and ')}, in ${seconds.toFixed(1)} s.`;
    output.line(output.style('good', printable(line)));
    output.object({ connected: true, seconds: Number(seconds.toFixed(3)), profile: started.value.profile, status: result.value });
    return SUCCESS;
  });
}

/**
 * What is asked of the user now, whoever ran `up`: a login that is made anew while connected asks too. Ends when nothing is asked any more and
 * none is under way.
 */
export async function answerCommand(session: Session, options: AnswerCommandOptions): Promise<number> {
  const { output } = session;
  const answers = await answersOf(options);
  if (!answers.ok) return output.error(answers.error);
  return withHelper(session, async (helper) => {
    let decide: (outcome: Outcome) => void = () => {};
    const outcome = new Promise<Outcome>((resolve) => {
      decide = resolve;
    });
    const prompts = answerPrompts(helper, { ...options, answers: answers.value }, (error) => decide(err(error)));
    let asked: Status | undefined;
    const judge = (status: Status) => {
      const { prompt, state } = status;
      prompts.show(prompt);
      if (prompt) asked ??= status;
      else if (!asked) decide(cliError('prompt-unknown', 'nothing is asked now'));
      else if (state === 'connected') decide(renewed(asked, status));
      else if (state === 'failed' || state === 'blocked') decide(failureOf(status));
      else if (state === 'idle') decide(cliError('cancelled', 'somebody ran `sallyport down`'));
    };
    const follower = await followStatus(helper, judge);
    if (!follower.ok) return follower;
    helper.closed.then((reason) => {
      if (reason) decide(err(reason));
    });
    const stopListening = onInterrupt(() => decide(err({ code: 'cancelled', detail: '' })));
    const result = await outcome;
    stopListening();
    prompts.stop();
    if (!result.ok) return result;
    output.line(output.style('good', 'Answered, and connected.'));
    output.object({ answered: true, status: result.value });
    return SUCCESS;
  });
}

/** A new login that fails leaves the connection that was there: that it is there says nothing. */
function renewed(before: Status, now: Status): Outcome {
  const { renewalFailure: failure } = now;
  if (!failure && now.ike?.establishedAt !== before.ike?.establishedAt) return ok(now);
  const evidence = failure?.evidence || 'the new login is none';
  return err({ code: failure?.code ?? 'internal', detail: `${evidence}; the connection of the login before goes on` });
}

function failureOf(status: Status): Outcome {
  return err({ code: status.failure?.code ?? 'internal', detail: status.failure?.evidence ?? '' });
}

function late(seconds: number, joined: boolean): RpcError {
  return {
    code: 'timed-out',
    detail: `${seconds} s${joined ? '; it is still being brought back, and `sallyport down` ends that' : ''}`,
  };
}

/** The first signal asks for an orderly end; a second one ends at once. */
function onInterrupt(first: () => void): () => void {
  let seen = false;
  const handler = () => {
    if (seen) process.exit(130);
    seen = true;
    first();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, handler);
  return () => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, handler);
  };
}

export function downCommand(session: Session): Promise<number> {
  const { output } = session;
  return withHelper(session, async (helper) => {
    const done = await helper.call('tunnel.down', {});
    if (!done.ok) return done;
    output.line('Disconnected.');
    output.object(done.value);
    return SUCCESS;
  });
}

/** New keys: it was asked for; `status` and the log tell when they are there. */
export function rekeyCommand(session: Session, what: 'child' | 'ike'): Promise<number> {
  const { output } = session;
  return withHelper(session, async (helper) => {
    const done = await helper.call('tunnel.rekey', { what });
    if (!done.ok) return done;
    output.line(what === 'ike' ? 'Rekeying the IKE SA.' : 'Rekeying.');
    output.object(done.value);
    return SUCCESS;
  });
}
