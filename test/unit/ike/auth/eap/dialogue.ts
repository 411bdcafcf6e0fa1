/** Our peer and the EAP server of the head office, packet by packet, with TLS on both sides where the method has it. */
import { randomBytes } from 'node:crypto';
import { fromUtf8, toUtf8 } from '../../../../../core/bytes/bytes.ts';
import { createTlsClient, type TlsClientOptions } from '../../../../../core/helper/tlsClient.ts';
import type { EapAsk, EapAskAnswer, EapConfig, EapOutput, EapPeer } from '../../../../../core/ike/auth/eap/contract.ts';
import { createEapPeer } from '../../../../../core/ike/auth/eap/peer.ts';
import { createEapServer, type EapServerConfig, type EapServerOutput } from '../../../../gateway/eap/server.ts';
import { TlsServer, type TlsServerOptions } from '../../../../gateway/eap/tlsServer.ts';

export interface DialogueOptions {
  readonly server: EapServerConfig;
  readonly peer?: Partial<EapConfig>;
  /** What the user types, one for each question; the last again when there are more. Undefined: the question is cancelled. */
  readonly typed?: readonly (string | undefined)[];
  readonly tls?: {
    readonly server: Omit<TlsServerOptions, 'method'>;
    readonly client?: Partial<Omit<TlsClientOptions, 'method'>>;
  };
  /** The server's packets on their way. */
  readonly onTheWay?: (packet: Uint8Array, number: number) => Uint8Array;
}

export interface Dialogue {
  readonly peer: Extract<EapOutput, { readonly kind: 'success' | 'failed' }> | undefined;
  readonly server: Extract<EapServerOutput, { readonly kind: 'success' | 'failure' }> | undefined;
  /** Credentials that were asked for. */
  readonly asked: readonly Extract<EapAsk, { readonly kind: 'credential' }>[];
  /** Every packet that the peer sent. */
  readonly sent: readonly Uint8Array[];
  readonly log: readonly string[];
  /** Packets of the server. */
  readonly rounds: number;
}

export const defaultPeer: EapConfig = {
  methods: ['mschapv2', 'tls', 'ttls', 'peap', 'gtc', 'otp'],
  identity: 'alice',
  mutualOnly: false,
  inner: ['mschapv2', 'gtc'],
};

/** Until one of them has ended, or 400 packets. */
export async function hold(options: DialogueOptions): Promise<Dialogue> {
  const server = createEapServer(options.server);
  const user = new User(options);
  const peer = createEapPeer({ ...defaultPeer, ...options.peer }, (length) => Uint8Array.from(randomBytes(length)));
  let tlsServer: TlsServer | undefined;
  let ended: Dialogue['server'];
  let rounds = 0;
  server.start();
  while (rounds < 400) {
    const output = server.poll();
    if (output === undefined) break;
    if (output.kind === 'ask') {
      if (options.tls === undefined) throw new Error('a dialogue with TLS wants `tls`');
      tlsServer ??= new TlsServer({ method: output.ask.method, ...options.tls.server });
      server.answer(await tlsServer.exchange(output.ask.received, output.ask.write));
      continue;
    }
    rounds++;
    peer.handle(options.onTheWay?.(output.packet, rounds) ?? output.packet);
    await user.drain(peer);
    if (output.kind !== 'send') {
      ended = output;
      break;
    }
    if (user.ended !== undefined) break;
    const response = user.sent.at(-1);
    if (response === undefined) break;
    server.handle(response);
  }
  return { peer: user.ended, server: ended, asked: user.asked, sent: user.sent, log: user.log, rounds };
}

/** Who sits before the peer: answers what it asks. */
class User {
  readonly #options: DialogueOptions;
  #tls: ReturnType<typeof createTlsClient> | undefined;
  readonly asked: Extract<EapAsk, { readonly kind: 'credential' }>[] = [];
  readonly sent: Uint8Array[] = [];
  readonly log: string[] = [];
  ended: Dialogue['peer'];

  constructor(options: DialogueOptions) {
    this.#options = options;
  }

  async drain(peer: EapPeer): Promise<void> {
    for (let output = peer.poll(); output !== undefined; output = peer.poll()) {
      if (this.ended !== undefined) throw new Error(`${output.kind} after the end`);
      if (output.kind === 'send') this.sent.push(output.packet);
      else if (output.kind === 'log') this.log.push(output.text);
      else if (output.kind === 'ask') peer.answer(await this.#answer(output.ask));
      else this.ended = output;
    }
  }

  async #answer(ask: EapAsk): Promise<EapAskAnswer> {
    if (ask.kind === 'tls') {
      this.#tls ??= createTlsClient({ method: ask.method, checkServer: () => undefined, ...this.#options.tls?.client });
      return this.#tls.exchange(ask.received, ask.write);
    }
    this.asked.push(ask);
    const typed = this.#options.typed ?? ['secret'];
    const value = typed[Math.min(this.asked.length, typed.length) - 1];
    return value === undefined
      ? { kind: 'credential-missing', why: 'cancelled' }
      : { kind: 'credential', value: Uint8Array.from(fromUtf8(value)) };
  }
}

/** `failed eap-protocol`, `success`; for comparing. */
export function ending(dialogue: Dialogue): string {
  const { peer } = dialogue;
  if (peer === undefined) return `none after ${dialogue.rounds}`;
  return peer.kind === 'success' ? 'success' : peer.failure.code;
}

export function typesSent(dialogue: Dialogue): number[] {
  return dialogue.sent.map((packet) => packet[4]);
}

export function evidence(dialogue: Dialogue): string {
  return dialogue.peer?.kind === 'failed' ? dialogue.peer.failure.evidence : '';
}

export function text(packet: Uint8Array): string {
  return toUtf8(packet.subarray(5));
}
