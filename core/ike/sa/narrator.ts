/** How the SA machine tells what it does: log outputs with the SPIs, and a bound on what strangers can make it write. */
import { toHex } from '../../bytes/bytes.ts';
import { exchangeName } from '../exchanges/rules.ts';
import { NOTIFY, nameOf } from '../wire/constants.ts';
import type { Header, Payload } from '../wire/message.ts';
import type { IkeOutput, LogFields } from './contract.ts';

type Level = Extract<IkeOutput, { kind: 'log' }>['level'];

/** Dropped datagrams that are logged one by one; after them only every power of two. */
const DROPS_IN_FULL = 16;

export class Narrator {
  readonly #emit: (output: IkeOutput) => void;
  #spis: LogFields = {};
  #drops = 0;

  constructor(emit: (output: IkeOutput) => void) {
    this.#emit = emit;
  }

  /** From now on every line carries these SPIs. */
  setSpis(spiI: Uint8Array, spiR: Uint8Array): void {
    this.#spis = { spiI: toHex(spiI), spiR: toHex(spiR) };
  }

  log(level: Level, text: string, fields: LogFields = {}): void {
    this.#emit({ kind: 'log', level, text, fields: { ...this.#spis, ...fields } });
  }

  /** A message that leaves in these datagrams: a line, and one for each of its fragments. */
  sent(header: Header, payloads: readonly Payload[], datagrams: readonly Uint8Array[]): void {
    const { messageId } = header;
    const bytes = datagrams.reduce((sum, { length }) => sum + length, 0);
    const fields = { messageId, payloads: payloadsText(payloads), bytes };
    this.log('debug', `sent ${messageName(header)}`, datagrams.length > 1 ? { ...fields, fragments: datagrams.length } : fields);
    if (datagrams.length === 1) return;
    for (const [index, { length }] of datagrams.entries())
      this.log('debug', `sent ${fragmentName(header, index + 1, datagrams.length)}`, { messageId, bytes: length });
  }

  received(header: Header, payloads: readonly Payload[], bytes: number, fragments?: number): void {
    const fields = { messageId: header.messageId, payloads: payloadsText(payloads), bytes };
    this.log('debug', `received ${messageName(header)}`, fragments === undefined ? fields : { ...fields, fragments });
  }

  /** A datagram that changes nothing. Anybody can send those, so they must not fill the log. */
  drop(why: string, fields: LogFields = {}): void {
    this.#drops++;
    const powerOfTwo = (this.#drops & (this.#drops - 1)) === 0;
    if (this.#drops > DROPS_IN_FULL && !powerOfTwo) return;
    this.log('debug', `datagram ignored: ${why}`, { ...fields, ignored: this.#drops });
  }
}

/** `IKE_AUTH response`. */
export function messageName(header: Pick<Header, 'exchange' | 'flags'>): string {
  return `${exchangeName(header.exchange)} ${header.flags.response ? 'response' : 'request'}`;
}

/** `fragment 2 of 5 of IKE_AUTH response`. */
export function fragmentName(header: Pick<Header, 'exchange' | 'flags'>, fragment: number, total: number): string {
  return `fragment ${fragment} of ${total} of ${messageName(header)}`;
}

/** `IDr AUTH N(TS_UNACCEPTABLE)`. */
export function payloadsText(payloads: readonly Payload[]): string {
  return payloads.map(payloadText).join(' ');
}

function payloadText(payload: Payload): string {
  if (payload.kind === 'N') return `N(${nameOf(NOTIFY, payload.type)})`;
  if (payload.kind === 'unknown') return `${payload.type}`;
  return payload.kind;
}
