/**
 * Throughput of one TCP stream through the tunnel while somebody floods the laptop's socket as fast as one process can send (runs of
 * UDP_SEGMENT, several per system call: millions of datagrams a second). The sender itself takes a processor from tunnel and iperf3, which a
 * flood from outside would not, so each measurement is held against one in which the same sender floods a port that nobody has; the plain
 * ratio, against no flood at all, is told beside it.
 */
import { FloodScene, inside } from '../host/floodScene.ts';
import type { BenchOptions, Figure } from './figure.ts';
import { rounded } from './figure.ts';
import { iperf, Samples, startIperf } from './support.ts';

const BAR = 0.7;
/** discard, which nobody serves. */
const NOBODY = 9;
/** IKE's own port, which carries no ESP. */
const IKE = 500;
/** From anybody, and under the office's address. Those with our SPI can only be of somebody who sees our packets. */
const CASES: readonly (readonly [kind: string, spoofed: boolean, port?: number])[] = [
  ['random', false],
  ['random', true],
  ['unknown-spi', false],
  ['unknown-spi', true],
  ['keepalive', false],
  ['ike', false],
  ['ike-strangers', false],
  ['ike-strangers', true],
  ['ike-strangers-small', false],
  ['zeros', false],
  ['zeros', true],
  ['zeros-small', false],
  ['random', false, IKE],
  ['zeros-small', false, IKE],
  ['replay', true],
  ['bad-icv', true],
  ['bad-icv-small', true],
];

export async function benchFlood({ rounds, seconds, say }: BenchOptions): Promise<readonly Figure[]> {
  const scene = await FloodScene.create({ suite: 'aes256gcm16' });
  try {
    await startIperf(scene.office.namespace);
    const samples = new Samples();
    await down(scene, seconds);
    for (let round = 1; round <= rounds; round++) {
      for (const [kind, spoofed, port] of CASES) {
        const name = nameOf(kind, spoofed, port);
        const calm = await down(scene, seconds);
        const beside = await during(scene, kind, spoofed, NOBODY, seconds);
        const under = await during(scene, kind, spoofed, port, seconds);
        samples.add(`${name} calm`, calm);
        samples.add(`${name} beside`, beside.value);
        samples.add(`${name} under`, under.value);
        samples.add(`${name} rate`, under.rate);
        const told = `${calm.toFixed(2)}, beside ${beside.value.toFixed(2)}, under it ${under.value.toFixed(2)} Gbit/s`;
        say(`flood ${round}/${rounds} ${name}: ${told}, ${under.rate.toFixed(2)} million a second`);
      }
    }
    return CASES.map(([kind, spoofed, port]) => {
      const name = nameOf(kind, spoofed, port);
      return {
        suite: 'flood',
        case: name,
        value: rounded(samples.ratio(`${name} under`, `${name} beside`)),
        unit: 'ratio',
        atLeast: BAR,
        detail: {
          'without any flood': rounded(samples.ratio(`${name} under`, `${name} calm`)),
          'Gbit/s': rounded(samples.median(`${name} under`)),
          'million datagrams/s': rounded(samples.median(`${name} rate`)),
        },
      };
    });
  } finally {
    for (const peer of [scene.laptop, scene.office]) peer.process.kill('SIGKILL');
    await scene.close();
  }
}

const nameOf = (kind: string, spoofed: boolean, port?: number): string =>
  `${kind}${spoofed ? '-from-office' : ''}${port === undefined ? '' : `-upon-${port}`}`;

/** Gbit/s while the flood goes on, and how many millions of datagrams a second that is. */
async function during(
  scene: FloodScene,
  kind: string,
  spoofed: boolean,
  port: number | undefined,
  seconds: number,
): Promise<{ readonly value: number; readonly rate: number }> {
  const flood = await scene.flood(kind, spoofed, port);
  // A stream that the flood breaks carried nothing.
  const value = await down(scene, seconds).catch(() => 0);
  const report = await flood.stop();
  await scene.laptop.call('ike'); // nobody keeps them
  if ((await scene.laptop.call('failures')).length > 0) throw new Error(`a thread ended under ${kind}`);
  return { value, rate: report.datagrams / report.seconds / 1e6 };
}

/** The direction of the flood. */
function down(scene: FloodScene, seconds: number): Promise<number> {
  return iperf(scene.laptop.namespace, inside.office4, { direction: 'down', amount: { seconds } });
}
