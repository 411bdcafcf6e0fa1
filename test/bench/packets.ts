/**
 * Small UDP packets, so many per system call that neither the sender nor the receiver is what is measured:
 *
 *   node test/bench/packets.ts receive PORT OCTETS MILLISECONDS                        prints `ready`, then one JSON line of PacketCount
 *   node test/bench/packets.ts send HOST PORT OCTETS MILLISECONDS PER_SECOND RUN       prints the number sent
 *
 * A run is what the program gives the kernel as one (UDP_SEGMENT); with runs of 1 the kernel takes every packet by itself, which costs it more
 * than 4 µs, tunnel or not. What counts is what the receiving program was given, from half a second after the first packet on.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { AF_INET, SO_RCVBUFFORCE, SOCK_DGRAM, SOL_SOCKET } from '../../core/system/ffi/constants.ts';
import { IOVEC, MMSGHDR, MSGHDR, SOCKADDR_IN } from '../../core/system/ffi/layouts.ts';
import { bind, errno, errnoName, recvmmsg, sendmmsg, setsockopt, socket } from '../../core/system/ffi/libc.ts';
import { addressOfBuffer } from '../../core/system/linux/buffers.ts';
import type { Namespace } from '../lab/namespace.ts';
import { listening } from './support.ts';

export interface PacketCount {
  readonly packets: number;
  readonly seconds: number;
}

const PROGRAM = fileURLToPath(import.meta.url);
const PORT = 5300;
/** Packets, or runs of them, that are handed over together. */
const BATCH = 64;
const LEAD_IN_MS = 500;
const SO_RCVTIMEO = 20;
/** linux/socket.h: after the first packet take only what is there. */
const MSG_WAITFORONE = 0x10000;
/** linux/udp.h */
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const UDP_GRO = 104;

export interface PacketStream {
  /** Of each packet. */
  readonly octets: number;
  readonly seconds: number;
  readonly perSecond: number;
  /** Packets that the sender hands over as one. */
  readonly run: number;
}

