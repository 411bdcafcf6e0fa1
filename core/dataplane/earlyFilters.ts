/** The filters of the dataplane's sockets (earlyDrop.ts), made anew whenever SAs, peers or a flood come and go, and what the kernel dropped by them. */
import type { Endpoint } from '../ike/sa/contract.ts';
import { filterSocket, kernelDrops } from '../system/linux/socketFilter.ts';
import { udpOverflows } from '../system/linux/udpOverflows.ts';
import type { DataplaneSocket } from './contract.ts';
import { knownIke } from './counters.ts';
import { earlyDrop, earlyDropIke, type FilteredSa, type Flood, mostIkeInRuns, type Wanted } from './earlyDrop.ts';
import { KernelDrops } from './kernelDrops.ts';

/** Milliseconds that the filters are strict after the lane told of a flood. */
const strictFor = 3_000;
/** From whom runs that begin with no IKE pass on port 500: gateways that are raced. */
const mostPeers = 8;

type Filtered = Pick<DataplaneSocket, 'fd' | 'channel' | 'family'>;

export class EarlyFilters {
  readonly #sas: () => readonly FilteredSa[];
  #sockets: readonly (Filtered & { readonly dropsBefore: number })[] = [];
  /** What the lane told of a flood last, while that holds. */
  #flood: Flood | undefined;
  #floodEnds: NodeJS.Timeout | undefined;
  /** First halves of the initiators' SPIs of IKE SAs that we sent something of or were told of, the latest first. */
  #ike: readonly number[] = [];
  /** Where something was sent to from an `ike` socket, the latest first. */
  #peers: readonly Endpoint[] = [];
  /** Of sockets that were let go. */
  #dropsBefore = 0;
  readonly #drops = new KernelDrops(udpOverflows);

  /** `sas`: those that are installed. */
  constructor(sas: () => readonly FilteredSa[]) {
    this.#sas = sas;
  }

  attach(sockets: readonly Filtered[]): void {
    const added = sockets.map(({ fd, channel, family }) => ({ fd, channel, family, dropsBefore: kernelDrops(fd) }));
    this.#look(); // full queues of before were not theirs
    this.#sockets = [...this.#sockets, ...added];
    this.renew();
  }

  release(fds: readonly number[]): void {
    for (const socket of this.#sockets) if (fds.includes(socket.fd)) this.#dropsBefore += dropsSince(socket);
    this.#sockets = this.#sockets.filter(({ fd }) => !fds.includes(fd));
  }

  /** Tells the kernel whose datagrams are wanted. A kernel that cannot, or too many SAs: the lane then drops it all. */
  renew(): void {
    for (const { fd, channel, family } of this.#sockets)
      this.#programs(channel, family).some((program) => filterSocket(fd, program));
  }

  /** Something is sent there from an `ike` socket. */
  rememberPeer({ address, port }: Endpoint): void {
    if (this.#peers.some((peer) => peer.address === address && peer.port === port)) return;
    this.#peers = [{ address, port }, ...this.#peers].slice(0, mostPeers);
    this.renew();
  }

  /** RFC 7296 §3.1: the first half of the initiator's SPI. Those of long ago are forgotten until something of them is sent again. */
  rememberIke(half: number): void {
    if (this.#ike.slice(0, mostIkeInRuns).includes(half)) return;
    this.#ike = [half, ...this.#ike.filter((older) => older !== half)].slice(0, knownIke);
    this.renew();
  }

  /** For a while; the lane sees enough to tell whether the flood goes on. */
  beStrict(flood: Flood): void {
    clearTimeout(this.#floodEnds);
    this.#floodEnds = setTimeout(() => {
      this.#flood = undefined;
      this.renew();
    }, strictFor).unref();
    this.#flood = flood;
    this.#look();
    this.renew();
  }

  /** What is known of the numbers of an SA with this SPI is of another one. */
  forgetNumbers(spi: number): void {
    if (this.#flood !== undefined) this.#flood = { ...this.#flood, sas: this.#flood.sas.filter((sa) => sa.spi !== spi) };
  }

  drops(): { readonly kernel: number; readonly 'queue-full': number } {
    this.#look();
    return { kernel: this.#drops.filtered, 'queue-full': this.#drops.full };
  }

  #look(): void {
    this.#drops.look(this.#sockets.reduce((sum, socket) => sum + dropsSince(socket), this.#dropsBefore));
  }

  /** Those that will do, the best first: an older kernel may find one too long. */
  #programs(channel: Filtered['channel'], family: 4 | 6): readonly ReturnType<typeof earlyDrop>[] {
    const sas = this.#sas();
    const flood = this.#flood;
    const ike = this.#ike;
    const program = (wanted: Wanted): ReturnType<typeof earlyDrop> =>
      channel === 'ike' ? earlyDropIke(family, this.#peers, wanted) : earlyDrop(family, sas, wanted);
    if (flood === undefined) return [program({ ike })];
    return [2, 1, 0].map((sizes) => program({ ike, flood: { ...flood, sizes: flood.sizes.slice(0, sizes) } }));
  }
}

function dropsSince({ fd, dropsBefore }: { readonly fd: number; readonly dropsBefore: number }): number {
  return (kernelDrops(fd) - dropsBefore) >>> 0;
}
