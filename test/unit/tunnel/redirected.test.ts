/** Sent on by a gateway (RFC 5685), which anybody can pretend in IKE_SA_INIT: who is there has to prove to be the one that we set out for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ok, type Result } from '../../../core/bytes/result.ts';
import { type Attempts, startAttempts } from '../../../core/helper/attempts.ts';
import type { IkeOutput } from '../../../core/ike/sa/contract.ts';
import { parseCertificate } from '../../../core/pki/certificate.ts';
import { validatePath } from '../../../core/pki/path.ts';
import { defaultTrust, type Profile } from '../../../core/profile/model.ts';
import { authority } from '../../authority/authority.ts';
import { sampleProfile } from '../helper/sampleProfile.ts';
import { comesUp, fakeWorld, lookout, scriptedMachine } from './fakes.ts';

const root = authority.root({ subject: 'CN=Public Root' });
const base64 = Buffer.from(root.der).toString('base64');
const chainOf = (name: string) => root.issue({ subject: `CN=${name}`, san: [`dns:${name}`], eku: ['serverAuth'] }).chain;

const FIRST = 'first.test';
const SECOND = 'second.test';
const EVIL = 'evil.test';
const ADDRESSES: Readonly<Record<string, string>> = {
  [FIRST]: '127.0.0.1',
  [SECOND]: '127.0.0.2',
  'third.test': '127.0.0.3',
  [EVIL]: '127.0.0.66',
};
const addressOf = (name: string) => ADDRESSES[name] ?? name;
const LOGIN = 9;

interface Trip {
  /** Where each gateway sends us, by its name; the others show the certificate of their own name in TLS, and in IKE one for `shows`. */
  readonly redirects: Readonly<Record<string, string>>;
  readonly silent?: readonly string[];
  readonly shows?: string;
  readonly later?: 'a new login';
}

/** Connects, and tells what became of the certificates at the place it was sent to. */
async function go(changes: Partial<Profile>, { redirects, silent = [], shows = EVIL, later }: Trip) {
  const fake = fakeWorld();
  const { look, until } = lookout();
  const tls: Result<unknown, { readonly code: string }>[] = [];
  const answers: string[] = [];
  const seen = { name: '', idr: undefined as string | undefined, from: undefined as string | undefined };
  const pki = { parseCertificate, validatePath };
  let logins = 0;
  const attempts: Attempts = startAttempts(
    {
      ...fake.deps,
      lookUp: async (name) => ok([{ address: addressOf(name), family: 4 }]),
      proof: {
        ...fake.deps.proof,
        trust: { ...fake.deps.proof.trust, pki },
        openTls: ({ trust }) => {
          tls.push(trust.tlsServer(chainOf(shows)));
          return { exchange: async () => ({ kind: 'credential-missing', why: 'expired' }), close: () => {} };
        },
      },
      createMachine: (config) =>
        scriptedMachine((input, emit: (output: IkeOutput) => void) => {
          const here = Object.keys(ADDRESSES).find((name) => addressOf(name) === config.remote.address) ?? '';
          const to = later && logins === 0 ? undefined : redirects[here];
          if (input.kind === 'terminate') emit({ kind: 'closed' });
          else if (input.kind === 'datagram') {
            logins += 1;
            emit({ kind: 'reauthenticate', within: 60_000 });
          } else if (input.kind === 'answer') {
            answers.push(input.answer.kind === 'refused' ? input.answer.failure.code : 'accepted');
            emit({ kind: 'closed', failure: { code: 'authentication-failed', evidence: 'enough' } });
            look();
          } else if (input.kind !== 'start') return;
          else if (silent.includes(here)) emit({ kind: 'closed', failure: { code: 'no-answer', evidence: 'silent' } });
          else if (to !== undefined) emit({ kind: 'closed', failure: { code: 'redirected', evidence: 'x', redirect: to } });
          else if (later && logins === 0) comesUp(input, emit);
          else {
            Object.assign(seen, { idr: config.remoteIdentity?.text, from: config.redirect?.from });
            for (const step of ['sa-init', 'auth'] as const) emit({ kind: 'progress', step });
            const identity = config.localIdentity;
            emit({ kind: 'ask', id: 1, ask: { kind: 'gateway-certificate', certificates: chainOf(shows), ocsp: [], identity } });
            seen.name = attempts.facts().gateway.name;
          }
        }),
      log: () => {},
      onChange: look,
    },
    {
      owner: 1000,
      profile: sampleProfile({
        ...{ gateway: FIRST, auth: 'eap', tcp: 'never', whenLost: later ? 'hold' : 'end' },
        eap: { methods: ['ttls'], identity: 'alice', serverName: '', authorities: [base64] },
        trust: { ...defaultTrust('eap'), systemRoots: false, authorities: [base64] },
        ...changes,
      }),
      secret: {},
      recall: () => undefined,
      mayRemember: () => false,
      remember: () => {},
    },
  );
  if (later) {
    await until(() => attempts.facts().readyAt !== undefined);
    attempts.datagram(new Uint8Array(28).fill(LOGIN), 'natt', { address: addressOf(FIRST), port: 4500 });
  }
  await until(() => answers.length > 0);
  await attempts.end();
  const server = tls.at(-1);
  return { ...seen, ike: answers[0], tls: server?.ok ? 'accepted' : server?.error.code };
}

