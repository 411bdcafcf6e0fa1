/** An office with a root, an authority below it and a gateway, for the tests of revocation. */
import assert from 'node:assert/strict';
import { parseCertificate } from '../../../core/pki/certificate.ts';
import type { Certificate } from '../../../core/pki/contract.ts';
import {
  checkRevocation,
  type RevocationNeed,
  type RevocationQuestion,
  type RevocationResult,
} from '../../../core/pki/revocation.ts';
import { authority } from '../../authority/authority.ts';
import type { IssuedCertificate } from '../../authority/certificate.ts';

export const CRL_URL = 'http://crl.office.test/office.crl';
export const OCSP_URL = 'http://ocsp.office.test/';
export const SUB_CRL_URL = 'http://crl.office.test/root.crl';

export const at = Date.now();
export const ago = (milliseconds: number): Date => new Date(at - milliseconds);

export const root = authority.root({ subject: 'CN=Office Root,O=Office' });
export const office = root.authority({ subject: 'CN=Office CA,O=Office', crlUrl: SUB_CRL_URL });
export const gateway = office.issue({ subject: 'CN=vpn.office.test', crlUrl: CRL_URL, ocspUrl: OCSP_URL });
export const other = office.issue({ subject: 'CN=other.office.test' });

export function certificate(issued: IssuedCertificate): Certificate {
  const parsed = parseCertificate(issued.der);
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.error.evidence);
  return parsed.value;
}

export const path = [gateway, office, root].map(certificate);

/** By URL what is fetched, by key what is kept; a string is a reason why not. */
export interface World {
  readonly answers?: Readonly<Record<string, Uint8Array | string | ((body: Uint8Array | undefined) => Uint8Array)>>;
  readonly kept?: ReadonlyMap<string, Uint8Array>;
}

export interface Outcome extends RevocationResult {
  readonly asked: readonly string[];
  readonly keeps: readonly Extract<RevocationNeed, { kind: 'keep' }>[];
}

export function run(question: Partial<RevocationQuestion>, { answers = {}, kept = new Map() }: World = {}): Outcome {
  const asked: string[] = [];
  const keeps: Extract<RevocationNeed, { kind: 'keep' }>[] = [];
  const random = (length: number) => new Uint8Array(length).fill(0x5a);
  const policy = { crl: true, ocsp: true, strict: false };
  const check = checkRevocation({ path, policy, at, random, ...question });
  let step = check.next();
  while (!step.done) {
    const need = step.value;
    if (need.kind === 'keep') {
      keeps.push(need);
      step = check.next();
    } else if (need.kind === 'recall') {
      const octets = kept.get(need.key);
      step = check.next(octets ? { ok: true, value: octets } : undefined);
    } else {
      asked.push(need.url);
      const answer = answers[need.url] ?? 'timed out';
      const value = typeof answer === 'function' ? answer(need.body) : answer;
      step = check.next(typeof value === 'string' ? { ok: false, error: value } : { ok: true, value });
    }
  }
  return { ...step.value, asked, keeps };
}
