/**
 * The ticket of a session (RFC 5723) between one connection and the next: in memory only, and no longer than the user wants the tunnel
 * (§6.2: a ticket goes with a log-out).
 */
import type { IkeTicket } from '../ike/sa/contract.ts';

export interface TicketHolder {
  /** What a machine says: it takes the place of what there was; undefined: there is none any more. */
  take(ticket: IkeTicket | undefined): void;
  /**
   * To be presented; it stays until a machine says otherwise. The key is a copy, and the caller's: of several machines that are raced with it
   * one may be made to say that there is none any more, by anybody (§4.3.2 has the refusal in the clear), and the others go on with theirs. Keys
   * made of an overwritten one would be keys that anybody can make.
   */
  held(): IkeTicket | undefined;
  wipe(): void;
}

export function createTicketHolder(): TicketHolder {
  let held: IkeTicket | undefined;
  const take = (ticket: IkeTicket | undefined): void => {
    if (held !== ticket) held?.skD.fill(0);
    held = ticket;
  };
  return { take, held: () => held && { ...held, skD: held.skD.slice() }, wipe: () => take(undefined) };
}
