/**
 * What the kernel drops in our stead, before it takes room in the socket's queue and time of the lane: a flood that fills the queue pushes
 * genuine packets out. A classic BPF program (linux/filter.h) on each socket, made anew when SAs come and go. It passes more than the
 * lane does, never less: nothing that it drops could be IKE of somebody we talk to or belong to an SA of ours.
 *
 * IKE is known by the initiator's SPI, which is the same in both directions for as long as the SA lives, whatever the message is: a fragment, a
 * request of the gateway, an answer to IKE_SA_INIT, or one of a gateway that speaks IKEv1 only, which the user is to be told of. Of all
 * others it passes what says that it is IKEv2, and in a flood nothing.
 *
 * Several datagrams of one sender may come as one run (UDP_GRO), and the program sees it as a whole. Somebody who writes the gateway's
 * address on his packets could put garbage in front of genuine ones, so runs that come from the address of a peer pass as they are; those of
 * anybody else are judged by the first. On `ike` sockets all passes that comes from where we sent something.
 *
 * In a flood (floodWatch.ts) also what names an SA of ours is judged, by its sequence number: what is left of the replay window is a replay
 * whatever else it is, and no number of a genuine packet is millions ahead. A run, whoever sent it, is dropped when none of its datagrams
 * passes. Where they begin the program knows by the sizes that the lane has seen in such runs; one of another size is judged by its
 * first datagram. One of 64 of what would be dropped passes all the same: it tells the lane that the flood goes on, of what size it is, and
 * whether the peer's numbers did jump.
 */
import { parseAddress } from '../bytes/address.ts';
import { nearNumbers } from '../esp/inbound.ts';
import type { Endpoint } from '../ike/sa/contract.ts';
import type { FilterInstruction } from '../system/linux/socketFilter.ts';

export interface FilteredSa {
  /** Host-order SPI that we receive on. */
  readonly spi: number;
  readonly remote: Endpoint;
}

/** What the lane tells of one. */
export interface Flood {
  /** Octets of each datagram in runs that begin with one that is to be dropped. */
  readonly sizes: readonly number[];
  /** The least number that each SA's replay window has; it only grows. */
  readonly sas: readonly { readonly spi: number; readonly first: number }[];
}

/** What a program is made of. */
export interface Wanted {
  /** First halves of the initiators' SPIs of IKE SAs that we know, the latest first: more than anybody guesses who does not see our messages. */
  readonly ike: readonly number[];
  readonly flood?: Flood;
  /** Whether one of 64 passes in a flood; default true. */
  readonly sample?: boolean;
}

/** Jumps are octets, so there is an end; beyond it the lane does it all. A client has two SAs at the very most, while one replaces the other. */
export const mostSas = 24;
/** The same for runs that are taken apart: each datagram is compared with each SA, IKE among them only with the latest. */
const mostSasInRuns = 8;
export const mostIkeInRuns = 8;
/** More octets than one datagram has on any link we know: a run. */
const longestSingle = 9000;
/** Of a run that the kernel joins, and UDP's most octets. */
const mostSegments = 64;
const mostOctets = 65_507;
const udpHeader = 8;
/** One of so many that would be dropped in a flood passes. */
export const sampled = 64;

/** For a `natt` socket of this family; undefined when there are too many SAs: then everything passes. */
export function earlyDrop(
  family: 4 | 6,
  sas: readonly FilteredSa[],
  { ike, flood, sample = true }: Wanted,
): readonly FilterInstruction[] | undefined {
  if (sas.length > mostSas) return undefined;
  const spis = [...new Set(sas.map(({ spi }) => spi))];
  const program: FilterInstruction[] = [
    load(length),
    // SPI and sequence number, or marker and four more octets. What is shorter is a keepalive (RFC 3948 §2.3) or nothing.
    jump(atLeast, udpHeader + 8, 1, 0),
    ret(0),
    ...passOurs(udpHeader, spis, ike, flood),
  ];
  if (flood !== undefined) {
    if (sample) program.push(...passSample());
    if (spis.length > mostSasInRuns) return [...program, ret(0)];
    const latest = ike.slice(0, mostIkeInRuns);
    return [...program, ...passMixed(flood, (at) => passOurs(at, spis, latest, flood)), ret(0)];
  }
  program.push(load(length), jump(atLeast, udpHeader + longestSingle, 1, 0), ret(0));
  for (const { remote } of sas) program.push(...passFrom(family, remote));
  program.push(ret(0));
  return program;
}

/** For an `ike` socket of this family; `peers` are those that we sent something to. */
export function earlyDropIke(
  family: 4 | 6,
  peers: readonly Endpoint[],
  { ike, flood, sample = true }: Wanted,
): readonly FilterInstruction[] {
  const program = passIke(udpHeader, ike, flood !== undefined, 0);
  if (flood === undefined) return [...program, ...peers.flatMap((peer) => passFrom(family, peer)), ret(0)];
  if (sample) program.push(...passSample());
  const latest = ike.slice(0, mostIkeInRuns);
  return [...program, ...passMixed(flood, (at) => passIke(at, latest, true, 0)), ret(0)];
}

