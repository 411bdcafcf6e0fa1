/** The other end of `core/helper/tlsClient.ts`: node:tls as a server over a stream in memory. */
import { createServer, type TLSSocket } from 'node:tls';
import { exportKeys, MemoryPipe, settled, type TlsAnswer } from '../../../core/helper/tlsClient.ts';

export interface TlsServerOptions {
  readonly method: 'tls' | 'ttls' | 'peap';
  readonly certPem: string;
  readonly keyPem: string;
  /** Clients must have a certificate of this CA. */
  readonly clientCaPem?: string;
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
  readonly maxVersion?: 'TLSv1.2' | 'TLSv1.3';
}

export class TlsServer {
  readonly #method: TlsServerOptions['method'];
  readonly #pipe = new MemoryPipe();
  #socket: TLSSocket | undefined;
  #plain: Uint8Array[] = [];
  #state: TlsAnswer['state'] = 'handshake';
  #keys: Pick<TlsAnswer, 'version' | 'keyMaterial' | 'challenge'> | undefined;
  /** Why it failed, for the log of a test. */
  evidence = '';

  constructor(options: TlsServerOptions) {
    this.#method = options.method;
    const server = createServer({
      cert: options.certPem,
      key: options.keyPem,
      minVersion: options.minVersion ?? 'TLSv1.2',
      maxVersion: options.maxVersion ?? 'TLSv1.3',
      ...(options.clientCaPem === undefined ? {} : { ca: options.clientCaPem, requestCert: true, rejectUnauthorized: true }),
    });
    server.on('secureConnection', (socket) => this.#opened(socket));
    server.on('tlsClientError', (error) => {
      this.evidence = error.message;
      this.#end('failed');
    });
    server.emit('connection', this.#pipe);
  }

  async exchange(received: Uint8Array, write: Uint8Array): Promise<TlsAnswer> {
    if (received.length > 0) this.#pipe.deliver(received);
    if (write.length > 0) this.#socket?.write(write);
    await settled(() => this.#pipe.activity);
    const plain = this.#plain;
    this.#plain = [];
    return {
      kind: 'tls',
      state: this.#state,
      send: this.#pipe.collect(),
      plain: Uint8Array.from(Buffer.concat(plain)),
      ...this.#keys,
    };
  }

  /** A close_notify goes with the next exchange. */
  close(): void {
    this.#socket?.end();
  }

  #opened(socket: TLSSocket): void {
    const version = socket.getProtocol();
    if (version !== 'TLSv1.2' && version !== 'TLSv1.3') throw new Error(`TLS version ${version}`);
    this.#socket = socket;
    this.#keys = exportKeys(socket, this.#method, version);
    this.#state = 'open';
    this.#pipe.activity++;
    socket.on('data', (octets: Uint8Array) => {
      this.#plain.push(Uint8Array.from(octets));
      this.#pipe.activity++;
    });
    socket.on('end', () => this.#end('closed'));
    socket.on('error', (error) => {
      this.evidence = error.message;
      this.#end('failed');
    });
    socket.on('close', () => this.#end('closed'));
  }

  #end(state: 'closed' | 'failed'): void {
    if (this.#state !== 'failed') this.#state = state;
    this.#pipe.activity++;
  }
}
