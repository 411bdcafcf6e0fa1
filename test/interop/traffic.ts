/** What goes on while keys change: a ping every 20 ms and numbered datagrams both ways, and what of it was lost by whom. */
import assert from 'node:assert/strict';
import type { Namespace } from '../lab/namespace.ts';
import { type StreamCount, type StreamResult, startStream } from '../lab/stream.ts';
import type { World } from './world.ts';

export interface Carried extends StreamResult {
  readonly pings: { readonly sent: number; readonly lost: number };
  /** Dropped by kernels in full queues of sockets and devices: the gateway's, or of programs here. Not ours. */
  readonly kernels: number;
  readonly text: string;
}

export interface Rate {
  readonly perSecond: number;
  readonly octets: number;
}

/** About 0.4 Mbit/s each way: nothing that a busy machine could not carry. */
export const gentle: Rate = { perSecond: 200, octets: 200 };
/** 25 Mbit/s each way, 50 in all. */
export const bulk: Rate = { perSecond: 2_600, octets: 1_200 };
/** strongSwan's own replay window, the smaller one. */
const WINDOW = 32;

export class Traffic {
  readonly #world: World;
  readonly #endStream: () => Promise<StreamResult>;
  readonly #pinging: { readonly stop: () => void; readonly said: Promise<string> };
  readonly #dropsBefore: ReadonlyMap<string, number>;

  private constructor(
    world: World,
    endStream: () => Promise<StreamResult>,
    pinging: { readonly stop: () => void; readonly said: Promise<string> },
    dropsBefore: ReadonlyMap<string, number>,
  ) {
    this.#world = world;
    this.#endStream = endStream;
    this.#pinging = pinging;
    this.#dropsBefore = dropsBefore;
  }

  static async start(world: World, rate: Rate = gentle): Promise<Traffic> {
    const { laptop, addresses } = world.lab;
    const before = await kernelDrops(world);
    const endStream = await startStream(laptop, addresses.intranet.web4, rate);
    return new Traffic(world, endStream, startPing(laptop, addresses.intranet.web4), before);
  }

  async end(): Promise<Carried> {
    const result = await this.#endStream();
    this.#pinging.stop();
    const said = await this.#pinging.said;
    const drops = since(this.#dropsBefore, await kernelDrops(this.#world));
    const kernels = drops.reduce((sum, [, count]) => sum + count, 0);
    const answered = new Set([...said.matchAll(/icmp_seq=(\d+)/g)].map(([, number]) => Number(number)));
    // The last ones are under way when it is told to end.
    const sent = Math.max(0, ...answered);
    const pings = { sent, lost: sent - answered.size };
    const text = [
      `pings ${pings.lost} of ${pings.sent} lost`,
      `up ${streamText(result.up)}`,
      `down ${streamText(result.down)}`,
      ...drops.map(([place, count]) => `${count} dropped by the full queue of ${place}`),
    ].join(', ');
    return { ...result, pings, kernels, text };
  }

  /** Nothing lost but in full queues, nothing too late for the smaller replay window. */
  async endWhole(): Promise<string> {
    const carried = await this.end();
    const { pings, up, down, kernels, text } = carried;
    const lost = missing(up) + missing(down) + pings.lost;
    assert.ok(lost <= kernels, `${lost} lost: ${text}`);
    for (const { farthest, duplicates, sent } of [up, down]) {
      assert.ok(farthest <= WINDOW, `${farthest} out of order: ${text}`);
      assert.equal(duplicates, 0, text);
      assert.ok(sent > 0, text);
    }
    return text;
  }
}

function missing({ sent, received }: StreamCount): number {
  return sent - received;
}

function streamText(count: StreamCount): string {
  const late = count.late > 0 ? `, ${count.late} late by up to ${count.farthest}` : '';
  return `${missing(count)} of ${count.sent} lost${late}, longest gap ${count.gap} ms`;
}

function startPing(from: Namespace, address: string): { readonly stop: () => void; readonly said: Promise<string> } {
  const child = from.spawn(['ping', '-n', '-i', '0.02', address], { stdio: ['ignore', 'pipe', 'ignore'] });
  let said = '';
  child.stdout?.on('data', (data: Buffer) => {
    said += data.toString();
  });
  const over = new Promise<string>((resolve) => child.once('close', () => resolve(said)));
  return { stop: () => void child.kill('SIGINT'), said: over };
}

/** Of all UDP sockets and devices in the namespaces where packets of the tunnel pass, by place. */
async function kernelDrops({ lab }: World): Promise<ReadonlyMap<string, number>> {
  const { laptop, office, intranet } = lab;
  const places = await Promise.all(Object.entries({ laptop, office, intranet }).map(dropsIn));
  return new Map(places.flat());
}

async function dropsIn([where, namespace]: readonly [string, Namespace]): Promise<[string, number][]> {
  const [sockets, devices] = await Promise.all([
    namespace.must(['cat', '/proc/net/snmp', '/proc/net/snmp6']),
    namespace.must(['cat', '/proc/net/dev']),
  ]);
  // SO_RCVBUF was full: `Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors …`, names in one line and values in the next.
  const [names = '', values = ''] = sockets.split('\n').filter((line) => line.startsWith('Udp:'));
  const v4 = Number(values.split(' ')[names.split(' ').indexOf('RcvbufErrors')] ?? 0);
  const v6 = Number(/Udp6RcvbufErrors\s+(\d+)/.exec(sockets)?.[1] ?? 0);
  const found: [string, number][] = [[`${where}'s sockets`, v4 + v6]];
  for (const line of devices.split('\n').slice(2)) {
    const [name = '', fields = ''] = line.split(':');
    const numbers = fields.trim().split(/\s+/).map(Number);
    found.push([`${where}'s ${name.trim()}`, (numbers[3] ?? 0) + (numbers[11] ?? 0)]);
  }
  return found;
}

/** What was added meanwhile; devices come and go. */
function since(before: ReadonlyMap<string, number>, now: ReadonlyMap<string, number>): readonly (readonly [string, number])[] {
  return [...now].map(([place, count]) => [place, count - (before.get(place) ?? 0)] as const).filter(([, count]) => count > 0);
}
