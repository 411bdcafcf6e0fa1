/**
 * What protects the messages of one IKE SA: its keys and how they change, sealing in one piece or in fragments, and what AUTH is to cover of
 * IKE_INTERMEDIATE (RFC 9242 §3.3.2). Messages of the peer are opened by `protection`.
 */
import { authenticatedForm, IntAuth } from '../auth/intAuth.ts';
import { type FragmentSize, messageLimit } from '../fragment/size.ts';
import { type IkeKeys, wipe, wipeIkeKeys } from '../keys/ikeKeys.ts';
import { ikeKeyLogLine } from '../keys/keyLog.ts';
import { encodePayloads } from '../wire/encode.ts';
import type { Header, Payload } from '../wire/message.ts';
import { createProtection, type Opened, type Protection } from './protect.ts';
import type { IkeSaSetup, Route } from './setup.ts';
import type { Sealed } from './window.ts';

/** Payloads that are not encrypted, and a bound besides that of the path. */
interface Sealing {
  readonly inTheClear?: readonly Payload[];
  readonly longest?: number | undefined;
}

export class MessageSecurity {
  readonly #setup: IkeSaSetup;
  #keys: IkeKeys;
  #protection: Protection;
  /** Of the fragments that long messages are sent in; undefined: the peer does not take any. */
  #fragmentSize: FragmentSize | undefined;
  readonly #intAuth = new IntAuth();
  /** Our IKE_INTERMEDIATE request in flight, as AUTH covers it. */
  #intermediate: Uint8Array = new Uint8Array(0);

  constructor(setup: IkeSaSetup) {
    this.#setup = setup;
    this.#keys = setup.keys;
    this.#protection = createProtection(setup.role, setup.suite, setup.keys, setup.random);
    this.#fragmentSize = setup.fragmentSize;
    this.#logKeys();
  }

  get keys(): IkeKeys {
    return this.#keys;
  }

  get protection(): Protection {
    return this.#protection;
  }

  get fragmentSize(): FragmentSize | undefined {
    return this.#fragmentSize;
  }

  /** What IKE_INTERMEDIATE exchanges add to the octets of AUTH; undefined: there were none. */
  get intAuth(): Uint8Array | undefined {
    return this.#intAuth.octets;
  }

  replaceSkD(d: Uint8Array): void {
    wipe(this.#keys.d);
    this.#keys = { ...this.#keys, d };
  }

  /** The old are wiped. */
  replaceKeys(keys: IkeKeys): void {
    const { role, suite, random } = this.#setup;
    wipeIkeKeys(this.#keys);
    this.#keys = keys;
    this.#protection = createProtection(role, suite, keys, random);
    this.#logKeys();
  }

  wipe(): void {
    wipeIkeKeys(this.#keys);
  }

  /** RFC 7383 §2.5.2: later messages begin with what one has come to. */
  sendSmaller(): void {
    this.#fragmentSize = 'small';
  }

  header(exchange: number, messageId: number, response: boolean): Header {
    const { spiI, spiR, role } = this.#setup;
    const flags = { initiator: role === 'initiator', version: false, response };
    return { spiI, spiR, majorVersion: 2, minorVersion: 0, exchange, messageId, flags };
  }

  /** The message, in fragments where it is long and the peer takes them. */
  seal(header: Header, payloads: readonly Payload[], { channel, remote }: Route, { inTheClear, longest }: Sealing): Sealed {
    const protection = this.#protection;
    const size = this.#fragmentSize;
    // RFC 9329 §7.5: a stream carries what is long as it is.
    if (!size || remote.transport === 'tcp') return { datagrams: protection.seal(header, payloads, { inTheClear }) };
    const small = messageLimit('small', channel, remote);
    const limit = Math.max(small, Math.min(messageLimit(size, channel, remote), longest ?? Infinity));
    const datagrams = protection.seal(header, payloads, { inTheClear, limit });
    // RFC 7383 §2.4: also what was sent whole at first may be too long for the path.
    if (limit === small || (datagrams.length === 1 && datagrams[0].length <= small)) return { datagrams };
    return { datagrams, smaller: () => protection.seal(header, payloads, { inTheClear, limit: small }) };
  }

  /** Our IKE_INTERMEDIATE request goes out. */
  intermediateSent(message: Sealed, payloads: readonly Payload[]): void {
    this.#intermediate = ownForm(message, payloads);
  }

  /** Its answer came, in this message or these fragments, of which the first is `sent`. */
  intermediateAnswered(sent: Uint8Array, opened: Opened): void {
    this.#cover(this.#intermediate, peersForm(sent, opened));
  }

  /** The peer's request, and our answer to it. */
  intermediateServed(sent: Uint8Array, opened: Opened, answer: Sealed, payloads: readonly Payload[]): void {
    this.#cover(peersForm(sent, opened), ownForm(answer, payloads));
  }

  #cover(request: Uint8Array, response: Uint8Array): void {
    this.#intAuth.add(this.#setup.suite.prf, this.#keys, request, response);
  }

  #logKeys(): void {
    const { keyLog, spiI, spiR, suite, emit } = this.#setup;
    const line = keyLog ? ikeKeyLogLine(spiI, spiR, suite, this.#keys) : undefined;
    if (line !== undefined) emit({ kind: 'key-log', table: 'ikev2', line });
  }
}

/** RFC 9242 §3.3.2: what we send, before it is encrypted and split. */
function ownForm({ datagrams }: Sealed, payloads: readonly Payload[]): Uint8Array {
  const { first, bytes } = encodePayloads(payloads);
  return authenticatedForm(datagrams[0], first, bytes);
}

/** The same of what came; `sent` is the message or its first fragment. */
function peersForm(sent: Uint8Array, { first, plaintext }: Opened): Uint8Array {
  return authenticatedForm(sent, first, plaintext);
}
