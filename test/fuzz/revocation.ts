/** Lists and answers about revocation: whatever is done to them on the way, they say nothing but what their authority said. */
import { createPrivateKey } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { toHex } from '../../core/bytes/bytes.ts';
import { parseCertificate } from '../../core/pki/certificate.ts';
import type { Certificate } from '../../core/pki/contract.ts';
import { believeCrl, consultCrl, parseCrl } from '../../core/pki/crl.ts';
import { consultOcsp, parseOcsp } from '../../core/pki/ocsp.ts';
import { checkRevocation } from '../../core/pki/revocation.ts';
import { authority } from '../authority/authority.ts';
import type { CertificateSpec, IssuedCertificate } from '../authority/certificate.ts';
import { type CrlSpec, invalidityDate, type RevokedSpec } from '../authority/crl.ts';
import { givenKey, type KeyPair } from '../authority/keys.ts';
import type { OcspSpec, SingleSpec } from '../authority/ocsp.ts';
import { type CaseResult, demand, runTarget } from './harness.ts';
import { mutateBytes } from './mutate.ts';

export interface RevocationRuns {
  readonly lists: number;
  readonly answers: number;
  readonly checks: number;
}

export const FULL_REVOCATION: RevocationRuns = { lists: 20_000, answers: 20_000, checks: 4000 };

export function fuzzRevocation(runs: RevocationRuns, seed = 7296): CaseResult[] {
  return [fuzzLists(runs.lists, seed), fuzzAnswers(runs.answers, seed + 1), fuzzChecks(runs.checks, seed + 2)];
}

/** Keys, serials and dates are fixed, so that a seed gives the same octets everywhere. */
const at = Date.UTC(2026, 0, 1);
const before = new Date(at - 3_600_000);
const after = new Date(at + 3_600_000);
const fixedKey = (octet: number): KeyPair =>
  givenKey(
    createPrivateKey({
      key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, octet)]),
      format: 'der',
      type: 'pkcs8',
    }),
  );
const fixed = (octet: number): CertificateSpec => ({
  key: fixedKey(octet),
  serial: 0x1000 + octet,
  notBefore: before,
  notAfter: after,
});

const root = authority.root(fixed(1));
const gateway = root.issue({
  ...fixed(2),
  subject: 'CN=gateway',
  crlUrl: ['http://crl.test/a', 'http://crl.test/b'],
  ocspUrl: 'http://ocsp.test/',
});
const revoked = root.issue({ ...fixed(3), subject: 'CN=revoked' });
const delegate = root.issue({ ...fixed(4), subject: 'CN=Responder', eku: ['ocspSigning'], noCheck: true });
const issuer = read(root);
const subject = read(gateway);

const entry = (spec: RevokedSpec): RevokedSpec => ({ at: before, ...spec });
const listSpecs: readonly CrlSpec[] = [
  {},
  {
    number: 5,
    freshest: [{ uris: ['http://crl.test/delta'] }],
    revoked: [entry({ certificate: revoked, reason: 'keyCompromise' })],
  },
  {
    number: 6,
    deltaBase: 5,
    revoked: [entry({ certificate: gateway, reason: 'removeFromCRL', extensions: [invalidityDate(before)] })],
  },
  {
    revoked: Array.from({ length: 40 }, (_, i) => entry({ serial: i })),
    distributionPoint: { uris: ['http://crl.test/a'], onlyUser: true },
  },
  {
    distributionPoint: { indirect: true, reasons: ['keyCompromise'] },
    revoked: [entry({ serial: 3, issuer: 'CN=Somebody' })],
  },
];
const lists = listSpecs.map((spec) => root.crl({ thisUpdate: before, nextUpdate: after, ...spec }).der);

