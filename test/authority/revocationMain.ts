/**
 * The revocation server as a process of its own, for the lab and for interop:
 *
 *   node test/authority/revocationMain.ts '{"host":"10.1.0.2","port":8080,"answers":{"/office.crl":{"kind":"octets","base64":"…"}}}'
 *
 * Prints {"ready":true,"port":8080}, then {"method","path","octets"} per request. `ocsp` answers sign live, so nonces are given back.
 */
import { givenKey } from './keys.ts';
import { answerOcsp } from './ocsp.ts';
import { type RevocationAnswer, startRevocationServer } from './revocationServer.ts';

export interface RevocationMainConfig {
  readonly host: string;
  readonly port: number;
  readonly answers: Readonly<Record<string, RevocationMainAnswer>>;
}

export type RevocationMainAnswer =
  | { readonly kind: 'octets'; readonly base64: string }
  | {
      readonly kind: 'ocsp';
      /** The authority's subject as base64 DER, and its key as PEM. */
      readonly subject: string;
      readonly key: string;
      /** Serials that are revoked, hex. */
      readonly revoked: readonly string[];
    }
  | Exclude<RevocationAnswer, { readonly kind: 'octets' | 'ocsp' | 'cut-short' | 'slow' }>;

const config = JSON.parse(process.argv[2]) as RevocationMainConfig;
const answers = Object.fromEntries(Object.entries(config.answers).map(([path, answer]) => [path, toAnswer(answer)]));
const server = await startRevocationServer({
  host: config.host,
  port: config.port,
  answers,
  onRequest: ({ method, path, body }) => say({ method, path, octets: body.length }),
});
say({ ready: true, port: server.port });

function say(line: Readonly<Record<string, string | number | boolean>>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function toAnswer(answer: RevocationMainAnswer): RevocationAnswer {
  if (answer.kind === 'octets') return { kind: 'octets', body: new Uint8Array(Buffer.from(answer.base64, 'base64')) };
  if (answer.kind !== 'ocsp') return answer;
  const key = givenKey(answer.key);
  const nothing = new Uint8Array(0);
  const subject = new Uint8Array(Buffer.from(answer.subject, 'base64'));
  const issuer = { der: nothing, pem: '', key, pkcs8: key.pkcs8, subject, serial: nothing, keyId: nothing, issuer: undefined };
  const revoked = answer.revoked.map((serial) => ({ serial: new Uint8Array(Buffer.from(serial, 'hex')) }));
  return { kind: 'ocsp', answer: (request) => answerOcsp(issuer, request, { revoked }) };
}
