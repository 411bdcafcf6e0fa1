/** What of a message that came is the same for requests and for responses: where it came from, how it is told, and what is said to who sent a wrong one. */
import { type RuleError, ruleErrorText } from '../exchanges/rules.ts';
import type { Arrived } from '../fragment/inbound.ts';
import { NOTIFY } from '../wire/constants.ts';
import type { Header, Message, Payload, WireError } from '../wire/message.ts';
import { notify } from '../wire/payloads.ts';
import type { Channel, Endpoint } from './contract.ts';
import type { Narrator } from './narrator.ts';
import type { Opened } from './protect.ts';

/** `message` is what `bytes` were parsed into. */
export interface Arrival {
  readonly message: Message;
  readonly bytes: Uint8Array;
  readonly channel: Channel;
  readonly from: Endpoint;
}

export function tellReceived(
  narrator: Narrator,
  header: Header,
  { payloads }: Opened,
  ignored: readonly string[],
  { octets, fragments }: Arrived,
): void {
  narrator.received(header, payloads, octets, fragments?.count);
  if (ignored.length > 0) narrator.log('debug', 'payloads ignored', { payloads: ignored.slice(0, 16).join(' ') });
}

/** What to say to whoever sent a message that is wrong as a whole. */
export function complaint(error: RuleError | undefined): Payload {
  if (error?.code !== 'critical') return notify(NOTIFY.INVALID_SYNTAX);
  return notify(NOTIFY.UNSUPPORTED_CRITICAL_PAYLOAD, Uint8Array.of(error.type));
}

export function wrongText(
  opened: { readonly ok: true } | { readonly ok: false; readonly error: WireError },
  sifted: { readonly ok: true } | { readonly ok: false; readonly error: RuleError } | undefined,
): string {
  if (!opened.ok) return opened.error.place;
  if (!sifted || sifted.ok) return 'unexpected here';
  return ruleErrorText(sifted.error);
}
