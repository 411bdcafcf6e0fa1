/**
 * An office that knows all keys and says anything: in every answer of IKE_AUTH payloads are dropped, doubled, swapped, emptied, turned
 * or taken from other messages, as a seed says. Whatever comes, the client never throws, always ends, installs a CHILD SA for an office
 * that proved itself or none at all, and asks no user before that.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IkeAsk, LocalAuth } from '../../core/ike/auth/contract.ts';
import { createInitiator } from '../../core/ike/sa/initiator.ts';
import { AUTH_METHOD, NOTIFY, PAYLOAD } from '../../core/ike/wire/constants.ts';
import type { Payload } from '../../core/ike/wire/message.ts';
import { notify } from '../../core/ike/wire/payloads.ts';
import { Conversation } from '../gateway/conversation.ts';
import {
  anchor,
  answering,
  authorities,
  byCertificate,
  byEap,
  eapServer,
  officeCertificate,
  PASSWORD,
  USER,
  userCertificate,
} from '../gateway/credentials.ts';
import { clientConfig, identity, officeConfig, SECRET, seededRandom } from '../gateway/fixtures.ts';
import { createHeadOffice } from '../gateway/responder.ts';
import type { SaServices } from '../gateway/sa.ts';
import { dice } from './world.ts';

const user = userCertificate();
const byKey: LocalAuth = { method: 'psk', secret: SECRET };
const certificate = officeCertificate();

const settings: Readonly<Record<string, { readonly local: readonly LocalAuth[]; readonly proofs: SaProofs }>> = {
  'a key': { local: [byKey], proofs: ['psk'] },
  'a certificate': { local: [byCertificate(user)], proofs: ['certificate'] },
  EAP: { local: [byEap()], proofs: ['eap'] },
  'a certificate, then EAP': { local: [byCertificate(user), byEap()], proofs: ['certificate', 'eap'] },
};

type SaProofs = NonNullable<SaServices['config']['users'][number]['proofs']>;

const RUNS = 60;

for (const [name, { local, proofs }] of Object.entries(settings)) {
  test(`${RUNS} offices that say anything to a client with ${name}`, () => {
    const ends = new Map<string, number>();
    for (let run = 0; run < RUNS; run++) {
      const roll = dice(`mutated ${name} ${run}`);
      const asked: IkeAsk[] = [];
      const conversation = talk(local, proofs, asked, (honest, earlier) => mutated(honest, earlier, roll));
      const [closed] = conversation.outputs('closed');
      const [installed] = conversation.outputs('install-child');
      const end = closed?.failure?.code ?? (installed ? 'installed' : 'nothing');
      ends.set(end, (ends.get(end) ?? 0) + 1);
      assert.notEqual(end, 'nothing', `run ${run} does not end`);
      const proven = asked.findIndex(({ kind }) => kind === 'gateway-revocation');
      assert.ok(!installed || proven >= 0, `run ${run}: a CHILD SA with an office that proved nothing`);
      assert.ok(
        asked.every(({ kind }, at) => kind !== 'credential' || (proven >= 0 && at > proven)),
        `run ${run}`,
      );
    }
    // The seeds reach many ends, so the assertions above were about something.
    assert.ok(ends.size >= 5, JSON.stringify([...ends]));
  });
}

type Change = (honest: readonly Payload[], earlier: readonly Payload[]) => readonly Payload[];

function talk(local: readonly LocalAuth[], proofs: SaProofs, asked: IkeAsk[], change: Change): Conversation {
  const endpoint = (address: string, port: number) => ({ address, port });
  const office = createHeadOffice(
    {
      ...officeConfig,
      certificate,
      users: [{ identity: identity(USER), secret: SECRET, proofs }],
      userAuthorities: [anchor],
      eap: eapServer(),
      changeAuth: changing(change),
    },
    { random: seededRandom('office') },
  );
  const auth = { local, gateway: { method: 'certificate', authorities } } as const;
  const conversation = new Conversation({
    machine: createInitiator({ ...clientConfig, auth }, { random: seededRandom('client'), keyLog: false }),
    office,
    client: { ike: endpoint('198.51.100.1', 61_000), natt: endpoint('198.51.100.1', 61_001) },
    gateway: { ike: endpoint('198.51.100.10', 500), natt: endpoint('198.51.100.10', 4500) },
    answer: answering({ user, credentials: { password: [PASSWORD, PASSWORD, PASSWORD] }, asked }),
  });
  conversation.tell({ kind: 'start' });
  conversation.run(200_000, () => conversation.outputs('install-child').length + conversation.outputs('closed').length > 0);
  return conversation;
}

/** With what was said before at hand. */
function changing(change: Change): (honest: readonly Payload[]) => readonly Payload[] {
  const earlier: Payload[] = [];
  return (honest) => {
    const changed = change(honest, earlier);
    earlier.push(...honest);
    return changed;
  };
}

