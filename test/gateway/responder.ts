/**
 * The embedded head office: a sans-IO IKEv2 responder for many initiators behind one front object. It demultiplexes by SPI, hands out
 * cookies under load (RFC 7296 §2.6) and virtual addresses, and calls the misbehaviours it was told to show. Nothing a peer can send
 * makes it throw.
 *
 *   const office = createHeadOffice(config, { random });
 *   office.handle({ kind: 'datagram', bytes, channel, from }, now);
 *   for (let out = office.poll(); out !== undefined; out = office.poll()) …    // transmit, established, install-child, closed, …
 *   office.deadline();                                                         // when to handle({ kind: 'tick' }, now)
 */
import { toHex } from '../../core/bytes/bytes.ts';
import { exchangeName } from '../../core/ike/exchanges/rules.ts';
import type { Channel, Endpoint, IkeOutput } from '../../core/ike/sa/contract.ts';
import { EXCHANGE, NOTIFY } from '../../core/ike/wire/constants.ts';
import { encodeMessage } from '../../core/ike/wire/encode.ts';
import type { Header, Message, Payload } from '../../core/ike/wire/message.ts';
import { parseMessage } from '../../core/ike/wire/parse.ts';
import { findNotify, findPayload, notify } from '../../core/ike/wire/payloads.ts';
import type { HeadOffice, HeadOfficeConfig, HeadOfficeInput, HeadOfficeOutput, HeadOfficePorts, SaSummary } from './config.ts';
import { createPools } from './configReply.ts';
import { createCookieJar } from './cookie.ts';
import type { Authenticated } from './ikeAuth.ts';
import { hooksOf } from './misbehaviours.ts';
import { isSolved, puzzleNotify, saInitPuzzle } from './puzzle.ts';
import { redirectSaInit } from './redirect.ts';
import { ResponderSa, type SaServices } from './sa.ts';
import { acceptSaInit } from './saInit.ts';
import { acceptResume } from './sessionResume.ts';
import { answerUnknown, TicketStore } from './standing.ts';

/** SAs that are not authenticated yet, at most: beyond, new ones wait for the old to time out. */
const HALF_OPEN_MAX = 1024;

export function createHeadOffice(config: HeadOfficeConfig, ports: HeadOfficePorts): HeadOffice {
  return new Office(config, ports);
}

type DatagramInput = Extract<HeadOfficeInput, { kind: 'datagram' }>;

class Office implements HeadOffice {
  readonly #config: HeadOfficeConfig;
  readonly #ports: HeadOfficePorts;
  readonly #services: SaServices;
  readonly #cookies: ReturnType<typeof createCookieJar>;
  readonly #sas = new Map<string, ResponderSa>();
  readonly #out: HeadOfficeOutput[] = [];
  #now = 0;

