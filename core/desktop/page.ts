/** The built window as a shell serves it: which files there are, and the headers and the nonce that every load gets (SECURITY.md 25). */
import { randomBytes } from 'node:crypto';
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { extname, join, sep } from 'node:path';
import { err, ok, type Result } from '../bytes/result.ts';

export interface PageFile {
  readonly type: string;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

export interface PageSource {
  /** A file of the window by its path in the address, `/` for the page itself. */
  read(pathname: string): Result<PageFile, 'missing' | 'not-built'>;
}

/** In the built index.html; replaced by the nonce of the load. */
const NONCE_PLACEHOLDER = '__CSP_NONCE__';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
};

/** `bridgeScript`: address of a script put before all others, for the shell that has no preload. */
export function createPageSource(folder: string, options: { readonly bridgeScript?: string } = {}): PageSource {
  return {
    read(pathname) {
      if (pathname === '/' || pathname === '/index.html') return readIndex(folder, options.bridgeScript);
      const path = fileBelow(folder, pathname);
      const type = path === undefined ? undefined : TYPES[extname(path)];
      if (path === undefined || type === undefined || type.startsWith('text/html')) return err('missing');
      return ok({ type, body: readFileSync(path), headers: pageHeaders() });
    },
  };
}

/**
 * What goes with every answer. `nonce` is of this load only: react-aria gives it to the style elements it makes.
 * `frame-ancestors` and `nosniff` have no meaning as meta tags, so all of it is headers.
 */
export function pageHeaders(nonce?: string): Readonly<Record<string, string>> {
  return {
    'Content-Security-Policy': contentSecurityPolicy(nonce),
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
    'Permissions-Policy':
      'camera=(), microphone=(), geolocation=(), usb=(), payment=(), clipboard-read=(), clipboard-write=(self)',
  };
}

export function createNonce(): string {
  return randomBytes(18).toString('base64url');
}

function contentSecurityPolicy(nonce: string | undefined): string {
  const own = nonce === undefined ? "'self'" : `'self' 'nonce-${nonce}'`;
  return [
    "default-src 'none'",
    `script-src ${own}`,
    `style-src ${own}`,
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    // The `default` policy is the shell's (trustedTypes.ts).
    "require-trusted-types-for 'script'",
    'trusted-types default',
  ].join('; ');
}

function readIndex(folder: string, bridgeScript: string | undefined): Result<PageFile, 'not-built'> {
  let html: string;
  try {
    html = readFileSync(join(folder, 'index.html'), 'utf8');
  } catch {
    return err('not-built');
  }
  const nonce = createNonce();
  html = html.replaceAll(NONCE_PLACEHOLDER, nonce);
  if (bridgeScript !== undefined) html = html.replace(/<head[^>]*>/i, (head) => `${head}<script src="${bridgeScript}"></script>`);
  return ok({ type: 'text/html; charset=utf-8', body: Buffer.from(html), headers: pageHeaders(nonce) });
}

/** The regular file at an address below the folder, and nothing outside it, also through symbolic links. */
function fileBelow(folder: string, pathname: string): string | undefined {
  let decoded: string;
  try {
    decoded = decodeURIComponent(pathname);
  } catch {
    return undefined;
  }
  const segments = decoded.split('/').slice(1);
  const sane = segments.every((segment) => /^[\w.@-]+$/.test(segment) && !segment.startsWith('.'));
  if (!sane || segments.length === 0) return undefined;
  try {
    const base = realpathSync(folder);
    const path = realpathSync(join(base, ...segments));
    return path.startsWith(base + sep) && statSync(path).isFile() ? path : undefined;
  } catch {
    return undefined;
  }
}
