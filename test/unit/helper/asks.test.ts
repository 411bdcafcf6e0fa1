import assert from 'node:assert/strict';
import { test } from 'node:test';
import { err, ok } from '../../../core/bytes/result.ts';
import { type AsksPorts, createAsks } from '../../../core/helper/asks.ts';
import type { IkeAsk } from '../../../core/ike/auth/contract.ts';
import type { IkeFailure } from '../../../core/ike/sa/contract.ts';
import { parseCertificate } from '../../../core/pki/certificate.ts';
import type { Certificate, PkiFault, RevocationVerdict } from '../../../core/pki/contract.ts';
import { authority } from '../../authority/authority.ts';

const root = authority.root({ subject: 'CN=Office Root' });
const gateway = root.issue({ subject: 'CN=vpn.office.test', san: ['dns:vpn.office.test'] });

function read(der: Uint8Array): Certificate {
  const parsed = parseCertificate(der);
  assert.ok(parsed.ok);
  return parsed.value;
}
const path = [read(gateway.der), read(root.der)];

const shown: IkeAsk = {
  kind: 'gateway-certificate',
  certificates: [gateway.der],
  ocsp: [Uint8Array.of(1)],
  identity: { type: 2, data: new Uint8Array(0), text: 'vpn.office.test' },
};
const password: IkeAsk = { kind: 'credential', want: 'password', text: '', identity: 'alice', attempt: 1 };
const good: RevocationVerdict = { subject: 'CN=vpn.office.test', status: 'good', source: 'ocsp', evidence: 'good' };

function set(changes: Partial<AsksPorts> = {}) {
  const lines: string[] = [];
  const asks = createAsks({
    pki: { parseCertificate },
    trust: {
      authorities: [],
      anchors: () => [],
      gateway: () => ok({ path }),
      tlsServer: () => err({ code: 'eap-server-certificate', evidence: '' }),
    },
    revocationPolicy: { crl: true, ocsp: true, strict: false },
    checkRevocation: async () => ({ verdicts: [good], fault: undefined }),
    signer: undefined,
    tls: undefined,
    credentials: { answer: async () => ({ kind: 'credential', value: new TextEncoder().encode('very secret') }) },
    eapOnly: false,
    log: (_level, _area, text, fields) => lines.push(`${text} ${JSON.stringify(fields ?? {})}`),
    onChange: () => {},
    now: () => 77,
    ...changes,
  });
  const failureOf = async (ask: IkeAsk) => {
    const answered = await asks.answer(ask);
    return answered.kind === 'refused' ? answered.failure.code : answered.kind;
  };
  return { asks, lines, failureOf };
}

test('an accepted certificate: its key for AUTH, then revocation, then the gateway is proven', async () => {
  let looked: unknown;
  const { asks } = set({
    checkRevocation: async ({ path: wanted, ocsp, policy }) => {
      looked = [wanted.length, ocsp, policy.strict];
      return { verdicts: [good], fault: undefined };
    },
  });
  assert.deepEqual(await asks.answer(shown), { kind: 'gateway-certificate', publicKey: path[0]?.publicKey });
  assert.deepEqual(asks.facts(), {
    gatewayCertificate: { subject: 'CN=vpn.office.test', issuer: 'CN=Office Root', notAfter: path[0]?.notAfter, revocation: [] },
  });
  assert.equal(looked, undefined, 'nothing is looked up before AUTH');
  assert.deepEqual(await asks.answer({ kind: 'gateway-revocation' }), { kind: 'gateway-revocation' });
  assert.deepEqual(looked, [2, [Uint8Array.of(1)], false]);
  assert.equal(asks.facts().gatewayProvenAt, 77);
  assert.deepEqual(asks.facts().gatewayCertificate?.revocation, [good]);
});

test('a refused certificate is shown, and nothing is looked up for it', async () => {
  let looked = false;
  const failure: IkeFailure = { code: 'gateway-untrusted', evidence: 'CN=vpn.office.test' };
  const { asks, failureOf } = set({
    trust: {
      authorities: [],
      anchors: () => [],
      gateway: () => err(failure),
      tlsServer: () => err({ code: 'eap-server-certificate', evidence: '' }),
    },
    checkRevocation: async () => {
      looked = true;
      return { verdicts: [good], fault: undefined };
    },
  });
  assert.equal(await failureOf(shown), 'gateway-untrusted');
  assert.equal(asks.facts().gatewayCertificate?.subject, 'CN=vpn.office.test');
  assert.equal(await failureOf({ kind: 'gateway-revocation' }), 'gateway-no-certificate');
  assert.equal(looked, false);
  assert.equal(asks.facts().gatewayProvenAt, undefined);
});

