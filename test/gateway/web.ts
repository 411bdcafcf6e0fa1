/**
 * A host in the head office: the intranet page, and a TCP port that swallows or pours as fast as the network takes it.
 *
 *   node test/gateway/web.ts '{"page":80,"throughput":5201}'
 *
 * Throughput protocol, one connection each: the client's first line is `up` (we count what it sends until its FIN, then answer one JSON
 * line {"bytes","milliseconds"}) or `down N` (we pour for N milliseconds, then FIN). Prints {"ready":true} when both ports are open.
 */
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';

export interface WebConfig {
  /** TCP port of the page. */
  readonly page: number;
  /** TCP port of the source and sink. */
  readonly throughput: number;
  /** Default `::`, both families. */
  readonly host?: string;
}

/** What a visitor through the tunnel must see; the demo checks for it. */
export const INTRANET_TITLE = 'Head office intranet';

const CHUNK = Buffer.alloc(64 * 1024, 0x5a);
/** Longest pour, so that a lost client does not burn a processor for ever. */
const POUR_MAX_MS = 30_000;

function page(visitor: string): string {
  return [
    '<!doctype html>',
    `<html lang="en"><head><meta charset="utf-8"><title>${INTRANET_TITLE}</title></head>`,
    `<body><h1>${INTRANET_TITLE}</h1><p>You reached this page from <code>${visitor}</code>, an address only the tunnel gives.</p></body></html>`,
    '',
  ].join('\n');
}

function pour(socket: Socket, milliseconds: number): void {
  const until = performance.now() + Math.min(milliseconds, POUR_MAX_MS);
  const more = (): void => {
    while (performance.now() < until && !socket.destroyed) if (!socket.write(CHUNK)) return;
    socket.off('drain', more);
    socket.end();
  };
  socket.on('drain', more);
  more();
}

function swallow(socket: Socket, already: number): void {
  let bytes = already;
  const from = performance.now();
  socket.on('data', (chunk) => {
    bytes += chunk.length;
  });
  socket.on('end', () => {
    socket.end(`${JSON.stringify({ bytes, milliseconds: performance.now() - from })}\n`);
  });
}

function serveThroughput(socket: Socket): void {
  socket.on('error', () => socket.destroy());
  let head = Buffer.alloc(0);
  const read = (chunk: Buffer): void => {
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf(0x0a);
    if (end < 0) {
      if (head.length > 64) socket.destroy();
      return;
    }
    socket.off('data', read);
    const command = head.subarray(0, end).toString('latin1');
    const down = /^down (\d{1,6})$/.exec(command);
    if (command === 'up') swallow(socket, head.length - end - 1);
    else if (down !== null) pour(socket, Number(down[1]));
    else socket.destroy();
  };
  socket.on('data', read);
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host }, () => resolve());
  });
}

/** Opens both ports. */
export async function startWeb(config: WebConfig): Promise<{ readonly close: () => void }> {
  const host = config.host ?? '::';
  const http = createHttpServer((request, response) => {
    const visitor = (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store', connection: 'close' });
    response.end(page(visitor));
  });
  // `allowHalfOpen`: after the client's FIN we still send it the count.
  const throughput = createServer({ allowHalfOpen: true }, serveThroughput);
  await listen(http, config.page, host);
  await listen(throughput, config.throughput, host);
  const close = (): void => {
    http.close();
    throughput.close();
  };
  return { close };
}

if (import.meta.main) {
  const server = await startWeb(JSON.parse(process.argv[2] ?? '') as WebConfig);
  process.on('SIGTERM', () => {
    server.close();
    process.exit(0);
  });
  process.stdout.write('{"ready":true}\n');
}
