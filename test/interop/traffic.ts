/** What goes on while keys change: a ping every 20 ms and numbered datagrams both ways, and what of it was lost by whom. */
import assert from 'node:assert/strict';
import { addedDrops, type Drops, kernelDrops } from '../lab/drops.ts';
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
  readonly #dropsBefore: Drops;

  private constructor(
    world: World,
    endStream: () => Promise<StreamResult>,
    pinging: { readonly stop: () => void; readonly said: Promise<string> },
    dropsBefore: Drops,
  ) {
    this.#world = world;
    this.#endStream = endStream;
    this.#pinging = pinging;
    this.#dropsBefore = dropsBefore;
  }

  static async start(world: World, rate: Rate = gentle): Promise<Traffic> {
    const { laptop, addresses } = world.lab;
    const before = await kernelDrops(placesOf(world));
    const stream = await startStream(laptop, addresses.intranet.web4, rate);
    const pinging = startPing(laptop, addresses.intranet.web4);
    // Of a case that fails, nothing goes on.
    world.atEnd(() => {
      stream.kill();
      pinging.stop();
    });
    return new Traffic(world, stream.end, pinging, before);
  }

  async end(): Promise<Carried> {
    const result = await this.#endStream();
    this.#pinging.stop();
    const said = await this.#pinging.said;
    const drops = addedDrops(this.#dropsBefore, await kernelDrops(placesOf(this.#world)));
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

/** Where packets of the tunnel pass. */
function placesOf({ lab: { laptop, office, intranet } }: World): Parameters<typeof kernelDrops>[0] {
  return { laptop, office, intranet };
}