  constructor(config: HeadOfficeConfig, ports: HeadOfficePorts) {
    this.#config = config;
    this.#ports = ports;
    this.#cookies = createCookieJar(ports.random);
    this.#services = {
      config,
      random: ports.random,
      pools: createPools(config.pool),
      hooks: hooksOf(config.misbehave),
      emit: (id, output) => this.#emit(id, output),
      ask: (id, ask) => void this.#out.push({ kind: 'ask', id, ask }),
      newSpiIn: () => this.#newChildSpi(),
      ticketStore: ports.ticketStore ?? new TicketStore(),
      now: () => this.#now,
      authenticated: (sa, peer) => this.#authenticated(sa, peer),
    };
  }

  handle(input: HeadOfficeInput, now: number): void {
    this.#now = now;
    if (input.kind === 'datagram') this.#datagram(input, now);
    else for (const sa of this.#addressed(input)) sa.handle(input, now);
    for (const [spi, sa] of this.#sas) if (sa.state === 'closed') this.#sas.delete(spi);
  }

  poll(): HeadOfficeOutput | undefined {
    return this.#out.shift();
  }

  deadline(): number | undefined {
    let earliest: number | undefined;
    for (const sa of this.#sas.values()) {
      const due = sa.deadline();
      if (due !== undefined && (earliest === undefined || due < earliest)) earliest = due;
    }
    return earliest;
  }

  list(): readonly SaSummary[] {
    return [...this.#sas.values()].map((sa) => sa.summary());
  }

  /** The SAs a command is for: one, the one that owns a CHILD SA, or all. */
  #addressed(input: Exclude<HeadOfficeInput, DatagramInput>): readonly ResponderSa[] {
    const all = [...this.#sas.values()];
    if (input.kind === 'inbound-traffic' || input.kind === 'delete-child') return all.filter((sa) => sa.ownsChild(input.spiIn));
    if (input.kind === 'tick' || input.id === undefined) return all;
    return all.filter((sa) => sa.id === input.id);
  }

  #datagram(input: DatagramInput, now: number): void {
    const parsed = parseMessage(input.bytes);
    if (!parsed.ok) {
      const { code, place, header } = parsed.error;
      this.#log('debug', 'datagram ignored', { code, place });
      // RFC 7296 §2.5: a higher major version is answered with the version we speak, unprotected.
      if (code === 'major-version' && header !== undefined && !header.flags.response) {
        this.#answer(input, header, [notify(NOTIFY.INVALID_MAJOR_VERSION)]);
      }
      return;
    }
    const { header } = parsed.value;
    const spiR = toHex(header.spiR);
    if (/^0+$/.test(spiR)) {
      this.#saInit(input, parsed.value, now);
      return;
    }
    const sa = [...this.#sas.values()].find((one) => one.owns(parsed.value));
    // RFC 7296 §2.21.4: a message for an SA nobody knows may be ignored.
    if (sa === undefined) {
      this.#log('debug', 'no such IKE SA', { spiR });
      const told = answerUnknown(parsed.value, this.#config);
      if (told) this.#transmit(encodeMessage(told.header, told.payloads), input.channel, input.from);
    } else sa.message(parsed.value, input.bytes, input.channel, input.from, now);
  }

  #saInit(input: DatagramInput, request: Message, now: number): void {
    const { header } = request;
    // RFC 5723 §4.3.2: IKE_SESSION_RESUME behaves exactly like IKE_SA_INIT.
    const resumes = this.#config.tickets !== undefined && header.exchange === EXCHANGE.IKE_SESSION_RESUME;
    const opens = resumes || header.exchange === EXCHANGE.IKE_SA_INIT;
    const right = opens && header.messageId === 0 && header.flags.initiator;
    if (!right || header.flags.response) {
      this.#log('debug', 'not a request to start', { exchange: header.exchange });
      return;
    }
    // RFC 7296 §2.1: a retransmission is recognised by the initiator's SPI and address, and answered with the very same octets.
    for (const sa of this.#sas.values()) {
      if (sa.repeatsSaInit(input.bytes, input.from)) {
        sa.answerSaInit();
        return;
      }
    }
    const context = { random: this.#ports.random, config: this.#config, request: request.payloads, round: 0 };
    for (const { insteadOfSaInit, insteadOfResume } of this.#services.hooks) {
      const instead = (resumes ? insteadOfResume : insteadOfSaInit)?.(context);
      if (instead === undefined) continue;
      if (instead.length > 0) this.#answer(input, header, instead);
      return;
    }
    const elsewhere = redirectSaInit(this.#config.redirect, request.payloads);
    if (elsewhere !== undefined) {
      this.#answer(input, header, elsewhere);
      return;
    }
    const wanted = this.#wantsCookie(input, request, now);
    if (wanted !== undefined) {
      this.#answer(input, header, wanted);
      return;
    }
    if (this.#halfOpen() >= HALF_OPEN_MAX) return;
    const spiR = this.#newIkeSpi();
    const accepted = (resumes ? acceptResume : acceptSaInit)(request, input, spiR, this.#services);
    if (accepted.kind === 'refused') {
      this.#log('info', `${exchangeName(header.exchange)} refused`, { why: accepted.why });
      this.#answer(input, header, accepted.payloads);
      return;
    }
    const sa = new ResponderSa(accepted.half, this.#services, now);
    this.#sas.set(sa.id, sa);
    sa.answerSaInit();
    sa.afterSaInit(now);
  }

  /** The cookie, and the puzzle, to demand before any state is kept (RFC 7296 §2.6, RFC 8019 §7.1); undefined when it was brought, or none is wanted. */
  #wantsCookie(input: DatagramInput, request: Message, now: number): readonly Payload[] | undefined {
    const { cookie } = this.#config;
    // RFC 9329 §6.3: who has a connection has shown that its address is its own.
    if (input.from.transport === 'tcp') return undefined;
    if (cookie !== 'always' && this.#halfOpen() < cookie) return undefined;
    const nonce = findPayload(request.payloads, 'NONCE')?.data ?? new Uint8Array(0);
    const { spiI } = request.header;
    const brought = findNotify(request.payloads, NOTIFY.COOKIE)?.data;
    const returned = brought !== undefined && this.#cookies.accepts(brought, nonce, spiI, input.from, now);
    const puzzle = saInitPuzzle(request.payloads, this.#config);
    if (returned && isSolved(request.payloads, brought, puzzle, this.#config.puzzle?.legacy)) return undefined;
    const fresh = notify(NOTIFY.COOKIE, this.#cookies.make(nonce, spiI, input.from, now));
    return puzzle ? [fresh, puzzleNotify(puzzle)] : [fresh];
  }

  #halfOpen(): number {
    let count = 0;
    for (const sa of this.#sas.values()) if (sa.state === 'half-open') count++;
    return count;
  }

  /** RFC 7296 §2.4: INITIAL_CONTACT says that all other SAs of this identity are gone; they are dropped without a word. */
  #authenticated(newcomer: ResponderSa, { initialContact, replaces }: Authenticated): void {
    // RFC 5723 §4.3.4: the SA that the ticket is of goes without a word.
    if (replaces !== undefined) this.#sas.get(replaces)?.drop('resumed by its ticket');
    if (!initialContact) return;
    for (const sa of this.#sas.values()) {
      if (sa !== newcomer && sa.remoteIdentity === newcomer.remoteIdentity) sa.drop('replaced by INITIAL_CONTACT');
    }
  }

  /** An unprotected answer that leaves no state behind; its responder SPI is zero (RFC 7296 §2.6). */
  #answer(input: DatagramInput, request: Header, payloads: readonly Payload[]): void {
    const header: Header = {
      spiI: request.spiI,
      spiR: new Uint8Array(8),
      majorVersion: 2,
      minorVersion: 0,
      exchange: request.exchange,
      messageId: request.messageId,
      flags: { initiator: false, version: false, response: true },
    };
    this.#transmit(encodeMessage(header, payloads), input.channel, input.from);
  }

  #transmit(bytes: Uint8Array, channel: Channel, to: Endpoint): void {
    this.#out.push({ kind: 'transmit', bytes, channel, to, id: '' });
  }

  #emit(id: string, output: IkeOutput): void {
    if (output.kind === 'ask') throw new Error('a responder asks nobody');
    if (output.kind !== 'transmit') {
      this.#out.push({ ...output, id });
      return;
    }
    const exchange = output.bytes[18] as number;
    const response = ((output.bytes[19] as number) & 0x20) !== 0;
    let datagrams: readonly Uint8Array[] = [output.bytes];
    for (const { datagrams: hook } of this.#services.hooks) {
      if (hook !== undefined) datagrams = datagrams.flatMap((bytes) => hook(bytes, exchange, response, this.#ports.random));
    }
    for (const bytes of datagrams) this.#out.push({ ...output, bytes, id });
  }

  #newIkeSpi(): Uint8Array {
    for (;;) {
      const spi = this.#ports.random(8);
      if (!/^0+$/.test(toHex(spi)) && !this.#sas.has(toHex(spi))) return spi;
    }
  }

  /** RFC 4303 §2.1: 1 to 255 are reserved. */
  #newChildSpi(): number {
    for (;;) {
      const octets = this.#ports.random(4);
      const spi = new DataView(octets.buffer, octets.byteOffset, 4).getUint32(0);
      if (spi > 255 && ![...this.#sas.values()].some((sa) => sa.ownsChild(spi))) return spi;
    }
  }

  #log(level: 'debug' | 'info', text: string, fields: Readonly<Record<string, string | number>>): void {
    this.#out.push({ kind: 'log', level, text, fields, id: '' });
  }
}