/** Packets per second that arrive, and that were sent. */
export async function packetsPerSecond(
  from: Namespace,
  to: Namespace,
  host: string,
  { octets, seconds, perSecond, run }: PacketStream,
): Promise<{ readonly arrived: number; readonly sent: number }> {
  const window = seconds * 1000;
  const receiver = to.spawn([process.execPath, PROGRAM, 'receive', ...[PORT, octets, window].map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  receiver.stdout?.on('data', (text: string) => {
    said += text;
  });
  const ended = new Promise<void>((resolve) => receiver.once('close', () => resolve()));
  await listening(receiver, /ready/, 'the receiver');
  const lasts = window + 2 * LEAD_IN_MS;
  const numbers = [PORT, octets, lasts, perSecond, run].map(String);
  const sent = await from.must([process.execPath, PROGRAM, 'send', host, ...numbers]);
  await ended;
  const count: PacketCount = JSON.parse(said.slice(said.indexOf('{')));
  return { arrived: count.packets / count.seconds, sent: Number(sent) / (lasts / 1000) };
}

/** A run of messages of one size that all lie in one buffer, for sendmmsg and recvmmsg. */
class Messages {
  readonly #headers = new Uint8Array(BATCH * MMSGHDR.size);
  readonly #vectors = new Uint8Array(BATCH * IOVEC.size);
  readonly #data: Uint8Array;
  readonly #name: Uint8Array<ArrayBuffer>;
  readonly address: number;

  constructor(octets: number, name: Uint8Array<ArrayBuffer> = new Uint8Array(0)) {
    this.#data = new Uint8Array(BATCH * octets);
    this.#name = name;
    this.address = addressOfBuffer(this.#headers);
    const headers = new DataView(this.#headers.buffer);
    const vectors = new DataView(this.#vectors.buffer);
    for (let i = 0; i < BATCH; i++) {
      const vector = i * IOVEC.size;
      vectors.setBigUint64(vector + IOVEC.offset.base, BigInt(addressOfBuffer(this.#data) + i * octets), true);
      vectors.setBigUint64(vector + IOVEC.offset.length, BigInt(octets), true);
      const header = i * MMSGHDR.size + MMSGHDR.offset.header;
      headers.setBigUint64(header + MSGHDR.offset.iov, BigInt(addressOfBuffer(this.#vectors) + vector), true);
      headers.setBigUint64(header + MSGHDR.offset.iovLength, 1n, true);
      if (name.length === 0) continue;
      headers.setBigUint64(header + MSGHDR.offset.name, BigInt(addressOfBuffer(this.#name)), true);
      headers.setUint32(header + MSGHDR.offset.nameLength, name.length, true);
    }
  }

  /** Transferred by the first so many messages. */
  octets(count: number): number {
    const headers = new DataView(this.#headers.buffer);
    let sum = 0;
    for (let i = 0; i < count; i++) sum += headers.getUint32(i * MMSGHDR.size + MMSGHDR.offset.length, true);
    return sum;
  }
}

function receive(port: number, octets: number, window: number): void {
  const fd = openSocket();
  const local = ipv4('0.0.0.0', port);
  if (bind(fd, addressOfBuffer(local), local.length) < 0) throw new Error(`bind: ${errnoName(errno())}`);
  setOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, Int32Array.of(8 << 20));
  setOption(fd, SOL_UDP, UDP_GRO, Int32Array.of(1));
  // Whoever waits longer than this for a packet will get none.
  setOption(fd, SOL_SOCKET, SO_RCVTIMEO, BigInt64Array.of(3n, 0n));
  const messages = new Messages(64 * 1024);
  process.stdout.write('ready\n');
  /** -1 when none comes. */
  const next = (): number => {
    const count = recvmmsg(fd, messages.address, BATCH, MSG_WAITFORONE, 0);
    return count < 0 ? count : messages.octets(count) / octets;
  };
  let packets = 0;
  if (next() < 0) throw new Error('no packet arrived');
  const from = performance.now() + LEAD_IN_MS;
  let now = performance.now();
  while (now < from + window) {
    const count = next();
    now = performance.now();
    if (count < 0) break;
    if (now >= from && now < from + window) packets += count;
  }
  process.stdout.write(`${JSON.stringify({ packets, seconds: window / 1000 } satisfies PacketCount)}\n`);
}

async function send(host: string, port: number, octets: number, lasts: number, perSecond: number, run: number): Promise<void> {
  const fd = openSocket();
  if (run > 1) setOption(fd, SOL_UDP, UDP_SEGMENT, Int32Array.of(octets));
  const messages = new Messages(octets * run, ipv4(host, port));
  const atOnce = Math.max(1, Math.round(BATCH / run));
  const started = performance.now();
  let sent = 0;
  for (let now = started; now < started + lasts; now = performance.now()) {
    if (perSecond > 0 && sent > ((now - started) / 1000) * perSecond) {
      await sleep(1);
      continue;
    }
    const count = sendmmsg(fd, messages.address, atOnce, 0);
    if (count > 0) sent += count * run;
  }
  process.stdout.write(`${sent}\n`);
}

function openSocket(): number {
  const fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) throw new Error(`socket: ${errnoName(errno())}`);
  return fd;
}

function setOption(fd: number, level: number, name: number, value: Int32Array | BigInt64Array): void {
  const octets = new Uint8Array(value.buffer);
  if (setsockopt(fd, level, name, addressOfBuffer(octets), octets.length) < 0)
    throw new Error(`setsockopt ${name}: ${errnoName(errno())}`);
}

function ipv4(address: string, port: number): Uint8Array<ArrayBuffer> {
  const octets = new Uint8Array(SOCKADDR_IN.size);
  const view = new DataView(octets.buffer);
  view.setUint16(SOCKADDR_IN.offset.family, AF_INET, true);
  view.setUint16(SOCKADDR_IN.offset.port, port);
  octets.set(address.split('.').map(Number), SOCKADDR_IN.offset.address);
  return octets;
}

if (process.argv[1] === PROGRAM) {
  const [verb, ...rest] = process.argv.slice(2);
  if (verb === 'receive') {
    const [port, octets, window] = rest.map(Number);
    receive(port, octets, window);
  } else {
    const [port, octets, lasts, perSecond, run] = rest.slice(1).map(Number);
    await send(rest[0], port, octets, lasts, perSecond, run);
  }
}
