/**
 * The window without Electron: a loopback HTTP server that serves the built renderer and its operations to one browser. For development
 * and machines without Electron; not packaged. Who may ask is bridgeGuard.ts, what may be asked is windowApi.ts.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { cookieName, createGuard } from './bridgeGuard.ts';
import { bridgeScript, KEY_NAME, PAGE_HEADER } from './bridgePage.ts';
import type { WindowEvent } from './contract.ts';
import { createNonce, createPageSource, pageHeaders } from './page.ts';
import type { Page, WindowApi } from './windowApi.ts';

export interface Bridge {
  /** `http://127.0.0.1:port` */
  readonly origin: string;
  /** An address that opens the window once. */
  issueUrl(): string;
  close(): Promise<void>;
}

export interface BridgeOptions {
  readonly api: WindowApi;
  /** Folder of the built renderer. */
  readonly dist: string;
  /** Milliseconds between two signs of life on a quiet event stream. */
  readonly heartbeat?: number;
}

/** Octets of a request's body; a profile of 512 kB in JSON with every character escaped stays well below the helper's own limit. */
const MAX_BODY = 1024 * 1024;
const MAX_PAGES = 16;
const SCRIPT_PATH = '/bridge.js';

export async function startBridge(options: BridgeOptions): Promise<Bridge> {
  const { api } = options;
  let host = '';
  const guard = createGuard(() => host);
  const source = createPageSource(options.dist, { bridgeScript: SCRIPT_PATH });
  const pages = new Map<string, Page>();

  function serve(request: IncomingMessage, response: ServerResponse): void {
    const address = addressOf(request);
    const token = request.method === 'GET' && address?.pathname === '/' ? address.searchParams.get('token') : null;
    const refused = guard.refuse(request, token !== null);
    if (refused !== undefined || address === undefined) {
      refuse(response, 403, refused ?? 'no address');
      return;
    }
    if (token !== null) {
      enter(token, response);
      return;
    }
    if (!guard.hasSession(request)) {
      refuse(response, 403, 'no session: open the address that was printed; it works once');
      return;
    }
    const route = `${request.method} ${address.pathname}`;
    if (route === 'POST /call') void call(request, response);
    else if (route === 'GET /events') events(request, response, address);
    else if (route === `GET ${SCRIPT_PATH}`) send(response, 200, 'text/javascript; charset=utf-8', bridgeScript());
    // A browser asks for it by itself; the page names its own icon.
    else if (route === 'GET /favicon.ico') send(response, 204, 'image/x-icon', '');
    else if (request.method === 'GET') file(address.pathname, response);
    else refuse(response, 405, 'no such operation');
  }

  /** The one use of a token: the cookie to this browser, the key to this tab, and on to an address without a secret in it. */
  function enter(token: string, response: ServerResponse): void {
    const session = guard.redeem(token);
    if (!session) {
      refuse(response, 403, 'this address was used already or is not right: start the window again');
      return;
    }
    const nonce = createNonce();
    const script = `sessionStorage.setItem(${JSON.stringify(KEY_NAME)}, ${JSON.stringify(session.key)}); location.replace('/');`;
    response.writeHead(200, {
      ...pageHeaders(nonce),
      'Content-Type': 'text/html; charset=utf-8',
      'Set-Cookie': `${cookieName(host)}=${session.cookie}; HttpOnly; SameSite=Strict; Path=/`,
    });
    response.end(`<!doctype html><meta charset="utf-8"><title>Sallyport</title><script nonce="${nonce}">${script}</script>`);
  }

  function file(pathname: string, response: ServerResponse): void {
    const found = source.read(pathname);
    if (found.ok) {
      response.writeHead(200, { ...found.value.headers, 'Content-Type': found.value.type });
      response.end(found.value.body);
      return;
    }
    if (found.error === 'missing') refuse(response, 404, 'no such file');
    else refuse(response, 503, 'the window is not built: npm run build');
  }

  async function call(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!guard.hasKey(request)) {
      refuse(response, 403, 'not from the window');
      return;
    }
    if (request.headers['content-type'] !== 'application/json') {
      refuse(response, 415, 'JSON only');
      return;
    }
    const body = await readBody(request);
    if (body === undefined) {
      response.setHeader('Connection', 'close');
      refuse(response, 413, 'too long');
      return;
    }
    const operation = parse(body);
    const page = request.headers[PAGE_HEADER];
    const known = typeof page === 'string' ? pages.get(page) : undefined;
    const reply = await (known ?? api).request(operation);
    send(response, 200, 'application/json', JSON.stringify(reply));
  }

  function events(request: IncomingMessage, response: ServerResponse, address: URL): void {
    const id = address.searchParams.get('page') ?? '';
    if (!guard.hasKey(request, address.searchParams.get('key') ?? '') || !/^[\w-]{8,64}$/.test(id)) {
      refuse(response, 403, 'not from the window');
      return;
    }
    if (pages.size >= MAX_PAGES && !pages.has(id)) {
      refuse(response, 429, 'too many windows');
      return;
    }
    response.writeHead(200, { ...pageHeaders(), 'Content-Type': 'text/event-stream' });
    response.flushHeaders();
    pages.get(id)?.close();
    const page = api.open((event: WindowEvent) => response.write(`data: ${JSON.stringify(event)}\n\n`));
    pages.set(id, page);
    const heartbeat = setInterval(() => response.write(':\n\n'), options.heartbeat ?? 15_000);
    response.on('close', () => {
      clearInterval(heartbeat);
      page.close();
      if (pages.get(id) === page) pages.delete(id);
    });
  }

  const server = createServer({ maxHeaderSize: 16 * 1024 }, serve);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const bound = server.address();
  host = `127.0.0.1:${typeof bound === 'object' && bound !== null ? bound.port : 0}`;

  return {
    origin: `http://${host}`,
    issueUrl: () => `http://${host}/?token=${guard.issueToken()}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function refuse(response: ServerResponse, status: number, why: string): void {
  send(response, status, 'text/plain; charset=utf-8', `${why}\n`);
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { ...pageHeaders(), 'Content-Type': type });
  response.end(body);
}

/** The path asked for; undefined for what is no path, such as the whole address a proxy would be asked for. */
function addressOf(request: IncomingMessage): URL | undefined {
  const path = request.url ?? '';
  return path.startsWith('/') && !path.startsWith('//') && URL.canParse(path, 'http://bridge')
    ? new URL(path, 'http://bridge')
    : undefined;
}

/** The whole body, or undefined when it is longer than allowed: then the rest is not read. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const pieces: Buffer[] = [];
  let length = 0;
  try {
    for await (const piece of request) {
      const octets: Buffer = Buffer.from(piece);
      length += octets.length;
      if (length > MAX_BODY) return undefined;
      pieces.push(octets);
    }
  } catch {
    // The browser went away in the middle; nobody reads the answer.
    return '';
  }
  return Buffer.concat(pieces).toString('utf8');
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
