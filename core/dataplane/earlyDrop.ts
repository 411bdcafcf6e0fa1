/**
 * What the kernel drops in our stead, before it takes room in the socket's queue and time of the lane: a flood that fills the queue pushes
 * genuine packets out. A classic BPF program (linux/filter.h) on the `natt` socket, made anew when SAs come and go. It passes more than the
 * lane does, never less: nothing that it drops could be IKE or belong to an SA of ours.
 *
 * Several datagrams of one sender may come as one run (UDP_GRO), and the program sees the first one's octets. Somebody who writes the
 * gateway's address on his packets could put garbage in front of genuine ones, so runs that come from the address of a peer pass as they
 * are; those of anybody else are judged by the first. Only while such runs come faster than the lane can tell them apart, and genuine
 * ones are lost in the full queue anyway, are all judged by the first (`strict`).
 */
import { parseAddress } from '../bytes/address.ts';
import type { Endpoint } from '../ike/sa/contract.ts';
import type { FilterInstruction } from '../system/linux/socketFilter.ts';

export interface FilteredSa {
  /** Host-order SPI that we receive on. */
  readonly spi: number;
  readonly remote: Endpoint;
}

/** Jumps are octets, so there is an end; beyond it the lane does it all. A client has two SAs at the very most, while one replaces the other. */
const mostSas = 24;
/** More octets than one datagram has on any link we know: a run. */
const longestSingle = 9000;
const udpHeader = 8;

/** For a socket of this family; undefined when there are too many SAs: then everything passes. */
export function earlyDrop(family: 4 | 6, sas: readonly FilteredSa[], strict = false): readonly FilterInstruction[] | undefined {
  if (sas.length > mostSas) return undefined;
  const spis = [...new Set(sas.map(({ spi }) => spi))];
  const program: FilterInstruction[] = [
    load(length),
    // SPI and sequence number, or marker and four more octets. What is shorter is a keepalive (RFC 3948 §2.3) or nothing.
    jump(atLeast, udpHeader + 8, 1, 0),
    ret(0),
    load(word, udpHeader),
    jump(equal, 0, 0, 1), // RFC 3948 §2.2: the non-ESP marker
    ret(all),
    ...spis.flatMap((spi) => [jump(equal, spi, 0, 1), ret(all)]),
    load(length),
    jump(atLeast, udpHeader + longestSingle, 1, 0),
    ret(0),
  ];
  for (const { remote } of strict ? [] : sas) program.push(...passFrom(family, remote));
  program.push(ret(0));
  return program;
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
const length = 0x80; // BPF_LD | BPF_W | BPF_LEN, the UDP header included
const equal = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const atLeast = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const all = 0xffffffff;
/** SKF_NET_OFF (linux/filter.h): offsets from here are from the IP header; all others are from the UDP header. */
const networkHeader = -0x100000;

function load(code: number, offset = 0): FilterInstruction {
  return { code, yes: 0, no: 0, value: offset >>> 0 };
}

function jump(code: number, value: number, yes: number, no: number): FilterInstruction {
  return { code, yes, no, value };
}

/** Octets that pass; 0 drops. */
function ret(octets: number): FilterInstruction {
  return { code: 0x06, yes: 0, no: 0, value: octets };
}