const REFUSED = { ike: 'gateway-wrong-name', tls: 'eap-server-certificate' };
const ACCEPTED = { ike: 'accepted', tls: 'accepted' };
const ANYBODY: readonly (string | undefined)[] = [undefined, 'keyid:0badcafe'];

test('a forged redirect does not choose the name that has to be proven; the first gateway’s is', async () => {
  for (const idr of ANYBODY) {
    const trip = { redirects: { [FIRST]: EVIL } };
    const went = { name: EVIL, idr, from: addressOf(FIRST) };
    assert.deepEqual(await go({ remoteId: idr }, trip), { ...went, ...REFUSED });
    assert.deepEqual(await go({ remoteId: idr }, { ...trip, shows: FIRST }), { ...went, ...ACCEPTED });
  }
});

test('however often it is sent on', async () => {
  const redirects = { [FIRST]: 'third.test', 'third.test': EVIL };
  const went = { name: EVIL, idr: undefined, from: addressOf('third.test') };
  for (const shows of [EVIL, 'third.test'])
    assert.deepEqual(await go({ remoteId: undefined }, { redirects, shows }), { ...went, ...REFUSED });
  assert.deepEqual(await go({ remoteId: undefined }, { redirects, shows: FIRST }), { ...went, ...ACCEPTED });
});

test('sent on by the second of several gateways it is the second that has to be there, also where each proves its own name', async () => {
  const trip = { redirects: { [SECOND]: 'third.test', 'third.test': EVIL }, silent: [FIRST] };
  for (const [remoteId, idr] of [
    [undefined, undefined],
    [FIRST, SECOND],
  ]) {
    const profile = { gateways: [SECOND], remoteId };
    const went = { name: EVIL, idr, from: addressOf('third.test') };
    for (const shows of [EVIL, FIRST]) assert.deepEqual(await go(profile, { ...trip, shows }), { ...went, ...REFUSED });
    assert.deepEqual(await go(profile, { ...trip, shows: SECOND }), { ...went, ...ACCEPTED });
  }
});

test('a new login that is sent on has to find the first, too', async () => {
  const trip = { redirects: { [FIRST]: EVIL }, later: 'a new login' } as const;
  const { ike, tls, from } = await go({ remoteId: undefined }, trip);
  assert.deepEqual({ ike, tls, from }, { ...REFUSED, from: addressOf(FIRST) });
  const found = await go({ remoteId: undefined }, { ...trip, shows: FIRST });
  assert.deepEqual({ ike: found.ike, tls: found.tls }, ACCEPTED);
});
