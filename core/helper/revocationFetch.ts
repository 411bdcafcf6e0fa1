/**
 * Fetches lists and answers about revocation by HTTP. Addresses come out of certificates, so whoever calls it MUST have anchored the chain
 * before (SECURITY.md 7); what comes back is checked by its own signature.
 *
 * Only `http:`. `https:` is refused: checking the server's certificate would ask for revocation again (RFC 5280 §8), and what is fetched
 * is signed anyway. A name is resolved first, and the connection goes to the address that was judged, so an answer that changes
 * (DNS rebinding) changes nothing. No cookies, no credentials, no compression, a new connection each time.
 */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { parseAddress } from '../bytes/address.ts';
import { err, ok, type Result } from '../bytes/result.ts';
import { maxCrlOctets } from '../pki/crl.ts';
import { printable } from '../pki/names.ts';
import { maxOcspOctets } from '../pki/ocsp.ts';
import type { RevocationNeed } from '../pki/revocation.ts';
import type { Address } from '../tunnel/race.ts';
import { resolveGateway } from './gatewayPath.ts';

export type RevocationFetch = (
  need: Extract<RevocationNeed, { readonly kind: 'fetch' }>,
  signal: AbortSignal,
) => Promise<Result<Uint8Array, string>>;

export interface RevocationFetchOptions {
  /** All addresses of a host name, or a line about why there are none. */
  readonly resolve?: (name: string) => Promise<Result<readonly Address[], string>>;
  /** Where an address is; another answer than `reachOf`'s is for tests and for who runs a responder beside the client. */
  readonly reach?: (address: string) => Reach;
  /** Milliseconds. */
  readonly connectWithin?: number;
  readonly within?: number;
}

const CONNECT_WITHIN = 3000;
const WITHIN = 6000;
const MOST_REDIRECTS = 3;
const MOST_ADDRESSES = 3;
const HEADER_OCTETS = 8192;
const limits = { crl: maxCrlOctets, ocsp: maxOcspOctets } as const;

export function createRevocationFetch(options: RevocationFetchOptions = {}): RevocationFetch {
  const { connectWithin = CONNECT_WITHIN, within = WITHIN, reach = reachOf } = options;
  const resolve = options.resolve ?? ((name) => resolveName(name, within));

  return async (need, signal) => {
    const patience = AbortSignal.timeout(within);
    const over = AbortSignal.any([signal, patience]);
    const reason = () => (patience.aborted ? `not there within ${within / 1000} s` : 'given up');
    let target = parseTarget(need.url);
    let inside = true;
    for (let redirects = 0; ; redirects++) {
      if (!target.ok) return target;
      const { url, name } = target.value;
      const found = await Promise.race([resolve(name), aborted(over)]);
      if (found === undefined) return err(reason());
      if (!found.ok) return found;
      const judged = allowed(found.value, inside, reach);
      if (!judged.ok) return err(`${printable(name)} leads to ${judged.error}, which is not for certificates to choose`);
      const answer = await fromAny(judged.value, { url, need, connectWithin, over });
      if (over.aborted) return err(reason());
      if (!answer.ok) return answer;
      if (answer.value.kind === 'octets') return ok(answer.value.octets);
      if (redirects >= MOST_REDIRECTS) return err(`more than ${MOST_REDIRECTS} redirects`);
      // A private address leads to private ones, a public one does not.
      inside &&= judged.value.every(({ address }) => reach(address) !== 'public');
      target = parseTarget(answer.value.location, url);
    }
  };
}

interface Target {
  readonly url: URL;
  /** Host name or address without brackets. */
  readonly name: string;
}

function parseTarget(text: string, base?: URL): Result<Target, string> {
  const url = URL.parse(text, base?.href);
  if (url === null) return err(`not an address: ${printable(text)}`);
  if (url.protocol !== 'http:') return err(`${printable(url.protocol)} is not fetched, only http:`);
  if (url.username !== '' || url.password !== '') return err('an address with a user in it');
  return ok({ url, name: url.hostname.replace(/^\[(.*)\]$/, '$1') });
}

async function resolveName(name: string, within: number): Promise<Result<readonly Address[], string>> {
  const found = await resolveGateway(name, within);
  return found.ok ? found : err(printable(found.error.evidence ?? found.error.code));
}

/** Those that may be connected to, or the first one that may not. */
function allowed(
  found: readonly Address[],
  inside: boolean,
  reach: (address: string) => Reach,
): Result<readonly Address[], string> {
  const good = found.filter(({ address }) => {
    const where = reach(address);
    return where === 'public' || (where === 'private' && inside);
  });
  return good.length > 0 ? ok(good.slice(0, MOST_ADDRESSES)) : err(found[0]?.address ?? 'no address');
}

export type Reach = 'public' | 'private' | 'local';

