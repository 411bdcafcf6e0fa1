/** A tunnel that is brought back in a network where somebody else answers: nothing that nobody has proven ends it, or lets its traffic out in clear. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newMemory, startAttempts } from '../../../core/helper/attempts.ts';
import type { IkeFailure, IkeOutput } from '../../../core/ike/sa/contract.ts';
import { defaultTrust, type Profile } from '../../../core/profile/model.ts';
import { statusFor } from '../../../core/tunnel/status.ts';
import { sampleProfile } from '../helper/sampleProfile.ts';
import { comesUp, fakeWorld, type Script, scriptedMachine } from './fakes.ts';

const octets = (text: string) => new TextEncoder().encode(text);

/** Each connection has the next script, the last of them for ever. */
async function upWith(scripts: readonly Script[], changes: Partial<Profile> = {}) {
  const fake = fakeWorld();
  let machines = 0;
  const attempts = startAttempts(
    {
      ...fake.deps,
      random: () => 0,
      createMachine: () => {
        const script = scripts[Math.min(machines++, scripts.length - 1)] ?? comesUp;
        return scriptedMachine((input, emit) => {
          if (input.kind === 'datagram') emit({ kind: 'closed', failure: { code: 'gateway-lost', evidence: 'x' } });
          else script(input, emit);
        });
      },
      log: () => {},
      onChange: () => {},
    },
    {
      owner: 1000,
      profile: sampleProfile({ gateway: '127.0.0.1', ...changes }),
      secret: { psk: octets('the key of this gateway'), password: octets('kept') },
      memory: newMemory(),
      recall: (kind) => octets(kind),
      mayRemember: () => true,
      remember: () => {},
    },
  );
  const status = () => statusFor(attempts.facts(), 1000, 0);
  const reaches = async (state: string) => {
    const late = performance.now() + 5_000;
    while (status().state !== state && performance.now() < late) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(status().state, state, status().failure?.evidence);
  };
  await reaches('connected');
  fake.calls.length = 0;
  /** The gateway falls silent. */
  const lose = () => attempts.datagram(new Uint8Array(28), 'natt', { address: '127.0.0.1', port: 4500 });
  return { ...fake, attempts, status, reaches, lose, machines: () => machines };
}

const ends =
  (failure: IkeFailure, ...before: readonly IkeOutput[]): Script =>
  (input, emit) => {
    if (input.kind !== 'start') return comesUp(input, emit);
    emit({ kind: 'progress', step: 'sa-init' });
    for (const output of before) emit(output);
    emit({ kind: 'closed', failure });
  };
const auth = { kind: 'progress', step: 'auth' } as const;

test('whatever IKE_SA_INIT is answered with, it is tried again, and the traffic stays held back', async () => {
  const forged = (['protocol', 'bad-answer-proposal', 'bad-public-value', 'ppk-refused', 'no-fragmentation'] as const).map(
    (code) => ends({ code, evidence: 'x in IKE_SA_INIT response' }),
  );
  const it = await upWith([comesUp, ...forged, comesUp]);
  it.lose();
  await it.reaches('connected');
  assert.equal(it.machines(), forged.length + 2);
  assert.equal(it.calls.includes('revert'), false);
  await it.attempts.end();
});

test('who cannot prove to be the gateway is tried again later, who refuses without a proof in another network', async () => {
  const stranger = ends({ code: 'gateway-authentication-failed', evidence: 'AUTH does not verify' }, auth);
  const refuses = ends({ code: 'authentication-failed', evidence: 'AUTHENTICATION_FAILED' }, auth);
  const it = await upWith([comesUp, stranger, refuses, comesUp]);
  it.lose();
  await it.reaches('blocked');
  assert.deepEqual([it.status().failure?.code, it.status().held, it.machines()], ['authentication-failed', true, 3]);
  it.attempts.network(true);
  await it.reaches('connected');
  assert.equal(it.calls.includes('revert'), false);
  await it.attempts.end();
});

test('of a gateway that has proven itself it is the end, as before', async () => {
  const proven = ends({ code: 'ts-unacceptable', evidence: 'TS_UNACCEPTABLE' }, auth, { kind: 'proven' });
  const it = await upWith([comesUp, proven]);
  it.lose();
  await it.reaches('failed');
  assert.equal(it.status().failure?.code, 'ts-unacceptable');
  assert.ok(it.calls.includes('revert'));
});

test('where EAP alone proves the gateway, a password is not tried again in every network', async () => {
  const asked = {
    kind: 'ask',
    id: 1,
    ask: { kind: 'credential', want: 'password', text: '', identity: 'alice', attempt: 1 },
  } as const;
  const script: Script = (input, emit) => {
    if (input.kind === 'answer') emit({ kind: 'closed', failure: { code: 'account-disabled', evidence: 'E=647' } });
    else if (input.kind !== 'start') comesUp(input, emit);
    else for (const output of [{ kind: 'progress', step: 'sa-init' }, auth, asked] as const) emit(output);
  };
  const trust = { ...defaultTrust('eap'), method: 'eap-only' as const };
  const eap = { methods: ['mschapv2'] as const, identity: 'alice', serverName: '', authorities: [] };
  const it = await upWith([comesUp, script], { auth: 'eap', eap, trust });
  it.lose();
  await it.reaches('blocked');
  assert.equal(it.status().failure?.code, 'account-disabled');
  it.attempts.network(true);
  assert.deepEqual([it.status().state, it.machines()], ['blocked', 2]);
  assert.equal(it.calls.includes('revert'), false);
  await it.attempts.end();
});
