/** The client and the embedded head office for dialogues about authentication. */
import assert from 'node:assert/strict';
import type { IkeAnswer, IkeAsk } from '../../core/ike/auth/contract.ts';
import type { IkeConfig, IkeFailure } from '../../core/ike/sa/contract.ts';
import { createInitiator } from '../../core/ike/sa/initiator.ts';
import type { HeadOfficeConfig } from '../gateway/config.ts';
import { Conversation, type Room } from '../gateway/conversation.ts';
import { clientConfig, officeConfig, seededRandom } from '../gateway/fixtures.ts';
import { createHeadOffice } from '../gateway/responder.ts';

export interface Scene {
  readonly client?: Partial<IkeConfig>;
  readonly office?: Partial<HeadOfficeConfig>;
  readonly answer?: (ask: IkeAsk) => IkeAnswer | Promise<IkeAnswer>;
  readonly officeTls?: Room['officeTls'];
  readonly network?: Room['network'];
}

/** Longer than every limit of the client: whatever it decides, it has decided. */
export const LONG = 200_000;

/** Both in a room, the client behind a NAT; nothing was said yet. */
export function room({ client, office, answer, officeTls, network }: Scene): Conversation {
  const endpoint = (address: string, port: number) => ({ address, port });
  return new Conversation({
    machine: createInitiator({ ...clientConfig, ...client }, { random: seededRandom('client'), keyLog: false }),
    office: createHeadOffice({ ...officeConfig, ...office }, { random: seededRandom('office') }),
    client: { ike: endpoint('198.51.100.1', 61_000), natt: endpoint('198.51.100.1', 61_001) },
    gateway: { ike: endpoint('198.51.100.10', 500), natt: endpoint('198.51.100.10', 4500) },
    ...(answer && { answer }),
    ...(officeTls && { officeTls }),
    ...(network && { network }),
  });
}

/** A conversation that has come to its end, or to a CHILD SA. */
export function meet(scene: Scene): Conversation {
  const conversation = room(scene);
  conversation.tell({ kind: 'start' });
  conversation.run(LONG, () => isOver(conversation));
  return conversation;
}

/** As `meet`, with answers that take time. */
export async function meetSlowly(scene: Scene): Promise<Conversation> {
  const conversation = room(scene);
  conversation.tell({ kind: 'start' });
  await conversation.settle(LONG, () => isOver(conversation));
  return conversation;
}

/** Both sides have the IKE SA and its CHILD SA, and agree on the keys. */
export function agreed(conversation: Conversation): void {
  const why = () => JSON.stringify([conversation.outputs('closed'), officeLog(conversation)]);
  assert.equal(conversation.outputs('established').length, 1, why());
  const [{ child }] = conversation.outputs('install-child');
  const theirs = conversation.officeHeard.find((output) => output.kind === 'install-child');
  assert.ok(theirs?.kind === 'install-child', why());
  assert.deepEqual(theirs.child.keysIn, child.keysOut);
  assert.deepEqual(theirs.child.spiIn, child.spiOut);
}

/** The client ended it for this reason, installed nothing, and says nothing more. */
export function failed(conversation: Conversation, code: IkeFailure['code'], evidence = /./): void {
  const [closed, ...more] = conversation.outputs('closed');
  assert.equal(closed?.failure?.code, code, JSON.stringify([closed, officeLog(conversation)]));
  assert.match(closed.failure.evidence, evidence);
  assert.match(closed.failure.evidence, /^[\x20-\x7e]{1,400}$/, 'one printable line');
  assert.deepEqual(more, []);
  assert.deepEqual(conversation.outputs('install-child'), []);
  assert.deepEqual(conversation.outputs('established'), []);
  const last = conversation.heard.findLast((output) => output.kind !== 'log');
  assert.equal(last?.kind, 'closed', 'nothing comes after the end');
}

/** Kinds of the payloads of the last message of this name that the client sent or received. */
export function authOf(conversation: Conversation, name: string): readonly string[] {
  const line = conversation.outputs('log').findLast(({ text }) => text === `sent ${name}` || text === `received ${name}`);
  return String(line?.fields?.payloads ?? '')
    .split(' ')
    .filter((kind) => kind !== '');
}

function isOver(conversation: Conversation): boolean {
  return conversation.outputs('install-child').length + conversation.outputs('closed').length > 0;
}

function officeLog(conversation: Conversation): readonly unknown[] {
  return conversation.officeHeard.filter((output) => output.kind === 'closed');
}