/** `local`: this computer, its link, groups, and what is no address. `private`: RFC 1918, RFC 6598, RFC 4193, RFC 2544. */
export function reachOf(address: string): Reach {
  const octets = isIP(address) === 0 ? undefined : parseAddress(address);
  if (octets === undefined) return 'local';
  if (octets.length === 4) return reach4(octets);
  const [a, b] = octets;
  // ::/96 with ::1 and ::, IPv4-mapped, NAT64 (RFC 6052) and 6to4 (RFC 3056) are what the IPv4 address in them is.
  if (octets.subarray(0, 10).every((octet) => octet === 0)) return reach4(octets.subarray(12));
  if (a === 0 && b === 0x64 && octets[2] === 0xff && octets[3] === 0x9b) return reach4(octets.subarray(12));
  if (a === 0x20 && b === 0x02) return reach4(octets.subarray(2, 6));
  if (a === 0xff || (a === 0xfe && (b & 0xc0) === 0x80)) return 'local';
  if ((a & 0xfe) === 0xfc || (a === 0xfe && (b & 0xc0) === 0xc0)) return 'private';
  return 'public';
}

function reach4([a, b]: Uint8Array): Reach {
  if (a === 0 || a === 127 || a >= 224 || (a === 169 && b === 254)) return 'local';
  if (a === 10 || (a === 172 && (b & 0xf0) === 16) || (a === 192 && b === 168)) return 'private';
  if ((a === 100 && (b & 0xc0) === 64) || (a === 198 && (b & 0xfe) === 18)) return 'private';
  return 'public';
}

interface Exchange {
  readonly url: URL;
  readonly need: Extract<RevocationNeed, { readonly kind: 'fetch' }>;
  readonly connectWithin: number;
  readonly over: AbortSignal;
}

type Answer = { readonly kind: 'octets'; readonly octets: Uint8Array } | { readonly kind: 'redirect'; readonly location: string };

/** One address after the other, until one takes the connection. */
async function fromAny(addresses: readonly Address[], exchange: Exchange): Promise<Result<Answer, string>> {
  let last: Result<Answer, string> = err('no address');
  for (const { address } of addresses) {
    const { connected, answer } = await exchangeWith(address, exchange);
    if (connected || exchange.over.aborted) return answer;
    last = answer;
  }
  return last;
}

function exchangeWith(
  address: string,
  { url, need, connectWithin, over }: Exchange,
): Promise<{ connected: boolean; answer: Result<Answer, string> }> {
  const { body, what } = need;
  const content = body === undefined ? {} : { 'Content-Type': 'application/ocsp-request', 'Content-Length': body.length };
  // Part of Node's own program, so nothing is read from disk; loaded when first wanted because it is 6 MB of memory.
  const http = process.getBuiltinModule('node:http');
  return new Promise((resolve) => {
    let connected = false;
    const request = http.request({
      host: address,
      port: url.port === '' ? 80 : Number(url.port),
      method: body === undefined ? 'GET' : 'POST',
      path: `${url.pathname}${url.search}`,
      headers: { Host: url.host, Accept: '*/*', Connection: 'close', ...content },
      agent: false,
      maxHeaderSize: HEADER_OCTETS,
      insecureHTTPParser: false,
      signal: over,
    });
    const done = (answer: Result<Answer, string>) => {
      clearTimeout(timer);
      resolve({ connected, answer });
      request.destroy();
    };
    const timer = setTimeout(() => done(err(`no connection within ${connectWithin / 1000} s`)), connectWithin);
    request.on('socket', (socket) => {
      socket.once('connect', () => {
        connected = true;
        clearTimeout(timer);
      });
    });
    request.on('error', (problem) => done(err(`HTTP: ${printable('code' in problem ? String(problem.code) : problem.message)}`)));
    request.on('response', (response) => readResponse(response, { limit: limits[what], posted: body !== undefined, done }));
    request.end(body);
  });
}

interface Reading {
  readonly limit: number;
  readonly posted: boolean;
  readonly done: (answer: Result<Answer, string>) => void;
}

function readResponse(response: IncomingMessage, { limit, posted, done }: Reading): void {
  const early = answerOfHead(response, limit, posted);
  if (early !== undefined) {
    done(early);
    return;
  }
  const parts: Buffer[] = [];
  let length = 0;
  response.on('data', (part: Buffer) => {
    length += part.length;
    if (length > limit) done(err(`more than ${limit} octets`));
    else parts.push(part);
  });
  response.on('error', () => done(err('the answer was cut short')));
  response.on('end', () => {
    if (length === 0) done(err('an empty answer'));
    else done(ok({ kind: 'octets', octets: new Uint8Array(Buffer.concat(parts)) }));
  });
}

/** What the status and the headers say already; undefined: the body is wanted. */
function answerOfHead(
  { statusCode = 0, headers }: IncomingMessage,
  limit: number,
  posted: boolean,
): Result<Answer, string> | undefined {
  // RFC 9110 §15.4: after the others a POST becomes a GET, which asks nothing.
  const redirect = posted ? [307, 308] : [301, 302, 303, 307, 308];
  if (redirect.includes(statusCode) && headers.location !== undefined)
    return ok({ kind: 'redirect', location: headers.location });
  if (statusCode !== 200) return err(`HTTP status ${statusCode}`);
  if (![undefined, 'identity'].includes(headers['content-encoding'])) return err('the answer is compressed');
  return Number(headers['content-length'] ?? 0) > limit ? err(`more than ${limit} octets`) : undefined;
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}
