/** app://sallyport/: the built page from the package, with the same headers as everywhere (core/desktop/page.ts). */
import { protocol } from 'electron';
import { createPageSource, pageHeaders } from '../core/desktop/page.ts';
import { isOwnAddress, SCHEME } from './channels.ts';

/** Before `ready`. */
export function registerScheme(): void {
  // `standard` gives it an origin, `secure` the powers of https; no service workers, no bypass of the policy.
  protocol.registerSchemesAsPrivileged([{ scheme: SCHEME, privileges: { standard: true, secure: true, supportFetchAPI: true } }]);
}

export function servePage(folder: string): void {
  const source = createPageSource(folder);
  protocol.handle(SCHEME, (request) => {
    if (request.method !== 'GET' || !isOwnAddress(request.url)) return refusal(403);
    const found = source.read(new URL(request.url).pathname);
    if (!found.ok) return refusal(404);
    const { type, body, headers } = found.value;
    return new Response(Buffer.from(body), { headers: { ...headers, 'Content-Type': type } });
  });
}

function refusal(status: number): Response {
  return new Response('', { status, headers: { ...pageHeaders() } });
}
