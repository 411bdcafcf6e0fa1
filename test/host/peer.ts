/** The other side of `dataplanePeer.ts`: the test's handle on one end of a tunnel in a namespace of its own. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Namespace } from '../lab/namespace.ts';
import type { PeerAnswer, PeerCalls, PeerRequest } from './dataplanePeer.ts';

const peerFile = fileURLToPath(new URL('./dataplanePeer.ts', import.meta.url));

export class Peer {
  readonly namespace: Namespace;
  readonly process: ChildProcess;
  readonly #waiting = new Map<number, (answer: PeerAnswer) => void>();
  #nextId = 1;

  constructor(namespace: Namespace) {
    this.namespace = namespace;
    this.process = namespace.spawn([process.execPath, peerFile], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.process.on('message', (answer: PeerAnswer) => {
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
    this.process.on('exit', (code, signal) => {
      for (const [id, settle] of this.#waiting) settle({ id, error: `the process ended: ${code ?? signal}` });
      this.#waiting.clear();
    });
  }

  call<K extends keyof PeerCalls>(call: K, ...args: Parameters<PeerCalls[K]>): Promise<Awaited<ReturnType<PeerCalls[K]>>> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ value, error }) => {
        if (error !== undefined) reject(new Error(`${call}: ${error}`));
        else resolve(value as Awaited<ReturnType<PeerCalls[K]>>);
      });
      this.process.send({ id, call, args } satisfies PeerRequest);
    });
  }

  async counters(spiIn: number): Promise<Record<string, number>> {
    const counters = await this.call('counters', spiIn);
    assert.ok(counters);
    return counters;
  }

  async ping(address: string, ...options: string[]): Promise<boolean> {
    const { code } = await this.namespace.exec(['ping', '-c', '3', '-i', '0.05', '-W', '2', ...options, address]);
    return code === 0;
  }

  /** Sends datagrams that are no tunnel's from an ordinary socket. */
  async throwAt(address: string, port: number, datagrams: readonly string[], times = 1): Promise<void> {
    const script = `
      const [address, port, times, ...datagrams] = process.argv.slice(1);
      const socket = require('node:dgram').createSocket('udp4');
      (async () => {
        for (let i = 0; i < Number(times); i++)
          for (const hex of datagrams)
            await new Promise((done) => socket.send(Buffer.from(hex, 'hex'), Number(port), address, done));
        socket.close();
      })();`;
    await this.namespace.must([process.execPath, '-e', script, address, String(port), String(times), ...datagrams]);
  }

  async end(): Promise<number | null> {
    const exit = once(this.process, 'exit');
    await this.call('stop');
    const [code] = await exit;
    return code;
  }
}

/** Until `probe` says true; the limit is only for the case that it never does. */
export async function until(probe: () => Promise<boolean>, what: string): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (await probe()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.fail(`in vain: ${what}`);
}