const revoked: RevocationVerdict = { ...good, status: 'revoked', evidence: 'since yesterday' };
const unknown: RevocationVerdict = { ...good, status: 'unknown', source: 'none', evidence: 'unreachable' };
const ends: readonly (readonly [RevocationVerdict, PkiFault | undefined, string])[] = [
  [good, undefined, 'gateway-revocation'],
  [unknown, undefined, 'gateway-revocation'],
  [unknown, { code: 'revocation-unknown', evidence: 'unreachable' }, 'gateway-revocation-unknown'],
  [revoked, { code: 'revoked', evidence: 'since yesterday' }, 'gateway-cert-revoked'],
];
for (const [verdict, fault, expected] of ends) {
  test(`revocation ${verdict.status}${fault ? ', which is refused' : ''}`, async () => {
    const { asks, failureOf } = set({ checkRevocation: async () => ({ verdicts: [verdict], fault }) });
    await asks.answer(shown);
    assert.equal(await failureOf({ kind: 'gateway-revocation' }), expected);
    assert.equal(asks.facts().gatewayProvenAt !== undefined, fault === undefined);
    assert.deepEqual(asks.facts().gatewayCertificate?.revocation, [verdict]);
  });
}

test('a certificate where a key was agreed is refused', async () => {
  assert.equal(await set({ trust: undefined }).failureOf(shown), 'auth-method-mismatch');
});

test('the end of the connection ends what is being fetched', async () => {
  let aborted = false;
  let closed = false;
  const { asks } = set({
    checkRevocation: ({ signal }) =>
      new Promise((resolve) => {
        signal.onabort = () => {
          aborted = true;
          resolve({ verdicts: [unknown], fault: undefined });
        };
      }),
    tls: {
      exchange: async () => ({ kind: 'credential-missing', why: 'expired' }),
      close: () => {
        closed = true;
      },
    },
  });
  await asks.answer(shown);
  const waiting = asks.answer({ kind: 'gateway-revocation' });
  asks.end();
  await waiting;
  assert.deepEqual([aborted, closed], [true, true]);
});

test('signatures come from the key, and without one there is none', async () => {
  const ask: IkeAsk = { kind: 'sign', round: 1, algorithm: { kind: 'ed25519' }, octets: Uint8Array.of(9) };
  assert.equal(await set().failureOf(ask), 'own-key-failed');
  const info = { publicKey: new Uint8Array(0), algorithms: [] };
  const broken = set({ signer: { info, sign: async () => err('the agent ended') } });
  assert.equal(await broken.failureOf(ask), 'own-key-failed');
  const sound = set({ signer: { info, sign: async (_, octets) => ok(octets) } });
  assert.deepEqual(await sound.asks.answer(ask), { kind: 'sign', signature: Uint8Array.of(9) });
});

test('the first thing asked of the user says that the gateway is proven, unless EAP is what proves it', async () => {
  const usual = set();
  await usual.asks.answer(password);
  assert.equal(usual.asks.facts().gatewayProvenAt, 77);
  const only = set({ eapOnly: true });
  await only.asks.answer(password);
  assert.equal(only.asks.facts().gatewayProvenAt, undefined);
  assert.equal([...usual.lines, ...only.lines].join().includes('very secret'), false);
});

test('a fault of ours is a refusal, not a machine that waits for ever; what was thrown is not told', async () => {
  const { failureOf } = set({
    checkRevocation: async () => {
      throw new Error('a bug');
    },
    credentials: {
      answer: async () => {
        throw new Error('a bug');
      },
    },
  });
  await failureOf(shown);
  assert.equal(await failureOf({ kind: 'gateway-revocation' }), 'gateway-revocation-unknown');
  assert.equal(await failureOf(password), 'eap-protocol');
  const tls: IkeAsk = { kind: 'tls', method: 'ttls', open: true, received: new Uint8Array(0), write: new Uint8Array(0) };
  assert.equal(await failureOf(tls), 'eap-tls-failed');
});

test('a path of one certificate, the pinned one, has nobody to ask', async () => {
  const [own] = path;
  assert.ok(own);
  const { asks, failureOf } = set({
    trust: {
      authorities: [],
      anchors: () => [],
      gateway: () => ok({ path: [own] }),
      tlsServer: () => err({ code: 'eap-server-certificate', evidence: '' }),
    },
    revocationPolicy: { crl: true, ocsp: true, strict: true },
    checkRevocation: () => assert.fail('nobody is asked'),
  });
  await asks.answer(shown);
  assert.equal(await failureOf({ kind: 'gateway-revocation' }), 'gateway-revocation');
});
