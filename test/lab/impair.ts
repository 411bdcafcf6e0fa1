/**
 * A bad network: the router sends what it forwards through a TUN device whose program (relay.ts) loses, doubles, delays
 * and reorders packets by a seed. Both directions pass it, and so does everything else between laptop and office.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { addresses, devices } from './addresses.ts';
import type { Namespace } from './namespace.ts';

export interface Impairment {
  /** 0–100, of each packet on its own, in each direction. */
  readonly lossPercent?: number;
  readonly duplicatePercent?: number;
  /** Packets held back until up to three later ones have passed, or 30 ms have. */
  readonly reorderPercent?: number;
  /** Added to every packet, milliseconds. */
  readonly delayMs?: number;
  /** Added at random between 0 and this; reorders too. */
  readonly jitterMs?: number;
  /** Start of the pseudo-random sequence; default 1. */
  readonly seed?: number;
}

const DEVICE = 'impair';
const TABLE = 77;
const PRIORITY = 1000;
const PROGRAM = fileURLToPath(new URL('./relay.ts', import.meta.url));

/** Starts and stops the relay in the router. */
export class Relay {
  readonly #router: Namespace;
  #process: ChildProcess | undefined;

  constructor(router: Namespace) {
    this.#router = router;
  }

  async set(impairment: Impairment): Promise<void> {
    const wanted = Object.entries(impairment).some(([key, value]) => key !== 'seed' && value !== undefined && value > 0);
    if (!wanted) return this.#stop();
    const process = this.#process ?? (await this.#start());
    const settled = answer(process, 'set');
    process.stdin?.write(`${JSON.stringify(impairment)}\n`);
    await settled;
  }

  async #start(): Promise<ChildProcess> {
    const child = this.#router.spawn([process.execPath, PROGRAM, DEVICE], { stdio: ['pipe', 'pipe', 'inherit'] });
    await answer(child, 'ready');
    this.#process = child;
    await this.#router.ip([
      `link set ${DEVICE} addrgenmode none`,
      `link set ${DEVICE} up`,
      `route add default dev ${DEVICE} table ${TABLE}`,
    ]);
    await this.#router.ip([`route add default dev ${DEVICE} table ${TABLE}`], 6);
    // A packet passes the router's hooks twice now. It is tracked (and translated) only between relay and wan.
    await this.#router.must(['nft', '-f', '-'], {
      input: `table inet impair {
        chain prerouting {
          type filter hook prerouting priority raw;
          iifname "${devices.router.lan}" notrack
          iifname "${DEVICE}" ip daddr ${addresses.networks.laptop4} notrack
          iifname "${DEVICE}" ip6 daddr ${addresses.networks.laptop6} notrack
        }
      }\n`,
    });
    await this.#router.ip(rules('add'), 4);
    await this.#router.ip(rules('add'), 6);
    return child;
  }

  async #stop(): Promise<void> {
    const child = this.#process;
    if (child === undefined) return;
    this.#process = undefined;
    await this.#router.ip(rules('del'), 4);
    await this.#router.ip(rules('del'), 6);
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    await this.#router.must(['nft', 'delete', 'table', 'inet', 'impair']);
  }
}

function rules(verb: 'add' | 'del'): string[] {
  return [devices.router.lan, devices.router.wan].map(
    (device) => `rule ${verb} priority ${PRIORITY} iif ${device} lookup ${TABLE}`,
  );
}

/** Resolves when the relay has written the word; rejects when it ends first. */
function answer(child: ChildProcess, word: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onData = (data: Buffer): void => {
      if (!data.toString().includes(word)) return;
      child.off('exit', onExit);
      child.stdout?.off('data', onData);
      resolve();
    };
    const onExit = (code: number | null): void => reject(new Error(`The relay of the lab ended with ${code}.`));
    child.stdout?.on('data', onData);
    child.once('exit', onExit);
  });
}
