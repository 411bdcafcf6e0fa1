/** New keys: who asks for them, when both sides have them and nothing else is left, and what both know of it. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Status } from '../../core/rpc/contract.ts';
import { CHILD, CONNECTION } from '../lab/strongswan.ts';
import type { IkeSaFromGateway } from '../lab/vici.ts';
import { agree } from './agree.ts';
import type { Connection, World } from './world.ts';

export type What = 'ike' | 'child';
export type Who = 'us' | 'gateway' | 'both';

/** In the same moment, when both are to; it is only asked for here. */
export async function ask(world: World, what: What, who: Who): Promise<void> {
  const gateway = () =>
    world.gateway.swanctl(['--rekey', ...(what === 'ike' ? ['--ike', CONNECTION] : ['--child', CHILD])]).then((said) => {
      assert.equal(said.code, 0, `swanctl --rekey: ${said.stdout}${said.stderr}`);
    });
  const us = () => world.client.call('tunnel.rekey', { what });
  if (who === 'us') await us();
  else if (who === 'gateway') await gateway();
  // swanctl takes its time to start.
  else await Promise.all([gateway(), sleep(20).then(us)]);
}

/** All of it new: the SPIs of the IKE SA, or those of every CHILD SA. */
export function isNew(what: What, before: Status, now: Status): boolean {
  if (what === 'ike') return now.ike?.spiI !== before.ike?.spiI && now.ike?.spiR !== before.ike?.spiR;
  return now.children.length > 0 && now.children.every(({ spiIn }) => before.children.every((old) => old.spiIn !== spiIn));
}

/** RFC 7296 §2.8: in the end there is one IKE SA and one CHILD SA for each pair of selectors, the same on both sides. */
export async function settled(world: World, holds: (status: Status) => boolean, withinMs = 15_000): Promise<Connection> {
  let why = '';
  const found = await world
    .eventually(
      'both sides have the same new SAs and nothing else',
      async () => {
        const [status, sas] = await Promise.all([world.client.call('tunnel.status', {}), world.gateway.listSas()]);
        const [sa, ...others] = sas;
        why = problem(status, sa, others, holds);
        return sa !== undefined && why === '' ? { status, sa } : undefined;
      },
      withinMs,
    )
    .catch((error: unknown) => {
      throw new Error(`${error instanceof Error ? error.message : String(error)}: ${why}`);
    });
  return found;
}

function problem(
  status: Status,
  sa: IkeSaFromGateway | undefined,
  others: readonly IkeSaFromGateway[],
  holds: (status: Status) => boolean,
): string {
  if (sa === undefined) return 'the gateway has no IKE SA';
  if (others.length > 0)
    return `the gateway has ${others.length} IKE SAs too many: ${others.map(({ state }) => state).join(', ')}`;
  if (!holds(status)) return `we: ${status.state} ${status.ike?.spiI} ${status.children.map(({ spiIn }) => spiIn).join(' ')}`;
  const selectors = status.children.map(({ localSelectors, remoteSelectors }) => `${localSelectors} ${remoteSelectors}`);
  if (new Set(selectors).size < selectors.length) return `two CHILD SAs for the same: ${selectors.join('; ')}`;
  return agree(status, sa).join('; ');
}

/** What both say of the keys in use. */
export function keysText({ status }: Connection): string {
  const { ike, children } = status;
  return `IKE ${ike?.spiI}, ${children.map(({ spiIn, spiOut }) => `CHILD ${spiIn}/${spiOut}`).join(', ')}`;
}

/** Our log of what happened; each line once. */
export async function ourLines(world: World, pattern: RegExp, lines = 400): Promise<readonly string[]> {
  return (await world.client.log(lines)).map(({ text }) => text).filter((text) => pattern.test(text));
}
