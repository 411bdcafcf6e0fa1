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

  /** One line for a message sent or received. */
  message(what: 'sent' | 'received', header: Header, payloads: readonly Payload[], bytes: number): void {
    this.log('debug', `${what} ${messageName(header)}`, { messageId: header.messageId, payloads: payloadsText(payloads), bytes });
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

/** `IDr AUTH N(TS_UNACCEPTABLE)`. */
export function payloadsText(payloads: readonly Payload[]): string {
  return payloads.map(payloadText).join(' ');
}

function payloadText(payload: Payload): string {
  if (payload.kind === 'N') return `N(${nameOf(NOTIFY, payload.type)})`;
  if (payload.kind === 'unknown') return `${payload.type}`;
  return payload.kind;
}
