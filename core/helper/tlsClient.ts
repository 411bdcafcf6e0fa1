/**
 * TLS for EAP-TLS, TTLS and PEAP behind the ask `tls`: node:tls over a stream in memory. Nothing of ours is imported but types, so that it can run in
 * the process that holds the private key. No session is resumed, no ticket taken, nothing renegotiated.
 */
import { constants, createPrivateKey, X509Certificate } from 'node:crypto';
import { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type ConnectionOptions, connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import type { EapAskAnswer, EapFailure } from '../ike/auth/eap/contract.ts';

export type TlsAnswer = Extract<EapAskAnswer, { readonly kind: 'tls' }>;

export interface TlsClientOptions {
  readonly method: 'tls' | 'ttls' | 'peap';
  /** DER, the end entity first; the key in PKCS #8 (DER, not encrypted). */
  readonly clientCertificate?: { readonly chain: readonly Uint8Array[]; readonly pkcs8: Uint8Array };
  /**
   * The server's certificates (DER, the end entity first, what it was issued by next), before anything of ours that comes after the client hello
   * leaves. Undefined: it is accepted.
   */
  checkServer(chain: readonly Uint8Array[]): EapFailure | undefined | Promise<EapFailure | undefined>;
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
  readonly maxVersion?: 'TLSv1.2' | 'TLSv1.3';
}

export interface TlsClient {
  /**
   * What came from the server, and what is to be written into the tunnel, which is a mistake before it is open; `write` is wiped, for there may be a
   * password in it. One at a time; never rejects for what a server does.
   */
  exchange(received: Uint8Array, write: Uint8Array): Promise<TlsAnswer>;
  close(): void;
}

export function createTlsClient(options: TlsClientOptions): TlsClient {
  return new Client(options);
}

class Client implements TlsClient {
  readonly #options: TlsClientOptions;
  readonly #pipe = new MemoryPipe();
  #socket: TLSSocket | undefined;
  #plain: Uint8Array[] = [];
  #state: TlsAnswer['state'] = 'handshake';
  /** The handshake is done; whether the server's certificate was accepted is another matter. */
  #secure = false;
  #checked = false;
  #keys: Pick<TlsAnswer, 'version' | 'keyMaterial' | 'challenge'> | undefined;
  #failure: EapFailure | undefined;

  constructor(options: TlsClientOptions) {
    this.#options = options;
  }

  async exchange(received: Uint8Array, write: Uint8Array): Promise<TlsAnswer> {
    if (write.length > 0 && this.#state !== 'open') throw new Error(`data for a tunnel that is ${this.#state}`);
    if (this.#state === 'failed' || this.#state === 'closed') return this.#answer();
    this.#socket ??= this.#connect();
    if (received.length > 0) this.#pipe.deliver(received);
    if (write.length > 0) this.#socket?.write(write);
    await settled(() => this.#pipe.activity);
    write.fill(0);
    await this.#check();
    return this.#answer();
  }

  close(): void {
    this.#pipe.collect();
    this.#socket?.destroy();
    this.#pipe.destroy();
    if (this.#state !== 'failed') this.#state = 'closed';
    for (const secret of [this.#keys?.keyMaterial, this.#keys?.challenge]) secret?.fill(0);
    this.#keys = undefined;
  }

  #connect(): TLSSocket | undefined {
    try {
      if (!keyFits(this.#options.clientCertificate)) {
        this.#fail({ code: 'eap-tls-failed', evidence: 'client certificate: the key does not belong to it' });
        return undefined;
      }
      const socket = connect(connectionOptions(this.#options, this.#pipe));
      socket.on('secureConnect', () => {
        this.#secure = true;
        this.#pipe.activity++;
      });
      socket.on('data', (octets: Uint8Array) => {
        this.#plain.push(Uint8Array.from(octets));
        this.#pipe.activity++;
      });
      // A close_notify: an end in good order.
      socket.on('end', () => {
        if (this.#state === 'open') this.#state = 'closed';
        this.#pipe.activity++;
      });
      socket.on('error', (error) => {
        this.#fail(describeError(error));
        this.#pipe.activity++;
      });
      socket.on('close', () => {
        if (this.#state === 'handshake') this.#fail({ code: 'eap-tls-failed', evidence: 'the server ended the handshake' });
        this.#pipe.activity++;
      });
      return socket;
    } catch (error) {
      // A certificate or key that OpenSSL does not take.
      this.#fail({ code: 'eap-tls-failed', evidence: `client certificate: ${reasonOf(error)}` });
      return undefined;
    }
  }

  /**
   * The certificate is known as soon as the server's flight was read: with TLS 1.2 in the middle of the handshake, with 1.3 at its end. Either way our
   * answer to it, with our own certificate, is still in our hands.
   */
  async #check(): Promise<void> {
    if (this.#state !== 'handshake') return;
    if (!this.#checked) {
      const chain = chainOf(this.#socket);
      if (chain.length === 0) {
        if (this.#secure) this.#fail({ code: 'eap-server-certificate', evidence: 'the TLS server has no certificate' });
        return;
      }
      const failure = await this.#options.checkServer(chain);
      if (this.#ended()) return;
      if (failure !== undefined) {
        this.#refuse(failure);
        return;
      }
      this.#checked = true;
    }
    if (this.#secure) this.#open();
  }

  /** It can be closed, or fail, while the certificate is judged. */
  #ended(): boolean {
    return this.#state !== 'handshake';
  }

  #open(): void {
    const socket = this.#socket;
    const version = socket?.getProtocol();
    if (socket === undefined || (version !== 'TLSv1.2' && version !== 'TLSv1.3')) {
      this.#fail({ code: 'eap-tls-failed', evidence: `TLS version ${version}` });
      return;
    }
    this.#keys = exportKeys(socket, this.#options.method, version);
    this.#state = 'open';
  }

  /** RFC 5216 §2.1.3: the server is told by an alert. It goes in clear, which servers read until our first protected record. */
  #refuse(failure: EapFailure): void {
    this.#fail(failure);
    this.#pipe.collect();
    this.#pipe.put(Uint8Array.of(21, 3, 3, 0, 2, FATAL, CERTIFICATE_UNKNOWN));
    this.#socket?.destroy();
  }

  #fail(failure: EapFailure): void {
    this.#failure ??= failure;
    this.#state = 'failed';
  }

  #answer(): TlsAnswer {
    // Nothing of a tunnel that failed is believed.
    const plain = this.#state === 'failed' ? [] : this.#plain;
    this.#plain = [];
    // The keys are given away once, with the first answer of an open tunnel.
    const keys = this.#state === 'open' ? this.#keys : undefined;
    if (keys !== undefined) this.#keys = undefined;
    return {
      kind: 'tls',
      state: this.#state,
      send: this.#pipe.collect(),
      plain: Uint8Array.from(Buffer.concat(plain)),
      ...keys,
      ...(this.#state === 'failed' && this.#failure !== undefined ? { failure: this.#failure } : {}),
    };
  }
}

/** Both ends of a wire: what TLS writes is taken, what the other side sent is delivered. */
export class MemoryPipe extends Duplex {
  /** Grows with everything that happens; see `settled`. */
  activity = 0;
  #written: Uint8Array[] = [];

  constructor() {
    super({ allowHalfOpen: true, autoDestroy: false });
  }

  deliver(octets: Uint8Array): void {
    this.activity++;
    this.push(Buffer.from(octets));
  }

  /** As if TLS had written it. */
  put(octets: Uint8Array): void {
    this.#written.push(octets);
  }

  /** All that was written since the last time. */
  collect(): Uint8Array {
    const all = Uint8Array.from(Buffer.concat(this.#written));
    this.#written = [];
    return all;
  }

  override _read(): void {
    // What comes is pushed.
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.activity++;
    this.#written.push(Uint8Array.from(chunk));
    done();
  }
}

/** Turns of the event loop without anything happening. node:tls hands octets on within two. */
const QUIET_TURNS = 8;

/** A server that made it busy for longer would do it for ever. */
const MAX_TURNS = 2_000;

/**
 * Until TLS has nothing more to say. All of its work is done in this thread by callbacks of the loop: nothing waits for a network, a timer or another
 * thread, so a few quiet turns mean that it waits for the other side.
 */
export async function settled(activity: () => number): Promise<void> {
  let quiet = 0;
  for (let turn = 0; turn < MAX_TURNS && quiet < QUIET_TURNS; turn++) {
    const before = activity();
    await nextTurn();
    quiet = activity() === before ? quiet + 1 : 0;
  }
}

/** MSK and EMSK in one, and the challenge of TTLS, by the labels that the method has for the version. */
export function exportKeys(
  socket: Pick<TLSSocket, 'exportKeyingMaterial'>,
  method: 'tls' | 'ttls' | 'peap',
  version: 'TLSv1.2' | 'TLSv1.3',
): { readonly version: 'TLSv1.2' | 'TLSv1.3'; readonly keyMaterial: Uint8Array; readonly challenge?: Uint8Array } {
  const take = (length: number, label: string, context?: Buffer): Uint8Array => {
    const secret =
      context === undefined ? withoutContext(socket, length, label) : socket.exportKeyingMaterial(length, label, context);
    const copy = Uint8Array.from(secret);
    secret.fill(0);
    return copy;
  };
  const keyMaterial =
    version === 'TLSv1.3'
      ? // RFC 9190 §2.3, RFC 9427 §2: the context is the method's type.
        take(128, 'EXPORTER_EAP_TLS_Key_Material', Buffer.of(typeOf[method]))
      : // RFC 5216 §2.3 (and PEAP), RFC 5281 §8.
        take(128, method === 'ttls' ? 'ttls keying material' : 'client EAP encryption');
  // RFC 5281 §11.1, RFC 9427 §2.
  return method === 'ttls' ? { version, keyMaterial, challenge: take(17, 'ttls challenge') } : { version, keyMaterial };
}

/** No context is not the same as an empty one with TLS 1.2 (RFC 5705 §4); the types of node know only the latter. */
function withoutContext(socket: Pick<TLSSocket, 'exportKeyingMaterial'>, length: number, label: string): Buffer {
  const exporter: { exportKeyingMaterial(length: number, label: string, context?: Buffer): Buffer } = socket;
  return exporter.exportKeyingMaterial(length, label);
}

const typeOf = { tls: 13, ttls: 21, peap: 25 } as const;

function connectionOptions(options: TlsClientOptions, pipe: Duplex): ConnectionOptions {
  const certificate = options.clientCertificate;
  return {
    socket: pipe,
    minVersion: options.minVersion ?? 'TLSv1.2',
    maxVersion: options.maxVersion ?? 'TLSv1.3',
    // `checkServer` decides, before the handshake is over; OpenSSL's own opinion comes after it and knows no trust anchors of ours.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    ca: [],
    // A server without RFC 5746 is spoken to: that of strongSwan 5.9 is one, and renegotiates no more than we do.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_LEGACY_SERVER_CONNECT,
    minDHSize: 2048,
    // Without the kilobyte of a post-quantum key share, so that the client hello is one EAP packet: there are servers that never saw two. What
    // is said here is inside the IKE SA besides.
    ecdhCurve: 'X25519:P-256:P-384:P-521',
    ...(certificate === undefined
      ? {}
      : { cert: certificate.chain.map((der) => pem('CERTIFICATE', der)).join(''), key: pem('PRIVATE KEY', certificate.pkcs8) }),
  };
}

/** OpenSSL would leave out a certificate whose key is of another kind, without a word. */
function keyFits(certificate: TlsClientOptions['clientCertificate']): boolean {
  if (certificate === undefined) return true;
  const key = createPrivateKey({ key: Buffer.from(certificate.pkcs8), format: 'der', type: 'pkcs8' });
  return new X509Certificate(certificate.chain[0]).checkPrivateKey(key);
}

/** OpenSSL takes PEM here; the text can not be wiped and lives as long as the process. */
function pem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** More certificates than any path has. */
const MAX_CHAIN = 16;

function chainOf(socket: TLSSocket | undefined): Uint8Array[] {
  const chain: Uint8Array[] = [];
  let certificate: Partial<DetailedPeerCertificate> | undefined = socket?.getPeerCertificate(true);
  while (certificate?.raw !== undefined && chain.length < MAX_CHAIN) {
    chain.push(Uint8Array.from(certificate.raw));
    const issuer: DetailedPeerCertificate | undefined = certificate.issuerCertificate;
    // One that is issued by itself ends the list.
    certificate = issuer === certificate ? undefined : issuer;
  }
  return chain;
}

function describeError(error: Error): EapFailure {
  const number = /SSL alert number (\d{1,3})/.exec(error.message)?.[1];
  if (number !== undefined) {
    const name = alerts.get(Number(number));
    return { code: 'eap-tls-failed', evidence: `the server sent alert ${number}${name === undefined ? '' : ` ${name}`}` };
  }
  return { code: 'eap-tls-failed', evidence: reasonOf(error) };
}

/** OpenSSL's own short words, never a path or a line of its source. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'TLS failed';
  const reason =
    'reason' in error && typeof error.reason === 'string' ? error.reason : 'code' in error ? String(error.code) : 'TLS failed';
  return reason.replace(/[^ -~]/g, '?').slice(0, 120);
}

const FATAL = 2;
const CERTIFICATE_UNKNOWN = 46;

/** RFC 8446 §6, RFC 5246 §7.2. */
const alerts: ReadonlyMap<number, string> = new Map([
  [10, 'unexpected_message'],
  [20, 'bad_record_mac'],
  [22, 'record_overflow'],
  [40, 'handshake_failure'],
  [42, 'bad_certificate'],
  [43, 'unsupported_certificate'],
  [44, 'certificate_revoked'],
  [45, 'certificate_expired'],
  [46, 'certificate_unknown'],
  [47, 'illegal_parameter'],
  [48, 'unknown_ca'],
  [49, 'access_denied'],
  [50, 'decode_error'],
  [51, 'decrypt_error'],
  [70, 'protocol_version'],
  [71, 'insufficient_security'],
  [80, 'internal_error'],
  [86, 'inappropriate_fallback'],
  [90, 'user_canceled'],
  [109, 'missing_extension'],
  [110, 'unsupported_extension'],
  [112, 'unrecognized_name'],
  [113, 'bad_certificate_status_response'],
  [115, 'unknown_psk_identity'],
  [116, 'certificate_required'],
  [120, 'no_application_protocol'],
]);