const single: SingleSpec = { certificate: gateway, thisUpdate: before, nextUpdate: after };
const singles: readonly SingleSpec[] = [
  single,
  { ...single, certificate: revoked, status: 'revoked', revokedAt: before, reason: 'superseded' },
];
const specs: readonly OcspSpec[] = [
  { singles: [single], nonce: new Uint8Array(32) },
  { singles, by: 'name' },
  { singles, responder: delegate, certificates: [revoked, delegate, gateway] },
  { singles: [{ ...single, hash: 'sha256', nextUpdate: null }], responder: delegate, by: 'name' },
  { status: 'tryLater' },
];
const answers = specs.map((spec) => root.ocsp({ producedAt: before, ...spec }));

/** DER has one encoding and Ed25519 one signature, so a list that is changed in one bit is nobody's. */
function fuzzLists(runs: number, seed: number): CaseResult {
  const genuine = new Set(lists.map(toHex));
  return runTarget({
    suite: 'fuzz-revocation',
    name: 'lists',
    seed,
    runs,
    input: (prng) => mutateBytes(prng, prng.pick(lists), lists),
    check: (bytes) => {
      const list = parseCrl(bytes);
      if (!list.ok) return printed(list.error.code, list.error.evidence);
      consultCrl(list.value, undefined, subject, at);
      const fault = believeCrl(list.value, issuer);
      demand(fault !== undefined || genuine.has(toHex(bytes)), 'a changed list is believed');
      return fault === undefined ? 'unchanged' : printed(fault.code, fault.evidence);
    },
  });
}

/** The certificates that come with an answer are not signed by it; whatever they are changed to, it says the same or nothing. */
function fuzzAnswers(runs: number, seed: number): CaseResult {
  const about = [subject, read(revoked)];
  const said = (octets: Uint8Array, certificate: Certificate) => {
    const answer = parseOcsp(octets);
    return answer.ok ? consultOcsp(answer.value, { certificate, issuer, at, nonce: undefined }) : answer;
  };
  const genuine = about.map((certificate) => answers.map((octets) => said(octets, certificate)));
  return runTarget({
    suite: 'fuzz-revocation',
    name: 'answers',
    seed,
    runs,
    input: (prng) => mutateBytes(prng, prng.pick(answers), answers),
    check: (bytes) => {
      const words = about.map((certificate, i) => {
        const statement = said(bytes, certificate);
        if (!statement.ok) return printed(statement.error.code, statement.error.evidence);
        demand(
          genuine[i].some((one) => isDeepStrictEqual(one, statement)),
          'an answer says what nobody said',
        );
        return statement.value.status;
      });
      return words[0];
    },
  });
}

/** Whatever comes back, the check ends after a bounded number of questions, and the good is never revoked. */
function fuzzChecks(runs: number, seed: number): CaseResult {
  const all = [...lists, ...answers];
  return runTarget({
    suite: 'fuzz-revocation',
    name: 'checks',
    seed,
    runs,
    input: (prng) => mutateBytes(prng, prng.pick(all), all),
    check: (bytes, prng) => {
      const check = checkRevocation({
        path: [subject, issuer],
        policy: { crl: true, ocsp: true, strict: true },
        at,
        random: () => new Uint8Array(32),
        inBand: { ocsp: [bytes], crls: [bytes] },
      });
      let questions = 0;
      let step = check.next();
      while (!step.done) {
        questions += 1;
        const octets = prng.oneIn(2) ? bytes : mutateBytes(prng, prng.pick(all), all);
        step = check.next(prng.oneIn(4) ? { ok: false, error: 'timed out' } : { ok: true, value: octets });
      }
      demand(questions < 24, `${questions} questions`);
      const { verdicts, fault } = step.value;
      demand(fault?.code !== 'revoked', 'the good is revoked');
      return printed(fault?.code ?? verdicts[0].status, verdicts[0].evidence);
    },
  });
}

function printed(code: string, evidence: string): string {
  demand(/^[^\p{C}]{1,3000}$/u.test(evidence), `not one line: ${evidence}`);
  return code;
}

function read({ der }: IssuedCertificate): Certificate {
  const parsed = parseCertificate(der);
  if (!parsed.ok) throw new Error(parsed.error.evidence);
  return parsed.value;
}