/** One answer in two is changed, by one to three changes. */
function mutated(honest: readonly Payload[], earlier: readonly Payload[], roll: () => number): readonly Payload[] {
  if (roll() < 0.5) return honest;
  let payloads = [...honest];
  for (let changes = 1 + Math.floor(roll() * 3); changes > 0; changes--) payloads = mutatedOnce(payloads, earlier, roll);
  return payloads;
}

function mutatedOnce(payloads: readonly Payload[], earlier: readonly Payload[], roll: () => number): Payload[] {
  const at = Math.floor(roll() * payloads.length);
  const rest = payloads.filter((_, index) => index !== at);
  const [one] = payloads.slice(at, at + 1);
  switch (Math.floor(roll() * 8)) {
    case 0:
      return rest;
    case 1:
      return one ? [...payloads, one] : [...payloads];
    case 2:
      return [...payloads].reverse();
    case 3:
      return one ? [...rest.slice(0, at), ...turned(one, roll), ...rest.slice(at)] : [...payloads];
    case 4:
      return [...payloads, ...pick(earlier, roll)];
    case 5:
      return [...payloads, notify(statuses[Math.floor(roll() * statuses.length)] ?? 0)];
    case 6:
      return [...payloads, ...pick(strangers, roll)];
    default:
      return roll() < 0.3 ? [] : [...payloads, ...pick(strangers, roll)];
  }
}

/** The payload with one octet of its data turned, or without data. */
function turned(payload: Payload, roll: () => number): Payload[] {
  if (!('data' in payload) || payload.data.length === 0) return [];
  if (roll() < 0.2) return payload.kind === 'IDr' ? [] : [{ ...payload, data: new Uint8Array(0) }];
  const data = payload.data.slice();
  data[Math.floor(roll() * data.length)] ^= 1 << Math.floor(roll() * 8);
  return [{ ...payload, data }];
}

function pick(from: readonly Payload[], roll: () => number): readonly Payload[] {
  const at = Math.floor(roll() * from.length);
  return from.slice(at, at + 1);
}

const statuses: readonly number[] = [
  NOTIFY.ANOTHER_AUTH_FOLLOWS,
  NOTIFY.AUTHENTICATION_FAILED,
  NOTIFY.TS_UNACCEPTABLE,
  NOTIFY.USE_TRANSPORT_MODE,
  NOTIFY.REDIRECT,
  NOTIFY.AUTH_LIFETIME,
  8191,
];

const strangers: readonly Payload[] = [
  { kind: 'EAP', message: Uint8Array.of(3, 1, 0, 4) },
  { kind: 'EAP', message: Uint8Array.of(4, 1, 0, 4) },
  { kind: 'EAP', message: Uint8Array.of(1, 1, 0, 5, 1) },
  { kind: 'AUTH', method: AUTH_METHOD.SHARED_KEY, data: new Uint8Array(32) },
  { kind: 'AUTH', method: AUTH_METHOD.NULL, data: new Uint8Array(0) },
  { kind: 'CERT', encoding: 4, data: new Uint8Array(100).fill(0x30) },
  { kind: 'CERT', encoding: 14, data: new Uint8Array(0) },
  { kind: 'CERTREQ', encoding: 4, data: new Uint8Array(19) },
  { kind: 'unknown', type: PAYLOAD.EAP, critical: false, body: Uint8Array.of(1, 2) },
  { kind: 'unknown', type: 200, critical: true, body: new Uint8Array(0) },
];
