/**
 * Who may talk to the loopback bridge. Every local program and every web page in the user's browser can reach a loopback port, so each
 * request must show all of: the exact Host (DNS rebinding), no foreign Origin or site (pages of others), the session's cookie, and for
 * calls and events the page's key (a cookie is sent to every port of the host, the key to none).
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { KEY_HEADER } from './bridgePage.ts';

export interface BridgeSession {
  readonly cookie: string;
  readonly key: string;
}

export interface BridgeGuard {
  /** A new address for one use, within ten minutes. */
  issueToken(): string;
  /** The session for a token that is right and was not used; it is used up now. */
  redeem(token: string): BridgeSession | undefined;
  /** Why a request is refused whatever else it shows; `entering`: it brings a token to the page. Undefined when it is not. */
  refuse(request: IncomingMessage, entering: boolean): string | undefined;
  hasSession(request: IncomingMessage): boolean;
  /** `key`: from the header, or from the address where no header can be sent. */
  hasKey(request: IncomingMessage, key?: string): boolean;
}

const TOKEN_LIFETIME_MS = 10 * 60_000;
const MAX_TOKENS = 64;

/** `host`: what Host must be, `127.0.0.1:port`. */
export function createGuard(host: () => string): BridgeGuard {
  const tokens = new Map<string, number>();
  const session: BridgeSession = { cookie: secret(), key: secret() };

  return {
    issueToken() {
      const token = secret();
      tokens.set(token, Date.now() + TOKEN_LIFETIME_MS);
      for (const oldest of [...tokens.keys()].slice(0, -MAX_TOKENS)) tokens.delete(oldest);
      return token;
    },
    redeem(given) {
      let found: string | undefined;
      // All of them are compared, so that the time tells nothing about which.
      for (const token of tokens.keys()) if (same(given, token)) found = token;
      if (found === undefined) return undefined;
      const until = tokens.get(found) ?? 0;
      tokens.delete(found);
      return Date.now() < until ? session : undefined;
    },
    refuse(request, entering) {
      if (request.headers.host !== host()) return 'another host';
      const origin = request.headers.origin;
      if (origin !== undefined && origin !== `http://${host()}`) return 'another origin';
      if (request.method === 'POST' && origin === undefined) return 'no origin';
      const site = request.headers['sec-fetch-site'];
      if (site === undefined || site === 'same-origin') return undefined;
      // A start page on the disk (openWindow.ts) or the address bar brings the token, as a page of its own and not as a part of another.
      if (entering && request.headers['sec-fetch-dest'] === 'document') return undefined;
      // "none" is the user's own doing: the address bar.
      return site === 'none' && request.method === 'GET' ? undefined : 'another site';
    },
    hasSession(request) {
      return same(cookieOf(request, cookieName(host())) ?? '', session.cookie);
    },
    hasKey(request, key) {
      const header = request.headers[KEY_HEADER];
      return same(key ?? (typeof header === 'string' ? header : ''), session.key);
    },
  };
}

/** One per port, so that two bridges do not sign each other out. */
export function cookieName(host: string): string {
  return `sallyport-${host.split(':')[1] ?? ''}`;
}

function cookieOf(request: IncomingMessage, name: string): string | undefined {
  for (const pair of (request.headers.cookie ?? '').split(';')) {
    const [key, value] = pair.trim().split('=');
    if (key === name) return value;
  }
  return undefined;
}

function secret(): string {
  return randomBytes(32).toString('base64url');
}

/** In a time that depends on neither content nor length. */
function same(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
