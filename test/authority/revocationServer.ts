/** An HTTP server for CRLs and OCSP answers, well-behaved or not. `revocationMain.ts` is the same as a process. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export type RevocationAnswer =
  | {
      readonly kind: 'octets';
      readonly body: Uint8Array;
      readonly contentType?: string;
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'ocsp'; readonly answer: (request: Uint8Array) => Uint8Array }
  | { readonly kind: 'redirect'; readonly location: string; readonly status?: number }
  /** Accepts, and says nothing. */
  | { readonly kind: 'silent' }
  /** Headers, then an octet now and then, for ever. */
  | { readonly kind: 'never-ends' }
  /** As many octets, with or without telling before. */
  | { readonly kind: 'huge'; readonly octets: number; readonly announced: boolean }
  /** Announces more than it sends. */
  | { readonly kind: 'cut-short'; readonly body: Uint8Array }
  /** Waits before it answers. */
  | { readonly kind: 'slow'; readonly milliseconds: number; readonly body: Uint8Array }
  /** Endless header lines. */
  | { readonly kind: 'headers-without-end' }
  /** Closes at once. */
  | { readonly kind: 'reset' };

export interface RevocationRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Uint8Array;
}

export interface RevocationServer {
  readonly port: number;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly requests: readonly RevocationRequest[];
  /** Path with query. A path that is not known is a 404. */
  set(path: string, answer: RevocationAnswer): void;
  close(): Promise<void>;
}

export interface RevocationServerOptions {
  readonly host?: string;
  readonly port?: number;
  readonly answers?: Readonly<Record<string, RevocationAnswer>>;
  readonly onRequest?: (request: RevocationRequest) => void;
}

export async function startRevocationServer(options: RevocationServerOptions = {}): Promise<RevocationServer> {
  const answers = new Map(Object.entries(options.answers ?? {}));
  const requests: RevocationRequest[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      const { method = '', url = '', headers } = request;
      const record = { method, path: url, headers, body };
      requests.push(record);
      options.onRequest?.(record);
      give(answers.get(url), body, response);
    });
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  });
  const host = options.host ?? '127.0.0.1';
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    requests,
    set: (path, answer) => answers.set(path, answer),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function give(answer: RevocationAnswer | undefined, request: Uint8Array, response: ServerResponse): void {
  switch (answer?.kind) {
    case undefined:
      response.writeHead(404).end('not here');
      return;
    case 'octets':
      response.writeHead(answer.status ?? 200, {
        'Content-Type': answer.contentType ?? 'application/pkix-crl',
        ...answer.headers,
      });
      response.end(answer.body);
      return;
    case 'ocsp':
      response.writeHead(200, { 'Content-Type': 'application/ocsp-response' }).end(answer.answer(request));
      return;
    case 'redirect':
      response.writeHead(answer.status ?? 302, { Location: answer.location }).end();
      return;
    case 'silent':
      return;
    case 'never-ends':
      response.writeHead(200);
      every(200, response, () => response.write('0'));
      return;
    case 'huge':
      response.writeHead(200, answer.announced ? { 'Content-Length': answer.octets } : {});
      pour(response, answer.octets);
      return;
    case 'cut-short':
      response.writeHead(200, { 'Content-Length': answer.body.length + 100 });
      response.write(answer.body, () => response.destroy());
      return;
    case 'slow':
      setTimeout(() => response.writeHead(200).end(answer.body), answer.milliseconds).unref();
      return;
    case 'headers-without-end':
      response.socket?.write('HTTP/1.1 200 OK\r\n');
      every(1, response, () => response.socket?.write(`X-More: ${'0'.repeat(1000)}\r\n`));
      return;
    case 'reset':
      response.socket?.resetAndDestroy();
      return;
  }
}

function every(milliseconds: number, response: ServerResponse, act: () => void): void {
  const timer = setInterval(act, milliseconds).unref();
  response.on('close', () => clearInterval(timer));
}

function pour(response: ServerResponse, octets: number): void {
  const chunk = Buffer.alloc(64 * 1024, 0x30);
  let left = octets;
  const more = (): void => {
    while (left > 0 && !response.destroyed) {
      const part = chunk.subarray(0, Math.min(chunk.length, left));
      left -= part.length;
      if (!response.write(part)) return;
    }
    response.end();
  };
  response.on('drain', more);
  more();
}

async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  try {
    for await (const part of request) parts.push(part as Buffer);
  } catch {
    // The client went away; what came is what there is.
  }
  return new Uint8Array(Buffer.concat(parts));
}
