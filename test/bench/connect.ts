/**
 * How long a connection takes: ours from IKE_SA_INIT sent (seen on the laptop's link) to the first inner packet answered, against
 * the duration of `swanctl --initiate` of a strongSwan client. Same laptop, NAT, gateway and algorithms, in turn.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { World } from '../interop/world.ts';
import { addresses } from '../lab/addresses.ts';
import type { Namespace } from '../lab/namespace.ts';
import { CHILD, CONNECTION, clientConfig, StrongSwan } from '../lab/strongswan.ts';
import type { BenchOptions, Figure } from './figure.ts';
import { median } from './support.ts';

const ROUNDS = 20;
const BAR = 1.5;
const IKE = 'aes256gcm16-prfsha384-x25519';
const ESP = 'aes256gcm16';

export async function benchConnect({ say }: BenchOptions): Promise<readonly Figure[]> {
  const world = await World.create();
  const { laptop } = world.lab;
  // Any free ports: 500 and 4500 are our client's.
  const rival = await StrongSwan.start(laptop, { port: 0, port_nat_t: 0 });
  try {
    await world.configure({ ikeProposals: IKE, espProposals: ESP });
    await rival.load(
      clientConfig({
        remote: addresses.office.wan4,
        ikeProposals: IKE,
        espProposals: ESP,
        localId: 'alice@office.test',
        gatewayId: addresses.names.gateway,
        secret: 'correct horse battery staple 17',
        remoteTs: [addresses.networks.office4, addresses.networks.office6],
        virtualIps: ['0.0.0.0', '::'],
      }),
    );
    const ours: number[] = [];
    const theirs: number[] = [];
    const theirsOnTheLink: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const watch = await Watch.start(laptop);
      await world.connect();
      ours.push(await watch.milliseconds());
      await world.disconnect();

      const other = await Watch.start(laptop);
      const started = performance.now();
      const initiated = await rival.initiate(CHILD);
      theirs.push(performance.now() - started);
      if (initiated.code !== 0) throw new Error(`swanctl --initiate: ${initiated.stdout}`);
      theirsOnTheLink.push(await other.milliseconds());
      await rival.terminate({ ike: CONNECTION });
      say(`connect ${round + 1}/${ROUNDS}: ours ${last(ours)} ms, swanctl --initiate ${last(theirs)} ms`);
    }
    const ratio = median(ours) / median(theirs);
    return [
      {
        suite: 'connect',
        case: 'connect-ratio',
        value: Number(ratio.toFixed(3)),
        unit: 'ratio',
        atMost: BAR,
        detail: {
          rounds: ROUNDS,
          oursMs: Number(median(ours).toFixed(2)),
          swanctlInitiateMs: Number(median(theirs).toFixed(2)),
          // The same interval for both, for who wonders about the cost of starting swanctl.
          strongswanSameIntervalMs: Number(median(theirsOnTheLink).toFixed(2)),
        },
      },
    ];
  } finally {
    await rival.stop();
    await world.close();
  }
}

/** Sees the first IKE message go out and the first echo answer come in. Pings are sent all the time, one each millisecond. */
class Watch {
  readonly #tcpdump: ChildProcess;
  readonly #ping: ChildProcess;
  #text = '';

  private constructor(tcpdump: ChildProcess, ping: ChildProcess) {
    this.#tcpdump = tcpdump;
    this.#ping = ping;
  }

  static async start(laptop: Namespace): Promise<Watch> {
    const filter = 'udp dst port 500 or (icmp and icmp[icmptype] == icmp-echoreply)';
    const argv = ['tcpdump', '-Z', 'root', '-n', '-tt', '-l', '--immediate-mode', '-i', 'any', filter];
    const tcpdump = laptop.spawn(argv, { stdio: ['ignore', 'pipe', 'pipe'] });
    await new Promise<void>((resolve, reject) => {
      tcpdump.stderr?.on('data', (data: Buffer) => data.toString().includes('listening on') && resolve());
      tcpdump.once('exit', (code) => reject(new Error(`tcpdump ended with ${code}`)));
    });
    const ping = laptop.spawn(['ping', '-n', '-q', '-i', '0.001', addresses.intranet.web4], { stdio: 'ignore' });
    const watch = new Watch(tcpdump, ping);
    tcpdump.stdout?.on('data', (data: Buffer) => {
      watch.#text += data.toString();
    });
    return watch;
  }

  /** From the first IKE message to the first answer, whose coming it awaits. Ends the watch. */
  async milliseconds(): Promise<number> {
    while (answered(this.#text) === undefined) await once(this.#tcpdump.stdout ?? this.#tcpdump, 'data');
    const end = answered(this.#text) ?? 0;
    await Promise.all([this.#ping, this.#tcpdump].map(ended));
    const begin = /^([\d.]+) .*\.500: isakmp/m.exec(this.#text);
    if (begin === null) throw new Error(`no IKE message seen:\n${this.#text.slice(0, 1_000)}`);
    return Number(((end - Number(begin[1])) * 1000).toFixed(3));
  }
}

/** Seconds since the epoch. */
function answered(text: string): number | undefined {
  const answer = /^([\d.]+) .*ICMP echo reply.*\n/m.exec(text);
  return answer === null ? undefined : Number(answer[1]);
}

async function ended(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

function last(values: readonly number[]): string {
  return (values.at(-1) ?? 0).toFixed(1);
}
