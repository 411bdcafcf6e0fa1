/**
 * What crossed the laptop's physical link. tcpdump (AF_PACKET) writes every frame of the link but the ESP packets of the tunnel itself:
 * those alone are sorted out in the kernel, by their addresses, port and non-zero SPI, because at full speed they would drown the rest.
 * Everything it wrote is judged here. IKE stays in the file on purpose: a capture without it was not on the right link.
 */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { equalBytes } from '../../../core/bytes/bytes.ts';
import type { Namespace } from '../namespace.ts';
import { type CapturedFrame, readPcap } from './pcap.ts';

export type FrameKind = 'ike' | 'esp' | 'neighbour-discovery' | 'leak';

const ETHERTYPE = { IPV4: 0x0800, ARP: 0x0806, IPV6: 0x86dd } as const;
const UDP = 17;
const ICMPV6 = 58;
/** RFC 4861 §4: router and neighbour solicitations, advertisements and redirect. */
const ND_FIRST = 133;
const ND_LAST = 137;
const ETHERNET_HEADER = 14;

/** What one frame is. `gateway` is the office's outer address, 4 or 16 octets. */
export function classify(frame: Uint8Array, gateway: Uint8Array): FrameKind {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < ETHERNET_HEADER) return 'leak';
  const type = view.getUint16(12);
  if (type === ETHERTYPE.ARP) return 'neighbour-discovery';
  const packet = frame.subarray(ETHERNET_HEADER);
  if (type === ETHERTYPE.IPV4) return classifyIpv4(packet, gateway);
  if (type === ETHERTYPE.IPV6) return classifyIpv6(packet, gateway);
  return 'leak';
}

function classifyIpv4(packet: Uint8Array, gateway: Uint8Array): FrameKind {
  if (packet.length < 20) return 'leak';
  const headerOctets = ((packet[0] as number) & 0x0f) * 4;
  // A fragment other than the first shows no ports, so nobody can say that it is ours.
  const fragmentOffset = (((packet[6] as number) & 0x1f) << 8) | (packet[7] as number);
  if (packet[9] !== UDP || fragmentOffset !== 0) return 'leak';
  const toOrFrom = equalBytes(packet.subarray(12, 16), gateway) || equalBytes(packet.subarray(16, 20), gateway);
  return toOrFrom ? classifyUdp(packet.subarray(headerOctets)) : 'leak';
}

function classifyIpv6(packet: Uint8Array, gateway: Uint8Array): FrameKind {
  if (packet.length < 40) return 'leak';
  const next = packet[6];
  if (next === ICMPV6) {
    const type = packet[40] ?? 0;
    return type >= ND_FIRST && type <= ND_LAST ? 'neighbour-discovery' : 'leak';
  }
  const toOrFrom = equalBytes(packet.subarray(8, 24), gateway) || equalBytes(packet.subarray(24, 40), gateway);
  return next === UDP && toOrFrom ? classifyUdp(packet.subarray(40)) : 'leak';
}

function classifyUdp(datagram: Uint8Array): FrameKind {
  if (datagram.length < 9) return 'leak';
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  const ports = [view.getUint16(0), view.getUint16(2)];
  if (ports.includes(500)) return 'ike';
  if (!ports.includes(4500)) return 'leak';
  if (view.getUint16(4) === 9 && datagram[8] === 0xff) return 'esp'; // RFC 3948 §2.3: NAT keepalive
  if (datagram.length < 12) return 'leak';
  return view.getUint32(8) === 0 ? 'ike' : 'esp'; // RFC 3948 §2.2: the non-ESP marker
}

export interface LeakReport {
  /** Frames between the two instants that are neither IKE, ESP nor neighbour discovery. */
  readonly leaks: number;
  /** The first few of them, for people: octets in hex. */
  readonly examples: readonly string[];
  /** When the first IKE_SA_INIT request left, milliseconds since the epoch. */
  readonly firstIkeAt: number | undefined;
  readonly counted: Readonly<Record<FrameKind, number>>;
}

/** Judges the frames with `from <= at <= until`; instants in milliseconds since the epoch. */
export function judge(frames: readonly CapturedFrame[], gateway: Uint8Array, from: number, until: number): LeakReport {
  const counted: Record<FrameKind, number> = { ike: 0, esp: 0, 'neighbour-discovery': 0, leak: 0 };
  const examples: string[] = [];
  let firstIkeAt: number | undefined;
  for (const frame of frames) {
    const kind = classify(frame.bytes, gateway);
    if (kind === 'ike') firstIkeAt ??= frame.at;
    if (frame.at < from || frame.at > until) continue;
    counted[kind]++;
    if (kind === 'leak' && examples.length < 8) examples.push(Buffer.from(frame.bytes.subarray(0, 96)).toString('hex'));
  }
  return { leaks: counted.leak, examples, firstIkeAt, counted };
}

export interface LinkCapture {
  /** Ends tcpdump and reads its file. Throws when the kernel dropped frames: then nobody knows what crossed the link. */
  finish(): Promise<readonly CapturedFrame[]>;
}

/** Starts listening on a link; resolves when tcpdump says that it does. */
export async function captureLink(namespace: Namespace, device: string, gateway: string, file: string): Promise<LinkCapture> {
  if (spawnSync('tcpdump', ['--version']).error !== undefined)
    throw new Error('tcpdump is not installed: apt-get install tcpdump');
  const tunnel = `(host ${gateway} and udp port 4500 and udp[8:4] != 0)`;
  const options = ['-i', device, '-n', '-s', '256', '-B', '16384', '--immediate-mode', '-U', '-Z', 'root', '-w', file];
  const child = namespace.spawn(['tcpdump', ...options, `not ${tunnel}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  while (!said.includes('listening on')) {
    if (child.exitCode !== null || child.stderr === null) throw new Error(`tcpdump ended: ${said}`);
    await Promise.race([once(child.stderr, 'data'), once(child, 'exit')]);
  }
  return { finish: () => finish(child, file, () => said) };
}

async function finish(child: ChildProcess, file: string, said: () => string): Promise<readonly CapturedFrame[]> {
  if (child.exitCode === null) {
    const closed = once(child, 'close');
    child.kill('SIGINT');
    await closed;
  }
  const dropped = /(\d+) packets? dropped by kernel/.exec(said());
  if (dropped === null || dropped[1] !== '0') throw new Error(`the capture is not complete: ${said().trim()}`);
  return readPcap(readFileSync(file));
}
