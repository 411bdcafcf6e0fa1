/**
 * A machine that comes back with a ticket (RFC 5723), and by a full exchange where that does not work: two machines in a row, of which
 * the second is made only when the first has ended before it stood. The user sees one.
 */
import { sameIdentity } from '../identity.ts';
import type { IkeConfig, IkeFailure, IkeInput, IkeMachine, IkeOutput, IkeTicket } from './contract.ts';

/** A gateway that has lost its tickets may be silent (RFC 5723 §4.3.2 has it answer). Milliseconds. */
const resumeWithin = 5_000;

export interface ResumingMachines {
  /** By the clock of the machine: it may be presented now. */
  readonly presentable: (now: number) => boolean;
  readonly resume: () => IkeMachine;
  readonly full: () => IkeMachine;
}

export class Resuming implements IkeMachine {
  readonly #machines: ResumingMachines;
  readonly #out: IkeOutput[] = [];
  #machine: IkeMachine | undefined;
  #phase: 'idle' | 'resuming' | 'decided' = 'idle';
  #failure: IkeFailure | undefined;

  constructor(machines: ResumingMachines) {
    this.#machines = machines;
  }

  handle(input: IkeInput, now: number): void {
    if (!this.#machine) {
      const resumes = input.kind === 'start' && this.#machines.presentable(now);
      this.#phase = resumes ? 'resuming' : 'decided';
      this.#machine = resumes ? this.#machines.resume() : this.#machines.full();
    }
    this.#machine.handle(input, now);
    this.#drain();
    if (this.#failure) this.#again(this.#failure, now);
  }

  poll(): IkeOutput | undefined {
    return this.#out.shift();
  }

  deadline(): number | undefined {
    return this.#machine?.deadline();
  }

  #drain(): void {
    for (let output = this.#machine?.poll(); output; output = this.#machine?.poll()) {
      if (output.kind === 'established') this.#phase = 'decided';
      // Without a failure the user ended it; a redirect is to be followed.
      const failure = output.kind === 'closed' && this.#phase === 'resuming' ? output.failure : undefined;
      if (failure && failure.code !== 'redirected') this.#failure = failure;
      else this.#out.push(output);
    }
  }

  #again(failure: IkeFailure, now: number): void {
    this.#phase = 'decided';
    this.#failure = undefined;
    const text = `not resumed: ${failure.evidence}; connecting anew`;
    this.#out.push({ kind: 'log', level: 'info', text, fields: { code: failure.code } });
    // Silence is not a word about the ticket.
    if (!failure.code.startsWith('no-answer')) this.#out.push({ kind: 'ticket', ticket: undefined });
    this.#machine = this.#machines.full();
    this.#machine.handle({ kind: 'start' }, now);
    this.#drain();
  }
}

/** The configuration with a short patience until the SA stands. */
export function hasty(config: IkeConfig): IkeConfig {
  const establishWithin = Math.min(resumeWithin, config.timing.establishWithin);
  return { ...config, timing: { ...config.timing, establishWithin } };
}

/** Nothing is known against it here: the same two, the same gateway, and it is not over. */
export function isPresentable(ticket: IkeTicket, { localIdentity, remoteIdentity, remote }: IkeConfig, now: number): boolean {
  const us = sameIdentity(ticket.localIdentity, localIdentity);
  const them = remoteIdentity === undefined || sameIdentity(ticket.remoteIdentity, remoteIdentity);
  return us && them && ticket.gateway === remote.address && now < ticket.expiresAt;
}
