/**
 * A machine that comes back with a ticket (RFC 5723), and by a full exchange where that does not work: two machines in a row, of which
 * the second is made only when the first has ended before it stood. The user sees one.
 */
import type { IkeConfig, IkeFailure, IkeInput, IkeMachine, IkeOutput, IkeTicket } from './contract.ts';

/** A gateway that has lost its tickets may be silent (RFC 5723 §4.3.2 has it answer). Milliseconds. */
const resumeWithin = 5_000;

export class Resuming implements IkeMachine {
  readonly #make: () => IkeMachine;
  readonly #out: IkeOutput[] = [];
  #machine: IkeMachine;
  #phase: 'idle' | 'resuming' | 'decided' = 'idle';

  /** `resume` presents the ticket, `full` does not. */
  constructor(machines: { readonly resume: IkeMachine; readonly full: () => IkeMachine }) {
    this.#machine = machines.resume;
    this.#make = machines.full;
  }

  handle(input: IkeInput, now: number): void {
    if (this.#phase === 'idle' && input.kind === 'start') this.#phase = 'resuming';
    this.#machine.handle(input, now);
    this.#drain(now);
  }

  poll(): IkeOutput | undefined {
    return this.#out.shift();
  }

  deadline(): number | undefined {
    return this.#machine.deadline();
  }

  #drain(now: number): void {
    for (let output = this.#machine.poll(); output; output = this.#machine.poll()) {
      if (output.kind === 'established') this.#phase = 'decided';
      // Without a failure the user ended it; a redirect is to be followed.
      const failure = output.kind === 'closed' && this.#phase === 'resuming' ? output.failure : undefined;
      if (failure && failure.code !== 'redirected') this.#again(failure, now);
      else this.#out.push(output);
    }
  }

  #again(failure: IkeFailure, now: number): void {
    this.#phase = 'decided';
    const text = `not resumed: ${failure.evidence}; connecting anew`;
    this.#out.push({ kind: 'log', level: 'info', text, fields: { code: failure.code } });
    // Silence is not a word about the ticket.
    if (!failure.code.startsWith('no-answer')) this.#out.push({ kind: 'ticket', ticket: undefined });
    this.#machine = this.#make();
    this.#machine.handle({ kind: 'start' }, now);
  }
}

/** The configuration with a short patience until the SA stands. */
export function hasty(config: IkeConfig): IkeConfig {
  const establishWithin = Math.min(resumeWithin, config.timing.establishWithin);
  return { ...config, timing: { ...config.timing, establishWithin } };
}

/** Nothing is known against it here: the same two, the same gateway, and it is not over. */
export function isPresentable(ticket: IkeTicket, { localIdentity, remote }: IkeConfig, now: number): boolean {
  const same = ticket.localIdentity.type === localIdentity.type && ticket.localIdentity.text === localIdentity.text;
  return same && ticket.gateway === remote.address && now < ticket.expiresAt;
}