function passSample(): readonly FilterInstruction[] {
  return [load(word, random), jump(atLeast, Math.ceil(2 ** 32 / sampled), 1, 0), ret(all)];
}

/** Passes when the datagram that begins there is IKE or of an SA of ours; goes on otherwise. */
function passOurs(
  at: number,
  spis: readonly number[],
  ike: readonly number[],
  flood: Flood | undefined,
): readonly FilterInstruction[] {
  let steps = [skip(1), ret(all)];
  for (const spi of spis) {
    const known = flood?.sas.find((sa) => sa.spi === spi);
    const pass = steps.length - 1;
    // Behind the number's comparison no other SPI is equal, unless the number happens to be: then it passes.
    steps =
      known === undefined
        ? [jump(equal, spi, pass, 0), ...steps]
        : [jump(equal, spi, 0, 3), load(word, at + 4), subtract(known.first), jump(atLeast, nearNumbers, 0, pass), ...steps];
  }
  const message = passIke(at + 4, ike, flood !== undefined, steps.length);
  return [load(word, at), jump(equal, 0, 0, message.length), ...message, ...steps]; // RFC 3948 §2.2: the non-ESP marker
}

/** Passes when the IKE message that begins there is of an SA that we know or, unless `strict`, says that it is IKEv2; otherwise goes on so many further. */
function passIke(at: number, ike: readonly number[], strict: boolean, further: number): FilterInstruction[] {
  const others = [skip(1 + further), ret(all)];
  // RFC 7296 §2.5: whatever its minor version. A load beyond the end drops what is no header.
  if (!strict) others.unshift(load(octet, at + version), and(0xf0), jump(equal, 0x20, 1, 0));
  if (ike.length === 0) return others;
  const known = ike.map((half, i) => jump(equal, half, ike.length - 1 - i + others.length - 1, 0));
  return [load(word, at), ...known, ...others];
}

/** Passes a run of datagrams of a size that was seen when one behind its first does (`look`, of eight octets); goes on otherwise, or drops it. */
function passMixed({ sizes }: Flood, look: (at: number) => readonly FilterInstruction[]): readonly FilterInstruction[] {
  return sizes.flatMap((size, which) => {
    const looks: FilterInstruction[][] = [];
    let behind = 0;
    for (let i = Math.min(mostSegments, Math.floor(mostOctets / size)) - 1; i > 0; i--) {
      const at = udpHeader + i * size;
      const one = [...look(at)];
      // A load beyond the run's end drops it, which is right for the last size.
      if (which < sizes.length - 1) one.unshift(load(length), jump(atLeast, at + 8, 1, 0), skip(one.length + behind));
      behind += one.length;
      looks.unshift(one);
    }
    return looks.flat();
  });
}

/** Passes what comes from there; goes on otherwise. */
function passFrom(family: 4 | 6, { address, port }: Endpoint): FilterInstruction[] {
  const octets = parseAddress(address);
  if (octets === undefined || octets.length !== (family === 4 ? 4 : 16)) return [];
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const source = networkHeader + (family === 4 ? 12 : 8); // RFC 791 §3.1, RFC 8200 §3
  const words = octets.length / 4;
  const steps = [load(halfWord, 0), jump(equal, port, 0, 2 * words + 1)];
  for (let i = 0; i < words; i++) {
    steps.push(load(word, source + 4 * i), jump(equal, view.getUint32(4 * i), 0, 2 * (words - 1 - i) + 1));
  }
  return [...steps, ret(all)];
}

// linux/bpf_common.h: class | size | mode.
const word = 0x20; // BPF_LD | BPF_W | BPF_ABS
const halfWord = 0x28; // BPF_LD | BPF_H | BPF_ABS
const octet = 0x30; // BPF_LD | BPF_B | BPF_ABS
const length = 0x80; // BPF_LD | BPF_W | BPF_LEN, the UDP header included
const equal = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const atLeast = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const all = 0xffffffff;
/** Where the version is in an IKE header (RFC 7296 §3.1). */
const version = 17;
/** SKF_NET_OFF (linux/filter.h): offsets from here are from the IP header; all others are from the UDP header. */
const networkHeader = -0x100000;
/** SKF_AD_OFF + SKF_AD_RANDOM: any number of 32 bits. */
const random = -0x1000 + 56;

function load(code: number, offset = 0): FilterInstruction {
  return { code, yes: 0, no: 0, value: offset >>> 0 };
}

function jump(code: number, value: number, yes: number, no: number): FilterInstruction {
  return { code, yes, no, value };
}

function skip(instructions: number): FilterInstruction {
  return { code: 0x05, yes: 0, no: 0, value: instructions };
}

/** Modulo 2^32. */
function subtract(value: number): FilterInstruction {
  return { code: 0x14, yes: 0, no: 0, value };
}

function and(value: number): FilterInstruction {
  return { code: 0x54, yes: 0, no: 0, value };
}

/** Octets that pass; 0 drops. */
function ret(octets: number): FilterInstruction {
  return { code: 0x06, yes: 0, no: 0, value: octets };
}
